"""Before a run trains: its data and its trainer from a configuration, and the directory that it begins with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from nnrun.config.config import Config
from nnrun.config.dump import dump_sections
from nnrun.config.load import Loaded
from nnrun.data.dataset import Dataset, load_dataset
from nnrun.data.files.chunks import Heard, nobody
from nnrun.errors import ConfigError, DataError, MisfitError, StoppedError, UsageError
from nnrun.files import sealed_document, sealed_text
from nnrun.installation import as_options, command, elsewhere
from nnrun.runs.engines import decided
from nnrun.runs.environment import describe
from nnrun.runs.known_rows import is_marked
from nnrun.runs.listener import ToldToStop
from nnrun.runs.moving import if_gone, trained_on_other_data
from nnrun.runs.records import DataRecord, Environment, Given, Parent, RunRecord
from nnrun.runs.rundir import CONFIG, DATA, EPOCHS, RECORD, RESOLVED, SCHEMA_VERSION, RunDir, now
from nnrun.runs.session import Session
from nnrun.runs.stored import StoredRun
from nnrun.runs.symptoms.symptoms import short_enough

CACHE = ".cache"  # beside the runs


def prepare(loaded: Loaded, root: Path, heard: Heard = nobody) -> tuple[Dataset, Session]:
    """Data and trainer; errors about a value of the configuration say where it stands."""
    dataset = prepared(loaded, root, heard)
    return dataset, session_of(loaded, dataset)


def prepared(loaded: Loaded, root: Path, heard: Heard) -> Dataset:
    """The data alone, for runs that lie under `root`."""
    with located(loaded):
        return load_dataset(loaded.config.data, loaded.config.training.dtype, root / CACHE, heard)


def begun(loaded: Loaded, root: Path, heard: Heard = nobody, trainings: int = 1) -> tuple[Loaded, Dataset]:
    """The data of a run that begins, or a search of so many; the configuration now says which engine trains."""
    dataset = prepared(loaded, root, heard)
    with located(loaded):
        config, told = decided(loaded.config, dataset, trainings, heard)
        return replace(loaded, config=config, notices=[*loaded.notices, *told]), dataset


def session_of(loaded: Loaded, dataset: Dataset) -> Session:
    """A trainer for a configuration and its data."""
    with located(loaded):
        return Session([loaded.config], dataset)


@contextmanager
def located(loaded: Loaded) -> Iterator[None]:
    """Errors about a value of the configuration say where it stands; of a run, also what to do if its data is gone."""
    try:
        yield
    except MisfitError as error:
        raise ConfigError([loaded.locate(error.path, error.message)]) from None
    except DataError as error:
        raise if_gone(loaded, DataError(loaded.locate(error.key, str(error))) if error.key else error) from None


def until_told(heard: Heard, told_to_stop: ToldToStop) -> Heard:
    """What calls `heard`, but raises StoppedError as soon as it is told to stop."""

    def hear(step: str, done: int, rows: int | None) -> None:
        if told_to_stop():
            raise StoppedError("stopped while the data was being prepared; nothing of it was kept")
        heard(step, done, rows)

    return hear


def create(
    root: Path,
    loaded: Loaded,
    dataset: Dataset,
    argv: Sequence[str],
    given: Given | None = None,
    parent: Parent | None = None,
    files: Mapping[str, bytes] | None = None,
    more: RunRecord | None = None,
) -> RunDir:
    """A run directory before training, with further files where it has a past, and more keys of run.json."""
    config = loaded.config

    def all_files(run_id: str) -> dict[str, bytes]:
        first = first_files(run_id, config, loaded.text, dataset, argv, parent, given, more=more)
        return {**first, EPOCHS: b"", **(files or {})}

    return RunDir.create(root, config.name, all_files)


def first_files(
    run_id: str,
    config: Config,
    text: bytes | None,
    dataset: Dataset,
    argv: Sequence[str],
    parent: Parent | None,
    given: Given | None = None,
    here: Environment | None = None,
    more: RunRecord | None = None,
) -> dict[str, bytes]:
    """What a run directory holds before training; `text` is the user's file, None where there is none.

    `here` is what is known of machine and software, where somebody has found it out already.
    """
    resolved, here = dump_sections(config.resolved()), here or describe()
    record: RunRecord = {
        "schema_version": SCHEMA_VERSION,
        "id": run_id,
        "status": "created",
        "argv": [_text(argument) for argument in argv],
        "given": _text_of(given) if given else None,
        "created": now(),
        "seed": config.seed,
        "parent": parent,
        "host": here["host"],
        "versions": here["versions"],
        "blas": here["blas"],
        "git": here["git"],
        "data": _data_record(dataset),
        **(more or {}),
    }
    return {
        CONFIG: resolved.encode() if text is None else text,
        RESOLVED: sealed_text(resolved).encode(),
        RECORD: sealed_document(record).encode(),
        DATA: dataset.fitted.written,
    }


def _text(argument: str) -> str:
    """File names may be any bytes."""
    return argument.encode(errors="replace").decode()


def _text_of(given: Given) -> Given:
    config = None if given["config"] is None else _text(given["config"])
    return {"config": config, "settings": [_text(setting) for setting in given["settings"]]}


def _data_record(dataset: Dataset) -> DataRecord:
    record: DataRecord = {"files": dataset.fitted.files, "rows": dataset.sizes["rows"]}
    if "effective_rows" in dataset.sizes:
        record["effective_rows"] = dataset.sizes["effective_rows"]
    if kind := dataset.error_kind:
        record["error_kind"] = kind
    if transform := dataset.fitted.target.transform:
        record["target_transform"] = transform
    return record


def changed_since(before: StoredRun | None, dataset: Dataset) -> list[str]:
    """What is said where a run trains what another one did, on other rows or other features."""
    if before is None:
        return []
    if not same_data(before, dataset):
        return [f"the data is no longer what {before.name} was trained on, so the numbers will be others"]
    return read_otherwise(before, dataset)


def read_otherwise(before: StoredRun, dataset: Dataset) -> list[str]:
    """What is said where a run's rows are the same and have become other features or classes, as of another nnrun."""
    found = "; ".join(before.data.differences(dataset.fitted))
    return [f"the rows are the same, but are not read as when {before.name} was trained: {found}"] if found else []


def require_own(run: StoredRun, dataset: Dataset, anew: str = "train anew") -> None:
    """DataError unless a data set is that of the run, and its rows become the features and classes of its networks."""
    if not same_data(run, dataset):
        raise trained_on_other_data(run, anew)
    for told in read_otherwise(run, dataset):
        raise DataError(f"{told}; {anew}")


def require_beginning(run: StoredRun, epoch: int) -> None:
    """UsageError where a child of `resume --set`, of which this epoch is saved, lacks what it went on from."""
    origin = run.written.get("parent")
    if origin and "state" not in origin and epoch < origin["epoch"]:
        anew = command("resume", origin["id"], "--set", "KEY=VALUE", *elsewhere(run.path.parent))
        raise UsageError(
            f"{run.name} ended before it had saved the state of {origin['id']} that it goes on from; `{anew}` begins "
            "such a child anew"
        )


def would_diverge_again(run: RunDir, config: Config) -> UsageError:
    """Why a run that has diverged does not go on, and what is done in its place."""
    shorter = [*as_options(short_enough(config)), *elsewhere(run.path.parent)]
    anew = command("train", str(run.resolved), *shorter)
    return UsageError(f"{run.id} diverged and would do so again; `{anew}` begins anew with shorter steps")


def too_few(run: RunDir, trained: int, total: int) -> UsageError:
    """Why a run does not go on to a total that it has come to."""
    return UsageError(f"{run.id} has trained {trained} epochs already; the new total must be larger, got {total}")


def same_data(run: StoredRun, dataset: Dataset) -> bool:
    """Whether the rows and their parts are those the run began with, wherever the file lies now."""
    return run.data.same_rows(dataset.fitted)


def parent_record(before: StoredRun, dataset: Dataset, epoch: int) -> Parent:
    """The parent of a run on this data, with a mark where its networks may know the rows of dev or test."""
    parent: Parent = {"id": before.id, "epoch": epoch}
    known = is_marked(before) or not (same_data(before, dataset) or _held_out_alike(before, dataset))
    return {**parent, "knows_rows": True} if known else parent


def _held_out_alike(before: StoredRun, dataset: Dataset) -> bool:
    """Whether each part but train has a file of its own, the same one as in the parent, which did not learn it."""
    held = {part for part in dataset.parts if part != "train"}
    old, new = (
        {file["part"]: file["sha256"] for file in fitted.files if file["part"] in held}
        for fitted in (before.data, dataset.fitted)
    )
    return old == new and new.keys() == held and not before.config.data.without_dev
