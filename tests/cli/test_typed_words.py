"""What somebody types who has not read the manual, and the words that answer."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import QUICK, Done

Nnrun = Callable[..., Done]
TABLE = "a,b,y\n" + "".join(f"{i},{i % 5},{'yes' if i % 7 > 3 else 'no'}\n" for i in range(60))


def test_the_target_may_be_called_target(nnrun: Nnrun) -> None:
    nnrun("train", "-q", *QUICK)
    assert "errors by digit" in nnrun("diagnose", "--by", "target").out
    done = nnrun("diagnose", "--by", "number")
    assert done.code == 2 and "no column 'number'; the target is 'digit', the columns pixel_0_0" in done.err


def test_a_column_called_target_is_meant_before_the_target(nnrun: Nnrun) -> None:
    Path("d.csv").write_text(TABLE.replace("a,b,y", "a,target,y"))
    nnrun("train", "-q", "--set", "data.source=d.csv", "--set", "data.target=y", *QUICK)
    assert "errors by target" in nnrun("diagnose", "--by", "target").out


def test_a_table_is_no_config(nnrun: Nnrun) -> None:
    Path("d.csv").write_text(TABLE)
    Path("d.csv.gz").write_bytes(gzip.compress(TABLE.encode()))
    for command in ("train", "search", "check"):
        for name in ("d.csv", "d.csv.gz"):
            done = nnrun(command, name)
            assert (done.code, done.err) == (
                3, f"{name}: a table, where a config is needed; nnrun init {name} --target COLUMN writes one for it\n"
            )  # fmt: skip


def test_an_address_is_no_file(nnrun: Nnrun) -> None:
    address, words = "https://example.org/d.csv", "nnrun reads files: download it first"
    nnrun("train", "-q", *QUICK)
    for command in (("train", address), ("init", address), ("train", "--set", f"data.source={address}"),
                    ("predict", "latest", address)):  # fmt: skip
        done = nnrun(*command)
        assert done.code in (3, 4) and words in done.err, command


def test_a_misspelled_name_of_a_bundled_set(nnrun: Nnrun) -> None:
    done = nnrun("init", "digts")
    assert done.code == 3 and "no data set 'digts'; did you mean digits?" in done.err


@pytest.mark.parametrize("setting", ["data.target=foo", "data.source=d.csv"])
def test_no_error_points_into_the_bundled_example(nnrun: Nnrun, setting: str) -> None:
    Path("d.csv").write_text(TABLE)
    done = nnrun("train", "-q", "--set", setting)
    assert done.code == 4 and done.err.startswith(f"--set {setting}: ") and "digits.yaml" not in done.err


def test_a_missing_target_is_looked_for_where_targets_stand(nnrun: Nnrun) -> None:
    assert "the last columns are pixel_6_7" in (err := nnrun("train", "-q", "--set", "data.target=foo").err)
    assert err.endswith("digit\n")
