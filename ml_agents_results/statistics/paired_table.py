"""2x2 table of two approaches on the same samples, and its measures.

McNemar's test on it is the sign-flip test (`sign_flip`) of single answers.
"""

import math
from dataclasses import asdict, dataclass

from ml_agents_results.statistics.distributions import (
    check_counts,
    check_part,
    normal_two_sided_p,
)


@dataclass(frozen=True, slots=True)
class PairedTable:
    """How many shared samples both, one or neither of two approaches answered correctly.

    ValueError for counts that are negative or not whole.
    """

    both_correct: int
    improved: int
    regressed: int
    neither_correct: int

    def __post_init__(self) -> None:
        check_counts(**asdict(self))

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
    """The p value of a test that ignores the pairing, the two-sided unpooled z test of
    `correct_a` of `n_a` samples against `correct_b` of `n_b`.

    None when a variant is empty or both variances are 0; ValueError for impossible counts.
    """
    check_part("correct_a", correct_a, "n_a", n_a)
    check_part("correct_b", correct_b, "n_b", n_b)
    if not n_a or not n_b:
        return None
    p_a, p_b = correct_a / n_a, correct_b / n_b
    variance = p_a * (1.0 - p_a) / n_a + p_b * (1.0 - p_b) / n_b
    return normal_two_sided_p((p_a - p_b) / math.sqrt(variance)) if variance else None


def probability_of_superiority(table: PairedTable) -> float | None:
    """P(candidate is better | data) under a uniform Dirichlet prior on the four cells, exact for
    independent samples asked once: .5 without discordant samples, None without pairs."""
    if not table.pairs:
        return None
    from scipy import special

    return float(special.betainc(table.regressed + 1, table.improved + 1, 0.5))
