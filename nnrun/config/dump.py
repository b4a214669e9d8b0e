"""Plain values → YAML text that reads back to the same values, here and in readers of YAML 1.1."""

from __future__ import annotations

import math
from ast import literal_eval
from functools import lru_cache
from typing import Any

import yaml

from nnrun.config.values import PATTERNS, PREFIX, Tree

try:  # three times as fast; the same text
    from yaml import CSafeDumper as SafeDumper
except ImportError:
    from yaml import SafeDumper  # type: ignore[assignment]

WIDEST = 2**31 - 1  # no line is broken


class _Dumper(SafeDumper):
    """Quotes every text that YAML 1.1 or 1.2 would take for something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_finite(self, value: float) -> yaml.ScalarNode:
        """Shortest digits that read back; with a point, since YAML 1.1 takes `1e-05` for text."""
        if not math.isfinite(value):
            raise ValueError(f"{value} has no place in a config")
        digits, _, exponent = repr(value).partition("e")
        text = digits if "." in digits else f"{digits}.0"
        return self.represent_scalar(PREFIX + "float", f"{text}e{exponent}" if exponent else text)

    def represent_text(self, value: str) -> yaml.ScalarNode:
        """With escapes in double quotes where line breaks or invisible characters would get lost."""
        return self.represent_scalar(PREFIX + "str", value, style=None if value.isprintable() else '"')


_Dumper.add_representer(str, _Dumper.represent_text)
_Dumper.add_representer(float, _Dumper.represent_finite)
_Dumper.add_multi_representer(dict, SafeDumper.represent_dict)  # such as a record that was read
for _tag, _pattern in PATTERNS.items():
    _Dumper.add_implicit_resolver(PREFIX + _tag, _pattern, None)


def dump_yaml(values: Any, one_line: bool = False) -> str:
    """Block style with the innermost collections on one line, or all on one; ValueError for what is not finite."""
    style = True if one_line else None
    return str(
        yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=style, width=WIDEST)
    )


def dump_sections(values: Tree) -> str:
    """`dump_yaml` of a config: a search writes thousands, most of whose sections are the same."""
    return "".join(_section(name, repr(section)) for name, section in values.items())


@lru_cache(256)
def _section(name: str, section: str) -> str:
    """The lines of a section. What stands below makes a block of it, as other sections do."""
    below: Tree = {f"{name}.": []}
    return dump_yaml({name: literal_eval(section), **below}).removesuffix(dump_yaml(below))


def one_line(value: Any) -> str:
    """A single value as YAML writes it in a line."""
    return dump_yaml([value], one_line=True).strip()[1:-1]
