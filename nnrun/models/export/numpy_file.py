"""A model as one Python file: `standalone.py` with what was learned filled in, and `standalone_command.py` below it."""

from __future__ import annotations

import base64
import csv
import io
import math
import pickle
import pprint
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import indent
from typing import Any, Literal

import numpy as np

from nnrun.data.facts.kinds import formats_of
from nnrun.data.features.columns import Column
from nnrun.data.features.numbers import Encoder
from nnrun.data.features.preprocess import Preprocessor
from nnrun.data.files.cells import MISSING
from nnrun.data.files.reading import Reading
from nnrun.data.files.table import Table, reads_as_number
from nnrun.data.files.values import Kind, Values, kind_of
from nnrun.engine.parameters import Array
from nnrun.errors import NnrunError
from nnrun.models.export import standalone, standalone_command
from nnrun.models.export.affine import Affine, Lookup, Stack, pool_of
from nnrun.models.model import Model

TEMPLATE, COMMAND = Path(standalone.__file__), Path(standalone_command.__file__)
WIDTH = 110  # of a line of numbers or letters
_CALLED = """
import io, pickle, sys, numpy
file, said = {"__name__": "model"}, io.BytesIO()
exec(open(sys.argv[1], encoding="utf-8").read(), file)
numpy.save(said, file["predict"](pickle.load(sys.stdin.buffer)))
sys.stdout.buffer.write(said.getvalue())
"""
USED: dict[Kind | Literal["code"], tuple[str, ...]] = {
    "number": ("unit", "fills"),
    "boolean": ("unit", "fills"),
    "category": ("vocabulary", "ends", "spellings", "other"),
    "code": ("vocabulary", "ends", "spellings"),
    "date": ("fills", "parts", "formats"),
}
_IMPORTS = re.compile(r"(?:^(?:import|from) .*\n)+", re.MULTILINE)  # a block; the second is the standard library
_LEARNED = re.compile(r"(?<=# What was learned\.\n).*(?=# End of what was learned\.\n)", re.DOTALL)


def require() -> None:
    """Nothing is needed."""


def write(model: Model, path: Path) -> None:
    """Write the file; all that comes from the data stands in literals, so that no name or value can be code."""
    learned = _learned(model)
    path.write_text(_LEARNED.sub(lambda _: learned, _source(), count=1), encoding="utf-8")


def _source() -> str:
    """Both modules as one, with the imports of both above."""
    source, command = TEMPLATE.read_text(encoding="utf-8"), COMMAND.read_text(encoding="utf-8")
    above, below = _IMPORTS.findall(source)[1], _IMPORTS.findall(command)[1]
    *_, own = _IMPORTS.finditer(command)
    return source.replace(above, _imports(above + below), 1) + command[own.end() :]


def _imports(lines: str) -> str:
    """Imports in order, a line for each module."""
    found: dict[str, set[str]] = {}
    for line in lines.splitlines():
        module, _, names = line.partition(" import ")
        found.setdefault(module, set()).update(names.split(", ") if names else [])
    ordered = sorted(found.items(), key=lambda entry: (entry[0].startswith("from"), entry[0]))
    return "".join(
        f"{module} import {', '.join(sorted(names))}\n" if names else f"{module}\n" for module, names in ordered
    )


def run(model: Model, path: Path, table: Table) -> Array:
    """What the file says of the values of these rows, as whoever imports it would hear it."""
    rows = {column.name: _spaced(column, _values(table.column(column.name))) for column in model.columns}
    said: Array = np.load(io.BytesIO(_answer(["-c", _CALLED, str(path.absolute())], pickle.dumps(rows))))
    return said


def command(model: Model, path: Path, table: Table) -> Array:
    """What the file says of the same rows as a command that is given the text of their cells."""
    with tempfile.TemporaryDirectory(prefix="nnrun-") as folder:
        rows = Path(folder) / "rows.csv"
        cells = {column.name: _spaced(column, table.frame[column.name].to_numpy(object)) for column in model.columns}
        table.frame.assign(**cells)[[*cells]].to_csv(rows, index=False, quoting=csv.QUOTE_ALL)
        said = _answer([str(path.absolute()), str(rows)], b"").decode()
    answers = list(csv.reader(io.StringIO(said, newline="")))[1:]
    found = np.array([row[-len(model.target.classes or [0]) :] for row in answers], dtype=np.float64)
    return found if model.target.classes is not None else found[:, 0]


def _answer(command: Sequence[str], rows: bytes) -> bytes:
    """What Python writes, where it sees neither nnrun nor the current directory; NnrunError where it fails."""
    with tempfile.TemporaryDirectory(prefix="nnrun-") as folder:
        done = subprocess.run([sys.executable, "-I", *command], input=rows, capture_output=True, cwd=folder)
    if done.returncode:
        told = done.stderr.decode(errors="replace").strip()[-500:]
        raise NnrunError(f"the written file does not run: {told}; please report it")
    return done.stdout


def _values(values: Values) -> Array:
    """Values `(m,)` as NumPy or Python has them, dates as text, and None where one is missing."""
    if isinstance(values, np.ndarray):
        return values
    plain = values.astype(str) if kind_of(values) == "date" else values
    return plain.astype(object).where(values.notna(), None).to_numpy()


def _spaced(column: Column, values: Array) -> Array:
    """The values `(m,)`, every other one that the column learned as a category with a space before it.

    None of a column that tells values by their spaces.
    """
    known = {*column.vocabulary} if column.kind == "category" else set()
    if values.dtype != object or any(value != value.strip() for value in (*known, *column.pooled)):
        return values
    spaced = values.copy()
    spaced[::2] = [f" {value}" if value in known else value for value in values[::2]]
    return spaced


def _learned(model: Model) -> str:
    target, pool = model.target, pool_of(model, standalone.ACTIVATIONS)
    classes = None if target.classes is None else list(target.classes)
    shift = np.zeros(len(classes or [0])) if pool.shift is None else pool.shift
    places = {one: place for place, one in enumerate(model.preprocessors)}
    reading = model.fitted.reading
    missing, numbers = _missing(reading)
    lines = [
        f"RUN = {model.run.id!r}",
        f"TARGET = {target.name!r}",
        f"CLASSES: list[str] | None = {None if classes is None else _packed(classes)}",
        f"CLASS_WEIGHTS: list[float] | None = {None if model.factors is None else _packed(model.factors.tolist())}",
        f"TARGET_MEAN, TARGET_DEVIATION, TARGET_LOG = {target.mean!r}, {target.deviation!r}, {target.is_log}",
        f"TEMPERATURE = {pool.temperature!r}",
        f"SHIFT = {_packed(shift.tolist())}",
        f"MISSING: frozenset[str] = frozenset({_packed(sorted(missing))})",
        f"MISSING_NUMBERS: list[float] = {_packed(sorted(numbers))}",
        f"COMMAS = {',' in (reading.decimal, reading.usual_decimal)}",
        f"NAMED: dict[str, list[str]] = {_named(_categories_among(missing, model))}",
        f"SHAPES: list[tuple[int, ...]] = {_packed(_shapes(model))}",
        f"IDENTIFIERS: list[str] = {_packed(model.fitted.identifiers)}",
        f"PREPARATIONS: list[Preparation] = {_stacked(_preparation(one, reading.units) for one in places)}",
        f"STACKS: list[Stack] = {_stacked(_stack(stack, places[stack.preprocessor]) for stack in pool.stacks)}",
    ]
    return "\n".join(lines) + "\n"


def _missing(reading: Reading) -> tuple[set[str], set[float]]:
    """What stands for a missing value in a text file that the run reads, and in its columns of numbers.

    Of a whole number also the spellings that pandas takes for it in a column of text.
    """
    found = {float(text) for text in reading.missing if reads_as_number(text)}
    numbers = {number for number in found if math.isfinite(number)}
    whole = {int(number) for number in numbers if number.is_integer()}
    usual = MISSING if reading.usual_missing else ("",)
    return {*usual, *reading.missing, *map(str, whole), *(f"{number}.0" for number in whole)}, numbers


def _categories_among(missing: set[str], model: Model) -> dict[str, str]:
    """The categories of a column that are called like a missing value, as a source whose values have types may have."""
    found: dict[str, set[str]] = {}
    for column in (column for one in model.preprocessors for column in one.columns):
        if called := {value for value in (*column.vocabulary, *column.pooled) if value.strip() in missing}:
            found[column.name] = found.get(column.name, set()) | called
    return {name: _packed(sorted(called)) for name, called in found.items()}


def _shapes(model: Model) -> Iterator[tuple[int, ...]]:
    """The shapes of an image, all pixels of which are learned from: flat, and as it is."""
    columns = {column.name for one in model.preprocessors for column in one.columns}
    image = model.fitted.reading.image
    if image and math.prod(image) == len(columns):
        yield from ((len(columns),), *((image[:2], image) if image[2] == 1 else (image,)))


def _preparation(preprocessor: Preprocessor, units: Mapping[str, str] | None) -> str:
    columns = _stacked(_column(column, units) for column in preprocessor.columns)
    means, deviations = _packed(preprocessor.means), _packed(preprocessor.deviations)
    bent = "".join(indent(f"{place}: {_lines(one)},\n", "    ") for place, one in preprocessor.encoders)
    smooth = _packed(preprocessor.smooth)
    known = {"columns": columns, "bent": f"{{\n{bent}}}", "means": means, "deviations": deviations, "smooth": smooth}
    return _named(known)


def _lines(encoder: Encoder) -> str:
    return _stacked(f"({_packed(line.at)}, {_packed(line.to)})" for line in encoder.lines())


def _stack(stack: Stack, place: int) -> str:
    runs = _packed(f"{origin['id']} seed {origin['seed']}" for origin in stack.origins)
    weights = _packed(origin["weight"] for origin in stack.origins)
    lookups, layers = _stacked(map(_lookup, stack.lookups)), _stacked(map(_layer, stack.layers))
    known = {"runs": runs, "weights": weights, "preparation": str(place), "dtype": repr(stack.dtype)}
    return _named({**known, "lookups": lookups, "layers": layers})


def _column(column: Column, units: Mapping[str, str] | None) -> str:
    """What the kind of the column needs; a category of an embedding is of the kind `code`."""
    kind = column.kind if column.embedding is None else "code"
    spelled = {"vocabulary": column.stems, "ends": list(column.ends), "spellings": _spellings(column)}
    known = {**column.to_json(), "kind": kind, **spelled, "formats": formats_of(str(column.format))}
    known["unit"] = None if units is None else units.get(column.name, "")
    needed = {key: known[key] for key in ("name", "kind", "indicator", *USED[kind])}
    return pprint.pformat(needed, width=WIDTH, compact=True, sort_dicts=False)


def _spellings(column: Column) -> dict[str, int]:
    """What else is looked up: values without blanks around them, and rare ones that would be others without theirs."""
    codes, usual = column.codes, {f"{stem}{end}" for end in column.ends for stem in column.stems}
    bare = {text: codes.get(text.lstrip(" ")) or codes.get(text.strip()) for text in codes.keys() - usual}
    return {text: codes[text] for text in sorted(bare) if codes[text] or bare[text]}


def _packed(values: Iterable[Any]) -> str:
    """A list with as many items in a line as there is room for."""
    lines: list[str] = []
    for item in map(repr, values):
        if lines and len(lines[-1]) + len(item) < WIDTH:
            lines[-1] += f", {item}"
        else:
            lines.append(item)
    return _stacked(lines)


def _stacked(items: Iterable[str]) -> str:
    """A list with one item after the other."""
    body = "".join(indent(item, "    ") + ",\n" for item in items)
    return f"[\n{body}]" if body else "[]"


def _named(values: Mapping[str, str]) -> str:
    """A dictionary with one entry after the other."""
    body = "".join(indent(f"{key!r}: {value}", "    ") + ",\n" for key, value in values.items())
    return f"{{\n{body}}}" if body else "{}"


def _lookup(lookup: Lookup) -> str:
    return f'({lookup.place}, {lookup.E.shape}, """\n{_encoded(lookup.E)}\n""")'


def _layer(layer: Affine) -> str:
    W, b, activation = layer
    return f'({W.shape}, """\n{_encoded(W)}\n""", """\n{_encoded(b)}\n""", "{activation}")'


def _encoded(values: Array) -> str:
    """The bytes, little-endian, in lines of letters."""
    text = base64.b64encode(np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()).decode()
    return "\n".join(text[start : start + WIDTH] for start in range(0, len(text), WIDTH))
