"""Images: of what shape one is, which of them a trained run takes, and how files of them become arrays."""

from __future__ import annotations

from itertools import chain, islice
from pathlib import Path

from nnrun.data.files.reading import Reading
from nnrun.errors import DataError

Shape = tuple[int, ...]

FILES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp")
ONE_ARRAY = (
    "images are read as one array (rows, height, width, channels): numpy.savez('images.npz', x=…, y=…) writes it with "
    "their classes, and docs/data.md shows how to fill it"
)
_MOST = 1000  # entries of a folder that are looked at


def is_image(path: Path) -> bool:
    """Whether a file is called as an image is."""
    return path.suffix.lower() in FILES


def holds_images(folder: Path) -> bool:
    """Whether one of its first entries, or of those of a folder in it, is called so; OSError for what is closed."""
    return any(map(is_image, islice(chain(folder.iterdir(), folder.glob("*/*")), _MOST)))


def check_image(path: Path, shape: Shape, reading: Reading) -> None:
    """Raise DataError for images of another shape than those that a run learned from; rows of numbers may be anything.

    They would be taken for images of scrambled pixels where there are as many of these.
    """
    known, alone = reading.image, image_of(shape) == reading.image
    if known is None or image_of(shape[1:]) == known:
        return
    if len(shape) < 3 and (not alone or shape[1] == len(reading.features)):
        return
    advice = "; of one image write x[None]" if alone else ""
    if (*shape[2:], shape[1]) == known:
        advice = "; write x.transpose(0, 2, 3, 1)"
    rows = f"images of {sizes(shape[1:])}" if len(shape) > 2 else f"rows of {shape[1]:,} numbers"
    raise DataError(f"{path}: {rows}, where the run learned from {sizes(known)}{advice}")


def sizes(shape: Shape) -> str:
    """The words for a shape, `32 × 32 × 3`; of grey images `8 × 8`, whether or not their one channel has an axis."""
    return " × ".join(map(str, shape[:-1] if len(shape) == 3 and shape[-1] == 1 else shape))


def image_of(shape: Shape) -> tuple[int, int, int] | None:
    """Height, width and channels of an image of this shape, None for what is no image."""
    if channels_first(shape):
        return None
    if len(shape) == 3:
        return shape[0], shape[1], shape[2]
    return (shape[0], shape[1], 1) if len(shape) == 2 else None


def channels_first(shape: Shape) -> bool:
    """Whether an image of this shape is channels, height, width, as in (3, 32, 32)."""
    return len(shape) == 3 and shape[0] in (1, 3, 4) and min(shape[1:]) > 4
