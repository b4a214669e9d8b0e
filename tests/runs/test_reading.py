"""Records as files have them: what was written comes back, and anything else is refused by file, line and key."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nnrun.errors import DataError
from nnrun.files import is_whole, sealed, sealed_line, sealed_text, to_json
from nnrun.runs.reading import complete, read_document, read_lines, read_record
from nnrun.runs.records import Event, Row, RunRecord

RECORD: dict[str, Any] = {
    "status": "done", "created": "2026-11-26T16:18:03.886+00:00", "seed": 10**40, "parent": None,
    "data": {"files": [], "rows": {"train": 90}}, "final": {"dev_error": 0.1, "test_error": None}, "epochs": 6,
    "symptoms": [{"name": "dead", "epoch": 2, "layer": None, "why": "ö", "cure": []}],
}  # fmt: skip


def written(record: dict[str, Any]) -> bytes:
    return to_json(sealed(record), indent=2).encode()


def test_what_was_written_comes_back_without_its_checksum() -> None:
    assert read_record(written(RECORD), "run.json", RunRecord) == RECORD
    assert read_record(to_json(RECORD).encode(), "run.json", RunRecord) == RECORD, "early ones have none"


def test_every_flipped_bit_is_noticed_or_changes_nothing() -> None:
    """A flip in the name of the key `checksum` makes it another key, beside which everything is as it was."""
    content = written(RECORD)
    for at in range(len(content)):
        for bit in range(8):
            flipped = bytearray(content)
            flipped[at] ^= 1 << bit
            try:
                record = read_record(bytes(flipped), "run.json", RunRecord)
            except DataError:
                continue
            assert {key: record[key] for key in RECORD} == RECORD


WRONG: list[tuple[str, Any, str]] = [
    ("id", 7, "id is 7 where text belongs"),
    ("status", "dune", "status is 'dune' where one of done, diverged, failed, interrupted, created,"),
    ("status", "\ud800", "damaged"),
    ("final", "x", "final is 'x' where a mapping belongs"),
    ("final", {"dev_error": "x"}, "final.dev_error is 'x' where a number belongs"),
    ("final", {"dev_error": True}, "final.dev_error is a truth where a number belongs"),
    ("epochs", -1, "epochs is -1 where a whole number belongs"),
    ("epochs", 1.0, "epochs is 1.0 where a whole number belongs"),
    ("data", {"rows": {"train": []}}, "data.rows.train is a list where a whole number belongs"),
    ("symptoms", [{"cure": "x"}], "symptoms.0.cure is 'x' where a list belongs"),
    ("seed", None, "seed is nothing where a whole number belongs"),
]


@pytest.mark.parametrize(("key", "value", "problem"), WRONG)
def test_a_wrong_type_is_told_by_its_key(key: str, value: Any, problem: str) -> None:
    content = json.dumps(RECORD | {key: value}).encode()
    if problem != "damaged":
        content = written(RECORD | {key: value})
    try:
        read_record(content, "runs/a/run.json", RunRecord)
    except DataError as error:
        assert str(error).startswith(f"runs/a/run.json: {problem}") or problem == "damaged"
    else:
        pytest.fail("it is taken for a record")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\0" * 40, b"[" * 100_000, b"9" * 5000, b"7", b"null", b"[]", b'{"epochs": Infinity}', b"\xff"],
)
def test_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(DataError, match=r"^run\.json: (not (valid JSON|a JSON object)|epochs is inf)"):
        read_record(content, "run.json", RunRecord)


def test_a_program_that_changes_a_file_is_believed() -> None:
    """Its layout is another one; what only looks like nnrun's file is compared with the checksum."""
    changed = sealed(RECORD) | {"status": "failed"}
    assert read_document(json.dumps(changed).encode(), "run.json", RunRecord) == RECORD | {"status": "failed"}
    for content in (to_json(changed, indent=2), written(RECORD).decode().replace("0.1", "0.3")):
        with pytest.raises(DataError, match=r"^run\.json: damaged, or changed by another program"):
            read_document(content.encode(), "run.json", RunRecord)


def test_a_line_is_its_record_sealed() -> None:
    for record in (RECORD, sealed(RECORD), {"x": float("nan"), "y": [1, {"ö": None}]}):
        assert sealed_line(record) == to_json(sealed(record))


def test_a_key_that_is_missing_is_told_when_it_is_asked_for() -> None:
    record = read_record(b'{"data": {}}', "run.json", RunRecord)
    with pytest.raises(DataError, match=r"^run\.json: rows is missing; copy it again"):
        record["data"]["rows"]
    assert record.get("status") is None
    with pytest.raises(DataError, match="created is missing"):
        (record | {"status": "done"})["created"]


def test_all_keys_that_a_file_lacks_are_told_together() -> None:
    with pytest.raises(DataError, match=r"^events\.jsonl: event, epoch missing; copy it again"):
        complete(read_record(b'{"time": "2026"}', "events.jsonl", Event), Event)


# lines


def test_a_line_is_told_by_its_number() -> None:
    path = Path("metrics.jsonl")
    for line, problem in {
        b"[2]": "not a JSON object, but a list",
        b'{"epoch": 2{"epoch": 3}': "not valid JSON",
        b'{"epoch": 2, "dev_error": "low"}': "dev_error is 'low' where a number belongs",
    }.items():
        with pytest.raises(DataError, match=rf"^metrics\.jsonl:2: {problem}"):
            read_lines(b'{"epoch": 1}\n' + line + b'\n{"epoch": 3}\n', path, Row)
    with pytest.raises(DataError, match=r"^events\.jsonl:1: time is 7 where text belongs"):
        read_lines(b'{"time": 7, "event": "done", "epoch": 1}\n', Path("events.jsonl"), Event)


def test_every_cut_of_a_file_can_be_read() -> None:
    """A torn last line is forgiven, and so is half of a letter of two bytes."""
    whole = '{"event": "ö"}\n{"event": "ö"}\n'.encode()
    for size in range(len(whole) + 1):
        assert read_lines(whole[:size], Path("e"), Event) == [{"event": "ö"}] * whole[:size].count(b"\n")


# YAML


def test_text_under_a_checksum() -> None:
    text = sealed_text("seed: 1\nname: ö\n").encode()
    assert text.endswith("\nseed: 1\nname: ö\n".encode())
    assert is_whole(text)
    assert is_whole(b"seed: 1\n"), "early ones have none"
    assert not is_whole(text.replace(b"1\n", b"3\n"))
    assert not any(is_whole(text[:size]) for size in range(30, len(text)))


def test_reading_loads_no_heavy_library() -> None:
    script = "import sys, nnrun.search.ledger; sys.exit(bool({'numpy', 'pydantic'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
