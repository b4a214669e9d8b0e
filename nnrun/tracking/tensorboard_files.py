"""TensorBoard: a folder a run with one file of events, by TensorBoard's own messages and record writer.

Scalars of each epoch, settings and the best epoch for its HPARAMS page, verdict, tags and note as texts. A scalar is
a float32 there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nnrun.config.values import Settings
from nnrun.installation import require_extra
from nnrun.text import PARTS, part_and_name, yaml_text
from nnrun.tracking.story import Ending, Story, numbers_of, times_of

FOLDER = "tensorboard"  # beside the runs
ENDING = ".nnrun"  # of the files that are written here, and of no others
BEST = "best"
COMPARED = ("dev_error", "dev_loss", "train_error", "test_error")  # of the best epoch, on the page HPARAMS
DONE = ("done",)


def require() -> None:
    """UsageError where its library is missing."""
    require_extra("TensorBoard's files need", "tensorboard")


def command_to_look(where: str) -> str:
    """What a person types to look at it."""
    return f"tensorboard --logdir {where}"


def tag_of(key: str) -> str:
    """`dev_error` as `error/dev`, so that the parts of a metric stand beside each other; others as they are."""
    part, name = part_and_name(key)
    return f"{name}/{part}" if part in PARTS and name else key


class TensorBoard:
    """A log directory."""

    def __init__(self, where: str) -> None:
        self.where = Path(where)

    def begin(self, story: Story, rows: Sequence[Mapping[str, Any]]) -> ToldTensorBoard:
        """Anew: a file that only grows cannot be corrected."""
        return ToldTensorBoard(self.where / story.name, story)


class ToldTensorBoard:
    """One run."""

    known = 0

    def __init__(self, folder: Path, story: Story) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event, self._summary = Event, Summary
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob(f"events.out.tfevents.*{ENDING}"):
            old.unlink()
        self._file = (folder / f"events.out.tfevents.{round(story.began):010d}{ENDING}").open("wb")
        self._records = RecordWriter(self._file)
        self._time = story.began
        self._put(file_version="brain.Event:2")
        self._of_search = story.is_search  # whose best numbers are those of a trial, so it is not compared with these
        if not self._of_search:
            hparams = _experiment(Summary), _start(Summary, story.settings, story.name)
            self._put(summary=Summary(value=hparams))
        self._file.flush()

    def epochs(self, rows: Sequence[Mapping[str, Any]], began: float) -> None:
        """A scalar a number."""
        for row, self._time in times_of(rows, began):
            named = numbers_of(row).items()
            values = [self._summary.Value(tag=tag_of(key), simple_value=value) for key, value in named]
            self._put(step=int(row["epoch"]), summary=self._summary(value=values))
        self._file.flush()

    def end(self, ending: Ending) -> None:
        """The best epoch, and what is said of the run."""
        best = [self._summary.Value(tag=f"{BEST}/{key}", simple_value=value) for key, value in ending.best.items()]
        self._put(step=ending.best_epoch or 0, summary=self._summary(value=best))
        told = {"status": ending.status, "verdict": ending.verdict, "tags": ", ".join(ending.tags), "note": ending.note}
        texts = [_text(self._summary, f"nnrun/{name}", text) for name, text in told.items() if text]
        over = [] if self._of_search else [_end(self._summary, ending)]
        self._put(summary=self._summary(value=[*texts, *over]))
        self._records.close()

    def _put(self, **what: Any) -> None:
        self._records.write(self._event(wall_time=self._time, **what).SerializeToString())


def _text(summary: Any, tag: str, text: str) -> Any:
    """For the page TEXT, which shows Markdown."""
    from tensorboard.plugins.text import metadata
    from tensorboard.util import tensor_util

    about = metadata.create_summary_metadata(display_name=None, description=None)
    return summary.Value(tag=tag, metadata=about, tensor=tensor_util.make_tensor_proto([text.encode()]))


def _of_hparams(summary: Any, tag: str, **content: Any) -> Any:
    from tensorboard.plugins.hparams import metadata, plugin_data_pb2

    data = plugin_data_pb2.HParamsPluginData(version=metadata.PLUGIN_DATA_VERSION, **content)
    return summary.Value(tag=tag, metadata=metadata.create_summary_metadata(data))


def _experiment(summary: Any) -> Any:
    """Which numbers the page HPARAMS compares."""
    from tensorboard.plugins.hparams import api_pb2, metadata

    names = (api_pb2.MetricName(tag=f"{BEST}/{key}") for key in COMPARED)
    infos = [api_pb2.MetricInfo(name=name, display_name=name.tag) for name in names]
    return _of_hparams(summary, metadata.EXPERIMENT_TAG, experiment=api_pb2.Experiment(metric_infos=infos))


def _start(summary: Any, settings: Settings, name: str) -> Any:
    from tensorboard.plugins.hparams import metadata, plugin_data_pb2

    info = plugin_data_pb2.SessionStartInfo(group_name=name)
    for key, value in settings.items():
        if isinstance(value, bool):
            info.hparams[key].bool_value = value
        elif isinstance(value, (int, float)):
            info.hparams[key].number_value = value
        else:
            info.hparams[key].string_value = yaml_text(value)
    return _of_hparams(summary, metadata.SESSION_START_INFO_TAG, session_start_info=info)


def _end(summary: Any, ending: Ending) -> Any:
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    status = api_pb2.STATUS_SUCCESS if ending.status in DONE else api_pb2.STATUS_FAILURE
    info = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=ending.ended or 0.0)
    return _of_hparams(summary, metadata.SESSION_END_INFO_TAG, session_end_info=info)
