"""What a retest trains, what it tells of what has changed, and that it comes to the same end however it is run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nnrun.config.load import load_config
from nnrun.errors import ConfigError, DataError, UsageError
from nnrun.runs import verbs as run_verbs
from nnrun.runs.finding import list_runs
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import StoredRun
from nnrun.search.ledger import Ledger
from nnrun.search.record import TrialRecord
from nnrun.search.retests.record import read
from nnrun.search.retests.verbs import RetestRequest, begin, resume
from nnrun.search.running import SearchOutcome
from nnrun.search.seeds import retest_seed
from nnrun.search.state import Options
from nnrun.search.study import Watcher
from nnrun.search.verbs import begin as begin_search
from tests.asked import asking

SMALL = """
name: small
seed: 3
data: {source: iris}
network: {hidden: [8, 4]}
training: {epochs: 3, engine: numpy}
search:
  trials: 9
  space:
    optimizer.learning_rate: {log: [1e-3, 1e-1]}
    network.width: {choice: [4, 8]}
"""

Retest = Callable[..., SearchOutcome]


class Counting(Watcher):
    """Tells to stop after so many trials."""

    def __init__(self, most: int) -> None:
        self.most = most

    def trial(self, record: TrialRecord, best: TrialRecord, finished: int) -> None:
        self.most -= 1

    def told_to_stop(self) -> bool:
        return self.most <= 0


def searched(root: Path, *settings: str) -> RunDir:
    return begin_search(load_config(None, settings, text=SMALL), root, Options(), Watcher()).run


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """A search of iris; nobody writes to it."""
    return searched(tmp_path_factory.mktemp("small"))


@pytest.fixture
def again(small: RunDir, tmp_path: Path) -> Retest:
    """Retest that search, or another one."""

    def call(*settings: str, search: RunDir | None = None, top: int = 2, config: Path | None = None) -> SearchOutcome:
        asked = RetestRequest(top, 3, config, settings)
        return begin(search or small, asked, tmp_path / "runs", Options(), Watcher())

    return call


def told(outcome: SearchOutcome) -> str:
    return "\n".join(read(outcome.run)["told"])


def test_the_best_settings_and_fresh_ones_are_trained_with_the_same_seeds(again: Retest, small: RunDir) -> None:
    outcome = again(top=3)
    record, old = read(outcome.run), Ledger.of(small).read()[0]
    ranked = sorted(old, key=lambda trial: (trial["metric"], trial["final"]["dev_loss"]))[:3]
    settings = record["settings"]
    assert [each["trial"] for each in settings] == [trial["number"] for trial in ranked] + [None] * 3
    assert [each["then"] for each in settings] == [trial["metric"] for trial in ranked] + [None] * 3
    assert [each["values"] for each in settings[:3]] == [trial["values"] for trial in ranked]
    assert not [each for each in settings[3:] if each["values"] in [trial["values"] for trial in old]]
    assert record["seeds"] == [retest_seed(3, i) for i in range(3)]
    assert not {trial["seed"] for trial in old} & set(record["seeds"])
    for trial in outcome.records:
        seed, place = divmod(trial["number"], 6)
        assert (trial["seed"], trial["values"]) == (record["seeds"][seed], settings[place]["values"])
    assert record["search"]["id"] == small.id


def test_each_optimizer_has_its_usual_values_again(again: Retest, tmp_path: Path) -> None:
    search = searched(tmp_path, "search.space={optimizer.name: {choice: [momentum, adamw, rmsprop]}}")
    own = ("name", "beta2", "weight_decay", "bias_correction")

    def used(run: RunDir, number: int) -> list[Any]:
        optimizer = StoredRun(RunDir(run.path / f"trials/{number:04d}")).config.optimizer
        return [getattr(optimizer, key) for key in own]

    retest = again(search=search, top=3)
    known = {used(search, trial["number"])[0]: used(search, trial["number"]) for trial in Ledger.of(search).read()[0]}
    for trial in retest.records:
        found = used(retest.run, trial["number"])
        assert found == known.get(found[0], found)
    assert len({used(retest.run, trial["number"])[0] for trial in retest.records} & {*known}) > 1


def test_layers_of_different_widths_are_no_depth(again: Retest, tmp_path: Path) -> None:
    enqueued = "search.enqueue=[{network.depth: 2}]"
    search = searched(tmp_path, "search.space={network.depth: {int: [1, 3]}}", "search.strategy=grid", enqueued)

    def shape(run: RunDir, number: int) -> tuple[int, ...]:
        return StoredRun(RunDir(run.path / f"trials/{number:04d}")).config.network.hidden

    retest = again(search=search, top=9)
    settings = read(retest.run)["settings"]
    assert {each["values"]["network.depth"] for each in settings} == {None, 1, 2, 3}
    for place, each in enumerate(settings):
        assert shape(retest.run, place) == shape(search, each["trial"])
    assert shape(search, 0) == shape(search, 1) == (8, 4), "a depth alone is that of the config's own layers"


def test_it_is_the_same_in_any_number_of_workers_and_stopped_and_resumed(
    old: RunDir, tmp_path: Path, retest: Retest
) -> None:
    whole = retest(top=3)
    stopping = Counting(5)
    part = retest(top=3, watcher=stopping, told_to_stop=stopping.told_to_stop, stack=2)
    assert (part.status, read(part.run)["verdict"]) == ("interrupted", None)
    ended = resume(part.run, Options(), Watcher())
    pooled = retest(top=3, workers=2, in_process=False)
    for other in (ended, pooled):
        assert other.status == "done"
        assert read(other.run) == read(whole.run)
        for path in sorted(whole.run.path.glob("trials/*/checkpoints/best.safetensors")):
            assert path.read_bytes() == (other.run.path / path.relative_to(whole.run.path)).read_bytes()


def test_trials_of_a_rung_do_not_count(again: Retest, tmp_path: Path) -> None:
    search = searched(tmp_path, "search.strategy=halving", "search.trials=13", "training.epochs=9")
    record = read(again(search=search, top=20).run)
    whole = {trial["number"] for trial in Ledger.of(search).read()[0] if trial["epochs"] == 9}
    assert {each["trial"] for each in record["settings"] if each["trial"] is not None} == whole
    assert len(whole) == 4, "the config as written, and the three of the last rung or the one"
    assert "9 trials that ended before epoch 9 for halving do not count" in record["told"]


def test_a_run_is_refused(small: RunDir, tmp_path: Path, again: Retest) -> None:
    run = run_verbs.train(load_config(None, [], text=SMALL), tmp_path / "runs").run
    with pytest.raises(UsageError, match=f"{run.id} is a run, and no search"):
        again(search=run)
    with pytest.raises(UsageError, match=f"trials/0001 is a run of the search {small.id}; retest that"):
        again(search=RunDir(small.path / "trials/0001"))


def test_a_search_that_is_running_is_refused(small: RunDir, again: Retest) -> None:
    small.update_record(status="running")
    try:
        with small.locked(), pytest.raises(UsageError, match="still running"):
            again()
    finally:
        small.update_record(status="done")


def test_a_search_without_a_result_is_refused(tmp_path: Path, again: Retest) -> None:
    with pytest.raises(UsageError, match=r"no trial of all 3 epochs has a result"):
        again(search=searched(tmp_path, "optimizer.learning_rate=1e30", "optimizer.name=sgd", "search.trials=1"))


def test_fewer_settings_than_asked_for_are_told(tmp_path: Path, again: Retest) -> None:
    stopping, loaded = Counting(4), load_config(None, [], text=SMALL)
    search = begin_search(loaded, tmp_path, asking(stack=1), stopping, stopping.told_to_stop).run
    outcome = again(search=search, top=5)
    assert "4 settings of the search can be compared, 5 were asked for" in told(outcome)
    assert "the search did not come to its end: 4 trials of 9 count" in told(outcome)


def test_a_small_space_holds_few_fresh_settings(tmp_path: Path, again: Retest) -> None:
    space = "search.space={network.activation: {choice: [relu, tanh, sigmoid]}}"
    search = searched(tmp_path, space, "search.trials=3")
    record = read(again(search=search, top=2).run)
    assert len(record["settings"]) == 3
    assert "the space holds 1 further setting to compare with" in record["told"]


def test_of_another_config_data_and_network_are_taken(tmp_path: Path, again: Retest) -> None:
    config = tmp_path / "new.yaml"
    config.write_text("data: {source: wine}\nnetwork: {hidden: [6, 6, 6]}\ntraining: {epochs: 9}\n")
    outcome = again("regularization.l2=0.5", config=config)
    trained = load_config(outcome.run.resolved).config
    assert (trained.data.source, list(trained.network.hidden), trained.training.epochs) == ("wine", [6, 6, 6], 3)
    assert trained.regularization.l2 == 0.5
    assert outcome.run.read("config.yaml") == config.read_bytes()
    taken = f"of {config} data and network are taken; as in the search, unless --set changes it: training.epochs"
    assert taken in told(outcome)
    assert "regularization.l2: 0.0 → 0.5" in told(outcome)
    assert "the search varied network.width: each setting keeps its own" in told(outcome)
    first = load_config(outcome.run.path / "trials/0000/resolved.yaml").config
    width = read(outcome.run)["settings"][0]["values"]["network.width"]
    assert list(first.network.hidden) == ([6, 6, 6] if width is None else [width] * 3)


def test_nothing_is_judged_by_rows_that_were_trained_on(again: Retest) -> None:
    with pytest.raises(UsageError, match="leaves no dev rows to choose by"):
        again("data.folds=3", "data.fold=all")


def test_settings_of_the_search_itself_are_refused(again: Retest) -> None:
    with pytest.raises(UsageError, match=r"--set search.metric=dev_loss: the section search stays"):
        again("search.metric=dev_loss")


def test_a_key_that_the_config_has_no_more_is_named(tmp_path: Path, again: Retest) -> None:
    space = "search.space={optimizer.schedule.base: {uniform: [0.9, 1]}}"
    search = searched(tmp_path, space, "optimizer.schedule=exponential")
    with pytest.raises(
        ConfigError, match=r"yaml:\d+:5: search\.space\.optimizer\.schedule\.base: unknown key; .*the search varied it"
    ):
        again("optimizer.schedule=constant", search=search)


def test_other_classes_are_told(again: Retest) -> None:
    outcome = again("data.source=digits")
    assert outcome.status == "done"
    assert "data: digits instead of iris (150 rows then, 1,797 rows now)" in told(outcome)
    assert "classes: setosa, versicolor, virginica gone" in told(outcome)


def test_a_file_that_has_changed_is_told_and_one_that_is_gone_is_an_error(tmp_path: Path, again: Retest) -> None:
    table = tmp_path / "table.csv"
    rows = [f"{i % 7},{i % 5},{'ab'[i % 2]}" for i in range(60)]
    table.write_text("\n".join(["x,z,y", *rows]) + "\n")
    search = searched(tmp_path / "old", f"data={{source: {table}, target: y}}")
    table.write_text("\n".join(["x,z,y", *rows, *rows[:20]]) + "\n")
    outcome = again(search=search)
    assert f"data: {table} has changed since then (60 rows then, 80 rows now)" in told(outcome)
    assert "the same rows" in told(again(search=outcome.run)), "a retest can be retested"
    table.unlink()
    with pytest.raises(DataError, match="no such file"):
        again(search=search)
    with pytest.raises(DataError, match="no such file"):
        resume(outcome.run, Options(), Watcher())


def test_a_retest_of_a_retest_has_other_seeds_and_the_means_of_then(again: Retest) -> None:
    first = again()
    second = read(again(search=first.run).run)
    before = read(first.run)
    assert before["verdict"] is not None
    assert not set(second["seeds"]) & set(before["seeds"])
    means = sorted(each["mean"] or 0.0 for each in before["verdict"]["results"])[:2]
    assert [each["then"] for each in second["settings"][:2]] == pytest.approx(means)


def test_the_proposed_search_is_of_the_same_space_around_todays_config(again: Retest, tmp_path: Path) -> None:
    loaded = load_config(again("data.source=wine").run.resolved)
    assert loaded.config.data.source == "wine"
    search = begin_search(loaded, tmp_path / "new", Options(), Watcher())
    assert (search.status, len(search.records)) == ("done", 9)
    assert list(search.records[0]["values"]) == ["network.width", "optimizer.learning_rate"]


def test_settings_that_no_longer_fit_are_an_error(again: Retest, tmp_path: Path) -> None:
    config = tmp_path / "batch.yaml"
    config.write_text("network: {hidden: [8, 4], batch_norm: true}\ndata: {source: iris}\n")
    of_one = "search.space={training.batch_size: {choice: [1, 2]}}", "search.trials=1", "training.batch_size=1"
    search = searched(tmp_path, *of_one)
    with pytest.raises(ConfigError, match="batch_norm needs at least 2 examples"):
        again(search=search, config=config)


def test_a_fold_that_is_unfit_is_told_before_there_is_a_directory(again: Retest, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,z,y\n" + "".join(f"{i},{i % 5},{'ab'[i > 7]}\n" for i in range(12)))
    settings = ["data.target=y", "data.folds=3", "data.time=x", "metrics.primary=auc"]
    with pytest.raises(DataError, match="none came into the training part of fold 1"):
        again(f"data.source={tmp_path / 't.csv'}", *settings)
    assert list_runs(tmp_path / "runs") == []
