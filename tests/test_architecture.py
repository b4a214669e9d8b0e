"""The house rules that a machine can check: levels, cycles, sizes, and what --help may load."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from nnrun.data.cache import SOURCES
from tests.conftest import loaded_by

PACKAGE = Path(__file__).parents[1] / "nnrun"

# Lowest first; a module imports only from its own wing and from wings before it.
WINGS = ["errors", "text", "installation", "machine", "files", "locks", "engine", "compiled", "config", "data", "runs",
         "models", "search", "insight", "improving", "report", "watching", "tracking", "api", "cli"]  # fmt: skip
# Wings, and rooms within one, of which none imports another.
STRANGERS = [["models", "search"], ["insight.scaffold", "insight.preflight", "insight.diagnosis", "insight.comparison"]]
MODULES = sorted(PACKAGE.rglob("*.py"))

# How cli and api enter a wing or a room: by its verbs and by what it tells, and by these modules, whose words commands
# hand to and fro. Those before `engine` are open: they are what every wing stands on. Imports for types alone are free.
OPEN = WINGS[: WINGS.index("engine")]
USUAL_DOORS = {"verbs", "telling"}
MORE_DOORS = {
    "engine": {"metrics", "scores"},  # the names that --require takes, and which of two epochs is better
    "config": {"load", "reference"},
    "runs": {
        "environment",
        "finding",
        "kinds",
        "known_rows",
        "frames",
        "labels",
        "lineage",
        "stored",
        "listener",
        "requests",
        "rewinding",
        "checkpoints",
        "records",
        "removing",
        "verdict",
    },
    "models": {
        "model",
        "incoming",
        "rows",
        "output",
        "calibrating",
        "drift.comparing",
        "evaluation",
        "importance.measuring",
        "partition",
        "uncertainty",
        "export.formats",
        "ensembling.training",
    },
    "search": {"stored", "state", "study", "trial_lines"},
    "insight": {
        "comparison.lines",
        "comparison.listing",
        "comparison.differences",
        "diagnosis.searches",
        "diagnosis.elsewhere",
    },
    "improving": {"record", "standing"},
    "report": {"lessons"},
    "watching": {"folder", "curves", "details", "running"},
    "tracking": {"trackers"},
}

# A wing, and the files whose names it alone spells; others ask it for a path, or for what stands there.
FILES = {
    "runs": ["config.yaml", "resolved.yaml", "run.json", "data.json", "metrics.jsonl", "events.jsonl", "log.txt",
             "run.lock", "checkpoints", "best.safetensors", "last.safetensors", ".safetensors", "diagnosis.json",
             "calibration.json", "labels.json", "learning_curve.json", "report.html", "search.yaml",
             "retest.json", "improve.json"],
    "search": ["trials.jsonl", "values.json", "trials.csv", "wider.yaml"],
    "improving": ["steps.jsonl", "improved.yaml"],
}  # fmt: skip
# How no docstring begins: words that point at what stood before, which help() and a hover do not show.
PRONOUNS = ("The same.", "The same,", "The same of ", "The same as ", "The same with ", "The same for ", "The same in ",
            "Those ", "Those,", "Their", "That ", "They ", "It ", "Its ", "As it ", "So ", "Or ", "Also ", "Until now",
            "These too", "All of it", "All of them", "One of them", "One of its", "One more is")  # fmt: skip
# Who spells one all the same, and why.
ALSO_SPELLED = {
    ("cli/common.py", "config.yaml"): "what a user calls a config, looked for in the current directory",
    ("cli/init.py", "config.yaml"): "the same, written there",
    ("api/configs.py", "config.yaml"): "the same, where what is proposed is meant for",
    ("data/cache.py", "data.json"): "a file of the cache, which knows no runs",
}


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def wing_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in WINGS else None


def lies_in(module: str, place: str) -> bool:
    return f"{module}.".startswith(f"nnrun.{place}.")


NAMES = {name_of(module) for module in MODULES}


@cache
def parsed(path: Path) -> ast.Module:
    """What a file says."""
    return ast.parse(path.read_text())


@cache
def imported(path: Path) -> set[str]:
    """Names of nnrun's modules that a file imports, also inside functions and for types only."""
    return imported_by(parsed(path))


def imported_by(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "nnrun":
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] == "nnrun"}
    return found & NAMES


def test_imports_go_down() -> None:
    def level(module: str, elsewhere: int) -> int:
        wing = wing_of(module)
        return elsewhere if wing is None else WINGS.index(wing)

    arrows = [(name_of(path), module) for path in MODULES for module in imported(path)]
    # nnrun itself and __main__ stand above all wings, and what is imported from there is free
    assert [(one, other) for one, other in arrows if level(other, -1) > level(one, len(WINGS))] == []


def test_strangers_do_not_meet() -> None:
    def wrong(one: str, other: str, strangers: Sequence[str]) -> bool:
        own, met = ([place for place in strangers if lies_in(module, place)] for module in (one, other))
        return bool(own) and met not in ([], own)

    arrows = [(name_of(path), module) for path in MODULES for module in imported(path)]
    assert [arrow for arrow in arrows if any(wrong(*arrow, strangers) for strangers in STRANGERS)] == []


def test_there_is_no_cycle() -> None:
    graph = {name_of(path): {m for m in imported(path) if m != name_of(path) and m != "nnrun"} for path in MODULES}
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " → ".join((*trail, module))
        if module not in done:
            for below in graph[module] - {module.rpartition(".")[0]}:
                visit(below, (*trail, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def loaded(path: Path) -> set[str]:
    """Names of nnrun's modules that a file imports when it runs, not for types only."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    return imported_by(tree)


def test_nothing_is_kept_by_what_locks_a_class() -> None:
    """As the standard library's does until Python 3.12, and as nobody would notice on a later one."""
    taken = {
        name_of(path)
        for path in MODULES
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ImportFrom) and node.module == "functools"
        if "cached_property" in [alias.name for alias in node.names]
    }
    assert taken == {"nnrun.machine.lazily"}


# What `data` takes from those below it that prepares no number: types, shapes, and what is done in training.
MAKES_NO_ARRAY = {"engine.augmentation", "engine.embedding", "engine.evaluation", "engine.metrics", "engine.parameters"}


def test_prepared_data_are_known_by_all_code_that_prepares_them() -> None:
    known = {name_of(path) for pattern in SOURCES for path in PACKAGE.glob(pattern)}
    taken = {module for path in MODULES if lies_in(name_of(path), "data") for module in loaded(path)}
    needed = {module for module in taken if wing_of(module) in ("engine", "compiled", "data")}
    assert needed - known == {f"nnrun.{module}" for module in MAKES_NO_ARRAY}


def is_door(module: str) -> bool:
    """A package stands for itself: what is taken from it is looked at too."""
    _, wing, *rooms = module.split(".")
    inside = ".".join(rooms)
    package = (PACKAGE / wing / Path(*rooms) / "__init__.py").exists()
    return wing in OPEN or package or rooms[-1] in USUAL_DOORS or inside in MORE_DOORS.get(wing, ())


def enters(path: Path) -> set[str]:
    """What a module of cli or api takes from other wings."""
    return {module for module in loaded(path) if wing_of(module) not in (None, "cli", "api")}


OUTSIDE = [path for path in MODULES if wing_of(name_of(path)) in ("cli", "api")]


def test_wings_are_entered_by_their_doors() -> None:
    assert [(name_of(path), module) for path in OUTSIDE for module in enters(path) if not is_door(module)] == []


def test_there_is_no_door_that_nobody_takes() -> None:
    taken = {module.removeprefix("nnrun.") for path in OUTSIDE for module in enters(path)}
    assert {f"{wing}.{door}" for wing, doors in MORE_DOORS.items() for door in doors} - taken == set()


def test_every_module_has_a_wing() -> None:
    wings = {name_of(path).split(".")[1] for path in MODULES if name_of(path).count(".")}
    assert wings - {"__main__"} == set(WINGS)


@cache
def spelled(path: Path) -> set[str]:
    """The last parts of all strings that a module uses; what it says of a file in a sentence ends otherwise."""
    tree = parsed(path)
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    strings = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docs)
    return {node.value.rpartition("/")[2] for node in strings if isinstance(node.value, str)}


def test_each_wing_alone_spells_the_names_of_its_files() -> None:
    elsewhere = {
        (path.relative_to(PACKAGE).as_posix(), name)
        for wing, names in FILES.items()
        for path in MODULES
        if not lies_in(name_of(path), wing)
        for name in spelled(path) & set(names)
    }
    assert elsewhere == set(ALSO_SPELLED)  # a reason that is no longer needed has to go as well


def test_the_engine_needs_numpy_the_standard_library_and_threads_only() -> None:
    own = ("nnrun.engine", "nnrun.machine")
    for path in (PACKAGE / "engine").glob("*.py"):
        for node in ast.walk(parsed(path)):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                top = name.split(".")[0]
                assert top in sys.stdlib_module_names | {"numpy"} or name.startswith(own), f"{path}: {name}"


def test_what_is_compiled_stands_in_its_wing_alone() -> None:
    """Machine code is kept under a hash of these files, so what it is made of must not stand elsewhere."""
    made_of = {PACKAGE / "compiled" / f"{name}.py" for name in ("kernels", "cells")}
    while more := {inside for path in made_of for inside in files_of(imported(path))} - made_of:
        made_of |= more
    assert {path.parent for path in made_of} == {PACKAGE / "compiled"}
    assert PACKAGE / "compiled/functions.py" in made_of


def files_of(modules: set[str]) -> set[Path]:
    return {path for path in MODULES if name_of(path) in modules and path.name != "__init__.py"}


def lines_of_code(node: ast.AST) -> int:
    """Lines without the docstring."""
    first, last = node.lineno, node.end_lineno  # type: ignore[attr-defined]
    doc = ast.get_docstring(node, clean=False) if isinstance(node, ast.FunctionDef) else None
    return last - first + 1 - (doc.count("\n") + 1 if doc else 0)


def test_no_module_has_more_than_300_lines() -> None:
    assert [path for path in MODULES if path.read_text().count("\n") > 300] == []


def test_no_function_has_more_than_40_lines() -> None:
    functions = [
        (path, node) for path in MODULES for node in ast.walk(parsed(path)) if isinstance(node, ast.FunctionDef)
    ]
    assert [f"{path}:{node.lineno} {node.name}" for path, node in functions if lines_of_code(node) > 40] == []


def test_files_that_comments_name_exist() -> None:
    """By a folder and a name, somewhere in the project."""
    root = PACKAGE.parent
    folders = ("nnrun", "tests", "tools", "benchmarks", "docs")
    known = "\n".join(str(path) for folder in folders for path in (root / folder).rglob("*.py"))
    named = {(path, file) for path in MODULES for file in re.findall(r"`((?:\w+/)+\w+\.py)`", path.read_text("utf-8"))}
    assert [(name_of(path), file) for path, file in named if f"/{file}" not in known] == []


def test_no_docstring_begins_with_a_pronoun() -> None:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    told = [
        (path, getattr(node, "name", ""), ast.get_docstring(node) or "")
        for path in MODULES
        for node in ast.walk(parsed(path))
        if isinstance(node, kinds)
    ]
    assert [f"{path} {name}: {doc}" for path, name, doc in told if doc.startswith(PRONOUNS)] == []


def test_help_loads_nothing_heavy() -> None:
    printed, modules = loaded_by("--help")
    assert modules & {"numpy", "pandas", "pydantic", "yaml", "sklearn", "scipy", "rich", "psutil"} == set()
    assert "train" in printed


def test_listing_runs_loads_neither_numpy_nor_psutil() -> None:
    printed, modules = loaded_by("list", "--runs", "tests/stored", folder=PACKAGE.parent)
    assert modules & {"numpy", "psutil"} == set()
    assert printed.count("done") == 2  # a run and a search


def test_narration_needs_no_numpy() -> None:
    code = "import sys, nnrun.runs.telling, nnrun.runs.rundir; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
