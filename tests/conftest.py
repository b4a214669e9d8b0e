"""What the tests of several directories share: one BLAS thread, the wheel, and trainers on small made-up data."""

from __future__ import annotations

import errno
import fcntl
import gc
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from threadpoolctl import threadpool_limits

from nnrun.config.load import load_config
from nnrun.engine.augmentation import Augmenter
from nnrun.engine.embedding import Embedding
from nnrun.engine.evaluation import Examples
from nnrun.engine.hyperparameters import Hyperparameters
from nnrun.engine.initializers import INITIALIZERS
from nnrun.engine.losses import LOSSES
from nnrun.engine.network import MLP
from nnrun.engine.parameters import Array
from nnrun.engine.schedules import SCHEDULES
from nnrun.engine.trainer import NumpyEngine, Recipe, Trainer
from nnrun.runs import verbs
from nnrun.runs.listener import Outcome
from nnrun.runs.rundir import RunDir

ROOT = Path(__file__).parents[1]
EXTRAS = ("onnx", "onnxruntime", "pyarrow", "optuna")  # what the extras bring
UNWANTED = (  # of Chromium: its address bar has pages of its own, which take a second a window
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup"),
    # What Playwright leaves out: the last list is the one that holds.
    *("AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsUpgrades"),
    *("HttpsFirstBalancedModeAutoEnable", "LensOverlay", "MediaRouter", "PaintHolding", "NetworkTimeServiceQuerying"),
    *("ThirdPartyStoragePartitioning", "AvoidCorsURLLoaderRestartOnRedirect", "OptimizationHints", "AimEnabled"),
)
MEMORY, ENOUGH = Path("/dev/shm"), 4 << 30  # bytes; all tests together write one gigabyte

# A shell lets what it starts in the background ignore Ctrl-C, and nohup a terminal that closes; programs that the tests
# start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# What a user may have set for the screen and the interpreter: it changes what is printed.
for name in ("NNRUN_RUNS", "NO_COLOR", "FORCE_COLOR", "GITHUB_ACTIONS", "COLUMNS", "LINES", "PYTHONUNBUFFERED",
             "PYTHONIOENCODING", "PYTHONWARNINGS", "PYTHONDEVMODE", "PYTHONVERBOSE"):  # fmt: skip
    os.environ.pop(name, None)


def _is_good_for_files(folder: Path) -> bool:
    """Whether there is room, and programs there may be started."""
    if not os.access(folder, os.W_OK):
        return False
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize >= ENOUGH and not found.f_flag & os.ST_NOEXEC


# Tests write thousands of small files, for which a disk takes a sixth of their time.
if "TMPDIR" not in os.environ and _is_good_for_files(MEMORY):
    os.environ["TMPDIR"], tempfile.tempdir = str(MEMORY), None

# The same cases on any machine, however slow it is: a check of how fast they are drawn would be a check of the machine.
settings.register_profile("suite", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

gc.set_threshold(50_000)  # as `nnrun` does: what the tests import is no garbage, and they import much


def pytest_collection_finish() -> None:
    """Thousands of tests are no garbage either, which each collection would look through."""
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that take long begin first: at the end one process would be left alone with them."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session", autouse=True)
def _one_blas_thread() -> Iterator[None]:
    """Equality of bits is promised for one thread, and `nnrun` has one; what a test loads later would have more.

    SciPy has a BLAS of its own, scikit-learn OpenMP: their threads wait for each other at a core's expense.
    """
    import scipy.linalg  # noqa: F401
    import sklearn.utils._openmp_helpers  # noqa: F401

    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """What is written is there for whoever reads it; it is kept for a loss of power, which no test brings about."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a disk that gives none, such as Lustre where it was mounted without them."""

    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.fixture(scope="session", autouse=True)
def _nnrun_on_the_path() -> Iterator[None]:
    """As in an activated environment, so that what is printed to be typed next begins with `nnrun`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", sysconfig.get_path("scripts"), prepend=os.pathsep)
        yield


def loaded_by(*words: str, folder: Path | None = None) -> tuple[str, set[str]]:
    """What a command prints in a process of its own, and the modules that it has loaded in the end."""
    code = (
        f"import sys; sys.argv = {['nnrun', *words]!r}\n"
        "from nnrun.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout, set(done.stderr.split())


@pytest.fixture(scope="session")
def compiled_before() -> None:
    """The training steps are compiled where they can be: for a test that measures a training, or hears what it says."""
    with suppress(ImportError):
        from nnrun.compiled import machine_code

        machine_code.load(np.dtype(np.float32))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A browser; skipped where there is none."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium here; apt-get install chromium")
    from playwright.sync_api import sync_playwright

    root = ["--no-sandbox"] if os.getuid() == 0 else []
    args = [*root, "--enable-unsafe-swiftshader", f"--disable-features={','.join(UNWANTED)}"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=args)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def outside(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of an environment with the wheel and its core libraries alone; EXTRAS is a folder with the others.

    The libraries are links to those that the tests run with; the checkout is not to be found.
    """
    folder, extras = tmp_path_factory.mktemp("outside"), tmp_path_factory.mktemp("extras")
    venv.create(folder)
    uv = [sys.executable, "-m", "uv", "pip", "install", "--python", str(folder / "bin/python")]
    subprocess.run([*uv, "--no-deps", "--no-index", str(wheel)], check=True, capture_output=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    for library in Path(sysconfig.get_path("purelib")).iterdir():
        link = (extras if library.name.split("-")[0] in EXTRAS else packages) / library.name
        if library.suffix != ".pth" and not link.exists():  # such a file makes an install editable
            link.symlink_to(library)
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "NNRUN_RUNS")}
    return {**kept, "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}", "EXTRAS": str(extras)}


@pytest.fixture
def namesakes(tmp_path: Path) -> Path:
    """A folder of somebody's own files, named as modules that Python and nnrun load, which leave a mark and fail."""
    folder = tmp_path / "namesakes"
    folder.mkdir()
    for name in ("calendar", "csv", "multiprocessing", "nnrun", "queue", "random", "types"):
        (folder / f"{name}.py").write_text("open(f'{__name__} was run', 'w').close()\nraise RuntimeError")
    return folder


def made_up(rows: int, loss: str, outputs: int, n_in: int = 6, seed: int = 0, dtype: str = "float64") -> Examples:
    """Normal inputs; classes or values that depend on them, with noise."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, n_in))
    signal = np.tanh(x @ np.random.default_rng(99).standard_normal((n_in, outputs)))
    noisy = signal + 0.3 * rng.standard_normal(signal.shape)
    y = noisy.argmax(axis=1) if loss == "cross_entropy" else noisy.astype(dtype)
    return Examples(x.astype(dtype), y)


def trainer(
    seeds: Sequence[int] = (0,),
    *,
    loss: str = "cross_entropy",
    outputs: int = 3,
    hidden: Sequence[int] = (7, 5),
    activation: str = "tanh",
    batch_norm: bool = False,
    dropout: float | Sequence[float] | None = None,
    input_dropout: float | Sequence[float] | None = None,
    init: Any = None,
    optimizer: str = "sgd",
    schedule: Any = None,
    batch_size: int = 16,
    epochs: int = 12,
    shuffle: str = "auto",
    augmenter: Augmenter | None = None,
    train: Examples | None = None,
    dev: Examples | None = None,
    dtype: str = "float64",
    engine: type[NumpyEngine] = NumpyEngine,
    ensemble: int = 1,
    embeddings: Sequence[Embedding] = (),
    members: int = 1,
    step_losses: bool = False,
    **hyperparameters: Any,
) -> Trainer:
    """Members with these seeds; dropout rates and hyperparameters are numbers or one number a member."""
    train = train or made_up(50, loss, outputs, seed=1, dtype=dtype)
    dev = dev or made_up(30, loss, outputs, seed=2, dtype=dtype)
    goal = LOSSES[loss](outputs)

    def a_member(rates: float | Sequence[float]) -> Array:
        return np.broadcast_to(rates, len(seeds)).reshape(-1, 1, 1)

    mlp = MLP(
        n_in=train.x.shape[1],
        hidden=hidden,
        n_out=goal.width,
        activation=activation,
        batch_norm=batch_norm,
        dropout=() if dropout is None else [a_member(dropout)] * len(hidden),
        input_dropout=None if input_dropout is None else a_member(input_dropout),
        embeddings=embeddings,
        members=members,
    )
    recipe = Recipe(
        mlp=mlp,
        initializer=init or INITIALIZERS["auto"](),
        loss=goal,
        optimizer=optimizer,
        hyperparameters=Hyperparameters.of(len(seeds), **hyperparameters),
        schedule=schedule or SCHEDULES["constant"](),
        batch_size=batch_size,
        epochs=epochs,
        shuffle=shuffle,
        augmenter=augmenter,
        step_losses=step_losses,
    )
    return Trainer(recipe, train, dev, seeds, engine, ensemble)


@pytest.fixture
def make_trainer() -> Callable[..., Trainer]:
    return trainer


@pytest.fixture
def make_examples() -> Callable[..., Examples]:
    return made_up


@pytest.fixture
def train_run(tmp_path: Path) -> Callable[..., Outcome]:
    """Trains the defaults with `key=value` settings, under `root` or tmp_path/runs."""

    def train(*settings: str, root: Path | None = None, **options: Any) -> Outcome:
        return verbs.train(load_config(None, settings), root or tmp_path / "runs", **options)

    return train


@pytest.fixture
def bits() -> Callable[[RunDir], dict[str, Any]]:
    """All of a run that two equal trainings have in common: both checkpoints byte for byte, metrics but for times."""

    def of(run: RunDir) -> dict[str, Any]:
        files = {name: run.read(f"checkpoints/{name}.safetensors") for name in ("best", "last")}
        rows = [{key: value for key, value in row.items() if key != "seconds"} for row in run.metrics()]
        return files | {"metrics": rows}

    return of
