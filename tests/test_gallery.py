"""The gallery shows every config, its pictures are there and show something, and its script makes them."""

from __future__ import annotations

import importlib
import re
import shlex
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnrun.report.run.examples import png

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs/gallery"
PAGE = (ROOT / "docs/gallery.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
FILES = sorted(PICTURES.iterdir())
BLANK = 0.01  # of the bytes
AGAIN = "run: python docs/gallery.py"


@pytest.fixture(scope="module")
def docs() -> Iterator[Any]:
    """Imports a module from docs/."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "docs"))
        yield importlib.import_module


def size(content: bytes) -> tuple[int, int]:
    """Width and height of a PNG."""
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def busy(content: bytes) -> float:
    """The share of the bytes in a PNG's lines, filtered as they are, that differ from the one before: 0 if blank."""
    at, compressed = 8, b""
    while at < len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        compressed += content[at + 8 : at + 8 + length] if content[at + 4 : at + 8] == b"IDAT" else b""
        at += 12 + length
    pixels = np.frombuffer(zlib.decompress(compressed), np.uint8)
    return float(np.count_nonzero(np.diff(pixels)) / len(pixels))


# the page


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_is_shown_with_its_sentence_and_a_command(path: Path) -> None:
    first = next(line for line in path.read_text().splitlines() if not line.startswith("# check: "))
    assert f"- [{path.stem}](../configs/{path.name}): {first.removeprefix('# ')}\n" in PAGE, AGAIN
    assert re.search(rf"^nnrun (train|search) configs/{path.name}", PAGE, re.MULTILINE)


def test_every_picture_is_there_and_no_other() -> None:
    shown = set(re.findall(r"\]\(gallery/([\w.]+)\)", PAGE)) | set(re.findall(r"\]\(docs/gallery/([\w.]+)\)", README))
    assert shown == {path.name for path in FILES}, AGAIN


def test_every_lesson_has_its_picture_in_words_and_its_numbers(docs: Any) -> None:
    names = [make.__name__ for makers in docs("gallery").LESSONS.values() for make in makers]
    sections = PAGE.split("\n### ")[1:]
    assert len(sections) == len(names)
    for name, section in zip(names, sections, strict=True):
        assert re.search(rf"!\[[^\n]{{20,}}\]\(gallery/{name}\.png\)", section), name
        table = [line for line in section.splitlines() if line.startswith("|")]
        assert len(table) >= 3
        assert len({line.count("|") for line in table}) == 1, name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_pictures_are_large_and_not_blank(path: Path) -> None:
    content = path.read_bytes()
    width, height = size(content)
    assert width >= 1400
    assert 700 <= height <= 1600
    assert busy(content) > BLANK
    assert len(content) < 300_000


def test_a_blank_picture_would_be_noticed() -> None:
    assert busy(png(np.full((400, 400, 1), 255, np.uint8))) < BLANK
    assert busy(png(np.arange(160_000, dtype=np.uint8).reshape(400, 400, 1))) > 0.5


# the lessons in order

LESSONS = (ROOT / "docs/lessons.md").read_text(encoding="utf-8")


def test_every_lesson_has_its_place_in_the_order(docs: Any) -> None:
    titles = [title for title in re.findall(r"^### (.+)$", PAGE, re.MULTILINE) if title not in NOT_OF_A_COURSE]
    anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    assert anchors - set(re.findall(r"gallery\.md#([\w-]+)", LESSONS)) == set()


NOT_OF_A_COURSE = ("Many settings at once", "L1 leaves few weights")


def commands(page: str) -> list[str]:
    """What answers a question: the last cell of each row."""
    return re.findall(r"`([^`|]+)` \|$", page, re.MULTILINE)


def test_every_lesson_has_a_question_and_a_command() -> None:
    rows = [
        line for line in LESSONS.splitlines() if line.startswith("| ") and not line.startswith(("| ---", "| topic"))
    ]
    assert len(rows) == len(commands(LESSONS)) > 20
    assert all("? |" in row for row in rows)
    for command in commands(LESSONS):
        for each in command.split(" && "):
            assert re.match(r"nnrun (train|search|check|diagnose|report)\b|python docs/gallery\.py \w+$", each)
        for name in re.findall(r"configs/(\w+)\.yaml", command):
            assert (ROOT / "configs" / f"{name}.yaml").is_file(), command


def output(command: str, runs: Path) -> str:
    """What the command of a lesson prints, of two the last one; the runs stand elsewhere."""
    for each in command.split(" && "):
        program, *words = shlex.split(each)
        script = f"{shlex.join([str(Path(sys.executable).with_name(program)), *words])} --runs {runs}"
        done = subprocess.run(script, shell=True, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode in ((0, 6) if words[0] == "check" else (0,)), done.stderr
    return done.stdout


@pytest.mark.soak
@pytest.mark.parametrize("command", [each for each in commands(LESSONS) if each.startswith("nnrun ")])
def test_the_command_of_a_lesson_runs(command: str, tmp_path: Path) -> None:
    output(command, tmp_path)


def answer(question: str) -> str:
    """The command that a lesson names for it."""
    (found,) = commands(next(line for line in LESSONS.splitlines() if question in line))
    return found


@pytest.mark.soak
def test_what_helps_four_units_is_told(tmp_path: Path) -> None:
    told = output(answer("What helps a network of 4 units?"), tmp_path)
    assert "A layer of 4 units is a narrow passage" in told
    assert "'network.hidden=[64]'" in told


@pytest.mark.soak
def test_where_the_signal_is_gone_and_which_step_is_too_small_is_told(tmp_path: Path) -> None:
    assert "vanishing in elu1" in output(answer("In which layer is the signal gone?"), tmp_path)
    told = " ".join(output(answer("Which step is best, and why not a smaller one?"), tmp_path).split())
    assert "with 1e-05: the gradient is right, the step too small, which leaves rounding" in told


@pytest.mark.soak
def test_how_many_steps_are_an_epoch_is_told(tmp_path: Path) -> None:
    output(answer("How many steps are an epoch?"), tmp_path)
    (page,) = tmp_path.glob("*/lesson-steps.html")
    assert "; 34 steps an epoch." in page.read_text(encoding="utf-8")


# the script


@pytest.mark.soak
def test_every_lesson_can_be_made(docs: Any, tmp_path: Path) -> None:
    for makers in docs("gallery").LESSONS.values():
        for make in makers:
            lesson = make(docs("lessons.runs").Runs(tmp_path))
            assert lesson.alt
            assert lesson.rows


def test_an_average_is_what_the_course_works_out_by_hand(docs: Any) -> None:
    """40, 49 and 45 degrees at β = 0.9: 4, 8.5, 12.15; divided by 0.1, 0.19 and 0.271."""
    averaged = docs("lessons.paths").averaged
    assert averaged(np.array([40.0, 49.0, 45.0]), 0.9, False) == pytest.approx([4, 8.5, 12.15])
    assert averaged(np.array([40.0, 49.0, 45.0]), 0.9, True) == pytest.approx([40, 8.5 / 0.19, 12.15 / 0.271])


def test_gradient_descent_is_slow_where_a_feature_is_raw(docs: Any, tmp_path: Path) -> None:
    """Per row: curvatures, rate, cost after 15 steps, and the lowest cost."""
    lesson = docs("lessons.paths").bowls(docs("lessons.runs").Runs(tmp_path))
    raw, normal = lesson.rows
    assert float(raw[1].replace(",", "")) > 5 > 2 > float(normal[1])
    assert float(raw[3]) > float(raw[4])
    assert normal[3] == normal[4]


def test_names_beside_lines_are_spread_until_none_touches_another(docs: Any) -> None:
    """100 pixels for 0 to 1. 0.50 and 0.55 are 5 pixels apart and need 17; 0.99 is too high to be moved above 1."""
    apart = docs("lessons.drawing")._apart
    assert apart([0.5, 0.55, 0.1], (0, 1), 100) == [0, 12, 0]
    assert apart([0.95, 0.99], (0, 1), 100) == [-12, 1]


def test_an_axis_of_decades_names_them(docs: Any) -> None:
    drawing = docs("lessons.drawing")
    axis = drawing.decades("cost", 1e-5, 10)
    assert axis["tickvals"] == [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10]
    assert axis["ticktext"] == ["10⁻⁵", "10⁻⁴", "0.001", "0.01", "0.1", "1", "10"]
    assert axis["range"] == [-5, 1]
    assert drawing.decades("cost", 0.01, 0.5)["ticktext"] == ["0.01", "0.02", "0.05", "0.1", "0.2", "0.5"]


def test_words_in_the_colours_of_lines_can_be_read(docs: Any) -> None:
    """WCAG 2.1 AA: 4.5 to 1 against white."""
    from nnrun.report.page import charts

    for color in (*charts.PALETTE, charts.GREY):
        dark = docs("lessons.drawing").darker(color)
        parts = [int(dark[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        assert 1.05 / (float(np.dot([0.2126, 0.7152, 0.0722], linear)) + 0.05) >= 4.5, color


def shape(text: str) -> str:
    """Without the digits, the last of which may differ between processors."""
    return re.sub(r"\d[\d.e+-]*", "#", text)


def test_an_entry_is_what_the_page_has(docs: Any, tmp_path: Path) -> None:
    runs = docs("lessons.runs").Runs(tmp_path)
    lesson = docs("lessons.networks").normalisation(runs)
    assert runs.commands == [
        "nnrun train configs/no_normalization.yaml",
        "nnrun train configs/logistic_regression.yaml",
    ]
    assert shape(docs("gallery").entry("normalisation", lesson, runs)) in shape(PAGE), AGAIN


def test_a_lesson_becomes_a_picture(docs: Any, tmp_path: Path) -> None:
    browser = docs("lessons.browser")
    if not any(map(shutil.which, browser.BROWSERS)):
        pytest.skip("no Chromium here; apt-get install chromium")
    lesson = docs("lessons.networks").normalisation(docs("lessons.runs").Runs(tmp_path / "runs"))

    def take() -> None:
        with browser.browser() as chromium:
            docs("gallery").take_pictures({"normalisation": lesson}, chromium, tmp_path / "pictures")

    with ThreadPoolExecutor(1) as thread:  # in this one the tests of reports may have a browser open already
        thread.submit(take).result()
    (path,) = (tmp_path / "pictures").iterdir()
    assert path.name == "normalisation.png"
    assert size(path.read_bytes())[0] == 2 * browser.WIDTH
    assert busy(path.read_bytes()) > BLANK
