"""The analyses as plain tables, for workbooks and pages: rows of cells under defined columns."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml_agents_results.records import Variant
from ml_agents_results.reports.sentences import comparison_sentence
from ml_agents_results.reports.wording import explain, variant_labels
from ml_agents_results.services.comparison.comparison_service import Comparison
from ml_agents_results.services.cost import CostReport
from ml_agents_results.services.failures import FailureReport
from ml_agents_results.services.parsing import ParsingReport
from ml_agents_results.services.summary import SummaryReport, VariantSummary

ALL_TASKS = "(all)"
_VARIANT = ("variant", *Variant._fields)
_TASK_VARIANT = ("variant", "task", *Variant._fields)
_ACCURACY = (
    *("runs", "graded", "failed", "unparsed", "ungraded", "correct"),
    *("accuracy", "ci_low", "ci_high", "se", "interval_method"),
    *("mean_execution_time_ms", "median_execution_time_ms", "p95_execution_time_ms"),
    *("total_cost", "cost_per_correct", "mean_parsing_confidence", "method", "samples"),
    *("n_clusters", "accuracy_bounds_low", "accuracy_bounds_high", "null_reason", "warnings"),
    *("accuracy_error_minus", "accuracy_error_plus"),
)
_BY_TASK = _ACCURACY[: _ACCURACY.index("mean_execution_time_ms")]
_PAIR = (
    *("task", "candidate", "baseline", "samples"),
    *("both_correct", "improved", "regressed", "neither_correct"),
    *("difference", "ci_low", "ci_high", "se"),
    *("interval_method", "p_value", "p_value_exact", "p_value_adjusted", "family_size"),
    *("test", "correction", "verdict", "mde", "method", "sentence", "warnings"),
)
_COSTS = (
    *("runs", "priced", "price_coverage", "total_cost", "mean_cost", "mean_cost_se"),
    *("cost_per_correct", "cost_per_correct_se", "cost_per_correct_ci_low"),
    *("cost_per_correct_ci_high", "accuracy", "mean_execution_time_ms", "on_pareto_front"),
    *("null_reason", "warnings"),
)
_METHODS = (
    *("parsing_method", "runs", "graded", "correct", "accuracy", "ci_low"),
    *("ci_high", "rated", "mean_parsing_confidence", "confidence_gap", "metrics_runs"),
    *("mean_parsing_attempts", "fallback_rate", "mean_extraction_time_ms", "parsing_errors"),
)
_CALIBRATION = (
    *("runs", "answered", "unparsed", "unparsed_rate", "unparsed_rate_ci_low"),
    *("unparsed_rate_ci_high", "rated", "brier", "brier_skill", "calibration_error"),
    *("calibration_error_if_calibrated", "auroc"),
)
_OUTCOMES = ("outcome", "runs", "of_runs", "rate", "rate_ci_low", "rate_ci_high")
_SLICES = (
    *("dimension", "value", "graded", "correct", "accuracy", "ci_low"),
    *("ci_high", "rest_accuracy", "difference", "p_value", "p_value_adjusted"),
    "family_size",
)
_CHANGES = (
    *("change", "candidate", "baseline", "task", "sample_index", "repeat_index"),
    *("candidate_run_id", "baseline_run_id"),
)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of plain cells, in the order of the columns."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]


def table(title: str, columns: tuple[str, ...], rows: Iterable[Mapping[str, Any]]) -> Table:
    """A table of the named values of each row; None where a row lacks one."""
    return Table(title, columns, [[_plain(row.get(name)) for name in columns] for row in rows])


def _plain(value: Any) -> Any:
    """Warnings in words; numpy's numbers as Python's."""
    if isinstance(value, list | tuple):
        return "; ".join(explain(str(code)) for code in value)
    return value.item() if hasattr(value, "item") else value


def summary_tables(report: SummaryReport) -> list[Table]:
    """The variants over all tasks, and in each task where there are several."""
    tables = [variants_table(report.variants)]
    if len(report.tasks) > 1:
        labels = variant_labels([row.variant for row in report.variants])
        by_task = [
            _variant_row(row, labels, task) for task, variants in report.tasks for row in variants
        ]
        tables.append(table("Variants by task", (*_TASK_VARIANT, *_BY_TASK), by_task))
    return tables


def variants_table(variants: Sequence[VariantSummary]) -> Table:
    labels = variant_labels([row.variant for row in variants])
    rows = [_variant_row(row, labels, ALL_TASKS) for row in variants]
    return table("Variants", (*_TASK_VARIANT, *_ACCURACY), rows)


def comparison_tables(comparison: Comparison | None) -> list[Table]:
    """Every pair over all tasks, then in each task."""
    if comparison is None:
        return [table("Comparisons", _PAIR, [])]
    labels = variant_labels([row.variant for row in comparison.variants])
    pairs = [(ALL_TASKS, pair) for pair in comparison.comparisons]
    pairs += [(task.task, pair) for task in comparison.tasks for pair in task.comparisons]
    rows = [
        {
            **pair.to_dict(),
            "sentence": comparison_sentence(pair),
            "task": task,
            "candidate": labels[pair.candidate],
            "baseline": labels[pair.baseline],
        }
        for task, pair in pairs
    ]
    return [table("Comparisons", _PAIR, rows)]


def cost_tables(report: CostReport) -> list[Table]:
    labels = variant_labels([row.variant for row in report.variants])
    rows = [{**row.to_dict(), "variant": labels[row.variant]} for row in report.variants]
    return [table("Costs", (*_VARIANT, *_COSTS), rows)]


def parsing_tables(report: ParsingReport) -> list[Table]:
    """By parsing method, and the calibration of the confidence."""
    labels = variant_labels([row.variant for row in report.variants])
    methods = [{**row.to_dict(), "variant": labels[row.variant]} for row in report.methods]
    calibration = [
        {
            **row.variant._asdict(),
            "variant": labels[row.variant],
            "runs": row.runs,
            "answered": row.answered,
            "unparsed": row.unparsed,
            "unparsed_rate": row.unparsed_rate,
            "unparsed_rate_ci_low": row.unparsed_rate_ci_low,
            "unparsed_rate_ci_high": row.unparsed_rate_ci_high,
            "rated": row.brier.n,
            "brier": row.brier.brier,
            "brier_skill": row.brier.skill,
            "calibration_error": row.calibration_error.ece,
            "calibration_error_if_calibrated": row.calibration_error.ece_if_calibrated,
            "auroc": row.auroc.value,
        }
        for row in report.variants
    ]
    return [
        table("Parsing by method", (*_VARIANT, *_METHODS), methods),
        table("Calibration of the confidence", (*_VARIANT, *_CALIBRATION), calibration),
    ]


def failure_tables(report: FailureReport) -> list[Table]:
    """Outcomes, slices, errors, hard samples and samples that changed sides."""
    labels = variant_labels(list(dict.fromkeys(row.variant for row in report.outcomes)))
    changes = [
        {
            "change": kind,
            "candidate": labels[row.candidate],
            "baseline": labels[row.baseline],
            "task": sample.task,
            "sample_index": sample.sample_index,
            "repeat_index": sample.repeat_index,
            "candidate_run_id": sample.candidate_run_id,
            "baseline_run_id": sample.baseline_run_id,
        }
        for row in report.changes
        for kind, samples in (("gain", row.gains), ("regression", row.regressions))
        for sample in samples
    ]
    hard = [
        {
            "task": row.task,
            "sample_index": row.sample_index,
            "graded": row.graded,
            "correct": row.correct,
        }
        for row in report.hard_samples
    ]
    return [
        table(
            "Outcomes",
            ("variant", *_OUTCOMES),
            [{**row.to_dict(), "variant": labels[row.variant]} for row in report.outcomes],
        ),
        table(
            "Slices against the rest of their variant (exploratory)",
            ("variant", *_SLICES),
            [{**row.to_dict(), "variant": labels[row.variant]} for row in report.slices],
        ),
        table(
            "Errors",
            ("variant", "error", "runs"),
            [{**row.to_dict(), "variant": labels[row.variant]} for row in report.errors],
        ),
        table("Hardest samples", ("task", "sample_index", "graded", "correct"), hard),
        table("Samples that changed sides (the first of each)", _CHANGES, changes),
    ]


def _variant_row(row: VariantSummary, labels: Mapping[Variant, str], task: str) -> dict[str, Any]:
    low, high = row.accuracy_bounds or (None, None)
    return {
        **row.to_dict(),
        "variant": labels[row.variant],
        "task": task,
        "accuracy_bounds_low": low,
        "accuracy_bounds_high": high,
        "accuracy_error_minus": _distance(row.ci_low, row.accuracy),
        "accuracy_error_plus": _distance(row.accuracy, row.ci_high),
    }


def _distance(low: float | None, high: float | None) -> float | None:
    return None if low is None or high is None else high - low
