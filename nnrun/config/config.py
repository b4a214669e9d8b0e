"""The whole configuration, resolved: the sections, how they depend on each other, and the way back to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    Strict,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)

from nnrun.config import data_section, schema, search_section
from nnrun.config.constraints import Bounds, Complaint, OneOf, Section, complain, key
from nnrun.config.data_section import with_absolute_sources
from nnrun.config.messages import Places, explain
from nnrun.config.values import Settings, Tree
from nnrun.config.versions import current
from nnrun.engine.scores import Objective
from nnrun.errors import MOST, ConfigError

# Keys that resolved.yaml leaves out where nobody set them: their defaults would change the file of every other run.
WHERE_SET = (("tracking",), ("data", "format", "sheet"))

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]


class Config(Section):
    """A YAML file of nnrun."""

    name: Name = key("run", "part of the run directory's name: letters, digits, - _ . (at most 64)")
    seed: Annotated[int, Bounds(ge=0)] = key(0, "seed of weights, shuffling, dropout and augmentation")
    data: data_section.Data = key({}, "where the examples come from and how they are split and scaled")
    network: schema.Network = key({}, "the layers between the features and the output")
    regularization: schema.Regularization = key({}, "what keeps the network from learning its training set by heart")
    optimizer: schema.Optimizer = key({}, "how the parameters follow the gradient")
    training: schema.Training = key({}, "the loop over the training examples")
    diagnosis: schema.Diagnosis = key({}, "what the verdict on bias and variance measures against")
    metrics: schema.Metrics = key({}, "which number decides")
    search: search_section.Search = key({}, "the search for hyperparameters; training one network ignores this section")
    tracking: Annotated[tuple[Annotated[str, OneOf(schema.TRACKERS)], ...], Strict(False)] = key(
        [], "tools that are told of the run while it trains; a part of no result, so trials do not have it"
    )

    @field_validator("regularization", mode="wrap")
    @classmethod
    def _fits_data_and_layers(
        cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> schema.Regularization:
        section: schema.Regularization = handler(value)
        network, data = info.data.get("network"), info.data.get("data")
        if data is not None and (wrong := schema.smoothing_contradiction(data.task, section.label_smoothing)):
            raise complain((("label_smoothing",), wrong))
        if network is None:
            return section
        layers, rates = len(network.hidden), section.dropout
        if isinstance(value, dict) and not isinstance(value.get("dropout"), (list, tuple)):
            return section.model_copy(update={"dropout": rates * layers})
        if len(rates) != layers:
            wrong = f"has length {len(rates)}, network.hidden has length {layers}; give one number, or one rate a layer"
            raise complain((("dropout",), wrong))
        return section

    @field_validator("training", mode="after")
    @classmethod
    def _fits_data_and_network(cls, training: schema.Training, info: ValidationInfo) -> schema.Training:
        found: list[Complaint] = []
        network, data = info.data.get("network"), info.data.get("data")
        if network is not None and network.batch_norm and training.batch_size == 1:
            found.append((("batch_size",), "batch_norm needs at least 2 examples a step, got 1"))
        if data is not None and (wrong := schema.loss_contradiction(data.task, training.loss)):
            found.append((("loss",), wrong))
        if found:
            raise complain(*found)
        return training

    @field_validator("search", mode="before")
    @classmethod
    def _metric_of_search(cls, search: Any, info: ValidationInfo) -> Any:
        """Trials are compared as epochs are, unless the file says otherwise."""
        metrics = info.data.get("metrics")
        if metrics is None or not isinstance(search, dict) or search.get("metric") is not None:
            return search
        return {**search, "metric": Objective.of(metrics.primary).written}

    @classmethod
    def from_values(cls, values: Tree) -> Config:
        """From plain values as they would stand in a file, paths relative to the current directory."""
        return cls.checked(with_absolute_sources(values, Path.cwd()), Places())

    @classmethod
    def checked(cls, values: Tree, places: Places) -> Config:
        """From plain values whose places are known; a ConfigError lists everything that is wrong."""
        values, _ = current(values, places)
        problems, more = list(places.problems), 0
        try:
            config = cls.model_validate(values)
        except ValidationError as error:
            problems += explain(error, values, places, cls)
            more = max(0, error.error_count() - MOST)
        if problems:
            raise ConfigError([problem.line for problem in sorted(set(problems))], more)
        return config

    @property
    def next_seed(self) -> int:
        """The first seed that this config does not use: an ensemble uses those from `seed` on, one a network."""
        return self.seed + self.network.ensemble

    def resolved(self) -> Tree:
        """Plain values with every default filled in; dumped and loaded they give an equal config.

        One dropout rate for all layers is written as one number, so that the file stays valid when `--set`
        changes the number of layers. Keys of WHERE_SET are written where something was said.
        """
        values: Tree = _plain(self.model_dump())
        for *sections, name in WHERE_SET:
            section = values
            for inner in sections:
                section = section[inner]
            if not section[name]:
                del section[name]
        rates = values["regularization"]["dropout"]
        if len(set(rates)) <= 1:
            values["regularization"]["dropout"] = rates[0] if rates else 0.0
        return values


def _plain(value: Any) -> Any:
    """Lists instead of tuples."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def flat_sections(values: Tree, prefix: str = "") -> Settings:
    """Dotted keys of a resolved config; what stands deeper than a section's keys is a value."""
    settings: Settings = {}
    for name, value in values.items():
        inner = isinstance(value, dict) and not prefix
        settings |= flat_sections(value, f"{name}.") if inner else {prefix + name: value}
    return settings


def changed(values: Tree) -> dict[str, tuple[Any, Any]]:
    """The keys of a resolved config whose values differ from their defaults, with both.

    A run says which engine was chosen for it; NumPy's is the usual one.
    """
    defaults = flat_sections(Config().resolved()) | {"training.engine": "numpy"}
    return {
        key: (value, defaults.get(key)) for key, value in flat_sections(values).items() if defaults.get(key) != value
    }
