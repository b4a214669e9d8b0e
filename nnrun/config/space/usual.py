"""The space that is searched where a file names none: it starts from the file's own config."""

from __future__ import annotations

from nnrun.config.config import Config
from nnrun.config.space.space import WrittenRange, WrittenSpace
from nnrun.engine.optimizers import OPTIMIZERS

WITH_BETA1 = [name for name, rule in OPTIMIZERS.items() if rule.uses_beta1]
TIMES = (0.25, 0.5, 1, 2)  # the config's own widths
WIDTHS = [16, 32, 64, 128]  # where the config has no hidden layer
BATCHES = [32, 64, 128]  # where the config leaves the size to the data, which are not read yet


def usual_space(config: Config, batch: int | None = None) -> WrittenSpace:
    """Rate, β₁, L2, and widths and batch sizes around the config's own.

    Layers of different widths keep their shape. `batch` is the size that `auto` means on the data, once they are read;
    a config that takes all rows at once keeps to that.
    """
    asked = config.training.batch_size
    own = batch if isinstance(asked, str) else asked
    sizes = [max(1, own // 2), own, 2 * own] if own else BATCHES
    return {
        "optimizer.learning_rate": {"log": [1e-4, 1e-1]},
        "optimizer.beta1": {"one_minus_log": [0.9, 0.999], "when": {"optimizer.name": WITH_BETA1}},
        "regularization.l2": {"log": [1e-4, 10]},
        **_widths(list(config.network.hidden)),
        **({} if asked == "full" else {"training.batch_size": {"choice": list(dict.fromkeys(sizes))}}),
    }


def _widths(hidden: list[int]) -> dict[str, WrittenRange]:
    shapes = [[max(1, round(times * width)) for width in hidden] for times in TIMES]
    if len(set(hidden)) > 1:
        return {"network.hidden": {"choice": [shape for i, shape in enumerate(shapes) if shape not in shapes[:i]]}}
    widths = [shape[0] for shape in shapes] if hidden else WIDTHS
    return {"network.width": {"choice": list(dict.fromkeys(widths))}}
