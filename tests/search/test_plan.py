"""search.yaml: the same bytes as ever, read back as it was written, and compared with what a config says now."""

import ast
import re
from pathlib import Path

import pytest

from nnrun.config.load import load_config
from nnrun.config.space.known import load_known
from nnrun.errors import DataError
from nnrun.files import sealed_text
from nnrun.runs.rundir import RunDir
from nnrun.search.plan import Plan

CONFIG = """\
data: {source: iris}
training: {epochs: 7}
search:
  strategy: halving
  metric: -dev_auc
  space: {optimizer.learning_rate: {log: [0.0001, 1]}}
  enqueue: [{optimizer.learning_rate: 0.5}]
"""
WRITTEN = """\
schema_version: 1
totals: [20, 30]
limits: {timeout: 60.0, stack: null}
repeat: null
strategy: halving
metric: -dev_auc
seed: 3
epochs: 7
space:
  optimizer.learning_rate:
    log: [0.0001, 1.0]
enqueue:
- {optimizer.learning_rate: 0.5}
skips_stopped: true
"""


PACKAGE = Path(__file__).parents[2] / "nnrun"


def plan_of(*settings: str) -> Plan:
    loaded = load_config(None, ["seed=3", *settings], text=CONFIG)
    space, _ = load_known(loaded)
    return Plan.of(loaded.config, space, [20, 30], {"timeout": 60.0, "stack": None}, None)


def test_it_is_written_as_ever(tmp_path: Path) -> None:
    assert plan_of().text() == sealed_text(WRITTEN)
    for text in (WRITTEN, sealed_text(WRITTEN)):  # early ones have no checksum
        (tmp_path / "search.yaml").write_text(text)
        assert Plan.read(RunDir(tmp_path)) == plan_of()
        assert Plan.read(RunDir(tmp_path)).text() == sealed_text(WRITTEN)


def test_an_early_one_keeps_the_rule_that_it_was_begun_by(tmp_path: Path) -> None:
    early = WRITTEN.replace("skips_stopped: true\n", "")
    (tmp_path / "search.yaml").write_text(early)
    plan = Plan.read(RunDir(tmp_path))
    assert plan.extended(30, plan.limits, None).text() == sealed_text(early)
    assert (plan.brief().skips_stopped, plan_of().brief().skips_stopped) == (False, True)
    assert plan.changes(plan_of()) == ([], []), "a config says nothing of it"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (WRITTEN, "", "holds no settings"),
        (WRITTEN, "- 1", "holds no settings"),
        (WRITTEN, "[" * 10_000, "not valid YAML"),
        ("seed: 3", "seed: 4", "damaged, or changed by hand: its checksum is of another text"),
        ("totals: [20, 30]", "totals: x", "totals is 'x' where a list belongs"),
        ("totals: [20, 30]", "totals: []", "totals is empty"),
        ("totals: [20, 30]", "totals: [-1]", "totals.0 is -1 where a whole number belongs"),
        ("timeout: 60.0", "timeout: x", "limits.timeout is 'x' where a number belongs"),
        ("repeat: null\n", "", "repeat missing"),
        ("log: [0.0001, 1.0]", "log: [x]", "space is none"),
        ("log: [0.0001, 1.0]", "lag: [0.0001, 1.0]", "space is none"),
        ("log: [0.0001, 1.0]", "choice: [0.1, x]", "space is none"),
    ],
)
def test_a_damaged_one_is_refused_by_name(tmp_path: Path, old: str, new: str, problem: str) -> None:
    text = sealed_text(WRITTEN).replace(old, new) if old == "seed: 3" else WRITTEN.replace(old, new)
    (tmp_path / "search.yaml").write_text(text)
    with pytest.raises(DataError, match=re.escape(f"{tmp_path / 'search.yaml'}: {problem}; ")):
        Plan.read(RunDir(tmp_path))


def test_a_directory_without_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"search\.yaml: No such file or directory; this is not a whole run directory"):
        Plan.read(RunDir(tmp_path))


def test_a_further_call_adds_trials_and_replaces_limits() -> None:
    longer = plan_of().extended(40, {"timeout": None, "stack": 2}, repeat=5)
    assert (longer.totals, longer.total, longer.repeat) == ([20, 30, 40], 40, 5)
    assert longer.limits == {"timeout": None, "stack": 2}
    again = longer.extended(None, longer.limits, repeat=None)
    assert again == longer, "what is not asked for anew stays"


def test_the_strategy_is_told_of_the_given_trials() -> None:
    brief = plan_of().brief()
    assert (brief.first, brief.totals, brief.epochs, brief.seed) == (2, [20, 30], 7, 3)


def test_what_the_trials_follow_from_may_not_change() -> None:
    plan = plan_of()
    assert plan.changes(plan.extended(40, {}, 5)) == ([], []), "how many trials, limits and repeats may"
    narrower = "search.space={optimizer.learning_rate: {log: [0.001, 1]}}"
    names, lines = plan.changes(plan_of("seed=4", narrower))
    assert names == ["seed", "space"]
    assert lines == ["optimizer.learning_rate: {log: [0.0001, 1.0]} → {log: [0.001, 1.0]}", "seed: 3 → 4"]


@pytest.mark.parametrize(
    ("name", "spelled_in"), [("search.yaml", "runs/finding.py"), ("trials.jsonl", "search/ledger.py")]
)
def test_the_names_of_a_searchs_files_are_spelled_once(name: str, spelled_in: str) -> None:
    mentioning = [path for path in PACKAGE.rglob("*.py") if name in path.read_text(encoding="utf-8")]
    spelling = [path for path in mentioning if any(name in text for text in strings(path))]
    assert [path.relative_to(PACKAGE).as_posix() for path in spelling] == [spelled_in]


def strings(path: Path) -> list[str]:
    """The strings of a module but for its docstrings, which explain."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    explained = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in explained)
    return [node.value for node in constants if isinstance(node.value, str)]
