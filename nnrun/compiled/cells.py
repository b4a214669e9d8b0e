"""Rows of plain numbers, from text to float64: each is the nearest float64 there is, as pandas' own reader gives it.

Plain is what has one meaning whatever else a table holds: digits without a zero before them, decimals behind a point
with digits on both sides, an exponent, a minus, or nothing at all, which is a missing value. Of everything else the
reader in `data/files` decides what it is: columns with a cell that is not plain are copied out for it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nnrun.compiled.functions import inlined

ZERO, MINUS, PLUS, SMALL, TEN = ord("0"), ord("-"), ord("+"), 0x20, np.uint64(10)
EXPONENT, RETURN, LINE_END, QUOTE = ord("e"), ord("\r"), ord("\n"), ord('"')
WHOLE, FRACTION, MISSING, STRANGE = 0, 1, 2, 3  # what a cell is, and the highest of a column
ONCE_MORE, NEVER = -1, -2

MOST_DIGITS = 19  # of which a whole number of 64 bits has room for any
LONGEST_WHOLE = np.uint64(10**15)  # from here on whole numbers may be codes, or more than float64 can tell
EXACT = np.uint64(2**53)  # float64 has every whole number up to here
EXACT_TENS = np.array([10.0**power for power in range(23)])  # the powers of ten that it has
MOST_TENS = 60  # powers of ten that are known, up and down
TOP, LOW, HALF = np.uint64(1 << 63), np.uint64(2**32 - 1), np.uint64(32)
SURPLUS = np.uint64(0x1FF)  # the bits of a product behind the 53 of a float64 and the one that rounds them
ONE, NONE = np.uint64(1), np.uint64(0)


def _leading_bits(power: int) -> tuple[int, int]:
    """The 128 leading bits of 10^power, in two halves; one more where a quotient could be half-way between two."""
    if power >= 0:
        bits = (10**power << 128) >> (10**power).bit_length()
    else:
        bits = (1 << 127 + (10**-power - 1).bit_length()) // 10**-power + (power >= -27)
    return bits >> 64, bits & (2**64 - 1)


TENS = np.array([_leading_bits(power) for power in range(-MOST_TENS, MOST_TENS + 1)], np.uint64)


@inlined
def rows(text: Any, height: int, width: int, between: int, point: int, out: Any, kinds: Any, rest: Any) -> int:
    """Fill the columns of `out`, `height` numbers each, from lines of `text`; STRANGE columns are copied to `rest`.

    Gives the length of `rest`, ONCE_MORE where a column turned out to be strange, and NEVER where a line has too few or
    too many cells, or a quote. What is filled then means nothing. `kinds` says what is in each column.
    """
    at = length = 0
    for row in range(height):
        known = True
        for column in range(width):
            if kinds[column] == STRANGE:
                at, length = copied(text, at, between, rest, length)
            else:
                number, at, kind = cell(text, at, point)
                if kind != STRANGE and not ends(text[at], between):
                    kind = STRANGE
                known &= kind != STRANGE
                out[column * height + row] = number
                kinds[column] = max(kinds[column], kind)
                if kind == STRANGE:
                    at, length = copied(text, at, between, rest, length)
            if column == width - 1 and text[at] == RETURN:
                at += 1
            if text[at] != (between if column < width - 1 else LINE_END):
                return NEVER
            at += 1
        if not known:
            return ONCE_MORE
        if length:
            rest[length - 1] = LINE_END
    return length


@inlined
def ends(byte: int, between: int) -> bool:
    """Whether a cell ends here."""
    return byte == between or byte in (LINE_END, RETURN)


@inlined
def copied(text: Any, at: int, between: int, rest: Any, length: int) -> tuple[int, int]:
    """The place behind a cell, which a quote ends too, and the length of `rest` with the cell and a delimiter."""
    while not ends(text[at], between) and text[at] != QUOTE:
        rest[length] = text[at]
        at, length = at + 1, length + 1
    rest[length] = between
    return at, length + 1


@inlined
def cell(text: Any, at: int, point: int) -> tuple[float, int, int]:
    """The number that begins at a place, the place behind it, and what it is."""
    negative = text[at] == MINUS
    begin = at + negative
    whole, at = digits(text, begin, NONE)
    count, tenfold, kind = at - begin, 0, WHOLE
    if count == 0:
        return np.nan, at, STRANGE if negative else MISSING
    if count > 1 and text[begin] == ZERO:
        return 0.0, at, STRANGE
    if text[at] == point:
        behind = at + 1
        whole, at = digits(text, behind, whole)
        tenfold, kind = behind - at, FRACTION
        count -= tenfold
        if tenfold == 0:
            return 0.0, at, STRANGE
    if text[at] | SMALL == EXPONENT:
        kind, at, tenfold = exponent(text, at + 1, tenfold)
    if (count > MOST_DIGITS and significant(text, begin, count) > MOST_DIGITS) or abs(tenfold) > MOST_TENS:
        return 0.0, at, STRANGE
    if kind == WHOLE and whole >= LONGEST_WHOLE:
        return 0.0, at, STRANGE
    number = scaled(whole, tenfold)
    return -number if negative else number, at, kind


@inlined
def digits(text: Any, at: int, whole: Any) -> tuple[Any, int]:
    """A whole number that goes on with the digits at a place, and the place behind them."""
    digit = np.uint64(text[at]) - np.uint64(ZERO)
    while digit < TEN:  # what is less than "0" becomes large
        whole = whole * TEN + digit
        at += 1
        digit = np.uint64(text[at]) - np.uint64(ZERO)
    return whole, at


@inlined
def exponent(text: Any, at: int, tenfold: int) -> tuple[int, int, Any]:
    """What the cell is then, the place behind the exponent, and its power of ten added to one."""
    down = text[at] == MINUS
    if down or text[at] == PLUS:
        at += 1
    power, behind = digits(text, at, NONE)
    if not 0 < behind - at < 4:
        return STRANGE, behind, 0
    return FRACTION, behind, tenfold - np.int64(power) if down else tenfold + np.int64(power)


@inlined
def significant(text: Any, at: int, count: int) -> int:
    """How many of the next digits, a point among them, come after the first that is not 0."""
    while count > 0 and not ZERO < text[at] <= ZERO + 9:
        count -= text[at] == ZERO
        at += 1
    return count


@inlined
def scaled(whole: Any, tenfold: int) -> float:
    """The float64 nearest to whole · 10^tenfold."""
    if whole <= EXACT and abs(tenfold) < len(EXACT_TENS):  # one operation on exact numbers (Clinger 1990)
        number = np.float64(whole)
        return number / EXACT_TENS[-tenfold] if tenfold < 0 else number * EXACT_TENS[tenfold]
    return by_product(whole, tenfold) if whole else 0.0


@inlined
def by_product(whole: Any, tenfold: int) -> float:
    """whole · 10^tenfold by a product with the leading bits of the power, which always are enough (Lemire 2021)."""
    shift = 0
    while whole < TOP:
        whole <<= ONE
        shift += 1
    high, low = product(whole, TENS[tenfold + MOST_TENS, 0])
    if high & SURPLUS == SURPLUS:  # what is left out might carry
        more, _ = product(whole, TENS[tenfold + MOST_TENS, 1])
        low += more
        high += ONE if low < more else NONE
    top = high >> np.uint64(63)
    behind = top + np.uint64(9)
    bits = high >> behind
    if low <= ONE and -4 <= tenfold <= 23 and bits & np.uint64(3) == ONE and bits << behind == high:
        bits -= ONE  # half-way between two: the even one
    bits = (bits + (bits & ONE)) >> ONE
    # 217706 / 2^16 is log2(10); the leading bit of a float64, which is not written, adds one to the power.
    power = ((217706 * tenfold) >> 16) + 1085 + np.int64(top) - shift
    return np.uint64(bits + (np.uint64(power) << np.uint64(52))).view(np.float64)


@inlined
def product(one: Any, other: Any) -> tuple[Any, Any]:
    """The 128 bits of a product of two numbers of 64, in two halves."""
    a, b, c, d = one >> HALF, one & LOW, other >> HALF, other & LOW
    middle = a * d + ((b * d) >> HALF)
    more = b * c + (middle & LOW)
    return a * c + (middle >> HALF) + (more >> HALF), (more << HALF) | ((b * d) & LOW)
