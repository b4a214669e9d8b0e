"""What an epoch costs with another primary metric, as a multiple of one with `error`: processor time, medians.

python benchmarks/metrics.py
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median

from threadpoolctl import threadpool_limits

from nnrun.config.load import load_config
from nnrun.data.dataset import load_dataset
from nnrun.runs.session import Session

METRICS = ("error", "f1", "brier", "auc")
SOURCES = ("digits", "breast_cancer")
ROUNDS, EPOCHS = 40, 4


def session(source: str, primary: str, cache: Path) -> Session:
    """The default network on bundled data."""
    config = load_config(None, [f"data.source={source}", f"metrics.primary={primary}"]).config
    return Session([config], load_dataset(config.data, config.training.dtype, cache))


def seconds(running: Session) -> float:
    """A few epochs more, each judged."""
    begun = time.process_time()
    trainer, judge = running.stage.trainer, running.stage.judge
    for epoch in trainer.epochs(trainer.epoch + EPOCHS):
        judge.scores(epoch, judge.measure(epoch))
    return time.process_time() - begun


def main() -> None:
    """A table."""
    print("data", *METRICS[1:], sep="\t")
    with tempfile.TemporaryDirectory() as cache, threadpool_limits(1, "blas"):
        for source in SOURCES:
            sessions = {primary: session(source, primary, Path(cache)) for primary in METRICS}
            rounds = [{primary: seconds(one) for primary, one in sessions.items()} for _ in range(ROUNDS)]
            usual, *others = (median(times[primary] for times in rounds) for primary in METRICS)
            print(source, *(f"{other / usual:.2f}" for other in others), sep="\t")


if __name__ == "__main__":
    main()
