"""How often 90% intervals hold the truth, on rows that neither trained, chose nor calibrated, and how wide they are.

diabetes (442 real rows) and houses (1,500 made ones). In each of 20 splits a quarter of the rows is put aside; of the
others 60% train, 15% choose the epoch, and 25%, the test part, calibrate `predict --interval 90%`. The config is the
one that `nnrun init` writes. Beside it the plain interval: ± 1.645 · the root mean square error of the same rows.
Coverage is the share of the rows put aside that lie within, its mean over the splits ± its standard error over them
(splits share rows, so it is a little too small); the width is from the lower end to the upper one. With --folds all
rows that are not put aside are folds, and each calibrates by the network that has not learned it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from environment import restart_cleaned
from made_tables import MADE
from tables import proposal

import nnrun
from nnrun.config.data_section import BUNDLED, Data
from nnrun.data.files.sources import read_source

LEVEL, Z = "90%", 1.645
ASIDE = 0.25
SPLIT = [0.6, 0.15, 0.25]
ROWS = 1500  # of a made table


@dataclass
class Line:
    """One table, a number a split."""

    table: str
    rows: int = 0  # that calibrate
    aside: int = 0
    covered: list[float] = field(default_factory=list)
    width: list[float] = field(default_factory=list)
    plainly_covered: list[float] = field(default_factory=list)
    plain_width: list[float] = field(default_factory=list)

    def add(self, frame: pd.DataFrame, target: str, folder: Path, split: int, division: list[str]) -> None:
        """One split."""
        order = np.random.default_rng(split).permutation(len(frame))
        aside = round(ASIDE * len(frame))
        rest, new = frame.iloc[order[aside:]], frame.iloc[order[:aside]].reset_index(drop=True)
        path = folder / f"{self.table}-{split}.csv"
        rest.to_csv(path, index=False)
        seeds = [f"seed={split}", f"data.split_seed={split}", *division]
        run = nnrun.train(nnrun.load_config(proposal(path, target), seeds), folder / "runs")
        said, true = run.predict(new, interval=LEVEL), new[target].to_numpy()
        off = np.abs(said["prediction"].to_numpy() - true)
        rows = run.record["data"]["rows"]
        part = "test" if "test" in rows else "dev"
        plain = Z * float(run.final[f"{part}_rmse"] or 0.0)
        self.rows, self.aside = rows[part], len(new)
        self.covered.append(float(np.mean((said["lower"] <= true) & (true <= said["upper"]))))
        self.width.append(float(np.mean(said["upper"] - said["lower"])))
        self.plainly_covered.append(float(np.mean(off <= plain)))
        self.plain_width.append(2 * plain)

    def as_line(self) -> str:
        """A line of the Markdown table."""
        of = [mean_with_error(self.covered), mean_with_error(self.plainly_covered)]
        widths = [f"{statistics.mean(found):.4g}" for found in (self.width, self.plain_width)]
        return f"| {self.table} | {self.rows} | {self.aside} | {of[0]} | {widths[0]} | {of[1]} | {widths[1]} |"


def mean_with_error(shares: list[float]) -> str:
    """In per cent."""
    error = statistics.stdev(shares) / len(shares) ** 0.5 if len(shares) > 1 else 0.0
    return f"{100 * statistics.mean(shares):.1f}% ± {100 * error:.1f}"


def frames(folder: Path, names: list[str]) -> Iterator[tuple[str, pd.DataFrame, str]]:
    """Name, rows and target of each table."""
    for name in names:
        if name in BUNDLED:
            yield name, read_source(Data(source=name))["all"].frame, BUNDLED[name].target
        else:
            yield name, pd.read_csv(MADE[name].write(folder, ROWS)), MADE[name].target


def main() -> None:
    """Print the table; see --help."""
    restart_cleaned()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="append", choices=("diabetes", "houses"), help="both where left out")
    parser.add_argument("--folds", type=int, help="of all the other rows, in place of three parts")
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = []
    division = [f"data.folds={given.folds}"] if given.folds else [f"data.split={SPLIT}"]
    with tempfile.TemporaryDirectory() as folder:
        for name, frame, target in frames(Path(folder), given.table or ["diabetes", "houses"]):
            line = Line(name)
            for split in range(given.splits):
                line.add(frame, target, Path(folder), split, division)
            found.append(line)
            print(line.as_line(), file=sys.stderr, flush=True)
    if given.json:
        print(json.dumps([asdict(line) for line in found]))
        return
    print("| table | calibrating rows | rows aside | held within | width | within ± 1.645 · rmse | its width |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    print("\n".join(line.as_line() for line in found))


if __name__ == "__main__":
    main()
