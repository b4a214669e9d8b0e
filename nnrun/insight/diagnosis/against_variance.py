"""Remedies against variance: what keeps a network from learning its training set by heart, or lets it."""

from __future__ import annotations

from nnrun.insight.diagnosis.in_doubt import trials
from nnrun.insight.diagnosis.origin import Move
from nnrun.runs.symptoms.evidence import Evidence
from nnrun.text import by_hand

LAMBDA = 1.0  # of a first L2 penalty
MILD_LAMBDA, MILD_DROPOUT = 0.3, 0.3  # of L2 and dropout together
STRONGEST = 30.0  # λ beyond which more is hardly ever better
DROPOUT = 0.5  # the first
MOST_DROPPED = 0.7
WEIGHTS_PER_ROW = 10
NARROWEST = 16
MEMBERS = 5
PATIENCE = 10  # epochs, where there are as many to spare
SPACE = "regularization"  # a name
LINEAR_SPACE = "{regularization.l2: {log: [0.1, 10]}}"  # a network without hidden layers has nothing to drop


def both(e: Evidence) -> Move | None:
    """Nothing against variance yet: mild doses of the two that work best together."""
    held, hidden = e.config.regularization, e.config.network.hidden
    if held.l2 or any(held.dropout) or not hidden or min(hidden) < NARROWEST:
        return None
    why = "There is neither dropout nor L2 yet: a little of both often brings new examples closer to those trained on."
    return Move(90, why, {"regularization.dropout": MILD_DROPOUT, "regularization.l2": MILD_LAMBDA})


def augment(e: Evidence) -> Move | None:
    """Images, distorted anew in every epoch."""
    if not e.pixels or e.config.regularization.augment:
        return None
    why = "Each image is bent a little, another way in each epoch: as if there were more of them."
    return Move(95, why, {"regularization.augment": ["elastic"]})


def penalty(e: Evidence) -> Move | None:
    """An L2 penalty, or a stronger one."""
    now = e.config.regularization.l2
    if now >= STRONGEST:
        return None
    if not now:
        why = "An L2 penalty keeps the weights small and the network smooth."
        return Move(70, why, {"regularization.l2": LAMBDA})
    stronger = LAMBDA if now <= LAMBDA / 3 else by_hand(3 * now)
    return Move(60, f"The L2 penalty of {now:g} is not enough: a stronger one.", {"regularization.l2": stronger})


def dropout(e: Evidence) -> Move | None:
    """Dropout, or more of it."""
    now, hidden = max(e.config.regularization.dropout, default=0.0), e.config.network.hidden
    if not hidden or min(hidden) < NARROWEST or now >= MOST_DROPPED:
        return None
    if not now:
        why = "Half of the hidden units left out at each step, no unit can rely on another."
        return Move(65, why, {"regularization.dropout": DROPOUT})
    more = round(min(MOST_DROPPED, now + 0.2), 2)
    return Move(50, f"More dropout than {now:g}.", {"regularization.dropout": more})


def smaller(e: Evidence) -> Move | None:
    """A network with far more weights than examples."""
    hidden = e.config.network.hidden
    if not hidden or max(hidden) <= NARROWEST:
        return None
    many = e.train_rows and e.weights > WEIGHTS_PER_ROW * e.train_rows
    to = [max(NARROWEST, width // 4) for width in hidden] if many else [max(NARROWEST, w // 2) for w in hidden]
    start = f"{e.weights:,} weights for {e.train_rows:,} examples: a" if e.train_rows else "A"
    return Move(25 if many else 15, f"{start} smaller network has less room for chance.", {"network.hidden": to})


def small_batches(e: Evidence) -> Move | None:
    """Batch norm on small batches, whose noise regularises."""
    network = e.config.network
    if network.batch_norm or not network.hidden:
        return None
    why = "Batch norm on small batches adds noise that does not repeat, a mild regulariser."
    return Move(25, why, {"network.batch_norm": True, "training.batch_size": 16})


def stop_early(e: Evidence) -> Move | None:
    """Training that goes on after its best epoch, for twice as many epochs at least as are waited for."""
    patience = min(PATIENCE, (e.epochs - (e.best_epoch or 0)) // 2)
    if e.config.regularization.early_stopping or "dev turned" not in e.signs or patience < 1:
        return None
    why = f"The best epoch was {e.best_epoch} of {e.epochs}: early stopping gives the same for less time."
    return Move(30, why, {"regularization.early_stopping": {"patience": patience}})


def together(e: Evidence) -> Move | None:
    """The chance that is in one network's weights; what regularises comes first, and is nearly free."""
    held = e.config.regularization
    if e.config.network.ensemble > 1:
        return None
    weight = 63 if held.l2 or any(held.dropout) or held.augment else 25
    why = f"Each seed errs in other places: the average of {MEMBERS} networks errs less, for {MEMBERS} times the work."
    return Move(weight, why, {"network.ensemble": MEMBERS})


def search_strength(e: Evidence) -> Move | None:
    """How much regularisation is right is found by trying."""
    settings = {"search.space": SPACE if e.config.network.hidden else LINEAR_SPACE}
    return trials(e, 40, "How much regularisation is right is best found by trying", settings)
