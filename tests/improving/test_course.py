"""What an improvement does: steps that are proved, the same however it is run, and an end for each reason."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nnrun.config.load import load_config
from nnrun.errors import NnrunError, UsageError
from nnrun.files import sealed_document
from nnrun.improving import verbs as verbs_of_improving
from nnrun.improving.advice import Advice
from nnrun.improving.budget import Budget, Spent
from nnrun.improving.changes import Base, Change, drawn, merged, variants
from nnrun.improving.purse import Purse
from nnrun.improving.record import IMPROVED, ImproveRecord, StepRecord, read, read_steps
from nnrun.improving.standing import Standing, Teller
from nnrun.improving.strategy import Steps
from nnrun.improving.telling import ending_lines, settings_told, step_lines
from nnrun.improving.verbs import ImproveRequest, begin, resume
from nnrun.insight.diagnosis.origin import Move
from nnrun.insight.diagnosis.recipe import REMEDIES, Remedy
from nnrun.runs import verbs
from nnrun.runs.kinds import IMPROVE
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import StoredRun
from nnrun.runs.symptoms.evidence import Evidence
from nnrun.runs.verdict import judge
from nnrun.search.ledger import Ledger
from nnrun.search.plan import Plan
from nnrun.search.running import SearchOutcome
from nnrun.search.state import Options
from nnrun.search.study import Watcher
from nnrun.search.trials import train_trials
from tests.asked import asking

POOR = """
# narrow, and short
name: poor
seed: 3
data: {source: iris}
network: {hidden: [2]}  # two units
training: {epochs: 4, engine: numpy}
"""

Improve = Callable[..., SearchOutcome]


@pytest.fixture
def improve(tmp_path: Path) -> Improve:
    """Improve a config in this process, or in worker processes."""

    def call(text: str = POOR, budget: str = "160epochs", workers: int = 1, root: Path = tmp_path / "runs",
             stop: Callable[[], bool] = lambda: False, **asked: object) -> SearchOutcome:  # fmt: skip
        request = ImproveRequest(budget, **{"seeds": 3, **asked})  # type: ignore[arg-type]
        options = Options(workers, in_process=workers == 1)
        return begin(load_config(None, text=text), request, root, options, Watcher(), Teller(), stop)

    return call


def come_to(run: RunDir) -> tuple[ImproveRecord, list[StepRecord]]:
    """What was written, but for the time it took."""
    record, steps = read(run), read_steps(run)
    for each in [*steps, *([record["ending"]] if record["ending"] else [])]:
        each["seconds"] = 0.0
    return record, steps


def trained_by(line: str, root: Path) -> StoredRun:
    """What a printed command trains; it names no config here, so the text takes its place."""
    program, verb, *words = shlex.split(line)
    assert (program, verb, words[0::2]) == ("nnrun", "train", ["--set"] * (len(words) // 2))
    return StoredRun(verbs.train(load_config(None, words[1::2], text=POOR), root).run)


def trial(run: RunDir, number: int) -> StoredRun:
    return StoredRun(RunDir(run.path / "trials" / f"{number:04d}"))


def ended(run: RunDir) -> Any:
    ending = read(run)["ending"]
    assert ending is not None
    return ending


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """An improvement from beginning to end; nobody writes to it."""
    root = tmp_path_factory.mktemp("whole") / "runs"
    asked = ImproveRequest("160epochs", seeds=3)
    return begin(load_config(None, text=POOR), asked, root, Options(), Watcher(), Teller()).run


def test_it_ends_better_than_it_began_within_its_budget(whole: RunDir) -> None:
    ending = ended(whole)
    assert ending["end"]["dev_error"] < ending["start"]["dev_error"] - 0.1
    assert ending["adopted"] >= 1
    assert ending["epochs"] == sum(line.get("epochs", 0) for line in Ledger.of(whole).read()[0]) <= 160


def test_each_step_has_diagnosis_change_evidence_and_verdict(whole: RunDir) -> None:
    steps = read_steps(whole)
    assert [step["number"] for step in steps] == list(range(1, len(steps) + 1))
    for step in steps:
        assert step["diagnosis"]
        assert (whole.path / step["diagnosed"]).is_dir()
        assert step["rule"] in {"check", "rate"} or not REMEDIES[step["rule"]].untried
        if step["verdict"] == "adopted":
            assert step["evidence"] is not None
            assert step["evidence"]["chance"] < 0.05
            assert step["evidence"]["gain"] == pytest.approx(step["before"] - step["after"])
            assert len(step["evidence"]["gains"]) == 3


def test_a_search_says_of_how_many_trials_it_is(whole: RunDir) -> None:
    searches = [step for step in read_steps(whole) if step["rule"] == "search"]
    assert searches, [step["rule"] for step in read_steps(whole)]
    for step in searches:
        assert step["why"].endswith(f", a search finds: {len(step['tried'])} trials.")


def test_each_printed_command_trains_the_trial_that_it_tells_of(whole: RunDir, tmp_path: Path) -> None:
    for step in read_steps(whole)[:3]:
        again, told = trained_by(step["command"], tmp_path), trial(whole, step["trial"])
        assert again.directory.checkpoint("best").read_bytes()
        assert again.final["dev_loss"] == told.final["dev_loss"]


def test_both_sides_of_a_step_have_the_same_seeds(whole: RunDir) -> None:
    seeds = {line["number"]: line["seed"] for line in Ledger.of(whole).read()[0]}
    start = [seeds[number] for number in ended(whole)["start"]["trials"]]
    assert start[0] == 3
    assert len({*start}) == 3
    for step in read_steps(whole):
        assert [seeds[number] for number in step["trials"]] == start[: len(step["trials"])]
        assert not {seeds[one["trial"]] for one in step["tried"]} & {*start}  # what is chosen is chosen by other luck


def test_the_end_is_an_ensemble_of_as_many_networks_and_test_is_read_once(whole: RunDir) -> None:
    record = StoredRun(whole).record
    best = StoredRun(whole).best
    assert best is not None
    assert best.config.network.ensemble == 3
    assert record["test_reads"] == 1
    assert record["final"]["test_error"] is not None
    assert all("test_error" not in line["final"] for line in Ledger.of(whole).read()[0])


def test_the_last_change_is_measured_on_another_split(whole: RunDir) -> None:
    again = ended(whole)["again"]
    assert again["split_seed"] == 1
    assert len(again["evidence"]["gains"]) == 3


def test_the_config_to_keep_has_its_comments_and_trains_the_best_single_run(whole: RunDir, tmp_path: Path) -> None:
    text = (whole.path / IMPROVED).read_text()
    assert "# narrow, and short" in text
    assert "# step " in text
    found = StoredRun(verbs.train(load_config(whole.path / IMPROVED), tmp_path).run)
    assert found.final["dev_loss"] == trial(whole, ended(whole)["best_trial"]).final["dev_loss"]
    adopted = [step["settings"] for step in read_steps(whole) if step["verdict"] == "adopted"]
    assert adopted[-1] == ended(whole)["end"]["settings"]


@pytest.mark.parametrize("after", [9, *(pytest.param(epoch, marks=pytest.mark.soak) for epoch in (1, 23))])
def test_stopped_and_resumed_it_comes_to_the_same_steps(
    whole: RunDir, improve: Improve, after: int, tmp_path: Path
) -> None:
    class Counting(Watcher):
        left = after

        def trial(self, *told: object) -> None:
            self.left -= 1

    counting = Counting()
    asked = ImproveRequest("160epochs", seeds=3)
    text = load_config(None, text=POOR)
    stopped = begin(text, asked, tmp_path / "runs", Options(), counting, Teller(), lambda: counting.left <= 0)
    assert stopped.record["ended_by"] == "signal"
    assert read(stopped.run)["ending"] is None
    resume(stopped.run, asking(stack=2), Watcher(), Teller())
    assert come_to(stopped.run) == come_to(whole)
    assert Plan.read(stopped.run).limits["stack"] == 2


def test_two_workers_come_to_the_same_steps(whole: RunDir, improve: Improve) -> None:
    assert come_to(improve(workers=2).run) == come_to(whole)


def test_a_step_is_told_once_also_when_it_is_gone_through_again(whole: RunDir) -> None:
    told: list[int] = []

    class Hearing(Teller):
        def step(self, step: Any) -> None:
            told.append(step["number"])

    before = read_steps(whole)
    resume(whole, Options(), Watcher(), Hearing())
    assert told == []
    assert read_steps(whole) == before


# why it ends


def test_a_target_that_is_met_by_the_config_as_written_ends_it_at_once(improve: Improve) -> None:
    run = improve(target=0.99).run
    assert ended(run)["why"] == "target"
    assert read_steps(run) == []


def test_a_dev_set_without_a_mistake_leaves_nothing_to_prove(improve: Improve, tmp_path: Path) -> None:
    rows = "\n".join(f"{k % 7 + 10 * (k % 2)},{'ab'[k % 2]}" for k in range(200))
    (tmp_path / "easy.csv").write_text(f"x,y\n{rows}\n")
    text = f"data: {{source: {tmp_path / 'easy.csv'}, target: y}}\ntraining: {{epochs: 30, engine: numpy}}\n"
    assert ended(improve(text, "400epochs").run)["why"] == "perfect"


def test_noise_is_found_to_hold_nothing(improve: Improve, tmp_path: Path) -> None:
    generator = np.random.default_rng(5)
    rows = [f"{a:.3f},{b:.3f},{'yn'[c]}" for a, b, c in zip(generator.normal(size=300), generator.normal(size=300),
                                                             generator.integers(0, 2, 300), strict=True)]  # fmt: skip
    (tmp_path / "noise.csv").write_text("a,b,answer\n" + "\n".join(rows) + "\n")
    text = (
        f"data: {{source: {tmp_path / 'noise.csv'}, target: answer}}\nnetwork: {{hidden: [16]}}\n"
        "training: {epochs: 5, engine: numpy}\n"
    )
    ending = ended(improve(text, "2000epochs").run)
    assert ending["why"] == "nothing to learn"
    assert ending["adopted"] == 0


def test_what_the_checks_find_is_tried_first(improve: Improve) -> None:
    run = improve(POOR.replace("[2]}", "[8], init: zeros}").replace("epochs: 4", "epochs: 20"), "1000epochs").run
    assert "symmetry" in {fault["check"] for fault in read(run)["faults"]}
    first = read_steps(run)[0]
    assert (first["rule"], first["change"]) == ("check", {"network.init": "auto"})
    assert first["verdict"] == "adopted"


def test_an_ensemble_is_compared_as_single_networks(improve: Improve) -> None:
    run = improve(POOR.replace("[2]}", "[2], ensemble: 4}")).run
    assert {StoredRun(RunDir(run.path / "trials" / "0000")).config.network.ensemble} == {1}
    best = StoredRun(run).best
    assert best is not None
    assert best.config.network.ensemble == 3


@pytest.mark.long
def test_folds_are_improved_too(improve: Improve) -> None:
    text = POOR.replace("iris}", "iris, folds: 2}")
    run = improve(text, "200epochs").run
    ending = ended(run)
    trained = [path.read_bytes().count(b"\n") for path in run.path.glob("trials/*/members/*/metrics.jsonl")]
    assert ending["epochs"] == sum(trained) <= 200
    assert len(trained) == 2 * ending["runs"]
    told = r"no room for a further step: (\d+) epochs are spent, and it may take (\d+) more"
    assert (found := re.search(told, ending["told"])), "no ensemble"
    assert int(found[2]) % 2 == 0 and int(found[1]) + int(found[2]) > 200
    with pytest.raises(UsageError, match=r"the config as written takes 24 epochs with 3 seeds"):
        improve(text, "23epochs")
    assert ending["again"] is None
    assert ending["chosen"] == ending["best_trial"]
    assert len(StoredRun(run).best.record["members"]) == 2  # type: ignore[union-attr, arg-type]


def test_what_it_ends_with_is_called_what_it_is(whole: RunDir) -> None:
    ending, final = ended(whole), {"dev_error": 0.1}
    assert "the best setting anew, as an ensemble of 3" in ending_lines(ending, final, 0)[-1]
    of_folds = ending | {"chosen": ending["best_trial"]}
    assert ending_lines(of_folds, final, 0)[-1] == "best     dev 10.0%: the best seed"


def test_a_regression_is_improved_too_though_some_seeds_are_beyond_measure(improve: Improve) -> None:
    text = "data: {source: diabetes}\nnetwork: {hidden: [4]}\ntraining: {epochs: 5, engine: numpy}\n"
    run = improve(text, "300epochs", seeds=5).run
    ending = ended(run)
    trials = {line["number"]: line for line in Ledger.of(run).read()[0]}
    errors = [trials[number]["final"].get("dev_error", 9.0) for number in ending["start"]["trials"]]
    assert max(errors) > 2
    assert ending["start"]["dev_error"] <= 1
    assert ending["end"]["dev_error"] < 0.8


# trainings that fail


def fail(monkeypatch: pytest.MonkeyPatch, which: Callable[[Any], bool]) -> None:
    """Let trials of these jobs run out of memory."""

    def train(job: Any) -> Any:
        if any(map(which, job["trials"])):
            raise MemoryError
        return train_trials(job)

    monkeypatch.setattr("nnrun.search.running.train_trials", train)


def test_a_start_that_failed_is_no_error_of_100_percent_and_is_trained_again(
    whole: RunDir, improve: Improve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        fail(patched, lambda trial: trial["number"] == 1)
        with pytest.raises(NnrunError, match=r"as written, trial 1 failed: out of memory; .* --trial-timeout") as told:
            improve()
    (line,) = re.findall("`(.*)`", str(told.value))
    *words, path = shlex.split(line)
    run = RunDir(Path(path))
    assert (words, run.path.parent) == (["nnrun", "resume"], tmp_path / "runs")
    assert (run.read_record()["status"], read_steps(run), read(run)["ending"]) == ("failed", [], None)
    resume(run, Options(), Watcher(), Teller())
    assert come_to(run) == come_to(whole)


def test_a_change_that_cannot_be_trained_is_rejected_for_that(
    improve: Improve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Be it with the seed that it is tried with, or with one of those that prove it."""

    def wide_or_with_the_first_seed(trial: Any) -> bool:
        config, is_start = trial["config"], trial["number"] < 3
        return config["network"]["hidden"] != [2] or (config["seed"] == 3 and not is_start)

    fail(monkeypatch, wide_or_with_the_first_seed)
    steps = read_steps(improve().run)
    failed = [step for step in steps if "failed: out of memory" in step["reason"]]
    assert {bool(step["trials"]) for step in failed} == {True, False}, [step["reason"] for step in steps]
    for step in failed:
        assert (step["verdict"], step["after"], step["evidence"]) == ("rejected", None, None)
        assert step["reason"].endswith(" failed: out of memory")
        assert "→ –, trial " in " ".join(" ".join(step_lines(step)).split())


def test_an_early_improvement_goes_on_from_a_start_that_failed(
    improve: Improve, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        fail(patched, lambda trial: trial["number"] == 1)
        patched.setattr(Steps, "has_begun", lambda *given: True)
        run = improve(budget="80epochs").run
    before = come_to(run)
    resume(run, Options(), Watcher(), Teller())
    assert before[1] and come_to(run) == before


# what is asked for


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [("10m", 600, "seconds"), ("90s", 90, "seconds"), ("1.5h", 5400, "seconds"), ("2000epochs", 2000, "epochs"),
     ("1epoch", 1, "epochs"), ("30 runs", 30, "runs")],
)  # fmt: skip
def test_budgets(text: str, amount: float, unit: str) -> None:
    assert Budget.of(text) == Budget(amount, unit)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "10", "ten minutes", "-5m", "0epochs", "1.5runs", "10d"])
def test_other_budgets_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--budget"):
        Budget.of(text)


@pytest.mark.parametrize(("budget", "takes"), [("5runs", "6 runs"), ("23epochs", "24 epochs"), ("0.000001s", "s with")])
def test_a_budget_of_less_than_start_and_end_take_is_refused(
    improve: Improve, tmp_path: Path, budget: str, takes: str
) -> None:
    with pytest.raises(UsageError, match=f"take .*{takes}"):
        improve(budget=budget)
    assert not list(tmp_path.glob("runs/[!.]*"))


def test_a_budget_without_room_for_a_step_says_what_would_have(improve: Improve) -> None:
    ending = ended(improve(budget="30epochs").run)
    assert ending["told"].startswith(
        "the budget of 30 epochs has no room for a further step: 12 epochs are spent, and it and the ensemble at the "
    )
    (enough,) = re.findall(r"--budget (\d+)epochs", ending["told"])
    assert ended(improve(budget=f"{enough}epochs").run)["tried"] == 1


def test_a_budget_of_runs_holds(improve: Improve) -> None:
    run = improve(budget="24runs").run
    assert len(Ledger.of(run).read()[0]) <= 24


def test_a_budget_of_time_is_resumed_with_the_steps_that_were_begun(improve: Improve, tmp_path: Path) -> None:
    """Whatever the clock says the second time: what was begun is gone through, and nothing else."""
    outcome = improve(budget="2s")
    before = come_to(outcome.run)
    resume(outcome.run, Options(), Watcher(), Teller())
    assert come_to(outcome.run) == before


def test_a_step_that_had_no_room_is_not_begun_in_the_place_of_what_came_instead(whole: RunDir) -> None:
    """However much time there seems to be when it is gone through again: here for training 0, which has ended."""
    purse = Purse(Budget.of("9h"), whole, Steps(StoredRun(whole).config, Ledger.of(whole)), seconds=1.0)
    assert not purse.affords(Spent(epochs=1), [])


def test_a_budget_of_time_has_room_for_what_epochs_took_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    """100 epochs took 50 s: 100 more end after 100 s, 101 more do not."""
    events: list[dict[str, Any]] = []
    run: Any = SimpleNamespace(events=lambda: events, event=lambda name, **of: events.append({"event": name, **of}))
    strategy: Any = SimpleNamespace(spent=lambda: Spent(3, 100, 45.0), next=3, has_begun=lambda number: False)
    monkeypatch.setattr(time, "monotonic", lambda: 1030.0)
    purse = Purse(Budget.of("100s"), run, strategy, seconds=20.0, begun=1000.0)
    assert not purse.affords(Spent(epochs=101), []) and events == []
    assert purse.affords(Spent(epochs=100), []) and len(events) == 1
    strategy.spent = Spent  # nothing yet
    assert purse.affords(Spent(epochs=1000), []), "decided before"


def test_a_change_is_tried_at_three_rates_and_never_as_what_holds_already() -> None:
    base = Base(load_config(None, text=POOR).config)
    rates = [each["optimizer.learning_rate"] for each in variants(base, {}, {})]
    assert rates == [0.000333, 0.003]
    wider = variants(base, {"regularization.l2": 0.3}, {"network.hidden": [8]})
    assert [each.get("regularization.l2") for each in wider] == [0.3, 0.3, 0.3, 0.1, 0.9]


def test_what_is_adopted_holds_to_the_end(improve: Improve) -> None:
    """A change that the config makes on its way gives way to advice on its key, also in what is printed and kept."""
    text = (
        "data: {source: digits}\nnetwork: {hidden: [8]}\noptimizer: {learning_rate: 3.0e-5}\n"
        "training: {epochs: 2, changes: {2: {optimizer.learning_rate: 3.0e-5, optimizer.beta1: 0.8}}}\n"
    )
    run = improve(text, budget="40epochs").run
    settings = ended(run)["end"]["settings"]
    assert settings.keys() == {"optimizer.learning_rate", "training.changes"}
    rate = settings["optimizer.learning_rate"]
    assert "training.changes={2: {optimizer.beta1: 0.8}}" in settings_told(settings)
    assert {row["learning_rate"] for row in trial(run, ended(run)["best_trial"]).rows} == {rate}
    kept = load_config(run.path / IMPROVED).config
    assert (kept.optimizer.learning_rate, kept.training.changes) == (rate, {2: {"optimizer.beta1": 0.8}})
    assert "# Adopted settings hold to the end" in (run.path / IMPROVED).read_text()
    assert "--set 'training.changes={2: {optimizer.beta1: 0.8}}'" in read_steps(run)[0]["command"]


def files_of(run: RunDir) -> dict[str, bytes]:
    """All that lies beside the trials."""
    return {path.name: path.read_bytes() for path in run.path.iterdir() if path.is_file()}


@pytest.fixture
def early(improve: Improve, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    """An improvement by the rule of early versions: a change on the way takes the place of what is set."""
    record = verbs_of_improving._record

    def unmarked(*given: Any) -> Any:
        return {key: value for key, value in record(*given).items() if key != "lasting"}

    with monkeypatch.context() as patched:
        patched.setattr(verbs_of_improving, "_record", unmarked)
        text = POOR.replace("epochs: 4", "epochs: 4, changes: {3: {optimizer.learning_rate: 1.0e-4}}")
        return improve(text, "80epochs").run


def test_an_early_improvement_goes_on_by_its_own_rule(early: RunDir) -> None:
    before = files_of(early)
    resume(early, Options(), Watcher(), Teller())
    after = files_of(early)
    assert {name for name in after if after[name] != before[name]} <= {"run.json", "events.jsonl"}


def test_trainings_that_nobody_would_ask_for_are_refused_before_anything_is_written(early: RunDir) -> None:
    early.write(IMPROVE, sealed_document(read(early) | {"lasting": True}))
    before = files_of(early)
    with pytest.raises(UsageError, match=r"the changes of training \d+ are .*, and would be .* today"):
        resume(early, Options(limits={"timeout": 60}), Watcher(), Teller())
    assert files_of(early) == before


def test_a_search_draws_widths_of_the_layers_that_hold_now() -> None:
    base = Base(load_config(None, ["network.hidden=[]"], text=POOR).config)
    found = drawn(base, {"network.hidden": [16, 16]}, Move(40, "", {}, "search"), seed=0, count=30)
    assert {tuple(each["network.hidden"]) for each in found} == {(4, 4), (8, 8), (16, 16), (32, 32)}


def test_what_is_set_last_comes_last() -> None:
    old = {"network.hidden": [4], "seed": 1}
    assert list(merged(old, {"network.width": 8}).items()) == [("seed", 1), ("network.width", 8)]
    assert list(merged(old, {"seed": 2})) == ["network.hidden", "seed"]


def test_a_new_rule_is_tried_unless_it_says_why_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def tried(**said: str) -> Change | str:
        made_up = Remedy("either", "always", lambda evidence: Move(100, "made up", {"training.epochs": 5}), **said)
        monkeypatch.setattr("nnrun.improving.advice.REMEDIES", {"made up": made_up})
        seen = Evidence(load_config(None, text=POOR).config, verdict=judge({"train": 0.3, "dev": 0.3}, {}, 0.015))
        advice = Advice(Base(seen.config), 3, [], 0, lambda spent, asks: True)
        return advice.next(Standing({}, []), seen, 1)

    assert isinstance(found := tried(), Change) and found.rule == "made up"
    assert tried(untried="it is for a person to do") == "nothing left"
