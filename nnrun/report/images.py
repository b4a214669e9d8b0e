"""Small images in a page: pixels as a PNG that stands in the HTML itself."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nnrun.engine.parameters import Array
from nnrun.report.html import Markup, tag

BUNDLED = {"digits": (8, 8, 1)}  # height, width, channels of bundled sets of images
COLOUR_TYPES = {1: 0, 3: 2}  # of a PNG, by channels: grey, or red, green and blue


def shape_of(info: Mapping[str, Any]) -> tuple[int, int, int] | None:
    """Height, width and channels of the images that a run is trained on; None where its rows are no images."""
    shape: Sequence[int] | None = info.get("image") or BUNDLED.get(str(info["source"]))
    if shape is None or len(shape) != 3 or shape[2] not in COLOUR_TYPES or np.prod(shape) != len(info["means"]):
        return None
    return shape[0], shape[1], shape[2]


def pixels(info: Mapping[str, Any], x: Array, shape: tuple[int, int, int]) -> Array:
    """Prepared features `(rows, n)` → images `(rows, height, width, channels)` of bytes, from black to white."""
    raw = x * np.array(info["deviations"]) + np.array(info["means"])
    low, high = float(raw.min()), float(raw.max())
    scaled: Array = np.round(255 * (raw - low) / (high - low or 1.0)).astype(np.uint8)
    return scaled.reshape(-1, *shape)


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
