"""`nnrun schema`: the JSON Schema of the config, for editors."""

from __future__ import annotations

from nnrun.cli.common import Debug, explained
from nnrun.cli.terminal.streams import json_result


@explained
def schema(debug: Debug = False) -> None:
    """Print the JSON Schema of the config, for editors."""
    from nnrun.config.reference import json_schema

    json_result(json_schema())
