"""Intervals drawn in the cells of HTML tables: one axis for all rows, zero marked by a line."""

from html import escape

from ml_agents_results.reports.interval_plot import Axis, Estimate

WIDTH = 190
_MARGIN = 5
_HEIGHT = 18
_UNITS = 1000
"""The resolution of the axis, in characters that it takes the plot to have."""


def axis_of(rows: list[Estimate], *, signed: bool, share: bool) -> Axis:
    """The axis of a table's plots."""
    return Axis.of(rows, _UNITS, signed=signed, share=share)


def head_svg(axis: Axis) -> str:
    """The ends of the axis, and zero where it lies between them."""
    form = "{:+.3g}" if axis.signed else "{:.3g}"
    scale = 100 if axis.share else 1
    marks = [(axis.low, "start"), (axis.high, "end")]
    if axis.signed and axis.low < 0 < axis.high and 25 < _x(axis, 0.0) < WIDTH - 25:
        marks.append((0.0, "middle"))
    texts = "".join(
        f'<text x="{_end(axis, value, anchor):.1f}" y="12" text-anchor="{anchor}">'
        f"{escape(form.format(scale * value) if value else '0')}</text>"
        for value, anchor in marks
    )
    return (
        f'<svg class="axis" width="{WIDTH}" height="16" viewBox="0 0 {WIDTH} 16" '
        f'aria-hidden="true" font-size="11" fill="currentColor">{texts}</svg>'
    )


def interval_svg(axis: Axis, row: Estimate, state: str = "") -> str:
    """One row. The figures stand in the cells next to it, so it is hidden from screen readers.

    Args:
        state: A class for the colour: `good`, `bad`, or none.
    """
    point, low, high = row
    middle = _HEIGHT / 2
    parts: list[str] = []
    if axis.signed:
        zero = _x(axis, 0.0)
        parts.append(
            f'<line class="zero" x1="{zero:.1f}" x2="{zero:.1f}" y1="0" y2="{_HEIGHT}" '
            'stroke="currentColor" stroke-opacity=".45" stroke-dasharray="2 2"/>'
        )
    if low is not None and high is not None:
        left, right = _x(axis, low), _x(axis, high)
        parts.append(
            f'<path d="M{left:.1f} {middle - 4}v8M{left:.1f} {middle}H{right:.1f}M{right:.1f} '
            f'{middle - 4}v8" stroke="currentColor" stroke-width="1.5" fill="none"/>'
        )
    if point is not None:
        parts.append(
            f'<circle cx="{_x(axis, point):.1f}" cy="{middle}" r="4" fill="currentColor"/>'
        )
    return (
        f'<svg class="interval {state}" width="{WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {_HEIGHT}" aria-hidden="true">{"".join(parts)}</svg>'
    )


def _x(axis: Axis, value: float) -> float:
    share = (value - axis.low) / (axis.high - axis.low)
    return _MARGIN + min(1.0, max(0.0, share)) * (WIDTH - 2 * _MARGIN)


def _end(axis: Axis, value: float, anchor: str) -> float:
    return {"start": 0.0, "end": float(WIDTH)}.get(anchor, _x(axis, value))
