"""The sections of the file but `data` and `search`: each key once, with type, bounds, default and one line of help.

Validating also resolves: what may be left open in the file (null, a name alone, one dropout rate for all layers,
depth and width) is filled in, so that the rest of the program never meets an open value.
"""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    Strict,
    Tag,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from nnrun.config.constraints import Bounds, Complaint, OneOf, Section, by_kind, complain, key, kind_tag
from nnrun.config.tables import AugmentationKey, InitializerKey, ScheduleKey
from nnrun.config.values import describe
from nnrun.engine.activations import ACTIVATIONS
from nnrun.engine.batches import SHUFFLES
from nnrun.engine.hyperparameters import COMMON
from nnrun.engine.losses import LOSSES
from nnrun.engine.metrics import METRICS
from nnrun.engine.optimizers import OPTIMIZERS, usual
from nnrun.text import all_of, one_of

Share = Annotated[float, Bounds(ge=0, lt=1)]
Positive = Annotated[float, Bounds(gt=0)]
LEAST_EPSILON = 1e-18  # the square of a smaller gradient is 0 in float32, and its mean would be divided by ε alone
NonNegative = Annotated[float, Bounds(ge=0)]
DEEPEST = 10_000  # hidden layers
Count = Annotated[int, Bounds(ge=1)]
Counts = Annotated[tuple[Count, ...], Strict(False)]  # YAML knows lists, not tuples; the items stay strict
Shares = Annotated[tuple[Share, ...], Strict(False)]


def _finite(value: Any) -> Any:
    """Whatever a range is made of, it must be possible to write it down."""
    parts = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    for part in parts:
        _finite(part)
    if isinstance(value, float) and not isfinite(value):
        raise complain(((), f"must be a finite number, got {value}"))
    return value


Range = dict[str, Annotated[Any, AfterValidator(_finite)]]


class Seeds(Section):
    """An ensemble, spelled out."""

    seeds: Count = Field(description="networks, with seeds that count up from the config's")
    stop: Literal["together"] = key("together", "at the best epoch of their pooled prediction")


class Network(Section):
    """The layers between the features and the output."""

    hidden: Counts = key([64, 32], "units of each hidden layer; [] = logistic, softmax or linear regression")
    depth: Annotated[int, Bounds(ge=0, le=DEEPEST)] | None = Field(
        None, exclude=True, description="number of hidden layers; with width, instead of hidden"
    )
    width: Count | None = Field(
        None, exclude=True, description="units of every hidden layer; with depth, instead of hidden"
    )
    activation: Annotated[str, OneOf(tuple(ACTIVATIONS))] = key("relu", "activation of the hidden layers")
    init: InitializerKey = key(
        "auto",
        "initial weights: a name or {name, options}; auto fits the activation; the variance is 1/n_in with xavier "
        "(lecun_normal in Keras), 2/(n_in + n_out) with glorot (xavier_normal_ in PyTorch)",
    )
    batch_norm: bool = key(False, "batch normalisation before each activation")
    members: Count = key(1, "members that share the hidden layers, each with input scales and an output of its own")
    ensemble: Count = key(1, "networks trained side by side, whose predictions are averaged; or {seeds, stop}")

    @field_validator("ensemble", mode="before", json_schema_input_type=Count | Seeds)
    @classmethod
    def _seeds_alone(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        allowed = f"unknown key; allowed here: {one_of(Seeds.model_fields)}"
        found: list[Complaint] = [((str(name),), allowed) for name in value if name not in Seeds.model_fields]
        if (stop := value.get("stop", "together")) != "together":
            found.append((("stop",), f"must be together, as the networks of one run stop, got {describe(stop)}"))
        if "seeds" not in value:
            found.append(((), "seeds is missing, the number of networks"))
        if found:
            raise complain(*found)
        return value["seeds"]

    @model_validator(mode="wrap")
    @classmethod
    def _layers_of_one_width(cls, values: Any, handler: ValidatorFunctionWrapHandler) -> Network:
        network: Network = handler(values)
        depth, width = network.depth, network.width
        if depth is None and width is None:
            return network
        if depth is None or width is None:
            given, lacking = ("width", "depth") if depth is None else ("depth", "width")
            raise complain(((given,), f"{lacking} is missing; depth and width go together"))
        if "hidden" in network.model_fields_set:
            raise complain((("hidden",), "stands beside depth and width; give either hidden, or depth and width"))
        return network.model_copy(update={"hidden": (width,) * depth, "depth": None, "width": None})


class EarlyStopping(Section):
    """When to stop before the last epoch; the best parameters are restored."""

    patience: Count = key(10, "epochs without a better dev result before training stops")
    min_delta: NonNegative = key(0.0, "least improvement that counts as better")


class Regularization(Section):
    """What keeps the network from learning its training set by heart."""

    l1: NonNegative = key(COMMON["l1"], "λ of the L1 penalty")
    l2: NonNegative = key(COMMON["l2"], "λ of the L2 penalty")
    dropout: Shares = key(0.0, "share of hidden units dropped, 1 − keep_prob; one number, or one for each hidden layer")
    input_dropout: Share = key(0.0, "share of the features dropped")
    label_smoothing: Share = key(
        COMMON["label_smoothing"], "share ε of each training target that all classes get alike, classes only"
    )
    early_stopping: EarlyStopping | None = key(None, "null = train all epochs, or {patience, min_delta}")
    augment: Annotated[tuple[AugmentationKey, ...], Strict(False)] = key(
        [], "how training examples are changed anew each epoch: a list of names or {name, options}"
    )

    @field_validator("dropout", mode="before", json_schema_input_type=Share | list[Share])
    @classmethod
    def _one_rate(cls, value: Any) -> Any:
        return value if isinstance(value, (list, tuple)) else [value]


def _usually(key: str) -> str:
    """What the optimizers have where nobody sets this one: `0, for adamw 0.01`."""
    own = {name: rule.usual[key] for name, rule in OPTIMIZERS.items() if key in rule.usual}
    if isinstance(COMMON[key], bool):
        return f"only for {all_of(own)}"
    return ", ".join([f"{COMMON[key]:g}", *(f"for {name} {value:g}" for name, value in own.items())])


def _usual(value: Any, info: ValidationInfo) -> Any:
    """What the optimizer usually has, where the key is null."""
    name = info.data.get("name", "sgd")  # a wrong name is an error of its own
    return usual(name)[str(info.field_name)] if value is None else value


class Optimizer(Section):
    """How the parameters follow the gradient."""

    name: Annotated[str, OneOf(tuple(OPTIMIZERS))] = key("adam", "rule of the update")
    learning_rate: Positive = key(COMMON["learning_rate"], "size of the steps")
    schedule: ScheduleKey = key("constant", "how the learning rate changes: a name or {name, options}")
    beta1: Share = key(COMMON["beta1"], "decay of the gradient's running mean; also momentum's β")
    beta2: Annotated[Share, BeforeValidator(_usual, Share | None)] = key(
        None, "decay of the squared gradient's running mean; null = " + _usually("beta2")
    )
    epsilon: Annotated[float, Bounds(ge=LEAST_EPSILON)] = key(
        COMMON["epsilon"], "keeps divisions by the running deviation finite"
    )
    weight_decay: Annotated[NonNegative, BeforeValidator(_usual, NonNegative | None)] = key(
        None, "decoupled decay, with any optimizer; null = " + _usually("weight_decay")
    )
    clip_norm: Positive | None = key(None, "longest gradient let through; null = any")
    bias_correction: Annotated[bool, BeforeValidator(_usual, bool | None)] = key(
        None,
        "correct the running means' start at 0 (momentum's v is none with dampening: false); null = "
        + _usually("bias_correction"),
    )
    dampening: bool = key(
        COMMON["dampening"], "momentum: v = βv + (1 − β)dW; false: v = βv + dW, without bias correction"
    )


class Average(Section):
    """Parameters that errors, best epoch and predictions go by, while training goes on from its own."""

    ema: Annotated[float, Bounds(gt=0, lt=1)] | None = key(
        None, "over steps: the share that stays at each, less at first; about the last 1/(1 − ema) steps count"
    )
    swa: Count | None = key(None, "over the ends of the epochs from this one on, all alike")

    @model_validator(mode="after")
    def _one_way(self) -> Average:
        if self.ema is not None and self.swa is not None:
            raise complain((("swa",), "stands beside ema; give one of the two, null for the other"))
        if self.ema is None and self.swa is None:
            raise complain(((), "needs ema or swa, as in {ema: 0.999}; null = no average"))
        return self

    @model_serializer
    def _the_one(self) -> dict[str, float]:
        return {"swa": self.swa} if self.ema is None and self.swa else {"ema": self.ema or 0.0}


class Training(Section):
    """The loop over the training examples."""

    epochs: Annotated[int, Bounds(ge=1, le=1_000_000_000)] = key(50, "passes over the training set")
    batch_size: Annotated[
        Annotated[Literal["auto", "full"], OneOf(also="a whole number"), Tag(kind_tag("text"))]
        | Annotated[Count, Tag(kind_tag("whole number"))],
        by_kind("auto, full or a whole number"),
    ] = key("auto", "examples a step; full = the whole training set")
    shuffle: Annotated[str, OneOf(SHUFFLES)] = key(
        "auto", "full = all rows anew each epoch; blocks = for files larger than memory; auto = blocks from 1 GiB on"
    )
    dtype: Annotated[Literal["float32", "float64"], OneOf()] = key("float32", "precision of all numbers in training")
    engine: Annotated[Literal["auto", "numpy", "compiled"], OneOf()] = key(
        "auto",
        "compiled = by Numba, of the extra `fast`; auto = compiled where there is much to do; a part of the result",
    )
    loss: Annotated[str, OneOf(("auto", *LOSSES))] = key("auto", "auto = cross_entropy for classes, else squared_error")
    average: Average | None = key(
        None, "{ema: SHARE} or {swa: EPOCH} = judge, keep and export averaged parameters; null = those that train"
    )
    layer_statistics: bool = key(False, "write activations and gradients of each layer to metrics.jsonl")
    record: Annotated[Literal["epochs", "steps"], OneOf()] = key("epochs", "steps = also the loss of each mini-batch")
    changes: dict[Count, Range] = key({}, "epoch → dotted keys and the values that they have from that epoch on")


class Diagnosis(Section):
    """What the verdict on bias and variance measures against."""

    base_error: Share = key(0.0, "error of the best known way, such as a human expert")
    tolerance: Positive = key(0.015, "largest gap that still counts as none")


class Metrics(Section):
    """Which number decides."""

    primary: Annotated[str, OneOf(tuple(METRICS))] = key("error", "what is compared between epochs and runs")


TRACKERS = ("tensorboard", "mlflow")  # tools of others; what is told to each, and how, `nnrun.tracking` knows


def loss_contradiction(task: str, loss: str) -> str | None:
    """Why a loss cannot serve a task, if both are stated."""
    if "auto" in (task, loss) or LOSSES[loss].task == task:
        return None
    fitting = [name for name, named in LOSSES.items() if named.task == task]
    return f"{loss} does not fit {task}; use {one_of(['auto', *fitting])}"


def smoothing_contradiction(task: str, share: float) -> str | None:
    """Why labels cannot be smoothed, if they are to be; `task` may be auto."""
    return (
        f"label smoothing needs classes, and {task} has none; set it to 0" if share and task == "regression" else None
    )
