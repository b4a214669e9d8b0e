"""Numbers below the least normal one are zeros while a compiled step runs, and only then."""

from __future__ import annotations

import numpy as np
import pytest

from nnrun.compiled import subnormals
from nnrun.compiled.steps import CompiledSteps
from nnrun.engine.trainer import NumpyEngine
from tests.conftest import made_up, trainer

pytestmark = pytest.mark.skipif(not subnormals.X86 | subnormals.ARM, reason="no way is known to flush them here")


def moments_after(engine: type[NumpyEngine], steps: int, dtype: str) -> np.ndarray:
    """Adam's of the weights of an input that is always 0, of which the first ones begin at the least normal number."""
    examples = made_up(60, "cross_entropy", 3, seed=3, dtype=dtype)
    examples.x[:, 0] = 0
    trained = trainer(
        train=examples, loss="cross_entropy", outputs=3, optimizer="adam", dtype=dtype, seeds=[4], batch_size=12,
        engine=engine,
    )  # fmt: skip
    for slot in trained.optimizer.slots.values():
        slot[:] = np.finfo(dtype).tiny
    while trained.step < steps:
        list(trained.steps())
    return np.concatenate([slot.ravel() for slot in trained.optimizer.slots.values()])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_moments_that_decay_below_the_least_normal_number_are_zeros(dtype: str) -> None:
    def subnormal(moments: np.ndarray) -> int:
        return int(np.count_nonzero((moments != 0) & (np.abs(moments) < np.finfo(dtype).tiny)))

    assert subnormal(moments_after(NumpyEngine, 10, dtype)), "they are where nobody flushes them"
    assert subnormal(moments_after(CompiledSteps, 10, dtype)) == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_thread_works_with_them_again_behind_a_step(dtype: str) -> None:
    moments_after(CompiledSteps, 1, dtype)
    least = np.full(1000, np.finfo(dtype).tiny)
    assert (least / 2 > 0).all() and (least / 2 * 2 == least).all()
