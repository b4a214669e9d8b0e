"""A network that learns embeddings, from a file of some thousand towns to all that a run is used for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nnrun.config.load import load_config
from nnrun.data.dataset import load_dataset
from nnrun.data.files.content import Framed
from nnrun.data.files.table import Table
from nnrun.data.raw import read_parts
from nnrun.errors import DataError
from nnrun.insight.diagnosis.base_error import estimate
from nnrun.insight.preflight.verbs import open_context, preflight
from nnrun.models.export.formats import FORMATS, export
from nnrun.models.model import load_model
from nnrun.models.trained import trained
from nnrun.models.verbs import evaluate
from nnrun.runs.assembly import make_trainer
from nnrun.runs.listener import Outcome
from nnrun.runs.stored import StoredRun

TOWNS, ROWS = 1_500, 12_000
ENCODED = "data.encode_categories=embedding"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Towns in which most buy or most do not; of 1 row in 50 the town is missing, and most of those buy."""
    random, path = np.random.default_rng(0), tmp_path_factory.mktemp("towns") / "towns.csv"
    towns, noise = random.integers(TOWNS, size=ROWS), random.random(ROWS) < 0.1
    buys = (random.random(TOWNS) < 0.5)[towns] ^ noise
    missing = np.arange(ROWS) % 50 == 0
    buys |= missing
    frame = pd.DataFrame({
        "town": np.where(missing, "", np.char.add("t", towns.astype(str))),
        "age": random.normal(50, 10, ROWS).round(1),
        "buys": np.where(buys, "yes", "no"),
    })  # fmt: skip
    frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def settings(file: Path) -> list[str]:
    return [
        f"data.source={file}", "data.target=buys", "network.hidden=[16]", "optimizer.learning_rate=0.01",
        "training.epochs=6", "training.engine=numpy",
    ]  # fmt: skip


def error(outcome: Outcome) -> float:
    return float(outcome.run.read_json("run.json")["final"]["dev_error"])


@pytest.fixture(scope="module")
def outcome(settings: list[str], tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    from nnrun.runs.verbs import train

    return train(load_config(None, [*settings, ENCODED]), tmp_path_factory.mktemp("runs"))


def test_embeddings_learn_what_one_feature_for_all_rare_values_cannot(
    train_run: Callable[..., Outcome], settings: list[str], outcome: Outcome
) -> None:
    # No town is in 0.1% of the rows or among the 100 most frequent in a way that tells: one-hot guesses.
    assert error(train_run(*settings)) > 0.4
    assert error(outcome) < 0.3


def test_new_values_are_one_and_missing_ones_another(outcome: Outcome) -> None:
    model = load_model(StoredRun(outcome.run))
    rows = {"town": ["nowhere", "elsewhere", None, "t3"], "age": [50.0] * 4}
    new, other, missing, known = model.predict(Table(Framed(pd.DataFrame(rows)), "new", ""))
    assert np.array_equal(new, other)
    assert missing[1] > 0.8, "rows without a town buy"
    assert not np.allclose(new, known)


def test_raw_rows_give_the_error_that_the_run_recorded(outcome: Outcome) -> None:
    model = load_model(StoredRun(outcome.run))
    dev = read_parts(model.config.data)["dev"]
    wrong = model.predict(dev).argmax(axis=1) != model.target.encode(dev, "float32")
    assert wrong.mean() == pytest.approx(error(outcome))


def test_what_has_no_distance_is_left_out_where_distances_count(outcome: Outcome) -> None:
    run = trained(StoredRun(outcome.run))
    found = estimate(run.dataset)
    assert found["features"] == 1
    assert "distances are without town: what learns an embedding has none" in found["caveats"]
    evaluation = evaluate(load_model(StoredRun(outcome.run)))
    assert "the linear model does without town, which the network learns an embedding of" in evaluation.notes


def test_what_folds_have_in_common_is_told_once(settings: list[str], tmp_path: Path) -> None:
    from nnrun.runs.verbs import train

    outcome = train(load_config(None, [*settings, ENCODED, "data.folds=2", "training.epochs=1"]), tmp_path)
    notes = evaluate(load_model(StoredRun(outcome.run))).notes
    assert sum("the linear model does without town" in note for note in notes) == 1


def test_checks_before_training_take_codes_for_codes(settings: list[str], tmp_path: Path) -> None:
    context = open_context(load_config(None, [*settings, ENCODED]), tmp_path)
    found = {name: finding.status for name, finding in preflight(context)}
    assert {found[name] for name in ("scale", "gradient", "batch", "mismatch")} == {"pass"}


def test_noise_would_change_codes(settings: list[str], tmp_path: Path) -> None:
    config = load_config(None, [*settings, ENCODED, "regularization.augment=[{name: noise}]"]).config
    with pytest.raises(DataError, match="noise would change the codes of categories that learn an embedding"):
        make_trainer([config], load_dataset(config.data, "float32", tmp_path))


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_has_a_row_for_each_town_and_no_column(outcome: Outcome, tmp_path: Path, format: str) -> None:
    model, path = load_model(StoredRun(outcome.run)), tmp_path / "model"
    done = export(model, FORMATS[format], path)
    assert done.rows == ROWS // 5 and done.difference is not None and done.difference <= 1e-6
    [embedding] = model.preprocessors[0].embeddings
    rows_alone = embedding.rows * embedding.size * np.dtype(np.float32).itemsize
    assert rows_alone < path.stat().st_size < 2.5 * rows_alone  # base64 takes a third more; names and code take room


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"embedding": 0}, "fills, a vocabulary or a format of another kind"),
        ({"embedding": 10**6}, "fills, a vocabulary or a format of another kind"),
        ({"embedding": 3}, "dense1.W is"),
        ({"embedding": "16"}, "embedding"),
    ],
)
def test_a_damaged_embedding_is_found(outcome: Outcome, tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    document = json.loads((outcome.run.path / "data.json").read_text())
    document["columns"][0] |= changes
    with pytest.raises(DataError, match=told):
        load_model(_copied(outcome, tmp_path, document))


def test_a_code_with_a_scale_is_damaged(outcome: Outcome, tmp_path: Path) -> None:
    document = json.loads((outcome.run.path / "data.json").read_text())
    document["deviations"][0] = 2.0
    with pytest.raises(DataError, match="a code has a mean or a deviation"):
        load_model(_copied(outcome, tmp_path, document))


def _copied(outcome: Outcome, folder: Path, document: dict[str, Any]) -> StoredRun:
    import shutil

    from nnrun.runs.rundir import RunDir

    shutil.copytree(outcome.run.path, folder / "run")
    (folder / "run" / "data.json").write_text(json.dumps({k: v for k, v in document.items() if k != "checksum"}))
    return StoredRun(RunDir(folder / "run"))


def test_other_values_are_told_though_the_feature_has_the_same_name(outcome: Outcome) -> None:
    fitted = StoredRun(outcome.run).data
    columns = [dict(column) for column in fitted.document["columns"]]
    columns[0]["vocabulary"] = [*columns[0]["vocabulary"][1:], "t-new"]
    other = type(fitted)({**fitted.document, "columns": columns})  # type: ignore[typeddict-item]
    assert [line for line in fitted.differences(other) if line.startswith("values of town")]
