"""Which file is proposed in the place of one that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnrun.data.files.sources import check_file
from nnrun.errors import DataError

FILES = (
    "data/houses.csv", "data/houses_test.csv", "data/wine.parquet", "other/flowers.csv.gz", "other/deep/rows.jsonl",
    "sales.csv", "config.yaml", "houses.md", "a/twice.csv", "b/twice.csv",
)  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in FILES:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    Path("data/houses_old").mkdir()


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("data/hauses.csv", "data/houses.csv"),
        ("data/Houses.CSV", "data/houses.csv"),  # another case
        ("data/houses.parquet", "data/houses.csv"),  # another format, where one alike has this
        ("data/wine.csv", "data/wine.parquet"),  # and not the bundled set
        ("data/houses.csv.gz", "data/houses.csv"),
        ("other/flowers.csv", "other/flowers.csv.gz"),
        ("data/houses", "data/houses.csv"),
        ("houses.csv", "data/houses.csv"),  # another folder
        ("other/houses.csv", "data/houses.csv"),
        ("dat/houses.csv", "data/houses.csv"),
        ("other/rows.jsonl", "other/deep/rows.jsonl"),
        ("here/data/houses.csv", "data/houses.csv"),  # a folder too many
        ("sale.csv", "sales.csv"),
        ("digits.csv", "digits"),
        ("twice.csv", None),  # which of them?
        ("data/house_old", None),  # a folder, which cannot be read
        ("confg.yaml", None),  # no data
        ("data/houses_train.csv", None),  # the test set is another thing
        ("data/x.csv", None),
    ],
)
def test_the_plausible_file_is_proposed_or_none(given: str, meant: str | None) -> None:
    with pytest.raises(DataError) as caught:
        check_file(Path(given))
    assert str(caught.value) == f"{given}: no such file" + (f"; did you mean {meant!r}?" if meant else "")


def test_a_path_from_the_root_is_corrected_to_one_that_holds_wherever_it_is_written() -> None:
    with pytest.raises(DataError) as caught:
        check_file(Path("/data/houses.csv"))
    assert str(caught.value).endswith(f"did you mean '{Path.cwd()}/data/houses.csv'?")
