"""`python -m tests.cli.mutated.trial csv 100 all`: tables with slips in them, read, trained on and predicted for.

Each fault is a line of JSON on stdout, the last line has how much memory was needed. A process of its own, so that one
that hangs or falls takes nothing along, and its memory is that of the tables.
"""

from __future__ import annotations

import csv
import faulthandler
import io
import json
import math
import random
import re
import resource
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from nnrun.cli.app import parser_of
from nnrun.cli.terminal import screen
from nnrun.errors import DataError
from tests.cli.conftest import Done
from tests.cli.mutated.tables import NAMES, mutated, records, written
from tests.cli.mutated.truth import differences
from tests.data.reading import read_table

SECONDS = 30  # after which a table hangs
LONGEST = 20_000  # characters of a message
CODES = {"init": {0, 4}, "train": {0, 3, 4, 5}, "predict": {0, 4}}
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # what a terminal would obey
QUICK = ("--set", "training.epochs=1", "--set", "network.hidden=[2]", "-q")
ENDED: Counter[tuple[str, int]] = Counter()  # commands by exit code


def nnrun(*arguments: str) -> Done:
    """A command in this process."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace") for _ in range(2))
    with redirect_stdout(out), redirect_stderr(err):
        try:
            parser_of(arguments)(list(arguments), prog_name="nnrun")
        except SystemExit as ended:
            code = int(ended.code or 0)
    written = [stream.detach().getvalue().decode() for stream in (out, err) if stream.flush() is None]
    return Done(code, *written)


def clean(format: str) -> tuple[Path, str]:
    """A table without slips, and the name of its target."""
    path = Path(f"clean.{format}")
    x = np.random.default_rng(0).normal(size=(40, 5))
    if format == "csv":
        rows = [NAMES, *([*row[:-1], "pq"[at % 2]] for at, row in enumerate(records(random.Random(0), 40)))]
        path.write_text("\n".join(map(",".join, rows)))
    elif format == "parquet":
        parquet.write_table(pa.table([*x.T, ["p", "q"] * 20], NAMES), path)
    elif format == "npy":
        path.write_bytes(written(x[:, :3]))
    else:
        np.savez(path, x=x[:, :3], y=x[:, 3])
    return path, "2" if format == "npy" else "y"


def of(path: Path, target: str) -> list[str]:
    """The options by which a training of no time learns from this table."""
    return ["--set", f"data.source={path}", "--set", f"data.target='{target}'", *QUICK]


def faults(format: str, seed: int, commands: list[str]) -> Iterator[tuple[str, str]]:
    """Commands and what is wrong with how they end."""
    ending, content = mutated(format, seed)
    path = Path(f"table-{seed}{ending}")
    path.write_bytes(content)
    try:
        table = read_table(path)
    except DataError:
        table = None
    except Exception as error:
        table = None
        yield "reading", f"{type(error).__name__}: {error}"
    if table is not None:
        yield from (("reading", difference) for difference in differences(path, table))
    target = "2" if table is not None and "y" not in table and "2" in table else "y"
    proposal = Path("init.yaml")
    proposal.unlink(missing_ok=True)
    told = {
        "init": ("init", str(path), "--target", target, "-o", str(proposal)),
        "train": ("train", "plain.yaml", *of(path, target)),
        "predict": ("predict", "clean", str(path), "--runs", "models"),
    }
    for command in commands:
        done = nnrun(*(("train", str(proposal), *QUICK) if command == "train" and proposal.exists() else told[command]))
        ENDED[command, done.code] += 1
        yield from ((command, fault) for fault in wrong(command, done, path))
        if table is None and done.code == 0:
            yield command, "goes on with what cannot be read"
        if command == "predict" and done.code == 0 and table is not None:
            count = len(list(csv.reader(io.StringIO(done.out, newline="")))) - 1
            if count != len(table):
                yield command, f"{count} predictions of {len(table)} rows"
    path.unlink()
    shutil.rmtree("runs", ignore_errors=True)


def wrong(command: str, done: Done, path: Path) -> Iterator[str]:
    """What must not be, whatever the table."""
    if done.code not in CODES[command]:
        yield f"exit {done.code}: {done.err[-2000:]}"
    if done.code and not (path.name in done.err or (done.code == 3 and done.err.startswith("metrics.primary: "))):
        yield f"exit {done.code} does not name the file: {done.err[-2000:]}"
    if UNSEEN.search(done.err) or (command != "predict" and UNSEEN.search(done.out)):
        yield f"control characters: {done.err[-2000:]!r}"
    if "Traceback" in done.err or "Warning" in done.err or len(done.err) > LONGEST:
        yield f"words: {done.err[-2000:]}"


def main(format: str, number: int, every: str) -> None:
    """The first tables of one format; `all` commands on each of them, or one of them by turns."""
    screen.MOMENT = math.inf
    Path("plain.yaml").write_text("data: {source: digits}\n")
    path, target = clean(format)
    assert nnrun("train", "plain.yaml", *of(path, target), "--runs", "models").code == 0
    next(Path("models").glob("[!.]*")).rename("models/clean")
    commands = list(CODES)
    for seed in range(number):
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        for command, fault in faults(format, seed, commands if every == "all" else [commands[seed % len(commands)]]):
            print(json.dumps([seed, command, fault]), flush=True)
        faulthandler.cancel_dump_traceback_later()
    unit = 1 if sys.platform == "darwin" else 1024
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    print(
        json.dumps(
            {"memory": memory, "ended": {f"{command} {code}": count for (command, code), count in ENDED.items()}}
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
