"""From the augmentations that a configuration names to what changes the training examples of its data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nnrun.data.dataset import Dataset
from nnrun.engine.augmentation import Augmenter, Pixels, Shape
from nnrun.engine.sampling import sampled
from nnrun.errors import DataError

if TYPE_CHECKING:
    from nnrun.config.tables import AugmentationEntry


KEY = ("regularization", "augment")
SAMPLED = 10_000  # training rows whose corners tell the background


def augmenter(entries: Sequence[AugmentationEntry], dataset: Dataset) -> Augmenter | None:
    """None where nothing is asked for.

    Raises DataError where rows that are no images would be moved, images as they must not be, or codes changed.
    """
    chosen = [entry.build() for entry in entries]
    if chosen and dataset.fitted.embeddings:
        raise DataError(
            f"{entries[0].name} would change the codes of categories that learn an embedding; remove it, or write "
            "data.encode_categories: onehot",
            KEY,
        )
    if not any(augmentation.moves for augmentation in chosen):
        return Augmenter(chosen) if chosen else None
    names = [entry.name for entry, augmentation in zip(entries, chosen, strict=True) if augmentation.moves]
    image = dataset.fitted.image
    if not image:
        raise DataError(
            f"{names[0]} needs images, and the rows of this data are none (an array (rows, height, width) or (rows, "
            "height, width, channels) in a .npz or .npy file holds images); noise alone fits any data",
            KEY,
        )
    height, width, channels = image
    bundled = dataset.fitted.bundled
    for augmentation in chosen:
        if refusal := augmentation.refusal((height, width, channels), bundled.not_mirrored if bundled else None):
            raise DataError(refusal, KEY)
    if not dataset.fitted.preprocessor.is_linear:
        raise DataError(
            f"{names[0]} moves pixels, which this needs by mean and deviation or as they are; write data.normalize: "
            "standard and data.encode_numbers: plain",
            KEY,
        )
    if not dataset.fitted.pixels:
        raise DataError(_no_pixels(names[0], dataset), KEY)
    return Augmenter(chosen, _pixels(dataset, (height, width, channels)))


def _no_pixels(name: str, dataset: Dataset) -> str:
    """Marks of missing values and codes of categories cannot be moved with the pixels that they tell of."""
    features, pixels = dataset.fitted.features, set(dataset.fitted.columns)
    others = [feature for feature in features if feature not in pixels]
    return (
        f"{name} moves pixels, and some features are no pixels, such as {others[0]!r} ({len(others):,} of "
        f"{len(features):,}); write a number in place of each missing pixel, as by numpy.nan_to_num, and name none in "
        "data.format.missing or data.kinds"
    )


def augmentation_notices(entries: Sequence[AugmentationEntry]) -> list[str]:
    """What the user should know that no data tells."""
    return [notice for entry in entries if (notice := entry.build().notice)]


def _pixels(dataset: Dataset, shape: Shape) -> Pixels:
    """The background is what the four corners have on average in training, the range is that of training."""
    means, deviations = dataset.fitted.means, dataset.fitted.deviations
    x = dataset.parts["train"].x
    rows = x[sampled(len(x), SAMPLED)]
    images = (rows * deviations + means).reshape(len(rows), *shape)
    corners = images[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    return Pixels(shape, means, deviations, corners.mean(axis=(0, 1)), *dataset.limits)
