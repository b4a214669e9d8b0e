"""Colours of what commands tell: a judgement, a fault, the best row, what to type next. All else stays as it is."""

from __future__ import annotations

import re
from typing import NamedTuple

BOLD, GREEN, YELLOW, RED = "1", "1;32", "1;33", "1;31"
WORDS = {"high": RED, "unclear": YELLOW, "low": GREEN, "fail": RED, "warn": YELLOW, "pass": GREEN, "symptom": YELLOW,
         "failed": RED, "diverged": RED, "interrupted": YELLOW}  # fmt: skip


class Rule(NamedTuple):
    """What is coloured where a line is as `pattern`: its only group, as that word has it, or else `style`."""

    pattern: re.Pattern[str]
    style: str | None = None


RULES = (
    Rule(re.compile(r"^(next {5}.*)"), BOLD),
    Rule(re.compile(r"^(.* best)$"), BOLD),  # of epochs
    Rule(re.compile(r"[+-][0-9.]+ points .*\b(high|low|unclear)$")),  # a gap
    Rule(re.compile(r"^(pass|warn|fail|symptom|failed|diverged|interrupted) ")),
    Rule(re.compile(r" {2}(failed|diverged|interrupted)(?= {2}|$)")),  # a cell of a table
)


def painted(line: str) -> str:
    """A line with its colour, by the first rule that it is like."""
    for rule in RULES:
        if found := rule.pattern.search(line):
            start, end = found.span(1)
            style = rule.style or WORDS[found[1]]
            return f"{line[:start]}\x1b[{style}m{found[1]}\x1b[0m{line[end:]}"
    return line
