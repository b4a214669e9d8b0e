"""A large CSV file from text to a trained network: nnrun beside pandas and scikit-learn, each in a process of its own.

The script writes `--rows` rows of `--columns` columns, numbers of six decimals and a class that depends on three of
them, and measures in turns, repeat after repeat:

- read:    pandas.read_csv of the file and nothing else, the call alone;
- prepare: what nnrun does with it before it trains: read and check it, find out what the columns hold, split it, learn
           means and deviations from the training part, write the standardised float32 arrays and map them; the call
           alone, its cache empty. nnrun uses two threads for this, and its compiled reader where the extra `fast` is;
- train:   `nnrun train` as a command, from its start to its end, the cache empty;
- again:   the same command once more, which finds the arrays in the cache;
- peer:    a script with pandas.read_csv, train_test_split, StandardScaler and MLPClassifier from its start to its end:
           the same split in sizes, layers, batch size, learning rate, L2 of 0 and epochs, and its errors on train and
           dev after the last epoch. nnrun measures both after every epoch.

Time is that of the clock and of the processor, a median each; the second says more where others use the machine.
RssAnon is what a process claims for itself, sampled every 10 ms, the largest of all repeats.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from environment import numpy_kernel, restart_cleaned

HIDDEN, BATCH, RATE = 32, 256, 0.001

TIMED = """
import json, sys, time
{imports}
seconds, processor = time.perf_counter(), time.process_time()
{work}
print(json.dumps([time.perf_counter() - seconds, time.process_time() - processor]))
"""
READ = TIMED.format(imports="import pandas", work="pandas.read_csv(sys.argv[1])")
PREPARE = TIMED.format(
    imports="""
from pathlib import Path
import pandas
from nnrun.config.data_section import Data
from nnrun.data.dataset import load_dataset
""",
    work="load_dataset(Data(source=sys.argv[1], target='y'), 'float32', Path(sys.argv[2]))",
)
PEER = f"""
import sys, warnings
import pandas
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

frame = pandas.read_csv(sys.argv[1])
x, y = frame.drop(columns="y").to_numpy("float32"), frame["y"].to_numpy()
train, dev = train_test_split(range(len(x)), test_size=0.2, stratify=y, random_state=0)
network = MLPClassifier(
    ({HIDDEN},), batch_size={BATCH}, learning_rate_init={RATE}, alpha=0.0, max_iter=int(sys.argv[2]), random_state=0
)
model = make_pipeline(StandardScaler(), network)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # that it has not converged
    model.fit(x[train], y[train])
print(1 - model.score(x[train], y[train]), 1 - model.score(x[dev], y[dev]))
"""


@dataclass
class Spent:
    """What a process took: seconds of the clock and of the processor, bytes of its own memory at most."""

    seconds: float
    processor: float
    anonymous: int


def watched(command: list[str], call_alone: bool) -> Spent:
    """Run a command; of `call_alone` it prints itself what its call took."""
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        anonymous = 0
        while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
            with suppress(OSError, StopIteration):
                lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
                anonymous = max(anonymous, 1024 * next(int(x.split()[1]) for x in lines if x.startswith("RssAnon")))
            time.sleep(0.01)
        seconds, usage = time.perf_counter() - began, ended[2]
        process.returncode = os.waitstatus_to_exitcode(ended[1])
        output = process.stdout.read() if process.stdout else b""
    if process.returncode:
        raise SystemExit(f"{' '.join(command)[:200]} ended with {process.returncode}")
    if call_alone:
        return Spent(*json.loads(output), anonymous)
    return Spent(seconds, usage.ru_utime + usage.ru_stime, anonymous)


def write_csv(path: Path, rows: int, columns: int) -> None:
    """The made table."""
    import numpy as np
    import pandas as pd

    draw = np.random.default_rng(0)
    x = draw.normal(size=(rows, columns - 1))
    frame = pd.DataFrame(x.round(6), columns=[f"f{number}" for number in range(columns - 1)])
    frame["y"] = (x[:, :3].sum(axis=1) + draw.normal(size=rows) > 0).astype(int)
    frame.to_csv(path, index=False)


def rows_of_table(source: Path, folder: Path, epochs: int) -> dict[str, Callable[[], Spent]]:
    """What is measured, by its name, in order."""
    runs, cache = folder / "runs", folder / "cache"
    config = folder / "config.yaml"
    config.write_text(
        f"data: {{source: {source}, target: y, split: [0.8, 0.2, 0]}}\n"
        f"network: {{hidden: [{HIDDEN}]}}\noptimizer: {{learning_rate: {RATE}}}\n"
        f"training: {{batch_size: {BATCH}, epochs: {epochs}}}\n"
    )
    train = [sys.executable, "-m", "nnrun", "train", str(config), "-q", "--runs", str(runs)]

    def emptied(folder: Path, command: list[str], call_alone: bool) -> Spent:
        shutil.rmtree(folder, ignore_errors=True)
        return watched(command, call_alone)

    return {
        "read": lambda: watched([sys.executable, "-c", READ, str(source)], True),
        "prepare": lambda: emptied(cache, [sys.executable, "-c", PREPARE, str(source), str(cache)], True),
        "train": lambda: emptied(runs, train, False),
        "again": lambda: watched(train, False),
        "peer": lambda: watched([sys.executable, "-c", PEER, str(source), str(epochs)], False),
    }


TOLD = {
    "read": "pandas.read_csv",
    "prepare": "nnrun, read and prepared",
    "train": "`nnrun train`",
    "again": "`nnrun train` again",
    "peer": "pandas and scikit-learn",
}


def medians(found: dict[str, list[Spent]]) -> dict[str, Spent]:
    """Of each, and the most memory."""
    return {
        name: Spent(
            statistics.median(spent.seconds for spent in all_of),
            statistics.median(spent.processor for spent in all_of),
            max(spent.anonymous for spent in all_of),
        )
        for name, all_of in found.items()
    }


def table(found: dict[str, Spent]) -> str:
    """Markdown; ratios are of prepare to read, and of train to peer."""
    lines = [
        f"| {TOLD[name]} | {spent.seconds:.1f} | {spent.processor:.1f} | {spent.anonymous / 1e6:,.0f} MB |"
        for name, spent in found.items()
    ]
    ratios = [
        f"{TOLD[one]} / {TOLD[other]}: {found[one].seconds / found[other].seconds:.2f} of the clock, "
        f"{found[one].processor / found[other].processor:.2f} of the processor"
        for one, other in (("prepare", "read"), ("train", "peer"))
    ]
    return "\n".join(["| | s | s of CPU | RssAnon |", "| --- | --: | --: | --: |", *lines, "", *ratios])


def main() -> None:
    """Measure in a folder that is removed afterwards."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print every figure and nothing else on stdout")
    asked = parser.parse_args()
    restart_cleaned()
    with tempfile.TemporaryDirectory(prefix="nnrun-benchmark-") as temporary:
        folder = Path(temporary)
        source = folder / "big.csv"
        write_csv(source, asked.rows, asked.columns)
        measured = rows_of_table(source, folder, asked.epochs)
        found: dict[str, list[Spent]] = {name: [] for name in measured}
        for repeat in range(asked.repeats):
            for name, measure in measured.items():
                print(f"{repeat + 1} of {asked.repeats}: {name}", file=sys.stderr, flush=True)
                found[name].append(measure())
    if asked.json:
        print(json.dumps({name: [asdict(spent) for spent in all_of] for name, all_of in found.items()}, indent=2))
    else:
        print(f"{numpy_kernel()}\n\n{table(medians(found))}")


if __name__ == "__main__":
    main()
