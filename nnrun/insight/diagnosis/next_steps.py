"""What there is to do with a run itself, before or beside the changes of the recipe, and what trials have decided."""

from __future__ import annotations

from nnrun.insight.diagnosis.telling import TREES, Action
from nnrun.installation import command
from nnrun.runs.finding import search_of
from nnrun.runs.stored import StoredRun
from nnrun.runs.symptoms.evidence import Evidence

BASE = "base_estimate"  # a look, by its name in the document


def to_finish(run: StoredRun) -> list[Action]:
    """The training of one that was interrupted."""
    if run.status != "interrupted":
        return []
    return [Action("It was interrupted: finish it before judging it.", command("resume", str(run.path)))]


def to_bound(run: StoredRun, evidence: Evidence) -> list[Action]:
    """The error that is possible at all, where what is left may be noise."""
    if not evidence.noise or run.data.classes is None:  # neighbours bound no regression's error
        return []
    why = "A linear model does no worse on dev, so the rest may be noise: bound what is possible at all."
    return [Action(why, command("diagnose", str(run.path), "--estimate-base"), BASE)]


def to_compare(run: StoredRun, evidence: Evidence) -> list[Action]:
    """Boosted trees, which on tables often fit what a network does not; whether they do is measured, not guessed."""
    if evidence.status != "done" or evidence.image or not evidence.biased:
        return []
    why = "On tables boosted trees often fit what a network does not: see whether they do here."
    why += " This reads the test part." if run.record["data"]["rows"].get("test") else ""
    return [Action(why, command("evaluate", str(run.path), "--baselines"), TREES)]


def decided_for(run: StoredRun) -> frozenset[str]:
    """The keys that trials have decided of the search or improvement that a run belongs to; none of any other run."""
    if (above := search_of(run.directory)) is None:
        return frozenset()
    from nnrun.search.stored import StoredSearch  # here, as most runs have none, and it takes longer to load than they

    return StoredSearch(StoredRun(above)).decided
