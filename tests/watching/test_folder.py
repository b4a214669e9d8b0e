"""What is known of a folder: rows as they change, curves read on, whatever becomes of the files."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nnrun
from nnrun.files import sealed, to_json
from nnrun.insight.comparison.listing import Entry
from nnrun.runs.rundir import RECORD, RunDir
from nnrun.runs.stored import StoredRun
from nnrun.search.stored import StoredSearch
from nnrun.watching.curves import MOST, BestSoFar, Cursor, Curve
from nnrun.watching.details import details
from nnrun.watching.folder import Folder
from nnrun.watching.so_far import TrialsSoFar


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs and a search; nobody writes to it."""
    root = tmp_path_factory.mktemp("watched") / "runs"
    config = {"name": "a", "data": {"source": "iris"}, "training": {"epochs": 3}}
    nnrun.train(config, root)
    nnrun.train({**config, "name": "b"}, root)
    nnrun.search(config, trials=2, workers=1, runs=root)
    return root


@pytest.fixture
def root(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "runs"))


def ids(root: Path, name: str) -> str:
    return next(path.name for path in root.glob(f"*-{name}-????"))


def test_rows_are_told_once_and_again_when_they_change(root: Path) -> None:
    folder = Folder(root)
    folder.look()
    look, rows, gone = folder.since(0)
    assert {row["kind"] for row in rows} == {"run", "search"}
    assert len(rows) == 3
    assert all(0 <= row["dev_error"] <= 1 and row["status"] == "done" for row in rows)
    assert gone == []
    folder.look()
    assert folder.since(look)[1:] == ([], [])
    run = RunDir(root / ids(root, "a"))
    run.update_record(status="interrupted")
    folder.look()
    look, rows, _ = folder.since(look)
    assert [(row["id"], row["status"]) for row in rows] == [(run.id, "interrupted")]
    shutil.rmtree(run.path)
    folder.look()
    assert folder.since(look)[1:] == ([], [run.id])
    assert folder.run(run.id) is None


def test_the_first_fold_is_told_of_until_it_is_over(tmp_path: Path) -> None:
    config = {"data": {"source": "iris", "folds": 2}, "training": {"epochs": 3}}
    run = RunDir(nnrun.train(config, tmp_path).path)
    first, whole = RunDir(run.path / "members/01"), run.metrics()
    shutil.rmtree(run.path / "members/02")
    run.update_record(status="running", written=None)
    run.write("metrics.jsonl", "")
    first.update_record(status="running")
    folder = Folder(tmp_path)
    for epochs, rows in ((3, first.metrics()), (2, whole[:2])):
        folder.look()
        (row,), curve = folder.since(0)[1], folder.curve(run.id)
        assert row["epochs"] == epochs
        assert curve and [point[4] for point in curve.points + curve.latest] == [each["dev_error"] for each in rows]
        first.update_record(status="done")
        run.write("metrics.jsonl", "".join(f"{json.dumps(each)}\n" for each in whole[:2]))


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: len(path.read_bytes()) // 2])


def noise(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 8)


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_link_out(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/null")


@pytest.mark.parametrize("how", [emptied, cut, noise, a_directory, Path.unlink])
def test_whatever_is_broken_is_a_row_and_hides_no_other(root: Path, how: Callable[[Path], object]) -> None:
    """Each file of a run in turn."""
    whole = root / ids(root, "a")
    for number, file in enumerate(sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file())):
        broken = root / f"20200101-00000{number % 10}-broken-{number:04x}"
        shutil.copytree(whole, broken)
        how(broken / file)
    folder = Folder(root)
    folder.look()
    rows = {row["id"]: row for row in folder.since(0)[1]}
    assert rows[whole.name]["status"] == "done"
    for name, row in rows.items():
        run = folder.run(name)
        assert run is not None
        found = details(run)
        assert json.dumps([row, found])
        assert row["status"] != "unreadable" or row["problem"]
        curve = folder.curve(name)
        assert curve is not None


@pytest.mark.parametrize("how", [a_link_out, a_pipe])
def test_nothing_is_read_through_a_link_or_from_a_pipe(root: Path, how: Callable[[Path], object]) -> None:
    """Each file of a run in turn; a pipe would keep everybody waiting."""
    whole = root / ids(root, "a")
    for number, file in enumerate(sorted(path for path in whole.iterdir() if path.is_file())):
        broken = root / f"20200101-00000{number % 10}-broken-{number:04x}"
        shutil.copytree(whole, broken)
        how(broken / file.name)
    folder = Folder(root)
    folder.look()
    rows = {row["id"]: row for row in folder.since(0)[1]}
    assert rows[whole.name]["status"] == "done"
    assert whole.name in folder.selected(["status=done"])
    for name, row in rows.items():
        if "broken" in name:
            assert (row["status"], "is not followed" in row["problem"]) == ("unreadable", True)
            assert folder.run(name) is None
            assert folder.curve(name) is None


def test_a_directory_called_like_a_run_is_shown_though_it_is_none(root: Path) -> None:
    (half := root / "20200101-000000-half-0123").mkdir()
    folder = Folder(root)
    folder.look()
    row = folder.seen[half.name].row
    assert (row["status"], "run.json" in row["problem"]) == ("unreadable", True)
    assert details(RunDir(half))["problem"]


def test_a_run_is_deleted_while_it_is_looked_at(root: Path) -> None:
    """File by file, as `rm -r` does on a slow disk: it is shown, or broken, or gone, and the others stay."""
    folder, run = Folder(root), root / ids(root, "a")
    seen = []
    paths = sorted(run.rglob("*"), key=lambda path: len(path.parts), reverse=True)
    for path in [*paths, run]:
        folder.look()
        folder.curve(run.name)
        seen.append({row["id"] for row in folder.since(0)[1]})
        path.rmdir() if path.is_dir() else path.unlink()
    folder.look()
    assert all(len(rows) == 3 for rows in seen)
    assert folder.since(0)[2] == [run.name]
    assert folder.curve(run.name) is None
    assert len(folder.since(0)[1]) == 2


@pytest.mark.parametrize("seconds", [-1e8, 1e8])
def test_a_clock_that_jumps_hides_nothing(root: Path, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    folder, run = Folder(root), RunDir(root / ids(root, "a"))
    folder.look()
    look = folder.looks
    jumped = time.time() + seconds
    monkeypatch.setattr(time, "time", lambda: jumped)
    run.update_record(status="interrupted")
    os.utime(run.path / RECORD, (jumped, jumped))
    assert folder.look_when_due()
    assert [row["status"] for row in folder.since(look)[1]] == ["interrupted"]


@pytest.mark.soak
def test_a_thousand_runs_are_as_many_rows(root: Path) -> None:
    run = root / ids(root, "a")
    for number in range(1000):
        copy = Path(shutil.copytree(run, root / f"{run.name[:-4]}{number:04x}", dirs_exist_ok=True))
        RunDir(copy).update_record(id=copy.name)
    folder = Folder(root)
    folder.look()
    look, rows, _ = folder.since(0)
    assert len(rows) >= 1002
    assert {row["status"] for row in rows} == {"done"}
    folder.look()
    assert folder.since(look)[1] == []


def test_a_folder_whose_time_tells_nothing_is_listed_again_all_the_same(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems give a folder a size by what is in it; a run in the place of another one changes nothing."""
    before, later = root.stat(), "20260101-000000-later-0000"
    folder = Folder(root)
    folder.look()
    (root / ids(root, "a")).rename(root / later)
    os.utime(root, ns=(before.st_atime_ns, before.st_mtime_ns))
    folder.look()
    assert later not in folder.seen
    monkeypatch.setattr("nnrun.watching.folder.time.monotonic", lambda: folder._listing.until)
    folder.look()
    assert later in folder.seen


def test_a_folder_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "later")
    folder.look()
    assert folder.since(0) == (1, [], [])


def test_a_row_tells_what_its_errors_are(root: Path) -> None:
    config = {"data": {"source": "iris", "class_weight": "balanced"}, "training": {"epochs": 1}}
    nnrun.train({"name": "c", **config}, root)
    folder = Folder(root)
    folder.look()
    kinds = {row["name"]: row["error_is"] for row in folder.since(0)[1] if row["kind"] == "run"}
    assert kinds == {"a": "plain", "b": "plain", "c": "balanced"}


def test_numbers_of_a_row_are_told_as_in_a_list(root: Path) -> None:
    """Ties go to the even digit, whichever way a browser rounds."""
    run = RunDir(root / ids(root, "a"))
    final = {"train_error": 0.1875, "dev_error": 5 / 80, "test_error": 0.2125, "dev_loss": 2.0625, "dev_rmse": 21384.5}
    run.update_record(final=final)
    folder = Folder(root)
    folder.look()
    told = {row["id"]: row["told"] for row in folder.since(0)[1]}
    wanted = {"train_error": "18.8%", "dev_error": "6.2%", "test_error": "21.2%", "dev_loss": "2.062"}
    assert told[run.id] == {**wanted, "dev_rmse": "21384", "epochs": "3"}
    assert "2 trials" in {each["epochs"] for each in told.values()}


def test_filters_are_those_of_the_list(root: Path) -> None:
    folder = Folder(root)
    folder.look()
    assert folder.selected(["name=b"]) == {ids(root, "b")}
    with pytest.raises(nnrun.errors.UsageError, match="did you mean status"):
        folder.selected(["statu=done"])


# curves


def test_only_what_is_new_is_read_and_only_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    cursor = Cursor(path)
    assert cursor.fresh() == ([], False)
    path.write_bytes(b'{"epoch": 1}\n{"epo')
    assert cursor.fresh() == ([{"epoch": 1}], True)
    with path.open("ab") as file:
        file.write(b'ch": 2}\nnonsense\n[1]\n')
    assert cursor.fresh() == ([{"epoch": 2}], False)
    path.write_bytes(b'{"epoch": 9}\n')  # forgotten epochs, as after a rewind
    assert cursor.fresh() == ([{"epoch": 9}], True)


def test_a_long_curve_is_thinned_and_stays_bounded(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    curve = Curve(path)
    for start in range(0, 5 * MOST, MOST):
        with path.open("a") as file:
            file.writelines(f'{{"epoch": {epoch + 1}, "dev_loss": 0.5}}\n' for epoch in range(start, start + MOST))
        curve.look()
        assert len(curve.points) <= MOST
        assert (curve.points + curve.latest)[-1][0] == start + MOST
    steps = [int(b[0] or 0) - int(a[0] or 0) for a, b in zip(curve.points, curve.points[1:], strict=False)]
    assert 0 < min(steps) <= max(steps) <= 16
    assert curve.generation == 1  # who has read some goes on from there
    assert [point[0] for point in curve.since(5 * MOST - 1)] == [5 * MOST]


def test_no_spike_is_lost_where_a_curve_is_thinned(tmp_path: Path) -> None:
    path, spikes = tmp_path / "metrics.jsonl", {7: 9.0, 3333: 5.0, 7777: -1.0, 9000: 7.0}
    losses = {epoch: spikes.get(epoch, 1 / epoch) for epoch in range(1, 10_001)}
    path.write_text("".join(f'{{"epoch": {epoch}, "dev_loss": {loss}}}\n' for epoch, loss in losses.items()))
    curve = Curve(path)
    curve.look()
    told = {int(point[0] or 0): point[2] for point in curve.points + curve.latest}
    assert len(curve.points) <= MOST
    assert {epoch: told[epoch] for epoch in spikes} == spikes
    assert all(losses[epoch] == loss for epoch, loss in told.items())
    assert list(told) == sorted(told)
    assert max(told) == 10_000


def test_seconds_of_a_search_are_those_of_training_as_of_a_run(tmp_path: Path) -> None:
    """However long it waited between its trials."""
    trials = [{"number": n, "metric": 0.5, "final": {}, "seconds": 2.0, "time": 100.0 * n} for n in range(3)]
    (tmp_path / "trials.jsonl").write_text("".join(json.dumps(trial) + "\n" for trial in trials))
    curve = BestSoFar(tmp_path / "trials.jsonl")
    curve.look()
    assert [point[-2] for point in curve.points + curve.latest] == [2.0, 4.0, 6.0]


def test_seconds_are_those_of_all_epochs_also_of_those_that_are_dropped(tmp_path: Path) -> None:
    epochs = 2 * MOST + 2
    lines = (f'{{"epoch": {epoch + 1}, "seconds": 0.5}}\n' for epoch in range(epochs))
    (tmp_path / "metrics.jsonl").write_text("".join(lines))
    curve = Curve(tmp_path / "metrics.jsonl")
    curve.look()
    assert len(curve.points) <= MOST
    assert all(point[-2] == 0.5 * (point[0] or 0) for point in curve.points + curve.latest)


def test_a_search_is_followed_by_its_best_trial_so_far(root: Path) -> None:
    folder = Folder(root)
    folder.look()
    name = ids(root, "a-search")
    records = [json.loads(line) for line in (root / name / "trials.jsonl").read_text().splitlines()]
    curve = folder.curve(name)
    assert curve is not None
    errors = [record["final"]["dev_error"] for record in records]
    assert [point[0] for point in curve.points] == [1.0, 2.0]
    assert curve.points[-1][4] == min(errors)
    assert (curve.points[-1][6] or 0) > 0


def test_of_a_search_that_goes_on_only_new_trials_are_read(root: Path) -> None:
    """As reading all of them would tell, also where a line comes twice, is damaged, or is dropped again."""
    run = RunDir(root / ids(root, "a-search"))
    run.update_record(status="interrupted")
    ledger, folder = run.path / "trials.jsonl", Folder(root)
    first, second = ledger.read_text().splitlines()

    def row() -> dict[str, Any]:
        folder.look()
        return folder.seen[run.id].row

    ledger.write_text(first + "\n")
    assert row()["trials"] == 1
    better = sealed(json.loads(second) | {"number": 2, "metric": -1.0, "best_epoch": 1})
    with ledger.open("a") as file:
        file.write(f"{second}\n{second}\n{to_json(better)}\n" + first[:40])
    expected = Entry(StoredRun(run)).facts
    assert (row()["trials"], row()["best_trial"]) == (expected["trials"], expected["best_trial"]) == (3, 2)
    with ledger.open("a") as file:
        file.write("\n")
    assert row()["status"] == row()["status"] == "unreadable"
    ledger.write_text(f"{first}\n{second}\n")
    assert (row()["status"], row()["trials"]) == ("interrupted", 2)


def test_trials_that_continue_each_other_share_the_best_result_as_one(root: Path) -> None:
    """Told trial by trial as all at once: 2 goes on with 0, 3 with 1, which was no longer among the best, 4 with 3."""
    run = RunDir(root / ids(root, "a-search"))
    run.update_record(status="interrupted")
    first = json.loads((run.path / "trials.jsonl").read_text().splitlines()[0])
    values, parents = (0.2, 0.2, 0.2, 0.1, 0.1, 0.1), {2: 0, 3: 1, 4: 3}
    lines = [
        first
        | {"number": n, "metric": value}
        | ({"parent": {"id": f"{parents[n]:04d}", "epoch": n}} if n in parents else {})
        for n, value in enumerate(values)
    ]
    (run.path / "trials.jsonl").write_text("")
    so_far, ties = TrialsSoFar(StoredRun(run)), []
    for line in lines:
        with (run.path / "trials.jsonl").open("a") as file:
            file.write(to_json(sealed(line)) + "\n")
        told = so_far.look()
        ties.append((told["best_trial"], told["ties"]))
        facts = Entry(StoredRun(run)).facts
        assert ties[-1] == (facts["best_trial"], facts["ties"])
    assert ties == [(0, 1), (0, 2), (2, 2), (3, 1), (4, 1), (4, 2)]


def test_of_many_trials_the_best_and_each_that_was_the_best_so_far_are_drawn(root: Path) -> None:
    run = RunDir(root / ids(root, "a-search"))
    first = json.loads((run.path / "trials.jsonl").read_text().splitlines()[0])
    values = [(900 - n if n % 100 == 0 else 1_000 + 7 * n % 991) / 2_000 for n in range(900)]  # each 100th is the best
    trials = [first | {"number": n, "metric": value, "seconds": 2.0, "time": n} for n, value in enumerate(values)]
    (run.path / "trials.jsonl").write_text("".join(to_json(sealed(trial)) + "\n" for trial in trials))
    stored = StoredRun(run)
    so_far, space = TrialsSoFar(stored), StoredSearch(stored).plan.space
    assert [trial["number"] for trial in so_far.sample(900, space).trials] == list(range(900))
    sample = so_far.sample(40, space)
    kept = [trial["number"] for trial in sample.trials]
    assert len(kept) <= 40 + 9
    assert kept == sorted(kept)
    assert set(range(0, 900, 100)) <= set(kept)
    assert set(sorted(range(900), key=values.__getitem__)[:20]) <= set(kept)
    assert (sample.of, sample.trials[-1]["metric"]) == (900, values[kept[-1]])
    assert sample.spent == {n: 2.0 * (n + 1) for n in kept}
    notes = [chart["note"] for chart in details(run)["charts"]]
    assert "Of 900 trials " in notes[0]


def test_a_large_ledger_is_read_in_parts_and_each_trial_counts_once(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nnrun.watching.curves.BATCH", 100)  # shorter than a line
    run = RunDir(root / ids(root, "a-search"))
    run.update_record(status="interrupted")
    lines = (run.path / "trials.jsonl").read_bytes()
    (run.path / "trials.jsonl").write_bytes(2 * lines + lines[:50])
    assert TrialsSoFar(StoredRun(run)).look()["trials"] == 2


def test_numbers_that_are_not_finite_leave_a_gap(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"epoch": 1, "train_loss": null, "dev_loss": "x"}\n')
    curve = Curve(tmp_path / "metrics.jsonl")
    curve.look()
    assert curve.points == [[1.0, None, None, None, None, None, 0.0, 1]]


def test_details_have_verdict_charts_and_commands(root: Path) -> None:
    found = details(RunDir(root / ids(root, "a")))
    assert "bias" in found["verdict"].lower()
    assert [chart["title"] for chart in found["charts"]][:2] == ["Loss and cost", "Error"]
    assert any(each["command"].startswith("nnrun diagnose ") for each in found["commands"])
    assert "name: a" in found["config"]
    assert details(RunDir(root / ids(root, "a-search")))["charts"]


def test_of_a_run_that_diverged_it_is_told_where_and_what_is_wrong(tmp_path: Path) -> None:
    config = {"name": "d", "data": {"source": "iris"}, "training": {"epochs": 3}}
    rate = {"name": "sgd", "learning_rate": 1e30}
    run = nnrun.train({**config, "optimizer": rate}, tmp_path)
    found = details(RunDir(run.path))
    assert found["verdict"].startswith("diverged in epoch 1, step ")
    assert found["symptoms"][0].startswith("divergence in ")


@pytest.mark.parametrize(
    ("status", "offered"),
    [("running", ["stop", "pause"]), ("paused", ["stop", "resume"]), ("failed", ["resume"]), ("done", [])],
)
def test_commands_that_steer_are_those_that_the_run_can_be_asked_for(
    root: Path, monkeypatch: pytest.MonkeyPatch, status: str, offered: list[str]
) -> None:
    monkeypatch.setattr(StoredRun, "status", status)
    verbs = [one["command"].split()[1] for one in details(RunDir(root / ids(root, "a")))["commands"]]
    assert [verb for verb in verbs if verb in ("stop", "pause", "resume")] == offered
