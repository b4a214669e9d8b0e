"""What a trainer and its watchers put into a run's checkpoints, and how they continue from them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from math import prod

import numpy as np

from nnrun.engine.network import Network
from nnrun.engine.optimizers import AVERAGE
from nnrun.engine.parameters import Array, Shape
from nnrun.engine.stopping import Best, EarlyStopping
from nnrun.engine.trainer import Trainer
from nnrun.errors import DataError, UsageError
from nnrun.installation import command
from nnrun.runs.finding import name_of
from nnrun.runs.members import ALL, member, members_of, read_ensemble
from nnrun.runs.records import ENDED, Checkpoint, Number
from nnrun.runs.rundir import CHECKPOINTS, RunDir
from nnrun.text import counted, one_of

Tensors = dict[str, Array]
Loaded = tuple[Tensors, Checkpoint]

SLOT = "optimizer."
USUAL = ("best", "last")
DROPPED = "this trial's checkpoints were pruned, as it is not among the best of its search"


def named(network: Network, theta: Array, state: Array) -> Tensors:
    """Views of a run's vectors by the names of layers and parameters, such as dense1.W.

    They are `(size,)`, of an ensemble `(members, size)`, and so is what stands in front of each shape.
    """
    return network.theta.views(theta) | network.state.views(state)


def save_best(run: RunDir, network: Network, best: Best, k: int) -> None:
    """Write checkpoints/best: the parameters and running averages of run k's best epoch."""
    about: Checkpoint = {"epoch": int(best.epochs[k]), "scores": best.scores[k].tolist()}
    run.save_checkpoint("best", named(network, best.theta[k], best.state[k]), about)


def save_last(run: RunDir, trainer: Trainer, stopping: EarlyStopping | None, k: int, at: tuple[int, int]) -> None:
    """Write checkpoints/last: all that run k's training continues from, after the epoch and step `at`."""
    run.save_checkpoint("last", state_of(trainer, k), about_last(trainer, stopping, k, at))


def state_of(trainer: Trainer, k: int) -> Tensors:
    """All tensors that run k's training continues from."""
    slots = {SLOT + name: trainer.apart(vector)[k] for name, vector in trainer.optimizer.slots.items()}
    return _named(trainer, trainer.theta, trainer.state, k) | slots


def _named(trainer: Trainer, theta: Array, state: Array, k: int) -> Tensors:
    """Views of what belongs to run k of a trainer's vectors."""
    return named(trainer.network, trainer.apart(theta)[k], trainer.apart(state)[k])


def about_last(trainer: Trainer, stopping: EarlyStopping | None, k: int, at: tuple[int, int]) -> Checkpoint:
    """What the last checkpoint of run k says of itself, after the epoch and step `at`."""
    return {
        "epoch": at[0],
        "step": at[1],
        "optimizer": trainer.recipe.optimizer,
        "stopping": stopping.counters(k) if stopping else None,
    }


def epoch_of(run: RunDir, loaded: Loaded) -> int:
    """The epoch at whose end the last checkpoint was taken; DataError where it does not say."""
    with _described(run, "last"):
        return int(loaded[1]["epoch"])


def put_last(run: RunDir, loaded: Loaded, trainer: Trainer, stopping: EarlyStopping | None) -> None:
    """Put the trainer where the last checkpoint stands.

    An optimizer of another kind than the checkpoint's starts with empty slots, an average that the checkpoint lacks
    with the parameters. Raises UsageError where the network has another shape or the ensemble other members, DataError
    where the checkpoint is broken.
    """
    tensors, about = loaded
    _refuse_other_members(run, trainer, tensors)
    _fill(run, _named(trainer, trainer.theta, trainer.state, 0), tensors)
    with _described(run, "last"):
        trainer.optimizer.begin_average()
        saved = trainer.snapshot() | {"epoch": np.array(about["epoch"]), "step": np.array(about["step"])}
        alike, averaged = about["optimizer"] == trainer.recipe.optimizer, SLOT + AVERAGE in tensors
        for slot, vector in trainer.optimizer.slots.items():
            if averaged if slot == AVERAGE else alike:
                saved[slot] = tensors[SLOT + slot].reshape(vector.shape)
        trainer.restore(saved)
        if stopping and about["stopping"]:
            counters = about["stopping"]
            stopping.restore(_with_infinity(counters["reference"]), _with_infinity(counters["waited"]))


def load_best(run: RunDir, trainer: Trainer, best: Best) -> None:
    """Put the best parameters so far where they were.

    A checkpoint that is ahead of the trainer was written just before a kill: the epochs in between are
    trained again and find it again.
    """
    if (loaded := run.load_checkpoint("best")) is None:
        return
    tensors, about = loaded
    with _described(run, "best"):
        epoch, scores = int(about["epoch"]), _with_infinity(about["scores"]).reshape(1, 2)
    if epoch > trainer.epoch:
        return
    theta, state = np.empty_like(trainer.theta), np.empty_like(trainer.state)
    _fill(run, _named(trainer, theta, state, 0), tensors)
    best.put(epoch, scores, trainer.apart(theta), trainer.apart(state))


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
    if (loaded := run.load_checkpoint(name, shapes)) is None:
        why = why_dropped(run) if run.exists else "there is no run any more"
        if why:
            raise UsageError(f"{run.path}: {why}")
        record = run.read_record()
        if name == "best" and (failed := record.get("divergence")) and record.get("best_epoch") is None:
            raise UsageError(f"{name_of(run)} diverged in epoch {failed['epoch']}, so it has no checkpoint {name!r}")
        if members := members_of(run):
            counting = [one for one, share in zip(members, read_ensemble(run)["weights"], strict=True) if share]
            inside = next((one for one in (member(run, ALL), *counting, *members) if one.exists), members[0])
            raise UsageError(
                f"{name_of(run)} has no checkpoint of its own: its networks are runs in it, such as {inside.path}"
            )
        may_come = "" if run.status in ENDED else " yet"
        raise UsageError(
            f"{name_of(run)} has no checkpoint {name!r}{may_come if name in USUAL else f'; it is {one_of(USUAL)}'}"
        )
    return loaded[0]


def drop_checkpoints(run: RunDir) -> None:
    """Remove the checkpoints of a trial; everything else stays, so that it can be trained again to the same bits."""
    for each in (*members_of(run), run):  # the trial last, by which it is told
        shutil.rmtree(each.path / CHECKPOINTS, ignore_errors=True)


def why_dropped(run: RunDir) -> str | None:
    """Where that was done: why, and how to get them back."""
    if (run.path / CHECKPOINTS).exists():
        return None
    return f"{DROPPED}; `{command('train', str(run.resolved))}` trains it again"


def is_whole(run: RunDir) -> bool:
    """Whether the best checkpoint of a run, or of each of its members, is there, and all of theirs can be read."""
    parts = [each for each in members_of(run) if each.exists] or [run]
    with suppress(DataError):
        return all(each.load_checkpoint(name) or name == "last" for each in parts for name in USUAL)
    return False


def _with_infinity(values: Sequence[Number] | Sequence[Sequence[Number]]) -> Array:
    """JSON has no infinity; a score not known yet was written as null."""
    numbers = np.array(values, float)
    return np.where(np.isnan(numbers), np.inf, numbers)


def _refuse_other_members(run: RunDir, trainer: Trainer, tensors: Tensors) -> None:
    """UsageError where the checkpoint is of more networks, or fewer."""
    for name, shape in trainer.network.theta.shapes.items():
        if name in tensors:
            lead = tensors[name].shape[: -len(shape)]
            if lead != ((trainer.ensemble,) if trainer.ensemble > 1 else ()):
                raise UsageError(
                    f"{run.id}: the checkpoint has {counted(prod(lead), 'network')}, network.ensemble asks for "
                    f"{trainer.ensemble}; train anew instead"
                )


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
