"""`nnrun schema`: the JSON Schema of the config, for editors."""

from __future__ import annotations

from nnrun.cli.common import Debug, Json, explained
from nnrun.cli.terminal.streams import json_result


@explained
def schema(json: Json = False, debug: Debug = False) -> None:
    """Print the JSON Schema of the config, for editors.

    It is JSON with and without --json.
    """
    from nnrun.config.reference import json_schema

    json_result(json_schema())
