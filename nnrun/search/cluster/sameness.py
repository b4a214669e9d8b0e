"""Whether another machine trains to the same bits: what it runs on, and a tiny training that shows it."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

from nnrun.config.config import Config
from nnrun.data.dataset import load_dataset
from nnrun.installation import digest
from nnrun.runs.environment import describe
from nnrun.runs.records import Environment
from nnrun.runs.session import Session
from nnrun.text import columns

COMPARED = ("nnrun", "python", "numpy", "scipy", "pandas", "numba", "llvmlite")
EPOCHS = 3
LISTED = ", "  # between the parts of a trait


class Kind(TypedDict):
    """What bits depend on besides the machine."""

    engine: str
    dtype: str


class ProbeJob(Kind):
    """What an executor takes; it is one trial as far as time is concerned."""

    trials: list[None]


class Probe(TypedDict):
    """What a process is, as far as bits depend on it."""

    traits: dict[str, str]
    bits: str  # of the tiny training
    here: Environment


def probe_job(kind: Kind) -> ProbeJob:
    """Ask for the probe of an engine and a precision."""
    return {**kind, "trials": [None]}


def probe(job: ProbeJob) -> Probe:
    """What this process is; it trains the tiny network."""
    import scipy.linalg.blas  # noqa: F401  # which the compiled engine may have, and is to be compared too

    bits = trained_bits(job["engine"], job["dtype"])
    here = describe()
    libraries = {(blas["library"], blas["version"] or "", blas["kernel"] or "") for blas in here["blas"]}
    threads = max((blas["threads"] for blas in here["blas"]), default=1)
    traits = {name: here["versions"][name] for name in COMPARED if name in here["versions"]}
    traits["nnrun"] += f" ({digest('**/*.py')[:8]})"
    traits["blas"] = LISTED.join(sorted(" ".join(library) for library in libraries))
    traits |= {"BLAS threads": str(threads), "processor": here["host"]["processor"]}
    return {"traits": traits, "bits": bits, "here": here}


def trained_bits(engine: str, dtype: str) -> str:
    """A name of the weights that the tiny training ends with."""
    training = {"epochs": EPOCHS, "engine": engine, "dtype": dtype}
    config = Config.from_values({"data": {"source": "wine"}, "network": {"hidden": [48, 24]}, "training": training})
    with tempfile.TemporaryDirectory() as folder:
        session = Session([config], load_dataset(config.data, dtype, Path(folder)), continued=False)
        for _ in session.trainer.epochs(EPOCHS):
            pass
        return hashlib.sha256(session.trainer.theta.tobytes()).hexdigest()[:16]


def differences(ours: Probe, theirs: Probe) -> list[str]:
    """A table of what another process has otherwise; no line where it trains to the same bits."""
    here, there = ({**each["traits"], "training": each["bits"]} for each in (ours, theirs))
    names = [name for name in dict.fromkeys([*here, *there]) if here.get(name) != there.get(name)]
    rows = [[name, _alone(there, here, name), _alone(here, there, name)] for name in names]
    return columns([["", "there", "here"], *rows]) if rows else []


def _alone(traits: Mapping[str, str], others: Mapping[str, str], name: str) -> str:
    """What one side alone has of a trait, which may be a list."""
    known = others.get(name, "").split(LISTED)
    return LISTED.join(part for part in traits.get(name, "").split(LISTED) if part not in known) or "–"
