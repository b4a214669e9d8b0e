"""Each rule on worked examples: numbers on both sides of its threshold, and the change it advises."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from nnrun.config.config import Config
from nnrun.config.load import load_config
from nnrun.runs.listener import Outcome
from nnrun.runs.symptoms.evidence import Evidence, Layers
from nnrun.runs.symptoms.symptoms import SYMPTOMS, find_symptoms
from nnrun.runs.telling import summary
from nnrun.runs.verbs import resume

Train = Callable[..., Outcome]
Numbers = Sequence[float]


def rows(losses: Numbers, errors: Numbers | float = 0.5, rates: Numbers | float = 0.1) -> list[dict[str, Any]]:
    """Lines of metrics.jsonl, an epoch each; on dev it is as on train."""
    many = [values if isinstance(values, Sequence) else [values] * len(losses) for values in (errors, rates)]
    keys = ("epoch", "train_loss", "train_error", "learning_rate")
    return [
        dict(zip(keys, (epoch, *line), strict=True)) | {"cost": line[0], "dev_loss": line[0], "dev_error": line[1]}
        for epoch, line in enumerate(zip(losses, *many, strict=True), start=1)
    ]


def layers(
    outputs: Numbers = (1, 1), gradients: Numbers = (1, 1), dead: Numbers = (0, 0), steepness: float = 3.0,
    inputs: Numbers = (1, 1), activation: str = "relu",
) -> dict[str, Mapping[str, float | None]]:  # fmt: skip
    """Statistics of two hidden layers and the output layer, at which the gradient is 1."""
    found: dict[str, Mapping[str, float | None]] = {}
    for depth in (1, 2):
        found[f"dense{depth}"] = {"output_std": inputs[depth - 1], "dead": 0, "gradient_norm": 1, "steepness": 0}
        found[f"{activation}{depth}"] = {
            "output_std": outputs[depth - 1], "dead": dead[depth - 1], "gradient_norm": gradients[depth - 1],
        }  # fmt: skip
    return found | {"output": {"output_std": 1, "dead": 0, "gradient_norm": 1, "steepness": steepness}}


def found_in(
    *overrides: str,
    curve: list[dict[str, Any]] | None = None,
    of_layers: Sequence[tuple[int, Layers]] = (),
    divergence: dict[str, Any] | None = None,
    guess: float = 0.9,
    status: str = "done",
) -> list[dict[str, Any]]:
    at = of_layers or [(len(curve or []), layers())]
    return find_symptoms(Evidence(config_with(*overrides), curve or [], at, guess, divergence, status))


def config_with(*overrides: str) -> Config:
    return load_config(None, ["network.hidden=[8,8]", *overrides]).config


def names(found: list[dict[str, Any]]) -> list[str]:
    return [symptom["name"] for symptom in found]


FALLING = [2.0 * 0.9**epoch for epoch in range(12)]


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert found_in() == []
    assert found_in(curve=rows(FALLING)) == []


@pytest.mark.parametrize(
    ("numbers", "names_and_layers"),
    [
        ({"outputs": (1, 2000)}, [("exploding", "relu2")]),  # 2000 / 1 > 1000
        ({"outputs": (1, 900)}, []),
        ({"outputs": (0.001, 2)}, [("exploding", "relu2")]),
        ({"gradients": (1500, 40)}, [("exploding", "relu1")]),
        ({"outputs": (1, 0.0005)}, [("vanishing", "relu2")]),
        ({"outputs": (1, 0.002)}, []),
        ({"gradients": (1e-4, 1e-2)}, [("vanishing", "relu1")]),
        ({"gradients": (0, 0)}, [("vanishing", "relu1")]),
        ({"dead": (0, 0.41)}, [("dead_units", "relu2")]),
        ({"dead": (0.7, 0.5)}, [("dead_units", "relu1")]),  # the worst layer alone
        ({"dead": (0, 0.39)}, []),
        ({"dead": (0, 1), "gradients": (0, 1)}, [("dead_units", "relu2")]),  # which let no gradient through
        # zeros as weights: 0 arrives and 0 leaves, which is no fault of the units
        ({"dead": (1, 1), "inputs": (0, 0), "outputs": (0, 0), "gradients": (0, 0)}, [("vanishing", "relu1")]),
    ],
)
def test_layers(numbers: dict[str, Numbers], names_and_layers: list[tuple[str, str]]) -> None:
    found = found_in(of_layers=[(7, layers(**numbers))])  # type: ignore[arg-type]
    assert [(symptom["name"], symptom["layer"]) for symptom in found] == names_and_layers
    assert all(symptom["epoch"] == 7 for symptom in found)


def test_units_without_weights_are_what_l1_wants_and_other_activations_are_never_dead() -> None:
    at = [(7, layers(dead=(0.9, 0.9)))]
    assert found_in("regularization.l1=1", of_layers=at) == []
    others = [(7, layers(dead=(0.9, 0.9), activation="leaky_relu"))]
    assert found_in("network.activation=leaky_relu", of_layers=others) == []


def test_numbers_that_are_not_finite_are_null_and_count_as_infinite() -> None:
    at = layers() | {"relu2": {"output_std": None, "dead": 0, "gradient_norm": None}}
    assert names(found_in(of_layers=[(1, at)])) == ["exploding"]


def test_a_symptom_of_layers_is_dated_to_the_epoch_since_which_it_lasts() -> None:
    good, bad = layers(), layers(dead=(0, 0.5))
    history = [(epoch, bad if epoch in (2, 4, 5) else good) for epoch in range(1, 6)]
    assert [symptom["epoch"] for symptom in found_in(of_layers=history)] == [4]
    assert found_in(of_layers=history[:3]) == []


def test_divergence() -> None:
    where = {"epoch": 3, "step": 70, "layer": "dense2"}
    (found,) = found_in("optimizer.learning_rate=10", divergence=where, curve=rows([2.0, 3.0]))
    assert found == {
        "name": "divergence", "epoch": 3, "layer": "dense2", "why": "its numbers ceased to be finite in step 70",
        "cure": ["optimizer.learning_rate=0.001"],
    }  # fmt: skip


# Twelve epochs; the last quarter is the last five. The error of 50% is far above the tolerance of 1.5%.
LOST = [*FALLING[:7], *[1.5] * 5]
SWINGING = [1.0] * 7 + [0.5, 1.5, 0.5, 1.5, 0.5]  # mean 0.9; each step 1, which is 111% of it
FLAT = [*FALLING[:7], *[1.0] * 5]
BARELY = [2.0 - 0.001 * epoch for epoch in range(12)]  # tail: 1.993 to 1.989, 0.2% less; means of its halves 0.15%


@pytest.mark.parametrize(
    ("name", "losses", "errors", "steepness", "epoch"),
    [
        ("rising_loss", LOST, [*[0.3] * 7, *[0.6] * 5], 3.0, 7),  # lowest 2 · 0.9⁶ = 1.06 in epoch 7; 1.5 is 41% more
        (None, LOST, [0.58] * 12, 3.0, None),  # the error did not rise
        (None, LOST, [*[0.001] * 7, *[0.014] * 5], 3.0, None),  # the error is low
        ("oscillation", SWINGING, [0.5] * 12, 3.0, 8),
        (None, SWINGING, [0.01] * 12, 3.0, None),
        (None, [1.0] * 7 + [0.8, 1.2, 0.8, 1.2, 0.8], [0.5] * 12, 3.0, None),  # by 0.4 around 0.96: 42%
        ("plateau", FLAT, [0.5] * 12, 1.9, 8),
        (None, FLAT, [0.5] * 12, 2.1, None),  # the gradient is not small
        (None, FLAT, [0.015] * 12, 1.9, None),  # an error of just the tolerance is low
        (None, [*FALLING[:7], 1.0, 0.99, 0.985, 0.98, 0.97], [0.5] * 12, 1.9, None),  # 0.995 → 0.975, 2% less
        (None, FLAT[-9:], [0.5] * 9, 1.9, None),  # too short to tell
        ("slow", BARELY, [0.5] * 12, 3.0, 8),
        ("plateau", BARELY, [0.5] * 12, 1.9, 8),
        (None, FALLING, [0.5] * 12, 3.0, None),
    ],
)  # fmt: skip
def test_curves(name: str | None, losses: Numbers, errors: Numbers, steepness: float, epoch: int | None) -> None:
    at = [(len(losses), layers(steepness=steepness))]
    found = found_in(curve=rows(losses, errors), of_layers=at)
    assert [(symptom["name"], symptom["epoch"], symptom["layer"]) for symptom in found] == (
        [(name, epoch, None)] if name else []
    )


def test_an_epoch_is_told_by_its_number_where_the_rows_begin_later() -> None:
    later = [row | {"epoch": row["epoch"] + 30} for row in rows(LOST, [*[0.3] * 7, *[0.6] * 5])]
    assert [(found["name"], found["epoch"]) for found in found_in(curve=later)] == [("rising_loss", 37)]


CLIMBING = [1.0, 0.8, 1.0, 1.3, 1.6]  # three times up, to twice the lowest


@pytest.mark.parametrize(
    ("losses", "error", "since"),
    [
        (CLIMBING, 0.5, 2),
        ([*CLIMBING[:4], 1.59], 0.5, None),  # 1.99 times the lowest
        (CLIMBING, 0.44, None),  # half of a guess's is 0.45
        ([0.8, 0.7, 1.3, 1.6], 0.5, None),  # twice up
        ([0.8, 1.0, 1.3, 1.6], 0.5, 1),
        ([*CLIMBING, 1.5], 0.5, None),  # and down again
    ],
)
def test_a_loss_that_climbs_is_near_divergence_before_there_are_quarters(
    losses: Numbers, error: float, since: int | None
) -> None:
    found = found_in("optimizer.learning_rate=0.2", curve=rows(losses, error))
    assert [(one["name"], one["epoch"], one["cure"]) for one in found] == (
        [("divergence_near", since, ["optimizer.learning_rate=0.02"])] if since else []
    )


@pytest.mark.parametrize("losses", [LOST, CLIMBING])
def test_a_loss_that_rises_with_a_stronger_penalty_while_the_cost_falls_is_no_symptom(losses: Numbers) -> None:
    held = [row | {"cost": 9 - row["epoch"] / 2} for row in rows(losses, [*[0.3] * (len(losses) - 4), *[0.6] * 4])]
    assert found_in(curve=held) == []
    assert found_in(curve=[row | {"cost": row["train_loss"]} for row in held]) != []


def with_dev(losses: Numbers, error: float = 0.2) -> list[dict[str, Any]]:
    """A training loss that falls, and this on dev."""
    return [row | {"dev_loss": loss, "dev_error": error} for row, loss in zip(rows(FALLING, 0.01), losses, strict=True)]


TURNED = [1.0, 0.9, 0.8, 0.7, 0.65, 0.6, 0.6, 0.62, 0.64, 0.65, 0.66, 0.67]  # lowest in epoch 6, then up by 12%


def test_a_dev_loss_that_rises_is_told_while_the_network_trains() -> None:
    (found,) = found_in(curve=with_dev(TURNED), status="running")
    assert (found["name"], found["epoch"], found["nudge"]) == ("dev_rising", 6, ["regularization.l2=1"])
    assert found["why"] == "since then the dev loss has risen from 0.6 to 0.67, while the training loss fell"
    assert found_in(curve=with_dev(TURNED)) == []  # the verdict says it
    assert found_in(curve=with_dev([*TURNED[:-1], 0.66]), status="running") == []  # just 10%
    assert found_in(curve=with_dev(TURNED, error=0.015), status="running") == []  # a low error
    (found,) = found_in("regularization.l2=2", curve=with_dev(TURNED), status="paused")
    assert found["nudge"] == ["regularization.l2=6"]


def test_an_error_as_low_as_the_base_error_is_no_plateau() -> None:
    at = [(12, layers(steepness=1.0))]
    assert names(found_in("diagnosis.base_error=0.48", curve=rows(FLAT), of_layers=at)) == ["plateau"]
    assert found_in("diagnosis.base_error=0.49", curve=rows(FLAT), of_layers=at) == []


@pytest.mark.parametrize("held", ["regularization.l2=1", "regularization.dropout=0.2", "optimizer.weight_decay=0.1"])
def test_what_a_penalty_holds_up_is_no_plateau_unless_nothing_was_learned(held: str) -> None:
    at = [(12, layers(steepness=1.0))]
    assert found_in(held, curve=rows(FLAT, 0.8), of_layers=at) == []  # 0.8 < 0.9 · 0.9 = 0.81
    assert names(found_in(held, curve=rows(FLAT, 0.82), of_layers=at)) == ["plateau"]


def test_a_network_without_hidden_layers_has_no_plateaus() -> None:
    at = [(12, {"output": layers(steepness=1.0)["output"]})]
    assert found_in("network.hidden=[]", curve=rows(FLAT), of_layers=at) == []


def test_of_a_slow_fall_all_is_told_since_its_epoch() -> None:
    (found,) = found_in(curve=rows([2.0 - 0.004 * epoch for epoch in range(12)]), of_layers=[(12, layers())])
    assert (found["name"], found["epoch"]) == ("slow", 8)
    assert "has fallen by 0.8% only" in found["why"], "1.972 to 1.956; the means of its halves are 0.6% apart"


def test_a_rate_that_the_schedule_lowered_is_not_too_low() -> None:
    rates = [0.1 * 0.9**epoch for epoch in range(12)]  # at last 0.031, less than half
    assert found_in(curve=rows(BARELY, rates=rates)) == []


def test_of_the_curve_nothing_is_told_where_a_layer_explains_it() -> None:
    at = [(12, layers(dead=(0, 1), steepness=1.0))]
    assert names(found_in(curve=rows(FLAT), of_layers=at)) == ["dead_units"]


STORIES: dict[str, tuple[Numbers, Layers]] = {
    "explode": (FALLING, layers(outputs=(1, 1e4))),
    "vanish": (FALLING, layers(outputs=(1, 1e-4))),
    "die": (FALLING, layers(dead=(1, 1))),
    "rest": (FLAT, layers(steepness=1.0)),
    "crawl": (BARELY, layers()),
}


@pytest.mark.parametrize(
    ("bad", "overrides", "cure"),
    [
        ("explode", ["network.init={name: normal, scale: 2}"], ["network.init=auto"]),
        ("explode", ["network.init={name: he, gain: 3}"], ["network.init=auto"]),
        ("explode", ["network.init=he"], ["network.batch_norm=true"]),
        ("vanish", ["network.init=zeros"], ["network.init=auto"]),
        ("vanish", [], ["network.batch_norm=true"]),
        ("die", ["optimizer.learning_rate=0.3"], ["optimizer.learning_rate=0.03"]),
        ("die", ["data.normalize=none"], ["data.normalize=standard"]),
        ("rest", ["optimizer.name=sgd"], ["optimizer.name=adam", "optimizer.learning_rate=0.003"]),
        ("rest", ["optimizer.name=momentum"], ["optimizer.name=adam", "optimizer.learning_rate=0.003"]),
        ("rest", ["optimizer.learning_rate=0.002"], ["optimizer.learning_rate=0.02"]),
        ("crawl", ["optimizer.name=sgd", "optimizer.learning_rate=0.002"], ["optimizer.learning_rate=0.02"]),
    ],
)
def test_cures(bad: str, overrides: list[str], cure: list[str]) -> None:
    """Exact settings that fit what the configuration says already."""
    losses, at = STORIES[bad]
    (found,) = found_in(*overrides, curve=rows(losses), of_layers=[(12, at)])
    assert found["cure"] == cure
    load_config(None, [*overrides, *cure])


def test_the_last_ways_out_of_a_deep_network() -> None:
    normed = {f"norm{depth}": layers()["dense1"] for depth in (1, 2)}
    exploded, vanished = ([(1, layers(outputs=(1, size)) | normed)] for size in (1e4, 1e-4))
    batch_norm = "network.batch_norm=true"
    assert found_in(batch_norm, of_layers=exploded)[0]["cure"] == ["optimizer.clip_norm=1"]
    clipped = found_in(batch_norm, "optimizer.clip_norm=1", "optimizer.learning_rate=0.1", of_layers=exploded)
    assert clipped[0]["cure"] == ["optimizer.learning_rate=0.01"]
    assert found_in(batch_norm, of_layers=vanished)[0]["cure"] == ["network.hidden=[8]"]
    sigmoid = [(1, layers(outputs=(1, 1e-4), activation="sigmoid"))]
    assert found_in("network.activation=sigmoid", of_layers=sigmoid)[0]["cure"] == ["network.activation=relu"]


@pytest.mark.parametrize(
    ("bad", "overrides", "nudge"),
    [
        ("explode", [], ["optimizer.clip_norm=1"]),
        ("explode", ["optimizer.clip_norm=1"], ["optimizer.learning_rate=0.0001"]),
        ("vanish", [], []),  # another network would help
        ("die", ["data.normalize=none"], ["optimizer.learning_rate=0.0001"]),
        ("rest", ["optimizer.name=sgd"], ["optimizer.learning_rate=0.01"]),
        ("crawl", [], ["optimizer.learning_rate=0.01"]),
    ],
)
def test_nudges(bad: str, overrides: list[str], nudge: list[str]) -> None:
    """While it trains the settings that may change then, if there are any; in the end none."""
    losses, at = STORIES[bad]
    (found,) = found_in(*overrides, curve=rows(losses), of_layers=[(12, at)], status="running")
    assert found["nudge"] == nudge
    assert "nudge" not in found_in(*overrides, curve=rows(losses), of_layers=[(12, at)])[0]


def test_every_symptom_is_explained() -> None:
    for name, symptom in SYMPTOMS.items():
        assert symptom.when and symptom.advice and symptom.source[-4:].isdigit(), name


# in a run

ZEROS = ("data.source=iris", "network.init=zeros", "training.epochs=3")


def told(outcome: Outcome) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in event.items() if key not in ("time", "event")}
        for event in outcome.run.events()
        if event["event"] == "symptom"
    ]


def test_a_run_records_each_once_and_its_summary_tells_them_with_the_cure(train_run: Train) -> None:
    outcome = train_run(*ZEROS)
    expected = {
        "name": "vanishing", "epoch": 3, "layer": "relu1", "why": "nothing of the gradient at the output arrives there",
        "cure": ["network.init=auto"],
    }  # fmt: skip
    assert outcome.record["symptoms"] == told(outcome) == [expected]
    lines = [
        "symptom  vanishing in relu1, epoch 3: nothing of the gradient at the output arrives there",
        "         try --set network.init=auto",
    ]
    assert summary(outcome.record, load_config(None).config, "done")[-2:] == lines
    assert outcome.run.read("log.txt").decode().splitlines()[-2:] == lines
    assert told(resume(outcome.run, epochs=4)) == [expected]  # not once more


def test_the_statistics_of_every_epoch_are_used_where_there_are_any(train_run: Train) -> None:
    outcome = train_run(*ZEROS, "training.layer_statistics=true")
    assert [symptom["epoch"] for symptom in outcome.record["symptoms"]] == [1]


def test_a_run_without_symptoms_says_nothing(train_run: Train) -> None:
    outcome = train_run("data.source=iris", "training.epochs=3")
    assert outcome.record["symptoms"] == told(outcome) == []
    assert "symptom" not in outcome.run.read("log.txt").decode()


def test_a_diverged_run_is_told_to_take_shorter_steps(train_run: Train) -> None:
    outcome = train_run("data.source=iris", "optimizer.name=sgd", "optimizer.learning_rate=1e8")
    assert [(s["name"], s["cure"]) for s in told(outcome)] == [("divergence", ["optimizer.learning_rate=0.1"])]
