"""Wall-clock from the command to the best model: 50 trials on digits, two processes, everything counted.

Imports, start of workers, data and bookkeeping are in the time, as they are for a user. All search the same space
(learning rate, 1 − β1 and λ on log scales, width, batch size) around one hidden layer with Adam. nnrun trains what it
writes to disk: every trial is a run directory, and with the engine that `auto` chooses. One search of it comes before
all others, as the compiled engine is compiled once a machine. The peers take turns, repeat after repeat; figures are
medians.

- optuna_sklearn, optuna_torch: two processes that share a study through a journal file
- optuna_sklearn_njobs, optuna_torch_njobs: `study.optimize(…, n_jobs=2)`, which are threads
- sklearn_random: `RandomizedSearchCV(…, n_jobs=2)`

With `--fixed` all trials have one shape (64 units, batches of 64), so that JAX can train them as one: a process that
maps a compiled program over the trials with `vmap`, on all cores, compile time included. With `--scaling` nnrun takes
turns with itself: one worker and two, on trials of a second or more, one by one.
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
from collections.abc import Callable
from functools import partial
from pathlib import Path

from environment import restart_cleaned

HERE = Path(__file__).parent
SETTINGS = """\
data: {{source: digits}}
network: {{hidden: [64]}}
training: {{epochs: {epochs}, batch_size: 64}}
search:
  space:
    optimizer.learning_rate: {{log: [1e-4, 1e-1]}}
    optimizer.beta1: {{one_minus_log: [0.9, 0.999]}}
    regularization.l2: {{log: [1e-4, 10]}}
"""
SHAPES = """\
    network.width: {{choice: [32, 64, 128]}}
    training.batch_size: {{choice: [32, 64, 128]}}
"""
LONG = ["--set", "training.batch_size=32", "--stack", "1"]  # 1,000 epochs of them take a second and more
NEEDS = {"optuna_sklearn": ["optuna"], "optuna_torch": ["optuna", "torch"], "sklearn_random": [], "jax_vmap": ["jax"]}

Run = Callable[[Path], float]


def nnrun_seconds(trials: int, config: str, folder: Path, *options: str, workers: int = 2) -> float:
    """`nnrun search` into an empty folder."""
    (folder / "config.yaml").write_text(config)
    command = [sys.executable, "-m", "nnrun", "search", "config.yaml", "-q", *options]
    return clock([[*command, "--workers", str(workers), "--trials", str(trials)]], folder)


def peer_seconds(kind: str, trials: int, epochs: int, folder: Path, *, journal: bool) -> float:
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


def free_shapes(trials: int, epochs: int) -> dict[str, Run]:
    """nnrun and everybody who can search over widths and batch sizes."""
    config = (SETTINGS + SHAPES).format(epochs=epochs)
    runs: dict[str, Run] = {"nnrun": lambda folder: nnrun_seconds(trials, config, folder)}
    for kind in ("optuna_sklearn", "optuna_torch"):
        runs[kind] = partial(peer_seconds, kind, trials, epochs, journal=True)
    for kind in ("optuna_sklearn", "optuna_torch"):
        runs[f"{kind}_njobs"] = partial(peer_seconds, kind, trials, epochs, journal=False)
    return runs | {"sklearn_random": partial(peer_seconds, "sklearn_random", trials, epochs, journal=False)}


def fixed_shape(trials: int, epochs: int) -> dict[str, Run]:
    """nnrun and JAX on trials of one shape."""
    config = SETTINGS.format(epochs=epochs)
    return {
        "nnrun": lambda folder: nnrun_seconds(trials, config, folder),
        "jax_vmap": partial(peer_seconds, "jax_vmap", trials, epochs, journal=False),
    }


def scaling(trials: int, epochs: int) -> dict[str, Run]:
    """nnrun with two workers, and with one."""
    config = SETTINGS.format(epochs=epochs)
    return {
        "nnrun": lambda folder: nnrun_seconds(trials, config, folder, *LONG),
        "one_worker": lambda folder: nnrun_seconds(trials, config, folder, *LONG, workers=1),
    }


def measure(runs: dict[str, Run], repeats: int) -> dict[str, float | None]:
    """The median of each, taken in turns after a search that is not counted; None where a library is missing."""
    with tempfile.TemporaryDirectory() as folder:
        runs["nnrun"](Path(folder))
    times: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(repeats):
        print(f"repeat {repeat + 1} of {repeats}", file=sys.stderr, flush=True)
        for name, run in runs.items():
            needed = NEEDS.get(name.removesuffix("_njobs"), [])
            if all(importlib.util.find_spec(module) for module in needed):
                with tempfile.TemporaryDirectory() as folder:
                    times[name].append(run(Path(folder)))
    return {f"{name}_s": statistics.median(taken) if taken else None for name, taken in times.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--fixed", action="store_true", help="one shape for all trials, against JAX")
    parser.add_argument("--scaling", action="store_true", help="two workers against one")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else on stdout")
    asked = parser.parse_args()
    restart_cleaned()
    runs = fixed_shape if asked.fixed else scaling if asked.scaling else free_shapes
    figures = measure(runs(asked.trials, asked.epochs), asked.repeats)
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
