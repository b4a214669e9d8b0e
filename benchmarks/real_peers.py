"""A model of others on a real table: a column of real_tables.py, and alone a process of whole_chain.py."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from typing import Any

PEERS = ["MLP", "HistGradientBoosting"]
TORCH_PEERS = ["RealMLP", "TabM"]  # of pytabkit


def fitted(peer: str, x: Any, y: Any) -> Any:
    """The model behind what its columns need, with the defaults of both."""
    if peer in TORCH_PEERS:
        return _of_torch(peer, x, y)
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.impute import SimpleImputer
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

    classes = y.dtype == object
    numbers, others = make_column_selector(dtype_include="number"), make_column_selector(dtype_exclude="number")
    if peer == "MLP":
        model = (MLPClassifier if classes else MLPRegressor)(early_stopping=True, random_state=0)
        columns = make_column_transformer(
            (make_pipeline(SimpleImputer(), StandardScaler()), numbers),
            (make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")), others),
        )
    else:
        model = (HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor)(random_state=0)
        ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
        columns = make_column_transformer(("passthrough", numbers), (ordinal, others))
    return make_pipeline(columns, model).fit(x, y)


def _of_torch(peer: str, x: Any, y: Any) -> Any:
    """RealMLP-TD-S or TabM with pytabkit's defaults: it holds out a fifth of the rows itself; numbers are filled."""
    import pytabkit
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    kind = "Classifier" if y.dtype == object else "Regressor"
    named = {"RealMLP": f"RealMLP_TD_S_{kind}", "TabM": f"TabM_D_{kind}"}[peer]
    model = getattr(pytabkit, named)(device="cpu", n_threads=1, random_state=0)
    fill = make_column_transformer(
        (SimpleImputer(), make_column_selector(dtype_include="number")),
        (SimpleImputer(strategy="most_frequent"), make_column_selector(dtype_exclude="number")),
    ).set_output(transform="pandas")
    return make_pipeline(fill, model).fit(x, y)


def errors(peer: str, parts: Any) -> dict[str, float]:
    """Of the test part, by a model that saw the others; `rmse` is in the target's own unit."""
    import numpy as np
    import pandas as pd
    from sklearn.metrics import accuracy_score, balanced_accuracy_score, r2_score
    from sklearn.preprocessing import StandardScaler

    seen = [parts[name] for name in ("train", "dev")]
    x, y = pd.concat([part[0] for part in seen]), np.concatenate([part[1] for part in seen])
    test_x, test_y = parts["test"]
    if y.dtype == object:
        told = fitted(peer, x, y).predict(test_x)
        plain, balanced = accuracy_score(test_y, told), balanced_accuracy_score(test_y, told)
        return {"error": 1 - plain, "balanced_error": 1 - balanced}
    scale = StandardScaler().fit(y[:, None])  # an MLP learns a target of thousands badly
    told = fitted(peer, x, scale.transform(y[:, None])[:, 0]).predict(test_x)
    off = scale.inverse_transform(np.reshape(told, (-1, 1)))[:, 0] - test_y
    return {"error": 1 - r2_score(test_y, test_y + off), "rmse": float(np.sqrt(np.mean(off**2)))}


def main() -> None:
    """`real_peers.py PEER PICKLE`: the errors as a line of JSON."""
    peer, path = sys.argv[1:]
    print(json.dumps(errors(peer, pickle.loads(Path(path).read_bytes()))))


if __name__ == "__main__":
    main()
