"""The documents say what the code does: generated pages are up to date, and what a reader can type runs."""

from __future__ import annotations

import ast
import inspect
import json
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

import nnrun
from nnrun.cli.app import app
from nnrun.config.load import load_config
from nnrun.config.reference import reference_rows
from nnrun.config.space.domains import DOMAINS
from nnrun.config.versions import GONE
from nnrun.engine.activations import ACTIVATIONS
from nnrun.engine.augmentation import AUGMENTATIONS
from nnrun.engine.initializers import INITIALIZERS
from nnrun.engine.metrics import METRICS
from nnrun.engine.optimizers import OPTIMIZERS
from nnrun.engine.schedules import SCHEDULES
from nnrun.insight.preflight.checks import CHECKS
from nnrun.search.strategies import STRATEGIES
from tests.engines import LACKING

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
    *(ROOT / "configs/README.md", ROOT / "benchmarks/README.md"),
    *sorted((ROOT / "docs").glob("*.md")),
]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
INSTALLING = ("make ", "pip ", ". ")  # lines of the README that a test does not run
FORBIDDEN = (r"\bTODO\b", r"\bFIXME\b", r"(?<![\w&])#\d+", r"\bissue \d", r"/(work|tmp|home|root)/", r"\blorem\b")

Generator = dict[str, object]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def generator() -> Generator:
    return runpy.run_path(str(ROOT / "docs/generate.py"))


# the reference


def test_the_reference_is_what_the_generator_prints(generator: Generator) -> None:
    reference = generator["reference"]
    assert callable(reference)
    assert page("reference.md") == reference(), "run: python docs/generate.py > docs/reference.md"


def test_the_page_on_checks_is_what_the_generator_prints(generator: Generator) -> None:
    checks = generator["checks"]
    assert callable(checks)
    assert page("checks.md") == checks(), "run: python docs/generate.py checks > docs/checks.md"
    for name in CHECKS:
        assert f"| `{name}` |" in page("checks.md")


def test_the_page_on_diagnosis_is_what_the_generator_prints(generator: Generator) -> None:
    diagnosis = generator["diagnosis"]
    assert callable(diagnosis)
    assert page("diagnosis.md") == diagnosis(), "run: python docs/generate.py diagnosis > docs/diagnosis.md"


def test_the_page_on_metrics_is_what_the_generator_prints(generator: Generator) -> None:
    metrics = generator["metrics"]
    assert callable(metrics)
    assert page("metrics.md") == metrics(), "run: python docs/generate.py metrics > docs/metrics.md"
    for name in METRICS:
        assert f"| `{name}` |" in page("metrics.md")


def test_the_page_on_init_is_what_the_generator_prints(generator: Generator) -> None:
    init = generator["init"]
    assert callable(init)
    assert page("init.md") == init(), "run: python docs/generate.py init > docs/init.md"


def test_every_command_and_option_is_in_the_reference() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name, command in commands.items():
        _, found, rest = page("reference.md").partition(f"### nnrun {name}\n")
        assert found, name
        section = rest.partition("\n### ")[0]
        for option in command.params:
            assert option.param_type_name == "argument" or all(written in section for written in option.opts)


def test_every_key_is_in_the_reference() -> None:
    for row in reference_rows():
        assert f"`{row.key}`" in page("reference.md")


def test_the_files_of_a_run_and_the_keys_of_its_metrics_are_those_listed(generator: Generator, tmp_path: Path) -> None:
    training = {"epochs": 1, "layer_statistics": True, "record": "steps"}
    values = {"data": {"source": "diabetes"}, "network": {"ensemble": 2}, "training": training}
    run = nnrun.train(values, tmp_path)
    files, metrics = generator["FILES"], generator["METRICS"]
    assert isinstance(files, dict)
    assert isinstance(metrics, dict)
    assert {str(path.relative_to(run.path)) for path in run.path.rglob("*") if path.is_file()} == set(files)
    assert set(run.metrics[0]) == {key for listed in metrics for key in listed.split(", ")}


def test_the_files_of_a_search_and_the_keys_of_its_records_are_those_listed(
    generator: Generator, tmp_path: Path
) -> None:
    quick = "--trials 2 --repeat 1 --workers 1 -q --set data.source=iris --set training.epochs=1"
    shell(f"nnrun search {quick}", tmp_path)
    (search,) = (path for path in (tmp_path / "runs").iterdir() if path.name[0] != ".")
    files, record = generator["SEARCH_FILES"], generator["RECORD"]
    assert isinstance(files, dict)
    assert isinstance(record, dict)
    listed = {name.removesuffix("/NNNN") for names in files for name in names.split(", ")}
    written_by_diagnose = {"wider.yaml"}
    assert {path.name for path in search.iterdir()} == listed - written_by_diagnose
    line = json.loads((search / "trials.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert set(line) == {key for names in record for key in names.split(", ")}


def test_the_keys_of_a_retest_are_those_listed(generator: Generator, tmp_path: Path) -> None:
    settings = "--set data.source=iris --set training.epochs=1"
    shell(f"nnrun search --trials 2 --workers 1 -q {settings} && nnrun retest --top 1 --workers 1 -q", tmp_path)
    (written,) = (tmp_path / "runs").glob("*/retest.json")
    record, listed = json.loads(written.read_text(encoding="utf-8")), generator["RETEST"]
    assert isinstance(listed, dict)
    named = {key for names in listed for key in names.split(", ")}
    assert named == {*record, *(f"verdict.{key}" for key in record["verdict"])} - {"checksum"}


def test_the_keys_of_an_improvement_are_those_listed(generator: Generator, tmp_path: Path) -> None:
    settings = "--set data.source=iris --set training.epochs=2"
    shell(f"nnrun improve --budget 40epochs --seeds 3 --workers 1 -q {settings}", tmp_path)
    (written,) = (tmp_path / "runs").glob("*/improve.json")
    record, listed = json.loads(written.read_text(encoding="utf-8")), generator["IMPROVE"]
    step = json.loads(written.with_name("steps.jsonl").read_text(encoding="utf-8").splitlines()[0])
    of_step = generator["STEP"]
    assert isinstance(listed, dict)
    assert isinstance(of_step, dict)
    named = {key for names in listed for key in names.split(", ")}
    assert named == {*record, *(f"ending.{key}" for key in record["ending"])} - {"checksum"}
    assert set(step) == {key for names in of_step for key in names.split(", ")}


def test_every_range_and_strategy_is_in_the_reference() -> None:
    for name in (*DOMAINS, *STRATEGIES):
        assert f"| `{name}` |" in page("reference.md")


# the other pages


def test_the_levels_are_those_that_the_architecture_test_holds() -> None:
    tree = ast.parse((ROOT / "tests/test_architecture.py").read_text(encoding="utf-8"))
    assigned = [n for n in tree.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "WINGS"]
    levels = next(p for p in page("design.md").split("\n\n") if p.startswith("errors < "))
    assert " ".join(levels.split()).split(" < ") == ast.literal_eval(assigned[0].value)


def test_the_tables_of_entries_are_where_the_design_says() -> None:
    rows = re.findall(r"`(\w+)` (?:in|and in) `(nnrun/\S+\.py)`", page("design.md"))
    assert len(rows) >= 6
    for name, file in rows:
        assert name in (ROOT / file).read_text(encoding="utf-8")


def test_every_technique_has_its_name_on_the_page() -> None:
    for table in (ACTIVATIONS, OPTIMIZERS, SCHEDULES, INITIALIZERS, AUGMENTATIONS):
        for name in table:
            assert re.search(rf"\b{name}\b", page("techniques.md")), name


def test_every_config_is_among_the_techniques() -> None:
    for path in CONFIGS:
        assert f"](../configs/{path.name})" in page("techniques.md"), path.name


@pytest.fixture(scope="module")
def keys() -> set[str]:
    """Those of a config, also those of former versions."""
    return {row.key for row in reference_rows()} | {".".join(map(str, path)) for path in GONE}


@pytest.mark.parametrize("path", [*PAGES, *CONFIGS], ids=relative)
def test_every_key_that_is_mentioned_exists(path: Path, keys: set[str]) -> None:
    sections = {key.split(".")[0] for key in keys if "." in key}
    written = rf"(?:`|--set '?)((?:{'|'.join(sections)})\.(?!json|yaml)[a-z_0-9.]+)"
    mentioned = re.findall(written, path.read_text(encoding="utf-8"))
    assert set(mentioned) <= keys


@pytest.mark.parametrize("path", PAGES, ids=relative)
def test_yaml_on_a_page_loads(path: Path) -> None:
    for text in blocks(path.read_text(encoding="utf-8"), "yaml"):
        load_config(None, text=text)


def slugs(text: str) -> set[str]:
    """Anchors of the headings, as Markdown renderers make them."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links(path: Path) -> Iterator[tuple[str, str]]:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if not target.startswith("https://"):
            file, _, anchor = target.partition("#")
            yield file, anchor


@pytest.mark.parametrize("path", PAGES, ids=relative)
def test_links_resolve(path: Path) -> None:
    for file, anchor in links(path):
        target = path.parent / file if file else path
        assert target.exists(), file
        assert not anchor or anchor in slugs(target.read_text(encoding="utf-8")), anchor


@pytest.mark.parametrize("path", [*PAGES, *CONFIGS], ids=relative)
def test_nothing_is_left_in_that_does_not_belong(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert [found.group() for word in FORBIDDEN for found in re.finditer(word, text)] == []


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)  # what the format demands
    assert citation["version"] == nnrun.__version__


# what a reader types


@pytest.mark.parametrize("path", PAGES, ids=relative)
def test_lists_are_quoted_from_shells_that_would_look_for_files(path: Path) -> None:
    assert re.findall(r"--set [^\s'`]+=[^\s'`]*[\[{*?][^\s`]*", path.read_text(encoding="utf-8")) == []


def test_as_many_situations_are_told_of_as_the_advice_was_tried_in() -> None:
    table = (ROOT / "benchmarks/advice.md").read_text(encoding="utf-8")
    tried = re.findall(r"^\| (?!situation|---)\S", table, re.MULTILINE)
    for path in (ROOT / "README.md", ROOT / "benchmarks/README.md"):
        told = re.findall(r"advice[^.]*?(\d+)\s+situations", path.read_text(encoding="utf-8"))
        assert told == [str(len(tried))], path


def shell(script: str, folder: Path, check: bool = True, environment: dict[str, str] | None = None) -> str:
    """What a Bash script prints, in this Python's environment or another."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert not check or done.returncode == 0, f"{script}\n{done.stdout}"
    return done.stdout


def shape(line: str) -> str:
    """A line of output without what differs between runs and machines: ids, numbers, widths, judgements."""
    line = re.sub(r"\d{8}-\d{6}-([\w-]+)-[0-9a-f]{4}\b", r"ID-\1", line)
    line = re.sub(r"\d[\d.,]*(e[-+]\d+)?", "#", line)
    line = re.sub(r"( \*#).*", r"\1", line)  # where the last cell of a table is wrapped hangs on its numbers
    line = re.sub(r"# (step|epoch)s\b", r"# \1", line)
    line = re.sub(r"━+", "━", re.sub(r"(points .*)\b(high|low|unclear)$", r"\1judged", line))
    return " ".join(re.sub(r"# (ms|s|min # s|min|h # min)\b", "# s", line).split())


@LACKING  # else no command that is offered names the compiled engine
@pytest.mark.long
def test_the_commands_of_the_readme_run_from_the_wheel_and_print_what_it_shows(
    tmp_path: Path, outside: dict[str, str]
) -> None:
    printed = ""
    before, heading, behind = README.partition("## Predict and ship\n")  # which says that it needs an extra
    assert heading
    for part, environment in ((before, outside), (behind, {**outside, "PYTHONPATH": outside["EXTRAS"]})):
        for block in blocks(part, "(?:sh|console)"):
            lines = [line for line in block.splitlines() if not line.startswith(INSTALLING)]
            printed += shell("\n".join(lines), tmp_path, environment=environment)
    for command in re.findall(r"^\$ (.+)$", README, re.MULTILINE):  # a transcript may show a command that fails
        printed += shell(command, tmp_path, check=False, environment=outside)
    known = {shape(line) for line in printed.splitlines()}
    shown = [line for block in blocks(README, "text") for line in block.splitlines() if line[:2] not in ("$ ", "[…")]
    assert [line for line in shown if shape(line) not in known] == []


@pytest.mark.parametrize("where", ["README.md", "nnrun/__init__.py"])
def test_the_python_examples_run(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits.yaml").write_bytes((ROOT / "configs/digits.yaml").read_bytes())
    (tmp_path / "config.yaml").write_text("training: {epochs: 2}\n")
    documentation = inspect.cleandoc(nnrun.__doc__ or "")
    indented = "\n".join(line[4:] for line in documentation.splitlines() if line.startswith("    ") or not line)
    examples = blocks(README, "python") if where == "README.md" else [indented]
    assert examples
    for example in examples:
        exec(example, {})
    assert nnrun.load_run("latest").status == "done"


def test_the_slopes_on_the_page_on_checks_are_right(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = blocks(page("checks.md"), "python")
    exec(example, {})
    assert capsys.readouterr().out == "3.0001, 3.0301\n"
    assert "# 3.0001, 3.0301\n" in example


def test_the_gradient_on_the_page_on_checks_is_what_the_command_shows(tmp_path: Path) -> None:
    (command,), (shown,) = (blocks(page("checks.md"), language) for language in ("sh", "text"))
    known = {shape(line) for line in shell(command, tmp_path).splitlines()}
    table = [line for line in shown.splitlines() if "W[" not in line]  # which is the worst, rounding decides
    assert [line for line in table if shape(line) not in known] == []


def test_what_folds_held_out_is_predicted_as_their_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = ["a,label", *(f"{i},{'no' if i * i % 7 < 3 else 'yes'}" for i in range(60))]
    Path("table.csv").write_text("\n".join(rows))
    data = {"source": "table.csv", "target": "label", "folds": 5}
    run = nnrun.train({"data": data, "network": {"hidden": [4]}, "training": {"epochs": 2}}, runs="runs")
    *_, commands = blocks(page("folds.md"), "sh")
    for command in commands.splitlines():
        words = shlex.split(command.replace("RUN", str(run.path)), comments=True)[1:]
        assert CliRunner().invoke(app, words).exit_code == 0, command
        Path("fold_1.csv").write_text("\n".join(rows[:1] + rows[2::5]))
    (example,) = blocks(page("folds.md"), "python")
    found: dict[str, Any] = {}
    exec(example, found)
    wrong = found["held_out"].prediction.to_numpy() != found["rows"].label.to_numpy()
    assert len(wrong) == 60 and wrong.mean() == pytest.approx((run.record["final"] or {})["dev_error"])


@pytest.mark.long
def test_the_story_of_the_panda_runs(tmp_path: Path) -> None:
    """A run in the background is nudged, paused, stopped, rewound, and trained again to the same bits."""
    story = page("panda.md").partition("## A schedule of anything")[0]
    printed = shell("\n".join(blocks(story, "sh")), tmp_path)
    known = {shape(line) for line in printed.splitlines()}
    shown = [line for block in blocks(story, "text")[1:] for line in block.splitlines() if line[:2] != "[…"]
    assert [line for line in shown if shape(line) not in known] == [], printed


def test_the_examples_of_exporting_run(tmp_path: Path) -> None:
    document = page("export.md")
    export, command = blocks(document, "sh")
    shell(export + command, tmp_path)
    predictions = (tmp_path / "predictions.csv").read_text().splitlines()
    assert [line.split(",")[1] for line in predictions] == ["prediction", "setosa", "virginica"]
    for example in blocks(document, "python"):
        done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
