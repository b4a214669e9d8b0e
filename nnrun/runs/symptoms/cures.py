"""What helps against a symptom, as settings for a configuration."""

from __future__ import annotations

from nnrun.config.config import Config
from nnrun.engine.activations import ACTIVATIONS
from nnrun.engine.initializers import INITIALIZERS
from nnrun.engine.optimizers import OPTIMIZERS
from nnrun.runs.symptoms.evidence import Settings


def calmer(config: Config) -> Settings:
    """Steps that do not leap."""
    if config.data.normalize == "none" and not config.network.batch_norm:
        return ("data.normalize=standard",)
    return (f"optimizer.learning_rate={config.optimizer.learning_rate / 10:g}",)


def faster(config: Config) -> Settings:
    """Longer steps."""
    return (f"optimizer.learning_rate={config.optimizer.learning_rate * 10:g}",)


def other_optimizer(config: Config) -> Settings:
    """Steps whose length does not depend on that of the gradient."""
    if OPTIMIZERS[config.optimizer.name].adaptive:
        return faster(config)
    return ("optimizer.name=adam", f"optimizer.learning_rate={OPTIMIZERS['adam'].usual_rate:g}")


def carried(config: Config) -> Settings:
    """What lets signals and gradients through."""
    network = config.network
    if not _starts_well(config):
        return ("network.init=auto",)
    if ACTIVATIONS[network.activation].saturates:
        return ("network.activation=relu",)
    if not network.batch_norm:
        return ("network.batch_norm=true",)
    return (f"network.hidden={list(network.hidden[: (len(network.hidden) + 1) // 2])}".replace(" ", ""),)


def bounded(config: Config) -> Settings:
    """What keeps signals and gradients in bounds."""
    if not _starts_well(config):
        return ("network.init=auto",)
    if not config.network.batch_norm:
        return ("network.batch_norm=true",)
    return calmer(config) if config.optimizer.clip_norm else ("optimizer.clip_norm=1",)


def _starts_well(config: Config) -> bool:
    """Whether the initial weights are about as large as those that fit the activation."""
    width, gain = max(config.network.hidden), ACTIVATIONS[config.network.activation].gain
    own, fitting = (i.deviation(width, width, gain) for i in (config.network.init.build(), INITIALIZERS["auto"]()))
    return 0.5 * fitting <= own <= 2 * fitting
