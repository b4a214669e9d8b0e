"""A member of a model: the networks of one shape that a run has trained, one or several, and what they take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nnrun.config.config import Config
from nnrun.data.damage import checked
from nnrun.data.features.preprocess import Preprocessor
from nnrun.data.features.target import Target
from nnrun.engine.evaluation import logits_in_chunks, opinions_in_chunks, rows_at_once
from nnrun.engine.exchange import Exchange, Exchanged
from nnrun.engine.losses import Loss
from nnrun.engine.network import Bound, Network
from nnrun.engine.parameters import Array, Shape
from nnrun.errors import ConfigError, DataError, MisfitError, UsageError
from nnrun.installation import called, command
from nnrun.machine.lazily import cached_property
from nnrun.runs.assembly import make_mlp, named_loss
from nnrun.runs.checkpoints import Tensors, named, read_weights
from nnrun.runs.finding import name_of, search_of
from nnrun.runs.members import members_of
from nnrun.runs.records import ENDED
from nnrun.runs.rundir import DATA, RESOLVED, RunDir
from nnrun.runs.stored import StoredRun


@dataclass(frozen=True, eq=False)
class Member:
    """The best parameters of one run; `weights` are they and the running averages by name, as its checkpoint has them.

    Those of `networks` > 1 networks that were trained together have these on the first axis.
    """

    run: StoredRun
    config: Config
    preprocessor: Preprocessor
    target: Target
    network: Network
    loss: Loss
    weights: Tensors

    @property
    def networks(self) -> int:
        """How many there are."""
        return self.config.network.ensemble

    def of_network(self, k: int) -> Tensors:
        """The parameters and running averages of one of them."""
        return self.weights if self.networks == 1 else {name: tensor[k] for name, tensor in self.weights.items()}

    @property
    def rows_at_once(self) -> int:
        """Of a chunk that suits the network."""
        return rows_at_once(self.network)

    def logits(self, x: Array, unit: Target, size: int) -> Iterator[tuple[slice, Array]]:
        """(rows, logits `(networks, rows, width)`) of prepared features `(m, n)`; overwritten by the next ones.

        Values are in deviations of `unit`, as members that learned from different rows have different ones. Chunks
        have so many rows.
        """
        chunks = logits_in_chunks(self.network, self._bound, x, self.loss, size=size)
        return ((rows, self._in(unit, logits)) for rows, logits in chunks)

    def opinions(self, x: Array, unit: Target, size: int) -> Iterator[tuple[slice, Array]]:
        """What `logits` gives, of each of those that share a body: `(networks · those, rows, width)`."""
        chunks = opinions_in_chunks(self.network, self._bound, x, size)
        return ((rows, self._in(unit, logits)) for rows, logits in chunks)

    def exchanged(self, x: Array, unit: Target, size: int) -> Exchanged:
        """What `logits` says of rows of x that are given features of each other; see `Exchange`."""
        exchange = Exchange(self.network, self._bound, self.loss, x, size)

        def logits(places: Sequence[int], rows: Array, donors: Array) -> Iterator[tuple[slice, Array]]:
            chunks = exchange.logits(places, rows, donors)
            return ((some, self._in(unit, logits)) for some, logits in chunks)

        return logits

    def _in(self, unit: Target, logits: Array) -> Array:
        return self.target.in_units_of(unit, logits)

    @cached_property
    def _bound(self) -> list[Bound]:
        """Parameters and running averages, `(networks, size)` each, as the network binds them."""
        dtype = self.config.training.dtype
        theta = np.empty((self.networks, self.network.theta.size), dtype)
        state = np.empty((self.networks, self.network.state.size), dtype)
        for k in range(self.networks):
            weights = self.of_network(k)
            for name, view in named(self.network, theta[k], state[k]).items():
                np.copyto(view, weights[name])
        return self.network.bind(theta, state, theta)


def load_member(run: StoredRun) -> Member:
    """What a run has trained.

    Raises UsageError where there is no checkpoint, DataError where a file of the run is missing, damaged or
    contradicts another.
    """
    config, (preprocessor, target) = read_config(run), checked(run.path / DATA, run.data.document)
    try:
        loss = named_loss(config.training.loss, target.task, len(target.classes or [0]))
    except MisfitError as error:
        raise DataError(f"{run.directory.resolved}: {error}; this is not the config of this run") from None
    network = make_mlp(config, preprocessor.n_features, loss.width, embeddings=preprocessor.embeddings).network()
    return Member(run, config, preprocessor, target, network, loss, _read_weights(run, config, network))


def trained_members(run: RunDir) -> list[RunDir]:
    """The members, for what needs all of them; UsageError where a fold of a run that is not over is not trained."""
    members, status = members_of(run), run.status
    over = sum(one.exists and one.status in ENDED for one in members)
    if status in ENDED or over == len(members):
        return members
    whole = search_of(run) or run
    goes_on = f"`{command('resume', called(whole.path))}` goes on"
    raise UsageError(
        f"{name_of(run)} is {status}, {over} of its {len(members)} folds are trained, and this takes all of them; "
        f"{'wait for its end' if status == 'running' else goes_on}"
    )


def read_config(run: StoredRun) -> Config:
    """The configuration of a run; DataError where it cannot be read."""
    try:
        return run.config
    except ConfigError as error:
        raise DataError(str(error)) from None


def _read_weights(run: StoredRun, config: Config, network: Network) -> Tensors:
    dtype, together = config.training.dtype, config.network.ensemble
    in_front: Shape = () if together == 1 else (together,)
    shapes = {name: (*in_front, *shape) for name, shape in (network.theta.shapes | network.state.shapes).items()}
    weights = read_weights(run.directory, "best", shapes)
    for name, tensor in weights.items():
        file = run.directory.checkpoint("best")
        if tensor.dtype != dtype:
            raise DataError(f"{file}: {name} is {tensor.dtype}, where {RESOLVED} says {dtype}")
        if not np.isfinite(tensor).all():
            raise DataError(f"{file}: {name} holds numbers that are not finite; train again")
    return weights
