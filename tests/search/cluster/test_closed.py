"""A cluster of the command's own, and the other users of the machine, who can reach each port of it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from nnrun.config.load import load_config
from nnrun.errors import UsageError
from nnrun.search.cluster import connecting
from nnrun.search.cluster.connecting import connected, exposed
from nnrun.search.state import Options
from nnrun.search.study import Watcher
from nnrun.search.verbs import begin
from tests.search.conftest import CONFIG

distributed = pytest.importorskip("distributed", reason="the extra `cluster` is not installed")


@pytest.mark.skipif(find_spec(connecting.OF_CERTIFICATES) is None, reason="no library for certificates")
def test_nobody_without_its_certificates_is_let_in() -> None:
    with connected("local:1") as client:
        address = client.scheduler.address
        assert client.submit(sum, [1, 2]).result(timeout=60) == 3
        assert address.startswith("tls://")
        for stranger in (address, address.replace("tls", "tcp")):
            with pytest.raises((OSError, TypeError)):
                distributed.Client(stranger, timeout=3, set_as_default=False)


def test_one_that_cannot_start_is_told_with_the_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def start(**options: object) -> None:
        raise RuntimeError("Cluster failed to start: no route") from OSError("no route")

    monkeypatch.setattr(distributed, "LocalCluster", start)
    with pytest.raises(UsageError, match=r"^--cluster local:2: no cluster starts here: no route$"):
        begin(load_config(None, text=CONFIG), tmp_path / "runs", Options(cluster="local:2"), Watcher())
    assert not list(tmp_path.iterdir())


class Heard(Watcher):
    def __init__(self) -> None:
        self.lines = list[str]()

    def say(self, line: str) -> None:
        """Keep the line."""
        self.lines.append(line)


def test_where_there_are_none_the_search_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "OF_CERTIFICATES", "no_such_library")
    heard = Heard()
    begin(load_config(None, ["search.trials=1"], text=CONFIG), tmp_path, Options(cluster="local:1"), heard)
    assert heard.lines.count(connecting.EXPOSED) == 1
    assert exposed("tcp://127.0.0.1:8786") == []
