"""trials.jsonl: what is whole is read, what is torn is dropped, and nothing else is."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, cast

import pytest

from nnrun.config.space.space import Space
from nnrun.errors import DataError
from nnrun.files import sealed
from nnrun.search.ledger import Ledger
from nnrun.search.record import TrialRecord


def record(number: int, **others: Any) -> TrialRecord:
    """A trial that is over."""
    plain = {"seed": 3, "status": "done", "curve": [0.5], "error": None, "metric": number / 7, "time": 1.5}
    values, final = {"rate": 0.1 * number, "név": None}, {"dev_error": number / 7}
    return cast(TrialRecord, {"number": number, "values": values, "final": final, **plain, **others})


RECORDS = [record(number) for number in range(5)]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger(tmp_path / "trials.jsonl")
    for record in reversed(RECORDS):
        ledger.append(record)
    return ledger


def test_what_was_appended_is_read_by_number(ledger: Ledger) -> None:
    assert ledger.read() == (RECORDS, 0)


def test_those_of_a_stack_are_entered_at_once_as_one_by_one(ledger: Ledger, tmp_path: Path) -> None:
    together = Ledger(tmp_path / "together.jsonl")
    together.append(*reversed(RECORDS))
    assert together.path.read_bytes() == ledger.path.read_bytes()


def test_a_missing_and_an_empty_ledger_hold_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "trials.jsonl")
    assert ledger.read() == ([], 0)
    assert ledger.repair() == []
    assert not ledger.path.exists()
    ledger.path.write_bytes(b"")
    assert ledger.repair() == []


def test_numbers_that_are_not_finite_are_null_and_still_match_the_checksum(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "trials.jsonl")
    ledger.append(record(0, metric=math.nan, curve=[math.inf, 1.0]))
    assert ledger.read() == ([record(0, metric=None, curve=[None, 1.0])], 0)


def test_of_two_lines_with_one_number_the_first_counts(ledger: Ledger) -> None:
    ledger.append(record(2, values={}))
    assert ledger.read() == (RECORDS, 0)


def test_cut_at_every_byte_it_loses_no_whole_line(ledger: Ledger) -> None:
    content = ledger.path.read_bytes()
    for length in range(len(content)):
        ledger.path.write_bytes(content[:length])
        left, rest = content[:length].count(b"\n"), content[:length].rpartition(b"\n")[2]
        whole = left + (content[length : length + 1] == b"\n" and rest != b"")
        ledger.repair()
        assert ledger.read() == (RECORDS[5 - whole :], 0)
        ledger.append(record(9))
        records, broken = ledger.read()
        assert records[-1] == record(9)
        assert len(records) == whole + 1
        assert broken == 0


@pytest.mark.parametrize("first", [0, *(pytest.param(first, marks=pytest.mark.soak) for first in (1, 2))])
def test_a_flipped_bit_costs_the_lines_it_touches(ledger: Ledger, first: int) -> None:
    """One of three bits in each byte."""
    content = ledger.path.read_bytes()
    for at in range(len(content)):
        flipped = bytearray(content)
        flipped[at] ^= 1 << (0, 3, 6)[(first + at) % 3]
        ledger.path.write_bytes(flipped)
        ledger.repair()
        records, broken = ledger.read()
        assert broken == 0
        assert len(records) >= 5 - (2 if content[at] == ord("\n") else 1)
        assert all(record in RECORDS for record in records)


@pytest.mark.parametrize(
    "line", [b"null", b"[]", b"7", b"{}", b'{"number": 1}', b'{"number": "x", "checksum": ""}', b"\xff"]
)
def test_a_line_of_anything_else_is_dropped_and_counted(ledger: Ledger, line: bytes) -> None:
    with ledger.path.open("ab") as file:
        file.write(line + b"\n")
    assert ledger.read() == (RECORDS, 1)
    assert ledger.repair() == [line]
    assert ledger.read() == (RECORDS, 0)


WRONG = [
    ({"values": None}, "values is nothing where a mapping belongs"),
    ({"final": "x"}, "final is 'x' where a mapping belongs"),
    ({"final": {"dev_error": "x"}}, "final.dev_error is 'x' where a number belongs"),
    ({"metric": "x"}, "metric is 'x' where a number belongs"),
    ({"metric": True}, "metric is a truth where a number belongs"),
    ({"metric": 10**4000}, "metric is a number too large where a number belongs"),
    ({"number": -1}, "number is -1 where a whole number belongs"),
    ({"number": 1.5}, "number is 1.5 where a whole number belongs"),
    ({"seconds": "x"}, "seconds is 'x' where a number belongs"),
    ({"status": "dune"}, "status is 'dune' where one of done, diverged, failed belongs"),
    ({"curve": [0.5, "x"]}, "curve.1 is 'x' where a number belongs"),
    ({"values": {"rate": "x", "név": None}}, "no value of rate"),
    ({"values": {"név": None}}, "no value of rate"),
]


@pytest.mark.parametrize(("others", "problem"), WRONG, ids=[problem for _, problem in WRONG])
def test_a_line_with_the_right_checksum_and_a_wrong_type_is_no_record(
    tmp_path: Path, others: dict[str, Any], problem: str
) -> None:
    ledger = Ledger(tmp_path / "trials.jsonl", Space.of({"rate": {"uniform": [0.0, 1.0]}}))
    lines = [record(0), record(1) | others, record(2)]
    ledger.path.write_text("".join(json.dumps(sealed(line), ensure_ascii=False) + "\n" for line in lines))
    assert ledger.read() == ([RECORDS[0], RECORDS[2]], 1)
    with pytest.raises(DataError) as caught:
        ledger.read_whole()
    assert str(caught.value).startswith(f"{ledger.path}:2: {problem}; ")
    assert "nnrun resume" in str(caught.value)


@pytest.mark.parametrize(
    "line", [b'{"number": ' + b"9" * 5000 + b"}", b"[" * 10_000, b'{"a":' * 400 + b"1" + b"}" * 400]
)
def test_numbers_without_end_and_nesting_without_end_are_no_records(ledger: Ledger, line: bytes) -> None:
    with ledger.path.open("ab") as file:
        file.write(line + b"\n")
    assert ledger.read() == (RECORDS, 1)


def test_nothing_is_appended_through_a_link(ledger: Ledger, tmp_path: Path) -> None:
    own, before = ledger.path.rename(tmp_path / "own.txt"), (tmp_path / "own.txt").read_bytes()
    ledger.path.symlink_to(own)
    with pytest.raises(DataError, match="a link, to which nothing is written"):
        ledger.append(record(9))
    assert own.read_bytes() == before


def test_a_torn_last_line_may_still_be_written(ledger: Ledger) -> None:
    with ledger.path.open("ab") as file:
        file.write(b'{"number": 7, "val')
    assert ledger.read_whole() == RECORDS
