"""Coverage and errors of one truth and one design: the figures of `benchmarks.coverage`.

Exact ones take the design; simulated ones a generator and the number of data sets, too.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from ml_agents_results.statistics.bounded_mean import mean_of_values
from ml_agents_results.statistics.cluster_robust import clustered_mean, sample_mean
from ml_agents_results.statistics.difference_sums import (
    Design,
    DifferenceSums,
    clustered_design,
    margin_test,
    matched_tango,
    pseudo_sample_interval,
    stratified_design,
)
from ml_agents_results.statistics.distributions import fair_coin_exact_p, fair_coin_mid_p
from ml_agents_results.statistics.macro_averages import Stratum, stratified_se
from ml_agents_results.statistics.numeric_difference import pseudo_sample_t
from ml_agents_results.statistics.proportions import INTERVAL_METHODS, wilson
from ml_agents_results.statistics.repeats import repeated_accuracy
from ml_agents_results.statistics.sample_sizes import paired_sample_size
from ml_agents_results.statistics.sign_flip import sign_flip

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Generator = np.random.Generator
Draw = Callable[[Generator, tuple[int, int]], Floats]
LEVEL = 0.95
SIZES = (30, 100, 300, 1319)
UNDEFINED = (math.nan, math.nan)

RATES = np.linspace(0.01, 0.99, 981)
"""True accuracies for intervals of an accuracy: close together, because minima are narrow."""

DISCORDANCES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.95)
TRUTHS = [
    (share * (1 + lean) / 2, share * (1 - lean) / 2)
    for share in DISCORDANCES
    for lean in (0.0, 0.15, 0.3, 0.5, 0.7, 0.85, 0.95)
]
"""Shares of samples that only the candidate answers, and only the baseline."""


def _bounds(interval: Any) -> tuple[float, float]:
    """Of a pair, an interval or an estimate; a bound that is the truth but for rounding holds it,
    one that is undefined holds nothing."""
    if not isinstance(interval, tuple):
        names = ("low", "high") if hasattr(interval, "low") else ("ci_low", "ci_high")
        interval = tuple(getattr(interval, name) for name in names)
    low, high = interval
    return UNDEFINED if None in (low, high) else (low - 1e-12, high + 1e-12)


def _held(truth: float, intervals: Iterable[Sequence[Any]]) -> list[float]:
    """The shares of experiments in which each of their intervals holds the truth."""
    bounds = np.array([[_bounds(one) for one in row] for row in intervals])
    shares: list[float] = ((bounds[..., 0] <= truth) & (truth <= bounds[..., 1])).mean(0).tolist()
    return shares


# Exact: independent samples


def _coverage(intervals: Iterable[Any], chances: Floats, truths: Floats) -> Sequence[float]:
    """Mean and minimum of coverage over the truths, and the mean width, by outcome and truth."""
    low, high = np.array([_bounds(one) for one in intervals]).T
    coverage = (chances * ((low[:, None] <= truths) & (truths <= high[:, None]))).sum(axis=0)
    width = (chances * (high - low)[:, None]).sum(axis=0)
    return float(coverage.mean()), float(coverage.min()), float(width.mean())


def single(n: int, method: str) -> Sequence[float]:
    outcomes = np.arange(n + 1)
    chances = stats.binom.pmf(outcomes[:, None], n, RATES)
    interval: Callable[..., Any] = INTERVAL_METHODS.get(method, _wald)
    return _coverage((interval(int(k), n, LEVEL) for k in outcomes), chances, RATES)


def _wald(correct: int, n: int, _confidence: float) -> Any:
    p = correct / n
    half = float(stats.norm.ppf(0.975)) * math.sqrt(p * (1 - p) / n)
    return p - half, p + half


def paired(n: int, method: str) -> Sequence[float]:
    gained, lost = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
    gained, lost = gained[gained + lost <= n], lost[gained + lost <= n]
    counts = np.column_stack([gained, lost, n - gained - lost])
    columns = [stats.multinomial.pmf(counts, n, [b, c, 1 - b - c]) for b, c in TRUTHS]
    differences = np.array([more - less for more, less in TRUTHS])
    intervals = (
        PAIRED_METHODS[method](DifferenceSums.of_table(int(b), int(c), n), LEVEL)
        for b, c in zip(gained, lost, strict=True)
    )
    return _coverage(intervals, np.column_stack(columns), differences)


def _paired_t(sums: DifferenceSums, _confidence: float) -> tuple[float, float]:
    mean = sample_mean(sums.n, sums.total, sums.squares)
    half = float(stats.t.ppf(0.975, sums.n - 1)) * (mean.se or 0.0)
    return (mean.mean or 0.0) - half, (mean.mean or 0.0) + half


PAIRED_METHODS: dict[str, Callable[[DifferenceSums, float], Any]] = {
    "bonett-price": pseudo_sample_interval,
    "tango": matched_tango,
    "(paired t)": _paired_t,
}
MCNEMAR = (fair_coin_mid_p, fair_coin_exact_p)


def false_alarms(n: int) -> Sequence[float]:
    shares = np.array(DISCORDANCES) / 2
    return [max(_rejected(p_value, n, share, share) for share in shares) for p_value in MCNEMAR]


def power(psi: float, difference: float) -> Sequence[float]:
    n = paired_sample_size(difference, psi).samples
    more, less = (psi + difference) / 2, (psi - difference) / 2
    return [n, *(_rejected(p_value, n, more, less) for p_value in MCNEMAR)]


def _rejected(p_value: Callable[[int, int], float], n: int, more: float, less: float) -> float:
    """The probability of a p value of at most .05."""
    discordant = np.arange(n + 1)
    # The largest count on the smaller side that is still significant; -1 where none is.
    critical = np.array([_critical(p_value, int(m)) for m in discordant])
    chances = stats.binom.pmf(discordant, n, more + less)
    share = more / (more + less)
    below = stats.binom.cdf(critical, discordant, share)
    above = stats.binom.sf(discordant - critical - 1, discordant, share)
    return float((chances * (below + above)).sum())


def _critical(p_value: Callable[[int, int], float], discordant: int) -> int:
    low, high = -1, (discordant - 1) // 2
    while low < high:
        middle = (low + high + 1) // 2
        significant = p_value(middle, discordant - middle) <= 1 - LEVEL + 1e-15
        low, high = (middle, high) if significant else (low, middle - 1)
    return low


# Simulated: accuracies


def _rates(generator: Generator, p: float, icc: float, shape: Any) -> Floats:
    """Rates of groups around `p`, by their intraclass correlation."""
    spread = (1 - icc) / icc
    return generator.beta(p * spread, (1 - p) * spread, shape) if p else np.zeros(shape)


def clustered(generator: Generator, replicates: int, groups: int, p: float) -> Sequence[float]:
    sizes = generator.integers(100, 201, groups)
    correct = generator.binomial(sizes, _rates(generator, p, 0.15, (replicates, groups)))

    def intervals(sums: Counts) -> Sequence[Any]:
        mean = clustered_mean(sizes.tolist(), sums.tolist(), sums.tolist())
        half = float(stats.t.ppf(0.975, groups - 1)) * (mean.se_cr1 or 0.0)
        usual = ((mean.mean or 0.0) - half, (mean.mean or 0.0) + half)
        reported = mean.as_accuracy(confidence=LEVEL)
        iid = wilson(int(sums.sum()), int(sizes.sum()), LEVEL)
        return reported, iid, usual, mean.interval(LEVEL)

    return _held(p, map(intervals, correct))


def repeated(generator: Generator, replicates: int, p: float, n: int, k: int) -> Sequence[float]:
    """Of samples whose own rates vary."""
    correct = generator.binomial(k, _rates(generator, p, 0.6, (replicates, n)))

    def intervals(row: Counts) -> Sequence[Any]:
        table = {(k, right): count for right, count in _counts(row).items()}
        mean = sample_mean(n, float((row / k).sum()), float(((row / k) ** 2).sum()))
        runs = wilson(int(row.sum()), k * n, LEVEL)
        return repeated_accuracy(table, LEVEL), mean.interval(LEVEL), runs

    return _held(p, map(intervals, correct))


def _counts(row: Counts) -> dict[int, int]:
    values, counts = np.unique(row, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


# Simulated: differences of right and wrong


def _steps(
    generator: Generator, shape: tuple[int, int], k: int, change: float, lean: float, noisy: float
) -> Counts:
    """Right answers of the candidate minus the baseline's, of k each: a share of samples changes,
    in a direction that leans, and a share of noisy ones is answered at random."""
    shares = [change * (1 + lean) / 2, change * (1 - lean) / 2, noisy, 1 - change - noisy]
    kind = generator.choice(4, shape, p=shares)
    steps = np.where(kind == 0, k, np.where(kind == 1, -k, 0))
    noise = generator.binomial(k, 0.5, shape) - generator.binomial(k, 0.5, shape)
    return np.where(kind == 2, noise, steps)


LOSSES = {"rare loss": (0.02, -1.0, 0.0), "some": (0.1, 0.5, 0.3), "many": (0.3, 0.0, 0.3)}
"""Change, lean and noise."""


def repeated_difference(
    generator: Generator, replicates: int, losses: str, n: int, k: int
) -> Sequence[float]:
    change, lean, noisy = LOSSES[losses]
    steps = _steps(generator, (replicates, n), k, change, lean, noisy)
    null = _steps(generator, (replicates, n), k, change, 0.0, noisy)

    def intervals(row: Counts) -> Sequence[Any]:
        sums = DifferenceSums.of_steps(_counts(row), k)
        mean = sample_mean(n, sums.total, sums.squares)
        return pseudo_sample_interval(sums, LEVEL), mean.interval(LEVEL)

    alarms = [sign_flip(_counts(row)).p_mid <= 1 - LEVEL for row in null]
    return [*_held(change * lean, map(intervals, steps)), float(np.mean(alarms))]


TASKS = {
    "all losses, .01": (0.01, -1.0),
    "leaning, .05": (0.05, -0.8),
    "both ways, .20": (0.2, 0.0),
}
"""Change and lean."""


def clustered_difference(
    generator: Generator, replicates: int, tasks: str, groups: int
) -> Sequence[float]:
    change, lean = TASKS[tasks]
    sizes = generator.integers(5, 301, groups)

    def intervals() -> Sequence[Any]:
        worse, better = (
            _rates(generator, change * (1 + side * lean) / 2, 0.02, groups) for side in (-1, 1)
        )
        lost = generator.binomial(sizes, worse)
        gained = generator.binomial(sizes, np.minimum(1.0, better))
        d, both = gained - lost, gained + lost
        mean = clustered_mean(sizes.tolist(), d.tolist(), both.tolist())
        sums, reported = _single_sums(sizes, d, both), UNDEFINED
        if mean.se is not None and mean.dof is not None:
            design = clustered_design(sums, mean.se, mean.dof, groups)
            reported = _bounds(pseudo_sample_interval(sums, LEVEL, design))
        return reported, mean.interval(LEVEL), pseudo_sample_interval(sums, LEVEL)

    return _held(change * lean, (intervals() for _ in range(replicates)))


def _single_sums(sizes: Counts, d: Counts, differing: Counts) -> DifferenceSums:
    """Of single answers: the differences and how many differ, by task."""
    total, changed = float(d.sum()), int(differing.sum())
    return DifferenceSums(int(sizes.sum()), total, float(changed), 0.0, changed)


def difference_in_strata(generator: Generator, replicates: int, groups: int) -> Sequence[float]:
    """Of 5 to 60 samples each, with their own true difference."""
    sizes = generator.integers(5, 61, groups)
    change = generator.uniform(0.05, 0.4, groups)
    lean = generator.uniform(-0.5, 1.0, groups)
    up, down = change * (1 + lean) / 2, change * (1 - lean) / 2

    def intervals() -> Sequence[Any]:
        gained = generator.binomial(sizes, up)
        lost = generator.binomial(sizes - gained, down / (1 - up))
        d, both = gained - lost, gained + lost
        sums = _single_sums(sizes, d, both)
        strata = [
            Stratum(n, s / n, sample_mean(n, float(s), float(q)).se)
            for n, s, q in zip(sizes.tolist(), d.tolist(), both.tolist(), strict=True)
        ]
        se = stratified_se(strata, (sizes / sizes.sum()).tolist())
        reported = pseudo_sample_interval(sums, LEVEL, stratified_design(sums, se))
        return reported, pseudo_sample_interval(sums, LEVEL)

    truth = float((sizes * change * lean).sum() / sizes.sum())
    return _held(truth, (intervals() for _ in range(replicates)))


def loss_of_margin(
    generator: Generator, replicates: int, size: tuple[int, float], k: int, kind: str
) -> Sequence[float]:
    """How often a loss of exactly the margin passes as less, at 5%."""
    n, margin = size
    change, passed = margin if kind == "losses" else 4 * margin, np.zeros(2)
    for row in _steps(generator, (replicates, n), k, change, -margin / change, 0.0):
        sums = DifferenceSums.of_steps(_counts(row), k)
        test = margin_test(sums, margin, LEVEL)
        passed[0] += test is not None and test.p_non_inferior <= 1 - LEVEL
        passed[1] += (pseudo_sample_interval(sums, 0.9).low or 0.0) > -margin
    shares: list[float] = (passed / replicates).tolist()
    return shares


# Simulated: numbers


def _mixture(*parts: tuple[float, float | None]) -> Draw:
    """F1-like values: of each share a constant, where None is given a beta around one half."""
    edges = np.cumsum([share for share, _ in parts])

    def draw(generator: Generator, shape: tuple[int, int]) -> Floats:
        chance, middle = generator.random(shape), generator.beta(2, 2, shape)
        values = [middle if value is None else value for _, value in parts]
        return np.select([chance < edge for edge in edges], values, values[-1])

    return draw


def _choice(values: Sequence[float], shares: Sequence[float]) -> Draw:
    return lambda generator, shape: generator.choice(values, shape, p=shares)


def _half_change(generator: Generator, shape: tuple[int, int]) -> Floats:
    return np.where(generator.random(shape) < 0.5, generator.normal(0.02, 0.2, shape), 0.0)


POPULATIONS: dict[str, tuple[Draw, float, tuple[float, float] | None]] = {
    "F1, 45% ones": (_mixture((0.45, 1.0), (0.2, 0.0), (0.35, None)), 0.625, (0, 1)),
    "F1, 75% zeros": (_mixture((0.75, 0.0), (0.25, None)), 0.125, (0, 1)),
    "F1, 95% ones": (_mixture((0.95, 1.0), (0.05, None)), 0.975, (0, 1)),
    "ratings, 70% fives": (_choice((1, 2, 3, 4, 5), (0.02, 0.03, 0.05, 0.2, 0.7)), 4.53, (1, 5)),
    "lognormal, no range": (lambda g, shape: g.lognormal(0, 1, shape), math.exp(0.5), None),
}
CHANGES: dict[str, tuple[Draw, float, float | None]] = {
    "F1, half change": (_half_change, 0.01, 1.0),
    "F1, rare loss of .6": (lambda g, s: np.where(g.random(s) < 0.03, -0.6, 0.0), -0.018, 1.0),
    "ratings, 20% move": (_choice((-1, 0, 1), (0.12, 0.8, 0.08)), -0.04, 4.0),
    "lognormal, no range": (lambda g, s: g.lognormal(0, 1, s) - g.lognormal(0, 1, s), 0.0, None),
}
"""How values are drawn, the true mean, and the range or its width."""


def mean_of_numbers(
    generator: Generator, replicates: int, population: str, n: int
) -> Sequence[float]:
    draw, truth, bounds = POPULATIONS[population]

    def intervals(row: Floats) -> Sequence[Any]:
        mean = sample_mean(n, float(row.sum()), float((row**2).sum()))
        return mean_of_values(mean, n, bounds, LEVEL), mean.interval(LEVEL)

    return _held(truth, map(intervals, draw(generator, (replicates, n))))


def difference_of_numbers(
    generator: Generator, replicates: int, change: str, n: int
) -> Sequence[float]:
    """Also clustered by 15 tasks that do not matter."""
    draw, truth, span = CHANGES[change]

    def intervals(row: Floats) -> Sequence[Any]:
        total, squares = float(row.sum()), float((row**2).sum())
        magnitude, changed = float(np.abs(row).sum()), int(np.count_nonzero(row))
        sums = DifferenceSums(n, total, squares, magnitude, changed)
        task = generator.integers(0, 15, n)
        sizes = np.bincount(task, minlength=15)
        parts = (sizes, np.bincount(task, row, 15), np.bincount(task, row**2, 15))
        groups, in_tasks = clustered_mean(*(part[sizes > 0].tolist() for part in parts)), UNDEFINED
        if groups.se is not None and groups.dof is not None:
            design = clustered_design(sums, groups.se, groups.dof, int((sizes > 0).sum()))
            in_tasks = _bounds(pseudo_sample_t(sums, design, span, LEVEL))
        reported = pseudo_sample_t(sums, Design(dof=n - 1.0), span, LEVEL)
        return reported, sample_mean(n, total, squares).interval(LEVEL), in_tasks

    return _held(truth, map(intervals, draw(generator, (replicates, n))))
