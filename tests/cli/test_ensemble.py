"""`nnrun ensemble`: what it makes, what it says, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnrun.models.model import load_model
from nnrun.models.verbs import evaluate
from nnrun.runs.checkpoints import drop_checkpoints, load_weights
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import StoredRun
from nnrun.search.running import SearchOutcome
from nnrun.search.study import Watcher
from nnrun.search.verbs import begin_seeds
from tests.asked import asking
from tests.cli.conftest import Done
from tests.cli.test_printed import quoted

Run = Callable[..., Done]

IRIS = ("--set", "data.source=iris", "--set", "training.epochs=4")
SPACE = "{optimizer.learning_rate: {log: [0.001, 0.1]}, network.hidden: {choice: [[4], [8]]}}"


def trained(nnrun: Run, *settings: str) -> str:
    """The path of a new run."""
    done = nnrun("train", *IRIS, *(word for setting in settings for word in ("--set", setting)), "--json")
    return str(done.json["path"])


def searched(nnrun: Run, *settings: str, trials: int = 6) -> str:
    options = (word for setting in (f"search.space={SPACE}", *settings) for word in ("--set", setting))
    return str(nnrun("search", *IRIS, "--trials", str(trials), *options, "--workers", "1", "--json").json["path"])


def record_of(run: str | Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(run) / "members.json").read_text())
    return found


def test_runs_that_are_named_are_pooled_with_equal_weights(nnrun: Run, here: Path) -> None:
    runs = [trained(nnrun, f"seed={seed}", "network.hidden=[8]") for seed in (0, 1)]
    runs.append(trained(nnrun, "network.hidden=[4, 4]", "network.activation=tanh", "data.normalize=none"))
    done = nnrun("ensemble", *runs, "--json")
    assert done.code == 0, done.err
    made, record = Path(done.json["path"]), record_of(done.json["path"])
    assert record["how"] == "runs" and record["weights"] == pytest.approx([1 / 3] * 3)
    assert [one["id"] for one in record["members"]] == [Path(run).name for run in runs]
    assert done.json["ensemble"]["members"] == record["members"] == done.json["members"]
    found = evaluate(load_model(StoredRun(RunDir(made))))
    for part in ("train", "dev", "test"):
        for name in ("error", "loss"):
            assert done.json["final"][f"{part}_{name}"] == pytest.approx(found.value(f"{part}_{name}"), rel=1e-5)
    for k, run in enumerate(runs):
        own = made / f"members/{k + 1:02d}"
        assert (own / "resolved.yaml").read_bytes() == (Path(run) / "resolved.yaml").read_bytes()
        best = "checkpoints/best.safetensors"
        assert (own / best).read_bytes() == (Path(run) / best).read_bytes()
        assert record["members"][k]["dev_error"] == pytest.approx(StoredRun(RunDir(Path(run))).final["dev_error"])
    assert StoredRun(RunDir(made)).status == "done" and done.json["parent"] is None
    assert found.test_reads == 2  # when it was made, and now


def test_what_leaving_one_out_would_cost(nnrun: Run, here: Path) -> None:
    runs = [trained(nnrun, f"seed={seed}", "network.hidden=[8]") for seed in (0, 1, 2)]
    record = record_of(nnrun("ensemble", *runs, "--json").json["path"])
    for k in range(3):
        others = nnrun("ensemble", *(run for run in runs if run != runs[k]), "--json").json["final"]
        assert record["members"][k]["without"] == pytest.approx(others["dev_error"])


def test_the_best_trials_of_a_search(nnrun: Run, here: Path) -> None:
    search = searched(nnrun)
    done = nnrun("ensemble", search, "--top", "3", "--json")
    ledger = [json.loads(line) for line in (Path(search) / "trials.jsonl").read_text().splitlines()]
    order = sorted(ledger, key=lambda r: (r["metric"], r["final"]["dev_loss"], r["number"]))
    name = Path(search).name
    assert [m["id"] for m in done.json["members"]] == [f"{name}/trials/{r['number']:04d}" for r in order[:3]]
    dev = done.json["ensemble"]["dev"]
    assert dev["taken"] == "equal" and dev["candidates"] == 6
    assert dev["naive"]["error"] == pytest.approx(done.json["final"]["dev_error"])
    assert dev["best_single"]["naive"]["error"] == pytest.approx(order[0]["final"]["dev_error"])
    whole = nnrun("ensemble", search, "--top", "7")
    assert whole.code == 2 and whole.err.endswith("6 trials with a result\n")
    halving = searched(nnrun, "search.strategy=halving", "training.epochs=9", trials=5)
    (Path(halving) / "trials" / "0009").mkdir()  # of one that was begun and did not end
    told = "4 trials with a result; of the 5 that ended, the others failed or were trained on as a later trial\n"
    assert told in nnrun("ensemble", halving, "--top", "5").err
    assert "one of --top N and --greedy N" in nnrun("ensemble", search).err


def test_greedy_selection_says_which_way_was_taken_and_why(nnrun: Run, here: Path) -> None:
    search = searched(nnrun)
    done = nnrun("ensemble", search, "--greedy", "5")
    assert done.code == 0, done.err
    (made,) = Path("runs").glob("*-ensemble-*")
    record = record_of(made)
    dev = record["dev"]
    gains = {way: dev[way]["cross_fitted"] for way in ("greedy", "equal")}
    worth = [way for way, of in gains.items() if dev[way]["members"] > 1 and of["gain"] > of["se"]]
    assert dev["taken"] == max(worth, key=lambda way: gains[way]["gain"], default="best_single")
    assert dev["naive"] == dev[dev["taken"]]["naive"]
    assert "naive" in done.out and "cross-fitted" in done.out and "one standard error" in done.out
    shown = nnrun("show", str(made)).out
    assert all(line in shown for line in done.out.split("\n\n")[1].splitlines())
    flattered = [line for line in nnrun("compare", str(made), search).out.splitlines() if "flatters" in line]
    assert flattered == [f"note     {who} among 6 {of}, which flatters"
                         for who, of in (("A: chosen", "candidates"), ("B: chosen", "trials"))]  # fmt: skip


def test_trials_that_did_not_learn_are_not_taken_with_equal_weights(nnrun: Run, here: Path) -> None:
    rates = "search.space={optimizer.learning_rate: {choice: [0.01, 0.02, 0.03, 1.0e-7]}}"
    more = ("search.strategy=grid", "training.epochs=60", "network.hidden=[16]", "metrics.primary=loss")
    search = searched(nnrun, rates, *more, trials=4)
    dev = nnrun("ensemble", search, "--greedy", "25", "--json").json["ensemble"]["dev"]
    assert dev["n"] == 25 and dev["candidates"] == 4 and dev["equal"]["members"] < 4
    for name in ("error", "loss"):
        assert dev["equal"]["naive"][name] <= dev["best_single"]["naive"][name]
    assert "25 best" not in nnrun("ensemble", search, "--greedy", "25").out


def test_without_a_gain_the_best_single_one_is_all_of_it(nnrun: Run, here: Path) -> None:
    """Labels that have nothing to do with the features: what a network says of them is as good as what others say."""
    rng = np.random.default_rng(5)
    rows = [f"{','.join(f'{a:.3f}' for a in row)},{'xy'[k % 2]}" for k, row in enumerate(rng.standard_normal((400, 8)))]
    Path("noise.csv").write_text("\n".join(["a,b,c,d,e,f,g,h,y", *rows]) + "\n")
    search = searched(nnrun, "data.source=noise.csv", "data.target=y", "training.epochs=20", trials=12)
    done = nnrun("ensemble", search, "--greedy", "8", "--json")
    dev, members = done.json["ensemble"]["dev"], done.json["members"]
    naive = dev["best_single"]["naive"]["error"] - dev["greedy"]["naive"]["error"]
    honest, se = (dev["greedy"]["cross_fitted"][key] for key in ("gain", "se"))
    print(f"gain on noise: naive {100 * naive:+.1f} points, cross-fitted {100 * honest:+.1f} ± {100 * se:.1f}")
    if dev["taken"] == "best_single":
        assert len(members) == 1 and members[0]["without"] is None
    assert naive > 0 and abs(honest) < 2 * se


@pytest.mark.parametrize("there", [True, False])
def test_what_an_ensemble_says_to_type_can_be_typed(
    there: bool, nnrun: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where ONNX files cannot be written."""
    monkeypatch.setattr("nnrun.installation.has_extra", lambda extra: there)
    runs = [trained(nnrun, f"seed={seed}") for seed in range(2)]
    done = nnrun("ensemble", *runs)
    assert len(done.next) == 3
    for line in done.next:
        assert nnrun(*shlex.split(line)[1:]).code == 0, line
    assert (Path("model.onnx").exists(), Path("model.py").exists()) == (there, not there)


def test_one_that_was_interrupted_is_trained_to_its_end(nnrun: Run, here: Path) -> None:
    runs = [trained(nnrun, f"seed={seed}") for seed in range(2)]
    RunDir(Path(runs[1])).update_record(status="running")
    told = refused(nnrun, *runs)
    assert nnrun(*quoted(told, "resume")).code == 0
    assert nnrun("ensemble", *runs).code == 0


def refused(nnrun: Run, *arguments: str) -> str:
    done = nnrun("ensemble", *arguments)
    assert done.code == 2, done.out + done.err
    assert not list(Path("runs").glob("*-ensemble-*")) and not list(Path("runs").glob(".creating-*"))
    return done.err


def test_members_need_one_data_set_one_split_and_one_target(nnrun: Run, here: Path) -> None:
    first = trained(nnrun)
    assert "another split" in refused(nnrun, first, trained(nnrun, "data.split_seed=1"))
    table = "\n".join(["a,b,c", *(f"{k % 7},{k % 5},{'xyz'[k % 3]}" for k in range(90))])
    Path("a.csv").write_text(table + "\n")
    of_file = trained(nnrun, "data.source=a.csv", "data.target=c")
    assert "another target" in refused(nnrun, first, of_file)
    assert "another target" in refused(nnrun, of_file, trained(nnrun, "data.source=a.csv", "data.target=b"))
    Path("a.csv").write_text(table + "\n1,1,x\n")
    assert "another data set" in refused(nnrun, of_file, trained(nnrun, "data.source=a.csv", "data.target=c"))
    told = refused(nnrun, first, trained(nnrun, "data.class_weight={setosa: 2}"))
    assert "another weight of rows" in told and "data.class_weight {setosa: 2, versicolor: 1, virginica: 1}" in told
    assert "instead of none" in told


def test_greedy_needs_one_metric(nnrun: Run, here: Path) -> None:
    runs = trained(nnrun), trained(nnrun, "metrics.primary=auc")
    assert "another metrics.primary" in refused(nnrun, *runs, "--greedy", "3")
    assert nnrun("ensemble", *runs).code == 0


def test_nothing_is_chosen_by_rows_that_were_trained_on(nnrun: Run, here: Path) -> None:
    rows = ["data.folds=5", "data.fold=all"]
    runs = [trained(nnrun, *rows, f"seed={seed}") for seed in (0, 1)]
    assert "so that none are left to choose by" in refused(nnrun, *runs, "--greedy", "3")
    done = nnrun("ensemble", *runs)
    record = json.loads(nnrun("show", "latest", "--json").out)
    assert done.code == 0 and not re.search(r"\bdev\b(?! set:)|compared|without", done.out)
    assert all(one["dev_error"] is one["dev_loss"] is one["without"] is None for one in record["members"])
    assert "train_error" in record["final"] and not any(key.startswith("dev_") for key in record["final"])


def test_one_dev_row_is_too_few_to_choose_by_and_to_measure_the_choice(nnrun: Run, here: Path) -> None:
    search = searched(nnrun, "data.split=[0.953, 0.007, 0.04]", trials=3)
    for way in ("--greedy", "--top"):
        assert "dev has a single row" in refused(nnrun, search, way, "2")
    two = searched(nnrun, "data.split=[0.947, 0.013, 0.04]", trials=3)
    assert nnrun("ensemble", two, "--greedy", "2").code == 0


def test_one_alone_one_twice_and_one_that_has_not_ended_are_refused(nnrun: Run, here: Path) -> None:
    first, other = trained(nnrun), trained(nnrun, "seed=1")
    assert "two members or more" in refused(nnrun, first)
    assert "named twice" in refused(nnrun, first, other, Path(first).name)
    assert "are one network" in refused(nnrun, first, trained(nnrun))
    lost = str(nnrun("train", *IRIS, "--set", "optimizer.learning_rate=1e30", "--json").json["path"])
    assert "it diverged" in refused(nnrun, first, lost)
    RunDir(Path(other)).update_record(status="running")
    assert "was interrupted" in refused(nnrun, first, other)
    with RunDir(Path(other)).locked():
        assert "is still training" in refused(nnrun, first, other)
    assert "--top takes" in refused(nnrun, first, other, "--top", "2")


def test_a_trial_whose_checkpoint_was_pruned(nnrun: Run, here: Path) -> None:
    search = searched(nnrun)
    worst = Path(nnrun("ensemble", search, "--top", "6", "--json").json["members"][-1]["id"]).name
    for made in Path("runs").glob("*-ensemble-*"):
        made.rename(here / made.name)
    drop_checkpoints(RunDir(Path(search) / "trials" / worst))
    told = refused(nnrun, search, "--top", "6")
    assert f"nnrun train {Path(search) / 'trials' / worst / 'resolved.yaml'}" in told.replace(f"{here}/", "")
    assert "pruned" in told
    assert nnrun("ensemble", search, "--top", "5").code == 0
    assert nnrun("ensemble", search, "--greedy", "5", "--json").json["ensemble"]["dev"]["candidates"] == 5


def test_an_ensemble_among_the_members_is_flattened(nnrun: Run, here: Path) -> None:
    runs = [trained(nnrun, f"seed={seed}") for seed in range(3)]
    pair = nnrun("ensemble", *runs[:2], "--json").json["path"]
    done = nnrun("ensemble", pair, runs[2], "--json")
    members = done.json["ensemble"]["members"]
    assert [m["weight"] for m in members] == pytest.approx([0.5, 0.25, 0.25])
    assert [m["id"] for m in members] == [Path(runs[k]).name for k in (2, 0, 1)]
    assert any("its 2 members take its place" in line for line in done.json["ensemble"]["told"])
    again = nnrun("ensemble", pair, runs[0], "--json").json["ensemble"]
    assert [m["weight"] for m in again["members"]] == pytest.approx([0.75, 0.25])
    assert any("more than once" in line for line in again["told"])


def test_nobody_trains_an_ensemble_on(nnrun: Run, here: Path) -> None:
    runs = [trained(nnrun, f"seed={seed}") for seed in range(2)]
    made = nnrun("ensemble", *runs, "--json").json["path"]
    before = sorted((path, path.stat().st_mtime_ns) for path in Path(made).rglob("*") if path.is_file())
    for name in (made, f"{Path(made).name}/members/02"):
        for words in (("resume", name), ("rewind", name), ("nudge", name, "--set", "seed=1"), ("pause", name)):
            done = nnrun(*words)
            assert done.code == 2 and "made of runs that have ended" in done.err, (words, done.err)
        assert nnrun(*quoted(done.err, "train"), "-q").code == 0
    assert before == sorted((path, path.stat().st_mtime_ns) for path in Path(made).rglob("*") if path.is_file())
    assert nnrun("evaluate", f"{Path(made).name[:20]}/members/02").code == 0


def test_an_ensemble_whose_members_file_is_gone_is_not_begun_anew(nnrun: Run, here: Path) -> None:
    made = Path(nnrun("ensemble", *(trained(nnrun, f"seed={seed}") for seed in range(2)), "--json").json["path"])
    (made / "members.json").unlink()
    before = (made / "run.json").read_bytes()
    for words in (("resume", made), ("rewind", made)):
        done = nnrun(*words)
        assert done.code == 4 and "members.json" in done.err, done.err
    assert (made / "run.json").read_bytes() == before and not (made / "metrics.jsonl").read_text()


def test_a_folder_that_cannot_be_written_to_is_an_error(nnrun: Run, here: Path) -> None:
    runs = [trained(nnrun, f"seed={seed}") for seed in range(2)]
    Path("closed").mkdir()
    Path("closed").chmod(0o500)
    if os.access("closed", os.W_OK):
        pytest.skip("this user may write anywhere")
    done = nnrun("ensemble", *runs, "--runs", "closed")
    assert done.code == 2 and "cannot make a run there" in done.err


@pytest.mark.parametrize(
    "more",
    [
        (),
        ("training.average={ema: 0.95}", "network.ensemble=2"),
        ("training.changes={3: {optimizer.schedule: exponential, optimizer.learning_rate: 0.002}}",),
    ],
)
def test_snapshots_are_the_states_at_the_ends_of_cycles(nnrun: Run, here: Path, more: tuple[str, ...]) -> None:
    first = trained(nnrun, "training.epochs=7", "network.batch_norm=true", *more)
    done = nnrun("ensemble", first, "--snapshots", "3", "--json")
    assert done.code == 0, done.err
    made, members = Path(done.json["path"]), done.json["members"]
    assert [one["best_epoch"] for one in members] == [2, 4, 7]
    (run,) = (path for path in Path("runs").iterdir() if path.name == members[0]["id"])
    rows = StoredRun(RunDir(run)).rows
    for k, one in enumerate(members):
        assert one["dev_error"] == pytest.approx(rows[one["best_epoch"] - 1]["dev_error"])
        assert one["dev_loss"] == pytest.approx(rows[one["best_epoch"] - 1]["dev_loss"], rel=1e-5)
        inside = StoredRun(RunDir(made / f"members/{k + 1:02d}"))
        assert (len(inside.rows), inside.record["epochs"], inside.status) == (
            one["best_epoch"],
            one["best_epoch"],
            "done",
        )
        assert "test_error" not in inside.final and evaluate(load_model(inside)).value("dev_error") is not None
    before = len(list(Path("runs").iterdir()))
    again = nnrun("ensemble", run.name, "--snapshots", "3", "--json")  # it is trained already
    assert len(list(Path("runs").iterdir())) == before + 1
    assert again.json["final"] == done.json["final"]
    assert not list(Path("runs").glob(".creating-*"))
    told = nnrun("ensemble", first, "--snapshots", "8").err
    assert "trains 7 epochs, and a cycle is one or more" in told


def test_cycles_share_the_epochs_that_a_run_came_to_on_its_way(nnrun: Run, here: Path) -> None:
    run = trained(nnrun, "training.changes={3: {training.epochs: 6}}")
    done = nnrun("ensemble", run, "--snapshots", "3", "--json")
    assert done.code == 0, done.err
    assert [one["best_epoch"] for one in done.json["members"]] == [2, 4, 6]


@pytest.mark.parametrize("swa", ["training.average={swa: 2}", "training.changes={2: {training.average.swa: 2}}"])
def test_snapshots_are_no_averages_over_cycles(nnrun: Run, here: Path, swa: str) -> None:
    cycles = "optimizer.schedule={name: cosine, cycles: 2}"
    done = [nnrun("ensemble", trained(nnrun, cycles, *more), "--snapshots", "2") for more in ((), (swa,))]
    assert "early stopping and swa, which would average over cycles, are off" in " ".join(done[1].err.split())
    losses, same = ([line for line in each.out.splitlines() if line.startswith("loss ")] for each in done)
    assert losses == same


def test_a_rewound_state_is_that_snapshot(nnrun: Run, here: Path) -> None:
    """What training comes to at the end of an epoch is what its member says."""
    made = Path(nnrun("ensemble", trained(nnrun), "--snapshots", "2", "--json").json["path"])
    run = json.loads((made / "members.json").read_text())["members"][0]["id"]
    child = nnrun("rewind", run, "--to", "1", "--json").json["path"]  # which trains epoch 2 again
    (state,) = (path for path in (Path(child) / "checkpoints").glob("epoch-000002.safetensors"))
    inside = load_weights(RunDir(made / "members/01"))
    then = load_weights(RunDir(Path(child)), state.stem)
    assert all((inside[name] == then[name]).all() for name in inside)


def test_lists_and_pages_say_what_it_is(nnrun: Run, here: Path) -> None:
    runs = [trained(nnrun, f"seed={seed}") for seed in range(2)]
    made = nnrun("ensemble", *runs, "--json").json["path"]
    assert "2 members" in nnrun("list").out
    listed = nnrun("list", "--json", "--filter", "members=2").json["runs"]
    assert [(one["id"], one["members"], one["name"]) for one in listed] == [(Path(made).name, 2, "digits")]
    assert "an ensemble of 2 members" in nnrun("show", made).out
    assert "config of its first member" in " ".join(nnrun("diagnose", made).out.split()).replace("note ", "")
    assert "is an ensemble of 2" in nnrun("compare", made, runs[0]).out
    assert nnrun("report", made).code == 0
    page = (Path(made) / "report.html").read_text()
    assert "What each is worth" in page and Path(runs[1]).name in page


def test_one_way_at_a_time(nnrun: Run, here: Path) -> None:
    runs = [trained(nnrun, f"seed={seed}") for seed in range(2)]
    assert "--top and --greedy: only one" in refused(nnrun, *runs, "--top", "2", "--greedy", "3")
    assert "trains the config of one run" in refused(nnrun, *runs, "--seeds", "3")
    made = nnrun("ensemble", *runs, "--json").json["path"]
    assert f"{Path(made).name}/members/01" in nnrun("ensemble", made, "--seeds", "3").err


def test_cycles_that_were_interrupted_go_on_as_it_says(nnrun: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, asked = trained(nnrun), iter(range(1000))
    stopped = [lambda shown, train: (train(None, lambda: next(asked) > 6, []), 130)]
    with monkeypatch.context() as patch:
        patch.setattr("nnrun.cli.ensemble._trained", stopped[0])
        done = nnrun("ensemble", first, "--snapshots", "2")
    assert done.code == 130 and not list(Path("runs").glob("*-ensemble-*"))
    assert [shlex.split(line)[1] for line in done.next] == ["resume", "ensemble"]
    for line in done.next:
        assert nnrun(*shlex.split(line)[1:]).code == 0, line
    (made,) = Path("runs").glob("*-ensemble-*")
    assert len(record_of(made)["members"]) == 2


def test_seeds_that_were_interrupted_go_on_as_it_says(nnrun: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, asked = trained(nnrun), iter(range(1000))

    def stopped(run: StoredRun, n: int, root: Path, *told: Any) -> SearchOutcome:
        return begin_seeds(run, n, root, asking(stack=1), Watcher(), lambda: next(asked) > 2)

    with monkeypatch.context() as patch:
        patch.setattr("nnrun.search.verbs.begin_seeds", stopped)
        done = nnrun("ensemble", first, "--seeds", "4", "--cluster", "local:1")
    assert done.code == 130 and not list(Path("runs").glob("*-ensemble-*"))
    assert nnrun(*quoted(done.err, "ensemble")).code != 0  # not yet
    (again,) = [shlex.split(line)[1:] for line in done.next if shlex.split(line)[1] == "resume"]
    assert nnrun(*again).code == 0
    assert nnrun(*quoted(done.err, "ensemble")).code == 0
    (made,) = Path("runs").glob("*-ensemble-*")
    assert len(record_of(made)["members"]) == 4
    assert nnrun("ensemble", first, "--snapshots", "2", "--cluster", "local:1").code == 2
    assert nnrun("diagnose", first, "--cluster", "local:1").code == 2


def test_a_state_that_is_gone_is_trained_again(nnrun: Run, here: Path) -> None:
    made = nnrun("ensemble", trained(nnrun), "--snapshots", "2", "--json").json
    run = Path("runs") / made["members"][0]["id"]
    (run / "checkpoints/epoch-000002.safetensors").unlink()
    told = nnrun("ensemble", str(run), "--snapshots", "2")
    assert told.code == 2 and "keeps no state of epoch 2" in told.err
    again = nnrun(*quoted(told.err, "train"), "--json").json["path"]
    done = nnrun("ensemble", again, "--snapshots", "2", "--json").json
    assert done["final"] == made["final"]


def test_a_cross_validation_is_no_member_but_may_be_trained_with_several_seeds(nnrun: Run, here: Path) -> None:
    folds = trained(nnrun, "data.folds=3")
    assert "is their ensemble already" in refused(nnrun, folds, trained(nnrun))
    assert "is a cross-validation" in refused(nnrun, folds, "--snapshots", "2")
    search = searched(nnrun, "data.folds=2", trials=2)
    for way in ("--top", "--greedy"):
        assert "is their ensemble already" in refused(nnrun, search, way, "2")
    done = nnrun("ensemble", folds, "--seeds", "2", "--json")
    assert done.code == 0 and StoredRun(RunDir(Path(done.json["path"]))).config.network.ensemble == 2


def test_members_have_no_temperature_of_their_own(nnrun: Run, here: Path) -> None:
    much = (
        "data.source=breast_cancer",
        "data.split=[0.1, 0.4, 0.5]",
        "training.epochs=40",
    )  # enough to be calibrated by
    runs = [trained(nnrun, f"seed={seed}", *much) for seed in range(2)]
    before = nnrun("ensemble", *runs, "--json").json["final"]
    assert nnrun("evaluate", runs[0], "--calibrate").code == 0
    assert load_model(StoredRun(RunDir(Path(runs[0])))).temperature != 1
    done = nnrun("ensemble", *runs, "--json").json
    assert done["final"] == before
    measured = evaluate(load_model(StoredRun(RunDir(Path(done["path"])))))
    assert measured.value("dev_loss") == pytest.approx(before["dev_loss"], rel=1e-5)


def test_several_seeds_are_a_run_like_any_other(nnrun: Run, here: Path) -> None:
    first = trained(nnrun, "network.hidden=[6]")
    done = nnrun("ensemble", first, "--seeds", "3")
    assert done.code == 0 and "ensemble of 3" in done.out
    (made,) = (path for path in Path("runs").glob("[!.]*") if path.name != Path(first).name)
    config = StoredRun(RunDir(made)).config
    assert (config.network.ensemble, list(config.network.hidden)) == (3, [6])
    assert not (made / "members.json").exists()
