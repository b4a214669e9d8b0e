"""Check of `regularization.augment`: some rows as training would be given them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nnrun.engine.augmentation import Augmenter
from nnrun.engine.parameters import Array
from nnrun.engine.sampling import sample
from nnrun.insight.preflight.context import Context, setting
from nnrun.runs.symptoms.evidence import Finding
from nnrun.text import counted, number

KEY = "regularization.augment"
ROWS = 256  # of the training set
LOUD = 1.0  # times what rows differ by
QUIET = 0.1  # of that is usual


def check_augment(context: Context) -> Finding:
    """Numbers that are not finite, and noise that drowns what it is put on; how far pixels move depends on the task."""
    augmenter = context.recipe.augmenter
    if augmenter is None:
        return Finding("pass", "no augmentation is asked for")
    x = sample(context.train, ROWS).x
    noise = Augmenter([each for each in augmenter.augmentations if not each.moves])
    changed, noisy = (_changed(x, each, context.config.seed) for each in (augmenter, noise))
    found = judge_augment(x, changed, noisy)
    return found if found.status == "pass" else replace(found, cure=_quieter(context, _spread(x)))


def _changed(x: Array, augmenter: Augmenter, seed: int) -> Array:
    rows = np.arange(len(x))
    changed: Array = augmenter.at([seed], 1)(x[None], rows[None])[0]
    return changed


def _size(values: Array) -> float:
    """The root of the mean square."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def _spread(x: Array) -> float:
    return _size(x - x.mean(axis=0))


def judge_augment(x: Array, changed: Array, noisy: Array) -> Finding:
    """Rows `(m, n)`, as they are, with all that is done to them, and with noise alone."""
    wrong = int(np.count_nonzero(~np.isfinite(changed).all(axis=1)))
    spread, noise = _spread(x), _size(noisy - x)
    numbers = {"rows": len(x), "noise": noise, "spread": spread}
    if wrong:
        return Finding("fail", f"{wrong} of {counted(len(x), 'row')} become numbers that are not finite")
    if noise >= LOUD * spread > 0:
        text = f"noise of size {number(noise)} on inputs that vary by {number(spread)}: hardly anything is left of them"
        return Finding("warn", text, numbers=numbers)
    beside = f"; noise of size {number(noise)} on inputs that vary by {number(spread)}" if noise else ""
    return Finding("pass", f"{counted(len(x), 'row')} tried, all finite{beside}", numbers=numbers)


def _quieter(context: Context, spread: float) -> str:
    """The setting of the augmentation with noise of a usual size."""
    usual = float(f"{QUIET * spread:.1g}")
    entries = context.config.resolved()["regularization"]["augment"]
    return setting(KEY, [each | ({"deviation": usual} if "deviation" in each else {}) for each in entries])
