"""Made the files beside it, once: trainings by scikit-learn and PyTorch with a planted trouble, as tools write them.

python make.py, with scikit-learn and torch installed
"""

from __future__ import annotations

import csv
import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

HERE = Path(__file__).parent
warnings.simplefilter("ignore")


def digits(train: int | None = None) -> list[Any]:
    """Scaled pixels: train x, dev x, train y, dev y."""
    x, y = load_digits(return_X_y=True)
    return list(train_test_split(x / 16, y, train_size=train or 0.6, test_size=500, random_state=0, stratify=y))


def sklearn_epochs(epochs: int, data: Sequence[Any], **options: Any) -> Iterator[dict[str, float]]:
    """Losses and accuracies, an epoch each."""
    x, x_dev, y, y_dev = data
    model = MLPClassifier(random_state=0, max_iter=1, warm_start=True, **options)
    for _ in range(epochs):
        model.fit(x, y)
        yield {
            "loss": log_loss(y, model.predict_proba(x)),
            "val_loss": log_loss(y_dev, model.predict_proba(x_dev)),
            "accuracy": model.score(x, y),
            "val_accuracy": model.score(x_dev, y_dev),
        }


def torch_epochs(
    epochs: int, data: Sequence[Any], rate: float, hidden: int, start: Callable[[torch.nn.Module], None] | None = None,
    momentum: float = 0.9,
) -> Iterator[dict[str, float]]:  # fmt: skip
    """The same by PyTorch: gradient descent in batches of 32."""
    torch.manual_seed(0)
    x, x_dev = (torch.tensor(each, dtype=torch.float32) for each in data[:2])
    y, y_dev = (torch.tensor(each) for each in data[2:])
    classes = int(y.max()) + 1
    model = torch.nn.Sequential(torch.nn.Linear(x.shape[1], hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, classes))
    if start:
        start(model)
    optimizer = torch.optim.SGD(model.parameters(), rate, momentum=momentum)
    cost = torch.nn.CrossEntropyLoss()
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(32):
            optimizer.zero_grad()
            cost(model(x[rows]), y[rows]).backward()
            optimizer.step()
        with torch.no_grad():
            z, z_dev = model(x), model(x_dev)
            yield {
                "loss": float(cost(z, y)),
                "val_loss": float(cost(z_dev, y_dev)),
                "accuracy": float((z.argmax(1) == y).float().mean()),
                "val_accuracy": float((z_dev.argmax(1) == y_dev).float().mean()),
            }


def write(name: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A CSV file, numbers to six digits."""
    with (HERE / name).open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows([[f"{cell:.6g}" if isinstance(cell, float) else cell for cell in row] for row in rows])


def keras_csv(name: str, epochs: Sequence[dict[str, float]]) -> None:
    """CSVLogger: sorted names behind the epoch, from 0."""
    keys = sorted(epochs[0])
    write(name, ["epoch", *keys], [[k, *(epoch[key] for key in keys)] for k, epoch in enumerate(epochs)])


def keras_json(name: str, epochs: Sequence[dict[str, float]]) -> None:
    """history.history."""
    curves = {key: [round(epoch[key], 6) for epoch in epochs] for key in epochs[0]}
    (HERE / name).write_text(json.dumps(curves) + "\n")


def main() -> None:
    """All ten."""
    keras_csv("keras_by_heart.csv", list(sklearn_epochs(80, digits(120), hidden_layer_sizes=(256, 256))))
    keras_json("keras_too_small.json", list(sklearn_epochs(60, digits(), hidden_layer_sizes=(2,))))
    slow = list(sklearn_epochs(15, digits(), hidden_layer_sizes=(64,), solver="sgd", learning_rate_init=0.003))
    write(
        "fastai_too_short.csv",
        ["epoch", "train_loss", "valid_loss", "error_rate", "accuracy", "time"],
        [[k, e["loss"], e["val_loss"], 1 - e["val_accuracy"], e["val_accuracy"], "00:01"] for k, e in enumerate(slow)],
    )
    keras_csv("keras_too_short.csv", slow)
    model = MLPClassifier((64,), random_state=0, max_iter=60).fit(*digits()[0:3:2])
    (HERE / "sklearn_loss_curve.json").write_text(json.dumps([round(loss, 6) for loss in model.loss_curve_]) + "\n")
    model = MLPClassifier((64,), random_state=0, max_iter=60, early_stopping=True).fit(*digits()[0:3:2])
    scores = [round(float(score), 6) for score in model.validation_scores_]
    (HERE / "sklearn_early_stopping.json").write_text(
        json.dumps({"loss_curve": [round(loss, 6) for loss in model.loss_curve_], "validation_scores": scores}) + "\n"
    )
    raw = load_breast_cancer(return_X_y=True)
    unscaled = list(train_test_split(*raw, test_size=0.3, random_state=0))
    rows: list[list[object]] = []
    for k, epoch in enumerate(torch_epochs(8, unscaled, 1e30, 32)):
        rows.append([k, 10 * k + 9, epoch["loss"], "", ""])
        rows.append([k, 10 * k + 9, "", epoch["val_loss"], epoch["val_accuracy"]])
    write("lightning_diverged.csv", ["epoch", "step", "train_loss", "val_loss", "val_acc"], rows)
    fewer = list(torch_epochs(120, digits(100), 0.1, 256))
    name = "brisk-sun-3"
    write(
        "wandb_losses.csv",
        ["Step", *(f"{name} - {key}{end}" for key in ("loss", "val_loss") for end in ("", "__MIN", "__MAX"))],
        [[k, *(e[key] for key in ("loss", "val_loss") for _ in range(3))] for k, e in enumerate(fewer)],
    )

    def zeros(model: torch.nn.Module) -> None:
        for parameter in model.parameters():
            torch.nn.init.zeros_(parameter)

    keras_json("keras_zeros.json", list(torch_epochs(20, digits(), 0.1, 32, zeros)))
    good = list(torch_epochs(40, digits(), 0.05, 128))
    write(
        "per_cent_and_good.csv",
        ["Epoch", "Train Accuracy", "Validation Accuracy", "Train Loss", "Validation Loss"],
        [[k + 1, 100 * e["accuracy"], 100 * e["val_accuracy"], e["loss"], e["val_loss"]] for k, e in enumerate(good)],
    )
    jumping = list(torch_epochs(30, digits(), 3.0, 64, momentum=0.0))
    keras_csv("keras_rate_too_high.csv", jumping)
    assert np.isfinite([e["loss"] for e in jumping]).all()


if __name__ == "__main__":
    main()
