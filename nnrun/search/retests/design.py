"""Which settings a retest trains: the best of the old search, and as many fresh draws from its space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from nnrun.config.config import Config
from nnrun.config.overrides import configured
from nnrun.config.space.space import Space
from nnrun.config.values import Settings
from nnrun.errors import UsageError
from nnrun.files import to_json
from nnrun.installation import command
from nnrun.runs.means import mean
from nnrun.search.record import TrialRecord, dev_loss
from nnrun.search.retests.record import Retested
from nnrun.search.stored import StoredSearch
from nnrun.search.strategies.strategy import Brief, Point, Strategy, draw
from nnrun.text import counted

TRIES = 100  # draws for each fresh setting: a space of few choices may hold no other


class InTurn(Strategy):
    """Each of these settings with the first seed, then each with the next."""

    def __init__(self, brief: Brief, settings: Sequence[Settings]) -> None:
        super().__init__(brief)
        self.settings = settings

    def propose(self, number: int) -> Point | None:
        """None where all seeds have been used."""
        settings = self.settings[number % len(self.settings)]
        return Point(number, settings) if number < self.brief.totals[-1] else None


@dataclass(frozen=True)
class OldSettings:
    """The settings of a search that can be compared, the best first, how many there were, and what to tell of them."""

    ranked: list[Retested]
    count: int
    told: list[str]


def old_settings(search: StoredSearch) -> OldSettings:
    """The settings of trials that were given all epochs; of equal ones, as a retest has them, the mean counts.

    UsageError where none has a result.
    """
    plan, trials = search.plan, search.trials
    alike: dict[str, list[TrialRecord]] = {}
    for trial in search.whole:
        alike.setdefault(to_json(trial["values"]), []).append(trial)
    ranked = sorted((group for group in alike.values() if all(t["metric"] is not None for t in group)), key=_rank)
    told = []
    if search.to_go_on:
        told.append(f"the search did not come to its end: {counted(len(trials), 'trial')} of {plan.total} count")
    if search.cut_short:
        told.append(search.cut_short)
    if not ranked:
        going_on = f"; `{command(*search.to_go_on)}` goes on with it" if search.to_go_on else ""
        raise UsageError(f"{search.run.id}: no trial of all {plan.epochs} epochs has a result{going_on}")
    found: list[Retested] = [{"trial": g[0]["number"], "values": g[0]["values"], "then": _mean(g)} for g in ranked]
    return OldSettings(found, len(alike), told)


def _rank(group: Sequence[TrialRecord]) -> tuple[float, float, int]:
    """As trials are ranked: by the metric, then the dev loss, then the number."""
    return _mean(group), fmean(map(dev_loss, group)), group[0]["number"]


def _mean(group: Sequence[TrialRecord]) -> float:
    return mean(trial["metric"] for trial in group if trial["metric"] is not None)


def with_fresh(old: Sequence[Retested], space: Space, seed: int, first: int) -> list[Retested]:
    """The old settings in terms of this space, and as many others, the draws of a random search from `first` on.

    There are fewer where the space holds no more.
    """
    kept: list[Retested] = [each | {"values": {key: each["values"][key] for key in space.keys}} for each in old]
    known = {to_json(each["values"]) for each in kept}
    brief, number = Brief(space, seed, []), first
    fresh: list[Retested] = []
    while len(fresh) < len(kept) and number < first + TRIES * len(kept):
        values = space.decode(draw(brief, number))
        if (written := to_json(values)) not in known:
            known.add(written)
            fresh.append({"trial": None, "values": values, "then": None})
        number += 1
    return kept + fresh


def configured_by(settings: Settings, space: Space, config: Config) -> Config:
    """The config with these settings; where the old config had no single value, as for a width, today's stays.

    ConfigError where they contradict each other or the rest.
    """
    active: dict[str, Any] = {parameter.key: parameter.domain for parameter in space.active(settings)}
    given = {key: settings[key] for key, domain in active.items() if settings[key] is not None or domain.contains(None)}
    return configured(config, given)
