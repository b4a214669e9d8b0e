"""What a trainer and its watchers put into a run's checkpoints, and how they continue from them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np

from nnrun.engine.network import Network
from nnrun.engine.parameters import Array, Shape
from nnrun.engine.stopping import Best, EarlyStopping
from nnrun.engine.trainer import Trainer
from nnrun.errors import DataError, UsageError
from nnrun.installation import command
from nnrun.runs.records import Checkpoint, Number, Row
from nnrun.runs.rundir import CHECKPOINTS, RunDir

Tensors = dict[str, Array]

SLOT = "optimizer."
PRUNED = "this trial's checkpoints were pruned, as it is not among the best of its search"


# What `rewind` starts from beside last: the state after epochs 1, 2, 4, 8, …, so log2(n) files at most, and none before
# training has taken so long as it takes nobody to train that again.
SECONDS_AGAIN = 0.5


def is_kept(epoch: int) -> bool:
    """Whether the state after this epoch stays: a power of two."""
    return epoch & (epoch - 1) == 0


def worth_keeping(rows: Sequence[Row]) -> bool:
    """Whether to train these epochs again would take a while."""
    return sum(row["seconds"] for row in rows) >= SECONDS_AGAIN


def kept_name(epoch: int) -> str:
    """The name of its checkpoint."""
    return f"epoch-{epoch:06d}"


def named(network: Network, theta: Array, state: Array) -> Tensors:
    """Views of one member's vectors `(size,)` by the names of layers and parameters, such as dense1.W."""
    return network.theta.views(theta) | network.state.views(state)


def save_best(run: RunDir, network: Network, best: Best, k: int) -> None:
    """Write checkpoints/best: the parameters and running averages of member k's best epoch."""
    about: Checkpoint = {"epoch": int(best.epochs[k]), "scores": best.scores[k].tolist()}
    run.save_checkpoint("best", named(network, best.theta[k], best.state[k]), about)


def save_last(
    run: RunDir, trainer: Trainer, stopping: EarlyStopping | None, k: int, at: tuple[int, int], name: str = "last"
) -> None:
    """Write checkpoints/last: all that member k's training continues from, after the epoch and step `at`."""
    slots = {SLOT + name: vector[k] for name, vector in trainer.optimizer.slots.items()}
    about: Checkpoint = {
        "epoch": at[0],
        "step": at[1],
        "optimizer": trainer.recipe.optimizer,
        "stopping": stopping.counters(k) if stopping else None,
    }
    run.save_checkpoint(name, named(trainer.network, trainer.theta[k], trainer.state[k]) | slots, about)


Loaded = tuple[Tensors, Checkpoint]


def epoch_of(run: RunDir, name: str, loaded: Loaded) -> int:
    """The epoch at whose end a checkpoint was taken; DataError where it does not say."""
    with _described(run, name):
        return int(loaded[1]["epoch"])


def put_last(run: RunDir, name: str, loaded: Loaded, trainer: Trainer, stopping: EarlyStopping | None) -> None:
    """Put the trainer where a checkpoint stands that training continues from.

    An optimizer of another kind than the checkpoint's starts with empty slots. Raises UsageError where the
    network has another shape, DataError where the checkpoint is broken.
    """
    tensors, about = loaded
    _fill(run, named(trainer.network, trainer.theta[0], trainer.state[0]), tensors)
    with _described(run, name):
        saved = trainer.snapshot() | {"epoch": np.array(about["epoch"]), "step": np.array(about["step"])}
        if about["optimizer"] == trainer.recipe.optimizer:
            saved |= {slot: tensors[SLOT + slot][None] for slot in trainer.optimizer.slots}
        trainer.restore(saved)
        if stopping and about["stopping"]:
            counters = about["stopping"]
            stopping.restore(_with_infinity(counters["reference"]), _with_infinity(counters["waited"]))


def load_best(run: RunDir, trainer: Trainer, best: Best) -> None:
    """Put the best parameters so far where they were.

    A checkpoint that is ahead of the trainer was written just before a kill: the epochs in between are
    trained again and find it again.
    """
    loaded = run.load_checkpoint("best")
    if loaded is None:
        return
    tensors, about = loaded
    with _described(run, "best"):
        epoch, scores = int(about["epoch"]), _with_infinity(about["scores"]).reshape(1, 2)
    if epoch > trainer.epoch:
        return
    theta, state = np.empty_like(trainer.theta), np.empty_like(trainer.state)
    _fill(run, named(trainer.network, theta[0], state[0]), tensors)
    best.put(epoch, scores, theta, state)


@contextmanager
def _described(run: RunDir, name: str) -> Iterator[None]:
    """Whatever a checkpoint says of itself may be missing or nonsense."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        path = run.checkpoint(name)
        raise DataError(f"{path}: its description does not fit ({type(error).__name__}: {error}); train anew") from None


def load_weights(run: RunDir, name: str = "best") -> Tensors:
    """Parameters and running averages of `best` or `last` by name; UsageError where there is none yet."""
    loaded = read_weights(run, name)
    return {key: tensor for key, tensor in loaded.items() if not key.startswith(SLOT)}


def read_weights(run: RunDir, name: str, shapes: Mapping[str, Shape] | None = None) -> Tensors:
    """All tensors of a checkpoint, or those of `shapes` alone.

    Raises UsageError where there is none, DataError where it is damaged or has other shapes.
    """
    loaded = run.load_checkpoint(name, shapes)
    if loaded is None:
        why = why_pruned(run)
        raise UsageError(f"{run.path}: {why}" if why else f"{run.id} has no checkpoint {name!r} yet")
    return loaded[0]


def prune(run: RunDir) -> None:
    """Remove the checkpoints of a trial; everything else stays, so that it can be trained again to the same bits."""
    shutil.rmtree(run.path / CHECKPOINTS, ignore_errors=True)


def why_pruned(run: RunDir) -> str | None:
    """Where that was done: why, and how to get them back."""
    if (run.path / CHECKPOINTS).exists():
        return None
    return f"{PRUNED}; `{command('train', str(run.resolved))}` trains it again"


def _with_infinity(values: Sequence[Number] | Sequence[Sequence[Number]]) -> Array:
    """JSON has no infinity; a score not known yet was written as null."""
    numbers = np.array(values, float)
    return np.where(np.isnan(numbers), np.inf, numbers)


def _fill(run: RunDir, views: Tensors, tensors: Tensors) -> None:
    for name, view in views.items():
        known = tensors.get(name)
        if known is None or known.shape != view.shape or known.dtype != view.dtype:
            found = "is missing" if known is None else f"is {known.dtype} {list(known.shape)}"
            raise UsageError(
                f"{run.id}: the network has another shape than the checkpoint, where {name} {found} "
                f"(now {view.dtype} {list(view.shape)}); train anew instead"
            )
        np.copyto(view, known)
