"""Which runs are listed, in which order, in how many columns."""

from __future__ import annotations

import csv
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nnrun.errors import UsageError
from nnrun.files import sealed
from nnrun.insight.comparison.lines import as_csv, plain, table
from nnrun.insight.comparison.listing import Condition, Entry, older_than, select
from nnrun.runs.stored import StoredRun
from nnrun.text import as_number, yaml_text
from tests.insight.comparison.conftest import MakeRun, letters_of


@pytest.mark.parametrize(
    ("condition", "value", "holds"),
    [
        ("x=0.05", 0.05, True),
        ("x=5%", 0.05, True),
        ("x==5%", 0.05, True),
        ("x = 5e-2", 0.05, True),
        ("x!=5%", 0.05, False),
        ("x<0.05", 0.05, False),
        ("x<=0.05", 0.05, True),
        ("x>0", 0, False),
        ("x>=0", 0, True),
        ("x<1", None, False),  # a run without the number is neither before nor after
        ("x=null", None, True),
        ("x!=1", None, True),
        ("x=dig*", "digits", True),
        ("x=DIG*", "digits", False),
        ("x!=digits", "digits", False),
        ("x=true", True, True),
        ("x=1", True, False),
        ("x=[64,32]", [64, 32], True),  # brackets are no choice of letters
        ("x=[64*", [64, 32], True),
        ("x=*32]", [64, 32], True),
        ("x>2026-11-20", "2026-11-21T00:25:40.975+00:00", True),
    ],
)
def test_conditions(condition: str, value: object, holds: bool) -> None:
    assert Condition.of(condition).holds(value) is holds


@pytest.mark.parametrize(("age", "old"), [("90m", 5400), ("12h", 43_200), ("1.5d", 129_600), ("2 w", 1_209_600)])
def test_an_age_is_counted_from_now(age: str, old: int, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 11, 28, 12, tzinfo=UTC)
    monkeypatch.setattr(time, "time", now.timestamp)
    made = [(now - timedelta(seconds=old + more)).isoformat() for more in (-1, 1)]
    entries: list[Any] = [SimpleNamespace(facts={"created": created}) for created in [*made, None]]
    assert older_than(entries, age) == [entries[1]]


@pytest.mark.parametrize("text", ["", "x", "=1", "x~1"])
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no condition; write KEY=VALUE"):
        Condition.of(text)


def test_a_number_is_not_compared_with_a_word() -> None:
    with pytest.raises(UsageError, match="dev_error < low: compares no two numbers"):
        Condition.of("dev_error<low").holds(0.05)


def test_values_as_they_are_typed() -> None:
    assert [yaml_text(v) for v in (None, False, 1e-05, [1, "a"], {"name": "step"})] == [
        "null", "false", "1e-05", "[1, a]", "{name: step}",
    ]  # fmt: skip
    assert [as_number(text) for text in ("3", "2.5%", " 2 % ", "adam", "%")] == [3, 0.025, 0.02, None, None]


def test_sorting_and_filtering(make_run: MakeRun) -> None:
    entries = [
        Entry(StoredRun(make_run("c", {"optimizer.learning_rate": 0.1}, dev_error=0.03))),
        Entry(StoredRun(make_run("b", {"optimizer.name": "sgd"}, dev_error=0.01))),
        Entry(StoredRun(make_run("a", record={"final": None}, curve=()))),
    ]
    assert letters_of(select(entries, [], None, reverse=False)) == "cba"
    assert letters_of(select(entries, [], None, reverse=True)) == "abc"
    assert letters_of(select(entries, [], "dev_error", reverse=False)) == "bca"
    assert letters_of(select(entries, [], "dev_error", reverse=True)) == "cba", "without a value last either way"
    assert letters_of(select(entries, [], "optimizer.learning_rate", reverse=True)) == "cba"
    assert letters_of(select(entries, [], "optimizer.name", reverse=True)) == "bca"
    assert letters_of(select(entries, ["dev_error<2%"], None, reverse=False)) == "b"
    assert letters_of(select(entries, ["optimizer.name=adam", "dev_error<1"], None, reverse=False)) == "c"
    with pytest.raises(UsageError, match=r"no run has a 'dev_eror', did you mean dev_error\?"):
        select(entries, [], "dev_eror", reverse=False)
    assert select([], ["anything=1"], "anything", reverse=False) == []


def test_times_are_sorted_as_times(make_run: MakeRun) -> None:
    # 12:30 at UTC+2 is 10:30 at UTC, before 11:00.
    summer = Entry(StoredRun(make_run("s", record={"created": "2026-10-25T12:30:00+02:00"})))
    winter = Entry(StoredRun(make_run("w", record={"created": "2026-10-25T11:00:00+00:00"})))
    assert letters_of(select([winter, summer], [], "created", reverse=False)) == "sw"


def test_the_oldest_comes_first_wherever_it_was_made(make_run: MakeRun) -> None:
    """16:00 in Tokyo is before 8:00 in London, and that before 4:00 in New York."""
    times = {"t": "16:00:00.000+09:00", "l": "08:00:00.000+00:00", "n": "04:00:00.000-05:00"}
    entries = {at: Entry(StoredRun(make_run(at, record={"created": f"2026-01-04T{times[at]}"}))) for at in times}
    assert letters_of(select([entries[at] for at in "nlt"], [], None, reverse=False)) == "tln"


def test_a_time_that_is_none_stands_behind_the_others_and_is_not_old(make_run: MakeRun) -> None:
    wrong, right = (
        Entry(StoredRun(make_run(name, record={"created": created})))
        for name, created in (("w", "yesterday"), ("r", "2020-10-25T11:00:00+00:00"))
    )
    assert letters_of(select([wrong, right], [], "created", reverse=False)) == "rw"
    assert letters_of(older_than([wrong, right], "1d")) == "r"


def test_a_search_is_one_line_with_its_best(make_run: MakeRun, make_search: MakeRun) -> None:
    search = Entry(StoredRun(make_search("a")))
    assert plain(search)["kind"] == "search"
    assert plain(search)["name"] == "digits"
    assert search.value("optimizer.learning_rate") == 0.003, "that of the best trial, not of the config"
    _, line = table([search], [search.run.id], None, 100, cut=False)
    assert line.split()[1:] == ["done", "2", "trials", "trial", "1", "1.0%", "2.0%", "–", "0.50", "s"]


def test_trials_that_share_the_best_result_are_counted(make_run: MakeRun, make_search: MakeRun) -> None:
    entries = [Entry(StoredRun(make_search("a", ties=2))), Entry(StoredRun(make_search("b", ties=1)))]
    lines = table(entries, [entry.run.id for entry in entries], None, 100, cut=False)
    assert lines[0].split()[2:5] == ["epochs", "best", "tied"]
    assert [line.split()[6] for line in lines[1:]] == ["2", "1.0%"], "none where the best is alone"
    assert plain(entries[0])["ties"] == 2
    (title, _) = table([Entry(StoredRun(make_search("c")))], ["c"], None, 100, cut=False)
    assert "tied" not in title, "an early version did not count"


def test_a_search_under_way_shows_the_best_so_far(make_search: MakeRun) -> None:
    run = make_search("a", status="running", trials=None, best_trial=None, final=None)
    lines = [
        {"number": 0, "metric": 0.2, "final": {"dev_error": 0.2}, "epochs": 3, "best_epoch": 2},
        {"number": 1, "metric": None, "final": {}},
        {"number": 2, "metric": 0.1, "final": {"dev_error": 0.1, "dev_loss": 0.5}, "epochs": 3, "best_epoch": 3},
        {"number": 3, "metric": 0.1, "final": {"dev_error": 0.1, "dev_loss": 0.4}, "epochs": 3, "best_epoch": 3},
    ]
    whole = {"values": {}, "seed": 0, "status": "done", "curve": [], "error": None, "time": 0.0}
    written = "".join(json.dumps(sealed(line | whole)) + "\n" for line in lines)
    (run.path / "trials.jsonl").write_text(written + '{"number": 4, "met')
    entry = Entry(StoredRun(run))
    assert entry.facts["status"] == "interrupted"
    assert (entry.facts["trials"], entry.facts["best_trial"], entry.value("dev_error")) == (4, 3, 0.1)
    assert entry.facts["ties"] == 2


@pytest.mark.parametrize(
    ("width", "titles"),
    [
        (200, "run status epochs best train dev test time from"),
        (80, "run status epochs train dev test from"),
        (60, "run status train dev test"),
        (40, "run status dev"),
    ],
)
def test_columns_go_where_there_is_no_room(make_run: MakeRun, width: int, titles: str) -> None:
    parent = make_run("a")
    child = make_run("b", record={"parent": {"id": parent.id, "epoch": 3}})
    lines = table([Entry(StoredRun(parent)), Entry(StoredRun(child))], [parent.id, child.id], None, width, cut=True)
    assert lines[0].split() == titles.split()
    assert max(map(len, lines)) <= width
    if "from" in titles:
        assert lines[2].split()[-1] == "20260101-000000", "as much of the parent's id as names no other run"


def test_an_id_is_cut_only_on_a_screen(make_run: MakeRun) -> None:
    entry = Entry(StoredRun(make_run("a")))
    assert table([entry], [entry.run.id], None, 30, cut=False)[1].split()[0] == entry.run.id
    cut = table([entry], [entry.run.id], None, 30, cut=True)
    assert max(map(len, cut)) <= 30
    assert cut[1].split()[0].endswith("…")


def test_the_key_that_sorts_has_a_column(make_run: MakeRun) -> None:
    entry = Entry(StoredRun(make_run("a")))
    for key, value in {"optimizer.learning_rate": "0.001", "network.hidden": "[64, 32]", "dev_loss": "0.2"}.items():
        title, line = table([entry], [entry.run.id], key, 60, cut=False)
        assert title.split()[2] == key.rpartition(".")[2]
        assert value in line
    assert table([entry], [], "dev_error", 200, cut=False)[0].count("dev") == 1


def test_csv_has_every_number_of_every_run(make_run: MakeRun) -> None:
    entries = [Entry(StoredRun(make_run("a"))), Entry(StoredRun(make_run("b", dev_auc=0.9)))]
    rows = list(csv.DictReader(as_csv(entries).splitlines()))
    assert [row["dev_auc"] for row in rows] == ["", "0.9"]
    assert [row["dev_error"] for row in rows] == ["0.05", "0.05"]


BOMB = "a: &a [x, x]\nb: [*a, *a]\n"  # one more line for each power of two


@pytest.mark.parametrize("content", ["", "]", "null", "- 1\n", BOMB, "[" * 100_000])
def test_a_config_that_cannot_be_read_hides_no_run(make_run: MakeRun, content: str) -> None:
    run = make_run("a")
    Path(run.path / "resolved.yaml").write_text(content)
    assert Entry(StoredRun(run)).value("optimizer.name") is None
    assert Entry(StoredRun(run)).value("dev_error") == 0.05


@pytest.mark.parametrize(
    "lie", [{"final": [1]}, {"epochs": "x"}, {"seconds": "y"}, {"data": 5}, {"data": {}}, {"parent": 3}, {"created": 5}]
)
def test_a_record_of_other_types_hides_no_run(make_run: MakeRun, lie: dict[str, Any]) -> None:
    entries = [Entry(StoredRun(make_run("a", record=lie))), Entry(StoredRun(make_run("b")))]
    lines = table(entries, [entry.run.id for entry in entries], None, 80, cut=False)
    assert lines[1].split()[1] == "unreadable" and lines[2].split()[1] == "done"
    assert len(as_csv(entries).splitlines()) == 3
