"""What may become a member: runs that are over, of one data set and one split, and what each says of a part of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nnrun.data.dataset import Dataset, load_dataset
from nnrun.data.fitted import Fitted
from nnrun.engine.parameters import Array
from nnrun.errors import UsageError
from nnrun.files import checksum, sha256_of
from nnrun.installation import command, elsewhere
from nnrun.models.ensembling.selection import Panel
from nnrun.models.model import load_model
from nnrun.runs.assembly import examples, make_loss
from nnrun.runs.checkpoints import why_dropped
from nnrun.runs.finding import listing
from nnrun.runs.judge import weights_of
from nnrun.runs.kinds import kind_of, with_article
from nnrun.runs.members import FOLDS, has_members, members_of, read_ensemble
from nnrun.runs.moving import told_if_gone
from nnrun.runs.preparing import CACHE, require_own
from nnrun.runs.records import TRAINED
from nnrun.runs.rundir import DATA, RunDir
from nnrun.runs.stored import StoredRun
from nnrun.text import shown_name

Stretch = tuple[str, slice]  # rows of a part


@dataclass(frozen=True, eq=False)
class Candidate:
    """A run, where it came from, and how much it counts beside others where nobody chooses."""

    run: StoredRun
    id: str
    share: float = 1.0


def of_runs(runs: Sequence[RunDir]) -> tuple[list[Candidate], list[str]]:
    """The candidates that are named, ensembles among them by their members; and what is to be told of that.

    Raises UsageError for a run that is named twice, or cannot be a member.
    """
    places = [run.path.resolve() for run in runs]
    for k, place in enumerate(places):
        if place in places[:k]:
            raise UsageError(f"{runs[k].id} is named twice; an ensemble has each run once, and --greedy finds weights")
    found, notes = [], []
    for run in runs:
        if not has_members(run):
            found.append(_single(run))
            continue
        inside = _members(run)
        found += inside
        notes.append(f"{run.id} is an ensemble: its {len(inside)} members take its place, with its weight shared out")
    merged = _merged(found, notes)
    if len(merged) == 1 < len(found):
        raise UsageError(f"{runs[0].id} and {runs[1].id} are one network, bit for bit; together they say what one says")
    return merged, notes


def _members(run: RunDir) -> list[Candidate]:
    record = read_ensemble(run)
    if record["how"] == FOLDS:
        raise UsageError(
            f"{StoredRun(run).name} is a cross-validation, whose folds have a split each, and is their ensemble "
            "already; members of another one need one split"
        )
    told = zip(members_of(run), record["members"], record["weights"], strict=True)
    return [Candidate(_ended(one), known.get("id", one.id), w) for one, known, w in told if w]


def _merged(candidates: Sequence[Candidate], notes: list[str]) -> list[Candidate]:
    """The candidates, copies of one network as one, which counts as much as all of them."""
    found: dict[str, Candidate] = {}
    for one in candidates:
        directory = one.run.directory
        same = sha256_of(directory.checkpoint("best")) + checksum(directory.read(DATA))
        if same in found:
            notes.append(f"{one.id} is there more than once, and counts as often")
            one = replace(found[same], share=found[same].share + one.share)
        found[same] = one
    return list(found.values())


def of_trials(trials: Sequence[RunDir]) -> list[Candidate]:
    """Trials of a search, all of which have a result; UsageError where the checkpoint of one was pruned."""
    return [one for run in trials for one in (_members(run) if has_members(run) else [_single(run)])]


def _single(run: RunDir) -> Candidate:
    return Candidate(_ended(run), StoredRun(run).name)


def _ended(run: RunDir) -> StoredRun:
    """A run that came to its end and has its checkpoint; UsageError for any other."""
    found = StoredRun(run)
    if found.is_search:
        raise UsageError(
            f"{run.id} is {with_article(kind_of(run))}; name it alone, with --top N or --greedy N, or name runs of it"
        )
    going_on = command("resume", str(run.path))
    why = {
        **dict.fromkeys(TRAINED, "is still training; wait for its end"),
        "diverged": "diverged, and what it came to before that is no result",
        "interrupted": f"was interrupted; `{going_on}` trains it to its end",
        "failed": f"failed ({found.written.get('error')}); `{going_on}` trains it to its end",
    }
    if found.status in why:
        raise UsageError(f"{found.name} cannot be a member: it {why[found.status]}")
    if pruned := why_dropped(run):
        again = command("ensemble", "RUN", "RUN…")
        raise UsageError(f"{found.name}: {pruned}, as a run that `{again}` takes")
    if not run.checkpoint("best").exists():
        raise UsageError(f"{found.name} cannot be a member: its best checkpoint is not there")
    return found


def require_several(candidates: Sequence[Candidate], root: Path) -> None:
    """UsageError where there is nothing to pool."""
    if len(candidates) > 1:
        return
    seeds = command("ensemble", candidates[0].run.name if candidates else "RUN", "--seeds", "5", *elsewhere(root))
    raise UsageError(
        f"an ensemble has two members or more; `{listing(root)}` shows the runs that there are, `{seeds}` trains "
        "several networks of one config"
    )


def require_alike(candidates: Sequence[Candidate]) -> None:
    """UsageError unless all learned the same rows to say the same thing, with the first difference."""
    first = candidates[0]
    for other in candidates[1:]:
        for what, old, new in _differences(first.run.data, other.run.data):
            raise UsageError(
                f"{other.id} has another {what} than {first.id}: {new} instead of {old}; members of an ensemble need "
                "one data set, one split and one target"
            )


def require_dev(candidates: Sequence[Candidate]) -> None:
    """UsageError where the rows to choose by were trained on: most would be taken who learned them by heart."""
    for one in candidates:
        if one.run.config.data.without_dev:
            raise UsageError(
                f"{one.id} was trained on all rows (data.fold: all), so that none are left to choose by; named one by "
                "one, without --greedy, such runs are pooled with equal weights"
            )


def require_rows(panel: Panel) -> None:
    """UsageError where dev has a single row: held back to measure by, it leaves none to choose by."""
    if len(panel) < 2:
        raise UsageError(
            "dev has a single row, and what is chosen by rows must be measured on others; give dev more (data.split)"
        )


def require_metric(candidates: Sequence[Candidate]) -> str:
    """The metric by which all judged their epochs; UsageError where they do not agree."""
    first = candidates[0]
    for other in candidates[1:]:
        if (old := first.run.config.metrics.primary) != (new := other.run.config.metrics.primary):
            raise UsageError(
                f"{other.id} has another metrics.primary than {first.id}: {new} instead of {old}; what is chosen by "
                "dev needs one metric"
            )
    return first.run.config.metrics.primary


def _differences(one: Fitted, other: Fitted) -> Iterator[tuple[str, str, str]]:
    """What, in the first, in the other."""
    if one.target.name != other.target.name:
        yield "target", shown_name(one.target.name), shown_name(other.target.name)
    if one.task != other.task:
        yield "task", one.task, other.task
    files = [[(file["part"], file["sha256"]) for file in data.files] for data in (one, other)]
    if files[0] != files[1]:
        yield "data set", _files(one), _files(other)
    if one.classes != other.classes:
        same = sorted(one.classes or ()) == sorted(other.classes or ())
        yield "order of classes" if same else "set of classes", _names(one), _names(other)
    if not one.same_rows(other):
        yield "split", _split(one), _split(other)
    if one.weights != other.weights:
        yield "weight of rows", _weights(one), _weights(other)
    if one.target.transform != other.target.transform:
        yield "data.target_transform", one.target.transform or "none", other.target.transform or "none"
    if (one.target.mean, one.target.deviation) != (other.target.mean, other.target.deviation):
        yield "scale of the target", f"{one.target.deviation:g}", f"{other.target.deviation:g}"


def _files(data: Fitted) -> str:
    return ", ".join(f"{file['name']} ({file['rows']:,} rows, {file['sha256'][:8]})" for file in data.files)


def _names(data: Fitted) -> str:
    return ", ".join(map(shown_name, data.classes or ()))


def _weights(data: Fitted) -> str:
    if data.weights is None:
        return "none"
    classes = data.weights["classes"]
    by_class = ", ".join(f"{name}: {weight:g}" for name, weight in classes.items()) if isinstance(classes, dict) else ""
    stated = {"data.weight": data.weights["column"], "data.class_weight": f"{{{by_class}}}" if by_class else classes}
    return " and ".join(f"{key} {value}" for key, value in stated.items() if value)


def _split(data: Fitted) -> str:
    sizes = ", ".join(f"{count:,} {part}" for part, count in data.split["sizes"].items())
    seed = data.split["seed"]
    return f"{data.split['rule']}, {sizes}" + ("" if seed is None else f", seed {seed}")


class Reader:
    """Lets candidates speak, one after the other; none stays in memory, data sets are read once for all of them."""

    def __init__(self, root: Path) -> None:
        self.cache = root / CACHE
        self._sets: dict[tuple[str, str], Dataset] = {}

    def dataset(self, run: StoredRun) -> Dataset:
        """What a run learned from; DataError where that is no longer there."""
        config = run.config
        key = config.data.model_dump_json(), config.training.dtype
        if key not in self._sets:
            with told_if_gone(run):
                self._sets[key] = load_dataset(config.data, config.training.dtype, self.cache)
        require_own(run, self._sets[key])
        return self._sets[key]

    def says(self, run: StoredRun, stretches: Sequence[Stretch]) -> Iterator[Array]:
        """Logits `(rows, width)` of each stretch, as the network has them."""
        model, dataset = replace(load_model(run), temperature=1.0), self.dataset(run)  # a member has none in the pool
        for part, among in stretches:
            x = dataset.parts[part].x[among]
            found = np.empty((len(x), model.loss.width), model.dtype)
            for rows, logits in model.logits(x):
                found[rows] = logits
            yield found

    def panel(self, candidates: Sequence[Candidate], metric: str) -> Panel:
        """What all of them say of the dev set."""
        run = candidates[0].run
        dataset = self.dataset(run)
        dev, target, loss = examples(dataset, "dev"), dataset.fitted.target, make_loss(run.config, dataset)
        dtype = max(one.run.config.training.dtype for one in candidates)
        predicted = np.empty((len(candidates), len(dev.y), len(target.classes or [0])), dtype)
        for k, one in enumerate(candidates):
            (logits,) = self.says(one.run, [("dev", slice(None))])
            predicted[k] = loss.predict(logits)
        scale = dev.error_scale / dev.total
        groups = dataset.parts["dev"].groups
        return Panel(predicted, dev.y, loss, metric, weights_of(dev), scale, target.own, groups)
