"""A run told in plain lines."""

from __future__ import annotations

import pytest

from nnrun.config.load import load_config
from nnrun.runs.telling import Beginning, changes, heading

NOTICE = "column 'a' is dropped: " + "it holds free text, in which hardly a value stands twice, " * 3


def beginning(notice: str) -> Beginning:
    return Beginning({"train": 90}, 4, ["a", "b"], 2, 1234, 32, 0, [notice])


def test_a_network_without_a_hidden_layer_has_no_activation() -> None:
    config = load_config(None, ["network.hidden=[]", "network.batch_norm=true"]).config
    assert heading("a-run", config, beginning(NOTICE))[2] == "network  4-2, 1,234 parameters"


@pytest.mark.parametrize("width", [80, 60])
def test_a_heading_fits_the_screen(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    config = load_config(None, [f"network.hidden={[16] * 30}"]).config
    _, _, network, _, *notes = heading("a-run", config, beginning(NOTICE))
    assert network == "network  4-[16×30]-2 (relu), 1,234 parameters"
    assert max(map(len, notes)) <= width
    assert all(line.startswith(" " * 9) for line in notes[1:])
    assert " ".join(" ".join(notes).split()) == f"note {NOTICE.strip()}"
    assert max(map(len, changes(config))) <= width
