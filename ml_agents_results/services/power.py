"""Power report: what the samples at hand could have shown, and how many a difference needs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ml_agents_results.services.analysis_options import ALLOWANCES
from ml_agents_results.services.analysis_service import AnalysisService
from ml_agents_results.services.comparison.comparison_rows import ComparisonRow
from ml_agents_results.services.comparison.comparison_service import ComparisonService
from ml_agents_results.services.result_rows import Row, TwoVariantRow, VariantRow
from ml_agents_results.services.summary import SummaryService
from ml_agents_results.services.variant_summary import VariantSummary
from ml_agents_results.statistics.sample_sizes import (
    clustered_sample_size,
    clusters_for_difference,
    clusters_for_precision,
    corrected_alpha,
    independent_sample_size,
    paired_sample_size,
    proportion_sample_size,
    repeated_sample_size,
)

if TYPE_CHECKING:
    import pandas as pd

DIFFERENCES = (0.01, 0.02, 0.05, 0.10)
"""Fractions; of a numeric metric, shares of its range."""
DIFFERENCES_IN_SD = (0.1, 0.2, 0.5, 0.8)
"""Of a numeric metric without bounds, in standard deviations between samples."""
SMALLEST_PILOT = 10
"""Samples below which the spread of a numeric metric is not known well enough to plan by."""


@dataclass(frozen=True, slots=True)
class PowerComparison(TwoVariantRow):
    """What a comparison can detect with 80% power, after correction for its family of tests.

    `mde` is the smallest difference (a fraction) that the shared samples show; None where none
    can. `samples_needed` maps differences to shared samples, from the discordance that was seen, or
    where samples have repeats from the variance of the differences; where errors are clustered it
    is None, and `clusters_needed` counts clusters of the size seen. There is no "observed power":
    it says nothing that the p value does not say.

    Of a numeric metric all differences are in its unit, and None where fewer than SMALLEST_PILOT
    samples are shared.
    """

    samples: int
    n_clusters: int | None
    discordance: float | None
    design_effect: float | None
    alpha: float
    power: float
    mde: float | None
    samples_needed: dict[str, int | None]
    clusters_needed: dict[str, int | None]
    method: str


@dataclass(frozen=True, slots=True)
class VariantPower(VariantRow):
    """Samples that estimate an accuracy near that of the variant well enough.

    `samples_for_precision` maps half-widths of an interval (fractions) to samples.
    `samples_per_variant` maps differences to the samples of each variant where two variants answer
    other samples (unpaired), with 80% power and no correction; None where the accuracy cannot grow
    so much. Both are times the `design_effect` of repeats: the square of `se` over that of
    independent runs. Where errors are clustered both are None, and `clusters_for_precision` counts
    clusters of the size seen. None where the variant was always right or always wrong.

    Of a numeric metric sizes are in its unit, and `accuracy` is None.
    """

    metric: str
    samples: int
    n_clusters: int | None
    mean: float | None
    accuracy: float | None
    ci_low: float | None
    ci_high: float | None
    design_effect: float | None
    samples_for_precision: dict[str, int | None]
    clusters_for_precision: dict[str, int | None]
    samples_per_variant: dict[str, int | None]
    method: str


@dataclass(frozen=True, slots=True)
class PowerReport(Row):
    """One row per variant and one per comparison."""

    confidence_level: float
    numeric: bool
    variants: Sequence[VariantPower]
    comparisons: Sequence[PowerComparison]

    def to_frame(self) -> "pd.DataFrame":
        """One row per comparison, the columns of PowerComparison."""
        import pandas as pd

        return pd.DataFrame([row.to_dict() for row in self.comparisons])


class PowerService(AnalysisService):
    """Compares variants whatever they differ in: only sample sizes are asked for."""

    def report(self, *, baseline: str | None = None) -> PowerReport:
        """Every variant, and every variant against the baseline."""
        options = replace(self._options, allow=ALLOWANCES)
        variants = SummaryService(self._source, self._filters, options).report()
        pairs: Sequence[ComparisonRow] = ()
        if len(variants.variants) > 1:
            having = list(dict.fromkeys(row.variant.experiment_id for row in variants.variants))
            ids = self._filters.experiment_id or having
            service = ComparisonService(self._source, self._filters, options)
            pairs = service.compare(ids, baseline=baseline).comparisons
        level = variants.confidence_level
        numeric = any(variant.numeric for variant in variants.variants)
        sizes = self._differences(variants.variants) if numeric else DIFFERENCES
        return PowerReport(
            level,
            numeric,
            [_variant(variant, sizes, level, numeric=numeric) for variant in variants.variants],
            [_row(pair, sizes) for pair in pairs],
        )

    def _differences(self, variants: Sequence[VariantSummary]) -> Sequence[float]:
        """The differences of a numeric metric that are planned for, in its unit."""
        metric = self._metric([row.variant.experiment_id for row in variants])
        if (span := metric.span) is not None:
            return [_rounded(size * span) for size in DIFFERENCES]
        spread = max((row.sd or 0.0 for row in variants), default=0.0)
        return [_rounded(size * spread) for size in DIFFERENCES_IN_SD] if spread else DIFFERENCES


def _rounded(size: float) -> float:
    """Two digits, as people name a difference."""
    return float(f"{size:.2g}")


def _sizes(sizes: Sequence[float]) -> dict[str, int | None]:
    return dict.fromkeys(map("{:g}".format, sizes))


def _variant(
    variant: VariantSummary, sizes: Sequence[float], level: float, *, numeric: bool
) -> VariantPower:
    """By the normal distribution for accuracies; for clusters and means of numeric metrics by
    Student's t, from the standard deviation between clusters or samples."""
    p, effect = None if numeric else variant.accuracy, None
    precision, clusters, apart = _sizes(sizes), _sizes(sizes), _sizes(sizes)
    units = variant.n_clusters or variant.samples
    if variant.se and (p is not None or units >= SMALLEST_PILOT):
        sd = variant.se * math.sqrt(units)
        if p is not None:
            effect = variant.se**2 * variant.samples / (p * (1 - p))
        for size, name in zip(sizes, precision, strict=True):
            if variant.n_clusters is not None:
                clusters[name] = clusters_for_precision(size, sd, level)
            elif p is None or effect is None:
                precision[name] = clusters_for_precision(size, sd, level)
                apart[name] = clusters_for_difference(size, sd * math.sqrt(2.0), 1 - level)
            else:
                single = proportion_sample_size(size, p, level)
                precision[name] = clustered_sample_size(single, effect).samples
                if p + size <= 1:
                    each = independent_sample_size(p + size, p, 1 - level)
                    apart[name] = clustered_sample_size(each, effect).samples
    return VariantPower(
        variant=variant.variant,
        metric=variant.metric,
        samples=variant.samples,
        n_clusters=variant.n_clusters,
        mean=variant.mean,
        accuracy=p,
        ci_low=variant.ci_low,
        ci_high=variant.ci_high,
        design_effect=effect,
        samples_for_precision=precision,
        clusters_for_precision=clusters,
        samples_per_variant=apart,
        method=variant.method,
    )


def _row(pair: ComparisonRow, sizes: Sequence[float]) -> PowerComparison:
    alpha = corrected_alpha(1 - pair.confidence_level, max(pair.family_size, 1))
    formula = "Miller" if pair.discordance is None else "Connor"
    if pair.numeric:
        formula = "noncentral t"
    return PowerComparison(
        baseline=pair.baseline,
        candidate=pair.candidate,
        samples=pair.samples,
        n_clusters=pair.n_clusters,
        discordance=pair.discordance,
        design_effect=pair.design_effect,
        alpha=alpha,
        power=0.8,
        mde=pair.mde,
        samples_needed={f"{size:g}": _samples(size, pair, alpha) for size in sizes},
        clusters_needed={f"{size:g}": _clusters(size, pair, alpha) for size in sizes},
        method=f"{formula if pair.n_clusters is None else 'noncentral t'}, {pair.method}",
    )


def _samples(difference: float, pair: ComparisonRow, alpha: float) -> int | None:
    if pair.n_clusters is not None:
        return None
    if pair.numeric:
        if not pair.se or pair.samples < SMALLEST_PILOT:
            return None
        return clusters_for_difference(difference, pair.se * math.sqrt(pair.samples), alpha)
    if pair.discordance is None:
        if pair.se is None:
            return None
        # The error already holds what lies between samples and what chance adds within them.
        variance = pair.se**2 * pair.samples
        return repeated_sample_size(difference, variance, 0.0, 0.0, alpha=alpha).samples
    if difference > pair.discordance:
        return None
    return paired_sample_size(difference, pair.discordance, alpha).samples


def _clusters(difference: float, pair: ComparisonRow, alpha: float) -> int | None:
    """Clusters of the size seen."""
    if pair.n_clusters is None or pair.se is None:
        return None
    return clusters_for_difference(difference, pair.se * math.sqrt(pair.n_clusters), alpha)
