"""Size of the pages of a large search and of a long run, how long it takes to write them, and to open them.

    python benchmarks/report.py

Needs Chromium on the path. Opened means: the page is loaded and its first charts are drawn; all: every chart is drawn,
as for printing. Without a graphics card most of the latter are parallel coordinates, which WebGL draws.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

SPACE = (
    "{optimizer.learning_rate: {log: [1e-4, 10]}, optimizer.name: {choice: [adam, sgd]}, "
    "regularization.l2: {log: [1e-4, 10]}, regularization.dropout: {quantized: [0.0, 0.5, 0.1]}, "
    "network.width: {int_log: [8, 64]}, training.batch_size: {choice: [128, 256]}}"
)
REPEATS = 3
HEADING = f"{'page':<24}{'MB':>6}{'written':>10}{'opened':>9}{'all':>8}"


def nnrun(*words: str, folder: Path) -> float:
    """Seconds that a command takes."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "nnrun", *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def settings(**values: str) -> list[str]:
    """As options; two underscores stand for the dot of a key."""
    return [word for key, value in values.items() for word in ("--set", f"{key.replace('__', '.')}={value}")]


def opened(page: Path, browser: Any) -> tuple[float, float]:
    """Seconds until the page is there, and until all of its charts are."""
    tab = browser.new_page(viewport={"width": 1440, "height": 900})
    began = time.perf_counter()
    tab.goto(page.as_uri())
    tab.wait_for_selector("html[data-waiting]", state="attached")
    there = time.perf_counter() - began
    tab.evaluate("() => ['beforeprint', 'afterprint'].forEach(name => dispatchEvent(new Event(name)))")
    everything = time.perf_counter() - began
    tab.close()
    return there, everything


def measure(what: str, folder: Path, browser: Any) -> None:
    """A line of the table, medians."""
    written = median(nnrun("report", folder=folder) for _ in range(REPEATS))
    (page,) = (folder / "runs").glob("*/report.html")
    times = [opened(page, browser) for _ in range(REPEATS)]
    there, everything = (median(each[i] for each in times) for i in (0, 1))
    size = page.stat().st_size / 1e6
    print(f"{what:<24}{size:>6.1f}{written:>8.1f} s{there:>7.1f} s{everything:>6.1f} s", flush=True)


def main() -> None:
    """Train, then measure."""
    from playwright.sync_api import sync_playwright

    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--trials", type=int, default=1000)
    options.add_argument("--epochs", type=int, default=10_000)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        search, run = Path(temporary, "search"), Path(temporary, "run")
        for folder in (search, run):
            folder.mkdir()
        of_search = settings(data__source="digits", training__epochs="20", search__space=SPACE)
        nnrun("search", "-q", "--trials", str(asked.trials), *of_search, folder=search)
        of_run = settings(data__source="iris", training__epochs=str(asked.epochs), training__layer_statistics="true")
        nnrun("train", "-q", *of_run, folder=run)
        arguments = ["--no-sandbox", "--enable-unsafe-swiftshader"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        print(HEADING)
        measure(f"search, {asked.trials:,} trials", search, browser)
        measure(f"run, {asked.epochs:,} epochs", run, browser)
        browser.close()


if __name__ == "__main__":
    main()
