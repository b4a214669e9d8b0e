"""The run directory: made exclusively, found by many names, with a status that a dead process cannot falsify."""

from __future__ import annotations

import fcntl
import os
import random
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from nnrun.errors import DataError, NnrunError, UsageError
from nnrun.insight.comparison.listing import Entry
from nnrun.models.reads import count_read
from nnrun.runs import rundir
from nnrun.runs.finding import find_run, list_runs
from nnrun.runs.lineage import children_of
from nnrun.runs.listener import Outcome
from nnrun.runs.requests import ask
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import StoredRun
from tests.unprivileged import shared_folder, without_privileges

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


NOON = "2025-01-31T12:00:00.000+00:00"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def make(root: Path, status: str = "done", created: str = NOON) -> RunDir:
    record = f'{{"status": "{status}", "created": "{created}"}}'
    return RunDir.create(root, "digits", lambda _: {"run.json": record.encode()})


def placed(root: Path, id: str, created: str = NOON) -> RunDir:
    made = make(root, created=created)
    return RunDir(made.path.rename(root / id))


# creating


def test_a_new_run_has_its_files_and_a_telling_name(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path / "a" / "runs", "digits", lambda _: {"run.json": b"{}", "config.yaml": b"seed: 1\n"})
    day, clock, name, tail = run.id.split("-")
    assert (len(day), len(clock), name, len(tail)) == (8, 6, "digits", 4)
    assert run.read("config.yaml") == b"seed: 1\n"
    assert (run.path / "checkpoints").is_dir()
    assert names(tmp_path / "a" / "runs") == [run.id]


def test_threads_never_share_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With 16 possible names a second, most of 12 threads run into a name that is taken."""
    few = SimpleNamespace(token_hex=lambda n: f"{random.randrange(16):04x}" if n == 2 else secrets.token_hex(n))
    monkeypatch.setattr(rundir, "secrets", few)
    with ThreadPoolExecutor(12) as pool:
        runs = list(pool.map(lambda k: RunDir.create(tmp_path, "x", lambda _: {"run.json": b"%d" % k}), range(12)))
    assert len({run.path for run in runs}) == 12
    assert [run.read("run.json") for run in runs] == [b"%d" % k for k in range(12)]
    assert names(tmp_path) == sorted(run.id for run in runs)


def test_processes_never_share_a_directory(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from nnrun.runs.rundir import RunDir\n"
        "for k in range(40):\n"
        "    print(RunDir.create(Path(sys.argv[1]), 'x', lambda _: {'run.json': sys.argv[2].encode()}).id)"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path), str(k)], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
        )
        for k in range(4)
    ]
    made = {id: str(k) for k, process in enumerate(started) for id in process.communicate()[0].split()}
    assert len(made) == 4 * 40
    assert {run.id: run.read("run.json").decode() for run in list_runs(tmp_path)} == made


def test_a_root_that_is_a_file_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("in the way")
    with pytest.raises(UsageError, match=r"runs: cannot make a run there \(.*; choose another folder with --runs DIR"):
        make(tmp_path / "runs")


def test_a_root_that_cannot_be_written_to_is_a_usage_error() -> None:
    with shared_folder(0o555) as root:
        with without_privileges(), pytest.raises(UsageError, match="Permission denied"):
            make(root)
        with without_privileges(), pytest.raises(UsageError, match="Permission denied"):
            make(root / "runs")
        assert names(root) == []


def test_what_fails_while_a_run_is_made_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="too long"):
        RunDir.create(tmp_path, "x", lambda _: {"run.json": b"{}", "x" * 300: b""})
    assert names(tmp_path) == []


# finding


def test_half_made_directories_and_others_are_not_listed(tmp_path: Path) -> None:
    run = make(tmp_path)
    (tmp_path / ".creating-0123").mkdir()
    shutil.copy(run.path / "run.json", tmp_path / ".creating-0123")
    (tmp_path / "notes").mkdir()
    (tmp_path / "README.md").touch()
    assert [found.path for found in list_runs(tmp_path)] == [run.path]
    assert list_runs(tmp_path / "none") == []


def test_a_run_that_is_closed_is_unreadable_and_the_others_are_not() -> None:
    with shared_folder() as root:
        made = [placed(root, f"20250131-120{k}00-digits-00a{k}", NOON.replace(":00:", f":0{k}:")) for k in range(3)]
        for path in (made[1].path, root / "notes", root / ".cache"):
            path.mkdir(exist_ok=True)
            path.chmod(0)
        with without_privileges():
            runs = list_runs(root)
            assert [(run.id, Entry(StoredRun(run)).facts["tags"]) for run in runs] == [(run.id, []) for run in made]
            assert "Permission denied" in str(Entry(StoredRun(runs[1])).problem)
            assert find_run(root, "latest").id == find_run(root, "00a2").id == made[2].id
            assert children_of(StoredRun(runs[0])) == []
            with pytest.raises(DataError, match=r"00a1/run.json: Permission denied"):
                find_run(root, "00a1").read_record()


def test_two_hundred_runs_are_listed_oldest_first(tmp_path: Path) -> None:
    ids = [f"20250131-{k // 60:02d}{k % 60:02d}00-digits-{k * 7919 % 65536:04x}" for k in range(200)]
    for id in random.Random(0).sample(ids, 200):
        placed(tmp_path, id)
    assert [run.id for run in list_runs(tmp_path)] == ids
    assert {run.status for run in list_runs(tmp_path)} == {"done"}


def test_a_run_is_found_by_path_id_and_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "runs"
    one = placed(root, "20250131-120000-digits-00aa")
    placed(root, "20250131-120000-digits-00ab")
    longer = placed(root, "20250131-120000-digits-00aa-copy")
    monkeypatch.chdir(tmp_path)
    for reference in (str(one.path), "runs/20250131-120000-digits-00aa", "runs/20250131-120000-digits-00aa/", one.id):
        assert find_run(root, reference).path == one.path
    assert find_run(root, "20250131-120000-digits-00aa-").path == longer.path
    with pytest.raises(UsageError, match=r"'20250131' means 3 runs: 20250131-120000-digits-00aa, "):
        find_run(root, "20250131")
    with pytest.raises(UsageError, match="did you mean 20250131-120000-digits-00ab"):
        find_run(root, "20250131-120000-digit-00ab")
    with pytest.raises(UsageError, match=r"no run 'zzz' in \S+; `nnrun list`"):
        find_run(root, "zzz")


def test_a_run_has_short_names(tmp_path: Path) -> None:
    first = created(placed(tmp_path, "20250131-120000-digits-00aa"), "2025-01-31T12:00:00+00:00")
    second = created(placed(tmp_path, "20250131-120001-digits-wide-00ab"), "2025-01-31T12:00:01+00:00")
    third = created(placed(tmp_path, "20250201-120000-2025-0131"), "2025-02-01T12:00:00+00:00")
    trial = placed(second.path / "trials", "0007")
    meant = {"00aa": first, "digits": first, "wide": second, "0131": third, "2025": third, "20250201": third,
             "@0": third, "@1": second, "@2": first, "latest": third,
             "00ab/trials/0007": trial, "@1/trials/0007": trial}  # fmt: skip
    for reference, run in meant.items():
        assert find_run(tmp_path, reference).path == run.path, reference
    for reference, words in {
        "digit": "'digit' means 2 runs: 20250131-120000-digits-00aa, 20250131-120001-digits-wide-00ab",
        "@3": r"@3: counted from @0, the latest, \S+ goes back to @2",
        "0a": "no run '0a'",
        "": "no run ''",
    }.items():
        with pytest.raises(UsageError, match=words):
            find_run(tmp_path, reference)
    with pytest.raises(UsageError, match="@0: there is no run in"):
        find_run(tmp_path / "nowhere", "@0")


def created(run: RunDir, time: str) -> RunDir:
    run.update_record(created=time)
    return run


def test_the_current_directory_may_be_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make(tmp_path)
    monkeypatch.chdir(run.path)
    found = find_run(tmp_path, ".")
    assert (found.id, found.path.parent) == (run.id, tmp_path.resolve())
    monkeypatch.chdir(run.path / "checkpoints")
    assert find_run(tmp_path, "..").id == run.id


def test_latest_is_the_newest_whatever_was_written_since(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no run in"):
        find_run(tmp_path, "latest")
    placed(tmp_path, "20250131-120000-digits-ffff", created="2025-01-31T12:00:00.100+00:00")
    new = placed(tmp_path, "20250131-120000-digits-0000", created="2025-01-31T12:00:00.900+00:00")
    old = placed(tmp_path, "renamed-by-hand", created="2025-01-30T12:00:00.000+00:00")
    old.update_record(status="interrupted")  # touches the directory
    assert find_run(tmp_path, "latest").id == new.id


# status and lock

HOLD = """
import sys, time
from pathlib import Path
from nnrun.runs.rundir import RunDir
run = RunDir(Path(sys.argv[1]))
with run.locked():
    run.update_record(status="running")
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[tuple[RunDir, subprocess.Popen[str]]]:
    """A run that another process holds."""
    run = make(tmp_path, status="created")
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run.path)], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield run, process
    process.kill()
    process.communicate()


def test_status_follows_the_process_that_holds_the_run(holder: tuple[RunDir, subprocess.Popen[str]]) -> None:
    run, process = holder
    assert run.status == "running"
    with pytest.raises(UsageError, match="is training this run"), run.locked():
        pytest.fail("two processes hold one run")
    assert run.status == "running"
    process.kill()
    process.wait()
    assert run.read_json("run.json")["status"] == "running"
    assert run.status == "interrupted"
    with run.locked():
        assert run.status == "running"
    assert run.status == "interrupted"


def test_a_finished_run_keeps_its_status_while_held(tmp_path: Path) -> None:
    for status in ("done", "diverged", "failed", "interrupted"):
        run = make(tmp_path, status=status)
        with run.locked():
            assert run.status == status


def test_a_run_never_begun_is_interrupted(tmp_path: Path) -> None:
    assert make(tmp_path, status="created").status == "interrupted"


def test_readers_do_not_take_each_other_for_training(tmp_path: Path) -> None:
    run = make(tmp_path, status="running")
    with run.locked():
        pass
    with (run.path / "run.lock").open() as another:
        fcntl.flock(another, fcntl.LOCK_SH)  # another process asks for the status at this instant
        assert run.status == "interrupted"


def test_asking_for_the_status_does_not_keep_anybody_from_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make(tmp_path, status="running")
    with run.locked():
        pass
    reader = (run.path / "run.lock").open()
    fcntl.flock(reader, fcntl.LOCK_SH)
    monkeypatch.setattr("time.sleep", lambda seconds: reader.close())  # gone when whoever waits for it looks again
    with run.locked():
        assert run.status == "running"


def test_without_locks_nothing_is_made_and_nothing_trained(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    run = make(tmp_path, status="running")
    with run.locked():
        pass
    before = names(tmp_path)
    request.getfixturevalue("no_locks")
    assert run.status == "interrupted", "as a run that was killed"
    with pytest.raises(UsageError, match=r"this disk gives no locks: .*a copy on another disk"), run.locked():
        pytest.fail("two could train it")
    with pytest.raises(UsageError, match=r"cannot make a run there \(this disk gives no locks: .*choose another"):
        RunDir.create(tmp_path, "net", lambda name: {})
    assert names(tmp_path) == before


def test_locking_clears_away_what_a_kill_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", lambda self, target: None)  # killed before the rename
        run.save_checkpoint("last", {"a.W": np.ones(3)}, {})
        run.write("resolved.yaml", "")
    for file in ("metrics.jsonl", "events.jsonl", "log.txt"):
        (run.path / file).write_bytes(b'{"epoch": 1}\n{"ep')
    with run.locked():
        run.add_metrics({"epoch": 2})
        run.log(["a line"])
    assert set(names(run.path)) == {"checkpoints", "events.jsonl", "log.txt", "metrics.jsonl", "run.json", "run.lock"}
    assert names(run.path / "checkpoints") == []
    assert run.metrics() == [{"epoch": 1}, {"epoch": 2}]
    assert run.read("log.txt") == b'{"epoch": 1}\na line\n'


@pytest.mark.parametrize("file", ["run.lock", "metrics.jsonl", "events.jsonl", "log.txt"])
def test_nothing_is_written_through_a_link(tmp_path: Path, file: str) -> None:
    """It may come with a stranger's run, and lead to a file of the user's."""
    run, own = make(tmp_path), tmp_path / "own.txt"
    own.write_text("a letter\nhalf a li")
    (run.path / file).symlink_to(own)
    told = re.escape(f"{run.path / file}: a link, to which nothing is written")
    with pytest.raises(DataError, match=told), run.locked():
        pass
    if file != "run.lock":
        with pytest.raises(DataError, match=told):
            run.append(file, "a line")
    assert own.read_text() == "a letter\nhalf a li"
    own.unlink()
    with pytest.raises(DataError, match=told):
        run.append(file, "a line")
    assert not own.exists()


@pytest.mark.parametrize("folder", ["trials", "best", "members", "requests", "checkpoints", "trials/0000"])
def test_nothing_is_done_in_a_folder_that_a_link_leads_to(tmp_path: Path, folder: str) -> None:
    run, own = make(tmp_path), tmp_path / "own"
    own.mkdir()
    (own / ".last.safetensors-1f.temporary").write_text("a letter")
    (run.path / "checkpoints").rmdir()
    (run.path / folder).parent.mkdir(exist_ok=True)
    (run.path / folder).symlink_to(own)
    told = re.escape(f"{run.path / folder}: a link; a folder of the run belongs there")
    with pytest.raises(DataError, match=told), run.locked():
        pass
    assert names(own) == [".last.safetensors-1f.temporary"]


def test_nothing_is_asked_for_where_a_link_leads(tmp_path: Path) -> None:
    run, own = make(tmp_path), tmp_path / "own"
    own.mkdir()
    with run.locked():
        run.update_record(status="running")
        (run.path / "requests").symlink_to(own)
        with pytest.raises(DataError, match=re.escape(f"{run.path / 'requests'}: a link; a folder")):
            ask(run, "pause")
    assert names(own) == []


# contents


def test_a_line_is_on_disk_when_append_returns(tmp_path: Path) -> None:
    run = make(tmp_path)
    with run.locked():
        for epoch in (1, 2):
            run.add_metrics({"epoch": epoch, "dev_loss": float("nan")})
            assert run.metrics()[-1] == {"epoch": epoch, "dev_loss": None}
    assert len(run.metrics()) == 2


def test_a_link_keeps_nobody_from_noting_what_was_read(tmp_path: Path, train_run: Callable[..., Outcome]) -> None:
    """Checkpoints that the user has put on another disk; a link to itself is none to a file, either."""
    run = train_run().run
    shutil.move(run.path / "checkpoints", tmp_path / "elsewhere")
    (run.path / "checkpoints").symlink_to(tmp_path / "elsewhere")
    assert count_read(run) + 1 == count_read(run)
    (run.path / "own").symlink_to("own")
    with pytest.raises(DataError, match="a link; a folder of the run belongs there"), run.locked():
        pass


def test_metrics_after_an_epoch_are_forgotten(tmp_path: Path) -> None:
    run = make(tmp_path)
    (run.path / "metrics.jsonl").write_bytes(b'{"epoch": 1, "x": 0.1}\n{"epoch": 2}\n{"epoch": 3}\n{"epo')
    run.forget_metrics_after(1)
    assert run.read("metrics.jsonl") == b'{"epoch": 1, "x": 0.1}\n'
    run.forget_metrics_after(0)
    assert run.read("metrics.jsonl") == b""


def test_a_checkpoint_comes_back_bit_for_bit(tmp_path: Path) -> None:
    run = make(tmp_path)
    assert run.load_checkpoint("best") is None
    tensors = {"dense1.W": np.arange(6, dtype=np.float32).reshape(2, 3).T, "norm1.mean": np.array([[np.pi]])}
    run.save_checkpoint("best", tensors, {"epoch": 7, "scores": [0.25, float("inf")]})
    loaded = run.load_checkpoint("best")
    assert loaded is not None
    for name, tensor in tensors.items():
        assert loaded[0][name].dtype == tensor.dtype
        assert np.array_equal(loaded[0][name], tensor)
    assert loaded[1] == {"epoch": 7, "scores": [0.25, None]}
    assert run.read_json("checkpoints/best.json") == loaded[1]


def foreign(path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"W": np.ones(2)}, path)


@pytest.mark.parametrize("spoil", [Path.touch, lambda path: path.write_bytes(b"\0" * 100), foreign])
def test_what_is_no_checkpoint_is_said_to_be_none(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    run = make(tmp_path)
    spoil(run.path / "checkpoints" / "last.safetensors")
    with pytest.raises(NnrunError, match=r"last\.safetensors: not a checkpoint of nnrun"):
        run.load_checkpoint("last")


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    run = make(tmp_path)
    with pytest.raises(NnrunError, match=r"data\.json: No such file or directory; this is not a whole run directory"):
        run.read_json("data.json")
    run.write("run.json", "{")
    with pytest.raises(NnrunError, match=r"run\.json: not valid JSON"):
        run.update_record(status="done")


def test_a_run_can_be_read_after_it_was_copied_elsewhere(tmp_path: Path, train_run: Callable[..., Outcome]) -> None:
    run = train_run("data.source=iris", "training.epochs=3").run
    copy = RunDir(Path(shutil.copytree(run.path, tmp_path / "elsewhere" / "under-another-name")))
    shutil.rmtree(run.path.parent)
    found = find_run(tmp_path / "runs", str(copy.path))
    assert found.status == "done"
    assert [row["epoch"] for row in found.metrics()] == [1, 2, 3]
    assert found.load_checkpoint("best") is not None
    assert [run.id for run in list_runs(tmp_path / "elsewhere")] == ["under-another-name"]
