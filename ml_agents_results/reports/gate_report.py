"""Gate report: the verdict of a gate in words, and a table of its rules."""

from ml_agents_results.records import Variant
from ml_agents_results.reports.column import Column
from ml_agents_results.reports.columns import COLUMNS
from ml_agents_results.reports.report import Report, Row, Table, View
from ml_agents_results.reports.sentences import two_names
from ml_agents_results.reports.wording import format_p, measured
from ml_agents_results.services.gate import GateReport, GateRow

_RULE = Column("rule", "rule", "text", "what the candidate must not be worse in, and by how much")
_FIGURES = (
    Column("difference", "difference", "text", "candidate minus baseline"),
    Column("interval", "interval", "text", "the interval that is held against the margin"),
    COLUMNS["samples"],
    Column("verdict", "verdict", "text", "pass, worse or undecided"),
)


def gate_report(report: GateReport) -> Report:
    """The verdict first, then a row for each rule and candidate."""
    rows = [_row(row, report.alpha) for row in report.rows]
    pairs = {(row.candidate, row.baseline) for row in report.rows}
    columns = (_RULE, *((COLUMNS["candidate"],) if len(pairs) > 1 else ()), *_FIGURES)
    view = View("gate", "Gate", columns, rows)
    alpha = f"{report.alpha:.3g}"
    methods = [
        f"pass: a loss of the margin or more is excluded (Tango's score test, one-sided, p at most "
        f"{alpha}); all rules must pass, so that needs no correction. worse: a loss is shown "
        f"(one-sided, p at most {alpha} after Holm's correction for the rules). undecided: neither."
    ]
    # The sentence says it of the first that fails.
    said = next((row for row in report.rows if row.fails), None)
    notes = [
        f"{row_rule(row)}: {why(row, report.alpha)}"
        for row in report.rows
        if row.verdict == "undecided" and row is not said
    ]
    return Report(
        "Gate", [Table("Gate", columns, rows, [view])], [sentence(report)], notes, methods
    )


def row_rule(row: GateRow) -> str:
    """The rule in words, with its margin."""
    if row.margin is None:
        return row.rule
    margin = f"{row.margin:g}" if row.numeric else f"{100 * row.margin:g} points"
    return f"{row.rule} within {margin}"


def _row(row: GateRow, alpha: float) -> Row:
    points = not row.numeric
    bounds = ""
    if row.ci_low is not None and row.ci_high is not None:
        bounds = f"[{_size(row.ci_low, points, '')}, {_size(row.ci_high, points, '')}]"
    return {
        "rule": row_rule(row),
        "candidate": two_names(row.candidate, row.baseline)[0],
        "difference": _size(row.difference, points) if row.samples else why(row, alpha),
        "interval": bounds,
        "samples": row.samples,
        "verdict": row_verdict(row, alpha),
    }


def sentence(report: GateReport) -> str:
    """The verdict of the whole gate."""
    passed = sum(row.verdict == "pass" for row in report.rows)
    number = f"{passed} of {len(report.rows)} rules pass"
    failing = [row for row in report.rows if row.fails]
    if failing:
        first = failing[0]
        pair = _named(first.candidate, first.baseline)
        reason = why(first, report.alpha)
        return f"The gate fails: {number}. {row_rule(first)}: {pair} is {first.verdict} ({reason})."
    if report.verdict == "pass":
        return f"The gate passes: {number}."
    return (
        f"The gate does not fail, but is not decided: {number}. It fails only on a loss that is "
        "shown; --fail-on undecided fails here, too."
    )


def row_verdict(row: GateRow, alpha: float) -> str:
    if row.verdict == "pass" and row.p_worse is not None and row.p_worse <= alpha:
        return "pass (within the margin, but worse)"
    return row.verdict


def why(row: GateRow, alpha: float) -> str:
    """The figures of a row in one phrase."""
    if row.reason is not None:
        return row.reason
    if row.margin is None and row.samples is None:
        return f"{_value(row.candidate_value)} against {_value(row.baseline_value)}"
    points = not row.numeric
    level = 100 * (1 - 2 * alpha) if row.margin is not None else 100 * (1 - alpha)
    parts = [f"{_size(row.difference, points)} on {row.samples:,} samples"]
    if row.ci_low is not None and row.ci_high is not None:
        parts.append(f"{level:.4g}% CI {_size(row.ci_low, points)} to {_size(row.ci_high, points)}")
    if row.p_non_inferior is not None:
        parts.append(f"p of a loss of the margin {format_p(row.p_non_inferior)}")
    if row.verdict != "pass" and row.p_worse is not None:
        parts.append(f"p of no loss {format_p(row.p_worse)}")
    if row.samples_needed is not None:
        parts.append(f"about {row.samples_needed:,} samples would decide")
    if row.missing == "incorrect":
        parts.append("missing grades count as the worst value")
    return "; ".join(parts)


def _size(value: float | None, points: bool, unit: str = " points") -> str:
    if value is None:
        return "unknown"
    if points:
        return f"{100 * value:+.1f}{unit}"
    return f"{'+' if value > 0 else ''}{measured(value)}"


def _value(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.4g}"


def _named(candidate: Variant, baseline: Variant) -> str:
    one, other = two_names(candidate, baseline)
    return f"{one} against {other}"
