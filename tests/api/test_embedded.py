"""nnrun within a program of somebody else's, which has threads, forks, and sends objects to other processes."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import nnrun
from nnrun.config.dump import dump_yaml
from nnrun.errors import DataError
from tests.forked import exit_code

VALUES: dict[str, Any] = {"data": {"source": "iris"}, "network": {"hidden": [2]}, "training": {"epochs": 1}}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_process_predicts_that_was_forked_while_threads_predict() -> None:
    run, stop = nnrun.train(VALUES), threading.Event()
    flowers = [{f"{part} {size} (cm)": 1.0 for part in ("sepal", "petal") for size in ("length", "width")}]
    alone = run.predict(flowers)

    def predict() -> None:
        while not stop.is_set():
            run.predict(flowers)

    predicting = [threading.Thread(target=predict) for _ in range(2)]
    for thread in predicting:
        thread.start()
    try:
        for _ in range(3):
            assert exit_code(lambda: pd.testing.assert_frame_equal(run.predict(flowers), alone)) == 0
    finally:
        stop.set()
        for thread in predicting:
            thread.join()


def test_a_config_goes_to_another_process(here: Path) -> None:
    """With its entries of tables, whose classes are made as nnrun is loaded."""
    (here / "digits.yaml").write_text(
        "data: {source: digits}\n"
        "network: {hidden: [3], init: {name: normal, scale: 0.1}}\n"
        "regularization: {augment: [{name: noise, deviation: 0.2}]}\n"
        "training: {epochs: 1}\n"
        "optimizer: {schedule: cosine}\n"
    )
    loaded = nnrun.load_config("digits.yaml", ["training.epochs=2"])
    sent = pickle.dumps(loaded)
    again = pickle.loads(sent)
    assert again == loaded and again.config == loaded.config
    first, second = nnrun.train(loaded), nnrun.train(again)
    for name, values in first.weights().items():
        assert values.tobytes() == second.weights()[name].tobytes()
    there = "import pickle, sys; from nnrun.config.dump import dump_yaml; config = pickle.load(sys.stdin.buffer).config"
    command = [sys.executable, "-c", f"{there}; print(dump_yaml(config.model_dump()), end='')"]
    done = subprocess.run(command, input=sent, capture_output=True, check=False)
    assert done.stdout.decode() == dump_yaml(loaded.config.model_dump()), done.stderr.decode()
    assert pickle.loads(pickle.dumps(first.config)) == first.config


def test_what_is_gone_can_be_shown() -> None:
    run, search = nnrun.train(VALUES), nnrun.search(VALUES, trials=1, workers=1)
    assert search._repr_html_() and run._repr_html_()
    shutil.rmtree(run.path.parent)
    assert repr([run, search]) == (
        f"[<Run {run.id}: gone, or cannot be read>, <Search {search.id}: gone, or cannot be read>]"
    )
    assert (run._repr_html_(), search._repr_html_()) == (None, None)  # a notebook shows the other then
    for ask in (lambda: run.status, lambda: nnrun.retest(search), lambda: nnrun.ensemble([run, search])):
        with pytest.raises(DataError, match=r"run\.json: No such file or directory"):
            ask()
