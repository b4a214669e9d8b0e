"""Where configurations differ: dotted keys and their values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nnrun.config.config import Config

Values = Mapping[str, Any]


def flat(values: Values, prefix: str = "") -> dict[str, Any]:
    """Dotted keys of a resolved config; what stands deeper than a section's keys is a value."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        inner = isinstance(value, Mapping) and not prefix
        found |= flat(value, f"{key}.") if inner else {prefix + key: value}
    return found


def changed(values: Values) -> dict[str, tuple[Any, Any]]:
    """The keys of a resolved config whose values differ from their defaults, with both."""
    defaults = flat(Config().resolved())
    return {key: (value, defaults.get(key)) for key, value in flat(values).items() if defaults.get(key) != value}
