"""What is remarked on a space that is right: what is drawn in vain, or in the place of what the config says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nnrun.config.changes import overruled
from nnrun.config.config import Config
from nnrun.config.idle import idle, idle_with
from nnrun.config.overrides import NAME
from nnrun.config.space.space import DEPTH, WIDTH, Parameter
from nnrun.config.values import dotted
from nnrun.text import all_of

OPTIMIZER = dotted(NAME)


def notes(parameters: Sequence[Parameter], config: Config) -> Iterator[str]:
    """A line on each parameter that is not all that it seems to be."""
    yield from _reshaped(parameters, config)
    yield from _without_effect(parameters)
    yield from _idle(parameters, config)
    yield from _overruled(parameters, config)


def _overruled(parameters: Sequence[Parameter], config: Config) -> Iterator[str]:
    """A note on each parameter that a change in the middle of the training takes the place of, in every trial."""
    yield from (f"{p.key} {told}" for p in parameters if (told := overruled(config, p.key)))


def _reshaped(parameters: Sequence[Parameter], config: Config) -> Iterator[str]:
    """A note where the layers that the config lists are given up for those that are drawn."""
    network = config.network
    if "hidden" in network.model_fields_set and {DEPTH, WIDTH} & {parameter.key for parameter in parameters}:
        yield f"network.hidden {list(network.hidden)} is replaced by depth × [width] in what is drawn; trial 0 keeps it"


def _without_effect(parameters: Sequence[Parameter]) -> Iterator[str]:
    """A note where a width is drawn in vain, as the depth that is drawn beside it leaves no layer."""
    found = {parameter.key: parameter for parameter in parameters}
    depth, width = found.get(DEPTH), found.get(WIDTH)
    if depth is None or width is None or not depth.domain.contains(0):
        return
    if all(allowed.contains(0) for key, allowed in width.when if key == DEPTH):
        single = depth.domain.count == 1
        cure = "" if single else f"; `when: {{{DEPTH}: […]}}` beside its range names the depths that have it"
        yield f"{WIDTH} has no effect where {DEPTH} is 0{', as it always is' if single else cure}"


def _idle(parameters: Sequence[Parameter], config: Config) -> Iterator[str]:
    """A note on each parameter that steers nothing, in all trials or with some of the optimizers that are drawn."""
    found = {parameter.key: parameter for parameter in parameters}
    always = dict(idle(config, found))
    drawn = found[OPTIMIZER].domain.each() if OPTIMIZER in found else []
    for parameter in parameters:
        names = next((of.options for key, of in parameter.when if key == OPTIMIZER), drawn)
        if vain := [name for name in names if parameter.key in idle_with(name)]:
            cure = f"; `when: {{{OPTIMIZER}: […]}}` beside its range names those with which it has one"
            yield f"{parameter.key} has no effect with {all_of(vain)}{cure if len(vain) < len(names) else ''}"
        elif parameter.key in always:
            yield f"{parameter.key} has no effect {always[parameter.key]}"
