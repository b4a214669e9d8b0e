"""What `nnrun watch` costs: a folder with 50 runs of 2,000 epochs and a search of 10,000 trials, in Chromium.

    python benchmarks/watching.py [--minutes 1] [--runs 50] [--epochs 2000] [--trials 10000] [--chosen 50]

Needs Chromium and Playwright. Runs and trials are made of a few that were trained; the run that grows and the search
are held by this process, as if they were under way. Told are: the first paint, and when the table and the curves of the
chosen runs are there; how long after it is written a new epoch and a new trial are on the page; main-thread time and
bytes of one update; the same with the search shown in full; memory of page (JavaScript heap after collection) and
server from begin to end; the share of a core of an idle watcher; a search beside it as a ratio to one alone, in turns.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from nnrun.files import sealed, to_json
from nnrun.runs.rundir import RunDir

CONFIG = """\
data: {source: iris}
network: {hidden: [4]}
training: {epochs: 3}
search:
  trials: 40
  space:
    optimizer.learning_rate: {log: [1e-4, 1e-1]}
    optimizer.beta1: {one_minus_log: [0.9, 0.999]}
    regularization.l2: {log: [1e-4, 10]}
    network.width: {int_log: [4, 64]}
"""
UPDATES = 8
LONG_TASKS = """
window.longest = 0;
new PerformanceObserver((seen) => {
  for (const task of seen.getEntries()) window.longest = Math.max(window.longest, task.duration);
}).observe({ entryTypes: ["longtask"] });
"""


def nnrun(*words: str, folder: Path) -> None:
    """A command."""
    subprocess.run([sys.executable, "-m", "nnrun", *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)


# the folder


def made(folder: Path, runs: int, epochs: int, trials: int) -> tuple[RunDir, RunDir]:
    """The runs there; the last of them and the search are under way."""
    (folder / "config.yaml").write_text(CONFIG)
    nnrun("train", "config.yaml", "-q", "--set", "name=a", folder=folder)
    (first,) = (folder / "runs").glob("*-a-*")
    rows = [json.loads(line) for line in (first / "metrics.jsonl").read_text().splitlines()]
    for number in range(1, runs):
        copied(first, first.with_name(f"{first.name[:-4]}{number:04x}"), rows[-1], epochs, number)
    lengthened(first, rows[-1], epochs, 0)
    RunDir(first).update_record(status="running", written=None)
    nnrun("search", "config.yaml", "-q", "--set", "name=many", folder=folder)
    search = next((folder / "runs").glob("*-many-*"))
    lines = [json.loads(line) for line in (search / "trials.jsonl").read_text().splitlines()]
    made_of = (trial_like(lines, number) for number in range(len(lines), trials))
    with (search / "trials.jsonl").open("a") as file:
        file.writelines(to_json(one) + "\n" for one in made_of)
    RunDir(search).update_record(status="running")
    return RunDir(first), RunDir(search)


def copied(source: Path, run: Path, row: dict[str, Any], epochs: int, number: int) -> None:
    """Another run like one, with curves of its own."""
    shutil.copytree(source, run)
    lengthened(run, row, epochs, number)
    RunDir(run).update_record(id=run.name, epochs=epochs, written=RunDir(run).written())


def lengthened(run: Path, row: dict[str, Any], epochs: int, number: int) -> None:
    """Give a run so many epochs."""
    dice = random.Random(number)
    rows = (row_like(row, epoch, dice) for epoch in range(1, epochs + 1))
    (run / "metrics.jsonl").write_text("".join(to_json(one) + "\n" for one in rows))


def row_like(row: dict[str, Any], epoch: int, dice: random.Random) -> dict[str, Any]:
    """An epoch."""
    loss = 1 / (1 + 0.01 * epoch) * dice.uniform(0.9, 1.1)
    numbers = {"train_loss": loss, "dev_loss": 1.1 * loss, "train_error": loss / 2, "dev_error": 0.55 * loss}
    return {**row, **numbers, "epoch": epoch, "step": 2 * epoch}


def trial_like(lines: list[dict[str, Any]], number: int) -> dict[str, Any]:
    """A trial."""
    one = random.Random(number)
    model = one.choice(lines)
    values = {**model["values"], "optimizer.learning_rate": 10 ** one.uniform(-4, -1)}
    return sealed({**model, "number": number, "values": values, "metric": one.uniform(0.02, 0.9), "time": time.time()})


# the page


class Page:
    """A page of a server, and what it costs."""

    def __init__(self, browser: Any, address: str) -> None:
        self.page = browser.new_page(viewport={"width": 1440, "height": 900})
        self.page.set_default_timeout(120_000)
        self.page.add_init_script(LONG_TASKS)
        self.devtools = self.page.context.new_cdp_session(self.page)
        self.bytes = 0
        self.devtools.on("Network.dataReceived", self._received)
        for domain in ("Network", "Performance", "HeapProfiler"):
            self.devtools.send(f"{domain}.enable")
        self.began = time.perf_counter()
        self.page.goto(address)

    def _received(self, event: dict[str, Any]) -> None:
        self.bytes += event["dataLength"]

    def until(self, holds: str) -> float:
        """Seconds from now on until something holds, asked each hundredth."""
        began = time.perf_counter()
        while not self.page.evaluate(holds):
            if time.perf_counter() - began > 120:
                raise SystemExit(f"never: {holds}")
            self.page.wait_for_timeout(10)
        return time.perf_counter() - began

    def busy(self) -> float:
        """Seconds of the main thread until now."""
        found = self.devtools.send("Performance.getMetrics")["metrics"]
        return float(next(one["value"] for one in found if one["name"] == "TaskDuration"))

    def heap(self) -> float:
        """Megabytes that are in use."""
        self.devtools.send("HeapProfiler.collectGarbage")
        return float(self.page.evaluate("performance.memory.usedJSHeapSize")) / 1e6


def updates(page: Page, write: Callable[[], object], seen: Callable[[], str], what: str) -> None:
    """How soon something is seen, and what one costs when nobody asks in between."""
    took = []
    for _ in range(UPDATES):
        write()
        took.append(page.until(seen()))
    page.page.wait_for_timeout(3000)
    page.page.evaluate("window.longest = 0")
    received, busy = page.bytes, page.busy()
    for _ in range(UPDATES):
        write()
        page.page.wait_for_timeout(1500)
    each = (page.busy() - busy) / UPDATES
    longest = page.page.evaluate("window.longest")
    print(
        f"{what}: seen after {statistics.median(took):.2f} s (at most {max(took):.2f}); an update takes "
        f"{1000 * each:.0f} ms of the main thread, tasks of {longest:.0f} ms at most (0: below 50), "
        f"and {(page.bytes - received) / UPDATES / 1000:.1f} kB"
    )


# what is measured


@contextmanager
def watched(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """The address of a watcher and its process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "nnrun", "watch", "--port", "0"], cwd=folder, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip(), psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def cpu(process: psutil.Process) -> float:
    """Seconds of the processor."""
    return float(sum(process.cpu_times()[:2]))


def browsing() -> float:
    """The same of all processes of the browser."""
    mine = psutil.Process().children(recursive=True)
    return sum(cpu(one) for one in mine if one.is_running() and "chrom" in one.name())


def memory(process: psutil.Process) -> float:
    """Megabytes."""
    return float(process.memory_info().rss) / 1e6


def measure(folder: Path, browser: Any, run: RunDir, search: RunDir, wanted: argparse.Namespace) -> None:
    """All that is told of one page."""
    row = run.metrics()[-1]
    dice = random.Random(7)
    lines = [json.loads(line) for line in (search.path / "trials.jsonl").read_text().splitlines()[:40]]
    counts = {"epochs": wanted.epochs, "trials": wanted.trials}

    def epoch() -> None:
        counts["epochs"] += 1
        with (run.path / "metrics.jsonl").open("a") as file:
            file.write(to_json(row_like(row, counts["epochs"], dice)) + "\n")

    def trial() -> None:
        with (search.path / "trials.jsonl").open("a") as file:
            file.write(to_json(trial_like(lines, counts["trials"])) + "\n")
        counts["trials"] += 1

    def text(name: RunDir, told: str) -> str:
        return f"document.querySelector('tr[data-id=\"{name.id}\"]').textContent.includes('{told}')"

    def last() -> str:
        return f"Math.max(...shownLines.flatMap((one) => one.x)) === {counts['epochs']}"

    with watched(folder) as (address, process):
        page = Page(browser, address)
        page.until("document.querySelectorAll('#runs tbody tr').length > 1")
        table = time.perf_counter() - page.began
        paint = page.page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime") / 1000
        print(f"first paint {paint:.2f} s, table {table:.2f} s")
        updates(page, epoch, lambda: text(run, str(counts["epochs"])), "an epoch in the table")
        updates(page, trial, lambda: text(search, f"{counts['trials']} trials"), "a trial in the table")
        began = time.perf_counter()
        ids = [run.id, *(row for row in page.page.evaluate("[...rows.keys()]") if row not in (run.id, search.id))]
        received = page.bytes
        page.page.evaluate("window.longest = 0")
        page.page.evaluate(f"{json.dumps(ids[: wanted.chosen])}.forEach((id) => choose(id, true))")
        page.until(f"shownLines.filter((one) => one.x.length).length === {2 * min(wanted.chosen, len(ids))}")
        page.until(last())
        print(
            f"curves of {wanted.chosen} runs after {time.perf_counter() - began:.2f} s, "
            f"{(page.bytes - received) / 1e6:.2f} MB, tasks of {page.page.evaluate('window.longest'):.0f} ms at most"
        )
        updates(page, epoch, last, f"an epoch in the curves of {wanted.chosen}")
        idle(page, process, "idle, curves shown")
        page.page.evaluate(f"show({json.dumps(search.id)})")
        page.until("document.querySelectorAll('#charts .js-plotly-plot').length > 2")
        page.page.wait_for_timeout(3000)
        shown = lambda: f"document.getElementById('charts').textContent.length && {text(search, str(counts['trials']))}"  # noqa: E731
        updates(page, trial, shown, "a trial, its search shown in full")
        bounded(page, process, epoch, trial, wanted.minutes)
        page.page.close()


def idle(page: Page, process: psutil.Process, what: str) -> None:
    """Shares of a core where nothing comes."""
    page.page.wait_for_timeout(3000)
    began, busy, spent = time.perf_counter(), page.busy(), cpu(process)
    page.page.wait_for_timeout(15_000)
    passed = time.perf_counter() - began
    print(f"{what}: server {(cpu(process) - spent) / passed:.1%} of a core, page {(page.busy() - busy) / passed:.1%}")


def bounded(page: Page, process: psutil.Process, epoch: Callable[[], object], trial: Callable[[], object],
            minutes: float) -> None:  # fmt: skip
    """Memory while epochs and trials come, ten a second."""
    began, spent, told = time.perf_counter(), cpu(process), []
    while (passed := time.perf_counter() - began) < 60 * minutes or len(told) < 2:
        if passed >= len(told) * 60 * minutes / 4:
            told.append((page.heap(), memory(process)))
        epoch()
        trial()
        page.page.wait_for_timeout(100)
    told.append((page.heap(), memory(process)))
    pages, servers = (" ".join(f"{one[i]:.0f}" for one in told) for i in (0, 1))
    share = (cpu(process) - spent) / (time.perf_counter() - began)
    print(f"{minutes:g} minutes of ten epochs and trials a second: heap of the page {pages} MB, server {servers} MB, "
          f"{share:.0%} of a core")  # fmt: skip


def beside(folder: Path, browser: Any, trials: int, repeats: int) -> None:
    """The same search alone and with a watcher whose page is open, in turns."""
    took: dict[bool, list[float]] = {False: [], True: []}
    spent = []  # seconds of the processor, of server and browser
    for _ in range(repeats):
        for with_page in took:
            with tempfile.TemporaryDirectory(dir=folder) as place, contextlib.ExitStack() as stack:
                (Path(place) / "config.yaml").write_text(CONFIG)
                if with_page:
                    address, server = stack.enter_context(watched(Path(place)))
                    page = Page(browser, address)
                    stack.callback(page.page.close)
                    page.page.wait_for_timeout(2000)
                    before = cpu(server), browsing()
                began = time.perf_counter()
                nnrun("search", "config.yaml", "-q", "--trials", str(trials), folder=Path(place))
                took[with_page].append(time.perf_counter() - began)
                if with_page:
                    spent.append((cpu(server) - before[0], browsing() - before[1]))
    served, browsed = (statistics.median(each) for each in zip(*spent, strict=True))
    alone, seen = (statistics.median(took[each]) for each in took)
    print(f"a search of {trials} trials: alone {alone:.1f} s, watched {seen:.1f} s, ratio {seen / alone:.2f}; "
          f"the server takes {served:.2f} s of the processor, the browser {browsed:.2f} s")  # fmt: skip


def main() -> None:
    """All of it, in a folder that is removed again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, usual in (("runs", 50), ("epochs", 2000), ("trials", 10_000), ("chosen", 50), ("repeats", 3)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--minutes", type=float, default=1)
    wanted = parser.parse_args()
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    options = ["--no-sandbox", "--disable-gpu", "--enable-precise-memory-info", "--enable-unsafe-swiftshader"]
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        folder = Path(name)
        run, search = made(folder, wanted.runs, wanted.epochs, wanted.trials)
        with run.locked(), search.locked():
            measure(folder, browser, run, search, wanted)
        if wanted.repeats:
            beside(folder, browser, 2000, wanted.repeats)
        browser.close()


if __name__ == "__main__":
    main()
