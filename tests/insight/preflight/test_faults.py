"""Each seeded fault is named by its check, on real data; the same data without it is not blamed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nnrun.compiled import codes
from nnrun.config.load import load_config
from nnrun.engine.activations import ACTIVATIONS
from nnrun.engine.parameters import Array
from nnrun.insight.preflight.checks import CHECKS
from nnrun.insight.preflight.verbs import open_context, preflight
from nnrun.runs.symptoms.evidence import Finding

BUNDLED = Path(__file__).parents[3] / "nnrun/data/bundled"
Check = Callable[..., dict[str, Finding]]
Parts = dict[str, pd.DataFrame]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """check("network.init=zeros") → the findings by name."""

    def call(*settings: str) -> dict[str, Finding]:
        return dict(preflight(open_context(load_config(None, settings), tmp_path / "runs")))

    return call


@pytest.fixture
def check_parts(check: Check, tmp_path: Path) -> Callable[..., dict[str, Finding]]:
    """The same for a file a part."""

    def call(parts: Parts) -> dict[str, Finding]:
        for part, frame in parts.items():
            frame.to_csv(tmp_path / f"{part}.csv", index=False)
        sources = [f"data.source.{part}={tmp_path / part}.csv" for part in parts]
        return check("data.source={}", *sources, "data.target=target", "network.hidden=[16]")

    return call


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("search={strategy: random}\ndata.folds=3\ndata.fold=all", "leaves no dev rows to choose by"),
        ("search.strategy=radnom", "no strategy 'radnom'; did you mean random?"),
        ("search.metric=dev_eror", "no metric 'dev_eror'; did you mean dev_error?"),
        ("search.metric=-dev_r2", "needs numbers"),  # which is known of the data alone
        ("search.space={optimizer.lr: {log: [0, 1]}}", "unknown key; did you mean learning_rate?"),
        ("search={prune: median, metric: dev_loss}", "epochs are compared by dev_error, trials by dev_loss"),
    ],
)
def test_a_section_that_a_search_refuses(tmp_path: Path, section: str, words: str) -> None:
    context = open_context(load_config(None, ["data.source=iris", *section.splitlines()]), tmp_path / "runs")
    found = CHECKS["search"].run(context)
    assert found.status == "fail" and words in found.text
    assert found.numbers["problems"]


def test_a_section_that_a_search_takes_and_none(tmp_path: Path) -> None:
    """Of folds the first is looked at, but a search trains all of them."""
    settings = ["data.source=iris", "data.folds=3"]
    context = open_context(load_config(None, settings), tmp_path / "runs")
    assert CHECKS["search"].run(context).text == "the config has no section search"
    for search, status in {"{strategy: grid}": "pass", "{strategy: halving}": "fail"}.items():
        found = CHECKS["search"].run(replace(context, given=load_config(None, [*settings, f"search={search}"])))
        assert found.status == status
    assert "halving goes on with some of its trials, which folds cannot" in found.text


def parts_of(frame: pd.DataFrame) -> Parts:
    """60/20/20 at random."""
    frame = frame.sample(frac=1, random_state=0)
    cuts = [int(0.6 * len(frame)), int(0.8 * len(frame))]
    return {"train": frame[: cuts[0]], "dev": frame[cuts[0] : cuts[1]], "test": frame[cuts[1] :]}


def bundled(name: str) -> pd.DataFrame:
    return pd.read_csv(BUNDLED / f"{name}.csv")


def failed(found: dict[str, Finding]) -> list[str]:
    return [name for name, finding in found.items() if finding.status == "fail"]


# the data


@pytest.mark.parametrize("name", ["breast_cancer", "wine", "iris", "diabetes"])
def test_real_data_is_not_blamed(check_parts: Check, name: str) -> None:
    assert failed(check_parts(parts_of(bundled(name)))) == []


@pytest.mark.parametrize("name", ["breast_cancer", "diabetes", "iris"])
def test_rows_of_train_in_dev(check_parts: Check, name: str) -> None:
    parts = parts_of(bundled(name))
    parts["dev"] = pd.concat([parts["dev"], parts["train"][:10]])
    found = check_parts(parts)
    assert failed(found) == ["duplicates"]
    assert found["duplicates"].text.startswith(f"1{found['duplicates'].text[1]} of {len(parts['dev'])} dev rows")


@pytest.mark.parametrize("name", ["breast_cancer", "diabetes", "iris"])
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_a_copy_of_the_target(check_parts: Check, name: str, noise: float) -> None:
    frame = bundled(name)
    codes = frame["target"] if name == "diabetes" else frame["target"].factorize()[0]
    frame["copy"] = 5 - 2.0 * codes + noise * np.random.default_rng(0).standard_normal(len(frame))
    found = check_parts(parts_of(frame))
    assert failed(found) == ["leak"]
    assert found["leak"].text.startswith("copy gives target away")
    assert found["leak"].cure is not None
    assert found["leak"].cure.startswith("--set 'data.drop=[copy]'")


def test_a_word_a_class_is_a_copy_too_and_so_is_a_gap(check_parts: Check) -> None:
    frame = bundled("iris")
    found = check_parts(parts_of(frame.assign(word=frame["target"].str.upper())))
    assert "word gives target away" in found["leak"].text
    setosa = frame["target"] == "setosa"
    frame = frame.assign(target=setosa, seen=np.where(setosa, np.nan, 1.0))
    assert "seen gives target away" in check_parts(parts_of(frame))["leak"].text


def test_petals_that_tell_setosa_from_the_rest_are_worth_a_warning_only(check_parts: Check) -> None:
    frame = bundled("iris")
    found = check_parts(parts_of(frame.assign(target=frame["target"] == "setosa")))
    assert found["leak"].status == "warn"
    assert failed(found) == []


def test_a_dev_set_from_another_distribution(check_parts: Check) -> None:
    parts = parts_of(bundled("breast_cancer"))
    moved = parts["dev"].assign(**{"mean texture": parts["dev"]["mean texture"] * 1.5})
    found = check_parts(parts | {"dev": moved})
    assert failed(found) == ["distribution"]
    assert "dev and test differ in mean texture" in found["distribution"].text
    assert list(found["distribution"].numbers["dev-test"]) == ["mean texture"]


def test_categories_are_compared_too(check_parts: Check) -> None:
    frame = bundled("breast_cancer").assign(site=[f"site {i % 3}" for i in range(569)])
    parts = parts_of(frame)
    assert failed(check_parts(parts)) == []
    found = check_parts(parts | {"dev": parts["dev"].assign(site="site 1")})
    assert "site (0.6" in found["distribution"].text  # 2/3 of the rows moved


def turned(rows: int, correlation: float, seed: int) -> pd.DataFrame:
    """Six columns of a standard normal each, the first two of them correlated; the target follows the others."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, 6))
    x[:, 1] = correlation * x[:, 0] + np.sqrt(1 - correlation**2) * x[:, 1]
    target = np.where(x[:, 2] + 0.5 * rng.standard_normal(rows) > 0, "yes", "no")
    return pd.DataFrame(x, columns=list("abcdef")).assign(target=target)


def test_a_correlation_that_turns_shows_in_no_column(check_parts: Check) -> None:
    parts = {"train": turned(900, 0.8, 0), "dev": turned(600, 0.8, 1), "test": turned(600, 0.8, 2)}
    assert failed(check_parts(parts)) == []
    found = check_parts(parts | {"test": turned(600, -0.8, 2)})
    assert found["distribution"].status == "pass"
    assert failed(found) == ["mismatch"]
    assert found["mismatch"].numbers["dev-test"]["by"] == ["a with b"]
    assert found["mismatch"].numbers["train-dev"]["auc"] < 0.6
    elsewhere = check_parts(parts | {"train": turned(900, -0.8, 0)})
    assert elsewhere["mismatch"].status == "warn"
    assert "train from dev" in elsewhere["mismatch"].text


def test_what_one_column_shows_is_told_once(check_parts: Check) -> None:
    parts = parts_of(bundled("breast_cancer"))
    moved = parts["train"].assign(**{"mean texture": parts["train"]["mean texture"] * 1.5})
    found = check_parts(parts | {"train": moved})
    assert found["distribution"].status == "warn"
    assert list(found["mismatch"].numbers) == ["dev-test"], "train against dev has been told"


def test_a_class_missing_in_dev(check_parts: Check) -> None:
    parts = parts_of(bundled("wine"))
    found = check_parts(parts | {"dev": parts["dev"][parts["dev"]["target"] != "class_1"]})
    assert failed(found) == ["rows"]
    assert "no row of class class_1 in dev" in found["rows"].text


def test_columns_that_say_nothing(check_parts: Check) -> None:
    frame = bundled("wine")
    frame = frame.assign(same=1, row=range(1000, 1000 + len(frame)), gaps=[1.5, *[np.nan] * (len(frame) - 1)])
    parts = parts_of(frame)
    parts["train"].loc[parts["train"].index[:2], "gaps"] = [0.5, 2.5]
    found = check_parts(parts)
    assert found["constant"].numbers["columns"] == ["same"]
    assert found["identifiers"].numbers["columns"] == ["row"]
    assert found["missing"].text.startswith("hardly any value: gaps (in ")


@pytest.mark.parametrize("source", ["breast_cancer", "wine", "digits"])
def test_unscaled_inputs(check: Check, source: str) -> None:
    found = check(f"data.source={source}", "data.normalize=none")
    assert failed(found) == ["scale"]
    assert found["scale"].cure == "--set data.normalize=standard"
    assert found["cost"].text == "not checked, since scale failed"


# the network


def test_a_wrong_gradient(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    def slope(x: Array, y: Array, out: Array) -> Array:
        return np.multiply(y, -y, out=out)  # −y² for 1 − y²

    monkeypatch.setitem(ACTIVATIONS, "tanh", ACTIVATIONS["tanh"]._replace(slope=slope))
    found = check("network.activation=tanh")
    assert failed(found) == ["gradient"]
    assert found["gradient"].text.startswith("wrong gradient")


@pytest.mark.parametrize(
    "settings",
    [(), ("regularization={l1: 1, l2: 1, dropout: 0.5}",), ("network.batch_norm=true", "network.activation=elu")],
)
def test_a_right_gradient(check: Check, settings: tuple[str, ...]) -> None:
    found = check("data.source=iris", *settings)
    assert found["gradient"].status == "pass"
    assert found["gradient"].numbers["ratio"] < 1e-5


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_gradient_of_the_engine_that_trains(check: Check, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    settings = ("data.source=iris", "training.engine=compiled", f"training.dtype={dtype}", "regularization.l2=1")
    found = check(*settings, "network.activation=silu")["gradient"]
    assert found.status == "pass"
    assert found.numbers["ratio"] < (1e-5 if dtype == "float32" else 1e-8)
    assert found.numbers["engine"] == "compiled"
    monkeypatch.setitem(codes.ACTIVATIONS, "silu", codes.GELU)
    found = check(*settings, "network.activation=silu")["gradient"]
    assert found.status == "fail"
    assert found.text.startswith("wrong gradient of the compiled engine")
    assert found.cure == "--set training.engine=numpy"


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_rate_of_a_thousand(check: Check, optimizer: str) -> None:
    found = check(f"optimizer.name={optimizer}", "optimizer.learning_rate=1e3")
    assert failed(found) == ["cost"]
    assert "learning rate 1000 too high" in found["cost"].text
    cured = check(f"optimizer.name={optimizer}", str(found["cost"].cure).removeprefix("--set "))
    assert cured["cost"].status == "pass"


def test_zeros(check: Check) -> None:
    found = check("network.init=zeros")
    assert failed(found) == ["symmetry"]
    assert failed(check("network.init=zeros", "network.hidden=[]")) == [], "softmax regression may start at zero"


@pytest.mark.parametrize("activation", ["relu", pytest.param("tanh", marks=pytest.mark.soak)])
def test_weights_ten_times_too_large_at_twenty_layers(check: Check, activation: str) -> None:
    network = f"{{depth: 20, width: 64, activation: {activation}, init: {{name: auto, gain: 10}}}}"
    found = check(f"network={network}")
    assert failed(found) == ["layers"]
    assert found["layers"].text.startswith("exploding")
    assert found["layers"].cure == "--set network.init=auto"


def test_a_network_too_narrow_to_learn_a_few_rows(check: Check) -> None:
    assert failed(check("network.hidden=[1]")) == ["batch"]


def test_a_warm_up_is_not_blamed_for_the_rate_behind_it(check: Check) -> None:
    rate = ("optimizer.name=sgd", "optimizer.learning_rate=1.5")
    assert check(*rate)["cost"].status != "pass"
    warm = check(*rate, "optimizer.schedule={name: warmup, epochs: 20}")
    assert warm["cost"].status == "pass"


def test_a_suggested_rate_learns(check: Check, train_run: Any) -> None:
    found = check("optimizer.learning_rate=1e-6")
    suggestion = found["rates"].numbers["suggestion"]
    assert 1e-3 < suggestion < 0.1
    assert found["rates"].status == "warn"
    outcome = train_run(f"optimizer.learning_rate={suggestion}", "training.epochs=10")
    assert outcome.record["final"]["dev_error"] < 0.1
