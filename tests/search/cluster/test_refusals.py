"""What is refused before anything is written: addresses, a missing extra, workers that train to other bits."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from nnrun import installation
from nnrun.config.load import load_config
from nnrun.errors import UsageError
from nnrun.runs.rundir import RunDir
from nnrun.search.cluster.arrivals import checked
from nnrun.search.cluster.connecting import connected
from nnrun.search.cluster.crew import USUAL, own_probe
from nnrun.search.cluster.sameness import Probe, differences
from nnrun.search.state import Options
from nnrun.search.study import Watcher
from nnrun.search.trials import TrialJob
from nnrun.search.verbs import begin
from tests.search.conftest import CONFIG

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")


def refusal(address: str) -> str:
    with pytest.raises(UsageError) as refused, connected(address):
        pass
    return str(refused.value)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("local:0", "a whole number from 1"),
        ("local:two", "a whole number from 1"),
        ("nowhere.json", "no such file"),
        ("tcp://host", "port"),
        ("carrier://pigeon:1", "scheme"),
        ("tls://127.0.0.1:1", "no certificates for tls"),
    ],
)
def test_an_address_that_is_none(address: str, words: str) -> None:
    assert words in refusal(address)


def test_a_file_that_is_no_schedulers(tmp_path: Path) -> None:
    for text in ("nonsense", "[]", "{}"):
        (tmp_path / "s.json").write_text(text)
        assert "no scheduler file" in refusal(str(tmp_path / "s.json"))


def test_nobody_answers_and_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnrun.search.cluster.connecting.PATIENCE", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(UsageError, match=r"nobody answers there within 0\.5 seconds"):
            begin(load_config(None, text=CONFIG), tmp_path / "runs", Options(cluster=address), Watcher())
    assert not (tmp_path / "runs").exists()


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "find_spec", lambda library: None)
    assert "--cluster needs distributed; to install:" in refusal("tcp://127.0.0.1:8786")


def test_each_difference_is_told() -> None:
    ours = own_probe(**USUAL)
    assert differences(ours, ours) == []
    blas = f"{ours['traits']['blas']}, atlas 3"
    traits = {**ours["traits"], "numpy": "1.0", "blas": blas, "BLAS threads": "4", "extra": "x"}
    theirs: Probe = {**ours, "traits": traits, "bits": "other"}
    table = [line.split("  ") for line in differences(ours, theirs)]
    assert [[cell.strip() for cell in row if cell] for row in table] == [
        ["there", "here"],
        ["numpy", "1.0", ours["traits"]["numpy"]],
        ["blas", "atlas 3", "–"],  # what both have is not told
        ["BLAS threads", "4", "1"],
        ["training", "other", ours["bits"]],
        ["extra", "x", "–"],
    ]


def test_a_directory_that_lies_is_refused(tmp_path: Path) -> None:
    outcome = begin(load_config(None, ["search.trials=2"], text=CONFIG), tmp_path, Options(), Watcher())
    folder = outcome.run.path / "trials"
    config = load_config(folder / "0001/resolved.yaml").config.resolved()
    trial: TrialJob = {"number": 1, "values": outcome.records[1]["values"], "config": config, "resume": None}
    assert checked(folder, trial)["final"] == outcome.records[1]["final"]
    lies: list[tuple[str, str, str]] = [
        ("run.json", '"dev_error": ', '"dev_error": 0'),
        ("metrics.jsonl", '"epoch": 1', '"epoch": 2'),
        ("values.json", "learning_rate", "learning_rat"),
        ("resolved.yaml", "epochs: 4", "epochs: 5"),
    ]
    for name, old, new in lies:
        path = RunDir(folder / "0001").path / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        with pytest.raises(Exception) as refused:
            checked(folder, trial)
        assert type(refused.value).__name__ in ("DataError", "ConfigError"), name
        path.write_text(text)
    other: TrialJob = {**trial, "config": {**config, "seed": 7}}
    with pytest.raises(Exception, match="another training"):
        checked(folder, other)
