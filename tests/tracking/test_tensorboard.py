"""What TensorBoard reads of a run, by its own reader."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nnrun.runs.rundir import RunDir
from nnrun.tracking.tensorboard_files import TensorBoard, tag_of
from nnrun.tracking.verbs import write
from tests.tracking.conftest import found

pytest.importorskip("tensorboard")


def read(folder: Path):  # type: ignore[no-untyped-def]
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    return events.Reload()


def rows(run: RunDir) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("times", [1, 2])
def test_curves_settings_and_words_come_back(trained: Path, tmp_path: Path, times: int) -> None:
    """Also where it is written again: no point is there twice."""
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    run = found(trained, "one")
    for _ in range(times):
        assert write(run, TensorBoard(str(tmp_path)), print) == 1
    events = read(tmp_path / run.id)
    for key in ("train_loss", "dev_loss", "train_error", "dev_error", "learning_rate", "cost"):
        points = events.Scalars(tag_of(key))
        assert [point.step for point in points] == [1, 2, 3, 4]
        assert np.array_equal([point.value for point in points], np.float32([row[key] for row in rows(run)]))
    assert any(tag.startswith("layers/") for tag in events.Tags()["scalars"])
    (best,) = events.Scalars("best/dev_error")
    assert best.step == run.read_record()["best_epoch"]
    words = {tag: events.Tensors(f"nnrun/{tag}")[0].tensor_proto.string_val[0].decode() for tag in ("tags", "note")}
    assert words == {"tags": "good, old", "note": "why it's good"}
    content = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    settings = HParamsPluginData.FromString(content).session_start_info.hparams
    assert settings["optimizer.learning_rate"].number_value == 0.001
    assert settings["network.hidden"].string_value == "[5]"
    assert settings["training.layer_statistics"].bool_value is True


def test_a_search_is_its_trials(trained: Path, tmp_path: Path) -> None:
    run = found(trained, "many-search")
    assert write(run, TensorBoard(str(tmp_path)), print) == 3
    for trial in ("trials/0000", "trials/0001"):
        points = read(tmp_path / run.id / trial).Scalars("error/dev")
        written = [row["dev_error"] for row in rows(RunDir(run.path / trial))]
        assert np.array_equal([point.value for point in points], np.float32(written))
    assert "_hparams_/session_start_info" not in read(tmp_path / run.id).summary_metadata


def test_files_of_others_are_left_alone(trained: Path, tmp_path: Path) -> None:
    run = found(trained, "one")
    (tmp_path / run.id).mkdir()
    other = tmp_path / run.id / "events.out.tfevents.1.host"
    other.write_bytes(b"")
    write(run, TensorBoard(str(tmp_path)), print)
    assert other.exists()


@pytest.mark.parametrize(
    ("key", "tag"),
    [("dev_error", "error/dev"), ("train_dev_loss", "loss/train_dev"), ("learning_rate", "learning_rate"),
     ("cost", "cost"), ("layers/relu1/dead", "layers/relu1/dead")],
)  # fmt: skip
def test_parts_of_a_metric_stand_beside_each_other(key: str, tag: str) -> None:
    assert tag_of(key) == tag
