"""nnrun retest: what it prints, what the other commands make of its directory, and errors by their exit codes."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Done
from tests.cli.test_printed import commands_of, quoted

Nnrun = Callable[..., Done]
Start = Callable[..., "subprocess.Popen[str]"]
Write = Callable[..., Path]

SMALL = """\
name: small
data: {source: iris}
network: {hidden: [8]}
training: {epochs: 3, engine: numpy}
search:
  trials: 6
  space:
    optimizer.learning_rate: {log: [1e-4, 1e-1]}
    network.width: {choice: [4, 8]}
"""


def directory(kind: str) -> Path:
    """The newest search or retest."""
    made = Path("runs").glob(f"*-{kind}-*")
    return max(made, key=lambda path: json.loads((path / "run.json").read_text())["created"])


@pytest.fixture
def searched(nnrun: Nnrun, config: Write) -> Path:
    assert nnrun("search", config(SMALL), "--workers", "1", "-q").code == 0
    return directory("search")


def test_it_prints_the_verdict_and_the_other_commands_take_its_directory(nnrun: Nnrun, searched: Path) -> None:
    assert nnrun("train", searched / "resolved.yaml", "-q").code == 0
    assert nnrun("retest", "latest").code == 2, "it is no search"
    done = nnrun("retest", "--top", "2", "--workers", "1")
    assert done.code == 0
    found = directory("retest")
    heading = (
        f"retest   {found.name}\nsearch   {searched.name}\ntrials   the best 2 of 6 settings and 2 fresh ones, 3 seeds"
    )
    assert done.err.startswith(heading)
    assert "note     data: the same rows and parts as then" in done.err
    assert re.search(r"^ 1  (old trial|fresh) \d", done.out.replace("\n1 ", "\n 1 "), re.MULTILINE)
    for head in ("ranking  rank correlation", "old best old trial", "fresh    the old settings", "verdict  "):
        assert f"\n{head}" in done.out
    assert f"retest   runs/{found.name}\n" in done.out
    shown = nnrun("show")
    verdict = done.out[done.out.index("verdict  ") : done.out.index("\n\nretest")]
    assert (shown.code, verdict in shown.out, heading.partition("\n")[0] in shown.out) == (0, True, True)
    assert len(nnrun("show", "--csv").out.splitlines()) == 13
    (entry,) = (run for run in nnrun("list", "--json").json["runs"] if run["id"] == found.name)
    assert (entry["kind"], entry["name"], entry["status"], entry["trials"]) == ("search", "small-retest", "done", 12)
    for command in (("compare", "latest", searched), ("diagnose",), ("evaluate", found / "best")):
        assert nnrun(*command).code == 0


def test_its_document_has_the_verdict(nnrun: Nnrun, searched: Path) -> None:
    done = nnrun("retest", searched, "--top", "2", "--workers", "1", "--json").json
    written = json.loads((directory("retest") / "retest.json").read_text())
    written.pop("checksum")
    assert done["retest"] == written
    assert nnrun("show", "--json").json["retest"] == written
    assert [each["trial"] for each in written["settings"]].count(None) == 2
    quiet = nnrun("resume", "latest", "-q")
    assert (quiet.code, quiet.out.splitlines()[0][:9], quiet.err, quiet.next) == (0, "verdict  ", "", [])


def test_what_a_retest_says_to_type_can_be_typed(nnrun: Nnrun, searched: Path) -> None:
    """A wider retest where too few settings were trained; a new search where others do better today."""
    done = nnrun("retest", searched, "--top", "1", "--workers", "1")
    asked = {shlex.split(line)[1]: line for line in done.next}
    assert list(asked) == ["retest", "report"]
    for line in asked.values():
        assert nnrun(*shlex.split(line)[1:]).code == 0, line
    record = json.loads((directory("retest") / "retest.json").read_text())
    assert (record["asked"]["top"], record["asked"]["seeds"]) == (2, 6)
    ledger = searched / "trials.jsonl"  # the search is made to have found the worst best
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    turned = [{**line, "metric": 1 - line["metric"]} for line in lines]
    ledger.write_text("".join(json.dumps(line | {"checksum": checksum_of(line)}) + "\n" for line in turned))
    done = nnrun("retest", searched, "--top", "3", "--workers", "1", "--set", "training.epochs=40")
    again = [line for line in done.next if " search " in line]
    assert again, done.out
    assert nnrun(*shlex.split(again[0])[1:], "-q", "--workers", "1").code == 0


def checksum_of(line: dict[str, Any]) -> str:
    from nnrun.files import sealed

    return str(sealed(line)["checksum"])


def test_all_that_a_page_of_a_retest_says_to_type_can_be_typed(
    nnrun: Nnrun, searched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = ["retest", str(searched), "--top", "1", "--workers", "1", "-q"]
    monkeypatch.setattr("sys.argv", ["nnrun", *typed])
    assert nnrun(*typed, "--report").code == 0
    page = directory("retest") / "report.html"
    assert "Then and today" in page.read_text()
    lines = commands_of(page)
    assert {shlex.split(line)[1] for line in lines} == {"retest", "train", "report"}
    for line in lines:
        done = nnrun(*shlex.split(line)[1:])
        assert done.code == 0, f"{line}: {done.err}"


def test_a_search_without_a_result_goes_on_as_the_message_says(nnrun: Nnrun, config: Write) -> None:
    config(SMALL)
    assert nnrun("search", "-q", "--workers", "1", "--timeout", "0").code == 1
    refused = nnrun("retest")
    assert (refused.code, "no trial of all 3 epochs has a result" in refused.err) == (2, True)
    assert nnrun(*quoted(refused.err, "resume"), "--workers", "1").code == 0
    assert nnrun("retest", "--top", "1", "--workers", "1").code == 0


def test_errors_have_their_exit_codes(nnrun: Nnrun, searched: Path) -> None:
    for options, (code, words) in {
        ("--seeds", "2"): (2, "Invalid value for '--seeds': 2"),
        ("--top", "0"): (2, "Invalid value for '--top': 0"),
        ("none.yaml",): (3, "none.yaml: no such file"),
        ("--set", "optimizer.learning_rat=1"): (3, "did you mean learning_rate?"),
        ("--set", "data.source=none.csv"): (4, "none.csv: no such file"),
        ("--set", "search.trials=1"): (2, "the section search stays"),
    }.items():
        done = nnrun("retest", searched, *options)
        assert (done.code, words in done.err) == (code, True), done.err
    assert not list(Path("runs").glob("*-retest-*"))
    nnrun("retest", searched, "--top", "1", "--workers", "1", "-q")
    for option in ("--trials", "--target", "--repeat", "--epochs"):
        done = nnrun("resume", "latest", option, "3")
        assert (done.code, "has no meaning for a" in done.err) == (2, True)
    document = directory("retest") / "retest.json"
    document.write_text(document.read_text().replace('"top": 1', '"top": 2'))
    for command in ("show", "report", "resume"):
        done = nnrun(command)
        assert (done.code, f"{document}: damaged" in done.err) == (4, True), done.err


@pytest.mark.soak
def test_killed_at_any_instant_it_comes_to_the_same_end(nnrun: Nnrun, start: Start, searched: Path) -> None:
    words = ("retest", searched, "--top", "3", "--workers", "2", "--stack", "1", "--set", "training.epochs=60")
    whole = nnrun(*words, "--json").json
    for kill in range(10):
        process = start(*words)
        assert process.stderr is not None
        for line in process.stderr:
            if re.match(rf" *{1 + kill}/18  trial", line):
                break
        process.send_signal(signal.SIGKILL if kill % 2 else signal.SIGINT)
        process.communicate()
        ended = nnrun("resume", directory("retest"), "--json").json
        assert ended["status"] == "done"
        for key in ("settings", "seeds"):
            assert ended["retest"][key] == whole["retest"][key]
        mine, theirs = (of["retest"]["verdict"] | {"command": None} for of in (ended, whole))
        assert mine == theirs


def test_its_diagnosis_does_not_ask_for_more_trials_of_it(nnrun: Nnrun, searched: Path) -> None:
    """That the best trial is among the last says which seed it had."""
    assert nnrun("retest", searched, "--top", "2", "--workers", "1", "-q").code == 0
    ledger = directory("retest") / "trials.jsonl"
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    late = [line | {"metric": 0.1 if line["number"] == 11 else 0.9} for line in lines]
    ledger.write_text("".join(json.dumps(line | {"checksum": checksum_of(line)}) + "\n" for line in late))
    done = nnrun("diagnose", directory("retest"))
    assert (done.code, "more are likely to help" in done.out) == (0, False)
