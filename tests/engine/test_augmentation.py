from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import ndimage, stats

from nnrun.engine.augmentation import (
    AUGMENTATIONS,
    Augmenter,
    Elastic,
    Flip,
    Noise,
    Pixels,
    Rotation,
    Shift,
    Zoom,
    look_up,
)
from nnrun.engine.evaluation import Examples
from nnrun.engine.randomness import random_access, starts
from nnrun.engine.trainer import Trainer

SHAPE = (6, 7, 2)
SIZE = 6 * 7 * 2


def pixels(dtype: Any = np.float64) -> Pixels:
    """Of inputs that are the pixels themselves; what lies around them is 0."""
    zeros, ones = np.zeros(SIZE, dtype), np.ones(SIZE, dtype)
    return Pixels(SHAPE, zeros, ones, np.zeros(2, dtype), -99 * ones, 99 * ones)


def images(count: int, dtype: Any = np.float64) -> np.ndarray:
    return np.random.default_rng(0).uniform(1, 2, (count, SIZE)).astype(dtype)


def changed(x: np.ndarray, *augmentations: Any, seed: int = 3, epoch: int = 1) -> np.ndarray:
    """(m, h, w, c)"""
    change = Augmenter(augmentations, pixels(x.dtype)).at([seed], epoch)
    return change(x[None], np.arange(len(x))[None])[0].reshape(-1, *SHAPE)


def places(shape: tuple[int, ...]) -> np.ndarray:
    return np.indices(shape).astype(float) - (np.array(shape)[:, None, None] - 1) / 2


# random numbers


def test_random_access_is_splitmix64() -> None:
    """The first numbers of the published generator from seed 1234567."""
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    found = random_access(np.array([1234567], np.uint64), np.array([[0, 1]]), 2)
    assert found.ravel().tolist() == [(number >> 11) / 2**53 for number in expected]


def test_random_access_is_uniform_and_keyed() -> None:
    keys = starts([1, 2], "augment", 0, 1)
    u = random_access(keys, np.tile(np.arange(5000), (2, 1)), 3)
    assert stats.kstest(u.ravel(), "uniform").pvalue > 0.01
    assert np.abs(np.corrcoef(u.transpose(0, 2, 1).reshape(6, -1))[np.triu_indices(6, 1)]).max() < 0.05
    alone = random_access(keys[1:], np.array([[4321, 7]]), 3)
    assert (alone[0] == u[1, [4321, 7]]).all()
    others = {int(starts([s], "augment", layer, epoch)[0]) for s in (1, 2) for layer in (0, 1) for epoch in (1, 2)}
    assert len(others) == 8


# each augmentation


def test_flip_exchanges_left_and_right_of_half_the_images() -> None:
    x = images(400)
    old, new = x.reshape(-1, *SHAPE), changed(x, Flip())
    same, mirrored = ((new == form).all(axis=(1, 2, 3)) for form in (old, old[:, :, ::-1]))
    assert (same ^ mirrored).all()
    assert 160 < mirrored.sum() < 240
    assert (changed(x, Flip(probability=1.0)) == old[:, :, ::-1]).all()


def test_shift_moves_by_whole_pixels_and_lets_the_background_in() -> None:
    x = images(300)
    padded = np.pad(x.reshape(-1, *SHAPE), ((0, 0), (2, 2), (2, 2), (0, 0)))
    new, found = changed(x, Shift(pixels=2)), set()
    for before, after in zip(padded, new, strict=True):
        fits = {(r, c) for r in range(5) for c in range(5) if (before[r : r + 6, c : c + 7] == after).all()}
        assert len(fits) == 1
        found |= fits
    assert len(found) == 25, "every shift occurs"


@pytest.mark.parametrize("turn", [Rotation(degrees=60.0), Zoom(factor=0.5)], ids=["rotation", "zoom"])
def test_rotation_and_zoom_are_those_of_scipy(turn: Any) -> None:
    x = images(30)
    u = random_access(starts([3], "augment", 0, 1), np.arange(30)[None], 1)[0, :, 0]
    for image, after, draw in zip(x.reshape(-1, *SHAPE), changed(x, turn), u, strict=True):
        a = np.deg2rad((2 * draw - 1) * 60)
        matrix = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
        if isinstance(turn, Zoom):
            matrix = np.eye(2) / (1 + (2 * draw - 1) * 0.5)
        middle = (np.array(SHAPE[:2]) - 1) / 2
        for channel in range(2):
            padded = np.pad(image[..., channel], 1)
            expected = ndimage.affine_transform(
                padded, matrix, middle + 1 - matrix @ (middle + 1), order=1, mode="constant"
            )
            np.testing.assert_allclose(after[..., channel], expected[1:-1, 1:-1], atol=1e-12)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("smoothness", "wide"), [(1e-320, False), (1e-200, False), (1e200, True)])
def test_elastic_is_finite_however_smooth(smoothness: float, wide: bool) -> None:
    """Pixel by pixel, or all alike: the square of either number is none of float64's."""
    u = np.random.default_rng(0).random((50, 2 * 64))
    moved = Elastic(0.5, smoothness)(np.zeros((50, 2, 8, 8)), u)
    assert np.isfinite(moved).all()
    assert bool(np.ptp(moved, axis=(2, 3)).max() < 1e-9) == wide


def test_elastic_moves_smoothly_and_by_as_much_as_asked_everywhere() -> None:
    """The field alone: each pixel's deviation is what was asked, and neighbours move alike."""
    grid = np.broadcast_to(places((6, 7)), (4000, 2, 6, 7))
    bend = Elastic(pixels=0.8, smoothness=2.0)
    moved = bend(grid, np.random.default_rng(0).uniform(size=(4000, 84))) - grid
    np.testing.assert_allclose(moved.std(axis=0), 0.8, rtol=0.06)
    np.testing.assert_allclose(moved.mean(axis=0), 0, atol=0.06)
    neighbours = np.corrcoef(moved[:, 0, 2, 3], moved[:, 0, 2, 4])[0, 1]
    assert neighbours > 0.85  # e^(−1/(4·2²)) = 0.94 far from the edges


@pytest.mark.parametrize("features", [6, 7], ids=["even", "odd"])
def test_noise_is_normal_and_needs_no_image(features: int) -> None:
    x = np.zeros((1, 4000, features))
    noise = Augmenter([Noise(deviation=0.5)]).at([1], 1)(x, np.arange(4000)[None])
    assert stats.kstest(noise.ravel() / 0.5, "norm").pvalue > 0.01
    assert np.abs(np.corrcoef(noise[0].T)[np.triu_indices(features, 1)]).max() < 0.06
    assert not x.any(), "the examples themselves stay as they are"


def test_look_up_is_that_of_scipy() -> None:
    rng = np.random.default_rng(1)
    image, at = rng.uniform(size=(1, 9, 5, 1)), rng.uniform(-3, 11, (1, 2, 9, 5))
    padded = np.pad(image[0, ..., 0], 1, constant_values=0.3)
    expected = ndimage.map_coordinates(padded, at[0] + 1, order=1, cval=0.3)
    np.testing.assert_allclose(look_up(image, at, np.array([0.3]))[0, ..., 0], expected, atol=1e-12)


# together


def test_movements_follow_one_another_in_the_order_given() -> None:
    """Mirrored and then moved right is not moved right and then mirrored."""
    x, shift, flip = images(50), Shift(pixels=1), Flip(probability=1.0)
    alone = changed(x, shift)
    then_flipped = changed(x, shift, flip)
    np.testing.assert_array_equal(then_flipped, alone[:, :, ::-1])


def test_inputs_are_turned_into_pixels_and_back() -> None:
    rng = np.random.default_rng(2)
    raw, means, deviations = images(20), rng.uniform(size=SIZE), rng.uniform(1, 2, SIZE)
    background, wide = np.array([0.5, 0.25]), np.full(SIZE, 99.0)
    image = Pixels(SHAPE, means, deviations, background, -wide, wide)
    rows = np.arange(20)[None]
    standard = Augmenter([Shift(pixels=2)], image).at([3], 1)((raw[None] - means) / deviations, rows)
    plain = Augmenter([Shift(pixels=2)], pixels()._replace(background=background)).at([3], 1)(raw[None], rows)
    np.testing.assert_allclose(standard * deviations + means, plain)
    narrow = Augmenter([Shift(pixels=2)], image._replace(low=-wide / 99, high=wide / 99)).at([3], 1)
    assert np.abs(narrow((raw[None] - means) / deviations, rows)).max() == 1


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_example_becomes_the_same_whatever_lies_beside_it(name: str, dtype: str) -> None:
    x = images(100, dtype)
    augmenter = Augmenter([AUGMENTATIONS[name]()], pixels(dtype))
    whole = augmenter.at([7], 2)(x[None], np.arange(100)[None])
    assert whole.dtype == dtype and whole.shape == (1, 100, SIZE)
    some = np.array([[93, 4, 55], [4, 4, 0]])
    among = augmenter.at([1, 7], 2)(x[some], some)
    assert among[1].tobytes() == whole[0, some[1]].tobytes()
    assert not np.array_equal(augmenter.at([1], 2)(x[None], np.arange(100)[None]), whole), "another member"
    assert not np.array_equal(augmenter.at([7], 3)(x[None], np.arange(100)[None]), whole), "another epoch"


@pytest.mark.parametrize("batch_size", [16, 50], ids=["batches", "full"])
@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_stacked_alone_and_resumed(
    make_trainer: Callable[..., Trainer], make_examples: Callable[..., Examples], name: str, batch_size: int
) -> None:
    train = make_examples(50, "cross_entropy", 3, n_in=SIZE, dtype="float32")
    dev = make_examples(20, "cross_entropy", 3, n_in=SIZE, seed=2, dtype="float32")
    shared: dict[str, Any] = {"train": train, "dev": dev, "batch_size": batch_size, "optimizer": "adam"}

    def made(seeds: list[int], *augmentations: Any) -> Trainer:
        return make_trainer(seeds, **shared, augmenter=Augmenter(augmentations, pixels("float32")))

    augmentation = AUGMENTATIONS[name]()
    together, alone, first, second = (made(seeds, augmentation) for seeds in ([4, 9], [9], [4, 9], [4, 9]))
    for trainer in (together, alone):
        list(trainer.epochs(5))
    list(first.epochs(2))
    second.restore(first.snapshot())
    list(second.epochs(5))
    assert together.theta[1].tobytes() == alone.theta[0].tobytes()
    assert together.theta.tobytes() == second.theta.tobytes()
    plain = make_trainer([4, 9], **shared)
    list(plain.epochs(5))
    assert together.theta.tobytes() != plain.theta.tobytes()
