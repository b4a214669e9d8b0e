"""What a person types without nnrun: one whole job with scikit-learn, PyTorch or JAX.

    python whole_job_peers.py PEER JOB

PEER is sklearn, torch or jax; JOB is a JSON object with source, separator (empty unless the source is a table), target,
hidden, batch, rate and epochs. Each reads the source, standardises with the training part of a 60/20/20 split, trains,
writes the model into the current directory and prints its errors on dev and test. PyTorch takes batches from tensors in
memory, without a DataLoader, and an epoch of JAX is one compiled program: the quick way with each.
"""

from __future__ import annotations

import json
import pickle
import sys
import warnings
from itertools import pairwise
from typing import Any

import numpy as np

Arrays = tuple[np.ndarray, np.ndarray]
Job = dict[str, Any]


def digits_or_images(source: str) -> Arrays:
    """The bundled digits, or the arrays of a file."""
    if source == "digits":
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
        return x.astype(np.float32), y
    arrays = np.load(source)
    return arrays["x"].reshape(len(arrays["x"]), -1).astype(np.float32), arrays["y"].astype(np.int64)


def table(source: str, separator: str, target: str) -> Arrays:
    """Numbers as they are, a column for each word, and the number of each class."""
    import pandas as pd

    frame = pd.read_csv(source, sep=separator)
    _, y = np.unique(frame.pop(target), return_inverse=True)
    return pd.get_dummies(frame).to_numpy(np.float32), y


def parts(job: Job) -> list[Arrays]:
    """Training, dev and test part, standardised with the first."""
    source, separator = job["source"], job["separator"]
    x, y = table(source, separator, job["target"]) if separator else digits_or_images(source)
    order = np.random.default_rng(0).permutation(len(x))
    train, dev, test = np.split(order, [len(x) * 6 // 10, len(x) * 8 // 10])
    mean, deviation = x[train].mean(0), x[train].std(0)
    deviation[deviation == 0] = 1
    return [((x[rows] - mean) / deviation, y[rows]) for rows in (train, dev, test)]


def sklearn_job(job: Job) -> list[float]:
    """A pipeline that ends with an MLPClassifier, and the frame as it is read."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    scale: Any = StandardScaler()
    if job["separator"]:
        import pandas as pd

        x = pd.read_csv(job["source"], sep=job["separator"])
        y = x.pop(job["target"])
        words = (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number"))
        scale = make_column_transformer((scale, make_column_selector(dtype_include="number")), words)
    else:
        x, y = digits_or_images(job["source"])
    train_x, rest_x, train_y, rest_y = train_test_split(x, y, test_size=0.4, stratify=y, random_state=0)
    dev_x, test_x, dev_y, test_y = train_test_split(rest_x, rest_y, test_size=0.5, stratify=rest_y, random_state=0)
    network = MLPClassifier(
        job["hidden"],
        batch_size=job["batch"],
        learning_rate_init=job["rate"],
        alpha=0.0,
        max_iter=job["epochs"],
        n_iter_no_change=job["epochs"],
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 'the optimization has not converged yet' is meant
        model = make_pipeline(scale, network).fit(train_x, train_y)
    with open("model.pickle", "wb") as file:  # noqa: PTH123
        pickle.dump(model, file)
    return [1 - model.score(dev_x, dev_y), 1 - model.score(test_x, test_y)]


def torch_job(job: Job) -> list[float]:
    """The ordinary loop."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    (x, y), *others = [(torch.from_numpy(x), torch.from_numpy(y)) for x, y in parts(job)]
    widths = [x.shape[1], *job["hidden"], int(y.max()) + 1]
    layers = [layer for i, o in pairwise(widths) for layer in (nn.Linear(i, o), nn.ReLU())]
    model, loss_of = nn.Sequential(*layers[:-1]), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=job["rate"])
    for _ in range(job["epochs"]):
        for rows in torch.randperm(len(x)).split(job["batch"]):
            optimizer.zero_grad()
            loss_of(model(x[rows]), y[rows]).backward()
            optimizer.step()
    torch.save(model.state_dict(), "model.pt")
    with torch.no_grad():
        return [float((model(x).argmax(1) != y).float().mean()) for x, y in others]


def jax_job(job: Job) -> list[float]:
    """Epoch after epoch, each one program that scans over the batches; the last rows that fill none are left out."""
    import jax

    (x, y), *others = parts(job)
    rng = np.random.default_rng(0)
    widths = [x.shape[1], *job["hidden"], int(y.max()) + 1]
    theta = [
        {"W": np.float32(np.sqrt(2 / i)) * rng.standard_normal((i, o), np.float32), "b": np.zeros(o, np.float32)}
        for i, o in pairwise(widths)
    ]
    zeros = jax.tree.map(np.zeros_like, theta)
    state = jax.device_put((theta, zeros, zeros, np.float32(0)))
    x, y = jax.device_put(x), jax.device_put(y)
    epoch = jax.jit(_jax_epoch, donate_argnums=0)
    for _ in range(job["epochs"]):
        order = rng.permutation(len(x))[: len(x) // job["batch"] * job["batch"]]
        state = epoch(state, x, y, order.reshape(-1, job["batch"]), job["rate"])
    theta = jax.device_get(state[0])
    np.savez("model.npz", *(array for layer in theta for array in layer.values()))
    return [float((_jax_logits(theta, x).argmax(1) != y).mean()) for x, y in others]


def _jax_epoch(state: Any, x: Any, y: Any, batches: Any, rate: float) -> Any:
    """A step of Adam for every row of `batches`, which holds row numbers."""
    import jax
    import jax.numpy as jnp

    def cost(theta: Any, rows: Any) -> Any:
        logs = jax.nn.log_softmax(_jax_logits(theta, x[rows]))
        return -jnp.take_along_axis(logs, y[rows][:, None], 1).mean()

    def step(state: Any, rows: Any) -> Any:
        theta, m, v, t = state
        g, t = jax.grad(cost)(theta, rows), t + 1
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
        scale = rate / (1 - 0.9**t)
        root = 1 - 0.999**t
        theta = jax.tree.map(lambda p, m, v: p - scale * m / (jnp.sqrt(v / root) + 1e-8), theta, m, v)
        return (theta, m, v, t), None

    return jax.lax.scan(step, state, batches)[0]


def _jax_logits(theta: Any, x: Any) -> Any:
    import jax

    for layer in theta[:-1]:
        x = jax.nn.relu(x @ layer["W"] + layer["b"])
    return x @ theta[-1]["W"] + theta[-1]["b"]


def main() -> None:
    """What the command line asks for; the errors on dev and test as a line of JSON."""
    peer, job = sys.argv[1], json.loads(sys.argv[2])
    print(json.dumps({"sklearn": sklearn_job, "torch": torch_job, "jax": jax_job}[peer](job)))


if __name__ == "__main__":
    main()
