"""Curves of real runs: what is trained, what is stored, what is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nnrun.config.config import Config
from nnrun.data.dataset import Dataset, load_dataset
from nnrun.errors import UsageError
from nnrun.insight.diagnosis import shares
from nnrun.insight.diagnosis.curve_telling import ASCII, UNICODE, curve_lines, plot, told
from nnrun.insight.diagnosis.learning_curve import _of_size, answer, draws, learning_curve, part_sizes
from nnrun.insight.diagnosis.shares import Training, best_of
from nnrun.runs.listener import Outcome
from nnrun.runs.stored import StoredRun

Train = Callable[..., Outcome]
SMALL = ("data.source=breast_cancer", "network.hidden=[8]", "training.epochs=5", "optimizer.learning_rate=0.01")


def test_sizes_grow_by_one_factor_up_to_all_rows() -> None:
    sizes = part_sizes(6400, 2)
    assert (len(sizes), sizes[0], sizes[-1]) == (7, 200, 6400)  # a thirty-second
    ratios = np.divide(sizes[1:], sizes[:-1])
    assert ratios == pytest.approx([2 ** (5 / 6)] * 6, rel=0.01)
    assert part_sizes(1079, 10)[0] == 40  # four rows of each class
    assert part_sizes(266, 0)[0] == 20
    with pytest.raises(UsageError, match="79 training examples are too few for a learning curve; it needs 80"):
        part_sizes(79, 2)


def test_the_curve_of_a_run_is_stored_in_it_and_ends_where_the_run_does(train_run: Train) -> None:
    outcome, heard = train_run(*SMALL), list[tuple[int, int]]()
    found = learning_curve(StoredRun(outcome.run), lambda done, of: heard.append((done, of)))
    assert json.loads(outcome.run.read("learning_curve.json")) == found
    assert heard == [(done, 19) for done in range(1, 20)]  # 6 sizes by 3 seeds, and all rows at once
    assert [len(size["dev_errors"]) for size in found["sizes"]] == [3] * 7
    assert found["sizes"][-1]["rows"] == 341
    assert (found["dev_rows"], found["seeds"], found["epochs"]) == (114, [0, 1, 2], 5)
    # on all rows, with the run's own seed, it is the run again
    assert found["sizes"][-1]["dev_errors"][0] == pytest.approx(outcome.record["final"]["dev_error"])
    first, last = (np.mean(found["sizes"][i]["dev_errors"]) for i in (0, -1))
    assert last < first
    assert found["twice"]["low"] < found["twice"]["change"] < found["twice"]["high"]


def test_what_changes_on_the_way_changes_in_the_trainings_too(train_run: Train) -> None:
    """At first the rate is too small to learn anything by; patience that would end it there waits for the change."""
    changes = '{3: {"optimizer.learning_rate": 0.01, "regularization.l2": 0.1}, 4: {"training.epochs": 7}}'
    waiting = "regularization.early_stopping={patience: 2, min_delta: 0.9}"
    settings = (*SMALL, "optimizer.learning_rate=1e-7", "training.batch_size=64", waiting)
    outcome = train_run(*settings, f"training.changes={changes}")
    found = learning_curve(StoredRun(outcome.run))
    assert found["sizes"][-1]["dev_errors"][0] == pytest.approx(outcome.record["final"]["dev_error"])
    assert np.mean(found["sizes"][-1]["dev_errors"]) < 0.2
    assert found["epochs"] == 7


def test_it_is_the_same_each_time(train_run: Train) -> None:
    run = train_run(*SMALL, "training.epochs=2").run
    first, again = (learning_curve(StoredRun(run)) for _ in range(2))
    assert first | {"seconds": 0} == again | {"seconds": 0}


def test_parts_are_nested_stratified_and_take_as_many_steps(train_run: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    run, seen = train_run(*SMALL, "training.epochs=1").run, list[tuple[int, Any]]()

    def noted(configs: list[Config], dataset: Dataset, rows: int) -> list[Training]:
        seen.append((rows, dataset.parts["train"]))
        return [Training(rows, 0.0, np.ones(114)) for _ in configs]

    monkeypatch.setattr(shares, "best_of", noted)
    learning_curve(StoredRun(run))
    parts = [(rows, part) for rows, part in seen if rows < 341][::3]  # of the first order
    before: set[bytes] = set()
    for rows, part in parts:
        assert len(part.x) == 341  # repeated, so that an epoch has as many batches
        own = {row.tobytes() for row in part.x}
        assert len(own) == rows
        assert before <= own
        share = np.mean(part.y[:rows])
        assert share == pytest.approx(128 / 341, abs=0.5 / rows + 0.03)  # malignant ones of all
        before = own


def test_members_of_a_stack_are_what_they_are_alone(tmp_path: Any) -> None:
    configs = [
        Config.from_values(
            {"seed": seed, "data": {"source": "iris"}, "network": {"hidden": [4]}, "training": {"epochs": 3},
             "regularization": {"early_stopping": {"patience": 1}}}
        ) for seed in (0, 1)
    ]  # fmt: skip
    dataset = load_dataset(configs[0].data, "float32", tmp_path)
    together, alone = best_of(configs, dataset, 90), [best_of([config], dataset, 90)[0] for config in configs]
    for mine, own in zip(together, alone, strict=True):
        np.testing.assert_array_equal(mine.mistakes, own.mistakes)
        assert mine.train_error == own.train_error


def test_trainings_that_diverge_are_left_out_and_all_of_them_are_an_error(train_run: Train) -> None:
    wild = train_run(*SMALL, "optimizer.name=sgd", "optimizer.learning_rate=1e12")
    assert wild.status == "diverged"
    (lost,) = best_of(
        [Config.from_values({"optimizer": {"name": "sgd", "learning_rate": 1e30}, "training": {"epochs": 1}})],
        load_dataset(Config().data, "float32", wild.run.path), 9,
    )  # fmt: skip
    assert np.isnan(lost.mistakes).all()
    with pytest.raises(UsageError, match="diverged on most parts"):
        answer([Training(rows, 0.1, np.ones(9)) for rows in (10, 20, 40)], 40)


def curve(errors: list[float], dev_rows: int = 1000) -> dict[str, Any]:
    """A document of made-up trainings, three a size, with errors a tenth apart."""
    sizes = [50 * 2**i for i in range(len(errors))]
    hard = (np.arange(dev_rows) + 0.5) / dev_rows
    found = [
        Training(rows, error / 2, (hard < error * f).astype(float))
        for rows, error in zip(sizes, errors, strict=True)
        for f in (0.9, 1, 1.1)
    ]
    return {
        "sizes": [_of_size(rows, found) for rows in sizes], "dev_rows": dev_rows, "seeds": [0, 1, 2],
        "epochs": 20, **answer(found, sizes[-1]),
    }  # fmt: skip


FALLS = curve([0.4 * 2 ** (-i / 2) for i in range(7)])  # b·n^−1/2: 40%, 28.3% … 5%


def test_the_answer_is_in_points_with_its_interval() -> None:
    """From 5% at 3,200 examples to 5% / √2 = 3.5% at 6,400: 1.5 points less."""
    assert FALLS["law"]["c"] == pytest.approx(0.5, abs=0.06)
    assert FALLS["twice"]["change"] == pytest.approx(-0.0146, abs=0.002)
    assert FALLS["twice"]["tells"]
    text = told(FALLS)
    assert text.startswith("twice the data (6,400 examples): about −1.")
    assert " points ± 0." in text


def test_dev_examples_of_one_group_come_together_or_not_at_all() -> None:
    """Ten copies of each dev example tell no more than one of each."""
    sizes, once = np.repeat([20.0, 40, 80, 160], 3), np.random.default_rng(0).random((12, 60))
    alone, copies = draws(sizes, once), np.repeat(once, 10, axis=1)
    grouped = draws(sizes, copies, np.repeat(np.arange(60), 10))
    assert np.std(grouped(160)) == pytest.approx(np.std(alone(160)))
    assert np.std(draws(sizes, copies)(160)) < 0.8 * np.std(alone(160))


def test_a_curve_that_says_nothing_is_told_to_say_nothing() -> None:
    unclear = curve([0.5, 0.2, 0.5, 0.3, 0.45, 0.25, 0.35], dev_rows=20)
    assert not unclear["twice"]["tells"]
    assert told(unclear).startswith("the curve does not tell")


@pytest.mark.parametrize("marks", [UNICODE, ASCII])
def test_the_plot_shows_every_mean_and_the_law_up_to_twice_the_data(marks: Any) -> None:
    lines = plot(FALLS, marks)
    assert sum(line.count(marks.mean) for line in lines) == 7
    assert lines[0].startswith("  44.0% ")  # the largest of the errors: 40% and a tenth
    assert lines[-1].split() == ["50", "100", "200", "400", "800", "1,600", "3,200", "6,400"]
    assert max(map(len, lines)) <= 80
    assert lines[10].rstrip().endswith(marks.law)  # 3.5% of 44% is a line above the last


def test_plain_terminals_get_plain_characters() -> None:
    lines = curve_lines(FALLS, ascii_only=True)
    assert "".join(lines).isascii()
    for shown in (lines, curve_lines(FALLS)):
        assert max(map(len, shown)) <= 80


def test_trainings_without_an_error_leave_a_gap() -> None:
    document = json.loads(json.dumps(FALLS))
    document["sizes"][2]["dev_errors"] = [None, None, None]
    assert sum(line.count("●") for line in plot(document, UNICODE)) == 6
    assert any(line.split()[:3] == ["200", "10.0%", "–"] for line in curve_lines(document))
