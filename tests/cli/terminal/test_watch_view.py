"""What keys do to the view of a folder: where one stands, what is chosen, zoomed, filtered; and how it is drawn."""

from __future__ import annotations

from typing import Any

import pytest

from nnrun.cli.terminal.watch_drawing import Seen, drawn
from nnrun.cli.terminal.watch_view import KEYS, View, keys_of


def row(name: str, error: float | None = 0.1, **more: Any) -> dict[str, Any]:
    known = {"kind": "run", "status": "done", "created": name[:15], "epochs": 3, "best_epoch": 2, "dev_error": error}
    return {"id": name, **known, **more}


FIRST, SECOND, THIRD = (f"2026010{i}-000000-digits-000{i}" for i in (1, 2, 3))


@pytest.fixture
def view() -> View:
    view = View()
    view.take([row(FIRST, 0.2), row(SECOND, 0.1), row(THIRD, None)], [])
    return view


def test_the_latest_is_so_by_the_instant_and_not_by_the_clock_of_its_place(view: View) -> None:
    times = {FIRST: "16:00:00.000+09:00", SECOND: "08:00:00.000+00:00", THIRD: "04:00:00.000-05:00"}
    view.take([row(name, created=f"2026-01-04T{time}") for name, time in times.items()], [])
    assert [each["id"] for each in view.listed] == [THIRD, SECOND, FIRST]


def press(view: View, *keys: str) -> None:
    for key in keys:
        view.press(key)


def seen(view: View, width: int = 80, height: int = 24, **more: Any) -> list[str]:
    points = {
        name: [[float(n), 0.3, 0.4, 0.08 / n, 0.2 / n, 10.0 * n, n / 2] for n in range(1, 9)] for name in view.rows
    }
    return ["".join(part for part, _ in line) for line in drawn(Seen(view, "runs", points, **more), width, height)]


def test_keys_are_told_apart() -> None:
    assert keys_of("j\x1b[A\x1bOB\x1b[5~\x1b[1~k\x1b") == ["j", "up", "down", "page up", "home", "k", "\x1b"]
    assert keys_of("\x1b[15;2~") == [""]  # of a key that means nothing here


def test_the_latest_is_followed_until_another_is_gone_to(view: View) -> None:
    assert view.here == THIRD
    press(view, "down")
    assert (view.here, view.following) == (SECOND, False)
    view.take([row("20260104-000000-new-0004")], [])
    assert view.here == SECOND
    press(view, "f")
    assert view.here == "20260104-000000-new-0004"
    view.take([row("20260105-000000-new-0005")], [])
    assert view.here == "20260105-000000-new-0005"


def test_a_choice_stays_where_runs_come_and_go(view: View) -> None:
    press(view, " ", " ")
    assert view.chosen == {THIRD: "1", SECOND: "2"}
    view.take([row("20260104-000000-new-0004")], [THIRD])
    assert view.chosen == view.drawn == {SECOND: "2"}
    press(view, "home", " ")
    assert view.chosen == {SECOND: "2", "20260104-000000-new-0004": "1"}
    press(view, "c")
    assert list(view.drawn) == [view.here]


def test_where_a_run_goes_one_stands_on_its_neighbour(view: View) -> None:
    press(view, "down")
    view.take([], [SECOND])
    assert view.here == FIRST
    view.take([], [FIRST])
    assert view.here == THIRD
    view.take([], [THIRD])
    assert view.here is None and view.drawn == {}


def test_best_first_has_those_without_an_error_last(view: View) -> None:
    press(view, "o")
    assert [each["id"] for each in view.listed] == [SECOND, FIRST, THIRD]
    press(view, "o")
    assert [each["id"] for each in view.listed] == [THIRD, SECOND, FIRST]


def test_zoom_halves_what_is_seen_and_moves_in_it() -> None:
    view = View()
    assert view.window(1, 17) == (1, 17)
    press(view, "+", "+")
    assert view.window(1, 17) == (13, 17)  # the latest
    press(view, "left")
    assert view.window(1, 17) == (12, 16)
    press(view, *["left"] * 50)
    assert view.window(1, 17) == (1, 5)
    press(view, "right")
    assert view.window(1, 17) == (2, 6)
    press(view, "-")
    left, right = view.window(1, 17)
    assert right - left == 8
    press(view, *["-"] * 5)
    assert view.window(1, 17) == (1, 17)
    press(view, *["+"] * 99, "0")
    assert view.window(1, 17) == (1, 17)


def test_a_filter_is_typed_mended_and_taken_back(view: View) -> None:
    press(view, "/", *"status=done q", "\x7f", *"name='a b'", "\r")
    assert view.filter == ("status=done", "name=a b")
    view.selection({FIRST})
    assert [each["id"] for each in view.listed] == [FIRST] and view.here == FIRST
    press(view, "/")
    assert view.typed == "status=done 'name=a b'"
    press(view, "\x15", *"x'", "\r")
    assert view.problem == "x': no closing quotation" and view.typed == "x'"
    press(view, "\x15", "\r")
    assert (view.filter, view.selected, view.typed) == ((), None, None)
    assert len(view.listed) == 3


def test_what_is_no_filter_is_typed_anew(view: View) -> None:
    press(view, "/", *"statu=done", "\n")
    view.selection(None, "no run has a 'statu', did you mean status?")
    assert (view.typed, view.filter, len(view.listed)) == ("statu=done", (), 3)
    lines = seen(view)
    assert "refused  no run has a 'statu', did you mean status?" in lines
    assert "filter   statu=done_" in lines


@pytest.mark.parametrize("width", [20, 40, 63, 64, 80, 120])
@pytest.mark.parametrize("height", [1, 2, 5, 12, 24, 50])
def test_every_view_fits_the_screen(view: View, width: int, height: int) -> None:
    view.take([row("20260106-000000-" + "long" * 20 + "-0006", problem="gone \x1b[2J" * 30)], [])
    for key in ["", *KEYS]:
        press(view, *([key] if key else []), "\r" if view.typed is not None else "")
        lines = seen(view, width, height, full=["a line " * 30, "", "another"])
        assert len(lines) <= height
        if width >= 40:
            assert max(map(len, lines), default=0) <= width, lines
        assert all(line.isprintable() for line in lines)


def test_curves_have_their_marks_and_numbers(view: View) -> None:
    press(view, " ", " ")
    lines = seen(view)
    assert sum(line.rstrip().endswith(("1", "2")) for line in lines[1:]) >= 1
    assert any("1 0003 digits: dev 2.5%, train 1.0%" in line for line in lines)
    press(view, "e", "x")
    assert any("loss over seconds: dev solid, train dashed" in line for line in seen(view, 120))
    assert any("1 0003 digits: dev 0.4, train 0.3" in line for line in seen(view))


def test_help_tells_all_keys_and_no_steering_to_who_only_reads(view: View) -> None:
    press(view, "?")
    told = "\n".join(seen(view))
    assert "pause the run" in told
    assert "pause the run" not in "\n".join(seen(view, steered=False))
    press(view, "\x1b")
    assert "pause the run" not in "\n".join(seen(view))
