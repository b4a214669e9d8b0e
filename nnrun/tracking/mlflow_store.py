"""MLflow: a run there a run here, by MLflow's own client: into a file, or to the server that the team has.

Numbers are logged with the epoch as step. A run that MLflow knows already is gone on with where its numbers are those
that are here, so that what others wrote on it stays; else it is deleted there and logged anew.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from nnrun.config.values import Settings
from nnrun.errors import NnrunError, UsageError, without_password
from nnrun.installation import require_extra
from nnrun.text import shortened, yaml_text
from nnrun.tracking.story import Ending, Story, numbers_of, times_of

FILE = "mlflow.db"  # beside the runs
SERVER, EXPERIMENT = "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"  # variables of MLflow's own
USUAL = "nnrun"  # experiment
OURS, WHOLE = "nnrun.id", "mlflow.parentRunId"
AT_ONCE, SETTINGS_AT_ONCE = 900, 100  # in a call; MLflow takes a little more
LONGEST = 500  # characters of a setting, as older servers take
STATUS = {"done": "FINISHED", "diverged": "FAILED", "failed": "FAILED", "interrupted": "KILLED"}


def require() -> None:
    """UsageError where its library is missing."""
    require_extra("MLflow's runs need", "mlflow")


def command_to_look(where: str) -> str:
    """What a person types to look at it."""
    return f"mlflow ui --backend-store-uri {without_password(address(where))}"


def address(where: str) -> str:
    """A file by its path as MLflow has it; what is an address already as it is."""
    return where if "://" in where else f"sqlite:///{where}"


Method = TypeVar("Method", bound=Callable[..., Any])


def plainly(method: Method) -> Method:
    """What MLflow complains of as an NnrunError, such as a server that does not answer."""

    @functools.wraps(method)
    def wrapper(*args: Any) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            return method(*args)
        except MlflowException as error:
            raise NnrunError(without_password(f"MLflow: {error}")) from error

    return wrapper  # type: ignore[return-value]


class Mlflow:
    """An experiment, which the variable MLFLOW_EXPERIMENT_NAME may name."""

    def __init__(self, where: str) -> None:
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient

        for name in ("mlflow", "mlflow.store.db.utils", "alembic"):  # which tell of tables that they make
            logging.getLogger(name).setLevel(logging.ERROR)
        name = os.environ.get(EXPERIMENT) or USUAL
        try:
            self.client = MlflowClient(tracking_uri=address(where))
            known = self.client.get_experiment_by_name(name)
            self.experiment = known.experiment_id if known else self.client.create_experiment(name)
        except (MlflowException, ImportError) as error:
            raise UsageError(without_password(f"{where}: MLflow cannot write there: {error}")) from None
        self._ids: dict[str, str] = {}  # of what was told of by this process

    @plainly
    def begin(self, story: Story, rows: Sequence[Mapping[str, Any]]) -> ToldMlflow:
        """Gone on with where it is the same, else anew."""
        self._ids |= {} if story.name in self._ids else self._known(story)
        if known := self._ids.get(story.name):
            count = self._told(known, story, rows)
            if count is not None:
                return ToldMlflow(self.client, known, count)
            self.client.delete_run(known)
        tags = {"mlflow.runName": story.name, OURS: story.name}
        if story.whole and story.whole in self._ids:
            tags[WHOLE] = self._ids[story.whole]
        run = self.client.create_run(self.experiment, start_time=round(1000 * story.began), tags=tags)
        self._ids[story.name] = run.info.run_id
        for some in _pieces(list(_settings(story.settings).items()), SETTINGS_AT_ONCE):
            self.client.log_batch(run.info.run_id, params=[_param(*pair) for pair in some])
        return ToldMlflow(self.client, run.info.run_id, 0)

    def _known(self, story: Story) -> dict[str, str]:
        """The run there by its name here, and those that belong to it; they are looked for with their whole."""
        found: dict[str, str] = {}
        if story.whole not in self._ids:
            for run in self._search(f"tags.`{OURS}` = '{_quoted(story.name)}'"):
                found[story.name] = run.info.run_id
                for part in self._search(f"tags.`{WHOLE}` = '{run.info.run_id}'"):
                    found[part.data.tags.get(OURS, "")] = part.info.run_id
        return found

    def _search(self, condition: str) -> Iterator[Any]:
        token = None
        while True:
            page = self.client.search_runs([self.experiment], condition, max_results=1000, page_token=token)
            yield from page
            if not (token := page.token):
                return

    def _told(self, known: str, story: Story, rows: Sequence[Mapping[str, Any]]) -> int | None:
        """How many epochs it has there, None where they or the settings are others than here."""
        if self.client.get_run(known).data.params != _settings(story.settings):
            return None
        here = {int(row["epoch"]): numbers_of(row).get("dev_loss") for row in rows}
        there = {each.step: each.value for each in self.client.get_metric_history(known, "dev_loss")}
        same = all(here.get(step) == value for step, value in there.items())
        last = max(there, default=0)
        complete = all(step in there for step, value in here.items() if step <= last and value is not None)
        return sum(step <= last for step in here) if same and complete else None


class ToldMlflow:
    """One run."""

    def __init__(self, client: Any, run: str, known: int) -> None:
        self.client, self.run, self.known = client, run, known
        client.update_run(run, status="RUNNING")

    @plainly
    def epochs(self, rows: Sequence[Mapping[str, Any]], began: float) -> None:
        """Whole epochs in each call, as what is there of one is taken for all of it."""
        from mlflow.entities import Metric

        waiting: list[Any] = []
        for row, time in times_of(rows, began):
            named = sorted(numbers_of(row).items())
            metrics = [Metric(key, value, round(1000 * time), int(row["epoch"])) for key, value in named]
            if len(waiting) + len(metrics) > AT_ONCE:
                self._log(waiting)
                waiting = []
            waiting += metrics
        self._log(waiting)

    def _log(self, metrics: Sequence[Any]) -> None:
        for some in _pieces(metrics, AT_ONCE):
            self.client.log_batch(self.run, metrics=some)

    @plainly
    def end(self, ending: Ending) -> None:
        """The best epoch as numbers of their own, verdict, tags and note."""
        from mlflow.entities import Metric, RunTag

        ended = round(1000 * ending.ended) if ending.ended else None
        there = self.client.get_run(self.run).data.metrics
        best = {f"best_{key}": value for key, value in ending.best.items() if there.get(f"best_{key}") != value}
        self._log([Metric(key, value, ended or 0, ending.best_epoch or 0) for key, value in best.items()])
        told = {"status": ending.status, "verdict": ending.verdict, "tags": ", ".join(ending.tags)}
        tags = [RunTag(f"nnrun.{name}", text) for name, text in told.items()]
        tags += [RunTag("mlflow.note.content", ending.note)] if ending.note else []
        self.client.log_batch(self.run, tags=tags)
        if status := STATUS.get(ending.status):
            self.client.set_terminated(self.run, status, end_time=ended)


def _settings(settings: Settings) -> dict[str, str]:
    return {key: shortened(yaml_text(value), LONGEST) for key, value in settings.items()}


def _param(key: str, value: str) -> Any:
    from mlflow.entities import Param

    return Param(key, value)


def _quoted(name: str) -> str:
    return name.replace("\\", "\\\\").replace("'", "\\'")


def _pieces(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))
