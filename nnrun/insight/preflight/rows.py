"""Checks of the parts: their sizes and classes, rows that occur twice, and whether they come from one distribution."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrun.data.facts.likeness import SIGNIFICANCE, Difference
from nnrun.data.files.sources import holds_arrays
from nnrun.data.files.spelling import DIFFER, spelled_apart
from nnrun.data.files.values import Values, columns_of, kind_of, missing_of
from nnrun.data.raw import RawParts
from nnrun.data.split import BY_LOT, DIVIDED, part_sizes, without_test
from nnrun.insight.preflight.context import Context, Pair, setting
from nnrun.insight.preflight.distances import large
from nnrun.runs.symptoms.evidence import Finding, Status
from nnrun.text import counted, listed, set_name

if TYPE_CHECKING:
    import pandas as pd


LEAST_OF_ASKED = 0.5  # of the rows that data.split asks for
FEW_REPEATED = 0.01  # share of a part's rows
BY_CHANCE = 10.0  # times as many repeated rows as columns without any connection would have
SEPARATE = ("groups", "time")  # splits whose parts are meant to differ


def check_schema(context: Context) -> Finding:
    """The file was read without a fault, or nobody would be here; its notices and those of the data."""
    return judge_schema([*context.loaded.notices, *context.dataset.notices, *_sampled(context.parts)])


def _sampled(parts: RawParts) -> list[str]:
    if not parts.sampled:
        return []
    rows = sum(len(table) for table in parts.values())
    return [f"the file is read in pieces: rows and columns are checked on a fixed sample of {rows:,} rows"]


def judge_schema(notices: Sequence[str]) -> Finding:
    """What training would remark on."""
    text = "; ".join(notices) or "every key is known and in its range"
    return Finding("pass", text, numbers={"notices": list(notices)})


def check_rows(context: Context) -> Finding:
    """Rows of each part, and of each class there."""
    parts, classes = context.dataset.parts, context.dataset.classes
    sizes = {part: len(arrays.y) for part, arrays in parts.items()}
    if of_groups := _lopsided(context, sizes) or _one_group_in_several_parts(context, sizes):
        return of_groups
    files = context.dataset.fitted.split["rule"] == "files"
    if classes is None:
        return judge_rows(sizes, {}, files)
    found = {part: np.bincount(arrays.y, minlength=len(classes)).tolist() for part, arrays in parts.items()}
    return judge_rows(sizes, {part: dict(zip(classes, counts, strict=True)) for part, counts in found.items()}, files)


def _lopsided(context: Context, sizes: Mapping[str, int]) -> Finding | None:
    """Groups that are too large to be dealt out as the config asks."""
    split, rows = context.dataset.fitted.split, sum(sizes.values())
    if split["rule"] != "groups" or split["ratios"] is None:
        return None
    data = context.config.data
    asked: dict[str, float] = dict(
        zip(DIVIDED, part_sizes(rows, without_test(data.split) if data.folds else data.split), strict=True)
    )
    if data.folds:
        dev = (rows - asked["test"]) // data.folds
        asked |= {"train": rows - asked["test"] - dev, "dev": dev}
    if data.train_dev is not None:
        asked |= {"train": (1 - data.train_dev) * asked["train"], "train_dev": data.train_dev * asked["train"]}
    return judge_groups(sizes, {part: asked[part] for part in sizes}, str(context.config.data.group))


def _one_group_in_several_parts(context: Context, sizes: Mapping[str, int]) -> Finding | None:
    """Groups of several parts that may be one, as they differ by blanks, case or code points alone."""
    name = context.config.data.group
    if name is None or context.dataset.fitted.split["rule"] != "groups":
        return None
    groups = {part: set(table.frame[name].unique()) for part, table in context.parts.items()}
    within = {alike for each in groups.values() for alike in spelled_apart(sorted(each, key=str))}
    across = spelled_apart(sorted(set().union(*groups.values()), key=str))
    return judge_apart([alike for alike in across if alike not in within], name, sizes)


def judge_apart(alike: Sequence[str], group: str, sizes: Mapping[str, int]) -> Finding | None:
    """Rows of one group in several parts are what data.group is there to prevent."""
    if not alike:
        return None
    text = f"groups of {group} in several parts that {DIFFER}: {listed(alike)}"
    numbers = {"rows": dict(sizes), "alike": list(alike)}
    return Finding("warn", text, f"write each of them in one way in column {group}", numbers)


def judge_groups(sizes: Mapping[str, int], asked: Mapping[str, float], group: str) -> Finding | None:
    """A part with less than half of what it should have, since whole groups go into one part; else None."""
    short = [part for part in sizes if sizes[part] < LEAST_OF_ASKED * asked[part]]
    if not short:
        return None
    part = short[0]
    text = f"{part} has {sizes[part]:,} of {sum(sizes.values()):,} rows, where {asked[part]:,.0f} were asked for"
    cure = f"name a column with more and smaller groups, or leave out rows of the largest value of {group}"
    return Finding("warn", f"{text}: a few groups of {group} hold most rows", cure, {"rows": dict(sizes)})


def judge_rows(sizes: Mapping[str, int], counts: Mapping[str, Mapping[str, int]], files: bool) -> Finding:
    """Rows by part, and by class in each part; a part without a class says nothing about it.

    `files`: each part has one of its own.
    """
    numbers = {"rows": dict(sizes), "classes": {part: dict(c) for part, c in counts.items()}}
    text = ", ".join(f"{rows:,} {set_name(part)}" for part, rows in sizes.items())
    absent = {part: [label for label, rows in c.items() if not rows] for part, c in counts.items()}
    absent = {part: found for part, found in absent.items() if found}
    if absent:
        told = "; ".join(f"no row of class {listed(found)} in {part}" for part, found in absent.items())
        cure = f"add rows of it to {' and '.join(absent)}, or remove the class everywhere"
        return Finding("fail", f"{told} ({text})", cure, numbers)
    if "test" not in sizes:
        cure = "give data.source a test file" if files else "give data.split a third fraction above 0"
        return Finding("warn", f"{text}; no test set: no error is unbiased", cure, numbers)
    if counts:
        text += f"; {len(counts['train'])} classes, the rarest {counted(min(counts['dev'].values()), 'row')} of dev"
    return Finding("pass", text, numbers=numbers)


def check_duplicates(context: Context) -> Finding:
    """Rows of dev and test that stand in the training part, and those of test that stand in dev."""
    hashes = {part: row_hashes(context.frame(part)) for part in context.parts}
    found, seen = {}, hashes["train"]
    for part in list(hashes)[1:]:
        found[part] = int(np.isin(hashes[part], seen).sum())
        seen = np.concatenate([seen, hashes[part]])
    sizes = {part: len(context.parts[part]) for part in found}
    chance = _repeated_by_chance(context.frame("train"), sizes)
    rule, arrays = context.dataset.fitted.split["rule"], holds_arrays(context.config.data)
    return judge_duplicates(found, sizes, chance, rule, arrays)


def row_hashes(frame: pd.DataFrame) -> npt.NDArray[np.uint64]:
    """A number for the values of each row, `(m,)`; whole numbers are equal to the same ones with a fraction of 0."""
    words = np.empty(frame.shape, dtype=np.uint64)
    for place, (_, values) in enumerate(columns_of(frame)):
        words[:, place] = _words(values)
    return np.fromiter((hash(row.tobytes()) for row in words), dtype=np.int64, count=len(words)).view(np.uint64)


def _words(values: Values) -> npt.NDArray[np.uint64]:
    """64 bits for each value `(m,)`: those of a number, and of anything else a hash of its text."""
    if kind_of(values) == "number":
        return (np.asarray(values.astype(float)) + 0.0).view(np.uint64)  # -0.0 is 0.0
    import pandas as pd

    return pd.util.hash_array(pd.Series(values).astype(str).to_numpy(dtype=object))


def _repeated_by_chance(frame: pd.DataFrame, sizes: Mapping[str, int]) -> dict[str, float]:
    """Rows of each part expected to have a twin in training if columns were independent: m·(1 − (1 − Π Σ p²)^n)."""
    agree = float(np.prod([_agreement(values) for _, values in columns_of(frame)]))
    share = -np.expm1(len(frame) * np.log1p(-min(agree, 1 - 1e-12)))
    return {part: float(size * share) for part, size in sizes.items()}


def _agreement(values: Values) -> float:
    """How likely two values are the same, Σ p², among those that are not missing."""
    if not isinstance(values, np.ndarray):
        return float(np.square(values.value_counts(normalize=True)).sum())
    counts = np.sort(np.unique(values[~missing_of(values)], return_counts=True)[1])[::-1]
    return float(np.square(counts / counts.sum()).sum())


def judge_duplicates(
    found: Mapping[str, int], sizes: Mapping[str, int], chance: Mapping[str, float], rule: str, arrays: bool = False
) -> Finding:
    """Rows that an earlier part has too: a few, or as many as few different values bring, are no leak.

    Arrays have no column beside those that are learned from, to say which rows belong together.
    """
    numbers = {"repeated": dict(found), "expected_by_chance": dict(chance)}
    if not any(found.values()):
        return Finding("pass", "no row of one part stands in another", numbers=numbers)
    leaking = {part: n for part, n in found.items() if n > max(1, FEW_REPEATED * sizes[part], BY_CHANCE * chance[part])}
    told = leaking or {part: n for part, n in found.items() if n}
    text = ", ".join(f"{n:,} of {sizes[part]:,} {part} rows" for part, n in told.items())
    cure = "remove the repeated rows"
    if rule != "files":
        how = "write a file for each part" if arrays else "data.group names a column that they share"
        cure += f", or keep them in one part: {how}"
    return Finding("fail" if leaking else "warn", f"{text} stand in an earlier part too", cure, numbers)


def check_distribution(context: Context) -> Finding:
    """Dev against test, and train against dev, column by column and for the target."""
    return judge_distribution(context.differences, context.dataset.fitted.split["rule"], context.config.data.split_seed)


def judge_distribution(pairs: Mapping[Pair, Sequence[Difference]], rule: str, seed: int) -> Finding:
    """What differs and by how much."""
    found = {pair: large(each, len(pairs)) for pair, each in pairs.items()}
    numbers = {"-".join(pair): {d.column: d.distance for d in each} for pair, each in found.items()}
    differing = {pair: each for pair, each in found.items() if each}
    if not differing:
        told = " and ".join("/".join(pair) for pair in pairs)
        return Finding("pass", f"every column of one distribution in {told}", numbers=numbers)
    told = "; ".join(
        f"{' and '.join(pair)} differ in {listed([f'{d.column} ({d.distance:.2f})' for d in each])}"
        for pair, each in differing.items()
    )
    return Finding(*unlike(differing, told, pairs, rule, seed), numbers)


def unlike(
    differing: Collection[Pair], told: str, pairs: Collection[Pair], rule: str, seed: int
) -> tuple[Status, str, str]:
    """How bad it is that parts differ, what is told of it, and the cure.

    A dev set that is not like the test set aims at the wrong mark. A training set may come from elsewhere as long as
    dev and test agree, and parts split by time or group are meant to differ. Parts drawn by lot differ by chance, which
    is told of one split in a hundred, and another lot is the cure.
    """
    if rule in BY_LOT:
        chance = f"{told}; the rows are split at random, and of {1 / SIGNIFICANCE:.0f} such splits one is told so"
        return "warn", chance, f"{setting('data.split_seed', seed + 1)} splits them anew"
    wrong = ("dev", "test") in differing or ("dev", "test") not in pairs
    cure = "draw dev and test at random from the rows that matter in use"
    if not wrong:
        cure = "train may come from elsewhere; the verdict on a run then needs a part of train that is kept out of it"
    if rule == "files":
        cure += "; all rows in one file, named by data.source alone, are split at random"
    elif rule in SEPARATE:
        cure = (
            "none is needed if the network is to be used on later rows or other groups: these parts are meant to differ"
        )
    return "fail" if wrong and rule not in SEPARATE else "warn", told, cure
