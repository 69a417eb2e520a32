"""The words for codes and figures: the same in tables, reports and papers."""

import csv
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ml_agents_results.reports.column import Kind

UNKNOWN = "-"
SMALLEST_PRINTED_P = 1e-300

with Path(__file__).with_name("explanations.csv").open(encoding="utf-8", newline="") as _file:
    EXPLANATIONS = {row["code"]: row["explanation"] for row in csv.DictReader(_file)}
"""Warnings and reasons for missing figures in words, by their codes."""


def explain(code: str) -> str:
    """A warning or the reason for a missing figure, in words."""
    return EXPLANATIONS.get(code, code.replace("_", " "))


def percent(fraction: float | None, digits: int = 1) -> str:
    """0.7553 as `75.5%`; `-` for what is not known."""
    return UNKNOWN if fraction is None else f"{100 * fraction:.{digits}f}%"


def points(fraction: float | None, digits: int = 1) -> str:
    """A difference in percentage points with its sign: 0.1298 as `+13.0`."""
    return UNKNOWN if fraction is None else f"{100 * fraction:+.{digits}f}"


def milliseconds(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.0f}"


def moment(time: datetime) -> str:
    """A time in UTC: `2026-11-23 10:15:00`."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def file_size(count: float) -> str:
    """A number of bytes: 1536 is `1.5 KiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def decimal(value: float | None, digits: int = 2) -> str:
    return UNKNOWN if value is None else f"{value:.{digits}f}"


def format_p(p: float | None) -> str:
    """A p value: `0.0428`, `1.6e-28`, `<1e-300`; `-` for what is not known."""
    if p is None:
        return UNKNOWN
    if p < SMALLEST_PRINTED_P:
        return "<1e-300"
    return f"{p:.3g}" if p >= 0.001 else f"{p:.1e}"


def measured(value: float | None, *, signed: bool = False) -> str:
    """A value of a numeric metric in its own unit, with three decimals or four digits: `0.562`,
    `7.670`, `61.25`, `1,234`; a difference with its sign."""
    if value is None:
        return UNKNOWN
    size = abs(value)
    digits = 3 if size < 10 else 2 if size < 100 else 1 if size < 1000 else 0
    if 0 < size < 0.01:
        return f"{value:{'+' if signed else ''}.3g}"
    text = f"{value:{'+' if signed else ''},.{digits}f}"
    return text.lstrip("+-") if not text.strip("+-0.,") else text


def dollars(value: float | None) -> str:
    """Three significant digits, so that a tenth of a cent does not become nothing."""
    if value is None:
        return UNKNOWN
    sign, size = ("-", -value) if value < 0 else ("", value)
    return sign + (f"${size:,.2f}" if size >= 1 or size == 0 else f"${size:.3g}")


def shown(value: Any, kind: "Kind") -> str:
    """A value as people read it; `-` for what is not known.

    A tuple is the bounds of an interval, `[60.5, 64.6]`, or a figure and those bounds,
    `62.6 [60.5, 64.6]`; fractions are then in percent without the sign.
    """
    if isinstance(value, tuple):
        *figure, low, high = (_number(part, kind, bare=True) for part in value)
        bounds = "" if value[-2] is None and value[-1] is None else f"[{low}, {high}]"
        return " ".join(filter(None, (*figure, bounds))) or UNKNOWN
    return _number(value, kind)


def _number(value: Any, kind: "Kind", *, bare: bool = False) -> str:
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return str(value)
    match kind:
        case "fraction":
            return f"{100 * value:.1f}" if bare else percent(value)
        case "points":
            return points(value)
        case "distance":
            return f"{100 * value:.1f}"
        case "value":
            return measured(value)
        case "change":
            return measured(value, signed=True)
        case "usd":
            return dollars(value)
        case "ms":
            return milliseconds(value)
        case "p":
            return format_p(value)
        case "number":
            return decimal(value, 3)
        case _:
            return f"{value:,}"


def level_text(level: float) -> str:
    """A confidence level: 0.95 is `95%`."""
    return f"{100 * level:.4g}%"


CORRECTIONS = {"holm": "Holm", "fdr_bh": "Benjamini-Hochberg", "bonferroni": "Bonferroni"}


def correction_text(correction: str, tests: int) -> str:
    """What was done about the number of tests: `Holm over 3 tests`."""
    if correction == "none":
        return "uncorrected"
    return f"{CORRECTIONS[correction]} over {tests} test{'' if tests == 1 else 's'}"
