"""How sure the error of a run is where its rows come in groups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
from scipy.signal import lfilter

from nnrun.config.load import load_config
from nnrun.config.schema import Diagnosis
from nnrun.data.raw import read_parts
from nnrun.improving.judging import mistakes
from nnrun.insight.diagnosis.regions import by_column
from nnrun.insight.diagnosis.shares import _order
from nnrun.models.importance.measuring import importance_of
from nnrun.models.model import load_model
from nnrun.models.telling import page
from nnrun.models.trained import trained
from nnrun.models.verbs import evaluate
from nnrun.runs.grouped import (
    blocks,
    error_of_mean,
    half_each_way,
    independent_pairs,
    independent_rows,
    pseudo_values,
    student,
    sure_as,
)
from nnrun.runs.listener import Outcome
from nnrun.runs.members import members_of
from nnrun.runs.proportions import wilson
from nnrun.runs.stored import StoredRun
from nnrun.runs.verdict import of_record
from nnrun.search.state import Options
from nnrun.search.study import Watcher
from nnrun.search.verbs import begin

Train = Callable[..., Outcome]
GROUPS, EACH = 60, 20


def test_groups_of_one_row_are_rows() -> None:
    mistakes = np.repeat([1.0, 0.0], [60, 240])
    assert pseudo_values(mistakes, np.arange(300)) == pytest.approx(mistakes)
    # but for their spread, which 300 values do not tell exactly: (1.960 / 1.968)² of 299
    assert independent_rows(mistakes, np.arange(300)) == 297


def test_rows_that_are_copies_tell_nothing_new() -> None:
    once = np.repeat([1.0, 0.0], [60, 240])
    assert independent_rows(np.repeat(once, 7), np.repeat(np.arange(300), 7)) == 297


def test_what_the_mean_would_be_without_a_group_by_hand() -> None:
    """Groups of 1 0 and 0 0 1 0: 1/3 in all, 1/4 without the first, 1/2 without the other; 2 · 1/3 less these."""
    mistakes, groups = np.array([1.0, 0, 0, 0, 1, 0]), np.array([2, 2, 5, 5, 5, 5])
    assert pseudo_values(mistakes, groups) == pytest.approx([2 / 3 - 1 / 4, 2 / 3 - 1 / 2])
    assert pseudo_values(np.stack([mistakes, 2 * mistakes]), groups)[1] == pytest.approx([5 / 6, 1 / 3])


@pytest.mark.parametrize(("alike", "by_rows", "by_blocks"), [(0.9, 36, 94), (0.98, 14, 84)])
def test_rows_that_follow_one_another_in_time_are_blocks(alike: float, by_rows: int, by_blocks: int) -> None:
    """An AR(1) process of rows that are alike for some time: of its mean rows tell far less than they seem to.

    The per cents are those of docs/metrics.md, by 4,000 repetitions; here are 600.
    """
    assert blocks(np.array([9, 1, 8, 2, 7, 3, 6, 4, 5])).tolist() == [7, 0, 6, 0, 5, 1, 4, 2, 3]
    noise, within = np.random.default_rng(0).standard_normal((600, 1000)), np.zeros(2)
    for values in lfilter([1], [1, -alike], noise)[:, 400:]:
        for way, cases in enumerate((values, pseudo_values(values, blocks(np.arange(600))))):
            within[way] += abs(cases.mean()) <= student(len(cases)) * error_of_mean(cases)
    assert within / 6 == pytest.approx([by_rows, by_blocks], abs=5)


def test_trees_and_remedies_are_judged_by_blocks_of_time(train_run: Train, tmp_path: Path) -> None:
    x, t = np.random.default_rng(0).standard_normal(300).round(3), np.random.default_rng(1).permutation(300)
    rows = (f"{t[i]},{x[i]},{x[i] + t[i] / 60}\n" for i in range(300))
    (tmp_path / "t.csv").write_text("t,x,y\n" + "".join(rows))
    outcome = train_run(f"data.source={tmp_path / 't.csv'}", "data.target=y", "data.time=t", "training.epochs=2")
    found, run = evaluate(load_model(StoredRun(outcome.run)), boosting=True), trained(StoredRun(outcome.run))
    places = np.argsort(t[(t >= 180) & (t < 240)])
    known = run.alike("dev")
    assert known is not None and run.groups("dev") is None
    assert [known[rows].tolist() for rows in np.array_split(places, 8)] == [[k] * (8 if k < 4 else 7) for k in range(8)]
    assert np.array_equal(mistakes(StoredRun(outcome.run)).groups, known)
    half, gain = student(8) * (found.gains["dev"]["standard_error"] or 0), found.gains["dev"]
    assert (gain["low"], gain["high"]) == (pytest.approx(gain["error"] - half), pytest.approx(gain["error"] + half))
    gain |= {"error": 0.03, "low": 0.01, "high": 0.05}
    assert "trees are the better choice, if later rows are like these" in " ".join(" ".join(page(found)).split())


def test_rows_of_a_file_are_blocks_in_the_order_of_its_times(train_run: Train, tmp_path: Path) -> None:
    days = np.datetime64("2026-01-01") + np.arange(300)
    x, alike = np.random.default_rng(0).standard_normal((2, 300)).round(3)
    y = (x + lfilter([1], [1, -0.9], alike)).round(3)
    lines = [f"{day},{a},{b}\n" for day, a, b in zip(days, x, y, strict=True)]
    (tmp_path / "t.csv").write_text("t,x,y\n" + "".join(lines))
    settings = ("data.target=y", "data.time=t", "training.epochs=2")
    model = load_model(StoredRun(train_run(f"data.source={tmp_path / 't.csv'}", *settings).run))
    files = {"new": lines, "mixed": [lines[i] for i in np.random.default_rng(1).permutation(300)]}
    files |= {"lacking": [line[10:] for line in files["mixed"]], "without": [line[11:] for line in lines]}
    gain, notes = {}, {}
    for name, rows in files.items():
        (path := tmp_path / f"{name}.csv").write_text("t,x,y\n"[2 * (name == "without") :] + "".join(rows))
        found = evaluate(model, str(path), boosting=True)
        gain[name], notes[name] = found.gains["data"], " ".join(found.notes)
    assert gain["mixed"] == pytest.approx(gain["new"]) and gain["without"] == pytest.approx(gain["new"])
    assert (gain["lacking"]["standard_error"] or 0) < 0.8 * (gain["new"]["standard_error"] or 0)
    told = ", so rows are taken to stand in the order of time"
    assert f"there is no column 't'{told}" in notes["without"]
    assert "no value in column 't'" in notes["lacking"] and told in notes["lacking"]
    assert told not in notes["new"] + notes["mixed"] + " ".join(evaluate(model, str(path)).notes)


def test_a_row_that_weighs_nothing_is_not_there() -> None:
    mistakes, groups = np.array([1.0, 0, 1, 0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 2, 2, 3, 3])
    weights = np.array([1.0, 1, 1, 1, 1, 1, 0, 0])
    assert pseudo_values(mistakes, groups, weights) == pytest.approx(pseudo_values(mistakes[:6], groups[:6]))
    assert independent_rows(mistakes, groups, weights) <= 6


@pytest.mark.parametrize(("value", "groups", "rows"), [(0.0, 12, 12), (1.0, 12, 12), (0.0, 1, 1)])
def test_where_all_are_alike_each_group_is_one(value: float, groups: int, rows: int) -> None:
    assert independent_rows(np.full(groups * 10, value), np.repeat(np.arange(groups), 10)) == rows


def test_one_group_tells_as_much_as_one_row() -> None:
    assert independent_rows(np.repeat([1.0, 0.0], 40), np.zeros(80)) == 1


@pytest.mark.parametrize(("groups", "each", "alike"), [(8, 25, 0.3), (40, 25, 0.3), (40, 25, 0.05), (200, 3, 0.3)])
def test_intervals_hold_the_error_as_often_as_they_say(groups: int, each: int, alike: float) -> None:
    """Of 1,000 samples; 95% are 950, and seven deviations of that are 48. `alike` is the correlation within a group."""
    generator, scale, error = np.random.default_rng(3), 1 / alike - 1, 0.2
    numbers, held, plainly = np.repeat(np.arange(groups), each), 0, 0
    for _ in range(1000):
        of_groups = generator.beta(error * scale, (1 - error) * scale, groups)
        mistakes = (generator.random((groups, each)) < of_groups[:, None]).astype(float).ravel()
        low, high = wilson(mistakes.mean(), independent_rows(mistakes, numbers))
        held += low <= error <= high
        low, high = wilson(mistakes.mean(), len(mistakes))
        plainly += low <= error <= high
    assert held > 900
    assert plainly < held


@pytest.mark.parametrize(("groups", "each", "error"), [(40, 25, 0.02), (20, 12, 0.05)])
def test_intervals_hold_the_error_where_few_groups_have_a_mistake(groups: int, each: int, error: float) -> None:
    """Of 500 samples; by the spread of the mistakes alone 85% and 91% held it, and it lay above the others."""
    generator, numbers, held = np.random.default_rng(5), np.repeat(np.arange(groups), each), 0
    for _ in range(500):
        of_groups = generator.beta(error * 7 / 3, (1 - error) * 7 / 3, groups)
        mistakes = (generator.random((groups, each)) < of_groups[:, None]).astype(float).ravel()
        low, high = wilson(mistakes.mean(), independent_rows(mistakes, numbers))
        held += low <= error <= high
    assert held > 470


def test_a_mistake_makes_an_error_not_much_surer_than_none() -> None:
    """In one of 40 groups of 25 rows; by the spread of one mistake alone they counted as 938."""
    rows, groups = np.arange(1000), np.repeat(np.arange(40), 25)
    counts = [independent_rows((rows < mistakes).astype(float), groups) for mistakes in (0, 1, 2, 5, 25)]
    assert counts[0] == 40 and counts[1] < 80
    assert counts[1:] == sorted(counts[1:], reverse=True)


def test_hits_in_few_groups_tell_as_little_as_mistakes_in_few() -> None:
    groups, rng = np.repeat(np.arange(12), 10), np.random.default_rng(0)
    mistakes = np.where(groups < 2, rng.random(120) < 0.5, 0).astype(float)
    assert independent_rows(mistakes, groups) == independent_rows(1 - mistakes, groups) < 60


def test_half_a_case_each_way_is_of_a_row_at_least_and_of_the_largest() -> None:
    assert half_each_way(np.array([0.1, 0.0]), 10) == pytest.approx((2 / 10) ** 2)
    assert half_each_way(np.array([-0.5, 0.1]), 10) == pytest.approx(0.5**2)


def test_intervals_hold_a_balanced_error() -> None:
    """Rows of a rare class weigh more and err more often: by weights alone 87% of samples held the error. Of 500."""
    generator, sizes, held = np.random.default_rng(6), [20, 980], 0
    weights, chance = np.repeat(np.divide(1.0, sizes), sizes), np.repeat([0.5, 0.01], sizes)
    error = np.average(chance, weights=weights)
    for _ in range(500):
        mistakes = (generator.random(1000) < chance).astype(float)
        low, high = wilson(np.average(mistakes, weights=weights), independent_rows(mistakes, None, weights))
        held += low <= error <= high
    assert held > 470


def test_intervals_hold_the_error_where_half_the_rows_are_one_group() -> None:
    """Such a group draws the mean to itself: by its distance from that alone 71% held the error. Of 1,000 samples."""
    generator, sizes, held = np.random.default_rng(4), [390, *[10] * 39], 0
    numbers = np.repeat(np.arange(40), sizes)
    for _ in range(1000):
        of_groups = generator.beta(0.2 * 7 / 3, 0.8 * 7 / 3, 40)
        mistakes = (generator.random(780) < of_groups[numbers]).astype(float)
        low, high = wilson(mistakes.mean(), independent_rows(mistakes, numbers))
        held += low <= 0.2 <= high
    assert held > 880


def test_training_rows_without_a_mistake_count_each() -> None:
    none, one, groups = np.zeros(200), np.eye(200)[0], np.repeat(np.arange(10), 20)
    assert sure_as("train", none, groups, None) == 200
    assert sure_as("dev", none, groups, None) == 10
    assert independent_rows(one, groups) < 20 < 140 < sure_as("train", one, groups, None) < 200


def test_a_part_of_a_file_of_its_own_has_no_groups(patients: Path, tmp_path: Path, train_run: Train) -> None:
    """Its rows have other numbers than those of the file that is cut into folds."""
    few = tmp_path / "few.csv"
    few.write_text("".join(patients.read_text().splitlines(keepends=True)[:401]))
    given = [f"data.source={{train: {few}, test: {patients}}}", "data.target=y", "data.group=patient", "data.folds=3"]
    outcome = train_run(*given, "network.hidden=[4]", "training.epochs=2")
    final, written = outcome.record["final"], outcome.run.read_json("data.json")["split"]["groups"]
    assert (written["train"], "test" in written) == (20, False)
    assert "dev_effective_rows" in final and "test_effective_rows" not in final


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty patients with twenty rows each, and a habit of each patient that no feature shows."""
    generator, path = np.random.default_rng(0), tmp_path_factory.mktemp("patients") / "patients.csv"
    lines = ["patient,a,b,y"]
    for patient in range(GROUPS):
        habit = 3 * generator.normal()
        for a, b in generator.normal(size=(EACH, 2)):
            lines.append(f"p{patient},{a:.3f},{b:.3f},{'yes' if a - b + habit > 0 else 'no'}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def settings(patients: Path, *more: str) -> list[str]:
    few = ["network.hidden=[4]", "training.epochs=3"]
    return [f"data.source={patients}", "data.target=y", "data.group=patient", *few, *more]


def test_a_run_knows_how_sure_its_errors_are(patients: Path, train_run: Train) -> None:
    record = train_run(*settings(patients)).record
    final, rows = record["final"], record["data"]["rows"]
    for part in ("train", "dev", "test"):
        assert 1 < final[f"{part}_effective_rows"] < 0.8 * rows[part]
    verdict = of_record(record, Diagnosis())
    assert verdict is not None and verdict.sizes["dev"] == final["dev_effective_rows"]
    assert not any("effective" in name for name in train_run("data.source=iris", "training.epochs=1").record["final"])


def test_in_folds_the_groups_of_all_tell(patients: Path, train_run: Train) -> None:
    outcome = train_run(*settings(patients, "data.folds=3", "data.split=[0.6, 0.2, 0.2]"))
    folds = [run.read_record()["final"] for run in members_of(outcome.run)]
    final, whole = outcome.record["final"], trained(StoredRun(outcome.run))
    assert final["dev_effective_rows"] == independent_rows(whole.mistakes("dev"), whole.groups("dev"))
    assert final["train_effective_rows"] == fmean(fold["train_effective_rows"] for fold in folds)
    assert 1 < final["test_effective_rows"] < 0.8 * outcome.record["data"]["rows"]["test"]
    regions = by_column(StoredRun(outcome.run), "patient")["regions"]
    assert all(region["dev"]["high"] - region["dev"]["low"] > 0.5 for region in regions)  # of one group each


@pytest.mark.parametrize("more", [[], ["data.folds=2"]])
def test_rows_that_do_not_count_alike_are_as_sure_as_their_mistakes(
    more: list[str], patients: Path, train_run: Train
) -> None:
    weighted = ["data.class_weight={no: 20}", "data.group=null", "data.drop=[patient]", "training.epochs=1"]
    outcome = train_run(*settings(patients, *weighted, *more))
    final, whole, data = outcome.record["final"], trained(StoredRun(outcome.run)), outcome.record["data"]
    assert final["dev_effective_rows"] == independent_rows(whole.mistakes("dev"), None, whole.weights("dev"))
    verdict = of_record(outcome.record, Diagnosis())
    assert verdict is not None and verdict.sizes["dev"] == final["dev_effective_rows"]
    assert verdict.rows_of("dev") == data["rows"]["dev"] > data["effective_rows"]["dev"]


def test_folds_of_a_search_are_as_sure_as_a_run_of_them(patients: Path, tmp_path: Path, train_run: Train) -> None:
    given = settings(patients, "data.folds=3")
    one = begin(load_config(None, [*given, "search.trials=1"]), tmp_path, Options(workers=1), Watcher())
    alone = train_run(*given).record["final"]
    assert one.records[0]["final"]["dev_effective_rows"] == alone["dev_effective_rows"]


def test_groups_that_weigh_nothing_are_none() -> None:
    mistakes, groups = np.array([1.0, 0, 1, 0, 0, 1] * 10), np.repeat(np.arange(6), 10)
    weights = np.repeat([1.0, 1, 1, 1, 0, 0], 10)
    counted = weights > 0
    assert independent_rows(mistakes, groups, weights) == independent_rows(mistakes[counted], groups[counted])
    assert independent_rows(np.zeros(60), groups, weights) == 4


def test_the_groups_of_a_file_are_its_own(patients: Path, train_run: Train) -> None:
    """The same rows as the dev part, as a file."""
    outcome = train_run(*settings(patients))
    model = load_model(StoredRun(outcome.run))
    own = evaluate(model, boosting=True).gains["dev"]
    rows = read_parts(outcome.config.data)["dev"].frame
    rows.to_csv(path := outcome.run.path / "dev.csv", index=False)
    assert evaluate(model, str(path), boosting=True).gains["data"] == pytest.approx(own)
    rows.drop(columns="patient").to_csv(path, index=False)
    unknown = evaluate(model, str(path), boosting=True).gains["data"]["standard_error"]
    assert unknown is not None and own["standard_error"] is not None and unknown < own["standard_error"]


def test_how_much_a_column_matters_is_as_sure_as_the_groups_let_it_be(patients: Path, train_run: Train) -> None:
    """Ten copies of each row are a group: as rows they would make the intervals narrower."""
    run = trained(StoredRun(train_run(*settings(patients)).run))
    widths = {}
    for by_groups in (True, False):
        parts = {**run.dataset.parts, "dev": run.dataset.parts["dev"].take(np.repeat(np.arange(60), 10))}
        groups = np.repeat(np.arange(60), 10) if by_groups else None
        parts["dev"] = replace(parts["dev"], groups=groups)
        found = importance_of(replace(run, dataset=replace(run.dataset, parts=parts)))
        widths[by_groups] = [column["loss_high"] - column["loss_low"] for column in found.columns]
    assert min(np.divide(widths[True], widths[False])) > 1.3


def test_more_training_data_are_more_patients(patients: Path, train_run: Train) -> None:
    train = trained(StoredRun(train_run(*settings(patients)).run)).dataset.parts["train"]
    order = _order(train, 0, True)
    assert sorted(order) == [*range(len(train.y))]
    assert train.groups is not None
    assert [len(np.unique(train.groups[order[:rows]])) for rows in (EACH, 5 * EACH, 10 * EACH)] == [1, 5, 10]


def test_a_regression_has_no_intervals(patients: Path, train_run: Train) -> None:
    record = train_run(*settings(patients, "data.target=a")).record
    assert not any("effective" in name for name in record["final"])


@pytest.mark.parametrize("share", [0.0, 0.01, 0.2, 0.5])
def test_pairs_that_share_a_row_go_together(share: float) -> None:
    """Against the sum over all pairs of pairs; some are the same two rows, and their members are in any order."""
    rng = np.random.default_rng(2)
    first, second = np.arange(200), (np.arange(200) + rng.integers(1, 4, 200) * rng.choice([-1, 1], 200)) % 200
    values = (rng.random(200) < share).astype(float)
    a, b = first[:, None], second[:, None]
    linked = (a == first) | (a == second) | (b == first) | (b == second)
    deviations = values - values.mean()
    prior = 2 * 200**2 / np.square(1 + np.bincount(second, minlength=200)).sum()
    seen = min(values.sum(), 200 - values.sum())
    known = 200 * deviations @ deviations / (deviations @ linked @ deviations) if seen else prior
    assert independent_pairs(values, first, second) == round((seen + 1) / (seen / known + 1 / prior))


def test_pairs_that_share_no_row_count_alike() -> None:
    assert independent_pairs(np.arange(50) % 2 * 1.0, np.arange(50), np.arange(50, 100)) == 50


def test_pairs_of_one_row_are_one() -> None:
    assert independent_pairs(np.arange(50) % 2 * 1.0, np.arange(50), np.full(50, 50)) < 4
