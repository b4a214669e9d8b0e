"""The verbs of an improvement: begin one, resume one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nnrun.config.changes import CHANGES
from nnrun.config.config import Config
from nnrun.config.dump import one_line
from nnrun.config.load import Loaded
from nnrun.config.overrides import configured, parse_settings
from nnrun.config.space.space import Space
from nnrun.config.values import Settings, dotted
from nnrun.data.dataset import Dataset
from nnrun.errors import ConfigError, UsageError
from nnrun.files import sealed_document, sealed_line
from nnrun.improving.budget import Budget, Spent
from nnrun.improving.changes import Base, Change, epochs_of, merged
from nnrun.improving.loop import Loop
from nnrun.improving.purse import Purse
from nnrun.improving.record import (
    IMPROVED,
    SCHEMA_VERSION,
    STEPS,
    Ending,
    Fault,
    ImproveRecord,
    StepRecord,
    read,
    read_steps,
)
from nnrun.improving.standing import Standing, Teller
from nnrun.improving.strategy import MOST, Steps
from nnrun.improving.written import Places, improved, reasons_of
from nnrun.insight.preflight.verbs import open_context, preflight
from nnrun.installation import key_of
from nnrun.runs.finding import trial_of
from nnrun.runs.kinds import IMPROVE
from nnrun.runs.rundir import CONFIG, RunDir
from nnrun.runs.stored import StoredRun
from nnrun.runs.verdict import LEAST_SEEDS
from nnrun.search.duration import epoch_seconds
from nnrun.search.ledger import Ledger
from nnrun.search.opening import create, extended, opened, reopened
from nnrun.search.plan import Plan
from nnrun.search.record import TrialRecord
from nnrun.search.running import Course, SearchOutcome, go_on, ran_before
from nnrun.search.state import Options, Search
from nnrun.search.study import Watcher
from nnrun.text import counted, duration, percent

CURED = ("network.", "optimizer.", "training.", "data.normalize")  # what a cure may change here


@dataclass(frozen=True)
class ImproveRequest:
    """What is asked for; `config` is the file that commands name, None where it is left out."""

    budget: str
    target: float | None = None
    seeds: int = 5
    config: Path | None = None
    settings: Sequence[str] = ()
    options: Sequence[str] = ()


def begin(
    loaded: Loaded,
    asked: ImproveRequest,
    root: Path,
    options: Options,
    watcher: Watcher,
    teller: Teller,
    told_to_stop: Callable[[], bool] = lambda: False,
    argv: Sequence[str] = (),
) -> SearchOutcome:
    """Improve a configuration in a new directory under `root`.

    Raises UsageError, ConfigError or DataError before the directory is made.
    """
    budget = Budget.of(asked.budget)
    _refuse_unfit(asked)
    _refuse_unwritable(loaded.path, asked.options)
    given = loaded.config
    with opened(loaded, root, options, watcher, told_to_stop, trainings=30) as (executor, loaded, dataset):
        config = loaded.config
        _refuse_too_little(asked, budget, Base(_single(config)), dataset, options.workers)
        plan = replace(
            Plan.of(config, Space(()), [MOST], options.kept(), None), strategy="random", metric="dev_error", enqueue=[]
        )
        record = _record(asked, given, loaded, root)
        files = {IMPROVE: sealed_document(record).encode(), STEPS: b""}
        run = create(root, loaded, dataset, plan, argv, "improve", files)
        with run.locked():
            search = Search(run, _single(config), dataset, plan, options, executor, [config])
            return _go_on(search, record, watcher, teller, told_to_stop)


def resume(
    run: RunDir,
    options: Options,
    watcher: Watcher,
    teller: Teller,
    told_to_stop: Callable[[], bool] = lambda: False,
) -> SearchOutcome:
    """Continue an improvement to its end.

    DataError where the data is no longer what it began with, UsageError where its trainings are not those that would
    be asked for today; nothing is written before.
    """
    loaded, record = StoredRun(run).loaded(options.moved), read(run)
    with reopened(run, loaded, "improvement", options, watcher, told_to_stop) as left:
        left = replace(left, config=_single(loaded.config))
        if record["ending"] is None:
            _forget_failed(left.ledger, record["asked"]["seeds"])
        _set_out(left, record, Teller())[0].retrace()
        search = extended(left)
        return _go_on(search, record, watcher, teller, told_to_stop)


def _forget_failed(ledger: Ledger, seeds: int) -> None:
    """Have seeds of the config as written trained again that failed, where that ended it before its first step."""
    records, _ = ledger.read()
    if all(record["number"] < seeds for record in records):
        ledger.forget({record["number"] for record in records if record["status"] == "failed"})


def _refuse_unfit(asked: ImproveRequest) -> None:
    if asked.seeds < LEAST_SEEDS:
        raise UsageError(f"--seeds {asked.seeds}: fewer than {LEAST_SEEDS} say next to nothing about luck")
    if asked.target is not None and not 0 <= asked.target < 1:
        raise UsageError(f"--target {asked.target:g}: a dev error, such as 0.02")


def _refuse_unwritable(config: Path | None, options: Sequence[str]) -> None:
    """UsageError for names that are not UTF-8: they are recorded, and stand in the config that comes out."""
    for name in (str((config or Path()).absolute()), *options):
        try:
            name.encode()
        except UnicodeEncodeError:
            why = "an improvement cannot record this path, which is not UTF-8; rename it"
            raise UsageError(f"{name!r}: {why}") from None


def _refuse_too_little(asked: ImproveRequest, budget: Budget, base: Base, dataset: Dataset, workers: int) -> None:
    """UsageError where what is trained before the first step and after the last one is beyond the budget already."""
    runs = asked.seeds + base.together(asked.seeds)
    epochs = epochs_of(base, [{}] * runs)
    seconds = epoch_seconds(base.config, dataset) * epochs / min(workers, runs) if budget.unit == "seconds" else 0.0
    least = Spent(runs, epochs, seconds)
    if not budget.holds(least):
        takes = (
            duration(seconds) if budget.unit == "seconds" else counted(getattr(least, budget.unit), budget.unit[:-1])
        )
        raise UsageError(
            f"--budget {asked.budget}: the config as written{' and the end take' if runs > asked.seeds else ' takes'} "
            f"{takes} with {asked.seeds} seeds; give more, or fewer --seeds"
        )


def _single(config: Config) -> Config:
    """Single networks are compared; an ensemble comes in the end."""
    return configured(config, {"network.ensemble": 1}) if config.network.ensemble > 1 else config


def _record(asked: ImproveRequest, given: Config, loaded: Loaded, root: Path) -> ImproveRecord:
    """What is asked for and what the checks say; nothing is trained yet."""
    config, told = loaded.config, list(loaded.notices)
    fixed: Settings = {}
    if given.training.engine == "auto":
        fixed["training.engine"] = config.training.engine
    if config.network.ensemble > 1:
        fixed["network.ensemble"] = 1
        told.append(
            f"single networks are compared, for a {config.network.ensemble}th of the time; the end is an ensemble again"
        )
    own = [setting for setting in asked.settings if key_of(setting) not in fixed]
    return {
        "schema_version": SCHEMA_VERSION,
        "asked": {
            "budget": asked.budget,
            "target": asked.target,
            "seeds": asked.seeds,
            "config": None if asked.config is None else str(asked.config),
            "settings": [*own, *(f"{key}={one_line(value)}" for key, value in fixed.items())],
            "options": [*asked.options],
        },
        "faults": list(_faults(loaded, root)),
        "told": told,
        "folder": str((Path() if loaded.path is None else loaded.path.parent).absolute()),
        "lasting": True,
        "ending": None,
    }


def _faults(loaded: Loaded, root: Path) -> list[Fault]:
    """What `nnrun check` finds wrong; and of what it only warns, that which a setting of the training cures."""
    found: list[Fault] = []
    for name, finding in preflight(open_context(loaded, root)):
        settings = _cure(finding.cure) if finding.status != "pass" else {}
        if finding.status == "fail" or settings:
            found.append({"check": name, "finding": finding.text, "cure": finding.cure, "settings": settings})
    return found


def _cure(words: str | None) -> Settings:
    """The settings that a cure consists of, if it consists of such alone, and of none that changes the rows."""
    import shlex

    try:
        options = shlex.split(words or "")
        cure = parse_settings(options[1::2])
    except (ValueError, ConfigError):
        return {}
    alone = cure and len(options) % 2 == 0 and set(options[::2]) == {"--set"}
    return cure if alone and all(key.startswith(CURED) for key in cure) else {}


class _Scribe(Teller):
    """Keeps steps.jsonl, and tells what was not told before."""

    def __init__(self, run: RunDir, teller: Teller) -> None:
        self.run, self.teller = run, teller
        self.known = len(read_steps(run))
        run.write(STEPS, "")  # it is written again as the loop is gone through again
        self.count = 0

    def baseline(self, start: Standing) -> None:
        self.teller.baseline(start)

    def trying(self, number: int, change: Change, here: Standing) -> None:
        if number > self.known:
            self.teller.trying(number, change, here)

    def step(self, step: StepRecord) -> None:
        self.run.append(STEPS, sealed_line(step))
        self.count += 1
        if self.count > self.known:
            self.teller.step(step)


def _set_out(search: Search, record: ImproveRecord, teller: Teller) -> tuple[Steps, Loop]:
    """The loop at its start, and what follows it."""
    asked, base = record["asked"], Base(search.config, record.get("lasting", False))
    strategy = Steps(search.config, search.ledger)
    purse = Purse(Budget.of(asked["budget"]), search.run, strategy, ran_before(search))
    loop = Loop(base, asked, record["faults"], search.folder, teller, purse.affords, strategy.spent,
                record["ending"] is not None or strategy.has_begun(asked["seeds"]))  # fmt: skip
    strategy.follow(loop)
    return strategy, loop


def _go_on(
    search: Search, record: ImproveRecord, watcher: Watcher, teller: Teller, told_to_stop: Callable[[], bool]
) -> SearchOutcome:
    run = search.run
    strategy, loop = _set_out(search, record, _Scribe(run, teller))

    def conclude(trials: list[TrialRecord]) -> None:
        if strategy.ending is None:
            return
        run.write(IMPROVE, sealed_document(record | {"ending": strategy.ending}))
        run.write(IMPROVED, _improved(run, search.config, strategy.ending, loop.steps))

    def choose(best: TrialRecord | None) -> TrialRecord | None:
        number = strategy.ending["chosen"] if strategy.ending and best else None
        return None if number is None else strategy.results[number]

    course = Course(
        strategy=strategy,
        given=[],
        config=lambda point: loop.base.settled(point.values),
        seed=strategy.seed,
        conclude=conclude,
        choose=choose,
        drops_checkpoints=False,
    )
    return go_on(search, watcher, told_to_stop, course)


def _improved(run: RunDir, config: Config, ending: Ending, steps: Sequence[StepRecord]) -> str:
    """The config that a person would keep: the best single run of the best setting."""
    best, record = ending["best_trial"], read(run)
    settings = merged(parse_settings(record["asked"]["settings"]), ending["end"]["settings"])
    if best is not None:
        settings = merged(settings, {"seed": StoredRun(trial_of(run.path, best)).config.seed})
    start, end = ending["start"]["dev_error"], ending["end"]["dev_error"]
    told = [
        f"Improved in {counted(ending['adopted'], 'step')} of {ending['tried']} tried: dev error, mean of "
        f"{counted(len(ending['end']['trials']), 'seed')}, {percent(start)} → {percent(end)}.",
        "The seed is that of the best single run of them.",
    ]
    if dotted(CHANGES) in ending["end"]["settings"]:
        told.append("Adopted settings hold to the end: what training.changes would put in their place is left out.")
    places = Places(config.resolved()["data"]["source"], Path(record.get("folder", "")).absolute())
    return improved(run.read(CONFIG), places, settings, reasons_of(steps, settings), told)
