"""Networks trained on parts of a run's training rows, in this process or by an executor, with the same bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from typing import NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from nnrun.config.changes import goes_on
from nnrun.config.config import Config
from nnrun.config.values import Tree
from nnrun.data.dataset import Dataset, Part
from nnrun.data.groups import numbered
from nnrun.data.split import random_order
from nnrun.engine.evaluation import logits_in_chunks
from nnrun.engine.stopping import Best
from nnrun.errors import NnrunError, UsageError
from nnrun.machine import threads
from nnrun.models.trained import Trained, mistakes_of
from nnrun.runs.assembly import examples
from nnrun.runs.engines import with_engine
from nnrun.runs.finding import search_of
from nnrun.runs.members import has_members
from nnrun.runs.preparing import CACHE
from nnrun.runs.stages import Stage
from nnrun.search.executors import Executor, Failure, SentJob, WorkerDiedError
from nnrun.search.study import ATTEMPTS, KILLS, SECONDS_BETWEEN_LOOKS
from nnrun.search.trials import dataset_of

SEEDS = 3
NO_ANSWER = "what a worker sent back is no answer to it"

Rows = NDArray[np.int64]
Progress = Callable[[int, int], None]  # trainings done, and in all
Say = Callable[[str], None]


def nobody(line: str) -> None:
    """Who hears of nothing."""


@dataclass(frozen=True, eq=False)
class Training:
    """One network: the rows it was trained on, its training error, and its mistakes `(dev rows,)`."""

    rows: int
    train_error: float
    mistakes: NDArray[np.float64]


class Share(NamedTuple):
    """How many rows, the first of an order each, and the orders: counted from the run's seed, as the networks' own."""

    rows: int
    orders: list[int]


def shares(sizes: Sequence[int]) -> list[Share]:
    """Each training; on all rows, which are the same for all, the seeds are members of one stack."""
    return [*(Share(size, [k]) for size in sizes[:-1] for k in range(SEEDS)), Share(sizes[-1], [*range(SEEDS)])]


def trained_on_all(
    asked: Sequence[Share], config: Config, model: Trained, tell: Progress, executor: Executor | None, say: Say
) -> list[Training]:
    """The trainings of all shares in their order; NnrunError where one cannot be trained."""
    if executor is not None:
        return _by_executor(asked, config, model, tell, executor, say)
    found: list[Training] = []
    for done, share in enumerate(asked, start=1):
        found += trained_on(share, config, model.dataset)
        tell(done, len(asked))
    return found


def trained_on(share: Share, config: Config, dataset: Dataset) -> list[Training]:
    """A network an order; several only on all rows."""
    train = dataset.parts["train"]
    configs = [config.model_copy(update={"seed": config.seed + k}) for k in share.orders]
    if share.rows < len(train.y):
        dataset = _with_rows(dataset, _order(train, configs[0].seed, bool(dataset.classes))[: share.rows])
    return best_of(configs, dataset, share.rows)


def _order(train: Part, seed: int, of_classes: bool) -> Rows:
    """All training rows in random order, stratified by class; or group by group, since more data are more groups."""
    if train.groups is None:
        return random_order(len(train.y), seed, train.y if of_classes else None)
    codes = numbered(train.groups)
    places = np.argsort(random_order(int(codes.max()) + 1, seed, None))
    return np.argsort(places[codes], kind="stable")


def _with_rows(dataset: Dataset, rows: Rows) -> Dataset:
    """These training rows again and again, as many as there were."""
    train = dataset.parts["train"]
    repeated = np.resize(rows, len(train.x))
    return replace(dataset, parts={**dataset.parts, "train": train.take(repeated)})


def best_of(configs: Sequence[Config], dataset: Dataset, rows: int) -> list[Training]:
    """Each member's best epoch, chosen as a run chooses it; NaN for a member without any."""
    with threads.one_for_blas_here(), np.errstate(all="ignore"):
        stage, best, train_errors = _train([with_engine(config, "numpy") for config in configs], dataset)
        network, loss, dev = stage.trainer.network, stage.trainer.recipe.loss, examples(dataset, "dev")
        bound = network.bind(best.theta, best.state, np.empty_like(best.theta))
        mistakes = mistakes_of(logits_in_chunks(network, bound, dev.x, loss), loss, dev, len(configs))
    if dev.weights is not None:
        mistakes *= dev.weights
    mistakes[best.epochs == 0] = np.nan
    return [Training(rows, float(error), own) for error, own in zip(train_errors, mistakes, strict=True)]


def _train(configs: Sequence[Config], dataset: Dataset) -> tuple[Stage, Best, NDArray[np.float64]]:
    """The last stage, the best epochs, and the training errors there `(members,)`."""
    config, stage = configs[0], Stage.of(configs, dataset, epoch=1)
    best, train_errors = Best(len(configs)), np.full(len(configs), np.nan)
    while stage.trainer.active.any():
        number = stage.trainer.epoch + 1
        stage = stage.following(configs, dataset, number)
        if number > stage.configs[0].training.epochs:
            break
        epoch = next(stage.trainer.epochs(number))
        scores = stage.judge.scores(epoch, stage.judge.measure(epoch))
        better = best.see(number, scores, stage.trainer.judged.theta, stage.trainer.judged.state)
        train_errors[better] = epoch.train_error[better]
        if stage.stopping:
            waited = stage.stopping.see(scores, stage.trainer.active)
            stage.trainer.freeze(waited & goes_on(config, stage.start, number + 1))
    return stage, best, train_errors


# The same as jobs: plain values both ways.


class ShareTrial(TypedDict):
    """A share, with the config of its networks."""

    number: int
    config: Tree
    rows: int
    orders: list[int]


class Found(TypedDict):
    """What a network came to; NaN for one that diverged."""

    train_error: float
    mistakes: list[float]


class Answer(TypedDict):
    """A network an order."""

    networks: list[Found]


def train_share(job: SentJob) -> Answer:
    """What a worker does: train the one share of a job."""
    trial: ShareTrial = job["trials"][0]
    config = Config.from_values(trial["config"])
    found = trained_on(Share(trial["rows"], trial["orders"]), config, dataset_of(config, job))
    return {"networks": [{"train_error": each.train_error, "mistakes": each.mistakes.tolist()} for each in found]}


def _by_executor(
    asked: Sequence[Share], config: Config, model: Trained, tell: Progress, executor: Executor, say: Say
) -> list[Training]:
    if has_members(model.run.directory):
        raise UsageError(f"{model.run.name} is made of several networks, and a cluster is sent the data of one")
    beside = (search_of(model.run.directory) or model.run).path.parent
    dev, values, cache = len(model.dataset.parts["dev"].x), config.resolved(), str(beside / CACHE)
    left = [
        _Attempts(ShareTrial(number=k, config=values, rows=rows, orders=orders))
        for k, (rows, orders) in enumerate(asked)
    ][::-1]
    flying: dict[Future[Answer | Failure], _Attempts] = {}
    found: dict[int, list[Training]] = {}
    try:
        while left or flying:
            while left and len(flying) < executor.workers:
                job: SentJob = {"trials": [left[-1].trial], "cache": cache}
                flying[executor.submit(train_share, job)] = left.pop()
            _say_news(executor, say)
            for future in wait(flying, SECONDS_BETWEEN_LOOKS, FIRST_COMPLETED).done:
                ended = flying.pop(future)
                if (answer := ended.answer(future)) is None:
                    left.append(ended)
                    continue
                found[ended.trial["number"]] = _trainings(answer, ended.trial, dev)
                tell(len(found), len(asked))
    finally:
        _say_news(executor, say)  # which may be why it has ended
    return [training for k in range(len(asked)) for training in found[k]]


def _say_news(executor: Executor, say: Say) -> None:
    for line in executor.news():
        say(line)


@dataclass
class _Attempts:
    """A share, and how often its training has ended without a result."""

    trial: ShareTrial
    crashes: int = 0
    kills: int = 0

    def answer(self, future: Future[Answer | Failure]) -> Answer | None:
        """None where it is to be trained once more; NnrunError where that makes no sense."""
        try:
            result = future.result()
        except WorkerDiedError as error:
            self.kills += error.killed
            self.crashes += not error.killed
            if self.crashes >= ATTEMPTS or self.kills >= KILLS:
                raise NnrunError(f"the training on {self.trial['rows']:,} rows: {error}") from None
            return None
        if "networks" in result:
            return result
        raise NnrunError(f"the training on {self.trial['rows']:,} rows: {result.get('error', NO_ANSWER)}")


def _trainings(answer: Answer, trial: ShareTrial, dev_rows: int) -> list[Training]:
    """NnrunError where what came back is no such answer, as a worker may be another program."""
    try:
        found = [
            Training(trial["rows"], float(each["train_error"]), np.array(each["mistakes"], np.float64))
            for each in answer["networks"]
        ]
        if [each.mistakes.shape for each in found] == [(dev_rows,)] * len(trial["orders"]):
            return found
    except (TypeError, ValueError, KeyError):
        pass
    raise NnrunError(f"the training on {trial['rows']:,} rows: {NO_ANSWER}")
