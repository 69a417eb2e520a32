"""Latency report: how long answers take, and how much longer than those of the baseline."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_agents_results.records import Variant
from ml_agents_results.repositories.tabulator import Tabulator
from ml_agents_results.services.analysis_service import AnalysisService
from ml_agents_results.services.comparison.baselines import contrasts
from ml_agents_results.services.comparison.correction import adjusted_p, family_size
from ml_agents_results.services.comparison.paired_differences import mean_difference
from ml_agents_results.services.comparison.pairing import pairing_rule
from ml_agents_results.services.result_rows import Row, TwoVariantRow, VariantRow, variant_frame
from ml_agents_results.services.sample_clusters import (
    cluster_column,
    independence_warnings,
)
from ml_agents_results.services.variant_summary import by_variant, denominators
from ml_agents_results.statistics.denominators import Denominators
from ml_agents_results.statistics.estimate import Estimate
from ml_agents_results.statistics.quantiles import Quantile, from_histogram
from ml_agents_results.statistics.time_ratios import (
    LatencySummary,
    latency_summary,
    paired_ratio,
    sign_test_p,
)

if TYPE_CHECKING:
    import pandas as pd

QUANTILES = (0.5, 0.9, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class VariantLatency(VariantRow):
    """The times of a variant's runs in ms. Failed runs are counted and left out."""

    runs: int
    failed: int
    summary: LatencySummary
    quantiles: tuple[Quantile, ...]


@dataclass(frozen=True, slots=True)
class LatencyComparison(TwoVariantRow):
    """The ratio of geometric mean times, candidate to baseline, on samples timed on both sides.

    `method` names the unit that the interval and `p_value` of the ratio treat as independent; the
    sign test treats samples so.
    """

    samples: int
    ratio: float | None
    ratio_ci_low: float | None
    ratio_ci_high: float | None
    p_value: float | None
    p_value_adjusted: float | None
    family_size: int
    slower: int
    faster: int
    sign_test_p_value: float | None
    interval_method: str
    method: str
    n_clusters: int | None
    dof: float | None
    null_reason: str | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LatencyReport(Row):
    """Times by variant, and variants against the baseline.

    `independent_runs` stands among the warnings where ratios are clustered: quantiles are not.
    """

    confidence_level: float
    variants: Sequence[VariantLatency]
    comparisons: Sequence[LatencyComparison]
    correction: str = "holm"
    warnings: Sequence[str] = ()

    def to_frame(self) -> "pd.DataFrame":
        """One row per variant: n_timed, n_missing, failed, mean, sd, p50 to p99 with bounds."""
        return variant_frame(self.variants).pipe(_flattened)


class LatencyService(AnalysisService):
    """How long each variant takes, and how much longer than the baseline."""

    def report(self, *, baseline: str | None = None) -> LatencyReport:
        """Every variant that has runs, and the variants compared on the samples they share."""
        tabulator = self._tabulator(missing="exclude", pairs=True)
        parts = tabulator.variants()
        repeated = {part.variant for part in parts if part.repeated}
        rows = [
            self._variant(variant, denominators(counts), *tabulator.latencies(variant))
            for variant, counts in by_variant(parts).items()
        ]
        timed = [row.variant for row in rows if row.summary.n_timed]
        ordered = self._in_recorded_order(timed)
        chosen = contrasts(ordered, baseline, self._options.contrasts)
        return LatencyReport(
            self._options.confidence,
            rows,
            self._pairs(chosen, repeated, tabulator),
            self._options.correction,
            independence_warnings(parts, self._options),
        )

    def _variant(
        self, variant: Variant, runs: Denominators, values: Sequence[int], counts: Sequence[int]
    ) -> VariantLatency:
        summary = latency_summary(values, counts, runs.total - runs.failed - sum(counts))
        quantiles = from_histogram(values, counts, QUANTILES, self._options.confidence)
        return VariantLatency(variant, runs.total, runs.failed, summary, tuple(quantiles))

    def _pairs(
        self,
        chosen: Sequence[tuple[Variant, Variant]],
        repeated: set[Variant],
        tabulator: Tabulator,
    ) -> list[LatencyComparison]:
        estimates = [
            self._ratio(candidate, baseline, repeated, tabulator) for candidate, baseline in chosen
        ]
        p_values = [ratio.p_value for ratio, *_ in estimates]
        adjusted, tests = adjusted_p(p_values, self._options), family_size(p_values, self._options)
        return [
            LatencyComparison(
                baseline=baseline,
                candidate=candidate,
                samples=ratio.n_samples,
                ratio=ratio.estimate,
                ratio_ci_low=ratio.ci_low,
                ratio_ci_high=ratio.ci_high,
                p_value=ratio.p_value,
                p_value_adjusted=p,
                family_size=tests,
                slower=slower,
                faster=faster,
                sign_test_p_value=sign_test_p(slower, faster),
                interval_method=ratio.method,
                method=method,
                n_clusters=ratio.n_clusters,
                dof=ratio.dof,
                null_reason=ratio.null_reason,
                warnings=ratio.warnings,
            )
            for (candidate, baseline), (ratio, method, slower, faster), p in zip(
                chosen, estimates, adjusted, strict=True
            )
        ]

    def _ratio(
        self, candidate: Variant, baseline: Variant, repeated: set[Variant], tabulator: Tabulator
    ) -> tuple[Estimate, str, int, int]:
        """The ratio of times, the unit that it treats as independent, and how many samples took
        longer and less."""
        records = {
            variant.experiment_id: self._experiment(variant.experiment_id)
            for variant in (candidate, baseline)
        }
        rule, _ = pairing_rule(tabulator, records, candidate, baseline, self._options.pair_by)
        sums = tabulator.paired(
            candidate, baseline, "time_ms", rule=rule, cluster=cluster_column(self._options)
        )
        logs, method = mean_difference(
            sums, self._options, repeated=not repeated.isdisjoint((candidate, baseline))
        )
        ratio = paired_ratio(logs, self._options.confidence)
        return ratio, method, sum(row.above for row in sums), sum(row.below for row in sums)


def _flattened(frame: "pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    rows = []
    for row in frame.to_dict("records"):
        summary, quantiles = row.pop("summary"), row.pop("quantiles")
        row |= summary
        for quantile in quantiles:
            name = f"p{round(100 * quantile['q'])}"
            row |= {
                name: quantile["value"],
                f"{name}_ci_low": quantile["ci_low"],
                f"{name}_ci_high": quantile["ci_high"],
            }
        rows.append(row)
    return pd.DataFrame(rows)
