"""What `step.py` measured, as rows of JSON and as tables in Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from peers import Problem

STACKED = (8, 32)
SOLO = ("nnrun", "compiled", "sklearn", "torch", "jax")
SHARED = ("compiled", "torch", "jax")  # also timed with more threads, as `torch 2`


@dataclass
class Timing:
    """What one peer took, one entry a repeat."""

    step_us: list[float] = field(default_factory=list)
    epoch_us: list[float] = field(default_factory=list)
    cpu_share: list[float] = field(default_factory=list)  # CPU seconds a second: about 1 for one thread

    @property
    def step(self) -> float:
        """Median time of a step, µs."""
        return statistics.median(self.step_us)

    @property
    def epoch(self) -> float:
        """Median time of an epoch, µs."""
        return statistics.median(self.epoch_us)


@dataclass
class Row:
    """All that was measured at one shape; a peer that is missing has no timing."""

    problem: Problem
    timings: dict[str, Timing]
    peak: float  # operations a second
    compile_s: float | None
    threads: dict[str, str]

    def step(self, name: str) -> float | None:
        """Median time of a peer's step, µs a member; None without the peer."""
        timing = self.timings.get(name)
        return timing.step / members(name) if timing else None

    def epoch(self, name: str) -> float | None:
        """Median time of a peer's epoch, ms."""
        timing = self.timings.get(name)
        return timing.epoch / 1e3 if timing else None

    def cpu(self, name: str) -> float | None:
        """Median CPU seconds a second of a peer's steps."""
        timing = self.timings.get(name)
        return statistics.median(timing.cpu_share) if timing else None

    def ratio(self, name: str, to: str = "nnrun") -> float | None:
        """How many times slower than nnrun a peer is."""
        ours, theirs = self.step(to), self.step(name)
        return theirs / ours if ours and theirs else None

    @property
    def more(self) -> list[str]:
        """The peers with more than one thread, and those of regularised networks."""
        return [name for name in self.timings if name.partition(" ")[0] in SHARED and " " in name]

    @property
    def gemm_share(self) -> float | None:
        """Rate of the needed products in nnrun's step over the peak."""
        step = self.step("nnrun")
        return self.problem.flops / (step * 1e-6) / self.peak if step else None

    def as_json(self) -> dict[str, Any]:
        """The row that `--json` prints."""
        return {
            "shape": self.problem.name,
            "batch": self.problem.batch,
            **{f"{name}_us": rounded(self.step(name)) for name in SOLO},
            **{f"{name.replace(' ', '_')}_us": rounded(self.step(name)) for name in self.more},
            "jax_compile_s": rounded(self.compile_s),
            "gemm_share": rounded(self.gemm_share),
            "stacked_us": {str(k): rounded(self.step(f"nnrun x{k}")) for k in STACKED},
        }


def rounded(value: float | None) -> float | None:
    """Four significant digits."""
    return None if value is None else float(f"{value:.4g}")


def members(name: str) -> int:
    """8 for `nnrun x8`, 1 for a peer that trains one network."""
    return int(name.partition(" x")[2] or 1)


def report(rows: list[Row]) -> str:
    """Four tables (steps, ratios, epochs, CPU use), one more of what was asked for, and the threads of each peer."""
    stacked = [f"nnrun x{k}" for k in STACKED]
    more = rows[0].more if rows else []
    asked_for = [
        "Microseconds a training step with more threads or regularised (median), and beside one thread's plain step",
        table([*more, *(f"{name}, ratio" for name in more)], rows, more_cells),
    ]
    return "\n\n".join(
        [
            "Microseconds a training step, a member where stacked (median)",
            table([*SOLO, *stacked, "JAX compile, s", "GFLOP/s peak", "share of peak"], rows, step_cells),
            "Ratios of these times",
            table(["torch/nnrun", "sklearn/nnrun", "jax/nnrun", "torch/nnrun x32"], rows, ratio_cells),
            "Milliseconds an epoch (median)",
            table(["batches", *SOLO], rows, epoch_cells),
            *(asked_for if more else []),
            "CPU seconds a second of the steps (1 = one thread, busy)",
            table([*SOLO, *stacked], rows, lambda row: [row.cpu(name) for name in (*SOLO, *stacked)]),
            "\n".join(f"- {name}: {threads}" for name, threads in rows[0].threads.items() if members(name) == 1)
            if rows
            else "",
        ]
    )


def table(heads: list[str], rows: Iterable[Row], cells: Callable[[Row], list[float | None]]) -> str:
    """A Markdown table with a line for each shape."""
    lines = [["network (batch)", *heads], ["---", *["--:" for _ in heads]]]
    lines += [[f"{row.problem.name} ({row.problem.batch})", *map(written, cells(row))] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("| " + " | ".join(map(pad, line, widths)) + " |" for line in lines)


def pad(cell: str, width: int) -> str:
    """Text to the left, rules over the whole width, numbers to the right."""
    if set(cell) <= set("-:"):
        return cell.rjust(width, "-")
    return cell.rjust(width)


def written(value: float | None) -> str:
    """Three significant digits, whole from 100 on; a dash for what was not measured."""
    if value is None:
        return "–"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def step_cells(row: Row) -> list[float | None]:
    """Times of a step, then what goes with them."""
    times = [row.step(name) for name in (*SOLO, *(f"nnrun x{k}" for k in STACKED))]
    return [*times, row.compile_s, row.peak / 1e9, row.gemm_share]


def ratio_cells(row: Row) -> list[float | None]:
    """How many times slower than nnrun."""
    return [row.ratio("torch"), row.ratio("sklearn"), row.ratio("jax"), row.ratio("torch", to="nnrun x32")]


def epoch_cells(row: Row) -> list[float | None]:
    """Times of a whole epoch, ms."""
    return [row.problem.batches, *(row.epoch(name) for name in SOLO)]


def more_cells(row: Row) -> list[float | None]:
    """Times of a step with more threads or regularised, then these over those of one thread's plain step."""
    return [*map(row.step, row.more), *(row.ratio(name, to=name.partition(" ")[0]) for name in row.more)]
