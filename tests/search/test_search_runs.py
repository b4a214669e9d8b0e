"""A search as a whole: the same with any number of workers, extended, resumed, and honest in the end."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from nnrun.api import load_run
from nnrun.config.load import load_config
from nnrun.errors import ConfigError, UsageError
from nnrun.models.model import load_model
from nnrun.runs import verbs
from nnrun.runs.checkpoints import drop_checkpoints, why_dropped
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import StoredRun
from nnrun.search.ledger import Ledger
from nnrun.search.record import rank
from nnrun.search.running import SearchOutcome
from nnrun.search.seeds import trial_seed
from nnrun.search.stored import StoredSearch
from nnrun.search.study import Watcher
from nnrun.search.verbs import resume
from tests.asked import asking

Search = Callable[..., SearchOutcome]
Stored = Callable[[RunDir], tuple[list[dict[str, Any]], dict[int, bytes]]]


def again(run: RunDir, trials: int | None = None, told_to_stop: Any = None, **options: Any) -> SearchOutcome:
    return resume(run, trials, asking(**options), Watcher(), told_to_stop or (lambda: False))


def after(looks: int) -> Callable[[], bool]:
    """Told to stop at the look of this number."""
    left = iter([False] * looks)
    return lambda: next(left, True)


# layers


def test_networks_are_searched_layer_by_layer(search: Search, stored: Stored) -> None:
    shapes: list[list[int]] = [[], [6], [6, 4], [4, 4, 3]]
    settings = (f"search.space={{network.hidden: {{choice: {shapes}}}, training.batch_size: {{choice: [16, 32]}}}}",
                "search.trials=20", "training.epochs=2", "network.hidden=[6]")  # fmt: skip
    outcome = search(*settings)
    tried = [record["values"]["network.hidden"] for record in outcome.records]
    assert tried[0] == [6], "as written"
    assert all(shape in tried for shape in shapes)
    for record in outcome.records:
        trial = RunDir(outcome.run.path / "trials" / f"{record['number']:04d}")
        assert list(StoredRun(trial).config.network.hidden) == record["values"]["network.hidden"]
    assert stored(search(*settings, stack=1, workers=2).run) == stored(outcome.run)
    titles, rows = StoredSearch(StoredRun(outcome.run)).table
    assert [row[titles.index("network.hidden")] for row in rows] == tried


# the checkpoints of the best


@pytest.mark.parametrize("strategy", ["random", "halving"])
def test_trials_that_are_not_among_the_best_lose_their_checkpoints(
    search: Search, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, strategy: str
) -> None:
    monkeypatch.setattr("nnrun.search.study.CHECKPOINTS_KEPT", 3)
    outcome = search(f"search.strategy={strategy}", "training.epochs=9")
    trials = [RunDir(outcome.run.path / "trials" / f"{n:04d}") for n in range(12)]
    ranked = sorted(range(12), key=lambda n: rank(outcome.records[n]))
    kept = [trials[number] for number in ranked[:3]]
    assert {run.id for run in trials if not why_dropped(run)} == {run.id for run in kept}

    (trials[ranked[5]].path / "checkpoints").mkdir()  # spared by a kill
    again(outcome.run)
    assert {run.id for run in trials if not why_dropped(run)} == {run.id for run in kept}


def test_a_pruned_trial_says_so_and_is_trained_again_to_the_same_bytes(search: Search, tmp_path: Path) -> None:
    run = RunDir(search("search.trials=2").run.path / "trials/0001")
    before = run.read("checkpoints/best.safetensors")
    drop_checkpoints(run)
    with pytest.raises(UsageError, match=r"were pruned.*; `nnrun train .*trials/0001/resolved\.yaml` trains it again"):
        load_run(str(run.path)).weights()
    again = verbs.train(load_config(run.path / "resolved.yaml"), tmp_path / "again").run
    assert again.read("checkpoints/best.safetensors") == before


def test_a_stage_rests_on_the_trial_that_the_search_calls_the_best(search: Search, stored: Stored) -> None:
    settings = ["search.strategy=coarse_to_fine", "data.source=iris", "training.epochs=9"]
    whole = search(*settings, "search.trials=38")
    for stage in whole.record["stages"]:
        assert stage["best"] == min(whole.records[: stage["first"]], key=rank)["number"]
    shared = [record["metric"] for record in whole.records].count(min(record["metric"] for record in whole.records))
    assert shared > 1, "else the dev loss decides nothing"
    part = search(*settings, "search.trials=17")
    assert stored(again(part.run, 38).run) == stored(whole.run)


# the same search, however it is run


@pytest.mark.parametrize("strategy", ["random", "coarse_to_fine", "halving"])
def test_workers_and_stacking_change_nothing(search: Search, stored: Stored, strategy: str) -> None:
    settings = [f"search.strategy={strategy}", "search.trials=15", "training.epochs=9"]
    alone = search(*settings, workers=1, stack=1)
    assert [record["number"] for record in alone.records] == list(range(15))
    for workers, most in ((1, 16), (2, 1), (2, 16)):
        other = search(*settings, workers=workers, stack=most)
        assert stored(other.run) == stored(alone.run)
        for key in ("best_trial", "best_epoch", "final", "counts", "status", "stages", "notes"):
            assert other.record[key] == alone.record[key]
        best = "best/checkpoints/best.safetensors"
        assert other.run.read(best) == alone.run.read(best)


def test_members_that_end_early_are_as_if_alone(search: Search, stored: Stored) -> None:
    settings = ["regularization.early_stopping={patience: 2}", "training.epochs=30", "network.batch_norm=true"]
    settings += ["search.space={optimizer.learning_rate: {log: [1e-3, 1e4]}}", "optimizer.name=sgd"]
    alone, together = (search(*settings, stack=most) for most in (1, 16))
    assert stored(alone.run) == stored(together.run)
    assert len({record["epochs"] for record in alone.records}) > 2


def test_statistics_of_layers_are_those_of_the_trial_alone(search: Search) -> None:
    """Of which one has dropout, and the other none, though a stack has one network."""
    space = "{regularization.dropout: {choice: [0.0, 0.3]}, regularization.input_dropout: {choice: [0.0, 0.1]}}"
    settings = [f"search.space={space}", "search.strategy=grid", "search.trials=4", "training.layer_statistics=true"]
    alone, together = (search(*settings, stack=most).run for most in (1, 16))
    layers = [[row["layers"] for n in range(4) for row in RunDir(run.path / f"trials/{n:04d}").metrics()]
              for run in (alone, together)]  # fmt: skip
    assert layers[0] == layers[1]
    assert len({tuple(found) for found in layers[0]}) > 2


def test_trials_may_differ_in_how_many_members_share_their_body(search: Search, stored: Stored, tmp_path: Path) -> None:
    """Those of as many are one stack; NumPy trains all, also those of one, and each can be trained again alone."""
    space = "{network.members: {choice: [1, 2, 3]}, optimizer.learning_rate: {log: [1e-3, 0.1]}}"
    settings = [f"search.space={space}", "network.batch_norm=true", "regularization.dropout=0.2"]
    alone, together = (search(*settings, stack=most) for most in (1, 16))
    assert stored(alone.run) == stored(together.run)
    of_each = [record["values"]["network.members"] for record in alone.records]
    assert set(of_each) == {1, 2, 3} and max(map(of_each.count, of_each)) > 1
    for members in (1, 2, 3):
        trial = RunDir(together.run.path / f"trials/{of_each.index(members):04d}")
        config = load_config(trial.path / "resolved.yaml")
        assert (config.config.network.members, config.config.training.engine) == (members, "numpy")
        trained = verbs.train(config, tmp_path / "again").run
        assert trained.read("checkpoints/best.safetensors") == trial.read("checkpoints/best.safetensors")
    best = load_model(StoredRun(together.run))
    assert [one.network.members for one in best.members] == [of_each[together.record["best_trial"]]]


def test_training_the_config_of_a_trial_gives_its_bits(search: Search, tmp_path: Path) -> None:
    run = search(workers=2).run
    for number in (0, 7, 11):
        trial = RunDir(run.path / f"trials/{number:04d}")
        trained = verbs.train(load_config(trial.path / "resolved.yaml"), tmp_path / "alone").run
        name = "checkpoints/best.safetensors"
        assert trained.read(name) == trial.read(name)


@pytest.mark.parametrize("strategy", ["halving", "coarse_to_fine_halving"])
def test_a_rung_ends_within_a_schedule_of_all_epochs(search: Search, tmp_path: Path, strategy: str) -> None:
    schedules = (
        "search.space={optimizer.schedule: {choice: [one_cycle, cosine]}, optimizer.learning_rate: {log: [0.001, 0.1]}}"
    )
    settings = (f"search.strategy={strategy}", "search.trials=16", "training.epochs=9")
    outcome = search(schedules, *settings, workers=2, repeat=2)
    assert {record["epochs"] for record in outcome.records} >= {3, 9}
    last, short = (RunDir(outcome.run.path / f"trials/{number:04d}") for number in (15, 2))
    assert last.read_record()["parent"], "it went on"
    alone = verbs.train(load_config(last.resolved), tmp_path / "alone").run
    assert alone.read("checkpoints/best.safetensors") == last.read("checkpoints/best.safetensors")
    for each in outcome.record["repeats"]:
        repeated = Ledger(outcome.run.path / f"repeats/{each['trial']:04d}/trials.jsonl").read()[0]
        assert {record["epochs"] for record in repeated} == {outcome.records[each["trial"]]["epochs"]}
    again, told = verbs.rerun(short, tmp_path / "again")
    assert (len(again.rows), told.first, told.pruned) == (9, None, True), "alone it trains to its end"


@pytest.mark.parametrize("strategy", ["halving", "coarse_to_fine_halving"])
def test_trials_that_continue_each_other_are_one_training(search: Search, strategy: str) -> None:
    """Both may have one best epoch, so one network: an ensemble of the best trials has each once."""
    outcome = search(f"search.strategy={strategy}", "search.trials=16", "training.epochs=9")
    runs = [RunDir(outcome.run.path / f"trials/{record['number']:04d}") for record in outcome.records]
    parents = [run.read_record()["parent"] for run in runs]
    assert [record.get("parent") for record in outcome.records] == parents
    ranked = StoredSearch(StoredRun(outcome.run)).ranked
    assert len(ranked) == sum(parent is None for parent in parents) < 16
    networks = [run.read("checkpoints/best.safetensors") for run in ranked]
    assert len({*networks}) == len(networks)
    assert int(ranked[0].id) == outcome.record["best_trial"]


@pytest.mark.parametrize("strategy", ["random", "halving"])
def test_seconds_of_training_count_each_epoch_once(search: Search, strategy: str) -> None:
    outcome = search(f"search.strategy={strategy}", "search.trials=13", "training.epochs=9")
    spent = 0.0
    for record in outcome.records:
        run = RunDir(outcome.run.path / f"trials/{record['number']:04d}")
        own = run.metrics()[(run.read_record()["parent"] or {"epoch": 0})["epoch"] :]
        assert record["seconds"] == pytest.approx(sum(row["seconds"] for row in own))
        spent += record["seconds"]
    assert outcome.record["seconds"] == pytest.approx(spent)


def test_trial_0_is_the_config_as_written(search: Search, tmp_path: Path) -> None:
    outcome = search("search.trials=1")
    trained = verbs.train(load_config(outcome.run.path / "resolved.yaml"), tmp_path / "alone").run
    name = "checkpoints/best.safetensors"
    assert trained.read(name) == outcome.run.read(f"trials/0000/{name}")
    assert outcome.records[0]["seed"] == 3
    assert trial_seed(3, 0) == 3
    assert len({trial_seed(3, number) for number in range(1000)}) == 1000


# extended


@pytest.mark.parametrize("strategy", ["random", "sobol", "coarse_to_fine"])
def test_an_extended_search_equals_one_of_that_length(search: Search, stored: Stored, strategy: str) -> None:
    settings = [f"search.strategy={strategy}", "training.epochs=2"]
    short = search(*settings, "search.trials=20").run
    first = stored(short)
    again(short, 30, workers=2)
    long = search(*settings, "search.trials=30")
    assert stored(short) == stored(long.run)
    assert stored(short)[0][:20] == first[0]
    assert short.read_json("run.json")["best_trial"] == long.record["best_trial"]
    assert yaml.safe_load(short.read("search.yaml"))["totals"] == [20, 30]


def test_each_optimizer_has_its_usual_values_in_a_search_that_goes_on_too(search: Search, stored: Stored) -> None:
    """Others than those of the config's own optimizer, which its resolved.yaml has as numbers."""
    settings = ["search.space={optimizer.name: {choice: [adam, adamw, momentum, rmsprop]}}", "training.epochs=2"]
    short, long = search(*settings, "search.trials=3").run, search(*settings, "search.trials=12").run
    again(short, 12)
    assert stored(short) == stored(long)
    names = {record["values"]["optimizer.name"] for record in stored(long)[0][3:]}
    assert len(names) > 2


def test_trials_that_a_longer_search_goes_on_with_keep_their_checkpoints(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those that are not among the best; by a schedule that shows whether a trial went on or began anew."""
    monkeypatch.setattr("nnrun.search.study.CHECKPOINTS_KEPT", 2)
    settings = ["search.strategy=coarse_to_fine_halving", "training.epochs=9", "optimizer.schedule=cosine"]
    run = search(*settings, "search.trials=12").run
    extended, whole = again(run, 16).records, search(*settings, "search.trials=16").records
    assert [(r["curve"], r["final"]) for r in extended] == [(r["curve"], r["final"]) for r in whole]
    left = [number for number in range(16) if not why_dropped(RunDir(run.path / "trials" / f"{number:04d}"))]
    assert len(left) == 2, "in the end the best alone"


def test_what_is_finished_is_finished(search: Search) -> None:
    run = search().run
    before = {path: path.stat().st_mtime_ns for path in (run.path / "trials").rglob("*")}
    ledger = run.read("trials.jsonl")
    outcome = again(run)
    assert outcome.status == "done"
    assert {path: path.stat().st_mtime_ns for path in (run.path / "trials").rglob("*")} == before
    assert run.read("trials.jsonl") == ledger


def test_fewer_trials_than_before_are_refused(search: Search) -> None:
    run = search("search.trials=4").run
    with pytest.raises(UsageError, match="was asked for 4 trials already"):
        again(run, 3)


def test_a_changed_space_is_refused_with_the_difference(search: Search) -> None:
    run = search("search.trials=2").run
    text = run.read("resolved.yaml").decode()
    changed = yaml.safe_load(text)
    changed["search"]["space"]["optimizer.learning_rate"] = {"log": [1e-4, 0.2]}
    del changed["search"]["space"]["regularization.l2"]
    run.write("resolved.yaml", yaml.safe_dump(changed))
    with pytest.raises(UsageError) as caught:
        again(run, 4)
    message = str(caught.value)
    assert ": space changed since the search began" in message
    assert "optimizer.learning_rate: {log: [0.0001, 0.1]} → {log: [0.0001, 0.2]}" in message
    assert "regularization.l2: removed" in message
    run.write("resolved.yaml", text)
    assert len(again(run, 4).records) == 4


def test_an_unknown_strategy_is_refused_before_anything_is_made(search: Search, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no strategy 'rundom'"):
        search("search.strategy=rundom")
    assert not list(tmp_path.glob("runs/2*"))


def test_of_two_processes_on_one_search_the_second_is_refused(search: Search) -> None:
    run = search("search.trials=2").run
    script = (
        "import sys; from pathlib import Path; from nnrun.runs.rundir import RunDir\n"
        "with RunDir(Path(sys.argv[1])).locked(): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(run.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match=r"process \d+ on .* is training this run"):
            again(run, 4)
        other.communicate()
    assert len(again(run, 4).records) == 4


# stopped


def test_told_to_stop_and_resumed_it_comes_to_the_same_end(search: Search, stored: Stored) -> None:
    whole = search(stack=1)
    part = search(stack=1, told_to_stop=after(5))
    assert part.status == "interrupted"
    assert 0 < len(part.records) < 12
    outcome = again(part.run)
    assert outcome.status == "done"
    assert stored(part.run) == stored(whole.run)
    assert outcome.record["best_trial"] == whole.record["best_trial"]


def test_told_to_stop_after_the_last_trial_it_is_done(search: Search, tmp_path: Path) -> None:
    def stop() -> bool:
        ledgers = list(tmp_path.glob("runs/*/trials.jsonl"))
        return bool(ledgers) and len(Ledger(ledgers[0]).read()[0]) == 12

    assert search(told_to_stop=stop).status == "done"


def test_it_ends_at_the_target_and_out_of_time(search: Search, stored: Stored) -> None:
    whole = search(stack=1)
    values = [record["metric"] for record in whole.records]
    target = sorted(values)[3]
    reached = next(i for i, value in enumerate(values) if value <= target)
    early = search(stack=1, target=target)
    assert early.status == "done"
    assert stored(early.run)[0] == stored(whole.run)[0][: reached + 1]
    none = search(timeout=0.0)
    assert none.records == []
    assert again(none.run).records == [], "the limit is kept"
    assert again(none.run, timeout=math.inf).record["best_trial"] == whole.record["best_trial"]


# the end


def test_the_best_is_an_ordinary_run_and_alone_sees_the_test_part(search: Search) -> None:
    outcome = search()
    chosen = min(outcome.records, key=lambda r: (r["metric"], r["final"]["dev_loss"], r["number"]))
    assert outcome.record["best_trial"] == chosen["number"]
    assert outcome.record["test_reads"] == 1
    assert not any("test_error" in record["final"] for record in outcome.records)
    finals = [RunDir(path).read_json("run.json")["final"] for path in (outcome.run.path / "trials").iterdir()]
    assert not any("test_error" in final for final in finals)
    best = load_run(str(outcome.run.path / "best"))
    assert best.status == "done"
    assert best.weights()["dense1.W"].shape == (13, 8)
    assert best.final == outcome.record["final"]
    trained = verbs.train(load_config(best.path / "resolved.yaml"), outcome.run.path.parent)
    assert trained.record["final"] == best.final
    assert again(outcome.run).record["test_reads"] == 1


def test_a_metric_with_a_minus_is_maximised(search: Search) -> None:
    outcome = search("search.metric=-dev_loss")
    worst = max(outcome.records, key=lambda record: record["final"]["dev_loss"])
    assert outcome.record["best_trial"] == worst["number"]
    assert worst["metric"] == -worst["final"]["dev_loss"]


def test_a_diverged_trial_is_kept_and_never_the_best(search: Search) -> None:
    space = "search.space={optimizer.learning_rate: {choice: [1e30, 0.01]}}"
    outcome = search(space, "optimizer.name=sgd", "network.activation=relu")
    counts = outcome.record["counts"]
    assert counts["diverged"] > 0
    assert counts["done"] > 0
    assert sum(counts.values()) == 12
    assert outcome.records[outcome.record["best_trial"]]["status"] == "done"
    for record in outcome.records:
        if record["status"] == "diverged":
            assert record["metric"] is None
            assert record["divergence"]["epoch"] >= 1


def test_settings_that_contradict_each_other_fail_at_once(search: Search, stored: Stored) -> None:
    space = "search.space={regularization.dropout: {choice: [[0.1, 0.1], 0.2]}, network.depth: {int: [1, 3]}}"
    outcome = search(space, "network.hidden=[8, 8]", "search.strategy=coarse_to_fine", "search.trials=30")
    bad = [record for record in outcome.records if record["status"] == "failed"]
    assert 0 < len(bad) < 30
    for record in bad:
        assert record["values"]["network.depth"] != 2
        assert "regularization.dropout: has length 2" in record["error"]
        assert "\n" not in record["error"]
        assert not (outcome.run.path / f"trials/{record['number']:04d}").exists()
    assert len(outcome.records) == 30


# the ledger damaged


@pytest.fixture
def finished(search: Search, stored: Stored) -> Iterator[tuple[SearchOutcome, Any]]:
    outcome = search("training.epochs=1", "search.trials=5")
    yield outcome, stored(outcome.run)


@pytest.mark.parametrize(
    ("with_directories", "cuts"),
    [
        (True, range(1, 201, 5)),
        (False, range(2, 201, 20)),
        pytest.param(True, range(1, 201), marks=pytest.mark.soak),
    ],
)
def test_cut_anywhere_it_continues_to_the_same_end(
    finished: tuple[SearchOutcome, Any], stored: Stored, with_directories: bool, cuts: range
) -> None:
    outcome, before = finished
    content = outcome.run.read("trials.jsonl")
    last = Ledger(outcome.run.path / "trials.jsonl").read()[0]
    written = [yaml.safe_load(line)["number"] for line in content.splitlines()]
    assert len(last) == 5
    for cut in cuts:
        (outcome.run.path / "trials.jsonl").write_bytes(content[:-cut])
        if not with_directories:
            shutil.rmtree(outcome.run.path / f"trials/{written[-1]:04d}")
        assert again(outcome.run).record["best_trial"] == outcome.record["best_trial"]
        assert stored(outcome.run) == before


def test_a_byte_flipped_in_the_middle_is_mended(finished: tuple[SearchOutcome, Any], stored: Stored) -> None:
    outcome, before = finished
    content = outcome.run.read("trials.jsonl")
    newline = content.index(b"\n", len(content) // 2)
    for at in (newline, *range(7, len(content), len(content) // 20)):
        flipped = bytearray(content)
        flipped[at] ^= 1
        (outcome.run.path / "trials.jsonl").write_bytes(flipped)
        again(outcome.run)
        assert stored(outcome.run) == before


def test_the_whole_ledger_is_rebuilt_from_the_directories(finished: tuple[SearchOutcome, Any], stored: Stored) -> None:
    outcome, before = finished
    (outcome.run.path / "trials.jsonl").unlink()
    times = {path: path.stat().st_mtime_ns for path in (outcome.run.path / "trials").rglob("*")}
    again(outcome.run)
    assert stored(outcome.run) == before
    assert {path: path.stat().st_mtime_ns for path in (outcome.run.path / "trials").rglob("*")} == times
    assert not math.isnan(outcome.record["seconds"])
