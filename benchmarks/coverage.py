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
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from benchmarks import coverage_figures as figures
from benchmarks.coverage_figures import CHANGES, LOSSES, PAIRED_METHODS, POPULATIONS, SIZES, TASKS
from ml_agents_results.statistics.proportions import INTERVAL_METHODS

SEEDS = (20261123, 20261128)


@dataclass(frozen=True)
class Study:
    """A table of figures, a row for each of the cells.

    Attributes:
        figures: The figures of a cell, of a generator and a number of replicates as well where it
            is simulated.
        name: Of a row, with the values of the cell.
        least: What the figures are promised to be at least, by the name of the row, or for all.
        most: The same for what they are at most.
    """

    title: str
    columns: Sequence[str]
    figures: Callable[..., Sequence[float]]
    name: str
    cells: Iterable[tuple[Any, ...]]
    least: dict[str, Sequence[float]] | Sequence[float] = ()
    most: Sequence[float] = ()

    def run(self, *simulation: Any) -> list[str]:
        """Prints the table; the promises that were missed."""
        missed = []
        print(f"\n{self.title}\n{'':26}" + "".join(f"{column:>12}" for column in self.columns))
        for cell in self.cells:
            values, name = self.figures(*simulation, *cell), self.name.format(*cell)
            print(f"{name:26}" + "".join(f"{value:12.3f}" for value in values))
            least = self.least.get(name, ()) if isinstance(self.least, dict) else self.least
            low = any(value < bound for value, bound in zip(values, least, strict=False))
            if low or any(v > bound for v, bound in zip(values, self.most, strict=False)):
                missed.append(f"{self.title}, {name}")
        return missed


EXACT = (
    Study(
        "Accuracy of n samples, truth .01 to .99 (exact)", ("mean", "min", "width"),
        figures.single, "n={} {}", product((10, 30, 100, 300), (*INTERVAL_METHODS, "(wald)")),
        least={
            "n=10 wilson": (0.95, 0.84), "n=30 wilson": (0.95, 0.895),
            "n=100 wilson": (0.95, 0.92), "n=300 wilson": (0.949, 0.935),
            "n=30 jeffreys": (0.949, 0.888),
            **{f"n={n} clopper-pearson": (0.95, 0.95) for n in (10, 30, 100, 300)},
        },
    ),
    Study(
        "Difference on n shared samples, discordance .005 to .95 (exact)",
        ("mean", "min", "width"), figures.paired, "n={} {}",
        [
            cell for cell in product((20, 50, 100, 250), PAIRED_METHODS)
            if cell != (250, "tango")
        ],
        least={
            **{f"n={n} bonett-price": (0.95, 0.93) for n in (20, 50, 100, 250)},
            **{f"n={n} tango": (0.95, 0.92) for n in (20, 50, 100)},
        },
    ),
    # Mid-p is not bound by its level as the exact test is; a tenth of a point is its licence.
    Study(
        "False alarms of McNemar at 5% (exact)", ("mid-p", "exact"),
        figures.false_alarms, "n={}, largest", product((20, 50, 100, 250)), most=(0.051, 0.05),
    ),
    Study(
        "Power at the sample size of Connor for 80% (exact)", ("n", "mid-p", "exact"),
        figures.power, "psi={:g} d={:g}", [(0.2, 0.05), (0.3, 0.1), (0.4, 0.1), (0.1, 0.03)],
        least=(0, 0.8),
    ),
)  # fmt: skip
SIMULATED = (
    (
        Study(
            "Accuracy over G tasks of 100 to 200 samples, ICC .15 (simulated)",
            ("reported", "(iid)", "(CR1, t)", "(CR2, t)"),
            figures.clustered, "G={} p={}", product((10, 27), (0.5, 0.9, 0.97)),
            least={"G=10 p=0.5": (0.93,), "G=10 p=0.9": (0.91,), "G=27 p=0.9": (0.91,)},
        ),
        Study(
            "Accuracy of n samples asked 3 times, ICC .6 (simulated)",
            ("reported", "(t)", "(runs)"), figures.repeated, "p={} n={} k={}",
            [(p, n, 3) for n in (20, 50, 100) for p in (0.5, 0.8)], least=(0.93,),
        ),
    ),
    (
        Study(
            "Difference on n samples asked k times (simulated)",
            ("reported", "(paired t)", "alarms"), figures.repeated_difference, "{} n={} k={}",
            product(LOSSES, SIZES, (1, 5)), least=(0.93,), most=(1, 1, 0.065),
        ),
        Study(
            "Difference over G tasks of 5 to 300, ICC .02 (simulated)",
            ("reported", "(CR2 t)", "(iid)"), figures.clustered_difference, "{} G={}",
            product(TASKS, (5, 8, 15, 23, 57)),
            least={
                f"{tasks} G={groups}": (least,)
                for tasks, least in zip(TASKS, (0.87, 0.91, 0.92), strict=True)
                for groups in (5, 8, 15, 23, 57)
            },
        ),
        Study(
            "Difference on G very tasks (simulated)", ("reported", "(iid)"),
            figures.difference_in_strata, "G={}", product((8, 23, 57)), least=(0.93,),
        ),
        Study(
            "A loss of the margin called non-inferior (simulated)", ("reported", "(BP 90%)"),
            figures.loss_of_margin, "n={0[0]} M={0[1]} k={1} {2:.6}",
            product(
                ((100, 0.05), (300, 0.02), (300, 0.05), (1319, 0.01), (1319, 0.02)), (1, 5),
                ("losses", "both ways"),
            ),
            most=(0.075,),
        ),
        Study(
            "Accuracy near 1 of n samples asked k times, ICC .6 (simulated)",
            ("reported", "(t)", "(runs)"), figures.repeated, "p={} n={} k={}",
            product((0.95, 0.98), SIZES, (3, 10)),
            least={
                f"p={p} n={n} k={k}": (0.9,)
                for p, n, k in product((0.95, 0.98), SIZES, (3, 10)) if (1 - p) * n >= 5
            },
        ),
        Study(
            "Mean of a numeric metric (simulated)", ("reported", "(t)"),
            figures.mean_of_numbers, "{} n={}", product(POPULATIONS, SIZES),
            least={
                f"{name} n={n}": (0.87 if bounds is None else 0.92,)
                for name, (_, _, bounds) in POPULATIONS.items() for n in SIZES
            },
        ),
        Study(
            "Difference of a numeric metric (simulated)", ("reported", "(t)", "15 tasks"),
            figures.difference_of_numbers, "{} n={}", product(CHANGES, SIZES), least=(0.93,),
        ),
    ),
)  # fmt: skip
"""Those of the first and of the second seed."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, help="[default: {}, then {}]".format(*SEEDS))
    parser.add_argument("--replicates", type=int, default=4000, help="of each simulation")
    options = parser.parse_args()
    missed = [miss for study in EXACT for miss in study.run()]
    for default, studies in zip(SEEDS, SIMULATED, strict=True):
        seed = default if options.seed is None else options.seed
        print(f"\nSimulations: {options.replicates} replicates, seed {seed}")
        generator = np.random.default_rng(seed)
        for study in studies:
            missed += study.run(generator, options.replicates)
    for miss in missed:
        print(f"MISSED {miss}")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
