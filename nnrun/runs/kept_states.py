"""States that a run keeps on its way, so that a child can go back to them, and those that a child begins with."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress

from nnrun.engine.network import Network
from nnrun.engine.optimizers import AVERAGE
from nnrun.engine.stopping import Best, EarlyStopping
from nnrun.engine.trainer import Trainer
from nnrun.errors import DataError
from nnrun.runs.checkpoints import SLOT, Loaded, Tensors, about_last, named, state_of
from nnrun.runs.records import Checkpoint, Row
from nnrun.runs.rundir import CHECKPOINTS, RunDir
from nnrun.runs.tensors import checksum_of, packed, write_tensors

# Kept for `rewind`: the state after epochs 2, 4, 8, …, so log2(n) files, each with the best parameters until there;
# none as long as all epochs so far are trained again in no time. And for ensembles that at the end of each cycle.
SECONDS_AGAIN = 0.5
KEPT = "epoch-"
BEST = "best."


def keeps(rows: Sequence[Row], ends: Collection[int]) -> bool:
    """Whether the state after these epochs is kept; `ends` are those of the cycles of the learning rate."""
    epochs = len(rows)
    if epochs and rows[-1]["epoch"] in ends:
        return True
    return epochs > 1 and epochs & (epochs - 1) == 0 and sum(row["seconds"] for row in rows) >= SECONDS_AGAIN


def keep(run: RunDir, trainer: Trainer, stopping: EarlyStopping | None, best: Best) -> None:
    """Write the state of a run that has its trainer to itself, with its best parameters so far."""
    write_tensors(run.checkpoint(f"{KEPT}{trainer.epoch:06d}"), *_whole(trainer, stopping, best))


def standing(trainer: Trainer, stopping: EarlyStopping | None, best: Best) -> dict[str, bytes]:
    """The checkpoints of a run that begins where its trainer stands, and that state as one that is kept."""
    if not trainer.epoch:
        return {}
    whole = _whole(trainer, stopping, best)
    return {_file(f"{KEPT}{trainer.epoch:06d}"): packed(*whole), **_parted(*whole)}


def _whole(trainer: Trainer, stopping: EarlyStopping | None, best: Best) -> Loaded:
    """All of a run in one file; a child that is judged by other scores than its parent has no best yet."""
    tensors, about = state_of(trainer, 0), about_last(trainer, stopping, 0, (trainer.epoch, trainer.step))
    if not best.epochs[0]:
        return tensors, about
    about["best"] = {"epoch": int(best.epochs[0]), "scores": best.scores[0].tolist()}
    of_best = named(trainer.network, best.theta[0], best.state[0])
    return tensors | {BEST + name: tensor for name, tensor in of_best.items()}, about


def kept(run: RunDir) -> dict[int, str]:
    """The epochs whose states are kept, and the names of their checkpoints."""
    found = [path.stem for path in (run.path / CHECKPOINTS).glob(f"{KEPT}*.safetensors")]
    return {int(name.removeprefix(KEPT)): name for name in found if name.removeprefix(KEPT).isdecimal()}


def snapshot(run: RunDir, epoch: int, network: Network) -> bytes | None:
    """A checkpoint of what an epoch was judged by at its end, as that of a best one; None where no state is kept."""
    name = kept(run).get(epoch)
    if name is None or (stored := run.load_checkpoint(name)) is None:
        return None
    tensors = {key: tensor for key, tensor in stored[0].items() if not key.startswith((SLOT, BEST))}
    if (average := stored[0].get(SLOT + AVERAGE)) is not None:
        tensors = named(network, average[..., : network.theta.size], average[..., network.theta.size :])
    return packed(tensors, {"epoch": epoch})


def start_before(run: RunDir, epoch: int) -> tuple[int, dict[str, bytes]]:
    """The latest stored state that is no later than an epoch, and the checkpoints of a run that stands there.

    Epoch 0 and none where nothing is stored; what is damaged is passed over, as the epochs can be trained again. The
    best so far is written before the last: where it is a later one, it has been written since, or the last one has not.
    """
    with suppress(DataError):
        last, best = run.load_checkpoint("last"), run.load_checkpoint("best")
        if last and best and best[1]["epoch"] <= last[1]["epoch"] <= epoch:
            return last[1]["epoch"], {_file("last"): packed(*last), _file("best"): packed(*best)}
    for at, name in sorted(kept(run).items(), reverse=True):
        with suppress(DataError):
            if at <= epoch and (stored := run.load_checkpoint(name)):
                return at, _parted(*stored)
    return 0, {}


def _parted(tensors: Tensors, about: Checkpoint) -> dict[str, bytes]:
    """A kept state as the checkpoints of a run."""
    last = {name: tensor for name, tensor in tensors.items() if not name.startswith(BEST)}
    files = {_file("last"): packed(last, about)}
    if found := about.get("best"):
        of_best: Checkpoint = {"epoch": found["epoch"], "scores": found["scores"]}
        best = {name.removeprefix(BEST): tensor for name, tensor in tensors.items() if name.startswith(BEST)}
        files[_file("best")] = packed(best, of_best)
    return files


def _file(name: str) -> str:
    return f"{CHECKPOINTS}/{name}.safetensors"


def fork_due(run: RunDir) -> int | None:
    """The epoch at whose end a child that rewinds is to stand where its parent stood; None where it has been there."""
    parent = run.read_record().get("parent")
    return parent["epoch"] if parent and "state" in parent and parent["state"] is None else None


def note_fork(run: RunDir, trainer: Trainer, due: int | None) -> None:
    """Where the child stands at that epoch, write a checksum of its state, by which that can be told."""
    if trainer.epoch == due:
        run.update_record(parent={**(run.read_record()["parent"] or {}), "state": checksum_of(state_of(trainer, 0))})
