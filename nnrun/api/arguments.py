"""What is handed to a public function, held against its annotations, so that what does not fit is told in words."""

from __future__ import annotations

import functools
import inspect
import operator
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from numbers import Real
from os import PathLike, fspath
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, ParamSpec, TypeVar

from nnrun.errors import NnrunError, UsageError, system_words
from nnrun.installation import expanded
from nnrun.text import closest, one_of, shown

P = ParamSpec("P")
R = TypeVar("R")

OTHERS = {"--set": "overrides", "--filter": "filters"}  # arguments of another name than the option
_OPTION = re.compile(r"--[a-z][a-z-]*[a-z]")
_BAR = re.compile(r" \| (?![^\[]*\])")  # between kinds, not within what a list holds


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """The function, which refuses arguments that its annotations do not allow, and tells what the system tells.

    Numbers of NumPy become Python's. It raises UsageError for an argument that does not fit, that is lacking or that
    it does not have, NnrunError in place of an OSError, with the words of the command line, but for its options.
    """
    signature, name = inspect.signature(function), function.__qualname__.removesuffix(".__init__")

    @functools.wraps(function)
    def wrapper(*args: P.args, **named: P.kwargs) -> R:
        try:
            given = signature.bind(*args, **named)
        except TypeError as error:
            unknown = next((given for given in named if given not in signature.parameters), "")
            meant = closest(unknown, signature.parameters)
            raise UsageError(f"{name}: {error}{f'; did you mean {meant!r}?' if meant else ''}") from None
        for argument, value in given.arguments.items():
            given.arguments[argument] = _argument(value, signature.parameters[argument])
        try:
            return function(*given.args, **given.kwargs)
        except UsageError as error:
            error.args = (_by_arguments(str(error), signature.parameters),)
            raise
        except OSError as error:
            raise NnrunError(system_words(error)) from error

    return wrapper


def _by_arguments(said: str, names: Collection[str]) -> str:
    """What is said of an option such as `--base-error`, said of the argument; commands to be typed are left alone."""
    options = {f"--{name.replace('_', '-')}": name for name in names}
    options |= {option: name for option, name in OTHERS.items() if name in names}
    parts = said.split("`")
    parts[::2] = [_OPTION.sub(lambda found: options.get(found[0], found[0]), part) for part in parts[::2]]
    return "`".join(parts)


def _argument(value: Any, parameter: inspect.Parameter) -> Any:
    usual = parameter.default
    if parameter.annotation is parameter.empty:  # self
        return value
    example = f" such as {usual!r}" if isinstance(usual, (str, int)) and not isinstance(usual, bool) else ""
    return _fitting(value, _BAR.split(parameter.annotation), parameter.name, example)


def _fitting(value: Any, kinds: list[str], name: str, example: str = "") -> Any:
    """The value as the first of these kinds that it is; UsageError where it is none, with what was probably meant."""
    if (item := _item(kinds)) and (several := _several(value)) is not None:
        return [_fitting(one, item, f"{name}[{place}]") for place, one in enumerate(several)]
    try:
        return _one_of_them(value, kinds)
    except OverflowError:
        raise UsageError(f"{name}: {shown(value)} is too large a number") from None
    except TypeError:
        wanted = f"expected {_words(kinds)}{example}"
        raise UsageError(f"{name}: {wanted}, got {shown(value)}{_meant(value, kinds)}") from None


def _one_of_them(value: Any, kinds: list[str]) -> Any:
    """The value as one of the first kind that it is of; TypeError where it is of none, OverflowError if too large."""
    if "Path" in kinds and isinstance(value, str):
        value = expanded(value)  # as a shell does, and nobody else
    for kind in kinds:
        with suppress(TypeError, UnicodeEncodeError):
            return _read(value, kind)
    raise TypeError


def _item(kinds: Iterable[str]) -> list[str]:
    """The kinds of what a list may hold, where one is allowed."""
    return next((_BAR.split(kind[len("Sequence[") : -1]) for kind in kinds if kind.startswith("Sequence[")), [])


def _several(value: Any) -> list[Any] | None:
    if isinstance(value, (str, bytes, Mapping)):
        return None
    try:
        return list(value)
    except TypeError:
        return None


def _whole(value: Any) -> int:
    if isinstance(value, bool):
        _refused()
    if (number := operator.index(value)).bit_length() > 63:
        raise OverflowError
    return number


def _number(value: Any) -> float:
    """A number: Python's own as it is, so that it is told as it was written, others as float; else TypeError."""
    if isinstance(value, bool) or not isinstance(value, Real):
        _refused()
    number = float(value)
    return value if isinstance(value, (int, float)) else number


def _truth(value: Any) -> bool:
    return bool(value) if type(value).__name__ in ("bool", "bool_") else _refused()  # NumPy's too


def _text(value: Any) -> str:
    """With nothing in it that the name of no file may hold; a name that is no UTF-8 has other halves of characters."""
    if not isinstance(value, str) or b"\0" in value.encode("utf-8", "surrogateescape"):
        _refused()
    return str(value)


def _path(value: Any) -> Path:
    return Path(_text(fspath(value))) if isinstance(value, PathLike) else _refused()


def _mapping(value: Any) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else _refused()


def _anything(value: Any) -> Any:
    return value


def _refused() -> NoReturn:
    raise TypeError


class _Kind(NamedTuple):
    words: str
    read: Callable[[Any], Any]  # an error of Python's for what is none


_KINDS = {
    "int": _Kind("a whole number", _whole),
    "float": _Kind("a number", _number),
    "bool": _Kind("True or False", _truth),
    "str": _Kind("a text", _text),
    "Path": _Kind("a path", _path),
    "Mapping": _Kind("a dictionary", _mapping),
    "Tables": _Kind("a DataFrame", _anything),  # what is none is told where it is written
    "Any": _Kind("anything", _anything),
}
_WORDS = {
    "Sequence[str]": "a list of texts",
    "Loaded": "what load_config gives",
    "RunDir": "a run's directory, which load_run finds",
}


def _read(value: Any, kind: str) -> Any:
    """The value as it is of a kind, a class being known by its name; an error of Python's where it is not."""
    name = kind.partition("[")[0]
    if name in _KINDS:
        return _KINDS[name].read(value)
    classes = {of.__name__ for of in type(value).__mro__}
    return value if kind in classes or (kind == "None" and value is None) else _refused()


def _words(kinds: Iterable[str]) -> str:
    return one_of(_told(kind) for kind in kinds if kind != "None")


def _told(kind: str) -> str:
    name = kind.partition("[")[0]
    if kind in _WORDS or name in _KINDS:
        return _WORDS.get(kind) or _KINDS[name].words
    return f"a list in which each is {_words(item)}" if (item := _item([kind])) else f"a {kind}"


def _meant(value: Any, kinds: list[str]) -> str:
    """What to write, where a list of one, the settings of a dictionary or the number of a text would do."""
    if item := _item(kinds):
        meant = [f"{key}={of}" for key, of in value.items()] if isinstance(value, Mapping) else [value]
        with suppress(TypeError):
            return f"; write {shown([_one_of_them(one, item) for one in meant])}"
    for kind, number in (("int", int), ("float", float)):
        if kind in kinds and isinstance(value, (str, float)):
            with suppress(ValueError, OverflowError):  # of words, and of what is infinite
                if (made := number(value)) == value or isinstance(value, str):
                    return f"; write {made}"
    return ""
