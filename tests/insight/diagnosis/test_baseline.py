"""What a linear model and short trainings come to on a run's data, and what a diagnosis makes of it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnrun.config.load import load_config
from nnrun.errors import UsageError
from nnrun.insight.diagnosis.base_error import estimate_base_error
from nnrun.insight.diagnosis.learning_curve import learning_curve
from nnrun.insight.diagnosis.recipe import MOST
from nnrun.insight.diagnosis.verbs import Diagnosis, of_a_run
from nnrun.models.baselines import linear_dev_error
from nnrun.runs import verbs
from nnrun.runs.stored import StoredRun
from nnrun.runs.symptoms.evidence import evidence_of


def trained(folder: Path, frame: pd.DataFrame, *settings: str) -> StoredRun:
    frame.to_csv(folder / "table.csv", index=False)
    given = [f"data.source={folder}/table.csv", "data.target=y", "training.epochs=30", *settings]
    return StoredRun(verbs.train(load_config(None, given), folder / "runs").run)


def diagnosed(run: StoredRun, base: float | None = None) -> Diagnosis:
    return of_a_run(run, base, None, Path("config.yaml"), ())


def noisy(rows: int) -> pd.DataFrame:
    """A class that follows one column, but for a fifth of the rows, which nobody can know."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, 3))
    turned = rng.random(rows) < 0.2
    return pd.DataFrame(x, columns=list("abc")).assign(y=np.where((x[:, 0] > 0) ^ turned, "yes", "no"))


def test_the_error_of_a_linear_model_is_that_of_the_noise(tmp_path: Path) -> None:
    run = trained(tmp_path, noisy(3000), "network.hidden=[8]")
    assert linear_dev_error(run) == pytest.approx(0.2, abs=0.03)
    found = diagnosed(run)
    assert "if the base error is 0, which --base-error states and --estimate-base bounds" in found.told
    assert found.actions[0].command.endswith("--estimate-base")
    assert found.document["verdict"]["bias"] == "high", "the arithmetic stays as it is"
    assert "if the base error" not in diagnosed(run, base=0.1).told, "now somebody gave one"


def test_last_a_biased_table_is_compared_with_trees(tmp_path: Path) -> None:
    run = trained(tmp_path, noisy(600), "network.hidden=[8]")
    actions = diagnosed(run).actions
    assert len(actions) <= MOST + 1
    assert [action.command for action in actions if "--baselines" in action.command] == [actions[-1].command]
    assert actions[-1].command.endswith(f"evaluate {run.path} --baselines")
    assert actions[-1].why.endswith("see whether they do here. This reads the test part.")
    assert not any("--baselines" in action.command for action in diagnosed(run, base=0.5).actions), "no bias is left"


def test_rows_that_were_trained_on_are_no_dev_rows(tmp_path: Path) -> None:
    """Of folds with a network on the rows of all, the first fold is looked at, and nothing without folds."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.standard_normal((60, 30)), columns=[f"x{k}" for k in range(30)])
    frame["y"] = rng.choice(["a", "b"], 60)  # by chance
    frame.to_csv(tmp_path / "table.csv", index=False)
    given = [f"data.source={tmp_path}/table.csv", "data.target=y", "training.epochs=2", "network.hidden=[4]"]
    folds, again, whole = (
        StoredRun(verbs.train(load_config(None, [*given, *settings]), tmp_path / "runs", refit=refit).run)
        for settings, refit in (
            (["data.folds=3"], False),
            (["data.folds=3"], True),
            (["data.folds=3", "data.fold=all"], False),
        )
    )
    assert linear_dev_error(again) == linear_dev_error(folds) == pytest.approx(0.5, abs=0.25)
    assert estimate_base_error(again) == estimate_base_error(folds)
    assert linear_dev_error(whole) is None
    for look in (estimate_base_error, learning_curve):
        with pytest.raises(UsageError, match="has no dev rows: it was trained on all of them"):
            look(whole)


def test_of_a_regression_it_is_1_minus_r2(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2000, 2))
    frame = pd.DataFrame(x, columns=["a", "b"]).assign(y=3 * x[:, 0] + np.sqrt(3) * rng.standard_normal(2000))
    assert linear_dev_error(trained(tmp_path, frame)) == pytest.approx(0.25, abs=0.03)  # 3 of 9 + 3


def test_rows_count_by_their_weights(tmp_path: Path) -> None:
    """All are taken for yes, which is right for 30 of 31."""
    run = trained(tmp_path, noisy(1000), "network.hidden=[]", "data.class_weight={yes: 30}", "training.epochs=1")
    assert linear_dev_error(run) == pytest.approx(1 / 31, abs=0.01)


def test_a_network_that_a_linear_model_beats_is_biased_whatever_the_noise(tmp_path: Path) -> None:
    run = trained(tmp_path, noisy(1500), "network.hidden=[8]", "regularization.l2=1000")
    assert "if the base error" not in diagnosed(run).told


def test_what_no_linear_model_can_learn_is_no_noise(tmp_path: Path) -> None:
    """Exclusive or, for which two units are too few and a linear model guesses."""
    x = np.random.default_rng(0).uniform(-1, 1, (600, 2))
    frame = pd.DataFrame(x, columns=["a", "b"]).assign(y=np.where((x[:, 0] > 0) ^ (x[:, 1] > 0), "yes", "no"))
    adam = ("optimizer.name=adam", "optimizer.learning_rate=0.03")
    run = trained(tmp_path, frame, "network.hidden=[2]", *adam, "training.epochs=40", "seed=3")
    found = diagnosed(run)
    assert linear_dev_error(run) == pytest.approx(0.5, abs=0.1)
    assert found.told.startswith("High bias") and "if the base error" not in found.told
    assert "network.hidden=[64]" in found.actions[0].command


def test_without_the_data_it_is_not_known(tmp_path: Path) -> None:
    run = trained(tmp_path, noisy(300))
    (tmp_path / "table.csv").unlink()
    assert linear_dev_error(run) is None
    assert diagnosed(run).told.startswith("High bias")


# after a divergence


def unscaled(rows: int) -> pd.DataFrame:
    """A class that follows one column of thousands: nearly all rates diverge."""
    x = 1000 + 300 * np.random.default_rng(0).standard_normal((rows, 3))
    return pd.DataFrame(x, columns=list("abc")).assign(y=np.where(x[:, 0] > 1000, "yes", "no"))


DIVERGING = ("data.normalize=none", "optimizer.name=sgd", "optimizer.learning_rate=1e6")


def test_after_a_divergence_the_rate_is_one_that_the_data_bear(tmp_path: Path) -> None:
    run = trained(tmp_path, unscaled(600), *DIVERGING)
    assert run.status == "diverged"
    heard: list[str] = []
    found = of_a_run(run, None, None, Path("config.yaml"), (), tell=heard.append)
    assert "trying lower learning rates" in heard[0]
    assert "data.normalize=standard" in found.actions[0].command
    rates = [float(rate) for rate in re.findall(r"optimizer\.learning_rate=(\S+)", found.actions[1].command)]
    assert rates and max(rates) < 1e-3, "the usual rate of 0.1 would diverge too"
    followed = trained(tmp_path, unscaled(600), *DIVERGING[:2], f"optimizer.learning_rate={rates[0]}")
    assert followed.final["dev_error"] < 0.3


def test_where_rates_just_below_the_divergence_are_in_vain_far_lower_ones_are_tried(tmp_path: Path) -> None:
    """Without a mean of squares Adam's steps have no bound, and what lasts for some steps diverges later."""
    adam = ["data.source=digits", "optimizer.learning_rate=0.003", "optimizer.beta2=0", "network.hidden=[128,64]"]
    config = load_config(None, [*adam, "regularization.l2=0.01", "regularization.dropout=0.3", "training.epochs=4"])
    run = StoredRun(verbs.train(config, tmp_path / "runs").run)
    assert run.status == "diverged"
    commands = [action.command for action in diagnosed(run).actions]
    assert "--set optimizer.beta2=0.999" in commands[0]
    (rate,) = re.findall(r"optimizer\.learning_rate=(\S+)", commands[1])
    assert float(rate) < 3e-5


def test_without_the_data_a_divergence_leads_to_the_usual_rate(tmp_path: Path) -> None:
    run = trained(tmp_path, unscaled(600), *DIVERGING)
    (tmp_path / "table.csv").unlink()
    heard: list[str] = []
    found = of_a_run(run, None, None, Path("config.yaml"), (), tell=heard.append)
    assert heard == [] and any("optimizer.learning_rate=0.1" in action.command for action in found.actions)


def test_what_did_not_diverge_is_tried_no_rates_on(tmp_path: Path) -> None:
    heard: list[str] = []
    of_a_run(trained(tmp_path, noisy(300)), None, None, Path("config.yaml"), (), tell=heard.append)
    assert heard == []


def test_two_classes_have_one_output(tmp_path: Path) -> None:
    evidence = evidence_of(trained(tmp_path, noisy(300), "network.hidden=[4]", "training.epochs=1"), None)
    assert evidence.outputs == 1
    assert evidence.weights == 3 * 4 + 4 * 1


def test_what_is_under_way_has_a_best_epoch_so_far(tmp_path: Path) -> None:
    run = trained(tmp_path, noisy(300), "network.hidden=[4]", "training.epochs=5")
    best = run.record["best_epoch"]
    run.directory.update_record(status="running", best_epoch=None)  # as a kill leaves it
    assert best and evidence_of(StoredRun(run.directory), None).best_epoch == best


@pytest.mark.parametrize(
    ("gap", "normalize", "movable"), [(False, "standard", True), (True, "standard", False), (False, "robust", False)]
)
def test_images_that_cannot_be_bent_are_known(tmp_path: Path, gap: bool, normalize: str, movable: bool) -> None:
    x = np.random.default_rng(0).random((60, 3, 3))
    x[::2, 1, 2] = np.nan if gap else 0.5
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(60) % 2)
    given = [f"data.source={tmp_path}/x.npz", "data.target=y", f"data.normalize={normalize}", "training.epochs=1"]
    run = StoredRun(verbs.train(load_config(None, given), tmp_path / "runs").run)
    evidence = evidence_of(run, None)
    assert (evidence.image, evidence.pixels) == (True, movable)
