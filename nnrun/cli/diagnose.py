"""The command diagnose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnrun.cli import completing, search
from nnrun.cli.common import (
    GATE_FAILED,
    RUNS,
    Debug,
    Json,
    Quiet,
    Runs,
    Threads,
    Verbose,
    default_config,
    explained,
    fraction,
)
from nnrun.cli.terminal.streams import ascii_only, json_result, result, say
from nnrun.errors import UsageError
from nnrun.installation import elsewhere
from nnrun.runs.verdict import SETS, Verdict, judge
from nnrun.text import set_name, wrapped

if TYPE_CHECKING:
    from nnrun.insight.diagnosis.elsewhere import Elsewhere
    from nnrun.insight.diagnosis.verbs import Diagnosis, Look, Looks
    from nnrun.search.state import Options

    Judged = Diagnosis | Elsewhere


KINDS = ("bias", "variance", "mismatch", "dev_overfit")
NEEDED = {"train": "the variance is the step from the training error to the dev error",
          "dev": "without it there is no variance to judge"}  # fmt: skip

RunOrNothing = Annotated[
    str | None,
    typer.Argument(
        metavar="RUN",
        help="Path, id, short name, or latest, which is also the default.",
        autocompletion=completing.runs,
    ),
]


def _error(of: str) -> object:
    return typer.Option(metavar="ERROR", help=f"{of}, such as 0.15 or 15%.")


def _size(of: str) -> object:
    return typer.Option(metavar="N", help=f"Examples in the {of} set; tells how sure it is.")


TrainError = Annotated[str | None, _error("Error on the training set")]
TrainDevError = Annotated[str | None, _error("On held-out examples of the training set's kind")]
DevError = Annotated[str | None, _error("Error on the dev set")]
TestError = Annotated[str | None, _error("Error on the test set")]
BaseError = Annotated[
    str | None,
    typer.Option(metavar="ERROR", help="Best error anybody could reach, as 0.02 or 2%; left out: the config's, or 0."),
]
Tolerance = Annotated[
    str | None,
    typer.Option(
        metavar="GAP", help="Largest gap that counts as none, as 0.01 or 1%; left out: the config's, or 1.5%."
    ),
]
FailOn = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KINDS",
        help="Exit with 6 if one is high, or was not measured: bias,variance,mismatch,dev_overfit; repeatable.",
    ),
]
By = Annotated[str | None, typer.Option(metavar="COLUMN", help="Errors by the values of a column, such as the target.")]
EstimateBase = Annotated[
    bool, typer.Option("--estimate-base", help="Bound the base error by nearest neighbours; it is only told.")
]
Curves = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Judge a training of another tool by its curves: CSV, JSON or event file."),
]
LearningCurve = Annotated[
    bool, typer.Option("--learning-curve", help="Train on parts of the data: would more of it help?")
]


@explained
def diagnose(
    run: RunOrNothing = None,
    train_error: TrainError = None,
    train_dev_error: TrainDevError = None,
    dev_error: DevError = None,
    test_error: TestError = None,
    base_error: BaseError = None,
    train_size: Annotated[int | None, _size("training")] = None,
    train_dev_size: Annotated[int | None, _size("train-dev")] = None,
    dev_size: Annotated[int | None, _size("dev")] = None,
    test_size: Annotated[int | None, _size("test")] = None,
    tolerance: Tolerance = None,
    fail_on: FailOn = None,
    by: By = None,
    estimate_base: EstimateBase = False,
    learning_curve: LearningCurve = False,
    cluster: search.ClusterOption = None,
    any_bits: search.AnyBits = False,
    curves: Curves = None,
    runs: Runs = RUNS,
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Tell bias from variance, how sure that is, and what to do next.

    Example:  nnrun diagnose --train-error 4% --dev-error 11% --dev-size 500
    """
    from nnrun.insight.diagnosis.verbs import Looks, nobody

    gates, workers = _kinds(fail_on or []), _workers(cluster, any_bits, learning_curve)
    looks = Looks(by, estimate_base, learning_curve, nobody if quiet else say, ascii_only(), workers)
    typed = (base_error, train_error, train_dev_error, dev_error, test_error)
    errors = dict(zip(("base", "train", "train_dev", "dev", "test"), typed, strict=True))
    sizes = {"train": train_size, "train_dev": train_dev_size, "dev": dev_size, "test": test_size}
    bare = any(errors[part] is not None or size is not None for part, size in sizes.items())
    if curves is None and not bare:
        found, closer = _of_run(run, runs, base_error, tolerance, looks, verbose)
    else:
        found, closer = _of_errors(run, curves, errors, sizes, tolerance, looks, verbose)
    _tell(found, closer, json, quiet)
    _hold(gates, found)


def _workers(cluster: str | None, any_bits: bool, needed: bool) -> Options | None:
    """The options of a cluster; None where all is trained here. UsageError where nothing is to be trained."""
    if cluster is None and not any_bits:
        return None
    if not needed:
        raise UsageError("--cluster trains the networks of --learning-curve; without it there are none")
    from nnrun.search.state import options_of

    return options_of(None, None, cluster, any_bits)


def _tell(found: Judged, closer: Mapping[str, Look], json: bool, quiet: bool) -> None:
    """Print the whole diagnosis, or with -q the verdict in a sentence and what was asked for beside it."""
    if json:
        json_result({**found.document, **{name: look.document for name, look in closer.items()}})
    else:
        page = wrapped(found.told) if quiet else found.page
        result(*page, *(line for look in closer.values() for line in ("", *look.lines)))


def _hold(gates: Sequence[str], found: Judged) -> None:
    """A gate on what is not known is not held either; each reason is told once."""
    if failed := [kind for kind in gates if kind in found.high]:
        say(f"nnrun: {' and '.join(failed)} high, which --fail-on forbids")
    unknown = {kind: found.unknown[kind] for kind in gates if kind in found.unknown}
    for why in dict.fromkeys(unknown.values()):
        kinds = " and ".join(kind for kind in unknown if unknown[kind] == why)
        say(f"nnrun: {kinds} cannot be told {why}, so --fail-on is not held")
    if failed or unknown:
        raise typer.Exit(GATE_FAILED)


def _of_errors(
    run: str | None,
    curves: Path | None,
    errors: dict[str, str | None],
    sizes: dict[str, int | None],
    tolerance: str | None,
    looks: Looks,
    verbose: bool,
) -> tuple[Judged, dict[str, Look]]:
    """What stands in the file of another tool, or was typed; nothing can be looked at closer."""
    from nnrun.runs.environment import surroundings

    looks.refuse()
    if verbose:
        say(*surroundings(None))
    if curves is not None:
        return _of_curves(run, curves, errors, sizes, tolerance), {}
    return _of_numbers(run, errors, sizes, tolerance), {}


def _of_numbers(
    run: str | None, errors: dict[str, str | None], sizes: dict[str, int | None], tolerance: str | None
) -> Diagnosis:
    from nnrun.config.load import load_values
    from nnrun.insight.diagnosis.verbs import of_numbers

    if run is not None:
        raise UsageError(f"both the run {run} and errors of its own were given; a run brings its errors along")
    largest = load_values({}).config.diagnosis.tolerance if tolerance is None else typed_tolerance(tolerance)
    verdict = typed_verdict(errors, sizes, largest)
    config = default_config(quiet=True)
    return of_numbers(verdict, config, named=not config.is_absolute(), assumed=errors["base"] is None)


def _of_curves(
    run: str | None,
    curves: Path,
    errors: dict[str, str | None],
    sizes: dict[str, int | None],
    tolerance: str | None,
) -> Elsewhere:
    from nnrun.config.load import load_values
    from nnrun.insight.diagnosis.elsewhere import of_curves

    if run is not None:
        raise UsageError(f"both the run {run} and the curves {curves} were given")
    if given := next((part for part, text in errors.items() if text is not None and part != "base"), None):
        raise UsageError(f"{_option(given)} stands beside --curves, which bring their errors along")
    largest = load_values({}).config.diagnosis.tolerance if tolerance is None else typed_tolerance(tolerance)
    base = 0.0 if errors["base"] is None else fraction("--base-error", errors["base"])
    counts = {part: count for part, count in sizes.items() if count is not None}
    if wrong := next((part for part, count in counts.items() if count < 1 or part not in ("train", "dev")), None):
        told = "curves are of a train and a dev set, of an example or more each"
        raise UsageError(f"--{set_name(wrong)}-size {counts[wrong]}: {told}")
    return of_curves(curves, counts, base, largest, assumed=errors["base"] is None)


def _of_run(
    run: str | None, runs: Path, base: str | None, tolerance: str | None, looks: Looks, verbose: bool
) -> tuple[Judged, dict[str, Look]]:
    from nnrun.insight.diagnosis.searches import looked_at
    from nnrun.runs.environment import surroundings
    from nnrun.runs.finding import find_run
    from nnrun.runs.stored import StoredRun

    given = None if base is None else fraction("--base-error", base)
    largest = None if tolerance is None else typed_tolerance(tolerance)
    stored, usual = StoredRun(find_run(runs, run or "latest")), default_config(quiet=True)
    if verbose:
        say(*surroundings(stored.directory))
    return looked_at(stored, given, largest, usual, elsewhere(runs), looks)


def _kinds(fail_on: Sequence[str]) -> list[str]:
    kinds = [(text, kind.strip()) for text in fail_on for kind in text.split(",")]
    if unknown := next((pair for pair in kinds if pair[1] not in KINDS), None):
        raise UsageError(f"--fail-on {unknown[0]}: {unknown[1]!r} is none of {', '.join(KINDS)}")
    return list(dict.fromkeys(kind for _, kind in kinds))


def typed_tolerance(text: str) -> float:
    """A tolerance as it is typed: a share as an error is, but above 0; UsageError for anything else."""
    value = fraction("--tolerance", text)
    if value == 0:
        raise UsageError(f"--tolerance {text}: must be above 0; a gap is never exactly none")
    return value


def typed_verdict(errors: Mapping[str, str | None], sizes: Mapping[str, int | None], largest_gap: float) -> Verdict:
    """The verdict on errors and sizes by set, as typed; UsageError where they cannot be judged."""
    given = {part: fraction(_option(part), text) for part, text in errors.items() if text is not None}
    for part, why in NEEDED.items():
        if part not in given:
            raise UsageError(f"{_option(part)} is missing: {why}")
    counts = {part: count for part, count in sizes.items() if count is not None}
    for part, count in counts.items():
        size = f"--{set_name(part)}-size"
        if count < 1:
            raise UsageError(f"{size} {count}: an error is measured on at least one example")
        if part not in given:
            raise UsageError(f"{size} stands without {_option(part)}")
    ordered = {part: given.get(part, 0.0) for part in SETS if part in given or part == "base"}
    return judge(ordered, counts, largest_gap)


def _option(part: str) -> str:
    """The option that gives the error of a set."""
    return f"--{set_name(part)}-error"
