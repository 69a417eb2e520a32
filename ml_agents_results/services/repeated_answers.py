"""Repeated answers: how alike those to one sample are, and what a second try would add."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ml_agents_results.records import Variant
from ml_agents_results.repositories.counts import SampleCounts
from ml_agents_results.services.result_rows import VariantRow
from ml_agents_results.statistics.estimate import Estimate
from ml_agents_results.statistics.repeats import (
    RepeatCounts,
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


def tabulate(cells: Iterable[SampleCounts]) -> dict[tuple[int, int], int]:
    """How many samples were graded how often and right how often."""
    counts: dict[tuple[int, int], int] = {}
    for cell in cells:
        key = (cell.graded, cell.correct)
        counts[key] = counts.get(key, 0) + cell.samples
    return dict(sorted(counts.items()))


Over = Callable[[Sequence[SampleCounts], Callable[[int, int], float]], Estimate]
"""The mean over samples of what a function makes of how often each was graded and right."""


def variant_repeats(
    variant: Variant,
    cells: Sequence[SampleCounts],
    confidence: float,
    over: Over | None = None,
    partial: int = 0,
) -> VariantRepeats:
    """The row of a variant from how often its samples were graded and right.

    Args:
        over: The mean over samples with the error that clusters ask for; None where samples are
            independent.
        partial: Samples with repeats with and repeats without a grade.
    """
    counts = tabulate(cells)
    by_repeats: dict[int, int] = {}
    for (graded, _), samples in sorted(counts.items()):
        by_repeats[graded] = by_repeats.get(graded, 0) + samples
    alike = consistency(counts, confidence)
    if over is not None:
        alike = _of(alike, over([cell for cell in cells if cell.graded > 1], always_alike))
    return VariantRepeats(
        variant=variant,
        samples=sum(by_repeats.values()),
        graded=sum(graded * samples for graded, samples in by_repeats.items()),
        partial_epochs=partial,
        samples_by_repeats=by_repeats,
        consistency=alike,
        variance=variance_split(counts),
        passes=tuple(_passes(counts, cells, k, confidence, over) for k in _sizes(by_repeats)),
    )


def _of(independent: Estimate, clustered: Estimate) -> Estimate:
    """The clustered estimate with the denominators of the other."""
    if independent.estimate is None:
        return independent
    return replace(clustered, denominators=independent.denominators)


def _sizes(by_repeats: Mapping[int, int]) -> Sequence[int]:
    most = max(by_repeats)
    return sorted({k for k in _SIZES if k < most} | {most})


def _passes(
    counts: RepeatCounts,
    cells: Sequence[SampleCounts],
    k: int,
    confidence: float,
    over: Over | None,
) -> PassShare:
    some, all_ = pass_at_k(counts, k, confidence), pass_hat_k(counts, k, confidence)
    if over is not None:
        enough = [cell for cell in cells if cell.graded >= k]
        some = _of(some, over(enough, some_right(k)))
        all_ = _of(all_, over(enough, all_right(k)))
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
