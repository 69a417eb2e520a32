"""Critical-difference diagram: average ranks on a line, with a bar over each group that cannot be
told apart (Demsar 2006), as SVG."""

from collections.abc import Sequence
from html import escape

_WIDTH, _MARGIN, _LINE, _BAR = 760, 200, 22, 9
_INK = "#1b1f24"


def critical_difference_svg(
    names: Sequence[str],
    ranks: Sequence[float],
    groups: Sequence[Sequence[int]],
    critical_difference: float | None = None,
) -> str:
    """The diagram; the best rank stands on the left.

    Args:
        groups: Indexes of variants; those of a single one are not drawn.
        critical_difference: Nemenyi's, drawn over the axis.
    """
    highest = max(len(names), 2)
    bars = [sorted(ranks[one] for one in group) for group in groups if len(group) > 1]
    axis = 46 if critical_difference is None else 64
    top = axis + 16 + _BAR * len(bars)
    order = sorted(range(len(names)), key=lambda one: ranks[one])
    half = (len(order) + 1) // 2
    height = top + _LINE * half + 16

    def at(rank: float) -> float:
        return _MARGIN + (rank - 1.0) / (highest - 1.0) * (_WIDTH - 2 * _MARGIN)

    parts = [_line(at(1), axis, at(highest), axis)]
    for rank in range(1, highest + 1):
        parts += [_line(at(rank), axis - 6, at(rank), axis), _text(at(rank), axis - 10, str(rank))]
    if critical_difference is not None:
        end = min(at(1.0 + critical_difference), _WIDTH - 8.0)
        parts += [
            _line(at(1), axis - 32, end, axis - 32, 2),
            _line(at(1), axis - 36, at(1), axis - 28),
            _line(end, axis - 36, end, axis - 28),
            _text((at(1) + end) / 2, axis - 40, f"CD {critical_difference:.2f}"),
        ]
    for number, bar in enumerate(bars):
        y = axis + 10 + _BAR * number
        parts.append(_line(at(bar[0]) - 3, y, at(bar[-1]) + 3, y, 4))
    for place, one in enumerate(order):
        left = place < half
        y = top + _LINE * (place if left else len(order) - 1 - place) + 10
        x, label = at(ranks[one]), f"{names[one]} ({ranks[one]:.2f})"
        end = _MARGIN - 10 if left else _WIDTH - _MARGIN + 10
        parts += [_line(x, axis, x, y), _line(x, y, end, y)]
        parts.append(_text(end + (-4 if left else 4), y + 4, label, "end" if left else "start"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img" font-family="system-ui, sans-serif" '
        f'font-size="12"><title>Average ranks over tasks; bars join what cannot be told apart'
        f"</title>{''.join(parts)}</svg>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, width: int = 1) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{_INK}" '
        f'stroke-width="{width}"/>'
    )


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    shown = escape("".join(c if c.isprintable() else "\ufffd" for c in text))
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{_INK}">{shown}</text>'
