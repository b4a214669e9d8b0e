"""The gradient of the engine beside differences of the cost, parameter by parameter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nnrun.engine.gradient_check import ACCEPTABLE, BUG, EPSILON, GradientCheck, LayerCheck, check_gradient
from nnrun.engine.parameters import Array
from nnrun.engine.sampling import sample
from nnrun.engine.trainer import Trainer
from nnrun.insight.preflight.context import USUAL, Context, Probe, descend, setting, with_values
from nnrun.runs.symptoms.evidence import Finding
from nnrun.text import columns, counted

ROWS = 8
SINGLE = 1e-4  # what float32 leaves of a gradient that is a sum of ten thousand terms, as of the pixels of an image
STEPS, RATE = 10, 1e-3  # of Adam or whatever trains, after which the gradient is checked again
LIMIT = 20_000_000  # parameters, copies of which are evaluated in float64
ALL_LIMIT = 50_000  # parameters that are all checked: each takes two passes of the whole network


def check_gradients(context: Context) -> Finding:
    """The engine's gradient against differences, before the first step and after some; dropout off, penalties on.

    Both are worked out in float64, but the gradient of compiled code in the precision it trains in.
    """
    trainer = context.full_batch(
        sample(context.train, ROWS),
        hyperparameters=with_values(context.plain.hyperparameters, 1, learning_rate=RATE),
    )
    if too_many := _too_many(trainer.theta.size, context.probe):
        return too_many
    engine = context.config.training.engine
    found = [(_gradient(trainer, engine, context.probe), _otherwise(trainer, engine, context.probe))]
    for _ in descend(trainer, STEPS):
        pass
    if np.isfinite(trainer.theta).all():
        found.append((_gradient(trainer, engine, context.probe), _otherwise(trainer, engine, context.probe)))
    checks, usual = zip(*found, strict=True)
    bound = SINGLE if engine == "compiled" and trainer.theta.dtype == np.float32 else ACCEPTABLE
    return judge_gradients(checks, engine, context.probe, [check for check in usual if check], bound)


def _too_many(parameters: int, probe: Probe) -> Finding | None:
    if parameters > LIMIT:
        return Finding("warn", f"not checked: {parameters:,} parameters are too many", "try a narrower network")
    if probe.most is None and parameters > ALL_LIMIT:
        told = f"not checked: all of {parameters:,} parameters would take long, {ALL_LIMIT:,} at most"
        return Finding("warn", told, f"without --all a sample of {USUAL.most} is checked")
    return None


def _gradient(trainer: Trainer, engine: str, probe: Probe) -> GradientCheck:
    recipe, batches = trainer.recipe, trainer.batches
    return check_gradient(
        trainer.network, recipe.loss, recipe.hyperparameters, trainer.theta[0], trainer.state[0], batches.examples,
        probe.epsilon, probe.most, _compiled(trainer) if engine == "compiled" else None,
    )  # fmt: skip


def _otherwise(trainer: Trainer, engine: str, probe: Probe) -> GradientCheck | None:
    """By the usual steps, where others were asked for: what those leave may be their own fault."""
    return None if probe.epsilon == EPSILON else _gradient(trainer, engine, USUAL)


def _compiled(trainer: Trainer) -> Array:
    from nnrun.compiled.steps import gradient_of

    gradient: Array = gradient_of(trainer)[0]
    return gradient


def judge_gradients(
    found: Sequence[GradientCheck],
    engine: str,
    probe: Probe,
    usual: Sequence[GradientCheck],
    bound: float,
) -> Finding:
    """The worst of several comparisons; a difference of a thousandth is no rounding, one below the bound may be.

    Where steps of another size than the usual one were asked for, `usual` has what those come to.
    """
    worst = _worst(found)
    finding = _judged(worst, engine, bound)
    if finding.status != "pass" and usual and _worst(usual).ratio < bound:
        text = f"difference {worst.ratio:.1e} with steps of {probe.epsilon:g}, but {_worst(usual).ratio:.1e} with "
        text += f"{EPSILON:g}: the gradient is right, the step too {_side(probe.epsilon)}"
        finding = Finding("warn", text, f"--epsilon {EPSILON:g}", finding.numbers)
    return replace(finding, picture=_table(worst.layers)) if probe.asked else finding


def _worst(found: Sequence[GradientCheck]) -> GradientCheck:
    return max(found, key=lambda check: math.inf if math.isnan(check.ratio) else check.ratio)


def _side(epsilon: float) -> str:
    return "small, which leaves rounding" if epsilon < EPSILON else "large, which leaves the curvature"


def _judged(worst: GradientCheck, engine: str, bound: float) -> Finding:
    layers = [layer._asdict() for layer in worst.layers]
    numbers = {"engine": engine, "ratio": worst.ratio, "parameter": worst.worst_parameter, "checked": worst.checked}
    numbers |= {"kinks": worst.kinks, "layers": layers}
    whose = "" if engine == "numpy" else f" of the {engine} engine"
    text = f"difference {worst.ratio:.1e} in {counted(worst.checked, 'parameter')}{whose}, dropout off, penalties on"
    if not worst.ratio < BUG:
        told = f"wrong gradient{whose}: difference {worst.ratio:.1e}, most at {worst.worst_parameter}, dropout off"
        cure = f"the backward pass of {worst.worst_layer} does not fit its forward pass"
        return Finding("fail", told, setting("training.engine", "numpy") if whose else cure, numbers)
    if worst.ratio >= bound:
        cure = setting("training.dtype", "float64")
        return Finding("warn", f"{text}, most at {worst.worst_parameter}", f"check again in float64: {cure}", numbers)
    return Finding("pass", text, numbers=numbers)


def _table(layers: Sequence[LayerCheck]) -> str:
    """The worst parameter of each layer, from the input to the output."""
    rows = [[each.parameter, f"{each.numerical:.8g}", f"{each.analytic:.8g}", f"{each.ratio:.1e}"] for each in layers]
    heads = ["worst of its layer", "numeric", "analytic", "difference"]
    return "\n".join(columns([heads, *rows], right=(1, 2, 3)))
