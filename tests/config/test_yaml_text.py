import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnrun.config.yaml_text import Mark, Place, decode, parse, parse_value, read_bytes
from nnrun.errors import ConfigError


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, "config.yaml")
    return caught.value.problems


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("+12", 12),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("on", "on"),
        ("yes", "yes"),
        ("No", "No"),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2020-01-31", "2020-01-31"),
        ("tRue", "tRue"),
        ("'1e-3'", "1e-3"),
        ('"null"', "null"),
        ("!!str 5", "5"),
        ("!!float 5", 5.0),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(text: str, value: object) -> None:
    read = parse_value(text)
    assert (type(read), read) == (type(value), value)


def test_nan_is_read() -> None:
    assert math.isnan(parse_value(".nan"))


def test_positions_of_keys_and_values_count_from_one() -> None:
    source = parse("optimizer:\n  learning_rate: 1e-3\nnetwork: {hidden: [64, 32]}\n", "config.yaml")
    assert source.values == {"optimizer": {"learning_rate": 0.001}, "network": {"hidden": [64, 32]}}
    assert source.positions == {
        ("optimizer",): Place(Mark(1, 1), Mark(2, 3)),
        ("optimizer", "learning_rate"): Place(Mark(2, 3), Mark(2, 18)),
        ("network",): Place(Mark(3, 1), Mark(3, 10)),
        ("network", "hidden"): Place(Mark(3, 11), Mark(3, 19)),
        ("network", "hidden", 0): Place(Mark(3, 20), Mark(3, 20)),
        ("network", "hidden", 1): Place(Mark(3, 24), Mark(3, 24)),
    }


def test_duplicate_keys_are_noted_with_both_lines_and_the_first_counts() -> None:
    source = parse("seed: 1\ndata:\n  target: a\n  target: b\nseed: 2\n", "config.yaml")
    assert source.values == {"seed": 1, "data": {"target": "a"}}
    assert [(problem.mark, problem.text) for problem in source.problems] == [
        (Mark(4, 3), "data.target: duplicate key on line 4; first given on line 3"),
        (Mark(5, 1), "seed: duplicate key on line 5; first given on line 1"),
    ]


def test_aliases_and_merge_keys_copy_values() -> None:
    source = parse("a: &base {x: 1, y: [2]}\nb: *base\nc:\n  <<: *base\n  x: 5\nd: {<<: [{x: 7}, *base]}\n", "c")
    assert source.values["b"] == {"x": 1, "y": [2]}
    assert source.values["c"] == {"x": 5, "y": [2]}
    assert source.values["d"] == {"x": 7, "y": [2]}
    assert source.values["b"]["y"] is not source.values["a"]["y"]
    assert source.positions["d", "x"].value == Mark(6, 14), "of the mapping that gave it"
    assert not source.problems


def test_a_merge_given_twice_is_a_duplicate_key() -> None:
    source = parse("a:\n  <<: {x: 3}\n  <<: {x: 4}\n", "config.yaml")
    assert source.values == {"a": {"x": 3}}
    assert [tuple(problem)[:2] for problem in source.problems] == [
        (Mark(3, 3), "a.<<: duplicate key on line 3; first given on line 2")
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("optimizer:\n\tname: adam\n", "config.yaml:2:1: tab used for indentation; YAML wants spaces"),
        ("a:\n  b: 1\n  \tc: 2\n", "config.yaml:3:3: tab used for indentation; YAML wants spaces"),
        ("seed:\t1\n", "config.yaml:1:6: tab between two words; YAML wants spaces"),
        ("", "config.yaml:1:1: the file is empty; an experiment needs at least `data: {source: digits}`"),
        (
            "# only this\n\n",
            "config.yaml:1:1: the file is empty; an experiment needs at least `data: {source: digits}`",
        ),
        ("- 1\n", "config.yaml:1:1: expected a mapping of sections, got a list"),
        ("adam\n", "config.yaml:1:1: expected a mapping of sections, got the text 'adam'"),
        (
            "name: x\n  seed: 1\n",
            "config.yaml:2:7: a colon is not allowed here; check the indentation, or quote the text",
        ),
        ("name: 'x\nseed: 1\n", "config.yaml:1:7: the quote opened here is not closed"),
        (
            "a: {b: [1, 2}\n",
            "config.yaml:1:13: expected ',' or ']', but got '}'; the bracket opened at 1:8 is not closed properly",
        ),
        ("a: 1\n---\nb: 1\n", "config.yaml:2:1: only one YAML document is allowed; remove the `---` line"),
        ("a: *x\n", "config.yaml:1:4: found undefined alias 'x'"),
        ("a: &x [*x]\n", "config.yaml:1:4: an alias stands inside the thing it names"),
        ("a: @x\n", "config.yaml:1:4: text that begins with this character must be quoted"),
        ("a: !!python/name:os.system x\n", "config.yaml:1:4: the tag !!python/name:os.system is not allowed here"),
        ("a: !mine {}\n", "config.yaml:1:4: the tag !mine is not allowed here"),
        ("a: !!set {x}\n", "config.yaml:1:4: the tag !!set is not allowed here"),
        ("a: !!int abc\n", "config.yaml:1:4: the text 'abc' cannot be read as !!int"),
        ("a: 1\n[b]: 2\n", "config.yaml:2:1: a key must be text; put it in quotes if it is meant"),
        ("a: 1\ntrue: 2\n", "config.yaml:2:1: a key must be text; put it in quotes if it is meant"),
        ('a: "\\ud800"\n', "config.yaml:1:4: half of a surrogate pair is not text"),
        ("a: b\nc: \x07\n", "config.yaml:2:4: the character '\\x07' is not allowed"),
        ("a: {<<: 3}\n", "config.yaml:1:9: << merges mappings only"),
        ("a: " + "[" * 5000, "config.yaml:1:1: lists or mappings are nested too deeply"),
    ],
)
def test_what_is_not_a_yaml_mapping_is_one_clear_line(text: str, line: str) -> None:
    assert problems(text) == [line]


def test_aliases_of_aliases_do_not_fill_the_memory() -> None:
    # each level holds the one before ten times: 10^9 values in 9 lines
    bomb = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10))
    assert problems(bomb)[0].endswith("the file expands to more than 100,000 values")


@pytest.mark.parametrize("digits", ["1" + "0" * 5000, "0x1" + "0" * 5000])
def test_a_number_too_long_to_print_is_refused(digits: str) -> None:
    assert "cannot be read as !!int" in problems(f"seed: {digits}\n")[0]


def test_a_byte_order_mark_is_tolerated() -> None:
    assert parse(decode(b"\xef\xbb\xbfseed: 1\n", "c"), "c").positions[("seed",)].key == Mark(1, 1)
    assert parse("\ufeffseed: 1\n", "c").values == {"seed": 1}


def test_bytes_that_are_not_utf_8_are_located() -> None:
    with pytest.raises(ConfigError, match=r"^config.yaml:2:7: not UTF-8 text \(byte 0xe9\); save it as UTF-8$"):
        decode(b"seed: 1\nname: \xe9t\xe9\n", "config.yaml")


def test_a_missing_file_names_a_neighbour(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("seed: 1\n")
    with pytest.raises(ConfigError) as caught:
        read_bytes(tmp_path / "confg.yaml")
    assert str(caught.value) == f"{tmp_path}/confg.yaml: no such file; did you mean {tmp_path}/config.yaml?"
    with pytest.raises(ConfigError, match=r"no such file$"):
        read_bytes(tmp_path / "nowhere" / "config.yaml")


def test_a_directory_and_an_unreadable_path_are_config_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a directory; a YAML file is needed"):
        read_bytes(tmp_path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_bytes(Path("a\0b"))
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be read: Not a directory"):
        read_bytes(tmp_path / "file" / "config.yaml")


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("ab: \t\n-[]{},'\"#&*!|>%@`?<~01.e\\\r\ufeff\x85"), max_size=40))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    try:
        parse(text, "config.yaml")
    except ConfigError as error:
        assert all(problem.startswith("config.yaml:") for problem in error.problems)
