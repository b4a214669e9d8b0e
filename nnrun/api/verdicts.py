"""The verdict on a run, and what can be known before training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnrun.api.pictures import facts
from nnrun.api.runs import RUNS, Run, loaded_from
from nnrun.api.searches import Search
from nnrun.config.load import EXAMPLE
from nnrun.insight.diagnosis import verbs
from nnrun.insight.diagnosis.searches import of_a_search
from nnrun.insight.preflight.verbs import open_context, preflight
from nnrun.installation import elsewhere
from nnrun.runs.finding import find_run
from nnrun.runs.stored import StoredRun

if TYPE_CHECKING:
    from nnrun.config.load import Loaded
    from nnrun.insight.diagnosis.telling import Action, Document
    from nnrun.runs.symptoms.evidence import Finding
    from nnrun.runs.verdict import Verdict


class Diagnosis:
    """Bias or variance, how sure that is, and what to do next. Printed it is what `nnrun diagnose` shows."""

    def __init__(self, found: verbs.Diagnosis) -> None:
        self._found = found

    @property
    def verdict(self) -> Verdict | None:
        """The errors by set and the gaps between them; None where a run diverged before it had any."""
        return self._found.verdict

    @property
    def told(self) -> str:
        """The verdict in a sentence."""
        return self._found.told

    @property
    def high(self) -> set[str]:
        """The kinds that are high: bias, variance, mismatch, dev_overfit."""
        return self._found.high

    @property
    def actions(self) -> list[Action]:
        """What to do next, the most promising first: why, and the command."""
        return self._found.actions

    @property
    def document(self) -> Document:
        """What `nnrun diagnose --json` prints."""
        return self._found.document

    def _repr_html_(self) -> str:
        return facts(self.told, [(f"{place}. {action.why}", action.command)
                                 for place, action in enumerate(self.actions, start=1)])  # fmt: skip

    def __str__(self) -> str:
        return "\n".join(self._found.page)

    def __repr__(self) -> str:
        return f"<Diagnosis: {self.told}>"


def diagnose(
    run: Run | Search | str = "latest",
    base_error: float | None = None,
    tolerance: float | None = None,
    runs: str | Path = RUNS,
) -> Diagnosis:
    """The verdict on a run, or on a search by its best trial; errors are fractions, None means the config's.

    UsageError where there is nothing to judge yet.
    """
    found = StoredRun(find_run(Path(runs), run) if isinstance(run, str) else run.directory)
    options = elsewhere(Path(runs))
    if found.is_search:
        return Diagnosis(of_a_search(found, base_error, tolerance, EXAMPLE, options))
    return Diagnosis(verbs.of_a_run(found, base_error, tolerance, EXAMPLE, options))


class Checks(Mapping[str, "Finding"]):
    """What `nnrun check` finds, by the name of each check: status, text, cure, and the numbers behind it."""

    def __init__(self, findings: Mapping[str, Finding]) -> None:
        self._findings = dict(findings)

    def __getitem__(self, name: str) -> Finding:
        return self._findings[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._findings)

    def __len__(self) -> int:
        return len(self._findings)

    @property
    def failed(self) -> list[str]:
        """The names of the checks that failed."""
        return [name for name, finding in self.items() if finding.status == "fail"]

    def _repr_html_(self) -> str:
        told = {name: f"{found.status}: {found.text}" + (f"; cure: {found.cure}" if found.cure else "")
                for name, found in self.items()}  # fmt: skip
        return facts(repr(self)[1:-1], told.items())

    def __repr__(self) -> str:
        statuses = [finding.status for finding in self.values()]
        return f"<Checks: {', '.join(f'{statuses.count(word)} {word}' for word in ('pass', 'warn', 'fail'))}>"


def check(
    config: Loaded | Mapping[str, Any] | str | Path, overrides: Sequence[str] = (), runs: str | Path = RUNS
) -> Checks:
    """Look for faults in data and network before training; prepared data is kept under `runs`, no run is made.

    Raises ConfigError or DataError for what cannot be read.
    """
    return Checks(dict(preflight(open_context(loaded_from(config, overrides), Path(runs)))))
