"""Correction: the estimates of one table, judged together."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from itertools import islice

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
from ml_agents_results.statistics.sample_sizes import (
    corrected_alpha,
    minimum_detectable_difference,
    minimum_detectable_from_se,
)
from ml_agents_results.statistics.verdict import Finding, decide


def judged(
    estimate: Callable[[float], Sequence[DifferenceEstimate]],
    options: AnalysisOptions,
    *,
    higher_is_better: bool = True,
) -> list[ComparisonRow]:
    """The rows of one table: p values corrected for each other, each with its verdict.

    Args:
        estimate: Gives the estimates of the table with intervals of a level.
        higher_is_better: Which sign of a difference speaks for the candidate.
    """
    estimates = estimate(options.confidence)
    tests = count_tests([row.p_value for row in estimates])
    if options.simultaneous and tests > 1:
        estimates = estimate(simultaneous_confidence(options.confidence, tests))
    return _family([(row, higher_is_better) for row in estimates], options)


def rejudged(
    groups: Sequence[tuple[Sequence[ComparisonRow], bool]], options: AnalysisOptions
) -> list[list[ComparisonRow]]:
    """The rows of several tables, corrected for all of each other.

    Args:
        groups: The rows of each table, and whether higher is better there.
    """
    rows = iter(_family([(row, higher) for group, higher in groups for row in group], options))
    return [list(islice(rows, len(group))) for group, _ in groups]


def _family(
    estimates: Sequence[tuple[DifferenceEstimate, bool]], options: AnalysisOptions
) -> list[ComparisonRow]:
    """The estimates of one family of tests, each with whether higher is better."""
    rows = [row for row, _ in estimates]
    adjusted = (
        adjusted_p([row.p_value for row in rows], options),
        adjusted_p([row.p_non_inferior for row in rows], options),
        adjusted_p([row.p_equivalent for row in rows], options),
    )
    tests = family_size([row.p_value for row in rows], options)
    return [
        _judged(row, p, p_non_inferior, p_equivalent, tests, options, higher_is_better)
        for (row, higher_is_better), p, p_non_inferior, p_equivalent in zip(
            estimates, *adjusted, strict=True
        )
    ]


def adjusted_p(p_values: Sequence[float | None], options: AnalysisOptions) -> list[float | None]:
    """The p values of one kind of claim, corrected for each other."""
    return list(p_values) if options.correction == "none" else adjust(p_values, options.correction)


def family_size(p_values: Sequence[float | None], options: AnalysisOptions) -> int:
    """How many tests the p values are corrected for."""
    return 1 if options.correction == "none" else count_tests(p_values)


def _judged(
    row: DifferenceEstimate,
    p_adjusted: float | None,
    p_non_inferior: float | None,
    p_equivalent: float | None,
    tests: int,
    options: AnalysisOptions,
    higher_is_better: bool,
) -> ComparisonRow:
    alpha = corrected_alpha(options.alpha, max(tests, 1))
    if row.discordance is not None and row.n_clusters is None:
        mde = minimum_detectable_difference(row.samples, row.discordance, alpha)
    else:
        mde = minimum_detectable_from_se(row.se, row.dof, alpha)
    difference, low, high = row.difference, row.ci_low, row.ci_high
    if not higher_is_better:
        difference, low, high = (
            None if value is None else -value for value in (difference, high, low)
        )
    finding = Finding(
        difference=difference,
        interval=Interval(low, high, row.interval_method, row.interval_level),
        p_adjusted=p_adjusted,
        p_equivalent=p_equivalent,
        p_non_inferior=p_non_inferior,
        alpha=options.alpha,
    )
    return ComparisonRow(
        **{field.name: getattr(row, field.name) for field in fields(DifferenceEstimate)},
        p_value_adjusted=p_adjusted,
        family_size=tests,
        correction=options.correction,
        p_non_inferior_adjusted=p_non_inferior,
        p_equivalent_adjusted=p_equivalent,
        equivalent=finding.equivalent,
        non_inferior=finding.non_inferior,
        verdict=decide(finding),
        mde=mde,
    )
