from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnrun.config.load import load_config
from nnrun.data.augment import augmenter
from nnrun.data.dataset import Dataset
from nnrun.engine.augmentation import Augmenter
from nnrun.errors import DataError

Load = Callable[..., Dataset]


def built(dataset: Dataset, augment: str) -> Augmenter | None:
    entries = load_config(None, [f"regularization.augment={augment}"]).config.regularization.augment
    return augmenter(entries, dataset)


def test_bundled_digits_are_images(load: Load) -> None:
    data = load("digits")
    made = built(data, "[shift, {name: rotation, degrees: 5}]")
    assert made is not None and made.pixels is not None
    assert made.pixels.shape == (8, 8, 1)
    assert made.pixels.background == pytest.approx(0, abs=0.2)  # black, of 16
    assert built(data, "[]") is None


def test_arrays_of_images_are_images_whatever_their_background(load: Load, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = np.full((60, 5, 6, 3), [250.0, 120.0, 30.0])
    x[:, 2:4, 2:4] = rng.uniform(0, 255, (60, 2, 2, 3))
    np.savez(tmp_path / "images.npz", x=x, y=np.arange(60) % 3)
    for normalize in ("standard", "none"):
        made = built(load(tmp_path / "images.npz", normalize=normalize), "[flip]")
        assert made is not None and made.pixels is not None
        assert made.pixels.shape == (5, 6, 3)
        np.testing.assert_allclose(made.pixels.background, [250, 120, 30])


def test_pixels_keep_the_range_of_all_training_rows_in_whatever_order_they_come(load: Load, tmp_path: Path) -> None:
    """Sorted by class: what the last class alone has, a bright pixel and a bright corner, is none of the first ones."""
    x, first = np.zeros((24_000, 3, 3), np.uint8), 18_000
    strokes = np.random.default_rng(0).integers(100, 255, 24_000)
    x[:first, 1, 0], x[first:, 1, 2], x[first:, 0, 0] = strokes[:first], strokes[first:], 200
    np.savez(tmp_path / "images.npz", x=x, y=np.arange(24_000) >= first)
    made = built(data := load(tmp_path / "images.npz"), "[shift]")
    assert made is not None and made.pixels is not None
    rows = data.parts["train"].x
    np.testing.assert_array_equal([made.pixels.low, made.pixels.high], [rows.min(axis=0), rows.max(axis=0)])
    assert made.pixels.background == pytest.approx(200 / 4 / 4, rel=0.1)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "are no pixels, such as 'x[0,0,0] is missing' (2 of 11); write a number in place"),
        ({"format": {"missing": ("7",)}}, "(9 of 18)"),
        ({"kinds": {"x[1,1,0]": "category"}}, "(11 of 19)"),
    ],
)
def test_pixels_beside_marks_and_codes_are_not_moved(
    load: Load, tmp_path: Path, settings: dict[str, Any], words: str
) -> None:
    x = np.random.default_rng(0).integers(0, 9, (90, 3, 3)).astype(np.float32)
    x[:40, 0, 0] = x[:40, 2, 1] = np.nan
    np.savez(tmp_path / "images.npz", x=x, y=np.arange(90) % 2)
    data = load(tmp_path / "images.npz", **settings)
    assert data.fitted.image == [3, 3, 1] and data.fitted.pixels is None
    with pytest.raises(DataError, match=re.escape(words)) as caught:
        built(data, "[shift]")
    assert caught.value.key == ("regularization", "augment")
    assert built(data, "[noise]") is not None


def test_noise_alone_fits_any_data(load: Load) -> None:
    made = built(load("iris"), "[noise]")
    assert made is not None and made.pixels is None
    with pytest.raises(DataError, match="rotation needs images, and the rows of this data are none") as caught:
        built(load("iris"), "[noise, rotation]")
    assert caught.value.key == ("regularization", "augment")


def test_a_shift_leaves_something_of_an_image(load: Load) -> None:
    assert built(load("digits"), "[{name: shift, pixels: 7}]") is not None
    with pytest.raises(DataError, match=r"shift moves images of 8 × 8 pixels by up to 8 of them; .* as 1"):
        built(load("digits"), "[{name: shift, pixels: 8}]")


def test_a_row_of_pixels_is_not_shifted_at_all(load: Load, tmp_path: Path) -> None:
    np.savez(tmp_path / "lines.npz", x=np.random.default_rng(0).random((40, 1, 9)), y=np.arange(40) % 2)
    with pytest.raises(DataError, match=r"shift moves images of 1 × 9 pixels by up to 1 of them; remove it$"):
        built(load(tmp_path / "lines.npz"), "[shift]")


def test_digits_are_flipped_on_demand_only(load: Load) -> None:
    with pytest.raises(DataError, match=r"a mirrored 2 is no 2.*\{name: flip, force: true\}"):
        built(load("digits"), "[flip]")
    assert built(load("digits"), "[{name: flip, force: true}]") is not None


@pytest.mark.parametrize("settings", [{"normalize": "robust"}, {"normalize": "quantile"}])
def test_pixels_that_are_bent_are_not_moved(load: Load, settings: dict[str, str]) -> None:
    data = load("digits", **settings)
    with pytest.raises(DataError, match=r"shift moves pixels, which this needs by mean and deviation"):
        built(data, "[shift]")
    assert built(data, "[noise]") is not None
