"""What can be known before training, the verdict on a run, and runs side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnrun.api.arguments import checked
from nnrun.api.configs import RUNS, loaded_from
from nnrun.api.runs import Run
from nnrun.api.searches import Search, directory_of
from nnrun.config.load import EXAMPLE
from nnrun.errors import UsageError
from nnrun.insight.comparison import differences, telling
from nnrun.insight.comparison.lines import rows
from nnrun.insight.comparison.listing import Entry, select
from nnrun.insight.diagnosis import verbs
from nnrun.insight.diagnosis.searches import looked_at
from nnrun.insight.preflight.verbs import counts_line, finding_lines, open_context, preflight, probe
from nnrun.installation import elsewhere
from nnrun.runs.finding import from_here
from nnrun.runs.finding import list_runs as all_runs
from nnrun.runs.stored import StoredRun

if TYPE_CHECKING:
    import pandas as pd

    from nnrun.config.load import Loaded
    from nnrun.insight.diagnosis.base_error import BaseEstimate
    from nnrun.insight.diagnosis.learning_curve import LearningCurve
    from nnrun.insight.diagnosis.regions import Regions
    from nnrun.insight.diagnosis.telling import Action, Document
    from nnrun.runs.frames import Tables
    from nnrun.runs.symptoms.evidence import Finding
    from nnrun.runs.verdict import Verdict


class Diagnosis:
    """Bias or variance, how sure that is, and what to do next. Printed it is what `nnrun diagnose` shows."""

    def __init__(self, found: verbs.Diagnosis, closer: Mapping[str, verbs.Look]) -> None:
        self._found, self._closer = found, closer

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

    @property
    def looks(self) -> dict[str, Regions | BaseEstimate | LearningCurve]:
        """The closer looks that were taken, as in the same JSON: regions, base_estimate, learning_curve."""
        return {name: look.document for name, look in self._closer.items()}

    def _repr_html_(self) -> str:
        from nnrun.report.telling import diagnosis_card

        return str(diagnosis_card(self._found, self._closer.values()))

    def __str__(self) -> str:
        further = (line for look in self._closer.values() for line in ("", *look.lines))
        return "\n".join([*self._found.page, *further])

    def __repr__(self) -> str:
        return f"<Diagnosis: {self.told}>"


@checked
def diagnose(
    run: Run | Search | str | Path = "latest",
    base_error: float | None = None,
    tolerance: float | None = None,
    runs: str | Path = RUNS,
    *,
    by: str | None = None,
    estimate_base: bool = False,
    learning_curve: bool = False,
) -> Diagnosis:
    """The verdict on a run, or on a search by its best trial; errors are fractions, None means the config's.

    Closer looks are taken if asked for: `by` a column, such as the target, errors by its values; `estimate_base` bounds
    the base error by nearest neighbours; `learning_curve` trains on parts of the data. Raises UsageError where there is
    nothing to judge yet, DataError where a look needs data that is gone.
    """
    for name, error in (("base-error", base_error), ("tolerance", tolerance)):
        if error is not None and not 0 <= error < 1:
            raise UsageError(f"--{name} {error}: an error is a fraction, such as 0.15")
    found = StoredRun(from_here(directory_of(run, runs)))
    options = elsewhere(found.path.parent)
    looks = verbs.Looks(by, estimate_base, learning_curve, verbs.nobody, ascii_only=False)
    return Diagnosis(*looked_at(found, base_error, tolerance, EXAMPLE, options, looks))


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
        from nnrun.report.telling import checks_card

        return str(checks_card(self._findings, self._counts))

    def __str__(self) -> str:
        lines = [line for name, finding in self.items() for line in finding_lines(name, finding)]
        return "\n".join([*lines, self._counts])

    def __repr__(self) -> str:
        return f"<Checks: {self._counts}>"

    @property
    def _counts(self) -> str:
        return counts_line(Counter(finding.status for finding in self.values()))


@checked
def check(
    config: Loaded | Mapping[str, Any] | str | Path,
    overrides: Sequence[str] = (),
    runs: str | Path = RUNS,
    epsilon: float | None = None,
    every: bool = False,
    data: Tables | None = None,
) -> Checks:
    """Look for faults in data and network before training; prepared data is kept under `runs`, no run is made.

    `epsilon` is the step of the gradient check, if not the usual 1e-5; with `every` it takes all parameters; `data` is
    a DataFrame, as for `train`. Raises ConfigError or DataError for what cannot be read, UsageError for a step that
    cannot be.
    """
    context = open_context(loaded_from(config, overrides, data, runs), Path(runs), how=probe(epsilon, every))
    return Checks(dict(preflight(context)))


class Comparison:
    """Runs side by side. Printed it is what `nnrun compare` shows."""

    def __init__(self, found: differences.Comparison) -> None:
        self._found = found

    @property
    def why_not(self) -> str | None:
        """Why their errors cannot be compared; None where they can."""
        return self._found.apart

    @property
    def table(self) -> pd.DataFrame:
        """A row a run by its letter: its name, then the settings and the numbers of the best epoch that differ."""
        import pandas as pd

        return pd.DataFrame(telling.rows(self._found)).set_index("label")

    @property
    def document(self) -> telling.Document:
        """What `nnrun compare --json` prints."""
        return telling.plain(self._found)

    def _repr_html_(self) -> str:
        from nnrun.report.telling import comparison_card

        return str(comparison_card(self._found))

    def __str__(self) -> str:
        return "\n".join(telling.markdown(self._found))

    def __repr__(self) -> str:
        return f"<Comparison: {', '.join(run.name for run in self._found.runs)}>"


@checked
def compare(
    compared: Sequence[Run | Search | str | Path], everything: bool = False, runs: str | Path = RUNS
) -> Comparison:
    """What differs between runs, of a search its best, and what the seed may explain; or `everything`.

    Raises UsageError for fewer than two, or for one that is not there or has no result.
    """
    named = [str(one.path if isinstance(one, (Run, Search)) else one) for one in compared]
    return Comparison(differences.compare(Path(runs), named, everything))


@checked
def list_runs(
    filters: Sequence[str] = (), sort: str | None = None, reverse: bool = False, runs: str | Path = RUNS
) -> pd.DataFrame:
    """A row a run or search, by id, oldest first: facts, and the numbers of its best epoch, of a search its best trial.

    `filters` such as "status=done", "name=digits*" or "dev_error<5%"; `sort` is a number of a run or a key of the
    config. Raises UsageError for a condition that cannot be, or a key that no run has.
    """
    import pandas as pd

    found = select([Entry(StoredRun(run)) for run in all_runs(Path(runs))], filters, sort, reverse)
    return pd.DataFrame(rows(found), columns=None if found else ["id"]).set_index("id")
