"""Failures: outcomes, slices that stand out, errors, hard samples and samples that changed."""

from collections.abc import Sequence
from dataclasses import asdict

from ml_agents_results.records import Variant, variant_labels
from ml_agents_results.reports.columns import columns
from ml_agents_results.reports.method_names import method_name
from ml_agents_results.reports.report import (
    Report,
    Row,
    Table,
    View,
    variant_column,
    variant_row,
    warning_notes,
)
from ml_agents_results.reports.wording import level_text
from ml_agents_results.repositories.text_patterns import ChangedSample
from ml_agents_results.services.failures import Changes, FailureReport

_OUTCOMES = columns("outcome", "runs", "of_runs", "rate", "rate_ci_low", "rate_ci_high", "method")
_SLICES = columns(
    *("dimension", "value", "graded", "correct", "accuracy", "ci_low"),
    *("ci_high", "rest_accuracy", "difference", "p_value", "p_value_adjusted"),
    *("family_size", "method"),
    correction="BH",
)
_METHOD = "independent samples"
"""What all figures take, however errors are clustered elsewhere."""

_ERRORS = columns("variant", "error", "runs")
_HARD = columns("task", "sample_index", "graded", "correct")
_CHANGES = columns(
    *("change", "candidate", "baseline", "task", "sample_index", "repeat_index"),
    *("candidate_run_id", "baseline_run_id"),
)


def failure_report(report: FailureReport) -> Report:
    """What goes wrong, where, and what changed against the baseline."""
    labels = variant_labels(list(dict.fromkeys(row.variant for row in report.outcomes)))
    methods = [
        f"Shares of all runs, {method_name(row.interval_method)}." for row in report.outcomes[:1]
    ]
    tested = [row for row in report.slices if row.p_value_adjusted is not None]
    clear = sum(map(_is_clear, (row.p_value_adjusted for row in tested)))
    methods.append(
        "Points: accuracy minus that of the rest of the variant. Slices with at least 10 graded "
        "runs are tested by Fisher's exact test, Benjamini-Hochberg within each variant at 5%; "
        f"{clear:,} of {len(tested):,} differ clearly. Samples are treated as independent."
    )
    tables = [
        _outcomes(report, labels),
        _slices(report, labels),
        _errors(report, labels),
        _hard(report),
        _changes(report, labels),
    ]
    sentences = [_changed(row, labels) for row in report.changes]
    return Report(
        "Failures", tables, sentences, notes=warning_notes([report.warnings]), methods=methods
    )


def _outcomes(report: FailureReport, labels: dict[Variant, str]) -> Table:
    rows = [variant_row(row, labels, method=_METHOD) for row in report.outcomes]
    head = variant_column(labels)
    shown = columns("outcome", "runs", "rate", "rate_ci", level=level_text(report.confidence_level))
    views = [View("outcomes", "Outcomes", (head, *shown), rows)]
    return Table("Outcomes", (*columns("variant"), *_OUTCOMES), rows, views)


def _slices(report: FailureReport, labels: dict[Variant, str]) -> Table:
    rows = [variant_row(row, labels, method=_METHOD) for row in report.slices]
    order = list(labels.values())
    clear = sorted(
        (row for row in rows if _is_clear(row["p_value_adjusted"])),
        key=lambda row: (order.index(row["variant"]), row["difference"] or 0),
    )
    shown = columns(
        *("dimension", "value", "accuracy", "difference", "p_value_adjusted", "graded", "ci"),
        level=level_text(report.confidence_level),
        correction="BH",
    )
    title = "Slices that differ from the rest of their variant (exploratory)"
    view = View("slices", title, (variant_column(labels), *shown), clear)
    return Table(
        "Slices against the rest of their variant (exploratory)",
        (*columns("variant"), *_SLICES),
        rows,
        [view] if clear else [],
    )


def _errors(report: FailureReport, labels: dict[Variant, str]) -> Table:
    rows = [variant_row(row, labels) for row in report.errors]
    left_out = report.error_count - len(rows)
    title = (
        f"Errors (the {len(rows)} most frequent of {report.error_count:,})"
        if left_out
        else "Errors"
    )
    view = View("errors", title, (variant_column(labels), *columns("error", "runs")), rows)
    return Table("Errors", _ERRORS, rows, [view] if rows else [])


def _hard(report: FailureReport) -> Table:
    several = len({row.experiment_id for row in report.hard_samples}) > 1
    shown = (*(columns("experiment_id") if several else ()), *_HARD)
    rows = [asdict(row) for row in report.hard_samples]
    view = View("hard", "Hardest samples", shown, rows, brief=10)
    return Table("Hardest samples", shown, rows, [view] if rows else [])


def _changes(report: FailureReport, labels: dict[Variant, str]) -> Table:
    rows: list[Row] = [
        {
            "change": change,
            "candidate": labels[row.candidate],
            "baseline": labels[row.baseline],
            **asdict(sample),
        }
        for row in report.changes
        for change, samples in (("improved", row.gains), ("regressed", row.regressions))
        for sample in samples
    ]
    title = "Samples that changed sides (the first of each)"
    shown = columns("candidate", "baseline", "change", "task", "sample_index")
    view = View("changes", title, shown, rows, detail=True)
    return Table(title, _CHANGES, rows, [view] if rows else [])


def _changed(row: Changes, labels: dict[Variant, str]) -> str:
    """Where the candidate improved and regressed: the first samples of each."""
    return (
        f"{labels[row.candidate]} against {labels[row.baseline]}: improved {_first(row.gains)}; "
        f"regressed {_first(row.regressions)}."
    )


def _first(changed: Sequence[ChangedSample]) -> str:
    if not changed:
        return "none"
    samples = [
        f"{one.task}:{one.sample_index}" if one.task else str(one.sample_index)
        for one in changed[:5]
    ]
    return ", ".join(samples) + (f" and {len(changed) - 5} or more" if len(changed) > 5 else "")


def _is_clear(p: float | None) -> bool:
    return p is not None and p <= 0.05
