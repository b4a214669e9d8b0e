"""rm and clean: what is told, what goes, what stays, and that a kill leaves whole runs or none."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from nnrun.api import train
from nnrun.errors import UsageError
from nnrun.insight.comparison import listing
from nnrun.runs import removing
from nnrun.runs.frames import named
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import StoredRun
from tests.cli.conftest import QUICK, Done
from tests.unprivileged import shared_folder, without_privileges

Nnrun = Callable[..., Done]
ROOT = Path("runs")


def place(name: str, dev_error: float = 0.1, **record: object) -> RunDir:
    """A copy of a run that is stored with the tests."""
    source = next(
        path for path in (Path(__file__).parents[1] / "stored").iterdir() if (path / "metrics.jsonl").exists()
    )
    run = RunDir(Path(shutil.copytree(source, ROOT / name)))
    run.update_record(id=name, final=(run.read_record()["final"] or {}) | {"dev_error": dev_error}, **record)
    return run


def ids() -> list[str]:
    return sorted(path.name for path in ROOT.glob("[!.]*"))


@pytest.fixture
def three(here: Path) -> list[str]:
    """Runs with dev errors of 1, 2 and 3 per cent, made 40, 20 and 0 days ago."""
    names = []
    for k, days in enumerate((40, 20, 0)):
        made = (datetime.now().astimezone() - timedelta(days=days)).isoformat()
        names.append(f"20260101-00000{k}-net{k}-000{k}")
        place(names[-1], created=made, dev_error=0.01 * (k + 1))
    return names


def bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_rm_tells_first_and_removes_when_told_to(nnrun: Nnrun, three: list[str]) -> None:
    size = bytes_in(ROOT / three[1])
    dry = nnrun("rm", "0001", "--json").json
    assert (dry["dry_run"], dry["bytes"], [each["id"] for each in dry["runs"]]) == (True, size, [three[1]])
    told = nnrun("rm", "net1", "net1")
    assert told.next == [f"nnrun rm {three[1]} --yes"]
    assert f"would remove 1 run, {removing.size_told(size)}" in told.out
    assert ids() == three
    done = nnrun("rm", "net1", "@0", "--yes")
    assert (done.code, "removed 2 runs" in done.out, ids()) == (0, True, three[:1])
    assert [*ROOT.glob(".*")] == []
    assert nnrun("rm", "net1").code == 2


def test_the_command_that_removes_names_what_was_told(nnrun: Nnrun, three: list[str]) -> None:
    (told,) = nnrun("rm", "latest", "@1").next
    place("20260102-000000-net3-0003")
    assert nnrun(*told.split()[1:]).code == 0
    assert ids() == [three[0], "20260102-000000-net3-0003"]
    (told,) = nnrun("rm", ROOT / three[0], "--runs", "elsewhere").next
    assert nnrun(*told.split()[1:]).code == 0
    assert ids() == ["20260102-000000-net3-0003"]


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (40_440, "40.4 kB"),
        (999_600, "1 MB"),
        (3_100_000_000, "3.1 GB"),
    ],
)
def test_a_size_has_the_unit_that_three_digits_fit(size: int, words: str) -> None:
    assert removing.size_told(size) == words


@pytest.mark.parametrize(
    ("options", "gone"),
    [
        (["--older", "30d"], [0]),
        (["--older", "2w", "--keep-best", "1"], [1]),
        (["--keep-best", "1"], [1, 2]),
        (["--keep-best", "0"], [0, 1, 2]),
        (["--status", "failed"], []),
        (["--status", "done", "--tag", "old", "--tag", "older"], [0, 2]),
    ],
)
def test_clean_removes_what_fulfils_all_conditions(
    nnrun: Nnrun, three: list[str], options: list[str], gone: list[int]
) -> None:
    nnrun("tag", three[0], "older")
    nnrun("tag", three[2], "old", "paper")
    told = nnrun("clean", *options)
    assert (told.code, ids()) == (0, three)
    assert nnrun(*(told.next[0].split()[1:] if told.next else ["clean", *options, "--yes"])).code == 0
    assert ids() == [name for k, name in enumerate(three) if k not in gone]


def test_runs_on_other_data_are_no_rivals(nnrun: Nnrun, three: list[str]) -> None:
    worst = RunDir(ROOT / three[2])
    data = worst.read_record()["data"]
    worst.update_record(data={**data, "files": [{**file, "sha256": "0" * 64} for file in data["files"]]})
    nnrun("clean", "--keep-best", "1", "--yes")
    assert ids() == [three[0], three[2]]


def test_what_no_dev_row_has_judged_is_no_rival(nnrun: Nnrun, three: list[str]) -> None:
    whole = RunDir(ROOT / three[1])
    final = whole.read_record()["final"] or {}
    whole.update_record(final={key: value for key, value in final.items() if not key.startswith("dev_")})
    nnrun("clean", "--keep-best", "1", "--yes")
    assert ids() == three[:2]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (["clean"], "which runs? --older 30d"),
        (["clean", "--older", "30"], "--older 30: write a number and m, h, d or w"),
        (["clean", "--status", "fialed"], "--status fialed: did you mean failed?"),
        (["rm"], "Missing argument"),
        (["rm", "net0", "zzz", "--yes"], "no run 'zzz'"),
    ],
)
def test_mistakes(nnrun: Nnrun, three: list[str], call: list[str], words: str) -> None:
    done = nnrun(*call)
    assert (done.code, done.out, ids()) == (2, "", three)
    assert words in done.err


def test_tables_from_python_go_once_no_run_names_them(nnrun: Nnrun, here: Path) -> None:
    frames = [pd.DataFrame({"x": range(60), "y": [(i + k) % 2 for i in range(60)]}) for k in range(2)]
    values = {"data": {"target": "y"}, "network": {"hidden": [2]}, "training": {"epochs": 1}}
    runs = [train(values, data=frame) for frame in frames]
    tables = {Path(str(run.config.data.source)) for run in runs}
    for table in tables:
        os.utime(table, (0, 0))
    assert set((ROOT / "frames").resolve().iterdir()) == tables
    assert nnrun("rm", runs[0].id, "--yes").code == 0
    dry = nnrun("clean", "--cache")
    assert "1 unused table" in dry.out and all(table.exists() for table in tables)
    assert nnrun("clean", "--cache", "--yes").code == 0
    assert [table.exists() for table in (Path(str(runs[1].config.data.source)), *tables)].count(True) == 2
    fresh = named(frames[0], ROOT)
    assert isinstance(fresh, str)
    nnrun("clean", "--cache", "--yes")
    assert Path(fresh).exists(), "a run may be about to begin on it"


def test_prepared_data_is_made_again(nnrun: Nnrun) -> None:
    nnrun("train", "-q", *QUICK)
    size = bytes_in(ROOT / ".cache")
    told = nnrun("clean", "--cache", "--yes", "--json").json
    assert (told["bytes"], told["runs"], len(told["cache"]), bytes_in(ROOT / ".cache")) == (size, [], 1, 0)
    assert nnrun("train", "-q", *QUICK).code == 0
    assert bytes_in(ROOT / ".cache") == size


def test_what_trains_stays(nnrun: Nnrun, three: list[str]) -> None:
    with RunDir(ROOT / three[0]).locked():
        refused = nnrun("rm", three[1], three[0], "--yes")
        assert (refused.code, ids()) == (2, three)
        assert f"{three[0]} is being trained; `nnrun stop {three[0]}` ends that" in refused.err
        cleaned = nnrun("clean", "--keep-best", "0", "--yes")
        assert (cleaned.code, ids()) == (0, three[:1])
        assert f"note     {three[0]} is being trained" in cleaned.out


def test_what_begins_to_train_in_between_stays(three: list[str]) -> None:
    removals, _ = removing.planned([StoredRun(RunDir(ROOT / name)) for name in three])
    with RunDir(ROOT / three[1]).locked(), pytest.raises(UsageError, match="being trained by now; what stands above"):
        removing.remove(removals)
    assert ids() == three[1:]


def test_a_run_that_ends_while_the_best_are_found_stays(
    nnrun: Nnrun, three: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ranked by its epochs so far it is not among the best, and it ends as the best of all."""
    run, best = RunDir(ROOT / three[2]), listing.kept_best
    ended = {**(run.read_record()["final"] or {}), "dev_error": 0.001}
    run.update_record(status="running")
    with contextlib.ExitStack() as training:
        training.enter_context(run.held())

        def end_after(*asked: Any) -> list[listing.Entry]:
            found = best(*asked)
            run.update_record(status="done", final=ended)
            training.close()
            return found

        monkeypatch.setattr(listing, "kept_best", end_after)
        done = nnrun("clean", "--keep-best", "1", "--yes")
    assert (done.code, ids()) == (0, [three[0], three[2]])
    assert f"note     {three[2]} has changed since it was chosen, and stays" in done.out


def test_a_run_that_changes_after_it_was_chosen_stays(three: list[str]) -> None:
    removals, _ = removing.planned([StoredRun(RunDir(ROOT / name)) for name in three])
    RunDir(ROOT / three[1]).update_record(final={"dev_error": 0.001})
    with pytest.raises(UsageError, match=r"changed since it was chosen; what stands above it \(1\) was removed"):
        removing.remove(removals)
    assert ids() == three[1:]


def test_what_was_made_just_now_stays(nnrun: Nnrun, here: Path) -> None:
    place("20260101-000000-net-0000", status="created", created=datetime.now().astimezone().isoformat())
    assert "may be about to train" in nnrun("rm", "net", "--yes").err
    assert len(ids()) == 1


def test_a_parent_goes_and_its_child_stays_whole(nnrun: Nnrun, three: list[str]) -> None:
    RunDir(ROOT / three[1]).update_record(parent={"id": three[0], "epoch": 2})
    told = nnrun("rm", three[0], "--yes")
    assert f"{three[0]} is the parent of {three[1]}, which stays" in told.out
    assert f"parent   {three[0]}, which is gone" in nnrun("show", three[1]).out
    assert "is the parent" not in nnrun("clean", "--keep-best", "0").out


def test_a_part_of_a_search_goes_with_it_alone(nnrun: Nnrun, here: Path) -> None:
    nnrun("search", "--trials", "2", "--workers", "1", "-q", *QUICK)
    (search,) = ids()
    for part in ("trials/0001", "best"):
        refused = nnrun("rm", f"latest/{part}", "--yes")
        assert (refused.code, f"a part of {search}, which needs it; `nnrun rm {search}`" in refused.err) == (2, True)
    assert (nnrun("rm", search, "--yes").code, ids()) == (0, [])


def test_links_are_never_followed(nnrun: Nnrun, three: list[str]) -> None:
    shutil.move(ROOT / three[0], "elsewhere")
    (ROOT / three[0]).symlink_to(Path("elsewhere").resolve())
    Path("data").mkdir()
    Path("data/kept.csv").write_text("a,b\n")
    (ROOT / three[1] / "data").symlink_to(Path("data").resolve())
    (ROOT / ".cache").symlink_to(Path("data").resolve())
    assert nnrun("rm", f"runs/{three[0]}", three[1], "--yes").code == 0
    nnrun("clean", "--cache", "--yes")
    assert ids() == three[2:]
    assert (Path("elsewhere/run.json").exists(), Path("data/kept.csv").exists()) == (True, True)


def test_a_run_whose_lock_is_a_link_can_go(nnrun: Nnrun, three: list[str], here: Path) -> None:
    Path("own.txt").write_text("a letter")
    (Path("runs") / three[0] / "run.lock").unlink(missing_ok=True)
    (Path("runs") / three[0] / "run.lock").symlink_to(here / "own.txt")
    assert nnrun("rm", three[0], "--yes").code == 0
    assert ids() == three[1:]
    assert Path("own.txt").read_text() == "a letter"


def test_a_closed_folder_is_told(nnrun: Nnrun, three: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    monkeypatch.setattr(Path, "rename", refuse)
    done = nnrun("rm", three[0], "--yes")
    assert (done.code, done.out, ids()) == (2, "", three)
    assert (
        done.err == f"nnrun: {ROOT.resolve() / three[0]}: cannot be removed (Permission denied); nothing was removed\n"
        or done.err == f"nnrun: {ROOT / three[0]}: cannot be removed (Permission denied); nothing was removed\n"
    )


@pytest.fixture
def over_nfs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is locked alone where it is open for writing, and one that is open keeps its place, by another name."""
    flock, unlink = fcntl.flock, os.unlink

    def lock(descriptor: int, operation: int) -> None:
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        mode = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE
        if is_file and mode == (os.O_RDONLY if operation & fcntl.LOCK_EX else os.O_WRONLY):
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        flock(descriptor, operation)

    def is_open(found: os.stat_result) -> bool:
        for opened in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):  # that of this very list
                if os.path.samestat(found, opened.stat()):
                    return True
        return False

    def drop(path: Any, *, dir_fd: int | None = None) -> None:
        if is_open(os.stat(path, dir_fd=dir_fd, follow_symlinks=False)):
            os.rename(path, Path(path).with_name(".nfs0001"), src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
        else:
            unlink(path, dir_fd=dir_fd)

    monkeypatch.setattr(fcntl, "flock", lock)
    monkeypatch.setattr(os, "unlink", drop)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="this system does not list what is open")
@pytest.mark.usefixtures("over_nfs")
def test_runs_on_other_machines_disks_can_go(nnrun: Nnrun, three: list[str]) -> None:
    with RunDir(ROOT / three[0]).locked():
        assert f"{three[0]} is being trained" in nnrun("rm", three[0], "--yes").err
    assert nnrun("rm", three[0], "--yes").code == 0
    assert nnrun("clean", "--keep-best", "1", "--cache", "--yes").code == 0
    assert (len(ids()), {path.name for path in ROOT.glob(".*")} - {".cache", ".nfs0001"}) == (1, set())


@pytest.mark.usefixtures("no_locks")
def test_without_locks_nobody_knows_what_trains(nnrun: Nnrun, three: list[str]) -> None:
    RunDir(ROOT / three[0]).path.joinpath("run.lock").touch()
    refused = nnrun("rm", three[0], "--yes")
    assert (refused.code, ids()) == (2, three)
    assert "this disk gives no locks: " in refused.err and "whether it is being trained is yours to know" in refused.err


def no_deletion(monkeypatch: pytest.MonkeyPatch, first: str = "") -> None:
    """Of a folder no file can be deleted any more, but one that comes first."""

    def refuse(path: Path, ignore_errors: bool = False) -> None:
        if first:
            (path / first).unlink(missing_ok=ignore_errors)
        if not ignore_errors:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path / "log.txt"))

    monkeypatch.setattr(removing.shutil, "rmtree", refuse)


def test_what_cannot_be_deleted_is_named(nnrun: Nnrun, three: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as closed:
        no_deletion(closed, first="data.json")
        done = nnrun("rm", three[0], "--yes")
    assert (done.code, ids()) == (2, three[1:])
    assert "it is no longer listed, but" in done.err
    assert {path.name[:17] for path in ROOT.glob(".*")} == {".creating-removed"}
    nnrun("rm", three[1], "--yes")
    assert [*ROOT.glob(".*")] == [], "what was left is deleted by the next command"


def test_a_run_of_which_nothing_can_be_deleted_has_its_name_again(
    nnrun: Nnrun, three: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as closed:
        no_deletion(closed)
        done = nnrun("rm", three[0], "--yes")
    assert (done.code, ids(), [*ROOT.glob(".*")]) == (2, three, [])
    assert f"{three[0]}: cannot be removed (Permission denied); nothing was removed\n" in done.err
    assert nnrun("rm", three[0], "--yes").code == 0


def open_run(root: Path) -> RunDir:
    """A run that all may write to."""
    run = RunDir.create(root, "net", lambda _: {"run.json": b'{"status": "done"}'})
    run.path.chmod(0o777)
    return run


@pytest.mark.parametrize(("folder", "mode"), [("", 0o555), ("checkpoints", 0o555), ("checkpoints", 0o000)])
def test_another_users_run_stays(folder: str, mode: int) -> None:
    """In a folder of runs to which all write it could be renamed, and would be lost to its owner."""
    with shared_folder(0o777) as root:
        run = open_run(root)
        run.path.joinpath("checkpoints", "best.json").touch()
        run.path.joinpath(folder).chmod(mode)
        with without_privileges():
            told = [f"{run.path.joinpath(folder)}: cannot be removed (Permission denied)"]
            assert removing.planned([StoredRun(run)]) == ([], told)
            with pytest.raises(UsageError, match=r"cannot be removed \(Permission denied\); nothing was removed"):
                removing.remove([removing.Removal(run.path, 0)])
        run.path.joinpath(folder).chmod(0o755)
        assert [path.name for path in root.iterdir()] == [run.id]


def test_an_empty_folder_of_another_user_keeps_no_run() -> None:
    with shared_folder(0o777) as root:
        run = open_run(root)
        run.path.joinpath("checkpoints").chmod(0o555)
        with without_privileges():
            removals, reasons = removing.planned([StoredRun(run)])
            removing.remove(removals)
        assert (reasons, [*root.iterdir()]) == ([], [])


BEGUN = """
import sys
from pathlib import Path
from nnrun.runs.removing import planned, remove
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import StoredRun
removals, _ = planned([StoredRun(RunDir(Path(sys.argv[1])))])
print(flush=True)
remove(removals)
"""


def kill_at_random_moments(times: int) -> None:
    """What stands under a run's name is whole after each, and the next command leaves nothing of the others."""
    place("whole")
    wanted = {path.relative_to(ROOT / "whole") for path in (ROOT / "whole").rglob("*")}
    for k in range(times):
        name = f"20260101-000000-net-{k:04x}"
        run = shutil.copytree(ROOT / "whole", ROOT / name)
        for extra in range(100):
            (run / f"checkpoints/{extra}.json").touch()
        process = subprocess.Popen([sys.executable, "-c", BEGUN, str(run)], stdout=subprocess.PIPE)
        assert process.stdout
        process.stdout.readline()
        time.sleep(0.0001 * (k % 40))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        there = {path.relative_to(run) for path in run.rglob("*")}
        assert not there or {path for path in there if path.suffix != ".json" or not path.stem.isdecimal()} == wanted
        assert not there or len(there) == len(wanted) + 100
    removing.drop_leftovers(ROOT)
    assert [*ROOT.glob(".*")] == []


def test_a_killed_removal_leaves_a_whole_run_or_none(here: Path) -> None:
    kill_at_random_moments(3)


@pytest.mark.soak
def test_many_killed_removals_leave_whole_runs_or_none(here: Path) -> None:
    kill_at_random_moments(200)


def test_a_full_disk_is_where_runs_are_removed(nnrun: Nnrun, three: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(root: Path, beginning: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(removing, "filling", full)
    done = nnrun("rm", three[0], "--yes")
    assert (done.code, ids()) == (0, three[1:])
    assert [*ROOT.glob(".*")] == []
