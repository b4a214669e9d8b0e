"""Rows a second of exported models in onnxruntime: one network, five in one graph, five graphs one after the other.

    python benchmarks/exported.py

Networks of 64-64 units and ten classes on an array of 64 numbers, float32, one thread. The three take turns, and a
figure is the median; seconds are those of the processor, so that what else runs matters little.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

FEATURES, CLASSES, MEMBERS = 64, 10, 5
AT_ONCE = (1, 100, 10_000)
LEAST = 0.1  # seconds of calls that a figure is of


def nnrun(folder: Path, *words: str) -> None:
    """A command, which has to end well."""
    subprocess.run([sys.executable, "-m", "nnrun", *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def exported(folder: Path, networks: int, seed: int) -> Callable[[Any], object]:
    """What asks a model for probabilities; it is trained for one epoch."""
    settings = (
        "data.source=rows.npz",
        "network.hidden=[64,64]",
        "training.epochs=1",
        f"network.ensemble={networks}",
        f"seed={seed}",
    )
    nnrun(folder, "train", "-q", *(word for setting in settings for word in ("--set", setting)))
    nnrun(folder, "export", "latest", "--force")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(["probabilities"], {"x": x})


def rate(ask: Callable[[Any], object], x: Any) -> float:
    """Rows a second."""
    start, calls = time.process_time(), 0
    while (passed := time.process_time() - start) < LEAST:
        ask(x)
        calls += 1
    return len(x) * calls / passed


def main() -> None:
    """Measure, then print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--repeats", type=int, default=15)
    repeats = options.parse_args().repeats
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        np.savez(folder / "rows.npz", x=rng.normal(size=(1000, FEATURES)), y=np.arange(1000) % CLASSES)
        alone = [exported(folder, 1, seed) for seed in range(MEMBERS)]
        together = exported(folder, MEMBERS, 0)
    ways = {
        "one network": alone[0],
        f"{MEMBERS} networks in one graph": together,
        f"{MEMBERS} graphs": lambda x: [ask(x) for ask in alone],
    }
    found: dict[str, list[float]] = {}
    for rows in AT_ONCE:
        x = rng.normal(size=(rows, FEATURES))
        rates = [[rate(ask, x) for ask in ways.values()] for _ in range(repeats)]
        for way, own in zip(ways, zip(*rates, strict=True), strict=True):
            found.setdefault(way, []).append(statistics.median(own))
    print(f"| rows a second, rows at once: | {' | '.join(f'{rows:,}' for rows in AT_ONCE)} |")
    print(f"| --- |{' --: |' * len(AT_ONCE)}")
    for way, medians in found.items():
        print(f"| {way} | {' | '.join(f'{median:,.0f}' for median in medians)} |")


if __name__ == "__main__":
    main()
