"""Trains every config in configs/, searches in a few ways, and writes docs/gallery.md with a picture of each.

    python docs/gallery.py

The pictures are charts of the pages that `nnrun report` makes, drawn by Chromium. Takes some two minutes.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configs_table import CONFIGS, lesson
from playwright.sync_api import sync_playwright

PICTURES = Path(__file__).parent / "gallery"
SIZE = {"format": "svg", "width": 560, "height": 290}
CHARTS = {  # where another chart than that of the errors shows what a config teaches
    "deep_he_batch_norm": "Size of the gradients",
    "init_too_large": "Loss and cost",
    "init_zeros": "Size of the gradients",
    "l1": "Weights of the best epoch",
    "l2": "Weights of the best epoch",
    "learning_rate_decay": "Learning rate",
    "logistic_regression": "How sure, and how often right",
    "no_l2": "Weights of the best epoch",
    "no_normalization": "Loss and cost",
    "regression": "Predicted and true",
    "vanishing": "Size of the gradients",
}
TO_IMAGE = """async ([title, size]) => {
  const figure = [...document.querySelectorAll("figure")].find(each => each.querySelector("h3").textContent === title);
  const place = figure.querySelector("[data-chart]");
  figure.scrollIntoView();
  while (!place.classList.contains("js-plotly-plot")) await new Promise(resume => setTimeout(resume, 20));
  await Plotly.relayout(place, { paper_bgcolor: "#ffffff", plot_bgcolor: "#ffffff" });
  return decodeURIComponent((await Plotly.toImage(place, size)).replace(/^data:image\\/svg\\+xml,/, ""));
}"""
RATE, PENALTY = "optimizer.learning_rate", "regularization.l2"
START = """\
# Gallery

What `python docs/gallery.py` makes of [configs](../configs/README.md): each is trained, and a chart of its page shows
what it teaches.
"""


@dataclass(frozen=True)
class Look:
    """A picture: its name, the sentence, the command whose page it is from, and the chart's title."""

    name: str
    sentence: str
    command: Sequence[str]
    chart: str


def trainings() -> Iterator[Look]:
    """One of each config; statistics of layers are recorded for all, which changes no result."""
    for path in sorted(CONFIGS.glob("*.yaml")):
        command = ["train", f"configs/{path.name}", "--set", "training.layer_statistics=true"]
        if path.stem == "search":
            command = ["search", f"configs/{path.name}"]
        chart = "Which parameters mattered" if path.stem == "search" else CHARTS.get(path.stem, "Error")
        yield Look(path.stem, lesson(path), command, chart)


def searches() -> Iterator[Look]:
    """Ways to search the same space."""
    by_decades = {RATE: "{log: [1e-4, 1]}", PENALTY: "{log: [1e-4, 10]}"}
    few = {RATE: "{choice: [0.0001, 0.001, 0.01, 0.1, 1]}", PENALTY: "{choice: [0.0001, 0.001, 0.01, 0.1, 1]}"}
    evenly = {RATE: "{uniform: [1e-4, 1]}", PENALTY: "{uniform: [1e-4, 10]}"}
    yield _search("grid", few, 25, f"A grid of 25 trials tries {RATE} at 5 values only.")
    yield _search("random", by_decades, 25, "At random, 25 trials try 25 values of each parameter.")
    yield _search("random", evenly, 25, "Drawn uniformly, nine of ten rates lie above 0.1.", "uniform")
    sentence = "From coarse to fine, each stage draws from a box around the best trials before it."
    yield _search("coarse_to_fine", by_decades, 48, sentence)


def _search(strategy: str, space: Mapping[str, str], trials: int, sentence: str, name: str | None = None) -> Look:
    written = ", ".join(f"{key}: {domain}" for key, domain in space.items())
    command = ["search", "configs/search.yaml", "--strategy", strategy, "--trials", str(trials)]
    return Look(f"search_{name or strategy}", sentence, [*command, "--set", f"search.space={{{written}}}"], RATE)


def page_of(look: Look, folder: Path) -> Path:
    """Run the command and return the page of what it made."""
    runs = folder / look.name
    options = ["-q", "--report", "--runs", str(runs)]
    words = [sys.executable, "-m", "nnrun", *look.command, *options]
    subprocess.run(words, cwd=CONFIGS.parent, check=True, stdout=subprocess.DEVNULL)
    return next(runs.glob("*/report.html"))


def draw(look: Look, page: Path, browser: Any) -> None:
    """The chart as a file."""
    tab = browser.new_page(viewport={"width": 1100, "height": 900}, color_scheme="light")
    tab.goto(page.as_uri())
    (PICTURES / f"{look.name}.svg").write_text(tab.evaluate(TO_IMAGE, [look.chart, SIZE]), encoding="utf-8")
    tab.close()


def photograph(page: Path, browser: Any) -> None:
    """The head of the main example's page, for the README."""
    tab = browser.new_page(viewport={"width": 1100, "height": 800}, color_scheme="light")
    tab.goto(page.as_uri())
    tab.wait_for_selector("#verdict .js-plotly-plot .barlayer")
    tab.screenshot(path=PICTURES / "page.png")
    tab.close()


def entry(look: Look) -> str:
    """A section of the page."""
    name = look.command[1].removeprefix("configs/")
    command = " ".join(f"'{word}'" if " " in word else word for word in look.command)
    picture = f"![{look.chart}](gallery/{look.name}.svg)"
    source = f"`nnrun {command}`, with [{name}](../configs/{name})"
    return f"## {look.name}\n\n{look.sentence}\n\n{picture}\n\n{source}\n"


def main() -> None:
    """Run everything, draw everything, write the page."""
    PICTURES.mkdir(exist_ok=True)
    looks = [*trainings(), *searches()]
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--enable-unsafe-swiftshader"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        for look in looks:
            page = page_of(look, Path(temporary))
            draw(look, page, browser)
            if look.name == "digits":
                photograph(page, browser)
            print(f"{look.name}: {look.sentence}", flush=True)
        browser.close()
    text = "\n".join([START, *map(entry, looks)])
    (PICTURES.parent / "gallery.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
