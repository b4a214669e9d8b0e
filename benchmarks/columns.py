"""CPU seconds of whole commands on tables of more and more columns, and how they grow.

    python benchmarks/columns.py

A table of 200 rows, numbers and two classes. The seconds are those of the command's process and its children, starting
included; the exponent is the slope of log seconds over log columns between the last two sizes, the seconds of
`nnrun --version` taken off: 1 where twice the columns take twice the time, 2 where they take four times.
"""

from __future__ import annotations

import argparse
import math
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

ROWS, EPOCHS = 200, 3
COLUMNS = (1250, 2500, 5000, 10_000)
TABLE = "table.csv"
DATA = ("--set", f"data.source={TABLE}", "--set", "data.target=class")
COMMANDS = {
    "train": ("train", "-q", "--set", f"training.epochs={EPOCHS}", *DATA),
    "predict": ("predict", "latest", TABLE, "-o", "predictions.csv"),
    "check": ("check", *DATA),
    "export to NumPy": ("export", "latest", "--format", "numpy"),
    "export to ONNX": ("export", "latest", "--format", "onnx"),
}


def seconds(words: Sequence[str], folder: Path) -> float:
    """CPU seconds of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-m", "nnrun", *words], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"nnrun {' '.join(words)}: {done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def write_table(path: Path, columns: int) -> None:
    """Numbers of four digits, and a class that three of them decide."""
    numbers = np.random.default_rng(0).normal(size=(ROWS, columns))
    classes = np.where(numbers[:, :3].sum(axis=1) > 0, "yes", "no")
    lines = [",".join([*(f"{number:.4f}" for number in row), name]) for row, name in zip(numbers, classes, strict=True)]
    path.write_text("\n".join([",".join([*(f"x{i}" for i in range(columns)), "class"]), *lines]) + "\n")


def measured(columns: int) -> list[float]:
    """Seconds of each command, in an empty folder."""
    with tempfile.TemporaryDirectory() as temporary:
        write_table(Path(temporary, TABLE), columns)
        return [seconds(words, Path(temporary)) for words in COMMANDS.values()]


def exponent(first: float, second: float, ratio: float, start: float) -> str:
    """Of the growth between two sizes; nothing to say where starting is nearly all."""
    if min(first, second) < 1.2 * start:
        return "–"
    return f"{math.log((second - start) / (first - start)) / math.log(ratio):.1f}"


def main() -> None:
    """Measure, then print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--columns", type=int, nargs="+", default=COLUMNS)
    sizes = options.parse_args().columns
    start = seconds(["--version"], Path.cwd())
    rows = [measured(columns) for columns in sizes]
    print(f"| command | {' | '.join(f'{columns:,} columns' for columns in sizes)} | exponent |")
    print(f"| --- |{' --: |' * (len(sizes) + 1)}")
    for command, found in zip(COMMANDS, zip(*rows, strict=True), strict=True):
        growth = exponent(*found[-2:], sizes[-1] / sizes[-2], start) if len(sizes) > 1 else "–"
        print(f"| {command} | {' | '.join(f'{second:.1f}' for second in found)} | {growth} |")


if __name__ == "__main__":
    main()
