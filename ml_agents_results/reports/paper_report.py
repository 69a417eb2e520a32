"""Tables for a paper: few columns, the interval in the cell, the best variants marked."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ml_agents_results.records import Variant
from ml_agents_results.reports.columns import COLUMNS, Column, columns
from ml_agents_results.reports.report import (
    Mark,
    Report,
    Row,
    Table,
    View,
    variant_column,
    variant_row,
)
from ml_agents_results.reports.wording import (
    UNKNOWN,
    correction_text,
    explain,
    level_text,
    variant_labels,
)
from ml_agents_results.services.comparison.comparison_rows import ComparisonRow
from ml_agents_results.services.comparison.comparison_service import Comparison
from ml_agents_results.services.summary import SummaryReport, VariantSummary

_TITLES = {"variants": "Accuracy of the variants", "tasks": "Accuracy by task"}
_WITHOUT_DIFFERENCE = ("inconclusive", "equivalent", "non_inferior")


def paper_summary(report: SummaryReport) -> Report:
    """The variants alone, with times and costs."""
    variants = report.variants
    labels = variant_labels([row.variant for row in variants])
    level = level_text(report.confidence_level)
    methods = _joined(f"{row.interval_method}, {row.method}" for row in variants)
    shown = columns(
        *("graded", "accuracy_ci", "median_execution_time_ms", "total_cost"), level=level
    )
    rows: list[Row] = [variant_row(row, labels) for row in variants]
    caption = f"Accuracy with its {level} interval ({methods or 'no runs'})."
    return _report(
        [("variants", (variant_column(labels), *shown), rows, {}, caption + _notes(variants))]
    )


def paper_comparison(comparison: Comparison, all_pairs: Comparison | None = None) -> Report:
    """The variants with their differences from the baseline, and the accuracies by task.

    Args:
        all_pairs: The same with every pair of variants; without it only variants that were
            compared with the best one can be marked as close to it.
    """
    marking = all_pairs or comparison
    labels = variant_labels([row.variant for row in comparison.variants])
    views = [_variants(comparison, marking, labels)]
    if comparison.tasks:
        views.append(_tasks(comparison, marking, labels))
    return _report(views)


_View = tuple[str, tuple[Column, ...], Sequence[Row], Mapping[tuple[int, str], Mark], str]
"""Name, columns, rows, marks and caption."""


def _report(views: Sequence[_View]) -> Report:
    return Report(
        "Accuracy",
        [
            Table(
                name, shown, rows,
                [View(name, _TITLES[name], shown, rows, marks=marks, caption=caption)],
            )
            for name, shown, rows, marks, caption in views
        ],
    )  # fmt: skip


def _variants(comparison: Comparison, marking: Comparison, labels: Mapping[Variant, str]) -> _View:
    level = level_text(comparison.confidence_level)
    pairs = comparison.comparisons
    against = (
        {pair.candidate: pair for pair in pairs} if len({p.baseline for p in pairs}) == 1 else {}
    )
    rows: list[Row] = [
        variant_row(row, labels, **_difference(against.get(row.variant)))
        for row in comparison.variants
    ]
    shown: tuple[str, ...] = ("graded", "accuracy_ci")
    caption = _caption(comparison, marking, pairs)
    if against:
        corrected = any(pair.family_size > 1 for pair in pairs)
        p_value = "p_value_adjusted" if corrected else "p_value"
        shown += ("difference_plot", "pairs", p_value)
        caption = (
            f"Accuracy, and difference from {labels[pairs[0].baseline]} in percentage points on "
            f"{_samples_of(pairs)}. {caption}"
        )
    correction = correction_text(pairs[0].correction, 2).split()[0] if pairs else ""
    marks = _marks(comparison.variants, marking.comparisons)
    return (
        "variants",
        (variant_column(labels), *columns(*shown, level=level, correction=correction)),
        rows,
        {
            (index, "accuracy_ci"): marks[row.variant]
            for index, row in enumerate(comparison.variants)
            if row.variant in marks
        },
        caption,
    )


def _tasks(comparison: Comparison, marking: Comparison, labels: Mapping[Variant, str]) -> _View:
    """A row for each task, a column for each variant."""
    names = {variant: f"accuracy of {label}" for variant, label in labels.items()}
    marked = {task.task: task.comparisons for task in marking.tasks}
    rows: list[Row] = []
    marks: dict[tuple[int, str], Mark] = {}
    for index, task in enumerate(comparison.tasks):
        row: dict[str, Any] = {"task": task.task or UNKNOWN}
        for of_variant in task.variants:
            for part in ("accuracy", "ci_low", "ci_high"):
                row[f"{part} {names[of_variant.variant]}"] = getattr(of_variant, part)
        rows.append(row)
        found = _marks(task.variants, marked.get(task.task, ()))
        marks |= {(index, names[variant]): mark for variant, mark in found.items()}
    shown = (
        COLUMNS["task"],
        *(
            COLUMNS["accuracy_ci"].of_group(names[variant], label)
            for variant, label in labels.items()
        ),
    )
    level = level_text(comparison.confidence_level)
    pairs = [pair for task in comparison.tasks for pair in task.comparisons]
    caption = f"Accuracy in % by task, with {level} intervals. "
    return "tasks", shown, rows, marks, caption + _caption(comparison, marking, pairs, tasks=True)


def _difference(pair: ComparisonRow | None) -> dict[str, Any]:
    if pair is None:
        return {}
    return {
        "difference": pair.difference,
        "difference_ci_low": pair.ci_low,
        "difference_ci_high": pair.ci_high,
        "pairs": None if pair.pairing_rule == "unpaired" else pair.samples,
        "p_value": pair.p_value,
        "p_value_adjusted": pair.p_value_adjusted,
    }


def _marks(
    variants: Sequence[VariantSummary], pairs: Sequence[ComparisonRow]
) -> dict[Variant, Mark]:
    """The most accurate variants, and those that a test does not tell from them."""
    accuracies = [row.accuracy for row in variants if row.accuracy is not None]
    best = {row.variant for row in variants if accuracies and row.accuracy == max(accuracies)}
    marks: dict[Variant, Mark] = dict.fromkeys(best, "best")
    for pair in pairs:
        sides = {pair.candidate, pair.baseline}
        if pair.verdict in _WITHOUT_DIFFERENCE and len(sides & best) == 1:
            marks |= dict.fromkeys(sides - best, "close")
    return marks


def _caption(
    comparison: Comparison,
    marking: Comparison,
    pairs: Sequence[ComparisonRow],
    *,
    tasks: bool = False,
) -> str:
    """What the intervals and tests are, over how many tests, and what the marks mean."""
    rows = (
        [row for task in comparison.tasks for row in task.variants]
        if tasks
        else comparison.variants
    )
    parts = [f"Intervals: {_joined(f'{row.interval_method}, {row.method}' for row in rows)}"]
    if not tasks and pairs:
        intervals = _joined(f"{pair.interval_method}, {pair.method}" for pair in pairs)
        parts.append(f"of differences: {intervals}")
    if pairs:
        sizes = [n for pair in pairs for n in (pair.candidate_samples, pair.baseline_samples)]
        n = f"{min(sizes):,}" + (f" to {max(sizes):,}" if min(sizes) < max(sizes) else "")
        tests = _joined(pair.test for pair in pairs)
        parts.append(f"test: {tests} on n = {n} {_samples_of(pairs)}")
        if any(pair.interval_level != pair.confidence_level for pair in pairs):
            parts.append("intervals of differences hold all at once (Bonferroni)")
        parts.append(f"p values: {_correction(pairs)}")
    marked = (
        [pair for task in marking.tasks for pair in task.comparisons]
        if tasks
        else marking.comparisons
    )
    family = f", {_correction(marked)}" if marked and marking is not comparison else ""
    text = "; ".join(parts) + ". "
    return (
        f"{text}Bold: the highest accuracy. Underlined: not distinguishable from it by this test "
        f"at {100 * (1 - comparison.confidence_level):.3g}%{family}." + _notes((*rows, *pairs))
    )


def _samples_of(pairs: Sequence[ComparisonRow]) -> str:
    unpaired = any(pair.pairing_rule == "unpaired" for pair in pairs)
    return "all samples of each variant (unpaired)" if unpaired else "shared samples"


def _correction(pairs: Sequence[ComparisonRow]) -> str:
    return correction_text(pairs[0].correction, pairs[0].family_size)


def _notes(rows: Iterable[VariantSummary | ComparisonRow]) -> str:
    codes = dict.fromkeys(code for row in rows for code in row.warnings)
    return "".join(f" Note: {explain(code)}." for code in codes)


def _joined(values: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(values))
