"""Runs commands of nnrun one after the other, as JSON says, and tells as JSON how each ended."""

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout

from nnrun.cli.app import parser_of


def ending(words: list[str]) -> tuple[object, str, str]:
    """Exit code, stdout and stderr of a command."""
    out, err = io.StringIO(), io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            parser_of(words)(words, prog_name="nnrun")
    except SystemExit as ended:
        return ended.code or 0, out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


if __name__ == "__main__":  # workers of a search load this module too
    print(json.dumps([ending(words) for words in json.loads(sys.argv[1])]))
