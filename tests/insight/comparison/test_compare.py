"""What compare finds: differing keys, differences of numbers, and how much of them the seed explains."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from statistics import stdev
from typing import Any

import numpy as np
import pytest

from nnrun.errors import DataError, UsageError
from nnrun.files import to_json
from nnrun.insight.comparison.curves import drawn, once
from nnrun.insight.comparison.differences import Comparison, Noise, compare
from nnrun.insight.comparison.tables import config_cells, difference_cell, metric_cells
from nnrun.insight.comparison.telling import as_csv, markdown, plain, told
from nnrun.runs.rundir import RunDir
from nnrun.search.ledger import Ledger
from tests.insight.comparison.conftest import MakeRun
from tests.panda import nudge

Root = Path
RATE = "optimizer.learning_rate"


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return tmp_path / "runs"


def lines_of(found: Comparison, width: int = 80, cut: bool = False) -> list[str]:
    return told(found, width, cut, "nnrun search …", everything=False)


def file_of(part: str, name: str, sha256: str, rows: int = 100) -> dict[str, object]:
    return {"part": part, "name": name, "sha256": sha256, "rows": rows}


def test_one_key_and_nothing_else_of_the_config(make_run: MakeRun, root: Root) -> None:
    a, b = make_run("a", dev_error=0.05), make_run("b", {RATE: 0.01}, dev_error=0.03)
    found = compare(root, [a.id, b.id])
    assert found.config == {RATE: [0.001, 0.01]}
    assert list(found.metrics) == ["dev_error"]
    assert found.difference("dev_error", 1) == pytest.approx(-0.02)
    text = "\n".join(lines_of(found))
    assert f"{RATE}  0.001  0.01\n" in text
    assert "dev_error  5.0%  3.0%  -2.0 points\n" in text
    for other in ("activation", "hidden", "schedule", "seed_", "train_error"):
        assert other not in text
    everything = compare(root, [a.id, b.id], everything=True)
    assert everything.config["network.activation"] == ["relu", "relu"]
    assert everything.metrics["train_error"] == [0.01, 0.01]
    assert not any(key.startswith("search.") for key in everything.config), "training one network ignores it"


def test_a_key_that_one_run_lacks(make_run: MakeRun, root: Root) -> None:
    a = make_run("a")
    b = make_run("b", {"optimizer.schedule": {"name": "step", "every": 10}})
    found = compare(root, [a.id, b.id])
    assert found.config == {"optimizer.schedule.name": ["constant", "step"], "optimizer.schedule.every": [None, 10]}


def test_the_same_file_under_another_path_is_no_difference(make_run: MakeRun, root: Root) -> None:
    a, b = make_run("a", {"data.source": "/here/x.csv"}), make_run("b", {"data.source": "/there/x.csv"})
    assert compare(root, [a.id, b.id]).config == {}
    assert "config   no setting differs" in lines_of(compare(root, [a.id, b.id]))


@pytest.mark.parametrize(
    ("changes", "data", "what"),
    [
        ({}, "d2", "different data"),
        ({"data.class_weight": "balanced"}, "d1", "different weights of examples"),
        ({"data.class_weight": {"yes": 2}}, "d1", "different weights of examples"),
    ],
)
def test_errors_that_cannot_be_compared(
    make_run: MakeRun, root: Root, changes: dict[str, object], data: str, what: str
) -> None:
    a, b = make_run("a"), make_run("b", changes, data=data, dev_error=0.01)
    found = compare(root, [a.id, b.id])
    first, second, *rest = lines_of(found)
    assert f"{first} {second.strip()}".startswith(
        f"note     these runs have {what}, so their errors cannot be compared"
    )
    assert found.difference("dev_error", 1) is None
    assert not any("points" in line or "noise" in line for line in rest)
    assert plain(found)["comparable"] is False


def test_files_of_one_name_are_told_apart_by_what_is_in_them(make_run: MakeRun, root: Root) -> None:
    def of_file(letter: str, name: str, sha256: str, rows: int) -> str:
        return make_run(letter, record={"data": {"files": [file_of("all", name, sha256, rows)], "rows": {}}}).id

    before, after = of_file("a", "x.csv", "1" * 64, 1200), of_file("b", "x.csv", "2" * 64, 1300)
    again, other = of_file("c", "x.csv", "1" * 64, 1200), of_file("d", "y.csv", "3" * 64, 1200)
    told_apart = "different data, so their errors cannot be compared: "
    contents = ["(x.csv with 1,200 rows and checksum 11111111)", "(x.csv with 1,300 rows and checksum 22222222)"]
    assert compare(root, [before, after, again]).apart == f"{told_apart}A, C {contents[0]}; B {contents[1]}"
    assert compare(root, [before, other]).apart == f"{told_apart}A (x.csv); B (y.csv)"
    assert str(compare(root, [before, other, after]).apart).endswith(f"; C {contents[1]}"), "two of three have one name"


def test_another_split_is_another_dev_set_but_another_training_file_is_not(make_run: MakeRun, root: Root) -> None:
    a, b, c, d = (make_run(letter) for letter in "abcd")
    (b.path / "data.json").write_text('{"split": {"sha256": "other"}}')
    told_apart = str(compare(root, [a.id, b.id]).apart)
    assert told_apart == "different dev sets, so their errors cannot be compared: A; B", "one file, which tells nothing"
    for run, train in ((c, "t1"), (d, "t2")):
        files = [file_of("train", "t", train), file_of("dev", "v", "v1")]
        run.update_record(data={"files": files, "rows": {}})
        (run.path / "data.json").write_text(f'{{"split": {{"sha256": "{train}"}}}}')
    assert compare(root, [c.id, d.id]).apart is None
    for run, sha in ((c, "x1"), (d, "x2")):
        files = [*run.read_record()["data"]["files"], file_of("test", "x", sha)]
        run.update_record(data={"files": files, "rows": {}})
    assert "different data" in str(compare(root, [c.id, d.id]).apart), "errors on another test file"


def test_folds_have_each_row_in_a_dev_set_but_by_time_the_first_rows(make_run: MakeRun, root: Root) -> None:
    folds = ({}, {"folds": 4}, {"folds": 5}, {"folds": 4, "time": "t"}, {"folds": 5, "time": "t"})
    one, four, five, *by_time = (make_run(letter, {f"data.{k}": v for k, v in each.items()}).id
                                 for letter, each in zip("abcde", folds, strict=True))  # fmt: skip
    assert compare(root, [four, five]).apart is None
    for pair in ([one, four], [one, by_time[0]], [four, by_time[0]], by_time):
        assert "different dev sets" in str(compare(root, pair).apart)


def test_what_all_rows_trained_has_no_dev_set(make_run: MakeRun, root: Root) -> None:
    """Its curve on these rows is that of training, and lies below that of every other run."""
    fold, whole = make_run("a", {"data.folds": 3}), make_run("b", {"data.folds": 3, "data.fold": "all"})
    found = compare(root, [fold.id, whole.id])
    assert found.apart == "different dev sets, so their errors cannot be compared: A (d1); B (none, all rows train)"
    assert [run["dev_error_by_epoch"] for run in plain(found)["runs"]] == [[0.5, 0.2, 0.1], []]


def test_errors_of_the_logarithm_are_no_errors_of_the_value(make_run: MakeRun, root: Root) -> None:
    runs = [make_run("a", dev_rmse=1.0, train_rmse=1.0), make_run("b", dev_rmse=1.1, train_rmse=1.0, dev_error=0.04)]
    for run, transform in zip(runs, ({}, {"transform": "log"}), strict=True):
        target = {"name": "y", "kind": "number", "mean": 0.0, "deviation": 1.0, **transform}
        (run.path / "data.json").write_text(to_json({"task": "regression", "target": target, "split": {"sha256": "s"}}))
    found = compare(root, [run.id for run in runs])
    why = "different transforms of the target, so their errors cannot be compared: "
    assert found.apart == why + "A (errors of the value); B (errors of the log)"
    assert found.difference("dev_error", 1) is None


def test_different_losses_have_no_difference_where_they_do_not_decide(make_run: MakeRun, root: Root) -> None:
    changes = {"training": {"loss": "auto"}, "network.hidden": [2]}
    a = make_run("a", changes, train_loss=0.3, cost=0.3)
    b, c = (make_run(letter, {"training": {"loss": name}}, dev_loss=0.1, cost=0.2, train_loss=0.2) for letter, name in
            zip("bc", ("cross_entropy", "huber"), strict=True))  # fmt: skip
    alike, other = (compare(root, [a.id, each.id]) for each in (b, c))
    for key in ("dev_loss", "train_loss", "cost"):
        assert alike.difference(key, 1) is not None
        assert other.difference(key, 1) is None
    assert other.apart is None and other.difference("dev_error", 1) == 0
    for run in (a, c):
        run.resolved.write_text(run.resolved.read_text().replace("primary: error", "primary: loss"))
    told_apart = str(compare(root, [a.id, c.id]).apart)
    assert told_apart == "different losses, so their errors cannot be compared: A (cross_entropy); B (huber)"


# seed noise


def test_the_band_of_repeats(make_run: MakeRun, root: Root) -> None:
    # Errors of 4, 5 and 6% with three seeds: s = 1%, two degrees of freedom, t = 4.303, so ± 4.303 · 1% · √2 = 6.085%.
    for seed, error in enumerate((0.04, 0.05, 0.06)):
        make_run("a", {"seed": seed}, dev_error=error, dev_loss=100 * error)
    near, far = make_run("b", {RATE: 0.01}, dev_error=0.10), make_run("c", {RATE: 0.1}, dev_error=0.11)
    first = RunDir(min(root.glob("*-a000"))).id
    found = compare(root, [first, near.id])
    assert found.noise["dev_error"] == (pytest.approx(0.01), 2, 3)
    assert found.noise["dev_error"].band() == pytest.approx(0.06085, abs=1e-5)
    assert found.band("dev_loss") == pytest.approx(6.085, abs=1e-3), "a loss may be above 1"
    assert found.within_noise("dev_error", 1) is True  # 10 − 4 = 6 points
    beyond = compare(root, [first, far.id])
    assert beyond.within_noise("dev_error", 1) is False  # 7 points
    assert compare(root, [far.id, first]).within_noise("dev_error", 1) is False, "nor where it is better by as much"
    assert any("+6.0 points  within seed noise ± 6.1" in line for line in lines_of(found))
    assert any("+7.0 points  ± 6.1" in line for line in lines_of(beyond))


def test_of_several_runs_those_within_the_band_are_marked(make_run: MakeRun, root: Root) -> None:
    for seed, error in enumerate((0.04, 0.05, 0.06)):
        make_run("a", {"seed": seed}, dev_error=error)
    near, worst = make_run("b", {RATE: 0.01}, dev_error=0.10), make_run("c", {RATE: 0.1}, dev_error=0.30)
    text = "\n".join(lines_of(compare(root, [RunDir(min(root.glob("*-a000"))).id, near.id, worst.id])))
    assert "+6.0 ~" in text and "+26.0 " in text and "+26.0 ~" not in text


@pytest.mark.parametrize(
    ("errors", "why"),
    [
        ((0.05, 0.05), "the 2 runs that share everything but the seed have the same dev_error"),
        ((0.05, 0.15), "2 runs that share everything but the seed are too few to tell it"),  # 12.706 · 7.1% · √2 = 127%
    ],
)
def test_few_repeats_may_tell_nothing(make_run: MakeRun, root: Root, errors: tuple[float, ...], why: str) -> None:
    for seed, error in enumerate(errors):
        make_run("a", {"seed": seed}, dev_error=error)
    other = make_run("b", {RATE: 0.01}, dev_error=0.06)
    found = compare(root, [RunDir(min(root.glob("*-a000"))).id, other.id])
    assert found.noise["dev_error"].runs == 2
    assert found.within_noise("dev_error", 1) is None
    assert plain(found)["metrics"]["dev_error"]["within_seed_noise"] == [None, None]
    assert plain(found)["seed_noise"]["dev_error"]["band"] is None
    lines = lines_of(found)
    assert f"seed noise is not known: {why}" in " ".join(lines)
    assert not any("±" in line for line in lines)
    assert lines[-1] == "next     nnrun search …"


def test_groups_are_pooled(make_run: MakeRun, root: Root) -> None:
    # Variances 2 and 0.5 (in squared points) with one degree of freedom each: √(2.5 / 2) = 1.118 points.
    groups = {"a": (0.001, 0.04, 0.06), "b": (0.01, 0.03, 0.04)}
    for letter, (rate, *errors) in groups.items():
        for seed, error in enumerate(errors):
            make_run(letter, {"seed": seed, RATE: rate}, dev_error=error)
    ids = [min(root.glob(f"*-{letter}000")).name for letter in groups]
    assert compare(root, ids).noise["dev_error"] == (pytest.approx(0.011180, abs=1e-6), 2, 4)


def test_runs_that_are_no_repeats(make_run: MakeRun, root: Root) -> None:
    a, b = make_run("a"), make_run("b", {RATE: 0.01})
    make_run("c", dev_error=0.01)  # the same seed: the same run again
    make_run("d", {"seed": 1}, record={"status": "diverged"})
    make_run("e", {"seed": 2}, record={"parent": {"id": a.id, "epoch": 3}})  # went on from another run
    make_run("f", {"seed": 3, "network.activation": "tanh"})
    make_run("g", {"seed": 4}, data="d2")
    broken = make_run("h", {"seed": 5})
    (broken.path / "run.json").write_text("{}")
    found = compare(root, [a.id, b.id])
    assert found.noise == {}
    assert found.within_noise("dev_error", 1) is None
    assert lines_of(found)[-1] == "next     nnrun search …"
    assert "seed noise is not known" in " ".join(lines_of(found))


def test_the_repeats_of_a_search_count_and_its_trials_do_not(
    make_run: MakeRun, make_search: MakeRun, root: Root
) -> None:
    search = make_search("s")
    errors = (0.03, 0.05, 0.04, 0.04)
    for seed, error in enumerate(errors):
        folder = search.path / f"repeats/0001/{seed:04d}"
        make_run("s", {RATE: 0.003, "seed": 100 + seed}, folder, dev_error=error)
    other = make_run("b")
    found = compare(root, [search.id, other.id])
    assert found.noise["dev_error"] == (pytest.approx(stdev(errors)), 3, 4)
    assert compare(root / "elsewhere", [str(search.path), str(other.path)]).noise == found.noise


def test_ensembles_that_share_networks_are_no_repeats(make_run: MakeRun, root: Root) -> None:
    runs = [make_run("a", {"seed": seed, "network.ensemble": 3}, dev_error=0.04 + seed / 100) for seed in range(5)]
    assert compare(root, [runs[0].id, runs[1].id]).noise["dev_error"] == (pytest.approx(0.0212, abs=1e-4), 1, 2)


def test_an_ensemble_is_no_repeat_of_its_first_member(make_run: MakeRun, root: Root) -> None:
    gathered = {"epochs": 0, "members": [{"id": "a", "seed": 1}, {"id": "b", "seed": 2}]}
    first, other = make_run("a"), make_run("b", {RATE: 0.01})
    ensemble = make_run("c", {"seed": 1}, record=gathered, dev_error=0.01)
    assert compare(root, [first.id, other.id]).noise == {}
    make_run("d", {"seed": 5}, dev_error=0.04)  # which is one
    assert compare(root, [first.id, other.id]).noise["dev_error"].runs == 2
    assert compare(root, [ensemble.id, other.id]).noise == {}


def test_the_band_is_by_students_t_for_all_pairs() -> None:
    # Tables: 97.5% of t with 10 degrees of freedom lie below 2.228, and 1 − 0.025/3 below 2.870.
    assert Noise(1.0, 10, 11).band() == pytest.approx(2.228 * 2**0.5, abs=0.001)
    assert Noise(1.0, 10, 11).band(3) == pytest.approx(2.870 * 2**0.5, abs=0.001)
    assert Noise(0.0, 1, 2).band() == 0


@pytest.mark.parametrize("count", [2, 3, 5, 10])
def test_equal_runs_differ_by_more_than_the_seed_in_one_case_of_twenty(count: int) -> None:
    rng = np.random.default_rng(0)
    deviations = rng.normal(size=(4000, 10)).std(axis=1, ddof=1)
    farthest = np.ptp(rng.normal(size=(4000, count)), axis=1)  # from the best
    band = Noise(1.0, 9, 10).band(count)
    assert (farthest > band * deviations).mean() < 0.065  # with the band of two runs 12%, 24% and 48% of several


def test_the_best_of_a_search_was_chosen(make_search: MakeRun, make_run: MakeRun, root: Root) -> None:
    search, other = make_search("s"), make_run("a")
    record = json.loads((search.path / "best/run.json").read_text())
    (search.path / "best/run.json").write_text(json.dumps(record | {"chosen": {"trial": 1}}))
    ledger = Ledger.of(search)
    for number, error in enumerate((0.05, 0.02, None)):
        ledger.append(
            {"number": number, "values": {}, "seed": 0, "status": "done", "final": {}, "curve": [], "error": None}
            | {"metric": error, "time": 0.0}  # type: ignore[arg-type]
        )
    found = compare(root, [search.id, f"{search.id}/trials/0001", f"{search.id}/trials/0000", other.id])
    assert [run.rivals for run in found.runs] == [2, 2, 0, 0]
    assert "note     A: chosen among 2 trials, which flatters" in lines_of(found)
    assert [run["chosen_among"] for run in plain(found)["runs"]] == [2, 2, 0, 0]
    assert "A: chosen among 2 trials, which flatters." in markdown(found)


# which runs


def test_searches_and_trials(make_search: MakeRun, root: Root) -> None:
    search = make_search("s")
    found = compare(root, [search.id, f"{search.id}/trials/0000", str(search.path / "trials/0001")])
    assert [run.name for run in found.runs] == [f"{search.id}/{p}" for p in ("best", "trials/0000", "trials/0001")]
    assert found.config == {"seed": [6, 5, 6], RATE: [0.003, 0.001, 0.003]}
    assert found.reference == 0, "the best run has an error of 2%, the others 5%"


def test_what_is_not_compared(make_run: MakeRun, make_search: MakeRun, root: Root) -> None:
    a, b = make_run("a"), make_run("b")
    with pytest.raises(UsageError, match="needs two runs or more"):
        compare(root, [a.id])
    with pytest.raises(UsageError, match=f"are the same run, {a.id}"):
        compare(root, [a.id, b.id, str(a.path)])
    with pytest.raises(UsageError, match="no run 'zzz'"):
        compare(root, [a.id, "zzz"])
    search = make_search("s")
    (search.path / "best" / "run.json").unlink()
    with pytest.raises(UsageError, match="has no finished trial yet"):
        compare(root, [a.id, search.id])
    (b.path / "resolved.yaml").write_text("seed: [")
    with pytest.raises(DataError, match=r"resolved\.yaml: not valid YAML"):
        compare(root, [a.id, b.id])


@pytest.mark.parametrize("data", [None, [], {"files": [3]}, {"rows": {}}])
def test_a_damaged_record(make_run: MakeRun, root: Root, data: object) -> None:
    a, b = make_run("a"), make_run("b")
    written = json.loads((b.path / "run.json").read_text())
    (b.path / "run.json").write_text(json.dumps(written | {"data": data}))
    with pytest.raises(DataError, match=r"run\.json: (data|files|holds no record of a run)"):
        compare(root, [a.id, b.id])


def test_runs_without_a_result(make_run: MakeRun, root: Root) -> None:
    a, b = (make_run(letter, record={"final": None, "best_epoch": None}, curve=()) for letter in "ab")
    lines = lines_of(compare(root, [a.id, b.id]))
    assert lines[:2] == [f"A  {a.id}", f"B  {b.id}"]
    found = compare(root, [a.id, make_run("c").id])
    assert found.metrics["dev_error"] == [None, 0.05]
    assert found.difference("dev_error", 1) is None


def test_the_best_is_the_highest_where_higher_is_better(make_run: MakeRun, root: Root) -> None:
    ids = [
        make_run("a", {"metrics.primary": "auc", "seed": seed}, dev_auc=auc).id
        for seed, auc in enumerate((0.8, 0.9, 0.7))
    ]
    found = compare(root, ids)
    assert found.reference == 1
    assert found.difference("dev_auc", 0) == pytest.approx(-0.1)
    assert "dev_auc" in lines_of(found)[5]
    for run in found.runs:
        rows = [{"epoch": epoch, "dev_error": 0.5, "dev_auc": 0.25 * epoch} for epoch in (1, 2, 3)]
        (run.run.path / "metrics.jsonl").write_text("".join(to_json(row) + "\n" for row in rows))
    title, first, *_ = lines_of(compare(root, ids))
    assert title.split() == ["dev", "auc", "by", "epoch", "last"] and first.split()[-1] == "0.75"
    other = found.runs[2].run.directory.resolved
    other.write_text(other.read_text().replace("primary: auc", "primary: error"))
    assert compare(root, ids).curve == "dev_error", "which decides in none of two of them"


# on a screen


def thirty(make_run: MakeRun, root: Root) -> Comparison:
    for number in range(30):
        changes = {RATE: 0.001 * (number + 1), "network.hidden": [128] * (number % 7 + 1), "seed": number % 3}
        make_run("a", changes, root / f"20260101-000000-digits-a{number:03d}", dev_error=0.01 * (30 - number))
    return compare(root, [path.name for path in sorted(root.iterdir())])


@pytest.mark.parametrize("width", [40, 80, 120])
def test_thirty_runs_are_rows(make_run: MakeRun, root: Root, width: int) -> None:
    found = thirty(make_run, root)
    lines = lines_of(found, width, cut=True)
    assert max(map(len, lines)) <= width
    assert [line.split()[0] for line in lines if line.startswith("AD ")][:2] == ["AD", "AD"]
    assert found.reference == 29
    text = "\n".join(lines)
    assert "learning_rate" in text
    assert "keys     " in text
    assert f"[128, 128, 128,… is {[128] * 7}"[:width] in text
    first = next(index for index, line in enumerate(lines) if "from best" in line)
    assert lines[first + 1].split()[:3] == ["A", "30.0%", "+29.0"]
    assert lines[first + 30].split()[:3] == ["AD", "1.0%", "best"]


def test_two_runs_fit_a_narrow_screen(make_run: MakeRun, root: Root) -> None:
    for seed, error in enumerate((0.04, 0.05, 0.06)):
        make_run("a", {"seed": seed}, dev_error=error)
    ids = [path.name for path in sorted(root.iterdir())][:2]
    lines = lines_of(compare(root, ids), 40, cut=True)
    assert max(map(len, lines)) <= 40
    assert any(line.endswith("+1.0 points  ~") for line in lines)
    assert any(line.endswith("+1.0 points  ~ ± 6.1") for line in lines_of(compare(root, ids), 50))


def test_two_runs_fit_a_narrow_screen_however_long_they_took(make_run: MakeRun, root: Root) -> None:
    # A key of 11 letters, times of 6 and a difference of 12, two blanks between each: 11 + 6 + 6 + 12 + 3 · 2 = 41.
    slow, fast = ({"seconds": seconds} for seconds in (0.49, 0.31))
    ids = [make_run("a", record=slow, train_error=0.335).id, make_run("b", record=fast, train_error=0.12).id]
    for width, points in ((40, []), (80, ["points"])):
        lines = lines_of(compare(root, ids), width, cut=True)[:-1]  # without the command
        assert max(map(len, lines)) <= width
        assert ["train_error", "33.5%", "12.0%", "-21.5", *points] in [line.split() for line in lines]


def test_curves_share_their_scales() -> None:
    # Epochs 1 to 4 at 1.0, 0.1, 0.01, 0.001 and half as many at 1.0: log scale, the second ends after two bars.
    assert drawn([[1.0, 0.1, 0.01, 0.001], [1.0, 1.0]], 40) == ["█▆▃▁", "██"]
    # Eight epochs in four bars: means of two each. An error of 0 counts as the smallest one above it.
    assert drawn([[1.0, 1.0, 0.1, 0.1, 0.01, 0.01, 0.001, 0.0]], 4) == ["█▆▃▁"]
    assert drawn([[None, None, 1.0, 0.001], [1.0, None, 1.0]], 40) == ["  █▁", "█ █"]
    assert drawn([[1.0, 0.1, 0.0], [1.0, 0.01, 0.0]], 40) == ["█▅▁", "█▁▁"]  # 0 is at one height in all curves


def test_different_values_are_written_differently() -> None:
    assert metric_cells("dev_error", [0.0222, 0.0224, None]) == ["2.22%", "2.24%", "–"]
    assert metric_cells("dev_loss", [0.123456, 0.123457]) == ["0.123456", "0.123457"]
    assert config_cells([0.1234567, 0.1234568, 0.5]) == ["0.1234567", "0.1234568", "0.5"]
    assert config_cells([True, None, [1, 2]]) == ["true", "–", "[1, 2]"]
    assert metric_cells("seconds", [0.05, None]) == ["50 ms", "–"]
    assert [difference_cell("dev_error", 0.012), difference_cell("cost", -0.5)] == ["+1.2 points", "-0.5"]


# for programs


def test_formats(make_run: MakeRun, root: Root) -> None:
    a, b = make_run("a"), make_run("b", {RATE: 0.01, "network.activation": "a|b"}, dev_error=0.03)
    found = compare(root, [a.id, b.id])
    document = plain(found)
    assert document["config"][RATE] == [0.001, 0.01]
    assert document["metrics"]["dev_error"] == {
        "values": [0.05, 0.03],
        "differences": [0.0, pytest.approx(-0.02)],
        "within_seed_noise": [None, None],
    }
    assert document["runs"][0]["dev_error_by_epoch"] == [0.5, 0.2, 0.1]
    rows = list(csv.DictReader(as_csv(found).splitlines()))
    assert [row["run"] for row in rows] == [a.id, b.id]
    assert [row[RATE] for row in rows] == ["0.001", "0.01"]
    assert markdown(found)[:2] == [f"|  | A: {a.id} | B: {b.id} |", "| --- | --- | --- |"]
    assert "| network.activation | relu | a\\|b |" in markdown(found)
    assert "| dev_error | 5.0% | 3.0% |" in markdown(found)
    three = markdown(compare(root, [a.id, b.id, make_run("c").id]))
    assert len(three) == 2 + 3


def test_errors_have_their_true_name_in_a_table_of_markdown(make_run: MakeRun, root: Root) -> None:
    data = {"files": [file_of("all", "d1", "d1")], "rows": {}, "error_kind": "balanced"}
    ids = [make_run(letter, record={"data": data}, dev_error=0.01 * k).id for k, letter in enumerate("abc", start=1)]
    assert "| dev_balanced_error | 1.0% | 2.0% |" in markdown(compare(root, ids[:2]))
    assert markdown(compare(root, ids))[0] == "|  | dev_balanced_error |"


# parents and children


def child_of(parent: RunDir, make_run: MakeRun, letter: str, epoch: int, **more: Any) -> RunDir:
    return make_run(letter, record={"parent": {"id": parent.id, "epoch": epoch, "state": "0"}}, **more)


def test_epochs_in_common_are_drawn_once(make_run: MakeRun, root: Root) -> None:
    """B and C are rewound runs, which have their parent's epochs; D is C's child of another kind, which has not."""
    a = make_run("a", curve=(0.5, 0.4, 0.3, 0.2))
    b = child_of(a, make_run, "b", 2, curve=(0.5, 0.4, 0.1))
    c = child_of(a, make_run, "c", 3, curve=(0.5, 0.4, 0.3, 0.25, 0.15))
    d = child_of(c, make_run, "d", 4, curve=(0.5, 0.4, 0.3, 0.25, 0.05))
    (d.path / "metrics.jsonl").write_text('{"epoch": 5, "dev_error": 0.05, "seconds": 0.1}\n')

    def curves(*runs: RunDir) -> list[list[float | None]]:
        return once(compare(root, [run.id for run in runs]).runs, "dev_error")

    n = None
    assert curves(b, a) == [[n, n, 0.1], [0.5, 0.4, 0.3, 0.2]]
    assert curves(b, c) == [[0.5, 0.4, 0.1], [n, n, 0.3, 0.25, 0.15]], "the first has what both have"
    assert curves(a, c, d) == [[0.5, 0.4, 0.3, 0.2], [n, n, n, 0.25, 0.15], [n, n, n, n, 0.05]]
    assert plain(compare(root, [b.id, a.id]))["runs"][0]["dev_error_by_epoch"] == [0.5, 0.4, 0.1], "whole for programs"
    shutil.rmtree(a.path)
    assert curves(c, b) == [[0.5, 0.4, 0.3, 0.25, 0.15], [n, n, 0.1]], "though their parent is gone"


def test_where_a_child_left_and_what_it_changed_is_said(make_run: MakeRun, root: Root) -> None:
    a = make_run("a")
    b = make_run("b", {RATE: 0.01}, record={"parent": {"id": a.id, "epoch": 2}})
    nudge(b, 3, {"regularization.dropout": (0, 0.3)})
    found = compare(root, [a.id, b.id])
    lines = lines_of(found)
    assert f"note     B left A at epoch 2: {RATE} 0.001 → 0.01" in lines
    assert "note     B: 1 change was made while watching dev" in lines
    assert markdown(found)[:4] == [
        f"B left A at epoch 2: {RATE} 0.001 → 0.01.", "", "B: 1 change was made while watching dev.", "",
    ]  # fmt: skip
    document = plain(found)["runs"][1]
    assert (document["parent"], document["nudges"]) == ({"id": a.id, "epoch": 2}, 1)
    assert document["changed"] == [{"key": RATE, "old": 0.001, "new": 0.01}]
    assert [row["nudges"] for row in csv.DictReader(as_csv(found).splitlines())] == ["0", "1"]
    c = make_run("c")
    assert f"note     A left {a.id} at epoch 2: {RATE} 0.001 → 0.01" in lines_of(compare(root, [b.id, c.id]), 120)
    shutil.rmtree(a.path)
    assert f"note     A left {a.id}, which is gone, at epoch 2" in lines_of(compare(root, [b.id, c.id]), 120)
