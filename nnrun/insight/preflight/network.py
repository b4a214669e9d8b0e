"""Checks of the network before its first step: its size, its signals, its first loss and its gradient."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count

import numpy as np

from nnrun.config.values import Settings
from nnrun.engine.evaluation import Evaluator
from nnrun.engine.layer_statistics import layer_statistics
from nnrun.engine.layers import Activate, Dense
from nnrun.engine.trainer import TRAIN_SAMPLE
from nnrun.insight.preflight.context import Context, descend, setting
from nnrun.machine.capacity import free_memory
from nnrun.runs.assembly import memory_needed, networks_of, recipe
from nnrun.runs.symptoms.evidence import Finding
from nnrun.runs.symptoms.thresholds import (
    AMPLIFIED,
    DEAD_AT_START,
    EXPLODED,
    MANY_DEAD_AT_START,
    VANISHED,
    WEAKENED,
)
from nnrun.text import listed, number, remaining

FEWEST_TIMED, MOST_TIMED = 2, 200
SECONDS_TIMED = 0.3
EPOCH_SECONDS = 0.001  # lines of an epoch that are written, and the rows that are shuffled
LONG_SECONDS = 3600.0
MUCH_MEMORY = 0.5  # share of what is free
FIRST_LOSS_LOW = 0.5  # times the loss of logits of 0
LARGE_FOR_CLASSES, FAR_FOR_CLASSES = 3.0, 5.0  # the same; cross-entropy grows with the logits,
LARGE_FOR_VALUES, FAR_FOR_VALUES = 5.0, 20.0  # squared error with their square


def check_size(context: Context) -> Finding:
    """Parameters, memory, and the time of a few real steps, of all networks of an ensemble."""
    parameters, needed = memory_needed(context.config, context.dataset)
    share, networks = needed / free_memory(), context.config.network.ensemble
    return judge_size(parameters, share, needed, _seconds(context), lambda: _smaller_batch(context), networks)


def _seconds(context: Context) -> float:
    """Of a whole training: its steps, the rows that each epoch is measured on, and what an epoch writes."""
    networks = networks_of(context.config)
    trainer = context.trainer(recipe(networks, context.dataset), context.train, len(networks))
    train, dev = (len(context.dataset.parts[part].x) for part in ("train", "dev"))
    steps = max(1, math.ceil(train / trainer.recipe.batch_size))
    measured = min(train, max(TRAIN_SAMPLE, dev)) + dev
    step = _seconds_each(chain.from_iterable(trainer.steps() for _ in count()))
    whole = Evaluator(trainer.network, trainer.recipe.loss, context.train)
    evaluation = _seconds_each(whole(trainer.bound) for _ in count()) / len(context.train)
    return context.config.training.epochs * (steps * step + measured * evaluation + EPOCH_SECONDS)


def _seconds_each(things: Iterator[object]) -> float:
    """The mean over some tenths of a second; the first one, which allocates what the others use again, is left out."""
    next(things)
    started, done = time.perf_counter(), 0
    while done < FEWEST_TIMED or (done < MOST_TIMED and time.perf_counter() - started < SECONDS_TIMED):
        next(things)
        done += 1
    return (time.perf_counter() - started) / done


def _smaller_batch(context: Context) -> str | None:
    """The batch size that halves what is needed often enough; None where the network itself is too large."""
    batch = context.recipe.batch_size
    while batch > 1:
        batch //= 2
        smaller = context.tried({"training.batch_size": batch}).config
        if memory_needed(smaller, context.dataset)[1] <= MUCH_MEMORY * free_memory():
            return setting("training.batch_size", batch)
    return None


def judge_size(
    parameters: int,
    share: float,
    needed: int,
    seconds: float,
    smaller: Callable[[], str | None],
    networks: int,
) -> Finding:
    """Parameters of a network, share of the free memory, bytes beside the data, seconds of all steps, and a batch that
    would fit.
    """
    numbers = {"parameters": parameters, "memory_bytes": needed, "seconds": seconds}
    times = "" if networks == 1 else f"{networks} × "
    text = f"{times}{parameters:,} parameters, {needed / 1e6:,.0f} MB, about {remaining(max(1.0, seconds))} to train"
    if share > MUCH_MEMORY:
        told = f"{text}; {share:.0%} of the free memory"
        return Finding("warn", told, smaller() or "a network with fewer or narrower layers", numbers)
    if seconds > LONG_SECONDS:
        return Finding("warn", text, "fewer epochs or a smaller network while you are still trying", numbers)
    return Finding("pass", text, numbers=numbers)


def check_symmetry(context: Context) -> Finding:
    """Hidden units with the same incoming weights."""
    trainer = context.trainer(context.plain, context.train)
    alike = {}
    for layer in trainer.bound:
        if isinstance(layer.layer, Dense) and layer.name != "output":
            W = layer.p["W"][0]
            alike[layer.name] = W.shape[1] - len(np.unique(W, axis=1).T)
    return judge_symmetry(alike)


def judge_symmetry(alike: Mapping[str, int]) -> Finding:
    """Units of each hidden layer that start equal to another one: they get equal gradients and stay equal."""
    numbers = {"alike": dict(alike)}
    found = [layer for layer, units in alike.items() if units]
    if not alike:
        return Finding("pass", "no hidden layer, nothing to break", numbers=numbers)
    if not found:
        return Finding("pass", "all hidden units start with weights of their own", numbers=numbers)
    text = f"units of {listed(found)} start with equal weights and will stay equal"
    return Finding("fail", text, setting("network.init", "auto"), numbers)


@dataclass(frozen=True)
class Signals:
    """Scales along the hidden layers, the first one first."""

    layers: Sequence[str]
    outputs: Sequence[float]  # standard deviations
    gradients: Sequence[float]  # norms
    dead: Sequence[float]  # shares of units

    @property
    def output_ratio(self) -> float:
        """The last hidden layer's scale over the first one's."""
        return ratio(self.outputs[-1], self.outputs[0])

    @property
    def gradient_ratio(self) -> float:
        """The first hidden layer's gradient over the last one's."""
        return ratio(self.gradients[0], self.gradients[-1])


def ratio(a: float, b: float) -> float:
    """a / b; 0 where both are, infinite where b alone is or one is not finite."""
    if not (math.isfinite(a) and math.isfinite(b)):
        return math.inf
    return a / b if b else (math.inf if a else 0.0)


def check_layers(context: Context) -> Finding:
    """Outputs and gradients of each hidden layer, on a sample of the training rows."""
    return _cured(context, _layers)


def _layers(context: Context) -> Finding:
    trainer = context.trainer(context.plain, context.train)
    (found,) = layer_statistics(trainer.network, trainer.recipe.loss, trainer.theta, trainer.state, context.train)
    hidden = [name for name, layer in trainer.network.layers if isinstance(layer, Activate)]
    if not hidden:
        return Finding("pass", "no hidden layer")
    values = {key: [found[name][key] for name in hidden] for key in ("output_std", "gradient_norm", "dead")}
    return judge_layers(Signals(hidden, values["output_std"], values["gradient_norm"], values["dead"]))


def judge_layers(signals: Signals) -> Finding:
    """Whether the first hidden layer's signal reaches the last one, and the last one's gradient the first."""
    out, back, dead = signals.output_ratio, signals.gradient_ratio, max(signals.dead)
    numbers = {"outputs_last_to_first": out, "gradients_first_to_last": back, "dead": dead}
    text = f"outputs ×{out:.2g} from first to last hidden layer, gradients ×{back:.2g} back"
    if out < VANISHED or back < VANISHED:
        return Finding("fail", f"vanishing: {text}", None, numbers)
    if out > EXPLODED or back > EXPLODED:
        return Finding("fail", f"exploding: {text}", None, numbers)
    if dead > MANY_DEAD_AT_START:
        worst = signals.layers[list(signals.dead).index(dead)]
        told = f"{dead:.0%} of the units of {worst} are 0 for every row"
        return Finding("fail" if dead >= DEAD_AT_START else "warn", told, None, numbers)
    if not (WEAKENED <= out <= AMPLIFIED and WEAKENED <= back <= AMPLIFIED):
        return Finding("warn", f"uneven: {text}", None, numbers)
    return Finding("pass", text, numbers=numbers)


WAYS_OUT: tuple[Settings, ...] = (
    {"network.init": "auto"},
    {"network.batch_norm": True},
    {"network.init": "auto", "network.batch_norm": True},
    {"network.activation": "leaky_relu"},
)


def _cured(context: Context, look: Callable[[Context], Finding]) -> Finding:
    """What a look finds, with settings under which signals keep their size: tried, not supposed."""
    found = look(context)
    if found.status == "pass":
        return found
    return replace(found, cure=context.first_cure(WAYS_OUT, look, "fewer hidden layers"))


def check_first_loss(context: Context) -> Finding:
    """The loss before the first step, beside that of logits of zero."""
    return _cured(context, _first_loss)


def _first_loss(context: Context) -> Finding:
    trainer = context.full_batch(context.train)
    (before,) = descend(trainer, 1)
    loss, (_, targets, _) = trainer.recipe.loss, next(trainer.batches.epoch(1))
    nothing = float(loss.sums(np.zeros_like(targets), targets, context.train.weights)[0][0]) / context.train.total
    return judge_first_loss(float(before.loss[0]), nothing, len(context.dataset.classes or ()))


def judge_first_loss(first: float, nothing: float, classes: int) -> Finding:
    """The first loss and that of logits of zero: ln C for C classes, the mean square of the target for values."""
    known = f"ln {classes}" if classes else "that of the mean"
    numbers = {"first": first, "expected": nothing}
    text = f"{number(first)}, and {known} is {number(nothing)}"
    large, far = (LARGE_FOR_CLASSES, FAR_FOR_CLASSES) if classes else (LARGE_FOR_VALUES, FAR_FOR_VALUES)
    if not FIRST_LOSS_LOW * nothing <= first <= far * nothing:  # NaN is in no range
        return Finding("fail", f"far from knowing nothing: {text}", None, numbers)
    if first > large * nothing:
        return Finding("warn", f"large: {text}", None, numbers)
    return Finding("pass", text, numbers=numbers)
