"""What was fitted on the data: an early or damaged data.json gives what it has, and the rows are known again."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from nnrun.data.files.reading import Reading
from nnrun.data.fitted import Document, Fitted


def fitted(**document: Any) -> Fitted:
    return Fitted(cast(Document, document))


def test_a_document_that_lacks_much_gives_the_rest() -> None:
    early = fitted(source="digits", features=["a", "b"], classes=None)
    assert (early.features, early.classes) == (["a", "b"], None)
    assert (early.image, early.weights, early.left_out) == (None, None, [])
    assert early.bundled is not None
    with pytest.raises(KeyError, match="split"):
        _ = early.split


def test_an_early_run_is_read_as_files_usually_are() -> None:
    column = {"name": "code", "kind": "category"}
    assert fitted(columns=[column], target={"name": "y"}).reading == Reading(
        text=frozenset({"code"}), categories=frozenset({"code"}), features=("code",), target="y"
    )


def test_rows_are_the_same_wherever_their_file_lies(csv: Any, load: Any) -> None:
    data = load(csv("x,y", *(f"{i},{'ab'[i % 2]}" for i in range(40))), target="y").fitted
    written = json.loads(data.written)
    del written["checksum"]
    moved = Fitted(written)
    assert moved == data
    moved.document["files"][0]["name"] = "elsewhere.csv"
    assert moved != data and moved.same_rows(data)
    moved.document["split"]["sha256"] = "of other rows"
    assert not moved.same_rows(data)
