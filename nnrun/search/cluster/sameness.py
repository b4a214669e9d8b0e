"""Whether another machine trains to the same bits: what it runs on, and a tiny training that shows it."""

from __future__ import annotations

import hashlib
import tempfile
from functools import cache
from pathlib import Path
from typing import TypedDict

import nnrun
from nnrun.config.config import Config
from nnrun.data.dataset import load_dataset
from nnrun.runs.environment import describe
from nnrun.runs.records import Environment
from nnrun.runs.session import Session

COMPARED = ("nnrun", "python", "numpy", "scipy", "pandas", "numba", "llvmlite")
EPOCHS = 3


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
    import scipy.linalg.blas  # noqa: F401  # the compiled engine's, which is to be compared too

    bits = trained_bits(job["engine"], job["dtype"])
    here = describe()
    libraries = {(blas["library"], blas["version"] or "", blas["kernel"] or "") for blas in here["blas"]}
    threads = max((blas["threads"] for blas in here["blas"]), default=1)
    traits = {name: here["versions"][name] for name in COMPARED if name in here["versions"]}
    traits["nnrun"] += f" ({source()})"
    traits["blas"] = ", ".join(sorted(" ".join(library) for library in libraries))
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


@cache
def source() -> str:
    """A name of all that this nnrun consists of: two of one version may differ."""
    found, root = hashlib.sha256(), Path(nnrun.__file__).parent
    for path in sorted(root.rglob("*.py")):
        found.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:8]


def differences(ours: Probe, theirs: Probe) -> list[str]:
    """A line a trait in which another process differs; none where it trains to the same bits."""
    names = dict.fromkeys([*ours["traits"], *theirs["traits"]])
    width = max(map(len, names))
    rows = [(name, ours["traits"].get(name, "none"), theirs["traits"].get(name, "none")) for name in names]
    rows.append(("training", ours["bits"], theirs["bits"]))
    return [f"{name:<{width}}  {there} there, {here} here" for name, here, there in rows if here != there]
