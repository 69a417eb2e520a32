"""Summary of a variant: its runs by outcome, its accuracy or mean, its times and its costs."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml_agents_results.records import Variant
from ml_agents_results.repositories.counts import SampleCounts, VariantCounts
from ml_agents_results.repositories.tabulator import Tabulator
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.metric_choice import UNNAMED
from ml_agents_results.services.result_rows import VariantRow
from ml_agents_results.services.sample_clusters import (
    estimate_accuracy,
    null_clusters,
    sums_of_shares,
)
from ml_agents_results.statistics.denominators import (
    Denominators,
    coverage_warnings,
    mean_bounds,
    missing_bounds,
)
from ml_agents_results.statistics.estimate import Estimate
from ml_agents_results.statistics.quantiles import points_of_histogram


@dataclass(frozen=True, slots=True)
class VariantSummary(VariantRow):
    """One variant, over all its tasks or in one of them.

    `mean` is in the unit of `metric`; of right and wrong it is the accuracy, a fraction. `sd` is
    the standard deviation over samples. Times are ms, costs USD.
    `method` names the unit that `se` and the
    interval treat as independent: samples, or the tasks (or other clusters) that they belong to.
    `cost_per_correct` is the cost of all runs, failed ones too, per correct one. `accuracy_bounds`
    is the accuracy if every run without a grade were wrong, and if every one were right.
    `null_clusters` samples had nothing to be clustered by and are clusters of their own.
    `planned` are the runs that the experiment planned for the variant; `samples_asked` of
    `samples_expected` samples were asked, those that any variant was asked or that were planned.
    """

    metric: str
    runs: int
    graded: int
    scored: int
    failed: int
    truncated: int
    refused: int
    unparsed: int
    ungraded: int
    correct: int | None
    mean: float | None
    accuracy: float | None
    ci_low: float | None
    ci_high: float | None
    se: float | None
    sd: float | None
    interval_method: str
    mean_execution_time_ms: float | None
    median_execution_time_ms: float | None
    p95_execution_time_ms: float | None
    total_cost: float | None
    cost_per_correct: float | None
    mean_parsing_confidence: float | None
    method: str
    samples: int
    n_clusters: int | None
    dof: float | None
    accuracy_bounds: tuple[float, float] | None
    null_reason: str | None
    warnings: tuple[str, ...]
    null_clusters: int = 0
    planned: int | None = None
    samples_asked: int | None = None
    samples_expected: int | None = None

    @property
    def numeric(self) -> bool:
        """Whether the metric is a number, not right or wrong."""
        return self.correct is None


SampleBounds = Mapping[tuple[Variant, str], tuple[int, float, float]]
"""By variant and task: samples, and the sums of the bounds of their shares of right answers."""


def bounds_of_samples(tabulator: Tabulator, counts: Sequence[VariantCounts]) -> SampleBounds | None:
    """The bounds where some sample was asked more than once; else counts of runs say it all."""
    return tabulator.sample_bounds() if any(part.repeated for part in counts) else None


def by_variant(counts: Iterable[VariantCounts]) -> dict[Variant, list[VariantCounts]]:
    """The counts of each variant in its tasks."""
    variants: dict[Variant, list[VariantCounts]] = {}
    for part in counts:
        variants.setdefault(part.variant, []).append(part)
    return variants


def variant_summary(
    parts: Sequence[VariantCounts],
    cells: Sequence[SampleCounts],
    options: AnalysisOptions,
    latencies: tuple[Sequence[int], Sequence[int]] | None = None,
    *,
    within_task: bool = False,
    bounds: SampleBounds | None = None,
    metric: str = UNNAMED,
) -> VariantSummary:
    """One variant from its counts by task and its samples by group.

    Args:
        bounds: Those of the shares of samples, where samples have repeats.
    """
    estimate, method = estimate_accuracy(cells, options, within_task=within_task)
    nulls = null_clusters(cells) if estimate.n_clusters is not None else 0
    total = denominators(parts)
    priced_correct = sum(part.priced_correct for part in parts)
    return VariantSummary(
        metric=metric,
        correct=total.correct,
        mean=estimate.estimate,
        accuracy=estimate.estimate,
        sd=deviation(*sums_of_shares(cells)),
        cost_per_correct=sum(part.total_cost for part in parts) / priced_correct
        if priced_correct
        else None,
        accuracy_bounds=mean_bounds(
            bounds.get((part.variant, part.task), (0, 0.0, 0.0)) for part in parts
        )
        if bounds
        else missing_bounds(total.correct, total.graded, total.total),
        method=method,
        warnings=(
            *estimate.warnings,
            *(("null_clusters",) if nulls else ()),
            *coverage_warnings(total),
        ),
        null_clusters=nulls,
        **of_estimate(estimate),
        **of_counts(parts, latencies),
    )


def of_estimate(estimate: Estimate) -> dict[str, Any]:
    """The fields of a VariantSummary that the estimate of its mean gives."""
    return {
        "ci_low": estimate.ci_low,
        "ci_high": estimate.ci_high,
        "se": estimate.se,
        "interval_method": estimate.method,
        "samples": estimate.n_samples,
        "n_clusters": estimate.n_clusters,
        "dof": estimate.dof,
        "null_reason": estimate.null_reason,
    }


def of_counts(
    parts: Sequence[VariantCounts], latencies: tuple[Sequence[int], Sequence[int]] | None
) -> dict[str, Any]:
    """The fields of a VariantSummary that its counts by task and its times give."""
    total = denominators(parts)
    timed = sum(part.timed for part in parts)
    rated = sum(part.rated for part in parts)
    median, p95 = points_of_histogram(*(latencies or ((), ())), (0.5, 0.95))
    return dict(  # noqa: C408 - the fields of a dataclass
        variant=parts[0].variant,
        runs=total.total,
        graded=total.graded,
        scored=sum(part.scored for part in parts),
        failed=total.failed,
        truncated=total.truncated,
        refused=total.refused,
        unparsed=total.unparsed,
        ungraded=total.ungraded,
        mean_execution_time_ms=sum(part.total_time_ms for part in parts) / timed if timed else None,
        median_execution_time_ms=median,
        p95_execution_time_ms=p95,
        total_cost=sum(part.total_cost for part in parts)
        if any(part.priced for part in parts)
        else None,
        mean_parsing_confidence=sum(part.total_confidence for part in parts) / rated
        if rated
        else None,
    )


def deviation(n: int, total: float, squares: float) -> float | None:
    """The standard deviation of n values from their sums; None for fewer than two."""
    if n < 2:
        return None
    spread = squares - total * total / n
    return math.sqrt(spread / (n - 1)) if spread > 1e-12 * squares else 0.0


def denominators(parts: Sequence[VariantCounts]) -> Denominators:
    """The runs of a variant by class, summed over its tasks."""
    return Denominators(
        correct=sum(part.correct for part in parts),
        graded=sum(part.correct + part.wrong + part.scored for part in parts),
        failed=sum(part.failed for part in parts),
        truncated=sum(part.truncated for part in parts),
        refused=sum(part.refused for part in parts),
        unparsed=sum(part.unparsed for part in parts),
        ungraded=sum(part.ungraded for part in parts),
    )
