"""Every rule of diagnosis speaks of a real run, and its command is run as printed: what it was printed for is gone."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from nnrun.data.split import STORED, split_rows
from nnrun.insight.diagnosis.recipe import REMEDIES
from nnrun.runs.finding import find_run
from nnrun.runs.stored import StoredRun
from nnrun.runs.symptoms.evidence import evidence_of
from nnrun.runs.verdict import of_run
from tests.cli.conftest import Done

Nnrun = Callable[..., Done]
Write = Callable[..., Path]


class Situation(NamedTuple):
    """A config of which the rule has something to say, and how its training ends."""

    config: str
    code: int = 0


def situation(source: str, hidden: str, rate: float, epochs: int, more: str = "", name: str = "adam") -> Situation:
    """With these settings, and lines of further sections."""
    lines = [
        f"data: {{source: {source}}}",
        f"network: {{hidden: {hidden}}}" if hidden else "",
        f"optimizer: {{name: {name}, learning_rate: {rate}}}",
        f"training: {{epochs: {epochs}, batch_size: 16}}",
        more,
    ]
    return Situation("\n".join(line for line in lines if line) + "\n")


SPLIT = 10  # its seed, by which the makers of the test set are known
NOISY, TIMED = "noisy.csv, target: y", "timed.csv, target: y, time: t"
BY_HEART = situation(NOISY, "[128]", 0.01, 12)
HELD = "network: {hidden: [256], batch_norm: true, ensemble: 2}\nregularization: {l2: 1e-6, early_stopping: {}}"
DIVERGING = situation("diabetes", "[16]", 5, 9, name="sgd")._replace(code=5)
JUMPING = situation("digits", "[16]", 1, 12)
EASY = situation("easy.csv, target: y", "[16]", 0.05, 12)
LEVEL = situation(TIMED, "[8]", 0.03, 9, "diagnosis: {tolerance: 0.1}")
SITUATIONS = {
    "lower rate": DIVERGING,
    "clipping": DIVERGING,
    "longer memory": situation("digits", "[64]", 0.003, 6, name="adam, beta2: 0")._replace(code=5),
    "decay": JUMPING,
    "repair init": situation("iris", "", 0.1, 5, "network: {init: zeros}", name="sgd"),
    "normalise": situation("breast_cancer, normalize: none", "[16]", 0.001, 5),
    "batch norm": situation("iris", "", 0.1, 9, "network: {depth: 12, width: 16}", name="sgd"),
    "activation": situation("iris", "", 0.001, 8, "network: {hidden: [16, 16], activation: sigmoid}"),
    "higher rate": situation("iris", "[16]", 1e-4, 10, name="sgd"),
    "less regularisation": situation("iris", "[16]", 0.01, 20, "regularization: {dropout: 0.8}"),
    "larger network": situation("iris", "[1]", 0.001, 20),
    "longer": situation("iris", "[64]", 0.001, 2),
    "optimizer": situation("iris", "[64]", 0.03, 4, name="sgd"),
    "augmentation": situation("digits, split: [0.06, 0.47, 0.47]", "[128]", 0.01, 12),
    "L2 and dropout": BY_HEART,
    "L2": BY_HEART,
    "dropout": BY_HEART,
    "smaller network": situation(
        NOISY + ", split: [0.3, 0.7, 0]", "", 0.01, 12, f"{HELD}\ndiagnosis: {{base_error: 0.2}}"
    ),
    "ensemble": situation(NOISY, "[128]", 0.01, 12, "regularization: {l2: 0.1}"),
    "search regularisation": BY_HEART,
    "small batches": situation(NOISY + ", split: [0.6, 0.4, 0]", "[12, 12]", 0.01, 40),
    "early stopping": situation(NOISY + ", split: [0.6, 0.4, 0]", "[128]", 0.01, 12),
    "weigh the classes": situation("rare.csv, target: y", "[16]", 0.001, 5),
    "look at the rows": situation("far.csv, target: y, time: t", "[8]", 0.03, 9),
    "look for a leak": situation("leak.csv, target: y", "[16]", 0.02, 20),
    "train-dev part": situation("{train: noisy.csv, dev: other.csv}, target: y", "[128]", 0.01, 12),
    "compare the sets": Situation("data: {source: {train: noisy.csv, dev: moved.csv}, target: y}\n"),
    "fresh dev set": situation(f"makers.csv, target: y, group: maker, split_seed: {SPLIT}", "[16]", 0.02, 8),
    "folds": situation("iris", "[64]", 0.03, 20),
    "search": LEVEL,
    "half the network": EASY,
    "another seed": EASY,
    "another split": situation("easy.csv, target: y", "[8]", 0.05, 12),
    "twice as long": LEVEL,
}
LOOKS = {  # that show what is wrong and change nothing, and what is then told
    "look at the rows": "train and dev differ in y",
    "look for a leak": "answer gives y away",
    "compare the sets": "train and dev differ in f1",
}
MISMATCH = ("--train-error", "1%", "--train-dev-error", "1.5%", "--dev-error", "10%")


@pytest.fixture
def tables(here: Path) -> None:
    """Rows told apart with ease; the same of sixty makers, of whom those in test swap the names; noise, once beside the
    answer, once with a rare class; a target that runs off.
    """
    rng = np.random.default_rng(0)
    x = rng.choice([-1, 1], 200) * rng.uniform(0.5, 1, 200)
    easy = pd.DataFrame({"x": x, "noise": rng.standard_normal(200), "y": np.where(x > 0, "yes", "no")})
    easy.to_csv("easy.csv", index=False)
    makers = np.repeat(np.arange(60), 10)
    swapped = split_rows(600, "auto", SPLIT, groups=makers).part_of == STORED.index("test")
    made = easy.sample(600, replace=True, random_state=0).assign(maker=makers)
    made.assign(y=np.where((made["x"] > 0) != swapped, "yes", "no")).to_csv("makers.csv", index=False)
    noisy = pd.DataFrame(rng.standard_normal((300, 12))).add_prefix("f")
    noisy["y"] = np.where(noisy["f0"] + 2 * rng.standard_normal(300) > 0, "yes", "no")
    noisy.to_csv("noisy.csv", index=False)
    noisy.assign(y=np.where(noisy["f0"] > 1.7, "yes", "no")).to_csv("rare.csv", index=False)
    noisy.assign(answer=np.where(noisy["y"] == "yes", 7, 5)).to_csv("leak.csv", index=False)
    noisy.assign(y=noisy["y"].to_numpy()[::-1]).to_csv("other.csv", index=False)
    noisy.assign(f1=noisy["f1"] + 3).to_csv("moved.csv", index=False)
    timed = pd.DataFrame({"t": pd.date_range("2026-01-01", periods=200).strftime("%Y-%m-%d"), "x": x, "y": x})
    timed.to_csv("timed.csv", index=False)
    timed.assign(y=np.where(np.arange(200) < 120, x, 50 + x / 10)).to_csv("far.csv", index=False)


def sentence(name: str) -> str:
    """What the rule says of the latest run."""
    run = StoredRun(find_run(Path("runs"), "latest"))
    section = run.config.diagnosis
    verdict = of_run(run.final, run.record["data"], section)
    move = REMEDIES[name].propose(evidence_of(run, verdict))
    assert move is not None, "the rule has nothing to say"
    return move.why


def advice(done: Done) -> dict[str, str]:
    """Commands by the sentence above them, in their order."""
    assert done.code == 0, done.err
    return {each["why"]: each["command"] for each in done.json["next"]}


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize("name", [name for name in REMEDIES if name not in LOOKS])
def test_a_rule_is_silent_or_no_longer_first_once_it_was_followed(nnrun: Nnrun, config: Write, name: str) -> None:
    given = SITUATIONS[name]
    assert nnrun("train", config(given.config), "-q").code == given.code
    printed = advice(nnrun("diagnose", "--json"))
    why = next(why for why in printed if why.startswith(sentence(name)))  # after a divergence it says what was tried
    command = printed[why]
    done = nnrun(*shlex.split(command)[1:])
    assert done.code == 0, f"{command}: {done.err}"
    after = advice(nnrun("diagnose", "--json"))
    assert next(iter(after)) != why
    assert command not in after.values()


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize(("name", "code"), [("look at the rows", 0), ("look for a leak", 6)])
def test_a_look_shows_what_it_is_for(nnrun: Nnrun, config: Write, name: str, code: int) -> None:
    """`check` ends with 6 where it finds a fault."""
    assert nnrun("train", config(SITUATIONS[name].config), "-q").code == 0
    command = advice(nnrun("diagnose", "--json"))[sentence(name)]
    done = nnrun(*shlex.split(command)[1:])
    assert (done.code, LOOKS[name] in done.out) == (code, True)


@pytest.mark.usefixtures("tables")
def test_a_look_at_the_sets_shows_in_what_they_differ(nnrun: Nnrun, config: Write) -> None:
    """Of a mismatch bare numbers alone can tell; `check` ends with 6, as it finds the fault that it is to show."""
    config(SITUATIONS["compare the sets"].config)
    command = next(iter(advice(nnrun("diagnose", *MISMATCH, "--json")).values()))
    done = nnrun(*shlex.split(command)[1:])
    assert (done.code, LOOKS["compare the sets"] in done.out) == (6, True)


def test_every_rule_has_a_situation() -> None:
    assert list(SITUATIONS) == list(REMEDIES)
