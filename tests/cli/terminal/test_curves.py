from nnrun.cli.terminal.curves import MOST_BINS, Curve, curve_lines


def curve(*values: float | None) -> Curve:
    made = Curve()
    for value in values:
        made.add(value)
    return made


def test_a_long_run_keeps_a_bounded_number_of_bins() -> None:
    long = curve(*(float(i) for i in range(10_000)))
    # 10,000 values in bins of 64: 156 whole ones; the rest waits for more.
    assert MOST_BINS <= len(long.bins) < 2 * MOST_BINS
    assert long.bins[0] == sum(range(64)) / 64
    assert long.bins == sorted(long.bins)


def test_as_many_bars_as_fit() -> None:
    assert curve(1, 2, 3).fitting(3) == [1, 2, 3]
    assert curve(1, 2, 3, 5, 9).fitting(3) == [1.5, 4, 9]


def test_both_curves_stand_on_one_logarithmic_scale() -> None:
    curves = {"train error": curve(1, 0.1, 0.01), "dev error": curve(1, 0.1, 0.1)}
    # From 0.01 to 1: a tenth is half way up, the fourth bar (0.5 · 7 = 3.5, rounded up to the fifth of eight).
    assert curve_lines(curves, 80) == ["train error  █▅▁  1.0%", "dev error    █▅▅  10.0%"]


def test_errors_of_zero_and_unknown_ones_have_a_place() -> None:
    curves = {"train error": curve(0.5, 0.0), "dev error": curve(0.5, None, 0.25)}
    assert curve_lines(curves, 80) == ["train error  █▁  0.0%", "dev error    █▁  25.0%"]


def test_no_curve_where_there_is_no_room_or_nothing_to_tell() -> None:
    assert curve_lines({"train error": curve(0.5, 0.25)}, 20) == []
    assert curve_lines({"train error": curve(0.5)}, 80) == []
    assert curve_lines({"train error": curve(0.0, 0.0)}, 80) == []
