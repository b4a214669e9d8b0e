"""Listed runs as a tree: what stands where, at any width, with parents that are gone and in a circle."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from nnrun.insight.comparison.lines import Member, families, marks_explained, plain_member, table, tree_table
from nnrun.insight.comparison.listing import Entry, select
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import StoredRun
from tests.insight.comparison.conftest import MakeRun, letters_of
from tests.panda import nudge

RATE, HIDDEN = "optimizer.learning_rate", "network.hidden"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def entries(root: Path) -> list[Entry]:
    return [Entry(StoredRun(RunDir(path))) for path in sorted(root.iterdir())]


def child(
    make_run: MakeRun, root: Path, name: str, parent: str | None, epoch: int = 0, state: bool = False, **more: Any
) -> RunDir:
    """Of `nnrun resume --set`, with a state of `nnrun rewind`."""
    origin = {"id": parent, "epoch": epoch} | ({"state": "0"} if state else {}) if parent else None
    return make_run("a", more.pop("settings", None), root / name, {"parent": origin}, **more)


def lines(members: Sequence[Member], root: Path, width: int = 100, cut: bool = False) -> list[str]:
    return tree_table(members, [entry.run.id for entry in entries(root)], None, width, cut)


def letters(members: Sequence[Member]) -> str:
    return " ".join(f"{member.place.depth}{member.entry.run.id[-1]}" for member in members)


A, B, C, D = (f"20260101-00000{i}-digits-000{letter}" for i, letter in enumerate("abcd"))


@pytest.fixture
def family(make_run: MakeRun, root: Path) -> Path:
    """A, its children B, which changed two settings, and D; C is a child of B."""
    child(make_run, root, A, None)
    child(make_run, root, B, A, 12, settings={RATE: 0.01, HIDDEN: [8]}, dev_error=0.03)
    child(make_run, root, C, B, 20, settings={RATE: 0.01, HIDDEN: [8]}, dev_error=0.02)
    child(make_run, root, D, A, 3, settings={RATE: 0.0003})
    return root


def test_children_stand_under_their_parents(family: Path) -> None:
    runs = entries(family)
    members = families(runs, runs)
    assert letters(members) == "0a 1b 2c 1d"
    title, a, b, c, d, keys = lines(members, family, 160)
    assert title.split()[:3] == ["run", "left", "at"] and title.endswith("changed")
    assert a.startswith(f"{A}  ")
    assert b.startswith(f"├─ {B}  ") and b.endswith("hidden [64, 32] → [8], learning_rate 0.001 → 0.01")
    assert c.startswith(f"│  └─ {C}       20  ") and "→" not in c
    assert d.startswith(f"└─ {D}           3  ") and d.endswith("learning_rate 0.001 → 0.0003")
    assert keys == f"keys     {HIDDEN}, {RATE}"


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_it_fits(family: Path, width: int) -> None:
    runs = entries(family)
    found = lines(families(runs, runs), family, width)
    assert max(len(line.replace("→", "->")) for line in found) <= width
    text = " ".join(" ".join(found).split())
    for words in ("0.001 → 0.01", "0.001 → 0.0003", "3.0%", "5.0%"):
        assert words in text


def test_changes_are_folded_beside_the_lines_of_the_tree(family: Path) -> None:
    runs = entries(family)
    _, _, b, more, c, d, *_ = lines(families(runs, runs), family, 80)
    assert b.startswith("├─ 20260101-000001  "), "an id is as long as RUN needs"
    assert b.endswith("  done    3.0%  hidden [64, 32] → [8],")
    assert more.split() == ["│", "│", "learning_rate", "0.001", "→", "0.01"]
    assert c.startswith("│  └─ ") and d.startswith("└─ ")
    assert lines(families(runs, runs), family, 100)[2].startswith(f"├─ {B}  ")


def test_runs_are_sorted_and_filtered_before_they_are_drawn(family: Path) -> None:
    runs = entries(family)
    assert letters(families(select(runs, [], "dev_error", False), runs)) == "0a 1b 2c 1d"
    assert letters(families(select(runs, [], "dev_error", True), runs)) == "0a 1d 1b 2c"
    thinned = families(select(runs, ["dev_error<4%"], None, False), runs)
    assert letters(thinned) == "0b 1c"
    assert thinned[0].away == f"of {A}, which is not listed"
    assert [change.key for change in thinned[0].changes] == [HIDDEN, RATE], "its parent is still there"


def test_a_parent_that_is_gone_is_named(family: Path) -> None:
    shutil.rmtree(family / B)
    runs = entries(family)
    members = families(runs, runs)
    assert letters(members) == "0a 1d 0c"
    assert members[2].away == f"of {B}, which is gone"
    assert f"of {B}, which is gone" in lines(members, family, 160)[3]


def test_a_circle_is_drawn_once(family: Path, make_run: MakeRun) -> None:
    shutil.rmtree(family / A)
    child(make_run, family, A, C, 5)
    runs = entries(family)
    members = families(runs, runs)
    assert letters(members) == "0a 1b 2c 1d"
    assert members[0].away == f"of {C}, in a circle"


def test_a_rewound_child_tells_its_own_changes(family: Path, make_run: MakeRun) -> None:
    run = child(make_run, family, "20260101-000005-digits-000e", A, 2, state=True)
    nudge(run, 2, {HIDDEN: (1, 2)})
    nudge(run, 3, {"regularization.dropout": (0, 0.3)}, "rewind-0")
    nudge(run, 9, {RATE: (0.001, 0.1)}, "0002")
    runs = entries(family)
    found = next(member for member in families(runs, runs) if member.entry.run.id[-1] == "e")
    assert plain_member(found)["changed"] == [{"key": "regularization.dropout", "old": 0, "new": 0.3}]
    assert (plain_member(found)["depth"], plain_member(found)["nudges"]) == (1, 3)


def test_settings_or_events_that_cannot_be_read_hide_no_run(family: Path) -> None:
    (family / A / "resolved.yaml").write_text("]")
    (family / D / "events.jsonl").write_text("{\n{\n")
    (family / C / "run.json").write_text("{")
    runs = entries(family)
    members = families(runs, runs)
    assert letters(members) == "0a 1b 1d 0c"
    assert [len(member.changes) for member in members] == [0, 0, 0, 0]
    assert "5.0% *?" in lines(members, family)[3]


def test_thirty_runs_with_forks_of_forks(make_run: MakeRun, root: Path) -> None:
    draw = random.Random(3)
    names = [f"20260101-0001{i:02}-digits-{i:04x}" for i in range(30)]
    for i, name in enumerate(names):
        parent = names[draw.randrange(max(0, i - 4), i)] if i else None
        child(make_run, root, name, parent, draw.randint(1, 99), settings={RATE: 0.001 * (i % 7 + 1)})
    runs = entries(root)
    members = families(runs, runs)
    assert max(member.place.depth for member in members) > 8, "deeper than there is room for"
    for width in (80, 120):
        found = lines(members, root, width)
        assert max(len(line.replace("→", "->")) for line in found) <= width
        drawn = [line for line in found[1:] if "2026" in line and "%" in line]
        assert len(drawn) == 30
        for line, member in zip(drawn, members, strict=True):
            assert member.entry.run.id[:15] in line
            assert str(member.left_at or "") in line.partition(member.entry.run.id[:15])[2]


# the mark of changes that were made while watching dev


def test_a_watched_dev_error_is_marked(make_run: MakeRun) -> None:
    runs = [make_run("a"), make_run("b", dev_error=0.125), make_run("c")]
    nudge(runs[1], 2, {RATE: (0.001, 0.01)})
    nudge(runs[1], 3, {RATE: (0.01, 0.001)}, "0002")
    found = [Entry(StoredRun(run)) for run in runs]
    title, a, b, c, legend = table(found, [run.id for run in runs], None, 100, cut=False)
    assert legend == "*N: N changes were made while watching dev"
    assert "  12.5% *2  " in b
    assert "*" not in a + c
    assert title.index("dev") + len("dev") == b.index(" *2") == a.index("5.0%") + len("5.0%")
    assert marks_explained(found[:1]) == []
    assert letters_of(select(found, ["nudges>0"], None, False)) == "b"
    assert letters_of(select(found, [], "nudges", True)) == "bac"


def test_changes_that_cannot_be_counted_are_told(make_run: MakeRun) -> None:
    runs = [make_run("a"), make_run("b")]
    (runs[1].path / "events.jsonl").write_text("[]\n")
    found = [Entry(StoredRun(run)) for run in runs]
    _, a, b, legend = table(found, [run.id for run in runs], None, 100, cut=False)
    assert ("*" in a, "5.0% *?  " in b) == (False, True)
    assert legend == "*?: how many were made is unknown, as events.jsonl is damaged"
