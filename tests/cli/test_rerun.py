"""A run is trained again from its directory: to the same bits, or it is said what is not the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nnrun.runs.rundir import RunDir
from tests.cli.conftest import QUICK, Done

Nnrun = Callable[..., Done]
SETTINGS = ("--set", "network.hidden=[6]", "--set", "training.epochs=4", "--set", "seed=3")


def newest() -> Path:
    return max(Path("runs").glob("[!.]*"), key=lambda path: (path.stat().st_ctime_ns, path.name))


def test_it_comes_out_the_same(nnrun: Nnrun) -> None:
    nnrun("train", "-q", *SETTINGS)
    first = newest()
    nnrun("train", "-q", *QUICK)
    again = nnrun("rerun", "@1", "--json").json
    assert again["id"] != first.name
    same = {"of": first.name, "epochs": 4, "first": None, "key": None, "pruned": False, "other_data": False}
    assert again["rerun"] == same
    for name in ("checkpoints/last.safetensors", "resolved.yaml"):
        assert (Path(again["path"]) / name).read_bytes() == (first / name).read_bytes()
    assert "same     every number of 4 epochs is as in" in nnrun("rerun", first.name).out


def test_a_rewound_child_comes_out_the_same_and_one_that_went_on_is_told(nnrun: Nnrun) -> None:
    nnrun("train", "-q", *SETTINGS)
    parent = newest()
    child = nnrun("rewind", parent.name, "--to", "2", "--set", "optimizer.learning_rate=0.002", "--json").json["id"]
    assert nnrun("rerun", child, "--json").json["rerun"]["first"] is None
    went_on = nnrun("resume", parent.name, "--epochs", "6", "--set", "regularization.l2=0.1", "--json").json["id"]
    told = nnrun("rerun", went_on)
    assert f"{went_on} went on from epoch 4 of {parent.name};" in " ".join((told.out + told.err).split())
    assert f"differs  from {went_on} since epoch 5" in told.out


def test_other_data_is_told(nnrun: Nnrun, config: Callable[..., Path]) -> None:
    rows = "".join(f"{i % 7},{'xy'[i % 7 > 3]}\n" for i in range(90))
    Path("t.csv").write_text("a,b\n" + rows)
    nnrun("train", "-q", config("data: {source: t.csv, target: b}\ntraining: {epochs: 2}\n"))
    first = newest()
    Path("t.csv").write_text("a,b\n" + rows + "5,x\n")
    told = nnrun("rerun")
    assert told.code == 0
    words = " ".join((told.out + told.err).split())
    assert f"the data is no longer what {first.name} was trained on" in words
    assert "differs  from" in told.out
    (line,) = (line for line in nnrun("rerun", first.name, "-q").out.splitlines() if line.startswith("differs"))
    assert line.endswith("; the data is no longer what that was trained on")
    Path("t.csv").unlink()
    assert nnrun("rerun").code == 4


def test_folds_are_trained_again_and_a_search_is_none(nnrun: Nnrun) -> None:
    nnrun("train", "-q", *QUICK, "--set", "data.folds=2", "--set", "data.source=iris")
    assert nnrun("rerun", "--json").json["rerun"]["first"] is None
    nnrun("search", "-q", *QUICK, "--trials", "1", "--workers", "1", "--set", "data.source=iris")
    refused = nnrun("rerun")
    assert (refused.code, "is a search, and rerun trains one run; `nnrun rerun " in refused.err) == (2, True)
    assert nnrun(*refused.err.split("`")[1].split()[1:], "-q").code == 0


def test_what_a_search_ended_early_trains_to_its_end(nnrun: Nnrun) -> None:
    nnrun("train", "-q", *SETTINGS)
    first = newest()
    RunDir(first).update_record(pruned=True)
    told = " ".join(nnrun("rerun", first.name).out.split())
    assert "every number of 4 epochs is as in" in told and "which its search ended then; alone it trains on" in told
