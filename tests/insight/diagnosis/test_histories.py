"""Curves that other tools wrote: what is read of them, and the verdict that a careful person would give."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from nnrun.errors import DataError
from nnrun.insight.diagnosis.elsewhere import Elsewhere, of_curves
from nnrun.insight.diagnosis.histories import read_history
from nnrun.insight.diagnosis.origin import Move
from nnrun.insight.diagnosis.recipe import REMEDIES, Remedy

FILES = Path(__file__).with_name("histories")  # trainings by scikit-learn and PyTorch; make.py there made them


class Expected(NamedTuple):
    """What a careful person would say."""

    high: set[str]
    signs: set[str]
    first: str  # in the first thing to try; empty: nothing is to be tried yet
    measure: str  # in what is to be measured; empty: nothing


EXPECTED = {
    "keras_by_heart.csv": Expected({"variance"}, set(), "regularization.", ""),
    "keras_too_small.json": Expected({"bias"}, {"still falling"}, "training.epochs=240", ""),
    "keras_too_short.csv": Expected({"bias"}, set(), "network.hidden × 2", "three times the learning rate"),
    "keras_rate_too_high.csv": Expected({"bias"}, {"learned nothing"}, "", "the learning rate"),
    "keras_zeros.json": Expected({"bias"}, {"learned nothing"}, "", "the learning rate"),
    "fastai_too_short.csv": Expected(set(), set(), "", "train set"),
    "lightning_diverged.csv": Expected({"bias"}, set(), "optimizer.learning_rate × 0.1", "train set"),
    "per_cent_and_good.csv": Expected(set(), set(), "regularization.", ""),
    "wandb_losses.csv": Expected(set(), {"dev turned"}, "regularization.l2", "dev set"),
    "sklearn_loss_curve.json": Expected(set(), {"still falling"}, "training.epochs=240", "dev set"),
    "sklearn_early_stopping.json": Expected(set(), {"still falling"}, "training.epochs=120", "train set"),
}


def judged(path: Path, train: int = 1_000, dev: int = 500) -> Elsewhere:
    sizes = {"dev": dev} | ({"train": train} if train else {})
    return of_curves(path, sizes, 0.0, 0.015, assumed=True)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_training_elsewhere_is_judged_as_a_careful_person_would(name: str) -> None:
    found, expected = judged(FILES / name), EXPECTED[name]
    assert found.high == expected.high
    assert expected.signs <= found.evidence.signs
    tried = [setting for each in found.tries for setting in each["settings"]]
    assert tried[0].startswith(expected.first) if expected.first else tried == []
    assert any(expected.measure in words for words in found.measure) if expected.measure else found.measure == []
    assert {path.name for path in FILES.glob("*.*")} == {*EXPECTED, "make.py"}


def test_a_new_rule_is_advised_where_its_words_hold_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for holds in (False, True):
        made_up = Remedy("either", "always", lambda evidence: Move(200, "made up", {"seed": 7}), elsewhere=holds)
        monkeypatch.setitem(REMEDIES, "made up", made_up)
        assert (judged(FILES / "keras_by_heart.csv").tries[0]["why"] == "made up") == holds


def test_each_tool_has_its_columns() -> None:
    names = {name: set(read_history(FILES / name).curves) for name in EXPECTED}
    whole = {"train_loss", "dev_loss", "train_error", "dev_error"}
    assert names["keras_by_heart.csv"] == names["keras_too_small.json"] == names["per_cent_and_good.csv"] == whole
    assert names["fastai_too_short.csv"] == names["lightning_diverged.csv"] == whole - {"train_error"}
    assert names["wandb_losses.csv"] == {"train_loss", "dev_loss"}
    assert names["sklearn_loss_curve.json"] == {"train_loss"}
    assert names["sklearn_early_stopping.json"] == {"train_loss", "dev_error"}


def history(tmp_path: Path, text: str, name: str = "history.csv") -> Any:
    path = tmp_path / name
    path.write_text(text)
    return read_history(path)


def test_columns_and_rows_may_come_in_any_order(tmp_path: Path) -> None:
    found = history(tmp_path, "val_loss,epoch,loss\n0.3,2,0.2\n0.9,1,0.8\n")
    assert found.curves == {"dev_loss": [0.9, 0.3], "train_loss": [0.8, 0.2]}
    assert found.told == ["its rows are put into the order of the epochs"]


def test_per_cent_is_told_from_fractions(tmp_path: Path) -> None:
    found = history(tmp_path, "accuracy;val_acc\n90;0.5\n99;0.75\n")
    assert found.curves == {"train_error": pytest.approx([0.1, 0.01]), "dev_error": [0.5, 0.25]}
    assert found.told == ["accuracy is read as per cent"]


def test_the_last_step_of_an_epoch_counts(tmp_path: Path) -> None:
    """Lightning writes a row a step; `_step` is of single batches."""
    text = "epoch,step,train_loss_step,train_loss,val_loss\n0,9,5,,\n0,19,,2,\n0,19,,,3\n1,29,4,,\n1,39,,1,\n1,39,,,2\n"
    assert history(tmp_path, text).curves == {"train_loss": [2, 1], "dev_loss": [3, 2]}
    assert history(tmp_path, "epoch,step,loss\n1,10,0.9\n1,20,0.8\n2,30,0.7\n").curves == {"train_loss": [0.8, 0.7]}
    alone = history(tmp_path, "step,loss,val_loss\n10,0.9,\n10,,0.8\n20,0.7,\n20,,0.6\n")
    assert alone.curves == {"train_loss": [0.9, 0.7], "dev_loss": [0.8, 0.6]}, "rows of a step are one"


def test_test_sets_and_times_are_left_alone(tmp_path: Path) -> None:
    text = "epoch,loss,test_loss,test_accuracy,train_err_step,time,note\n1,2,9,0.5,0.5,00:03,start\n"
    assert set(history(tmp_path, text).curves) == {"train_loss"}


def test_numbers_that_are_not_finite_are_a_divergence_at_the_end_alone(tmp_path: Path) -> None:
    for last, status in (("nan", "diverged"), ("inf", "diverged"), ("0.5", "done")):
        path = tmp_path / "history.csv"
        path.write_text(f"epoch,loss\n1,1\n2,nan\n3,{last}\n")
        assert judged(path).evidence.status == status


def test_one_epoch_asks_for_more(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text("epoch,loss,val_loss,accuracy,val_accuracy\n1,0.5,0.6,0.88,0.8\n")
    found = judged(path)
    assert found.high == {"bias", "variance"}
    assert any("of 1 epoch no course can be told" in words for words in found.measure)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("history.csv", "", "the file is empty"),
        ("history.csv", "  \n\n", "the file is empty"),
        ("history.csv", "epoch,loss\n1,0.5\n2,abc\n", "history.csv:3: abc is no number, under loss"),
        ("history.csv", "epoch,loss\n1,0.5,7\n", "history.csv:2: 3 cells under 2 names"),
        ("history.csv", "epoch,loss,loss\n1,1,1\n", "two columns are called loss"),
        ("history.csv", "1,0.5,0.6\n2,0.4,0.5\n", "history.csv:1: numbers where the names of the columns should stand"),
        ("history.csv", "a,b\n1,2\n", "none of its columns is a loss, an error or an accuracy: a, b"),
        ("history.csv", "epoch,los\n1,2\n", "did you mean loss?"),
        ("history.csv", "epoch,loss\n1,2\n2,1\n1,2\n", "epoch 1 stands there twice"),
        ("history.csv", "epoch,loss\n", "no number stands in it"),
        ("history.csv", "accuracy\n140\n", "accuracy has values beyond 0 to 1 and 0 to 100"),
        ("history.json", '{"loss": [1,', "not valid JSON"),
        ("history.json", '{"loss": 3}', "no list of numbers"),
        ("history.json", '{"loss": [1, "x"]}', "value 2 of loss is no number: x"),
        ("history.json", '{"loss": [1, 2], "val_loss": [1]}', "curves of 1 and 2 epochs"),
        ("history.json", "[" * 100_000, "too deep to be read"),
        ("history.csv", ",\n,\n", "no cell with anything in it"),
        ("history.csv", "epoch,loss\n\n1,0.5\n\n2,abc\n", "history.csv:5: abc is no number"),
        ("history.csv", "epoch,accuracy,val_accuracy\n1,nan,nan\n", "no number stands in it"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, name: str, text: str, told: str) -> None:
    with pytest.raises(DataError) as raised:
        history(tmp_path, text, name)
    assert told in str(raised.value)
    assert str(raised.value).startswith(str(tmp_path / name))


def test_what_is_no_text_or_not_there_is_said(tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(bytes(range(128, 256)))
    for name, told in (
        ("picture.png", "no text"),
        ("nothing.csv", "no such file"),
        ("events.out.tfevents.1", "no such"),
    ):
        with pytest.raises(DataError, match=told):
            read_history(tmp_path / name)
    (tmp_path / "events.out.tfevents.1").write_bytes(b"")
    with pytest.raises(DataError, match=r"library tensorboard|no scalar"):
        read_history(tmp_path / "events.out.tfevents.1")


def test_what_is_no_share_of_the_examples_is_no_error(tmp_path: Path) -> None:
    """Errors of a regression, F1 and AUC would pass for rates of wrong answers."""
    found = history(
        tmp_path, "epoch,mean_squared_error,loss,val_f1_score,top_5_accuracy,auc\n1,9,8,0.4,0.9,0.9\n2,4,3,1,1,1\n"
    )
    assert found.curves == {"train_loss": [8, 3]}
    assert found.told == ["mean_squared_error is left out, as loss is there"]
    found = history(tmp_path, '{"loss_curve_": [2, 1], "validation_scores_": [-0.5, 0.5]}', "history.json")
    assert found.curves == {"train_loss": [2, 1]}
    assert "as R² may be" in found.told[0]


def test_a_loss_without_a_part_is_of_train_beside_one_that_is_called_so(tmp_path: Path) -> None:
    """Hugging Face's Trainer keeps both, under log_history in its state."""
    rows: list[dict[str, float]] = []
    for k in (1, 2):
        rows += [
            {"epoch": k, "step": k, "loss": 1 / k},
            {"epoch": k, "step": k, "eval_loss": 2 / k, "eval_accuracy": 0.5},
        ]
    state = {"best_metric": 1, "log_history": [*rows, {"epoch": 2, "step": 2, "train_loss": 0.75}]}
    found = history(tmp_path, json.dumps(state), "trainer_state.json")
    assert found.curves == {"train_loss": [1, 0.5], "dev_loss": [2, 1], "dev_error": [0.5, 0.5]}
    found = history(tmp_path, "train_loss,accuracy,val_loss,val_accuracy\n1,0.75,2,0.5\n")
    assert (found.curves["train_error"], found.curves["dev_error"]) == ([0.25], [0.5])


def test_what_is_not_read_is_told(tmp_path: Path) -> None:
    found = history(tmp_path, "epoch,loss,accuracy\n1,2,inf\n,1,inf\n2,1,inf\n")
    assert found.curves == {"train_loss": [2, 1]}
    assert found.told == ["accuracy holds no number", "1 row without a number under epoch left out"]


def test_a_name_may_say_per_cent(tmp_path: Path) -> None:
    assert history(tmp_path, "error (%)\n0.5\n0.25\n").curves == {"train_error": [0.005, 0.0025]}


def test_errors_of_other_steps_are_those_of_the_best_epoch_so_far(tmp_path: Path) -> None:
    """Weights & Biases and event files may have train and dev in rows of their own."""
    path = tmp_path / "history.csv"
    path.write_text("Step,train_acc,val_acc\n0,0.5,\n1,,0.25\n2,0.75,\n3,,0.5\n4,1,\n5,,0.25\n")
    verdict = judged(path).verdict
    assert verdict is not None
    assert verdict.errors == {"base": 0.0, "train": 0.25, "dev": 0.5}


def test_the_epoch_of_the_lowest_dev_error_is_judged_else_of_the_lowest_dev_loss(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text("loss,val_loss,accuracy,val_accuracy\n0.5,0.6,0.8,0.7\n0.4,0.5,0.85,0.8\n0.3,0.55,0.9,0.84\n")
    found = judged(path)
    assert found.document["curves"]["best_epoch"] == 3
    assert "best     epoch 3, which is judged" in found.page
    path.write_text("loss,val_loss\n0.5,0.6\n0.4,0.5\n0.3,0.55\n")
    found = judged(path)
    assert found.document["curves"]["best_epoch"] == 2
    told = ["the train set in each epoch: it tells bias", "the dev set in each epoch: it tells variance"]
    assert found.measure[:2] == [f"the error or accuracy on {words}" for words in told]


@pytest.mark.parametrize(("best", "advised"), [(5, True), (15, False)])
def test_early_stopping_is_advised_where_the_error_too_was_lowest_early(
    tmp_path: Path, best: int, advised: bool
) -> None:
    path = tmp_path / "history.csv"
    rows = [f"{1 / k},{0.5 + abs(k - 5) / 20},0,{0.1 + abs(k - best) / 100}\n" for k in range(1, 21)]
    path.write_text("loss,val_loss,error,val_error\n" + "".join(rows))
    found = judged(path)
    assert "dev turned" in found.evidence.signs
    tried = [setting for each in found.tries for setting in each["settings"]]
    assert any("early_stopping" in setting for setting in tried) is advised


def test_nothing_is_said_of_the_network_that_nobody_knows() -> None:
    found = judged(FILES / "keras_by_heart.csv")
    assert not any("weights for" in each["why"] for each in found.tries)


def test_no_longer_training_is_advised_where_the_dev_loss_turned() -> None:
    found = judged(FILES / "wandb_losses.csv")
    assert {"dev turned", "still falling"} <= found.evidence.signs
    assert not any("training.epochs" in setting for each in found.tries for setting in each["settings"])


def test_a_penalty_is_told_as_other_tools_have_it() -> None:
    """Keras adds c Σ W², PyTorch's weight decay w / 2 Σ W², nnrun λ / 2m Σ W² with the batch's m, not the set's."""
    why = judged(FILES / "keras_by_heart.csv", train=1_000).tries[0]["why"]
    assert "λ = 1 at batches of m = 32 rows is l2(λ/(2m)) = l2(0.016) of Keras" in why
    assert "weight_decay = λ/m = 0.031 of PyTorch's SGD and Adam" in why


def test_a_loss_below_zero_has_no_course_by_shares(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    for name in ("loss", "val_loss"):
        path.write_text(f"{name}\n" + "\n".join(str(-k) for k in range(12)))
        found = judged(path)
        assert found.evidence.signs == set()
        assert any("never below 0" in words for words in found.measure)


def test_event_files_are_read_with_folders_of_parts(tmp_path: Path) -> None:
    """As Keras writes them; where TensorBoard is not installed, what to do is said."""
    summary = pytest.importorskip("tensorboard.summary")
    losses = {"train": [20.0 - k for k in range(15)], "validation": [30.0 - k for k in range(15)]}
    for part, curve in losses.items():
        writer = summary.Writer(str(tmp_path / part))
        for step, loss in enumerate(curve):
            writer.add_scalar("epoch_loss", loss, step)
        writer.close()
    assert read_history(tmp_path).curves == {"train_loss": losses["train"], "dev_loss": losses["validation"]}


def test_the_document_has_what_a_diagnosis_has() -> None:
    found = judged(FILES / "keras_by_heart.csv")
    document = json.loads(json.dumps(found.document))
    assert document["verdict"]["variance"] == "high"
    assert document["curves"]["epochs"] == 80
    assert document["next"] == found.tries
    assert document["measure"] == []
