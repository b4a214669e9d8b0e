"""Errors as a user types them."""

from __future__ import annotations

import pytest

from nnrun.cli.common import fraction
from nnrun.cli.diagnose import typed_tolerance, typed_verdict
from nnrun.errors import UsageError


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.15", 0.15), ("15%", 0.15), (" 15 % ", 0.15), ("0", 0.0), ("100%", 1.0), ("1%", 0.01), ("1e-2", 0.01)],
)
def test_fractions_and_per_cent(text: str, value: float) -> None:
    assert fraction("--dev-error", text) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("15", "did you mean 15%?"),
        ("1", "did you mean 1% or 100%?"),
        ("1.5", "did you mean 1.5%?"),
        ("150", "an error is at most 100%"),
        ("150%", "an error is at most 100%"),
        ("-0.1", "between 0 and 100%"),
        ("nan", "between 0 and 100%"),
        ("inf", "between 0 and 100%"),
        ("a lot", "not a number; write 0.15 or 15%"),
        ("%", "not a number"),
    ],
)
def test_anything_else_is_refused_with_the_question_which_was_meant(text: str, words: str) -> None:
    with pytest.raises(UsageError, match="--dev-error") as refused:
        fraction("--dev-error", text)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("errors", "sizes", "words"),
    [
        ({"dev": "0.1"}, {}, "--train-error is missing"),
        ({"train": "0.1"}, {}, "--dev-error is missing"),
        ({"train": "0.1", "dev": "0.2"}, {"dev": 0}, "--dev-size 0"),
        ({"train": "0.1", "dev": "0.2"}, {"train": -3}, "--train-size -3"),
        ({"train": "0.1", "dev": "0.2"}, {"test": 10}, "--test-size stands without --test-error"),
    ],
)
def test_what_cannot_be_judged(errors: dict[str, str], sizes: dict[str, int], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        typed_verdict(errors, sizes, 0.015)


def test_a_tolerance_is_above_0() -> None:
    assert typed_tolerance("1.5%") == 0.015
    with pytest.raises(UsageError, match="above 0"):
        typed_tolerance("0")
