"""Five tables as strangers bring them, made up from a seed: what the files look like is real, the numbers are not.

Each holds a signal that a small network finds, and noise that nothing finds. Together they have: commas, semicolons and
tabs, UTF-8 with and without BOM, Latin-1, gzip, decimal commas, quoted line breaks, missing values and their markers,
booleans in words, dates of three kinds, times of day, classes out of balance, integer classes with gaps, a constant
column, a column of many cities, identifiers, groups, free text, and names with spaces, umlauts and question marks.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Columns = Mapping[str, Iterable[Any]]
Values = npt.NDArray[Any]

WORDS = ("slow", "fast", "bill", "helpful", "router", "again", "never", "price", "support", "thanks", "call")


@dataclass(frozen=True)
class Made:
    """A table that can be written: the name of its file, its target, what it is like, and its columns by rows, rng."""

    file: str
    target: str
    about: str
    columns: Callable[[int, np.random.Generator], Columns]
    delimiter: str = ","
    encoding: str = "utf-8"

    def write(self, folder: Path, rows: int, seed: int = 0) -> Path:
        """The file in this folder."""
        columns = self.columns(rows, np.random.default_rng(seed))
        text = io.StringIO(newline="")
        writer = csv.writer(text, delimiter=self.delimiter, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
        content = text.getvalue().encode(self.encoding)
        path = folder / self.file
        path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
        return path


def bank(rows: int, rng: np.random.Generator) -> Columns:
    """Calls of a bank: who takes out a deposit? One in nine does."""
    age = np.clip(rng.normal(41, 11, rows), 18, 90).round().astype(int)
    job = rng.choice(["admin.", "blue-collar", "management", "retired", "student", "technician", "unknown"], rows)
    month = rng.choice(["mar", "may", "jun", "jul", "aug", "nov"], rows, p=[0.04, 0.36, 0.14, 0.2, 0.16, 0.1])
    previous = rng.choice(["failure", "nonexistent", "success"], rows, p=[0.1, 0.85, 0.05])
    euribor = np.where(rng.random(rows) < 0.6, rng.normal(4.9, 0.1, rows), rng.normal(1.3, 0.3, rows)).clip(0.6)
    housing, loan = rng.choice(["no", "yes"], rows), rng.choice(["no", "yes"], rows, p=[0.84, 0.16])
    calls = rng.geometric(0.4, rows)
    score = 0.9 * (4 - euribor) + 2.6 * (previous == "success") - 0.3 * calls + 1.5 * np.isin(job, ["student"])
    score += 0.002 * (age - 45) ** 2 + 1.2 * (month == "mar") - 3.2 + rng.normal(0, 0.7, rows)
    return {
        "age": age,
        "job": job,
        "housing": housing,
        "loan": loan,
        "month": month,
        "campaign": calls,
        "poutcome": previous,
        "euribor3m": euribor.round(3),
        "y": np.where(score > np.quantile(score, 1 - 1 / 9), "yes", "no"),
    }


def houses(rows: int, rng: np.random.Generator) -> Columns:
    """Prices of houses: a regression, with gaps marked NA, a date and a constant column."""
    area, lot = rng.gamma(9, 160, rows), rng.gamma(4, 2500, rows)
    quality, built = rng.integers(3, 10, rows), rng.integers(1900, 2010, rows)
    place = rng.choice(["NAmes", "CollgCr", "OldTown", "Edwards", "NoRidge"], rows, p=[0.35, 0.2, 0.2, 0.15, 0.1])
    sold = np.datetime64("2006-01-01") + rng.integers(0, 1600, rows)
    bonus = np.array([{"NoRidge": 0.3, "CollgCr": 0.1, "OldTown": -0.1}.get(name, 0.0) for name in place])
    logarithm = 11 + 0.0003 * area + 0.09 * quality + 0.002 * (built - 1950) + bonus + 1e-5 * lot
    price = np.exp(logarithm + rng.normal(0, 0.1, rows))
    return {
        "Id": np.arange(1, rows + 1),
        "LotArea": lot.round().astype(int),
        "LotFrontage": gaps((lot**0.5).round(), 0.18, rng, "NA"),
        "Neighborhood": place,
        "OverallQual": quality,
        "YearBuilt": built,
        "GrLivArea": area.round().astype(int),
        "Utilities": ["AllPub"] * rows,
        "PoolArea": gaps(rng.integers(200, 700, rows), 0.97, rng, "NA"),
        "DateSold": sold.astype(str),
        "SalePrice": (price / 100).round().astype(int) * 100,
    }


def sensors(rows: int, rng: np.random.Generator) -> Columns:
    """Readings from a German machine hall: decimal commas, Latin-1, dates with the day first."""
    start = np.datetime64("2024-01-01T00:00")
    time = start + np.sort(rng.choice(365 * 24, rows, replace=rows > 365 * 24)).astype("timedelta64[h]")
    hour = (time - time.astype("datetime64[D]")).astype(int) % (24 * 60) // 60
    warmth, moisture = rng.normal(18, 6, rows), rng.uniform(25, 90, rows)
    device = rng.choice(["Lüfter A", "Lüfter B", "Pumpe", "Förderband"], rows)
    load = np.array([{"Pumpe": 30.0, "Förderband": 18.0}.get(name, 8.0) for name in device])
    power = load + 0.6 * np.abs(warmth - 20) + 9 * ((hour > 6) & (hour < 18)) + rng.normal(0, 1.5, rows)
    return {
        "Datum": [f"{t.day:02}.{t.month:02}.{t.year} {t.hour:02}:{t.minute:02}" for t in time.astype(object)],
        "Gerät": device,
        "Temperatur °C": commas(gaps(warmth.round(1), 0.05, rng, "-")),
        "Feuchte %": commas(moisture.round(2)),
        "Drehzahl": (load * 90 + rng.normal(0, 40, rows)).round().astype(int),
        "Leistung kW": commas(power.round(2)),
    }


def churn(rows: int, rng: np.random.Generator) -> Columns:
    """Customers who leave: booleans in words, hundreds of cities, a customer number, what they wrote."""
    city = rng.zipf(1.6, rows) % 400
    months, plan = rng.integers(1, 72, rows), rng.choice(["basic", "plus", "premium"], rows)
    fee = np.array([{"basic": 20, "plus": 45, "premium": 80}[name] for name in plan]) + rng.normal(0, 4, rows)
    paperless, senior = rng.random(rows) < 0.6, rng.random(rows) < 0.16
    signed = np.datetime64("2025-06-30") - months * 30 - rng.integers(0, 30, rows)
    score = 1.4 - 0.07 * months + 0.02 * fee + 0.8 * paperless * (plan == "premium") + 0.7 * senior - 0.8 * (city == 1)
    left = score + rng.logistic(0, 0.6, rows) > 0.8
    numbers = rng.permutation(9000 + rows)[:rows]
    return {
        "customer id": [f"{a:04}-{b}" for a, b in zip(numbers, letters(rows, rng), strict=True)],
        "city": [f"City {number}" for number in city],
        "signed": [f"{t.month}/{t.day}/{t.year}" for t in signed.astype(object)],
        "months": months,
        "plan": plan,
        "monthly fee": gaps(fee.round(2), 0.03, rng, ""),
        "paperless": np.where(paperless, "yes", "no"),
        "senior": np.where(senior, "Y", "N"),
        "what they said": [comment(rng) for _ in range(rows)],
        "left?": left,
    }


def rides(rows: int, rng: np.random.Generator) -> Columns:
    """Rides of a few drivers, rated 1, 3 or 5: time stamps with zone, drivers who come again and again."""
    driver = rng.integers(0, max(8, rows // 30), rows)
    skill = rng.normal(0, 0.8, driver.max() + 1)[driver]
    start = np.datetime64("2025-03-01T00:00:00") + np.sort(rng.integers(0, 90 * 86400, rows)).astype("timedelta64[s]")
    hour = start.astype("datetime64[h]").astype(int) % 24
    rush = np.isin(hour, [7, 8, 9, 16, 17, 18])
    length, rain = rng.gamma(2, 4, rows), rng.random(rows) < 0.3
    score = skill - 1.3 * rush - 0.9 * rain - 0.08 * length + rng.normal(0, 0.5, rows)
    return {
        "started": [f"{text}Z" for text in start.astype(str)],
        "driver": [f"D{number:03}" for number in driver],
        "km": length.round(2),
        "rain": np.where(rain, "true", "false"),
        "tip": gaps(np.clip(score + rng.normal(2, 1, rows), 0, None).round(2), 0.3, rng, "N/A"),
        "rating": np.array([1, 3, 5])[np.digitize(score, np.quantile(score, [0.3, 0.7]))],
    }


def gaps(values: Values, share: float, rng: np.random.Generator, marker: str) -> list[Any]:
    """The values, some of them replaced by the marker."""
    return [marker if lost else value for value, lost in zip(values, rng.random(len(values)) < share, strict=True)]


def commas(values: Sequence[Any] | Values) -> list[str]:
    """As text with decimal commas."""
    return [str(value).replace(".", ",") for value in values]


def letters(rows: int, rng: np.random.Generator) -> list[str]:
    """Five random capitals a row."""
    return ["".join(chr(65 + number) for number in row) for row in rng.integers(0, 26, (rows, 5))]


def comment(rng: np.random.Generator) -> str:
    """A few words, quotes, commas, now and then a line break."""
    said = " ".join(rng.choice(WORDS, rng.integers(5, 12)))
    return f'"{said}",\nand more' if rng.random() < 0.05 else f"{said}, {said.split()[0]}"


MADE = {
    "bank": Made("bank.csv", "y", "mixed types, semicolons, one positive in nine", bank, ";"),
    "houses": Made("houses.csv", "SalePrice", "regression, gaps marked NA, ISO dates, a constant column", houses),
    "sensors": Made("sensors.csv", "Leistung kW", "decimal commas, Latin-1, dates 31.12.2024", sensors, ";", "latin-1"),
    "churn": Made("churn.csv", "left?", "yes/no, many cities, identifiers, free text", churn, ",", "utf-8-sig"),
    "rides": Made("rides.tsv.gz", "rating", "tabs, gzip, time stamps, groups, classes 1, 3, 5", rides, "\t"),
}  # fmt: skip
