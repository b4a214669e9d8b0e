"""Ending trials early that fall behind: the same ones with any number of workers, alone and stacked."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nnrun.config.load import load_config
from nnrun.errors import ConfigError, UsageError
from nnrun.runs import verbs
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import StoredRun
from nnrun.search.pruning import FEWEST, GROUP, Median, first_epoch, heading, judged_by
from nnrun.search.record import TrialRecord
from nnrun.search.retests.design import old_settings
from nnrun.search.running import SearchOutcome
from nnrun.search.state import Options
from nnrun.search.stored import StoredSearch
from nnrun.search.study import Watcher
from nnrun.search.trial_lines import remark
from nnrun.search.verbs import begin, resume
from tests.asked import asking
from tests.search.conftest import CONFIG

Search = Callable[..., SearchOutcome]
PRUNED = ("search.prune=median", "search.trials=30", "training.epochs=8")


def record(number: int, *curve: float | None, status: str = "done") -> Any:
    return {"number": number, "status": status, "curve": list(curve)}


def told(*curves: tuple[float | None, ...], given: int = 1) -> Median:
    median = Median(given)
    for number, curve in enumerate(curves):
        median.tell(record(number, *curve))
    return median


def test_a_worked_example() -> None:
    # The best so far, epoch by epoch: 9 5 5 5, 8 8 2 2, 7 6 6 6, 6 4 4 1, 3 3 3 3, and 5 5 5 5 of one that ended early.
    median = told((9, 5, 6, 7), (8, 9, 2, 3), (7, 6, 8, 6), (6, 4, 5, 1), (3, 4, 4, 4), (5,))
    assert GROUP == 6
    assert median.ceilings(2 * GROUP, 4) == [6.5, 5, 4.5]  # in the last epoch nothing is left to be spared
    assert median.ceilings(2 * GROUP - 1, 4) == []


def test_the_first_epochs_are_left_alone() -> None:
    median = told(*[(0.5,) * 12] * GROUP)
    assert first_epoch(12) == 3
    assert median.ceilings(2 * GROUP, 12) == [None, None, *[0.5] * 9]


def test_of_searched_epochs_each_trial_has_a_quarter_of_its_own_first() -> None:
    median = told((9, 5), *[(7,) * 6] * 2, *[(6, 6, 4)] * 3)
    assert median.ceilings(2 * GROUP, 16) == [*[None] * 3, *[4.5] * 12], "beyond all of them, too"
    assert median.ceilings(2 * GROUP, 3) == [6.5, 6]
    assert median.ceilings(2 * GROUP, 1) == []


def test_a_trial_waits_for_those_that_decide_on_it_and_for_no_others() -> None:
    median = Median(1)
    assert [judged_by(number) for number in (0, 11, 12, 23, 24, 100)] == [0, 0, 6, 6, 12, 48]
    order = [7, 5, 3, 1, 2, 4, 0]
    for number in order:
        assert median.ready(11) and not median.ready(12)
        median.tell(record(number, 1.0, 1.0))
    assert median.ready(23) and not median.ready(24)


def test_who_has_no_result_has_no_say_and_what_was_given_is_never_ended() -> None:
    curves = [(float(i),) * 4 for i in range(FEWEST)]
    median = told(*curves, given=20)
    median.tell(record(FEWEST, None, None, status="diverged"))
    assert median.ceilings(20, 4) == [2.0] * 3
    assert median.ceilings(19, 4) == []
    few = told(*curves[1:])
    few.tell(record(4, status="failed"))
    few.tell(record(5, 9.0, status="diverged"))
    assert few.ceilings(12, 4) == [], "a median of so few says too little"


def test_it_is_said_before_the_first_trial() -> None:
    assert heading(20) == ["prune    trials behind the median of earlier ones, from trial 12 and epoch 5"]
    assert heading(None) == ["prune    trials behind the median of earlier ones, from trial 12 and 25% of its epochs"]
    assert heading(1)[0].startswith("note     search.prune: no trial has epochs enough")


# searches


@pytest.fixture(scope="module")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> SearchOutcome:
    return begin(load_config(None, PRUNED, text=CONFIG), tmp_path_factory.mktemp("pruned"), asking(stack=1), Watcher())


@pytest.fixture
def copied(pruned: SearchOutcome, tmp_path: Path) -> RunDir:
    return RunDir(shutil.copytree(pruned.run.path, tmp_path / "copied" / pruned.run.id))


def of_the_rule(records: list[TrialRecord], epochs: int, given: int) -> dict[int, int]:
    """Trial -> epoch at which it should have ended, by its curve and those of earlier trials alone."""
    found = {}
    for trial in records:
        earlier = [r for r in records if r["number"] < judged_by(trial["number"]) and r["status"] == "done"]
        if trial["status"] != "done" or trial["number"] < given or len(earlier) < FEWEST:
            continue
        own = trial["values"].get("training.epochs", epochs)
        for epoch in range(first_epoch(own), min(own, len(trial["curve"]) + 1)):
            reached = sorted(min(r["curve"][:epoch]) for r in earlier)  # type: ignore[type-var]
            middle = len(reached) // 2
            median = reached[middle] if len(reached) % 2 else (reached[middle - 1] + reached[middle]) / 2  # type: ignore[operator]
            if min(trial["curve"][:epoch]) > median:  # type: ignore[type-var]
                found[trial["number"]] = epoch
                break
    return found


def test_trials_end_where_the_rule_says(pruned: SearchOutcome) -> None:
    ended = {trial["number"]: trial["epochs"] for trial in pruned.records if trial.get("pruned")}
    assert ended == of_the_rule(pruned.records, 8, 1)
    assert 0 < len(ended) < 18
    assert pruned.record["pruned_trials"] == len(ended)
    assert all(trial["epochs"] == 8 for trial in pruned.records if trial["number"] not in ended)
    best = min(trial["metric"] for trial in pruned.records if trial["metric"] is not None)
    assert all(trial["metric"] > best for trial in pruned.records if trial["number"] in ended)


def test_its_directory_and_its_line_say_so(pruned: SearchOutcome) -> None:
    trial = next(trial for trial in pruned.records if trial.get("pruned"))
    run = RunDir(pruned.run.path / "trials" / f"{trial['number']:04d}")
    stored = run.read_record()
    assert (stored["status"], stored["pruned"], stored["stopped_early"]) == ("done", True, False)
    assert [event["epoch"] for event in run.events() if event["event"] == "pruned"] == [trial["epochs"]]
    assert remark(trial) == f" (pruned at epoch {trial['epochs']})"
    again, _ = verbs.rerun(run, pruned.run.path.parent / "again")
    assert (
        f"{run.id} was pruned at epoch {trial['epochs']}; here it trains to its end"
        in again.run.read("log.txt").decode()
    )
    assert [row["dev_error"] for row in again.rows[: trial["epochs"]]] == trial["curve"], "alone it goes on to its end"


def test_the_number_of_workers_and_stacks_change_nothing(search: Search, pruned: SearchOutcome, stored: Any) -> None:
    expected = stored(pruned.run)
    for options in ({"workers": 2, "stack": 3}, {"stack": 8}):
        assert stored(search(*PRUNED, **options).run) == expected


def test_stopped_and_resumed_it_comes_to_the_same(search: Search, pruned: SearchOutcome, stored: Any) -> None:
    part = search(*PRUNED, stack=1, target=1.0)
    assert len(part.records) < 5
    whole = resume(part.run, None, asking(workers=2, stack=2, target=-1.0), Watcher())
    assert stored(whole.run) == stored(pruned.run)


def test_after_a_kill_a_pruned_trial_is_entered_by_its_directory(copied: RunDir, stored: Any) -> None:
    ledger, expected = copied.path / "trials.jsonl", stored(copied)
    lines = ledger.read_text().splitlines(keepends=True)
    lost = max(n for n, line in enumerate(lines) if json.loads(line).get("pruned"))
    shutil.rmtree(copied.path / "trials/0025")  # it is trained again, and judged by the same ones
    ledger.write_text("".join(line for n, line in enumerate(lines) if n != lost and '"number": 25' not in line))
    assert stored(resume(copied, None, Options(), Watcher()).run) == expected


def test_other_metrics_decide_by_their_own_values(search: Search, stored: Any) -> None:
    settings = (*PRUNED, "metrics.primary=loss", "search.trials=20")
    outcome = search(*settings, stack=1)
    for trial in outcome.records:
        run = RunDir(outcome.run.path / "trials" / f"{trial['number']:04d}")
        assert trial["scores"] == [row["dev_loss"] for row in run.metrics()]
    curves = [trial | {"curve": trial["scores"]} for trial in outcome.records]
    ended = {trial["number"]: trial["epochs"] for trial in outcome.records if trial.get("pruned")}
    assert ended and ended == of_the_rule(curves, 8, 1)
    assert stored(search(*settings, stack=8).run) == stored(outcome.run)


def test_where_epochs_are_searched_a_trial_is_pruned_by_its_own(search: Search) -> None:
    space = "search.space={training.epochs: {choice: [3, 20]}, optimizer.learning_rate: {choice: [1e-5, 0.01, 0.1]}}"
    outcome = search(*PRUNED, space)
    ended = {trial["number"]: trial["epochs"] for trial in outcome.records if trial.get("pruned")}
    assert ended == of_the_rule(outcome.records, 8, 1)
    of = {number: outcome.records[number]["values"]["training.epochs"] for number in ended}
    assert {*of.values()} == {3, 20}, "in its last epoch none is"
    assert min(ended[number] for number in ended if of[number] == 20) >= 5


def test_a_retest_leaves_out_what_was_ended(pruned: SearchOutcome) -> None:
    found = old_settings(StoredSearch(StoredRun(pruned.run)))
    ended = pruned.record["pruned_trials"]
    assert found.count == 30 - ended
    assert any(f"{ended} trial" in line and "epoch 8 for median do not count" in line for line in found.told)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["search.strategy=coarse_to_fine"], "learns from results of whole trials; use random, sobol or grid"),
        (["search.strategy=halving"], "learns from results of whole trials"),
        (["data.folds=3"], "trials in folds train fold after fold"),
        (["search.metric=dev_loss"], "epochs are compared by dev_error, trials by dev_loss; set metrics.primary"),
        (["search.prune=middle"], "search.prune=middle: unknown choice 'middle'; allowed: median"),
    ],
)
def test_what_cannot_be_compared_is_refused(search: Search, settings: list[str], words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        search("search.prune=median", *settings)
    assert words in str(refused.value)


def test_it_cannot_be_changed_on_the_way(copied: RunDir) -> None:
    resolved = copied.path / "resolved.yaml"
    text = resolved.read_text().replace("prune: median", "prune: null").partition("\n")[2]
    resolved.write_text(text)
    with pytest.raises(UsageError, match="prune: median → null"):
        resume(copied, None, Options(), Watcher())
