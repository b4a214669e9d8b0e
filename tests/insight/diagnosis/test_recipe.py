"""Which advice each situation gets first; what it does to the dev error, benchmarks/advice.py measures."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nnrun.config.config import Config
from nnrun.config.load import load_config
from nnrun.insight.diagnosis.origin import Origin
from nnrun.insight.diagnosis.recipe import HOLDING, REMEDIES, moves, ranked
from nnrun.insight.diagnosis.telling import sentence
from nnrun.runs.symptoms.evidence import CalmerRate, Evidence
from nnrun.runs.verdict import judge

EPOCH = {"epoch": 20, "train_loss": 0.5, "cost": 0.5}
RAW = {"data": {"normalize": "none"}}
BIASED, LOOSE, GOOD = (0.3, 0.31), (0.0, 0.1), (0.005, 0.01)


def trained_for(epochs: int, after: int = 0) -> list[dict[str, Any]]:
    return [EPOCH | {"epoch": number} for number in range(after + 1, after + epochs + 1)]


def seen(errors: tuple[float, float], *found: str, values: dict[str, Any] | None = None, **facts: Any) -> Evidence:
    verdict = judge({"base": 0.0, "train": errors[0], "dev": errors[1]}, {}, 0.015)
    known: dict[str, Any] = {"train_rows": 1000, "dev_rows": 300, "features": 20, "outputs": 10}
    return Evidence(Config.from_values(values or {}), verdict=verdict, signs=frozenset(found), **(known | facts))


def test_how_few_epochs_there_were_is_told() -> None:
    told = {move.why for rows in (1, 3) for move in moves(seen(BIASED, rows=trained_for(rows)), REMEDIES)}
    assert {"One epoch is little: 4 times the epochs.", "3 epochs are few: 4 times the epochs."} <= told


def first(evidence: Evidence) -> dict[str, Any]:
    return dict(moves(evidence, REMEDIES)[0].settings)


SITUATIONS: dict[str, tuple[Evidence, dict[str, Any]]] = {
    "images by heart": (seen(LOOSE, "flat", pixels=True), {"regularization.augment": ["elastic"]}),
    "narrow": (seen(BIASED, "flat", values={"network": {"hidden": [4]}}), {"network.hidden": [64]}),
    "linear": (
        seen(BIASED, "flat", values={"network": {"hidden": []}}),
        {"network.hidden": [64], "regularization.dropout": 0},
    ),
    "short": (seen(BIASED, "still falling"), {"training.epochs": 200}),
    "at rest": (seen(BIASED, "flat"), {"network.hidden": [128, 64]}),
    "slow": (
        seen(BIASED, "still falling", values={"optimizer": {"learning_rate": 1e-5}}),
        {"optimizer.learning_rate": 1e-3},
    ),
    "fast": (
        seen(BIASED, "jumping", values={"optimizer": {"learning_rate": 0.01}}),
        {"optimizer.learning_rate": 0.00333},
    ),
    "zeros": (
        seen(BIASED, "learned nothing", values={"network": {"init": "zeros"}, "optimizer": {"name": "sgd"}}),
        {"network.init": "auto"},
    ),
    "weights too large": (
        seen((0.05, 0.17), values={"network": {"init": {"name": "normal", "scale": 1}}}),
        {"network.init": "auto"},
    ),
    "raw": (seen(BIASED, values=RAW), {"data.normalize": "standard"}),
    "raw, and fast": (
        seen(BIASED, "learned nothing", values=RAW | {"optimizer": {"name": "sgd", "learning_rate": 1}}),
        {"data.normalize": "standard"},
    ),
    "raw, and far too fast": (
        seen(BIASED, "learned nothing", values=RAW | {"optimizer": {"name": "sgd", "learning_rate": 5}}),
        {"data.normalize": "standard", "optimizer.learning_rate": 0.3},
    ),
    "raw, and diverged": (
        seen(BIASED, status="diverged", values=RAW | {"optimizer": {"name": "sgd", "learning_rate": 1}}),
        {"data.normalize": "standard", "optimizer.learning_rate": 0.1},
    ),
    "far too fast": (
        seen(BIASED, "jumping", values={"optimizer": {"name": "sgd", "learning_rate": 20}}),
        {"optimizer.learning_rate": 0.3},
    ),
    "penalised": (seen(BIASED, "flat", values={"regularization": {"l2": 10}}), {"regularization.l2": 1.0}),
    "dropped": (seen(BIASED, "flat", values={"regularization": {"dropout": 0.8}}), {"regularization.dropout": 0.27}),
    "smoothed": (
        seen(BIASED, "flat", values={"regularization": {"l2": 0.01, "label_smoothing": 0.9}}),
        {"regularization.l2": 0.001, "regularization.label_smoothing": 0},
    ),
    "sigmoid": (seen(BIASED, "flat", values={"network": {"activation": "sigmoid"}}), {"network.activation": "relu"}),
    "deep": (
        seen(BIASED, "learned nothing", values={"network": {"hidden": [64] * 8}}),
        {"network.batch_norm": True},
    ),
    "stopped": (
        seen(BIASED, stopped_early=True, rows=[EPOCH] * 20, values={"regularization": {"early_stopping": {}}}),
        {"regularization.early_stopping.patience": 40},
    ),
    "by heart": (seen(LOOSE), {"regularization.dropout": 0.3, "regularization.l2": 0.3}),
    "by heart, narrow": (seen(LOOSE, values={"network": {"hidden": [8]}}), {"regularization.l2": 1.0}),
    "L2 alone": (seen(LOOSE, values={"regularization": {"l2": 1}}), {"regularization.dropout": 0.5}),
    "bias of an early best epoch": (
        seen((0.2, 0.25), "dev turned", best_epoch=3, rows=[EPOCH] * 20),
        {"regularization.dropout": 0.3, "regularization.l2": 0.3},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SITUATIONS)
def test_the_first_move(name: str) -> None:
    evidence, expected = SITUATIONS[name]
    assert first(evidence) == expected


def test_never_the_same_list_for_everybody() -> None:
    lists: dict[str, list[str]] = {}
    for name, (evidence, _) in SITUATIONS.items():
        lists.setdefault(str([move.settings for move in moves(evidence, REMEDIES)]), []).append(name)
    assert [names for names in lists.values() if len(names) > 1] == []


@pytest.mark.parametrize("errors", [BIASED, LOOSE, GOOD, (0.15, 0.30), (0.3, 0.1)])
@pytest.mark.parametrize("values", [{}, {"network": {"hidden": []}}, {"regularization": {"l2": 1, "dropout": 0.5}}])
def test_three_to_five_moves_whose_commands_parse(errors: tuple[float, float], values: dict[str, Any]) -> None:
    found = moves(seen(errors, values=values), REMEDIES)
    assert 3 <= len(found) <= 5
    for move in found:
        command = Origin().command(move)
        assert "\n" not in command
        words = shlex.split(command)
        load_config(None, [words[i + 1] for i, word in enumerate(words) if word == "--set"])


def test_a_diverged_run_lowers_its_rate_first() -> None:
    evidence = seen(BIASED, status="diverged", values={"optimizer": {"name": "sgd", "learning_rate": 0.5}})
    assert first(evidence) == {"optimizer.learning_rate": 0.05}
    far = seen(BIASED, status="diverged", values={"optimizer": {"name": "sgd", "learning_rate": 500.0}})
    assert first(far) == {"optimizer.learning_rate": 0.1}, "no higher than the usual one"


def test_a_mismatch_is_looked_into_first() -> None:
    verdict = judge({"base": 0.0, "train": 0.01, "train_dev": 0.015, "dev": 0.1}, {}, 0.015)
    assert moves(Evidence(Config(), verdict=verdict), REMEDIES)[0].verb == "check"


def test_a_variance_on_a_dev_set_of_its_own_is_told_from_a_mismatch_first() -> None:
    parts = {"source": {"train": "a.csv", "dev": "b.csv"}, "target": "y"}
    assert first(seen(LOOSE, values={"data": parts})) == {"data.train_dev": 0.2}
    for known in ({"train_dev": 0.1}, {"source": parts["source"] | {"train_dev": "c.csv"}}):
        assert "data.train_dev" not in first(seen(LOOSE, values={"data": parts | known}))
    assert "data.train_dev" not in first(seen(BIASED, values={"data": parts})), "there is no variance"
    assert first(seen(LOOSE, values={"data": {"time": "t"}})) == {"data.train_dev": 0.2}, "newer rows"


def test_newer_test_rows_ask_for_a_look_at_what_drifts() -> None:
    verdict = judge({"base": 0.0, "train": 0.01, "dev": 0.02, "test": 0.2}, {}, 0.015)
    found = moves(Evidence(Config.model_validate({"data": {"time": "t"}}), verdict=verdict), REMEDIES)
    assert (found[0].verb, "newer" in found[0].why) == ("check", True)


@pytest.mark.parametrize("middle", [{}, {"train_dev": 0.02}])
def test_sets_from_files_of_their_own_ask_for_a_look_at_both(middle: dict[str, float]) -> None:
    """Of which no other split can be drawn; more than that speaks against a variance that is in doubt."""
    parts = {"source": {"train": "a.csv", "dev": "b.csv", "test": "c.csv"}, "target": "y"}
    errors = {"base": 0.0, "train": 0.005} | middle | {"dev": 0.028, "test": 0.11}
    verdict = judge(errors, {"train": 1200, "train_dev": 200, "dev": 500, "test": 297}, 0.015)
    assert verdict.judgement("dev_overfit") == "high"
    found = moves(Evidence(Config.from_values({"data": parts}), verdict=verdict, image=True), REMEDIES)
    assert (found[0].verb, "or rows are in two sets at once" in found[0].why) == ("check", True)


def test_a_dev_set_that_was_overfitted_is_chosen_by_no_further() -> None:
    for train, dev in ((0.01, 0.02), (0.1, 0.11), (0.01, 0.08)):
        verdict = judge({"base": 0.0, "train": train, "dev": dev, "test": dev + 0.06}, {}, 0.015)
        found = moves(Evidence(Config(), verdict=verdict), REMEDIES)
        assert not any(move.verb == "search" for move in found)
        assert sum("data.split_seed" in move.settings for move in found) == 1, "no command twice"


@pytest.mark.parametrize("above", [{"dev": 0.02, "test": 0.08}, {"train_dev": 0.015, "dev": 0.1}])
def test_while_another_gap_is_high_nobody_is_told_that_both_are_small(above: dict[str, float]) -> None:
    found = moves(Evidence(Config(), verdict=judge({"base": 0.0, "train": 0.01} | above, {}, 0.015)), REMEDIES)
    assert len(found) >= 3
    assert not any("Both gaps are small" in move.why for move in found)


@pytest.mark.parametrize(("best", "epochs", "patience"), [(2, 8, 3), (3, 40, 10), (6, 8, 1), (7, 8, None)])
def test_early_stopping_is_advised_where_it_would_have_stopped(best: int, epochs: int, patience: int | None) -> None:
    rows = [EPOCH | {"epoch": epochs}] * epochs
    assert REMEDIES["early stopping"].propose(seen(LOOSE, best_epoch=best, rows=rows)) is None, "no loss turned"
    move = REMEDIES["early stopping"].propose(seen(LOOSE, "dev turned", best_epoch=best, rows=rows))
    advised = move.settings["regularization.early_stopping"]["patience"] if move else None
    assert advised == patience
    assert patience is None or best + patience < epochs


@pytest.mark.parametrize(("wrong", "small"), [({"dev": 1}, False), ({"dev": 0, "test": 2}, False), ({"dev": 0}, True)])
def test_a_gap_of_ten_points_is_not_small_for_being_unclear(wrong: dict[str, int], small: bool) -> None:
    errors = {"base": 0.0, "train": 0.0} | {part: count / 10 for part, count in wrong.items()}
    verdict = judge(errors, {"train": 100, **dict.fromkeys(wrong, 10)}, 0.015)
    evidence = Evidence(Config(), verdict=verdict, dev_rows=10)
    assert evidence.settled
    assert any("Both gaps are small" in move.why for move in moves(evidence, REMEDIES)) == small


def test_a_bias_of_stopping_early_beside_a_mismatch_asks_for_no_more_epochs() -> None:
    verdict = judge({"base": 0.0, "train": 0.13, "train_dev": 0.14, "dev": 0.26}, {}, 0.015)
    signs = frozenset({"dev turned", "still falling"})
    found = moves(Evidence(Config(), verdict=verdict, signs=signs, best_epoch=1), REMEDIES)
    assert found[0].verb == "check"
    assert not {"training.epochs", "network.hidden"} & {key for move in found[:2] for key in move.settings}
    assert not any(move.settings.get("training.epochs") == 200 for move in found)


def test_a_setting_is_replaced_not_repeated() -> None:
    move = moves(SITUATIONS["short"][0], REMEDIES)[0]
    origin = Origin(Path("a b.yaml"), ("training.epochs=50", "seed=3"), ("--runs", "there"))
    assert origin.command(move) == "nnrun train 'a b.yaml' --set seed=3 --set training.epochs=200 --runs there"


@pytest.mark.parametrize("name", REMEDIES)
def test_every_rule_of_the_table_can_speak(name: str) -> None:
    """Some situation gets a move from each rule."""
    wide = [
        *(evidence for evidence, _ in SITUATIONS.values()),
        seen((0.05, 0.1), "dev turned", best_epoch=3, rows=[EPOCH] * 20),
        seen(BIASED, "jumping"),
        seen(BIASED, "jumping", values={"optimizer": {"beta2": 0}}),
        seen(BIASED, values={"optimizer": {"name": "sgd"}}),
        seen(GOOD),
        seen((0.0, 0.0)),
        seen((0.1, 0.1), guess=0.1),
        seen(LOOSE, values={"data": {"source": {"train": "a.csv", "dev": "b.csv"}, "target": "y"}}),
        Evidence(Config(), verdict=judge({"base": 0.0, "train": 0.01, "dev": 0.02}, {"dev": 100}, 0.015), dev_rows=100),
        Evidence(Config(), verdict=judge({"base": 0.0, "train": 0.0, "dev": 0.0, "test": 0.1}, {}, 0.015)),
        Evidence(Config(), verdict=judge({"base": 0.0, "train": 0.1, "dev": 4.0}, {}, 0.015, proportions=False)),
        Evidence(Config(), verdict=judge({"base": 0.0, "train": 0.0, "train_dev": 0.0, "dev": 0.1}, {}, 0.015)),
    ]
    assert any(REMEDIES[name].propose(evidence) for evidence in wide)


OVERFITTED = judge({"base": 0.0, "train": 0.0, "dev": 0.0, "test": 0.1}, {}, 0.015)
FEW = judge({"base": 0.0, "train": 0.0, "dev": 0.02}, {"train": 1000, "dev": 300}, 0.015)  # a variance in doubt
FILES = {"source": {"train": "a.csv", "dev": "b.csv"}, "target": "y"}


@pytest.mark.parametrize(
    ("name", "evidence"),
    [
        ("another seed", seen(BIASED, status="diverged")),
        ("another split", seen(BIASED, status="diverged")),
        ("another split", seen(BIASED, values={"data": FILES})),
        ("twice as long", seen(BIASED, status="diverged")),
        ("twice as long", seen((0.0, 0.0))),
        ("search", seen(BIASED, searched=frozenset({"optimizer.learning_rate"}))),
        ("fresh dev set", replace(seen(GOOD, values={"data": FILES}), verdict=OVERFITTED)),
        ("folds", replace(seen(GOOD, values={"data": {"folds": 3}}), verdict=FEW)),
        ("folds", replace(seen(GOOD, values={"data": FILES}), verdict=FEW)),
        ("half the network", replace(seen(GOOD), verdict=FEW)),
        ("lower rate", seen(BIASED, "still falling", values={"optimizer": {"learning_rate": 0.01}})),
    ],
)
def test_a_rule_is_silent_where_its_words_exclude_it(name: str, evidence: Evidence) -> None:
    assert REMEDIES[name].propose(evidence) is None


@pytest.mark.parametrize(("now", "then"), [(0.3, 1), (1, 3), (10, 30), (30, None)])
def test_a_penalty_that_is_not_enough_becomes_a_stronger_one(now: float, then: float | None) -> None:
    move = REMEDIES["L2"].propose(seen(LOOSE, values={"regularization": {"l2": now}}))
    assert (move and move.settings["regularization.l2"]) == then


@pytest.mark.parametrize(("rows", "to"), [(1000, [32, 16]), (100, [16, 16])])
def test_the_fewer_the_rows_the_smaller_the_network(rows: int, to: list[int]) -> None:
    move = REMEDIES["smaller network"].propose(seen(LOOSE, train_rows=rows, values={"network": {"hidden": [64, 32]}}))
    assert move is not None and move.settings == {"network.hidden": to}


def test_all_that_regularises_is_lowered_at_once_and_sooner_where_it_takes_much_of_the_cost() -> None:
    held = {"regularization": {"l1": 2, "l2": 3, "dropout": 0.6, "input_dropout": 0.5, "label_smoothing": 0.3}}
    lower = REMEDIES["less regularisation"].propose(seen(BIASED, values=held))
    assert lower is not None and lower.settings == {
        "regularization.l1": 0.2, "regularization.l2": 0.3, "regularization.dropout": 0.2,
        "regularization.input_dropout": 0, "regularization.label_smoothing": 0,
    }  # fmt: skip
    little, much = (
        REMEDIES["less regularisation"].propose(
            seen(BIASED, rows=[EPOCH | {"train_loss": loss, "cost": 1.0}] * 20, values={"regularization": {"l2": 0.1}})
        )
        for loss in (0.9, 0.7)
    )
    assert little is not None and much is not None and little.weight < much.weight
    assert [move.why.startswith("A large part of the cost is penalty") for move in (little, much)] == [False, True]


def test_no_more_epochs_are_asked_for_where_nothing_came_of_all_these() -> None:
    longer = REMEDIES["longer"].propose
    assert longer(unlearned(1.02)) is None
    assert longer(unlearned(0.4)) is not None, "a linear model learns something"


@pytest.mark.parametrize(("signs", "epochs", "why"), [
    (("still falling",), 20, "The loss was still falling when training ended"), ((), 7, "7 epochs are few"),
    (("flat",), 20, None), ((), 20, None), ((), 0, "A longer training may still find a way down"),
])  # fmt: skip
def test_more_epochs_are_asked_for_where_something_speaks_for_them(
    signs: tuple[str, ...], epochs: int, why: str | None
) -> None:
    """They were of a training at rest, too, beside a line that said so. Bare errors tell of no curve."""
    move = REMEDIES["longer"].propose(seen(BIASED, *signs, rows=trained_for(epochs)))
    assert (move and move.why) == (why and f"{why}: 4 times the epochs.")


def test_epochs_of_the_parent_count_as_trained() -> None:
    """A child of two epochs behind 150 was told that two are few."""
    assert REMEDIES["longer"].propose(seen(BIASED, rows=trained_for(2, after=150))) is None


# how much is needed


def test_what_helps_against_both_is_needed_as_much_as_both_together() -> None:
    (found,) = [each for each in ranked(seen((0.1, 0.2), values=RAW), REMEDIES) if each.remedy == "normalise"]
    assert found.weight == pytest.approx(found.move.weight)


# one list, one direction


@pytest.mark.parametrize("errors", [(0.03, 0.31), (0.15, 0.30), (0.2, 0.3), (0.3, 0.31)])
@pytest.mark.parametrize("l2", [0.0, 0.1, 3.0])
def test_no_list_both_loosens_and_tightens(errors: tuple[float, float], l2: float) -> None:
    evidence = seen(errors, "flat", values={"regularization": {"l2": l2, "dropout": 0.2}})
    found = moves(evidence, REMEDIES)
    lambdas = [move.settings["regularization.l2"] for move in found if "regularization.l2" in move.settings]
    rates = [move.settings["regularization.dropout"] for move in found if "regularization.dropout" in move.settings]
    widths = [sum(move.settings["network.hidden"]) for move in found if "network.hidden" in move.settings]
    steps = [value - l2 for value in lambdas] + [value - 0.2 for value in rates]
    assert not (min(steps, default=0) < 0 < max(steps, default=0)), [move.settings for move in found]
    assert not (min(widths, default=96) < 96 < max(widths, default=96)), "64 and 32 units unless given"


@pytest.mark.parametrize(("smoothing", "lowered"), [(0.1, False), (0.3, True)])
def test_label_smoothing_beyond_a_usual_one_holds_back(smoothing: float, lowered: bool) -> None:
    held = {"regularization": {"label_smoothing": smoothing}}
    for errors in (BIASED, (0.2, 0.3), (0.15, 0.3)):
        found = moves(seen(errors, values=held), REMEDIES)
        assert any(move.settings == {"regularization.label_smoothing": 0} for move in found) is lowered
        if lowered:
            assert not any("regularization.dropout" in move.settings for move in found), "which pulls the other way"


def test_where_both_are_high_bias_comes_first_and_no_sentence_denies_the_numbers() -> None:
    evidence = seen((0.15, 0.30))
    assert first(evidence) == {"network.hidden": [128, 64]}
    assert not any("by heart" in move.why for move in moves(evidence, REMEDIES))


@pytest.mark.parametrize("rate", [1e-6, 1e-4])
@pytest.mark.parametrize("found", [("flat",), ("still falling",), ("learned nothing",)])
def test_a_rate_far_too_low_goes_to_the_usual_one_at_once(rate: float, found: tuple[str, ...]) -> None:
    evidence = seen((0.9, 0.9), *found, values={"optimizer": {"name": "sgd", "learning_rate": rate}})
    assert first(evidence) == {"optimizer.learning_rate": 0.1}


def test_where_a_rare_class_is_ignored_the_classes_are_weighed_first() -> None:
    """0.9% of the rows are sick, and nobody is called so."""
    ignored = seen((0.009, 0.009), "still falling", guess=0.009)
    assert first(ignored) == {"data.class_weight": "balanced"}
    assert moves(ignored, REMEDIES)[0].why.startswith("99.1% of the training rows are of one class")
    assert not any("network.hidden" in move.settings for move in moves(ignored, REMEDIES))
    assert not seen((0.1, 0.1), "flat", rows=[EPOCH] * 20, guess=0.1, linear_error=0.1).noise
    for other in (
        seen((0.004, 0.009), guess=0.009),  # half of them are found
        seen((0.45, 0.45), guess=0.45),  # there is no rare class
        seen((0.009, 0.009), guess=0.009, values={"metrics": {"primary": "auc"}}),  # measured by something else
    ):
        assert not any("data.class_weight" in move.settings for move in moves(other, REMEDIES))
    still = seen((0.1, 0.1), guess=0.1, values={"network": {"init": "zeros"}})
    assert first(still) == {"network.init": "auto"}, "what learns nothing is mended first"


@pytest.mark.parametrize(("width", "told"), [(1, "A layer of 1 unit is"), (2, "A layer of 2 units is")])
def test_a_narrow_layer_is_told_by_its_units(width: int, told: str) -> None:
    (found,) = [move.why for move in moves(seen(BIASED, "flat", values={"network": {"hidden": [width]}}), REMEDIES)
                if "network.hidden" in move.settings]  # fmt: skip
    assert found.startswith(told)


def test_a_rate_far_too_low_is_seen_where_the_loss_crawls() -> None:
    """The loss falls by between 1 and 5%, of which no sign speaks; or less, while training told of the symptom."""
    crawling = seen((0.9, 0.9), rows=[EPOCH] * 30, linear_error=0.9, values={"optimizer": {"learning_rate": 1e-4}})
    assert first(crawling) == {"optimizer.learning_rate": 0.001}
    assert not crawling.noise, "training was not over"
    slow = seen((0.9, 0.9), slow=True, values={"optimizer": {"name": "sgd", "learning_rate": 0.02}})
    assert first(slow) == {"optimizer.learning_rate": 0.06}
    at_rest = seen((0.3, 0.3), "flat", values={"optimizer": {"learning_rate": 1e-4}})
    assert first(at_rest) == {"network.hidden": [128, 64]}


@pytest.mark.parametrize(("name", "usual"), [("momentum", 0.03), ("nesterov", 0.03), ("sgd", 0.1), ("adam", 0.001)])
def test_without_dampening_the_usual_rate_of_momentum_is_as_much_lower_as_its_steps_are_longer(
    name: str, usual: float
) -> None:
    optimizer = {"name": name, "dampening": False}
    at_usual = seen(BIASED, "still falling", values={"optimizer": optimizer | {"learning_rate": usual}})
    assert at_usual.rate == 1
    assert not any("optimizer.learning_rate" in move.settings and "optimizer.name" not in move.settings
                   for move in moves(at_usual, REMEDIES))  # fmt: skip
    low, high = (
        seen(BIASED, *found, status=status, values={"optimizer": optimizer | {"learning_rate": rate}})
        for rate, status, found in ((usual / 100, "done", ["still falling"]), (1e6, "diverged", []))
    )
    assert first(low) == first(high) == {"optimizer.learning_rate": usual}


def test_after_a_divergence_no_command_keeps_a_rate_that_diverges() -> None:
    evidence = seen(BIASED, status="diverged", values={"optimizer": {"name": "sgd", "learning_rate": 1e6}})
    rates = [move.settings.get("optimizer.learning_rate", 0) for move in moves(evidence, REMEDIES)]
    assert rates and max(rates) <= 0.1


def test_after_a_divergence_the_rate_that_was_tried_counts() -> None:
    values = {"optimizer": {"name": "sgd", "learning_rate": 1e6}}
    tried = seen(BIASED, status="diverged", values=values, calmer=CalmerRate(8e-5, 8e-6))
    found = moves(tried, REMEDIES)
    assert found[0].settings == {"optimizer.learning_rate": 8e-6}
    assert "diverges from 8e-05 on" in found[0].why
    other = seen(BIASED, status="diverged", values=values, calmer=CalmerRate(8e-6, 8e-5))
    assert "diverges from" not in moves(other, REMEDIES)[0].why, "a rate below that which is advised"
    assert {"optimizer.clip_norm": 1.0, "optimizer.learning_rate": 8e-6} in [move.settings for move in found]
    hopeless = seen(BIASED, status="diverged", values=values, calmer=CalmerRate(1e-6, None))
    rates = [move.settings["optimizer.learning_rate"] for move in moves(hopeless, REMEDIES) if
             move.settings.keys() == {"optimizer.learning_rate"}]  # fmt: skip
    assert rates == [], "no rate mends it"
    look = moves(hopeless, REMEDIES)[0]
    assert (look.verb, "no rate that was tried lowers the loss" in look.why) == ("check", True)
    luck = {"seed", "data.split_seed", "training.epochs"}
    assert not any(luck & move.settings.keys() for move in moves(hopeless, REMEDIES))


@pytest.mark.parametrize(("optimizer", "advised"), [
    ({"beta2": 0}, True), ({"beta2": 0.65}, True), ({"beta2": 0.66}, False),  # 0.9⁴ = 0.6561
    ({"beta1": 0.5, "beta2": 0.1}, False), ({"name": "rmsprop", "beta2": 0}, False),
    ({"beta1": 0.9999, "beta2": 0.999}, False), ({"beta1": 0.9999, "beta2": 0.99}, False),  # the usual one is no cure
])  # fmt: skip
@pytest.mark.parametrize("status", ["diverged", "done"])
def test_squares_that_are_forgotten_before_the_gradients_are_to_blame_first(
    optimizer: dict[str, Any], advised: bool, status: str
) -> None:
    evidence = seen(BIASED, "jumping", status=status, values={"optimizer": optimizer})
    assert (first(evidence) == {"optimizer.beta2": 0.999}) is advised
    assert not any("optimizer.beta2" in move.settings for move in moves(seen(BIASED, "flat"), REMEDIES))


def test_a_rate_beyond_all_reason_is_lowered_before_a_longer_memory_is_thought_of() -> None:
    optimizer = {"beta2": 0.5, "learning_rate": 1e30}
    assert "optimizer.learning_rate" in (first(seen(BIASED, status="diverged", values={"optimizer": optimizer})) or {})


def test_units_that_are_dead_are_no_reason_for_another_activation() -> None:
    layers = [(50, {"relu1": {"dead": 0.9}, "relu2": {"dead": 0.8}})]
    found = moves(seen(BIASED, "flat", layers=layers), REMEDIES)
    assert not any("network.activation" in move.settings for move in found)


def test_the_cause_comes_before_another_split() -> None:
    verdict = judge({"base": 0.0, "train": 0.1, "dev": 0.12, "test": 0.16}, {}, 0.015)
    held = Config.from_values({"regularization": {"l2": 300}})
    assert moves(Evidence(held, verdict=verdict), REMEDIES)[0].settings == {"regularization.l2": 30}


def test_a_split_by_time_has_no_seed_to_change() -> None:
    config = Config.from_values({"data": {"source": "a.csv", "target": "y", "time": "when"}})
    verdict = judge({"base": 0.0, "train": 0.0, "dev": 0.0, "test": 0.1}, {}, 0.015)
    assert not any("data.split_seed" in m.settings for m in moves(Evidence(config, verdict=verdict), REMEDIES))


def test_what_a_search_has_chosen_is_not_advised_against() -> None:
    searched = frozenset({"optimizer.learning_rate", "regularization.l2", "network.width", "regularization.dropout"})
    for errors in (LOOSE, BIASED):
        found = moves(seen(errors, "still falling", searched=searched), REMEDIES)
        assert found
        assert not any(searched & move.settings.keys() for move in found)
        assert not any({"search.space", "network.hidden"} & move.settings.keys() for move in found)


def test_no_error_at_all_asks_for_a_look_for_leaks_and_a_cheaper_network() -> None:
    verdict = judge({"base": 0.0, "train": 0.0, "dev": 0.0, "test": 0.0}, {"train": 90, "dev": 30, "test": 30}, 0.015)
    found = moves(Evidence(Config(), verdict=verdict, dev_rows=30), REMEDIES)
    assert (found[0].verb, found[1].settings) == ("check", {"network.hidden": [32, 16]})
    assert not any("data.split" in move.settings for move in found)


@pytest.mark.parametrize(("wrong", "helpless"), [(0, True), (1, True), (2, False)])
def test_where_one_dev_row_at_most_is_wrong_nothing_is_advised_that_could_only_seem_to_help(
    wrong: int, helpless: bool
) -> None:
    verdict = judge({"base": 0.0, "train": 0.01, "dev": wrong / 69}, {"train": 206, "dev": 69}, 0.015)
    held = Config.from_values({"regularization": {"l2": 0.1, "dropout": 0.2}})
    found = moves(Evidence(held, verdict=verdict, dev_rows=69), REMEDIES)
    assert all(not move.settings.keys() & HOLDING and move.verb == "train" for move in found) is helpless
    if helpless:
        assert "data.folds" in found[0].settings, "more rows can tell"


def test_a_dev_set_without_errors_beside_a_high_bias_or_a_divergence_settles_nothing() -> None:
    verdict = judge({"base": 0.0, "train": 0.3, "dev": 0.0}, {"train": 200, "dev": 30}, 0.015)
    assert not Evidence(Config(), verdict=verdict).settled
    clean = judge({"base": 0.0, "train": 0.0, "dev": 0.0}, {"train": 200, "dev": 30}, 0.015)
    assert Evidence(Config(), verdict=clean).settled
    assert not Evidence(Config(), verdict=clean, status="diverged").settled


@pytest.mark.parametrize(("dev", "verb"), [(0.029, "search"), (0.1, "train")])
def test_what_is_high_by_little_in_a_regression_is_searched_for(dev: float, verb: str) -> None:
    verdict = judge({"base": 0.0, "train": 0.013, "dev": dev}, {}, 0.015, proportions=False)
    held = Config.from_values({"regularization": {"l2": 0.1}})
    assert moves(Evidence(held, verdict=verdict, rows=[EPOCH] * 20), REMEDIES)[0].verb == verb


@pytest.mark.parametrize(("size", "advised"), [(75, True), (1500, False)])
def test_folds_are_advised_by_what_dev_rows_in_groups_count_as(size: int, advised: bool) -> None:
    verdict = judge({"base": 0.0, "train": 0.01, "dev": 0.02, "test": 0.02}, {"train": 300, "dev": size}, 0.015)
    found = moves(Evidence(Config(), verdict=verdict, dev_rows=2400), REMEDIES)
    told = [move.why for move in found if "data.folds" in move.settings]
    assert [why.startswith("2,400 dev examples that count as 75 cannot tell") for why in told] == [True] * advised


@pytest.mark.parametrize(("rows", "asked"), [(22, True), (200, False)])
def test_a_tiny_dev_set_asks_for_folds_beside_a_high_gap_and_is_searched_by_in_folds(rows: int, asked: bool) -> None:
    verdict = judge({"base": 0.0, "train": 0.061, "dev": 0.09}, {"train": 3 * rows, "dev": rows}, 0.001)
    found = moves(Evidence(Config(), verdict=verdict, dev_rows=rows, signs=frozenset({"still falling"})), REMEDIES)
    assert found[0].settings == {"training.epochs": 200}, "a high bias is mended first"
    assert any(move.verb == "train" and "data.folds" in move.settings for move in found) is asked
    searches = [move for name in ("search", "search regularisation")
                if (move := REMEDIES[name].propose(Evidence(Config(), verdict=verdict, dev_rows=rows)))]  # fmt: skip
    assert ["data.folds" in move.settings for move in searches] == [asked] * 2


def test_folds_leave_the_test_set_alone() -> None:
    verdict = judge({"base": 0.0, "train": 0.01, "dev": 0.02, "test": 0.02}, {"train": 300, "dev": 100}, 0.015)
    found = moves(Evidence(Config(), verdict=verdict, dev_rows=100), REMEDIES)
    (settings,) = [move.settings for move in found if "data.folds" in move.settings]
    assert settings == {"data.folds": 5, "data.split": [0.6, 0.2, 0.2]}
    own = Config.from_values({"data": {"split": [0.8, 0.2, 0]}})
    found = moves(Evidence(own, verdict=verdict, dev_rows=100), REMEDIES)
    assert {"data.folds": 5} in [move.settings for move in found]


def test_where_a_linear_model_does_no_worse_the_rest_may_be_noise() -> None:
    rows = [EPOCH] * 20
    doubtful = seen((0.12, 0.13), "flat", rows=rows, linear_error=0.12)
    assert doubtful.noise
    assert moves(doubtful, REMEDIES)[0].verb == "search"
    worse_than_linear = seen((0.12, 0.13), "flat", rows=rows, linear_error=0.05)
    assert not worse_than_linear.noise, "what a linear model can do is no noise"
    assert first(worse_than_linear) == {"network.hidden": [128, 64]}
    assert not seen((0.12, 0.13), "still falling", rows=rows, linear_error=0.12).noise, "training was not over"
    assert not seen((0.12, 0.13), "flat", rows=rows, linear_error=0.15).noise, "a linear model does worse"
    few = judge({"base": 0.0, "train": 0.12, "dev": 0.13}, {"train": 1000, "dev": 100}, 0.015)
    assert replace(doubtful, linear_error=0.15, verdict=few).noise, "which 100 rows do not tell"
    assert not replace(doubtful, linear_error=0.5, verdict=few).noise


def test_where_nothing_does_better_than_the_mean_early_stopping_is_no_sign_of_bias() -> None:
    def stopped(dev: float, *signs: str, **facts: Any) -> Evidence:
        verdict = judge({"base": 0.0, "train": 0.95, "dev": dev}, {}, 0.015, proportions=False)
        known = {"linear_error": 1.3, "stopped_early": True, "rows": [EPOCH] * 20} | facts
        return replace(seen(BIASED, "still falling", *signs, **known), verdict=verdict)

    assert stopped(1.02).noise and moves(stopped(1.02), REMEDIES)[0].verb == "search"
    for other in (
        stopped(0.98),
        stopped(1.02, "learned nothing"),
        stopped(1.02, linear_error=0.9),
        stopped(1.02, stopped_early=False),
        stopped(12.0),
    ):
        assert not other.noise


def unlearned(linear_error: float, stopped: bool = True, **regularization: object) -> Evidence:
    """A regression that errs on its own rows as the mean of the target does."""
    verdict = judge({"base": 0.0, "train": 1.01, "dev": 1.09}, {}, 0.015, proportions=False)
    values = {"regularization": {"early_stopping": {"patience": 5}, **regularization}}
    known = {"linear_error": linear_error, "stopped_early": stopped, "rows": [EPOCH] * 20}
    return replace(seen(BIASED, values=values, **known), verdict=verdict)


def said(evidence: Evidence) -> str:
    assert evidence.verdict is not None
    return sentence(evidence.verdict, evidence, classes=False)


@pytest.mark.parametrize("stopped", [True, False])
def test_what_learned_nothing_of_noise_blames_neither_weak_regularisation_nor_the_width(stopped: bool) -> None:
    noise = unlearned(1.02, stopped, l2=0.1, dropout=0.2)
    assert noise.noise and noise.unlearned
    assert not any(REMEDIES[each.remedy].against == "variance" for each in ranked(noise, REMEDIES))
    found = moves(noise, REMEDIES)
    assert found[0].verb == "search"
    assert not any({"network.hidden", *HOLDING} & set(move.settings) for move in found)
    assert said(noise).endswith("on the training rows; it may be noise to these columns.")


@pytest.mark.parametrize("strong", [{"l2": 30}, {"dropout": 0.8}])
@pytest.mark.parametrize("linear_error", [0.4, 1.02])
def test_too_strong_regularisation_is_lowered_first_whatever_a_linear_model_does(
    strong: dict[str, object], linear_error: float
) -> None:
    held = unlearned(linear_error, **strong)
    assert set(first(held)) == {f"regularization.{key}" for key in strong}
    assert "regularisation as strong as this may be why" in said(held)


def test_nothing_is_called_noise_that_hardly_trained_or_that_a_linear_model_learns() -> None:
    verdict = judge({"base": 0.0, "train": 1.0, "dev": 0.99}, {}, 0.015, proportions=False)
    early = replace(unlearned(1.02), rows=[EPOCH] * 5, verdict=verdict)
    assert early.unlearned and not early.noise
    assert not unlearned(0.6).noise


@pytest.mark.parametrize(
    ("data", "drifts"), [({"time": "day"}, True), ({"time": "day", "folds": 3}, True), ({}, False)]
)
def test_newer_rows_beyond_the_mean_may_have_drifted(data: dict[str, Any], drifts: bool) -> None:
    beyond = judge({"base": 0.0, "train": 0.1, "dev": 12.0}, {}, 0.015, proportions=False)
    move = moves(replace(seen(GOOD, values={"data": data}), verdict=beyond), REMEDIES)[0]
    assert move.verb == "check" and "few rows far from all others" in move.why
    assert ("may have drifted" in move.why) is drifts


def test_rows_of_another_kind_may_be_beyond_the_mean() -> None:
    apart = judge({"base": 0.0, "train": 0.1, "train_dev": 0.1, "dev": 9.0}, {}, 0.015, proportions=False)
    assert "of another kind" in moves(replace(seen(GOOD), verdict=apart), REMEDIES)[0].why
