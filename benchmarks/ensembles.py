"""Test error of five networks whose predictions are averaged, beside that of one, on ten tables.

The five bundled sets and the first five real tables of whole_chain.py that have at least 1,000 rows; others by their
names. Each has the config that `nnrun init` writes for it, and `network.hidden: [64, 64]`. A seed decides the split;
with `network.ensemble: 5` the run trains networks of the seeds 10·s to 10·s + 4 and stops by their averaged
prediction. The single ones are these five seeds again, each trained alone as a run, with early stopping of its own.
Errors are of the test part at the best epoch, in per cent: wrong classes (weighed where the config says so), for a
regression 1 − R². Mean over the seeds; the change is that of the ensemble against the mean of its five single
networks, as a share of it, ± its standard error over seeds.
The change of the loss is that of the mean test loss (log loss, or squared error) likewise.

The last column is the time of training five together over that of training one (`seconds` of run.json, the mean of the
five), the median over seeds, which alternate.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from environment import restart_cleaned
from real_data import BUNDLED
from real_data import CHAIN as TABLES
from tables import bundled_file, proposal

from nnrun.config.data_section import BUNDLED as FACTS
from nnrun.config.load import load_config
from nnrun.runs.verbs import train

REAL = ("weather", "gapminder", "hdma", "chile", "diamonds")
MEMBERS = 5


@dataclass
class Compared:
    """Test errors on one table, one a seed, and how long five took for each second of one."""

    table: str
    single: list[float] = field(default_factory=list)  # the mean of the five
    together: list[float] = field(default_factory=list)
    losses: list[tuple[float, float]] = field(default_factory=list)  # of both
    times: list[float] = field(default_factory=list)

    @property
    def changes(self) -> list[float]:
        """Of the error, as a share of the single one; of seeds where that is 0, 0."""
        pairs = zip(self.single, self.together, strict=True)
        return [(together - single) / single if single else 0.0 for single, together in pairs]

    @property
    def change(self) -> float:
        """Of the mean error."""
        return statistics.mean(self.together) / statistics.mean(self.single) - 1

    @property
    def change_of_loss(self) -> float:
        """Of the mean loss."""
        single, together = zip(*self.losses, strict=True)
        return statistics.mean(together) / statistics.mean(single) - 1

    def as_line(self) -> str:
        """A line of the Markdown table."""
        error = statistics.stdev(self.changes) / len(self.changes) ** 0.5 if len(self.changes) > 1 else 0.0
        errors = " | ".join(f"{100 * statistics.mean(found):.2f}" for found in (self.single, self.together))
        ratio = statistics.median(self.times)
        change = f"{100 * self.change:+.1f}% ± {100 * error:.1f} | {100 * self.change_of_loss:+.1f}%"
        return f"| {self.table} | {errors} | {change} | {ratio:.1f} |"


def table_files(folder: Path, names: list[str]) -> Iterator[tuple[str, Path, str]]:
    """Name, file and target of each table that is wanted."""
    for name in BUNDLED:
        if name in names:
            yield name, bundled_file(folder, name), FACTS[name].target
    for name in (name for name in TABLES if name in names):
        path = folder / f"{name}.csv"
        TABLES[name].frame().to_csv(path, index=False)
        yield name, path, TABLES[name].target


class Trained(NamedTuple):
    """The test error and loss of a run's best epoch, and the seconds that it trained."""

    error: float
    loss: float
    seconds: float


def trained(config: Path, runs: Path, *settings: str) -> Trained:
    """A run with these settings."""
    record = train(load_config(config, [*settings, "network.hidden=[64, 64]"]), runs).record
    final = record["final"]
    return Trained(float(final["test_error"] or 0.0), float(final["test_loss"]), float(record["seconds"]))


def of_seed(config: Path, runs: Path, seed: int, settings: list[str]) -> tuple[Trained, Trained]:
    """The mean of the single networks, and the ensemble."""
    split = f"data.split_seed={seed}"
    one = "network.ensemble=1"
    alone = [trained(config, runs, split, f"seed={10 * seed + k}", one, *settings) for k in range(MEMBERS)]
    together = trained(config, runs, split, f"seed={10 * seed}", f"network.ensemble={MEMBERS}", *settings)
    return Trained(*map(statistics.mean, zip(*alone, strict=True))), together


def compare(name: str, config: Path, runs: Path, seeds: int, settings: list[str]) -> Compared:
    """One table."""
    found = Compared(name)
    for seed in range(seeds):
        single, together = of_seed(config, runs, seed, settings)
        found.single.append(single.error)
        found.together.append(together.error)
        found.losses.append((single.loss, together.loss))
        found.times.append(together.seconds / single.seconds)
    return found


def main() -> None:
    """Print the table; see --help."""
    restart_cleaned()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", default=[*BUNDLED, *REAL], help="names; all where left out")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=1, help="tables at once")
    parser.add_argument("--set", action="append", default=[], dest="settings", help="a further setting of every run")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = list(table_files(Path(folder), given.tables))
        configs = [(name, proposal(path, target)) for name, path, target in files]
        with ProcessPoolExecutor(given.jobs, get_context("spawn")) as pool:
            waiting = [
                pool.submit(compare, name, config, Path(folder) / name, given.seeds, given.settings)
                for name, config in configs
            ]
            found = []
            for future in waiting:
                found.append(future.result())
                print(found[-1].as_line(), file=sys.stderr, flush=True)
    if given.json:
        print(json.dumps([asdict(of) | {"change": of.change} for of in found]))
        return
    heads = ["table", "one network", "five", "change", "of the loss", "time of five"]
    print(f"| {' | '.join(heads)} |\n| --- |{' ---: |' * (len(heads) - 1)}")
    print("\n".join(of.as_line() for of in found))
    changes = [of.change for of in found]
    lower = sum(change < 0 for change in changes)
    print(f"\nlower on {lower} of {len(found)}, the mean change {100 * statistics.mean(changes):+.1f}%")


if __name__ == "__main__":
    main()
