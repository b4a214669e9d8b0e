"""Training examples changed anew each epoch in ways that keep their class: images moved and bent, or noise added.

All movements of an image are one lookup, so that it is interpolated once. What an example becomes depends on the
run's seed, the example's row and the epoch alone, not on the batch or the stack that it lies in.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nnrun.engine.hyperparameters import option
from nnrun.engine.parameters import Array
from nnrun.engine.randomness import random_access, starts

Change = Callable[[Array, NDArray[np.int64]], Array]
Shape = tuple[int, int, int]  # height, width, channels


class Augmentation(ABC):
    """Frozen hyperparameters and one function.

    One that `moves` is given where each pixel of the new image is looked up in the old one, `(..., 2, h, w)`: rows
    and columns in pixels from the middle. The others are given the inputs `(..., n)`.
    """

    moves: ClassVar[bool]
    notice: ClassVar[str | None] = None  # what the user should know that no data tells

    @abstractmethod
    def draws(self, size: int) -> int:
        """Random numbers that an example of `size` pixels, or features, needs."""

    @abstractmethod
    def __call__(self, what: Array, u: Array) -> Array:
        """The places or inputs `what`, changed by the numbers `u (..., draws)`, uniform from 0 up to but without 1."""

    def refusal(self, image: Shape, not_mirrored: str | None) -> str | None:
        """Why images of this shape must not be moved so, and the cure; `not_mirrored`, why they must not be flipped."""
        return None


def _factors(u: Array) -> Array:
    """A number an example, `(..., 1)` → `(..., 1, 1)`, to go with places."""
    return u[..., None]


@dataclass(frozen=True)
class Flip(Augmentation):
    """Left and right exchanged."""

    moves: ClassVar[bool] = True
    notice: ClassVar[str | None] = "flip mirrors images; a mirrored image must belong to the same class"
    probability: float = option(0.5, "share of the images that are flipped", gt=0, le=1)
    force: bool = option(False, "also where a mirrored image is known to be of another class")

    def draws(self, size: int) -> int:
        """One an example."""
        return 1

    def __call__(self, what: Array, u: Array) -> Array:
        """Columns count from the other side."""
        columns = what[..., 1, :, :] * np.where(_factors(u) < self.probability, -1, 1).astype(what.dtype)
        return np.stack([what[..., 0, :, :], columns], axis=-3)

    def refusal(self, image: Shape, not_mirrored: str | None) -> str | None:
        """A mirrored image may be known to be of another class."""
        if not not_mirrored or self.force:
            return None
        return (
            f"flip changes the class of these images ({not_mirrored}); remove it, or write {{name: flip, force: true}} "
            "if that is meant"
        )


@dataclass(frozen=True)
class Shift(Augmentation):
    """Moved by whole pixels up or down and left or right, as by padding and a random crop."""

    moves: ClassVar[bool] = True
    pixels: int = option(1, "farthest shift in each direction", ge=1)

    def draws(self, size: int) -> int:
        """One a direction."""
        return 2

    def __call__(self, what: Array, u: Array) -> Array:
        """Each of −pixels … pixels equally often."""
        by = np.floor(u * (2 * self.pixels + 1)) - self.pixels
        moved: Array = what + by.astype(what.dtype)[..., None, None]
        return moved

    def refusal(self, image: Shape, not_mirrored: str | None) -> str | None:
        """A shift as far as an image is wide leaves nothing of it."""
        height, width, _ = image
        shorter = min(height, width)
        if self.pixels < shorter:
            return None
        advice = "remove it" if shorter == 1 else f"take a part of these, as {max(1, shorter // 8)}"
        return f"shift moves images of {height} × {width} pixels by up to {self.pixels} of them; {advice}"


@dataclass(frozen=True)
class Rotation(Augmentation):
    """Turned about the middle."""

    moves: ClassVar[bool] = True
    degrees: float = option(10.0, "largest angle to either side", gt=0, le=180)

    def draws(self, size: int) -> int:
        """One an example."""
        return 1

    def __call__(self, what: Array, u: Array) -> Array:
        """(cos a −sin a; sin a cos a) times the place."""
        angle = _factors(np.deg2rad((2 * u - 1) * self.degrees))
        sine, cosine = np.sin(angle).astype(what.dtype), np.cos(angle).astype(what.dtype)
        rows, columns = what[..., 0, :, :], what[..., 1, :, :]
        return np.stack([cosine * rows - sine * columns, sine * rows + cosine * columns], axis=-3)


@dataclass(frozen=True)
class Zoom(Augmentation):
    """Larger or smaller about the middle."""

    moves: ClassVar[bool] = True
    factor: float = option(0.1, "largest change of the size, as a share of it", gt=0, lt=1)

    def draws(self, size: int) -> int:
        """One an example."""
        return 1

    def __call__(self, what: Array, u: Array) -> Array:
        """A larger image looks its pixels up nearer to the middle."""
        size = 1 + (2 * u - 1) * self.factor
        moved: Array = what / size.astype(what.dtype)[..., None, None]
        return moved


@dataclass(frozen=True)
class Elastic(Augmentation):
    """Bent as if drawn on rubber: each pixel is moved by a smooth random field (Simard et al. 2003)."""

    moves: ClassVar[bool] = True
    pixels: float = option(0.5, "standard deviation of the movement", gt=0)
    smoothness: float = option(2.0, "deviation in pixels of the Gaussian that smooths the field", gt=0)

    def draws(self, size: int) -> int:
        """One a pixel and direction."""
        return 2 * size

    def __call__(self, what: Array, u: Array) -> Array:
        """Uniform noise of unit variance, smoothed along rows and columns so that its variance stays."""
        field = ((u - 0.5) * np.sqrt(12)).astype(what.dtype).reshape(what.shape)
        rows, columns = (self._smoother(n, what.dtype) for n in what.shape[-2:])
        moved: Array = what + self.pixels * (rows @ field @ columns.T)
        return moved

    def _smoother(self, n: int, dtype: np.dtype[np.generic]) -> Array:
        """`(n, n)`; squares of each row sum to 1."""
        distance = np.subtract.outer(np.arange(n), np.arange(n))
        smoothness = min(max(self.smoothness, 1e-100), 1e100)  # beyond which its square is no number of float64
        with np.errstate(under="ignore"):
            weights = np.exp(-(distance**2) / (2 * smoothness**2))
        smoother: Array = (weights / np.sqrt(np.square(weights).sum(axis=1, keepdims=True))).astype(dtype)
        return smoother


@dataclass(frozen=True)
class Noise(Augmentation):
    """Normal noise on every feature; fits any input."""

    moves: ClassVar[bool] = False
    deviation: float = option(0.1, "standard deviation, in the unit of the prepared features", gt=0)

    def draws(self, size: int) -> int:
        """Two for a pair of features."""
        return size + size % 2

    def __call__(self, what: Array, u: Array) -> Array:
        """Pairs of normal numbers from pairs of uniform ones (Box & Muller 1958)."""
        first, second = np.split(u, 2, axis=-1)
        size, angle = np.sqrt(-2 * np.log1p(-first)), 2 * np.pi * second
        normal = np.concatenate([size * np.cos(angle), size * np.sin(angle)], axis=-1)
        noisy: Array = what + (self.deviation * normal[..., : what.shape[-1]]).astype(what.dtype)
        return noisy


AUGMENTATIONS: dict[str, type[Augmentation]] = {
    "flip": Flip,
    "shift": Shift,
    "rotation": Rotation,
    "zoom": Zoom,
    "elastic": Elastic,
    "noise": Noise,
}


class Pixels(NamedTuple):
    """How inputs `(n,)` are an image: an input is (pixel − mean) / deviation, all three `(n,)`.

    What lies around the image is the background `(channels,)`, in the unit of the pixels. No input leaves the range
    from `low` to `high`, since a pixel that hardly varies has so small a deviation that a stroke moved there would
    become a number of hundreds.
    """

    shape: Shape
    means: Array
    deviations: Array
    background: Array
    low: Array
    high: Array


class Augmenter:
    """What is done to training examples: all `augmentations`, in their order.

    `pixels` says how inputs are images; without it what moves them is left out.
    """

    def __init__(self, augmentations: Sequence[Augmentation], pixels: Pixels | None = None) -> None:
        self.augmentations, self.pixels = list(augmentations), pixels

    def at(self, seeds: Sequence[int], epoch: int) -> Change:
        """The function of inputs `(members, m, n)` and their rows `(members, m)` that returns them changed.

        `seeds`, one a member, and `epoch`, from 1, decide with the row what an example becomes.
        """
        keys = [starts(seeds, "augment", layer, epoch) for layer in range(len(self.augmentations))]

        def change(x: Array, rows: NDArray[np.int64]) -> Array:
            size = x.shape[-1] if self.pixels is None else self.pixels.shape[0] * self.pixels.shape[1]
            uniform = [
                random_access(key, rows, augmentation.draws(size if augmentation.moves else x.shape[-1]))
                for key, augmentation in zip(keys, self.augmentations, strict=True)
            ]
            steps = list(zip(self.augmentations, uniform, strict=True))
            moved = self._moved(x, [(a, u) for a, u in steps if a.moves])
            for augmentation, u in steps:
                moved = moved if augmentation.moves else augmentation(moved, u)
            return moved

        return change

    def _moved(self, x: Array, movements: Sequence[tuple[Augmentation, Array]]) -> Array:
        if not movements or self.pixels is None:
            return x
        height, width, channels = self.pixels.shape
        middle = np.array([(height - 1) / 2, (width - 1) / 2], x.dtype)[:, None, None]
        places = np.indices((height, width), x.dtype) - middle
        places = np.broadcast_to(places, (*x.shape[:-1], *places.shape))
        for movement, u in reversed(movements):  # the last one is nearest to the new image
            places = movement(places, u)
        means, deviations = (a.astype(x.dtype) for a in (self.pixels.means, self.pixels.deviations))
        images = (x * deviations + means).reshape(*x.shape[:-1], height, width, channels)
        found = look_up(images, places + middle, self.pixels.background.astype(x.dtype))
        inputs: Array = (found.reshape(x.shape) - means) / deviations
        return np.clip(inputs, self.pixels.low, self.pixels.high, out=inputs)


def look_up(images: Array, places: Array, background: Array) -> Array:
    """The images `(..., h, w, c)` at rows and columns `(..., 2, h, w)`, between pixels interpolated linearly.

    From one pixel beyond the edge on there is nothing but the background `(c,)`.
    """
    *lead, height, width, channels = images.shape
    padded = np.empty((*lead, height + 2, width + 2, channels), images.dtype)
    padded[...] = background
    padded[..., 1:-1, 1:-1, :] = images
    rows, top = _split(places[..., 0, :, :], height)
    columns, left = _split(places[..., 1, :, :], width)
    first = np.arange(np.prod(lead, dtype=int)).reshape(*lead, 1, 1) * ((height + 2) * (width + 2))
    at = first + rows * (width + 2) + columns
    pixels = padded.reshape(-1, channels)
    a, b, c, d = (pixels.take(at + step, axis=0, mode="clip") for step in (0, 1, width + 2, width + 3))
    top, left = top[..., None], left[..., None]
    above, below = a + (b - a) * left, c + (d - c) * left
    found: Array = above + (below - above) * top
    return found


def _split(places: Array, size: int) -> tuple[NDArray[np.int64], Array]:
    """The padded pixel before each place, and how far behind it the place lies, from 0 to 1."""
    inside = np.clip(places + 1, 0, size + 1)
    before = np.minimum(np.floor(inside), size)
    return before.astype(np.int64), inside - before
