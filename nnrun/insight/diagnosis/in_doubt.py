"""Remedies where nothing is wrong, where it cannot be told, or where a dev set does not tell what it should."""

from __future__ import annotations

from nnrun.config.data_section import Parts
from nnrun.config.values import Settings
from nnrun.insight.diagnosis.against_bias import held_strongly
from nnrun.insight.diagnosis.origin import Move
from nnrun.runs.symptoms.evidence import Evidence
from nnrun.runs.verdict import HIGH, UNCLEAR
from nnrun.text import all_of, counted, percent

SMALL, FEW = 1_000, 100  # dev examples: one wrong is a tenth of a point, or a whole one
FOLDS = 5
TRIALS = 30
USUAL_SPLIT = (0.6, 0.2, 0.2)  # what `auto` is for so few rows without folds


def _words(e: Evidence) -> set[str]:
    """What gaps are judged to be."""
    return {gap.judgement for gap in e.verdict.gaps.values()} if e.verdict else set()


def _dev_size(e: Evidence) -> int:
    """As how many independent rows the dev error is as sure; 0 where it is not known."""
    return e.verdict.sizes.get("dev", e.dev_rows) if e.verdict else 0


def _folds(e: Evidence, fewer_than: int) -> Settings:
    """The settings that make each row dev once, where there are fewer dev rows than that and rows to cut them from."""
    data = e.config.data
    if data.folds or isinstance(data.source, Parts) or not 0 < _dev_size(e) < fewer_than:
        return {}
    kept = {"data.split": list(USUAL_SPLIT)} if data.split == "auto" else {}  # which would leave no test set
    return {"data.folds": FOLDS, **kept}


def in_folds(e: Evidence) -> Move | None:
    """A dev set that is too small to judge by; if it is tiny, by which no remedy is seen to help."""
    words, tiny = _words(e), _folds(e, FEW)
    settings = tiny or _folds(e, SMALL)
    if not settings or UNCLEAR not in words or (HIGH in words and not tiny) or e.perfect:
        return None
    size = _dev_size(e)
    told = counted(e.dev_rows, "dev example") + (f" that count as {size:,}" if size != e.dev_rows else "")
    why = f"{told} cannot tell: of {FOLDS} folds each is dev once, so all but test count."
    return Move(40 if tiny else 14, why, settings)


def trials(e: Evidence, weight: float, why: str, settings: Settings) -> Move:
    """A search; by a tiny dev set it would choose by luck, so that its trials are in folds there."""
    folds, count = _folds(e, FEW), str(TRIALS)
    how = f"{count} trials in {FOLDS} folds, as so few dev examples choose by luck" if folds else f"{count} trials"
    return Move(weight, f"{why}: {how}.", {**settings, **folds}, "search", ("--trials", count))


def of_trials(move: Move, count: int) -> Move:
    """The search that a move advises, of so many trials, on the rows as they are split."""
    why, _, _ = move.why.rpartition(":")
    return move._replace(why=f"{why}: {counted(count, 'trial')}.", options=("--trials", str(count)))


def fresh_dev(e: Evidence) -> Move | None:
    """A dev set that was chosen by for too long."""
    found = e.verdict.judgement("dev_overfit") if e.verdict else None
    data = e.config.data
    if found != HIGH or isinstance(data.source, Parts) or data.time is not None or _beyond_the_mean(e):
        return None  # a split by time draws nothing
    why = "Epochs and settings fit this dev set by chance: another split of the same data shows what is left of it."
    return Move(60 * e.weight("dev_overfit"), why, {"data.split_seed": data.split_seed + 1})


def _beyond_the_mean(e: Evidence) -> list[str]:
    """The sets on which their mean target would do better, 1 − R² above 1, and far worse than the training set."""
    if e.verdict is None or e.verdict.sizes:  # proportions, or nothing to compare
        return []
    errors = e.verdict.errors
    return [part for part in ("dev", "test") if errors.get(part, 0.0) > max(1.0, 2 * errors["train"])]


def look_at_rows(e: Evidence) -> Move | None:
    """A regression whose error on a set is a matter of drift, of few rows, or of a target that hardly varies there."""
    sets = _beyond_the_mean(e)
    if not sets:
        return None
    causes = "a few rows far from all others, or a target that hardly varies there"
    if e.config.data.time is not None:
        causes = (
            "its level may have drifted since the rows of training, as with a trend, where its change from an earlier "
            f"value is what can be learned; or it is {causes}"
        )
    elif e.mismatched:
        causes = f"the rows there may be of another kind than those of training; or it is {causes}"
    why = f"On {all_of(sets)} the mean of the target would do better: {causes}. See what its checks say."
    return Move(200, why, {}, "check")


def weigh_classes(e: Evidence) -> Move | None:
    """A rare class that is ignored, at an error that looks low."""
    if not e.guessing or e.config.metrics.primary not in ("error", "loss"):
        return None
    why = (
        f"{percent(1 - e.guess)} of the training rows are of one class, and always saying it would be wrong hardly "
        "more often: the share of mistakes is no measure here. Let each class count alike."
    )
    return Move(130, why, {"data.class_weight": "balanced"})


def look_for_leaks(e: Evidence) -> Move | None:
    """No error anywhere, which is too good to be believed unseen."""
    if not e.perfect:
        return None
    why = "No error at all is rare: see whether a column gives the target away, or rows are in two sets at once."
    return Move(10, why, {}, "check")


def tell_mismatch(e: Evidence) -> Move | None:
    """Dev rows that may be of another kind than those of training: then nothing against variance would help."""
    apart, source = _what_sets_dev_apart(e), e.config.data.source
    asked = e.config.data.train_dev is not None or (isinstance(source, Parts) and source.train_dev is not None)
    if not apart or asked or e.verdict is None or e.verdict.judgement("variance") != HIGH:
        return None
    why = (
        f"The dev rows {apart}: whether this is variance, or they are of another kind, is told by training rows that "
        "are only measured."
    )
    return Move(92, why, {"data.train_dev": 0.2})


def _what_sets_dev_apart(e: Evidence) -> str | None:
    data = e.config.data
    if isinstance(data.source, Parts):
        return "come from a file of their own" if data.source.dev is not None else None
    return "are newer than those of training" if data.time is not None and not data.folds else None


def compare_sets(e: Evidence) -> Move | None:
    """Sets that come from different sources, or times."""
    found = e.verdict.judgement("mismatch") if e.verdict else None
    apart = _what_sets_test_apart(e) if e.verdict and e.verdict.judgement("dev_overfit") == HIGH else None
    if apart is not None and found != HIGH:
        return Move(60, f"The test rows {apart}.", {}, "check")
    if found not in (HIGH, UNCLEAR):
        return None
    why = "Training and dev set differ: see which columns do, and collect training examples that look like dev's."
    return Move(95 if found == HIGH else 12, why, {}, "check")


def _what_sets_test_apart(e: Evidence) -> str | None:
    if isinstance(e.config.data.source, Parts):
        return "come from a file of their own: see whether they are like those of dev, or rows are in two sets at once"
    if e.config.data.time is None:
        return None
    return "are newer than those of dev, which need not be to blame: see whether the data drift"


def another_seed(e: Evidence) -> Move | None:
    """How much is luck; a divergence is none."""
    if e.status == "diverged":
        return None
    why = "Another seed on the same data shows how much of this is chance."
    return Move(6, why, {"seed": e.config.next_seed})


def another_split(e: Evidence) -> Move | None:
    """How much is the luck of the split."""
    data = e.config.data
    if isinstance(data.source, Parts) or data.time is not None or e.status == "diverged":
        return None
    why = "Another split of the same rows shows how much of this hangs on who came into which set."
    return Move(5, why, {"data.split_seed": data.split_seed + 1})


def longest_yet(e: Evidence) -> Move | None:
    """Whether anything is left to gain by training on."""
    if e.settled or e.status == "diverged":
        return None
    why = "Twice the epochs show whether anything is left to gain."
    return Move(4, why, {"training.epochs": 2 * e.config.training.epochs})


def search(e: Evidence) -> Move | None:
    """Better settings of everything at once."""
    if e.settled or e.searched:
        return None
    held = e.unlearned and held_strongly(e)  # which is to be seen to before anything is called noise
    weight = 70 if e.close else (20 if held else 45) if e.noise else 8
    return trials(e, weight, "What the rate, width and regularisation should be together, a search finds", {})


def cheaper(e: Evidence) -> Move | None:
    """A network of half the size, where this one has nothing left to learn."""
    hidden = e.config.network.hidden
    small = not e.large_gaps and (e.settled or not (e.bias or e.variance))
    if not small or e.guessing or not hidden or max(hidden) < 16:
        return None
    why = "Both gaps are small: half the width may do as well, for less."
    return Move(7, why, {"network.hidden": [max(8, width // 2) for width in hidden]})
