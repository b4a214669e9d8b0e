"""Which engine trains: asked for, or chosen by the work that is to be done and written down when a run is made."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress

import numpy as np

from nnrun.compiled.support import lacking_piece
from nnrun.compiled.work import WIDE, operations
from nnrun.config.config import Config
from nnrun.config.overrides import configured
from nnrun.data.dataset import Dataset
from nnrun.data.files.chunks import Heard, nobody
from nnrun.engine.trainer import NumpyEngine
from nnrun.errors import MisfitError, StoppedError
from nnrun.installation import as_options, has_extra, lacking
from nnrun.runs.assembly import batch_size, layer_widths, parameters, recipe
from nnrun.text import COMPILING

EXTRA, KEY, KEY_PATH = "fast", "training.engine", ("training", "engine")
FAILS = "the compiled engine fails here"
# What a compiled step saves, by fitting the steps that benchmarks/step.py prints, and what it must save to be loaded.
SAVED, SAVED_A_PARAMETER = 28e-6, 0.6e-9  # seconds a step
SAVED_AN_OPERATION = 5e-12  # of those in the products of a step that two threads share
WORTH = 0.25  # seconds: five times what loading it takes, as each machine compiles it once


def engine_of(config: Config) -> type[NumpyEngine]:
    """The engine of a configuration that was decided; MisfitError where it needs what is not installed.

    `auto` stands in runs that are older than the choice, which NumPy trained.
    """
    if config.training.engine != "compiled":
        return NumpyEngine
    _refuse_without_extra()
    try:
        from nnrun.compiled.steps import CompiledSteps
    except ImportError as error:  # it is installed, and goes with another version of something
        raise MisfitError(KEY_PATH, f"{FAILS}: {error}") from error
    return CompiledSteps


def _refuse_without_extra() -> None:
    if not has_extra(EXTRA):
        instead = f"train and resume also take `{' '.join(as_options([f'{KEY}=numpy']))}`"
        raise MisfitError(KEY_PATH, f"{lacking('the compiled engine needs', EXTRA)}; {instead}")


def ready_engine(config: Config) -> type[NumpyEngine]:
    """The engine of a configuration, but NumPy's where code would be compiled first, for what is not worth that."""
    engine = engine_of(config)
    if engine is NumpyEngine:
        return engine
    from nnrun.compiled import machine_code

    return engine if machine_code.is_ready(np.dtype(config.training.dtype)) else NumpyEngine


def decided(config: Config, dataset: Dataset, trainings: int = 1, heard: Heard = nobody) -> tuple[Config, list[str]]:
    """The configuration with one of the two engines, and what a reader should know of the choice.

    By what so many trainings of this configuration on this data would save and by what is installed; never by the
    clock, so the same work gets the same engine on machines with the same libraries.
    """
    asked = config.training.engine
    if asked == "numpy":
        return config, []
    if piece := lacking_piece(recipe([config], dataset)):
        told = [f"the compiled engine has no piece for {piece}; NumPy trains"] if asked == "compiled" else []
        return with_engine(config, "numpy"), told
    saved = trainings * saved_seconds(config, dataset)
    if asked == "auto" and saved < WORTH:
        return with_engine(config, "numpy"), []
    if asked == "auto" and not has_extra(EXTRA):
        told = [lacking(f"the compiled engine would save about {saved:.0f} s; it needs", EXTRA)]
        return with_engine(config, "numpy"), told
    _refuse_without_extra()
    why = f"trained by the compiled engine, which saves about {saved:.2g} s" if asked == "auto" else ""
    config, told = _compiled(config, asked, heard, alone=trainings == 1)
    return config, [why, *told] if why and config.training.engine == "compiled" else told


def _compiled(config: Config, asked: str, heard: Heard, alone: bool) -> tuple[Config, list[str]]:
    """With the compiled engine, ready to run; where its compiler fails and nobody asked for it, with NumPy.

    `alone`: this process trains; else it is enough that the code is there.
    """
    try:
        told = _code_at_hand(config.training.dtype, heard, alone)
    except StoppedError:  # told to stop before it began
        raise
    except Exception as error:
        if asked == "compiled":
            raise MisfitError(KEY_PATH, f"{FAILS}: {error}") from error
        return with_engine(config, "numpy"), [f"{FAILS}, NumPy trains: {error}"]
    return with_engine(config, "compiled"), told


def _code_at_hand(dtype: str, heard: Heard, alone: bool) -> list[str]:
    """What a reader should know of code that was compiled for this."""
    from nnrun.compiled import cell_reader, machine_code

    told, started = list[str](), time.perf_counter()

    def tell(line: str) -> None:
        if not told:
            heard(COMPILING, 0, None)
        told.append(line)  # the last one holds

    if alone or not machine_code.is_ready(np.dtype(dtype)):
        machine_code.load(np.dtype(dtype), tell)
    if told:  # compile, now that the compiler is loaded, what reads the numbers of text files too
        cell_reader.reader()
    return [f"{line}: {time.perf_counter() - started:.0f} s" for line in told[-1:]]


def uncompiled(dtypes: Iterable[str]) -> list[str]:
    """Precisions, in order, whose code is not there; none where there can be none, as the first trial tells."""
    with suppress(Exception):
        from nnrun.compiled import machine_code

        return [dtype for dtype in sorted(dtypes) if not machine_code.is_ready(np.dtype(dtype))]
    return []


def compile_for_workers(dtypes: Iterable[str], heard: Heard) -> list[str]:
    """Compile before workers start, each of which would else where no folder keeps it.

    Gives what a reader should know. What fails here fails in a worker again, whose trial tells of it.
    """
    told: list[str] = []
    for dtype in dtypes:
        with suppress(Exception):
            told += _code_at_hand(dtype, heard, alone=False)
    return told


def saved_seconds(config: Config, dataset: Dataset) -> float:
    """About what the compiled engine saves in one training, all its epochs and networks, in seconds.

    On two cores, whatever this machine has: the same work gets the same engine everywhere.
    """
    rows, fitted = len(dataset.parts["train"].x), dataset.fitted
    batch = batch_size(config, rows)
    in_step = operations(layer_widths(config, len(fitted.features), fitted.classes), config.network.members * batch)
    by_sharing = SAVED_AN_OPERATION * in_step if in_step >= WIDE else 0.0
    steps = config.network.ensemble * config.training.epochs * -(-rows // batch)
    return steps * (SAVED + SAVED_A_PARAMETER * parameters(config, fitted) + by_sharing)


def with_engine(config: Config, engine: str) -> Config:
    """The configuration with another engine."""
    return configured(config, {KEY: engine})


def by_numpy(config: Config) -> Config:
    """The configuration for a process that trains nothing, so that it need not load the compiled engine."""
    return with_engine(config, "numpy")
