"""Make an ensemble: of runs that are named, or of the trials of a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import numpy as np

from nnrun.engine.metrics import METRICS
from nnrun.engine.parameters import Array
from nnrun.engine.scores import Objective
from nnrun.errors import UsageError
from nnrun.models.ensembling.candidates import (
    Candidate,
    Reader,
    of_runs,
    of_trials,
    require_alike,
    require_dev,
    require_metric,
    require_rows,
    require_several,
)
from nnrun.models.ensembling.making import SNAPSHOTS, Chosen, make
from nnrun.models.ensembling.selection import (
    FOLDS,
    Chooser,
    CrossFit,
    CrossFittedGain,
    Panel,
    best_single,
    cross_fit,
    equal,
    greedy,
    repeats,
    top,
)
from nnrun.models.ensembling.telling import reason
from nnrun.models.ensembling.training import snapshots
from nnrun.runs.members import EnsembleRecord, Fit, Selection, Way, has_members
from nnrun.runs.records import MemberRecord, Number
from nnrun.runs.rundir import RunDir
from nnrun.text import counted

SINGLE: Literal["best_single"] = "best_single"
EQUAL: Literal["equal"] = "equal"
GREEDY: Literal["greedy"] = "greedy"


@dataclass(frozen=True, eq=False)
class Known:
    """Candidates that can be members of one ensemble, and what they say of the dev set."""

    candidates: Sequence[Candidate]
    reader: Reader
    panel: Panel

    @classmethod
    def of(cls, candidates: Sequence[Candidate], root: Path, metric: str | None = None) -> Known:
        """UsageError where they cannot; `metric` is what is chosen by, if not that which judged their epochs."""
        require_several(candidates, root)
        require_alike(candidates)
        reader = Reader(root)
        return cls(candidates, reader, reader.panel(candidates, metric or require_metric(candidates)))

    @property
    def without_dev(self) -> bool:
        """Whether their dev rows were trained on."""
        return any(one.run.config.data.without_dev for one in self.candidates)

    @property
    def seed(self) -> int:
        """Of what is drawn."""
        return self.candidates[0].run.config.seed


@dataclass(frozen=True, eq=False)
class Choice:
    """How much each candidate counts `(K,)`, how that came about, and what is to be told of it."""

    how: str
    weights: Array
    told: Sequence[str]
    selection: Selection | None = None


def of_named(runs: Sequence[RunDir], root: Path, rounds: int | None = None, argv: Sequence[str] = ()) -> RunDir:
    """An ensemble of runs with equal weights, or chosen from them in so many rounds of greedy selection.

    Raises UsageError where they cannot be members of one, or where their dev rows were trained on and something is to
    be chosen by them; DataError where their data is gone or has changed.
    """
    candidates, notes = of_runs(runs)
    if rounds is not None:
        return _greedy(Known.of(candidates, root), rounds, root, notes, argv)
    known = Known.of(candidates, root, candidates[0].run.config.metrics.primary)
    shares = np.array([one.share for one in candidates])
    told = [f"the {len(candidates)} runs that were named; nothing was chosen by their errors", *notes]
    return _made(known, Choice("runs", shares / shares.sum(), told), root, argv)


def of_best(trials: Sequence[RunDir], ended: int, metric: Objective, n: int, root: Path, argv: Sequence[str]) -> RunDir:
    """An ensemble of the first n trials of a search, which stand in their order by its metric, with equal weights."""
    if n > len(trials):
        others = f"; of the {ended:,} that ended, the others failed or were trained on as a later trial"
        result = f"{counted(len(trials), 'trial')} with a result"
        raise UsageError(f"--top {n}: the search has {result}{others if ended > len(trials) else ''}")
    candidates = [*of_trials(trials[:n]), *of_trials(_kept(trials[n:]))]
    require_several(candidates[:n], root)
    require_dev(candidates)
    known = Known.of(candidates, root, _of_dev(metric, candidates[0]))
    weights = np.where(np.arange(len(candidates)) < n, 1 / n, 0.0)
    fits = _fits(known, n, {SINGLE: best_single, EQUAL: top(n)})
    fits[EQUAL]["naive"] = dict(known.panel.measured(known.panel.pooled(weights)))
    selection = _selection(known, n, fits, EQUAL)
    told = [f"the {n} best of {counted(len(trials), 'trial')} by {metric.written}, with equal weights, as asked"]
    return _made(known, Choice("top", weights, told, selection), root, argv)


def of_search(
    name: str,
    trials: Sequence[RunDir],
    ended: int,
    metric: Objective,
    n: int | None,
    rounds: int | None,
    root: Path,
    argv: Sequence[str] = (),
) -> RunDir:
    """An ensemble of the n best of these trials, or of what so many rounds choose; UsageError where neither is asked.

    They are those of a search of this name, with a result, in their order by its metric, of so many that have `ended`.
    """
    if n is not None:
        return of_best(trials, ended, metric, n, root, argv)
    if rounds is not None:
        return chosen_from(trials, metric, rounds, root, argv)
    raise UsageError(f"{name} has trials: one of --top N and --greedy N says which of them")


def chosen_from(trials: Sequence[RunDir], metric: Objective, rounds: int, root: Path, argv: Sequence[str]) -> RunDir:
    """An ensemble of the trials of a search that have their checkpoints, by so many rounds of greedy selection."""
    candidates = of_trials(_kept(trials))
    require_several(candidates, root)
    return _greedy(Known.of(candidates, root, _of_dev(metric, candidates[0])), rounds, root, [], argv)


def of_cycles(run: RunDir, root: Path, argv: Sequence[str] = ()) -> RunDir:
    """An ensemble of the states of one run at the ends of its cycles (Huang et al. 2017), with equal weights."""
    with snapshots(run, root) as candidates:
        known = Known.of(candidates, root)
        weights = np.full(len(candidates), 1 / len(candidates))
        told = [f"{run.id} at the ends of its {len(candidates)} cycles, with equal weights; nothing was chosen by dev"]
        return _made(known, Choice(SNAPSHOTS, weights, told), root, argv)


def _kept(trials: Sequence[RunDir]) -> list[RunDir]:
    """Trials whose checkpoints were not pruned; one of folds, whose are not its own, is refused as a member later."""
    return [run for run in trials if has_members(run) or run.checkpoint("best").exists()]


def _of_dev(metric: Objective, candidate: Candidate) -> str:
    """The metric of a search, if it is one of the dev set, else that which judged the epochs."""
    return metric.name if metric.part == "dev" and metric.name in METRICS else candidate.run.config.metrics.primary


def _greedy(known: Known, rounds: int, root: Path, notes: Sequence[str], argv: Sequence[str]) -> RunDir:
    """By greedy selection or the best with equal weights, what gains more; the best alone where that is too little."""
    require_dev(known.candidates)
    ways: dict[Way, Chooser] = {GREEDY: greedy(rounds), EQUAL: equal(rounds), SINGLE: best_single}
    fits = _fits(known, rounds, ways)
    worth = [way for way in (EQUAL, GREEDY) if fits[way]["members"] > 1 and CrossFittedGain.of(fits[way]).is_one]
    taken = max(worth, key=lambda way: CrossFittedGain.of(fits[way]).value, default=SINGLE)
    selection = _selection(known, rounds, fits, taken)
    choice = Choice("greedy", ways[taken](known.panel), [reason(selection), *notes], selection)
    return _made(known, choice, root, argv)


def _fits(known: Known, n: int, ways: Mapping[Way, Chooser]) -> dict[Way, Fit]:
    """What each way to choose comes to on the rows it chose by, and on others."""
    panel = known.panel
    require_rows(panel)
    fit = cross_fit(panel, ways, known.seed, repeats(_work(known, n)))
    return {way: _fit(panel, choose(panel), fit, way) for way, choose in ways.items()}


def _work(known: Known, n: int) -> int:
    """How many numbers it takes to choose once."""
    return n * known.panel.predicted.size


def _fit(panel: Panel, weights: Array, fit: CrossFit, way: Way) -> Fit:
    others: dict[str, Number] = {**fit.mean(way)}
    if way != SINGLE:
        gain = fit.gain(way, SINGLE)
        others |= {"gain": gain.value, "se": gain.se}
    members = int(np.count_nonzero(weights))
    return {"members": members, "naive": {**panel.measured(panel.pooled(weights))}, "cross_fitted": others}


def _selection(known: Known, n: int, fits: Mapping[Way, Fit], taken: Way) -> Selection:
    about = {
        "metric": known.panel.metric,
        "n": n,
        "candidates": known.panel.candidates,
        "folds": FOLDS * repeats(_work(known, n)),
    }
    chosen = {key: fits[taken][key] for key in ("naive", "cross_fitted")}
    return cast(Selection, {**about, "taken": taken, **chosen, **fits})


def _made(known: Known, choice: Choice, root: Path, argv: Sequence[str]) -> RunDir:
    """The directory, with those that have a weight, the heaviest first."""
    order = [int(k) for k in np.argsort(-choice.weights, kind="stable") if choice.weights[k]]
    record: EnsembleRecord = {
        "schema_version": 1,
        "how": choice.how,
        "weights": [float(choice.weights[k]) for k in order],
        "members": [_member(known, choice.weights, k) for k in order],
        "told": list(choice.told),
    }
    if choice.selection is not None:
        record["dev"] = choice.selection
    return make(root, Chosen([known.candidates[k] for k in order], record), known.reader, argv)


def _member(known: Known, weights: Array, k: int) -> MemberRecord:
    panel, candidate = known.panel, known.candidates[k]
    alone = np.arange(panel.candidates) == k
    others = np.where(alone, 0.0, weights)
    own, without = _measured(known, alone * 1.0), _measured(known, others) if others.any() else {}
    return {
        "id": candidate.id,
        "seed": candidate.run.written["seed"],
        "weight": float(weights[k]),
        "best_epoch": candidate.run.written.get("best_epoch"),
        "dev_error": own.get("error"),
        "dev_loss": own.get("loss"),
        "without": without.get("error"),
    }


def _measured(known: Known, weights: Array) -> Mapping[str, Number]:
    """What candidates with these weights come to on dev; nothing where all rows train."""
    panel = known.panel
    return {} if known.without_dev else panel.measured(panel.pooled(weights / weights.sum()))
