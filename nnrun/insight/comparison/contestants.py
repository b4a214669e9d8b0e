"""The runs that are compared, each with a letter, and whether their errors can be compared at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from string import ascii_uppercase

from nnrun.config.values import Settings
from nnrun.engine.scores import usual_loss
from nnrun.errors import UsageError
from nnrun.files import identity
from nnrun.machine.lazily import cached_property
from nnrun.runs.finding import find_run, listing, search_of, trial_of
from nnrun.runs.known_rows import why_known
from nnrun.runs.lineage import Change, fork_of, nudges, parent_of, trained_by
from nnrun.runs.members import has_members, is_gathered, read_ensemble
from nnrun.runs.records import RunRecord, numbers
from nnrun.runs.stored import StoredRun, lacks_record, record_of
from nnrun.runs.verdict import SURE, error_kind
from nnrun.search.ledger import Ledger
from nnrun.search.record import best_of, ranked
from nnrun.text import PARTS, part_and_name

COMPARED_FACTS = ("status", "epochs", "best_epoch", "seconds")  # that are compared beside the numbers of the best epoch
WEIGHTS = ("data.weight", "data.class_weight")  # keys, or what they begin with
WEIGHED, TRANSFORMED = "weights of examples", "transforms of the target"
DATA, DEV_SETS = "data", "dev sets"
LOSSES = "losses"  # which set runs apart where they decide
MEASURED_ON = ("all", "dev", "test")  # files that errors of dev and test come from


@dataclass(frozen=True)
class Contestant:
    """A run that is compared."""

    label: str  # A, B, …
    run: StoredRun

    @property
    def name(self) -> str:
        """The run's name as it is typed."""
        return self.run.name

    @cached_property
    def record(self) -> RunRecord:
        """What it came to."""
        return record_of(self.run)

    @cached_property
    def settings(self) -> Settings:
        """The run's config by dotted key."""
        return self.run.settings

    @property
    def metrics(self) -> Settings:
        """The facts, and each number of the best epoch."""
        final = self.record.get("final") or {}
        numbers = {key: value for key, value in final.items() if isinstance(value, (int, float)) and SURE not in key}
        if not self.kind:  # one scale that runs have in common whose rows count differently
            numbers |= {f"{part}_plain_error": numbers[key] for part in PARTS if (key := f"{part}_error") in numbers}
        return {**numbers, **{key: self.record.get(key) for key in COMPARED_FACTS}}

    @property
    def kind(self) -> str:
        """What its errors are, see `error_kind`."""
        return error_kind(self.record["data"])

    @property
    def without_dev(self) -> bool:
        """Whether it was trained on all rows, so that nothing of it was measured on others but test."""
        return self.settings.get("data.fold") == "all"

    @property
    def primary(self) -> str:
        """The number that decides: dev_ and `metrics.primary`."""
        return f"dev_{self.settings.get('metrics.primary', 'error')}"

    @property
    def loss(self) -> str:
        """What its losses are of."""
        name = str(self.settings.get("training.loss", "auto"))
        return usual_loss(self.run.data.document.get("task", "classification")) if name == "auto" else name

    def curve(self, key: str = "dev_error") -> list[float | None]:
        """A number of each epoch; None where it was not finite or nothing was, or the epoch is one of its parent's."""
        rows = [] if self.without_dev and part_and_name(key)[0] == "dev" else self.run.rows
        before = int(rows[0]["epoch"]) - 1 if rows else 0
        return [*[None] * before, *(numbers(row).get(key) for row in rows)]

    @cached_property
    def parent(self) -> StoredRun | None:
        """The run that it continues, as long as that is there."""
        return parent_of(self.run)

    @cached_property
    def changes(self) -> list[Change]:
        """What it changed when it left its parent."""
        return fork_of(self.run, self.parent)

    @cached_property
    def nudges(self) -> int:
        """How often it was changed while it trained."""
        return nudges(self.run.events)

    @property
    def gathered(self) -> bool:
        """Whether it is an ensemble of runs that had ended before."""
        return is_gathered(self.record)

    @cached_property
    def rivals(self) -> int:
        """Among how many it was chosen for its dev error; 0 where it was not.

        Trials of a search, itself among them; of an ensemble the candidates from which its members were taken.
        """
        if self.gathered:
            directory = self.run.directory
            chosen_by = read_ensemble(directory).get("dev") if has_members(directory) else None
            return chosen_by["candidates"] if chosen_by else 0
        if (search := search_of(self.run.directory)) is None:
            return 0
        ledger = Ledger.of(search).path
        best, trials = _best_of(ledger, identity(ledger))
        if trials < 2:
            return 0
        chosen, trial = self.record.get("chosen"), trial_of(search.path, best)
        copied = chosen is not None and chosen["trial"] == best
        return trials if copied or self.run.path.resolve() == trial.path.resolve() else 0

    @cached_property
    def trained_by(self) -> list[tuple[Path, int]]:
        """The runs that trained its epochs, see `lineage.trained_by`."""
        return trained_by(self.run)

    @cached_property
    def files(self) -> dict[str, str]:
        """Content hash of the file of each part."""
        return {file["part"]: file["sha256"] for file in self.record["data"]["files"]}

    @cached_property
    def measured_on(self) -> dict[str, str]:
        """What errors depend on besides the network, in the order in which a difference is told."""
        document = self.run.data.document  # of an early run, which may lack a key
        target, split = document.get("target"), document.get("split")
        weights = {key: value for key, value in self.settings.items() if key.startswith(WEIGHTS)}
        folds = self.settings.get("data.folds")
        if folds and self.settings.get("data.time") is None:
            folds = "all"  # each row is in one dev set, however many there are
        return {
            DATA: str([self.files.get(part) for part in MEASURED_ON]),
            "targets": str(target.get("name") if target else None),
            TRANSFORMED: str(target.get("transform") if target else None),
            DEV_SETS: ("a file" if "dev" in self.files else str(split.get("sha256") if split else None))
            + (f" in {folds} folds" if folds else "")
            + (", all of which train" if self.without_dev else ""),
            WEIGHED: str([item for item in weights.items() if item[1] is not None]),
        }

    @property
    def data_name(self) -> str:
        """The bundled name or the files."""
        return ", ".join(dict.fromkeys(str(file["name"]) for file in self.record["data"]["files"]))

    @property
    def data_content(self) -> str:
        """The files that errors come from with what tells one from another of its name, as of one that was changed."""
        files = (file for file in self.record["data"]["files"] if file["part"] in MEASURED_ON)
        return ", ".join(f"{of['name']} with {of['rows']:,} rows and checksum {of['sha256'][:8]}" for of in files)


def contestants(root: Path, references: Sequence[str]) -> list[Contestant]:
    """The runs that are meant, of a search its best.

    Raises UsageError for fewer than two, for one that is not there, named twice, or for a search without a result.
    """
    if len(references) < 2:
        raise UsageError(f"compare needs two runs or more; `{listing(root)}` shows them")
    found: dict[Path, Contestant] = {}
    for label, reference in zip(_labels(), references, strict=False):
        run = StoredRun(find_run(root, reference))
        if run.is_search:
            run = run.best or _best_so_far(run, reference)
        if (path := run.path.resolve()) in found:
            earlier = references[list(found).index(path)]
            what = "is named twice" if earlier == reference else f"and {earlier} are the same run"
            raise UsageError(f"{reference} {what}, {found[path].name}; name two different ones")
        found[path] = Contestant(label, run)
        _refuse_damaged(found[path])
    return list(found.values())


def _best_so_far(search: StoredRun, reference: str) -> StoredRun:
    """Of a search that has not closed, the best of the trials that it has finished until now."""
    best = best_of(Ledger.of(search.directory).read_whole())
    if best is None:
        raise UsageError(f"{reference}: this search has no finished trial yet, so there is nothing to compare")
    return StoredRun(trial_of(search.path, best["number"]))


def _refuse_damaged(contestant: Contestant) -> None:
    try:
        _ = contestant.settings, contestant.metrics, contestant.measured_on, contestant.data_name
    except (KeyError, TypeError, AttributeError) as error:
        raise lacks_record(contestant.run) from error


def _labels() -> Iterator[str]:
    """A to Z, then AA, AB, …"""
    yield from ascii_uppercase
    for first in ascii_uppercase:
        yield from (first + second for second in ascii_uppercase)


@lru_cache(maxsize=1)
def _best_of(ledger: Path, as_it_is: object) -> tuple[int, int]:
    """The number of the best trial, and among how many it is; read once for all trials of a search."""
    records = ranked(Ledger(ledger).read()[0])
    return (records[0]["number"] if records else 0), len(records)


def errors_of(transform: str | None) -> str:
    """What a run's errors are of, by the transform of the target that it is measured on."""
    return f"errors of the {'value' if transform == str(None) else transform}"


def is_loss(key: str) -> bool:
    """Whether a number is a loss, which runs have in common that were trained by the same one."""
    return key.endswith("_loss") or key == "cost"


def incomparable(runs: Sequence[Contestant]) -> str | None:
    """Why errors of these runs cannot be compared, and which runs are of a kind; None if they can."""
    losses = [{LOSSES: run.loss} if is_loss(runs[0].primary) else {} for run in runs]
    measured = [{**run.measured_on, **loss} for run, loss in zip(runs, losses, strict=True)]
    for what in measured[0]:
        kinds: dict[str, list[Contestant]] = {}
        for run, on in zip(runs, measured, strict=True):
            kinds.setdefault(on[what], []).append(run)
        if len(kinds) > 1:
            told = _kinds(what, list(kinds.values()))
            return f"different {what}, so their errors cannot be compared: {told}"
    known = [run.label for run in runs if why_known(run.run)]
    told = "networks that may know rows of dev and test, so their errors cannot be compared"
    return f"{told}: {', '.join(known)}" if known else None


def _kinds(what: str, kinds: Sequence[Sequence[Contestant]]) -> str:
    """The runs of each kind by their letters, with what tells them apart, where names do."""
    names = [_kind(what, of[0]) for of in kinds]
    if what == DATA and len(set(names)) < len(names):
        names = [of[0].data_content for of in kinds]
    told = [f" ({name})" if len(set(names)) > 1 else "" for name in names]
    return "; ".join(f"{', '.join(run.label for run in of)}{name}" for of, name in zip(kinds, told, strict=True))


def _kind(what: str, run: Contestant) -> str:
    if what == TRANSFORMED:
        return errors_of(run.measured_on[what])
    if what == LOSSES:
        return run.loss
    if what == DEV_SETS and run.without_dev:
        return "none, all rows train"
    return f"{run.kind or 'plain'} errors" if what == WEIGHED else run.data_name
