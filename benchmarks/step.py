"""Time of a training step and of an epoch: both engines of nnrun, scikit-learn, PyTorch eager and JAX, one thread each.

All peers train the same network on the same synthetic float32 data in the same batches: ReLU, softmax cross-entropy,
Adam. They take turns, peer after peer, repeat after repeat; a figure is the median over the repeats. What a step and
an epoch of each peer hold:

- nnrun:        the engine's own loop: shuffle, rows gathered, forward, gradient of the loss, backward, Adam; the loss
                itself is worked out at the end of an epoch. An epoch adds that, the dev error on a quarter as many
                rows, and the copy kept for going back. Stacked: K networks trained as one, time divided by K.
- compiled:     the same, but that groups of batches go through one function compiled by Numba, made beforehand.
- scikit-learn: the loop of `MLPClassifier.fit` with all that stands around it, divided by the steps: batch drawn from
                the shuffled order, forward, loss, backward, Adam. An epoch is its steps.
- PyTorch:      eager, `nn.Sequential` and `torch.optim.Adam` with its defaults; batch sliced, zero_grad, forward, loss,
                backward, step. An epoch adds one shuffle.
- JAX:          forward, loss, backward, Adam compiled into one program (`jit`, `lax.scan` over the batches); compile
                time apart. An epoch adds one shuffle, compiled too.

The share of the GEMM peak: operations of the products that a step needs (forward, gradient of the weights, gradient of
the input but for the first layer), over the time of nnrun's step, over the rate of a 1024×1024 float32 product of NumPy
that takes its turn in the same run.

With `--regularized` the compiled engine and JAX train with batch norm, dropout 0.2 and L2 as well. With `--threads 2`
the compiled engine, PyTorch and JAX also take turns with two threads, each in a process of its own.

The script starts itself again without any pin on the BLAS kernel and with one thread, unless `--as-is` is given.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
from elsewhere import Elsewhere
from environment import numpy_kernel, restart_cleaned, settle_allocator
from jax_peer import JaxPeer
from nnrun_peer import NnrunPeer
from peers import Peer, Problem, SklearnPeer, TorchPeer, synthetic
from step_report import SHARED, STACKED, Row, Timing, members, report

SHAPES = {
    (64, 32, 10): 32,
    (64, 64, 32, 10): 64,
    (64, 128, 64, 10): 64,
    (784, 256, 128, 10): 128,
    (784, 1024, 1024, 10): 256,
}
TURN_SECONDS = 0.25  # aimed at for one peer's turn
PRODUCT_SIZE = 1024


def installed_peers(threads: int, regularized: bool) -> dict[str, Peer]:
    """Every peer that can be imported, with one thread and some with more; the others are named on stderr."""
    peers: dict[str, Peer] = {
        "nnrun": NnrunPeer(),
        "compiled": NnrunPeer(compiled=True),
        "sklearn": SklearnPeer(),
        "torch": TorchPeer(),
        "jax": JaxPeer(),
        **{f"nnrun x{k}": NnrunPeer(k) for k in STACKED},
    }
    if regularized:
        peers |= {
            "compiled regularized": NnrunPeer(compiled=True, regularized=True),
            "jax regularized": JaxPeer(regularized=True),
        }
    if threads > 1:
        peers |= {f"{name} {threads}": Elsewhere(peers[name], threads) for name in SHARED}
    missing = [name for name, peer in peers.items() if not importlib.util.find_spec(peer.module)]
    for name in missing:
        say(f"{name}: not installed, left out (pip install -e '.[bench]')")
    return {name: peer for name, peer in peers.items() if name not in missing}


def say(message: str) -> None:
    """A line for the reader that is no result."""
    print(message, file=sys.stderr, flush=True)


def measure(problem: Problem, peers: dict[str, Peer], repeats: int) -> Row:
    """Let all peers take their turns on one problem, with the product that gives the peak among them."""
    for name, peer in peers.items():
        peer.prepare(problem.first(passes_and_batches(problem, members(name))[1]))
    say(f"{problem.name}: {repeats} repeats")
    timings = {name: Timing() for name in peers}
    peaks = []
    for _ in range(repeats):
        peaks.append(product_rate())
        for name, peer in peers.items():
            take_turn(peer, timings[name], *passes_and_batches(problem, members(name)))
    jax = peers.get("jax")
    return Row(
        problem=problem,
        timings=timings,
        peak=statistics.median(peaks),
        compile_s=jax.compile_s if isinstance(jax, JaxPeer) else None,
        threads={name: peer.threads for name, peer in peers.items()},
    )


def passes_and_batches(problem: Problem, members: int) -> tuple[int, int]:
    """Epochs of a turn and batches of an epoch; large stacked networks get fewer batches to stay within the turn."""
    step_seconds = 60e-6 + members * (10e-6 + problem.flops / 150e9)  # a guess, the same for every machine and peer
    steps = TURN_SECONDS / step_seconds
    batches = problem.batches if members == 1 else min(problem.batches, max(4, round(steps)))
    return max(1, round(steps / batches)), batches


def take_turn(peer: Peer, timing: Timing, passes: int, batches: int) -> None:
    """Time the steps, then the same number in whole epochs; a core that slept is slow at first, so some go before."""
    peer.run(batches)
    cpu = time.process_time()
    seconds = clock(lambda: peer.run(passes * batches))
    timing.cpu_share.append((time.process_time() - cpu) / seconds)
    timing.step_us.append(seconds / (passes * batches) * 1e6)
    timing.epoch_us.append(clock(lambda: peer.epochs(passes)) / passes * 1e6)


def clock(work: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def product_rate() -> float:
    """Operations a second of a large float32 product, the median of five."""
    a, b = np.random.default_rng(0).standard_normal((2, PRODUCT_SIZE, PRODUCT_SIZE), dtype=np.float32)
    out = a @ b
    seconds = statistics.median(clock(lambda: np.matmul(a, b, out=out)) for _ in range(5))
    return 2 * PRODUCT_SIZE**3 / seconds


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    names = ["-".join(map(str, widths)) for widths in SHAPES]
    parser.add_argument("--shape", action="append", choices=names, help="only this network; repeatable")
    parser.add_argument("--repeats", type=int, default=9, help="turns of every peer (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="also with so many threads (default: one alone)")
    parser.add_argument("--regularized", action="store_true", help="also with batch norm, dropout and L2")
    parser.add_argument("--json", action="store_true", help="print a list of rows and nothing else on stdout")
    parser.add_argument("--as-is", action="store_true", help="keep the environment's kernel pins and threads")
    asked = parser.parse_args()
    if asked.repeats < 1:
        parser.error("--repeats: at least 1")
    if asked.threads < 1:
        parser.error("--threads: at least 1")
    return asked


def main() -> None:
    """Measure every shape asked for and print the result."""
    asked = arguments()
    if not asked.as_is:
        restart_cleaned()
    settle_allocator()
    say(f"NumPy's BLAS: {numpy_kernel()}")
    peers = installed_peers(asked.threads, asked.regularized)
    problems = (synthetic(widths, batch) for widths, batch in SHAPES.items())
    rows = [measure(p, peers, asked.repeats) for p in problems if not asked.shape or p.name in asked.shape]
    if asked.json:
        print(json.dumps([row.as_json() for row in rows], indent=2))
    else:
        print(f"NumPy's BLAS: {numpy_kernel()}\n\n{report(rows)}")


if __name__ == "__main__":
    main()
