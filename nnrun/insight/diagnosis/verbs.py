"""The diagnosis of bare numbers, of a run and of a search, and the closer looks that are taken if asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nnrun.config.load import load_config
from nnrun.errors import NnrunError, UsageError
from nnrun.files import to_json
from nnrun.insight.diagnosis.keeping import keep
from nnrun.insight.diagnosis.next_steps import BASE, decided_for, to_bound, to_compare, to_finish
from nnrun.insight.diagnosis.origin import Origin, origin_of
from nnrun.insight.diagnosis.recipe import REMEDIES, moves
from nnrun.insight.diagnosis.telling import (
    Action,
    Document,
    Spread,
    advice,
    as_json,
    explanation,
    first_of,
    grouping,
    ladder,
    measured_by,
    sentence,
    weighing,
)
from nnrun.installation import called, command, typed_here
from nnrun.runs.finding import without_dev
from nnrun.runs.known_rows import in_verdict
from nnrun.runs.members import epoch_of, folds_table, is_gathered
from nnrun.runs.records import ENDED, HELD, FoundSymptom, RunRecord
from nnrun.runs.rundir import DIAGNOSIS
from nnrun.runs.stored import StoredRun, best_row
from nnrun.runs.symptoms.evidence import CalmerRate, Evidence, evidence_of
from nnrun.runs.symptoms.symptoms import rate_after_divergence
from nnrun.runs.telling import folds_so_far, symptom_lines
from nnrun.runs.verdict import HIGH, Verdict, error_kind, error_name, of_run, summary, yardstick
from nnrun.text import counted, set_name, wrapped

if TYPE_CHECKING:
    from nnrun.insight.diagnosis.base_error import BaseEstimate
    from nnrun.insight.diagnosis.learning_curve import LearningCurve
    from nnrun.insight.diagnosis.regions import Regions
    from nnrun.search.state import Options

TOLD_BY = {"mismatch": "train_dev", "dev_overfit": "test"}  # sets that not everybody has
Numbers = Mapping[str, float | None]  # of one epoch, such as dev_error; empty where none is finished


@dataclass(frozen=True)
class Diagnosis:
    """A verdict, the sentence on it, the lines that explain it, and what to do next.

    `verdict` is None where a diverged run has no errors. `spread` is what a search adds to the document, `symptoms`
    what a run does that still trains.
    """

    verdict: Verdict | None
    told: str
    lines: list[str]
    actions: list[Action]
    bias: str | None = None  # what is known of it whatever the errors are
    spread: Spread | None = None
    symptoms: Sequence[FoundSymptom] = ()

    @property
    def page(self) -> list[str]:
        """What is told on a screen."""
        return self.lines + advice(self.actions)

    @property
    def document(self) -> Document:
        """What `--json` prints."""
        document = as_json(self.verdict, self.told, self.actions, self.bias)
        if self.symptoms:
            document["symptoms"] = list(self.symptoms)
        return document if self.spread is None else {**document, "trials": self.spread}

    @property
    def high(self) -> set[str]:
        """The kinds that are judged high."""
        return {kind for kind, word in self.document["verdict"].items() if word == HIGH}

    @property
    def unknown(self) -> dict[str, str]:
        """The kinds that were not judged, each with what that is for want of."""
        kinds = (kind for kind, word in self.document["verdict"].items() if word is None)
        if self.verdict is None:
            return dict.fromkeys(kinds, "of a training that diverged before it had errors")
        return {kind: f"without a {set_name(TOLD_BY[kind])} error" for kind in kinds}


def nobody(line: str) -> None:
    """Hears of what takes a moment where there is no screen."""


def of_numbers(verdict: Verdict, config: Path, named: bool, assumed: bool) -> Diagnosis:
    """Numbers alone: the recipe has a config to change, and nothing to see of how the errors came about.

    `named` says whether commands name that config; without a name they train the bundled example, which it is then.
    """
    evidence = Evidence(load_config(config).config, verdict=verdict, dev_rows=verdict.sizes.get("dev", 0))
    told = summary(verdict)
    whose = config.name if named else "the bundled digits example"
    hint = f"The commands below change {whose}. `nnrun diagnose` on a run reads its curves as well and says more."
    lines = [*ladder(verdict), "", *explanation(verdict, told, assumed=assumed), *wrapped(hint, "note     ")]
    return Diagnosis(verdict, told, lines, _actions(evidence, Origin(config if named else None)))


def of_a_run(
    run: StoredRun,
    base: float | None,
    tolerance: float | None,
    usual: Path,
    options: Sequence[str],
    tell: Callable[[str], None] = nobody,
) -> Diagnosis:
    """A run by its best epoch: the final errors, or those so far; kept in its diagnosis.json unless it is running.

    No advice changes what the trials of a search have decided. `tell` hears of what takes a moment.
    Raises UsageError where there is nothing to judge yet, or no dev row that the network has not learned.
    """
    if run.config.data.without_dev and run.status != "diverged":
        raise UsageError(without_dev(run.directory))
    record, final = run.record, _errors(run)
    evidence, assumed = considered(run, base, tolerance, decided_for(run), tell)
    verdict, diverged = evidence.verdict, run.status == "diverged"
    if verdict is None and not diverged:
        raise UsageError(_nothing_to_judge(run, final))
    of_the_recipe = _actions(evidence, origin_of(run, usual, options))
    actions = [*to_finish(run), *to_bound(run, evidence), *of_the_recipe, *to_compare(run, evidence)]
    told = sentence(verdict, evidence, bool(run.data.classes)) if verdict and not diverged else _diverged(record)
    told = " ".join([told, *in_verdict(run)])
    wrong = (record.get("symptoms") or []) if evidence.training else []
    lines = [f"run      {run.path}", *_state(run, final), *_now(run, wrong), *measured_by(evidence)]
    lines += [*folds_table(record), ""]
    if verdict is None:
        lines += wrapped(told)
    else:
        name, alike = error_name(final, record["data"]), grouping(verdict, run.config.data.group)
        said = explanation(verdict, told, name, assumed, alike)
        lines += [*ladder(verdict), "", *said, *weighing(final, error_kind(record["data"]))]
    found = Diagnosis(verdict, told, lines, first_of(actions), HIGH if diverged else None, symptoms=wrong)
    if run.status not in HELD:
        found.lines.extend(keep(run.directory, DIAGNOSIS, to_json(found.document, indent=2) + "\n"))
    return found


def considered(
    run: StoredRun,
    base: float | None = None,
    tolerance: float | None = None,
    searched: frozenset[str] = frozenset(),
    tell: Callable[[str], None] = nobody,
) -> tuple[Evidence, bool]:
    """All that the recipe looks at, the verdict among it if there is one; and whether a base error of 0 is assumed."""
    section = run.config.diagnosis
    verdict = of_run(_errors(run), run.record["data"], yardstick(section, base, tolerance))
    assumed = base is None and not section.base_error
    return _looked_into(run, replace(evidence_of(run, verdict), searched=searched), assumed, tell), assumed


def _errors(run: StoredRun) -> Numbers:
    """The final errors; where there are none yet, those of the best epoch so far."""
    return run.final or best_row(run.rows, run.config.metrics.primary)


def _nothing_to_judge(run: StoredRun, final: Numbers) -> str:
    if run.status in HELD:
        return f"{run.id} is still training and has not finished an epoch; ask again in a moment"
    if run.status in ("interrupted", "failed") and not final:
        going_on = command("resume", str(run.path))
        return f"{run.id}: {run.status} before its first epoch was finished; `{going_on}` goes on"
    lacking = [part for part in ("train", "dev") if final.get(f"{part}_error") is None]
    return f"{run.id} has no {' and no '.join(lacking)} error, so there is no gap between training and new examples"


def _state(run: StoredRun, final: Numbers) -> list[str]:
    """A line where the run is not over, or is made of others."""
    if is_gathered(run.record):
        whose = "the commands below change the config of its first member"
        return wrapped(f"an ensemble of {len(run.record['members'])} members; {whose}", "note     ")
    if run.status in ENDED:
        return []
    done = final.get("epoch")
    best = f", by epoch {done}, the best so far" if done else ""
    so_far = f" ({folds})" if (folds := folds_so_far(run.record, run.config)) else ""
    planned = counted(run.latest.training.epochs, "epoch")
    return wrapped(f"{run.status}: not all of {planned} are trained{so_far}{best}", "status   ")


def _now(run: StoredRun, symptoms: Sequence[FoundSymptom]) -> list[str]:
    """What is wrong while it trains, each with the command that may answer it."""
    return [line for symptom in symptoms for line in symptom_lines(symptom, called(run.path), typed_here)]


def _diverged(record: RunRecord) -> str:
    where = record.get("divergence")
    place = f" in {epoch_of(where)}, at layer {where['layer']}" if where else ""
    return f"High bias: training diverged{place}, so the network fits nothing."


def _looked_into(run: StoredRun, evidence: Evidence, assumed: bool, tell: Callable[[str], None]) -> Evidence:
    """With what the data show where that decides: after a divergence, rates; a linear model's error beside a high bias,
    training at its end and no base error.
    """
    if evidence.status == "diverged":
        return replace(evidence, calmer=_calmer(run, tell))
    if not (assumed and evidence.biased and (evidence.all_tried or evidence.in_vain)):
        return evidence
    from nnrun.models.baselines import linear_dev_error

    return replace(evidence, linear_error=linear_dev_error(run))


def _calmer(run: StoredRun, tell: Callable[[str], None]) -> CalmerRate | None:
    """The rate that a run's data bear, by short trainings; None where they are gone or the network is too large."""
    from nnrun.insight.range_test import calmer_rate
    from nnrun.models.trained import trained

    try:
        found = trained(run)
    except (NnrunError, OSError):
        return None
    tell("diagnose: trying lower learning rates on this data, a second or two")
    return calmer_rate(found.config, found.dataset, rate_after_divergence(found.config))


def _actions(evidence: Evidence, origin: Origin) -> list[Action]:
    return [Action(move.why, origin.command(move)) for move in moves(evidence, REMEDIES)]


REGIONS, CURVE = "regions", "learning_curve"  # looks, by their names in the document


class Look(NamedTuple):
    """What a closer look shows, for a program and for a reader."""

    document: Regions | BaseEstimate | LearningCurve
    lines: list[str]


@dataclass(frozen=True)
class Looks:
    """Which looks are asked for, where a line about a long one goes, and whether lines are drawn in ASCII alone."""

    column: str | None
    base: bool
    curve: bool
    tell: Callable[[str], None]
    ascii_only: bool
    workers: Options | None = None  # where the networks of the curve are trained, if not here

    def refuse(self) -> None:
        """UsageError if any is: errors alone have no data behind them."""
        if self.column or self.base or self.curve:
            raise UsageError("--by, --estimate-base and --learning-curve look at a run; errors alone have no data")

    def of(self, run: StoredRun, base: float | None, tolerance: float | None) -> Iterator[tuple[str, Look]]:
        """Each by its name in the document, of a run or of the best one of a search."""
        run = run.best or run
        if self.column:
            yield REGIONS, _regions(run, self.column, base, tolerance)
        if self.base:
            yield BASE, _base(run)
        if self.curve:
            yield CURVE, self._curve(run)

    def left(self, actions: Sequence[Action]) -> list[Action]:
        """What to do next besides the looks that are taken already."""
        taken = {REGIONS: bool(self.column), BASE: self.base, CURVE: self.curve}
        return [action for action in actions if not taken.get(action.look or "")]

    def _curve(self, run: StoredRun) -> Look:
        from nnrun.insight.diagnosis.curve_telling import curve_lines
        from nnrun.insight.diagnosis.learning_curve import learning_curve

        with closing(self.workers.executor()) if self.workers else nullcontext() as executor:
            progress = "learning curve: {} of {} networks trained".format
            curve = learning_curve(run, lambda *done: self.tell(progress(*done)), executor, self.tell)
        return Look(curve, curve_lines(curve, self.ascii_only))


def _regions(run: StoredRun, column: str, base: float | None, tolerance: float | None) -> Look:
    from nnrun.insight.diagnosis.regions import by_column, region_lines

    regions = by_column(run, column, base, tolerance)
    return Look(regions, region_lines(regions))


def _base(run: StoredRun) -> Look:
    from nnrun.insight.diagnosis.base_error import base_error_lines, estimate_base_error

    estimate = estimate_base_error(run)
    return Look(estimate, base_error_lines(estimate))
