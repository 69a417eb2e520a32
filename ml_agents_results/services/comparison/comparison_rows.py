"""Comparison rows: the estimate of a difference, and the estimate judged within its table."""

from dataclasses import dataclass
from typing import Literal

from ml_agents_results.records import MetricKind
from ml_agents_results.services.result_rows import TwoVariantRow
from ml_agents_results.statistics.choices import PairingRule
from ml_agents_results.statistics.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceEstimate(TwoVariantRow):
    """`candidate` minus `baseline`, with interval and p value; differences are fractions, or in the
    unit of a numeric metric.

    Compared in pairs, `samples`, `candidate_samples` and `baseline_samples` are the shared samples;
    unpaired, `samples` is 0 and the others are all that each variant answered.

    Attributes:
        better, equal, worse: Of a numeric metric, on how many samples the candidate is that.
        t_ci_low, t_ci_high, p_value_t: Of a numeric metric, what Student's paired t gives.
        effect_size: Of a numeric metric, the mean difference over its standard deviation, with
            Hedges' correction.
        both_correct, improved, regressed, neither_correct: Of samples asked once, and so are the
            odds ratio, `phi` (the correlation) and the discordance; None where samples have
            repeats.
        p_value_exact: Of the sign-flip test without the mid-p correction (McNemar's exact test
            where samples were asked once); None where samples are clustered.
        candidate_mean, baseline_mean: Accuracies on these samples.
        method: The unit that the error, the interval and `p_value` treat as independent.
        p_value_unpaired: What a test that ignores the pairing gives.
        probability_of_superiority: None where samples are clustered.
        interval_level: The level of the interval: `confidence_level`, or more where the intervals
            of a table hold at once.
        se_cr1, design_effect, intraclass_correlation, largest_cluster: None where samples are not
            clustered; the last is the share of the samples that the largest cluster has.
        margin_test: The test of the `margin`, and `margin_ci_low` and `margin_ci_high` the interval
            of that test at twice the alpha. `p_non_inferior` is for the candidate being worse by
            the margin or more, `p_equivalent` for a difference of the margin or more.
        difference_bounds: The difference if every missing pair spoke against the candidate, and if
            every one spoke for it.
    """

    metric: str
    metric_kind: MetricKind = "binary"
    samples: int
    candidate_samples: int
    baseline_samples: int
    better: int | None = None
    equal: int | None = None
    worse: int | None = None
    effect_size: float | None = None
    t_ci_low: float | None = None
    t_ci_high: float | None = None
    p_value_t: float | None = None
    both_correct: int | None = None
    regressed: int | None = None
    improved: int | None = None
    neither_correct: int | None = None
    candidate_mean: float | None
    baseline_mean: float | None
    difference: float | None
    ci_low: float | None
    ci_high: float | None
    se: float | None
    interval_method: str
    p_value: float | None
    p_value_exact: float | None = None
    test: str
    method: str
    confidence_level: float
    interval_level: float
    n_clusters: int | None
    dof: float | None
    se_cr1: float | None
    design_effect: float | None = None
    intraclass_correlation: float | None = None
    largest_cluster: float | None = None
    discordance: float | None = None
    odds_ratio: float | None = None
    phi: float | None = None
    p_value_unpaired: float | None = None
    probability_of_superiority: float | None = None
    margin: float | None
    margin_test: str | None = None
    margin_ci_low: float | None = None
    margin_ci_high: float | None = None
    p_non_inferior: float | None = None
    p_equivalent: float | None = None
    difference_bounds: tuple[float, float] | None = None
    pairing_rule: PairingRule | Literal["unpaired"]
    denominators: dict[str, int]
    null_reason: str | None
    warnings: tuple[str, ...]

    @property
    def numeric(self) -> bool:
        """Whether the metric is a number, not right or wrong."""
        return self.metric_kind == "numeric"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRow(DifferenceEstimate):
    """An estimate judged among the `family_size` tests of its table.

    Attributes:
        p_value_adjusted: `p_value` after `correction` for these tests; `p_non_inferior_adjusted`
            and `p_equivalent_adjusted` likewise, each within its own kind.
        equivalent, non_inferior: Whether these are at most alpha; None without a margin.
        mde: The smallest difference (a fraction) that so many samples show with 80% power.
        within: The model, or the approach, that both sides have, where the rows of the table have
            several baselines.
        candidate_ids, baseline_ids: The first ids of the samples of both sides, where they are
            paired by these and share none.
    """

    p_value_adjusted: float | None
    family_size: int
    correction: str
    p_non_inferior_adjusted: float | None
    p_equivalent_adjusted: float | None
    equivalent: bool | None
    non_inferior: bool | None
    verdict: Verdict
    mde: float | None
    within: str | None = None
    candidate_ids: tuple[str, ...] | None = None
    baseline_ids: tuple[str, ...] | None = None
