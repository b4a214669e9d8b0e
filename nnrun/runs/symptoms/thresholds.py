"""From where on signals vanish or explode and units count as dead: one place for check, training and diagnosis.

Signals and gradients are compared from one end of the network to the other; where less than a thousandth gets through,
nothing is learned in a usual number of steps, so `nnrun check` fails where a run would show the symptom, and warns a
factor of ten before. Shares of dead units differ by what follows from them: a symptom is only told, the recipe changes
the network for it, and before training many units may still come to life.
"""

from __future__ import annotations

VANISHED, EXPLODED = 1e-3, 1e3
WEAKENED, AMPLIFIED = 1e-2, 1e2

DEAD = 0.4  # share of a layer's units that are 0 for every row looked at: a symptom, told in training
DEAD_TO_CHANGE = 0.5  # after training: the recipe proposes another activation or rate
MANY_DEAD_AT_START, DEAD_AT_START = 0.5, 0.9  # before training: a warning, a failure
