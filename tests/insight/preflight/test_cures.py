"""Every cure that is printed as options is followed: the check that printed it passes then, and nothing else breaks."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnrun.config.load import load_config
from nnrun.engine.evaluation import Examples
from nnrun.insight.preflight import gradients
from nnrun.insight.preflight.checks import CHECKS
from nnrun.insight.preflight.verbs import open_context, preflight
from nnrun.runs.symptoms.evidence import Finding

RNG = np.random.default_rng(0)
CLEAN = pd.DataFrame(RNG.standard_normal((240, 4)), columns=list("abcd"))
CLEAN["y"] = np.where(CLEAN["a"] + 0.7 * RNG.standard_normal(240) > 0, "yes", "no")
CODES = np.arange(240) % 10
TABLES = {
    "constant": CLEAN.assign(same=1),
    "identifiers": CLEAN.assign(id=range(240)),
    "missing": CLEAN.assign(gaps=np.where(np.arange(240) % 80, np.nan, CLEAN["b"])),
    "kinds": CLEAN.assign(code=CODES, y=np.where(np.isin(CODES, [2, 5, 6, 9]), "yes", "no")),
    "leak": CLEAN.assign(copy=CLEAN["y"].str.upper()),
}
FAULTS = {  # the check, and settings with which it finds something
    "constant": (),
    "identifiers": (),
    "missing": (),
    "kinds": (),
    "leak": (),
    "scale": ("data.source=breast_cancer", "data.normalize=none", "network.hidden=[8]"),
    "augment": ("data.source=digits", "regularization.augment=[shift, {name: noise, deviation: 3}]"),
    "symmetry": ("data.source=iris", "network.init=zeros"),
    "layers": ("data.source=iris", "network.hidden=[16, 16, 16, 16]", "network.init={name: normal, scale: 0.003}"),
    "first_loss": ("data.source=iris", "network.init={name: normal, scale: 5}"),
    "cost": ("data.source=iris", "optimizer.name=sgd", "optimizer.learning_rate=1000"),
    "batch": ("data.source=digits", "network.hidden=[1]"),
    "rates": ("data.source=digits", "optimizer.learning_rate=1e-6"),
}  # fmt: skip


def checked(folder: Path, *settings: str) -> dict[str, Finding]:
    return dict(preflight(open_context(load_config(None, settings), folder / "runs")))


def followed(cure: str) -> list[str]:
    """The settings of a cure, as a shell takes them apart."""
    words = shlex.split(cure)
    return [words[i + 1] for i, word in enumerate(words) if word == "--set"]


@pytest.mark.parametrize("name", FAULTS)
def test_a_cure_cures(name: str, tmp_path: Path) -> None:
    settings = list(FAULTS[name])
    if name in TABLES:
        TABLES[name].to_csv(tmp_path / "table.csv", index=False)
        settings = [f"data.source={tmp_path}/table.csv", "data.target=y", "network.hidden=[8]"]
    found = checked(tmp_path, *settings)
    assert found[name].status != "pass"
    for each in found.values():
        cure = each.cure or ""
        assert "--set" not in cure or each.status != "pass"
    assert found[name].cure is not None
    cure = followed(found[name].cure)
    assert cure, found[name].cure
    assert checked(tmp_path, *settings, *cure)[name].status == "pass"


def test_pixels_are_no_columns(tmp_path: Path) -> None:
    """Digits have a border that is always empty; without it they would be no images, and could not be augmented."""
    found = checked(tmp_path, "data.source=digits", "regularization.augment=[elastic]")
    assert [name for name, finding in found.items() if finding.status != "pass"] == []
    assert found["constant"].text == "3 of 64 pixels never vary in the training part"
    assert not any("data.drop" in (finding.cure or "") for finding in found.values())


def test_images_that_are_all_one_are_a_fault_of_the_data_alone(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.full((80, 4, 4), 7.0), y=np.arange(80) % 2)
    found = checked(tmp_path, f"data.source={tmp_path}/x.npz", "network.hidden=[8, 8]")
    assert [name for name, finding in found.items() if finding.status == "fail"] == ["constant"]
    assert "data.group" not in str(found["duplicates"].cure)


def test_noise_is_judged_by_rows_from_everywhere_in_the_file(tmp_path: Path) -> None:
    """The first half hardly varies, so that any noise would drown it."""
    x = np.where(np.arange(1200) < 600, 0.01, 1) * np.random.default_rng(0).standard_normal(1200)
    pd.DataFrame({"x": x, "y": np.where(x > 0, "yes", "no")}).to_csv(tmp_path / "table.csv", index=False)
    settings = (f"data.source={tmp_path}/table.csv", "data.target=y", "regularization.augment=[noise]")
    found = CHECKS["augment"].run(open_context(load_config(None, settings), tmp_path / "runs"))
    assert found.status == "pass", found.text


def test_what_is_tried_on_a_few_rows_is_tried_on_rows_from_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sorted by the target, which is 0 in half of the rows: eight of those have no error that could fall."""
    y = np.maximum(0, np.arange(-200, 200) / 100)
    x = y + 0.1 * np.random.default_rng(0).standard_normal(400)
    pd.DataFrame({"x": x, "y": y}).to_csv(tmp_path / "table.csv", index=False)
    settings = (f"data.source={tmp_path}/table.csv", "data.target=y", "network.hidden=[16]")
    context, seen = open_context(load_config(None, settings), tmp_path / "runs"), list[Examples]()
    assert CHECKS["batch"].run(context).status == "pass"
    check = gradients.check_gradient
    monkeypatch.setattr(gradients, "check_gradient", lambda *given: (seen.append(given[5]), check(*given))[1])
    assert CHECKS["gradient"].run(context).status == "pass"
    assert all(len(np.unique(examples.y)) > 1 for examples in seen)


def test_a_cure_that_would_not_help_is_not_printed(tmp_path: Path) -> None:
    """Rows that are alike but for their targets: no network learns them."""
    x = np.repeat(np.arange(120) % 2, 2)
    frame = pd.DataFrame({"x": x + 1e-7 * np.arange(240), "y": np.tile(["yes", "no"], 120)})
    frame.to_csv(tmp_path / "table.csv", index=False)
    found = checked(tmp_path, f"data.source={tmp_path}/table.csv", "data.target=y", "network.hidden=[4]")["batch"]
    assert found.status != "pass"
    assert "--set" not in (found.cure or "")


def test_of_random_splits_no_more_than_one_in_a_hundred_is_told_to_differ(tmp_path: Path) -> None:
    """120 rows, as few as chance has its way with; 20 splits, of which none is refused."""
    CLEAN[:120].to_csv(tmp_path / "table.csv", index=False)
    told = 0
    for seed in range(20):
        settings = [f"data.source={tmp_path}/table.csv", "data.target=y", f"data.split_seed={seed}"]
        context = open_context(load_config(None, settings), tmp_path / "runs")
        found = [CHECKS[name].run(context) for name in ("distribution", "mismatch")]
        assert all(finding.status != "fail" for finding in found)
        told += any(finding.status == "warn" for finding in found)
        assert all(followed(finding.cure or "") == [f"data.split_seed={seed + 1}"] for finding in found if finding.cure)
    assert told <= 1
