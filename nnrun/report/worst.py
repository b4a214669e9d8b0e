"""The dev examples that the network gets most wrong: images as images, rows as rows."""

from __future__ import annotations

import numpy as np

from nnrun.data.dataset import Dataset
from nnrun.data.table import Table, kind_of
from nnrun.engine.parameters import Array
from nnrun.narration import number, percent
from nnrun.report import images
from nnrun.report.html import Markup, join, paragraph, table, tag
from nnrun.report.predictions import PART, Classified, Estimated

SHOWN = 12
COLUMNS = 12  # of a row; more are not read by anybody


def worst(of: Classified | Estimated) -> Array:
    """Indices of dev rows, the worst first: wrong ones by the probability of the truth, or the farthest off."""
    if isinstance(of, Estimated):
        return np.argsort(-np.abs(of.said - of.true), kind="stable")[:SHOWN]
    wrong = np.flatnonzero(of.wrong)
    return wrong[np.argsort(of.of_true[wrong], kind="stable")][:SHOWN]


def worst_part(data: Dataset, of: Classified | Estimated, at: Array, dev: Table | None) -> Markup:
    """Those rows with what they are and what the network took them for.

    `at` are the places `(rows,)` of `of` among the dev arrays; `dev` is the table that they come from.
    """
    chosen = worst(of)
    if not len(chosen):
        return paragraph("The network makes no mistake on the dev part.")
    info = data.info
    if shape := images.shape_of(info):
        pictures = images.pixels(info, data.parts[PART].x[at[chosen]], shape)
        return _gallery(of, chosen, pictures)
    if dev is None:
        return paragraph("The rows cannot be shown: the file that they come from is not there any more.")
    return _rows(of, chosen, dev, str(info["target"]["name"]))


def _gallery(of: Classified | Estimated, chosen: Array, pictures: Array) -> Markup:
    items = []
    for i, image in zip(chosen, pictures, strict=True):
        told = _told(of, i)
        items.append(tag("li", images.picture(image, f"dev example {i}: {told}"), paragraph(told)))
    return tag("ul", *items, cls="examples")


def _told(of: Classified | Estimated, i: int) -> str:
    if isinstance(of, Estimated):
        return f"true {number(of.true[i])}, said {number(of.said[i])}"
    said, true = of.classes[of.said[i]], of.classes[of.true[i]]
    return f"true {true}, said {said} ({percent(of.sureness[i])} sure)"


def _rows(of: Classified | Estimated, chosen: Array, dev: Table, target: str) -> Markup:
    """A table; the first column is the row's number in the file, counted from 1 as everywhere."""
    names = [name for name in dev.columns if name != target]
    frame = dev.frame.iloc[chosen]
    heads = ["row", f"true {target}", "said", "sure" if isinstance(of, Classified) else "off by", *names[:COLUMNS]]
    rows = [
        [str(label + 1), *_answer(of, i), *("–" if missing else _cell(value) for value, missing in cells)]
        for i, label, cells in zip(chosen, frame.index, _cells(frame[names[:COLUMNS]]), strict=True)
    ]
    texts = [i + 4 for i, name in enumerate(names[:COLUMNS]) if kind_of(frame[name]) != "number"]
    words = [0, *((1, 2) if isinstance(of, Classified) else ()), *texts]
    left = len(names) - COLUMNS
    more = [paragraph(f"The first {COLUMNS} of {len(names)} columns.")] if left > 0 else []
    return join([table("The worst of the dev part, rows counted from 1", heads, rows, words=words), *more])


def _cells(frame: object) -> list[list[tuple[object, bool]]]:
    """Values with whether they are missing, row by row."""
    values, missing = frame.to_numpy(dtype=object), frame.isna().to_numpy()  # type: ignore[attr-defined]
    return [list(zip(row, gone, strict=True)) for row, gone in zip(values, missing, strict=True)]


def _cell(value: object) -> str:
    return number(float(value)) if isinstance(value, (int, float, np.number)) else str(value)


def _answer(of: Classified | Estimated, i: int) -> list[str]:
    if isinstance(of, Estimated):
        return [number(of.true[i]), number(of.said[i]), number(of.said[i] - of.true[i])]
    return [of.classes[of.true[i]], of.classes[of.said[i]], percent(of.sureness[i])]
