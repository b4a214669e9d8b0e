"""The verbs of a retest: begin one of an old search, resume it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nnrun.config.config import Config, flat_sections
from nnrun.config.dump import one_line
from nnrun.config.load import Loaded, load_config
from nnrun.config.overrides import apply, reshape, value_at, written
from nnrun.config.space.parsing import parse_space
from nnrun.config.space.space import Space
from nnrun.data.dataset import Dataset
from nnrun.errors import ConfigError, UsageError
from nnrun.files import sealed_document
from nnrun.installation import command
from nnrun.runs.finding import listing, search_of
from nnrun.runs.kinds import RETEST
from nnrun.runs.preparing import same_data
from nnrun.runs.rundir import CONFIG, RunDir
from nnrun.runs.stored import StoredRun
from nnrun.runs.verdict import LEAST_SEEDS
from nnrun.search.opening import create, extended, opened, reopened
from nnrun.search.plan import Plan
from nnrun.search.record import TrialRecord
from nnrun.search.retests.design import InTurn, configured_by, old_settings, with_fresh
from nnrun.search.retests.record import SCHEMA_VERSION, RetestRecord, read
from nnrun.search.retests.standing import judged
from nnrun.search.running import Course, SearchOutcome, go_on
from nnrun.search.seeds import retest_seed
from nnrun.search.state import Options, Search
from nnrun.search.stored import StoredSearch
from nnrun.search.strategies.strategy import Brief
from nnrun.search.study import Watcher
from nnrun.search.verbs import refuse_misfit
from nnrun.text import all_of, counted

TAKEN = ("data", "network")  # sections of a config that is named beside the search; all others stay the search's
OWN = ("name", "seed", "search", *TAKEN)  # sections and keys in which such a config may differ without a word


@dataclass(frozen=True)
class RetestRequest:
    """What is asked for: so many settings and seeds, and what replaces parts of the search's config."""

    top: int
    seeds: int
    config: Path | None = None
    settings: Sequence[str] = ()


def begin(
    run: RunDir,
    asked: RetestRequest,
    root: Path,
    options: Options,
    watcher: Watcher,
    told_to_stop: Callable[[], bool] = lambda: False,
    argv: Sequence[str] = (),
) -> SearchOutcome:
    """Retest a search in a new directory under `root`.

    Raises UsageError, ConfigError or DataError before the directory is made.
    """
    if asked.top < 1 or asked.seeds < LEAST_SEEDS:
        raise UsageError(f"--top {asked.top} --seeds {asked.seeds}: 1 and {LEAST_SEEDS} are the least")
    search = _over(run)
    loaded, notices = _base(search, asked)
    space = _space(search.plan, loaded)
    record = _record(search, asked, space, loaded.config.seed)
    _refuse_contradictions(record, space, loaded)
    total = len(record["settings"]) * asked.seeds
    with opened(loaded, root, options, watcher, told_to_stop, trainings=total) as (executor, loaded, dataset):
        config = loaded.config
        refuse_misfit(loaded, dataset)
        record["same_data"] = same_data(search.run, dataset)
        record["told"] += [*notices, *_on_data(search.run, dataset, record), *loaded.notices]
        plan = Plan.of(config, space, [total], options.kept(), None)
        plan = replace(plan, strategy="random", skips_stopped=False, enqueue=[])
        retest = create(root, loaded, dataset, plan, argv, "retest", {RETEST: sealed_document(record).encode()})
        with retest.locked():
            held = Search(retest, config, dataset, plan, options, executor, [config])
            return go_on(held, watcher, told_to_stop, _course(held, record))


def resume(
    run: RunDir,
    options: Options,
    watcher: Watcher,
    told_to_stop: Callable[[], bool] = lambda: False,
) -> SearchOutcome:
    """Continue a retest to its end; DataError where the data is no longer what it began with."""
    loaded, record = StoredRun(run).loaded(options.moved), read(run)
    with reopened(run, loaded, "retest", options, watcher, told_to_stop) as left:
        held = extended(left)
        return go_on(held, watcher, told_to_stop, _course(held, record))


def _course(search: Search, record: RetestRecord) -> Course:
    """Every setting with the first seed, then with the next; the verdict in the end."""
    settings = [each["values"] for each in record["settings"]]
    run = search.run

    def conclude(trials: list[TrialRecord]) -> None:
        verdict = judged(record, trials, search.plan.objective, run)
        run.write(RETEST, sealed_document(record | {"verdict": verdict}))

    return Course(
        strategy=InTurn(Brief(search.space, search.config.seed, search.plan.totals), settings),
        given=[],
        config=lambda point: configured_by(point.values, search.space, search.config),
        seed=lambda number: record["seeds"][number // len(settings)],
        conclude=conclude,
    )


def _over(run: RunDir) -> StoredSearch:
    """The search; UsageError where it is none, or still running."""
    stored = StoredRun(run)
    if not stored.is_search:
        if above := search_of(run):
            raise UsageError(f"{stored.name} is a run of the search {above.id}; retest that")
        raise UsageError(f"{run.id} is a run, and no search; `{listing(run.path.parent)}` shows both")
    if not StoredSearch(stored).plan.space.keys:
        raise UsageError(
            f"{run.id} is an improvement, and no search: its settings were tested with several seeds already; "
            f"`{command('improve', str(run.path))}` goes on from what it came to, also on other data"
        )
    if stored.status == "running":
        raise UsageError(f"{run.id} is still running, so its ranking is not known yet; wait for its end, or stop it")
    return StoredSearch(stored)


def _base(search: StoredSearch, asked: RetestRequest) -> tuple[Loaded, list[str]]:
    """The config that settings are put into, and what is to be told of it."""
    if mistaken := next((each for each in asked.settings if each.strip().startswith("search.")), None):
        raise UsageError(f"--set {mistaken}: the section search stays that of the search, whose results are compared")
    before = search.run.config
    values = before.resolved()
    values["search"] |= {"space": search.plan.space.written()}  # also where it was the usual one
    other = load_config(asked.config) if asked.config else search.run.loaded()
    text = other.text if asked.config else search.run.directory.read(CONFIG)
    values |= {name: other.config.resolved()[name] for name in TAKEN}
    values, settings = apply(values, other.places, asked.settings)
    reshape(values, other.places, settings)
    loaded = Loaded(Config.checked(values, other.places), text, other.path, [], other.places)
    told = [*_changes(before, loaded.config, search.plan.space)]
    return loaded, [*told, *(_not_taken(asked.config, other.config, loaded.config, search) if asked.config else ())]


def _changes(before: Config, config: Config, space: Space) -> Iterator[str]:
    """A line a key that is not as it was, and one on those that change nothing, as each setting has its own."""
    old, new = flat_sections(before.resolved()), flat_sections(config.resolved())
    keys = [key for key in new if key not in space.keys and not key.startswith("search.")]
    yield from (f"{key}: {one_line(old.get(key))} → {one_line(new[key])}" for key in keys if old.get(key) != new[key])
    if own := [key for key in space.keys if value_at(before, key) != value_at(config, key)]:
        yield f"the search varied {all_of(own)}: each setting keeps its own, that of today's config does not count"


def _not_taken(path: Path, other: Config, config: Config, search: StoredSearch) -> Iterator[str]:
    """What a config says beside data and network, where the search has it otherwise."""
    ours = flat_sections(config.resolved())
    keys = [
        key
        for key, value in flat_sections(written(other)).items()
        if key.split(".")[0] not in OWN and key not in search.plan.space.keys and ours.get(key) != value
    ]
    if keys:
        yield f"of {path} data and network are taken; as in the search, unless --set changes it: {', '.join(keys)}"


def _space(plan: Plan, loaded: Loaded) -> Space:
    """The old space around today's config; a ConfigError says what of it has no place there any more."""
    try:
        return parse_space(plan.space.written(), loaded.config, loaded.places)
    except ConfigError as error:
        raise ConfigError([f"{problem}; the search varied it" for problem in error.problems]) from None


def _refuse_contradictions(record: RetestRecord, space: Space, loaded: Loaded) -> None:
    """ConfigError where no old setting can be trained with today's config; single ones fail as trials do."""
    problems: list[str] = []
    for each in record["settings"]:
        try:
            if each["trial"] is not None:
                configured_by(each["values"], space, loaded.config)
                return
        except ConfigError as error:
            problems += [f"settings of trial {each['trial']}: {problem}" for problem in error.problems]
    raise ConfigError(problems)


def _record(search: StoredSearch, asked: RetestRequest, space: Space, seed: int) -> RetestRecord:
    """What is to be trained, with what to tell of the old search; the data is not known yet."""
    old = old_settings(search)
    settings = with_fresh(old.ranked[: asked.top], space, seed, search.plan.total)
    count = sum(each["trial"] is not None for each in settings)
    told = old.told
    if count < asked.top:
        told.append(f"{counted(count, 'setting')} of the search can be compared, {asked.top} were asked for")
    if (fresh := len(settings) - count) < count:
        told.append(f"the space holds {counted(fresh, 'further setting') if fresh else 'no setting'} to compare with")
    return {
        "schema_version": SCHEMA_VERSION,
        "search": {
            "id": search.run.id,
            "path": str(search.run.path.resolve()),
            "strategy": search.plan.strategy,
            "settings": old.count,
            "data": search.run.written["data"],
        },
        "asked": {
            "top": asked.top,
            "seeds": asked.seeds,
            "config": None if asked.config is None else str(asked.config.resolve()),
            "set": [*asked.settings],
        },
        "same_data": False,
        "told": told,
        "seeds": _seeds(search, seed, asked.seeds),
        "settings": settings,
        "verdict": None,
    }


def _seeds(search: StoredSearch, seed: int, count: int) -> list[int]:
    """Seeds that the search has not used itself, as a retest that is retested has."""
    used = {trial["seed"] for trial in search.trials}
    fresh = (drawn for number in itertools.count() if (drawn := retest_seed(seed, number)) not in used)
    return list(itertools.islice(fresh, count))


def _on_data(old: StoredRun, dataset: Dataset, record: RetestRecord) -> Iterator[str]:
    """Whether the rows are those of the old search, and what a network would find different in them."""
    then, now = old.written["data"], dataset.fitted.files
    sizes = f"{_rows(sum(file['rows'] for file in then['files']))} then, {_rows(sum(file['rows'] for file in now))} now"
    hashes = [[file["sha256"] for file in files] for files in (then["files"], now)]
    names = [[file["name"] for file in files] for files in (then["files"], now)]
    if record["same_data"]:
        yield "data: the same rows and parts as then"
    elif hashes[0] == hashes[1]:
        yield "data: the same file as then, split or read otherwise"
    elif names[0] == names[1]:
        yield f"data: {all_of(names[1])} has changed since then ({sizes})"
    else:
        yield f"data: {all_of(names[1])} instead of {all_of(names[0])} ({sizes})"
    yield from old.data.differences(dataset.fitted)


def _rows(count: int) -> str:
    return counted(count, "row")
