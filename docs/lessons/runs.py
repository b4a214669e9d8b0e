"""What the lessons of the gallery are made of: real runs and searches of the files in configs/, each done once."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import nnrun
from nnrun.report.page.charts import Chart
from nnrun.report.page.html import Markup, paragraph
from nnrun.report.page.page import Grid
from nnrun.report.search.results import Results
from nnrun.runs.stored import StoredRun
from nnrun.search.state import Options
from nnrun.search.study import Watcher
from nnrun.search.verbs import begin

OTHER_SEEDS = range(1, 6)
CONFIGS = Path(__file__).parents[2] / "configs"


@dataclass(frozen=True)
class Lesson:
    """A picture with its title, and the numbers that it shows as a table."""

    title: str
    parts: Sequence[Markup | Chart | Grid]
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    told: str = ""
    see: str = ""  # what to look at, a line in the picture

    @property
    def shown(self) -> Sequence[Markup | Chart | Grid]:
        """What the picture has."""
        return [paragraph(self.see), *self.parts] if self.see else self.parts

    @property
    def alt(self) -> str:
        """What the picture shows in words."""
        parts = [each for part in self.parts for each in (part.charts if isinstance(part, Grid) else [part])]
        return " ".join(chart.alt for chart in parts if isinstance(chart, Chart))


@dataclass
class Runs:
    """Trains and searches for a lesson, and keeps what had to be typed for that."""

    root: Path
    configs: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    def train(self, name: str, *overrides: str) -> nnrun.Run:
        """A run of configs/NAME.yaml."""
        self._note("train", name, overrides)
        return _trained(self.root, name, overrides)

    def search(self, name: str, *overrides: str) -> Results:
        """The search of configs/NAME.yaml."""
        self._note("search", name, overrides)
        return _searched(self.root, name, overrides)

    def other_seeds(self, name: str) -> list[Results]:
        """The same search with five other seeds."""
        seeds = " ".join(map(str, OTHER_SEEDS))
        self.commands.append(f"for seed in {seeds}; do nnrun search configs/{name}.yaml --set seed=$seed; done")
        return [_searched(self.root, name, (f"seed={seed}",)) for seed in OTHER_SEEDS]

    def _note(self, verb: str, name: str, overrides: Sequence[str]) -> None:
        words = ["nnrun", verb, f"configs/{name}.yaml", *(word for each in overrides for word in ("--set", each))]
        self.commands.append(shlex.join(words))
        if name not in self.configs:
            self.configs.append(name)


@cache
def _trained(root: Path, name: str, overrides: tuple[str, ...]) -> nnrun.Run:
    return nnrun.train(nnrun.load_config(CONFIGS / f"{name}.yaml", overrides), root)


@cache
def _searched(root: Path, name: str, overrides: tuple[str, ...]) -> Results:
    loaded = nnrun.load_config(CONFIGS / f"{name}.yaml", overrides)
    return Results.of(StoredRun(begin(loaded, root, Options(), Watcher()).run))
