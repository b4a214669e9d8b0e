"""From the augmentations that a configuration names to what changes the training examples of its data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nnrun.data.dataset import Dataset
from nnrun.engine.augmentation import Augmentation, Augmenter, Flip, Pixels, Shift
from nnrun.engine.evaluation import sampled
from nnrun.errors import DataError

if TYPE_CHECKING:
    from nnrun.config.tables import AugmentationEntry


KEY = ("regularization", "augment")
SAMPLED = 10_000  # training rows whose corners tell the background


def augmenter(entries: Sequence[AugmentationEntry], dataset: Dataset) -> Augmenter | None:
    """None where nothing is asked for.

    Raises DataError where rows that are no images would be moved, images flipped that must not be, or codes changed.
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
    _check_shifts(chosen, image)
    bundled = dataset.fitted.bundled
    reason = bundled.not_mirrored if bundled else None
    if reason and any(isinstance(augmentation, Flip) and not augmentation.force for augmentation in chosen):
        raise DataError(
            f"flip changes the class of these images ({reason}); remove it, or write {{name: flip, force: true}} if "
            "that is meant",
            KEY,
        )
    if not dataset.fitted.preprocessor.is_linear:
        raise DataError(
            f"{names[0]} moves pixels, which this needs by mean and deviation or as they are; write data.normalize: "
            "standard and data.encode_numbers: plain",
            KEY,
        )
    return Augmenter(chosen, _pixels(dataset, image))


def _check_shifts(chosen: Sequence[Augmentation], image: Sequence[int]) -> None:
    """Raise DataError for one that leaves nothing of many images."""
    farthest = max((each.pixels for each in chosen if isinstance(each, Shift)), default=0)
    if farthest >= min(image[:2]):
        height, width = image[:2]
        raise DataError(
            f"shift moves by up to {farthest} pixels what has {height} × {width} of them; take a part of these, as "
            f"{max(1, min(height, width) // 8)}",
            KEY,
        )


def augmentation_notices(entries: Sequence[AugmentationEntry]) -> list[str]:
    """What the user should know that no data tells."""
    if "flip" in [entry.name for entry in entries]:
        return ["flip mirrors images; a mirrored image must belong to the same class"]
    return []


def _pixels(dataset: Dataset, image: Sequence[int]) -> Pixels:
    """The background is what the four corners have on average in training, the range is that of training."""
    height, width, channels = image
    means, deviations = dataset.fitted.means, dataset.fitted.deviations
    x = dataset.parts["train"].x
    rows = x[sampled(len(x), SAMPLED)]
    images = (rows * deviations + means).reshape(len(rows), height, width, channels)
    corners = images[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    return Pixels((height, width, channels), means, deviations, corners.mean(axis=(0, 1)), *dataset.limits)
