"""Thresholds between classes: curves as scikit-learn has them, and the cheapest line by trying all."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve, roc_curve

from nnrun.data.raw import read_parts
from nnrun.errors import UsageError
from nnrun.models.model import at_threshold, load_model
from nnrun.models.operating import MOST_POINTS, RECALLS, Curve, cheapest, curves_of, read_costs, typed
from nnrun.models.telling import threshold_table
from nnrun.models.verbs import evaluate
from nnrun.runs.listener import Outcome
from nnrun.runs.stored import StoredRun

CLASSES = ("healthy", "ill")


def made_up(seed: int, rows: int, digits: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Codes, and probabilities of the second class that are often equal."""
    rng = np.random.default_rng(seed)
    y = (rng.random(rows) < 0.3).astype(np.int64)
    return y, np.round(1 / (1 + np.exp(-(2 * y - 1 + rng.normal(size=rows)))), digits)


def test_the_curves_are_those_of_scikit_learn() -> None:
    y, p = made_up(0, 400)
    (curve,) = curves_of(y, np.stack([1 - p, p], axis=1), CLASSES).values()
    fpr, tpr, thresholds = roc_curve(y, p, drop_intermediate=False)
    assert curve.thresholds == pytest.approx(thresholds[1:])
    assert (curve.recall, curve.false_positive_rate) == (pytest.approx(tpr[1:]), pytest.approx(fpr[1:]))
    precision, _, thresholds = precision_recall_curve(y, p)
    assert dict(zip(curve.thresholds, curve.precision, strict=True)) == pytest.approx(
        dict(zip(thresholds, precision[:-1], strict=True))
    )
    at = curve.at_recall(0.9)
    assert curve.recall[at] >= 0.9 > curve.recall[at - 1]


def test_of_many_classes_each_has_a_curve_and_of_very_many_none() -> None:
    y, p = np.arange(60) % 3, np.random.default_rng(0).dirichlet(np.ones(3), 60)
    assert list(curves_of(y, p, "abc")) == ["a", "b", "c"]
    assert curves_of(y, p, [str(k) for k in range(21)]) == {}


def test_long_curves_are_thinned_between_their_ends() -> None:
    y, p = made_up(1, 5_000, digits=12)
    curve = Curve.of(p, y == 1)
    kept = curve.kept()
    assert len(curve.thresholds) == 5_000 and len(kept) <= MOST_POINTS + 1
    assert (kept[0], kept[-1]) == (0, 4_999)
    gaps = np.diff(curve.recall[kept]) + np.diff(curve.false_positive_rate[kept])
    assert gaps.max() < 3 / MOST_POINTS


@pytest.mark.parametrize(
    "costs", [{"healthy": 1.0, "ill": 10.0}, {"healthy": 7.0, "ill": 1.0}, {"healthy": 1.0, "ill": 1e6}]
)
def test_the_cheapest_threshold_is_found_by_trying_all(costs: dict[str, float]) -> None:
    y, p = made_up(2, 300)
    found = cheapest({"dev": (y, p), "test": made_up(3, 200), "train": (y, p)}, "dev", costs)

    def spent(y: np.ndarray, p: np.ndarray, threshold: float) -> float:
        wrong = (p >= threshold) != (y == 1)
        return float((wrong * np.where(y == 1, costs["ill"], costs["healthy"])).mean())

    every = [spent(y, p, threshold) for threshold in np.linspace(-0.001, 1.001, 2_005)]
    assert found["cost"] == pytest.approx(min(every))
    assert found["cost"] == pytest.approx(spent(y, p, found["threshold"]))
    assert found["usual"] == pytest.approx(spent(y, p, 0.5))
    assert found["one_class"] == pytest.approx(min(every[0], every[-1]))
    assert found["missed"]["ill"] == int(((p < found["threshold"]) & (y == 1)).sum())
    assert found["elsewhere"] == {"test": pytest.approx(spent(*made_up(3, 200), found["threshold"]))}
    assert found["exact"] == pytest.approx(costs["healthy"] / (costs["healthy"] + costs["ill"]))


def test_probabilities_that_are_exact_lead_to_the_exact_threshold() -> None:
    rng = np.random.default_rng(4)
    p = rng.random(200_000)
    found = cheapest({"dev": ((rng.random(200_000) < p).astype(int), p)}, "dev", {"healthy": 1.0, "ill": 4.0})
    assert found["threshold"] == pytest.approx(0.2, abs=0.08)  # costs hardly change around it
    assert found["cost"] < found["one_class"] < found["usual"]


def test_a_threshold_is_one_that_predictions_can_have() -> None:
    y, p = np.array([1, 1, 0, 0, 0, 0]), np.array([1.0, 0.0, 1.0, 1.0, 0.5, 0.0])
    never = cheapest({"dev": (y, p)}, "dev", {"healthy": 9.0, "ill": 1.0})
    assert never["one_class"] == pytest.approx(2 / 6), "as where nobody is ill"
    assert (never["threshold"], never["cost"]) == (0.75, pytest.approx(19 / 6)), "which no threshold says here"
    always = cheapest({"dev": (y[:4], p[:4] / 2 + 0.2)}, "dev", {"healthy": 1.0, "ill": 9.0})
    assert always["threshold"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.4, 0.98237, "0.9823"),  # not 0.9824, from which on the row is no more
        (0.98231, 0.98237, "0.98237"),  # not 0.9823, from which on there is another
        (0.9999998, 0.99999993547, "0.9999999"),
        (0.3, 1.0, "0.9999"),  # as 1 is no threshold
        (0.0, 1.55648e-11, "1.556e-11"),
        (0.1, 0.3, "0.3"),
    ],
)
def test_a_threshold_is_told_so_that_it_parts_the_rows_that_it_parted(low: float, high: float, expected: str) -> None:
    found = typed(low, high, high)
    assert str(found) == expected and low < found <= high


def test_a_threshold_that_is_told_does_what_it_promised(train_run: Callable[..., Outcome]) -> None:
    """Typed as it stands on the screen, for the same rows; of a network that is as good as certain of most of them."""
    settings = ("data.source=breast_cancer", "network.hidden=[8]", "training.epochs=3", "optimizer.learning_rate=1")
    model = load_model(StoredRun(train_run(*settings).run))
    rows = read_parts(model.config.data)["dev"]
    p, ill = model.predict(rows), rows.frame[model.target.name].to_numpy() == "malignant"
    assert np.sort(p[ill, 1])[len(p[ill]) // 5] > 1 - 1e-7
    (of_cheap, of_dear) = (evaluate(model, costs=[text]) for text in ("malignant=1000", "benign=1000"))
    (curve,) = of_cheap.curves.values()
    for recall, text in zip(RECALLS, threshold_table(of_cheap)[1].split()[2:], strict=True):
        said = at_threshold(model, float(text)).decided(p) == 1
        assert said[ill].mean() >= recall
        assert ill[said].mean() == pytest.approx(curve.precision[curve.at_recall(recall)])
    for found in (of_cheap, of_dear):
        cost = found.cost
        assert cost is not None
        said = at_threshold(model, cost["threshold"]).decided(p) == 1
        spent = cost["costs"]["benign"] * (said & ~ill) + cost["costs"]["malignant"] * (~said & ill)
        assert cost["cost"] == pytest.approx(spent.mean())


def test_costs_are_read() -> None:
    assert read_costs(["ill=5"], CLASSES) == {"healthy": 1.0, "ill": 5.0}
    assert read_costs(["a=b=2.5"], ("a=b", "c")) == {"a=b": 2.5, "c": 1.0}
    for text, classes, message in (
        ("ill", CLASSES, "write a class and what it costs to miss, such as ill=5"),
        ("ill=much", CLASSES, "write a class"),
        ("il=3", CLASSES, "there is no class 'il'; did you mean 'ill'?"),
        ("e\u0301=3", ("a", "é"), 'did you mean "\\u00e9", which has other code points?'),
        ("ill=0", CLASSES, "a cost is above 0"),
        ("ill=-1", CLASSES, "write a class"),
        ("ill=nan", CLASSES, "write a class"),
        ("a=1", ("a", "b", "c"), "this run predicts 3 classes"),
        ("a=1", None, "this run predicts numbers"),
    ):
        with pytest.raises(UsageError) as error:
            read_costs([text], classes)
        assert message in str(error.value)
