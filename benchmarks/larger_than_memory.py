"""Training on a file larger than memory: peak memory, and rows a second against the same arrays in memory.

The script writes an .npz file of `--rows` rows of 100 float32 features and two classes that depend on them, piece by
piece (4 GB at the default), and trains a small network on it with the command `nnrun train`, which it watches:

- convert:    the first epoch, which begins with the conversion to mapped arrays, each epoch's rows mixed in blocks;
- mapped:     the arrays found in the cache;
- in memory:  the same arrays copied into memory before training, once with all rows shuffled anew each epoch, once
              with blocks of them as above;
- limited:    as `mapped`, in a memory cgroup of 1 GB, where one can be made. The system is told first to forget the
              pages of the arrays, so that those read again count towards the limit;
- CSV:        conversion of a text file with `--csv` rows of 100 numbers, and an epoch.

RssAnon is what the process itself claims, sampled every 20 ms; VmHWM also counts pages of the mapped file, which the
system takes back whenever it needs them. Rows a second are those of the training loop, the last epoch's, from
metrics.jsonl: shuffled, gathered, trained on and evaluated.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from environment import numpy_kernel, restart_cleaned

FEATURES = 100
PIECE = 100_000  # rows that are made together
LIMIT = 10**9
SETTINGS = ("network.hidden=[32]", "data.target=y", "training.layer_statistics=false")
IN_MEMORY = """
import sys
from dataclasses import replace
import numpy as np
from nnrun.runs import verbs as experiment
from nnrun.data.dataset import Dataset, Part
mapped = experiment.load_dataset

def copied(*arguments: object, **options: object) -> Dataset:
    dataset = mapped(*arguments, **options)
    return replace(dataset, parts={name: Part(np.array(p.x), np.array(p.y)) for name, p in dataset.parts.items()})

experiment.load_dataset = copied
from nnrun.__main__ import main
main()
"""


class Watched(NamedTuple):
    """Peak memory of a process in bytes, its time in all, and rows a second of its last epoch."""

    anonymous: int
    resident: int
    seconds: float
    processor: float  # seconds of user and system
    rows_a_second: float
    dev_error: float


def pieces(rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Normal features `(m, 100)` and classes `(m,)` on two sides of a plane, with noise."""
    rng = np.random.default_rng(0)
    plane = rng.standard_normal(FEATURES).astype(np.float32)
    for start in range(0, rows, PIECE):
        x = rng.standard_normal((min(PIECE, rows - start), FEATURES), np.float32)
        yield x, (x @ plane + 3 * rng.standard_normal(len(x), np.float32) > 0).astype(np.int8)


def write_npz(path: Path, rows: int) -> None:
    """An archive as numpy.savez writes it, never as a whole in memory."""
    classes = []
    with zipfile.ZipFile(path, "w", allowZip64=True) as archive:
        with archive.open("x.npy", "w", force_zip64=True) as member:
            np.lib.format.write_array_header_1_0(member, _header("<f4", (rows, FEATURES)))
            for x, y in pieces(rows):
                member.write(x.data)
                classes.append(y)
        with archive.open("y.npy", "w", force_zip64=True) as member:
            np.lib.format.write_array_header_1_0(member, _header("|i1", (rows,)))
            member.write(np.concatenate(classes).data)


def _header(descr: str, shape: tuple[int, ...]) -> dict[str, object]:
    return {"descr": descr, "fortran_order": False, "shape": shape}


def write_csv(path: Path, rows: int) -> None:
    """The same numbers with six digits."""
    with path.open("w") as file:
        file.write(",".join([*(f"x{column}" for column in range(FEATURES)), "y"]) + "\n")
        for x, y in pieces(rows):
            np.savetxt(file, np.column_stack([x, y]), fmt=["%.6g"] * FEATURES + ["%d"], delimiter=",")


def train(
    source: Path, runs: Path, *settings: str, program: Sequence[str] = ("-m", "nnrun"), group: Path | None = None
) -> Watched:
    """Train in a process of its own, perhaps in a memory cgroup, and watch it."""
    asked = [f"data.source={source}", *SETTINGS, *settings]
    options = [part for setting in asked for part in ("--set", setting)]
    empty = runs.with_suffix(".yaml")
    empty.write_text("seed: 0\n")
    command = [sys.executable, *program, "train", str(empty), "-q", "--json", "--runs", str(runs), *options]

    def enter() -> None:
        if group is not None:
            (group / "cgroup.procs").write_text(str(os.getpid()))

    began, before = time.monotonic(), _processor()
    with subprocess.Popen(command, stdout=subprocess.PIPE, preexec_fn=enter) as process:
        anonymous, resident = _peaks(process)
        assert process.stdout is not None
        output = process.stdout.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}: {output.decode()}")
    record = json.loads(output)
    last = json.loads((Path(record["path"]) / "metrics.jsonl").read_text().splitlines()[-1])
    rows = record["data"]["rows"]["train"]
    seconds, processor = time.monotonic() - began, _processor() - before
    return Watched(anonymous, resident, seconds, processor, rows / last["seconds"], last["dev_error"])


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _peaks(process: subprocess.Popen[bytes]) -> tuple[int, int]:
    """The largest RssAnon and VmHWM until the process ends, in bytes."""
    peaks = {"RssAnon": 0, "VmHWM": 0}
    while process.poll() is None:
        with suppress(OSError):
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
                name, _, value = line.partition(":")
                if name in peaks:
                    peaks[name] = max(peaks[name], 1024 * int(value.split()[0]))
        time.sleep(0.02)
    return peaks["RssAnon"], peaks["VmHWM"]


@contextmanager
def memory_group(limit: int) -> Iterator[Path | None]:
    """A memory cgroup with this limit, of version 1 or 2; None where none can be made."""
    name = f"nnrun-benchmark-{os.getpid()}"
    v1, v2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
    group, key = (v1 / name, "memory.limit_in_bytes") if v1.is_dir() else (v2 / name, "memory.max")
    try:
        group.mkdir()
        (group / key).write_text(str(limit))
    except OSError as error:
        print(f"no memory cgroup can be made here ({error})")
        yield None
    else:
        yield group
    with suppress(OSError):
        group.rmdir()


def report(name: str, found: Watched) -> None:
    """A line."""
    memory = f"RssAnon {found.anonymous / 1e6:6.0f} MB   VmHWM {found.resident / 1e6:6.0f} MB"
    times = f"{found.seconds:6.1f} s, {found.processor:6.1f} s of CPU"
    print(f"{name:<10} {memory}   {found.rows_a_second:10,.0f} rows/s   {times}   dev error {found.dev_error:.3f}")
    sys.stdout.flush()


def forget(cache: Path) -> None:
    """Take the pages of the arrays out of the system's cache."""
    for path in cache.rglob("*.npy"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measure_arrays(folder: Path, rows: int, epochs: int) -> None:
    """Convert, train mapped, train in memory, train within a limit."""
    source, runs = folder / "large.npz", folder / "runs"
    _made(source, lambda: write_npz(source, rows))
    report("convert", train(source, runs, "training.epochs=1"))
    several = f"training.epochs={epochs}"
    mapped = train(source, runs, several)
    report("mapped", mapped)
    for shuffle in ("full", "blocks"):
        in_memory = train(source, runs, several, f"training.shuffle={shuffle}", program=("-c", IN_MEMORY))
        report("in memory", in_memory)
        ratio = mapped.rows_a_second / in_memory.rows_a_second
        print(f"mapped / in memory with shuffle {shuffle}: {ratio:.2f} of the rows a second", flush=True)
    with memory_group(LIMIT) as group:
        if group is not None:
            forget(runs / ".cache")
            report("limited", train(source, runs, several, group=group))


def measure_csv(folder: Path, rows: int) -> None:
    """Convert a text file and train an epoch."""
    source = folder / "large.csv"
    _made(source, lambda: write_csv(source, rows))
    report("CSV", train(source, folder / "csv-runs", "training.epochs=1"))


def _made(source: Path, write: Callable[[], None]) -> None:
    if not source.exists():
        began = time.monotonic()
        write()
        print(
            f"{source.name}: {source.stat().st_size / 1e9:.2f} GB written in {time.monotonic() - began:.0f} s",
            flush=True,
        )


def main() -> None:
    """Measure in a folder that is removed afterwards, or in the one given, where the files stay for the next time."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows of the .npz file (default: 4 GB)")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--csv", type=int, default=0, metavar="ROWS", help="also convert a CSV file of so many rows")
    parser.add_argument("--folder", type=Path, help="where files and runs are kept")
    options = parser.parse_args()
    restart_cleaned()
    print(numpy_kernel())
    with tempfile.TemporaryDirectory(prefix="nnrun-benchmark-") as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if options.rows:
            measure_arrays(folder, options.rows, options.epochs)
        if options.csv:
            measure_csv(folder, options.csv)


if __name__ == "__main__":
    main()
