"""Correction: the estimates of one table, judged together."""

from collections.abc import Callable, Sequence
from dataclasses import fields

from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.comparison.comparison_rows import (
    ComparisonRow,
    DifferenceEstimate,
)
from ml_agents_results.statistics.estimate import Interval
from ml_agents_results.statistics.multiplicity import (
    adjust,
    count_tests,
    simultaneous_confidence,
)
from ml_agents_results.statistics.paired_intervals import equivalence_level
from ml_agents_results.statistics.sample_sizes import (
    corrected_alpha,
    minimum_detectable_difference,
    minimum_detectable_from_se,
)
from ml_agents_results.statistics.verdict import Finding, decide


def judged(
    estimate: Callable[[float], Sequence[DifferenceEstimate]], options: AnalysisOptions
) -> list[ComparisonRow]:
    """The rows of one table: p values corrected for each other, each with its verdict.

    Args:
        estimate: Gives the estimates of the table with intervals of a level.
    """
    estimates = estimate(options.confidence)
    tests = count_tests([row.p_value for row in estimates])
    if options.simultaneous and tests > 1:
        estimates = estimate(simultaneous_confidence(options.confidence, tests))
    p_values = [row.p_value for row in estimates]
    if options.correction == "none":
        adjusted, tests = p_values, 1
    else:
        adjusted = adjust(p_values, options.correction)
    return [_judged(row, p, tests, options) for row, p in zip(estimates, adjusted, strict=True)]


def _judged(
    row: DifferenceEstimate, p_adjusted: float | None, tests: int, options: AnalysisOptions
) -> ComparisonRow:
    alpha = corrected_alpha(options.alpha, max(tests, 1))
    if row.discordance is not None and row.n_clusters is None:
        mde = minimum_detectable_difference(row.samples, row.discordance, alpha)
    else:
        mde = minimum_detectable_from_se(row.se, row.dof, alpha)
    finding = Finding(
        difference=row.difference,
        interval=Interval(row.ci_low, row.ci_high, row.interval_method, row.interval_level),
        p_adjusted=p_adjusted,
        margin=options.margin,
        equivalence_interval=Interval(
            row.equivalence_ci_low,
            row.equivalence_ci_high,
            row.interval_method,
            equivalence_level(options.confidence) if options.margin else options.confidence,
        ),
        alpha=options.alpha,
    )
    return ComparisonRow(
        **{field.name: getattr(row, field.name) for field in fields(row)},
        p_value_adjusted=p_adjusted,
        family_size=tests,
        correction=options.correction,
        verdict=decide(finding),
        mde=mde,
    )
