"""trials.jsonl: what is whole is read, what is torn is dropped, and nothing else is."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from nnrun.search.ledger import Ledger

RECORDS = [{"number": n, "values": {"rate": 0.1 * n, "név": None}, "final": {"dev_error": n / 7}} for n in range(5)]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger(tmp_path / "trials.jsonl")
    for record in reversed(RECORDS):
        ledger.append(record)
    return ledger


def test_what_was_appended_is_read_by_number(ledger: Ledger) -> None:
    assert ledger.read() == (RECORDS, 0)


def test_a_missing_and_an_empty_ledger_hold_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "trials.jsonl")
    assert ledger.read() == ([], 0)
    assert ledger.repair() == []
    assert not ledger.path.exists()
    ledger.path.write_bytes(b"")
    assert ledger.repair() == []


def test_numbers_that_are_not_finite_are_null_and_still_match_the_checksum(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "trials.jsonl")
    ledger.append({"number": 0, "loss": math.nan, "curve": [math.inf, 1.0]})
    assert ledger.read() == ([{"number": 0, "loss": None, "curve": [None, 1.0]}], 0)


def test_of_two_lines_with_one_number_the_first_counts(ledger: Ledger) -> None:
    ledger.append({"number": 2, "values": {}})
    assert ledger.read() == (RECORDS, 0)


def test_cut_at_every_byte_it_loses_no_whole_line(ledger: Ledger) -> None:
    content = ledger.path.read_bytes()
    for length in range(len(content)):
        ledger.path.write_bytes(content[:length])
        left, rest = content[:length].count(b"\n"), content[:length].rpartition(b"\n")[2]
        whole = left + (content[length : length + 1] == b"\n" and rest != b"")
        ledger.repair()
        assert ledger.read() == (RECORDS[5 - whole :], 0)
        ledger.append({"number": 9})
        records, broken = ledger.read()
        assert records[-1] == {"number": 9}
        assert len(records) == whole + 1
        assert broken == 0


def test_a_flipped_bit_costs_the_lines_it_touches(ledger: Ledger) -> None:
    content = ledger.path.read_bytes()
    for at in range(len(content)):
        for bit in (0, 3, 6):
            flipped = bytearray(content)
            flipped[at] ^= 1 << bit
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
