"""Numbers that float32 holds, but not what a network makes of them: such predictions are told, never warned of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnrun.models.calibrating import calibrate
from nnrun.models.model import load_model
from nnrun.models.rows import Predictions
from nnrun.models.uncertainty import asked_for
from nnrun.models.verbs import evaluate
from nnrun.runs.listener import Outcome
from nnrun.runs.stored import StoredRun

Train = Callable[..., Outcome]
QUICK = ("network.hidden=[8, 8]", "training.epochs=9", "optimizer.learning_rate=1")
WILD = "goes beyond its precision (the first: {}); look for wild values in these rows"


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    made = pd.DataFrame(rng.normal(scale=2, size=(80, 2)), columns=["a", "b"])
    return made.assign(y=(1000 * made.a - made.b).round(2), k=np.where(made.a > 0, "up", "down"))


def wild(frame: pd.DataFrame, path: Path) -> Path:
    """Some rows, of which the second and third hold what stands for no data in rasters, and a very large number."""
    rows = frame[:5].copy()
    rows.loc[1, ["a", "b"]] = -3.4028234e38
    rows.loc[2, ["a", "b"]] = 3e38
    rows.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("settings", [("data.folds=2", "network.ensemble=2"), ("training.loss=huber",)])
def test_numbers_beyond_are_told(
    train_run: Train, frame: pd.DataFrame, tmp_path: Path, settings: tuple[str, ...]
) -> None:
    frame.to_csv(path := tmp_path / "t.csv", index=False)
    data = (f"data.source={path}", "data.target=y", "data.drop=[k]")
    model, new = load_model(StoredRun(train_run(*data, *settings, *QUICK).run)), wild(frame, tmp_path / "new.csv")
    predictions = Predictions(model, (), asked_for(model, None, members=len(model.shares) > 1))
    (found,) = predictions.of_source(str(new))
    assert np.isfinite(found["prediction"]).tolist() == [True, False, False, True, True]
    told = f"2 predictions are infinite or no number, as what the network computes {WILD.format(f'{new}:3')}"
    assert predictions.notices().count(told) == predictions.doubts().count(told) == 1
    assert told in evaluate(model, str(new)).notes


@pytest.mark.parametrize("target", ["y", "k"])
def test_intervals_can_be_calibrated_by_such_rows(
    train_run: Train, frame: pd.DataFrame, tmp_path: Path, target: str
) -> None:
    frame.to_csv(path := tmp_path / "t.csv", index=False)
    pd.concat([frame[:40], pd.read_csv(wild(frame, tmp_path / "new.csv"))]).to_csv(tmp_path / "test.csv", index=False)
    parts = f"data.source={{train: {path}, dev: {path}, test: {tmp_path / 'test.csv'}}}"
    run = train_run(parts, f"data.target={target}", f"data.drop=[{'yk'.strip(target)}]", *QUICK).run
    calibrate(load_model(StoredRun(run)))
    model = load_model(StoredRun(run))
    (found,) = Predictions(model, (), asked_for(model, 0.9, members=False)).of_source(str(path))
    assert found.notna().all(axis=None)


def test_classes_without_probabilities_are_told(train_run: Train, frame: pd.DataFrame, tmp_path: Path) -> None:
    frame.to_csv(path := tmp_path / "t.csv", index=False)
    data = (f"data.source={path}", "data.target=k", "data.drop=[y]")
    model = load_model(StoredRun(train_run(*data, *QUICK).run))
    wild(frame, tmp_path / "new.csv")
    predictions = Predictions(model)
    (found,) = predictions.of_source(str(tmp_path / "new.csv"))
    assert found.iloc[:, 2:].isna().any(axis=1).tolist() == [False, True, True, False, False]
    assert "so their class means nothing" in " ".join(predictions.notices())
    judged = evaluate(model, str(tmp_path / "new.csv"))
    assert "so their class means nothing" in " ".join(judged.notes)
    assert np.isnan(judged.results["data"]["network"]["calibration_error"])
