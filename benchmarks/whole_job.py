"""Whole jobs, from the command to the written model: `nnrun train` beside scikit-learn, PyTorch and JAX.

Everything counts: the start of the process, imports, reading, preparing, training, evaluating, writing. Each peer is a
script as a person types it (`whole_job_peers.py`), run as a process of its own in an empty folder. All have the same
file, sizes of the parts (60/20/20), hidden layers, batch size, epochs, Adam at the same rate, and the threads that each
takes by default; nnrun also measures training and dev error after every epoch and writes a run directory with curves,
checkpoints and checksums, the others measure dev and test once and write the model. With two classes nnrun's and
scikit-learn's networks end in one unit, the others' in two.

- digits:  the bundled 1,797 images of 64 pixels, 64-32 hidden units, 50 epochs
- table:   a CSV file of 20,000 rows, numbers and words (`bank` of made_tables.py), 64-32 units, 20 epochs
- million: a CSV file of 1,000,000 rows and 30 columns of numbers, 32 units, 2 epochs
- images:  5,000 images of 784 pixels (.npz), digits bent, moved and made noisy, 256-128 units, 20 epochs

The peers take turns, repeat after repeat, after one turn that is not counted: files then lie in the system's cache, and
what is compiled once a machine is compiled. A figure is the median. It is an error if somebody did not learn, or did
not learn what nnrun learned.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from big_csv import write_csv
from environment import ONE_THREAD, REMOVED, plural
from made_tables import MADE
from step_report import rounded

HERE = Path(__file__).parent
PEERS = {"nnrun": "nnrun", "sklearn": "scikit-learn", "torch": "PyTorch", "jax": "JAX"}
RATE = 1e-3
LEARNED = 0.7  # of the error of a constant guess: more than that is no learning
SAME = 0.02  # errors that differ by so much are the same, beside four deviations of chance


@dataclass(frozen=True)
class Job:
    """What is trained: a source for so many rows, a network, how long; `guess` is the error of a constant guess."""

    source: Callable[[Path, int], str]
    rows: int
    quick_rows: int
    hidden: tuple[int, ...]
    batch: int
    epochs: int
    guess: float
    separator: str = ""  # of the fields, in a table
    target: str | None = None

    def config(self, source: str) -> str:
        """As a user writes it."""
        target = f", target: {self.target}" if self.target else ""
        return (
            f"data: {{source: {source}{target}}}\nnetwork: {{hidden: {list(self.hidden)}}}\n"
            f"optimizer: {{learning_rate: {RATE}}}\ntraining: {{batch_size: {self.batch}, epochs: {self.epochs}}}\n"
        )

    def for_peer(self, source: str) -> str:
        """What whole_job_peers.py takes."""
        job = {"source": source, "separator": self.separator, "target": self.target, "hidden": self.hidden}
        return json.dumps(job | {"batch": self.batch, "epochs": self.epochs, "rate": RATE})


@dataclass
class Spent:
    """What one peer took for a job, an entry a repeat, and its errors on dev and test."""

    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    errors: tuple[float, float] = (float("nan"), float("nan"))


@dataclass(frozen=True)
class Result:
    """All that was measured of a job."""

    name: str
    rows: int
    spent: Mapping[str, Spent]

    def median(self, peer: str, what: str = "seconds") -> float | None:
        """Median of what a peer spent; None without the peer."""
        return statistics.median(getattr(self.spent[peer], what)) if peer in self.spent else None

    def ratio(self, peer: str, what: str = "seconds") -> float | None:
        """How many times nnrun's a peer spends, as the median of the ratios of each repeat."""
        if peer not in self.spent:
            return None
        turns = zip(getattr(self.spent[peer], what), getattr(self.spent["nnrun"], what), strict=True)
        return statistics.median(theirs / ours for theirs, ours in turns)

    def as_json(self) -> dict[str, Any]:
        """The row that `--json` prints."""
        others, present = [peer for peer in PEERS if peer != "nnrun"], self.spent.items()
        return {
            "job": self.name,
            "rows": self.rows,
            **{f"{peer}_s": rounded(self.median(peer)) for peer in PEERS},
            "ratio": {peer: rounded(self.ratio(peer)) for peer in others},
            "processor_s": {peer: rounded(self.median(peer, "processor")) for peer in PEERS},
            "processor_ratio": {peer: rounded(self.ratio(peer, "processor")) for peer in others},
            "dev_error": {peer: rounded(spent.errors[0]) for peer, spent in present},
            "test_error": {peer: rounded(spent.errors[1]) for peer, spent in present},
        }

    def cells(self, what: str) -> list[str]:
        """What each peer spent, with the ratio in brackets."""
        found = [f"{self.name}, {self.rows:,} rows"]
        for peer in PEERS:
            spent, ratio = self.median(peer, what), self.ratio(peer, what)
            behind = "" if peer == "nnrun" else f" ({ratio:.1f}×)"
            found.append("–" if spent is None else f"{spent:.2f}{behind}")
        return found

    @property
    def test_errors(self) -> str:
        """In per cent, in the order of the peers."""
        return " / ".join(f"{100 * spent.errors[1]:.1f}" for spent in self.spent.values())


def bank(folder: Path, rows: int) -> str:
    """Numbers and words."""
    return str(MADE["bank"].write(folder, rows))


def numbers(folder: Path, rows: int) -> str:
    """Thirty columns of numbers, the last the class."""
    path = folder / "big.csv"
    write_csv(path, rows, 30)
    return str(path)


def images(folder: Path, rows: int) -> str:
    """Digits drawn from the bundled ones: 28 × 28, turned, scaled and moved each in its own way, with noise."""
    import numpy as np
    from scipy import ndimage
    from sklearn.datasets import load_digits

    rng = np.random.default_rng(0)
    small, classes = load_digits(return_X_y=True)
    chosen = rng.integers(0, len(small), rows)
    x = np.empty((rows, 28, 28), np.uint8)
    for image, number in zip(x, chosen, strict=True):
        angle, scale = rng.normal(0, 0.2), rng.uniform(0.32, 0.42)
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        offset = 3.5 - turn @ (13.5 + rng.normal(0, 1, 2))
        drawn = ndimage.affine_transform(small[number].reshape(8, 8), turn, offset, (28, 28), order=1)
        image[:] = (255 / 16 * drawn * rng.normal(1, 0.2, (28, 28))).clip(0, 255)
    np.savez(folder / "images.npz", x=x, y=classes[chosen])
    return str(folder / "images.npz")


JOBS = {
    "digits": Job(lambda folder, rows: "digits", 1797, 1797, (64, 32), 32, 50, 0.9),
    "table": Job(bank, 20_000, 4_000, (64, 32), 64, 20, 1 / 9, ";", "y"),
    "million": Job(numbers, 1_000_000, 100_000, (32,), 256, 2, 0.5, ",", "y"),
    "images": Job(images, 5_000, 1_000, (256, 128), 128, 20, 0.9),
}


def environment(threads: int | None) -> dict[str, str]:
    """This shell's, without pins on the BLAS kernel, and with the threads that everybody takes, or so many for all."""
    kept = {name: value for name, value in os.environ.items() if name not in {*REMOVED, *ONE_THREAD}}
    if threads is None:
        return kept
    eigen = f"--xla_cpu_multi_thread_eigen={str(threads > 1).lower()} intra_op_parallelism_threads={threads}"
    counted = [name for name in ONE_THREAD if name != "XLA_FLAGS"]
    return kept | dict.fromkeys([*counted, "NNRUN_THREADS"], str(threads)) | {"XLA_FLAGS": eigen}


def turn(peer: str, job: Job, source: str, spent: Spent, variables: Mapping[str, str]) -> None:
    """One whole job in an empty folder."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "config.yaml").write_text(job.config(source))
        command = [sys.executable, str(HERE / "whole_job_peers.py"), peer, job.for_peer(source)]
        if peer == "nnrun":
            command = [sys.executable, "-m", "nnrun", "train", "config.yaml"]
        processor, began = children(), time.perf_counter()
        done = subprocess.run(command, cwd=folder, env=dict(variables), capture_output=True, text=True)
        spent.seconds.append(time.perf_counter() - began)
        spent.processor.append(children() - processor)
        if done.returncode:
            raise SystemExit(f"{peer} ended with {done.returncode}: {done.stderr}")
        spent.errors = nnrun_errors(folder) if peer == "nnrun" else tuple(json.loads(done.stdout))


def children() -> float:
    """Seconds of the processor that ended processes took."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def nnrun_errors(folder: Path) -> tuple[float, float]:
    """What the run that lies there came to, on dev and test."""
    (record,) = folder.glob("runs/*/run.json")
    final = json.loads(record.read_text())["final"]
    return final["dev_error"], final["test_error"]


def measured(name: str, peers: Iterable[str], asked: argparse.Namespace) -> Result:
    """A job by all peers, in turns."""
    job = JOBS[name]
    rows = job.quick_rows if asked.quick else job.rows
    variables = environment(asked.threads)
    with tempfile.TemporaryDirectory(prefix="nnrun-benchmark-") as folder:
        source = job.source(Path(folder), rows)
        spent = {peer: Spent() for peer in peers}
        for repeat in range(int(asked.quick), asked.repeats + 1):
            say(f"{name}: {f'{repeat} of {asked.repeats}' if repeat else 'not counted'}")
            for peer, taken in spent.items():
                turn(peer, job, source, taken if repeat else Spent(), variables)
    result = Result(name, rows, spent)
    for problem in problems(result, job.guess):
        say(problem)
    return result


def problems(result: Result, guess: float) -> list[str]:
    """Who learned nothing, and who learned something else than nnrun, on dev or test."""
    found = []
    for peer, spent in result.spent.items():
        for part, own, error in zip(("dev", "test"), result.spent["nnrun"].errors, spent.errors, strict=True):
            chance = (2 * own * (1 - own) / (result.rows / 5)) ** 0.5
            if not error <= LEARNED * guess:
                found.append(f"{result.name}: {peer} has not learned, {part} error {error:.3f} of {guess:.3f}")
            elif abs(error - own) > SAME + 4 * chance:
                found.append(f"{result.name}: {peer} has a {part} error of {error:.3f}, nnrun {own:.3f}")
    return found


def say(message: str) -> None:
    """A line for the reader that is no result."""
    print(message, file=sys.stderr, flush=True)


def report(results: list[Result]) -> str:
    """Two tables in Markdown, seconds of the clock and of the processor, times nnrun's in brackets."""
    clock = [[*result.cells("seconds"), result.test_errors] for result in results]
    processor = [result.cells("processor") for result in results]
    first = table(["seconds", *PEERS.values(), "test error, %"], clock)
    return f"{first}\n\n{table(['seconds of the processor', *PEERS.values()], processor)}"


def table(heads: list[str], lines: list[list[str]]) -> str:
    """Markdown, numbers to the right."""
    rule = ["---", *["--:" for _ in heads[1:]]]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, rule, *lines))


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS), help="only these")
    parser.add_argument("--repeats", type=int, default=5, help="counted turns of every peer (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="as many for everybody, instead of what each takes")
    parser.add_argument("--quick", action="store_true", help="few rows and no turn before: to see that it runs")
    parser.add_argument("--json", action="store_true", help="print a list of rows and nothing else on stdout")
    asked = parser.parse_args()
    for option in ("repeats", "threads"):
        if getattr(asked, option) is not None and getattr(asked, option) < 1:
            parser.error(f"--{option}: at least 1")
    return asked


def main() -> None:
    """Measure the jobs asked for and print the result; 1 where somebody has not learned what nnrun did."""
    asked = arguments()
    missing = [peer for peer in PEERS if not importlib.util.find_spec(peer)]
    for peer in missing:
        say(f"{PEERS[peer]}: not installed, left out (pip install -e '.[bench]')")
    peers = [peer for peer in PEERS if peer not in missing]
    results = [measured(name, peers, asked) for name in asked.jobs]
    if asked.json:
        print(json.dumps([result.as_json() for result in results], indent=2))
    else:
        threads = "the threads that each takes" if asked.threads is None else f"{plural(asked.threads, 'thread')} each"
        print(f"{plural(len(os.sched_getaffinity(0)), 'core')}, {threads}\n\n{report(results)}")
    if any(problems(result, JOBS[result.name].guess) for result in results):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
