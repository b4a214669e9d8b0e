"""nnrun from Python: the names that the package promises, and nothing loaded before it is used."""

from __future__ import annotations

import copy
import os
import pickle
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import nnrun
from nnrun.engine.network import Network
from nnrun.errors import ConfigError, DataError, MisfitError, UsageError
from nnrun.machine import threads
from tests.unprivileged import shared_folder, without_privileges

COLUMNS = [f"{part} {side} (cm)" for part in ("sepal", "petal") for side in ("length", "width")]
FLOWERS = ("setosa", "versicolor", "virginica")
YAML = """\
name: flowers
data: {source: iris}
network: {hidden: [6]}
training: {epochs: 4}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(YAML)
    return path


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def test_every_promised_name_is_there() -> None:
    assert set(nnrun.__all__) >= {"Run", "load_config", "load_run", "minimize", "resume", "rewind", "train"}
    for name in nnrun.__all__:
        assert getattr(nnrun, name).__doc__
    with pytest.raises(AttributeError, match="'nnrun' has no attribute 'trian'"):
        nnrun.trian  # noqa: B018


def test_importing_loads_nothing_heavy() -> None:
    script = "import sys, nnrun; print(*sorted(sys.modules.keys() & {'numpy', 'pandas', 'sklearn', 'pydantic'}))"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_functions_that_use_it_go_to_other_processes() -> None:
    """As joblib and dask send them; a new process has loaded nothing of it."""
    cloudpickle = pytest.importorskip("cloudpickle")

    def asked() -> Any:
        return nnrun.search, nnrun.load_run

    sent = cloudpickle.dumps((asked, nnrun.search))
    assert pickle.loads(cloudpickle.dumps(nnrun)) is nnrun and pickle.loads(sent)[1] is nnrun.search
    script = "import pickle, sys; f, search = pickle.load(sys.stdin.buffer); print(callable(search), f()[0] is search)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", script], env=environment, input=sent, capture_output=True)
    assert done.stdout == b"True True\n", done.stderr


def asked_for_too_much() -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        nnrun.search({"data": {"source": "iris"}}, trials=0)
    return caught.value


@pytest.mark.parametrize(
    "make",
    [
        lambda: ConfigError(["network.hiden: unknown key", "epochs: must be 1 or more"], more=3),
        lambda: MisfitError(("data", "folds"), "more than there are rows"),
        lambda: DataError("no column 'y'", ("data", "target")),
        asked_for_too_much,
    ],
)
def test_errors_come_back_from_other_processes(make: Any) -> None:
    error = make()
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_a_config_is_loaded_with_overrides(config: Path) -> None:
    loaded = nnrun.load_config(str(config), ["optimizer.learning_rate=0.01"])
    assert loaded.config.name == "flowers"
    assert loaded.config.optimizer.learning_rate == 0.01
    with pytest.raises(ConfigError, match=r"network\.hiden"):
        nnrun.load_config(config, ["network.hiden=[3]"])


def test_a_run_knows_its_parent_and_its_children(config: Path, runs: Path) -> None:
    parent = nnrun.train(nnrun.load_config(config), runs=runs)
    assert (parent.parent, parent.children) == (None, [])
    child = nnrun.resume(parent, overrides=["optimizer.learning_rate=0.1", "training.epochs=6"])
    assert child.parent is not None
    assert child.parent.id == parent.id
    assert [run.id for run in parent.children] == [child.id]
    assert parent.children[0].metrics == child.metrics
    shutil.rmtree(parent.path)
    assert nnrun.load_run(child.id, runs).parent is None


def test_a_run_is_rewound(config: Path, runs: Path) -> None:
    run = nnrun.train(nnrun.load_config(config), runs=runs)
    child = nnrun.rewind(run, 2, ["optimizer.learning_rate=0.1"], note="faster")
    assert [row["learning_rate"] for row in child.metrics] == [run.metrics[0]["learning_rate"]] * 2 + [0.1] * 2
    assert [row["dev_loss"] for row in child.metrics[:2]] == [row["dev_loss"] for row in run.metrics[:2]]
    assert child.record["parent"]["epoch"] == 2
    with pytest.raises(UsageError, match="has trained epochs 1 to 4"):
        nnrun.rewind(run.id, 9, runs=runs)


def test_a_run_from_beginning_to_end(config: Path, runs: Path) -> None:
    run = nnrun.train(nnrun.load_config(config), runs=runs)
    assert run.path.parent == runs
    assert run.id.split("-")[2] == "flowers"
    assert run.status == "done"
    assert repr(run) == f"<Run {run.id}: done>"
    assert [row["epoch"] for row in run.metrics] == [1, 2, 3, 4]
    assert run.final["dev_loss"] == pytest.approx(min(row["dev_loss"] for row in run.metrics), rel=1e-6)
    assert run.record["best_epoch"] <= 4
    assert run.config.training.epochs == 4
    assert {name: w.shape for name, w in run.weights().items()} == {
        "dense1.W": (4, 6), "dense1.b": (1, 6), "output.W": (6, 3), "output.b": (1, 3)
    }  # fmt: skip
    assert run.weights("last").keys() == run.weights("best").keys()


@pytest.mark.filterwarnings("ignore:1 value .* was missing:nnrun.errors.DataWarning")
def test_new_rows_are_predicted_from_anything_that_holds_them(config: Path, runs: Path, tmp_path: Path) -> None:
    run = nnrun.train(config, runs=runs)
    rows = [
        {"sepal length (cm)": 5.1, "sepal width (cm)": 3.5, "petal length (cm)": 1.4, "petal width (cm)": 0.2},
        {"sepal length (cm)": "6.3", "sepal width (cm)": None, "petal length (cm)": 6.0, "petal width (cm)": 2.5},
    ]
    frame = pd.DataFrame(rows, index=[7, 9])
    frame.to_csv(tmp_path / "new.csv", index=False)
    of_file = run.predict(tmp_path / "new.csv")
    assert list(of_file.columns) == ["row", "prediction", *(f"probability of {c}" for c in FLOWERS)]
    assert of_file["row"].tolist() == [1, 2] and len(run.predict(frame[:0])) == 0
    for data in (str(tmp_path / "new.csv"), rows, {name: list(frame[name]) for name in frame}):
        pd.testing.assert_frame_equal(run.predict(data), of_file)
    pd.testing.assert_frame_equal(run.predict(frame), of_file.set_axis([7, 9]))
    with pytest.raises(DataError, match="the rows: no columns"):
        run.predict([{"petal": 1.0}])


def test_a_run_is_evaluated(config: Path, runs: Path) -> None:
    run = nnrun.train(config, runs=runs)
    found = run.evaluate()
    assert found["parts"]["dev"]["metrics"]["network"]["error"] == pytest.approx(run.final["dev_error"])
    assert found["test_reads"] == 2


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_products_have_one_thread_from_python_too(config: Path, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, forward, seen = nnrun.train(config, runs=runs), Network.forward, set[int]()

    def watched(*given: Any) -> Any:
        seen.update(blas_threads())
        return forward(*given)

    monkeypatch.setattr(Network, "forward", watched)
    with threadpool_limits(2, "blas"):
        run.evaluate()
        run.predict([dict.fromkeys(COLUMNS, 3.0)])
    assert seen == {1}


def test_products_have_one_thread_while_any_call_is_inside(
    config: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As another thread may have begun before, and end in the midst of training."""
    other, forward, seen = threads.one_for_blas_here(), Network.forward, list[set[int]]()

    def watched(*given: Any) -> Any:
        if not seen:
            other.__exit__(None, None, None)
        seen.append(blas_threads())
        return forward(*given)

    monkeypatch.setattr(Network, "forward", watched)
    with ThreadPoolExecutor(1) as pool, threadpool_limits(2, "blas"):
        pool.submit(other.__enter__).result()
        assert blas_threads() == {1}
        nnrun.train(nnrun.load_config(config, ["training.engine=numpy"]), runs=runs)
        assert {1} in seen and {2} not in seen and blas_threads() == {2}
        with threads.one_for_blas_here():
            assert pool.submit(nnrun.train, config, runs).result().status == "done"
            assert blas_threads() == {1}
        assert blas_threads() == {2}


@pytest.mark.parametrize("kind", ["loaded", "path", "text", "values"])
def test_train_takes_a_config_in_any_form(config: Path, runs: Path, kind: str) -> None:
    forms = {
        "loaded": nnrun.load_config(config),
        "path": config,
        "text": str(config),
        "values": {
            "name": "flowers", "data": {"source": "iris"}, "network": {"hidden": [6]}, "training": {"epochs": 4}
        },
    }  # fmt: skip
    run = nnrun.train(forms[kind], runs=str(runs))  # type: ignore[arg-type]
    expected = nnrun.train(config, runs=runs)
    assert run.config == expected.config
    assert all(np.array_equal(w, expected.weights()[name]) for name, w in run.weights().items())


def test_values_that_are_wrong_name_the_key(runs: Path) -> None:
    with pytest.raises(ConfigError, match=r"training\.epochs") as caught:
        nnrun.train({"training": {"epochs": -1}, "network": {"hidden": [0]}}, runs=runs)
    assert len(caught.value.problems) == 2
    assert not runs.exists()


def test_values_with_relative_paths_mean_the_current_directory(
    tmp_path: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "points.csv").write_text("x,kind\n" + "".join(f"{k},{'ab'[k % 2]}\n" for k in range(40)))
    monkeypatch.chdir(tmp_path)
    values = {"data": {"source": "points.csv", "target": "kind"}, "training": {"epochs": 1}}
    run = nnrun.train(values, runs="runs")
    assert run.config.data.source == str(tmp_path / "points.csv")
    monkeypatch.chdir("/")
    assert nnrun.load_run(run.id, runs=runs).status == "done"
    with pytest.raises(DataError, match=r"points\.csv"):
        nnrun.train(values, runs=runs)


def test_a_run_is_found_again(config: Path, runs: Path) -> None:
    first, second = nnrun.train(config, runs=runs), nnrun.train(config, runs=runs)
    assert nnrun.load_run(runs=runs).id == second.id
    assert nnrun.load_run(first.id, runs=runs).metrics == first.metrics
    assert nnrun.load_run(str(first.path)).id == first.id
    with pytest.raises(UsageError, match="no run 'nothing' in"):
        nnrun.load_run("nothing", runs=runs)


def test_a_run_goes_on(config: Path, runs: Path) -> None:
    run = nnrun.train(config, runs=runs)
    longer = nnrun.resume(run, epochs=6)
    assert longer.path == run.path
    assert len(run.metrics) == 6
    assert len(nnrun.resume("latest", epochs=7, runs=runs).metrics) == 7
    child = nnrun.resume(run.id, epochs=9, overrides=["optimizer.learning_rate=0.1"], runs=runs)
    assert child.path != run.path
    assert child.record["parent"] == {"id": run.id, "epoch": 7}
    whole = nnrun.train(nnrun.load_config(config, ["training.epochs=7"]), runs=runs)
    assert all(np.array_equal(w, whole.weights("last")[name]) for name, w in run.weights("last").items())


def test_divergence_is_a_status_not_an_error(runs: Path) -> None:
    values = {
        "data": {"source": "diabetes"}, "network": {"hidden": [16]},
        "optimizer": {"name": "sgd", "learning_rate": 9.0},
    }  # fmt: skip
    run = nnrun.train(values, runs=runs)
    assert run.status == "diverged"
    assert run.record["divergence"]["epoch"] == 1
    assert run.final == {}
    with pytest.raises(UsageError, match=r"has no checkpoint 'best'$"):
        run.weights()


def test_an_ensemble_is_made_of_runs_and_used_like_one(config: Path, runs: Path) -> None:
    several = [nnrun.train(nnrun.load_config(config, [f"seed={seed}"]), runs) for seed in (0, 1)]
    whole = nnrun.ensemble([several[0], several[1].id], runs=runs)
    assert whole.status == "done" and whole.final["dev_error"] is not None
    rows = pd.DataFrame([dict(zip(COLUMNS, (6.5, 3.0, 5.5, 2.0), strict=True))])
    of_each = [run.predict(rows)["probability of virginica"][0] for run in several]
    assert whole.predict(rows)["probability of virginica"][0] == pytest.approx(np.mean(of_each), rel=1e-5)
    with pytest.raises(UsageError, match=r"has no checkpoint of its own: .*, such as .*members.01$"):
        whole.weights()
    with pytest.raises(UsageError, match="two members or more"):
        nnrun.ensemble(several[0], runs=runs)
    with pytest.raises(UsageError, match="only one of them"):
        nnrun.ensemble(several[0], top=2, greedy=3, runs=runs)
    cycles = nnrun.ensemble(several[0], snapshots=2, runs=runs)
    assert [one["best_epoch"] for one in cycles.record["members"]] == [2, 4]


def test_it_says_how_sure_it_is(tmp_path: Path) -> None:
    run = nnrun.train({"data": {"source": "diabetes"}, "training": {"epochs": 2}}, tmp_path)
    found = run.calibrate()
    assert (found["scored_rows"], found["temperature"], found["test_reads"]) == (88, None, 2)
    rows = [{"age": 61, "sex": 2, "bmi": 31.5, "bp": 99} | {f"s{k}": 10.0 * k for k in range(1, 7)}]
    said = run.predict(rows, interval="90%")
    assert list(said.columns) == ["row", "prediction", "lower", "upper"]
    with pytest.raises(UsageError, match="is one network"):
        run.predict(rows, members=True)


# searches, verdicts, checks, improvements


def test_a_search_is_a_table_of_trials(config: Path, runs: Path) -> None:
    search = nnrun.search(config, trials=4, strategy="sobol", overrides=["seed=2"], runs=runs)
    assert list(search.trials.index) == [0, 1, 2, 3]
    assert {"status", "metric", "dev_error", "optimizer.learning_rate"} <= {*search.trials.columns}
    assert search.best is not None
    assert search.best.final["test_error"] is not None
    assert search.trial(0).config.seed == 2
    assert search.trial(3).final["dev_error"] == search.trials.loc[3, "dev_error"]
    assert nnrun.load_search(search.id, runs).records == search.records
    assert repr(search) == f"<Search {search.id}: done, 4 trials>"
    assert "is the best of 4" in nnrun.load_run(search.id, runs)._repr_html_()
    with pytest.raises(UsageError, match="there is no trial 9; its `trials` are those that it has"):
        search.trial(9)
    with pytest.raises(UsageError, match=r"no strategy .rundom."):
        nnrun.search(config, strategy="rundom", runs=runs)


@pytest.mark.parametrize("first", ["import nnrun.search.verbs", ""])
def test_the_name_of_a_search_is_a_function_and_a_package(first: str) -> None:
    """Whoever has loaded the package before."""
    script = (
        f"{first}\nimport sys, inspect, nnrun\nfound = nnrun.search\nnnrun.train\nfrom nnrun import search\n"
        "import nnrun.search.verbs\nassert found is search is nnrun.search is sys.modules['nnrun.search']\n"
        "assert callable(search) and nnrun.search.verbs.begin and 'trials' in inspect.signature(search).parameters\n"
        "assert search.__doc__.startswith('Train many trials')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_trials_become_an_ensemble(config: Path, runs: Path) -> None:
    search = nnrun.search(config, trials=3, runs=runs)
    whole = nnrun.ensemble(search, top=2, runs=runs)
    assert len(whole.record["members"]) == 2
    with pytest.raises(UsageError, match="top N and greedy N"):
        nnrun.ensemble(search, runs=runs)


def test_a_verdict_has_its_actions(config: Path, runs: Path) -> None:
    run = nnrun.train(nnrun.load_config(config, ["network.hidden=[1]"]), runs)
    found = nnrun.diagnose(run)
    assert found.verdict is not None
    assert found.high == {"bias"}
    assert found.actions[0].command.startswith("nnrun train ")
    assert found.told in str(found).replace("\n", " ")
    assert found.document["verdict"]["bias"] == "high"
    assert nnrun.diagnose(run, base_error=0.999).high == set()
    assert nnrun.diagnose(runs=runs).told == found.told


def test_checks_are_found_by_name(config: Path, runs: Path) -> None:
    found = nnrun.check(config, ["network.init=zeros"], runs)
    assert "symmetry" in found.failed
    assert found["schema"].status == "pass"
    assert len(found) == len(list(found)) == 24
    assert not list(runs.glob("[!.]*"))


def test_an_improvement_is_a_table_of_steps(config: Path, runs: Path) -> None:
    run = nnrun.train(nnrun.load_config(config, ["network.hidden=[2]"]), runs)
    better = nnrun.improve(run, budget="120epochs", seeds=3, runs=runs)
    assert better.ending is not None
    assert len(better.steps) == better.ending["tried"] >= 1
    assert {"rule", "gain", "low", "high", "verdict", "command"} <= {*better.steps.columns}
    assert nnrun.load_config(better.config_path).config.data.source == "iris"
    assert nnrun.load_improvement(runs=runs).step_records == better.step_records
    assert better.best is not None
    judged = nnrun.diagnose(better)
    assert (judged.told, "trials" in judged.document) == (nnrun.diagnose(better.best).told, False)
    for load, wrong in ((nnrun.load_improvement, run.id), (nnrun.load_search, run.id)):
        with pytest.raises(UsageError, match="is "):
            load(wrong, runs)
    with pytest.raises(UsageError, match=r"^budget soon"):
        nnrun.improve(config, "soon", runs=runs)


def test_names_are_text_wherever_a_notebook_shows_them(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    runs = tmp_path / hostile.replace("/", "")
    run = nnrun.train({"name": "x", "data": {"source": "iris"}, "training": {"epochs": 1}}, runs)
    shown = nnrun.Figure(run.plot()._charts)._repr_html_()
    assert shown.startswith("<iframe srcdoc=")
    assert "<script>" not in shown.partition("srcdoc=")[2]  # what stands in the attribute is escaped
    shown = (
        nnrun.load_run(run.id, runs)._repr_html_() + nnrun.check({"data": {"source": "iris"}}, runs=runs)._repr_html_()
    )
    assert hostile not in shown and "&lt;script&gt;" in shown


def test_a_run_without_an_epoch_has_nothing_to_draw(config: Path, runs: Path) -> None:
    run = nnrun.train(config, runs)
    assert list(run.epochs.index) == [1, 2, 3, 4]
    assert run.plot().titles[0] == "Loss and cost"
    assert len(run.plot().plotly) == len(run.plot().titles)
    assert repr(nnrun.Figure([])) == "<Figure: nothing to draw yet>"
    assert nnrun.Figure([])._repr_html_() == "<p>Nothing to draw yet.</p>"


def test_overrides_stand_on_those_that_a_config_was_loaded_with(config: Path, runs: Path) -> None:
    loaded = nnrun.load_config(config, ["training.epochs=2", "network.hidden=[3]"])
    search = nnrun.search(loaded, trials=2, workers=1, runs=runs)
    assert len(search.trial(0).metrics) == 2
    assert "schema" in nnrun.check(loaded, ["network.init=zeros"], runs)
    assert nnrun.train(loaded, runs).config.network.hidden == (3,)


def test_a_search_takes_what_the_command_takes(config: Path, runs: Path) -> None:
    search = nnrun.search(config, trials=3, workers=1, seed=7, target=0.0, stack=1, repeat=1, timeout=100.0, runs=runs)
    plan = search._stored.plan
    assert (plan.seed, plan.repeat, plan.limits["stack"], plan.limits["timeout"]) == (7, 1, 1, 100.0)
    alone = nnrun.search(config, trials=3, workers=2, seed=7, runs=runs)
    columns = ["metric", "dev_loss", "optimizer.learning_rate"]
    pd.testing.assert_frame_equal(alone.trials[columns], search.trials[columns])
    wrong = [{"workers": 0}, {"repeat": 0}, {"stack": 0}, {"timeout": -1.0}, {"trial_memory": 1}]
    for option in wrong:
        with pytest.raises(UsageError, match="is the least"):
            nnrun.search(config, runs=runs, **option)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"^trials: must be at least 1"):
        nnrun.search(config, trials=0, runs=runs)


def test_a_search_goes_on(config: Path, runs: Path) -> None:
    search = nnrun.search(config, trials=2, workers=1, runs=runs)
    longer = nnrun.resume(search, trials=4, workers=1)
    assert type(longer) is nnrun.Search
    assert len(search.trials) == len(longer.trials) == 4
    assert isinstance(nnrun.resume(search.id, runs=runs), nnrun.Search)
    assert isinstance(nnrun.resume(search, overrides=["data.source=iris"], workers=1), nnrun.Search)
    with pytest.raises(UsageError, match=r"^epochs has no meaning for a search"):
        nnrun.resume(search.id, epochs=3, runs=runs)
    with pytest.raises(UsageError, match=r"^trials has no meaning for one run"):
        nnrun.resume(str(search.trial(0).path), trials=3)  # type: ignore[call-overload]


def test_an_old_search_is_tested_again(config: Path, runs: Path) -> None:
    search = nnrun.search(config, trials=2, workers=1, runs=runs)
    again = nnrun.retest(search, top=1, seeds=3, workers=1, runs=runs)
    assert search.retest is None
    assert again.retest is not None and again.retest["verdict"]
    assert len(again.trials) == 6
    with pytest.raises(UsageError, match="3 are the least"):
        nnrun.retest(search, seeds=2, runs=runs)


def test_runs_stand_side_by_side(config: Path, runs: Path) -> None:
    one, two = (nnrun.train(nnrun.load_config(config, [f"optimizer.learning_rate={r}"]), runs) for r in (0.01, 0.1))
    found = nnrun.compare([one, two.id], runs=runs)
    assert list(found.table.index) == ["A", "B"]
    assert list(found.table["optimizer.learning_rate"]) == [0.01, 0.1]
    assert found.why_not is None and found.document["comparable"]
    assert "optimizer.learning_rate" in str(found) and "<table" in found._repr_html_()
    with pytest.raises(UsageError, match="two runs or more"):
        nnrun.compare([one], runs=runs)
    listed = nnrun.list_runs(["status=done"], "dev_loss", runs=runs)
    assert {*listed.index} == {one.id, two.id}
    assert listed["dev_loss"].is_monotonic_increasing
    assert nnrun.list_runs(["dev_error>2"], runs=runs).empty
    assert nnrun.list_runs(runs=runs / "none").empty


def test_a_config_is_proposed_for_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("points.csv").write_text("x,kind\n" + "".join(f"{k % 7 + 0.5},{'ab'[k % 2]}\n" for k in range(60)))
    Path("config.yaml").write_text(nnrun.init("points.csv", target="kind"))
    assert nnrun.train(nnrun.load_config("config.yaml", ["training.epochs=1"])).status == "done"
    with pytest.raises(UsageError, match=r"^task guess"):
        nnrun.init("points.csv", target="kind", task="guess")


def test_a_run_leaves_as_a_file_and_as_a_page(config: Path, runs: Path, tmp_path: Path) -> None:
    run = nnrun.train(config, runs)
    done = run.export(tmp_path / "model.py")
    assert done.rows == 30 and done.difference is not None and done.difference < 1e-5
    with pytest.raises(UsageError, match="exists"):
        run.export(tmp_path / "model.py")
    assert run.export(tmp_path / "model.py", force=True).rows == 30
    assert run.report() == run.path / "report.html"
    with pytest.raises(UsageError, match="is not being trained"):
        nnrun.nudge(run, ["optimizer.learning_rate=0.1"])
    for verb in (nnrun.pause, nnrun.stop):
        with pytest.raises(UsageError, match="is not being trained"):
            verb(run.id, runs)


def test_a_verdict_has_closer_looks(config: Path, runs: Path) -> None:
    run = nnrun.train(config, runs)
    found = nnrun.diagnose(run, by="target", estimate_base=True)
    assert {*found.looks} == {"regions", "base_estimate"}
    assert "versicolor" in str(found)
    for option in ({"base_error": 15.0}, {"tolerance": -0.1}):
        with pytest.raises(UsageError, match="a fraction"):
            nnrun.diagnose(run, **option)  # type: ignore[arg-type]


def test_what_is_interrupted_goes_on(config: Path, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C comes as KeyboardInterrupt, the workers end, and what was finished counts."""
    from nnrun.search.study import Watcher

    def interrupted(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(Watcher, "trial", interrupted)
        with pytest.raises(KeyboardInterrupt):
            nnrun.search(config, trials=3, workers=2, runs=runs)
    search = nnrun.load_search(runs=runs)
    assert search.status == "interrupted"
    assert 1 <= len(search.records) < 4
    whole = nnrun.search(config, trials=3, workers=1, runs=runs)
    assert nnrun.resume(search, workers=1).trials["dev_loss"].equals(whole.trials["dev_loss"])


def test_the_columns_that_matter_from_python(config: Path, runs: Path) -> None:
    found = nnrun.train(config, runs=runs).importance()
    assert sorted(own["column"] for own in found["columns"]) == sorted(COLUMNS)
    assert found["part"] == "dev" and nnrun.load_run(runs=runs).evaluate()["test_reads"] == 2


def test_a_folder_that_may_not_be_written_to_is_told_before_any_work() -> None:
    with shared_folder() as folder:
        run = nnrun.train({"data": {"source": "iris"}, "training": {"epochs": 4}}, folder)
        known = run.evaluate()["parts"], run.report()  # what is imported late may be closed, too
        for path in (run.path, folder):
            path.chmod(0o555)
        before = sorted(path.name for path in run.path.iterdir())
        with without_privileges():
            for verb in (lambda: nnrun.resume(run, epochs=9), run.calibrate, run.report):
                with pytest.raises(UsageError, match=rf"^{run.path}: cannot write there; nothing was changed"):
                    verb()
            assert run.evaluate()["parts"] == known[0]
            assert len(run.predict(np.ones((1, 4)), interval=0.5)) == 1
        assert sorted(path.name for path in run.path.iterdir()) == before
