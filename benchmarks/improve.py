"""Whether `nnrun improve` ends well from planted troubles, beside random search of equal and of four times its epochs.

Each situation is a config with one thing wrong. `nnrun search` draws 200 random trials around it; `nnrun improve` may
spend a quarter of their epochs; the first quarter of the trials is a random search of as many epochs. The setting that
each ends with is trained anew with fresh seeds, and so is the config as written. Figures are mean dev errors of these.

The loop ended well where it is at most one standard deviation (over fresh seeds) above the best of 200.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from environment import restart_cleaned

DIGITS, CANCER = "data: {source: digits}\n", "data: {source: breast_cancer}\n"
WINE, IRIS, DIABETES = "data: {source: wine}\n", "data: {source: iris}\n", "data: {source: diabetes}\n"
FEW = "data: {source: digits, split: [0.112, 0.444, 0.444]}\n"
SITUATIONS = {
    "too small, too short": DIGITS + "network: {hidden: [3]}\ntraining: {epochs: 5}\n",
    "too small": DIGITS + "network: {hidden: [4, 2]}\ntraining: {epochs: 30}\n",
    "too short": DIGITS + "network: {hidden: [32]}\ntraining: {epochs: 3}\n",
    "rate too low": DIGITS + "optimizer: {name: sgd, learning_rate: 1e-3}\ntraining: {epochs: 15}\n",
    "rate far too low": CANCER + "optimizer: {name: adam, learning_rate: 1e-6}\ntraining: {epochs: 20}\n",
    "rate too high": DIGITS + "optimizer: {name: adam, learning_rate: 0.3}\ntraining: {epochs: 15}\n",
    "diverged": DIABETES + "optimizer: {name: sgd, learning_rate: 5}\ntraining: {epochs: 20}\n",
    "not normalised": "data: {source: wine, normalize: none}\nnetwork: {hidden: [16]}\n"
    "optimizer: {name: sgd, learning_rate: 0.01}\ntraining: {epochs: 30}\n",
    "weights at zero": DIGITS + "network: {init: zeros}\noptimizer: {name: sgd, learning_rate: 0.1}\n"
    "training: {epochs: 15}\n",
    "deep sigmoid": DIGITS + "network: {depth: 6, width: 32, activation: sigmoid}\n"
    "optimizer: {name: sgd, learning_rate: 0.1}\ntraining: {epochs: 15}\n",
    "deep linear": DIGITS + "network: {hidden: [32, 32], activation: linear}\ntraining: {epochs: 15}\n",
    "200 digits, large network": FEW + "network: {hidden: [256, 256]}\ntraining: {epochs: 30}\n",
    "150 tumours, large network": "data: {source: breast_cancer, split: [0.264, 0.368, 0.368]}\n"
    "network: {hidden: [256, 256]}\noptimizer: {learning_rate: 1e-2}\ntraining: {epochs: 30}\n",
    "regression by heart": DIABETES + "network: {hidden: [64, 64]}\ntraining: {epochs: 60}\n",
    "too much L2": DIGITS + "regularization: {l2: 30}\ntraining: {epochs: 15}\n",
    "too much dropout": DIGITS + "regularization: {dropout: 0.8}\ntraining: {epochs: 10}\n",
    "one batch": DIGITS + "training: {epochs: 15, batch_size: full}\noptimizer: {name: sgd, learning_rate: 0.1}\n",
    "batches of one": WINE + "training: {epochs: 15, batch_size: 1}\noptimizer: {name: sgd, learning_rate: 0.1}\n",
    "linear": IRIS + "network: {hidden: []}\noptimizer: {name: sgd, learning_rate: 0.01}\ntraining: {epochs: 10}\n",
    "nothing wrong": DIGITS + "training: {epochs: 20}\n",
}
TRIALS, SHARE = 200, 4
SEEDS = 5  # of a setting, as the command has them


@dataclass
class Outcome:
    """Mean dev errors over fresh seeds, of the configs that each way ended with; epochs spent."""

    situation: str
    start: float
    best_of_200: float
    deviation: float  # over fresh seeds, of the best of 200
    best_of_50: float
    improved: float
    steps: int
    adopted: int
    epochs: int
    allowed: int
    why: str
    first_helped: bool | None  # whether the first piece of advice was adopted
    gap_start: float  # test − dev of the config as written, mean over fresh seeds
    gap_end: float
    gap_error: float  # standard error of the gap at the start, of the test rows alone

    @property
    def well(self) -> bool:
        """Within one deviation of the best of 200."""
        return self.improved <= self.best_of_200 + self.deviation

    @property
    def against_equal(self) -> str:
        """Beside a random search of as many epochs: better or worse by more than half a deviation, or alike."""
        gap, step = self.improved - self.best_of_50, self.deviation / 2
        return "lost" if gap > step else "won" if gap < -step else "tied"


def measure(folder: Path, config: str, settings: dict[str, Any], seeds: int) -> tuple[list[float], list[float]]:
    """Dev and test errors with fresh seeds; 1 where a training diverged."""
    import nnrun

    written = [f"{key}={json.dumps(value)}" for key, value in settings.items()]
    errors: tuple[list[float], list[float]] = [], []
    for seed in range(10_000, 10_000 + seeds):
        loaded = nnrun.load_config(config, [*written, f"seed={seed}"])
        final = nnrun.train(loaded, folder / "fresh").final
        for part, found in zip(("dev", "test"), errors, strict=True):
            found.append(min(1.0, float(final.get(f"{part}_error") or 0.0)) if final else 1.0)
    return errors


def run(name: str, seeds: int, workers: int) -> Outcome:
    """All ways from one situation."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        config = folder / "config.yaml"
        config.write_text(SITUATIONS[name])
        trials = searched(folder, config, workers)
        allowed = sum(trial["epochs"] or 0 for trial in trials) // SHARE
        found = nnrun_json(folder, "improve", str(config), "--budget", f"{allowed}epochs", "--workers", str(workers))
        ending = found["improvement"]["ending"]
        start, test_start = measure(folder, str(config), {}, seeds)
        many, _ = measure(folder, str(config), best(trials), seeds)
        few, _ = measure(folder, str(config), best(trials[: TRIALS // SHARE]), seeds)
        end, test_end = measure(folder, str(config), ending["end"]["settings"], seeds)
        rows = found["data"]["rows"].get("test", 1)
        mean = statistics.fmean
        share = min(1.0, mean(test_start))
        return Outcome(
            situation=name,
            start=mean(start),
            best_of_200=mean(many),
            deviation=statistics.stdev(many),
            best_of_50=mean(few),
            improved=mean(end),
            steps=ending["tried"],
            adopted=ending["adopted"],
            epochs=ending["epochs"],
            allowed=allowed,
            why=ending["why"],
            first_helped=found["steps"][0]["verdict"] == "adopted" if found["steps"] else None,
            gap_start=mean(test_start) - mean(start),
            gap_end=mean(test_end) - mean(end),
            gap_error=(share * (1 - share) / rows) ** 0.5,
        )


def searched(folder: Path, config: Path, workers: int) -> list[dict[str, Any]]:
    """Random trials around a config, by number."""
    found = nnrun_json(folder, "search", str(config), "--trials", str(TRIALS), "--strategy", "random",
                       "--workers", str(workers))  # fmt: skip
    return sorted(found["records"], key=lambda trial: int(trial["number"]))


PLACEBOS = {
    "digits": DIGITS + "network: {hidden: [16]}\ntraining: {epochs: 4, engine: numpy}\n",
    "iris": IRIS + "network: {hidden: [8]}\ntraining: {epochs: 10, engine: numpy}\n",
    "diabetes": DIABETES + "network: {hidden: [8]}\ntraining: {epochs: 10, engine: numpy}\n",
    "breast_cancer": CANCER + "network: {hidden: [8]}\ntraining: {epochs: 5, engine: numpy}\n",
}


def placebo(text: str, tries: int) -> int:
    """How often a change of the seeds alone is adopted, by the loop's own step."""
    from nnrun.config.load import load_config
    from nnrun.engine.scores import Objective
    from nnrun.improving.budget import Spent
    from nnrun.improving.changes import Base, Change
    from nnrun.improving.loop import Loop
    from nnrun.improving.standing import Ask, Standing, Teller
    from nnrun.insight.diagnosis.origin import Move
    from nnrun.runs.environment import describe
    from nnrun.search.seeds import improve_seed
    from nnrun.search.trials import entry, train_trials

    class Placebo(Loop):
        """Trains each setting with seeds of its own."""

        shift = 0

        def _trained(self, settings: Any, seeds: range) -> Any:
            records = yield [Ask(settings, self.shift + seed) for seed in seeds]
            return Standing(settings, records)

        def course(self) -> Any:
            self.advice.beside = lambda here, change, number: [{}]  # type: ignore[method-assign]
            for number in range(tries):
                self.shift = 2 * number * SEEDS
                here = yield from self._trained({}, range(SEEDS))
                self.shift += SEEDS
                yield from self._step(here, Change("placebo", Move(0, "other seeds", {})))

    config = load_config(None, text=text).config
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        asked: Any = {"budget": "1h", "target": None, "seeds": SEEDS, "config": None, "settings": [], "options": []}
        loop = Placebo(Base(config), asked, [], folder, Teller(), lambda cost, asks: True, Spent)
        course, number = loop.course(), 0
        asks = next(course)
        while True:
            seeds = [improve_seed(config.seed, ask.seed) for ask in asks]
            trials = [{"number": number + k, "values": {}, "config": config.resolved() | {"seed": seed}, "resume": None}
                      for k, seed in enumerate(seeds)]  # fmt: skip
            job: Any = {"folder": place, "cache": str(folder / ".cache"), "continued": False, "here": describe()}
            results = train_trials(job | {"trials": trials})["results"]
            number += len(asks)
            try:
                asks = course.send([entry(result, Objective("dev_error")) for result in results])
            except StopIteration:
                return sum(step["verdict"] == "adopted" for step in loop.steps)


def best(trials: list[dict[str, Any]]) -> dict[str, Any]:
    """The settings of the best trial."""
    done = [trial for trial in trials if trial["metric"] is not None]
    values = min(done, key=lambda trial: (trial["metric"], trial["final"]["dev_loss"]))["values"]
    return {key: value for key, value in values.items() if value is not None}


def nnrun_json(folder: Path, *words: str) -> dict[str, Any]:
    """What a command prints as JSON."""
    import subprocess

    done = subprocess.run([sys.executable, "-m", "nnrun", *words, "--json"], cwd=folder, capture_output=True, text=True,
                          check=False)  # fmt: skip
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise RuntimeError(f"{' '.join(words)}\n{done.stderr}") from None
    return found


def main() -> None:
    """A row a situation, and what they come to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", action="append", choices=SITUATIONS, help="only this situation; repeatable")
    parser.add_argument("--seeds", type=int, default=10, metavar="N", help="fresh ones; default: %(default)s")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="default: %(default)s")
    parser.add_argument("--jsonl", type=Path, metavar="FILE", help="add each outcome to a file")
    parser.add_argument("--placebo", type=int, metavar="N", help="only that: N changes of the seed alone, a data set")
    parser.add_argument("--as-is", action="store_true", help="with this shell's threads and BLAS kernel")
    asked = parser.parse_args()
    if not asked.as_is:
        restart_cleaned()
    if asked.placebo:
        for name, text in PLACEBOS.items():
            print(f"{name}: a change of the seed alone is adopted in {placebo(text, asked.placebo)} of {asked.placebo}")
        return
    print("| situation | start | improve | best of 200 | best of 50 | steps | epochs | ended by | well | beside 50 |")
    print("| --- | --: | --: | --: | --: | --: | --: | --- | --- | --- |")
    outcomes = []
    for name in asked.only or SITUATIONS:
        one = run(name, asked.seeds, asked.workers)
        outcomes.append(one)
        print(row(one), flush=True)
        if asked.jsonl:
            with asked.jsonl.open("a") as file:
                file.write(json.dumps(asdict(one)) + "\n")
    print(summary(outcomes))


def row(one: Outcome) -> str:
    """Markdown."""
    errors = [one.start, one.improved, one.best_of_200, one.best_of_50]
    told = [f"{100 * error:.1f}" for error in errors]
    told[2] += f" ± {100 * one.deviation:.1f}"
    cells = [one.situation, *told, f"{one.adopted} of {one.steps}", f"{one.epochs:,} of {one.allowed:,}", one.why,
             "yes" if one.well else "no", one.against_equal]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def summary(outcomes: list[Outcome]) -> str:
    """The shares that are promised."""
    n = len(outcomes)
    well, worse = sum(one.well for one in outcomes), sum(one.improved > one.start for one in outcomes)
    words = [one.against_equal for one in outcomes]
    helped = [one.first_helped for one in outcomes if one.first_helped is not None]
    start, end = (
        [100 * gap for gap in gaps] for gaps in zip(*((o.gap_start, o.gap_end) for o in outcomes), strict=True)
    )
    error = statistics.stdev(start) / n**0.5 if n > 1 else float("nan")
    return "\n".join([
        "",
        f"ended well: {well} of {n}; beside a random search of as many epochs: {words.count('won')} won, "
        f"{words.count('tied')} tied, {words.count('lost')} lost; ended worse than it began: {worse}",
        f"the first advice helped in {sum(helped)} of {len(helped)}; test − dev: {statistics.fmean(start):+.1f} ± "
        f"{1.96 * error:.1f} points at the start, {statistics.fmean(end):+.1f} at the end, mean over the situations",
    ])  # fmt: skip


if __name__ == "__main__":
    main()
