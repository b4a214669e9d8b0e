"""What the compiled engine has a piece for."""

from __future__ import annotations

from nnrun.compiled import codes
from nnrun.engine.embedding import Embed
from nnrun.engine.layers import Activate, BatchNorm, Dense, Dropout, Layer
from nnrun.engine.members import Heads, Scales
from nnrun.engine.optimizers import L1, L2, Decay, chain
from nnrun.engine.trainer import Recipe
from nnrun.engine.transform import Transform

# Each has one constant; the column that it stands in.
PENALTIES_AND_DECAY: dict[type[Transform], int] = {L2: codes.L2, L1: codes.L1, Decay: codes.DECAY}
SLOTS = 2  # that one rule may have; it may have three constants
LAYERS: set[type[Layer]] = {Dense, BatchNorm, Activate, Dropout, Embed, Scales, Heads}


def lacking_piece(recipe: Recipe) -> str | None:
    """What of a recipe has no compiled piece, in words, or None."""
    if recipe.mlp.activation not in codes.ACTIVATIONS:
        return f"activation {recipe.mlp.activation}"
    if type(recipe.loss).__name__ not in codes.LOSSES:
        return f"loss {type(recipe.loss).__name__}"
    transforms = chain(recipe.optimizer, recipe.hyperparameters)
    rules = [transform for transform in transforms if type(transform) not in PENALTIES_AND_DECAY]
    if len(rules) > 1 or any(type(rule).__name__ not in codes.RULES or len(rule.slots) > SLOTS for rule in rules):
        return f"optimizer {recipe.optimizer}"
    return next((f"layer {name}" for name, layer in recipe.mlp.network().layers if type(layer) not in LAYERS), None)
