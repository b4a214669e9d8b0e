"""Calibration error of networks that learned from few rows, on test, before and after `evaluate --calibrate`.

Of each table so few rows are taken for training and for dev as the line says; all others are test, hundreds at least,
since of few rows the error itself is noise. Three situations: the defaults; a wide network that is trained long; one
with dropout. A seed decides the split and the weights. ECE is the expected calibration error, log loss the mean, both
of the test part, without the temperature that dev asks for and with it, the mean over the seeds; the ratio is that of
the two ECE, and the last column counts the seeds in which it became lower. With --ensemble 5 the network is five whose
predictions are averaged.
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

from environment import restart_cleaned
from made_tables import MADE

from nnrun.config.data_section import BUNDLED, Data
from nnrun.config.load import load_config
from nnrun.data.files.sources import read_source
from nnrun.models.calibrating import calibrate
from nnrun.models.model import load_model
from nnrun.runs.stored import StoredRun
from nnrun.runs.verbs import train

ROWS = {"digits": (100, 50), "breast_cancer": (60, 40), "bank": (150, 80), "rides": (150, 80)}
SITUATIONS = {
    "defaults": [],
    "wide, trained long": ["training.epochs=400", "network.hidden=[256, 256]", "optimizer.learning_rate=0.01"],
    "half dropped out": ["regularization.dropout=0.5"],
}
MADE_ROWS = 3000


@dataclass
class Line:
    """One table in one situation, a number a seed."""

    situation: str
    table: str
    train: int
    dev: int
    test: int = 0
    temperature: list[float] = field(default_factory=list)
    ece_before: list[float] = field(default_factory=list)
    ece_after: list[float] = field(default_factory=list)
    loss_before: list[float] = field(default_factory=list)
    loss_after: list[float] = field(default_factory=list)

    def add(self, config: list[str], runs: Path) -> None:
        """Train and calibrate once."""
        run = train(load_config(None, config), runs).run
        found = calibrate(load_model(StoredRun(run)))
        before, after = found.parts["test"]["before"], found.parts["test"]["after"]
        self.test = found.parts["test"]["rows"]
        self.temperature.append(found.model.temperature)
        self.ece_before.append(before["calibration_error"])
        self.ece_after.append(after["calibration_error"])
        self.loss_before.append(before["loss"])
        self.loss_after.append(after["loss"])

    @property
    def ratio(self) -> float:
        """Of the calibration errors."""
        return statistics.mean(self.ece_after) / statistics.mean(self.ece_before)

    def as_line(self) -> str:
        """A line of the Markdown table."""
        ece = " | ".join(f"{100 * statistics.mean(found):.1f}%" for found in (self.ece_before, self.ece_after))
        loss = " | ".join(f"{statistics.mean(found):.3f}" for found in (self.loss_before, self.loss_after))
        lower = sum(after < before for before, after in zip(self.ece_before, self.ece_after, strict=True))
        rows, warm = f"{self.train}, {self.dev}, {self.test}", statistics.median(self.temperature)
        cells = [self.situation, self.table, rows, f"{warm:.2f}", ece, f"{self.ratio:.2f}", loss]
        return f"| {' | '.join(cells)} | {lower} of {len(self.ece_after)} |"


def sources(folder: Path, names: list[str]) -> Iterator[tuple[str, int, list[str]]]:
    """Name, rows and settings of each table."""
    for name in names:
        if name in BUNDLED:
            yield name, len(read_source(Data(source=name))["all"]), [f"data.source={name}"]
        else:
            path = MADE[name].write(folder, MADE_ROWS)
            yield name, MADE_ROWS, [f"data.source={path}", f"data.target={MADE[name].target}"]


def both(lines: list[Line]) -> tuple[list[list[float]], list[list[float]]]:
    """Calibration errors before and after, of each line."""
    return [line.ece_before for line in lines], [line.ece_after for line in lines]


def main() -> None:
    """Print the table; see --help."""
    restart_cleaned()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="append", choices=ROWS, help="all where left out")
    parser.add_argument("--situation", action="append", choices=SITUATIONS, help="all where left out")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--ensemble", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], dest="settings", help="a further setting of every run")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = []
    several = [f"network.ensemble={given.ensemble}"] if given.ensemble > 1 else []
    with tempfile.TemporaryDirectory() as folder:
        tables = list(sources(Path(folder), given.table or [*ROWS]))
        for situation in given.situation or SITUATIONS:
            for name, rows, settings in tables:
                line = Line(situation, name, *ROWS[name])
                shares = [line.train / rows, line.dev / rows, 1 - (line.train + line.dev) / rows]
                for seed in range(given.seeds):
                    keys = [f"seed={10 * seed}", f"data.split_seed={seed}", f"data.split={shares}"]
                    every = [*settings, *keys, *SITUATIONS[situation], *several, *given.settings]
                    line.add(every, Path(folder) / "runs")
                found.append(line)
                print(line.as_line(), file=sys.stderr, flush=True)
    if given.json:
        print(json.dumps([asdict(line) | {"ratio": line.ratio} for line in found]))
        return
    print("| | table | train, dev, test | T | ECE before | after | ratio | log loss before | after | lower |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    print("\n".join(line.as_line() for line in found), "\n")
    for situation in given.situation or SITUATIONS:
        own = [line for line in found if line.situation == situation]
        before, after = (statistics.mean(100 * statistics.mean(of) for of in each) for each in both(own))
        print(f"{situation}: mean ECE {before:.1f}% before, {after:.1f}% after, ratio {after / before:.2f}")


if __name__ == "__main__":
    main()
