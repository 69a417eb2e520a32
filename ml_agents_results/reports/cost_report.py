"""Costs: of answers, of right answers, and what a better variant costs more."""

from ml_agents_results.records import variant_labels
from ml_agents_results.reports.columns import columns
from ml_agents_results.reports.report import (
    Report,
    Table,
    View,
    distinct,
    pair_row,
    variant_table,
    warning_notes,
)
from ml_agents_results.reports.wording import explain, level_text
from ml_agents_results.services.cost import CostReport

_COSTS = columns(
    *("runs", "priced", "price_coverage", "total_cost", "mean_cost", "mean_cost_se"),
    *("cost_per_correct", "graded_cost_per_correct", "failed_cost_share"),
    *("cost_per_correct_se", "cost_per_correct_ci_low"),
    *("cost_per_correct_ci_high", "accuracy", "mean_execution_time_ms", "on_pareto_front"),
    *("null_reason", "warnings"),
)
_PAIR = columns(
    *("candidate", "baseline", "samples", "cost_difference", "accuracy_difference"),
    *("cost_increment", "null_reason", "warnings"),
)

_NO_COSTS, _SOME_COSTS = explain("no_costs"), explain("cost_coverage")


def cost_report(report: CostReport) -> Report:
    """Costs of every variant, and of variants against the baseline."""
    tables = [_variants(report)]
    methods = [
        "Front: on the Pareto front of accuracy, cost per run and time. The total is over all runs "
        "with a cost, including failed ones; costs per run and per right answer are over graded "
        f"runs (ratio, delta method), {distinct(row.method for row in report.variants)}."
    ]
    if report.comparisons:
        tables.append(_comparisons(report))
        methods.append(
            f"Differences in cost: paired t, {distinct(row.method for row in report.comparisons)}."
        )
    warnings = [
        *(row.warnings for row in report.variants),
        *(row.warnings for row in report.comparisons),
    ]
    notes = warning_notes(warnings)
    if any(row.priced for row in report.variants):
        # One variant without costs is not all.
        notes = list(dict.fromkeys(_SOME_COSTS if one == _NO_COSTS else one for one in notes))
    return Report("Cost", tables, notes=notes, methods=methods)


def _variants(report: CostReport) -> Table:
    names = ("total_cost", "mean_cost", "cost_per_correct", "cost_per_correct_ci", "accuracy")
    shown = columns(
        *names, "on_pareto_front", "runs", "priced", level=level_text(report.confidence_level)
    )
    return variant_table("Costs", "costs", report.variants, (shown, _COSTS), heading="Cost in USD")


def _comparisons(report: CostReport) -> Table:
    labels = variant_labels([row.variant for row in report.variants])
    rows = [pair_row(row, labels) for row in report.comparisons]
    shown = columns(
        *("candidate", "baseline", "cost_difference", "cost_difference_ci"),
        *("accuracy_difference", "cost_increment", "samples"),
        level=level_text(report.confidence_level),
    )
    title = "Extra cost in USD per shared sample, and per further right answer"
    return Table("Extra costs", _PAIR, rows, [View("extra", title, shown, rows)])
