"""Intervals drawn as text: one line for each row, all on one axis on which zero can be seen."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

Estimate = tuple[float | None, float | None, float | None]
"""A figure and the bounds of its interval."""

_UNICODE = {"line": "─", "low": "├", "high": "┤", "zero": "│", "cross": "┼", "point": "●"}
_ASCII = {"line": "-", "low": "[", "high": "]", "zero": "|", "cross": "+", "point": "o"}


@dataclass(frozen=True, slots=True)
class Axis:
    """The values that a plot covers, from its first to its last character.

    Attributes:
        signed: Whether the values are differences, so that zero belongs to the axis.
        share: Whether they are fractions, so that they lie between 0 and 1 and are shown in
            percent.
    """

    low: float
    high: float
    width: int
    signed: bool
    share: bool = True

    @classmethod
    def of(
        cls, rows: Sequence[Estimate], width: int, *, signed: bool, share: bool = True
    ) -> "Axis":
        """An axis that holds all rows between round numbers, for differences also zero."""
        values = [value for row in rows for value in row if value is not None]
        low = min([*values, *([0.0] if signed else [])], default=0.0)
        high = max([*values, *([0.0] if signed else [])], default=1.0)
        step = _round_step(high - low or 0.1)
        low, high = math.floor(low / step) * step, math.ceil(high / step) * step
        if share and not signed:
            low, high = max(low, 0.0), min(high, 1.0)
        return cls(low, high if high > low else low + step, width, signed, share)

    @property
    def label(self) -> str:
        """The ends of the axis, fractions in percent, and zero where it lies between them."""
        form = "{:+.3g}" if self.signed else "{:.3g}"
        ends = [(100 if self.share else 1) * end for end in (self.low, self.high)]
        left, right = ("0" if not end else form.format(end) for end in ends)
        text = left + right.rjust(self.width - len(left))
        zero = self._index(0.0)
        if self.signed and len(left) < zero < self.width - len(right) - 1:
            text = f"{text[:zero]}0{text[zero + 1 :]}"
        return text

    def draw(self, row: Estimate, *, ascii_only: bool = False) -> str:
        """The line of a row."""
        marks = _ASCII if ascii_only else _UNICODE
        cells = [" "] * self.width
        point, low, high = (None if value is None else self._index(value) for value in row)
        if low is not None and high is not None:
            cells[low : high + 1] = [marks["line"]] * (high + 1 - low)
            cells[low], cells[high] = marks["low"], marks["high"]
        if self.signed:
            zero = self._index(0.0)
            crossed = row[1] is not None and row[2] is not None and row[1] < 0.0 < row[2]
            cells[zero] = marks["cross"] if crossed else marks["zero"]
        if point is not None:
            cells[point] = marks["point"]
        return "".join(cells)

    def _index(self, value: float) -> int:
        share = (value - self.low) / (self.high - self.low)
        return min(self.width - 1, max(0, round(share * (self.width - 1))))


def _round_step(span: float) -> float:
    """1, 2 or 5 times a power of ten, a quarter of the span or less."""
    power = 10.0 ** math.floor(math.log10(span / 4))
    return next(step * power for step in (5, 2, 1) if step * power <= span / 4 or step == 1)
