"""A run as its directory has it: each file is read when it is first asked for, and once; its config as flat keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakValueDictionary

from nnrun import __version__
from nnrun.config.values import Settings, Tree
from nnrun.engine.scores import scores_of_row
from nnrun.errors import ConfigError, DataError
from nnrun.files import checksum, is_sealed
from nnrun.installation import NAME
from nnrun.machine.lazily import cached_property
from nnrun.runs.finding import best_in, is_search, name_of
from nnrun.runs.members import members_of, read_ensemble
from nnrun.runs.reading import RESTORE, read_document
from nnrun.runs.records import ENDED, TRAINED, Event, Final, Number, Row, RunRecord, RunStatus, numbers
from nnrun.runs.rundir import DATA, RECORD, RESOLVED, RunDir
from nnrun.runs.together import NESTED, mean_rows, member_records, rows_together, told_of

if TYPE_CHECKING:
    from nnrun.config.config import Config
    from nnrun.config.load import Loaded
    from nnrun.data.fitted import Fitted

UNDER_WAY = (*TRAINED, "failed")  # status in run.json of what has not written its result
DEEPEST = 20  # levels of a config; nnrun writes 5
EPOCHS_SHOWN = 12  # in a table
COLUMNS = ("epoch", "step", "learning_rate", "train_loss", "cost", "train_error", "dev_loss", "dev_error", "seconds")
WRITTEN_FIRST = {"status", "created", "data", "parent"}
CHANGES = "training.changes"  # a setting whose value has dotted keys itself, by epoch
# By the checksum of data.json while a run that was read has it: runs on the same data share one, which may be large.
_FITTED: WeakValueDictionary[str, Fitted] = WeakValueDictionary()
IGNORED = ("search.", "tracking")  # keys of the config that training one network ignores, or that change nothing


@dataclass(frozen=True, eq=False)
class StoredRun:
    """A run, or a search, that is only read: it stays what it was when a file of it was first asked for.

    Who waits for a change, or has made one, takes a new view.
    """

    directory: RunDir

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.directory.path

    @property
    def id(self) -> str:
        """The directory's name."""
        return self.directory.id

    @property
    def name(self) -> str:
        """The run's name as it is typed: its id, or SEARCH/trials/0007."""
        return name_of(self.directory)

    @property
    def is_search(self) -> bool:
        """Whether it is a search, and no run."""
        return is_search(self.directory)

    @cached_property
    def best(self) -> StoredRun | None:
        """The best run of a search; None where there is none yet, or where this is no search."""
        best = best_in(self.directory)
        return None if best is None else StoredRun(best)

    # what it was to be

    @cached_property
    def text(self) -> bytes:
        """resolved.yaml, byte for byte; DataError where it is missing or damaged."""
        return self.directory.read_yaml(RESOLVED)

    @cached_property
    def config(self) -> Config:
        """The resolved configuration; ConfigError where it is none."""
        return self.loaded().config

    @cached_property
    def latest(self) -> Config:
        """The configuration as it holds in the last epoch so far."""
        from nnrun.config.changes import at

        return at(self.config, max(1, self.epoch)) if self.config.training.changes else self.config

    def loaded(self, overrides: Sequence[str] = ()) -> Loaded:
        """The configuration with overrides, and where each value stands; ConfigError as for a file."""
        from nnrun.config.load import load_config

        try:
            return load_config(self.directory.resolved, overrides, self.text)
        except ConfigError as error:
            if overrides:
                self.loaded()  # raises what is wrong with the file itself
                raise
            raise self._unread(error) from None

    def _unread(self, error: ConfigError) -> ConfigError:
        """The error, led by which nnrun wrote resolved.yaml where that is what is wrong: each reads what it writes."""
        file = str(self.directory.resolved)
        if not any(problem.startswith(f"{file}:") for problem in error.problems):
            return error
        try:
            writer = self.written["versions"]["nnrun"]
        except (DataError, KeyError):
            return error
        other = writer != __version__
        if not other and not is_sealed(self.text):  # it may have been changed by hand
            return error
        wrote = f"{NAME} {writer}" if other else f"another {NAME} {writer}"
        return ConfigError([f"{file}: written by {wrote}, and this is {NAME} {__version__}", *error.problems])

    @cached_property
    def settings(self) -> Settings:
        """Every setting by its dotted key, see `settings_of`."""
        return settings_of(self)

    @cached_property
    def data(self) -> Fitted:
        """data.json: the columns, the target and the split; DataError where it is missing or damaged."""
        from nnrun.data.fitted import Document, Fitted

        content = self.directory.read(DATA)
        fitted = _FITTED.get(same := checksum(content))
        if fitted is None:
            document = read_document(content, str(self.directory.path / DATA), Document)
            fitted = _FITTED[same] = Fitted(cast(Document, document))
        return fitted

    # what became of it

    @cached_property
    def written(self) -> RunRecord:
        """run.json as it was written; DataError where it is missing or damaged."""
        return self.directory.read_record()

    @cached_property
    def status(self) -> RunStatus:
        """created, running, paused, done, diverged, failed or interrupted."""
        return self.directory.status_of(self.written)

    @cached_property
    def begun(self) -> list[StoredRun]:
        """The folds that have begun of a run that is not over; none of a run of another kind."""
        over = self.written.get("status") in ENDED
        return [] if over else [StoredRun(fold) for fold in members_of(self.directory) if fold.exists]

    @cached_property
    def record(self) -> RunRecord:
        """run.json with the status of the moment, and the rows and members of those folds that are told of so far."""
        now: RunRecord = self.written | {"status": self.status}
        if not (folds := told_of(self.begun)):
            return now
        by_time, weights = self.settings.get("data.time") is not None, read_ensemble(self.directory)["weights"]
        try:
            return now | {
                "data": rows_together(now["data"], folds, by_time),
                "members": member_records(folds, weights),
            }
        except (KeyError, TypeError, AttributeError) as error:
            raise lacks_record(self) from error

    @property
    def under_way(self) -> bool:
        """Whether it is running, was killed, failed or has folds to train: what run.json says is from before that."""
        return self.written.get("status") in UNDER_WAY or bool(self.begun)

    @property
    def final(self) -> Final:
        """The numbers of the best epoch on each part; empty while there is no result."""
        return {} if self.under_way else self.record.get("final") or {}

    @cached_property
    def rows(self) -> list[Row]:
        """One record an epoch; of folds that are not all over the mean of those that are told of."""
        return mean_rows([fold.rows for fold in told_of(self.begun)]) if self.begun else self.directory.metrics()

    @property
    def epoch(self) -> int:
        """The epoch at whose end it stands: a child of `resume --set` has rows of those after the fork alone."""
        if self.rows:
            return self.rows[-1]["epoch"]
        parent = self.written.get("parent")
        return parent["epoch"] if parent and "state" not in parent else 0  # a child that rewinds has rows, or none yet

    @property
    def flat_rows(self) -> list[dict[str, Number]]:
        """One record an epoch for a table: without what is more than one number."""
        return [{key: value for key, value in numbers(row).items() if key not in NESTED} for row in self.rows]

    def changes_until(self, epoch: int) -> list[Event]:
        """What it was nudged to until then, which a child inherits."""
        return [event for event in self.events if event["event"] == "changed" and (event["epoch"] or 0) <= epoch]

    def changes_left(self, epoch: int, keys: Sequence[str]) -> list[Event]:
        """What a child of that epoch inherits that sets these keys: also later nudges, as of a pause, of others."""
        from nnrun.config.changes import is_below

        until, every = self.changes_until(epoch), [event for event in self.events if event["event"] == "changed"]
        return [one for one in every if one in until or not any(is_below(one["key"], key) for key in keys)]

    @cached_property
    def events(self) -> list[Event]:
        """What happened besides epochs."""
        return self.directory.events()


def head_of(run: StoredRun) -> RunRecord:
    """run.json with the status as it is now; DataError where it holds no record of a run."""
    if not run.written.keys() >= WRITTEN_FIRST or "rows" not in run.written["data"]:
        raise lacks_record(run)
    return run.record


def lacks_record(run: StoredRun) -> DataError:
    """Why run.json is refused that has not the keys of a run, or other things under them."""
    return DataError(f"{run.path / RECORD}: holds no record of a run")


def ended_with_rung(record: RunRecord, config: Config) -> bool:
    """Whether a trial has fewer epochs than its config plans as its rung was over, and not as it fell behind others."""
    return bool(record.get("pruned")) and not config.search.prune


def record_of(run: StoredRun) -> RunRecord:
    """What `head_of` reads, with the epochs of a run that is running, was killed or failed and wrote no result yet.

    What stands there from before it was resumed is left out.
    """
    record = head_of(run)
    if run.under_way and not run.is_search:
        seconds = sum(row["seconds"] for part in run.begun or [run] for row in part.rows)
        return record | {"epochs": run.epoch, "seconds": seconds, "final": None, "best_epoch": None}
    return record


def best_row(rows: Iterable[Row], primary: str) -> Mapping[str, Number]:
    """The best by the primary metric of the epochs that have an error on train and dev; empty where none has."""
    epochs = map(numbers, rows)
    judged = (row for row in epochs if row.get("dev_error") is not None and row.get("train_error") is not None)
    return min(judged, key=lambda row: (scores_of_row(row, primary), row["epoch"]), default={})


def settings_of(run: StoredRun) -> Settings:
    """Every setting of the run by its dotted key, those of a search left out; DataError where they cannot be read."""
    values = yaml_of(run.directory, RESOLVED)
    return {key: value for key, value in flat(values) if not key.startswith(IGNORED)}


def yaml_of(directory: RunDir, file: str) -> Tree:
    """The plain values of a file that nnrun wrote; DataError where it is damaged."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # eight times as fast, where it was built
    content = directory.read_yaml(file)
    try:
        _refuse_bomb(yaml.parse(content, Loader=loader))
        values = yaml.load(content, Loader=loader)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise DataError(f"{directory.path / file}: not valid YAML; {RESTORE}") from error
    if not isinstance(values, dict):
        raise DataError(f"{directory.path / file}: holds no settings; {RESTORE}")
    return values


def _refuse_bomb(events: Iterable[Any]) -> None:
    """Before any value is built: an alias may stand for millions of them, and deep nesting overruns the stack of C."""
    import yaml

    depth = 0
    for event in events:
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST or isinstance(event, yaml.AliasEvent):
            raise ValueError("nnrun writes no such file")


def flat(values: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The values at the ends of mappings by dotted key; what is to change on the way is one of them."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value and f"{prefix}{key}" != CHANGES:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def some_of(rows: Sequence[Row], best: float | None) -> list[Row]:
    """The first and the last epoch, some between, evenly spaced, and the best one: as many as a table shows."""
    last = len(rows) - 1
    spaced = {round(i * last / (EPOCHS_SHOWN - 1)) for i in range(EPOCHS_SHOWN)}
    return [row for i, row in enumerate(rows) if i in spaced or row["epoch"] == best]
