"""Improvements: the recipe, run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnrun.api.arguments import checked
from nnrun.api.configs import RUNS, loaded_from
from nnrun.api.runs import Run
from nnrun.api.searches import Search, directory_of, options_here
from nnrun.errors import UsageError
from nnrun.improving import verbs
from nnrun.improving.record import IMPROVED, Ending, StepRecord, read, read_steps
from nnrun.improving.standing import Teller
from nnrun.installation import elsewhere
from nnrun.runs.kinds import kind_of
from nnrun.search.study import Watcher

if TYPE_CHECKING:
    import pandas as pd

    from nnrun.config.load import Loaded
    from nnrun.runs.frames import Tables


class Improvement(Search):
    """The directory of an improvement, read when asked: a search whose trials are the trainings of its steps."""

    @property
    def ending(self) -> Ending | None:
        """Why it ended and what came of it; None where it was stopped."""
        return read(self.directory)["ending"]

    @property
    def step_records(self) -> list[StepRecord]:
        """The lines of steps.jsonl."""
        return read_steps(self.directory)

    @property
    def steps(self) -> pd.DataFrame:
        """A row a step: the rule, dev errors before and after, the gain with its 95% interval, verdict and reason."""
        import pandas as pd

        kept = ("number", "rule", "before", "after", "verdict", "reason", "epochs", "command")
        ends = ("gain", "low", "high")
        rows = [{key: dict(step)[key] for key in kept} | {end: dict(step["evidence"] or {}).get(end) for end in ends}
                for step in self.step_records]  # fmt: skip
        return pd.DataFrame(rows, columns=[*kept, *ends]).set_index("number")

    @property
    def config_path(self) -> Path:
        """The config as it was written with the adopted changes in their places."""
        return self.path / IMPROVED

    def _repr_html_(self) -> str:
        from nnrun.report.telling import improvement_card

        return str(improvement_card(self._stored.run))


@checked
def improve(
    config: Loaded | Mapping[str, Any] | str | Path | Run,
    budget: str = "10m",
    target: float | None = None,
    seeds: int = 5,
    workers: int | None = None,
    overrides: Sequence[str] = (),
    runs: str | Path = RUNS,
    data: Tables | None = None,
) -> Improvement:
    """Diagnose, change, train, and keep what is proved better, until a dev error of `target` or the budget is spent.

    `budget` is a time such as "10m", or "2000epochs", or "30runs"; `workers` as for `search`, `data` as for `train`.
    Raises UsageError for a budget that cannot be, ConfigError or DataError before anything is trained.
    """
    path = config._stored.directory.resolved if isinstance(config, Run) else config
    loaded = loaded_from(path, overrides, data, runs)
    asked = verbs.ImproveRequest(budget, target, seeds, loaded.path, loaded.overrides, elsewhere(Path(runs)))
    return Improvement(
        verbs.begin(loaded, asked, Path(runs).absolute(), options_here(workers), Watcher(), Teller()).run
    )


@checked
def load_improvement(improvement: str | Path = "latest", runs: str | Path = RUNS) -> Improvement:
    """The improvement that a path, an id, a unique prefix or `latest` means; UsageError where it is none."""
    found = directory_of(improvement, runs)
    if kind_of(found) != "improvement":
        raise UsageError(f"{found.id} is no improvement")
    return Improvement(found)
