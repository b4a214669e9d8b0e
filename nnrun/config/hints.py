"""What an unknown key was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from nnrun.config.constraints import OneOf
from nnrun.config.dump import one_line
from nnrun.config.tables import Entries
from nnrun.config.values import KeyPath, Tree, dotted
from nnrun.engine.optimizers import OPTIMIZERS
from nnrun.text import closest, one_of, shortened

SYNONYMS = {  # a word with a section before it is one there alone
    "optimizer": "optim opt solver",
    "optimizer.learning_rate": "lr learningrate learn_rate step_size alpha eta",
    "optimizer.beta1": "momentum beta rho beta_1",
    "optimizer.beta2": "beta_2",
    "optimizer.epsilon": "eps",
    "optimizer.schedule": "decay lr_decay decay_rate scheduler lr_schedule learning_rate_decay lr_scheduler",
    "optimizer.clip_norm": "clip grad_clip gradient_clip max_grad_norm clipnorm global_clipnorm",
    "training.batch_size": "batch batchsize minibatch mini_batch minibatch_size mini_batch_size",
    "training.average": "averaging polyak weight_averaging model_averaging exponential_moving_average",
    "training.epochs": "epoch num_epochs n_epochs max_epochs iterations max_iter num_iterations",
    "network.hidden": "layers units hidden_layers hidden_units neurons layer_sizes hidden_layer_sizes layer_dims",
    "network.batch_norm": "batchnorm bn batch_normalization",
    "network.init": "initialization initializer initialisation weight_init",
    "network.activation": "nonlinearity activations",
    "network.members": "tabm shared_body batch_ensemble n_members heads k",
    "network.ensemble": "ensembles ensemble_size n_ensembles n_estimators",
    "regularization": "regularisation regularizer",
    "regularization.dropout": "dropout_rate drop_rate",
    "regularization.l2": "lambda lambd l2_lambda lambda_l2 l2_reg regularization.alpha",
    "data.source": "dataset file path csv data_path",
    "data.weight": "sample_weight sample_weights weight_column",
    "data.target": "label target_column y",
    "data.normalize": "normalise normalization standardize scale scaler robust quantile",
    "data.encode_numbers": "piecewise ple bins binning discretize numerical_embedding encode_numerical",
    "data.encode_categories": "embedding embeddings one_hot onehot category_encoding categorical_encoding",
    "metrics.primary": "monitor scoring",
    "search.metric": "search.monitor search.scoring",
    "seed": "random_seed random_state",
}
_MEANT = {synonym: place for place, synonyms in SYNONYMS.items() for synonym in synonyms.split()}
_MOMENTA = [name for name, rule in OPTIMIZERS.items() if rule.uses_beta1 and not rule.adaptive]
_NOTES = {
    "momentum": f" (momentum's β, with name: {one_of(_MOMENTA)})",
    "clipnorm": " (of all gradients together, as Keras's global_clipnorm)",
    "monitor": " (early stopping and the best epoch go by it, on the dev set)",
}
PLATEAU = (
    "none lowers the rate when dev no longer improves; take cosine or flat_cos, which end low, training.changes for "
    "rates by epoch, or `nnrun nudge` while it trains"
)
_PLATEAUS = {"reducelronplateau", "plateau", "adaptive", "reduceonplateau"}
_KEPT = "leave it out: the parameters of the best epoch are kept"
_FILLED = "leave it out: a missing number becomes the mean of the training rows, and a further feature marks it"
_INSTEAD = {  # of words that no key stands for: the section in which they mean that, or in any, and what to do
    "restorebestweights": (None, _KEPT),
    **dict.fromkeys(_PLATEAUS, ("optimizer", f"of the schedules {PLATEAU}")),
    **dict.fromkeys(("impute", "imputer", "imputation"), ("data", _FILLED)),
}


LONGEST_FORM = 40  # characters of a value in it
OTHER_WORDS = {  # for names, in other places
    "shift": "crop random_crop randomcrop translate translation pad_and_crop",
    "flip": "mirror horizontal_flip random_flip",
    "rotation": "rotate random_rotation",
    "zoom": "scale resize random_resized_crop",
    "noise": "gaussian gaussian_noise jitter",
    "elastic": "elastic_transform distortion",
    "error": "accuracy acc",
    "auc": "roc_auc auroc roc_auc_score",
    "average_precision": "pr_auc auc_pr auprc ap average_precision_score",
    "he": "he_normal he_uniform kaiming kaiming_normal kaiming_uniform",
    "xavier": "lecun lecun_normal lecun_uniform",
    "glorot": "glorot_normal glorot_uniform xavier_normal xavier_uniform",
    "squared_error": "mse mean_squared_error",
    "cross_entropy": "ce log_loss nll nll_loss",
    "staircase": "step step_lr step_decay",
}


def _bare(word: str) -> str:
    """As `HeNormal`, `he_normal` and `he-normal_` have it in common."""
    return word.lower().replace("-", "").replace("_", "").replace(" ", "")


_CALLED = {_bare(word): name for name, words in OTHER_WORDS.items() for word in words.split()}


def entry_called(word: str, allowed: Sequence[str]) -> str:
    """`did you mean he? ` where one of these names is meant, or what to take in place of what is not there."""
    if _bare(word) in _PLATEAUS and "cosine" in allowed:
        return f"{PLATEAU}; "
    name = _CALLED.get(_bare(word))
    name = name if name in allowed else closest(word.lower(), allowed)
    return f"did you mean {name}? " if name else ""


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The sections that a type consists of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models_in(part)


def section_of(field: FieldInfo, value: Any) -> type[BaseModel] | None:
    """The section that a field holds; for an entry of a table, that of the entry the value names."""
    entries = entries_of(field)
    if entries is None:
        return next(models_in(field.annotation), None)
    name = value.get("name") if isinstance(value, dict) else None
    return entries.models.get(str(name))


def entries_of(field: FieldInfo) -> Entries | None:
    """The table of the engine that the key names an entry of, or a list of entries."""
    return next((mark for mark in (*field.metadata, *_marks(field.annotation)) if isinstance(mark, Entries)), None)


def choices_of(field: FieldInfo | None) -> tuple[str, ...]:
    """The names of which the key takes one; none where it takes any text, or is no key."""
    parts = (field.annotation, *field.metadata, *_marks(field.annotation)) if field else ()
    mark = next((part for part in parts if isinstance(part, OneOf)), None)
    if mark is None:
        return ()
    return mark.names or next(get_args(part) for part in parts if get_origin(part) is Literal)


def section_form(field: FieldInfo | None, value: Any) -> str:
    """`{patience: 5}` where the value alone stands for a section: that of its first key, if it may be; else `…`."""
    section = section_of(field, value) if field else None
    if section is None or value is None:
        return ""
    first = next(iter(section.model_fields))
    try:
        section.model_validate({first: value})
    except ValidationError:
        return f"{{{first}: …}}"
    return f"{{{first}: {shortened(one_line(value), LONGEST_FORM)}}}"


def is_entry(field: FieldInfo) -> bool:
    """Whether the key names one entry of a table."""
    return any(isinstance(mark, Entries) for mark in field.metadata)


def _marks(annotation: Any) -> Iterator[Any]:
    for part in get_args(annotation):
        yield part
        yield from _marks(part)


def field_at(root: type[BaseModel], path: KeyPath, values: Any) -> FieldInfo | None:
    """The definition of the key at `path`, for an item of a list that of the list; None for what is unknown."""
    model: type[BaseModel] | None = root
    field: FieldInfo | None = None
    for part in path:
        if isinstance(values, list) and isinstance(part, int):
            values = values[part]
        else:
            field = model.model_fields.get(str(part)) if model else None
            values = values.get(part) if isinstance(values, dict) else None
        model = section_of(field, values) if field else None
    return field


def allowed_keys(root: type[BaseModel], path: KeyPath, values: Any) -> list[str]:
    """The keys of the section at `path`."""
    field = field_at(root, path, values)
    for part in path:
        values = values[part]
    model = section_of(field, values) if field else root
    return list(model.model_fields) if model else []


def every_key(model: type[BaseModel], path: KeyPath = ()) -> Iterator[KeyPath]:
    """All keys of a section and of those in it, but for the options of table entries."""
    for name, field in model.model_fields.items():
        yield (*path, name)
        if entries_of(field) is None:
            for section in models_in(field.annotation):
                yield from every_key(section, (*path, name))


def _keep_prob(value: Any) -> str:
    hint = "unknown key; did you mean regularization.dropout? dropout = 1 − keep_prob"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return hint
    return f"{hint}, so `dropout: {round(1 - value, 12):g}`"


def unknown_key(root: type[BaseModel], path: KeyPath, values: Tree) -> str:
    """The message for a key that does not exist: what was meant, or what is allowed."""
    value: Any = values
    for part in path:
        value = value[part]
    section, word = path[:-1], str(path[-1]).lower().replace("-", "_").replace(" ", "_")
    if word in ("keep_prob", "keep_probs"):
        return _keep_prob(value)
    where, instead = _INSTEAD.get(_bare(word), (None, ""))
    if instead and (where is None or section[:1] in ((), (where,))):
        return f"unknown key; {instead}"
    allowed = allowed_keys(root, section, values)
    field = field_at(root, section, values)
    if not allowed and field is not None:
        return f"unknown key; did you mean {dotted(section)}? It holds no others"
    synonyms = _MEANT if field is None or entries_of(field) is None else {}  # of keys, none of which an option is
    meant = _meant(list(every_key(root)), section, word, allowed, synonyms)
    if meant is None:
        return f"unknown key; allowed here: {one_of(allowed)}"
    if meant[:-1] == section:
        return f"unknown key; did you mean {meant[-1]}?{_NOTES.get(word, '')}"
    top = " at the top level, not indented" if len(meant) == 1 else ""
    return f"unknown key here; did you mean {dotted(meant)}{top}?{_NOTES.get(word, '')}"


def key_called(root: type[BaseModel], name: str) -> KeyPath | None:
    """The key that is meant by `epochs`, `learning-rate`, `lr` or `training.epochs`; None where none is."""
    word, keys = name.lower().replace("-", "_"), list(every_key(root))
    return next((key for key in keys if dotted(key) == word), None) or _meant(keys, (), word, [], _MEANT)


def _meant(
    keys: list[KeyPath], section: KeyPath, word: str, allowed: list[str], synonyms: Mapping[str, str]
) -> KeyPath | None:
    """The likeliest key: of this name elsewhere, a known synonym, close to one here, close to one elsewhere."""
    elsewhere = [place for place in keys if place[-1] == word]
    if len(elsewhere) == 1:
        return elsewhere[0]
    if place := synonyms.get(dotted((*section, word))) or synonyms.get(word):
        return tuple(place.split("."))
    if close := closest(word, allowed):
        return (*section, close)
    names = {str(place[-1]): place for place in keys}
    close = closest(word, names, cutoff=0.8)
    return None if close is None else names[close]
