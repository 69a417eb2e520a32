"""Cochran's Q: whether several approaches differ at all on the same samples.

Sources:
    Cochran 1950, doi:10.1093/biomet/37.3-4.256
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ml_agents_results.statistics.distributions import check_counts


@dataclass(frozen=True, slots=True)
class CochranQ:
    """Cochran's Q with its chi-squared p value on `dof` = approaches - 1.

    `statistic` and `p_value` are `None` with `no_shared_samples` or, when every sample was
    answered alike by all approaches, `no_discordant`. `method` is the unit it treats as
    independent, however errors are clustered elsewhere. It is for one answer to each sample of one
    experiment: else `repeats` or `several_experiments`.
    """

    statistic: float | None
    p_value: float | None
    dof: int
    n_samples: int
    null_reason: str | None = None
    method: str = "independent samples"


def cochrans_q(patterns: Mapping[str, int]) -> CochranQ:
    """Cochran's Q (1950): whether several approaches differ at all on the same samples.

    Args:
        patterns: Bit strings, one place for each approach, to numbers of samples that all of them
            answered. `{"101": 17}`: 17 samples that the first and third got right, the second not.

    Raises:
        ValueError: Strings of different length or with other characters, fewer than two
            approaches, or a negative count.
    """
    approaches = _checked_width(patterns)
    n_samples = sum(patterns.values())
    if n_samples == 0:
        return CochranQ(None, None, max(approaches - 1, 0), 0, "no_shared_samples")
    columns = [
        sum(count for bits, count in patterns.items() if bits[i] == "1") for i in range(approaches)
    ]
    total = sum(columns)
    row_squares = sum(count * bits.count("1") ** 2 for bits, count in patterns.items())
    dof = approaches - 1
    denominator = approaches * total - row_squares
    if denominator == 0:
        return CochranQ(None, None, dof, n_samples, "no_discordant")
    # Whole numbers up to the division: no rounding however many samples there are.
    statistic = dof * (approaches * sum(c * c for c in columns) - total * total) / denominator
    from scipy import special

    return CochranQ(statistic, float(special.chdtrc(dof, statistic)), dof, n_samples)


def _checked_width(patterns: Mapping[str, int]) -> int:
    widths = {len(bits) for bits in patterns}
    if len(widths) > 1 or any(set(bits) - {"0", "1"} for bits in patterns):
        raise ValueError("patterns must be strings of 0 and 1, all of one length")
    for bits, count in patterns.items():
        check_counts(**{f"count of {bits}": count})
    width = widths.pop() if widths else 0
    if patterns and width < 2:
        raise ValueError("Cochran's Q compares two or more approaches")
    return width
