"""Repeated answers: how alike those to one sample are, and what a second try would add."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ml_agents_results.records import Variant
from ml_agents_results.repositories.counts import SampleCounts
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.result_rows import VariantRow
from ml_agents_results.services.sample_clusters import (
    clustered_accuracy,
    clusters_apply,
    repeat_counts,
)
from ml_agents_results.statistics.estimate import Estimate
from ml_agents_results.statistics.repeats import (
    VarianceSplit,
    all_right,
    always_alike,
    consistency,
    pass_at_k,
    pass_hat_k,
    some_right,
    variance_split,
)

_SIZES = (1, 2, 3, 4, 5, 8, 10, 16, 20, 32, 50, 64, 100)


@dataclass(frozen=True, slots=True)
class PassShare:
    """Of `k` answers to a sample, is at least one right (`pass_at_k`), are all (`pass_hat_k`)?

    Fractions, over the `samples_used` samples with at least k grades.
    """

    k: int
    pass_at_k: float | None
    pass_at_k_ci_low: float | None
    pass_at_k_ci_high: float | None
    pass_hat_k: float | None
    pass_hat_k_ci_low: float | None
    pass_hat_k_ci_high: float | None
    samples_used: int
    samples_excluded: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VariantRepeats(VariantRow):
    """How the repeated answers of a variant vary. Only graded runs count.

    `partial_epochs` samples have repeats with and without a grade. `samples_by_repeats` says
    how many samples were graded how often. `consistency` is the share of the samples, graded at
    least twice, that are always right or always wrong. `variance` splits the variance of an
    answer into chance within a sample and difficulty between samples.
    """

    samples: int
    graded: int
    partial_epochs: int
    samples_by_repeats: dict[int, int]
    consistency: Estimate
    variance: VarianceSplit
    passes: tuple[PassShare, ...]


def variant_repeats(
    variant: Variant, cells: Sequence[SampleCounts], options: AnalysisOptions, partial: int = 0
) -> VariantRepeats:
    """The row of a variant from how often its samples were graded and right.

    Args:
        partial: Samples with repeats with and repeats without a grade.
    """
    counts, level = repeat_counts(cells), options.confidence
    clustered = clusters_apply(cells, options)

    def over(plain: Estimate, least: int, value: Callable[[int, int], float]) -> Estimate:
        """The estimate, or that with the error between clusters, of samples graded so often."""
        if not clustered:
            return plain
        enough = [cell for cell in cells if cell.graded >= least]
        estimate = clustered_accuracy(enough, value, options=options)
        return replace(estimate, denominators=plain.denominators)

    by_repeats: dict[int, int] = {}
    for (graded, _), samples in counts.items():
        by_repeats[graded] = by_repeats.get(graded, 0) + samples
    passes = [
        _pass_share(
            k,
            over(pass_at_k(counts, k, level), k, some_right(k)),
            over(pass_hat_k(counts, k, level), k, all_right(k)),
        )
        for k in _sizes(by_repeats)
    ]
    return VariantRepeats(
        variant=variant,
        samples=sum(by_repeats.values()),
        graded=sum(graded * samples for graded, samples in by_repeats.items()),
        partial_epochs=partial,
        samples_by_repeats=by_repeats,
        consistency=over(consistency(counts, level), 2, always_alike),
        variance=variance_split(counts),
        passes=tuple(passes),
    )


def _sizes(by_repeats: Mapping[int, int]) -> Sequence[int]:
    most = max(by_repeats)
    return sorted({k for k in _SIZES if k < most} | {most})


def _pass_share(k: int, some: Estimate, all_: Estimate) -> PassShare:
    return PassShare(
        k=k,
        pass_at_k=some.estimate,
        pass_at_k_ci_low=some.ci_low,
        pass_at_k_ci_high=some.ci_high,
        pass_hat_k=all_.estimate,
        pass_hat_k_ci_low=all_.ci_low,
        pass_hat_k_ci_high=all_.ci_high,
        samples_used=some.denominators["samples_used"],
        samples_excluded=some.denominators["samples_excluded"],
        warnings=tuple(dict.fromkeys((*some.warnings, *all_.warnings))),
    )
