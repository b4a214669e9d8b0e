"""Wall-clock from the command to the best model: 50 trials on digits, two processes, everything counted.

Imports, start of workers, data and bookkeeping are in the time, as they are for a user. All search the same space
(learning rate, 1 − β1 and λ on log scales, width, batch size) around one hidden layer with Adam. nnrun trains what it
writes to disk: every trial is a run directory. The peers take turns, repeat after repeat; figures are medians.

- optuna_sklearn, optuna_torch: two processes that share a study through a journal file
- optuna_sklearn_njobs, optuna_torch_njobs: `study.optimize(…, n_jobs=2)`, which are threads
- sklearn_random: `RandomizedSearchCV(…, n_jobs=2)`
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from environment import restart_cleaned

HERE = Path(__file__).parent
CONFIG = """\
data: {{source: digits}}
network: {{hidden: [64]}}
training: {{epochs: {epochs}}}
search:
  space:
    optimizer.learning_rate: {{log: [1e-4, 1e-1]}}
    optimizer.beta1: {{one_minus_log: [0.9, 0.999]}}
    regularization.l2: {{log: [1e-4, 10]}}
    network.width: {{choice: [32, 64, 128]}}
    training.batch_size: {{choice: [32, 64, 128]}}
"""
NEEDS = {"optuna_sklearn": ["optuna"], "optuna_torch": ["optuna", "torch"], "sklearn_random": []}


def nnrun_seconds(trials: int, epochs: int, folder: Path) -> float:
    """`nnrun search` with two workers, into an empty folder."""
    (folder / "config.yaml").write_text(CONFIG.format(epochs=epochs))
    command = [sys.executable, "-m", "nnrun", "search", "config.yaml", "-q", "--workers", "2", "--trials", str(trials)]
    return clock([command], folder)


def peer_seconds(kind: str, trials: int, epochs: int, folder: Path, journal: bool) -> float:
    """Two processes on a journal, or one with two jobs."""
    base = [sys.executable, str(HERE / "search_peers.py"), kind, str(trials), str(epochs)]
    if journal:
        return clock([[*base, "1", str(folder / "journal.log")]] * 2, folder)
    return clock([[*base, "2"]], folder)


def clock(commands: list[list[str]], folder: Path) -> float:
    """Seconds until all of these processes have ended; RuntimeError if one fails."""
    started = time.perf_counter()
    running = [
        subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for command in commands
    ]
    for process in running:
        _, words = process.communicate()
        if process.returncode:
            raise RuntimeError(words.decode())
    return time.perf_counter() - started


def measure(trials: int, epochs: int, repeats: int) -> dict[str, float | None]:
    """The median of each, taken in turns."""
    forms = {
        "optuna_sklearn": ("optuna_sklearn", True),
        "optuna_torch": ("optuna_torch", True),
        "optuna_sklearn_njobs": ("optuna_sklearn", False),
        "optuna_torch_njobs": ("optuna_torch", False),
        "sklearn_random": ("sklearn_random", False),
    }
    times: dict[str, list[float]] = {"nnrun": [], **{name: [] for name in forms}}
    for repeat in range(repeats):
        print(f"{epochs} epochs, repeat {repeat + 1} of {repeats}", file=sys.stderr, flush=True)
        for name, taken in times.items():
            kind, journal = forms.get(name, ("", False))
            if all(importlib.util.find_spec(module) for module in NEEDS.get(kind, [])):
                with tempfile.TemporaryDirectory() as folder:
                    place = Path(folder)
                    one = nnrun_seconds(trials, epochs, place) if name == "nnrun" else None
                    taken.append(peer_seconds(kind, trials, epochs, place, journal) if one is None else one)
    return {f"{name}_s": statistics.median(taken) if taken else None for name, taken in times.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else on stdout")
    asked = parser.parse_args()
    restart_cleaned()
    figures = measure(asked.trials, asked.epochs, asked.repeats)
    if asked.json:
        print(json.dumps(figures, indent=2))
        return
    own = figures["nnrun_s"] or float("nan")
    print(f"| {asked.trials} trials of {asked.epochs} epochs | seconds | times nnrun's |\n| --- | --: | --: |")
    for name, seconds in figures.items():
        cells = "– | –" if seconds is None else f"{seconds:.1f} | {seconds / own:.1f}"
        print(f"| {name.removesuffix('_s')} | {cells} |")


if __name__ == "__main__":
    main()
