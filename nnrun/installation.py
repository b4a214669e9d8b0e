"""How this nnrun was installed: what a shell calls it, where its pages and configs lie, how an extra gets beside it."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING

from nnrun.errors import UsageError

if TYPE_CHECKING:
    import subprocess

NAME = "nnrun"
MODULES = {"mlflow-skinny": "mlflow"}  # of libraries that have another name
RUNS = Path("runs")  # where runs lie, unless the variable or --runs says otherwise
RUNS_VARIABLE = "NNRUN_RUNS"
_PACKAGE = Path(__file__).parent


def command(*words: str) -> str:
    """One line for a shell, as files keep it: whoever reads them may have another installation."""
    return " ".join(map(quoted, (NAME, *words)))


def quoted(word: str) -> str:
    """A word as a shell reads it; where bytes of a file's name are no text, by the numbers of all: `$'caf\\xe9'`.

    So bash, zsh and ksh read it, and no other quotes can name such a file on a terminal.
    """
    if word.isascii() or not any("\udc80" <= letter <= "\udcff" for letter in word):
        return shlex.quote(word)
    plain = set(range(0x20, 0x7F)) - set(b"\\'")
    return "$'" + "".join(chr(byte) if byte in plain else f"\\x{byte:02x}" for byte in os.fsencode(word)) + "'"


def as_options(settings: Iterable[str]) -> list[str]:
    """The words that set these keys, each written as key=value."""
    return [word for setting in settings for word in ("--set", setting)]


def key_of(setting: str) -> str:
    """The key that a text key=value sets."""
    return setting.partition("=")[0].strip()


def expanded(text: str) -> str:
    """A path as it is typed: a shell leaves the `~` of `--runs=~/here` alone, and nobody reads variables."""
    return str(at_home(text)) if text.split("/")[0] == "~" else text


def at_home(path: str | Path) -> Path:
    """What a path that begins with `~` means; UsageError where this user has no home."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UsageError(f"{path}: this user has no home here, and HOME names none; write the whole path") from None


def usual_runs() -> Path:
    """Where commands look for runs."""
    return Path(expanded(os.environ.get(RUNS_VARIABLE) or str(RUNS)))


def elsewhere(runs: Path) -> list[str]:
    """The option that leads to these runs, if they are not where commands look anyway."""
    return [] if runs.resolve() == usual_runs().resolve() else ["--runs", str(runs)]


def called(run: Path) -> str:
    """What a command calls a run: its id, or its path where commands do not look for it."""
    return str(run) if elsewhere(run.parent) else run.name


def typed_here(command: str) -> str:
    """A command as a shell runs it here and now."""
    return program() + command.removeprefix(NAME)


def program() -> str:
    """`nnrun` where the PATH leads to this installation, else the path it was called by, else Python's module."""
    import sysconfig

    typed = shutil.which(sys.argv[0]) if Path(sys.argv[0]).stem == NAME else None
    own = typed or shutil.which(NAME, path=sysconfig.get_path("scripts"))
    found = shutil.which(NAME)
    if found and own and Path(found).samefile(own):
        return NAME
    return shlex.quote(typed) if typed else shlex.join([sys.executable, "-m", NAME])


def start_apart(words: Sequence[str], said: IO[bytes]) -> subprocess.Popen[bytes]:
    """A command of this installation as a process that goes on without this one; what it complains of goes to a file.

    A Ctrl-C is not for it, nor are modules of the current directory. Raises OSError where none can be started.
    """
    import subprocess

    return subprocess.Popen(
        [sys.executable, "-P", "-m", NAME, *words],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True,
    )  # fmt: skip


def shipped() -> Path:
    """The folder that holds README.md, docs/ and configs/: the package itself, in a checkout the one above it."""
    return _PACKAGE if (_PACKAGE / "configs").is_dir() else _PACKAGE.parent


@cache
def digest(*sources: str) -> str:
    """What changes with these of its files, as patterns below the package name them: two of one version may differ."""
    found = hashlib.sha256()
    for path in sorted({path for pattern in sources for path in _PACKAGE.glob(pattern)}):
        found.update(path.relative_to(_PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def has_extra(extra: str) -> bool:
    """Whether the libraries of an extra are known and there; none is loaded."""
    return bool(requirements(extra)) and not list(_missing(extra))


def export_format() -> str:
    """Of a model that can be written here."""
    return "onnx" if has_extra("onnx") else "numpy"


def require_extra(what: str, extra: str, *modules: str) -> None:
    """UsageError where libraries of an extra are missing that something needs, or where one of these cannot be loaded.

    No others are loaded.
    """
    if not has_extra(extra):
        raise UsageError(lacking(what, extra))
    for module in modules:
        try:
            import_module(module)
        except ImportError as error:
            raise UsageError(f"{what} {module}, which is installed but cannot be loaded: {error}") from None


def lacking(what: str, extra: str) -> str:
    """A sentence on what needs the libraries of an extra, and the command that installs them."""
    if not requirements(extra):
        return f"{what} the extra `{extra}`, which this copy of nnrun, as nobody installed it, knows nothing of"
    missing = list(_missing(extra)) or [_library(wanted) for wanted in requirements(extra)]
    return f"{what} {' and '.join(missing)}; to install: {installing(extra)}"


def installing(extra: str) -> str:
    """The command that puts an extra's libraries beside this nnrun, by the tool that put nnrun there.

    It names the libraries and not `nnrun[extra]`, which would have to be found once more where nnrun came from.
    """
    wanted, environment = requirements(extra), Path(sys.prefix)
    if (environment / "pipx_metadata.json").is_file():
        return shlex.join(["pipx", "inject", environment.name, *wanted])
    if (environment / "uv-receipt.toml").is_file():
        beside = (f"--with={library}" for library in dict.fromkeys([*_brought_by_uv(environment), *wanted]))
        return shlex.join(["uv", "tool", "install", *beside, _origin()])
    if _installed_by() == "uv":
        return shlex.join(["uv", "pip", "install", "--python", sys.executable, *wanted])
    return shlex.join([sys.executable, "-m", "pip", "install", *wanted])


@cache  # to read what stands there takes some milliseconds, and each trial of a search asks
def requirements(extra: str) -> list[str]:
    """What an extra asks for, such as `onnx>=1.17`, as pyproject.toml told it to the installed package.

    Nothing where nnrun was copied here without what is told of it (`nnrun-….dist-info`).
    """
    from importlib.metadata import PackageNotFoundError, requires

    try:
        declared = [line.partition(";") for line in requires(NAME) or []]
    except PackageNotFoundError:
        return []
    return [wanted.strip() for wanted, _, when in declared if re.search(rf"extra\s*==\s*['\"]{extra}['\"]", when)]


def _missing(extra: str) -> Iterator[str]:
    wanted = map(_library, requirements(extra))
    return (library for library in wanted if not find_spec(MODULES.get(library, library)))


def _library(requirement: str) -> str:
    """The name of a requirement, which for those of the extras is that of the module too, but for MODULES."""
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0]


def _installed_by() -> str:
    from importlib.metadata import distribution

    return (distribution(NAME).read_text("INSTALLER") or "").strip()


def _brought_by_uv(environment: Path) -> Iterator[str]:
    """The libraries that were installed beside nnrun before, which uv would take away."""
    import tomllib

    receipt = tomllib.loads((environment / "uv-receipt.toml").read_text(encoding="utf-8"))
    for library in receipt["tool"]["requirements"]:
        if library["name"] != NAME:
            yield library["name"] + library.get("specifier", "")


def _origin() -> str:
    """What uv is to install again: the file or folder that nnrun came from, else its name."""
    import json
    from importlib.metadata import distribution

    written = distribution(NAME).read_text("direct_url.json")
    return f"{NAME} @ {json.loads(written)['url']}" if written else NAME
