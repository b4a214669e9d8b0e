"""Whether boosted trees are better than a network, in words."""

from __future__ import annotations

from nnrun.models.evaluation import BOOSTING, Evaluation
from nnrun.models.scores import PairedGain
from nnrun.runs.finding import search_of
from nnrun.runs.members import is_gathered
from nnrun.runs.stored import StoredRun
from nnrun.text import metric_name


def trees_words(found: Evaluation) -> str:
    """Which errs less, as far as the rows can tell, and what speaks for the network only because dev chose it."""
    judged = found.judged
    gain = found.gains[judged]
    of = f" of {metric_name('error', found.error_kind)} on {judged}"
    told = f"boosting is scikit-learn's HistGradientBoosting on {found.told_behind(BOOSTING)}; "
    told += f"the network {_errs(gain, of)}"
    if gain["error"] > 0 and _surely(gain):
        later = "" if found.model.run.config.data.time is None else ", if later rows are like these"
        return f"{told}: on this table trees are the better choice{later}"
    if judged != "dev":
        return told
    told += f"; dev chose the network's {_chosen(found.model.run)}, but nothing of the trees, which flatters it"
    return f"{told}; on test it {_errs(found.gains['test'])}" if "test" in found.gains else told


def _errs(gain: PairedGain, of: str = "") -> str:
    """How the network does beside trees, by so many points `of` something."""
    error, low, high = gain["error"], gain["low"], gain["high"]
    if not error:
        return "errs as often"
    ends = sorted(100 * end * (1 if error > 0 else -1) for end in (low, high) if end is not None)
    interval = f" (95% interval {ends[0]:.2f} to {ends[1]:.2f})" if ends else ""
    told = f"errs {'more' if error > 0 else 'less'}, by {100 * abs(error):.2f} points{of}{interval}"
    return told if _surely(gain) else f"{told}, which may be chance"


def _surely(gain: PairedGain) -> bool:
    low, high = gain["low"], gain["high"]
    return low is not None and high is not None and (low > 0 or high < 0)


def _chosen(run: StoredRun) -> str:
    """What the dev part has decided of a network."""
    if is_gathered(run.record):
        return "epochs and members"
    return "epoch and trial" if search_of(run.directory) else "epoch"
