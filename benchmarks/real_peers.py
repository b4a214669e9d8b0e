"""One process of real_tables.py: a model of scikit-learn, fitted and measured on the parts that a pickle holds."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from typing import Any

PEERS = ["MLP", "HistGradientBoosting"]


def fitted(peer: str, x: Any, y: Any) -> Any:
    """The model behind what its columns need, with the defaults of both."""
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


def errors(peer: str, parts: Any) -> dict[str, float]:
    """Of the test part, by a model that saw the others."""
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
    return {"error": 1 - r2_score(scale.transform(test_y[:, None])[:, 0], told)}


def main() -> None:
    """`real_peers.py PEER PICKLE`: the errors as a line of JSON."""
    peer, path = sys.argv[1:]
    print(json.dumps(errors(peer, pickle.loads(Path(path).read_bytes()))))


if __name__ == "__main__":
    main()
