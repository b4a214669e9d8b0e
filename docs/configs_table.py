"""Trains every config in configs/ and prints the Markdown table of configs/README.md.

python docs/configs_table.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import nnrun
from nnrun.cli.configs import examples, lesson
from nnrun.text import number, percent

HEADING = """\
| file | what it teaches | epochs | train | dev | test | last train | last dev | last cost |
| --- | --- | --: | --: | --: | --: | --: | --: | --: |"""


def row(path: Path, runs: Path) -> str:
    """Train one config; its errors at the best epoch, then at the last one."""
    run = nnrun.train(path, runs)
    best, last = run.final, run.metrics[-1]
    cells = [
        f"[{path.stem}]({path.name})",
        lesson(path),
        str(run.record["epochs"]),
        *(percent(best[error]) if error in best else "–" for error in ("train_error", "dev_error", "test_error")),
        *(percent(last[f"{part}_error"]) for part in ("train", "dev")),
        number(last["cost"]),
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """The table, a row a config."""
    print(HEADING)
    with tempfile.TemporaryDirectory() as runs:
        for path in examples().values():
            print(row(path, Path(runs)), flush=True)


if __name__ == "__main__":
    main()
