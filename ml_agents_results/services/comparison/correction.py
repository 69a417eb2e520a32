"""The rows of one table together: corrected for their number, and each with its verdict."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.comparison.paired import ComparisonRow
from ml_agents_results.statistics.estimate import Interval
from ml_agents_results.statistics.multiplicity import (
    adjust,
    family_size,
    simultaneous_confidence,
)
from ml_agents_results.statistics.paired_intervals import equivalence_level
from ml_agents_results.statistics.sample_sizes import (
    family_alpha,
    minimum_detectable_difference,
    minimum_detectable_from_se,
)
from ml_agents_results.statistics.verdict import Finding, decide


def compare_family(
    compare: Callable[[float], Sequence[ComparisonRow]], options: AnalysisOptions
) -> list[ComparisonRow]:
    """The rows of one table, corrected for each other.

    Args:
        compare: Gives the rows with intervals of a level.
    """
    rows = compare(options.confidence)
    size = family_size([row.p_value for row in rows])
    if options.simultaneous and size > 1:
        rows = compare(simultaneous_confidence(options.confidence, size))
    return _corrected(rows, options)


def _corrected(results: Sequence[ComparisonRow], options: AnalysisOptions) -> list[ComparisonRow]:
    """The rows of one table with their p values corrected for each other, and with verdicts."""
    p_values = [result.p_value for result in results]
    if options.correction == "none":
        adjusted, size = p_values, 1
    else:
        adjusted, size = adjust(p_values, options.correction), family_size(p_values)
    return [
        _judged(replace(result, p_value_adjusted=p, family_size=size), options)
        for result, p in zip(results, adjusted, strict=True)
    ]


def _judged(result: ComparisonRow, options: AnalysisOptions) -> ComparisonRow:
    alpha = family_alpha(options.alpha, max(result.family_size, 1))
    if result.discordance is not None and result.n_clusters is None:
        mde = minimum_detectable_difference(result.samples, result.discordance, alpha)
    else:
        mde = minimum_detectable_from_se(result.se, result.dof, alpha)
    interval = Interval(
        result.ci_low,
        result.ci_high,
        result.interval_method,
        result.interval_level,
    )
    finding = Finding(
        difference=result.difference,
        interval=interval,
        p_adjusted=result.p_value_adjusted,
        margin=options.margin,
        equivalence_interval=Interval(
            result.equivalence_ci_low,
            result.equivalence_ci_high,
            result.interval_method,
            equivalence_level(options.confidence) if options.margin else options.confidence,
        ),
        alpha=options.alpha,
    )
    return replace(result, mde=mde, verdict=decide(finding))
