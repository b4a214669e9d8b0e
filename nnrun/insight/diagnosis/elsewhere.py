"""The verdict on a training of another tool, by its curves alone: the same rules, and what to measure for the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TypedDict, cast

from nnrun.config.config import Config
from nnrun.config.dump import one_line
from nnrun.config.overrides import configured, value_at
from nnrun.insight.diagnosis.histories import History, read_history
from nnrun.insight.diagnosis.origin import Move
from nnrun.insight.diagnosis.recipe import MOST, REMEDIES, WORTH_SAYING, ranked
from nnrun.insight.diagnosis.telling import Document, as_json, explanation, ladder, measured_by
from nnrun.runs.records import Row, finite_values
from nnrun.runs.symptoms import shapes
from nnrun.runs.symptoms.evidence import Evidence
from nnrun.runs.symptoms.thresholds import QUARTERED
from nnrun.runs.verdict import HIGH, Verdict, judge, summary
from nnrun.text import all_of, counted, set_name, shown_name, wrapped

# What a shape alone asks for, where there are no errors to judge.
BY_SHAPE = {
    "jumping": ("lower rate", "decay", "clipping"),
    "dev turned": ("L2", "dropout", "early stopping"),
    "still falling": ("longer",),
}
L2 = "regularization.l2"
USUAL_BATCH = 32  # rows, the default of Keras; curves do not tell it
TIMES = ("optimizer.learning_rate", "network.hidden")  # of which only the ratio means something elsewhere


class Part(TypedDict):
    """What of the file was used."""

    file: str
    epochs: int
    columns: list[str]
    best_epoch: int | None
    signs: list[str]
    notes: list[str]


class Try(TypedDict):
    """An action: the words, and the settings as nnrun calls them."""

    why: str
    settings: list[str]


class CurvesDocument(TypedDict):
    """What `--json` adds, and what stands in place of commands."""

    curves: Part
    measure: list[str]
    next: list[Try]


@dataclass(frozen=True)
class Elsewhere:
    """A verdict as far as curves allow one, what to measure for the rest, and what to try."""

    path: Path
    history: History
    evidence: Evidence
    assumed: bool  # nobody gave a base error

    @property
    def verdict(self) -> Verdict | None:
        """None without errors of train and dev."""
        return self.evidence.verdict

    @property
    def told(self) -> str:
        """In a sentence."""
        if self.evidence.status == "diverged":
            return "High bias: the loss is no number any more, so the network fits nothing."
        if self.verdict:
            return summary(self.verdict)
        if "dev turned" in self.evidence.signs:
            return "Variance: the dev loss turned while the training loss fell on. How large it is, losses do not say."
        lacking = [set_name(part) for part in ("train", "dev") if f"{part}_error" not in self.history.curves]
        return f"Not enough to tell bias from variance: there is no error on {all_of(lacking)}."

    @property
    def high(self) -> set[str]:
        """The kinds that are judged high."""
        words = self.document["verdict"]
        return {kind for kind, word in words.items() if word == HIGH}

    @property
    def unknown(self) -> dict[str, str]:
        """The kinds that nothing in the file speaks of, each with why."""
        words = self.document["verdict"]
        return dict.fromkeys((kind for kind, word in words.items() if word is None), "from these curves")

    @property
    def tries(self) -> list[Try]:
        """What to try, the most promising first."""
        base = self.evidence.config
        return [
            {
                "why": self._why(move),
                "settings": [_setting(base, key, value) for key, value in move.settings.items()],
            }
            for move in self._moves()
        ]

    @staticmethod
    def _why(move: Move) -> str:
        """With what λ is elsewhere: nnrun adds λ/(2m) Σ W² to the cost of m rows, λ/m · W to its gradient."""
        if L2 not in move.settings:
            return move.why
        strength = float(cast(float, move.settings[L2]))
        half, whole = f"{strength / 2 / USUAL_BATCH:.2g}", f"{strength / USUAL_BATCH:.2g}"
        return (
            f"{move.why} λ = {strength:g} at batches of m = {USUAL_BATCH} rows is l2(λ/(2m)) = l2({half}) of Keras, or "
            f"weight_decay = λ/m = {whole} of PyTorch's SGD and Adam; of other batches put in their m."
        )

    def _moves(self) -> list[Move]:
        if self.verdict or self.evidence.status == "diverged":
            late = () if self._came_early else ("early stopping",)
            known = {name: remedy for name, remedy in REMEDIES.items() if remedy.elsewhere and name not in late}
            found = ranked(self.evidence, known)
            return [each.move for each in found if each.weight >= WORTH_SAYING][:MOST]
        signs = self.evidence.signs - ({"still falling"} if "dev turned" in self.evidence.signs else set())
        names = [name for sign, names in BY_SHAPE.items() if sign in signs for name in names]
        return [move for name in names if (move := REMEDIES[name].propose(self.evidence))]

    @property
    def _came_early(self) -> bool:
        """Whether the best epoch lies in the first half: losses may turn where errors still fall."""
        return 2 * (self.evidence.best_epoch or 0) <= len(self.history.rows)

    @property
    def _slow(self) -> bool:
        """Whether the training set is not fitted, and the loss neither came to rest nor fell well."""
        known = len(_curve(self.history, "train_loss")) >= QUARTERED and not _below_zero(self.history)
        return known and self.evidence.biased and not self.evidence.signs

    @property
    def measure(self) -> list[str]:
        """What would tell what these curves do not."""
        return list(self._measure())

    def _measure(self) -> Iterator[str]:
        known, rows = self.history.curves, self.history.rows
        for part, why in (("train", "bias"), ("dev", "variance")):
            if f"{part}_error" not in known:
                yield f"the error or accuracy on the {set_name(part)} set in each epoch: it tells {why}"
        if "dev_loss" not in known:
            yield "the loss on held-out examples in each epoch: it tells since when the network learns by heart"
        if len(rows) < QUARTERED:
            yield f"more epochs: of {counted(len(rows), 'epoch')} no course can be told, {QUARTERED} show one"
        if "learned nothing" in self.evidence.signs and self.evidence.status != "diverged":
            yield "a few steps at a tenth and at ten times the learning rate: at this one nothing was learned"
        elif self._slow:
            yield "a few epochs at three times the learning rate: the loss fell slowly, perhaps for want of it"
        if _below_zero(self.history):
            yield "a loss that is never below 0: the rules for curves go by shares of it"

    @property
    def page(self) -> list[str]:
        """What is told on a screen."""
        names = all_of([name.replace("_", " ") for name in self.history.curves])
        epochs = counted(len(self.history.rows), "epoch")
        lines = wrapped(f"{shown_name(self.path.name)}: {epochs} of {names}", "file     ")
        lines += [line for note in self.history.told for line in wrapped(note, "note     ")]
        if self.verdict:
            lines.append(f"best     epoch {self.evidence.best_epoch}, which is judged")
        lines += [*measured_by(self.evidence), ""]
        if self.verdict and self.evidence.status != "diverged":
            lines += [*ladder(self.verdict), "", *explanation(self.verdict, self.told, assumed=self.assumed)]
        else:
            lines += wrapped(self.told)
        lines += [line for words in self.measure for line in wrapped(words, "measure  ")]
        for place, each in enumerate(self.tries, start=1):
            lines += ["", *wrapped(each["why"], f"{place}. "), *wrapped(", ".join(each["settings"]), "setting  ")]
        return lines

    @property
    def document(self) -> Document:
        """What `--json` prints."""
        bias = HIGH if self.evidence.status == "diverged" else None
        found = as_json(self.verdict, self.told, [], bias)
        about: Part = {
            "file": str(self.path),
            "epochs": len(self.history.rows),
            "columns": list(self.history.curves),
            "best_epoch": self.evidence.best_epoch,
            "signs": sorted(self.evidence.signs),
            "notes": list(self.history.told),
        }
        further: CurvesDocument = {"curves": about, "measure": self.measure, "next": self.tries}
        return cast(Document, {**found, **further})


def of_curves(path: Path, sizes: Mapping[str, int], base: float, tolerance: float, assumed: bool) -> Elsewhere:
    """Of a file that another tool wrote, by its best epoch; DataError where it holds no curves."""
    history = read_history(path)
    rows = history.rows
    diverged = _diverged(history)
    best = _best(rows)
    errors = {part: _at(history, f"{part}_error", best) for part in ("train", "dev")}
    verdict = None
    if not diverged and all(errors.get(part) is not None for part in ("train", "dev")):
        given = {part: count for part, count in sizes.items() if part in ("train", "dev")}
        known = {"base": base} | {part: float(cast(float, error)) for part, error in errors.items()}
        verdict = judge(known, given, tolerance)
    evidence = Evidence(
        configured(Config(), {"training.epochs": max(1, len(rows))}),
        rows=cast(Sequence[Row], rows),
        status="diverged" if diverged else "done",
        best_epoch=None if best is None else best + 1,
        verdict=verdict,
        signs=_signs(history),
        dev_rows=sizes.get("dev", 0),
    )
    return Elsewhere(path, history, evidence, assumed)


def _diverged(history: History) -> bool:
    """Whether the last number of a loss is none."""
    for name in ("train_loss", "dev_loss"):
        known = [value for value in history.curves.get(name, []) if value is not None]
        if known and not isfinite(known[-1]):
            return True
    return False


def _best(rows: Sequence[Mapping[str, float | None]]) -> int | None:
    """By the dev error, else the dev loss, else the last epoch."""
    for name in ("dev_error", "dev_loss"):
        known = [(value, place) for place, row in enumerate(rows)
                 if (value := row.get(name)) is not None and isfinite(value)]  # fmt: skip
        if known:
            return min(known)[1]
    return len(rows) - 1 if rows else None


def _at(history: History, name: str, best: int | None) -> float | None:
    """The last number up to the best epoch; of a curve that begins later, its first one."""
    curve = history.curves.get(name, [])
    until = [value for value in curve[: 0 if best is None else best + 1] if value is not None]
    later = [value for value in curve if value is not None]
    return until[-1] if until else later[0] if later else None


def _signs(history: History) -> frozenset[str]:
    """Of losses from 0 up: the rules go by shares of a loss, which below 0 mean nothing."""
    train, dev = _curve(history, "train_loss"), _curve(history, "dev_loss")
    return frozenset() if _below_zero(history) else shapes.signs(train, dev)


def _below_zero(history: History) -> bool:
    return any(value < 0 for name in ("train_loss", "dev_loss") for value in _curve(history, name))


def _curve(history: History, name: str) -> list[float]:
    return finite_values(history.curves.get(name, []))


def _setting(base: Config, key: str, value: object) -> str:
    """`regularization.l2=1`; of what is not known here as a ratio: `optimizer.learning_rate × 0.33`."""
    old = value_at(base, key)
    if key in TIMES and old:
        ratio = _mean(value) / _mean(old)
        return f"{key} × {ratio:.2g}"
    return f"{key}={one_line(value)}"


def _mean(value: object) -> float:
    numbers = value if isinstance(value, (list, tuple)) else [value]
    return sum(map(float, numbers)) / len(numbers)
