"""The training loop: all that changes during a run, and nothing else. The caller logs, stops and saves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from nnrun.engine.augmentation import Augmenter
from nnrun.engine.batches import Batch, Batches
from nnrun.engine.divergence import Divergence, Watch, layer_lost
from nnrun.engine.epoch import Epoch
from nnrun.engine.evaluation import Evaluator, Examples, Judged
from nnrun.engine.hyperparameters import Hyperparameters
from nnrun.engine.initializers import Initializer
from nnrun.engine.layers import BatchNorm, Dropout, Mode
from nnrun.engine.losses import Loss, smoothed
from nnrun.engine.members import mean_gradient
from nnrun.engine.network import MLP, Observer
from nnrun.engine.parameters import Array, Buffers, side_by_side
from nnrun.engine.randomness import stream
from nnrun.engine.sampling import sample
from nnrun.engine.schedules import Progress, Schedule
from nnrun.engine.step_losses import StepLosses
from nnrun.engine.update import Optimizer, penalty

TRAIN_SAMPLE = 10_000  # training rows that the error of an epoch is measured on, if dev has no more


@dataclass(frozen=True, eq=False)
class Recipe:
    """What members have in common, and their hyperparameters, one value a member."""

    mlp: MLP
    initializer: Initializer
    loss: Loss
    optimizer: str  # a name of OPTIMIZERS
    hyperparameters: Hyperparameters
    schedule: Schedule
    batch_size: int  # rows
    epochs: int  # planned in total, which some schedules depend on
    shuffle: str = "auto"  # a name of SHUFFLES
    augmenter: Augmenter | None = None  # what is done to the rows of each batch
    step_losses: bool = False  # whether the loss of each batch is kept


class NumpyEngine:
    """How the epochs of a trainer are trained and measured; NumPy's way, which defines what a step is.

    Another engine is a subclass with another way. `vectors` makes those of its trainer, such as theta.
    """

    vectors = staticmethod(side_by_side)

    def __init__(self, trainer: Trainer) -> None:
        """`trainer`: the one whose epochs it will train."""

    def train(self, trainer: Trainer, see: Observer | None, measure: bool) -> Iterator[int]:
        """Through the planned epoch, before an observer or none, measured if wished; yields how many steps are done."""
        losses = StepLosses(trainer.recipe.loss, trainer.step_losses)
        for index, batch in enumerate(trainer.batches.epoch(trainer.epoch + 1)):
            trainer.differentiate(batch, see, losses)
            trainer.optimizer.step(index)
            yield index + 1
        losses.work_out()
        if measure:
            trainer.sums = self.measure(trainer)

    def measure(self, trainer: Trainer) -> list[Array]:
        """What the evaluators sum up on train and on dev, of all members as they are judged."""
        return [part.sums(trainer.judged.bound) for part in (trainer.on_train, trainer.on_dev)]


class Trainer:
    """Members of one shape, each with its own seed and hyperparameters, trained together.

    `recipe`, with hyperparameters for as many members as there are `seeds`; `train` and `dev`, whose precision is that
    of the network. Each `ensemble` members in a row are one: measured by their pooled prediction, and stopped together.
    `theta`, `state` and `gradient` are `(members, size)`; epochs are measured by `judged`; `active (members,)` marks
    those that still train; `epoch` and `step` count what lies behind. Raises KeyError for an unknown optimizer. What
    overflows is found at the end of the epoch, so the caller may silence NumPy's warnings.
    """

    def __init__(
        self,
        recipe: Recipe,
        train: Examples,
        dev: Examples,
        seeds: Sequence[int],
        engine: type[NumpyEngine] = NumpyEngine,
        ensemble: int = 1,
    ) -> None:
        self.recipe, self.seeds, self.ensemble = recipe, list(seeds), ensemble
        self.network = recipe.mlp.network()
        members, dtype = len(self.seeds), train.x.dtype
        sizes = self.network.theta.size, self.network.state.size, self.network.theta.size
        self.theta, self.state, self.gradient = (engine.vectors(members, size, dtype) for size in sizes)
        for k, seed in enumerate(self.seeds):
            self.network.draw(self.theta[k], self.state[k], seed, recipe.initializer, recipe.mlp.gains())
        self.bound = self.network.bind(self.theta, self.state, self.gradient)
        h, n_weights = recipe.hyperparameters, self.network.n_weights
        self.optimizer = Optimizer(
            recipe.optimizer, h, self.theta, self.gradient, n_weights, self.state, engine.vectors
        )
        self.mode = Mode(train=True, buffers=Buffers(dtype))
        smallest = 2 if any(isinstance(layer, BatchNorm) for _, layer in self.network.layers) else 1
        self.batches = Batches(
            train, recipe.loss, recipe.batch_size, self.seeds, smallest, recipe.shuffle, recipe.augmenter
        )
        self.step_losses = np.zeros((members, len(self.batches.bounds) if recipe.step_losses else 0))
        self.on_train = self.evaluator(sample(train, max(TRAIN_SAMPLE, len(dev))), each=False)
        self.on_dev = self.evaluator(dev)
        theta, state = self.optimizer.judged
        self.judged = Judged(theta, state, self.network.bind(theta, state, self.gradient))
        self.active = np.ones(members, bool)
        self.epoch = self.step = 0
        self.engine, self.sums = engine(self), list[Array]()  # of train and of dev, when an epoch was measured
        self._good = self.snapshot()

    @property
    def training(self) -> Array:
        """Which ensembles still train, `(ensembles,)`."""
        return self.active[:: self.ensemble]

    def apart(self, vectors: Array) -> Array:
        """`(members, size)` by ensembles, a view `(ensembles, ensemble, size)`; as it is where each is one member."""
        members, size = vectors.shape
        return vectors if self.ensemble == 1 else vectors.reshape(members // self.ensemble, self.ensemble, size)

    def evaluator(self, examples: Examples, each: bool = True) -> Evaluator:
        """What measures the ensembles on a part, and each of their members beside them if wished."""
        return Evaluator(self.network, self.recipe.loss, examples, self.ensemble, each)

    def epochs(self, until: int, told_to_stop: Callable[[], bool] = lambda: False) -> Iterator[Epoch]:
        """Train on to the end of epoch `until`, or until no member is active; what each epoch came to.

        `told_to_stop` is asked after every step, or the few that an engine does at once; told so, go back to the end of
        the last whole epoch and end.
        """
        while self.epoch < until and self.active.any():
            started = time.perf_counter()
            for _ in self.steps(measure=True):
                if told_to_stop():
                    self.go_back()
                    return
            yield self._close_epoch(started)

    def snapshot(self) -> dict[str, Array]:
        """Copies of all numbers that training continues from, `(members, size)` each, and the two counters."""
        copies = {name: vector.copy() for name, vector in self._vectors().items()}
        return copies | {"epoch": np.array(self.epoch), "step": np.array(self.step)}

    def restore(self, saved: Mapping[str, Array]) -> None:
        """Continue from a snapshot of as many members; KeyError where something is missing in it."""
        for name, vector in self._vectors().items():
            np.copyto(vector, saved[name])
        self.epoch, self.step = int(saved["epoch"]), int(saved["step"])
        self._good = self.snapshot()

    def continue_from(self, other: Trainer) -> None:
        """Go on where a trainer of the same network and members stands, whatever the numbers that steer this one.

        What the optimizer keeps goes on as the averages that it stands for, of members that still train.
        """
        np.copyto(self.theta, other.theta)
        np.copyto(self.state, other.state)
        np.copyto(self.active, other.active)
        self.epoch, self.step = other.epoch, other.step
        if self.step:
            self.optimizer.continue_from(other.optimizer, self.step, self.active)
        self._good = self.snapshot()

    def go_back(self) -> None:
        """Return to the end of the last whole epoch."""
        self.restore(self._good)

    def _vectors(self) -> dict[str, Array]:
        return {"theta": self.theta, "state": self.state, **self.optimizer.slots}

    def penalty_of(self, theta: Array) -> Array:
        """What penalties add to the cost of each ensemble, `(members, size)` → `(ensembles,)`; m is a whole batch."""
        weights, rows = theta[:, : self.network.n_weights], self.batches.bounds[0].stop
        return np.asarray(penalty(weights, self.recipe.hyperparameters, rows).reshape(-1, self.ensemble).mean(axis=1))

    def freeze(self, ensembles: Array) -> None:
        """Stop those marked in `(ensembles,)` where the last whole epoch left them; no snapshot holds this."""
        self.active &= ~np.repeat(ensembles, self.ensemble)

    def steps(self, see: Observer | None = None, measure: bool = False) -> Iterator[int]:
        """Train through the next epoch; yields the number of the last step that is done, from 1.

        `see`, where given, is shown what the layers pass on at each step, and every step is yielded; else an engine may
        do several between two. The epoch counts as done once all steps are, and is measured then, if wished.
        """
        self._plan_epoch()
        for done in self.engine.train(self, see, measure):
            yield self.step + done
        self.epoch += 1
        self.step += len(self.batches.bounds)

    def differentiate(self, batch: Batch, see: Observer | None = None, losses: StepLosses | None = None) -> None:
        """The gradient of the batch's mean loss on smoothed targets, into `gradient`; batch norm's averages move on.

        `losses`, where given, is shown the logits and the targets as they are.
        """
        x, targets, weights = batch[0], smoothed(batch[1], self.recipe.hyperparameters), batch[2]
        logits, backward = self.network.forward(self.bound, x, self.mode, see)
        if losses:
            losses.see(logits, batch[1], weights)
        backward(mean_gradient(self.recipe.loss, logits, targets, weights, out=self.mode.buffers.take(logits.shape)))

    def _plan_epoch(self) -> None:
        """Learning rates and dropout streams of the next epoch."""
        steps = np.arange(self.step + 1, self.step + len(self.batches.bounds) + 1)
        self.factors = self.recipe.schedule(Progress(self.epoch + 1, steps, self.recipe.epochs))
        self.optimizer.plan(steps, self.factors, self.batches.sizes, self.epoch + 1)
        self.mode.streams = self.dropout_streams()

    def dropout_streams(self) -> dict[int, list[Generator]]:
        """What dropout draws from in the next epoch: by depth, one generator a member."""
        depths = [layer.depth for _, layer in self.network.layers if isinstance(layer, Dropout)]
        return {depth: [stream(seed, "dropout", depth, self.epoch + 1) for seed in self.seeds] for depth in depths}

    def _close_epoch(self, started: float) -> Epoch:
        """The scores of an epoch that has ended.

        Ensembles that have diverged are stopped, stopped ones go back to where they stood, and of all others a copy is
        kept to go back to.
        """
        scores = self._scores(self.sums)
        lost = self._lost(scores["train_loss"])
        diverged = self._find_divergence(lost) if lost.any() else {}
        self.freeze(lost.reshape(-1, self.ensemble).max(axis=1))
        number, step = self.epoch, self.step
        if self.active.any():
            self._remember()
        else:
            self.go_back()
        rates = self.recipe.hyperparameters.learning_rate[:: self.ensemble, 0] * self.factors[-1]
        scores = {name: np.where(self.training, values, np.nan) for name, values in scores.items()}
        of_members = np.where(self.active, self.on_dev.of_members, np.nan).reshape(2, -1, self.ensemble)
        scores["dev_losses"], scores["dev_errors"] = of_members
        scores["step_losses"] = self.step_losses.reshape(len(self.training), self.ensemble, -1).mean(axis=1)
        return Epoch(number, step, rates, seconds=time.perf_counter() - started, diverged=diverged, **scores)

    def _lost(self, train_loss: Array) -> Array:
        """Active members with a number or a loss that is not finite, `(members,)`.

        On train ensembles alone were measured. Where that of one is not finite, for no reason that is known yet, each
        of their members is measured there, too.
        """
        finite = np.isfinite(self.on_dev.of_members[0])
        for vector in self._vectors().values():
            finite &= np.isfinite(vector).all(axis=-1)
        if self.ensemble == 1:
            finite &= np.isfinite(train_loss)
        elif (self.training & ~np.isfinite(train_loss) & finite.reshape(-1, self.ensemble).all(axis=1)).any():
            each = self.evaluator(self.on_train.examples)
            each(self.judged.bound)
            finite &= np.isfinite(each.of_members[0])
        return self.active & ~finite

    def _scores(self, sums: Sequence[Array]) -> dict[str, Array]:
        """Losses, errors and the cost, which is the training loss and the penalties."""
        train, dev = map(Evaluator.means, (self.on_train, self.on_dev), sums)
        scores = {"train_loss": train[0], "train_error": train[1], "dev_loss": dev[0], "dev_error": dev[1]}
        return scores | {"cost": train[0] + self.penalty_of(self.judged.theta)}

    def _remember(self) -> None:
        """Put members that no longer take part back to where they stopped, and keep this epoch's end."""
        stopped = ~self.active
        for name, vector in self._vectors().items():
            vector[stopped] = self._good[name][stopped]
            np.copyto(self._good[name], vector)
        self._good |= {"epoch": np.array(self.epoch), "step": np.array(self.step)}

    def _find_divergence(self, lost: Array) -> dict[int, Divergence]:
        """Run the epoch again from its start, which gives the same bits, and watch every layer at every step.

        Where the numbers of every layer were finite in all passes, the last update made others, or the loss did.
        """
        self.go_back()
        epoch, divergences = self.epoch + 1, dict[int, Divergence]()
        watch = Watch(lost, {name for name, layer in self.network.layers if isinstance(layer, Dropout)})
        for step in self.steps(watch):
            for member, layer in watch.layers.items():
                divergences.setdefault(member, Divergence(epoch, step, layer))
        for member in map(int, np.flatnonzero(lost)):
            divergences.setdefault(
                member, Divergence(epoch, self.step, layer_lost(self.network, self._vectors(), member))
            )
        first_behind, n = sorted(divergences, key=lambda k: (divergences[k].step, k), reverse=True), self.ensemble
        return {k // n: divergences[k]._replace(member=k % n) for k in first_behind}
