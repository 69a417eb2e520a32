"""Native Excel charts, which a reader can edit."""

from typing import Any

from ml_agents_results.reports.excel import Book, Placed
from ml_agents_results.reports.report import Table

_WIDTH = 560
_ROW = 20
_BLUE, _ORANGE, _GREY = "#2F6DA8", "#C55A11", "#7F7F7F"
_LIGHT = {"major_gridlines": {"visible": True, "line": {"color": "#D9D9D9", "width": 0.75}}}
# Shape as well as colour distinguishes the points.
_MARKERS = ("circle", "square", "diamond", "triangle", "x", "star", "plus")
_COLOURS = (_BLUE, _ORANGE, "#2E8B57", "#8E44AD", "#B8860B", "#C0392B", "#16A085", _GREY)


def add_summary_charts(book: Book, placed: Placed, row: int) -> None:
    """Accuracy with its interval, and times, side by side below the table."""
    sheet = book.sheet("Summary")
    height = _ROW * (rows_of_charts(placed.table) - 1)
    for number, chart in enumerate((_means(book, placed), _latency(book, placed))):
        if chart is not None:
            chart.set_size({"width": _WIDTH, "height": height})
            # The bounds of the intervals are in columns that are folded away.
            chart.show_hidden_data()
            options = {"object_position": 2, "x_offset": number * (_WIDTH + _ROW)}
            sheet.insert_chart(row, 0, chart, options)


def rows_of_charts(table: Table) -> int:
    """Rows of a sheet that the charts of a table cover: each variant has its bars."""
    return max(18, 6 + 2 * len(table.rows))


def add_cost_chart(book: Book, placed: Placed, below: int) -> None:
    """Accuracy against the mean cost of a graded run, one point per variant."""
    table = placed.table
    cost, accuracy, label = (placed.column(name) for name in ("mean_cost", "accuracy", "variant"))
    chart = book.workbook.add_chart({"type": "scatter"})
    drawn = 0
    for number, row in enumerate(table.rows, placed.first_row + 1):
        if row["mean_cost"] is None or row["accuracy"] is None:
            continue
        chart.add_series(
            {
                "name": ["Costs", number, label],
                "categories": ["Costs", number, cost, number, cost],
                "values": ["Costs", number, accuracy, number, accuracy],
                "marker": {
                    "type": _MARKERS[drawn % len(_MARKERS)],
                    "size": 9,
                    "fill": {"color": _COLOURS[drawn % len(_COLOURS)]},
                    "border": {"color": "#000000"},
                },
            }
        )
        drawn += 1
    if not drawn:
        return
    chart.set_title({"name": "Accuracy against cost", "name_font": {"size": 12}})
    chart.set_x_axis({"name": "mean cost of a graded run in USD", "min": 0, **_LIGHT})
    chart.set_y_axis({"name": "accuracy", "num_format": "0%", "min": 0, "max": 1, **_LIGHT})
    chart.set_legend({"position": "bottom"})
    chart.set_size({"width": _WIDTH, "height": 18 * _ROW})
    book.sheet("Costs").insert_chart(below, 0, chart, {"object_position": 2})


def _means(book: Book, placed: Placed) -> Any:
    """Bars of accuracies, or of the means of a numeric metric, with the bounds of their intervals,
    which are not symmetric."""
    numeric = all(column.name != "accuracy" for column in placed.table.columns)
    figure = "mean" if numeric else "accuracy"
    chart = book.workbook.add_chart({"type": "bar"})
    chart.add_series(
        {
            **_series(placed, figure),
            "name": figure,
            "fill": {"color": _BLUE},
            "gap": 60,
            "y_error_bars": {
                "type": "custom",
                "plus_values": _cells(placed, "accuracy_error_plus"),
                "minus_values": _cells(placed, "accuracy_error_minus"),
                "line": {"color": "#000000", "width": 1.25},
            },
        }
    )
    title = f"{figure.capitalize()} with its interval"
    chart.set_title({"name": title, "name_font": {"size": 12}})
    share = {} if numeric else {"num_format": "0%", "min": 0, "max": 1}
    chart.set_x_axis({**share, **_LIGHT})
    chart.set_y_axis({"reverse": True})
    chart.set_legend({"none": True})
    return chart


def _latency(book: Book, placed: Placed) -> Any | None:
    """Median and 95th percentile of the time of an answer."""
    if all(row["median_execution_time_ms"] is None for row in placed.table.rows):
        return None
    chart = book.workbook.add_chart({"type": "bar"})
    for name, title, colour in (
        ("median_execution_time_ms", "median", _ORANGE),
        ("p95_execution_time_ms", "95th percentile", _GREY),
    ):
        chart.add_series(
            {**_series(placed, name), "name": title, "fill": {"color": colour}, "gap": 60}
        )
    chart.set_title({"name": "Time of an answer in ms", "name_font": {"size": 12}})
    chart.set_x_axis({"num_format": "#,##0", "min": 0, **_LIGHT})
    chart.set_y_axis({"reverse": True})
    chart.set_legend({"position": "bottom"})
    return chart


def _series(placed: Placed, name: str) -> dict[str, Any]:
    return {"categories": _cells(placed, "variant"), "values": _cells(placed, name)}


def _cells(placed: Placed, name: str) -> str:
    """The cells of a column: LibreOffice does not draw error bars from literal values."""
    from xlsxwriter.utility import xl_range_formula

    column = placed.column(name)
    return str(xl_range_formula("Summary", placed.first_row + 1, column, placed.last_row, column))
