"""How sure a model may be: its temperature, intervals and sets of classes, what its members say."""

from __future__ import annotations

import errno
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy.special import logsumexp, ndtr, softmax

from nnrun.data.raw import read_parts
from nnrun.engine.losses import SigmoidCrossEntropy, SoftmaxCrossEntropy
from nnrun.engine.metrics import calibration_error
from nnrun.engine.parameters import Array
from nnrun.engine.randomness import stream
from nnrun.engine.sampling import sampled_in_groups
from nnrun.errors import DataError, UsageError
from nnrun.models.calibrating import calibrate, with_scores
from nnrun.models.calibration import Calibration, margin, read_level
from nnrun.models.model import Model, at_threshold, load_model
from nnrun.models.reads import TEST_READ_BY
from nnrun.models.rows import Predictions
from nnrun.models.telling import calibration_page
from nnrun.models.temperature import fitted_temperature, told_temperature
from nnrun.models.trained import trained
from nnrun.models.uncertainty import IntervalDocument, _Sets, asked_for
from nnrun.models.verbs import evaluate
from nnrun.runs import verbs
from nnrun.runs.listener import Outcome
from nnrun.runs.members import member
from nnrun.runs.records import ScoresRecord
from nnrun.runs.rundir import CALIBRATION, MEMBERS, RunDir
from nnrun.runs.stored import StoredRun
from nnrun.runs.telling import summary
from tests.models.test_ensembles import QUICK, assembled

Train = Callable[..., Outcome]

SCARCE = ("data.source=breast_cancer", "data.split=[0.1,0.4,0.5]", "network.hidden=[16]", "training.epochs=40")
NUMBERS = ("data.source=diabetes", "data.split=[0.5,0.2,0.3]", *QUICK)


def model_of(run: RunDir) -> Model:
    return load_model(StoredRun(run))


def reads(run: RunDir) -> int:
    return sum(event["event"] in TEST_READ_BY for event in run.events())


def scores(values: Sequence[float]) -> ScoresRecord:
    return {"part": "test", "out_of_fold": False, "values": list(values)}


# the temperature


def drawn(seed: int, rows: int, classes: int) -> tuple[Array, Array]:
    """Logits, and classes drawn by the probabilities that they mean."""
    rng = np.random.default_rng(seed)
    z = 2 * rng.standard_normal((rows, classes))
    return z, (z + rng.gumbel(size=z.shape)).argmax(axis=1)


def test_the_temperature_is_that_by_which_logits_are_too_large() -> None:
    z, y = drawn(0, 20_000, 4)
    assert fitted_temperature(SoftmaxCrossEntropy(4), 2.5 * z, y) == pytest.approx(2.5, rel=0.03)
    assert fitted_temperature(SoftmaxCrossEntropy(4), 0.2 * z, y) == pytest.approx(0.2, rel=0.03)
    z, y = drawn(1, 20_000, 2)
    narrow = fitted_temperature(SigmoidCrossEntropy(), 3 * (z[:, 1:] - z[:, :1]), y)
    assert narrow == pytest.approx(3, rel=0.05)
    assert narrow == pytest.approx(fitted_temperature(SoftmaxCrossEntropy(2), 3 * z, y), rel=1e-4)


def test_no_other_temperature_has_a_lower_log_loss() -> None:
    z, y = drawn(2, 60, 3)

    def loss(t: float) -> float:
        return float(np.mean(logsumexp(z / t, axis=1) - z[np.arange(60), y] / t))

    found = fitted_temperature(SoftmaxCrossEntropy(3), z, y)
    assert found is not None
    assert loss(found) <= min(loss(t) for t in np.geomspace(0.01, 100, 2001)) + 1e-12


def test_rows_count_by_their_weights() -> None:
    z, y = drawn(3, 90, 3)
    times = np.random.default_rng(3).integers(0, 3, 90)
    repeated = fitted_temperature(SoftmaxCrossEntropy(3), np.repeat(z, times, axis=0), np.repeat(y, times))
    assert fitted_temperature(SoftmaxCrossEntropy(3), z, y, times.astype(float)) == pytest.approx(repeated, rel=1e-4)


def test_where_all_is_right_there_is_no_temperature_to_find() -> None:
    z = np.eye(3)[[0, 1, 2, 0]] * 0.1
    assert fitted_temperature(SoftmaxCrossEntropy(3), z, np.array([0, 1, 2, 0])) is None
    assert fitted_temperature(SoftmaxCrossEntropy(3), z, np.array([0, 1, 2, 1]), np.array([1.0, 1, 1, 0])) is None


@pytest.mark.parametrize("rows", [3, 10, 40])
def test_a_network_that_is_as_sure_as_it_is_right_keeps_its_probabilities(rows: int) -> None:
    """Of 20 sets of rows; before, every one had a temperature of its own, some 100."""
    found = [told_temperature(SoftmaxCrossEntropy(2), *drawn(seed, rows, 2)) for seed in range(20)]
    assert sum(temperature != 1 for temperature, _ in found) <= 3
    assert all(notes for _, notes in found)


def test_a_temperature_of_ten_rows_of_two_classes_seldom_harms_new_ones() -> None:
    """Of 200 sets from a network that needs none: a third of the temperatures with the lowest loss do, by a tenth."""
    loss, (z, _) = SoftmaxCrossEntropy(2), drawn(1000, 2000, 2)
    p = loss.predict(z)

    def harms(t: float) -> bool:
        return bool(-(p * np.log(loss.predict(z / t))).sum() > -1.1 * (p * np.log(p)).sum())

    sets = [drawn(seed, 10, 2) for seed in range(200)]
    lowest = [t for z_, y in sets if (t := fitted_temperature(loss, z_, y)) is not None]
    assert 0.28 < np.mean([harms(t) for t in lowest]) < 0.48
    assert np.mean([harms(told_temperature(loss, z_, y)[0]) for z_, y in sets]) < 0.04


def drawn_in_groups(seed: int, groups: int, rows: int) -> tuple[Array, Array, Array]:
    """Logits of two classes, classes by the probabilities that they mean, and groups whose mistakes are alike."""
    rng = np.random.default_rng(seed)
    z, group = 1.5 * rng.standard_normal((groups * rows, 1)), np.repeat(np.arange(groups), rows)
    u = 0.7 * rng.standard_normal(groups)[group] + math.sqrt(0.51) * rng.standard_normal(len(z))
    return z, (ndtr(u) < 1 / (1 + np.exp(-z[:, 0]))).astype(int), group


def test_rows_of_a_group_tell_as_much_of_a_temperature_as_fewer_rows() -> None:
    """Of 60 sets of ten groups a third has one by chance where each row counts, and about 5% where groups do."""
    loss, by_rows, by_groups = SigmoidCrossEntropy(), [], []
    for seed in range(60):
        z, y, groups = drawn_in_groups(seed, 10, 100)
        by_rows.append(told_temperature(loss, z, y)[0] != 1)
        by_groups.append(told_temperature(loss, z, y, groups=groups)[0] != 1)
    assert sum(by_rows) > 15 and sum(by_groups) <= 6
    z, y, groups = drawn_in_groups(0, 10, 100)
    assert told_temperature(loss, 3 * z, y, groups=groups)[0] == fitted_temperature(loss, 3 * z, y), "but a large one"
    alone = np.arange(len(y))
    assert told_temperature(loss, 3 * z, y, groups=alone) == told_temperature(loss, 3 * z, y)
    assert told_temperature(loss, 3 * z, y, groups=np.zeros(len(y), int))[0] == 1, "as one group tells nothing"


@pytest.mark.parametrize("key", ["group", "time"])
def test_a_temperature_knows_of_rows_that_are_alike(train_run: Train, tmp_path: Path, key: str) -> None:
    z, y, groups = drawn_in_groups(0, 60, 5)
    rows = [f"{group},{a:.3f},{'no' if c else 'yes'}" for group, a, c in zip(groups, z[:, 0], y, strict=True)]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(["visit,a,ill", *rows]) + "\n")
    found = calibrate(model_of(train_run(f"data.source={path}", "data.target=ill", f"data.{key}=visit", *QUICK).run))
    assert any("dev rows, as good as" in note and "independent ones" in note for note in found.notes), found.notes


def test_what_is_said_of_a_temperature() -> None:
    loss, (z, y) = SoftmaxCrossEntropy(4), drawn(0, 400, 4)
    found, notes = told_temperature(loss, 3 * z, y)
    assert found == fitted_temperature(loss, 3 * z, y) and not notes
    assert told_temperature(loss, 1.02 * z, y)[0] == 1
    assert "from 1 (likelihood ratio test, 95%), so it stays 1" in told_temperature(loss, 1.02 * z, y)[1][0]
    assert told_temperature(loss, 5 * z[:40], y[:40])[1][0].startswith("40 dev rows are few")
    assert told_temperature(loss, -z, y) == (1, ["dev asks for a temperature beyond 0.01 to 100, so none is taken"])
    heavy = np.where(np.arange(400) < 40, 1.0, 1e-6)  # as good as 40 rows
    assert told_temperature(loss, 5 * z, y, heavy)[1][0].startswith("40 dev rows are few")


def one(train_run: Train) -> RunDir:
    return train_run(*SCARCE).run


def several(train_run: Train) -> RunDir:
    return assembled([train_run(*SCARCE, f"seed={seed}") for seed in (0, 1)], [2, 1]).directory


def folds(train_run: Train) -> RunDir:
    return as_folds([train_run(*SCARCE, f"data.split_seed={seed}") for seed in (0, 1)])


def as_folds(outcomes: Sequence[Outcome]) -> RunDir:
    whole = assembled(outcomes, [1] * len(outcomes)).directory
    record = json.loads(whole.read(MEMBERS)) | {"how": "folds"}
    del record["checksum"]
    whole.write(MEMBERS, json.dumps(record))
    return whole


@pytest.mark.parametrize("kind", [one, several, folds])
def test_a_run_is_calibrated_on_dev_and_its_model_has_the_temperature(
    train_run: Train, kind: Callable[..., RunDir]
) -> None:
    run = kind(train_run)
    raw, before = model_of(run), reads(run)
    found = calibrate(raw)
    model = model_of(run)
    assert model.temperature == found.model.temperature != 1
    assert found.parts["dev"]["after"]["loss"] < found.parts["dev"]["before"]["loss"]
    for part, of in found.parts.items():
        pieces = trained(StoredRun(run)).pieces(part)
        x, y = ([getattr(piece.dataset.parts[part], name) for piece in pieces] for name in "xy")
        own = [replace(piece.model, temperature=1.0) for piece in pieces]
        p = np.concatenate([each.predict_features(rows) for each, rows in zip(own, x, strict=True)]).astype(float)
        assert of["rows"] == len(p)
        assert of["before"]["calibration_error"] == pytest.approx(calibration_error(np.concatenate(y), p), abs=1e-5)
        tempered = softmax(np.log(np.maximum(p, 1e-30)) / model.temperature, axis=1)
        expected = calibration_error(np.concatenate(y), tempered)
        assert of["after"]["calibration_error"] == pytest.approx(expected, abs=0.004)
        assert evaluate(model).results[part]["network"]["loss"] == pytest.approx(of["after"]["loss"], rel=1e-5)
    assert found.test_reads == before + 1
    rows = read_parts(model.config.data)["test"]
    np.testing.assert_array_equal(model.predict(rows).argmax(axis=1), raw.predict(rows).argmax(axis=1))
    assert any("temperature" in notice for notice in evaluate(model).notes)
    assert calibrate(model).model.temperature == model.temperature


def test_it_counts_for_no_other_weights(train_run: Train) -> None:
    run = train_run(*SCARCE).run
    calibrate(model_of(run))
    assert model_of(run).temperature != 1
    verbs.resume(run, epochs=45)
    model = model_of(run)
    assert model.temperature == 1 and model.calibration and model.calibration.scores is None
    assert any("other weights" in note and "--calibrate" in note for note in evaluate(model).notes)
    calibrate(model)
    assert model_of(run).temperature != 1


def test_the_temperature_of_a_member_is_its_own(train_run: Train) -> None:
    whole = several(train_run)
    calibrate(model_of(member(whole, 1)))
    assert model_of(member(whole, 1)).temperature != 1
    assert model_of(whole).temperature == 1
    assert model_of(whole).members[0].weights.keys() == model_of(member(whole, 1)).members[0].weights.keys()


def test_the_prior_is_corrected_after_the_temperature(train_run: Train) -> None:
    run = train_run(*SCARCE, "data.class_weight=balanced", "data.correct_prior=true").run
    raw = model_of(run)
    found = calibrate(raw)
    model = model_of(run)
    x = model.features(read_parts(model.config.data)["dev"])
    z = np.concatenate([logits.copy() for _, logits in raw.logits(x)]).astype(float)
    assert model.shift is not None and model.temperature != 1
    expected = 1 / (1 + np.exp(-(z[:, 0] / model.temperature + float(model.shift[0]))))
    np.testing.assert_allclose(model.predict_features(x)[:, 1], expected, rtol=1e-4, atol=1e-6)
    said = (one.decided(one.predict_features(x)) for one in (raw, model))
    np.testing.assert_array_equal(*said)
    assert evaluate(model).results["dev"]["network"]["loss"] == pytest.approx(found.parts["dev"]["after"]["loss"])


@pytest.mark.parametrize(
    ("damaged", "told"),
    [
        (lambda text: text.replace('"temperature": ', '"temperature": 1', 1), "its checksum is of other values"),
        (lambda text: text[:-9], "not valid JSON"),
        (lambda text: "{}", "temperature is missing"),
        (lambda text: json.dumps(json.loads(text) | {"temperature": -1.0}), "temperature is -1, where"),
        (lambda text: json.dumps(json.loads(text) | {"temperature": "hot"}), "temperature is 'hot' where a number"),
        (
            lambda text: json.dumps(
                json.loads(text) | {"scores": {"part": "test", "out_of_fold": False, "values": [2, 1]}}
            ),
            "scores.values are not in ascending order",
        ),
        (
            lambda text: json.dumps(
                json.loads(text)
                | {"scores": {"part": "test", "out_of_fold": False, "values": [1, 2], "groups": [0, 2]}}
            ),
            "scores.groups are not the groups of so many values",
        ),
    ],
)
def test_damage_is_told(train_run: Train, damaged: Callable[[str], str], told: str) -> None:
    run = train_run("data.source=iris", *QUICK).run
    calibrate(model_of(run))
    text = damaged((run.path / CALIBRATION).read_text())
    run.write(CALIBRATION, text)
    with pytest.raises(DataError, match=rf"{CALIBRATION}: .*{told}.*; or delete {CALIBRATION}"):
        model_of(run)


# intervals


def test_the_margin_is_one_of_the_scores_by_its_place() -> None:
    nine = scores(range(1, 10))
    places = {"80%": 8, "90%": 9, "0.5": 5, "0.01%": 1, "79.9%": 8, "70%": 7, "7e-1": 7}
    assert {level: margin(nine, read_level(level)) for level in places} == places
    with pytest.raises(UsageError, match="91%: takes 11 rows to calibrate it, and the test part has 9"):
        margin(nine, read_level("91%"))
    assert margin(scores(range(1, 20)), read_level("95%")) == 19


@pytest.mark.parametrize("text", ["", "90", "1", "0", "100%", "0%", "-5%", "1e2%", "many", "0.9.9", "nan", "90%%"])
def test_a_level_is_a_share(text: str) -> None:
    with pytest.raises(UsageError, match=r"such as 90% or 0\.9"):
        read_level(text)


@pytest.mark.parametrize(
    ("given", "whole"), [("1e-300", "0%"), ("1e-5%", "0%"), (1e-9, "0%"), ("99.99999%", "100%"), (0.99999999, "100%")]
)
def test_a_share_that_no_rows_tell_from_all_or_none_is_refused(given: str | float, whole: str) -> None:
    with pytest.raises(UsageError, match=f"that is as good as {whole}; write a share between"):
        read_level(given)
    assert [read_level(text) for text in ("0.001%", "99.999%")] == [Fraction(1, 10**5), 1 - Fraction(1, 10**5)]


def test_of_exchangeable_scores_the_share_that_is_asked_for_is_covered() -> None:
    """Of n others and one new the new one is below the k-th with probability k/(n + 1)."""
    rng, draws = np.random.default_rng(0), 4000
    for n, level in ((19, Fraction(9, 10)), (25, Fraction(4, 5)), (88, Fraction(19, 20))):
        p = math.ceil((n + 1) * level) / (n + 1)
        values = np.exp(rng.standard_normal((draws, n + 1)))
        covered = sum(row[n] <= margin(scores(np.sort(row[:n])), level) for row in values)
        assert abs(covered - draws * p) < 4 * math.sqrt(draws * p * (1 - p))
        assert p >= level


def grouped(values: Array, groups: Array) -> ScoresRecord:
    order = np.argsort(values)
    return {**scores(values[order].tolist()), "groups": groups[order].tolist()}


def test_groups_of_one_row_are_rows_and_their_size_counts_for_nothing() -> None:
    nine = np.arange(1.0, 10)
    for level in ("80%", "90%", "0.5"):
        expected = margin(scores(nine.tolist()), read_level(level))
        assert margin(grouped(nine, np.arange(9)), read_level(level)) == expected
        assert margin(grouped(np.repeat(nine, nine.astype(int)), np.repeat(np.arange(9), nine.astype(int))),
                      read_level(level)) == expected  # fmt: skip
    with pytest.raises(UsageError, match="91%: takes 11 groups to calibrate it, and the test part has 9"):
        margin(grouped(np.repeat(nine, 20), np.repeat(np.arange(9), 20)), read_level("91%"))


@pytest.mark.parametrize("count", [10, 20])
def test_of_new_groups_the_share_that_is_asked_for_is_covered(count: int) -> None:
    """Large groups have the smaller errors, and rows of one are alike. Of 1,000 draws; a deviation is below 0.01."""
    rng, held = np.random.default_rng(0), np.zeros(2)
    for _ in range(1000):
        sizes = rng.choice([2, 5, 60], count + 1)
        spread = np.exp(rng.normal(0, 0.6, count + 1)) * np.where(sizes == 60, 0.6, 1)
        groups = np.repeat(np.arange(count), sizes[:-1])
        off, new = np.abs(rng.normal(size=len(groups))) * spread[groups], np.abs(rng.normal(size=100)) * spread[-1]
        by_rows, by_groups = scores(np.sort(off).tolist()), grouped(off, groups)
        held += [np.mean(new <= margin(each, Fraction(9, 10))) / 1000 for each in (by_rows, by_groups)]
    assert held[0] < 0.85
    assert 0.9 < held[1] < 0.98


def test_of_many_rows_all_groups_are_scored() -> None:
    groups = np.repeat(
        np.arange(40), np.where(np.arange(40) < 4, 400, 3)
    )  # a sample by rows has half of the small ones
    rows = sampled_in_groups(groups, 200)
    sizes = np.bincount(groups[rows])
    assert len(rows) == 200 and sizes[4:].tolist() == [3] * 36 and sizes[:4].tolist() == [23] * 4
    drawn = stream(0, "sample").permutation(len(groups))  # on every processor: of a group the first ones
    assert {*rows[groups[rows] == 0]} == {*drawn[groups[drawn] == 0][:23]}
    assert (
        len(np.unique(groups[sampled_in_groups(groups, 30)])) == 30
    )  # and the large ones are no more often among these
    assert sampled_in_groups(groups, 5_000).tolist() == list(range(len(groups)))


def test_bounds_know_of_the_groups_of_rows(train_run: Train, tmp_path: Path) -> None:
    rng, path = np.random.default_rng(0), tmp_path / "rows.csv"
    rows = [f"p{k % 60},{a:.3f},{a + 0.1 * b:.3f}" for k, (a, b) in enumerate(rng.normal(size=(600, 2)))]
    path.write_text("\n".join(["patient,a,y", *rows]) + "\n")
    run = train_run(f"data.source={path}", "data.target=y", "data.group=patient", *QUICK).run
    with pytest.raises(UsageError, match="takes 99 groups to calibrate it, and the test part has 12"):
        asked_for(model_of(run), "99%", False)
    (beside,) = asked_for(model_of(run), "90%", False)
    assert beside.interval is not None and beside.interval["groups"] == 12
    assert "120 test rows in 12 groups, each of which counts alike, calibrate them" in beside.notices()[0]
    record = json.loads(run.read(CALIBRATION))
    del record["checksum"], record["scores"]["groups"]  # as an early version wrote it
    run.write(CALIBRATION, json.dumps(record))
    (beside,) = asked_for(model_of(run), "90%", False)
    assert "each row counts, whatever its patient, so they promise nothing of new groups" in beside.notices()[0]


@pytest.mark.parametrize(("groups", "said"), [(60, "`predict --interval 90%`"), (30, "80%`"), (10, "takes 4 groups")])
def test_calibrating_offers_the_intervals_that_its_groups_suffice_for(
    train_run: Train, tmp_path: Path, groups: int, said: str
) -> None:
    rng, path = np.random.default_rng(0), tmp_path / "rows.csv"
    rows = [f"p{k % groups},{a:.3f},{a + 0.1 * b:.3f}" for k, (a, b) in enumerate(rng.normal(size=(600, 2)))]
    path.write_text("\n".join(["patient,a,y", *rows]) + "\n")
    run = train_run(f"data.source={path}", "data.target=y", "data.group=patient", *QUICK).run
    assert said in " ".join(" ".join(calibration_page(calibrate(model_of(run)))).split())


def test_bounds_go_as_far_as_the_errors_of_test_rows(train_run: Train) -> None:
    run = train_run(*NUMBERS).run
    model, before = model_of(run), reads(run)
    rows = read_parts(model.config.data)["test"]
    off = np.sort(np.abs(rows.frame["target"].to_numpy() - model.predict(rows)))
    most = off[math.ceil((len(off) + 1) * 0.9) - 1]
    for times in (1, 2):
        found = Predictions(model_of(run), beside=asked_for(model_of(run), "90%", False))
        (frame,) = found.of([rows])
        assert list(frame.columns[-3:]) == ["prediction", "lower", "upper"]
        assert found.columns == list(frame.columns)
        np.testing.assert_allclose(frame["upper"] - frame["prediction"], most, rtol=1e-5)
        np.testing.assert_allclose(frame["prediction"] - frame["lower"], most, rtol=1e-5)
        (told,) = (notice for notice in found.notices() if "intervals" in notice)
        assert f"{len(off)} test rows calibrate them, which chose nothing" in told and "1.645 · rmse" in told
        assert ("a read of the test part, number 2" in told) == (times == 1)
    assert reads(run) == before + 1
    true = rows.frame["target"].to_numpy()
    assert np.mean((true >= frame["lower"]) & (true <= frame["upper"])) >= 0.9


def test_scores_are_kept_for_when_the_data_is_gone(train_run: Train, tmp_path: Path) -> None:
    source = tmp_path / "rows.csv"
    rng = np.random.default_rng(0)
    x = rng.standard_normal(120)
    source.write_text(
        "x,y\n" + "".join(f"{a:.4f},{a + b:.4f}\n" for a, b in zip(x, rng.standard_normal(120), strict=True))
    )
    kept, other = (train_run(f"data.source={source}", "data.target=y", f"seed={seed}", *QUICK).run for seed in (0, 1))
    assert calibrate(model_of(kept)).scores
    source.unlink()
    assert asked_for(model_of(kept), "90%", False)[0].columns == ["lower", "upper"]
    with pytest.raises(DataError, match=r"rows\.csv.*calibrate --interval, and none have been scored yet"):
        asked_for(model_of(other), "90%", False)
    assert not (other.path / CALIBRATION).exists()


def test_where_rows_are_too_few_none_is_read(train_run: Train) -> None:
    run = train_run("data.source=iris", *QUICK).run
    before = reads(run)
    with pytest.raises(UsageError, match="98%: takes 49 rows to calibrate it, and the test part has 30"):
        asked_for(model_of(run), "98%", False)
    assert reads(run) == before and not (run.path / CALIBRATION).exists()


def test_without_a_test_part_dev_rows_calibrate_with_a_warning(train_run: Train) -> None:
    run = train_run("data.source=diabetes", "data.split=[0.7,0.3,0]", *QUICK).run
    found = with_scores(model_of(run), Fraction(1, 2))
    assert found.test_reads is None and found.scores and found.scores["part"] == "dev"
    (beside,) = asked_for(model_of(run), "80%", False)
    assert "chose the epoch: they may hold less than they say" in beside.notices()[0]


def test_of_folds_each_row_is_predicted_by_the_network_that_has_not_learned_it(train_run: Train) -> None:
    parts = ("data.source=diabetes", "data.split=[0.7,0.3,0]", *QUICK)
    outcomes = [train_run(*parts, f"data.split_seed={seed}") for seed in (0, 1)]
    whole = as_folds(outcomes)
    found = with_scores(model_of(whole), Fraction(1, 2)).scores
    expected = []
    for outcome in outcomes:
        rows = read_parts(StoredRun(outcome.run).config.data)["dev"]
        expected.append(np.abs(rows.frame["target"].to_numpy() - model_of(outcome.run).predict(rows)))
    assert found and found["out_of_fold"]
    np.testing.assert_allclose(found["values"], np.sort(np.concatenate(expected)), rtol=1e-4, atol=1e-3)
    assert "has not learned it" in asked_for(model_of(whole), "90%", False)[0].notices()[0]


def test_rows_that_were_all_learned_calibrate_nothing(train_run: Train) -> None:
    outcome = train_run("data.source=iris", "data.folds=3", "data.fold=all", *QUICK)
    assert any("says nothing of others" in line for line in summary(outcome.record, outcome.config, "done"))
    of_classes = outcome.run
    of_numbers = train_run(*NUMBERS, "data.folds=3", "data.fold=all").run
    for refused in (lambda: calibrate(model_of(of_classes)), lambda: asked_for(model_of(of_classes), "80%", False)):
        with pytest.raises(UsageError, match="was trained on all of them"):
            refused()
    assert not (of_classes.path / CALIBRATION).exists()
    found = calibrate(model_of(of_numbers))  # which has a test part, and no temperature
    assert found.scores and found.scores["part"] == "test"


def test_a_member_has_no_test_part_to_calibrate_by(train_run: Train) -> None:
    whole = assembled([train_run(*NUMBERS, f"seed={seed}") for seed in (0, 1)], [1, 1]).directory
    inner = member(whole, 2)
    with pytest.raises(UsageError, match=f"test part to calibrate it, which is not read: .*{whole.id}"):
        asked_for(model_of(inner), "90%", False)
    assert not (inner.path / CALIBRATION).exists()


@pytest.mark.parametrize("source", ["breast_cancer", "iris"])
def test_sets_hold_all_classes_that_are_probable_enough(train_run: Train, source: str) -> None:
    run = train_run(f"data.source={source}", "data.split=[0.4,0.2,0.4]", *QUICK).run
    calibrate(model_of(run))
    model = model_of(run)
    rows = read_parts(model.config.data)["test"]
    classes, p = model.target.classes or [], model.predict(rows).astype(float)
    true = np.array([classes.index(name) for name in rows.frame[model.target.name]])
    lacking = np.sort(1 - p[np.arange(len(p)), true])
    names = rows.frame[model.target.name]
    for level in (Fraction(9, 10), Fraction(1, 2)):  # half the rows have no class that is probable enough for a half
        q = lacking[math.ceil((len(p) + 1) * level) - 1]
        (frame,) = Predictions(model, beside=asked_for(model, f"{float(level):.0%}", False)).of([rows])
        for told, said, own, name in zip(frame["classes"], frame["prediction"], p, names, strict=True):
            probable = {c for c, share in zip(classes, own, strict=True) if 1 - share <= q}
            assert set(told.split("|")) == probable | {said}
            assert name in told.split("|") or 1 - own[classes.index(name)] > q
        held = [name in told.split("|") for told, name in zip(frame["classes"], names, strict=True)]
        assert np.mean(held) >= level


def test_a_margin_in_the_precision_of_the_run_holds_the_row_that_it_is_of(train_run: Train) -> None:
    """As early versions wrote them: rounded to float32, half of them lie below what the row lacks in float64."""
    model = model_of(train_run(*QUICK, "data.source=breast_cancer").run)
    p = model.predict(read_parts(model.config.data)["test"])
    margins = 1 - p[:, 0].astype(np.float32).astype(float)
    assert (margins < 1 - p[:, 0]).any()
    for row, own in zip(p, margins, strict=True):
        interval = IntervalDocument(level=0.9, margin=own, part="test", rows=len(p))
        ((names,),) = _Sets(interval, model, "", "").cells(p[:1], row[None])
        assert (model.target.classes or [])[0] in names.split("|")


# what members say


def test_members_say_values_and_how_far_they_are_apart(train_run: Train) -> None:
    outcomes = [train_run(*NUMBERS, f"seed={seed}") for seed in (0, 1, 2)]
    whole = assembled(outcomes, [2, 1, 1])
    model = load_model(whole)
    rows = read_parts(whole.config.data)["dev"]
    (frame,) = Predictions(model, beside=asked_for(model, None, True)).of([rows])
    assert list(frame.columns[-4:]) == ["member 1", "member 2", "member 3", "disagreement"]
    said = np.array([model_of(outcome.run).predict(rows) for outcome in outcomes])
    np.testing.assert_allclose(frame.iloc[:, -4:-1].to_numpy().T, said, rtol=1e-5)
    mean = np.average(said, axis=0, weights=[2, 1, 1])
    apart = np.sqrt(np.average(np.square(said - mean), axis=0, weights=[2, 1, 1]))
    np.testing.assert_allclose(frame["disagreement"], apart, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("source", ["breast_cancer", "iris"])
def test_members_say_classes_and_how_far_they_are_apart(train_run: Train, source: str) -> None:
    outcomes = [train_run(f"data.source={source}", f"seed={seed}", *QUICK) for seed in (0, 1)]
    whole = assembled([*outcomes, outcomes[0]], [1, 2, 1])
    calibrate(load_model(whole))  # how far they are apart has no temperature
    model = load_model(whole)
    rows = read_parts(whole.config.data)["dev"]
    (frame,) = Predictions(model, beside=asked_for(model, None, True)).of([rows])
    p = np.array([model_of(outcome.run).predict(rows) for outcome in outcomes], dtype=float)
    for k, own in enumerate(p):
        assert list(frame[f"member {k + 1}"]) == [(model.target.classes or [])[c] for c in own.argmax(axis=1)]

    def entropy(of: Array) -> Array:
        logs: Array = np.log(of, where=of > 0, out=np.zeros_like(of))
        return -np.asarray((of * logs).sum(axis=-1))

    information = entropy(p.mean(axis=0)) - entropy(p).mean(axis=0)
    np.testing.assert_allclose(frame["disagreement"], information, atol=1e-6)
    if len(p[0, 0]) == 2:  # by a threshold they decide at the temperature of the prediction, which lies among them
        cooled = at_threshold(replace(model, temperature=0.3), 0.8)
        (decided,) = Predictions(cooled, beside=asked_for(cooled, None, True)).of([rows])
        said = decided[["member 1", "member 2", "member 3"]]
        assert said.eq(decided["prediction"], axis=0).any(axis=1).all()
        assert decided["disagreement"].equals(frame["disagreement"])


def test_one_network_has_no_members(train_run: Train) -> None:
    with pytest.raises(UsageError, match=r"is one network; `nnrun train \S+ --set network\.ensemble=5`"):
        asked_for(model_of(train_run(*NUMBERS).run), None, True)


def test_an_interval_is_given_where_nothing_can_be_kept(train_run: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = train_run("data.source=diabetes", "network.hidden=[8]", "training.epochs=4")
    model = load_model(StoredRun(outcome.run))

    def full(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Calibration, "keep", full)
    found = with_scores(model, Fraction(9, 10))
    assert found.scores and found.scores["part"] == "test"
    assert not (outcome.run.path / "calibration.json").exists()
    with pytest.raises(OSError, match="Read-only"):
        calibrate(model)
