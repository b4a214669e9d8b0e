import math
import struct
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from nnrun.config.dump import dump_sections, dump_yaml
from nnrun.config.yaml_text import parse_value

TREACHEROUS = [
    "on",
    "no",
    "1e3",
    "1e-3",
    "0x1",
    "0o7",
    "null",
    "~",
    "",
    " ",
    "true",
    ".inf",
    "12:30",
    "1_000",
    "2020-01-31",
]
TREACHEROUS += [
    "<<",
    "=",
    "- a",
    "a: b",
    "#",
    "a #b",
    "'",
    '"',
    "\n",
    "a\nb\n",
    "\t",
    "\x85",
    "\u2028",
    "\ufeff",
    "\U0001f600",
]

texts = st.text() | st.sampled_from(TREACHEROUS)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4))


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_reads_back_to_the_same_bits(value: float) -> None:
    read = parse_value(dump_yaml({"x": value}))["x"]
    assert bits(read) == bits(value)
    # other readers follow YAML 1.1, which asks for a point in a number with an exponent
    assert bits(yaml.safe_load(dump_yaml({"x": value}))["x"]) == bits(value)


@pytest.mark.parametrize("value", [1e-05, 1e16, 5e-324, 1.7976931348623157e308, -0.0])
def test_floats_with_exponents_stay_floats(value: float) -> None:
    assert bits(parse_value(dump_yaml([value]))[0]) == bits(value)


@pytest.mark.parametrize("text", TREACHEROUS)
def test_texts_that_look_like_something_else_are_quoted(text: str) -> None:
    assert parse_value(dump_yaml({text: text})) == {text: text}
    assert yaml.safe_load(dump_yaml([text])) == [text]


def same(a: Any, b: Any) -> bool:
    """Equal in type too: 1 == 1.0 == True in Python."""
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    return bool(a == b)


@settings(deadline=None)
@given(st.dictionaries(texts, values, max_size=4), st.booleans())
def test_whatever_is_written_reads_back_equal(written: dict[str, Any], one_line: bool) -> None:
    assert same(parse_value(dump_yaml(written, one_line)), written)


@settings(deadline=None)
@given(st.dictionaries(texts, values, max_size=4), st.dictionaries(texts, values, max_size=4))
def test_a_config_section_by_section_is_the_same_text(written: dict[str, Any], section: dict[str, Any]) -> None:
    config = {**written, "section": section}
    assert dump_sections(config) == dump_sections(config) == dump_yaml(config)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_numbers_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="has no place in a config"):
        dump_yaml({"x": value})


def test_equal_lists_are_written_twice_rather_than_aliased() -> None:
    shared = [1, 2]
    assert dump_yaml({"a": shared, "b": shared}) == "a: [1, 2]\nb: [1, 2]\n"
