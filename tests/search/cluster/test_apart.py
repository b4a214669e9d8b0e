"""Workers that see nothing of the search: each has a mount namespace where the folders of the tests are an empty one.

So what they know of settings and data has come over the network, and what they leave has to go back that way.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from nnrun.config.load import load_config
from nnrun.search.cluster.connecting import connected
from nnrun.search.study import Watcher
from nnrun.search.verbs import begin
from tests.asked import asking
from tests.search.cluster.conftest import ByHand, until
from tests.search.cluster.harm import AtTrial
from tests.search.cluster.proxy import Proxy
from tests.search.cluster.test_same_ledger import CASES, left
from tests.search.conftest import CONFIG

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
pytestmark = pytest.mark.soak

WORKERS, LARGE = 4, 100_000_000
HIDE = 'mount -t tmpfs none "$1" && mkdir -p "$2" && cd "$2" && shift 2 && exec "$@"'


@pytest.fixture(scope="module")
def namespace() -> list[str]:
    """The program that runs another one where what it mounts is seen by nobody else."""
    if sys.platform != "linux" or not shutil.which("unshare"):
        pytest.skip("no namespaces of mounts on this system")
    words = ["unshare", "--mount", "--propagation", "private", *([] if os.getuid() == 0 else ["--map-root-user"])]
    if subprocess.run([*words, "mount", "-t", "tmpfs", "none", "/tmp"], capture_output=True).returncode:
        pytest.skip("a namespace of mounts needs root here")
    return words


@pytest.fixture(scope="module")
def apart(namespace: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ByHand]:
    """A scheduler, and workers each in a folder that is nobody else's."""
    hidden, cluster = tmp_path_factory.getbasetemp(), ByHand(tmp_path_factory.mktemp("apart"))
    try:
        for number in range(WORKERS):
            own = cluster.folder / f"own-{number}"
            cluster.worker("--no-nanny", within=[*namespace, "sh", "-c", HIDE, "sh", str(hidden), str(own)])
        with connected(str(cluster.file)) as client:
            client.wait_for_workers(WORKERS, 60)
            assert [*client.run(os.path.exists, str(cluster.file)).values()] == [False] * WORKERS
            own_folders = {*client.run(os.getcwd).values()}
            assert len(own_folders) == WORKERS and not any(map(os.path.exists, own_folders))
        yield cluster
    finally:
        cluster.close()


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data that no worker has: three classes that two numbers tell apart, more or less."""
    draw, path = np.random.default_rng(5), tmp_path_factory.mktemp("data") / "table.csv"
    x = draw.normal(size=(300, 2))
    rows = [f"{a:.4f},{b:.4f},{int(a > 0) + int(a + b > 1)}" for a, b in x + draw.normal(size=x.shape) / 4]
    path.write_text("\n".join(["a,b,class", *rows]))
    return path


@pytest.mark.parametrize("stack", [None, 1], ids=["stacked", "alone"])
@pytest.mark.parametrize("case", CASES)
def test_they_leave_the_ledger_of_one_worker(
    case: str, stack: int | None, apart: ByHand, table: Path, tmp_path: Path
) -> None:
    settings = [f"data.source={table}", "data.target=class", *CASES[case]]
    trained = {
        name: begin(load_config(None, settings, text=CONFIG), tmp_path / name, options, Watcher())
        for name, options in {
            "here": asking(repeat=2, stack=stack),
            "there": asking(repeat=2, stack=stack, cluster=str(apart.file)),
        }.items()
    }
    assert left(trained["there"].run) == left(trained["here"].run)
    assert all(record["status"] == "done" for record in trained["there"].records)


def test_large_data_are_sent_once_a_worker(apart: ByHand, tmp_path: Path) -> None:
    """Counted where all passes that a search sends: the data once for each worker, and for the next search nothing."""
    draw, rows = np.random.default_rng(6), LARGE // (4 * 250)
    x = draw.normal(size=(rows, 250)).astype(np.float32)
    np.savez(tmp_path / "large.npz", x=x, y=(x[:, 0] > 0).astype(np.int64))
    settings = [f"data.source={tmp_path / 'large.npz'}", "training.epochs=1", "search.trials=12"]
    large = load_config(None, settings, text=CONFIG)
    sent = []
    for search in range(2):
        with closing(Proxy(apart.address)) as proxy:
            # In the first search all wait, when a trial has ended, until each worker has what its own needs.
            watcher = AtTrial(lambda: until(lambda: proxy.sent >= WORKERS * LARGE), 1 - search)
            found = begin(large, tmp_path / "there", asking(stack=1, cluster=proxy.address), watcher)
        sent.append(proxy.sent)
    until(lambda: len(found.records) == 12)
    assert WORKERS * LARGE <= sent[0] <= 1.02 * WORKERS * LARGE
    assert sent[1] <= 0.01 * LARGE
    assert left(found.run) == left(begin(large, tmp_path / "here", asking(stack=1), Watcher()).run)
