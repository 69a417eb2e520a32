"""Denominators: the runs behind an accuracy, and what missing grades could do to it."""

from collections.abc import Iterable
from dataclasses import dataclass

from ml_agents_results.statistics.distributions import check_counts, check_part

COVERAGE_FLOOR = 0.95
COVERAGE_GAP = 0.02


@dataclass(frozen=True, slots=True)
class Denominators:
    """Disjoint run counts of one variant: graded, of which correct, and by why others are not.

    ValueError for impossible counts.
    """

    correct: int
    graded: int
    failed: int = 0
    unparsed: int = 0
    ungraded: int = 0
    truncated: int = 0
    refused: int = 0

    def __post_init__(self) -> None:
        check_part("correct", self.correct, "graded", self.graded)
        check_counts(failed=self.failed, unparsed=self.unparsed, ungraded=self.ungraded)
        check_counts(truncated=self.truncated, refused=self.refused)

    @property
    def total(self) -> int:
        """All runs, graded or not."""
        cut = self.truncated + self.refused
        return self.graded + self.failed + cut + self.unparsed + self.ungraded

    @property
    def coverage(self) -> float | None:
        """The share of runs that were graded; `None` without runs."""
        return self.graded / self.total if self.total else None


def missing_bounds(correct: int, graded: int, total: int) -> tuple[float, float] | None:
    """Accuracy over all runs if every missing grade were wrong, and if every one were right.

    `None` when there are no runs (Manski 1989 bounds). ValueError for impossible counts.
    """
    check_part("correct", correct, "graded", graded)
    check_part("graded", graded, "total", total)
    if total == 0:
        return None
    return correct / total, (correct + total - graded) / total


def mean_bounds(parts: Iterable[tuple[int, float, float]]) -> tuple[float, float] | None:
    """Bounds of a mean over samples, from how many there are and the sums of the lower and of the
    upper bounds of each part. `None` without samples."""
    rows = list(parts)
    n = sum(row[0] for row in rows)
    return (sum(row[1] for row in rows) / n, sum(row[2] for row in rows) / n) if n else None


def missing_pair_bounds(
    improved: int, regressed: int, pairs: int, missing: int
) -> tuple[float, float] | None:
    """The difference if every missing pair went against the candidate, and if all went for it.

    `None` when there is neither a pair nor a missing one. ValueError for impossible counts.
    """
    check_counts(missing=missing, b=improved, c=regressed)
    check_part("discordant", improved + regressed, "pairs", pairs)
    total = pairs + missing
    if total == 0:
        return None
    net = improved - regressed
    return (net - missing) / total, (net + missing) / total


def coverage_warnings(*variants: Denominators) -> tuple[str, ...]:
    """("coverage",) if under 95% of the runs are graded, or two variants differ by 2 points."""
    shares = [variant.coverage for variant in variants if variant.coverage is not None]
    if not shares:
        return ()
    low, high = min(shares), max(shares)
    return ("coverage",) if low < COVERAGE_FLOOR or high - low > COVERAGE_GAP else ()
