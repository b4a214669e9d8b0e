"""What the folds of a configuration come to: means, the rows of the verdict, and what they say of test together.

All of it is worked out from their files, so a run that was killed has it as one that was not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import floor, sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, cast

import numpy as np

from nnrun.config.config import Config
from nnrun.config.overrides import configured
from nnrun.data.dataset import Dataset, load_dataset, weights_together
from nnrun.data.features.target import Target
from nnrun.data.groups import joined_rows
from nnrun.engine.parameters import Array
from nnrun.engine.scores import Objective
from nnrun.files import json_lines, sealed_document
from nnrun.machine import threads
from nnrun.runs.assembly import examples, make_loss
from nnrun.runs.grouped import sure_as, takes_mistakes
from nnrun.runs.judge import wanted
from nnrun.runs.listener import Outcome
from nnrun.runs.means import mean
from nnrun.runs.member import Member, load_member
from nnrun.runs.members import ALL, FOLDER, FOLDS, EnsembleRecord, member, read_ensemble
from nnrun.runs.recording import measures
from nnrun.runs.records import ENDED, Diverged, Final, FoundSymptom, MemberRecord, RunRecord, RunStatus
from nnrun.runs.rundir import EPOCHS, MEMBERS, SCHEMA_VERSION, RunDir, now
from nnrun.runs.stored import StoredRun
from nnrun.runs.together import mean_rows, member_records, rows_together, told_of
from nnrun.runs.verdict import SURE

DatasetOf = Callable[[Config], Dataset]


def in_fold(config: Config, fold: int | str) -> Config:
    """What trains one fold alone."""
    return configured(config, {"data.fold": fold})


def in_folds(config: Config) -> list[Config]:
    """What trains each of them."""
    return [in_fold(config, fold) for fold in range(1, 1 + (config.data.folds or 0))]


def number_of(config: Config) -> int | None:
    """Which fold this config trains; None of the rows of all."""
    return config.data.fold if isinstance(config.data.fold, int) else None


def of_folds(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The outcomes of the folds alone."""
    return [outcome for outcome in outcomes if not outcome.config.data.without_dev]


def mean_epoch(outcomes: Sequence[Outcome]) -> int:
    """The best epoch of the folds on average, rounded."""
    return max(1, floor(fmean(outcome.record["best_epoch"] or 0 for outcome in outcomes) + 0.5))


def shares(config: Config) -> list[float]:
    """How much each fold counts in what they predict together.

    A K-th each; by time the last one alone, which has learned from the most rows and the newest.
    """
    count = config.data.folds or 0
    return [1 / count] * count if config.data.time is None else [0.0] * (count - 1) + [1.0]


def conclude(run: RunDir, config: Config, outcomes: Sequence[Outcome], test: Final, dataset_of: DatasetOf) -> Outcome:
    """Complete the run's files from those of its folds; `test` is what its final numbers hold of the test part.

    `dataset_of` gives the data of a fold by its config. Rows and members of a run that is to go on are left as they
    were when it began: who reads it has those of the folds that are over, see `StoredRun.record`.
    """
    folds, record = told_of(of_folds(outcomes)), run.read_record()
    finals: list[Final] = [outcome.record["final"] or {} for outcome in folds]
    status = status_of(config, record.get("refit") is not None, outcomes)
    rows = mean_rows([outcome.rows for outcome in folds])
    whole, weights = status == "done", read_ensemble(run)["weights"]
    run.write(EPOCHS, json_lines(rows))
    run.write(MEMBERS, members_file(config, folds, weights).decode())
    run.event(status, **({"epoch": len(rows)} if whole or not outcomes else _last_epoch(outcomes[-1])))
    run.update_record(
        status=status,
        error=None,
        ended=now(),
        seconds=sum(outcome.record.get("seconds") or 0.0 for outcome in outcomes),
        epochs=len(rows),
        best_epoch=mean_epoch(folds) if whole else None,
        stopped_early=bool(folds) and all(outcome.record.get("stopped_early") for outcome in folds),
        divergence=_divergence(outcomes),
        symptoms=_symptoms(folds),
        final={**mean_final(finals, config), **_sureness(run, config, dataset_of), **test} if whole else {},
        written=run.written(),
        **_together(record, config, folds, weights) if status in ENDED else {},
    )
    return Outcome(run, status, StoredRun(run).record, rows, config)


def _last_epoch(outcome: Outcome) -> dict[str, Any]:
    """Where training ended, for events."""
    fold = number_of(outcome.config)
    return {"epoch": len(outcome.rows), **({"fold": fold} if fold else {})}


def _divergence(outcomes: Sequence[Outcome]) -> Diverged | None:
    """Of the first that diverged."""
    for outcome in outcomes:
        if where := outcome.record.get("divergence"):
            fold = number_of(outcome.config)
            return where | {"fold": fold} if fold else where
    return None


def _together(record: RunRecord, config: Config, folds: Sequence[Outcome], weights: Sequence[float]) -> RunRecord:
    newest_left_out = config.data.time is not None and not record.get("refit")
    data = rows_together(record["data"], folds, newest_left_out)
    return {"data": data, "members": member_records(folds, weights)}


def status_of(config: Config, refit: bool, outcomes: Sequence[Outcome]) -> RunStatus:
    """Of the whole, by its folds and what may be trained after them."""
    if any(outcome.status == "diverged" for outcome in outcomes):
        return "diverged"
    done = [outcome for outcome in outcomes if outcome.status == "done"]
    return "done" if len(done) == (config.data.folds or 0) + refit else "interrupted"


def mean_final(finals: Sequence[Final], config: Config) -> Final:
    """The mean of each number that all folds have, but for those of test, and of some the standard error.

    Of the dev error, and of what runs and trials are compared by.
    """
    names = [name for name in finals[0] if not name.startswith("test_")] if finals else []
    found = {name: [final.get(name) for final in finals] for name in names}
    known = {name: [v for v in values if v is not None] for name, values in found.items() if None not in values}
    means: Final = {name: mean(values) for name, values in known.items()}
    compared = ("error", config.metrics.primary, Objective(config.search.metric).name)
    for name in dict.fromkeys(f"dev_{metric}" for metric in compared):
        if name in known:
            means[f"{name}_se"] = stdev(known[name]) / sqrt(len(finals))
    return means


def members_file(config: Config, outcomes: Sequence[Outcome] = (), weights: Sequence[float] | None = None) -> bytes:
    """MEMBERS; folds that are not over yet are named alone. The weights are those that a run began with."""
    weights = shares(config) if weights is None else weights
    over = member_records(outcomes, weights)
    still: list[MemberRecord] = [
        {"id": f"{FOLDER}/{k:02d}", "fold": k, "weight": weight} for k, weight in enumerate(weights, start=1)
    ]
    ensemble: EnsembleRecord = {
        "schema_version": SCHEMA_VERSION,
        "how": FOLDS,
        "weights": list(weights),
        "members": [*over, *still[len(over) :]],
    }
    return sealed_document(ensemble).encode()


def _symptoms(outcomes: Sequence[Outcome]) -> list[FoundSymptom]:
    """Each that a fold has, as the first of them has it."""
    found: dict[str, FoundSymptom] = {}
    for outcome in outcomes:
        for symptom in outcome.record.get("symptoms") or []:
            where = f"in fold {outcome.config.data.fold}, {symptom['why']}"
            found.setdefault(symptom["name"], {**symptom, "why": where})
    return list(found.values())


def _sureness(run: RunDir, config: Config, dataset_of: DatasetOf) -> Final:
    """As how many independent rows the dev error of all folds is as sure as, where rows come in groups or have weights.

    Of all rows together: of a fold alone, that may have few groups, it is known badly.
    """
    if not (config.data.group or config.data.weight or config.data.class_weight):
        return {}
    folds = [(each, dataset_of(each)) for each in in_folds(config)]
    if not any(takes_mistakes(dataset, "dev") for _, dataset in folds):
        return {}
    groups = joined_rows(dataset.parts["dev"].groups for _, dataset in folds)
    mistakes = [_mistakes_on_dev(member(run, each.data.fold or ALL), dataset) for each, dataset in folds]
    weights = weights_together([dataset for _, dataset in folds], "dev")
    return cast(Final, {f"dev_{SURE}": sure_as("dev", np.concatenate(mistakes), groups, weights)})


def _mistakes_on_dev(run: RunDir, dataset: Dataset) -> Array:
    """Whether a fold is wrong, `(rows,)`."""
    fold, dev = load_member(StoredRun(run)), examples(dataset, "dev")
    with np.errstate(all="ignore"):
        logits = _all_logits(fold, dev.x, fold.target)
        together = fold.loss.pool(logits, np.full(len(logits), 1 / len(logits)))
        return fold.loss.each(together, fold.loss.targets(dev.y, together.dtype))[1].astype(np.float64)


def tested(run: RunDir, config: Config, cache: Path) -> Final:
    """Losses and errors of what the folds that count say together of the test part; nothing where there is none."""
    whole = load_dataset(config.data, config.training.dtype, cache)
    if "test" not in whole.parts:
        return {}
    loss, weights = make_loss(config, whole), read_ensemble(run)["weights"]
    with threads.one_for_blas_here(), np.errstate(all="ignore"):
        folds = [(load_member(StoredRun(member(run, k))), weight) for k, weight in enumerate(weights, 1) if weight]
        logits = np.concatenate([_of_test(fold, whole, cache) for fold, _ in folds])
        of_each = np.concatenate([np.full(fold.networks, weight / fold.networks) for fold, weight in folds])
        together = loss.pool(logits, of_each)
        return {**measures(loss, whole, "test", together, wanted(config, whole))}


def _of_test(fold: Member, whole: Dataset, cache: Path) -> Array:
    """A fold's logits of test `(networks, rows, width)`, by its own preprocessing."""
    x = load_dataset(fold.config.data, fold.config.training.dtype, cache).parts["test"].x
    return _all_logits(fold, x, whole.fitted.target)


def _all_logits(fold: Member, x: Array, unit: Target) -> Array:
    """`(networks, rows, width)`."""
    return np.concatenate([logits.copy() for _, logits in fold.logits(x, unit, fold.rows_at_once)], axis=1)
