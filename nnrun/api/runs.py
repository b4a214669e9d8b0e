"""Runs: train, rewind, load."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnrun.api.arguments import checked
from nnrun.api.configs import RUNS, loaded_from
from nnrun.api.pictures import Figure
from nnrun.config.load import EXAMPLE
from nnrun.errors import DataWarning, NnrunError
from nnrun.installation import elsewhere
from nnrun.machine import threads
from nnrun.models.incoming import rows_of
from nnrun.models.model import at_threshold, load_model
from nnrun.models.rows import Predictions, tables_of
from nnrun.models.uncertainty import asked_for
from nnrun.runs import rewinding, verbs
from nnrun.runs.checkpoints import Tensors, load_weights
from nnrun.runs.finding import find_run, from_here, in_full
from nnrun.runs.known_rows import told_known
from nnrun.runs.lineage import children_of, parent_of
from nnrun.runs.stored import StoredRun

if TYPE_CHECKING:
    import pandas as pd

    from nnrun.config.config import Config
    from nnrun.config.load import Loaded
    from nnrun.models.calibrating import CalibrationDocument
    from nnrun.models.drift.comparing import DriftDocument
    from nnrun.models.evaluation import EvaluationDocument
    from nnrun.models.export.formats import Exported
    from nnrun.models.importance.measuring import ImportanceDocument
    from nnrun.runs.frames import Tables
    from nnrun.runs.records import Final, Row, RunRecord
    from nnrun.runs.rundir import RunDir

GONE = "gone, or cannot be read"


class Run:
    """A run directory, read when asked."""

    @checked
    def __init__(self, directory: RunDir) -> None:
        self.directory = in_full(directory)

    @property
    def _stored(self) -> StoredRun:
        """The run as its directory has it now; it keeps what it has read, where this object reads anew."""
        return StoredRun(from_here(self.directory))

    @property
    def path(self) -> Path:
        """Where it lies, in full."""
        return self.directory.path

    @property
    def id(self) -> str:
        """The name of the run's directory."""
        return self.directory.id

    @property
    def status(self) -> str:
        """created, running, done, diverged, failed or interrupted."""
        return self._stored.status

    @property
    def record(self) -> RunRecord:
        """run.json."""
        return self._stored.written

    @property
    def final(self) -> Final:
        """Losses and errors of the best parameters on each part; empty before the first epoch is finished."""
        return self.record.get("final") or {}

    @property
    def config(self) -> Config:
        """The resolved configuration."""
        return self._stored.config

    @property
    def notices(self) -> list[str]:
        """What `nnrun train` notes of the data before the first epoch, such as columns that were left out."""
        return [*self._stored.data.notices, *told_known(self._stored)]

    @property
    def metrics(self) -> list[Row]:
        """One record an epoch."""
        return self._stored.rows

    @property
    def epochs(self) -> pd.DataFrame:
        """A table with a row an epoch, without what was recorded of layers, mini-batches and members."""
        import pandas as pd

        rows = self._stored.flat_rows
        return pd.DataFrame(rows).set_index("epoch") if rows else pd.DataFrame()

    @property
    def parent(self) -> Run | None:
        """The run that this one continues; None where there is none, or where it is not there any more."""
        parent = parent_of(self._stored)
        return Run(parent.directory) if parent else None

    @property
    def children(self) -> list[Run]:
        """The runs beside it that continue it, oldest first."""
        return [Run(child.directory) for child in children_of(self._stored)]

    @checked
    def weights(self, checkpoint: str = "best") -> Tensors:
        """Parameters and running averages by name, such as dense1.W `(n_in, n_out)`; `best` or `last`."""
        return load_weights(self.directory, checkpoint)

    @checked
    def predict(
        self,
        data: Any,
        id: Sequence[str] = (),
        interval: str | float | None = None,
        members: bool = False,
        threshold: float | None = None,
    ) -> pd.DataFrame:
        """What the best network says of new rows, in the columns that `nnrun predict` writes, with a DataFrame's index.

        `data` is a file's path, a DataFrame, or what pandas makes one of, such as dictionaries; an array, such as one
        of images, means what it would mean in a .npy file, and arrays by name what they would in an .npz file. `id`
        names columns to stand before each prediction. `interval`, such as "90%" or 0.9, adds `lower` and `upper`, or a
        set `classes`, and `members` what each network of an ensemble, or each member of a body, says. Classes are
        texts, `"1"` or `"True"` where the target held numbers or truths. From a probability of `threshold` on the
        second of two classes is predicted. Values that training did not have, and numbers without its unit, are
        DataWarnings. Raises DataError for rows that do not fit, UsageError for a threshold that is not between 0 and 1,
        or where there are not two classes.
        """
        import pandas as pd

        model = at_threshold(load_model(self._stored), threshold)
        with threads.one_for_blas_here():  # as on the command line; large predictions are shared by threads of nnrun
            predictions = Predictions(model, id, asked_for(model, interval, members))
            rows = rows_of(data)
            if isinstance(rows, str):
                found = pd.concat(predictions.of_source(rows), ignore_index=True)
            else:
                found = predictions.of_rows(rows)
        for doubt in predictions.doubts():
            warnings.warn(doubt, DataWarning, stacklevel=3)  # of who calls, beyond `checked`
        return found

    @checked
    def drift(self, data: Any, target: bool = False) -> DriftDocument:
        """In what new rows are not like those of training: the `drift` in the JSON of `nnrun predict`.

        `data` is what `predict` takes; `target` says that the rows have the target, which is compared too. Raises
        DataError for rows that do not fit, UsageError for a run that kept too little of its training part.
        """
        from nnrun.models.drift.comparing import Drift

        model = load_model(self._stored)
        found = Drift(model, target)
        for table in tables_of(model, rows_of(data), target):
            found.see(table)
        return found.document

    @checked
    def evaluate(
        self, data: Any = None, baselines: bool = False, costs: Mapping[str, float] | None = None
    ) -> EvaluationDocument:
        """Every metric on the run's own data or on other rows, and what simple models reach: `nnrun evaluate --json`.

        `data` is what `predict` takes, with the target. With `baselines` boosted trees are grown too; `costs`, what it
        costs to miss a row of a class, choose the cheapest threshold between two. On its own data this counts as a read
        of the test part. Raises DataError where the data is gone or does not fit.
        """
        from nnrun.models.verbs import evaluate

        with threads.one_for_blas_here():
            rows = None if data is None else rows_of(data)
            asked = [f"{name}={cost}" for name, cost in (costs or {}).items()]
            return evaluate(load_model(self._stored), rows, baselines, asked).document

    @checked
    def importance(self) -> ImportanceDocument:
        """How much worse it is on dev when a column is shuffled, by column: the JSON of `nnrun evaluate --importance`.

        Reads no test rows. Raises DataError where the data is gone.
        """
        from nnrun.models.importance.measuring import importance

        with threads.one_for_blas_here():
            return importance(load_model(self._stored)).document

    @checked
    def calibrate(self) -> CalibrationDocument:
        """Find how sure the model may be, from now on: the JSON of `nnrun evaluate --calibrate`.

        This counts as a read of the test part. Raises DataError where the data is gone.
        """
        from nnrun.models.calibrating import calibrate

        with threads.one_for_blas_here():
            return calibrate(load_model(self._stored)).document

    @checked
    def export(self, path: str | Path, format: str | None = None, force: bool = False) -> Exported:
        """Write the model for other programs: `onnx`, or `numpy`, one Python file; left out, the file's name decides.

        Tells on how many dev rows the file was compared with the run, and the largest difference. Raises UsageError
        where the file exists, unless `force`, or an extra is missing; NnrunError where it says something else.
        """
        from nnrun.models.export.formats import FORMATS, export, format_for
        from nnrun.models.output import check_free, check_spares

        output = Path(path)
        chosen = FORMATS[format_for(format, output)]
        check_free(output, force)
        chosen.require()
        model = load_model(self._stored)
        check_spares(output, model.learned_from)
        return export(model, chosen, output)

    @checked
    def report(self) -> Path:
        """Write report.html, a page with all charts; where it lies."""
        return report_of(self.directory)

    @checked
    def plot(self) -> Figure:
        """Losses, errors and the learning rate over the epochs, as in the report."""
        from nnrun.report.verbs import run_charts

        return Figure(run_charts(self._stored))

    def _repr_html_(self) -> str | None:
        from nnrun.report.telling import run_card

        return shown(lambda: str(run_card(self._stored)))

    def __repr__(self) -> str:
        return f"<Run {self.id}: {shown(lambda: self.status) or GONE}>"


def shown(tell: Callable[[], str]) -> str | None:
    """What is told of a run or a search, if it is there: showing an object must not fail, wherever that is done."""
    try:
        return tell()
    except (NnrunError, OSError):
        return None


def report_of(directory: RunDir) -> Path:
    """The page of a run or a search, made anew."""
    from nnrun.report.verbs import write_report

    found = StoredRun(from_here(directory))
    return write_report(found, EXAMPLE, elsewhere(found.path.parent)).absolute()


@checked
def train(
    config: Loaded | Mapping[str, Any] | str | Path,
    runs: str | Path = RUNS,
    refit: bool = False,
    data: Tables | None = None,
) -> Run:
    """Train what `load_config` gave, a file's path, or plain values as they would stand in a file.

    `data` is a DataFrame to train on, in place of the config's source, or one for each of `train`, `dev` and `test`: it
    is written under `runs` as a CSV file, which the run then names. Where it has folds, `refit` trains one network
    more, on the rows of all of them. Raises ConfigError or DataError; divergence is no error here but the run's status.
    """
    return Run(verbs.train(loaded_from(config, data=data, runs=runs), Path(runs).absolute(), refit=refit).run)


@checked
def rewind(
    run: Run | str | Path,
    to: int | str = "best",
    overrides: Sequence[str] = (),
    note: str | None = None,
    runs: str | Path = RUNS,
) -> Run:
    """A child that begins at the end of an epoch of a run: a number, `best`, `last`, or -5 = five before the last.

    `overrides` hold from the next epoch on. UsageError where the run has not trained that epoch, ConfigError for what
    cannot change while a network trains, DataError where the data is no longer what the run learned from.
    """
    found = run if isinstance(run, Run) else load_run(run, runs)
    return Run(rewinding.rewind(found.directory, str(to), overrides, note).run)


@checked
def load_run(run: str | Path = "latest", runs: str | Path = RUNS) -> Run:
    """The run that a path, an id, a short name or `latest` means; UsageError where there is none."""
    return Run(find_run(Path(runs), str(run)))
