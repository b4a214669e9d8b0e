"""Every class of mistake with the exact lines that it prints."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnrun.config.config import Config
from nnrun.config.dump import dump_yaml
from nnrun.config.load import load_config, load_values
from nnrun.config.reference import reference_rows
from nnrun.errors import ConfigError


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(Path("config.yaml"), text=text)
    assert caught.value.exit_code == 3
    return caught.value.problems


PLATEAU = (
    "none lowers the rate when dev no longer improves; take cosine or flat_cos, which end low, training.changes for "
    "rates by epoch, or `nnrun nudge` while it trains"
)
OPTIMIZERS = "sgd, momentum, nesterov, rmsprop, adam, adamw"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        # unknown keys: a slip, another section's, another tool's
        (
            "name: x\noptimizer:\n  name: adam\n  learning_rat: 1\n",
            "config.yaml:4:3: optimizer.learning_rat: unknown key; did you mean learning_rate?",
        ),
        (
            "optimizer: {l2: 0.1}\n",
            "config.yaml:1:13: optimizer.l2: unknown key here; did you mean regularization.l2?",
        ),
        (
            "regularization: {weight_decay: 0.1}\n",
            "config.yaml:1:18: regularization.weight_decay: unknown key here; did you mean optimizer.weight_decay?",
        ),
        (
            "network: {keep_prob: 0.8}\n",
            "config.yaml:1:11: network.keep_prob: unknown key; did you mean regularization.dropout? "
            "dropout = 1 − keep_prob, so `dropout: 0.2`",
        ),
        (
            "keep_prob: high\n",
            "config.yaml:1:1: keep_prob: unknown key; did you mean regularization.dropout? dropout = 1 − keep_prob",
        ),
        ("lr: 0.1\n", "config.yaml:1:1: lr: unknown key here; did you mean optimizer.learning_rate?"),
        ("optimizer: {lr: 0.1}\n", "config.yaml:1:13: optimizer.lr: unknown key; did you mean learning_rate?"),
        (
            "optimizer: {learning-rate: 0.1}\n",
            "config.yaml:1:13: optimizer.learning-rate: unknown key; did you mean learning_rate?",
        ),
        ("training: {batch: 3}\n", "config.yaml:1:12: training.batch: unknown key; did you mean batch_size?"),
        ("network: {layers: [3]}\n", "config.yaml:1:11: network.layers: unknown key; did you mean hidden?"),
        (
            "optimizer: {momentum: 0.9}\n",
            "config.yaml:1:13: optimizer.momentum: unknown key; did you mean beta1? "
            "(momentum's β, with name: momentum or nesterov)",
        ),
        (
            "network: {dropout_rate: 0.1}\n",
            "config.yaml:1:11: network.dropout_rate: unknown key here; did you mean regularization.dropout?",
        ),
        (
            "regularization: {lambda: 1}\n",
            "config.yaml:1:18: regularization.lambda: unknown key; did you mean l2?",
        ),
        (  # Keras, PyTorch and scikit-learn
            "regularization: {alpha: 1}\n",
            "config.yaml:1:18: regularization.alpha: unknown key; did you mean l2?",
        ),
        ("optimizer: {alpha: 1}\n", "config.yaml:1:13: optimizer.alpha: unknown key; did you mean learning_rate?"),
        ("data: {sample_weight: w}\n", "config.yaml:1:8: data.sample_weight: unknown key; did you mean weight?"),
        (
            "optimizer: {clipnorm: 1}\n",
            "config.yaml:1:13: optimizer.clipnorm: unknown key; did you mean clip_norm? "
            "(of all gradients together, as Keras's global_clipnorm)",
        ),
        (
            "data: {impute: median}\n",
            "config.yaml:1:8: data.impute: unknown key; leave it out: a missing number becomes the mean of the "
            "training rows, and a further feature marks it",
        ),
        (
            "regularization: {early_stopping: {restore_best_weights: true}}\n",
            "config.yaml:1:35: regularization.early_stopping.restore_best_weights: unknown key; leave it out: the "
            "parameters of the best epoch are kept",
        ),
        (
            "regularization: {early_stopping: {monitor: val_loss}}\n",
            "config.yaml:1:35: regularization.early_stopping.monitor: unknown key here; did you mean metrics.primary? "
            "(early stopping and the best epoch go by it, on the dev set)",
        ),
        (
            "optimizer: {reduce_lr_on_plateau: true}\n",
            f"config.yaml:1:13: optimizer.reduce_lr_on_plateau: unknown key; of the schedules {PLATEAU}",
        ),
        (
            "search: {adaptive: true}\n",
            "config.yaml:1:10: search.adaptive: unknown key; allowed here: strategy, trials, prune, metric, space or "
            "enqueue",
        ),
        (
            "search: {scoring: auc}\n",
            "config.yaml:1:10: search.scoring: unknown key; did you mean metric?",
        ),
        ("optim: {name: sgd}\n", "config.yaml:1:1: optim: unknown key; did you mean optimizer?"),
        ("optimiser: {name: sgd}\n", "config.yaml:1:1: optimiser: unknown key; did you mean optimizer?"),
        (
            "network:\n  optimizer: {name: sgd}\n",
            "config.yaml:2:3: network.optimizer: unknown key here; "
            "did you mean optimizer at the top level, not indented?",
        ),
        ("metrics: {zzz: 1}\n", "config.yaml:1:11: metrics.zzz: unknown key; allowed here: primary"),
        (
            "regularization: {early_stopping: {patient: 3}}\n",
            "config.yaml:1:35: regularization.early_stopping.patient: unknown key; did you mean patience?",
        ),
        (  # a synonym of a key is none of an option
            "optimizer: {schedule: {name: exponential, decay_rate: 0.9}}\n",
            "config.yaml:1:43: optimizer.schedule.decay_rate: unknown key; allowed here: name or base",
        ),
        (
            "network: {init: {name: he, scale: 2}}\n",
            "config.yaml:1:28: network.init.scale: unknown key; allowed here: name or gain",
        ),
        (
            "optimizer: {schedule: {name: exponential, learning_rate: 1}}\n",
            "config.yaml:1:43: optimizer.schedule.learning_rate: unknown key here; "
            "did you mean optimizer.learning_rate?",
        ),
        (
            "network: {ensemble: {seeds: 3, stops: together}}\n",
            "config.yaml:1:32: network.ensemble.stops: unknown key; allowed here: seeds or stop",
        ),
        (
            "network: {ensemble: {seeds: 3, stop: alone}}\n",
            "config.yaml:1:38: network.ensemble.stop: must be together, as the networks of one run stop, got the text "
            "'alone'",
        ),
        (
            "network: {ensemble: {stop: together}}\n",
            "config.yaml:1:21: network.ensemble: seeds is missing, the number of networks",
        ),
        ("network: {ensemble: {seeds: 0}}\n", "config.yaml:1:21: network.ensemble: must be at least 1, got 0"),
        (
            "optimizer: {schedule: {name: cosine, fin: 1}}\n",
            "config.yaml:1:38: optimizer.schedule.fin: unknown key; did you mean final?",
        ),
        # types, in the words of YAML
        (
            "optimizer: {learning_rate: '1e-3'}\n",
            "config.yaml:1:28: optimizer.learning_rate: expected a number, got the text '1e-3'; remove the quotes",
        ),
        (
            "optimizer: {learning_rate: fast}\n",
            "config.yaml:1:28: optimizer.learning_rate: expected a number, got the text 'fast'",
        ),
        (
            "optimizer: {learning_rate: [1]}\n",
            "config.yaml:1:28: optimizer.learning_rate: expected a number, got a list",
        ),
        (
            "optimizer: {learning_rate: true}\n",
            "config.yaml:1:28: optimizer.learning_rate: expected a number, got true",
        ),
        (
            "optimizer: {learning_rate: }\n",
            "config.yaml:1:27: optimizer.learning_rate: expected a number, got null; remove the key to use its default",
        ),
        ("training: {epochs: 2.0}\n", "config.yaml:1:20: training.epochs: expected a whole number, got 2.0"),
        ("training: {epochs: true}\n", "config.yaml:1:20: training.epochs: expected a whole number, got true"),
        (
            "network: {batch_norm: yes}\n",
            "config.yaml:1:23: network.batch_norm: expected true or false, got the text 'yes'; write true",
        ),
        ("network: {batch_norm: 1}\n", "config.yaml:1:23: network.batch_norm: expected true or false, got 1"),
        ("name: 3\n", "config.yaml:1:7: name: expected text, got 3; put it in quotes"),
        ("data: {target: 3}\n", "config.yaml:1:16: data.target: expected text or null, got 3; put it in quotes"),
        ("network: {hidden: 64}\n", "config.yaml:1:19: network.hidden: expected a list, got 64; write [64]"),
        (
            "data: {normalize: true}\n",
            "config.yaml:1:19: data.normalize: expected standard, robust, quantile or none, got true",
        ),
        (  # called otherwise elsewhere
            "training: {loss: mse}\n",
            "config.yaml:1:18: training.loss: unknown choice 'mse'; did you mean squared_error? "
            "allowed: auto, cross_entropy, squared_error, huber",
        ),
        ("search: {prune: 3}\n", "config.yaml:1:17: search.prune: expected median or null, got 3"),
        (
            "optimizer: adam\n",
            "config.yaml:1:12: optimizer: expected a mapping such as {name: adam}, got the text 'adam'",
        ),
        (
            "regularization: {early_stopping: true}\n",
            "config.yaml:1:34: regularization.early_stopping: "
            "expected a mapping such as {patience: …} or null, got true",
        ),
        (
            "optimizer:\ntraining: {}\n",
            "config.yaml:1:11: optimizer: expected a mapping, got null; remove the key to use its default",
        ),
        (
            "regularization: {early_stopping: None}\n",
            "config.yaml:1:34: regularization.early_stopping: "
            "expected a mapping such as {patience: …} or null, got the text 'None'; write null",
        ),
        ("search: {space: {a: 3}}\n", "config.yaml:1:21: search.space.a: expected a mapping, got 3"),
        # unions: one line a mistake
        (
            "regularization: {dropout: '0.5'}\n",
            "config.yaml:1:27: regularization.dropout: expected a number, got the text '0.5'; remove the quotes",
        ),
        (
            "training: {batch_size: 2.5}\n",
            "config.yaml:1:24: training.batch_size: expected auto, full or a whole number, got 2.5",
        ),
        (
            "training: {batch_size: '32'}\n",
            "config.yaml:1:24: training.batch_size: "
            "expected auto, full or a whole number, got the text '32'; remove the quotes",
        ),
        (
            "training: {batch_size: ful}\n",
            "config.yaml:1:24: training.batch_size: unknown choice 'ful'; did you mean full? "
            "allowed: auto, full, a whole number",
        ),
        (
            "regularization: {augment: [crop]}\n",
            "config.yaml:1:28: regularization.augment[0]: unknown choice 'crop'; did you mean shift? "
            "allowed: flip, shift, rotation, zoom, elastic, noise",
        ),
        ("training: {batch_size: 0}\n", "config.yaml:1:24: training.batch_size: must be at least 1, got 0"),
        (
            "data: {source: 3}\n",
            "config.yaml:1:16: data.source: expected a bundled name, a path or a mapping of train, dev and test, got 3",
        ),
        ("data: {source: {dev: a.csv}}\n", "config.yaml:1:8: data.source.train: is missing"),
        (
            "data: {source: {train: a.csv}}\n",
            "config.yaml:1:16: data.source: dev is missing; data.folds: 5 does without, as each fifth of train is dev "
            "in turn",
        ),
        (
            "optimizer: {schedule: 3}\n",
            "config.yaml:1:23: optimizer.schedule: expected a name or a mapping with a name, got 3",
        ),
        (
            "network: {init: {gain: 2}}\n",
            "config.yaml:1:17: network.init: needs a name; one of auto, zeros, normal, he, xavier, glorot",
        ),
        # ranges, both ends in one phrase
        ("optimizer: {learning_rate: -0.1}\n", "config.yaml:1:28: optimizer.learning_rate: must be above 0, got -0.1"),
        (
            "regularization:\n  dropout: 1.0\n",
            "config.yaml:2:12: regularization.dropout: must be at least 0 and below 1, got 1.0",
        ),
        (
            "regularization:\n  dropout: [0.5, 1]\n",
            "config.yaml:2:18: regularization.dropout[1]: must be at least 0 and below 1, got 1",
        ),
        ("network: {hidden: [0]}\n", "config.yaml:1:20: network.hidden[0]: must be at least 1, got 0"),
        ("seed: -1\n", "config.yaml:1:7: seed: must be at least 0, got -1"),
        (
            "optimizer: {learning_rate: .inf}\n",
            "config.yaml:1:28: optimizer.learning_rate: must be a finite number, got inf",
        ),
        (
            "optimizer: {schedule: {name: cosine, final: 2}}\n",
            "config.yaml:1:45: optimizer.schedule.final: must be at least 0 and at most 1, got 2",
        ),
        (
            "optimizer: {schedule: {name: table, factors: {5: 0}}}\n",
            "config.yaml:1:50: optimizer.schedule.factors[5]: must be above 0, got 0",
        ),
        (
            "optimizer: {schedule: {name: table, factors: {'5': 1}}}\n",
            "config.yaml:1:52: optimizer.schedule.factors.5: "
            "expected a whole number, got the text '5'; remove the quotes",
        ),
        (
            "search: {space: {a: {log: [1, .inf]}}}\n",
            "config.yaml:1:27: search.space.a.log: must be a finite number, got inf",
        ),
        (
            "name: a b\n",
            "config.yaml:1:7: name: may hold only letters, digits, - _ and . (1 to 64 of them), got the text 'a b'",
        ),
        # choices
        (
            "optimizer: {name: Adm}\n",
            f"config.yaml:1:19: optimizer.name: unknown choice 'Adm'; did you mean adam? allowed: {OPTIMIZERS}",
        ),
        (
            "network: {init: hee}\n",
            "config.yaml:1:17: network.init: unknown choice 'hee'; did you mean he? "
            "allowed: auto, zeros, normal, he, xavier, glorot",
        ),
        (
            "network: {init: {name: hee}}\n",
            "config.yaml:1:24: network.init.name: unknown choice 'hee'; did you mean he? "
            "allowed: auto, zeros, normal, he, xavier, glorot",
        ),
        (
            "data: {source: digts}\n",
            "config.yaml:1:16: data.source: no data set 'digts'; did you mean digits? "
            "(for a file of that name write ./digts)",
        ),
        (
            "data: {source: {train: spirls, dev: turned_spirals}}\n",
            "config.yaml:1:24: data.source.train: no data set 'spirls'; did you mean spirals? "
            "(for a file of that name write ./spirls)",
        ),
        ("data: {source: ''}\n", "config.yaml:1:16: data.source: must name a bundled data set or a file"),
        (
            "regularization: {augment: [rot]}\n",
            "config.yaml:1:28: regularization.augment[0]: unknown choice 'rot'; "
            "allowed: flip, shift, rotation, zoom, elastic, noise",
        ),
        (
            "regularization: {augment: [noise, {name: shift, pixels: 0}]}\n",
            "config.yaml:1:57: regularization.augment[1].pixels: must be at least 1, got 0",
        ),
        (
            "regularization: {augment: [{name: shift, pixel: 2}]}\n",
            "config.yaml:1:42: regularization.augment[0].pixel: unknown key; did you mean pixels?",
        ),
        (
            "regularization: {augment: noise}\n",
            "config.yaml:1:27: regularization.augment: expected a list, got the text 'noise'",
        ),
        (
            "data: {class_weight: blanced}\n",
            "config.yaml:1:22: data.class_weight: unknown choice 'blanced'; did you mean balanced? "
            "allowed: balanced, a mapping of class to weight",
        ),
        (
            "data: {class_weight: [1, 2]}\n",
            "config.yaml:1:22: data.class_weight: expected balanced or a mapping of class to weight or null, "
            "got a list",
        ),
        (
            "data: {class_weight: {a: -1}}\n",
            "config.yaml:1:26: data.class_weight.a: must be at least 0, got -1",
        ),
        # keys that contradict each other
        (
            "data: {task: regression, class_weight: balanced}\n",
            "config.yaml:1:40: data.class_weight: needs classes, and data.task is regression; remove it",
        ),
        ("data: {group: a, time: b}\n", "config.yaml:1:24: data.time: group and time exclude each other; remove one"),
        (
            "data: {source: {train: a.csv, dev: b.csv}, split: [0.8, 0.2, 0]}\n",
            "config.yaml:1:51: data.split: has no meaning with a file for each part; remove it",
        ),
        (
            "data: {split: [0.5, 0.5]}\n",
            "config.yaml:1:15: data.split: expected three fractions [train, dev, test], got 2",
        ),
        (
            "data: {split: [0.5, 0.6, 0.1]}\n",
            "config.yaml:1:15: data.split: the fractions [train, dev, test] must add up to 1, got 1.2",
        ),
        (
            "data: {split: [1, 0, 0]}\n",
            "config.yaml:1:15: data.split: the train and dev fractions must be above 0, got [1.0, 0.0, 0.0]",
        ),
        ("network: {depth: 2}\n", "config.yaml:1:18: network.depth: width is missing; depth and width go together"),
        (
            "network: {depth: 2, width: 8, hidden: [8, 8]}\n",
            "config.yaml:1:39: network.hidden: stands beside depth and width; give either hidden, or depth and width",
        ),
        (
            "regularization: {dropout: [0.1, 0.2, 0.3]}\n",
            "config.yaml:1:27: regularization.dropout: has length 3, network.hidden has length 2; "
            "give one number, or one rate a layer",
        ),
        (
            "network: {batch_norm: true}\ntraining: {batch_size: 1}\n",
            "config.yaml:2:24: training.batch_size: batch_norm needs at least 2 examples a step, got 1",
        ),
        (
            "data: {task: regression}\ntraining: {loss: cross_entropy}\n",
            "config.yaml:2:18: training.loss: cross_entropy does not fit regression; use auto, squared_error or huber",
        ),
    ],
)
def test_each_mistake_is_one_line_that_says_where_and_what(text: str, line: str) -> None:
    assert problems(text) == [line]


def test_all_mistakes_are_listed_in_the_order_of_the_file() -> None:
    text = """\
name: x
seed: two
training: {epochs: 0, batch_size: 1}
optimizer:
  learning_rat: 1e-3
  name: adma
  name: sgd
network: {batch_norm: true, hidden: [64]}
regularization: {dropout: [0.1, 0.2]}
foo: 1
"""
    assert problems(text) == [
        "config.yaml:2:7: seed: expected a whole number, got the text 'two'",
        "config.yaml:3:20: training.epochs: must be at least 1 and at most 1000000000, got 0",
        "config.yaml:5:3: optimizer.learning_rat: unknown key; did you mean learning_rate?",
        f"config.yaml:6:9: optimizer.name: unknown choice 'adma'; did you mean adam? allowed: {OPTIMIZERS}",
        "config.yaml:7:3: optimizer.name: duplicate key on line 7; first given on line 6",
        "config.yaml:9:27: regularization.dropout: has length 2, network.hidden has length 1; "
        "give one number, or one rate a layer",
        "config.yaml:10:1: foo: unknown key; allowed here: name, seed, data, network, regularization, optimizer, "
        "training, diagnosis, metrics, search or tracking",
    ]


def test_plain_values_are_located_by_their_key_alone() -> None:
    with pytest.raises(ConfigError) as caught:
        Config.from_values({"optimizer": {"learning_rate": 0, "lr": 1}})
    assert caught.value.problems == [
        "optimizer.learning_rate: must be above 0, got 0",
        "optimizer.lr: unknown key; did you mean learning_rate?",
    ]


@pytest.mark.parametrize(
    ("keys", "read"),
    [
        (np.array(["no", "yes"]), ["no", "yes"]),
        ([False, True], ["False", "True"]),
        (np.array([False, True]), ["False", "True"]),
        ([0.0, 2.0], ["0", "2"]),
        (np.array([0.5, np.inf]), ["0.5", "inf"]),
        ([np.int8(3), 4], ["3", "4"]),
    ],
)
def test_classes_are_called_by_their_text_whatever_their_type(keys: Any, read: list[str]) -> None:
    """As keys of a dictionary that zip makes of numpy.unique and weights."""
    weights = load_values({"data": {"class_weight": dict.fromkeys(keys, 2.0)}}).config.data.class_weight
    assert weights == dict.fromkeys(read, 2.0)


def test_keys_that_are_the_same_text_are_refused() -> None:
    with pytest.raises(ConfigError, match="two of the keys True, 'True' are the same text"):
        load_values({"data": {"class_weight": {True: 2.0, "True": 3.0}}})


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
anything = st.recursive(
    scalars | st.sampled_from(["auto", "name", "cosine", "1e-3", ".inf"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.just("name"), inner, max_size=3)
    ),
    max_leaves=6,
)
keys = st.sampled_from([row.key for row in reference_rows()] + ["data", "network", "search", "x", "data.x"])


@settings(deadline=None)
@given(st.dictionaries(keys, anything, min_size=1, max_size=4))
def test_any_values_make_a_config_or_lines_with_places(written: dict[str, object]) -> None:
    values: dict[str, object] = {}
    for key, value in written.items():
        *way, last = key.split(".")
        inside = values
        for part in way:
            inside = inside.setdefault(part, {})  # type: ignore[assignment]
            if not isinstance(inside, dict):
                return
        inside[last] = value
    try:
        load_config(Path("config.yaml"), text=dump_yaml(values))
    except ConfigError as error:
        assert all(line.startswith("config.yaml:") and "\n" not in line for line in error.problems)


@pytest.mark.parametrize(
    ("key", "words", "meant"),
    [
        ("network.init", "he_normal he_uniform HeNormal kaiming_normal_ kaiming_uniform", "he"),
        ("network.init", "lecun_normal LecunUniform", "xavier"),
        ("network.init", "glorot_normal GlorotUniform xavier_normal_ xavier_uniform_", "glorot"),
        ("metrics.primary", "pr_auc PR-AUC auprc ap average_precision_score", "average_precision"),
        ("metrics.primary", "roc_auc AUROC", "auc"),
    ],
)
def test_names_of_other_tools_are_taken_by_what_they_do(key: str, words: str, meant: str) -> None:
    section, _, name = key.partition(".")
    for word in words.split():
        (line,) = problems(f"{section}: {{{name}: {word}}}\n")
        assert f"unknown choice {word!r}; did you mean {meant}? allowed: " in line


def test_a_schedule_that_there_is_not_is_told_with_what_to_take_instead() -> None:
    for word in ("ReduceLROnPlateau", "plateau", "adaptive"):
        (line,) = problems(f"optimizer: {{schedule: {word}}}\n")
        assert f"unknown choice {word!r}; {PLATEAU}; allowed: constant, " in line
        (line,) = problems(f"optimizer: {{schedule: {{name: {word}, factor: 0.1}}}}\n")
        assert f"optimizer.schedule.name: unknown choice {word!r}; {PLATEAU}; allowed: constant, " in line
