"""The table of ranges that a parameter can be drawn from."""

from __future__ import annotations

from nnrun.search.discrete import Choice, Int, IntLog, Quantized
from nnrun.search.intervals import Domain, Log, OneMinusLog, Uniform

DOMAINS: dict[str, type[Domain]] = {
    "uniform": Uniform,
    "int": Int,
    "log": Log,
    "int_log": IntLog,
    "one_minus_log": OneMinusLog,
    "choice": Choice,
    "quantized": Quantized,
}
