"""diagnose: on numbers, on runs in every state, on searches, and where it is used wrongly."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nnrun.files import sealed, to_json
from nnrun.insight.diagnosis.telling import grouping, weighing
from nnrun.runs.verdict import judge
from tests.cli.conftest import QUICK, Done, OnTerminal, change_record

Nnrun = Callable[..., Done]
Write = Callable[..., Path]
Typed = Callable[[str], Done]
NUMBERS = ("--train-error", "15%", "--dev-error", "0.30")


def the_run() -> Path:
    (run,) = Path("runs").glob("[!.]*")
    return run


def verdict(done: Done) -> tuple[str | None, str | None]:
    found = done.json["verdict"]
    return found["bias"], found["variance"]


def take_the_place_of(run: Path, *files: str) -> None:
    """Nobody can write these files any more, whoever it is."""
    for file in files:
        (run / file).unlink(missing_ok=True)
        (run / file).mkdir()


def test_a_verdict_that_cannot_be_kept_is_told(nnrun: Nnrun) -> None:
    assert nnrun("train", "-q", *QUICK).code == 0
    told = nnrun("diagnose").out
    take_the_place_of(the_run(), "diagnosis.json", "report.html")
    note = f"note     {the_run()}/diagnosis.json: cannot be written"
    done = nnrun("diagnose")
    assert done.code == 0
    assert note in done.out
    assert done.out.startswith(told[: told.index("\n\n1. ")])
    assert "report.html" in nnrun("report").err


def test_a_wider_search_that_cannot_be_kept_is_not_advised(nnrun: Nnrun) -> None:
    space = ("--set", "search.space={network.width: {int_log: [8, 400]}}")
    assert nnrun("search", "-q", "--trials", "1", "--workers", "1", *QUICK, *space).code == 0
    assert "wider.yaml" in nnrun("diagnose").out
    take_the_place_of(the_run(), "wider.yaml")
    done = nnrun("diagnose")
    assert (done.code, "wider.yaml" in done.out) == (0, False)


# numbers


@pytest.mark.parametrize(
    ("train", "dev", "more", "expected"),
    [
        ("1%", "11%", (), ("low", "high")),
        ("15%", "16%", (), ("high", "low")),
        ("15%", "30%", (), ("high", "high")),
        ("0.5%", "1%", (), ("low", "low")),
        ("15%", "16%", ("--base-error", "15%"), ("low", "low")),
        ("1%", "10%", ("--train-dev-error", "9%"), ("low", "high")),
        ("15%", "14%", (), ("high", "low")),
        ("4%", "6%", ("--dev-size", "100"), ("high", "unclear")),
        ("4%", "6%", ("--dev-size", "20000", "--train-size", "60000"), ("high", "high")),
        ("4%", "6%", ("--tolerance", "3%"), ("high", "low")),
    ],
)
def test_published_examples(
    nnrun: Nnrun, train: str, dev: str, more: tuple[str, ...], expected: tuple[str, str]
) -> None:
    done = nnrun("diagnose", "--train-error", train, "--dev-error", dev, *more, "--json")
    assert (done.code, verdict(done)) == (0, expected)


def test_the_document_has_the_promised_keys(nnrun: Nnrun) -> None:
    document = nnrun("diagnose", *NUMBERS, "--json").json
    assert list(document) == ["schema_version", "errors", "gaps", "verdict", "summary", "next"]
    assert document["gaps"]["variance"] == {"value": 0.15, "low": 0.15, "high": 0.15}
    assert document["verdict"] == {"bias": "high", "variance": "high", "mismatch": None, "dev_overfit": None}
    assert 3 <= len(document["next"]) <= 5
    assert all(set(advice) == {"why", "command"} for advice in document["next"])


def test_the_ladder(nnrun: Nnrun) -> None:
    done = nnrun("diagnose", "--train-error", "15%", "--dev-error", "14%", "--dev-size", "2000")
    assert re.search(r"\n +\+15\.0 points  avoidable bias +high\ntrain +15\.0%  ━+\n", done.out)
    assert re.search(
        r"\n +-1\.0 points  variance +95%: -2\.5 to \+0\.6 +low\ndev +14\.0%  ━+ +2,000 examples\n", done.out
    )
    assert "New examples come out better than those trained on" in done.out
    assert "--train-size, would tell" in done.out
    shown = [line for line in done.out.splitlines() if not line.startswith("next ")]
    assert max(map(len, shown)) <= 80


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--train-error", "15", "--dev-error", "30"), "did you mean 15%?"),
        (("--train-error", "150%", "--dev-error", "0.3"), "at most 100%"),
        (("--dev-error", "0.3"), "--train-error is missing"),
        (("--train-error", "0.3"), "--dev-error is missing"),
        ((*NUMBERS, "--dev-size", "0"), "--dev-size 0: an error is measured on at least one example"),
        ((*NUMBERS, "--test-size", "9"), "--test-size stands without --test-error"),
        (("latest", *NUMBERS), "a run brings its errors along"),
        ((*NUMBERS, "--fail-on", "bais"), "'bais' is none of bias, variance"),
        ((*NUMBERS, "--fail-on", "bias", "--fail-on", "bais"), "--fail-on bais: 'bais' is none of"),
        ((*NUMBERS, "--tolerance", "1.5"), "did you mean 1.5%?"),
        (("--base-error", "2"), "did you mean 2%?"),
    ],
)
def test_wrong_use_is_told(nnrun: Nnrun, arguments: tuple[str, ...], words: str) -> None:
    done = nnrun("diagnose", *arguments)
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert nnrun("diagnose", *arguments, "--json").json["error"]["exit_code"] == 2


@pytest.mark.parametrize(("kinds", "code"), [("variance,bias", 6), ("bias", 0), ("variance", 6)])
def test_a_gate(nnrun: Nnrun, kinds: str, code: int) -> None:
    done = nnrun("diagnose", "--train-error", "1%", "--dev-error", "11%", "--fail-on", kinds, "--json")
    assert done.code == code
    assert done.json["verdict"]["variance"] == "high"
    assert ("variance high" in done.err) == (code == 6)


@pytest.mark.parametrize("kinds", [("variance", "bias"), ("bias", "variance"), ("variance,bias", "variance")])
def test_gates_given_one_by_one_are_all_held(nnrun: Nnrun, kinds: tuple[str, ...]) -> None:
    gates = [word for kind in kinds for word in ("--fail-on", kind)]
    done = nnrun("diagnose", "--train-error", "1%", "--dev-error", "11%", *gates)
    assert (done.code, done.err) == (6, "nnrun: variance high, which --fail-on forbids\n")


@pytest.mark.parametrize(
    ("errors", "kinds", "told"),
    [
        ((), "mismatch", "mismatch cannot be told without a train-dev error"),
        ((), "bias,dev_overfit", "dev_overfit cannot be told without a test error"),
        (("--train-dev-error", "1%"), "mismatch", ""),
        (("--test-error", "2%"), "dev_overfit", ""),
    ],
)
def test_a_gate_fails_where_its_gap_was_not_measured(
    nnrun: Nnrun, errors: tuple[str, ...], kinds: str, told: str
) -> None:
    done = nnrun("diagnose", "--train-error", "1%", "--dev-error", "2%", *errors, "--fail-on", kinds)
    assert (done.code, done.err) == ((6, f"nnrun: {told}, so --fail-on is not held\n") if told else (0, ""))


def test_a_gate_on_a_run_without_the_part_that_tells_fails(nnrun: Nnrun, config: Write) -> None:
    config("data: {source: iris, split: [0.7, 0.3, 0]}\ntraining: {epochs: 1}\n")
    nnrun("train")
    done = nnrun("diagnose", "--fail-on", "mismatch,dev_overfit")
    assert done.code == 6
    assert "mismatch cannot be told without a train-dev error" in done.err
    assert "dev_overfit cannot be told without a test error" in done.err


def test_commands_for_numbers_run_as_printed(typed: Typed, config: Write) -> None:
    config("data: {source: iris}\ntraining: {epochs: 2}\n")
    done = typed("nnrun diagnose --train-error 15% --dev-error 16%")
    assert done.next
    for line in done.next:
        ran = typed(f"{line} -q" if "search" not in line else f"{line} -q --trials 2 --workers 1")
        assert ran.code == 0, ran.err


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ("--train-error 5% --dev-error 5% --train-size 5", "Too few examples to tell: 5 train."),
        ("--train-error 5% --dev-error 5% --dev-size 5000", "The size of the set, --train-size, would tell"),
        (
            "--train-error 0 --train-size 90 --train-dev-error 3% --train-dev-size 5000 --dev-error 3% --dev-size 5000",
            "Too few examples to tell: 90 train.",
        ),
    ],
)
def test_the_set_that_is_too_small_is_named_once(nnrun: Nnrun, numbers: str, words: str) -> None:
    assert words in " ".join(nnrun("diagnose", *numbers.split()).out.split())


def test_the_dev_examples_that_cannot_tell_are_those_that_were_given(nnrun: Nnrun) -> None:
    sizes = ("--train-size", "2000", "--dev-size", "300")
    words = " ".join(nnrun("diagnose", "--train-error", "1%", "--dev-error", "3%", *sizes).out.split())
    assert ". 300 dev examples cannot tell: of 5 folds each is dev once" in words


def test_advice_for_numbers_is_about_the_bundled_example_where_no_config_lies(nnrun: Nnrun) -> None:
    """configs/digits.yaml has two layers of 128 and 64, dropout 0.3 and L2 0.01; the usual values are others."""
    biased = nnrun("diagnose", "--train-error", "5.8%", "--dev-error", "6%", "--json").json["next"]
    assert biased[0]["why"].startswith("Regularisation holds the network back")
    assert "'network.hidden=[256, 128]'" in biased[1]["command"]
    varied = nnrun("diagnose", "--train-error", "1%", "--dev-error", "11%").out
    assert "The L2 penalty of 0.01 is not enough" in varied
    assert "neither dropout nor L2" not in varied


# runs


def test_a_run(nnrun: Nnrun, typed: Typed, config: Write) -> None:
    config("name: a\nnetwork: {hidden: [3]}\ntraining: {epochs: 3}\n")
    typed("nnrun train config.yaml -q")
    run = the_run()
    done = nnrun("diagnose")
    assert done.code == 0
    assert done.out.startswith(f"run      {run}\n")
    assert "1,079 examples" in done.out
    assert done.next[0] == "nnrun train config.yaml --set 'network.hidden=[64]'"
    document = json.loads((run / "diagnosis.json").read_text())
    assert document == nnrun("diagnose", run.name, "--json").json
    assert document["verdict"]["bias"] == "high"
    assert document["errors"]["test"] is not None
    before = json.loads((run / "run.json").read_text())["final"]["dev_error"]
    assert typed(f"{done.next[0]} -q").code == 0
    assert nnrun("show", "--json").json["final"]["dev_error"] < before


def test_a_loss_that_hardly_falls_on_a_slope_has_not_come_to_rest(nnrun: Nnrun, config: Write) -> None:
    config("training: {epochs: 30, batch_size: full}\noptimizer: {name: sgd}\n")
    assert "symptom  slow" in nnrun("train").out
    done = nnrun("diagnose")
    assert "come to rest" not in done.out
    assert done.next[0].endswith("--set optimizer.learning_rate=0.1")


def test_errors_of_a_network_that_ignores_a_rare_class_are_said_to_tell_little(
    nnrun: Nnrun, typed: Typed, here: Path
) -> None:
    table = "x,y\n" + "".join(f"{i * 37 % 100},{'sick' if i % 50 == 0 else 'healthy'}\n" for i in range(500))
    (here / "rare.csv").write_text(table)
    nnrun("train", "-q", "--set", "data={source: rare.csv, target: y}", *QUICK)
    done = nnrun("diagnose")
    assert "Always saying the most frequent class would be wrong hardly more often" in " ".join(done.out.split())
    assert done.next[0].endswith("--set data.class_weight=balanced")
    typed(f"{done.next[0]} -q")
    assert "most frequent class" not in nnrun("diagnose").out


def test_base_and_tolerance_come_from_the_config_unless_given(nnrun: Nnrun, config: Write) -> None:
    nnrun("train", config(), "-q", *QUICK, "--set", "diagnosis={base_error: 0.9, tolerance: 0.9}")
    assert verdict(nnrun("diagnose", "--json")) == ("low", "low")
    assert nnrun("diagnose", "--json").json["errors"]["base"] == 0.9
    assert nnrun("diagnose", "--json", "--base-error", "0", "--tolerance", "0.1%").json["verdict"]["bias"] == "high"


def test_a_changed_config_is_not_named(nnrun: Nnrun, typed: Typed, config: Write) -> None:
    config()
    typed("nnrun train config.yaml --set seed=5 -q")
    assert "--set seed=5" in nnrun("diagnose").next[0]
    config("seed: 8\n")
    assert nnrun("diagnose").next[0].startswith(f"nnrun train {the_run()}/resolved.yaml --set ")


def test_a_run_remembers_what_it_was_given(nnrun: Nnrun, typed: Typed, config: Write) -> None:
    config()
    typed("nnrun train -q --set=seed=5 --set optimizer.name=sgd")
    assert json.loads((the_run() / "run.json").read_text())["given"] == {
        "config": None, "settings": ["seed=5", "optimizer.name=sgd"]
    }  # fmt: skip
    assert nnrun("diagnose").next[0].startswith("nnrun train --set seed=5 --set ")
    typed("nnrun resume latest -q --epochs 5")  # no command line gives this config
    assert nnrun("diagnose").next[0].startswith(f"nnrun train {the_run()}/resolved.yaml --set ")


def test_a_run_that_does_not_remember_it_is_changed_by_its_resolved_config(nnrun: Nnrun, config: Write) -> None:
    nnrun("train", config(), "-q")
    path = the_run() / "run.json"
    record = json.loads(path.read_text())
    assert record.pop("given") == {"config": "config.yaml", "settings": []}
    path.write_text(json.dumps(record))
    assert nnrun("diagnose").next[0].startswith(f"nnrun train {the_run()}/resolved.yaml --set ")


def test_runs_elsewhere_lead_elsewhere(nnrun: Nnrun, typed: Typed, config: Write) -> None:
    nnrun("train", config(), "-q", "--runs", "my runs")
    done = nnrun("diagnose", "--runs", "my runs")
    assert done.next[0].endswith("--runs 'my runs'")
    assert typed(f"{done.next[0]} -q").code == 0
    assert len(list(Path("my runs").glob("[!.]*"))) == 2


def test_a_regression_says_what_its_error_is(nnrun: Nnrun) -> None:
    nnrun("train", "-q", "--set", "data.source=diabetes", *QUICK)
    done = nnrun("diagnose")
    assert "Errors are 1 − R²" in done.out
    assert "95%" not in done.out
    assert nnrun("diagnose", "--json").json["gaps"]["variance"]["low"] is None


def test_a_diverged_run_is_biased_and_lowers_its_rate(nnrun: Nnrun, typed: Typed, config: Write) -> None:
    config()
    typed("nnrun train config.yaml -q --set 'optimizer={name: sgd, learning_rate: 1e30}'")
    done = nnrun("diagnose")
    assert (done.code, "training diverged in epoch 1" in done.out) == (0, True)
    assert verdict(nnrun("diagnose", "--json")) == ("high", None)
    assert done.next[0] == "nnrun train config.yaml --set 'optimizer={name: sgd, learning_rate: 1e30}' --set " + (
        "optimizer.learning_rate=0.1"
    )
    assert nnrun("diagnose", "--fail-on", "bias").code == 6
    gate = nnrun("diagnose", "--fail-on", "variance")
    told = "nnrun: variance cannot be told of a training that diverged before it had errors, so --fail-on is not held"
    assert (gate.code, gate.err.splitlines()[-1]) == (6, told)
    assert typed(f"{done.next[0]} -q").code == 0


def test_an_interrupted_run_is_to_be_finished_first(nnrun: Nnrun, config: Write) -> None:
    nnrun("train", config(), "-q")
    run = the_run()
    change_record(run, status="running", final=None)  # as a kill leaves it
    done = nnrun("diagnose")
    assert (done.code, done.next[0]) == (0, f"nnrun resume {run}")
    assert "interrupted: not all of 3 epochs are trained, by epoch" in done.out
    assert nnrun(*done.next[0].split()[1:]).code == 0
    assert not any(line.startswith("nnrun resume") for line in nnrun("diagnose").next)


def test_a_run_that_is_still_going(nnrun: Nnrun, start: Callable[..., Any], config: Write, many_examples: Path) -> None:
    process = start("train", config(f"data: {{source: {many_examples}}}\ntraining: {{epochs: 100000}}\n"))
    next(line for line in process.stderr if line.startswith("epoch"))
    done = nnrun("diagnose")
    assert (done.code, done.err) == (0, "")
    assert "status   running: not all of 100,000 epochs are trained, by epoch" in done.out
    assert not (the_run() / "diagnosis.json").exists()
    (the_run() / "metrics.jsonl").write_text("")
    done = nnrun("diagnose")
    assert done.code == 2 or "by epoch" in done.out, "it may have finished another epoch"


@pytest.mark.parametrize("final", [{}, {"train_error": 0.1}, {"train_error": None, "dev_error": 0.1}])
def test_a_run_without_errors_to_compare(nnrun: Nnrun, config: Write, final: dict[str, Any]) -> None:
    nnrun("train", config(), "-q")
    change_record(the_run(), final=final, written=None)  # so that lines may be missing
    if not final:
        (the_run() / "metrics.jsonl").write_text("")
    done = nnrun("diagnose")
    assert (done.code, done.out) == (2, "")
    assert "has no" in done.err


def test_no_run(nnrun: Nnrun) -> None:
    assert "there is no run in runs yet" in nnrun("diagnose").err
    Path("empty").mkdir()
    for done in (nnrun("diagnose"), nnrun("diagnose", "empty"), nnrun("diagnose", "--runs", "empty")):
        assert (done.code, done.out) == (2, "")


def test_a_broken_run(nnrun: Nnrun, config: Write) -> None:
    nnrun("train", config(), "-q")
    for file in ("data.json", "resolved.yaml"):
        copy = Path("copy") / file
        shutil.copytree(the_run(), copy)
        (copy / file).unlink()
        done = nnrun("diagnose", copy)
        assert done.code in (3, 4)
        assert file in done.err
        assert "internal error" not in done.err


# searches


def test_a_search(nnrun: Nnrun, typed: Typed, config: Write) -> None:
    config("data: {source: iris}\nnetwork: {hidden: [4]}\ntraining: {epochs: 2}\n")
    space = "search.space={optimizer.learning_rate: {log: [1e-4, 1e-3]}}"
    nnrun("search", "-q", "--trials", "6", "--workers", "1", "--set", space)
    done = nnrun("diagnose")
    assert (done.code, done.err) == (0, "")
    assert re.search(r"\nof 6 trials +high  unclear  low\nbias +\d", done.out)
    document = nnrun("diagnose", "--json").json
    assert document["trials"]["count"] == 6
    first, middle, third = document["trials"]["dev_error_quartiles"]
    assert first <= middle <= third
    for inside in ("", "/best", "/trials/0001"):  # what the search has chosen stays as it is
        advised = nnrun("diagnose", f"{the_run()}{inside}", "--json").json["next"]
        assert not any("learning_rate" in action["command"] or " search " in action["command"] for action in advised)
    assert nnrun("report", f"{the_run()}/best").code == 0
    assert "--set optimizer.learning_rate" not in (the_run() / "best/report.html").read_text()
    for line in done.next:
        ran = typed(line if "evaluate" in line else f"{line} -q")
        assert ran.code == 0, ran.err


@pytest.mark.parametrize(("key", "short"), [("strategy=halving", 12), ("prune=median", 3)])
def test_trials_that_were_cut_short_are_not_judged(nnrun: Nnrun, config: Write, key: str, short: int) -> None:
    """Of one epoch or two all have a high bias, which says how long they trained."""
    config("data: {source: iris}\nnetwork: {hidden: [4]}\ntraining: {epochs: 9}\n")
    space = "search.space={optimizer.learning_rate: {log: [1e-4, 1e-3]}}"
    nnrun("search", "-q", "--trials", "14", "--workers", "1", "--set", space, "--set", f"search.{key}")
    if "prune" in key:
        ledger = next(Path("runs").glob("*search*/trials.jsonl"))
        lines = [json.loads(line) for line in ledger.read_text().splitlines()]
        ended = [sealed(line | {"pruned": line["number"] in (4, 5, 6)}) for line in lines]
        ledger.write_text("".join(to_json(line) + "\n" for line in ended))
    found = nnrun("diagnose", "--json").json["trials"]
    assert (found["count"], found["whole"]) == (14, 14 - short)
    assert sum(found["bias"].values()) == sum(found["variance"].values()) == 14 - short
    told = " ".join(nnrun("diagnose").out.split())
    assert f"of {14 - short} trials high unclear low" in told
    assert f"note {short} trials that ended before epoch 9 for {key.partition('=')[2]} do not count" in told


@pytest.mark.parametrize(
    ("strategy", "wanted"), [("random", False), ("halving", False), ("coarse_to_fine", True), ("tpe", True)]
)
def test_that_the_best_trial_came_late_says_something_where_a_search_closes_in(
    nnrun: Nnrun, config: Write, strategy: str, wanted: bool
) -> None:
    """The order of draws is chance, and the last trials of halving are those that trained longest."""
    config("data: {source: iris}\nnetwork: {hidden: [4]}\ntraining: {epochs: 3}\n")
    space = "search.space={optimizer.learning_rate: {log: [1e-4, 1e-3]}}"
    nnrun("search", "-q", "--trials", "6", "--workers", "1", "--strategy", strategy, "--set", space)
    ledger = next(Path("runs").glob("*search*/trials.jsonl"))
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    late = [sealed(line | {"metric": 0.1 if line["number"] == 5 else 0.9}) for line in lines]
    ledger.write_text("".join(to_json(line) + "\n" for line in late))
    assert ("--trials 12" in nnrun("diagnose").out) is wanted


def test_rows_in_groups_are_told_as_what_they_count_as(nnrun: Nnrun, config: Write) -> None:
    Path("t.csv").write_text("who,x,y\n" + "".join(f"p{i // 6},{i % 11},{'ab'[i // 6 % 2]}\n" for i in range(120)))
    source = "data: {source: t.csv, target: y%s}\ntraining: {epochs: 2}\n"
    for group, wanted in ((", group: who", True), (", drop: [who]", False)):
        config(source % group)
        nnrun("train", "-q")
        words = " ".join(nnrun("diagnose").out.split())
        assert ("Rows of one who are alike: " in words) is wanted
        assert bool(re.search(r" of 24 says that \d+ independent ones would be as sure\.", words)) is wanted
        assert bool(re.search(r"\d+ of 24 examples", words)) is wanted
    training = judge({"base": 0.0, "train": 0.1, "dev": 0.2}, {"train": 72, "dev": 24}, 0.015)
    assert grouping(training, "who") == (
        "rows of one who are alike: intervals take them for independent, and are too narrow here"
    )


def test_a_range_is_moved_on_alone(nnrun: Nnrun, typed: Typed, config: Write) -> None:
    """The only trial is the config as written, whose rate is the largest of the range."""
    rate, width = "optimizer.learning_rate: {log: [1e-4, 1e-3]}", "network.width: {int: [2, 9]}"
    config(
        "data: {source: iris}\nnetwork: {hidden: [4]}\ntraining: {epochs: 2}\n"
        f"optimizer: {{learning_rate: 1e-3}}\nsearch: {{space: {{{rate}, {width}}}}}\n"
    )
    nnrun("search", "-q", "--trials", "1", "--workers", "1")
    (beyond,) = (line for line in nnrun("diagnose").next if line.startswith("nnrun search"))
    assert re.fullmatch(r"nnrun search runs/\S+/wider\.yaml --trials 1", beyond)
    before = nnrun("show", "--json").json["search"]["space"]
    assert typed(f"{beyond} -q").code == 0
    after = nnrun("show", "--json").json["search"]["space"]
    assert after["network.width"] == before["network.width"], "the other one is searched as before"
    assert after["optimizer.learning_rate"]["log"][1] > before["optimizer.learning_rate"]["log"][1]
    assert not [line for line in nnrun("diagnose").next if "wider.yaml" in line], "it is within the range now"


def test_a_range_moves_to_the_best_trial_that_lies_beyond_it(nnrun: Nnrun, config: Write) -> None:
    """The only trial is the config as written, of another rate than is searched."""
    config(
        "data: {source: iris}\nnetwork: {hidden: [4]}\ntraining: {epochs: 2}\noptimizer: {learning_rate: 0.04}\n"
        "search: {space: {optimizer.learning_rate: {log: [1e-4, 1e-3]}, network.width: {int: [4, 9]}}}\n"
    )
    nnrun("search", "-q", "--trials", "1", "--workers", "1")
    done = nnrun("diagnose")
    told = "lies at or beyond the end of a range (network.width, optimizer.learning_rate): search beyond it."
    assert told in " ".join(done.out.split())
    (beyond,) = (line for line in done.next if line.startswith("nnrun search"))
    assert nnrun(*beyond.split()[1:], "-q").code == 0
    assert nnrun("show", "--json").json["search"]["space"]["optimizer.learning_rate"]["log"] == [1e-4, 0.1]


def test_the_lowest_whole_number_is_the_end_of_a_range(nnrun: Nnrun, typed: Typed, config: Write) -> None:
    config(
        "data: {source: iris}\nnetwork: {hidden: [4]}\ntraining: {epochs: 2}\n"
        "search: {space: {network.width: {int_log: [4, 400]}}}\n"
    )
    nnrun("search", "-q", "--trials", "1", "--workers", "1")
    (beyond,) = (line for line in nnrun("diagnose").next if line.startswith("nnrun search"))
    assert typed(f"{beyond} -q").code == 0
    assert nnrun("show", "--json").json["search"]["space"]["network.width"]["int_log"] == [1, 400]


def test_no_search_goes_on_by_a_dev_set_that_was_overfitted(nnrun: Nnrun) -> None:
    space = ("--set", "search.space={network.width: {int_log: [8, 400]}}")
    assert nnrun("search", "-q", "--trials", "1", "--workers", "1", *QUICK, *space).code == 0
    best = the_run() / "best"
    final = json.loads((best / "run.json").read_text())["final"]
    assert any("nnrun search" in line for line in nnrun("diagnose").next)
    change_record(best, final=final | {"test_error": 1.0})
    done = nnrun("diagnose")
    assert "overfitting of dev" in done.out
    assert done.next
    assert not any(f"nnrun {verb}" in line for verb in ("search", "resume") for line in done.next)


def test_the_usual_space_is_moved_on_by_a_short_command(nnrun: Nnrun, config: Write) -> None:
    config("data: {source: iris}\nnetwork: {hidden: [4]}\ntraining: {epochs: 2}\noptimizer: {learning_rate: 0.1}\n")
    nnrun("search", "-q", "--trials", "1", "--workers", "1")
    (beyond,) = (line for line in nnrun("diagnose").next if line.startswith("nnrun search"))
    assert len(beyond) < 80
    before = nnrun("show", "--json").json["search"]["space"]
    assert nnrun(*beyond.split()[1:], "-q").code == 0
    after = nnrun("show", "--json").json["search"]["space"]
    moved = [key for key in before if after[key] != before[key]]
    assert (before.keys(), "optimizer.learning_rate" in moved) == (after.keys(), True)
    assert "regularization.l2" not in moved


def test_a_search_without_a_best_trial(nnrun: Nnrun, config: Write) -> None:
    config("data: {source: iris}\noptimizer: {name: sgd, learning_rate: 1e30}\ntraining: {epochs: 2}\n")
    space = "search.space={optimizer.learning_rate: {log: [1e29, 1e30]}}"
    nnrun("search", "-q", "--trials", "2", "--workers", "1", "--set", space)
    done = nnrun("diagnose")
    assert (done.code, done.out) == (2, "")
    assert "has no best trial to diagnose (0 done, 2 diverged, 0 failed)\n" in done.err
    assert nnrun("evaluate").err.endswith("has no best run: no trial has ended well yet\n")


# the screen


def test_judgements_are_coloured_on_a_terminal_alone(on_terminal: Callable[..., OnTerminal], nnrun: Nnrun) -> None:
    screen = on_terminal("diagnose", *NUMBERS)
    assert screen.finish() == 0
    assert "\x1b[1;31mhigh\x1b[0m" in screen.written
    plain = on_terminal("diagnose", *NUMBERS, NO_COLOR="1")
    assert plain.finish() == 0
    assert "\x1b[" not in plain.written
    assert plain.written.replace("\r\n", "\n") == nnrun("diagnose", *NUMBERS).out


def test_closer_looks_at_a_run(nnrun: Nnrun) -> None:
    nnrun("train", "--set", "data.source=iris", "--set", "training.epochs=3", "-q")
    page = nnrun("diagnose", "--by", "target", "--estimate-base", "--learning-curve")
    assert page.code == 0
    for beginning in ("errors by target", "base error, estimated", "examples  train"):
        assert any(line.startswith(beginning) for line in page.out.splitlines())
    assert "networks trained" in page.err and "networks trained" not in page.out
    document = json.loads(nnrun("diagnose", "--by", "petal width (cm)", "--estimate-base", "--json").out)
    assert document["regions"]["column"] == "petal width (cm)"
    assert 0 <= document["base_estimate"]["base_error"] < 1
    assert "learning_curve" not in document


def test_errors_alone_have_no_data_to_look_at(nnrun: Nnrun) -> None:
    for option in (["--by", "target"], ["--estimate-base"], ["--learning-curve"]):
        refused = nnrun("diagnose", "--train-error", "1%", "--dev-error", "2%", *option)
        assert (refused.code, refused.out) == (2, "")
        assert "errors alone have no data" in refused.err


def test_weighted_rows_are_counted_by_what_they_are_worth(nnrun: Nnrun, here: Path) -> None:
    rows = "\n".join(f"{i % 7},{'ab'[i % 10 == 0]}" for i in range(200))
    (here / "rare.csv").write_text(f"x,y\n{rows}\n")
    (here / "rare.yaml").write_text(
        "data: {source: rare.csv, target: y, class_weight: balanced}\ntraining: {epochs: 2}\n"
    )
    assert nnrun("train", "rare.yaml", "-q").code == 0
    done = nnrun("diagnose")
    # 36 rows of dev are an a, 4 are a b: by weights alone (1 + 1)² / (1/36 + 1/4) = 14.4, and by its mistakes no more
    size = re.search(r"^dev .* (\d+) of 40 examples$", done.out, re.MULTILINE)
    assert size and 1 <= int(size[1]) <= 14
    told = " ".join(done.out.split())
    assert "All errors here are balanced, and a set counts as so many examples as would be as sure" in told
    assert "plain errors, every row counting once: train" in told
    training = " ".join(weighing({"dev_error": 0.1}, "balanced"))
    assert "if they do, intervals are too narrow" in training and "too narrow" not in told


# curves of other tools

CURVES = Path(__file__).parents[1] / "insight/diagnosis/histories"


def test_curves_of_another_tool_are_judged(nnrun: Nnrun) -> None:
    done = nnrun("diagnose", "--curves", CURVES / "keras_by_heart.csv", "--train-size", "120", "--dev-size", "500")
    assert done.code == 0
    assert done.out.startswith("file     keras_by_heart.csv: 80 epochs of train error, train loss,")
    assert "High variance (+9.2 points" in done.out
    assert "\nsetting  regularization." in done.out
    assert nnrun("diagnose", "--curves", CURVES / "keras_by_heart.csv", "--json").json["verdict"]["variance"] == "high"


@pytest.mark.parametrize(
    ("name", "gates", "code", "told"),
    [
        ("keras_by_heart.csv", "variance", 6, "variance high, which --fail-on forbids"),
        ("keras_by_heart.csv", "bias", 0, ""),
        ("sklearn_loss_curve.json", "bias,variance", 6, "bias and variance cannot be told from these curves"),
        ("lightning_diverged.csv", "bias", 6, "bias high"),
        ("keras_by_heart.csv", "mismatch", 6, "mismatch cannot be told"),
    ],
)
def test_a_gate_on_curves_fails_where_they_do_not_tell(
    nnrun: Nnrun, name: str, gates: str, code: int, told: str
) -> None:
    done = nnrun("diagnose", "--curves", CURVES / name, "--fail-on", gates)
    assert done.code == code
    assert told in done.err


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("latest",), 2, "both the run latest and the curves"),
        (("--train-error", "4%"), 2, "--train-error stands beside --curves"),
        (("--test-size", "4"), 2, "--test-size 4"),
        (("--by", "target"), 2, "look at a run"),
    ],
)
def test_options_that_curves_have_no_use_for_are_refused(
    nnrun: Nnrun, words: tuple[str, ...], code: int, told: str
) -> None:
    done = nnrun("diagnose", *words, "--curves", CURVES / "keras_by_heart.csv")
    assert (done.code, told in done.err) == (code, True)
    assert nnrun("diagnose", "--curves", "nothing.csv").code == 4
