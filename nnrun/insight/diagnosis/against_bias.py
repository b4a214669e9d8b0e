"""Remedies against avoidable bias: what helps a network to fit its training set, or no longer keeps it from that."""

from __future__ import annotations

from math import sqrt

from nnrun.engine.activations import ACTIVATIONS
from nnrun.engine.optimizers import OPTIMIZERS, usual
from nnrun.insight.diagnosis.origin import Move
from nnrun.runs.symptoms.evidence import Evidence, usual_rate
from nnrun.runs.symptoms.shapes import vanishing
from nnrun.runs.symptoms.symptoms import rate_after_divergence
from nnrun.runs.symptoms.thresholds import CRAWLING, QUARTERED
from nnrun.text import by_hand, counted, sentence_case

NARROW, WIDE = 32, 64  # units
DEEP = 5  # hidden layers
GREEDY = 0.2  # share of the cost that penalties take
STRONG = 3.0  # λ of L2
SMOOTH, BLURRED = 0.1, 0.5  # ε of label smoothing: a usual one, and one by which targets say little
SLOW, HOPELESS = 0.3, 0.003  # of the usual rate
FAST, ABSURD = 3, 30  # times the usual rate
LONGER = 4
NOT_FINITE = "Training met numbers that are not finite"
ONE_RATE = [name for name, rule in OPTIMIZERS.items() if not rule.adaptive]  # optimizers with one for all parameters


def lower_rate(e: Evidence) -> Move | None:
    """A rate that throws the parameters about, or to infinity."""
    rate = e.config.optimizer.learning_rate
    if e.status == "diverged":
        return _after_divergence(e)
    if "jumping" in e.signs and e.rate <= ABSURD:
        why = "The training loss jumps up as much as down: a third of the learning rate."
        return Move(85 if e.rate > 1 else 60, why, {"optimizer.learning_rate": by_hand(rate / 3)})
    why = f"The learning rate is {e.rate:.3g} times the usual one for {e.config.optimizer.name}."
    if e.rate > ABSURD:
        return Move(90, why, {"optimizer.learning_rate": _bearable(e)})
    if e.rate > FAST and "still falling" not in e.signs:
        weight = 90 if "learned nothing" in e.signs else 50
        return Move(weight, why, {"optimizer.learning_rate": by_hand(rate / 3)})
    return None


def shorter_steps(e: Evidence) -> Move | None:
    """Single batches that throw the parameters off."""
    if e.config.optimizer.clip_norm or not (e.status == "diverged" or "jumping" in e.signs):
        return None
    settings = {"optimizer.clip_norm": 1.0}
    if e.status == "diverged":  # a bound alone does not mend a rate that is far too high
        lower = lower_rate(e)
        if lower is None or not lower.settings:
            return None
        settings |= lower.settings
    return Move(40, "Clipping bounds the step that a single bad batch can cause.", settings)


def longer_memory(e: Evidence) -> Move | None:
    """Adam's mean of squares that forgets so much sooner than its mean of gradients that nothing bounds a step.

    Kingma & Ba 2015 need β1² < √β2.
    """
    optimizer = e.config.optimizer
    rule, diverged = OPTIMIZERS[optimizer.name], e.status == "diverged"
    if not (rule.adaptive and rule.uses_beta1) or not (diverged or "jumping" in e.signs):
        return None
    longer = usual(optimizer.name)["beta2"]
    if not sqrt(optimizer.beta2) <= optimizer.beta1**2 < sqrt(longer) or (diverged and e.rate > ABSURD):
        return None
    why = f"With β2 = {optimizer.beta2:g} squares are forgotten before the gradients are, so nothing bounds a step."
    return Move(101 if diverged else 90, why, {"optimizer.beta2": longer})


def decay(e: Evidence) -> Move | None:
    """Steps that never become small enough to settle."""
    if "jumping" not in e.signs or e.config.optimizer.schedule.name != "constant":
        return None
    why = "A rate that falls to zero lets the parameters settle where they now jump about."
    return Move(50, why, {"optimizer.schedule": "cosine"})


def repair_init(e: Evidence) -> Move | None:
    """Weights that start equal, or at a scale that fits no layer."""
    name = e.config.network.init.name
    why = {
        "zeros": "All weights start at zero, so the units of a layer stay equal and learn one thing.",
        "normal": "The initial weights have one deviation for all layers, whatever their width.",
    }
    if name not in why or not e.config.network.hidden:
        return None
    return Move(95 if name == "zeros" else 92, why[name], {"network.init": "auto"})


def normalise(e: Evidence) -> Move | None:
    """Features at their own scales, before the rate, which these decide; one that suits none has to fall as well."""
    if e.config.data.normalize != "none":
        return None
    why = "The features are not normalised; on unequal scales no learning rate suits them all."
    settings: dict[str, str | float] = {"data.normalize": "standard"}
    diverged = e.status == "diverged"
    if e.rate > (1 if diverged else ABSURD):
        why += f" One of {e.rate:.3g} times the usual suits none."
        settings["optimizer.learning_rate"] = rate_after_divergence(e.config) if diverged else _bearable(e)
    return Move(101 if diverged else 91, why, settings)


def let_signals_through(e: Evidence) -> Move | None:
    """A deep network through which no gradient comes."""
    network = e.config.network
    stuck = "learned nothing" in e.signs or vanishing(e.last_layers) or len(network.hidden) >= 2 * DEEP
    if network.batch_norm or len(network.hidden) < DEEP:
        return None
    why = f"Signals fade on their way through {len(network.hidden)} layers: batch norm renews their scale in each."
    return Move(90 if stuck else 40, why, {"network.batch_norm": True})


def another_activation(e: Evidence) -> Move | None:
    """Activations that saturate, or are linear."""
    network = e.config.network
    if network.activation == "linear" and network.hidden:
        return Move(85, "Linear layers on each other are one linear layer.", {"network.activation": "relu"})
    if ACTIVATIONS[network.activation].saturates and len(network.hidden) >= 2:
        weight = (30 if network.activation == "tanh" else 75) + (10 if "learned nothing" in e.signs else 0)
        return Move(weight, f"Layers of {network.activation} pass small gradients.", {"network.activation": "relu"})
    return None


def higher_rate(e: Evidence) -> Move | None:
    """A rate with which the network crawls."""
    calm = "jumping" not in e.signs and e.status != "diverged"
    hopeless = 0 < e.rate < HOPELESS
    seen = hopeless or e.crawling or {"still falling", "learned nothing"} & e.signs
    if not calm or e.rate >= SLOW or not seen:
        return None
    higher = _usual(e) if e.rate <= CRAWLING else 3 * e.config.optimizer.learning_rate
    why = f"The learning rate is {e.rate:.2g} times the usual one for {e.config.optimizer.name}, and the loss is high."
    return Move(93 if hopeless else 83, why, {"optimizer.learning_rate": by_hand(higher)})


def less_regularisation(e: Evidence) -> Move | None:
    """Penalties, dropout or blurred targets that leave too little room."""
    held = e.config.regularization
    settings: dict[str, float] = {}
    for key, strength in (("l2", held.l2), ("l1", held.l1)):
        if strength:
            settings[f"regularization.{key}"] = by_hand(strength / 10)
    if any(held.dropout):
        settings["regularization.dropout"] = round(max(held.dropout) / 3, 2)
    if held.input_dropout:
        settings["regularization.input_dropout"] = 0
    if held.label_smoothing > SMOOTH:
        settings["regularization.label_smoothing"] = 0
    if not settings or e.status == "diverged":
        return None
    strong = held_strongly(e)
    if e.unlearned and e.noise and not strong:
        return None
    greedy = e.penalty >= GREEDY or strong
    what = "A large part of the cost is penalty" if e.penalty >= GREEDY else "Regularisation holds the network back"
    return Move(84 if greedy else 65, f"{what}, and the training set is not fitted.", settings)


def held_strongly(e: Evidence) -> bool:
    """Whether L2, dropout or blurred targets alone may be why nothing is learned."""
    held = e.config.regularization
    return held.l2 >= STRONG or max((*held.dropout, held.label_smoothing)) >= BLURRED


def another_optimizer(e: Evidence) -> Move | None:
    """Gradient descent that has come to rest, or hardly moves."""
    optimizer = e.config.optimizer
    if optimizer.name not in ONE_RATE:
        return None
    weight = 65 if {"flat", "learned nothing"} & e.signs or e.status == "diverged" else 48
    settings = {
        "optimizer.name": "adam",
        "optimizer.learning_rate": OPTIMIZERS["adam"].usual_rate * 3,
        "optimizer.bias_correction": True,  # a resolved config has the other optimizer's
    }
    return Move(weight, f"Adam gives each parameter its own rate where {optimizer.name} has one for all.", settings)


def longer(e: Evidence) -> Move | None:
    """Training that ended before it was over."""
    epochs = e.config.training.epochs
    if e.status == "diverged" or {"learned nothing", "jumping", "dev turned"} & e.signs:
        return None  # nor is the best epoch to come any more where the dev loss turned
    if e.unlearned and e.noise and e.epochs >= QUARTERED:
        return None  # nothing came of all these epochs
    if e.stopped_early and e.config.regularization.early_stopping:
        patience = e.config.regularization.early_stopping.patience
        why = f"Training stopped early, after {e.epochs} of {epochs} epochs, with the training set not fitted."
        return Move(50, why, {"regularization.early_stopping.patience": LONGER * patience})
    weight = 70
    if "still falling" in e.signs:
        why = "The loss was still falling when training ended"
    elif not e.rows:
        weight, why = 25, "A longer training may still find a way down"
    elif e.epochs < 8:
        why = _few(e.epochs)
    else:
        return None
    return Move(weight, f"{why}: {LONGER} times the epochs.", {"training.epochs": LONGER * epochs})


def _few(epochs: int) -> str:
    return f"{epochs} epochs are few" if epochs > 1 else "One epoch is little"


def larger(e: Evidence) -> Move | None:
    """A network without the room for what is to be learned."""
    hidden = list(e.config.network.hidden)
    if not hidden:
        why = "Without a hidden layer the network is linear."
        return Move(72, why, {"network.hidden": [WIDE], "regularization.dropout": 0})
    narrow = min(hidden)
    if narrow < NARROW:
        new = [max(WIDE, width) for width in hidden]
        why = f"A layer of {counted(narrow, 'unit')} is a narrow passage" + (
            f" for {e.outputs} classes." if e.outputs > 1 else "."
        )
        return Move(78 if narrow < max(e.outputs, NARROW // 2) else 68, why, {"network.hidden": new})
    if e.status == "diverged" or e.unlearned or {"learned nothing", "jumping"} & e.signs:
        return None
    rest = "Training has come to rest with errors left on its own examples: " if "flat" in e.signs else ""
    why = f"{rest}twice the width gives the network room."
    return Move(60 if rest else 42, sentence_case(why), {"network.hidden": [2 * width for width in hidden]})


def _after_divergence(e: Evidence) -> Move | None:
    """The rate that did best in a short training; without one, that which seems right."""
    why, rate = f"{NOT_FINITE}: its steps are too large.", rate_after_divergence(e.config)
    if e.calmer is not None:
        if e.calmer.best is None:
            why = f"{NOT_FINITE}, and no rate that was tried lowers the loss: see what its checks say."
            return Move(100, why, {}, "check")
        rate = e.calmer.best
        diverges = e.calmer.diverges if e.calmer.diverges and rate < e.calmer.diverges else None
        beyond = "" if diverges is None else f"the loss diverges from {diverges:.1g} on, and "
        why += f" In a short training {beyond}this rate lowers {'the loss' if diverges is None else 'it'}."
    return Move(100, why, {"optimizer.learning_rate": rate})


def _bearable(e: Evidence) -> float:
    """A tenth of a rate far too high, but at most a few times the usual one."""
    return by_hand(min(e.config.optimizer.learning_rate / 10, FAST * _usual(e)))


def _usual(e: Evidence) -> float:
    return usual_rate(e.config.optimizer)
