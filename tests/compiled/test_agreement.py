"""The compiled engine works out what the NumPy engine defines, in all that can be combined."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

from nnrun.compiled import codes, forward, functions
from nnrun.compiled.steps import CompiledSteps
from nnrun.compiled.support import lacking_piece
from nnrun.compiled.work import Work, work
from nnrun.engine import activations, layers, losses
from nnrun.engine.activations import ACTIVATIONS
from nnrun.engine.batches import Batches
from nnrun.engine.evaluation import Examples
from nnrun.engine.losses import LOSSES
from nnrun.engine.optimizers import OPTIMIZERS
from nnrun.engine.parameters import CACHE_LINE
from nnrun.engine.trainer import NumpyEngine, Trainer
from nnrun.machine import threads
from tests.conftest import made_up, trainer
from tests.contracts.test_gradients import CODES, with_codes

CLOSE = {"float32": 1e-5, "float64": 1e-11}  # of the length of all parameters, after 50 steps
TARGETS = [("cross_entropy", 2), ("cross_entropy", 3), ("squared_error", 2), ("huber", 1)]
TECHNIQUES: dict[str, dict[str, Any]] = {
    "plain": {},
    "batch norm": {"batch_norm": True},
    "dropout": {"dropout": 0.3, "input_dropout": 0.1},
    "penalties": {"l1": 0.05, "l2": 0.2},
    "clipping": {"clip_norm": 0.3},
    "average": {"ema": 0.9, "l2": 0.1},
    "smoothing": {"label_smoothing": 0.2},
    "members": {"members": 3, "batch_norm": True, "dropout": 0.2, "input_dropout": 0.1, "clip_norm": 0.5},
    "embeddings": {"embeddings": CODES, "input_dropout": 0.1, "l2": 0.1},
    "all": {"batch_norm": True, "dropout": 0.2, "l2": 0.1, "clip_norm": 0.5, "weight_decay": 0.05, "swa": 3},
}
# Behind linear units the next batch norm takes β away again, so its gradient is rounding, which Adam makes steps of.
HIDDEN = {"linear": (6,)}
GRID = [
    (target, technique)
    for target, technique in itertools.product(TARGETS, TECHNIQUES)
    if target[0] == "cross_entropy" or technique != "smoothing"  # of classes alone
]


def far(options: dict[str, Any], engine: type[NumpyEngine] = CompiledSteps) -> float:
    """How far the engines are apart after 50 steps, with all averages, beside the length of both."""
    pair = [trainer(**options), trainer(**options, engine=engine)]
    for each in pair:
        while each.step < 50:
            list(each.steps())
    found = [np.hstack([each.theta, each.state, each.judged.theta, each.judged.state]).astype(float) for each in pair]
    return float(np.linalg.norm(found[0] - found[1]) / np.linalg.norm(found[0]))


def options_of(
    activation: str, optimizer: str, dtype: str, loss: str, outputs: int, weighted: bool, technique: dict[str, Any]
) -> dict[str, Any]:
    examples = made_up(60, loss, outputs, seed=3, dtype=dtype)
    weights = np.linspace(0.5, 1.5, 60, dtype=dtype) if weighted else None
    if "embeddings" in technique:
        examples.x[:] = with_codes(60, 3).x
    return {
        "train": Examples(examples.x, examples.y, weights),
        "loss": loss, "outputs": outputs, "activation": activation, "optimizer": optimizer, "dtype": dtype,
        "hidden": HIDDEN.get(activation, (6, 5)),
        "batch_size": 12, "learning_rate": 1e-3, "seeds": [4], **technique,
    }  # fmt: skip


def pairs() -> Iterator[Any]:
    """Each activation with each optimizer: in turn one precision and a third of the grid; the soak tests try all."""
    for (i, activation), (j, optimizer) in itertools.product(enumerate(ACTIVATIONS), enumerate(OPTIMIZERS)):
        dtype = [*CLOSE][(i + j) % 2]
        yield pytest.param(activation, optimizer, dtype, GRID[(i + j) % 3 :: 3], id=f"{activation}-{optimizer}-{dtype}")
        for each in CLOSE:
            name = f"{activation}-{optimizer}-{each}-all"
            yield pytest.param(activation, optimizer, each, GRID, id=name, marks=pytest.mark.soak)


@pytest.mark.parametrize(("activation", "optimizer", "dtype", "grid"), [*pairs()])
def test_fifty_steps_agree(activation: str, optimizer: str, dtype: str, grid: Sequence[Any]) -> None:
    for (loss, outputs), technique in grid:
        options = options_of(activation, optimizer, dtype, loss, outputs, technique == "all", TECHNIQUES[technique])
        assert far(options) < CLOSE[dtype], (loss, outputs, technique)


@pytest.mark.soak
@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_fifty_steps_agree_in_all_that_can_be_combined(activation: str, optimizer: str, dtype: str) -> None:
    norm = [{}, {"batch_norm": True}]
    dropout = [{}, {"dropout": 0.3, "input_dropout": 0.1}]
    penalties = [{}, {"l1": 0.05}, {"l2": 0.2}, {"l1": 0.05, "l2": 0.2}]
    clipping = [{}, {"clip_norm": 0.3}]
    for (loss, outputs), weighted, *parts in itertools.product(
        TARGETS, [False, True], norm, dropout, penalties, clipping
    ):
        technique: dict[str, Any] = {key: value for part in parts for key, value in part.items()}
        options = options_of(activation, optimizer, dtype, loss, outputs, weighted, technique)
        assert far(options) < CLOSE[dtype], (loss, outputs, weighted, technique)


def measured(trained: Trainer) -> list[NDArray[np.float64]]:
    """Losses and errors of the ensembles on train and on dev, `(2, ensembles)`, by compiled code."""
    assert isinstance(trained.engine, CompiledSteps) and trained.engine.measuring
    both = zip((trained.on_train, trained.on_dev), trained.engine.measure(trained), strict=True)
    return [np.array(part.means(sums)) for part, sums in both]


@pytest.mark.parametrize(("loss", "outputs"), TARGETS)
@pytest.mark.parametrize("more", [{}, {"batch_norm": True, "dropout": 0.3}, {"hidden": ()}, {"members": 3}])
def test_epochs_are_measured_alike(loss: str, outputs: int, more: dict[str, Any]) -> None:
    """In more rows than go through the network at once, weighted; a member alone has the same bits."""
    examples = made_up(1100, loss, outputs, seed=3, dtype="float64")
    weighted = Examples(examples.x, examples.y, np.linspace(0.5, 1.5, 1100))
    options = {"train": weighted, "dev": examples, "loss": loss, "outputs": outputs, "engine": CompiledSteps, **more}
    several, alone = trainer(seeds=[1, 2, 3], **options), trainer(seeds=[3], **options)
    several.freeze(np.array([False, True, False]))
    for each in (several, alone):
        next(each.epochs(1))
    by_numpy = several.on_train(several.bound), several.on_dev(several.bound)
    for found, of_one, expected in zip(measured(several), measured(alone), by_numpy, strict=True):
        assert np.isnan(found[0]).tolist() == [False, True, False]
        np.testing.assert_allclose(np.array(found)[:, [0, 2]], np.array(expected)[:, [0, 2]], rtol=1e-12)
        assert [*np.ravel(of_one)] == [*np.array(found)[:, 2]]


@pytest.mark.parametrize(("loss", "outputs"), TARGETS)
@pytest.mark.parametrize("more", [{}, {"dropout": 0.3, "hidden": (8, 4)}, {"members": 3}])
def test_it_does_not_matter_who_gathers_rows(
    loss: str, outputs: int, more: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each batch in compiled code, or many at once by NumPy; in several groups."""
    monkeypatch.setattr("nnrun.engine.batches.GATHERED_ROWS", 20)
    examples = made_up(50, loss, outputs, seed=3, dtype="float64")
    weighted = Examples(examples.x, examples.y, np.linspace(0.5, 1.5, 50))
    options = {"train": weighted, "loss": loss, "outputs": outputs, "batch_size": 8, "engine": CompiledSteps, **more}
    found = set()
    for plain in (True, False):
        monkeypatch.setattr(Batches, "plain", plain)
        trained = trainer([1, 2], **options)
        assert isinstance(trained.engine, CompiledSteps) and trained.engine.supply.gathers == plain
        last = list(trained.epochs(2))[-1]
        found.add(trained.theta.tobytes() + last.train_loss.tobytes() + last.dev_loss.tobytes())
    assert len(found) == 1


@pytest.mark.parametrize(
    ("more", "gathers"), [({}, True), ({"input_dropout": 0.2}, False), ({"batch_size": 50}, False)]
)
def test_rows_as_they_are_are_gathered_in_compiled_code(more: dict[str, Any], gathers: bool) -> None:
    engine = trainer(engine=CompiledSteps, **more).engine
    assert isinstance(engine, CompiledSteps) and engine.supply.gathers == gathers


@pytest.mark.parametrize(("loss", "outputs"), TARGETS)
@pytest.mark.parametrize("more", [{}, {"batch_norm": True, "dropout": 0.3, "label_smoothing": 0.1}, {"members": 3}])
def test_the_losses_of_batches_agree(loss: str, outputs: int, more: dict[str, Any]) -> None:
    """Weighted, with a last batch that is smaller; in a stack too, and nothing else changes by them."""
    more = {key: value for key, value in more.items() if key != "label_smoothing" or loss == "cross_entropy"}
    examples = made_up(50, loss, outputs, seed=3, dtype="float64")
    weighted = Examples(examples.x, examples.y, np.linspace(0.5, 1.5, 50))
    options = {"train": weighted, "loss": loss, "outputs": outputs, "optimizer": "adam", "batch_size": 16, **more}
    kept = {"step_losses": True, **options}
    by_numpy, alone, without = (
        trainer([3], **kept),
        trainer([3], engine=CompiledSteps, **kept),
        trainer([3], engine=CompiledSteps, **options),
    )
    stacked = trainer([1, 3], engine=CompiledSteps, **kept)
    for _ in range(2):
        expected, found, nothing, of_stack = (
            next(each.epochs(each.epoch + 1)) for each in (by_numpy, alone, without, stacked)
        )
        assert found.step_losses.shape == (1, len(alone.batches.bounds))
        np.testing.assert_allclose(found.step_losses, expected.step_losses, rtol=1e-9)
        assert of_stack.step_losses[1].tolist() == found.step_losses[0].tolist()
        assert nothing.step_losses.size == 0
    assert alone.theta.tobytes() == without.theta.tobytes()


@pytest.mark.parametrize(("loss", "outputs"), TARGETS)
def test_ensembles_are_measured_alike(loss: str, outputs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By threads that share members, in more rows than are shown together; a member has the bits that it has alone."""
    monkeypatch.setattr("nnrun.compiled.judging.SHOWN", 5000)
    monkeypatch.setattr("nnrun.compiled.turns.SHARED", 0)
    monkeypatch.setenv(threads.OURS, "3")
    options = {"dev": made_up(1100, loss, outputs, seed=3, dtype="float64"), "loss": loss, "outputs": outputs}
    together = trainer(seeds=[1, 2, 3, 4], ensemble=2, engine=CompiledSteps, **options)
    alone = trainer(seeds=[3], engine=CompiledSteps, **options)
    for each in (together, alone):
        next(each.epochs(1))
    evaluator, shown = together.on_dev, dict[int, Any]()
    for _ in range(2):  # without anybody who sees, then with
        (on_train, found), (_, of_one) = measured(together), measured(alone)
        assert [*np.array(evaluator.of_members)[:, 2]] == [*of_one[:, 0]]
        evaluator.see = lambda rows, logits: shown.update({rows.start: logits.copy()})
    logits = np.concatenate([shown[start] for start in sorted(shown)], axis=1)
    shown.clear()
    np.testing.assert_allclose(found, np.array(evaluator(together.bound)), rtol=1e-12)
    np.testing.assert_allclose(on_train, np.array(together.on_train(together.bound)), rtol=1e-12)
    expected = np.concatenate([shown[start] for start in sorted(shown)], axis=1)
    np.testing.assert_allclose(logits, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("loss", "outputs"), TARGETS)
@pytest.mark.parametrize("several", [{"members": 4}, {"seeds": [3, 4, 5, 6], "ensemble": 4}], ids=["body", "seeds"])
def test_what_members_are_sure_of_is_pooled_alike(loss: str, outputs: int, several: dict[str, Any]) -> None:
    """Where the probabilities of a class are 0 in all members but for their logarithms."""
    made = trainer(loss=loss, outputs=outputs, engine=CompiledSteps, **several)
    made.theta *= 1e3
    _, found = measured(made)
    np.testing.assert_allclose(found, np.array(made.on_dev(made.bound)), rtol=1e-12)


def test_vectors_of_members_begin_at_cache_lines() -> None:
    made = trainer([1, 2, 3], optimizer="adam", engine=CompiledSteps)
    vectors = [made.theta, made.gradient, *made.optimizer.slots.values()]
    assert {vector[k].ctypes.data % CACHE_LINE for vector in vectors for k in range(3)} == {0}
    assert made.theta.shape[1] * made.theta.itemsize % CACHE_LINE != 0


def test_of_equal_logits_the_first_counts_and_nan_stays() -> None:
    made = trainer(outputs=3, hidden=(), engine=CompiledSteps)
    made.theta[:] = 0
    assert measured(made)[1][1] == np.mean(made.on_dev.examples.y != 0)
    made.theta[:] = np.nan
    assert np.isnan(measured(made)[1][0])


@pytest.mark.parametrize("hidden", [(), (6, 5)])
@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("wide", [False, True])
def test_embeddings_agree(hidden: tuple[int, ...], members: int, wide: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if wide:
        monkeypatch.setattr("nnrun.compiled.work.WIDE", 0)
        monkeypatch.setattr("nnrun.compiled.work.PIECE", 1)
        monkeypatch.setattr("nnrun.compiled.work.ALIGNED", 1)
        monkeypatch.setattr("nnrun.compiled.work.OUTPUT_ROWS", 4)
    shared: dict[str, Any] = {"embeddings": CODES, "hidden": hidden, "members": members, "optimizer": "adam"}
    parts = {"train": with_codes(50, 1), "dev": with_codes(300, 2)}
    for more in ({}, {"clip_norm": 0.3, "batch_norm": True, "dropout": 0.2, "input_dropout": 0.3}):
        assert far({**shared, **parts, **more}) < CLOSE["float64"]
        made = trainer(**shared, **parts, **more, engine=CompiledSteps)
        (epoch,) = made.epochs(1)
        np.testing.assert_allclose(epoch.dev_loss, made.on_dev(made.bound)[0], rtol=1e-12)


def test_a_wrong_step_would_be_found() -> None:
    class Other(CompiledSteps):
        def __init__(self, trained: Trainer) -> None:
            super().__init__(trained)
            for given in self.given:
                given.put(codes.PLAN, codes.packed(self.plan._replace(activation=codes.TANH)))

    assert far({"activation": "sigmoid"}, Other) > 1e3 * CLOSE["float64"]


@pytest.mark.parametrize("options", [{"batch_size": 50}, {"hidden": ()}, {"hidden": (1,)}, {"batch_size": 7}])
@pytest.mark.parametrize("members", [1, 4])
def test_odd_shapes_agree(options: dict[str, Any], members: int) -> None:
    assert far({"optimizer": "adam", "members": members, **options}) < CLOSE["float64"]


def test_a_step_in_pieces_agrees_with_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnrun.compiled.work.WIDE", 0)
    monkeypatch.setattr("nnrun.compiled.work.PIECE", 16)
    monkeypatch.setattr("nnrun.compiled.work.OUTPUT_ROWS", 4)
    train = made_up(50, "cross_entropy", 3, n_in=40)
    options = {"hidden": (40, 50), "batch_size": 25, "optimizer": "adam", "batch_norm": True, "dropout": 0.2}
    for members in (1, 3):
        assert far({**options, "train": train, "dev": train, "members": members}) < CLOSE["float64"]


@pytest.mark.parametrize("clipped", [False, True])
def test_the_pieces_of_a_step_cover_every_layer_once(clipped: bool) -> None:
    widths = (784, 1000, 300, 10)
    parameters = sum(n_in * n_out for n_in, n_out in itertools.pairwise(widths))
    cut: Work = work(widths, 256, parameters, parameters, clipped)
    assert [piece[1:4] for piece in cut.pieces.tolist() if piece[0] == codes.HEAD] == [[0, 0, 160], [0, 160, 300]]
    for kind, sides in ((codes.FORWARD, widths[1:-1]), (codes.BACKWARD, widths[:-1]), (codes.WEIGHTS, widths[:-2])):
        for layer, columns in list(enumerate(sides))[kind == codes.BACKWARD :]:
            spans = sorted((lo, hi) for code, of, lo, hi, _ in cut.pieces.tolist() if (code, of) == (kind, layer))
            assert [lo for lo, _ in spans] == [0, *[hi for _, hi in spans[:-1]]]
            assert spans[-1][1] == columns
    before = cut.pieces[:, 4].tolist()
    assert all(needed <= k for k, needed in enumerate(before))  # nobody waits for a later piece
    assert before == sorted(before)
    assert any(code == codes.UPDATE for code in cut.pieces[:, 0].tolist()) == clipped


def test_everything_in_the_tables_has_a_piece() -> None:
    for activation, optimizer, (loss, outputs) in itertools.product(ACTIVATIONS, OPTIMIZERS, TARGETS):
        assert (
            lacking_piece(trainer(activation=activation, optimizer=optimizer, loss=loss, outputs=outputs).recipe)
            is None
        )
    assert {loss for loss, _ in TARGETS} == set(LOSSES)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_logarithms_are_right_to_a_few_of_the_last_digits(dtype: str) -> None:
    @njit
    def logarithms(numbers: Any, found: Any) -> None:
        for k in range(numbers.size):
            found[k] = functions.log(numbers[k])

    numbers = np.concatenate([np.geomspace(np.finfo(dtype).tiny, 1, 10_001), np.linspace(0.4, 2.5, 10_001)]).astype(
        dtype
    )
    found = np.empty_like(numbers)
    logarithms(numbers, found)
    exact = np.log(numbers.astype(np.longdouble))
    assert (np.abs(found - exact) <= 4 * np.spacing(np.abs(exact).astype(dtype))).all()
    logarithms(np.full(20_002, np.nan, dtype), found)
    assert np.isnan(found).all()


def test_numbers_of_the_engine_that_are_written_here_again_are_the_same() -> None:
    assert (layers.MOMENTUM, layers.EPSILON) == (forward.BATCH_NORM_MOMENTUM, forward.BATCH_NORM_EPSILON)
    assert functions.LEAK == activations.LEAK
    assert (functions.GELU_SCALE, functions.GELU_CUBIC) == (activations.GELU_SCALE, activations.GELU_CUBIC)
    assert losses.HUBER_DELTA == 1


def test_two_rules_in_one_chain_are_numpys(monkeypatch: pytest.MonkeyPatch) -> None:
    both = lambda h: [*OPTIMIZERS["momentum"].transforms(h), *OPTIMIZERS["rmsprop"].transforms(h)]  # noqa: E731
    monkeypatch.setitem(OPTIMIZERS, "both", OPTIMIZERS["momentum"]._replace(transforms=both))
    assert lacking_piece(trainer(optimizer="momentum").recipe) is None
    assert lacking_piece(trainer(optimizer="both").recipe) == "optimizer both"
