"""Interval plots: points, bounds and zero stand where their values are."""

import pytest

from ml_agents_results.reports.interval_plot import Axis

DIFFERENCES = [(0.2, 0.1, 0.3), (-0.02, -0.1, 0.06), (None, None, None), (0.05, None, None)]


def test_everything_stands_where_its_value_is() -> None:
    axis = Axis(-0.2, 0.4, width=61, signed=True)
    # One character for each percentage point.
    line = axis.draw((0.2, 0.1, 0.3))
    assert (line.index("├"), line.index("●"), line.index("┤")) == (30, 40, 50)
    assert line[20] == "│"
    assert set(line[31:40]) == {"─"}
    assert axis.draw((-0.02, -0.1, 0.06))[20] == "┼"
    assert axis.draw((None, None, None)).strip() == "│"
    assert axis.draw((0.05, None, None)) == " " * 20 + "│    ●".ljust(41)
    assert {len(axis.draw(row)) for row in DIFFERENCES} == {61}


def test_zero_belongs_to_differences_and_can_be_seen() -> None:
    axis = Axis.of([(0.2, 0.11, 0.3)], 21, signed=True)
    assert axis.low == 0.0
    assert axis.draw((0.2, 0.11, 0.3)).startswith("│")
    axis = Axis.of([(0.8, 0.71, 0.89)], 21, signed=False)
    assert [axis.low, axis.high] == pytest.approx([0.7, 0.9])
    assert "│" not in axis.draw((0.8, 0.71, 0.89))


def test_the_label_names_the_ends_and_zero() -> None:
    axis = Axis(-0.2, 0.4, width=21, signed=True)
    assert axis.label == "-20    0          +40"
    assert axis.label.index("0", 3) == axis.draw((None, None, None)).index("│")
    assert Axis(0.0, 1.0, width=12, signed=False).label == "0        100"


@pytest.mark.parametrize(
    "rows", [[], [(None, None, None)], [(0.0, 0.0, 0.0)], [(1.0, 1.0, 1.0)], [(1e-9, 0.0, 2e-9)]]
)
@pytest.mark.parametrize("signed", [True, False])
def test_odd_values_have_an_axis(
    rows: list[tuple[float | None, float | None, float | None]], signed: bool
) -> None:
    axis = Axis.of(rows, 12, signed=signed)
    assert axis.low < axis.high
    assert len(axis.label) >= 12
    assert all(len(axis.draw(row)) == 12 for row in rows)


def test_terminals_without_the_characters_get_ascii() -> None:
    axis = Axis(-0.2, 0.4, width=61, signed=True)
    for row in DIFFERENCES:
        assert axis.draw(row, ascii_only=True).isascii()
