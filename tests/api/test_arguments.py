"""What is handed to a public function: whatever does not fit is an error of nnrun's own, which says what would."""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import nnrun
from nnrun.api import arguments
from nnrun.errors import ConfigError, NnrunError, UsageError

api: Any = nnrun  # as type checkers would tell what these tests are about
VALUES: dict[str, Any] = {"data": {"source": "breast_cancer"}, "network": {"hidden": [2]}, "training": {"epochs": 1}}
OF_THE_ENGINE = {"minimize", "check_gradient"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> nnrun.Run:
    return nnrun.train(VALUES, tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def rows(run: nnrun.Run) -> pd.DataFrame:
    return pd.DataFrame(np.ones((2, 30)), columns=run._stored.data.columns)


def public() -> Iterator[tuple[str, Any]]:
    """Functions, and the methods of classes."""
    for name in sorted({*nnrun.__all__} - OF_THE_ENGINE):
        found = getattr(nnrun, name)
        if inspect.isclass(found):
            yield from ((f"{name}.{own}", of) for own, of in vars(found).items() if own[0] != "_" and callable(of))
        else:
            yield name, found


@pytest.mark.parametrize(("name", "function"), [pytest.param(*each, id=each[0]) for each in public()])
def test_every_argument_is_held_against_its_annotation(name: str, function: Callable[..., Any]) -> None:
    assert hasattr(function, "__wrapped__"), f"{name} is not checked"
    for parameter in inspect.signature(function).parameters.values():
        kinds = arguments._BAR.split(parameter.annotation) if parameter.name != "self" else ["Any"]
        known = {*arguments._KINDS, "Run", "Search", "Loaded", "None", "Sequence"}
        assert {kind.partition("[")[0] for kind in kinds} <= known, f"{name}: {parameter}"
        if not {"Any", "Tables"} & {*kinds}:
            with pytest.raises(UsageError, match=f"^{parameter.name}: expected .*, got <object"):
                arguments._argument(object(), parameter)


WRONG: dict[str, tuple[Callable[[Any, Any], object], str]] = {
    "a number for a text": (
        lambda run, _: api.improve(run, budget=100),
        "budget: expected a text such as '10m', got 100",
    ),
    "half a trial": (
        lambda run, _: api.ensemble(run, top=2.5),
        "top: expected a whole number, got 2.5",
    ),
    "a text for a number": (
        lambda run, rows: run.predict(rows, threshold="0.3"),
        "threshold: expected a number, got '0.3'; write 0.3",
    ),
    "a condition without a value": (
        lambda run, _: api.list_runs(filters=["zz"], runs=Path(run.path).parent),
        "filters: 'zz' is no condition",
    ),
    "one setting": (
        lambda run, _: api.check(VALUES, "seed=1"),
        "overrides: expected a list of texts, got 'seed=1'; write ['seed=1']",
    ),
    "settings as a dictionary": (
        lambda run, _: api.check(VALUES, {"seed": 1}),
        "overrides: expected a list of texts, got {'seed': 1}; write ['seed=1']",
    ),
    "one of several": (
        lambda run, _: api.list_runs(["status=done", 3]),
        "filters[1]: expected a text, got 3",
    ),
    "one run": (
        lambda run, _: api.compare(run),
        "; write [<Run ",
    ),
    "no run": (
        lambda run, _: api.load_run(None),
        "run: expected a text or a path such as 'latest', got None",
    ),
    "a run for a config": (
        lambda run, _: api.train(run),
        "config: expected what load_config gives, a dictionary, a text or a path, got <Run ",
    ),
    "truth": (
        lambda run, _: api.train(VALUES, refit="no"),
        "refit: expected True or False, got 'no'",
    ),
    "no such argument": (
        lambda run, _: api.train(VALUES, dta=3),
        "train: got an unexpected keyword argument 'dta'; did you mean 'data'?",
    ),
    "an argument that lacks": (
        lambda run, _: run.predict(),
        "Run.predict: missing a required argument: 'data'",
    ),
    "a path for a run's directory": (
        lambda run, _: api.Run("runs/x"),
        "directory: expected a run's directory, which load_run finds, got 'runs/x'",
    ),
    "a name that no file has": (lambda run, _: api.load_config("a\0b"), "path: expected a text or a path"),
    "too large": (lambda run, _: api.ensemble(run, seeds=10**30), "is too large a number"),
    "no share": (lambda run, rows: run.predict(rows, interval=90), "interval '90': write a share between 0% and"),
    "one member": (lambda run, _: api.ensemble(run, seeds=-1), "seeds -1: 2 is the least"),
    "no fraction": (lambda run, _: api.diagnose(run, base_error=15), "base_error 15: an error is a fraction"),
    "no checkpoint": (lambda run, _: run.weights("first"), "has no checkpoint 'first'; it is best or last"),
    "no members": (lambda run, _: api.ensemble([]), "named: no run; name two or more"),
    "no target to reach": (lambda run, _: api.search(VALUES, target=float("nan")), "target nan: a value of"),
    "a target in per cent": (
        lambda run, _: api.search(VALUES, target=5),
        "target 5: 5 is 500%, more than any error of use; did you mean 5%?",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_does_not_fit_is_told_with_what_would(run: Any, rows: pd.DataFrame, what: str) -> None:
    call, told = WRONG[what]
    with pytest.raises(UsageError) as caught:
        call(run, rows)
    assert told in str(caught.value) and "--" not in str(caught.value)


def test_what_is_wrong_with_a_setting_is_told_of_the_argument_that_stands_for_it() -> None:
    with pytest.raises(ConfigError) as caught:
        api.search(VALUES, trials=0, seed=-1, overrides=["network.ensemble=0"])
    told = str(caught.value).split("\n")
    assert told == caught.value.problems
    assert {"trials: must be at least 1, got 0", "seed: must be at least 0, got -1"} < set(told)
    assert any(line.startswith("--set network.ensemble=0: must be at least 1") for line in told)


def test_what_the_system_says_is_told_as_on_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(NnrunError, match="taken"):
        api.train(VALUES, runs=tmp_path / "taken")


def test_a_run_that_was_removed_is_told_from_one_whose_checkpoints_were(tmp_path: Path) -> None:
    run = nnrun.train(VALUES, tmp_path)
    shutil.rmtree(run.path)
    with pytest.raises(UsageError, match="there is no run any more"):
        run.weights()


def test_numbers_may_be_numpys_and_names_paths(run: Any, rows: pd.DataFrame) -> None:
    assert api.load_run(run.path).id == api.resume(run.path, epochs=np.int64(1)).id == run.id
    assert api.rewind(run.path, to=np.int64(1), overrides=np.array(["training.epochs=2"])).parent is not None
    assert run.predict(rows, threshold=np.float32(0.5)).equals(run.predict(rows, threshold=0.5))
    assert api.diagnose(run.path, estimate_base=np.True_).looks.keys() == {"base_estimate"}


def test_a_path_may_begin_at_home(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.copy(run.directory.path / "config.yaml", tmp_path / "mine.yaml")
    trained = api.train("~/mine.yaml", runs="~/runs")
    assert trained.directory.path.parent == tmp_path / "runs"
    assert api.load_run(runs="~/runs").directory.id == trained.directory.id
    (Path("~/runs").expanduser() / trained.directory.id).rename(Path("~").expanduser() / trained.directory.id)
    assert api.load_run(trained.directory.id, runs="~").directory.id == trained.directory.id


def test_a_user_without_a_home_has_no_path_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # without HOME, or an entry of the user
    for place in ("~/mine.yaml", {"data": {"source": "~/rows.csv", "target": "y"}}):
        with pytest.raises(UsageError, match=r"^~/\w+\.\w+: this user has no home here"):
            api.train(place, runs=tmp_path)


def test_an_interval_may_be_a_number(run: Any, rows: pd.DataFrame) -> None:
    of_text = run.predict(rows, interval="90%")
    for level in (0.9, np.float32(0.9), 0.3 * 3):
        pd.testing.assert_frame_equal(run.predict(rows, interval=level), of_text)


def test_a_dictionary_may_hold_what_stands_for_what_a_file_holds(tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text("x,kind\n" + "".join(f"{k},{'ab'[k % 2]}\n" for k in range(40)))
    data = {"source": tmp_path / "points.csv", "target": "kind"}
    values = {"data": data, "network": {"hidden": np.array([3])}, "training": {"epochs": np.int64(1)}}
    run = nnrun.train(values, tmp_path / "runs")
    assert (run.config.data.source, run.config.network.hidden) == (str(tmp_path / "points.csv"), (3,))


def test_what_no_file_could_hold_is_told(tmp_path: Path) -> None:
    itself: dict[str, Any] = {}
    itself["network"] = itself
    wrong: list[tuple[dict[Any, Any], str]] = [
        ({None: 1}, "None: unknown key"),
        ({"network": {"hidden": pd.DataFrame()}}, "a DataFrame has no place"),
        ({"training": {"dtype": np.float32}}, "training.dtype: expected float32 or float64"),
        (itself, "holds itself"),
        ({"data": {"source": "iris", "target": "\ud800"}}, r"^data\.target: half of a surrogate pair is not text$"),
        ({"data": {"source": "iris\ud800"}}, r"^data\.source: half of a surrogate pair is not text$"),
        ({"na\ud800me": "a"}, "^a key: half of a surrogate pair is not text$"),
        ({"data": {"source": "iris", "drop": ["a", "\udcff"]}}, r"^data\.drop\.1: half of"),
        ({"data": {"source": "iris", "kinds": {"\ud800": "text"}}}, r"^data\.kinds: half of"),
    ]
    for values, told in wrong:
        with pytest.raises(ConfigError, match=told):
            nnrun.train(values, tmp_path)
