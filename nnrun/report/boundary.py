"""The decision boundary of a network with two inputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnrun.data.dataset import Dataset
from nnrun.engine.parameters import Array
from nnrun.prediction.model import Model
from nnrun.report.charts import Chart, axis, colour, plain, points
from nnrun.report.predictions import PART

SIDE = 120  # points of the grid along each axis
MARGIN = 0.08  # around the training examples, as a part of their range
MOST_POINTS = 1500


def boundary_chart(model: Model, data: Dataset) -> Chart:
    """The two inputs as axes, in their own units; what the network says everywhere, and the dev examples on top."""
    info, names = data.info, data.info["features"]
    mean, deviation = np.array(info["means"]), np.array(info["deviations"])
    x = data.parts["train"].x
    low, high = x.min(axis=0), x.max(axis=0)
    sides = np.linspace(low - MARGIN * (high - low), high + MARGIN * (high - low), SIDE)
    grid = np.stack(np.meshgrid(sides[:, 0], sides[:, 1]), axis=-1).reshape(-1, 2).astype(x.dtype)
    said = model.predict_features(grid).astype(np.float64)
    own = sides * deviation + mean
    dev = data.parts[PART]
    raw = dev.x * deviation + mean
    classes = data.classes
    area = _values(str(info["target"]["name"]), said, own) if classes is None else _classes(classes, said, own)
    layout = {"xaxis": axis(names[0], zeroline=False), "yaxis": axis(names[1], zeroline=False)}
    note = "What the network says of every point, paler where it is less sure; dots are dev examples."
    alt = f"Decision regions over {names[0]} and {names[1]}."
    return Chart(
        "What the network says everywhere", alt, [*area, *_dots(classes, raw, dev.y)], layout, note, height=460
    )


def _classes(classes: list[str], said: Array, own: Array) -> list[dict[str, Any]]:
    """A heat map for each class where it is the likeliest, its opacity how likely."""
    likeliest, sure = said.argmax(axis=1), said.max(axis=1)
    maps = []
    for k in range(len(classes)):
        z = np.where(likeliest == k, np.round(sure, 3), np.nan).reshape(SIDE, SIDE)
        if np.isfinite(z).any():
            maps.append(_map(own, z, [[0, _faded(colour(k), 0.08)], [1, _faded(colour(k), 0.5)]], 1 / len(classes), 1))
    return maps


def _values(target: str, said: Array, own: Array) -> list[dict[str, Any]]:
    z = said.reshape(SIDE, SIDE)
    bar = {"showscale": True, "colorbar": {"title": {"text": plain(target)}, "thickness": 12}}
    return [_map(own, z, "Viridis", float(z.min()), float(z.max())) | bar]


def _map(own: Array, z: Array, scale: Any, low: float, high: float) -> dict[str, Any]:
    rows = [[float(f"{value:.4g}") for value in row] for row in z]
    return {"type": "heatmap", "x": own[:, 0].tolist(), "y": own[:, 1].tolist(), "z": rows, "zmin": low, "zmax": high,
            "colorscale": scale, "showscale": False, "hoverinfo": "skip"}  # fmt: skip


def _faded(color: str, opacity: float) -> str:
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def _dots(classes: list[str] | None, raw: Array, y: Array) -> list[dict[str, Any]]:
    """Dev examples, a colour and a symbol a class."""
    step = max(1, len(raw) // MOST_POINTS)
    raw, y = raw[::step], y[::step]
    if classes is None:
        return [points("dev", raw[:, 0].tolist(), raw[:, 1].tolist(), "#ffffff", marker={"line": {"width": 1}})]
    symbols = ("circle", "diamond", "square", "triangle-up", "cross")
    return [
        points(
            name, raw[y == k, 0].tolist(), raw[y == k, 1].tolist(), colour(k),
            marker={"symbol": symbols[k % len(symbols)], "line": {"width": 1, "color": "#ffffff"}},
        )
        for k, name in enumerate(classes)
    ]  # fmt: skip
