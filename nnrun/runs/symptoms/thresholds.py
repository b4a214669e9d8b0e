"""From where on something counts as wrong: each number once for check, training and diagnosis, with its reason.

Signals and gradients are compared from one end of the network to the other; where less than a thousandth gets through,
nothing is learned in a usual number of steps, so `nnrun check` fails where a run would show the symptom, and warns a
factor of ten before. Shares of dead units differ by what follows from them: in training they are a symptom, before it
many units may still come to life, and after it the recipe changes nothing for them: on tables half of the units are
dead in networks that learn well, and leaky ones do better there as often as not.
"""

from __future__ import annotations

VANISHED, EXPLODED = 1e-3, 1e3
WEAKENED, AMPLIFIED = 1e-2, 1e2

DEAD = 0.4  # share of a layer's units that are 0 for every row looked at: a symptom, told in training
MANY_DEAD_AT_START, DEAD_AT_START = 0.5, 0.9  # before training: a warning, a failure

# Curves. Losses are looked at as shares of themselves, since their size says nothing; a quarter of the epochs at a
# time, by its median, so that a single epoch decides nothing.
QUARTERED = 8  # epochs; the quarters of a shorter curve say nothing
FEWEST_EPOCHS = 10  # before a symptom is told, which asks for a change
FLAT = 0.01  # from one quarter to the next, or over the last one: as much comes and goes by chance
FALLING = 0.05  # five times that: more epochs would go on lowering it

RISE = 0.2  # of the lowest loss: more than the noise of batches brings,
ERROR_RISE = 0.05  # if the error rises with it; a loss alone may rise by a few examples
CLIMB, DOUBLED = 3, 2.0  # epochs in a row that raise the cost, to so many times its lowest: no noise of batches does
HALF_LOST = 0.5  # of the error of a guess, on train: dropout that was raised costs less than that
SWING = 0.5  # from epoch to epoch, of the loss: a symptom, told whatever the curve's shape
RESTLESS = 0.1  # the same, enough to be a sign where the loss also
BACK_AND_FORTH = 0.6  # rises by this share of what it falls
CRAWLING = 0.15  # of the optimizer's usual rate: with less a high loss says nothing of the network yet
LEARNED = 0.02  # share of the first epoch's loss; less is what any step changes

FLAT_GRADIENT = 2.0  # per cent that the loss changes if the parameters change by one: less is no slope to go down
NEAR_GUESSING = 0.9  # of the error of a guess: a penalty that holds a network there is too strong to be meant
RARE = 0.2  # of the rows that are not of the most frequent class: as few may be ignored, at a low error

TURNED = 1.1  # the last dev loss beside the lowest: more than it wavers,
EARLY = 0.6  # if the lowest came in this share of the epochs, and time was wasted
