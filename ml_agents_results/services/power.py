"""What could the samples at hand have shown, and how many more would show a given difference?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ml_agents_results.services.analysis_options import ALLOWANCES
from ml_agents_results.services.analysis_service import AnalysisService
from ml_agents_results.services.comparison.comparison_rows import ComparisonRow
from ml_agents_results.services.comparison.comparison_service import ComparisonService
from ml_agents_results.services.result_rows import Row, TwoVariantRow, VariantRow
from ml_agents_results.services.summary import SummaryService, VariantSummary
from ml_agents_results.statistics.sample_sizes import (
    clustered_sample_size,
    corrected_alpha,
    independent_sample_size,
    paired_sample_size,
    proportion_sample_size,
    repeated_sample_size,
)

if TYPE_CHECKING:
    import pandas as pd

DIFFERENCES = (0.01, 0.02, 0.05, 0.10)


@dataclass(frozen=True, slots=True)
class PowerComparison(TwoVariantRow):
    """What a comparison can detect with 80% power, after correction for its family of tests.

    `mde` is the smallest difference (a fraction) that the shared samples show; None where none
    can. `samples_needed` maps differences to shared samples, from the discordance that was seen
    and, where errors are clustered, times the design effect; where samples have repeats, from the
    variance of the differences that was seen. There is no "observed power": it
    says nothing that the p value does not say.
    """

    samples: int
    discordance: float | None
    design_effect: float | None
    alpha: float
    power: float
    mde: float | None
    samples_needed: dict[str, int | None]
    method: str


@dataclass(frozen=True, slots=True)
class VariantPower(VariantRow):
    """How many samples tell an accuracy near that of the variant.

    `samples_for_precision` maps half-widths of an interval (fractions) to samples.
    `samples_per_variant` maps differences to the samples of each variant where two variants answer
    other
    samples (unpaired), with 80% power and no correction; None where the accuracy cannot grow so
    much. Both are times the `design_effect` of clusters and repeats: the square of `se`
    over that of independent runs. None where the variant was always right or always wrong.
    """

    samples: int
    accuracy: float | None
    ci_low: float | None
    ci_high: float | None
    design_effect: float | None
    samples_for_precision: dict[str, int | None]
    samples_per_variant: dict[str, int | None]
    method: str


@dataclass(frozen=True, slots=True)
class PowerReport(Row):
    """One row per variant and one per comparison."""

    confidence_level: float
    variants: Sequence[VariantPower]
    comparisons: Sequence[PowerComparison]

    def to_frame(self) -> "pd.DataFrame":
        """One row a comparison, the columns of PowerComparison."""
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
        return PowerReport(
            level,
            [_variant(variant, level) for variant in variants.variants],
            list(map(_row, pairs)),
        )


def _variant(variant: VariantSummary, level: float) -> VariantPower:
    p, effect = variant.accuracy, None
    precision: dict[str, int | None] = dict.fromkeys(map("{:g}".format, DIFFERENCES))
    apart = dict(precision)
    if p is not None and variant.se is not None:
        effect = variant.se**2 * variant.samples / (p * (1 - p))
        for size in DIFFERENCES:
            single = proportion_sample_size(size, p, level)
            precision[f"{size:g}"] = clustered_sample_size(single, effect).samples
            if p + size <= 1:
                each = independent_sample_size(p + size, p, 1 - level)
                apart[f"{size:g}"] = clustered_sample_size(each, effect).samples
    return VariantPower(
        variant=variant.variant,
        samples=variant.samples,
        accuracy=p,
        ci_low=variant.ci_low,
        ci_high=variant.ci_high,
        design_effect=effect,
        samples_for_precision=precision,
        samples_per_variant=apart,
        method=variant.method,
    )


def _row(pair: ComparisonRow) -> PowerComparison:
    alpha = corrected_alpha(1 - pair.confidence_level, max(pair.family_size, 1))
    return PowerComparison(
        baseline=pair.baseline,
        candidate=pair.candidate,
        samples=pair.samples,
        discordance=pair.discordance,
        design_effect=pair.design_effect,
        alpha=alpha,
        power=0.8,
        mde=pair.mde,
        samples_needed={
            f"{difference:g}": _needed(difference, pair, alpha) for difference in DIFFERENCES
        },
        method=f"{'Miller' if pair.discordance is None else 'Connor'}, {pair.method}",
    )


def _needed(difference: float, pair: ComparisonRow, alpha: float) -> int | None:
    if pair.discordance is None:
        if pair.se is None:
            return None
        # The error already holds what lies between samples and what chance adds within them. In
        # clusters it grows with them, as the design effect does for Connor's formula.
        variance = pair.se**2 * pair.samples
        return repeated_sample_size(difference, variance, 0.0, 0.0, alpha=alpha).samples
    if difference > pair.discordance:
        return None
    size = paired_sample_size(difference, pair.discordance, alpha)
    if pair.design_effect is not None and pair.design_effect > 1:
        size = clustered_sample_size(size, pair.design_effect)
    return size.samples
