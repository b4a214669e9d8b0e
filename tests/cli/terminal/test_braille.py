"""Charts in letters of dots: where points lie, what the axes say, and numbers that no chart can show."""

from __future__ import annotations

import math

import pytest

from nnrun.cli.terminal.braille import Axes, Canvas, Curve, Spans, chart


def axes(left: float, right: float, log: bool = False) -> Axes:
    return Axes(left, right, lambda x: f"{x:g}", lambda y: f"{y:.3g}", log)


def text(lines: list[Spans]) -> list[str]:
    return ["".join(part for part, _ in line) for line in lines]


def test_each_dot_has_its_bit() -> None:
    for y in range(4):
        for x in range(2):
            canvas = Canvas(1, 1)
            canvas.curve([(x, y)], "", False, "")
            ((letter, _),) = canvas.lines(plain=False)[0]
            number = ((1, 4), (2, 5), (3, 6), (7, 8))[y][x]  # as the standard counts them
            assert ord(letter) == 0x2800 + 2 ** (number - 1)


def test_a_line_that_falls() -> None:
    assert text(chart([Curve([(0, 1.0), (1, 0.0)])], axes(0, 1), 32, 6)) == [
        "      1 │⠉⠒⠢⠤⣀⡀                 ",
        "  0.667 │     ⠈⠉⠒⠢⠤⣀⡀           ",
        "        │           ⠈⠉⠒⠢⠤⣀⡀     ",
        "      0 │                 ⠈⠉⠒⠢⠤⣀",
        "        └───────────────────────",
        "         0                     1",
    ]


def test_without_letters_of_dots_halves_are_told() -> None:
    lines = text(chart([Curve([(0, 1.0), (1, 0.0)])], axes(0, 1), 32, 6, plain=True))
    assert set("".join(line[9:] for line in lines[:-2])) <= set(" .':")
    assert lines[0][9] in "':"
    assert lines[3].rstrip()[-1] in ".:"


def test_marks_stand_at_the_last_point_and_dashes_leave_gaps() -> None:
    points = [(float(x), 0.5) for x in range(20)]
    solid, dashed = (
        next(line for line in text(chart([curve], axes(0, 19), 40, 7)) if line[9:].strip())[9:].rstrip()
        for curve in (Curve(points, mark="1"), Curve(points, dashed=True))
    )
    assert solid[-1] == "1" and " " not in solid
    assert " " in dashed


def test_a_window_shows_its_part_and_lines_run_to_its_edges() -> None:
    points = [(float(x), float(x)) for x in range(0, 101, 50)]
    lines = text(chart([Curve(points)], axes(40, 60), 40, 8))
    assert lines[-1].split() == ["40", "60"]
    assert {x for line in lines[:-2] for x, letter in enumerate(line[9:]) if letter != " "} == set(range(31))


def test_a_level_curve_is_in_the_middle() -> None:
    lines = text(chart([Curve([(0, 0.2), (9, 0.2)])], axes(0, 9), 40, 7))
    assert [bool(line[9:].strip()) for line in lines[:-2]].index(True) == 2


def test_logarithms_leave_out_what_has_none() -> None:
    lines = text(chart([Curve([(0, 100.0), (1, 1.0), (2, 0.0), (3, -5.0)])], axes(0, 3, log=True), 40, 8))
    assert lines[0].split()[0] == "100"
    assert lines[-3].split()[0] == "1"


@pytest.mark.parametrize("value", [1e308, -1e308, 1e-308, 0.0, math.pi])
def test_any_number_can_be_among_the_values(value: float) -> None:
    for log in (False, True):
        points = [(0.0, 0.5), (1.0, value), (2.0, None), (3.0, 0.25)]
        for left, right in ((0, 3), (2.9, 3.0), (3, 3)):
            assert chart([Curve(points)], axes(left, right, log), 40, 8)


def test_nothing_is_drawn_without_room_or_values() -> None:
    curve = Curve([(0, 0.5), (1, 0.4)])
    assert chart([curve], axes(0, 1), 15, 10) == []
    assert chart([curve], axes(0, 1), 80, 4) == []
    assert chart([Curve([(0, None)])], axes(0, 1), 80, 24) == []
    assert chart([], axes(0, 1), 80, 24) == []
