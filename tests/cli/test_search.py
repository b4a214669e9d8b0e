"""nnrun search, and what resume, show and list do with a search, through real processes where these matter."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from nnrun.report.search.report import won
from nnrun.report.search.results import Results
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import StoredRun
from tests.cli.conftest import SECONDS, Done

Nnrun = Callable[..., Done]
Start = Callable[..., "subprocess.Popen[str]"]
Shell = Callable[[str], Done]

SMALL = """\
name: small
data: {source: iris}
network: {hidden: [8]}
training: {epochs: 3}
search:
  trials: 6
  space:
    optimizer.learning_rate: {log: [1e-4, 1e-1]}
    network.width: {choice: [4, 8]}
"""
# Trials long enough to be interrupted, of several shapes so that no cohort holds them all.
LONG = """\
name: long
network: {hidden: [64]}
training: {epochs: 20}
search:
  trials: 16
  space:
    optimizer.learning_rate: {log: [1e-4, 1e-1]}
    network.width: {int: [33, 96]}
"""
VARYING = ("time", "host", "seconds", "attempt", "checksum")  # what may differ between two equal searches


def the_search(runs: Path = Path("runs")) -> Path:
    (found,) = (path for path in runs.iterdir() if path.name[0] != "." and (path / "search.yaml").exists())
    return found


def records(search: Path) -> list[dict[str, Any]]:
    """Lines of the ledger by number, without what may differ."""
    lines = map(json.loads, (search / "trials.jsonl").read_text().splitlines())
    kept = [{key: value for key, value in line.items() if key not in VARYING} for line in lines]
    return sorted(kept, key=lambda line: int(line["number"]))


def outcome(search: Path) -> tuple[list[dict[str, Any]], int, dict[str, Any], bytes]:
    """What two equal searches share: records, the best trial, its errors and parameters."""
    run = json.loads((search / "run.json").read_text())
    best = (search / "best/checkpoints/best.safetensors").read_bytes()
    return records(search), run["best_trial"], run["final"], best


def processes_with(text: str) -> list[str]:
    """Command lines of living processes in whose environment or command line this stands."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if text.encode() in (path / "environ").read_bytes() and (path / "cmdline").read_bytes():
                found.append((path / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:  # gone, or another user's
            continue
    return found


def next_command(done: Done, verb: str) -> str:
    return next(line for line in done.next if line.startswith(f"nnrun {verb} "))


# one search, seen from all sides


def test_a_search_prints_results_on_stdout_and_its_course_on_stderr(
    process: Nnrun, typed: Shell, config: Callable[..., Path]
) -> None:
    config(SMALL)
    done = process("search", "--trials", "6", "--workers", "2")
    assert done.code == 0, done.err
    assert "\x1b" not in done.out + done.err
    assert "\r" not in done.err
    search = the_search()
    assert re.fullmatch(r"\d{8}-\d{6}-small-search-[0-9a-f]{4}", search.name)

    lines = [line for line in done.err.splitlines() if re.match(r"\d/6  trial \d ", line)]
    assert [line[:3] for line in lines] == [f"{i}/6" for i in range(1, 7)]
    assert "strategy random, 6 trials, dev_error, 2 workers" in done.err
    assert "space    network.width: choice [4, 8]" in done.err
    assert max(map(len, lines)) <= 100

    assert done.out.startswith("finished 6 trials (6 done), ")
    assert "/6  trial" not in done.out
    best = json.loads((search / "run.json").read_text())["best_trial"]
    assert f"\nbest     trial {best}: dev " in done.out
    assert "(test part read once)" in done.out
    assert done.next == [
        f"nnrun diagnose {search}",
        f"nnrun report {search}",
        f"nnrun show {search}/best",
        f"nnrun resume {search} --trials 12",
    ]
    for command in done.next:
        assert typed(command).code == 0
    assert len(records(search)) == 12


def test_the_best_trial_is_first_in_the_table_and_lies_in_best(nnrun: Nnrun, config: Callable[..., Path]) -> None:
    config(SMALL)
    done = nnrun("search", "--workers", "1")
    search = the_search()

    def rank(record: dict[str, Any]) -> tuple[float, float, int]:
        return record["metric"], record["final"]["dev_loss"], record["number"]

    first = min(records(search), key=rank)
    table = done.out.partition("\n\n")[2].splitlines()
    assert table[0].split() == ["trial", "dev_error", "width", "learning_rate"]
    assert table[1].split()[0] == str(first["number"])
    trial, best = search / "trials" / f"{first['number']:04d}", search / "best"
    name = "checkpoints/best.safetensors"
    assert (best / name).read_bytes() == (trial / name).read_bytes()
    assert "test_error" in json.loads((best / "run.json").read_text())["final"]
    assert "test_error" not in json.loads((trial / "run.json").read_text())["final"]


def test_quiet_says_the_ending_only(nnrun: Nnrun, config: Callable[..., Path]) -> None:
    config(SMALL)
    done = nnrun("search", "--workers", "1", "-q")
    assert done.err == ""
    assert [line.split()[0] for line in done.out.splitlines()] == ["finished", "best", "search"]


def test_json_is_one_document(nnrun: Nnrun, config: Callable[..., Path]) -> None:
    config(SMALL)
    done = nnrun("search", "config.yaml", "--json", "--workers", "1")
    assert done.err == ""
    assert done.json["status"] == "done"
    assert done.json["path"] == str(the_search())
    assert done.json["counts"] == {"done": 6, "diverged": 0, "failed": 0}
    assert [record["number"] for record in done.json["records"]] == list(range(6))
    assert done.json["test_reads"] == 1

    shown = nnrun("show", "--json").json
    assert shown["search"]["totals"] == [6]
    assert shown["records"] == done.json["records"]


def test_every_trial_can_be_trained_again_to_the_same_bytes(nnrun: Nnrun, config: Callable[..., Path]) -> None:
    config(SMALL)
    nnrun("search", "--workers", "2")
    trial = the_search() / "trials/0003"
    assert nnrun("train", trial / "resolved.yaml", "--runs", "again").code == 0
    (again,) = (path for path in Path("again").iterdir() if path.name[0] != ".")
    name = "checkpoints/best.safetensors"
    assert (again / name).read_bytes() == (trial / name).read_bytes()


def test_the_best_three_can_be_trained_again_at_once_or_later(nnrun: Nnrun, config: Callable[..., Path]) -> None:
    config(SMALL)
    done = nnrun("search", "--workers", "1", "--repeat", "2")
    assert done.code == 0, done.err
    assert len(re.findall(r"^trial \d again, [12] of 2: +[\d.]+%$", done.err, re.MULTILINE)) == 6
    title, *table = done.out.partition("trained again with new seeds")[2].splitlines()[:5]
    assert title == "; the chosen runs do not count, they were chosen for their luck too"
    assert table[0].split() == ["trial", "chosen", "again", "n"]
    best = json.loads((the_search() / "run.json").read_text())["best_trial"]
    assert re.fullmatch(rf" +{best} +[\d.]+% +[\d.]+%  ±  +[\d.]+%  2", table[1])
    assert "trained again with new seeds" in nnrun("show").out
    nnrun("search", "--workers", "1", "--runs", "later")
    later = nnrun("resume", the_search(Path("later")), "--workers", "1", "--repeat", "2", "--json").json
    assert later["repeats"] == nnrun("show", "--json").json["repeats"]
    assert [each["n"] for each in later["repeats"]] == [2, 2, 2]


# show and list


def test_show_and_list_know_searches_beside_runs(nnrun: Nnrun, config: Callable[..., Path]) -> None:
    config(SMALL)
    nnrun("search", "--workers", "1")
    search = the_search()
    assert nnrun("train").code == 0
    runs = {run["id"]: run for run in nnrun("list", "--json").json["runs"]}
    assert len(runs) == 2
    assert runs[search.name]["status"] == "done"
    assert search.name in nnrun("list").out

    page = nnrun("show", search).out
    assert page.startswith(f"search   {search.name}\nstrategy random, 6 trials, dev_error\n")
    assert "finished 6 trials (6 done)" in page
    for part in ("best", "trials/0003"):
        shown = nnrun("show", search / part)
        assert shown.code == 0, shown.err
        assert shown.out.startswith(f"run      {Path.cwd() / search / part}\n")
        assert "done after 3 epochs" in shown.out
    assert "done" in nnrun("list", "--runs", search / "trials").out


def test_show_says_that_a_checkpoint_was_pruned(
    nnrun: Nnrun, config: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nnrun.search.study.CHECKPOINTS_KEPT", 2)
    config(SMALL)
    nnrun("search", "--workers", "1")
    trials = sorted((the_search() / "trials").iterdir())
    pages = [nnrun("show", trial).out for trial in trials]
    told = [f"; `nnrun train {Path.cwd() / trial / 'resolved.yaml'}` trains it again" for trial in trials]
    assert [line in page for line, page in zip(told, pages, strict=True)].count(True) == 4
    assert "pruned" not in nnrun("show", the_search() / "best").out


def test_show_tells_the_zooms_of_coarse_to_fine(nnrun: Nnrun, config: Callable[..., Path]) -> None:
    config(SMALL)
    nnrun("search", "--strategy", "coarse_to_fine", "--trials", "13", "--workers", "1")
    page = nnrun("show").out
    assert "\nstage 1 from trial 12, around trial " in page
    assert page.index("\nstage 1") < page.index("\nfinished 13 trials")
    assert re.search(r"^  optimizer\.learning_rate: \[0\.0001, 0\.1\] → \[.*\], the best 3 of ", page, re.MULTILINE)


# resume


def test_resume_extends_a_search_and_the_first_trials_are_those_of_a_longer_one(
    nnrun: Nnrun, config: Callable[..., Path]
) -> None:
    config(SMALL)
    nnrun("search", "--workers", "1", "--trials", "4")
    search = the_search()
    four = (search / "trials.jsonl").read_bytes()
    done = nnrun("resume", "latest", "--trials", "9", "--workers", "1")
    assert done.code == 0, done.err
    assert "5/9  trial 4" in done.err
    assert (search / "trials.jsonl").read_bytes().startswith(four), "a finished trial was run again"
    assert yaml.safe_load((search / "search.yaml").read_text())["totals"] == [4, 9]
    nnrun("search", "--workers", "1", "--trials", "9", "--runs", "whole")
    assert outcome(search) == outcome(the_search(Path("whole")))


@pytest.mark.parametrize("options", [["--trials", "4"], ["--trials", "9"], ["--trials", "2", "--target", "1"]])
def test_nobody_proposes_trials_where_none_can_follow(
    nnrun: Nnrun, config: Callable[..., Path], options: list[str]
) -> None:
    """The grid holds three, which stand behind the config as written; each error is within the target."""
    config(SMALL)
    grid = ("--strategy", "grid", "--set", "search.space={network.width: {choice: [4, 5, 6]}}")
    told = nnrun("search", "--workers", "1", *grid, *options, "--report").out + nnrun("diagnose").out
    assert "resume" not in told
    assert "Search on:" not in (the_search() / "report.html").read_text()


@pytest.mark.parametrize("trials", [1, 2])
def test_one_trial_alone_was_not_chosen_for_its_error(nnrun: Nnrun, config: Callable[..., Path], trials: int) -> None:
    config(SMALL)
    nnrun("search", "-q", "--workers", "1", "--trials", str(trials), "--report")
    assert ("a little too good" in (the_search() / "report.html").read_text()) == (trials > 1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--trials", "3"], "was asked for 4 trials already; --trials must not be fewer"),
        (["--epochs", "9"], "--epochs has no meaning for a search"),
        (["--set", "seed=1"], "--set has no meaning for a search"),
        (["--timeout", "-1"], "Invalid value for '--timeout'"),
    ],
)
def test_resume_refuses_what_would_change_a_search(
    nnrun: Nnrun, config: Callable[..., Path], options: list[str], words: str
) -> None:
    config(SMALL)
    nnrun("search", "--workers", "1", "--trials", "4")
    before = (the_search() / "trials.jsonl").read_bytes()
    done = nnrun("resume", "latest", *options)
    assert done.code == 2
    assert words in done.err
    assert done.out == ""
    assert (the_search() / "trials.jsonl").read_bytes() == before


def test_a_search_that_was_killed_has_trials_and_no_best_run_yet(nnrun: Nnrun, config: Callable[..., Path]) -> None:
    config(SMALL)
    nnrun("search", "-q", "--workers", "1", "--trials", "2")
    found = the_search()
    shutil.rmtree(found / "best")
    RunDir(found).update_record(status="running")
    diagnosed = "no best trial to diagnose (2 done, 0 diverged"
    for verb, words in (("evaluate", "no best run: that"), ("diagnose", diagnosed)):
        refused = nnrun(verb)
        assert (refused.code, words in refused.err) == (2, True), refused.err
        assert f"`nnrun resume {found.name}` goes on; until then name a trial, such as " in refused.err
        assert nnrun(verb, refused.err.split()[-1]).code == 0
    assert nnrun("resume", found.name, "-q").code == 0
    assert nnrun("evaluate").code == 0


def test_an_ended_search_whose_best_run_was_removed_copies_it_again(nnrun: Nnrun, config: Callable[..., Path]) -> None:
    config(SMALL)
    nnrun("search", "-q", "--workers", "1", "--trials", "2")
    found = the_search()
    shutil.rmtree(found / "best")
    gone = f"best/ is gone, and `nnrun resume {found.name}` brings it back; until then name a trial, such as "
    for verb in ("evaluate", "diagnose"):
        refused = nnrun(verb)
        assert (refused.code, gone in refused.err, "yet" in refused.err) == (2, True, False)
    assert nnrun("resume", found.name, "-q").code == 0
    assert nnrun("evaluate").code == 0


def test_a_search_goes_on_where_its_data_was_moved(nnrun: Nnrun, config: Callable[..., Path]) -> None:
    rows = [f"{k % 7},{k % 5},{'ab'[k % 7 > 3]}" for k in range(80)]
    Path("old.csv").write_text("\n".join(["x,z,y", *rows]))
    config(SMALL.replace("iris", "old.csv, target: y"))
    nnrun("search", "--workers", "1", "--trials", "2")
    Path("old.csv").rename("new.csv")
    Path("other.csv").write_text("\n".join(["x,z,y", *rows[1:]]))
    lost = nnrun("resume", "latest", "--trials", "3", "--workers", "1")
    assert lost.code == 4
    way = f"no such file (if it was moved: `nnrun resume {the_search().name} --set data.source=FILE`)"
    assert way in lost.err.replace("; did you mean 'new.csv'?", "")
    for of in (the_search(), the_search() / "trials/0000"):
        told = nnrun("evaluate", str(of))
        assert told.code == 4 and re.match("the data of .*/", told.err) and way in told.err
    other = nnrun("resume", "latest", "--set", "data.source=other.csv")
    assert other.code == 4 and "the data there is not what it began with" in other.err
    moved = ("--workers", "1", "--set", "data.source=new.csv")
    for refused in (("--trials", "1"), ("--target", "200"), ("--set", "seed=2")):
        assert nnrun("resume", "latest", *refused, *moved).code == 2
    assert not any("new.csv" in path.read_text() for path in the_search().rglob("resolved.yaml"))
    assert nnrun("resume", "latest", "--trials", "3", *moved).code == 0
    assert len(records(the_search())) == 3
    assert all("new.csv" in path.read_text() for path in the_search().rglob("resolved.yaml"))
    assert nnrun("evaluate", str(the_search() / "trials/0000")).code == 0


def test_a_run_refuses_the_options_of_a_search(nnrun: Nnrun, config: Callable[..., Path]) -> None:
    config(SMALL)
    nnrun("train")
    for option in ("--trials", "--timeout", "--trial-timeout", "--stack"):
        done = nnrun("resume", "latest", option, "9")
        assert done.code == 2
        assert f"{option} has no meaning for one run" in done.err


def test_a_search_that_is_complete_resumes_to_itself(nnrun: Nnrun, config: Callable[..., Path]) -> None:
    config(SMALL)
    nnrun("search", "--workers", "1")
    before = outcome(the_search())
    done = nnrun("resume", "latest", "--workers", "1")
    assert done.code == 0
    assert "(test part read once)" in done.out
    assert outcome(the_search()) == before


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.soak)])
def test_an_interrupted_search_resumes_to_the_end_of_an_uninterrupted_one(
    start: Start, shell: Shell, nnrun: Nnrun, config: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    config(LONG)
    mark = f"NNRUN_TEST_MARK={Path.cwd()}"
    monkeypatch.setenv(*mark.split("=", 1))
    process = start("search", "--workers", "2", held_after=2)
    assert process.stderr is not None
    next(line for line in process.stderr if re.match(r" 2/16  trial", line))
    assert len(processes_with(mark)) >= 3, "the search and its two workers"
    process.send_signal(number)
    out, err = process.communicate(timeout=SECONDS)
    done = Done(process.returncode, out, err)
    assert done.code == 128 + number
    assert "stopping; once more to stop at once" in err
    assert "Traceback" not in err
    given_up = time.monotonic() + SECONDS
    while processes_with(mark):  # the server of the workers ends by itself, when it hears that the search has ended
        assert time.monotonic() < given_up, processes_with(mark)
        time.sleep(0.01)
    search = the_search()
    finished = (search / "trials.jsonl").read_bytes()
    assert 2 <= finished.count(b"\n") < 16
    assert json.loads((search / "run.json").read_text())["status"] == "interrupted"
    assert out.startswith(f"interrupted after {finished.count(10)} trials (")

    resumed = shell(next_command(done, "resume"))
    assert resumed.code == 0, resumed.err
    assert (search / "trials.jsonl").read_bytes().startswith(finished)
    nnrun("search", "--workers", "2", "--runs", "whole")
    assert outcome(search) == outcome(the_search(Path("whole")))


# what goes wrong


def test_errors_of_the_space_have_their_places(process: Nnrun, config: Callable[..., Path]) -> None:
    config(
        "search:\n"
        "  space:\n"
        "    optimizer.learning_rat: {log: [1e-4, 1]}\n"  # the unknown key begins at column 5
        "    regularization.l2: {log: [0, 1]}\n"  # `0` is the 31st character of its line
        "    network.width: {int: [9, 9]}\n"  # the list begins at the 26th
    )
    done = process("search", "--trials", "4")
    assert done.code == 3
    assert done.out == ""
    assert [line.split(" search.space.")[0] for line in done.err.splitlines()] == [
        "config   config.yaml",
        "config.yaml:3:5:",
        "config.yaml:4:31:",
        "config.yaml:5:26:",
    ]
    assert "did you mean learning_rate?" in done.err
    assert not Path("runs").exists() or not [path for path in Path("runs").iterdir() if path.name[0] != "."]


def test_a_metric_that_the_task_lacks_is_named_with_its_place(nnrun: Nnrun, config: Callable[..., Path]) -> None:
    config(SMALL.replace("  trials: 6\n", "  trials: 6\n  metric: dev_rmse\n"))
    done = nnrun("search")
    assert done.code == 3
    # "  metric: dev_rmse" is the seventh line; the value begins at column 11
    assert "config.yaml:7:11: search.metric: dev_rmse needs numbers to predict, and the target is classes" in done.err
    assert "use dev_error" in done.err
    assert not list(Path("runs").glob("2*"))


def test_a_strategy_that_does_not_exist_is_named_with_its_place(nnrun: Nnrun, config: Callable[..., Path]) -> None:
    config(SMALL.replace("  trials: 6\n", "  trials: 6\n  strategy: gird\n"))
    done = nnrun("search")
    assert done.code == 3
    # "  strategy: gird" is the seventh line; the value begins at column 13
    assert "config.yaml:7:13: " in done.err
    assert "no strategy 'gird'; did you mean grid? allowed: random, coarse_to_fine" in done.err
    done = nnrun("search", "--strategy", "Gird", "--json")
    assert done.code == 2
    [problem] = done.json["error"]["problems"]
    assert problem.startswith("--strategy: no strategy 'Gird'; did you mean grid? allowed: random, ")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_search_whose_trials_all_diverge_says_what_they_share(
    nnrun: Nnrun, config: Callable[..., Path], workers: str
) -> None:
    config(
        "data: {source: iris}\nnetwork: {hidden: [8]}\ntraining: {epochs: 3}\n"
        "optimizer: {name: sgd, learning_rate: 1e30}\n"
        "search: {trials: 4, space: {optimizer.learning_rate: {choice: [1e30, 1e31]}}}\n"
    )
    done = nnrun("search", "--workers", workers)
    assert done.code == 5
    assert "best none yet" in done.err
    assert "finished 4 trials (4 diverged)" in done.out
    assert "the 4 diverged trials have learning_rate 1e+30" in done.out
    assert done.next == [], "there is no best trial to show"
    assert not (the_search() / "best").exists()
    assert won(Results.of(StoredRun(RunDir(the_search()))), []) == "No trial has a result."
    assert nnrun("show").code == 0


def test_a_search_whose_trials_all_fail_ends_with_1(nnrun: Nnrun, config: Callable[..., Path]) -> None:
    config(LONG.replace("epochs: 20", "epochs: 1000000"))
    done = nnrun("search", "--trials", "3", "--trial-timeout", "0.5", "--workers", "3", "--stack", "1")
    assert done.code == 1
    assert done.err.count("failed (took longer than --trial-timeout)") == 3
    assert "finished 3 trials (3 failed)" in done.out
    assert "Traceback" not in done.err
    done = nnrun("search", "-q", "--trials", "2", "--trial-timeout", "0.001", "--workers", "1")
    assert (done.code, done.err) == (1, "nnrun: all trials failed; trial 0: took longer than --trial-timeout\n")


def test_a_target_ends_a_search_and_is_kept_until_another_is_given(nnrun: Nnrun, config: Callable[..., Path]) -> None:
    config(SMALL)
    done = nnrun("search", "--target", "0.99", "--workers", "1", "--stack", "1")
    assert done.code == 0
    assert done.out.startswith("target reached after 1 trial (1 done), ")
    search = the_search()
    assert done.next == [f"nnrun diagnose {search}", f"nnrun report {search}", f"nnrun show {search}/best"]
    again = nnrun("resume", "latest", "--workers", "1")
    assert again.code == 0
    assert again.out.startswith("target reached after 1 trial (1 done), ")
    whole = nnrun("resume", "latest", "--workers", "1", "--target=-1")
    assert whole.code == 0, whole.err
    assert whole.out.startswith("finished 6 trials (6 done), ")
    limits = {
        "timeout": None,
        "target": -1.0,
        "stop_when_flat": None,
        "trial_timeout": None,
        "trial_memory": None,
        "cluster_wait": None,
        "stack": 1,
    }
    assert yaml.safe_load((the_search() / "search.yaml").read_text())["limits"] == limits


def test_a_flat_search_ends_and_what_it_prints_goes_on(nnrun: Nnrun, config: Callable[..., Path]) -> None:
    config(SMALL)
    done = nnrun("search", "--trials", "24", "--stop-when-flat", "90%", "--workers", "1", "--stack", "1")
    assert done.code == 0, done.err
    assert done.out.startswith("nothing more to be expected after 21 trials (21 done), ")
    why = "flat     after 21 trials the 3 left are expected to improve dev_error by "
    shown = nnrun("show", "latest")
    assert all(why in text for text in (done.out, done.err, shown.out))
    going_on = done.next[-1]
    assert going_on == f"nnrun resume {the_search()} --stop-when-flat 0"
    whole = nnrun(*shlex.split(going_on)[1:], "--workers", "1")
    assert whole.out.startswith("finished 24 trials (24 done), ")
    assert "expected to improve" not in whole.out


def test_pruned_trials_are_told(nnrun: Nnrun, config: Callable[..., Path]) -> None:
    config(SMALL.replace("epochs: 3", "epochs: 8"))
    done = nnrun("search", "--trials", "20", "--set", "search.prune=median", "--workers", "1")
    assert done.code == 0, done.err
    assert "strategy random with median pruning, 20 trials, dev_error, 1 worker" in done.err
    assert "prune    trials behind the median of earlier ones, from trial 12 and epoch 2" in done.err
    pruned = re.findall(r"trial +(\d+) +[\d.]+% \(pruned at epoch (\d)\)", done.err)
    assert pruned
    for told in (done.out, nnrun("show", "latest").out):
        assert f"finished 20 trials (20 done, {len(pruned)} of them pruned), " in told
    number, epoch = pruned[0]
    assert f"pruned after {epoch} epochs in " in nnrun("show", f"latest/trials/{int(number):04d}").out
    refused = nnrun("search", "--strategy", "coarse_to_fine", "--set", "search.prune=median")
    assert (refused.code, "learns from results of whole trials" in refused.err) == (3, True)


@pytest.mark.parametrize("size", ["little", "-1", "nan", "5", "150%"])
def test_a_size_that_is_none_is_refused(nnrun: Nnrun, config: Callable[..., Path], size: str) -> None:
    config(SMALL)
    refused = nnrun("search", f"--stop-when-flat={size}")
    assert (refused.code, "--stop-when-flat" in refused.err) == (2, True)
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("metric", "target", "words"),
    [
        ("error", "5", "--target 5: 5 is 500%, more than any error of use; did you mean 5%?"),
        ("error", "-0.02", "--target -0.02: dev_error is never below 0; did you mean 0.02?"),
        ("error", "-2%", "did you mean 0.02?"),
        ("auc", "95", "did you mean 95%?"),
        ("auc", "-0.9", "the target of -dev_auc is a value of dev_auc, without the sign; did you mean 0.9?"),
        ("auc", "-95", "did you mean 95%?"),
        ("r2", "90", "did you mean 90%?"),
        ("r2", "-0.9", "--target -0.9: the target of -dev_r2 is a value of dev_r2"),
        ("error", "150%", "--target 150%: a share is at most 100%; of a metric that is none write 1.5"),
        ("error", "little", "--target little: not a number; write 0.02 or 2%"),
    ],
)
def test_a_target_that_says_nothing_is_refused(
    nnrun: Nnrun, config: Callable[..., Path], metric: str, target: str, words: str
) -> None:
    config(SMALL)
    refused = nnrun("search", "--set", f"metrics.primary={metric}", "--target", target)
    assert (refused.code, words in refused.err) == (2, True), refused.err
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("target", "ended"), [("99.99%", "finished 3 trials"), ("0.9999", "finished 3 trials"), ("0.3", "target reached")]
)
def test_a_target_of_a_metric_of_which_more_is_better(
    nnrun: Nnrun, config: Callable[..., Path], target: str, ended: str
) -> None:
    config(SMALL)
    one_by_one = ("--trials", "3", "--workers", "1", "--stack", "1")
    done = nnrun("search", "--set", "metrics.primary=auc", "--target", target, *one_by_one)
    assert done.out.startswith(ended), done.out + done.err


def test_time_is_counted_over_all_calls(nnrun: Nnrun, config: Callable[..., Path]) -> None:
    config(SMALL)
    done = nnrun("search", "--timeout", "1e-06", "--workers", "1")
    assert done.code == 1, "no trial is finished"
    assert done.out.startswith("time is up after 0 trials (none), ")
    assert done.next == [f"nnrun resume {the_search()} --timeout 60"]
    refused = nnrun("resume", "--timeout", "2e-06")
    assert refused.code == 2 and "--timeout 2e-06: the time of all calls counts" in refused.err
    assert nnrun("resume").out.startswith("time is up after 0 trials (none), ")
    seconds = json.loads((the_search() / "run.json").read_text())["running_seconds"]
    assert seconds > 0
    done = nnrun("resume", "latest", "--timeout", "6000", "--trial-timeout", "600", "--stack", "2", "--workers", "1")
    assert done.out.startswith("finished 6 trials (6 done), "), done.err
    assert json.loads((the_search() / "run.json").read_text())["running_seconds"] > seconds
    limits = {"timeout": 6000.0, "target": None, "stop_when_flat": None, "trial_timeout": 600.0}
    limits |= {"trial_memory": None, "cluster_wait": None, "stack": 2}
    assert yaml.safe_load((the_search() / "search.yaml").read_text())["limits"] == limits


def test_a_grid_of_few_points_says_that_all_are_tried(nnrun: Nnrun, config: Callable[..., Path]) -> None:
    config(SMALL)
    space = "search.space={network.width: {choice: [4, 8]}}"
    done = nnrun("search", "--strategy", "grid", "--set", space, "--workers", "1")
    assert done.code == 0
    assert done.out.startswith("all points tried after 3 trials (3 done), ")
    search = the_search()
    assert done.next == [f"nnrun diagnose {search}", f"nnrun report {search}", f"nnrun show {search}/best"]


def test_a_grid_says_what_it_leaves_out_and_what_takes_all(nnrun: Nnrun, config: Callable[..., Path]) -> None:
    config(SMALL)
    space = "search.space={network.width: {choice: [4, 8]}}"
    done = nnrun("search", "--strategy", "grid", "--trials", "2", "--set", space, "--workers", "1")
    told = "of the grid's 2 combinations 1 is left out; --trials 3 tries all"
    assert f"note     {told}\n" in done.err and f"note     {told}\n" in done.out
    assert json.loads((the_search() / "run.json").read_text())["notes"] == [told]
    done = nnrun("resume", "--trials", "3", "--workers", "1")
    assert done.out.startswith("finished 3 trials (3 done), ") and "left out" not in done.out + done.err
    assert json.loads((the_search() / "run.json").read_text())["notes"] == []


def test_little_memory_is_enough_for_a_small_network_and_less_is_refused(
    nnrun: Nnrun, config: Callable[..., Path]
) -> None:
    config(SMALL)
    done = nnrun("search", "--trial-memory", str(1 << 28), "--workers", "1", "--trials", "2")
    assert done.out.startswith("finished 2 trials (2 done), "), done.err
    assert nnrun("search", "--trial-memory", str((1 << 28) - 1)).code == 2


def test_show_of_a_search_that_was_killed_has_the_best_so_far(
    start: Start, nnrun: Nnrun, config: Callable[..., Path]
) -> None:
    config(LONG)
    process = start("search", "--workers", "2", "--stack", "1", held_after=2)
    assert process.stderr is not None
    next(line for line in process.stderr if re.match(r" 2/16  trial", line))
    shown = nnrun("show", "latest").out
    assert re.search(r"^running, \d+ of 16 trials so far$", shown, re.MULTILINE)
    process.kill()
    process.wait()
    shown = nnrun("show", "latest").out
    assert re.search(r"^interrupted, \d+ of 16 trials so far\n\ntrial  dev_error  width  ", shown, re.MULTILINE)
    assert nnrun("list", "--json").json["runs"][0]["status"] == "interrupted"


def test_a_search_without_a_test_part_says_so(nnrun: Nnrun, config: Callable[..., Path]) -> None:
    config(SMALL.replace("{source: iris}", "{source: iris, split: [0.7, 0.3, 0]}"))
    done = nnrun("search", "--workers", "1", "--trials", "2")
    assert re.search(r"^best     trial \d: dev [\d.]+%, no test part$", done.out, re.MULTILINE)


def test_a_ledger_with_a_torn_end_loses_that_trial_alone(nnrun: Nnrun, config: Callable[..., Path]) -> None:
    config(SMALL)
    nnrun("search", "--workers", "1")
    search = the_search()
    whole = outcome(search)
    ledger = (search / "trials.jsonl").read_bytes()
    (search / "trials.jsonl").write_bytes(ledger[:-100])
    number = json.loads(ledger.splitlines()[-1])["number"]
    assert nnrun("show").code == 0
    resumed = nnrun("resume", "latest", "--workers", "1")
    assert resumed.code == 0
    told = f"trials.jsonl: a torn last line was cut off; trial {number} restored from its directory"
    assert resumed.err.splitlines().count(told) == 1
    assert outcome(search) == whole


def test_show_prints_the_trials_as_csv_finished_or_not(nnrun: Nnrun, config: Callable[..., Path]) -> None:
    config(SMALL)
    nnrun("search", "--workers", "1")
    search = the_search()
    shown = nnrun("show", "--csv")
    assert shown.code == 0
    assert shown.out == (search / "trials.csv").read_text()
    first, *_, last = (search / "trials.jsonl").read_text().splitlines(keepends=True)
    (search / "trials.jsonl").write_text(first + last[:-9])  # as of a search that was killed
    lines = nnrun("show", "--csv").out.splitlines()
    assert lines == shown.out.splitlines()[:2]
    assert lines[0].endswith(",seed,network.width,optimizer.learning_rate")


def test_a_limit_that_the_system_does_not_hold_is_refused(
    nnrun: Any, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nnrun.machine.posix.LIMITS_MEMORY", False)
    done = nnrun("search", "--trial-memory", str(1 << 28), "--trials", "1")
    assert (done.code, done.out) == (2, "")
    assert done.err.endswith("--trial-memory: this system does not limit the memory of a process\n")
    assert not Path("runs").exists()


def test_it_is_told_before_the_first_trial_and_not_where_quiet_is_asked_for(nnrun: Nnrun, here: Path) -> None:
    settings = ("--trials", "2", "--set", "training.epochs=2", "--workers", "1")
    lines = nnrun("search", *settings).err.splitlines()
    places = [i for i, line in enumerate(lines) if line.startswith(("time     about ", "1/2  trial"))]
    assert [lines[i][:4] for i in places] == ["time", "1/2 "]
    assert "time " not in nnrun("search", *settings, "-q").err
