import math
from typing import Any

import numpy as np
import pytest

from nnrun.config.space.space import Space
from nnrun.search.importance import Importance, _divergence, _kernel, comparable, importances
from nnrun.search.plan import Plan
from nnrun.search.record import TrialRecord
from nnrun.search.strategies import STRATEGIES
from nnrun.search.telling import importance_lines

SPACE = Space.of(
    {
        "optimizer.learning_rate": {"log": [1e-4, 1]},
        "optimizer.epsilon": {"log": [1e-9, 1e-6]},
        "network.width": {"int": [10, 100]},
        "network.activation": {"choice": ["relu", "tanh", "elu"]},
    }
)
Trials = list[tuple[dict[str, Any], float]]


def trials(n: int, seed: int, space: Space, weights: dict[str, float]) -> Trials:
    """Settings with a result that is a weighted sum of distances from the middle of the unit axis."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        units = rng.random(len(space.parameters))
        result = sum(weights.get(key, 0) * abs(u - 0.4) for key, u in zip(space.keys, units, strict=True))
        found.append((space.decode(units.tolist()), float(result + 0.01 * rng.standard_normal())))
    return found


def by_key(found: list[Importance]) -> dict[str, float]:
    return {importance.key: importance.share for importance in found}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("key", ["optimizer.learning_rate", "network.width", "network.activation"])
def test_the_parameter_that_matters_is_found(key: str, seed: int) -> None:
    found = importances(SPACE, trials(50, seed, SPACE, {key: 1.0}))
    assert found[0].key == key
    assert found[0].share > 0.5
    assert sum(by_key(found).values()) == pytest.approx(1)


def test_densities_add_up_to_one_and_are_compared_by_pearson() -> None:
    for parameter in SPACE.parameters:
        assert _kernel(parameter.domain, np.array([0.1, 0.5, 0.9])).sum(axis=1) == pytest.approx(1)
    activation = next(each.domain for each in SPACE.parameters if each.key == "network.activation")
    assert _kernel(activation, np.array([0.1]))[0] == pytest.approx([0.9 + 0.1 / 3, 0.1 / 3, 0.1 / 3])
    assert _divergence(np.array([0.5, 0.5]), np.array([0.25, 0.75])) == pytest.approx(1 / 3)


def test_what_chance_explains_is_taken_off() -> None:
    # One of four parameters matters. With 30 trials, chance alone would give the other three two fifths of all.
    drawn = [trials(30, seed, SPACE, {"optimizer.learning_rate": 1}) for seed in range(10)]
    assert np.mean([by_key(importances(SPACE, found))["optimizer.learning_rate"] for found in drawn]) > 0.75


def share_of_the_first(found: Trials) -> float:
    return importances(SPACE, found)[0].share


def test_where_nothing_matters_nothing_is_said_to() -> None:
    """One parameter in a hundred seems to by chance, so of four parameters one in 4% of all searches."""
    drawn = [trials(30, seed, SPACE, {}) for seed in range(40)]
    assert sum(share_of_the_first(found) > 0 for found in drawn) <= 5


def test_equally_good_trials_are_equally_good_in_any_order() -> None:
    """Where most trials have no error at all, the order in which they came tells nothing."""
    drawn = [trials(30, seed, SPACE, {}) for seed in range(20)]
    tied = [[(values, 0.0 if i < 25 else 0.1 * i) for i, (values, _) in enumerate(found)] for found in drawn]
    assert sum(share_of_the_first(found) > 0 for found in tied) <= 3
    found = trials(60, 0, SPACE, {"network.width": 1.0})
    rounded = [(values, max(0.2, value)) for values, value in found]
    assert importances(SPACE, rounded[::-1])[0].key == importances(SPACE, rounded)[0].key == "network.width"


@pytest.mark.parametrize("seed", range(5))
def test_where_all_trials_are_level_nothing_mattered(seed: int) -> None:
    """Sums that differ by rounding alone are no sign."""
    found = [(values, 0.0) for values, _ in trials(12, seed, SPACE, {})]
    assert [importance.share for importance in importances(SPACE, found)] == [0.0] * 4


def test_a_rate_that_matters_stays_first_among_ties() -> None:
    """Rates within a decade of the best reach an error of 0, the others do not."""
    for seed in range(5):
        found = [(v, max(0.0, r - 0.1)) for v, r in trials(40, seed, SPACE, {"optimizer.learning_rate": 1.0})]
        first = importances(SPACE, found)[0]
        assert (first.key, first.share > 0.5) == ("optimizer.learning_rate", True)


def test_the_order_follows_the_weights() -> None:
    found = importances(SPACE, trials(1000, 0, SPACE, {"optimizer.learning_rate": 2, "network.width": 1}))
    assert [importance.key for importance in found[:2]] == ["optimizer.learning_rate", "network.width"]
    assert by_key(found)["optimizer.epsilon"] < 0.02


def test_trials_that_diverged_are_the_worst() -> None:
    rng = np.random.default_rng(0)
    found: Trials = []
    for _ in range(60):
        values = SPACE.decode(rng.random(4).tolist())
        rate = values["optimizer.learning_rate"]
        found.append((values, math.nan if rate > 0.03 else float(rng.random())))
    assert importances(SPACE, found)[0].key == "optimizer.learning_rate"


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_few_trials_give_finite_shares(n: int) -> None:
    shares = by_key(importances(SPACE, trials(n, 0, SPACE, {"network.width": 1})))
    assert len(shares) == 4
    assert all(math.isfinite(share) and 0 <= share <= 1 for share in shares.values())


def test_a_parameter_that_never_changed_did_not_matter() -> None:
    rng = np.random.default_rng(0)
    fixed = [(SPACE.decode([0.9, float(rng.random()), 0.5, 0.5]), float(i)) for i in range(20)]
    shares = by_key(importances(SPACE, fixed))
    assert {key for key, share in shares.items() if share == 0} >= set(SPACE.keys) - {"network.width"}
    same = [(SPACE.decode([0.5] * 4), 1.0)] * 20
    assert set(by_key(importances(SPACE, same)).values()) == {0.0}


def test_a_parameter_counts_where_it_is_active() -> None:
    space = Space.of(
        {
            "optimizer.name": {"choice": ["momentum", "sgd"]},
            "optimizer.beta1": {"uniform": [0, 0.9], "when": {"optimizer.name": "momentum"}},
            "network.width": {"int": [10, 100]},
        }
    )
    rng = np.random.default_rng(0)
    found: Trials = []
    for _ in range(100):
        values = space.decode(rng.random(3).tolist())
        beta = values["optimizer.beta1"]
        found.append((values, 1.0 if beta is None else abs(beta - 0.3)))
    shares = by_key(importances(space, found))
    assert shares["optimizer.beta1"] > shares["network.width"]
    assert shares["optimizer.name"] > 0.2


def test_a_parameter_that_is_rarely_active_matters_less() -> None:
    names = ["sgd", "momentum", "nesterov", "rmsprop", "adam", "adamw"]
    space = Space.of(
        {
            "optimizer.name": {"choice": names},
            "optimizer.beta1": {"uniform": [0, 0.9], "when": {"optimizer.name": "momentum"}},
            "network.width": {"int": [10, 100]},
        }
    )
    rng = np.random.default_rng(0)
    found: Trials = []
    for _ in range(200):  # one trial in six hangs on beta1, the others on the width
        values = space.decode(rng.random(3).tolist())
        beta, width = values["optimizer.beta1"], values["network.width"]
        found.append((values, abs(width - 40) / 90 if beta is None else abs(beta - 0.3) / 0.9))
    shares = by_key(importances(space, found))
    assert shares["network.width"] > 2 * shares["optimizer.beta1"] > 0


def test_trials_outside_the_space_are_left_out() -> None:
    inside = trials(30, 0, SPACE, {"network.width": 1})
    outside = ({"optimizer.learning_rate": 7.0}, 0.0)
    assert importances(SPACE, [outside, *inside]) == importances(SPACE, inside)


def test_the_usual_order_stands_beside_and_disagreement_is_noted() -> None:
    found = importances(SPACE, trials(200, 0, SPACE, {"optimizer.epsilon": 1}))
    usual = {importance.key: importance.usual for importance in found}
    assert usual == {
        "optimizer.learning_rate": 1,
        "network.width": 2,
        "optimizer.epsilon": 4,
        "network.activation": None,
    }
    assert found[0].key == "optimizer.epsilon"
    others = [importance.key for importance in found[1:] if importance.usual]
    assert found[0].note == f"mattered more here than {' and '.join(others)}, usually less"
    agreeing = importances(SPACE, trials(200, 0, SPACE, {"optimizer.learning_rate": 1}))
    assert all(not importance.note for importance in agreeing if importance.share > 0.1)


@pytest.mark.parametrize(("optimizer", "group"), [("adam", 4), ("momentum", 2)])
def test_beta1_is_usually_unimportant_only_to_adam(optimizer: str, group: int) -> None:
    space = Space.of({"optimizer.beta1": {"uniform": [0, 0.9]}, "optimizer.schedule.rate": {"uniform": [0, 1]}})
    usual = {importance.key: importance.usual for importance in importances(space, [], optimizer)}
    assert usual == {"optimizer.beta1": group, "optimizer.schedule.rate": 3}


def plan(strategy: str, totals: list[int]) -> Plan:
    space = Space.of({"optimizer.learning_rate": {"log": [1e-5, 1]}, "network.width": {"int_log": [8, 256]}})
    return Plan(totals, {}, None, strategy, "dev_loss", 0, 9, space, enqueue=[])


def searched(of: Plan) -> list[TrialRecord]:
    """A search in which all depends on the learning rate, and a little on the width where that is right."""
    strategy = STRATEGIES[of.strategy](of.brief())
    records: list[TrialRecord] = []
    while points := strategy.ask(of.total - len(records) - 1):
        for point in points:
            unit = dict(zip(of.space.keys, of.space.encode(point.values) or [], strict=True))
            away = min(abs(unit["optimizer.learning_rate"] - 0.5), 0.3)
            value = 10 * away**2 - 0.2 * unit["network.width"] + 1 / (point.epochs or 9)
            strategy.tell(point.number, point.values, value)
            records.append({
                "number": point.number, "values": point.values, "seed": 0, "status": "done", "final": {}, "curve": [],
                "error": None, "metric": value, "time": 0.0,
            })  # fmt: skip
    return records


@pytest.mark.parametrize(
    ("strategy", "numbers"),
    [
        ("random", range(60)),
        ("grid", range(60)),
        ("coarse_to_fine", [*range(1, 12), 22, 23, 34, 35, 46, 47, 58, 59]),
        ("coarse_to_fine_halving", [*range(1, 12), 26, 27, 42, 43, 58, 59]),
        ("halving", [*range(1, 28), *range(40, 54)]),
        ("tpe", range(1, 10)),
    ],
)
def test_trials_from_the_whole_space_of_one_length_are_compared(strategy: str, numbers: list[int]) -> None:
    of = plan(strategy, [40, 60])
    assert sorted(STRATEGIES[strategy].compared(of.brief(), range(60))) == list(numbers)


@pytest.mark.parametrize("strategy", ["coarse_to_fine", "halving"])
def test_what_a_search_narrowed_down_still_matters(strategy: str) -> None:
    of = plan(strategy, [96])
    records = searched(of)
    lines = importance_lines(records, of, "adam")
    rate = next(line for line in lines if line.startswith("optimizer.learning_rate"))
    assert float(rate.split()[1].rstrip("%")) > 80, "\n".join(lines)
    assert not any("usually less" in line for line in lines)
    told = f"told from the {len(comparable(of, records))} of {len(records)} trials drawn from the whole space"
    assert told in " ".join(" ".join(lines).split())


def test_where_too_few_trials_come_from_the_whole_space_that_is_said() -> None:
    of = plan("coarse_to_fine", [20])
    told = " ".join(importance_lines(searched(of)[:9], of, "adam"))
    assert told == "which parameters matter cannot be told from fewer than 10 trials"
    of = plan("tpe", [40])
    told = " ".join(" ".join(importance_lines(searched(plan("random", [40])), of, "adam")).split())
    assert told == (
        "which parameters matter cannot be told from fewer than 10 trials drawn from the whole space and trained "
        "equally long; with `--strategy random` all are"
    )
