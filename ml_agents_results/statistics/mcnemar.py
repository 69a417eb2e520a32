"""Which of two approaches answers more of the same samples? Tests and measures on a 2x2 table.

Only the discordant samples, answered by one approach and not by the other, carry evidence; the
intervals for the difference live in `paired_intervals`.

Sources:
    McNemar 1947, doi:10.1007/BF02295996
    Fagerland, Lydersen, Laake 2013, doi:10.1186/1471-2288-13-91
"""

import math
from dataclasses import dataclass

from ml_agents_results.statistics.distributions import (
    check_counts,
    check_part,
    fair_coin_exact_p,
    fair_coin_mid_p,
    normal_two_sided_p,
)


@dataclass(frozen=True, slots=True)
class PairedTable:
    """How many shared samples both, one or neither of two approaches answered correctly.

    Tables add up (`+`), so the table of a benchmark is the sum of its tasks'. ValueError for
    counts that are negative or not whole.
    """

    both_correct: int
    improved: int
    regressed: int
    neither_correct: int

    def __post_init__(self) -> None:
        check_counts(
            both_correct=self.both_correct,
            improved=self.improved,
            regressed=self.regressed,
            neither_correct=self.neither_correct,
        )

    def __add__(self, other: "PairedTable") -> "PairedTable":
        return PairedTable(
            self.both_correct + other.both_correct,
            self.improved + other.improved,
            self.regressed + other.regressed,
            self.neither_correct + other.neither_correct,
        )

    def swap(self) -> "PairedTable":
        """The same samples with candidate and baseline exchanged."""
        return PairedTable(
            self.both_correct,
            self.regressed,
            self.improved,
            self.neither_correct,
        )

    @property
    def discordant(self) -> int:
        """Samples that exactly one approach answered correctly."""
        return self.improved + self.regressed

    @property
    def pairs(self) -> int:
        """Shared samples."""
        return self.both_correct + self.discordant + self.neither_correct

    @property
    def candidate_correct(self) -> int:
        """Samples the candidate answered correctly."""
        return self.both_correct + self.improved

    @property
    def baseline_correct(self) -> int:
        """Samples the baseline answered correctly."""
        return self.both_correct + self.regressed

    @property
    def difference(self) -> float | None:
        """Accuracy of the candidate minus that of the baseline; `None` without pairs."""
        if not self.pairs:
            return None
        return (self.improved - self.regressed) / self.pairs

    @property
    def discordance(self) -> float | None:
        """The share of discordant samples (psi of the power formulas); `None` without pairs."""
        return self.discordant / self.pairs if self.pairs else None

    @property
    def se(self) -> float | None:
        """sd / sqrt(n) of the differences per sample: sqrt((b + c - (b - c)^2 / n) / n / (n - 1)).

        `None` with fewer than two pairs, and where it would be 0 and claim certainty.
        """
        if self.pairs < 2:
            return None
        net = self.improved - self.regressed
        # In whole numbers, so that "no variance" is recognised exactly.
        squares = self.discordant * self.pairs - net * net
        return math.sqrt(squares / (self.pairs - 1)) / self.pairs if squares else None


def mcnemar_mid_p(table: PairedTable) -> float | None:
    """Two-sided mid-p McNemar test, the default (Fagerland, Lydersen, Laake 2013).

    Returns:
        The p value, for any number of discordant samples: 1.0 if there are none, `None` without
        pairs.
    """
    if not table.pairs:
        return None
    return fair_coin_mid_p(table.improved, table.regressed)


def mcnemar_exact_p(table: PairedTable) -> float | None:
    """Two-sided exact conditional McNemar test (McNemar 1947), which is conservative.

    Returns:
        The p value: 1.0 without discordant samples, `None` without pairs.
    """
    if not table.pairs:
        return None
    return fair_coin_exact_p(table.improved, table.regressed)


def conditional_odds_ratio(table: PairedTable) -> float | None:
    """b / c: the odds that a discordant sample favours the candidate; `None` when c = 0."""
    if table.regressed == 0:
        return None
    return table.improved / table.regressed


def phi_correlation(table: PairedTable) -> float | None:
    """Correlation of the two approaches over samples, -1 to 1; `None` when one is constant."""
    candidate, baseline, n = table.candidate_correct, table.baseline_correct, table.pairs
    margins = candidate * (n - candidate) * baseline * (n - baseline)
    if not margins:
        return None
    cross = table.both_correct * table.neither_correct
    return (cross - table.improved * table.regressed) / math.sqrt(margins)


def unpaired_z_p(correct_a: int, n_a: int, correct_b: int, n_b: int) -> float | None:
    """What a test that ignores the pairing would have said: two-sided unpooled z test.

    Args:
        correct_a: Samples that A answered correctly, of its `n_a`; `correct_b` of `n_b` as well.

    Returns:
        The p value; `None` when a variant is empty or both variances are 0.

    Raises:
        ValueError: The counts are impossible.
    """
    check_part("correct_a", correct_a, "n_a", n_a)
    check_part("correct_b", correct_b, "n_b", n_b)
    if not n_a or not n_b:
        return None
    p_a, p_b = correct_a / n_a, correct_b / n_b
    variance = p_a * (1.0 - p_a) / n_a + p_b * (1.0 - p_b) / n_b
    return normal_two_sided_p((p_a - p_b) / math.sqrt(variance)) if variance else None


def probability_of_superiority(table: PairedTable) -> float | None:
    """P(candidate is better | data) under a uniform Dirichlet prior on the four cells, exact.

    Holds for independent samples asked once.

    Returns:
        A fraction: .5 without discordant samples, `None` without pairs.
    """
    if not table.pairs:
        return None
    from scipy import special

    return float(special.betainc(table.regressed + 1, table.improved + 1, 0.5))
