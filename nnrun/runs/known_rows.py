"""Whether networks may know the rows that they are measured on: those of a child that went on with other rows.

`resume --set data.source=…` splits anew, so that rows which its parent learned from may land in dev and test. What was
learned stays in the weights, so that it holds of all that begin from them, whatever rows these have.
"""

from __future__ import annotations

from nnrun.installation import command
from nnrun.runs.members import members_of
from nnrun.runs.stored import StoredRun


def is_marked(run: StoredRun) -> bool:
    """Whether run.json says so, as of early versions none does."""
    parent = run.written.get("parent")
    return bool(parent and parent.get("knows_rows"))


def why_known(run: StoredRun) -> str | None:
    """What a run, or a member of it, began from that may know rows of dev or test; None where nothing is known."""
    members = (StoredRun(one) for one in members_of(run.directory) if one.exists)  # a fold may be still to come
    found = next((one for one in (run, *members) if is_marked(one)), None)
    parent = found.written["parent"] if found else None
    return may_know(parent["id"]) if parent else None


def may_know(parent: str) -> str:
    """What is said of a run that began from this one."""
    return f"{parent} may have been trained on rows that are dev or test here"


def told_known(run: StoredRun) -> list[str]:
    """A note with what errors are worth, and how to have such that can be trusted; none where nothing is known."""
    if not (why := why_known(run)):
        return []
    anew = command("train", str(run.directory.resolved))
    return [f"{why}, so errors on these parts may be far too low; `{anew}` trains anew, and can be measured"]


def in_verdict(run: StoredRun) -> list[str]:
    """A sentence for a verdict; none where nothing is known."""
    why = why_known(run)
    return [f"These errors may be far too low: {why}."] if why else []
