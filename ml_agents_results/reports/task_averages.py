"""Averages over tasks: differences that speak for tasks like these, and for these tasks alone."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ml_agents_results.records import Variant
from ml_agents_results.reports.column import Column
from ml_agents_results.reports.columns import (
    COLUMNS,
    DIFFERENCE_COLUMNS,
    VALUE_DIFFERENCE_COLUMNS,
    columns,
)
from ml_agents_results.reports.report import Row, Table, View, plain, variant_column
from ml_agents_results.reports.wording import correction_text, level_text
from ml_agents_results.services.comparison.averages import THESE, PooledDifference, Population
from ml_agents_results.services.comparison.comparison_result import Comparison
from ml_agents_results.services.comparison.comparison_rows import ComparisonRow

Labels = Mapping[Variant, str]

_AVERAGES = columns(
    *("candidate", "baseline", "estimand", "population", "tasks", "candidate_mean"),
    *("baseline_mean", "difference", "ci_low", "ci_high", "p_value", "p_value_adjusted"),
    of=DIFFERENCE_COLUMNS,
)


_BRIEF: dict[str, str] = {
    "tasks like these": "such tasks",
    "clusters like these": "such clusters",
    THESE: THESE,
}
"""What figures speak for, in few characters."""


def briefly(row: Row) -> Row:
    """The row as people read it."""
    return {**row, "population": _BRIEF[row["population"]]}


def averages_table(comparison: Comparison, labels: Labels) -> Table:
    """Every comparison with each task weighted alike: for tasks like these, and for these."""
    if not comparison.macro:
        return Table("Macro averages", _AVERAGES, [])
    one = len({row.baseline for row in comparison.macro}) == 1
    against = f" from {labels[comparison.macro[0].baseline]}" if one else ""
    rows = [_average(row, labels) for row in comparison.macro]
    differences = [row.difference for row in comparison.macro]
    corrected = any((difference.family_size or 1) > 1 for difference in differences)
    level = level_text(differences[0].level)
    shown = columns(
        *("population", "difference", "ci", "p_value_adjusted" if corrected else "p_value"),
        of=columns_of(comparison.comparisons),
        level=level + (" joint" if differences[0].level > comparison.confidence_level else ""),
        correction=correction(comparison.comparisons),
    )
    names = (candidate_column(labels, one), *(() if one else columns("baseline")))
    view = View(
        "macro",
        f"Macro average difference{against} over {_tasks_of(comparison)}",
        (*names, *shown),
        list(map(briefly, rows)),
        interval=columns_of(comparison.comparisons)["difference_plot"],
    )
    return Table("Macro averages", _AVERAGES, rows, [view])


def _average(row: PooledDifference, labels: Labels) -> Row:
    """The values of a difference over tasks, by the names of a comparison's."""
    difference = row.difference
    return plain(
        {
            "candidate": labels[row.candidate],
            "baseline": labels[row.baseline],
            "estimand": row.estimand,
            "population": row.population,
            "tasks": row.tasks,
            "samples": difference.n_samples,
            "candidate_mean": row.candidate_mean.estimate,
            "baseline_mean": row.baseline_mean.estimate,
            "difference": difference.estimate,
            "ci_low": difference.ci_low,
            "ci_high": difference.ci_high,
            "se": difference.se,
            "interval_method": difference.method,
            "p_value": difference.p_value,
            "p_value_adjusted": difference.p_adjusted,
            "family_size": difference.family_size,
            "warnings": difference.warnings,
        }
    )


def of_these_tasks(
    comparison: Comparison, labels: Labels
) -> dict[tuple[Variant, Variant], tuple[Population, Row]]:
    """By comparison whose error speaks for more than these tasks, what it speaks for, and the row
    that speaks for these tasks alone."""
    only = {
        (row.candidate, row.baseline): row
        for row in comparison.micro
        if row.estimand == "micro-stratified"
    }
    return {
        two: (row.population, _average(only[two], labels))
        for row in comparison.micro
        if row.estimand == "micro"
        and row.population != THESE
        and (two := (row.candidate, row.baseline)) in only
    }


def _tasks_of(comparison: Comparison) -> str:
    counts = sorted({row.tasks for row in comparison.macro})
    number = " to ".join(f"{count:,}" for count in {counts[0]: None, counts[-1]: None})
    return f"{number} task{'' if counts[-1] == 1 else 's'}, each weighted equally"


def columns_of(pairs: Sequence[ComparisonRow]) -> dict[str, Column]:
    numeric = any(pair.numeric for pair in pairs)
    return VALUE_DIFFERENCE_COLUMNS if numeric else DIFFERENCE_COLUMNS


def candidate_column(labels: Labels, one: bool) -> Column:
    """Headed by what differs where all variants have one baseline."""
    column = COLUMNS["candidate"]
    return replace(column, label=variant_column(labels).label) if one else column


def correction(pairs: Sequence[ComparisonRow]) -> str:
    """The name of the correction."""
    return correction_text(pairs[0].correction, 2).split()[0] if pairs else ""
