"""Small tables in each format with slips in them: a file's content, by the number of the slip."""

from __future__ import annotations

import gzip
import io
import random
import re
import struct
import warnings
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

NAMES = ["a", "n", "c", "d", "t", "y"]
CELLS = [
    "", " ", "nan", "inf", "-inf", "NA", "-", "--", "+", ".", "?", "None", "null", "n.a.", "0x1F", "1_000", "1e999",
    "-1e-400", "9" * 400, "123456789012345678901", "00042", "1,234", "1.234,5", "1'234", "(1.5)", "1.5-", "1.5 kg",
    "<0.9", "12%", "$12", "\u22121.5", "\u0661\u0662", "\u00bd", "TRUE", "yes", "=1+1", "9999-12-31", "0000-00-00",
    "1500-01-01", "2024-02-30", "99999999-01-01", "31/12/2024", "2024-01-01T12:00:00+02:00", "24:61", "12:30",
    "x" * 70_000, "\x1b[2J", "\u202e", "\ufeff", "\u2028", "\x85", "\x0b", "\x1c", "\ufffd", "\U0001f600", "e\u0301",
    "'", '"', '""', '"a', "a\nb", "a\r\nb", "#", "<html>", "[{", "y", "a", "%s", "{}", "\\", "\\N", "True", "1.0",
]  # fmt: skip
TEXTS = [
    ",", ";", "\t", "|", " ", '"', '""', "'", "\n", "\r", "\r\n", "\n\n", "\x00", "\ufeff", "\u2028", "\x0b", "\x0c",
    "\x1a", "#", ",,,,,", "sep=;\n", "1" * 3_000, "\ud800", "é", "\x00" * 9,
]  # fmt: skip
ENCODINGS = [
    "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252", "cp437", "shift_jis",
    "gb18030", "utf-7", "cp037", "koi8-r",
]  # fmt: skip
MARKS = [
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xfe\xff",
    b"\xff\xfe\x00\x00",
    b"\x1f\x8b",
    b"PAR1",
    b"\x93NUMPY",
    b"PK\x03\x04",
]
DTYPES = [
    "f8", "f4", "f2", ">f8", "f16", "i8", "i1", "u8", ">i2", "?", "c16", "U3", "S3", "U0", "S0", "M8[s]", "M8[D]", "M8",
    "m8[s]", "V8", "O", "U99999",
]  # fmt: skip
ODD = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e308, -1e300, 1e-320, 1.0, 65_504.0]
SHAPES = [
    "(0,)", "()", "(1,)", "(40,)", "(40, 3)", "(3, 40)", "(40, 0)", "(-1, 3)", "(99999999999, 3)", "(4, 3.0)", "40",
    "(True, 3)", "(2**70,)", "(4000000000000000000, 4, 4)", "None", "((((((((((1,),),),),),),),),)", "(1, 120)",
    "(10, 2, 2, 3)", "(40, 3, 1, 1, 1)", "('4', 3)", "(0x28, 3)", "[40, 3]",
]  # fmt: skip


def bytes_changed(rng: random.Random, content: bytes) -> bytes:
    """A bit flipped, bytes cut out, put in, zeroed, doubled or moved, or the end cut off."""
    at, to = sorted(rng.randint(0, len(content)) for _ in range(2))
    to = min(to, at + rng.choice([1, 8, 200]))
    some = rng.randbytes(rng.choice([1, 2, 40]))
    flipped = bytes(byte ^ 1 << rng.randrange(8) for byte in content[at : at + 1])
    return rng.choice(
        [
            content[:at] + flipped + content[at + 1 :],
            content[:at] + flipped + content[at + 1 :],
            content[:at] + content[to:],
            content[:at] + some + content[at:],
            content[:at] + some + content[at + len(some) :],
            content[:at] + bytes(to - at) + content[to:],
            content[:to] + content[at:],
            content[:at],
            content[at:] + content[:at],
            rng.choice(MARKS) + content,
            content + some,
            content * 2,
            b"",
        ]
    )


def rarely(rng: random.Random, odds: float, change: Callable[[random.Random, Any], Any], content: Any) -> Any:
    """Changed once or twice, or left as it is."""
    for _ in range(rng.randint(1, 2) if rng.random() < odds else 0):
        content = change(rng, content)
    return content


def records(rng: random.Random, number: int) -> list[list[str]]:
    """Rows of a number, a whole one, a category, a date, a truth and a class or a number to predict."""
    classes = rng.random() < 0.6
    rows = []
    for at in range(number):
        day = date(2023, 12, 1) + timedelta(days=at)
        goal = rng.choice("pq") if classes else f"{rng.gauss(5, 2):.2f}"
        word = rng.choice(["x", "y", "zé"])
        rows.append([f"{rng.gauss(0, 1):.3f}", str(rng.randrange(9)), word, f"{day}", rng.choice(["yes", "no"]), goal])
    return rows


def rows_changed(rng: random.Random, rows: list[list[str]]) -> list[list[str]]:
    """Cells of another kind, in one place, one column or one row; fields and rows gone, added or doubled."""
    rows = [list(row) for row in rows]
    at, column = rng.randrange(len(rows)), rng.randrange(len(NAMES))
    cell = rng.choice(CELLS)
    kind = rng.randrange(10)
    if kind < 4:
        rows[at][column : column + 1] = [cell]
    elif kind == 4:
        for row in rows[1:]:
            row[column : column + 1] = [rng.choice([cell, *row[column : column + 1]])]
    elif kind == 5:
        rows[1:] = [[*row[:column], cell, *row[column + 1 :]] for row in rows[1:]]
    elif kind == 6:
        rows[at] = rng.choice([rows[at][:column], [*rows[at], cell], [*rows[at], ""], [], [cell], [""] * len(NAMES)])
    elif kind == 7:
        rows.insert(at, rng.choice([rows[0], rows[at], [cell] * len(NAMES), [""]]))
    elif kind == 8:
        rows[0] = rng.choice([[*NAMES[:5], ""], ["", *NAMES[1:]], ["y"] * 6, ["a", "a", "a", "n", "t", "y"], rows[-1]])
    else:
        del rows[at:]
    return rows or [[]]


def lines_of(rng: random.Random, rows: Sequence[Sequence[str]]) -> str:
    """One text, with one delimiter and one line end, quotes where they are needed or everywhere."""
    delimiter, end = rng.choice([",", ",", ",", ";", "\t", "|", " "]), rng.choice(["\n", "\n", "\r\n", "\r"])
    always = rng.random() < 0.2
    careless = rng.random() < 0.2

    def field(cell: str) -> str:
        special = any(mark in cell for mark in (delimiter, '"', "\n", "\r"))
        return f'"{cell.replace(chr(34), chr(34) * 2)}"' if (special or always) and not careless else cell

    return "".join(delimiter.join(map(field, row)) + end for row in rows)


def text_changed(rng: random.Random, text: str) -> str:
    """A few pieces put in, or one kind of mark replaced by another, here and there or everywhere."""
    if rng.random() < 0.7:
        at = rng.randint(0, len(text))
        return text[:at] + rng.choice(TEXTS) + text[at:]
    old, new = rng.choice([",", "\n", ".", '"', "-", "x"]), rng.choice(TEXTS)
    return text.replace(old, new, rng.choice([1, 3, -1]))


def csv(rng: random.Random) -> tuple[str, bytes]:
    """A name and a content."""
    rows = rarely(rng, 0.5, rows_changed, [NAMES, *records(rng, rng.choice([1, 3, 12, 40, 40, 40, 40]))])
    text = rarely(rng, 0.3, text_changed, lines_of(rng, rows))
    encoding = rng.choice(ENCODINGS) if rng.random() < 0.25 else "utf-8"
    content = text.encode(
        encoding, rng.choice(["replace", "ignore", "surrogatepass" if "utf" in encoding else "replace"])
    )
    content = rarely(rng, 0.15, bytes_changed, content)
    if packed := rng.random() < 0.25:
        content = rarely(rng, 0.4, bytes_changed, gzip.compress(content, rng.choice([0, 6]), mtime=0))
    usual = ".csv.gz" if packed else ".csv"
    return rng.choice([usual] * 6 + [".csv", ".csv.gz", ".tsv", ".txt"]), content


def values(rng: random.Random, shape: tuple[int, ...], dtype: str) -> np.ndarray[Any, Any]:
    """Numbers of one type, some of them odd, rows or columns first in memory."""
    drawn = np.random.default_rng(rng.randrange(2**32)).normal(size=shape) * rng.choice([1, 1, 50, 1e9])
    if rng.random() < 0.25 and drawn.size:
        drawn.flat[:: rng.choice([1, 7, 1000])] = rng.choice(ODD)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dtype == "O" or np.dtype(dtype).kind in "MmV":
            drawn = np.nan_to_num(drawn, posinf=9, neginf=9).clip(-1e9, 1e9).astype("i8")
        wide = dtype == "U99999"
        found = drawn.reshape(-1)[:1].astype("U3").astype(dtype) if wide else drawn.astype(dtype)
    return np.asarray(found, order=rng.choice(["C", "C", "F"]))


def array(rng: random.Random) -> np.ndarray[Any, Any]:
    """Features, records, or something that is neither."""
    dtype = rng.choice(DTYPES) if rng.random() < 0.3 else rng.choice(["f8", "f4", "i8"])
    shape = (
        (40, 3)
        if rng.random() < 0.7
        else rng.choice([(), (40,), (0, 3), (40, 0), (1, 3), (10, 2, 2), (10, 3, 5, 5), (2, 1, 1, 1, 1)])
    )
    if rng.random() < 0.6:
        return values(rng, shape, dtype)
    types = [
        rng.choice([*DTYPES[:-2], ("f8", (2,))]) if rng.random() < 0.1 else usual
        for usual in ("f8", "i8", "U2", "M8[D]", "?", "U1")
    ]
    fields = [(name, *(type if isinstance(type, tuple) else (type,))) for name, type in zip(NAMES, types, strict=True)]
    found = np.zeros(rng.choice([40] * 9 + [0, 1, (), (5, 8)]), dtype=fields)
    for name in NAMES:
        plain = found[name].dtype
        if plain.kind in "fiu?UM":
            drawn = np.random.default_rng(rng.randrange(2**32)).integers(0, 3, found[name].shape)
            found[name] = (
                np.array(["p", "q", "é\ud800" if rng.random() < 0.05 else "s"])[drawn]
                if plain.kind == "U"
                else drawn.astype(plain)
            )
    return found


def written(values: np.ndarray[Any, Any]) -> bytes:
    """As numpy.save does."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of field names that are not latin-1
        np.save(file, values, allow_pickle=True)
    return file.getvalue()


def header_changed(rng: random.Random, content: bytes) -> bytes:
    """Another shape, type or order, or a piece of the text changed; the length says what it is, mostly."""
    if len(content) < 10 or not content.startswith(b"\x93NUMPY\x01"):
        return content
    length = struct.unpack("<H", content[8:10])[0]
    header = content[10 : 10 + length].decode("latin-1")
    shape, dtype = rng.choice(SHAPES), rng.choice(DTYPES)
    changed = rng.choice(
        [
            re.sub(r"\([^()]*\), \}", f"{shape}, }}", header),
            re.sub(r"\([^()]*\), \}", f"{shape}, }}", header),
            re.sub(r"'descr': ('[^']*'|\[.*?\])", f"'descr': '{dtype}'", header),
            header.replace("False", rng.choice(["True", "1", "None", "[]", "0.5"])),
            header.replace(rng.choice("{}:,'("), rng.choice(["", "\x00", "(" * 300, "'''", "\\", "\n ", "1e999"]), 1),
            "{}\n", " " * length, "[" * 9_000, header + "#" * 9_000,
        ]
    )  # fmt: skip
    stated = rng.choice([len(changed)] * 6 + [length, 0, 65_535])
    return content[:8] + struct.pack("<H", min(stated, 65_535)) + changed.encode("latin-1") + content[10 + length :]


def npy(rng: random.Random) -> tuple[str, bytes]:
    """A name and a content."""
    content = rarely(rng, 0.3, header_changed, written(array(rng)))
    return ".npy", rarely(rng, 0.1, bytes_changed, content)


def npz(rng: random.Random) -> tuple[str, bytes]:
    """A name and a content."""
    rows = rng.choice([40] * 8 + [1, 0, 12])
    shape = rng.choice([(rows, 3)] * 12 + [(rows,), (rows, 2, 2), (rows, 3, 5, 5), (rows, 0), ()])
    x = values(rng, shape, rng.choice(DTYPES) if rng.random() < 0.15 else "f4")
    y = values(
        rng,
        rng.choice([(rows,)] * 12 + [(rows, 1), (rows, 2), (rows + 1,), ()]),
        rng.choice(DTYPES if rng.random() < 0.15 else ["f8", "f8", "?", "i1", "U2"]),
    )
    members = {"x.npy": written(x), "y.npy": written(y)}
    for name in list(members):
        members[name] = rarely(rng, 0.03, bytes_changed, rarely(rng, 0.05, header_changed, members[name]))
    if rng.random() < 0.15:
        at = rng.choice(list(members))
        members[
            rng.choice(["X.npy", "z.npy", "Y.npy", "x_train.npy", "x", "../x.npy", "é.npy", "\x1b[2J.npy", ".npy"])
        ] = members.pop(at) if rng.random() < 0.7 else written(x)
    file = io.BytesIO()
    packing = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    with zipfile.ZipFile(file, "w", packing) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, packing)
    return ".npz", rarely(rng, 0.12, bytes_changed, file.getvalue())


def column(rng: random.Random, rows: int) -> pa.Array:
    """Of any type, with missing values now and then."""
    moment = datetime(2024, 1, 1, 12, tzinfo=UTC)
    kinds: list[tuple[pa.DataType, Callable[[int], Any]]] = [
        (pa.float64(), lambda i: rng.choice([i * 0.7, rng.choice(ODD)]) if rng.random() < 0.1 else i * 0.7),
        (pa.float64(), lambda i: rng.gauss(0, 1)), (pa.float32(), float), (pa.float16(), lambda i: np.float16(i)),
        (pa.int8(), lambda i: i), (pa.int64(), lambda i: rng.choice([i, 2**62 + i])),
        (pa.uint64(), lambda i: rng.choice([i, 2**64 - 1 - i])), (pa.bool_(), lambda i: i % 3 == 0),
        (pa.decimal128(38, 9), lambda i: Decimal(i) * rng.choice([1, 10**20])), (pa.decimal256(70, 2), Decimal),
        (pa.string(), lambda i: rng.choice("pqr")), (pa.string(), lambda i: rng.choice(CELLS[:-20])),
        (pa.large_string(), lambda i: rng.choice(["", "é", "\x00"])), (pa.string_view(), lambda i: "xyz"[i % 3]),
        (pa.dictionary(pa.int8(), pa.string()), lambda i: "uvw"[i % 3]),
        (pa.dictionary(pa.int8(), pa.int64()), lambda i: i % 3), (pa.null(), lambda i: None),
        (pa.date32(), lambda i: rng.choice([date(2024, 1, 1 + i % 28), date(9999, 12, 31), date(1, 1, 1)])),
        (pa.date64(), lambda i: date(2024, 1, 1 + i % 28)),
        (pa.timestamp("s"), lambda i: rng.choice([i, -(10**11), 10**11])), (pa.timestamp("ns"), lambda i: i * 10**15),
        (pa.timestamp("ms", tz="Europe/Berlin"), lambda i: moment + timedelta(hours=i)),
        (pa.timestamp("us", tz="+99:00"), lambda i: i), (pa.time32("s"), lambda i: time(i % 24)),
        (pa.duration("ms"), lambda i: i), (pa.binary(), lambda i: b"\xff\x00"), (pa.binary(2), lambda i: b"ab"),
        (pa.list_(pa.int64()), lambda i: [i]), (pa.struct([("k", pa.int64())]), lambda i: {"k": i}),
        (pa.map_(pa.string(), pa.int64()), lambda i: [("k", i)]),
    ]  # fmt: skip
    type, value = rng.choice(kinds if rng.random() < 0.3 else kinds[1:3])
    gaps = rng.choice([0, 0, 0.1, 1 if rng.random() < 0.2 else 0])
    return pa.array([None if rng.random() < gaps else value(i) for i in range(rows)], type)


def parquet_(rng: random.Random) -> tuple[str, bytes]:
    """A name and a content."""
    rows = rng.choice([40, 40, 40, 40, 12, 1, 0])
    columns = {name: column(rng, rows) for name in NAMES[:5]}
    goals = ([rng.choice("pq") for _ in range(rows)], [rng.gauss(0, 1) for _ in range(rows)])
    columns["y"] = pa.array(rng.choice(goals)) if rng.random() < 0.8 else column(rng, rows)
    names = rarely(
        rng,
        0.15,
        lambda rng, names: [rng.choice([name, name, "", "y", "\x1b[2J", "é", "__index_level_0__"]) for name in names],
        NAMES,
    )
    table = pa.table(list(columns.values()), names=names)
    file = io.BytesIO()
    plain = {"compression": rng.choice(["none", "snappy", "zstd", "gzip"]), "use_dictionary": rng.random() < 0.5}
    kept = {
        "store_schema": rng.random() < 0.8,
        "version": rng.choice(["1.0", "2.6"]),
        "write_page_checksum": rng.random() < 0.3,
    }
    with parquet.ParquetWriter(file, table.schema, **plain, **kept) as writer:
        for part in rng.choice([[table], [table[:0], table], [table[:7], table[7:7], table[7:]]]):
            writer.write_table(part)
    return ".parquet", rarely(rng, 0.4, bytes_changed, file.getvalue())


FORMATS: dict[str, Callable[[random.Random], tuple[str, bytes]]] = {
    "csv": csv,
    "parquet": parquet_,
    "npy": npy,
    "npz": npz,
}


def mutated(format: str, seed: int) -> tuple[str, bytes]:
    """The ending of a name and the content of table number `seed`."""
    return FORMATS[format](random.Random(seed))
