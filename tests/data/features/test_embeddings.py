"""Categories as rows of embeddings: which values have one, and what code each cell becomes."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from nnrun.data.facts.kinds import Meaning
from nnrun.data.features.categories import Encode, Limits, embedding_size
from nnrun.data.features.learner import Learner
from nnrun.data.features.preprocess import Preprocessor
from nnrun.engine.embedding import Embedding
from tests.data.in_memory import table


def learner(values: list[Any], limits: Limits) -> Learner:
    found = Learner("city", Meaning("category"), limits)
    found.see(table(city=values))
    return found


def fit(values: list[Any], limits: Limits) -> Preprocessor:
    return Preprocessor.learned([learner(values, limits)], "standard")


MANY = [f"c{i:02}" for i in range(40) for _ in range(5)] + ["rare", "rarer", "rarer"]


def test_each_value_has_a_code_and_what_is_unseen_is_0() -> None:
    fitted = fit(["b", "a", "b", "c"], Limits(encode="embedding"))
    assert fitted.features == ["city"]
    assert fitted.transform(table(city=["c", "a", "new", None])).tolist() == [[3], [1], [0], [0]]
    assert fitted.embeddings == (Embedding(0, 4, 3),)


def test_missing_values_have_a_code_of_their_own_where_training_had_some() -> None:
    fitted = fit(["b", None, "a"], Limits(encode="embedding"))
    assert fitted.features == ["city"]
    assert fitted.transform(table(city=["a", "b", None, "new"])).tolist() == [[1], [2], [3], [0]]
    assert fitted.embeddings == (Embedding(0, 4, 3),)


def test_rare_values_share_the_row_of_unseen_ones() -> None:
    # 40 values with 5 rows each; max_categories says nothing of rows.
    found = learner(MANY, Limits(most=10, encode="embedding"))
    assert len(found.column.vocabulary) == 40
    assert found.column.pooled == ("rarer", "rare")
    assert Preprocessor.learned([found], "standard").transform(table(city=["c00", "rare"])).tolist() == [[1], [0]]
    assert "the other 2, in 1.5% of the rows, share those of unseen values" in found.notices[0]


@pytest.mark.parametrize(("most", "embedded"), [(39, True), (40, False)])
def test_auto_embeds_where_more_values_than_max_categories_are_not_rare(most: int, embedded: bool) -> None:
    assert (learner(MANY, Limits(most=most, encode="auto")).column.embedding is not None) == embedded


@pytest.mark.parametrize(("least", "kept"), [(None, 40), (1, 42), (2, 41), (6, 0)])
def test_rare_below_says_which_values_have_a_row(least: int | None, kept: int) -> None:
    assert len(Limits(least=least, encode="embedding").embedded(Counter(MANY)) or []) == kept


# fastai's rule: 1.6 · 2^0.56 = 2.36, 1.6 · 11^0.56 = 6.13, 1.6 · 31^0.56 = 10.95; then at most 16.
@pytest.mark.parametrize(("rows", "size"), [(2, 1), (3, 2), (11, 6), (31, 11), (57, 15), (58, 16), (5000, 16)])
def test_size_of_a_row(rows: int, size: int) -> None:
    assert embedding_size(rows) == size


@pytest.mark.parametrize("encode", ["onehot", "embedding"])
def test_through_json(encode: Encode) -> None:
    fitted = fit(MANY, Limits(encode=encode))
    again = Preprocessor.from_json(json.loads(json.dumps(fitted.to_json())))
    assert again == fitted
    assert ("embedding" in fitted.to_json()["columns"][0]) == (encode == "embedding")
