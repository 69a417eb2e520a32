"""Tables for a paper: few columns, the interval in the cell, the best variants marked."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ml_agents_results.records import Variant, variant_labels
from ml_agents_results.reports.columns import (
    COLUMNS,
    VALUE_COLUMNS,
    VALUE_DIFFERENCE_COLUMNS,
    columns,
)
from ml_agents_results.reports.method_names import method_name
from ml_agents_results.reports.report import (
    Mark,
    Report,
    Row,
    Table,
    View,
    clustering,
    coverage_notes,
    distinct,
    variant_column,
    variant_row,
    warning_notes,
)
from ml_agents_results.reports.task_averages import correction, of_these_tasks
from ml_agents_results.reports.wording import (
    UNKNOWN,
    correction_text,
    level_text,
)
from ml_agents_results.services.asked_samples import IncompleteExperiment
from ml_agents_results.services.comparison.comparison_result import Comparison
from ml_agents_results.services.comparison.comparison_rows import ComparisonRow
from ml_agents_results.services.metric_choice import UNNAMED
from ml_agents_results.services.summary import SummaryReport
from ml_agents_results.services.variant_summary import VariantSummary

_HINT = re.compile(r" \([^()]*--[^()]*\)|; [^;]*--[^;]*")
"""The part of a note that names an option of the command line."""

_WITHOUT_DIFFERENCE = ("inconclusive", "equivalent", "non_inferior")


def paper_summary(report: SummaryReport) -> Report:
    """The variants alone, with times and costs."""
    variants = report.variants
    labels = variant_labels([row.variant for row in variants])
    level = level_text(report.confidence_level)
    methods = _intervals_of(variants)
    numeric = any(row.numeric for row in variants)
    shown = columns(
        *("graded", _figure(numeric), "median_execution_time_ms", "total_cost"),
        of=VALUE_DIFFERENCE_COLUMNS if numeric else COLUMNS,
        level=level,
    )
    rows: list[Row] = [variant_row(row, labels) for row in variants]
    what = _measured([row.metric for row in variants], numeric)
    caption = f"{what} with its {level} interval ({methods or 'no runs'})."
    caption += _notes(report.incomplete, variants)
    seen = (variant_column(labels), *shown)
    return _report(what, [View("variants", f"{what} of the variants", seen, rows, caption=caption)])


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
    return _report(_measured([comparison.metric], comparison.numeric), views)


def _figure(numeric: bool) -> str:
    """The column of a variant's figure with its interval."""
    return "mean_ci" if numeric else "accuracy_ci"


def _measured(metrics: Sequence[str], numeric: bool) -> str:
    """What the tables are about: `Accuracy`, `Accuracy (exact)`, `Mean f1`."""
    names = ", ".join(dict.fromkeys(metrics))
    if numeric:
        return f"Mean {names}"
    return "Accuracy" if names in ("", UNNAMED) else f"Accuracy ({names})"


def _report(what: str, views: Sequence[View]) -> Report:
    return Report(what, [Table(view.name, view.columns, view.rows, [view]) for view in views])


def _variants(comparison: Comparison, marking: Comparison, labels: Mapping[Variant, str]) -> View:
    level = level_text(comparison.confidence_level)
    pairs = comparison.comparisons
    against = (
        {pair.candidate: pair for pair in pairs} if len({p.baseline for p in pairs}) == 1 else {}
    )
    of_these = of_these_tasks(comparison, labels)
    only = {two[0]: row for two, (_, row) in of_these.items()}
    these = {} if not against else only
    like = distinct(population for population, _ in of_these.values())
    rows: list[Row] = [
        variant_row(
            row, labels, **_difference(against.get(row.variant), these.get(row.variant, {}))
        )
        for row in comparison.variants
    ]
    figure = _figure(comparison.numeric)
    shown: tuple[str, ...] = ("graded", figure)
    marks = _marks(comparison, comparison.variants, marking.comparisons)
    caption = _caption(comparison, marking, pairs, marks.values())
    what = _measured([comparison.metric], comparison.numeric)
    if against:
        corrected = any(pair.family_size > 1 for pair in pairs)
        p_value = "p_value_adjusted" if corrected else "p_value"
        shown += ("difference_plot", *(("these_tasks_ci",) if these else ()), "pairs", p_value)
        caption = (
            f"{what}, and difference from {labels[pairs[0].baseline]} "
            f"{'in its unit' if comparison.numeric else 'in percentage points'} on "
            f"{_samples_of(pairs)}. "
            + (f"Its interval is for {like}, the other one for these tasks. " if these else "")
            + caption
        )
    declared = VALUE_DIFFERENCE_COLUMNS if comparison.numeric else COLUMNS
    figures = columns(*shown, of=declared, level=level, correction=correction(pairs))
    # Here a row has a variant's interval, too.
    figures = tuple(
        replace(one, parts=COLUMNS[one.name].parts) if one.name == "difference_plot" else one
        for one in figures
    )
    marked: dict[tuple[int, str], Mark] = {
        (index, figure): marks[row.variant]
        for index, row in enumerate(comparison.variants)
        if row.variant in marks
    }
    title = f"{what} of the variants"
    seen = (variant_column(labels), *figures)
    return View("variants", title, seen, rows, marks=marked, caption=caption)


def _tasks(comparison: Comparison, marking: Comparison, labels: Mapping[Variant, str]) -> View:
    """A row for each task, a column for each variant."""
    figure, value = ("mean_ci", "mean") if comparison.numeric else ("accuracy_ci", "accuracy")
    names = {variant: f"{value} of {label}" for variant, label in labels.items()}
    marked = {task.task: task.comparisons for task in marking.tasks}
    rows: list[Row] = []
    marks: dict[tuple[int, str], Mark] = {}
    for index, task in enumerate(comparison.tasks):
        row: dict[str, Any] = {"task": task.task or UNKNOWN}
        for of_variant in task.variants:
            for part in (value, "ci_low", "ci_high"):
                row[f"{part} {names[of_variant.variant]}"] = getattr(of_variant, part)
        rows.append(row)
        found = _marks(comparison, task.variants, marked.get(task.task, ()))
        marks |= {(index, names[variant]): mark for variant, mark in found.items()}
    shown = (
        COLUMNS["task"],
        *(
            (VALUE_COLUMNS if comparison.numeric else COLUMNS)[figure].of_group(
                names[variant], label
            )
            for variant, label in labels.items()
        ),
    )
    level = level_text(comparison.confidence_level)
    pairs = [pair for task in comparison.tasks for pair in task.comparisons]
    what = _measured([comparison.metric], comparison.numeric)
    caption = f"{what}{'' if comparison.numeric else ' in %'} by task, with {level} intervals. "
    caption += _caption(comparison, marking, pairs, marks.values(), tasks=True)
    return View("tasks", f"{what} by task", shown, rows, marks=marks, caption=caption)


def _difference(pair: ComparisonRow | None, these: Row) -> dict[str, Any]:
    """The difference of a variant; of `these` tasks alone its interval."""
    if pair is None:
        return {}
    return {
        "these_ci_low": these.get("ci_low"),
        "these_ci_high": these.get("ci_high"),
        "difference": pair.difference,
        "difference_ci_low": pair.ci_low,
        "difference_ci_high": pair.ci_high,
        "pairs": None if pair.pairing_rule == "unpaired" else pair.samples,
        "p_value": pair.p_value,
        "p_value_adjusted": pair.p_value_adjusted,
    }


def _marks(
    comparison: Comparison, variants: Sequence[VariantSummary], pairs: Sequence[ComparisonRow]
) -> dict[Variant, Mark]:
    """The best variants, and those that a test does not tell from them."""
    means = [row.mean for row in variants if row.mean is not None]
    top = (max if comparison.higher_is_better else min)(means, default=None)
    best = {row.variant for row in variants if means and row.mean == top}
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
    marks: Collection[Mark],
    *,
    tasks: bool = False,
) -> str:
    """What the intervals and tests are, over how many tests where there are several, and what the
    marks mean that occur."""
    rows = (
        [row for task in comparison.tasks for row in task.variants]
        if tasks
        else comparison.variants
    )
    parts = [f"Intervals: {_intervals_of(rows)}"]
    if not tasks and pairs:
        parts.append(f"of differences: {_intervals_of(pairs)}")
    if pairs:
        sizes = [n for pair in pairs for n in (pair.candidate_samples, pair.baseline_samples)]
        n = f"{min(sizes):,}" + (f" to {max(sizes):,}" if min(sizes) < max(sizes) else "")
        tests = _joined(method_name(pair.test) for pair in pairs)
        parts.append(f"test: {tests} on n = {n} {_samples_of(pairs)}")
        if any(pair.interval_level != pair.confidence_level for pair in pairs):
            parts.append("intervals of differences hold all at once (Bonferroni)")
        if pairs[0].family_size > 1:
            parts.append(f"p values: {_correction(pairs)}")
    marked = (
        [pair for task in marking.tasks for pair in task.comparisons]
        if tasks
        else marking.comparisons
    )
    family = f", {_correction(marked)}" if marked and marking is not comparison else ""
    text = "; ".join(parts) + "."
    if "best" in marks:
        text += f" Bold: the {_best(comparison)}."
    if "close" in marks:
        text += (
            " Underlined: not distinguishable from it by this test at "
            f"{100 * (1 - comparison.confidence_level):.3g}%{family}."
        )
    return text + _notes(comparison.incomplete, rows, pairs)


def _intervals_of(rows: Sequence[VariantSummary | ComparisonRow]) -> str:
    """Their intervals, and what these treat as independent, or cluster by with how many
    clusters."""
    by: dict[str, list[VariantSummary | ComparisonRow]] = {}
    for row in rows:
        by.setdefault(f"{method_name(row.interval_method)}, {row.method}", []).append(row)
    return "; ".join(
        f"{method_name(alike[0].interval_method)}, {clustering(alike) or alike[0].method}"
        for alike in by.values()
    )


def _best(comparison: Comparison) -> str:
    if not comparison.numeric:
        return "highest accuracy"
    return "highest mean" if comparison.higher_is_better else "lowest mean, which is the best"


def _samples_of(pairs: Sequence[ComparisonRow]) -> str:
    unpaired = any(pair.pairing_rule == "unpaired" for pair in pairs)
    return "all samples of each variant (unpaired)" if unpaired else "shared samples"


def _correction(pairs: Sequence[ComparisonRow]) -> str:
    return correction_text(pairs[0].correction, pairs[0].family_size)


def _notes(
    incomplete: Sequence[IncompleteExperiment],
    variants: Sequence[VariantSummary],
    pairs: Sequence[ComparisonRow] = (),
) -> str:
    notes = coverage_notes(incomplete, variants)
    warnings = [*(row.warnings for row in variants), *(pair.warnings for pair in pairs)]
    # How many clusters there are stands with the intervals.
    notes += warning_notes([code for code in codes if code != "few_clusters"] for codes in warnings)
    return "".join(f" Note: {_HINT.sub('', note)}." for note in notes)


def _joined(values: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(values))
