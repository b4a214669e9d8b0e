"""What printed commands begin with, and how an extra is installed where nnrun is."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, PathDistribution
from pathlib import Path

import pytest

import nnrun
from nnrun import installation
from nnrun.errors import UsageError
from nnrun.runs.environment import describe

PYPROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))


def script(folder: Path) -> Path:
    """A command nnrun in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "nnrun"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The script that this process was called by; the PATH has nothing."""
    own = script(tmp_path / "own bin")
    monkeypatch.setattr(sys, "argv", [str(own), "train"])
    monkeypatch.setenv("PATH", "")
    return own


def test_the_name_where_the_path_leads_to_this_installation(called: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(called.parent))
    assert installation.program() == "nnrun"


def test_the_name_where_the_path_has_a_link_to_it(
    called: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "links").mkdir()
    (tmp_path / "links/nnrun").symlink_to(called)
    monkeypatch.setenv("PATH", str(tmp_path / "links"))
    assert installation.program() == "nnrun"


def test_the_path_it_was_called_by_where_nothing_or_another_nnrun_is_found(
    called: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shlex.split(installation.program()) == [str(called)]
    other = script(tmp_path / "other").parent
    monkeypatch.setenv("PATH", f"{other}{os.pathsep}{called.parent}")
    assert shlex.split(installation.program()) == [str(called)]


def test_a_path_is_given_back_as_it_was_typed(called: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(called.parents[1])
    monkeypatch.setattr(sys, "argv", ["own bin/nnrun"])
    assert installation.typed_here("nnrun show latest") == "'own bin/nnrun' show latest"


def test_a_module_is_called_as_a_module_or_by_its_script_on_the_path(
    called: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [installation.__file__.replace("installation", "__main__"), "train"])
    assert installation.program() == shlex.join([sys.executable, "-m", "nnrun"])
    monkeypatch.setenv("PATH", sysconfig.get_path("scripts"))
    assert installation.program() == "nnrun"


@pytest.mark.parametrize("extra", ["fast", "onnx", "parquet", "excel", "tpe"])
def test_an_extra_asks_for_what_pyproject_says(extra: str) -> None:
    assert installation.requirements(extra) == PYPROJECT["project"]["optional-dependencies"][extra]


def test_an_extra_is_there_with_all_its_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    assert installation.has_extra("onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert not installation.has_extra("onnx")


def test_a_library_that_cannot_be_loaded_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "onnx.py").write_text("raise ImportError('libonnx.so: cannot open')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "onnx", raising=False)
    installation.require_extra("ONNX files need", "onnx")
    with pytest.raises(UsageError, match=r"ONNX files need onnx, which is installed but cannot be loaded: libonnx\.so"):
        installation.require_extra("ONNX files need", "onnx", "onnx")


RECEIPT = '[tool]\nrequirements = [{ name = "nnrun" }, { name = "optuna", specifier = ">=4.0" }]\n'
ENVIRONMENT, WANTED = "/env/my nnrun", ["onnx>=1.17", "onnxruntime>=1.20"]
PYTHON = f"{ENVIRONMENT}/bin/python"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, [PYTHON, "-m", "pip", "install", *WANTED]),
        ({"INSTALLER": "pip\n"}, [PYTHON, "-m", "pip", "install", *WANTED]),
        ({"INSTALLER": "uv"}, ["uv", "pip", "install", "--python", PYTHON, *WANTED]),
        ({"INSTALLER": "pip\n", "pipx_metadata.json": "{}"}, ["pipx", "inject", "my nnrun", *WANTED]),
        (
            {"INSTALLER": "uv", "uv-receipt.toml": RECEIPT},
            ["uv", "tool", "install", "--with=optuna>=4.0", *(f"--with={each}" for each in WANTED), "nnrun"],
        ),
        (
            {"uv-receipt.toml": RECEIPT, "direct_url.json": json.dumps({"url": "file:///a/nnrun.whl"})},
            [
                *("uv", "tool", "install", "--with=optuna>=4.0"),
                *(f"--with={each}" for each in WANTED),
                "nnrun @ file:///a/nnrun.whl",
            ],
        ),
    ],
    ids=["unknown", "pip", "uv", "pipx", "uv tool", "uv tool from a file"],
)
def test_an_extra_is_installed_by_what_installed_nnrun(
    files: dict[str, str], expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = tmp_path / Path(ENVIRONMENT).name
    prefix.mkdir()
    for name, content in files.items():
        (prefix / name).write_text(content)
    monkeypatch.setattr(sys, "prefix", str(prefix))
    monkeypatch.setattr(sys, "executable", PYTHON)
    monkeypatch.setattr("importlib.metadata.distribution", lambda name: PathDistribution(prefix))
    monkeypatch.setattr(installation, "requirements", lambda extra: WANTED)
    assert shlex.split(installation.installing("onnx")) == expected


def test_nothing_of_the_folder_is_loaded_by_a_command_that_is_started(
    namesakes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(namesakes)
    with (namesakes / "said").open("w+b") as said:
        code = installation.start_apart(["list"], said).wait(60)
        assert (code, list(namesakes.glob("* was run"))) == (0, [])


@pytest.fixture
def not_installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As where the package was copied without what is told of it."""
    of_another = Distribution.from_name

    def from_name(name: str) -> Distribution:
        if name == "nnrun":
            raise PackageNotFoundError(name)
        return of_another(name)

    found_before = installation.requirements, describe
    for known in found_before:
        known.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr(Distribution, "from_name", from_name)
        yield
    for known in found_before:
        known.cache_clear()


@pytest.mark.usefixtures("not_installed")
def test_a_copy_that_was_not_installed_trains(tmp_path: Path) -> None:
    run = nnrun.train({"data": {"source": "iris"}, "training": {"epochs": 2}}, tmp_path)
    assert run.status == "done" and run.record["versions"]["nnrun"] == nnrun.__version__
    with pytest.raises(UsageError) as caught:
        installation.require_extra("ONNX files need", "onnx")
    told = "the extra `onnx`, which this copy of nnrun, as nobody installed it, knows nothing of"
    assert str(caught.value) == f"ONNX files need {told}"


@pytest.mark.parametrize("name", [b"caf\xe9", b"it's \xff\\n\n", "Größe \udce9".encode("utf-8", "surrogateescape")])
def test_a_name_that_is_no_text_is_typed_by_its_bytes(name: bytes) -> None:
    command = installation.command("resume", os.fsdecode(name))
    assert command.isascii() and command.isprintable()
    printed = subprocess.run(["bash", "-c", f"printf %s {command.split(' ', 2)[2]}"], capture_output=True, check=True)
    assert printed.stdout == name
