"""Data of the charts of an HTML report."""

from collections.abc import Mapping, Sequence
from typing import Any

from ml_agents_results.formats.snapshot import Snapshot
from ml_agents_results.records import Variant
from ml_agents_results.repositories.tabulator import Tabulator
from ml_agents_results.services.comparison.comparison_result import Comparison
from ml_agents_results.services.variant_summary import VariantSummary
from ml_agents_results.statistics.cost_ratios import ParetoPoint, pareto_front
from ml_agents_results.statistics.quantiles import points_of_histogram

_SHARES = tuple(percent / 100 for percent in range(1, 100))


def comparison_figures(comparison: Comparison, labels: Mapping[Variant, str]) -> dict[str, Any]:
    """Accuracies over all tasks and in each."""
    return {
        "accuracy": _accuracies(comparison.variants, labels),
        "tasks": [
            {"task": task.task, **row}
            for task in comparison.tasks
            for row in _accuracies(task.variants, labels)
        ],
    }


def figures(snapshot: Snapshot, labels: Mapping[Variant, str]) -> dict[str, Any]:
    """The data of every chart; without values an empty list."""
    report = snapshot.accuracy
    drawn: dict[str, Any] = {"accuracy": [], "tasks": []}
    if snapshot.includes("summary"):
        drawn["accuracy"] = _accuracies(report.variants, labels)
    if snapshot.includes("summary") and len(report.tasks) > 1:
        drawn["tasks"] = [
            {"task": task, **row}
            for task, variants in report.tasks
            for row in _accuracies(variants, labels)
        ]
    if snapshot.includes("costs"):
        drawn["costs"] = _costs(snapshot, labels)
        drawn["latency"] = _latency(snapshot, labels)
    if snapshot.includes("parsing"):
        drawn["calibration"] = _calibration(snapshot, labels)
    if snapshot.includes("failures"):
        drawn["outcomes"] = [
            {
                "variant": labels[row.variant],
                "outcome": row.outcome,
                "runs": row.runs,
                "share": row.rate or 0,
            }
            for row in snapshot.failures.outcomes
            if row.runs
        ]
    return drawn


def _accuracies(
    variants: Sequence[VariantSummary], labels: Mapping[Variant, str]
) -> list[dict[str, Any]]:
    """The accuracies; of a numeric metric the means, in the unit that `measure` names."""
    return [
        {
            "variant": labels[row.variant],
            "accuracy": row.mean,
            "low": row.ci_low,
            "high": row.ci_high,
            "n": row.graded,
            **({"measure": row.metric} if row.numeric else {}),
        }
        for row in variants
        if row.mean is not None
    ]


def measured(variants: Sequence[VariantSummary]) -> str:
    """What the charts of variants show: `Accuracy`, or `Mean f1`."""
    names = dict.fromkeys(row.metric for row in variants)
    return f"Mean {' / '.join(names)}" if any(row.numeric for row in variants) else "Accuracy"


def _costs(snapshot: Snapshot, labels: Mapping[Variant, str]) -> list[dict[str, Any]]:
    """Accuracy against cost; the front is that of these two alone."""
    intervals = {row.variant: row for row in snapshot.accuracy.variants}
    rows = [
        row
        for row in snapshot.costs.variants
        if row.mean_cost is not None and row.accuracy is not None
    ]
    front = pareto_front([ParetoPoint(row.accuracy, row.mean_cost, None) for row in rows])
    return [
        {
            "variant": labels[row.variant],
            "cost": row.mean_cost,
            "accuracy": row.accuracy,
            "low": intervals[row.variant].ci_low,
            "high": intervals[row.variant].ci_high,
            "front": bool(on),
        }
        for row, on in zip(rows, front, strict=True)
    ]


def _latency(snapshot: Snapshot, labels: Mapping[Variant, str]) -> list[dict[str, Any]]:
    """The share of answers that came within a time, at every percent."""
    tabulator = Tabulator(snapshot.source or snapshot.connection, snapshot.filters)
    rows = []
    for variant, label in labels.items():
        values, counts = tabulator.latencies(variant)
        if not values:
            continue
        points = points_of_histogram(values, counts, _SHARES)
        rows += [
            {"variant": label, "share": share, "ms": ms}
            for share, ms in zip(_SHARES, points, strict=True)
        ]
    return rows


def _calibration(snapshot: Snapshot, labels: Mapping[Variant, str]) -> list[dict[str, Any]]:
    return [
        {
            "variant": labels[row.variant],
            "confidence": one.mean_confidence,
            "accuracy": one.accuracy,
            "low": one.ci_low,
            "high": one.ci_high,
            "n": one.n,
        }
        for row in snapshot.parsing.variants
        for one in row.calibration_error.bins
    ]
