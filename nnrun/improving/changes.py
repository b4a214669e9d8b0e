"""What a piece of advice changes, and what is tried beside it.

The learning rate suits every setting differently, so a change that is judged at the old one is judged wrongly: it is
tried at a few, and where the size of a network changes, with more and with less of its penalty (as the Deep Learning
Tuning Playbook has it: Godbole et al. 2023, on scientific and nuisance hyperparameters).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from nnrun.config.changes import in_force
from nnrun.config.config import Config
from nnrun.config.overrides import SHAPES as PATHS
from nnrun.config.overrides import configured
from nnrun.config.space.parsing import parse_space
from nnrun.config.space.space import Space, usual_space
from nnrun.config.values import Settings, dotted
from nnrun.config.yaml_text import parse_value
from nnrun.errors import ConfigError
from nnrun.files import to_json
from nnrun.insight.diagnosis.origin import Move
from nnrun.search.strategies.strategy import Brief, draw
from nnrun.text import by_hand

RATE, L2, HIDDEN = "optimizer.learning_rate", "regularization.l2", "network.hidden"
SHAPES = {dotted(path) for path in PATHS}
TIMES = (1.0, 1 / 3, 3.0)  # the rate, or the penalty
HIGHEST_RATE = 10.0


@dataclass(frozen=True)
class Base:
    """The config that settings go on top of; where they are `lasting`, its changes on the way give way to them.

    So they do to those of the commands that a diagnosis gives. Early versions let the changes take the place of the
    settings, and what was begun so goes on so: it would ask for other trainings than those that it has.
    """

    config: Config
    lasting: bool = True

    @property
    def yielding(self) -> Mapping[int, Settings]:
        """The changes that give way."""
        return self.config.training.changes if self.lasting else {}

    @property
    def folds(self) -> int:
        """How many trainings a run is."""
        data = self.config.data
        return (data.folds or 1) if data.in_folds else 1

    def together(self, seeds: int) -> int:
        """How many networks the ensemble at the end has; of folds, which are one, there is none."""
        return 0 if self.config.data.in_folds else seeds

    def whole(self, settings: Settings) -> Settings:
        """The settings, and beside them what is left of the changes where some give way."""
        return in_force(self.yielding, settings)

    def settled(self, settings: Settings) -> Config:
        """The config with these settings. Raises ConfigError where they contradict each other."""
        return configured(self.config, self.whole(settings))


@dataclass(frozen=True)
class Change:
    """A piece of advice that can be tried: its name in the recipe, its words, what it sets; `trials` of a search."""

    rule: str
    move: Move
    trials: int = 0

    @property
    def key(self) -> str:
        """Equal for advice that was tried before."""
        return to_json([self.rule, self.move.settings])


def merged(old: Settings, new: Settings) -> Settings:
    """The old settings with the new ones behind them, so that what a command gives last is what counts."""
    gone = {*new, *(SHAPES if SHAPES & new.keys() else ())}
    return {**{key: value for key, value in old.items() if key not in gone}, **new}


def variants(base: Base, here: Settings, change: Settings) -> list[Settings]:
    """The change on top of what holds, at a few rates, and of a network of another size with a few penalties.

    None that is what holds already, and none that contradicts itself.
    """
    centre = merged(here, change)
    config = _checked(base, centre)
    if config is None:
        return []
    rate, penalty = config.optimizer.learning_rate, config.regularization.l2
    found = [merged(centre, {RATE: by_hand(rate * times)}) if times != 1 else centre for times in TIMES
             if rate * times <= HIGHEST_RATE]  # fmt: skip
    if SHAPES & change.keys() and penalty:
        found += [merged(centre, {L2: by_hand(penalty * times)}) for times in TIMES[1:]]
    held = same(base, here)
    return [each for each in found if _checked(base, each) is not None and same(base, each) != held]


def drawn(base: Base, here: Settings, move: Move, seed: int, count: int) -> list[Settings]:
    """As many settings as `count` from the space that a search would draw from, on top of what holds."""
    config = base.settled(here)
    space = _space(config, move)
    brief = Brief(space, seed, [count])
    found = (space.decode(draw(brief, number)) for number in range(count))
    return [settings for values in found if (settings := _as_written(base, here, values)) is not None]


def _space(config: Config, move: Move) -> Space:
    """The space that the advice names, or the usual one around the config."""
    written = move.settings.get("search.space")
    if isinstance(written, str):
        config = configured(config, {"search.space": parse_value(written)})
    return parse_space(config.search.space if written else usual_space(config), config)


def _as_written(base: Base, here: Settings, drawn: Settings) -> Settings | None:
    """Drawn values as a person would write them, on top of what holds; None where they contradict each other.

    A width is one of the layers that hold now, so the shape is that which comes of both.
    """
    rounded = {key: by_hand(value) if isinstance(value, float) else value for key, value in drawn.items()}
    given = {key: value for key, value in rounded.items() if value is not None}
    config = _checked(replace(base, config=base.settled(here)), given)
    if config is None:
        return None
    shape = {HIDDEN: list(config.network.hidden)} if SHAPES & given.keys() else {}
    settings = merged(merged(here, given), shape)
    return None if _checked(base, settings) is None else settings


def _checked(base: Base, settings: Settings) -> Config | None:
    try:
        return base.settled(settings)
    except ConfigError:
        return None


def same(base: Base, settings: Settings) -> str:
    """Equal for settings that come to one configuration."""
    return to_json(base.settled(settings).resolved())


def epochs_of(base: Base, settings: Sequence[Settings]) -> int:
    """How many epochs these train at most, of all folds."""
    return base.folds * sum(base.settled(each).training.epochs for each in settings)
