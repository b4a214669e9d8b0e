"""What a page says of the machine."""

from __future__ import annotations

from typing import Any

import pytest

from nnrun.report.run.background import environment_section


@pytest.mark.parametrize(
    ("cores", "told"),
    [
        ({"cores": 4}, "x86_64, 4 cores<"),  # as older runs have it
        ({"cores": 4, "usable_cores": 4}, "x86_64, 4 cores<"),
        ({"cores": 64, "usable_cores": 2}, "x86_64, 64 cores, of which 2 could be used<"),
    ],
)
def test_cores_of_the_machine_and_those_that_could_be_used(cores: dict[str, int], told: str) -> None:
    host = {"system": "Linux", "processor": "x86_64", **cores}
    record: dict[str, Any] = {"host": host, "versions": {}, "data": {"files": [], "rows": {}}}
    assert told in "".join(map(str, environment_section(record).parts))
