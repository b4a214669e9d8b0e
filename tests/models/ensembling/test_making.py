"""The directory of an ensemble: made as a whole or not at all, with no more than a member in memory at a time."""

from __future__ import annotations

import errno
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nnrun.engine.losses import SoftmaxCrossEntropy
from nnrun.engine.parameters import Array
from nnrun.errors import DataError, UsageError
from nnrun.files import sealed, to_json
from nnrun.models.ensembling import candidates, making
from nnrun.models.ensembling.verbs import of_named
from nnrun.models.model import Model, load_model
from nnrun.models.verbs import evaluate
from nnrun.runs.finding import name_of
from nnrun.runs.listener import Outcome
from nnrun.runs.members import member
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import StoredRun
from nnrun.runs.verdict import SURE

Train = Callable[..., Outcome]

QUICK = ("data.source=iris", "network.hidden=[4]", "training.epochs=2")


def several(train_run: Train, *settings: str, n: int = 2) -> list[RunDir]:
    return [train_run(*QUICK, *settings, f"seed={seed}").run for seed in range(n)]


def left_in(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if "ensemble" in path.name or path.name.startswith(".creating"))


@pytest.mark.parametrize(
    "settings",
    [
        ("data.source=diabetes", "metrics.primary=mae"),
        ("data.source=breast_cancer", "metrics.primary=auc", "regularization.l2=0.1"),
        ("data.class_weight={setosa: 3}",),
        ("data.source=diabetes", "training.loss=huber", "training.dtype=float64"),
        ("data.source=breast_cancer", "optimizer.learning_rate=3"),  # surer than float32 has probabilities, and wrong
        ("optimizer.learning_rate=30",),
    ],
)
def test_what_is_written_is_what_an_evaluation_finds(train_run: Train, settings: tuple[str, ...]) -> None:
    """Every error of a run's end, of the pooled prediction; the cost adds the mean of the members' penalties."""
    runs = several(train_run, *settings)
    made = StoredRun(of_named(runs, runs[0].path.parent))
    found = evaluate(load_model(made))
    own = [StoredRun(run).final for run in runs]
    assert made.final.keys() == own[0].keys()
    for key, value in made.final.items():
        if key != "cost" and not key.endswith(SURE):
            assert value == pytest.approx(found.value(key), rel=1e-5), key
    penalties = [(final["cost"] or 0) - (final["train_loss"] or 0) for final in own]
    assert made.final["cost"] == pytest.approx((made.final["train_loss"] or 0) + sum(penalties) / 2)


def test_what_members_say_is_pooled_in_stretches(train_run: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """So memory does not grow with members times rows: here 12 numbers, of 2 members and 3 classes 2 rows."""
    runs = several(train_run)
    whole = StoredRun(of_named(runs, runs[0].path.parent)).final
    pooled, rows = SoftmaxCrossEntropy.pool, list[int]()

    def seen(self: SoftmaxCrossEntropy, logits: Array, weights: Array) -> Array:
        rows.append(logits.shape[1])
        return pooled(self, logits, weights)

    monkeypatch.setattr(SoftmaxCrossEntropy, "pool", seen)
    monkeypatch.setattr(making, "AT_ONCE", 12)
    assert StoredRun(of_named(runs, runs[0].path.parent)).final == whole
    assert max(rows) == 2


def test_one_member_at_a_time_is_in_memory(train_run: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    runs, alive, most = several(train_run, n=3), weakref.WeakSet[Model](), []

    def loaded(run: StoredRun) -> Model:
        gc.collect()
        most.append(len(alive))
        alive.add(model := load_model(run))
        return model

    monkeypatch.setattr(candidates, "load_model", loaded)
    of_named(runs, runs[0].path.parent)
    assert len(most) >= 6 and max(most) <= 1


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "source"), KeyboardInterrupt()])
def test_a_full_disk_or_a_stop_leaves_nothing(
    train_run: Train, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    runs, copied, usual = several(train_run), list[Path](), shutil.copyfile

    def copy(source: Path, target: Path) -> Any:
        copied.append(target)
        if "02" in target.parts:
            raise error
        return usual(source, target)

    with monkeypatch.context() as patch:
        patch.setattr("nnrun.files.shutil.copyfile", copy)
        with pytest.raises(type(error)) as told:
            of_named(runs, runs[0].path.parent)
    if isinstance(told.value, OSError):
        assert "members/02" in str(told.value.filename)
    assert left_in(runs[0].path.parent) == []


def test_data_that_changed_are_no_data_of_its_members(train_run: Train, tmp_path: Path) -> None:
    rows = [f"{k % 7},{k % 5},{'xyz'[k % 3]}" for k in range(90)]
    table = tmp_path / "table.csv"
    table.write_text("\n".join(["a,b,c", *rows]) + "\n")
    runs = several(train_run, f"data.source={table}", "data.target=c")
    table.write_text("\n".join(["a,b,c", *rows, "1,1,x"]) + "\n")
    with pytest.raises(DataError, match="no longer what this run was trained on"):
        of_named(runs, runs[0].path.parent)
    assert left_in(runs[0].path.parent) == []


def test_several_networks_of_one_run_count_as_one_member(train_run: Train) -> None:
    runs = [train_run(*QUICK, "network.ensemble=3").run, train_run(*QUICK, "seed=7").run]
    made = StoredRun(of_named(runs, runs[0].path.parent))
    model = load_model(made)
    assert model.shares == pytest.approx([1 / 6] * 3 + [1 / 2])
    assert made.final["dev_loss"] == pytest.approx(evaluate(model).value("dev_loss"), rel=1e-5)
    assert name_of(member(made.directory, 2)) == f"{made.id}/members/02"


SCRIPT = """
import sys
from pathlib import Path
from tests.dying import die_at
from nnrun.models.ensembling.verbs import of_named
from nnrun.runs.rundir import RunDir

point, *runs = sys.argv[1:]
left = die_at(int(point))
of_named([RunDir(Path(run)) for run in runs], Path(runs[0]).parent)
print(int(point) - left[0])
"""


@pytest.mark.soak
def test_killed_at_any_point_it_is_there_as_a_whole_or_not_at_all(train_run: Train) -> None:
    runs = several(train_run)
    root = runs[0].path.parent

    def make(point: int) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-c", SCRIPT, str(point), *(str(run.path) for run in runs)]
        return subprocess.run(words, cwd=Path(__file__).parents[3], capture_output=True, text=True)

    points = int(make(10**9).stdout)
    assert points > 5
    for point in range(1, points + 1):
        assert make(point).returncode == -signal.SIGKILL
        for name in left_in(root):
            if not name.startswith("."):
                assert json.loads((root / name / "run.json").read_text())["status"] == "done"
                assert evaluate(load_model(StoredRun(RunDir(root / name)))).rows["dev"]
    of_named(runs, root)  # removes what was left of those
    assert not [name for name in left_in(root) if name.startswith(".")]


def test_classes_in_another_order_are_another_target(train_run: Train) -> None:
    """As in directories of other versions, or that were made by hand: probabilities would be added crosswise."""
    first, other = several(train_run)
    document: dict[str, Any] = {**StoredRun(other).data.document}
    document["classes"] = list(document["classes"] or [])[::-1]
    other.write("data.json", to_json(sealed(document), indent=2))
    with pytest.raises(UsageError, match=r"another order of classes than .*: virginica, versicolor, setosa instead of"):
        of_named([first, other], first.path.parent)
