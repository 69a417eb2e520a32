"""How often intervals hold the truth, and tests err: by counting all outcomes, else by simulation.

    python -m benchmarks.coverage [--seed N] [--replicates 4000]

An interval of level 95% should hold the truth in 95% of all experiments, wherever the truth lies.
For independent samples every possible outcome is weighed by its probability: these figures are
exact and have no seed. For clusters, repeats, accuracies near 1 and numeric metrics, experiments
are simulated: a row is one truth and one design. Measured are the functions that the package
reports with; columns in brackets are what it does not offer. Ends with 1 where a figure that
docs/statistics promises is missed.
"""

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from ml_agents_results.statistics.strata import Stratum, stratified_se
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
from ml_agents_results.statistics.numeric_difference import pseudo_sample_t
from ml_agents_results.statistics.proportions import INTERVAL_METHODS, wilson
from ml_agents_results.statistics.repeats import repeated_accuracy
from ml_agents_results.statistics.sample_sizes import paired_sample_size
from ml_agents_results.statistics.sign_flip import sign_flip

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Draw = Callable[[np.random.Generator, tuple[int, int]], Floats]
SEEDS = (20261123, 20261128)
LEVEL = 0.95
SIZES = (30, 100, 300, 1319)

RATES = np.linspace(0.01, 0.99, 981)
"""True accuracies for intervals of an accuracy: close together, because minima are narrow."""

DISCORDANCES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.95)
LEANS = (0.0, 0.15, 0.3, 0.5, 0.7, 0.85, 0.95)
"""Truths for paired differences: the share of discordant samples, and the difference as a part of
it."""

LEAST = {
    "n=10 wilson": (0.95, 0.84),
    "n=30 wilson": (0.95, 0.895),
    "n=100 wilson": (0.95, 0.92),
    "n=300 wilson": (0.949, 0.935),
    "n=30 jeffreys": (0.949, 0.888),
    **{f"n={n} clopper-pearson": (0.95, 0.95) for n in (10, 30, 100, 300)},
    **{f"n={n} bonett-price": (0.95, 0.93) for n in (20, 50, 100, 250)},
    **{f"n={n} tango": (0.95, 0.92) for n in (20, 50, 100)},
    "G=10 p=0.5": (0.93,),
    "G=10 p=0.9": (0.91,),
    "G=27 p=0.9": (0.91,),
}
"""Promised mean and minimum of coverage, or the reported interval's coverage."""

LARGEST_SIZE = 0.05


class Tables:
    """Prints rows of figures and remembers which promise was missed."""

    def __init__(self) -> None:
        self.missed: list[str] = []

    def title(self, text: str, *columns: str) -> None:
        self._title = text
        print(f"\n{text}\n{'':26}" + "".join(f"{name:>12}" for name in columns))

    def row(self, name: str, *figures: float, **promises: float | None) -> None:
        """`least` and `least_1` bound the first and second figure from below, `most_2` the third
        from above."""
        print(f"{name:26}" + "".join(f"{figure:12.3f}" for figure in figures))
        for promise, bound in promises.items():
            kind, _, column = promise.partition("_")
            figure = figures[int(column or 0)]
            if bound is not None and (figure < bound if kind == "least" else figure > bound):
                self.missed.append(f"{self._title}, {name}: {figure:.4f}, {kind} {bound}")


def _bounds(interval: Any) -> tuple[float, float]:
    """Of a pair, an interval or an estimate; a bound that is the truth but for rounding holds it,
    one that is undefined holds nothing."""
    if not isinstance(interval, tuple):
        names = ("low", "high") if hasattr(interval, "low") else ("ci_low", "ci_high")
        interval = tuple(getattr(interval, name) for name in names)
    low, high = interval
    return (math.nan, math.nan) if None in (low, high) else (low - 1e-12, high + 1e-12)


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


def single(tables: Tables) -> None:
    tables.title("Accuracy of n samples, truth .01 to .99 (exact)", "mean", "min", "width")
    for n in (10, 30, 100, 300):
        outcomes = np.arange(n + 1)
        chances = stats.binom.pmf(outcomes[:, None], n, RATES)
        for name, method in {**INTERVAL_METHODS, "(wald)": _wald}.items():
            intervals = (method(int(k), n, LEVEL) for k in outcomes)
            _exact_row(tables, f"n={n} {name}", _coverage(intervals, chances, RATES))


def _exact_row(tables: Tables, name: str, figures: Sequence[float]) -> None:
    mean, minimum = LEAST.get(name, (None, None))
    tables.row(name, *figures, least=mean, least_1=minimum)


def _wald(correct: int, n: int, _confidence: float) -> tuple[float, float]:
    p = correct / n
    half = float(stats.norm.ppf(0.975)) * math.sqrt(p * (1 - p) / n)
    return p - half, p + half


def paired(tables: Tables) -> None:
    methods: dict[str, Callable[[DifferenceSums, float], Any]] = {
        "bonett-price": pseudo_sample_interval,
        "tango": matched_tango,
        "(paired t)": _paired_t,
    }
    title = "Difference on n shared samples, discordance .005 to .95 (exact)"
    tables.title(title, "mean", "min", "width")
    truths = [
        (psi * (1 + lean) / 2, psi * (1 - lean) / 2) for psi in DISCORDANCES for lean in LEANS
    ]
    for n in (20, 50, 100, 250):
        gained, lost = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
        gained, lost = gained[gained + lost <= n], lost[gained + lost <= n]
        counts = np.column_stack([gained, lost, n - gained - lost])
        chances = np.column_stack(
            [stats.multinomial.pmf(counts, n, [b, c, 1 - b - c]) for b, c in truths]
        )
        differences = np.array([more - less for more, less in truths])
        for name, method in methods.items():
            if name != "tango" or n <= 100:
                intervals = (
                    method(DifferenceSums.of_table(int(b), int(c), n), LEVEL)
                    for b, c in zip(gained, lost, strict=True)
                )
                _exact_row(tables, f"n={n} {name}", _coverage(intervals, chances, differences))


def _paired_t(sums: DifferenceSums, _confidence: float) -> tuple[float, float]:
    mean = sample_mean(sums.n, sums.total, sums.squares)
    half = float(stats.t.ppf(0.975, sums.n - 1)) * (mean.se or 0.0)
    return (mean.mean or 0.0) - half, (mean.mean or 0.0) + half


def tests(tables: Tables) -> None:
    """False alarms of McNemar's tests at 5%, and their power at the sizes that Connor asks for."""
    tables.title("False alarms of McNemar at 5% (exact)", "mid-p", "exact")
    both = (fair_coin_mid_p, fair_coin_exact_p)
    for n in (20, 50, 100, 250):
        sizes = [
            max(_rejected(p_value, n, share, share) for share in np.array(DISCORDANCES) / 2)
            for p_value in both
        ]
        # Mid-p is not bound by its level as the exact test is; a tenth of a point is its licence.
        tables.row(f"n={n}, largest", *sizes, most=LARGEST_SIZE + 0.001, most_1=LARGEST_SIZE)
    tables.title("Power at the sample size of Connor for 80% (exact)", "n", "mid-p", "exact")
    for psi, difference in ((0.2, 0.05), (0.3, 0.1), (0.4, 0.1), (0.1, 0.03)):
        n = paired_sample_size(difference, psi).samples
        more, less = (psi + difference) / 2, (psi - difference) / 2
        powers = [_rejected(p_value, n, more, less) for p_value in both]
        tables.row(f"psi={psi:g} d={difference:g}", n, *powers, least_1=0.8)


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
        if p_value(middle, discordant - middle) <= LARGEST_SIZE:
            low = middle
        else:
            high = middle - 1
    return low


# Simulated: accuracies


def _rates(generator: np.random.Generator, p: float, icc: float, shape: Any) -> Floats:
    """Rates of groups around `p`, by their intraclass correlation."""
    spread = (1 - icc) / icc
    return generator.beta(p * spread, (1 - p) * spread, shape) if p else np.zeros(shape)


def clustered(tables: Tables, generator: np.random.Generator, replicates: int) -> None:
    title = "Accuracy over G tasks of 100 to 200 samples, ICC .15 (simulated)"
    tables.title(title, "reported", "(iid)", "(CR1, t)", "(CR2, t)")
    for groups, p in ((10, 0.5), (10, 0.9), (10, 0.97), (27, 0.5), (27, 0.9), (27, 0.97)):
        sizes = generator.integers(100, 201, groups)
        correct = generator.binomial(sizes, _rates(generator, p, 0.15, (replicates, groups)))

        def intervals(sums: Counts, sizes: Counts = sizes) -> Sequence[Any]:
            mean = clustered_mean(sizes.tolist(), sums.tolist(), sums.tolist())
            half = float(stats.t.ppf(0.975, len(sizes) - 1)) * (mean.se_cr1 or 0.0)
            centre = mean.mean or 0.0
            return (
                mean.as_accuracy(confidence=LEVEL),
                wilson(int(sums.sum()), int(sizes.sum()), LEVEL),
                (centre - half, centre + half),
                mean.interval(LEVEL),
            )

        name = f"G={groups} p={p}"
        least = LEAST.get(name, (None,))[0]
        tables.row(name, *_held(p, map(intervals, correct)), least=least)


def repeated(tables: Tables, generator: np.random.Generator, replicates: int) -> None:
    title = "Accuracy of n samples asked 3 times, ICC .6 (simulated)"
    tables.title(title, "reported", "(t)", "(runs)")
    for n in (20, 50, 100):
        for p in (0.5, 0.8):
            held = _asked_again(generator, replicates, p, n, 3)
            tables.row(f"n={n} p={p}", *held, least=0.93)


def ceilings(tables: Tables, generator: np.random.Generator, replicates: int) -> None:
    title = "Accuracy near 1 of n samples asked k times, ICC .6 (simulated)"
    tables.title(title, "reported", "(t)", "(runs)")
    for p in (0.95, 0.98):
        for n in SIZES:
            for k in (3, 10):
                held = _asked_again(generator, replicates, p, n, k)
                tables.row(f"p={p} n={n} k={k}", *held, least=0.9 if (1 - p) * n >= 5 else None)


def _asked_again(
    generator: np.random.Generator, replicates: int, p: float, n: int, k: int
) -> list[float]:
    """Coverage for n samples asked k times, whose own rates vary."""
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

LOSSES = (("rare loss", 0.02, -1.0, 0.0), ("some", 0.1, 0.5, 0.3), ("many", 0.3, 0.0, 0.3))
"""Name, share of samples that change, which way they go, and share whose answers vary."""


def _steps(generator: np.random.Generator, shape: tuple[int, int], k: int, *truth: float) -> Counts:
    """Right answers of the candidate minus the baseline's, of k each."""
    change, lean, noisy = truth
    shares = [change * (1 + lean) / 2, change * (1 - lean) / 2, noisy, 1 - change - noisy]
    kind = generator.choice(4, shape, p=shares)
    steps = np.where(kind == 0, k, np.where(kind == 1, -k, 0))
    noise = generator.binomial(k, 0.5, shape) - generator.binomial(k, 0.5, shape)
    return np.where(kind == 2, noise, steps)


def repeated_differences(tables: Tables, generator: np.random.Generator, replicates: int) -> None:
    """Also false alarms of their test at 5%."""
    title = "Difference on n samples asked k times (simulated)"
    tables.title(title, "reported", "(paired t)", "alarms")
    for name, change, lean, noisy in LOSSES:
        for n in SIZES:
            for k in (1, 5):
                shape = (replicates, n)
                steps = _steps(generator, shape, k, change, lean, noisy)
                null = _steps(generator, shape, k, change, 0.0, noisy)

                def intervals(row: Counts, n: int = n, k: int = k) -> Sequence[Any]:
                    sums = DifferenceSums.of_steps(_counts(row), k)
                    mean = sample_mean(n, sums.total, sums.squares)
                    return pseudo_sample_interval(sums, LEVEL), mean.interval(LEVEL)

                held = _held(change * lean, map(intervals, steps))
                alarms = np.mean([sign_flip(_counts(row)).p_mid <= 1 - LEVEL for row in null])
                tables.row(f"{name} n={n} k={k}", *held, float(alarms), least=0.93, most_2=0.065)


def _single_sums(n: int, d: Any, differing: Any) -> DifferenceSums:
    """Of single answers: the differences and how many differ, by task."""
    return DifferenceSums(n, float(d.sum()), float(differing.sum()), 0.0, int(differing.sum()))


def clustered_differences(tables: Tables, generator: np.random.Generator, replicates: int) -> None:
    title = "Difference over G tasks of 5 to 300, ICC .02 (simulated)"
    tables.title(title, "reported", "(CR2 t)", "(iid)")
    for name, change, lean, least in (
        ("all losses, .01", 0.01, -1.0, 0.87),
        ("leaning, .05", 0.05, -0.8, 0.91),
        ("both ways, .20", 0.2, 0.0, 0.92),
    ):
        for groups in (5, 8, 15, 23, 57):
            sizes = generator.integers(5, 301, groups)

            def intervals(
                change: float = change, lean: float = lean, sizes: Counts = sizes
            ) -> Sequence[Any]:
                worse, better = (
                    _rates(generator, change * (1 + side * lean) / 2, 0.02, len(sizes))
                    for side in (-1, 1)
                )
                lost = generator.binomial(sizes, worse)
                gained = generator.binomial(sizes, np.minimum(1.0, better))
                d, both = gained - lost, gained + lost
                sums = _single_sums(int(sizes.sum()), d, both)
                mean = clustered_mean(sizes.tolist(), d.tolist(), both.tolist())
                reported: Any = (None, None)
                if mean.se is not None and mean.dof is not None:
                    design = clustered_design(sums, mean.se, mean.dof, len(sizes))
                    reported = pseudo_sample_interval(sums, LEVEL, design)
                return reported, mean.interval(LEVEL), pseudo_sample_interval(sums, LEVEL)

            held = _held(change * lean, (intervals() for _ in range(replicates)))
            tables.row(f"{name} G={groups}", *held, least=least)


def differences_in_strata(tables: Tables, generator: np.random.Generator, replicates: int) -> None:
    """For these very tasks: G of 5 to 60 samples, each with its own true difference."""
    tables.title("Difference on G very tasks (simulated)", "reported", "(iid)")
    for groups in (8, 23, 57):
        sizes = generator.integers(5, 61, groups)
        change = generator.uniform(0.05, 0.4, groups)
        lean = generator.uniform(-0.5, 1.0, groups)
        up, down = change * (1 + lean) / 2, change * (1 - lean) / 2

        def intervals(sizes: Counts = sizes, up: Floats = up, down: Floats = down) -> Sequence[Any]:
            gained = generator.binomial(sizes, up)
            lost = generator.binomial(sizes - gained, down / (1 - up))
            d, both = gained - lost, gained + lost
            sums = _single_sums(int(sizes.sum()), d, both)
            strata = [
                Stratum(int(n), s / n, sample_mean(int(n), float(s), float(q)).se)
                for n, s, q in zip(sizes.tolist(), d.tolist(), both.tolist(), strict=True)
            ]
            se = stratified_se(strata, (sizes / sizes.sum()).tolist())
            reported = pseudo_sample_interval(sums, LEVEL, stratified_design(sums, se))
            return reported, pseudo_sample_interval(sums, LEVEL)

        truth = float((sizes * change * lean).sum() / sizes.sum())
        held = _held(truth, (intervals() for _ in range(replicates)))
        tables.row(f"G={groups}", *held, least=0.93)


def margins(tables: Tables, generator: np.random.Generator, replicates: int) -> None:
    """How often a loss of exactly the margin passes as less, at 5%."""
    tables.title("A loss of the margin called non-inferior (simulated)", "reported", "(BP 90%)")
    for n, margin in ((100, 0.05), (300, 0.02), (300, 0.05), (1319, 0.01), (1319, 0.02)):
        for k in (1, 5):
            for change, name in ((margin, "losses"), (4 * margin, "both ways")):
                passed = np.zeros(2)
                for row in _steps(generator, (replicates, n), k, change, -margin / change, 0.0):
                    sums = DifferenceSums.of_steps(_counts(row), k)
                    test = margin_test(sums, margin, LEVEL)
                    passed[0] += test is not None and test.p_non_inferior <= 1 - LEVEL
                    passed[1] += (pseudo_sample_interval(sums, 0.9).low or 0.0) > -margin
                name = f"n={n} M={margin} k={k} {name[:6]}"
                tables.row(name, *(passed / replicates), most=0.075)


# Simulated: numbers


def _mixture(*parts: tuple[float, float | None]) -> Draw:
    """F1-like values: of each share a constant, where None is given a beta around one half."""
    edges = np.cumsum([share for share, _ in parts])

    def draw(generator: np.random.Generator, shape: tuple[int, int]) -> Floats:
        chance, middle = generator.random(shape), generator.beta(2, 2, shape)
        values = [middle if value is None else value for _, value in parts]
        return np.select([chance < edge for edge in edges], values, values[-1])

    return draw


def _choice(values: Sequence[float], shares: Sequence[float]) -> Draw:
    return lambda generator, shape: generator.choice(values, shape, p=shares)


def _half_change(generator: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return np.where(generator.random(shape) < 0.5, generator.normal(0.02, 0.2, shape), 0.0)


def _skewed(generator: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return generator.lognormal(0, 1, shape) - generator.lognormal(0, 1, shape)


POPULATIONS: tuple[tuple[str, Draw, float, tuple[float, float] | None], ...] = (
    ("F1, 45% ones", _mixture((0.45, 1.0), (0.2, 0.0), (0.35, None)), 0.625, (0, 1)),
    ("F1, 75% zeros", _mixture((0.75, 0.0), (0.25, None)), 0.125, (0, 1)),
    ("F1, 95% ones", _mixture((0.95, 1.0), (0.05, None)), 0.975, (0, 1)),
    ("ratings, 70% fives", _choice((1, 2, 3, 4, 5), (0.02, 0.03, 0.05, 0.2, 0.7)), 4.53, (1, 5)),
    ("lognormal, no range", lambda g, shape: g.lognormal(0, 1, shape), math.exp(0.5), None),
)
CHANGES: tuple[tuple[str, Draw, float, float | None], ...] = (
    ("F1, half change", _half_change, 0.01, 1.0),
    ("F1, rare loss of .6", lambda g, s: np.where(g.random(s) < 0.03, -0.6, 0.0), -0.018, 1.0),
    ("ratings, 20% move", _choice((-1, 0, 1), (0.12, 0.8, 0.08)), -0.04, 4.0),
    ("lognormal, no range", _skewed, 0.0, None),
)


def means_of_numbers(tables: Tables, generator: np.random.Generator, replicates: int) -> None:
    tables.title("Mean of a numeric metric (simulated)", "reported", "(t)")
    for name, draw, truth, bounds in POPULATIONS:
        for n in SIZES:

            def intervals(
                row: Floats, n: int = n, bounds: tuple[float, float] | None = bounds
            ) -> Sequence[Any]:
                mean = sample_mean(n, float(row.sum()), float((row**2).sum()))
                return mean_of_values(mean, n, bounds, LEVEL), mean.interval(LEVEL)

            held = _held(truth, map(intervals, draw(generator, (replicates, n))))
            tables.row(f"{name} n={n}", *held, least=0.87 if bounds is None else 0.92)


def differences_of_numbers(tables: Tables, generator: np.random.Generator, replicates: int) -> None:
    """Of the same metrics, singly and clustered by 15 tasks that do not matter."""
    tables.title("Difference of a numeric metric (simulated)", "reported", "(t)", "15 tasks")
    for name, draw, truth, span in CHANGES:
        for n in SIZES:

            def intervals(row: Floats, span: float | None = span) -> Sequence[Any]:
                sums = DifferenceSums(
                    len(row),
                    float(row.sum()),
                    float((row**2).sum()),
                    float(np.abs(row).sum()),
                    int(np.count_nonzero(row)),
                )
                mean = sample_mean(len(row), sums.total, sums.squares)
                reported = pseudo_sample_t(sums, Design(dof=len(row) - 1.0), span, LEVEL)
                task = generator.integers(0, 15, len(row))
                parts = [np.bincount(task, weights, 15) for weights in (row, row**2)]
                sizes = np.bincount(task, minlength=15)
                there = sizes > 0
                groups = clustered_mean(*(part[there].tolist() for part in (sizes, *parts)))
                in_tasks: Any = (None, None)
                if groups.se is not None and groups.dof is not None:
                    design = clustered_design(sums, groups.se, groups.dof, int(there.sum()))
                    in_tasks = pseudo_sample_t(sums, design, span, LEVEL)
                return reported, mean.interval(LEVEL), in_tasks

            held = _held(truth, map(intervals, draw(generator, (replicates, n))))
            tables.row(f"{name} n={n}", *held, least=0.93)


EXACT = (single, paired, tests)
SIMULATED = (
    (clustered, repeated),
    (
        repeated_differences,
        clustered_differences,
        differences_in_strata,
        margins,
        ceilings,
        means_of_numbers,
        differences_of_numbers,
    ),
)
"""Those of the first and of the second seed."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, help="[default: {}, then {}]".format(*SEEDS))
    parser.add_argument("--replicates", type=int, default=4000, help="of each simulation")
    options = parser.parse_args()
    tables = Tables()
    for study in EXACT:
        study(tables)
    for default, studies in zip(SEEDS, SIMULATED, strict=True):
        seed = default if options.seed is None else options.seed
        print(f"\nSimulations: {options.replicates} replicates, seed {seed}")
        generator = np.random.default_rng(seed)
        for simulation in studies:
            simulation(tables, generator, options.replicates)
    for miss in tables.missed:
        print(f"MISSED {miss}")
    return bool(tables.missed)


if __name__ == "__main__":
    sys.exit(main())
