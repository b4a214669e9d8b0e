"""The section `search`: which trials a search draws, how many, and by what they are compared."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import WithJsonSchema, field_validator

from nnrun.config.constraints import OneOf, Section, complain, key
from nnrun.config.schema import Count, Range
from nnrun.engine.metrics import METRICS
from nnrun.engine.scores import Objective
from nnrun.text import one_of

STRATEGIES = ("random", "coarse_to_fine", "sobol", "grid", "halving", "coarse_to_fine_halving", "tpe")  # of a search
SPACES: dict[str, dict[str, dict[str, Any]]] = {  # that `search.space` may name in place of ranges
    "regularization": {
        "regularization.l2": {"log": [0.1, 10]},
        "regularization.dropout": {"quantized": [0.0, 0.7, 0.1]},
    },
}


# What an editor may know of words that a search alone reads: training one network takes any.
_Strategy = Annotated[str, WithJsonSchema({"type": "string", "enum": [*STRATEGIES]})]
_METRIC = f"^(-?(dev|train)_({'|'.join(METRICS)})|-?cost)$"
_Metric = Annotated[str, WithJsonSchema({"type": "string", "pattern": _METRIC})]


class Search(Section):
    """The search for hyperparameters; training one network ignores this section."""

    strategy: _Strategy = key("random", "how trials are chosen")
    trials: Count = key(50, "number of trials")
    prune: Annotated[Literal["median"], OneOf()] | None = key(None, "median = end trials behind that of earlier ones")
    metric: str = key(None, "what is minimised, with a leading - maximised; null = metrics.primary on the dev set")
    space: dict[str, Range] = key({}, "dotted key → range to draw from; or regularization = its L2 and dropout")
    enqueue: list[Range] = key([], "known settings, tried first: mappings of dotted keys of the space → value")

    @field_validator("metric", mode="before", json_schema_input_type=_Metric | None)
    @classmethod
    def _usual_metric(cls, value: Any) -> Any:
        return Objective.of("error").written if value is None else value

    @field_validator("space", mode="before", json_schema_input_type=dict[str, Range] | Literal["regularization"])
    @classmethod
    def _named_space(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value not in SPACES:
            raise complain(((), f"expected ranges by key, or {one_of(SPACES)}, got the text {value!r}"))
        return SPACES[value]
