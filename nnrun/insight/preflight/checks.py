"""All checks in their order, with what each finds, from where on, and who says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from nnrun.data.facts import association, kinds, likeness
from nnrun.data.files.spelling import DIFFER
from nnrun.engine.gradient_check import ACCEPTABLE, BUG, EPSILON
from nnrun.insight import range_test
from nnrun.insight.preflight import (
    augmentation,
    columns,
    gradients,
    learning,
    mismatch,
    network,
    rows,
    searching,
    values,
)
from nnrun.insight.preflight.context import Context
from nnrun.runs.symptoms import thresholds
from nnrun.runs.symptoms.evidence import Finding


class Check(NamedTuple):
    """A function of the context; the faults it names; its thresholds and their source; what would explain its failure.

    Where one of the checks in `after` has failed, this one is not run: a fault is told once.
    """

    run: Callable[[Context], Finding]
    faults: str
    threshold: str
    source: str
    after: tuple[str, ...] = ()


# Without these there is no learning to judge.
SIGNALS = ("constant", "scale", "symmetry", "layers", "gradient", "first_loss")

CHECKS: dict[str, Check] = {
    "schema": Check(
        rows.check_schema,
        "keys, types and ranges of the YAML file (found when it is read: exit code 3)",
        "passes when there is a config to check; tells what was left out or replaced",
        "[reference.md](reference.md)",
    ),
    "search": Check(
        searching.check_search,
        "a section `search` that a search would refuse; training does not read it (fail); an optional library that "
        "its strategy lacks (warn)",
        "passes where the first trial could begin, and where there is no such section; tells what a search would note",
        "[reference.md](reference.md)",
    ),
    "rows": Check(
        rows.check_rows,
        f"a class that is missing in dev or test (fail); no test set, groups of several parts that {DIFFER} (warn)",
        "one row of each class in each part",
        "Ng, Machine Learning Yearning, ch. 5–7",
    ),
    "constant": Check(
        columns.check_constant,
        "a column that never varies (warn)",
        "one value, or none, in the training part",
        "–",
    ),
    "identifiers": Check(
        columns.check_identifiers,
        "a column that numbers or names the rows (warn)",
        f"from {kinds.FEWEST_IDENTIFIERS} rows: whole numbers that all differ and rise, fill "
        f"{kinds.DENSE:.0%} of their range or are called id; text of which {kinds.OFTEN_DIFFERENT:.0%} differs",
        "Kaufman et al. 2012, Leakage in Data Mining",
    ),
    "missing": Check(
        columns.check_missing,
        "a column with hardly any value (warn)",
        f"a value in fewer than {kinds.LEAST_ROWS} training rows",
        "–",
    ),
    "sentinels": Check(
        values.check_sentinels,
        "-999 and the like for a missing value, undeclared (warn)",
        f"nines with a sign, in {values.OFTEN:.0%} of the training rows, {values.APART:g} widths of all others away",
        "–",
    ),
    "far": Check(
        values.check_far,
        "a number that alone decides an error or a scale (warn)",
        f"{values.FAR:g} times as far from the median as the middle 98% of the training rows are wide",
        "–",
    ),
    "target": Check(
        values.check_target,
        f"classes that {DIFFER}, or have few rows; a target that hardly varies in a "
        "part, or of which few rows make all (warn)",
        f"{values.MANY_CLASSES} classes or more, {values.FEW_OF_A_CLASS} rows in the median; {values.HARDLY:.0%} of "
        f"the deviation in train; {values.FEW:.0%} of the rows make {values.ALONE:.0%} of the squared deviations, or "
        f"{values.MOSTLY:.0%} have one value",
        "–",
    ),
    "kinds": Check(
        columns.check_kinds,
        "numbers that are codes: values that tell, in an order that does not; categories that "
        f"{DIFFER}, if data.kinds does not name them (warn)",
        f"{columns.FEWEST_VALUES} to {columns.MOST_VALUES} whole numbers that explain {columns.TELLS:.0%} of the "
        f"target, a straight line at most {columns.MOSTLY_LINEAR:.0%} of that, neighbours no more alike than in the "
        f"{columns.BY_CHANCE:.0%} smoothest of {columns.SHUFFLES} shuffles; case from {columns.WORD} letters on",
        "von Neumann 1941",
    ),
    "leak": Check(
        columns.check_leak,
        "a copy or a recoding of the target among the columns (fail)",
        f"the nearest values of one column alone explain {association.GIVES_AWAY:.0%} of the target "
        f"and it holds little else: {association.GIVES_AWAY:.0%} of its variance lies between classes "
        f"(warn: {association.NEARLY:.0%}, or it varies within classes too, or it is the only column)",
        "Kaufman et al. 2012; λ: Goodman & Kruskal 1954",
    ),
    "duplicates": Check(
        rows.check_duplicates,
        "rows of one part that stand in another (fail; warn: as few as chance brings)",
        f"more than one row, {rows.FEW_REPEATED:.0%} of the part and {rows.BY_CHANCE:g} times what independent columns "
        "would bring",
        "Kaufman et al. 2012",
    ),
    "distribution": Check(
        rows.check_distribution,
        "a dev set unlike the test set (fail); a training part unlike both, or parts split by time or group (warn)",
        f"Kolmogorov–Smirnov or χ² at {likeness.SIGNIFICANCE:g} over all columns (Holm) and pairs of parts, so one "
        f"random split in {1 / likeness.SIGNIFICANCE:.0f} is told so by chance; and a distance of"
        f" {likeness.LARGE:g}",
        "Holm 1979; Ng, Machine Learning Yearning, ch. 6",
        after=("rows",),
    ),
    "mismatch": Check(
        mismatch.check_mismatch,
        "parts that a classifier tells apart though every column alone is alike, as where a correlation turns "
        "(fail and warn as `distribution`, whose pairs of parts are left out)",
        f"AUC of {mismatch.LARGE:g}, cross-validated on up to {mismatch.MOST_ROWS} rows of each part, and a "
        f"permutation test at {mismatch.SIGNIFICANCE:g} over all pairs of parts (Bonferroni)",
        "Lopez-Paz & Oquab 2017, Revisiting Classifier Two-Sample Tests",
        after=("rows", "distribution"),
    ),
    "scale": Check(
        columns.check_scale,
        "unscaled inputs with `normalize: none` (fail; pass with batch norm)",
        f"root mean square of a feature above {columns.LARGEST_SCALE:g}, or above {columns.SPREAD:g} times the median",
        "LeCun et al. 1998, Efficient BackProp, 4.3",
    ),
    "augment": Check(
        augmentation.check_augment,
        "augmentation that makes numbers which are not finite (fail), or noise that drowns the inputs (warn)",
        f"{augmentation.ROWS} rows as training is given them; noise of {augmentation.LOUD:g} times what they vary by",
        "–",
    ),
    "size": Check(
        network.check_size,
        "a training of hours, or one that needs most of the memory (warn)",
        f"{network.LONG_SECONDS / 3600:g} h by the time of a few real steps; {network.MUCH_MEMORY:.0%} of what is free",
        "–",
    ),
    "symmetry": Check(
        network.check_symmetry,
        "hidden units that start alike, as with `init: zeros` (fail)",
        "two units of a layer with equal weights",
        "Goodfellow et al. 2016, Deep Learning, 8.4",
    ),
    "layers": Check(
        network.check_layers,
        "signals or gradients that vanish or explode, dead units (fail; warn: uneven)",
        f"first to last hidden layer: below {thresholds.VANISHED:g} or above {thresholds.EXPLODED:g} times "
        f"(warn: {thresholds.WEAKENED:g}, {thresholds.AMPLIFIED:g}); "
        f"{thresholds.DEAD_AT_START:.0%} of a layer's units 0 for every row "
        f"(warn: {thresholds.MANY_DEAD_AT_START:.0%})",
        "Glorot & Bengio 2010; He et al. 2015",
        after=("constant", "scale", "symmetry"),
    ),
    "gradient": Check(
        gradients.check_gradients,
        "a gradient, of the engine that would train, that does not fit the forward pass (fail)",
        f"‖numerical − analytic‖ / (‖numerical‖ + ‖analytic‖) of {BUG:g} or more "
        f"(warn: {ACCEPTABLE:g}), float64 (compiled code in what it trains in; in float32 warn: {gradients.SINGLE:g}), "
        f"±{EPSILON:g} or the step asked for, before the first step and after {gradients.STEPS}",
        "Ng, Deep Learning Specialization, course 2",
        after=("scale", "layers"),
    ),
    "first_loss": Check(
        network.check_first_loss,
        "initial weights that are too large (fail)",
        f"{network.FAR_FOR_CLASSES:g} times the loss of logits of 0, ln C for C classes "
        f"(warn: {network.LARGE_FOR_CLASSES:g}); {network.FAR_FOR_VALUES:g} times the loss of the mean for values "
        f"(warn: {network.LARGE_FOR_VALUES:g}); or less than {network.FIRST_LOSS_LOW:g} times",
        "Karpathy 2019, A Recipe for Training Neural Networks",
        after=("scale", "layers"),
    ),
    "cost": Check(
        learning.check_cost,
        "a learning rate that is too high (fail: the cost ends where it began or above; warn: it rises in between)",
        f"each of {learning.STEPS} full-batch steps, dropout and label smoothing off; rises by more than "
        f"{learning.RISE:.0%} of the first cost count",
        "Ng, Deep Learning Specialization, course 2",
        after=SIGNALS,
    ),
    "batch": Check(
        learning.check_batch,
        "a network that cannot learn even a few rows (fail; warn: not all of them)",
        f"no error on {learning.BATCH_ROWS} rows (1 − R² of 0.01) within {learning.MOST_BATCH_STEPS:,} steps of Adam; "
        "half the first error",
        "Karpathy 2019, A Recipe for Training Neural Networks",
        after=SIGNALS,
    ),
    "rates": Check(
        learning.check_rates,
        "a learning rate beyond where the loss diverges, or far too low (warn)",
        f"range test from {range_test.LOWEST:g} to {range_test.HIGHEST:g}; steepest fall, at most a tenth of where the "
        f"smoothed loss is {range_test.DIVERGED:g} times its lowest; suggested where {range_test.TRIAL_STEPS} steps on "
        f"the same batches lower the loss by {range_test.LEAST_FALL:.0%} there, and by less than "
        f"{learning.USELESS:.0%} of that at the config's, or {learning.HALF:.0%} if that is beyond where it diverges",
        "Smith 2017, Cyclical Learning Rates",
        after=(*SIGNALS, "augment"),
    ),
}
