"""The diagnosis of a search: its best trial, the spread over its trials, and where to search next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import quantiles

from nnrun.config.dump import dump_yaml
from nnrun.config.space.space import Space, WrittenRange
from nnrun.config.values import Settings
from nnrun.errors import UsageError
from nnrun.insight.diagnosis.keeping import keep
from nnrun.insight.diagnosis.telling import Action, Spread, first_of
from nnrun.insight.diagnosis.verbs import Diagnosis, Look, Looks, of_a_run
from nnrun.installation import command
from nnrun.runs.kinds import kind_of, until_best
from nnrun.runs.stored import StoredRun
from nnrun.runs.verdict import HIGH, LOW, UNCLEAR, Verdict, of_run, yardstick
from nnrun.search.record import sharing
from nnrun.search.stored import WIDER, StoredSearch
from nnrun.search.strategies import STRATEGIES
from nnrun.search.telling import error_kind_of, ties
from nnrun.text import columns, counted, percent, wrapped

LATE = 0.8  # of the trials
ABOUT_WIDER = "# The config of this search; ranges at whose end its best trial lies, or beyond it, go on further."
JUDGEMENTS = (HIGH, UNCLEAR, LOW)


def looked_at(
    run: StoredRun, base: float | None, tolerance: float | None, usual: Path, options: Sequence[str], looks: Looks
) -> tuple[Diagnosis, dict[str, Look]]:
    """The diagnosis of a run or a search, and the closer looks that are asked for; of an improvement its best run."""
    if kind_of(run.directory) == "improvement":
        run = run.best or run  # its trials are no sample of a space
    if run.is_search:
        found = of_a_search(run, base, tolerance, usual, options)
    else:
        found = of_a_run(run, base, tolerance, usual, options, tell=looks.tell)
    return replace(found, actions=looks.left(found.actions)), dict(looks.of(run, base, tolerance))


def of_a_search(
    search: StoredRun, base: float | None, tolerance: float | None, usual: Path, options: Sequence[str]
) -> Diagnosis:
    """The best trial as a run, how the verdicts of all trials are spread, and first what the search itself suggests.

    Raises UsageError where there is no best trial yet.
    """
    stored = StoredSearch(search)
    records = stored.trials
    if search.best is None:
        counts = ", ".join(f"{sum(r['status'] == s for r in records)} {s}" for s in ("done", "diverged", "failed"))
        going_on = f"`{command(*stored.to_go_on)}` goes on" if stored.to_go_on else ""
        until = until_best(search.directory) or going_on
        raise UsageError(f"{search.id} has no best trial to diagnose ({counts}){until and f'; {until}'}")
    found = of_a_run(search.best, base, tolerance, usual, options)
    data = search.record["data"]
    against = yardstick(search.best.config.diagnosis, base, tolerance)
    verdicts = [v for r in stored.whole if (v := of_run(r["final"] or {}, data, against)) is not None]
    spread = _spread(stored, verdicts)
    lines = [f"search   {search.path}", *found.lines, "", *_spread_lines(spread)]
    if stored.cut_short:
        lines += wrapped(stored.cut_short, "note     ")
    if told := ties(records, stored.plan.objective, error_kind_of(stored.record)):
        lines += wrapped(told, "note     ")
    worn = found.verdict is not None and found.verdict.judgement("dev_overfit") == HIGH  # more trials fit it further
    actions = first_of([*(() if worn else _next(stored, options)), *found.actions])
    return replace(found, lines=lines, actions=actions, spread=spread)


def _spread(search: StoredSearch, verdicts: Sequence[Verdict]) -> Spread:
    """How many trials ended how, and of whole ones the share of each judgement and the quartiles of the dev error."""
    records, errors = search.trials, sorted(verdict.errors["dev"] for verdict in verdicts)
    return {
        "count": len(records),
        "whole": len(search.whole),
        "diverged": sum(record["status"] == "diverged" for record in records),
        "dev_error_quartiles": quantiles(errors, n=4, method="inclusive") if len(errors) > 1 else errors * 3,
        "bias": _judged(verdicts, "avoidable_bias"),
        "variance": _judged(verdicts, "variance"),
        "ties": len(sharing(records)),
    }


def _judged(verdicts: Sequence[Verdict], kind: str) -> dict[str, int]:
    return {word: sum(verdict.judgement(kind) == word for verdict in verdicts) for word in JUDGEMENTS}


def _spread_lines(spread: Spread) -> list[str]:
    rows = [[f"of {counted(spread['whole'], 'trial')}", *JUDGEMENTS]]
    for name, counts in (("bias", spread["bias"]), ("variance", spread["variance"])):
        rows.append([name, *(str(counts[word]) for word in JUDGEMENTS)])
    lines = columns(rows, right=(1, 2, 3))
    if spread["dev_error_quartiles"]:
        first, middle, third = map(percent, spread["dev_error_quartiles"])
        lines.append(f"dev errors: a quarter below {first}, half below {middle}, three quarters below {third}")
    if spread["diverged"]:
        lines.append(f"diverged: {spread['diverged']}")
    return lines


def _next(search: StoredSearch, options: Sequence[str]) -> Iterator[Action]:
    """Where the best trial lies at an end of a range, or came late although others were learned from, more may help."""
    run, records, plan = search.run, search.trials, search.plan
    number = search.record["best_trial"]
    best = next((record for record in records if record["number"] == number), None)
    if number is None or best is None or search.retest:  # whose trials were chosen beforehand
        return
    level = sharing(records)  # where one that is as good lies elsewhere or came early, there is nothing to look for
    ends = [_beyond(plan.space, record["values"]) for record in (best, *level)]
    if beyond := {key: wider for key, wider in ends[0].items() if all(end.get(key) == wider for end in ends)}:
        config = run.config.resolved()
        config["search"]["space"] = plan.space.written() | beyond
        if not keep(run.directory, WIDER, f"{ABOUT_WIDER}\n{dump_yaml(config)}"):
            place = "at" if plan.space.contains(best["values"]) else "at or beyond"
            why = f"The best trial lies {place} the end of a range ({', '.join(beyond)}): search beyond it."
            yield Action(why, command("search", str(run.path / WIDER), "--trials", str(plan.total), *options))
    kind = STRATEGIES[plan.strategy]
    closes_in = kind.learns and not kind.continues_trials  # draws have no order, and of rungs the last one is the best
    late = min(record["number"] for record in level) >= LATE * len(records) and len(records) > 1
    if closes_in and late and search.further:
        why = f"The best trial, {number}, was among the last of {len(records)}: more are likely to help."
        yield Action(why, command(*search.further))


def _beyond(space: Space, values: Settings) -> dict[str, WrittenRange]:
    """The ranges at whose end a value lies, or beyond it, moved on, by key."""
    found = {}
    for parameter in space.active(values):
        value = values[parameter.key]
        if value is not None and (beyond := parameter.moved_to(value)):
            found[parameter.key] = parameter.written() | {parameter.domain.name: beyond.written()}
    return found
