"""Attributes that are worked out when they are first asked for, in whichever thread, and then kept."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or sys.version_info >= (3, 12):
    from functools import cached_property
else:

    class cached_property(functools.cached_property):  # noqa: N801 as what it stands for
        """Without the lock that it has until Python 3.12, one for all objects of a class.

        Threads would wait for each other though their objects differ, and a process that is forked meanwhile for ever.
        Threads that ask one object at once may each work it out, and are all given what the first one found.
        """

        def __get__(self, instance: Any, owner: type | None = None) -> Any:
            """What is found is looked up in the object before this is asked."""
            return self if instance is None else instance.__dict__.setdefault(self.attrname, self.func(instance))


__all__ = ["cached_property"]
