"""What nnrun is timed against: one small class a library, all on the same problem.

`prepare` builds the network, copies the data and warms up; none of it is timed. `run` takes training steps on batches
that lie ready, one after the other; `epochs` takes whole epochs, each with a new order of the rows. Network: dense
layers with ReLU, softmax cross-entropy, Adam at 1e-3 with the usual betas, float32.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Protocol

import numpy as np
from environment import numpy_kernel, plural
from numpy.typing import NDArray

LEARNING_RATE = 1e-3
DROPOUT, L2 = 0.2, 0.1  # of a regularised network, which has batch norm besides
BATCHES = 64  # in an epoch


@dataclass(frozen=True)
class Problem:
    """Widths from the inputs to the classes, rows a batch, and the data: x (rows, inputs) float32, y (rows,) int64."""

    widths: tuple[int, ...]
    batch: int
    x: NDArray[np.float32]
    y: NDArray[np.int64]

    @property
    def name(self) -> str:
        """`64-32-10`."""
        return "-".join(map(str, self.widths))

    @property
    def batches(self) -> int:
        """Steps in an epoch; every batch is full."""
        return len(self.x) // self.batch

    @property
    def flops(self) -> int:
        """Operations of the products that a step needs: forward, dW, and dx of every layer but the first."""
        products = [i * o for i, o in pairwise(self.widths)]
        return 2 * self.batch * (3 * sum(products) - products[0])

    def first(self, batches: int) -> Problem:
        """The same problem with the first rows only."""
        rows = batches * self.batch
        return Problem(self.widths, self.batch, self.x[:rows], self.y[:rows])


def synthetic(widths: tuple[int, ...], batch: int) -> Problem:
    """Normal inputs labelled by a noisy linear teacher: learnable, yet never learned to the last row."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((BATCHES * batch, widths[0]), dtype=np.float32)
    scores = x @ rng.standard_normal((widths[0], widths[-1]), dtype=np.float32)
    noise = np.sqrt(widths[0]) * rng.standard_normal(scores.shape, dtype=np.float32)
    return Problem(widths, batch, x, (scores + noise).argmax(axis=1))


class Peer(Protocol):
    """A library that trains; `module` is what must be installed, `threads` says after `prepare` what it runs on."""

    module: ClassVar[str]
    threads: str

    def prepare(self, problem: Problem) -> None:
        """Build the network for a problem and warm up."""

    def run(self, steps: int) -> None:
        """Take training steps; a multiple of the steps in an epoch."""

    def epochs(self, count: int) -> None:
        """Take whole epochs, with what the library does around them."""


class SklearnPeer:
    """scikit-learn: the whole of `MLPClassifier.fit`, divided by its steps; nothing is subtracted.

    A step holds: drawing the batch from the shuffled order, forward, loss (with the penalty's term, at 0), backward,
    Adam. The set-up of `fit` and the shuffle of each epoch are spread over the steps; an epoch is just its steps.
    """

    module: ClassVar[str] = "sklearn"
    threads = ""

    def prepare(self, problem: Problem) -> None:
        """Keep the data; every `fit` starts afresh."""
        self.problem = problem
        self.threads = f"NumPy's BLAS: {numpy_kernel()}"
        self.epochs(1)

    def run(self, steps: int) -> None:
        """As many epochs as make these steps."""
        self.epochs(steps // self.problem.batches)

    def epochs(self, count: int) -> None:
        """One `fit` over `count` epochs that cannot stop early."""
        from sklearn.neural_network import MLPClassifier

        model = MLPClassifier(
            hidden_layer_sizes=self.problem.widths[1:-1],
            learning_rate_init=LEARNING_RATE,
            batch_size=self.problem.batch,
            max_iter=count,
            alpha=0.0,
            tol=0.0,
            n_iter_no_change=10**9,
            random_state=0,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # 'the optimization has not converged yet' is meant
            model.fit(self.problem.x, self.problem.y)


class TorchPeer:
    """PyTorch eager: the ordinary loop over slices of tensors that lie in order.

    A step holds: slice, zero_grad, forward, loss, backward, `torch.optim.Adam.step` with its defaults.
    An epoch adds a permutation of the rows and their gathering, once.
    """

    module: ClassVar[str] = "torch"
    threads = ""

    def prepare(self, problem: Problem) -> None:
        """Sequential of Linear and ReLU, Adam with its defaults."""
        import torch
        from torch import nn

        self.batch, self.batches = problem.batch, problem.batches
        self.x, self.y = torch.from_numpy(problem.x), torch.from_numpy(problem.y)
        pairs = pairwise(problem.widths)
        layers = [layer for i, o in pairs for layer in (nn.Linear(i, o), nn.ReLU())]
        self.model = nn.Sequential(*layers[:-1])
        self.loss = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=LEARNING_RATE)
        self.threads = f"PyTorch {torch.__version__}, {plural(torch.get_num_threads(), 'thread')}"
        self.run(self.batches)

    def run(self, steps: int) -> None:
        """Steps over the rows as they lie."""
        for step in range(steps):
            start = step % self.batches * self.batch
            rows = slice(start, start + self.batch)
            self.optimizer.zero_grad()
            loss = self.loss(self.model(self.x[rows]), self.y[rows])
            loss.backward()
            self.optimizer.step()

    def epochs(self, count: int) -> None:
        """Shuffle, then the steps, `count` times."""
        import torch

        for _ in range(count):
            order = torch.randperm(len(self.x))
            self.x, self.y = self.x[order], self.y[order]
            self.run(self.batches)
