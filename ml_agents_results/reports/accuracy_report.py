"""Accuracy of variants: over all tasks, by task, and how repeated answers agree."""

from collections.abc import Mapping, Sequence

from ml_agents_results.records import Variant, variant_labels
from ml_agents_results.reports.column import Column
from ml_agents_results.reports.columns import COLUMNS, VALUE_COLUMNS, columns
from ml_agents_results.reports.method_names import method_name
from ml_agents_results.reports.report import (
    VARIANT_COLUMNS,
    Report,
    Row,
    Table,
    View,
    coverage_notes,
    variant_column,
    variant_row,
    variant_table,
    warning_notes,
)
from ml_agents_results.reports.wording import UNKNOWN, level_text
from ml_agents_results.services.metric_choice import UNNAMED
from ml_agents_results.services.repeated_answers import VariantRepeats
from ml_agents_results.services.summary import SummaryReport
from ml_agents_results.services.variant_summary import VariantSummary

ALL_TASKS = "(all)"
_TASK_VARIANT = columns("variant", "task", *Variant._fields)
_ACCURACY = columns(
    *("metric", "runs", "graded", "failed", "unparsed", "ungraded", "correct"),
    *("accuracy", "ci_low", "ci_high", "se", "interval_method"),
    *("mean_execution_time_ms", "median_execution_time_ms", "p95_execution_time_ms"),
    *("total_cost", "cost_per_correct", "mean_parsing_confidence", "method", "samples"),
    *("n_clusters", "accuracy_bounds_low", "accuracy_bounds_high", "null_reason", "warnings"),
    *("accuracy_error_minus", "accuracy_error_plus"),
)
_BY_TASK = _ACCURACY[: _ACCURACY.index(COLUMNS["mean_execution_time_ms"])]
_MEASURES = (
    *("median_execution_time_ms", "p95_execution_time_ms", "total_cost", "cost_per_correct"),
    "mean_parsing_confidence",
)


_VALUES = columns(
    *("metric", "runs", "graded", "failed", "truncated", "refused", "unparsed", "ungraded"),
    *("mean", "ci_low", "ci_high", "se", "sd", "interval_method"),
    *("mean_execution_time_ms", "median_execution_time_ms", "p95_execution_time_ms"),
    *("total_cost", "mean_parsing_confidence", "method", "samples", "n_clusters"),
    *("null_reason", "warnings", "accuracy_error_minus", "accuracy_error_plus"),
    of=VALUE_COLUMNS,
)
"""Of a numeric metric."""


def summary_report(report: SummaryReport) -> Report:
    """The mean of every variant, and its times, costs and confidences where there are any."""
    whole = variants_table(
        report.variants, report.confidence_level, ("runs", "graded", "failed", "accuracy", "ci")
    )
    return _report("Summary", report, [whole])


def accuracy_report(report: SummaryReport) -> Report:
    """Accuracies of all variants, by task where there are tasks, and of repeats."""
    level = level_text(report.confidence_level)
    shown = ("accuracy", "ci", "correct", "graded", "runs", "failed", "unparsed")
    tables = [variants_table(report.variants, report.confidence_level, shown)]
    if report.tasks:
        labels = variant_labels([row.variant for row in report.variants])
        rows = variant_rows(
            [(task, row) for task, variants in report.tasks for row in variants], labels
        )
        every = [row for _, variants in report.tasks for row in variants]
        numeric = any(row.numeric for row in every)
        tables.append(
            Table(
                "Variants by task",
                (*_TASK_VARIANT, *(_VALUES if numeric else _BY_TASK)),
                rows,
                [
                    View(
                        "tasks",
                        f"{_measured(every)} by task",
                        (
                            COLUMNS["task"],
                            variant_column(labels),
                            *_shown(every, ("accuracy", "ci", "graded", "correct"), level),
                        ),
                        [{**row, "task": row["task"] or UNKNOWN} for row in rows],
                        interval=_interval_column(numeric),
                    )
                ],
            )
        )
    if report.repeats:
        tables.append(_repeats(report.repeats))
    title = "Means" if any(row.numeric for row in report.variants) else "Accuracy"
    return _report(title, report, tables)


def variants_table(
    variants: Sequence[VariantSummary],
    confidence: float,
    shown: Sequence[str],
    *,
    measures_are_detail: bool = False,
) -> Table:
    """A row for each variant over all tasks.

    Args:
        shown: The columns that people see; times, costs and confidences follow in a view of
            their own.
        measures_are_detail: Whether those are only for readers who ask for more.
    """
    level = level_text(confidence)
    labels = variant_labels([row.variant for row in variants])
    rows = variant_rows([(ALL_TASKS, row) for row in variants], labels)
    head = variant_column(labels)
    numeric = any(row.numeric for row in variants)
    views = [
        View(
            "variants",
            _measured(variants),
            (head, *_shown(variants, shown, level)),
            rows,
            interval=_interval_column(numeric),
        )
    ]
    measured = [name for name in _MEASURES if any(row[name] is not None for row in rows)]
    if measured:
        title = "Times, costs and confidences"
        figures = (head, *columns(*measured))
        views.append(View("measures", title, figures, rows, detail=measures_are_detail))
    return Table("Variants", (*_TASK_VARIANT, *(_VALUES if numeric else _ACCURACY)), rows, views)


def metrics_table(reports: Sequence[SummaryReport]) -> Table:
    """A row for each variant and metric, where several metrics are reported on."""
    variants = [row for report in reports for row in report.variants]
    labels = variant_labels([row.variant for row in variants])
    rows = variant_rows([(ALL_TASKS, row) for row in variants], labels)
    level = level_text(reports[0].confidence_level) if reports else ""
    shown = (
        COLUMNS["metric"],
        variant_column(labels),
        *columns("graded", "mean", "ci", of=VALUE_COLUMNS, level=level),
    )
    return Table(
        "Metrics",
        (*VARIANT_COLUMNS, *_VALUES),
        rows,
        [View("metrics", "Metrics", shown, rows)],
    )


def _measured(variants: Sequence[VariantSummary]) -> str:
    """What a table of variants shows: `Accuracy`, `Accuracy (exact)`, `Mean f1`."""
    names = list(dict.fromkeys(row.metric for row in variants))
    if any(row.numeric for row in variants):
        return f"Mean {names[0]}" if len(names) == 1 else "Mean"
    return "Accuracy" if names in ([UNNAMED], []) else f"Accuracy ({' / '.join(names)})"


def _shown(
    variants: Sequence[VariantSummary], names: Sequence[str], level: str
) -> tuple[Column, ...]:
    """The columns that people see; of a numeric metric in its own unit."""
    if not any(row.numeric for row in variants):
        return columns(*names, level=level)
    several = len({row.metric for row in variants}) > 1
    chosen = [{"accuracy": "mean", "correct": "sd"}.get(name, name) for name in names]
    return columns(*(["metric"] if several else []), *chosen, of=VALUE_COLUMNS, level=level)


def _interval_column(numeric: bool) -> Column:
    return VALUE_COLUMNS["mean_ci"] if numeric else COLUMNS["accuracy_ci"]


def variant_rows(
    variants: Sequence[tuple[str, VariantSummary]], labels: Mapping[Variant, str]
) -> list[Row]:
    """The values of variants, each with the task that it stands for."""
    return [_variant_row(row, labels, task) for task, row in variants]


def accuracy_methods(variants: Sequence[VariantSummary]) -> list[str]:
    """Which interval the accuracies have, and what it treats as independent."""
    methods = dict.fromkeys(f"{method_name(row.interval_method)}, {row.method}" for row in variants)
    return [f"{_measured(variants)}: {'; '.join(methods)}."] if methods else []


def _report(title: str, report: SummaryReport, tables: Sequence[Table]) -> Report:
    return Report(
        title,
        tables,
        notes=[
            *coverage_notes(report.incomplete, report.variants),
            *warning_notes(
                [
                    *(row.warnings for row in report.variants),
                    *(share.warnings for row in report.repeats for share in row.passes),
                ]
            ),
        ],
        methods=accuracy_methods(report.variants),
    )


def _repeats(repeats: Sequence[VariantRepeats]) -> Table:
    ks = sorted({share.k for row in repeats for share in row.passes})
    names = ["pass_at_{k}", "pass_hat_{k}"]
    if any(share.samples_excluded for row in repeats for share in row.passes):
        # Figures of other k are then of other samples.
        names.insert(1, "samples_at_{k}")
    passes: list[Column] = [COLUMNS[name].filled(k=k) for name in names for k in ks]

    def values(row: VariantRepeats) -> Row:
        return {
            "consistency": row.consistency.estimate,
            **{f"pass_at_{share.k}": share.pass_at_k for share in row.passes},
            **{f"pass_hat_{share.k}": share.pass_hat_k for share in row.passes},
            **{f"samples_at_{share.k}": share.samples_used for share in row.passes},
        }

    figures = (*columns("samples", "graded", "consistency"), *passes)
    return variant_table("Repeated answers", "repeats", repeats, (figures, figures), values)


def _variant_row(row: VariantSummary, labels: Mapping[Variant, str], task: str) -> Row:
    low, high = row.accuracy_bounds or (None, None)
    return variant_row(
        row,
        labels,
        task=task,
        accuracy_bounds_low=low,
        accuracy_bounds_high=high,
        accuracy_error_minus=_distance(row.ci_low, row.mean),
        accuracy_error_plus=_distance(row.mean, row.ci_high),
    )


def _distance(low: float | None, high: float | None) -> float | None:
    return None if low is None or high is None else high - low
