"""Coverage and errors by simulation: differences with repeats and in clusters, ceilings, numbers.

Run by `coverage.py`. Every row is one truth and one design, `replicates` data sets; figures in
brackets are what the package does not offer. The data: single answers that all go one way, answers
that repeat themselves or vary, tasks of 5 to 300 samples whose own rates vary, accuracies of .95
and .98, F1 with many zeros, ratings near their top, logarithms that are normal.
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ml_agents_results.statistics.bounded_mean import mean_of_values
from ml_agents_results.statistics.cluster_robust import clustered_mean, sample_mean
from ml_agents_results.statistics.difference_sums import (
    Design,
    DifferenceSums,
    clustered_design,
    margin_test,
    pseudo_sample_interval,
    stratified_design,
)
from ml_agents_results.statistics.numeric_difference import pseudo_sample_t
from ml_agents_results.statistics.repeats import repeated_accuracy
from ml_agents_results.statistics.sign_flip import sign_flip
from ml_agents_results.statistics.strata import Stratum, stratified_se

Floats = npt.NDArray[np.float64]
SIMULATED_SEED = 20261128
SIZES = (30, 100, 300, 1319)
LEVEL = 0.95


class Printed(Protocol):
    """Where figures and promises go: `coverage.Tables`."""

    def title(self, text: str, *columns: str) -> None: ...
    def row(self, name: str, *figures: float) -> None: ...
    def promise(self, name: str, figure: float, least: float) -> None: ...


def simulations(tables: Printed, generator: np.random.Generator, replicates: int) -> None:
    """All of them."""
    repeated_differences(tables, generator, replicates)
    clustered_differences(tables, generator, replicates)
    differences_in_strata(tables, generator, replicates)
    margins(tables, generator, replicates)
    ceilings(tables, generator, replicates)
    means_of_numbers(tables, generator, replicates)
    differences_of_numbers(tables, generator, replicates)


def _holds(interval: Any, truth: float) -> bool:
    low = interval.low if hasattr(interval, "low") else interval.ci_low
    high = interval.high if hasattr(interval, "high") else interval.ci_high
    return low is not None and high is not None and low - 1e-12 <= truth <= high + 1e-12


def _t_holds(mean: Any, truth: float) -> bool:
    return _holds(mean.interval(LEVEL), truth)


# Right and wrong

LOSSES = (("rare loss", 0.02, -1.0, 0.0), ("some", 0.1, 0.5, 0.3), ("many", 0.3, 0.0, 0.3))
"""Name, share of samples that change, which way they go, and share whose answers vary."""


def _answers(
    generator: np.random.Generator,
    shape: tuple[int, int],
    truth: tuple[float, float, float],
    k: int,
) -> npt.NDArray[np.int64]:
    """Right answers of the candidate minus the baseline's, of k each."""
    change, lean, noisy = truth
    kind = generator.choice(
        4,
        shape,
        p=[change * (1 + lean) / 2, change * (1 - lean) / 2, noisy, 1 - change - noisy],
    )
    better, worse, vary = kind == 0, kind == 1, kind == 2
    steps = np.where(better, k, np.where(worse, -k, 0))
    noise = generator.binomial(k, 0.5, shape) - generator.binomial(k, 0.5, shape)
    return np.where(vary, noise, steps)


def repeated_differences(tables: Printed, generator: np.random.Generator, replicates: int) -> None:
    """Differences on n samples that both were asked k times, and false alarms of their test."""
    tables.title(
        "Difference on n samples asked k times (simulated)", "reported", "(paired t)", "alarms"
    )
    for name, *truth in LOSSES:
        for n in SIZES:
            for k in (1, 5):
                steps = _answers(generator, (replicates, n), (truth[0], truth[1], truth[2]), k)
                null = _answers(generator, (replicates, n), (truth[0], 0.0, truth[2]), k)
                held = np.zeros(3)
                for row, other in zip(steps, null, strict=True):
                    counts = _counts(row)
                    sums = DifferenceSums.of_steps(counts, k)
                    mean = sample_mean(n, sums.total, sums.squares)
                    d = truth[0] * truth[1]
                    held[0] += _holds(pseudo_sample_interval(sums, LEVEL), d)
                    held[1] += _t_holds(mean, d)
                    held[2] += sign_flip(_counts(other)).p_mid <= 1 - LEVEL
                tables.row(f"{name} n={n} k={k}", *(held / replicates))
                tables.promise(f"{name} n={n} k={k}", held[0] / replicates, 0.93)
                tables.promise(f"alarms {name} n={n} k={k}", 0.065, held[2] / replicates)


def _counts(steps: npt.NDArray[np.int64]) -> dict[int, int]:
    values, counts = np.unique(steps, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def clustered_differences(tables: Printed, generator: np.random.Generator, replicates: int) -> None:
    """Differences over G tasks of 5 to 300 samples, whose own shares vary."""
    tables.title("Difference over G tasks of 5 to 300, ICC .02", "reported", "(CR2 t)", "(iid)")
    for name, change, lean, least in (
        ("all losses, .01", 0.01, -1.0, 0.87),
        ("leaning, .05", 0.05, -0.8, 0.91),
        ("both ways, .20", 0.2, 0.0, 0.92),
    ):
        for groups in (5, 8, 15, 23, 57):
            sizes = generator.integers(5, 301, groups)
            held = np.zeros(3)
            for _ in range(replicates):
                worse, better = (
                    _beta(generator, change * (1 + side * lean) / 2, groups) for side in (-1, 1)
                )
                lost = generator.binomial(sizes, worse)
                gained = generator.binomial(sizes, np.minimum(1.0, better))
                d = gained - lost
                both = gained + lost
                sums = _single_sums(int(sizes.sum()), d, both)
                mean = clustered_mean(sizes.tolist(), d.tolist(), both.tolist())
                truth = change * lean
                if mean.se is not None and mean.dof is not None:
                    design = clustered_design(sums, mean.se, mean.dof, groups)
                    held[0] += _holds(pseudo_sample_interval(sums, LEVEL, design), truth)
                held[1] += _t_holds(mean, truth)
                held[2] += _holds(pseudo_sample_interval(sums, LEVEL), truth)
            tables.row(f"{name} G={groups}", *(held / replicates))
            tables.promise(f"{name} G={groups}", held[0] / replicates, least)


def _single_sums(n: int, d: Any, differing: Any) -> DifferenceSums:
    """Of single answers: the differences and how many differ, by task."""
    return DifferenceSums(n, float(d.sum()), float(differing.sum()), 0.0, int(differing.sum()))


def _beta(generator: np.random.Generator, mean: float, groups: int) -> Floats:
    """Rates of groups around a mean; their intraclass correlation is .02."""
    if mean == 0.0:
        return np.zeros(groups)
    spread = (1 - 0.02) / 0.02
    return generator.beta(mean * spread, (1 - mean) * spread, groups)


def differences_in_strata(tables: Printed, generator: np.random.Generator, replicates: int) -> None:
    """Differences for these very tasks: G of 5 to 60 samples, each with its own true difference."""
    tables.title("Difference on G very tasks (simulated)", "reported", "(iid)")
    for groups in (8, 23, 57):
        sizes = generator.integers(5, 61, groups)
        change = generator.uniform(0.05, 0.4, groups)
        lean = generator.uniform(-0.5, 1.0, groups)
        truth = float((sizes * change * lean).sum() / sizes.sum())
        held = np.zeros(2)
        for _ in range(replicates):
            gained = generator.binomial(sizes, change * (1 + lean) / 2)
            up, down = change * (1 + lean) / 2, change * (1 - lean) / 2
            lost = generator.binomial(sizes - gained, down / (1 - up))
            d, both = gained - lost, gained + lost
            sums = _single_sums(int(sizes.sum()), d, both)
            strata = [
                Stratum(int(n), s / n, sample_mean(int(n), float(s), float(q)).se)
                for n, s, q in zip(sizes.tolist(), d.tolist(), both.tolist(), strict=True)
            ]
            se = stratified_se(strata, (sizes / sizes.sum()).tolist())
            design = stratified_design(sums, se)
            held[0] += _holds(pseudo_sample_interval(sums, LEVEL, design), truth)
            held[1] += _holds(pseudo_sample_interval(sums, LEVEL), truth)
        tables.row(f"G={groups}", *(held / replicates))
        tables.promise(f"strata G={groups}", held[0] / replicates, 0.93)


def margins(tables: Printed, generator: np.random.Generator, replicates: int) -> None:
    """How often a loss of exactly the margin passes as less, at 5%."""
    tables.title("A loss of the margin called non-inferior (simulated)", "reported", "(BP 90%)")
    for n, margin in ((100, 0.05), (300, 0.02), (300, 0.05), (1319, 0.01), (1319, 0.02)):
        for k in (1, 5):
            for change, name in ((margin, "losses"), (4 * margin, "both ways")):
                truth = (change, -margin / change, 0.0)
                steps = _answers(generator, (replicates, n), truth, k)
                wrong = np.zeros(2)
                for row in steps:
                    sums = DifferenceSums.of_steps(_counts(row), k)
                    test = margin_test(sums, margin, LEVEL)
                    wrong[0] += test is not None and test.p_non_inferior <= 1 - LEVEL
                    wrong[1] += (pseudo_sample_interval(sums, 0.9).low or 0.0) > -margin
                tables.row(f"n={n} M={margin} k={k} {name[:6]}", *(wrong / replicates))
                tables.promise(f"margin n={n} M={margin}", 0.075, wrong[0] / replicates)


def ceilings(tables: Printed, generator: np.random.Generator, replicates: int) -> None:
    """Accuracies near 1 of samples asked k times, whose own rates vary (ICC .6)."""
    tables.title("Accuracy near 1 of n samples asked k times", "reported", "(t)")
    for p in (0.95, 0.98):
        for n in SIZES:
            for k in (3, 10):
                spread = (1 - 0.6) / 0.6
                rates = generator.beta(p * spread, (1 - p) * spread, (replicates, n))
                right = generator.binomial(k, rates)
                held = np.zeros(2)
                for row in right:
                    values, counts = np.unique(row, return_counts=True)
                    table = {(k, int(s)): int(c) for s, c in zip(values, counts, strict=True)}
                    held[0] += _holds(repeated_accuracy(table, LEVEL), p)
                    share = row / k
                    mean = sample_mean(n, float(share.sum()), float((share**2).sum()))
                    held[1] += _t_holds(mean, p)
                tables.row(f"p={p} n={n} k={k}", *(held / replicates))
                if min(p, 1 - p) * n >= 5:
                    tables.promise(f"p={p} n={n} k={k}", held[0] / replicates, 0.90)


# Numbers

Draw = Callable[[np.random.Generator, tuple[int, int]], Floats]


def _many_zeros(generator: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return np.where(generator.random(shape) < 0.75, 0.0, generator.beta(2, 2, shape))


def _half_ones(generator: np.random.Generator, shape: tuple[int, int]) -> Floats:
    chance = generator.random(shape)
    middle = generator.beta(2, 2, shape)
    return np.where(chance < 0.45, 1.0, np.where(chance < 0.65, 0.0, middle))


def _ceiling(generator: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return np.where(generator.random(shape) < 0.95, 1.0, generator.beta(2, 2, shape))


def _ratings(generator: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return np.asarray(generator.choice(5, shape, p=[0.02, 0.03, 0.05, 0.2, 0.7]) + 1.0)


def _lognormal(generator: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return generator.lognormal(0, 1, shape)


POPULATIONS: tuple[tuple[str, Draw, float, tuple[float, float] | None], ...] = (
    ("F1, 45% ones", _half_ones, 0.45 + 0.35 * 0.5, (0.0, 1.0)),
    ("F1, 75% zeros", _many_zeros, 0.25 * 0.5, (0.0, 1.0)),
    ("F1, 95% ones", _ceiling, 0.95 + 0.05 * 0.5, (0.0, 1.0)),
    ("ratings, 70% fives", _ratings, 0.02 + 0.06 + 0.15 + 0.8 + 3.5, (1.0, 5.0)),
    ("lognormal, no range", _lognormal, float(np.exp(0.5)), None),
)


def means_of_numbers(tables: Printed, generator: np.random.Generator, replicates: int) -> None:
    """Means of metrics on [0, 1], of ratings, and of values without a range."""
    tables.title("Mean of a numeric metric (simulated)", "reported", "(t)")
    for name, draw, truth, bounds in POPULATIONS:
        for n in SIZES:
            held = np.zeros(2)
            for row in draw(generator, (replicates, n)):
                mean = sample_mean(n, float(row.sum()), float((row**2).sum()))
                held[0] += _holds(mean_of_values(mean, n, bounds, LEVEL), truth)
                held[1] += _t_holds(mean, truth)
            tables.row(f"{name} n={n}", *(held / replicates))
            tables.promise(f"{name} n={n}", held[0] / replicates, 0.87 if bounds is None else 0.92)


def _rare_loss(generator: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return np.where(generator.random(shape) < 0.03, -0.6, 0.0)


def _half_change(generator: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return np.where(generator.random(shape) < 0.5, generator.normal(0.02, 0.2, shape), 0.0)


def _rating_moves(generator: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return np.asarray(generator.choice(3, shape, p=[0.12, 0.8, 0.08]) - 1.0)


def _skewed(generator: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return generator.lognormal(0, 1, shape) - generator.lognormal(0, 1, shape)


CHANGES: tuple[tuple[str, Draw, float, float | None], ...] = (
    ("F1, half change", _half_change, 0.01, 1.0),
    ("F1, rare loss of .6", _rare_loss, -0.018, 1.0),
    ("ratings, 20% move", _rating_moves, -0.04, 4.0),
    ("lognormal, no range", _skewed, 0.0, None),
)


def differences_of_numbers(
    tables: Printed, generator: np.random.Generator, replicates: int
) -> None:
    """Paired differences of the same metrics, singly and over 15 tasks."""
    tables.title("Difference of a numeric metric (simulated)", "reported", "(t)", "15 tasks")
    for name, draw, truth, span in CHANGES:
        for n in SIZES:
            held = np.zeros(3)
            for row in draw(generator, (replicates, n)):
                sums = _number_sums(row)
                mean = sample_mean(n, sums.total, sums.squares)
                alone = Design(dof=n - 1.0)
                held[0] += _holds(pseudo_sample_t(sums, alone, span, LEVEL), truth)
                held[1] += _t_holds(mean, truth)
                held[2] += _in_tasks(generator, row, span, truth)
            tables.row(f"{name} n={n}", *(held / replicates))
            tables.promise(f"{name} n={n}", held[0] / replicates, 0.93)


def _number_sums(row: Floats) -> DifferenceSums:
    return DifferenceSums(
        len(row),
        float(row.sum()),
        float((row**2).sum()),
        float(np.abs(row).sum()),
        int(np.count_nonzero(row)),
    )


def _in_tasks(
    generator: np.random.Generator, row: Floats, span: float | None, truth: float
) -> bool:
    """Whether the clustered interval holds where samples lie in 15 tasks that do not matter."""
    task = generator.integers(0, 15, len(row))
    sizes = np.bincount(task, minlength=15)
    totals = np.bincount(task, row, 15)
    squares = np.bincount(task, row**2, 15)
    there = sizes > 0
    columns = (part[there].tolist() for part in (sizes, totals, squares))
    mean = clustered_mean(*columns)
    if mean.se is None or mean.dof is None:
        return False
    sums = _number_sums(row)
    design = clustered_design(sums, mean.se, mean.dof, int(there.sum()))
    return _holds(pseudo_sample_t(sums, design, span, LEVEL), truth)
