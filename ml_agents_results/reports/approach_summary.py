"""Approaches summed up for a notebook: variants next to their comparisons, and totals."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ml_agents_results.records import Variant
from ml_agents_results.reports.sentences import comparison_sentence
from ml_agents_results.services.comparison.comparison_rows import ComparisonRow
from ml_agents_results.services.variant_summary import VariantSummary

if TYPE_CHECKING:
    import pandas as pd

SUMMARY_COLUMNS = (
    *Variant._fields,
    *("metric", "runs", "graded", "accuracy", "ci_low", "ci_high"),
    *("median_execution_time_ms", "total_cost"),
)
_COMPARISON_COLUMNS = (
    *("baseline", "samples", "difference", "difference_ci_low", "difference_ci_high"),
    *("p_value_adjusted", "verdict", "sentence"),
)


def comparison_frame(
    variants: Sequence[VariantSummary], comparisons: Sequence[ComparisonRow]
) -> "pd.DataFrame":
    """One row per variant, with the comparison whose candidate it is.

    Columns: SUMMARY_COLUMNS (`mean` before `accuracy` if a metric is numeric), then `baseline` to
    `sentence` of the comparison.
    """
    import pandas as pd

    compared = {pair.candidate: pair for pair in comparisons}
    rows = []
    for summary in variants:
        known = summary.to_dict()
        row = {name: known[name] for name in SUMMARY_COLUMNS}
        if (pair := compared.get(summary.variant)) is not None:
            row |= {
                "baseline": str(pair.baseline),
                "samples": pair.samples,
                "difference": pair.difference,
                "difference_ci_low": pair.ci_low,
                "difference_ci_high": pair.ci_high,
                "p_value_adjusted": pair.p_value_adjusted,
                "verdict": pair.verdict,
                "sentence": comparison_sentence(pair),
            }
        rows.append(row)
    frame = pd.DataFrame(rows, columns=[*SUMMARY_COLUMNS, *_COMPARISON_COLUMNS])
    if any(summary.accuracy is None and summary.mean is not None for summary in variants):
        index = SUMMARY_COLUMNS.index("accuracy")
        frame.insert(index, "mean", [summary.mean for summary in variants])
    return frame


def approach_totals(reports: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Totals of one approach over the models that were asked.

    Args:
        reports: The rows of `accuracy`, `latency` and `cost`, one for each model.

    Returns:
        Numbers of runs; `accuracy` as a fraction of the graded runs, `None` for a numeric metric;
        `mean` and the interval if one model was asked; the mean time in ms, the cost in USD.
    """
    rows = reports["accuracy"]
    graded, correct = (sum(row[count] or 0 for row in rows) for count in ("graded", "correct"))
    numeric = any(row["correct"] is None for row in rows)
    timed = [row["summary"] for row in reports["latency"] if row["summary"]["n_timed"]]
    costs = [row["total_cost"] for row in reports["cost"] if row["priced"]]
    only = rows[0] if len(rows) == 1 else {}
    total_ms = sum(times["n_timed"] * times["mean"] for times in timed)
    return {
        "runs": sum(row["runs"] for row in rows),
        "graded": graded,
        "correct": None if numeric else correct,
        "failed": sum(row["failed"] for row in rows),
        "accuracy": None if numeric or not graded else correct / graded,
        "metric": only.get("metric"),
        "mean": only.get("mean"),
        "ci_low": only.get("ci_low"),
        "ci_high": only.get("ci_high"),
        "avg_execution_time_ms": total_ms / sum(times["n_timed"] for times in timed)
        if timed
        else None,
        "total_cost": sum(costs) if costs else None,
    }
