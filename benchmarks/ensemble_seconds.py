"""What an ensemble takes of one's time: an epoch of N networks trained as one, against an epoch of a single one.

    python benchmarks/ensemble_seconds.py

64-64 units on digits, batches of 32, whole runs by `nnrun.train`: each row trains one network and N by turns and prints
seconds of the wall an epoch, all that a run does an epoch included. The medians tell what one waits for, the minima
what the work takes where nothing else runs on the machine.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile

from environment import restart_cleaned

import nnrun

ROWS = (("numpy", 1), ("compiled", 1), ("compiled", 2))  # engine and threads


def milliseconds(folder: str, networks: int, engine: str, epochs: int) -> float:
    """Of an epoch."""
    config = {
        "data": {"source": "digits"},
        "network": {"hidden": [64, 64], "ensemble": networks},
        "training": {"engine": engine, "epochs": epochs},
    }
    record = nnrun.train(config, runs=folder).record
    return 1000 * float(record["seconds"]) / int(record["epochs"])


def main() -> None:
    """Train, and print a line a row."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--networks", type=int, default=5)
    options.add_argument("--epochs", type=int, default=30)
    options.add_argument("--repeats", type=int, default=40, help="trainings of each (default: %(default)s)")
    given = options.parse_args()
    restart_cleaned()
    print(f"| engine | threads | one, ms an epoch | {given.networks} | ratio of medians | of minima |")
    print("| --- | --: | --: | --: | --: | --: |")
    with tempfile.TemporaryDirectory() as folder:
        for engine, threads in ROWS:
            os.environ["NNRUN_THREADS"] = str(threads)
            found: dict[int, list[float]] = {1: [], given.networks: []}
            for _ in range(given.repeats + 1):
                for networks, taken in found.items():
                    taken.append(milliseconds(folder, networks, engine, given.epochs))
            one, several = (taken[1:] for taken in found.values())  # the first ones load and compile
            median, least = statistics.median(several) / statistics.median(one), min(several) / min(one)
            middle = f"{statistics.median(one):.2f} | {statistics.median(several):.2f}"
            print(f"| {engine} | {threads} | {middle} | {median:.2f} | {least:.2f} |", flush=True)


if __name__ == "__main__":
    main()
