"""One process of a peer's search: Optuna around scikit-learn's MLP or PyTorch, or RandomizedSearchCV.

    python search_peers.py KIND TRIALS EPOCHS JOBS [JOURNAL]

KIND is optuna_sklearn, optuna_torch, sklearn_random or jax_vmap. With a journal several processes share one study.
Everything is as a user would type it: digits standardised with the training part, 60/20/20, the score is the error on
the dev part.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np

WIDTHS, BATCHES = (32, 64, 128), (32, 64, 128)


def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training and dev part, float32, standardised."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, y = load_digits(return_X_y=True)
    x_train, rest, y_train, y_rest = train_test_split(x, y, test_size=0.4, stratify=y, random_state=0)
    x_dev, _, y_dev, _ = train_test_split(rest, y_rest, test_size=0.5, stratify=y_rest, random_state=0)
    mean, deviation = x_train.mean(0), x_train.std(0)
    deviation[deviation == 0] = 1
    scaled = [((part - mean) / deviation).astype(np.float32) for part in (x_train, x_dev)]
    return scaled[0], y_train, scaled[1], y_dev


def suggested(trial: Any) -> dict[str, Any]:
    """The five hyperparameters; 1 − β on a log scale has to be written out."""
    return {
        "rate": trial.suggest_float("rate", 1e-4, 1e-1, log=True),
        "beta1": 1 - trial.suggest_float("one_minus_beta1", 1e-3, 1e-1, log=True),
        "l2": trial.suggest_float("l2", 1e-4, 10, log=True),
        "width": trial.suggest_categorical("width", WIDTHS),
        "batch": trial.suggest_categorical("batch", BATCHES),
    }


def sklearn_error(settings: dict[str, Any], epochs: int, data: Any) -> float:
    """Dev error of an MLPClassifier."""
    from sklearn.neural_network import MLPClassifier

    x, y, x_dev, y_dev = data
    model = MLPClassifier(
        hidden_layer_sizes=(settings["width"],),
        learning_rate_init=settings["rate"],
        beta_1=settings["beta1"],
        alpha=settings["l2"],
        batch_size=settings["batch"],
        max_iter=epochs,
        tol=0.0,
        n_iter_no_change=10**9,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 'the optimization has not converged yet' is meant
        model.fit(x, y)
    return 1 - float(model.score(x_dev, y_dev))


def torch_error(settings: dict[str, Any], epochs: int, data: Any) -> float:
    """Dev error of the ordinary PyTorch loop."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(0)
    x, y, x_dev, y_dev = (torch.as_tensor(part) for part in data)
    model = nn.Sequential(nn.Linear(x.shape[1], settings["width"]), nn.ReLU(), nn.Linear(settings["width"], 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=settings["rate"], betas=(settings["beta1"], 0.999))
    loss_of = nn.CrossEntropyLoss()
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(settings["batch"]):
            optimizer.zero_grad()
            penalty = sum((p * p).sum() for p in model.parameters() if p.ndim == 2)
            loss = loss_of(model(x[rows]), y[rows]) + settings["l2"] / (2 * len(rows)) * penalty
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        return 1 - float((model(x_dev).argmax(1) == y_dev).float().mean())


def optuna_search(error: Any, trials: int, epochs: int, jobs: int, journal: str | None) -> None:
    """One process of a study."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna.study import MaxTrialsCallback

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = JournalStorage(JournalFileBackend(journal)) if journal else None
    study = optuna.create_study(study_name="digits", storage=storage, load_if_exists=True)
    data = digits()

    def objective(trial: Any) -> float:
        return float(error(suggested(trial), epochs, data))

    if journal:
        study.optimize(objective, callbacks=[MaxTrialsCallback(trials)])
    else:
        study.optimize(objective, n_trials=trials, n_jobs=jobs)
    print(study.best_value)


def sklearn_search(trials: int, epochs: int, jobs: int) -> None:
    """RandomizedSearchCV on the one split."""
    from scipy.stats import loguniform
    from sklearn.model_selection import PredefinedSplit, RandomizedSearchCV
    from sklearn.neural_network import MLPClassifier

    x, y, x_dev, y_dev = digits()
    split = PredefinedSplit(np.r_[np.full(len(x), -1), np.zeros(len(x_dev), int)])
    space = {
        "learning_rate_init": loguniform(1e-4, 1e-1),
        "beta_1": (1 - loguniform(1e-3, 1e-1).rvs(1000, random_state=0)).tolist(),
        "alpha": loguniform(1e-4, 10),
        "hidden_layer_sizes": [(width,) for width in WIDTHS],
        "batch_size": list(BATCHES),
    }
    model = MLPClassifier(max_iter=epochs, tol=0.0, n_iter_no_change=10**9, random_state=0)
    search = RandomizedSearchCV(model, space, n_iter=trials, n_jobs=jobs, cv=split, refit=False, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(np.r_[x, x_dev], np.r_[y, y_dev])
    print(1 - search.best_score_)


def jax_search(trials: int, epochs: int) -> None:
    """All trials as one compiled program, mapped over the settings: 64 units, batches of 64."""
    import os

    for name in ("NPROC", "XLA_FLAGS"):  # all cores, as for everybody who types this
        os.environ.pop(name, None)
    import jax

    rng = np.random.default_rng(0)
    settings = {
        "rate": 10 ** rng.uniform(-4, -1, trials),
        "beta1": 1 - 10 ** rng.uniform(-3, -1, trials),
        "l2": 10 ** rng.uniform(-4, 1, trials),
    }
    x, y, x_dev, y_dev = digits()
    train = jax.jit(jax.vmap(_jax_trial, in_axes=(0, 0, None, None, None)), static_argnums=4)
    theta = train(jax.random.split(jax.random.key(0), trials), settings, x, y, epochs)
    logits = jax.jit(jax.vmap(_jax_forward, in_axes=(0, None)))(theta, x_dev)
    print(1 - float((logits.argmax(-1) == y_dev).mean(axis=1).max()))


def _jax_forward(theta: Any, x: Any) -> Any:
    import jax

    return jax.nn.relu(x @ theta["W1"] + theta["b1"]) @ theta["W2"] + theta["b2"]


def _jax_trial(key: Any, settings: Any, x: Any, y: Any, epochs: int, batch: int = 64) -> Any:
    """Adam with L2 on one hidden layer of 64; batches are drawn anew in each epoch, the short last one is left out."""
    import jax
    import jax.numpy as jnp

    first, second, shuffles = jax.random.split(key, 3)
    theta = {
        "W1": jax.random.normal(first, (x.shape[1], 64)) * np.sqrt(2 / x.shape[1]),
        "b1": jnp.zeros(64),
        "W2": jax.random.normal(second, (64, 10)) * np.sqrt(2 / 64),
        "b2": jnp.zeros(10),
    }

    def cost(theta: Any, rows: Any) -> Any:
        logs = jax.nn.log_softmax(_jax_forward(theta, x[rows]))
        penalty = (theta["W1"] ** 2).sum() + (theta["W2"] ** 2).sum()
        return -jnp.take_along_axis(logs, y[rows][:, None], 1).mean() + settings["l2"] / (2 * batch) * penalty

    def step(state: Any, rows: Any) -> Any:
        theta, v, s, t = state
        g = jax.grad(cost)(theta, rows)
        v = jax.tree.map(lambda v, g: settings["beta1"] * v + (1 - settings["beta1"]) * g, v, g)
        s = jax.tree.map(lambda s, g: 0.999 * s + 0.001 * g * g, s, g)
        scale = settings["rate"] * jnp.sqrt(1 - 0.999**t) / (1 - settings["beta1"] ** t)
        theta = jax.tree.map(lambda p, v, s: p - scale * v / (jnp.sqrt(s) + 1e-8), theta, v, s)
        return (theta, v, s, t + 1), None

    def epoch(state: Any, key: Any) -> Any:
        rows = jax.random.permutation(key, len(x))[: len(x) // batch * batch]
        return jax.lax.scan(step, state, rows.reshape(-1, batch))[0], None

    zeros = jax.tree.map(jnp.zeros_like, theta)
    state = jax.lax.scan(epoch, (theta, zeros, zeros, 1.0), jax.random.split(shuffles, epochs))[0]
    return state[0]


def main() -> None:
    """What the command line asks for."""
    kind, trials, epochs, jobs, *journal = sys.argv[1:]
    if kind == "sklearn_random":
        sklearn_search(int(trials), int(epochs), int(jobs))
    elif kind == "jax_vmap":
        jax_search(int(trials), int(epochs))
    else:
        error = {"optuna_sklearn": sklearn_error, "optuna_torch": torch_error}[kind]
        optuna_search(error, int(trials), int(epochs), int(jobs), journal[0] if journal else None)


if __name__ == "__main__":
    main()
