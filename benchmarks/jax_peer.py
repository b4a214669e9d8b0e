"""JAX as a peer: the far mark, since XLA fuses a whole step into one program."""

from __future__ import annotations

import os
import time
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from peers import DROPOUT, L2, LEARNING_RATE, Problem


class JaxPeer:
    """JAX: all steps in one compiled program, `lax.scan` over the batches inside a loop over the passes.

    A step holds: forward, loss, backward, Adam, fused by XLA; the call into the program is spread over its steps.
    An epoch adds a compiled shuffle, once. `compile_s` is the tracing and compiling of the program, seconds.
    """

    module: ClassVar[str] = "jax"
    threads = ""
    compile_s = float("nan")

    def __init__(self, regularized: bool = False) -> None:
        self.regularized = regularized

    def prepare(self, problem: Problem) -> None:
        """Compile both programs and run them once."""
        import jax

        self.batch, self.batches = problem.batch, problem.batches
        self.x, self.y = jax.device_put(problem.x), jax.device_put(problem.y.astype(np.int32))
        self.key = jax.random.key(0)
        self.state = jax.device_put(_initial_state(problem.widths, self.regularized))
        started = time.perf_counter()
        program = jax.jit(_jax_passes, static_argnames="batch", donate_argnums=0)
        self.passes = program.lower(self.state, self.x, self.y, np.int32(1), batch=self.batch).compile()
        self.compile_s = time.perf_counter() - started
        self.shuffle = jax.jit(_jax_shuffle)
        self.threads = (
            f"JAX {jax.__version__}, XLA's thread pools of size NPROC={os.environ.get('NPROC', '(all cores)')}"
        )
        self.epochs(1)

    def run(self, steps: int) -> None:
        """One call for all the steps; waits for the result."""
        self.state = self.passes(self.state, self.x, self.y, np.int32(steps // self.batches))
        self.state["step"].block_until_ready()

    def epochs(self, count: int) -> None:
        """Shuffle, then the steps, `count` times."""
        for _ in range(count):
            self.key, self.x, self.y = self.shuffle(self.key, self.x, self.y)
            self.run(self.batches)


def _initial_state(widths: tuple[int, ...], regularized: bool) -> dict[str, Any]:
    """Weights (He), Adam's two averages and the step count, as nested dicts and lists of float32 arrays.

    Under batch norm hidden layers have γ and β in place of b, and running averages.
    """
    rng = np.random.default_rng(0)
    pairs = list(pairwise(widths))
    theta = [{"W": (rng.standard_normal((i, o)) * np.sqrt(2 / i)).astype(np.float32), "b": _zeros(o)} for i, o in pairs]
    state: dict[str, Any] = {"step": np.float32(0), "averages": []}
    if regularized:
        for layer in theta[:-1]:
            layer["gamma"] = _zeros(layer["b"].size) + 1
        state["averages"] = [{"mean": _zeros(o), "variance": _zeros(o) + 1} for _, o in pairs[:-1]]
    m, v = ([{name: np.zeros_like(p) for name, p in layer.items()} for layer in theta] for _ in range(2))
    return state | {"theta": theta, "m": m, "v": v}


def _zeros(size: int) -> Any:
    return np.zeros(size, np.float32)


def _jax_shuffle(key: Any, x: Any, y: Any) -> tuple[Any, Any, Any]:
    import jax

    key, now = jax.random.split(key)
    order = jax.random.permutation(now, len(x))
    return key, x[order], y[order]


def _jax_passes(state: Any, x: Any, y: Any, count: Any, batch: int) -> Any:
    """`count` passes of training over all batches, in order."""
    import jax

    stacked = (x.reshape(-1, batch, x.shape[-1]), y.reshape(-1, batch))
    one_pass = lambda _, state: jax.lax.scan(_jax_step, state, stacked)[0]  # noqa: E731
    return jax.lax.fori_loop(0, count, one_pass, state)


def _jax_step(state: Any, rows: Any) -> tuple[Any, Any]:
    """One step of Adam on one batch; gives the new state and the loss."""
    import jax
    import jax.numpy as jnp

    (loss, averages), g = jax.value_and_grad(_jax_loss, has_aux=True)(state["theta"], state, *rows)
    t = state["step"] + 1
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, state["m"], g)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, state["v"], g)
    root = jnp.sqrt(1 - 0.999**t)
    rate = LEARNING_RATE * root / (1 - 0.9**t)
    theta = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-8 * root), state["theta"], m, v)
    return {"theta": theta, "m": m, "v": v, "step": t, "averages": averages}, loss


def _jax_loss(theta: Any, state: Any, x: Any, y: Any) -> tuple[Any, Any]:
    """Mean softmax cross-entropy of the network on a batch, with the penalty where it is regularised; new averages."""
    import jax

    rows, penalty, averages = len(x), 0.0, []
    keys = jax.random.split(jax.random.fold_in(jax.random.key(0), state["step"].astype("int32")), len(theta))
    for k, layer in enumerate(theta[:-1]):
        z = x @ layer["W"]
        if state["averages"]:
            z, average = _normalised(z, layer, state["averages"][k])
            averages.append(average)
            x = jax.nn.relu(z) * jax.random.bernoulli(keys[k], 1 - DROPOUT, z.shape) / (1 - DROPOUT)
            penalty += L2 / (2 * rows) * (layer["W"] ** 2).sum()
        else:
            x = jax.nn.relu(z + layer["b"])
    logits = x @ theta[-1]["W"] + theta[-1]["b"]
    if state["averages"]:
        penalty += L2 / (2 * rows) * (theta[-1]["W"] ** 2).sum()
    loss = -jax.numpy.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=-1).mean()
    return loss + penalty, averages


def _normalised(z: Any, layer: Any, average: Any) -> tuple[Any, Any]:
    """Batch norm, and its averages moved towards the batch."""
    import jax

    mean, variance = z.mean(axis=0), z.var(axis=0)
    moved = jax.tree.map(lambda old, new: 0.9 * old + 0.1 * new, average, {"mean": mean, "variance": variance})
    return layer["gamma"] * (z - mean) / jax.numpy.sqrt(variance + 1e-5) + layer["b"], moved
