"""What the charts of a report draw, as plain values."""

from collections.abc import Mapping, Sequence
from typing import Any

from ml_agents_results.exporters.source import Source
from ml_agents_results.records import Arm
from ml_agents_results.repositories.fastest import analysis
from ml_agents_results.services.accuracy import ArmResult
from ml_agents_results.services.comparison import Comparison
from ml_agents_results.services.statistics.cost import ParetoPoint, pareto_front
from ml_agents_results.services.statistics.quantiles import points_of_histogram

_SHARES = tuple(place / 100 for place in range(1, 100))


def comparison_figures(comparison: Comparison, labels: Mapping[Arm, str]) -> dict[str, Any]:
    """Accuracies over all tasks and in each."""
    return {
        "accuracy": _accuracies(comparison.arms, labels),
        "tasks": [
            {"task": task.task, **row}
            for task in comparison.tasks
            for row in _accuracies(task.arms, labels)
        ],
    }


def figures(source: Source, labels: Mapping[Arm, str]) -> dict[str, Any]:
    """All that the page draws; a chart without values is an empty list."""
    report = source.accuracy
    drawn: dict[str, Any] = {"accuracy": [], "tasks": []}
    if source.includes("summary"):
        drawn["accuracy"] = _accuracies(report.arms, labels)
    if source.includes("summary") and len(report.tasks) > 1:
        drawn["tasks"] = [
            {"task": task, **row}
            for task, arms in report.tasks
            for row in _accuracies(arms, labels)
        ]
    if source.includes("costs"):
        drawn["costs"] = _costs(source, labels)
        drawn["latency"] = _latency(source, labels)
    if source.includes("parsing"):
        drawn["calibration"] = _calibration(source, labels)
    if source.includes("failures"):
        drawn["outcomes"] = [
            {
                "arm": labels[row.arm],
                "outcome": row.outcome,
                "runs": row.runs,
                "share": row.rate or 0,
            }
            for row in source.failures.outcomes
            if row.runs
        ]
    return drawn


def _accuracies(arms: Sequence[ArmResult], labels: Mapping[Arm, str]) -> list[dict[str, Any]]:
    return [
        {
            "arm": labels[row.arm],
            "accuracy": row.accuracy,
            "low": row.accuracy_ci_low,
            "high": row.accuracy_ci_high,
            "n": row.graded,
        }
        for row in arms
        if row.accuracy is not None
    ]


def _costs(source: Source, labels: Mapping[Arm, str]) -> list[dict[str, Any]]:
    """Accuracy against cost; the front is that of these two alone."""
    intervals = {row.arm: row for row in source.accuracy.arms}
    rows = [
        row for row in source.costs.arms if row.mean_cost is not None and row.accuracy is not None
    ]
    front = pareto_front([ParetoPoint(row.accuracy, row.mean_cost, None) for row in rows])
    return [
        {
            "arm": labels[row.arm],
            "cost": row.mean_cost,
            "accuracy": row.accuracy,
            "low": intervals[row.arm].accuracy_ci_low,
            "high": intervals[row.arm].accuracy_ci_high,
            "front": bool(on),
        }
        for row, on in zip(rows, front, strict=True)
    ]


def _latency(source: Source, labels: Mapping[Arm, str]) -> list[dict[str, Any]]:
    """The share of answers that came within a time, at every percent."""
    repository = analysis(source.connection, source.filters)
    rows = []
    for arm, label in labels.items():
        values, counts = repository.latencies(arm)
        if not values:
            continue
        points = points_of_histogram(values, counts, _SHARES)
        rows += [
            {"arm": label, "share": share, "ms": ms}
            for share, ms in zip(_SHARES, points, strict=True)
        ]
    return rows


def _calibration(source: Source, labels: Mapping[Arm, str]) -> list[dict[str, Any]]:
    return [
        {
            "arm": labels[row.arm],
            "confidence": one.mean_confidence,
            "accuracy": one.accuracy,
            "low": one.accuracy_ci_low,
            "high": one.accuracy_ci_high,
            "n": one.n,
        }
        for row in source.parsing.arms
        for one in row.calibration_error.bins
    ]
