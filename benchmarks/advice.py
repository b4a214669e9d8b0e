"""Whether the advice of `nnrun diagnose` helps: dev error before, and after each of its commands, run as printed.

Each situation is a config with one thing wrong. For every seed it is trained, diagnosed, and each `nnrun train` command
of the recipe is run in a shell, but for those that change the seed or the sets alone. A figure is the median over the
seeds, each at its best epoch; what only some seeds were advised is compared with the dev errors of these seeds.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SITUATIONS = {
    "too small, too short": "data: {source: digits}\nnetwork: {hidden: [3]}\ntraining: {epochs: 5}\n",
    "too small": "data: {source: digits}\nnetwork: {hidden: [4, 2]}\ntraining: {epochs: 60}\n",
    "too short": "data: {source: digits}\nnetwork: {hidden: [32]}\ntraining: {epochs: 3}\n",
    "150 tumours, large network": "data: {source: breast_cancer, split: [0.264, 0.368, 0.368]}\n"
    "network: {hidden: [512, 512]}\noptimizer: {learning_rate: 1e-2}\ntraining: {epochs: 60}\n",
    "200 digits, large network": "data: {source: digits, split: [0.112, 0.444, 0.444]}\n"
    "network: {hidden: [256, 256]}\ntraining: {epochs: 40}\n",
    "200 digits, mild L2": "data: {source: digits, split: [0.112, 0.444, 0.444]}\nnetwork: {hidden: [256, 256]}\n"
    "regularization: {l2: 0.1}\ntraining: {epochs: 40}\n",
    "rate too low": "data: {source: digits}\noptimizer: {name: sgd, learning_rate: 1e-3}\ntraining: {epochs: 20}\n",
    "rate too high": "data: {source: digits}\noptimizer: {name: adam, learning_rate: 0.3}\ntraining: {epochs: 20}\n",
    "diverged": "data: {source: diabetes}\noptimizer: {name: sgd, learning_rate: 5}\ntraining: {epochs: 20}\n",
    "too much L2": "data: {source: digits}\nregularization: {l2: 30}\ntraining: {epochs: 30}\n",
    "too much dropout": "data: {source: digits}\nregularization: {dropout: 0.8}\ntraining: {epochs: 10}\n",
    "deep sigmoid": "data: {source: digits}\nnetwork: {depth: 6, width: 32, activation: sigmoid}\n"
    "optimizer: {name: sgd, learning_rate: 0.1}\ntraining: {epochs: 20}\n",
    "weights at zero": "data: {source: digits}\nnetwork: {init: zeros}\noptimizer: {name: sgd, learning_rate: 0.1}\n"
    "training: {epochs: 20}\n",
    "not normalised": "data: {source: breast_cancer, normalize: none}\nnetwork: {hidden: [16]}\n"
    "optimizer: {name: sgd, learning_rate: 0.01}\ntraining: {epochs: 30}\n",
    "regression by heart": "data: {source: diabetes}\nnetwork: {hidden: [64, 64]}\ntraining: {epochs: 100}\n",
}
MOST = 999.9  # per cent; what has diverged may be wrong beyond all measure


@dataclass
class Tried:
    """One piece of advice: where it stood, and the dev error before and after it, one a seed."""

    setting: str
    places: list[int] = field(default_factory=list)
    before: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)


def nnrun(line: str, folder: Path) -> Any:
    """What a command prints as JSON; a run that diverges prints it too."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", f"{line} --json"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise RuntimeError(f"{line}\n{done.stderr}") from None


def dev_error(result: Any) -> float:
    """At the best epoch; a run that never had one counts as all wrong."""
    return float(result["final"].get("dev_error", 1.0)) if result["final"] else 1.0


def try_out(name: str, seeds: int) -> tuple[dict[str, list[str]], list[Tried]]:
    """Train, diagnose, follow: the verdicts by kind, and each piece of advice, the first one first."""
    tried: dict[str, Tried] = {}
    verdicts: dict[str, list[str]] = {"bias": [], "variance": []}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "config.yaml").write_text(SITUATIONS[name])
        for seed in range(seeds):
            before = dev_error(nnrun(f"nnrun train config.yaml --set seed={seed}", folder))
            found = nnrun("nnrun diagnose", folder)
            for kind, words in verdicts.items():
                words.append(found["verdict"][kind])
            commands = [advice["command"] for advice in found["next"]]
            for place_, command in enumerate(commands, start=1):
                if command.startswith("nnrun train") and setting(command):
                    one = tried.setdefault(setting(command), Tried(setting(command)))
                    one.places.append(place_)
                    one.before.append(before)
                    one.after.append(dev_error(nnrun(command, folder)))
    return verdicts, sorted(tried.values(), key=lambda one: (statistics.median(one.places), -len(one.places)))


def setting(command: str) -> str:
    """What a command changes of the training; nothing if it changes the seed or the sets alone."""
    words = shlex.split(command)
    of_sets = ("seed=", "data.split", "data.folds")
    return " ".join(word for word in words if "=" in word and not word.startswith(of_sets))


def table(name: str, verdicts: dict[str, list[str]], tried: list[Tried]) -> str:
    """Markdown rows of a situation."""
    judged = ", ".join(f"{kind} {statistics.mode(words)}" for kind, words in verdicts.items())
    lines = []
    for one in tried:
        before, after = (min(100 * statistics.median(errors), MOST) for errors in (one.before, one.after))
        better = sum(a < b for a, b in zip(one.after, one.before, strict=True))
        lines.append(
            f"| {name} | {judged} | {statistics.median(one.places):g} | `{one.setting}` | {before:.1f} → {after:.1f} | "
            f"{better} of {len(one.after)} |"
        )
        name = judged = ""
    return "\n".join(lines)


def main() -> None:
    """Go through the situations and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", action="append", choices=SITUATIONS, help="only this situation; repeatable")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="default: %(default)s")
    asked = parser.parse_args()
    print("| situation | verdict | place | advice | dev error, % | better |\n| --- | --- | --: | --- | --- | --- |")
    for name in asked.only or SITUATIONS:
        print(table(name, *try_out(name, asked.seeds)), flush=True)


if __name__ == "__main__":
    main()
