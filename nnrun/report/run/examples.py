"""Single examples: the decision boundary of two inputs, and what the network gets most wrong, as images or rows."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from nnrun.data.dataset import Dataset
from nnrun.data.files.table import Table
from nnrun.data.files.values import kind_of
from nnrun.data.fitted import Fitted
from nnrun.engine.parameters import Array
from nnrun.models.model import Model
from nnrun.models.trained import Trained
from nnrun.report.page.charts import Chart, Plotly, Trace, axis, colour, cuts, plain, points, under_legend
from nnrun.report.page.html import Markup, join, paragraph, table, tag
from nnrun.report.run.quality import PART, Classified, Estimated, predicted_part
from nnrun.text import counted, number, percent

SIDE = 120  # points of the grid along each axis
MARGIN = 0.08  # around the training examples, as a part of their range
MOST_POINTS = 1500


def has_plane(model: Model, data: Dataset) -> bool:
    """Whether there are two features that axes can show: codes have no neighbours, pieces of a number no unit."""
    fitted = data.fitted
    return model.n_features == 2 and not fitted.embeddings and "bins" not in fitted.document


def boundary_chart(model: Model, data: Dataset, part: str = PART) -> Chart:
    """The two inputs as axes, in their own units; what the network says everywhere, and a part's examples on top."""
    names, own_units = data.fitted.features, data.fitted.preprocessor.own_units
    x = data.parts["train"].x
    low, high = x.min(axis=0), x.max(axis=0)
    sides = np.linspace(low - MARGIN * (high - low), high + MARGIN * (high - low), SIDE)
    grid = np.stack(np.meshgrid(sides[:, 0], sides[:, 1]), axis=-1).reshape(-1, 2).astype(x.dtype)
    said, own = model.predict_features(grid), own_units(sides)
    of = predicted_part(model, data, part)
    if isinstance(of, Classified):
        decided = model.decided(said)
        area, alt = _classes(decided, said, own), _regions_told(of, decided, names, part)
    else:
        area, alt = _values(data.fitted.target.name, said, own), _values_told(of, said, own, names, part)
    layout = {"xaxis": axis(names[0], zeroline=False), "yaxis": axis(names[1], zeroline=False)}
    note = f"What the network of the best epoch says of every point, paler where less sure; dots are {part} examples."
    dots = _dots(of, own_units(data.parts[part].x), part)
    height = under_legend(460, [dot["name"] for dot in dots])
    return Chart("What the network says everywhere", alt, [*area, *dots], layout, note, height=height)


def _regions_told(of: Classified, decided: Array, names: Sequence[str], part: str) -> str:
    counts = np.bincount(decided, minlength=len(of.classes)) / len(decided)
    shares = [f"{percent(share)} {name}" for name, share in zip(of.classes, counts, strict=True) if share]
    wrong = f"{of.wrong.sum():,} of {counted(len(of.true), f'{part} example')}"
    return (
        f"Decision regions over {names[0]} and {names[1]}. Of the area the network calls {', '.join(shares)}; "
        f"{wrong} lie on the wrong side."
    )


def _values_told(of: Estimated, said: Array, own: Array, names: Sequence[str], part: str) -> str:
    ends = []
    for k in (said.argmin(), said.argmax()):
        y, x = divmod(int(k), SIDE)
        ends.append(f"{number(said[k])} at ({number(own[x, 0])}, {number(own[y, 1])})")
    off = number(float(np.median(np.abs(of.said - of.true))))
    return (
        f"What the network says over {names[0]} and {names[1]}: at least {ends[0]}, at most {ends[1]}; half of the "
        f"{part} examples are off by {off} at most."
    )


def _classes(decided: Array, said: Array, own: Array) -> list[Trace]:
    """A heat map for each class where the network says it, its opacity how likely it is."""
    sure, n = said[np.arange(len(said)), decided], said.shape[1]
    maps = []
    for k in range(n):
        z = np.where(decided == k, np.round(sure, 3), np.nan).reshape(SIDE, SIDE)
        if np.isfinite(z).any():
            maps.append(_map(own, z, [[0, _faded(colour(k), 0.08)], [1, _faded(colour(k), 0.5)]], 1 / n, 1))
    return maps


def _values(target: str, said: Array, own: Array) -> list[Trace]:
    z = said.reshape(SIDE, SIDE)
    bar = {"showscale": True, "colorbar": {"title": {"text": plain(target)}, "thickness": 12}}
    return [_map(own, z, "Viridis", float(z.min()), float(z.max())) | bar]


def _map(own: Array, z: Array, scale: Any, low: float, high: float) -> Trace:
    rows = [[float(f"{value:.4g}") for value in row] for row in z]
    return {"type": "heatmap", "x": own[:, 0].tolist(), "y": own[:, 1].tolist(), "z": rows, "zmin": low, "zmax": high,
            "colorscale": scale, "showscale": False, "hoverinfo": "skip"}  # fmt: skip


def _faded(color: str, opacity: float) -> str:
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross")


def _dots(of: Classified | Estimated, raw: Array, part: str) -> list[Trace]:
    """Examples of a part `(rows, 2)`, a colour and a symbol a class, each with what it is and what is said of it."""
    shown = np.arange(0, len(raw), max(1, len(raw) // MOST_POINTS))
    if isinstance(of, Estimated):
        return [_dots_of(part, of, raw, shown, "#ffffff", {"line": {"width": 1}})]
    edge = {"width": 1, "color": "#ffffff"}
    return [
        _dots_of(
            name, of, raw, shown[of.true[shown] == k], colour(k), {"symbol": SYMBOLS[k % len(SYMBOLS)], "line": edge}
        )
        for k, name in enumerate(cuts(of.classes))
    ]


def _dots_of(name: str, of: Classified | Estimated, raw: Array, at: Array, color: str, marker: Plotly) -> Trace:
    told = {
        "text": [plain(_told(of, i)) for i in at],
        "hovertemplate": "%{text}<br>(%{x:.4g}, %{y:.4g})<extra></extra>",
    }
    return points(name, raw[at, 0].tolist(), raw[at, 1].tolist(), color, marker=marker, **told)


COLOUR_TYPES = {1: 0, 3: 2, 4: 6}  # of a PNG, by channels: grey, or red, green and blue, perhaps with alpha
MOST_CHANNELS = 4


def shape_of(fitted: Fitted) -> tuple[int, int, int] | None:
    """Height, width and channels of the images that a run is trained on; None where its rows are no images."""
    bundled = fitted.bundled  # data.json of an early run has no shape for it
    shape: Sequence[int] | None = fitted.image or (bundled.image if bundled else None)
    if shape is None or len(shape) != 3 or not 1 <= shape[2] <= MOST_CHANNELS or np.prod(shape) != len(fitted.means):
        return None
    return shape[0], shape[1], shape[2]


def brightness(raw: Array, shape: tuple[int, int, int]) -> Array:
    """Pixels `(rows, n)` in their own unit → images `(rows, height, width, channels)` of bytes, from black to white.

    Two channels become red and green: the second is more often another measurement than a transparency.
    """
    low, high = float(raw.min()), float(raw.max())
    scaled: Array = np.round(255 * (raw - low) / (high - low or 1.0)).astype(np.uint8)
    images = scaled.reshape(-1, *shape)
    return np.pad(images, [(0, 0)] * 3 + [(0, 1)]) if shape[2] == 2 else images


def picture(image: Array, alt: str) -> Markup:
    """An image `(height, width, channels)` of bytes as an element."""
    height, width, _ = image.shape
    address = f"data:image/png;base64,{base64.b64encode(png(image)).decode()}"
    return tag("img", src=address, alt=alt, width=width, height=height)


def png(image: Array) -> bytes:
    """The file of an image `(height, width, channels)` of bytes (ISO/IEC 15948)."""
    height, width, channels = image.shape
    header = struct.pack(">IIBBBBB", width, height, 8, COLOUR_TYPES[channels], 0, 0, 0)
    lines = b"".join(b"\0" + np.ascontiguousarray(row).tobytes() for row in image)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(lines)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


SHOWN = 12
COLUMNS = 12  # of a row; more are not read by anybody


def worst(of: Classified | Estimated) -> Array:
    """Indices of dev rows, the worst first: wrong ones by the probability of the truth, or the farthest off."""
    if isinstance(of, Estimated):
        return np.argsort(-np.abs(of.said - of.true), kind="stable")[:SHOWN]
    wrong = np.flatnonzero(of.wrong)
    return wrong[np.argsort(of.of_true[wrong], kind="stable")][:SHOWN]


def worst_part(run: Trained, of: Classified | Estimated, at: Array, dev: Table | None) -> Markup:
    """The worst dev rows with what they are and what the network took them for.

    `at` are the places `(rows,)` of `of` among the dev arrays; `dev` is the table that they come from.
    """
    chosen = worst(of)
    if not len(chosen):
        return paragraph("The network makes no mistake on the dev part.")
    fitted = run.dataset.fitted
    if shape := shape_of(fitted):
        return _gallery(of, chosen, brightness(_raw(run, at[chosen]), shape), dev)
    if dev is None:
        return paragraph("The rows cannot be shown: the file that they come from is not there any more.")
    return _rows(of, chosen, dev, fitted.target.name)


def _raw(run: Trained, at: Array) -> Array:
    """Features `(rows, n)` in their own units, of these rows of the dev part."""
    found, start = [], 0
    for piece in run.pieces(PART):
        x, fitted = piece.dataset.parts[PART].x, piece.dataset.fitted
        own = (at >= start) & (at < start + len(x))
        found.append((np.flatnonzero(own), fitted.preprocessor.own_units(x[at[own] - start])))
        start += len(x)
    order = np.argsort(np.concatenate([places for places, _ in found]))
    return np.concatenate([raw for _, raw in found])[order]


def _gallery(of: Classified | Estimated, chosen: Array, pictures: Array, dev: Table | None) -> Markup:
    """The images; each with its row's number in the file, as in a table, where the file is there."""
    items = []
    for i, image in zip(chosen, pictures, strict=True):
        told = _told(of, i) if dev is None else f"row {dev.row(i) + 1}: {_told(of, i)}"
        items.append(tag("li", picture(image, told), paragraph(told)))
    shown = tag("ul", *items, cls="examples")
    return shown if dev is None else join([shown, paragraph("Rows of the file are counted from 1.")])


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
