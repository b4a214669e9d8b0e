"""list and show: of no run, of many, of broken ones, of runs that never came to their end."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nnrun.runs.rundir import RunDir
from tests.cli.conftest import DURATION, QUICK, Done, change_record
from tests.panda import nudge, rewind

Nnrun = Callable[..., Done]
Write = Callable[..., Path]


def runs() -> list[Path]:
    return sorted(Path("runs").glob("[!.]*"))


def forget(run: Path, *keys: str) -> None:
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({k: v for k, v in record.items() if k not in keys}))


@pytest.fixture
def trained(nnrun: Nnrun) -> Path:
    """A run of three epochs."""
    nnrun("train", "-q", *QUICK)
    return runs()[0]


def test_no_runs(nnrun: Nnrun) -> None:
    assert nnrun("list") == (0, "no runs in runs yet; `nnrun train` makes one\n", "")
    assert nnrun("list", "--json").json == {"schema_version": 1, "runs": []}
    Path("runs").mkdir()
    assert nnrun("list").code == 0
    assert nnrun("show").code == 2
    Path("a-file").touch()
    assert nnrun("list", "--runs", "a-file") == (2, "", "nnrun: a-file: not a folder\n")


def test_a_line_a_run(nnrun: Nnrun, trained: Path) -> None:
    title, line = nnrun("list").out.splitlines()
    assert title.split() == ["run", "status", "epochs", "best", "train", "dev", "test", "time"]
    assert re.fullmatch(rf"{trained.name}  done +3 +\d( +\d+\.\d%){{3}} +{DURATION}", line)
    assert len(title) == len(line)


def test_two_hundred_runs(nnrun: Nnrun, trained: Path) -> None:
    for i in range(200):
        shutil.copytree(trained, f"runs/20200101-{i:06}-many-{i:04x}")
    lines = nnrun("list").out.splitlines()
    assert len(lines) == 202
    assert [line.split()[0] for line in lines[1:]] == [run.name for run in runs()][::-1]
    assert len(nnrun("list", "--json").json["runs"]) == 201


def test_junk_in_the_folder(nnrun: Nnrun, trained: Path) -> None:
    Path("runs/notes.txt").write_text("hello")
    Path("runs/empty").mkdir()
    Path("runs/dangling").symlink_to("nowhere")
    Path("runs/20200101-000000-x-0000").mkdir()
    Path("runs/.creating-0").mkdir()
    Path("runs/.creating-0/run.json").write_text("{}")
    assert [line.split()[0] for line in nnrun("list").out.splitlines()] == ["run", trained.name]
    assert nnrun("show", "--json").json["id"] == trained.name


@pytest.mark.parametrize("content", [b"", b"{", b"null", b"[]", b"{}", b"\xff\xfe", b'{"status": "done"}'])
def test_a_broken_run_does_not_hide_the_others(nnrun: Nnrun, trained: Path, content: bytes) -> None:
    broken = Path("runs/20200101-000000-broken-0000")
    shutil.copytree(trained, broken)
    (broken / "run.json").write_bytes(content)
    listed = nnrun("list")
    assert (listed.code, listed.err) == (0, "")
    assert [line.split()[:2] for line in listed.out.splitlines()[1:]] == [
        [trained.name, "done"],
        [broken.name, "unreadable"],
    ]
    assert nnrun("list", "--json").json["runs"][0]["id"] == broken.name
    assert nnrun("show", trained.name).code == 0
    shown = nnrun("show", broken.name)
    assert shown.code == 4
    assert "Traceback" not in shown.err
    assert "internal error" not in shown.err
    assert "run.json" in shown.err


def test_a_broken_run_does_not_hide_the_latest(nnrun: Nnrun, trained: Path) -> None:
    broken = Path("runs/20200101-000000-broken-0000")
    shutil.copytree(trained, broken)
    (broken / "run.json").write_text("{")
    assert nnrun("show", "latest", "--json").json["id"] == trained.name


def test_a_run_without_its_record_is_unreadable(nnrun: Nnrun, trained: Path) -> None:
    (trained / "run.json").unlink()
    for reference in ("latest", trained.name, str(trained)):
        shown = nnrun("show", reference)
        assert (shown.code, "run.json: No such file or directory" in shown.err) == (4, True), shown.err
    assert nnrun("list", "--json").json["runs"][0]["status"] == "unreadable"
    assert nnrun("rm", trained.name, "--yes").code == 0 and not trained.exists()


def test_missing_files_are_named(nnrun: Nnrun, trained: Path) -> None:
    (trained / "resolved.yaml").unlink()
    shown = nnrun("show")
    assert (shown.code, shown.out) == (4, "")
    assert "resolved.yaml: No such file or directory; this is not a whole run directory" in shown.err


def test_a_run_killed_before_its_first_checkpoint(nnrun: Nnrun, start: Callable[..., Any], config: Write) -> None:
    config("network: {hidden: [4]}\ntraining: {epochs: 1}\n")
    process = start("train", held_after=0)
    assert process.stderr is not None
    next(line for line in process.stderr if line.startswith("training"))
    process.kill()
    assert process.wait() == -signal.SIGKILL
    name = runs()[0].name
    assert re.search(rf"\n{name}  interrupted +0 +–( +–){{3}} +{DURATION}\n", nnrun("list").out)
    shown = nnrun("show")
    assert (shown.code, shown.err) == (0, "")
    assert re.search(rf"\ninterrupted after 0 epochs in {DURATION}\n", shown.out)
    assert nnrun("show", "--json").json["status"] == "interrupted"
    none = nnrun("show", "--csv")
    assert nnrun("resume", "-q").code == 0
    assert none == (0, nnrun("show", "--csv").out.splitlines()[0] + "\n", "")


def test_a_killed_run_is_told_by_its_epochs(nnrun: Nnrun, trained: Path) -> None:
    # As kill -9 leaves it: run.json as it was at the start, three epochs in metrics.jsonl.
    forget(trained, "epochs", "seconds", "best_epoch", "final", "stopped_early", "divergence", "ended")
    change_record(trained, status="running")
    # Whether the best epoch has a column hangs on how long the time is.
    assert re.search(rf"interrupted +3 +(?:\d +)?[\d.]+% +[\d.]+% +– +{DURATION}\n", nnrun("list").out)
    shown = nnrun("show")
    assert (shown.code, shown.err) == (0, "")
    assert re.search(rf"\ninterrupted after 3 epochs in {DURATION}\n", shown.out)
    assert re.search(r"\n +3 +\d", shown.out)


def test_a_failed_run_says_why(nnrun: Nnrun, trained: Path) -> None:
    change_record(trained, status="failed", error="No space left on device")
    assert re.search(rf"\nfailed after 3 epochs in {DURATION}: No space left on device\n", nnrun("show").out)


def test_a_trial_of_a_rung_says_that_its_rung_ended(nnrun: Nnrun) -> None:
    of_iris = ("--set", "data.source=iris", "--set", "optimizer.schedule=cosine", "--set", "training.epochs=3")
    nnrun("search", "-q", *of_iris, "--strategy", "halving", "--trials", "5")
    (search,) = runs()
    trial = search / "trials" / "0001"
    shown = nnrun("show", str(trial)).out
    assert re.search(rf"\nits rung ended after 1 epoch in {DURATION}, best epoch 1\n", shown)
    assert re.search(r"\n  \S+ \S+  rung ended at epoch 1\n", shown) and "pruned" not in shown
    note = re.search(
        r"\nnote     the best of a rung go on in its search; `nnrun (rerun) (.*)` trains .* to epoch 3\n", shown
    )
    assert note and nnrun(*note.groups()).code == 0
    change_record(search, status="interrupted")
    assert f"go on in its search: `nnrun resume {search.resolve()}`; " in nnrun("show", str(trial)).out


def test_the_newer_of_two_runs_of_one_second_is_the_latest(nnrun: Nnrun, trained: Path) -> None:
    for suffix, created in (("ffff", "2026-01-01T00:00:00.100+00:00"), ("0000", "2026-01-01T00:00:00.900+00:00")):
        copy = Path(f"runs/20260101-000000-run-{suffix}")
        shutil.copytree(trained, copy)
        change_record(copy, created=created)
    shutil.rmtree(trained)
    assert nnrun("show", "--json").json["id"].endswith("-0000")
    assert [run["id"][-4:] for run in nnrun("list", "--json").json["runs"]] == ["ffff", "0000"]


def test_what_show_tells(nnrun: Nnrun, config: Write) -> None:
    config("name: told\nnetwork: {hidden: [8]}\ntraining: {epochs: 40}\n")
    nnrun("train", "-q", "--set", "optimizer={name: momentum, learning_rate: 0.1}")
    shown = nnrun("show").out
    record = nnrun("show", "--json").json
    assert shown.startswith(f"run      {runs()[0]}\ndata     digits: 1,079 train, 359 dev, 359 test\n\ndone after 40 ")
    table = shown[shown.index("epoch  ") :].split("\n\n")[0].splitlines()
    epochs = [int(line.split()[0]) for line in table[1:]]
    assert (epochs[0], epochs[-1]) == (1, 40)
    assert len(epochs) in (12, 13)
    assert [int(line.split()[0]) for line in table if line.endswith("best")] == [record["best_epoch"]]
    assert (
        "\nconfig, where it differs from the defaults\n  name: told\n  network.hidden: [8]\n"
        "  optimizer.name: momentum\n  optimizer.learning_rate: 0.1\n" in shown
    )
    assert re.search(r"\nevents\n  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d  started at epoch 0\n  .* done at epoch 40\n$", shown)


def test_an_ensemble_is_shown_as_one_run_with_what_its_networks_come_to(nnrun: Nnrun, config: Write) -> None:
    nnrun("train", config("network: {hidden: [4], ensemble: 3}\ntraining: {epochs: 2}\n"))
    assert re.search(r"^ensemble of 3: dev error \d+\.\d% \(members \d", nnrun("show").out, re.MULTILINE)
    assert "members" not in nnrun("show", "--csv").out
    shown = json.loads(nnrun("show", "--json").out)
    assert [member["seed"] for member in shown["members"]] == [0, 1, 2]
    assert shown["metrics"][-1]["members"].keys() == {"dev_error", "dev_loss"}


def test_the_epochs_as_csv(nnrun: Nnrun, config: Write) -> None:
    nnrun("train", config(), "-q", "--set", "training.layer_statistics=true")
    done = nnrun("show", "--csv")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert "layers" not in rows[0]
    stored = [json.loads(line) for line in (runs()[0] / "metrics.jsonl").read_text().splitlines()]
    assert [float(row["dev_loss"]) for row in rows] == [line["dev_loss"] for line in stored]


def test_children_name_their_parent(nnrun: Nnrun, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert nnrun("resume", "-q", "--epochs", 5, "--set", "optimizer.learning_rate=0.01").code == 0
    title, *lines = nnrun("list").out.splitlines()
    assert title.split()[-1] == "from"
    (child,) = (line for line in lines if not line.startswith(trained.name))
    assert trained.name.startswith(child.split()[-1])
    assert f"\nparent   {trained.name}, from epoch 3\n" in nnrun("show", child.split()[0]).out
    assert nnrun("show", child.split()[0], "--json").json["parent"] == {"id": trained.name, "epoch": 3}


def test_children_and_changes_are_told(nnrun: Nnrun, trained: Path) -> None:
    older = nnrun("resume", "--json", "--epochs", 5, "--set", "optimizer.learning_rate=0.01").json["id"]
    nudge(RunDir(Path("runs", older)), 5, {"regularization.dropout": (0, 0.3), "regularization.l2": (0, 0.01)},
          note="dev rises")  # fmt: skip
    younger = rewind(RunDir(trained), 2, {"optimizer.learning_rate": (0.001, 0.1)}, "20990101-000000-x-0000")
    assert f"\nchild    {older}, from epoch 3\nchild    {younger.id}, from epoch 2\n" in nnrun("show", trained.name).out
    document = nnrun("show", trained.name, "--json").json
    assert document["children"] == [{"id": older, "epoch": 3}, {"id": younger.id, "epoch": 2}]
    assert (document["nudges"], nnrun("show", older, "--json").json["nudges"]) == (0, 1)
    shown = nnrun("show", older).out
    when = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
    assert re.search(r"\ncost .*\n1 change was made while watching dev\n", shown)
    assert re.search(
        rf"\nchanges\n  from epoch 4, when it left its parent, {when}\n    optimizer.learning_rate [\d.]+ → 0.01\n"
        r"    training.epochs 3 → 5\n  from epoch 5, 2026-11-27 03:15:04, from process 4711 on lab7\n"
        r"    regularization.dropout 0 → 0.3\n    regularization.l2 0 → 0.01\n    note: dev rises\n", shown,
    )  # fmt: skip
    assert "  changed at epoch 5: regularization.l2\n" in shown
    shutil.rmtree(trained)
    shown = nnrun("show", younger.id).out
    assert f"\nparent   {trained.name}, which is gone, from epoch 2\n" in shown
    assert "  from epoch 3, when it left its parent, 2026-11-27 03:15:04, from process" in shown


def test_one_form_is_printed_and_no_other(nnrun: Nnrun) -> None:
    both = nnrun("show", "--csv", "--json")
    assert both.code == 2 and both.json["error"]["problems"] == ["--json and --csv: only one of them"]
