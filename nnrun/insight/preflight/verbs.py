"""The checks of a configuration before its first step, one after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict, get_args

import numpy as np

from nnrun.config.load import Loaded
from nnrun.data.files.chunks import Heard, nobody
from nnrun.data.raw import read_parts
from nnrun.errors import UsageError
from nnrun.insight.preflight.checks import CHECKS, Check
from nnrun.insight.preflight.context import USUAL, Context, Probe
from nnrun.runs.conclusion import in_fold
from nnrun.runs.preparing import begun
from nnrun.runs.symptoms.evidence import Finding, Status
from nnrun.text import wrapped

STATUSES: Sequence[Status] = get_args(Status)
Document = TypedDict(
    "Document", {"schema_version": int, "pass": int, "warn": int, "fail": int, "checks": list[Mapping[str, Any]]}
)


LARGEST_STEP = 1.0  # beyond which a difference has nothing to do with a slope


def probe(epsilon: float | None = None, every: bool = False) -> Probe:
    """How the gradient is checked: by this step, None for the usual one; by every parameter or by a sample.

    Raises UsageError for a step that cannot be.
    """
    if epsilon is not None and not 0 < epsilon <= LARGEST_STEP:
        raise UsageError(
            f"a step of the gradient check is above 0 and at most {LARGEST_STEP:g}, such as 1e-7, got {epsilon:g}"
        )
    return Probe(epsilon or USUAL.epsilon, None if every else USUAL.most)


def open_context(loaded: Loaded, root: Path, heard: Heard = nobody, how: Probe = USUAL) -> Context:
    """Data, engine and network as `nnrun train` would have them, the prepared data cached under `root`.

    `how` is how the gradient is checked. Of several folds the first is looked at. Raises ConfigError and DataError as
    training does.
    """
    given = loaded
    if loaded.config.data.in_folds:
        told = f"of the {loaded.config.data.folds} folds the first is looked at"
        loaded = replace(loaded, config=in_fold(loaded.config, 1), notices=[*loaded.notices, told])
    loaded, dataset = begun(loaded, root, heard)
    return Context(loaded, dataset, read_parts(loaded.config.data, heard), given, how)


def preflight(context: Context) -> Iterator[tuple[str, Finding]]:
    """The name and the finding of each check, in the order of the table."""
    failed: set[str] = set()
    for name, check in CHECKS.items():
        finding = _run(check, context, failed)
        if finding.status == "fail":
            failed.add(name)
        yield name, finding


INDENT = " " * 19


def finding_lines(name: str, finding: Finding) -> Iterator[str]:
    """The finding beside its name, then its picture, then the cure."""
    yield from wrapped(finding.text, f"{finding.status}  {name:<13}")
    for line in (finding.picture or "").splitlines():
        yield INDENT + line
    if finding.cure:
        yield from wrapped(finding.cure, f"      {'cure':>11}  ")


def counts_line(statuses: Counter[str]) -> str:
    """How many checks came to what."""
    return ", ".join(f"{statuses[status]} {status}" for status in STATUSES)


def as_json(checks: Sequence[tuple[str, Finding]]) -> Document:
    """What `--json` prints."""
    statuses = Counter(finding.status for _, finding in checks)
    entries: list[Mapping[str, Any]] = [
        {"name": name, "status": finding.status, "finding": finding.text, "cure": finding.cure, **finding.numbers}
        for name, finding in checks
    ]
    passed, warned, failed = (statuses[status] for status in STATUSES)
    return {"schema_version": 1, "pass": passed, "warn": warned, "fail": failed, "checks": entries}


def _run(check: Check, context: Context, failed: set[str]) -> Finding:
    if blamed := [name for name in check.after if name in failed]:
        return Finding("warn", f"not checked, since {blamed[0]} failed", f"mend {blamed[0]} first")
    with np.errstate(all="ignore"):
        return check.run(context)
