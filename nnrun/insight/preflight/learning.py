"""Checks of learning: the cost falls, one small batch can be learned, and the rate is one that works."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from nnrun.engine.evaluation import Examples
from nnrun.engine.optimizers import hyperparameters
from nnrun.engine.parameters import Array
from nnrun.engine.randomness import stream
from nnrun.engine.schedules import Given, Progress
from nnrun.insight.preflight.context import Context, descend, setting, with_values
from nnrun.insight.range_test import (
    LEAST_FALL,
    RATE,
    RateRange,
    find_rate,
    plot,
    range_test,
    round_rate,
    side_by_side,
)
from nnrun.runs.symptoms.evidence import Finding, Status
from nnrun.text import by_hand, counted, number, percent

STEPS = 20
RISE = 0.01  # share of the first cost; less is rounding, or the last digits of a cost that has settled
LOWER, TRIES = 10.0, 7  # the rate is divided by it until the cost falls
BATCH_ROWS = 8
MOST_BATCH_STEPS, FEWEST_BATCH_STEPS = 1_000, 100
BATCH_WORK = 1_000_000_000  # steps × parameters
BATCH_RATES = (1e-3, 1e-2, 1e-1)  # tried side by side, so that the rate is no part of the question
LEARNED = {"classification": 0.0, "regression": 0.01}  # error at which a batch counts as learned
LOWER_RATE = "a lower optimizer.learning_rate"
USELESS = 0.1  # of the fall at the other rate: what is less is no matter of taste
HALF = 0.5  # of that fall: beyond where the loss diverges a rate may fall to guessing alone
NARROW = 16  # units of a layer that is tried next
LARGEST = 5_000_000  # parameters of a network that is tried on one batch


def check_cost(context: Context) -> Finding:
    """20 steps on all rows, with the config's optimizer at its rate."""
    rate = context.config.optimizer.learning_rate
    costs = _costs(context, rate)
    better = None
    if rises(costs):
        lower = (rate / LOWER**k for k in range(1, TRIES + 1))
        better = next((lower for lower in lower if not rises(_costs(context, lower))), None)
    return judge_cost(costs, rate, better)


def _costs(context: Context, rate: float) -> list[float]:
    """Costs before and after each step, dropout and label smoothing off; the schedule as it will begin."""
    h = with_values(context.plain.hyperparameters, 1, learning_rate=rate, label_smoothing=0.0)
    schedule = Given(first_factors(context, STEPS + 1))
    trainer = context.full_batch(context.train, hyperparameters=h, schedule=schedule)
    return [float(measured.cost[0]) for measured in descend(trainer, STEPS + 1)]


def first_factors(context: Context, steps: int) -> tuple[float, ...]:
    """What the schedule multiplies the rate by in the first steps of real training."""
    recipe = context.recipe
    per_epoch = math.ceil(len(context.dataset.parts["train"].x) / recipe.batch_size)
    factors: list[float] = []
    for epoch in range(1, 1 + math.ceil(steps / per_epoch)):
        numbers = np.arange((epoch - 1) * per_epoch + 1, epoch * per_epoch + 1)
        factors += recipe.schedule(Progress(epoch, numbers, recipe.epochs)).tolist()
    return tuple(factors[:steps])


def rises(costs: Sequence[float]) -> int:
    """How often the cost did not fall; one that is not finite has not.

    Rises are measured by the first cost: near the end of learning the last hundredths go up and down at any rate.
    """
    found: Array = ~(np.diff(costs) <= RISE * abs(costs[0]))
    return int(found.sum())


def judge_cost(costs: Sequence[float], rate: float, better: float | None) -> Finding:
    """Costs `(steps + 1,)` at this rate, and a lower rate at which they fall at every step."""
    steps, bad = len(costs) - 1, rises(costs)
    numbers = {"costs": list(costs), "rises": bad, "learning_rate": rate, "falls_at": better}
    text = f"cost {number(costs[0])} → {number(costs[-1])} in {steps} full-batch steps, dropout off"
    if not bad:
        return Finding("pass", text, numbers=numbers)
    cure = "no lower rate mends it; look at the gradient and the data"
    if better is not None:
        cure = setting(RATE, by_hand(better))
    if not costs[-1] < costs[0]:
        return Finding("fail", f"learning rate {rate:g} too high: {text}", cure, numbers)
    return Finding("warn", f"learning rate {rate:g} is high: rises at {bad} of {steps} steps; {text}", cure, numbers)


def check_batch(context: Context) -> Finding:
    """Some rows by heart, with Adam, without penalties and dropout; ends as soon as they are known."""
    hidden = context.config.network.hidden
    found = _by_heart(context)
    if found.status == "pass" or "steps" not in found.numbers:
        return found
    wider = {"network.hidden": [max(NARROW, 2 * units) for units in hidden] or [NARROW]}
    otherwise = "no wider network mends it: look for rows that are alike but for their targets, and at the activation"
    return replace(found, cure=context.first_cure([wider, {"network.batch_norm": True}], _by_heart, otherwise))


def _by_heart(context: Context) -> Finding:
    hidden, task = context.config.network.hidden, context.dataset.task
    batch = small_batch(context.train, linear=not hidden)
    h = hyperparameters("adam", len(BATCH_RATES), learning_rate=BATCH_RATES)
    trainer = context.full_batch(batch, optimizer="adam", hyperparameters=h)
    if trainer.theta.shape[1] > LARGEST:
        return Finding("warn", f"not tried: {trainer.theta.shape[1]:,} parameters are too many", "a smaller network")
    errors: list[float] = []
    for measured in descend(
        trainer, min(MOST_BATCH_STEPS, max(FEWEST_BATCH_STEPS, BATCH_WORK // trainer.theta.shape[1]))
    ):
        errors.append(float(np.nanmin([*measured.error, np.inf])))
        if errors[-1] <= LEARNED[task]:
            break
    return judge_batch(errors, len(batch), LEARNED[task])


def small_batch(train: Examples, linear: bool) -> Examples:
    """Different rows from anywhere, all classes or values in turn.

    For a linear network no more than half the features, which can be fitted.
    """
    rows = np.sort(np.unique(train.x, axis=0, return_index=True)[1])
    rows = stream(0, "sample").permutation(rows)
    places = np.unique(train.y[rows], axis=0, return_inverse=True)[1].ravel()
    order, counts = np.argsort(places, kind="stable"), np.bincount(places)
    turns = np.empty_like(order)
    turns[order] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    most = min(BATCH_ROWS, max(2, train.x.shape[1] // 2)) if linear else BATCH_ROWS
    chosen = np.sort(rows[np.argsort(turns, kind="stable")[:most]])
    return Examples(train.x[chosen], train.y[chosen])


def judge_batch(errors: Sequence[float], rows: int, learned: float) -> Finding:
    """The lowest error before each step; a network that stays at half of where it began has not learned."""
    numbers = {"error": min(errors), "steps": len(errors), "rows": rows}
    if min(errors) <= learned:
        return Finding("pass", f"{rows} rows learned in {counted(len(errors) - 1, 'step')} of Adam", numbers=numbers)
    text = f"{rows} rows not learned in {len(errors)} steps of Adam: error {percent(min(errors))}"
    return Finding("warn" if min(errors) <= errors[0] / 2 else "fail", text, None, numbers)


def check_rates(context: Context) -> Finding:
    """Mini-batches as in training, dropout and penalties as configured, on a sample of the training rows."""
    curve = range_test(context.recipe, context.train, context.config.seed)
    if curve is None:
        return Finding("pass", "no suggestion: the network is too large to try in seconds")
    suggestion = find_rate(*curve).suggestion
    both = None if suggestion is None else _trial(context, round_rate(suggestion))
    return judge_rates(*curve, context.config.optimizer.learning_rate, both)


class Trial(NamedTuple):
    """The loss on the same rows before and after so many steps on the same batches, at the config's rate and another.

    NaN where numbers ceased to be finite.
    """

    steps: int
    first: float
    configured: float
    other: float

    def useless(self, beyond: bool) -> bool:
        """Whether the config's rate gets nowhere while the other learns; not half as far, where it may diverge."""
        there, here = self.first - self.other, self.first - self.configured
        return there > LEAST_FALL * self.first and not here >= (HALF if beyond else USELESS) * there

    @property
    def lost(self) -> bool:
        """Whether the loss has risen at the config's rate, or is no number any more."""
        return not self.configured <= (1 + LEAST_FALL) * self.first

    @property
    def led(self) -> str:
        """Where the config's rate has led, in words."""
        return f"to {number(self.configured)}" if math.isfinite(self.configured) else "nowhere, as they diverge"


def _trial(context: Context, rate: float) -> Trial:
    """The config beside itself at another rate."""
    both = [context.config, context.tried({RATE: rate}).config]
    steps, first, (here, there) = side_by_side(both, context.dataset, context.train)
    return Trial(steps, first, here, there)


def _of_its_own(configured: float, found: RateRange, trial: Trial | None) -> tuple[Status, str]:
    """What is to say of the config's rate where no other is suggested."""
    rate = f"the config's rate of {configured:g}"
    if trial is None:
        lost = found.diverges is not None and configured >= found.diverges
        told = "no suggestion: the loss hardly falls"
        return ("warn", f"{rate} is too high; {told}") if lost else ("pass", told)
    if trial.lost:
        return "warn", f"{rate} is too high: from a loss of {number(trial.first)}, {trial.steps} steps lead {trial.led}"
    fall = f"loss {number(trial.first)} → {number(trial.configured)} in {trial.steps} steps"
    return "pass", f"{rate} is within what works, {fall}"


def judge_rates(
    rates: Sequence[float], losses: Sequence[float], configured: float, trial: Trial | None = None
) -> Finding:
    """The curve beside the rate of the config; another one is suggested where a trial of both speaks for it."""
    found = find_rate(rates, losses)
    is_beyond = found.diverges is not None and configured >= found.diverges
    useless = trial is not None and trial.useless(is_beyond)
    suggestion = found.suggestion if useless else None
    numbers = {
        "suggestion": suggestion, "steepest": found.suggestion, "diverges": found.diverges,
        "trial": trial._asdict() if trial else None, "rates": list(rates), "losses": list(losses),
    }  # fmt: skip
    picture = plot(rates, losses)
    beyond = "" if found.diverges is None else f"; the loss diverges at {found.diverges:.1g}"
    if found.suggestion is None or trial is None or not useless:
        status, told = _of_its_own(configured, found, trial)
        if status == "pass" and is_beyond:
            beyond = ""  # with one step a rate the curve errs, and the trial speaks against it
        return Finding(status, told + beyond, LOWER_RATE if status == "warn" else None, numbers, picture)
    other = round_rate(found.suggestion)
    text = (
        f"suggests {other:g}: from a loss of {number(trial.first)}, {trial.steps} steps lead to {number(trial.other)}, "
        f"and at the config's {configured:g} {trial.led}{beyond}"
    )
    return Finding("warn", text, setting(RATE, other), numbers, picture)
