"""Counts and sums of variants, samples and pairs: the input of every analysis."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from ml_agents_results.records import Variant

Missing = Literal["exclude", "incorrect"]
"""What a run without a grade counts as: nothing, or a wrong answer."""

PairingRule = Literal["sample_index", "sample_id", "content"]
"""What makes two samples the same one: their place in one data set, the data set's own id, or the
question with its expected answer and its occurrence."""

Cluster = Literal["task", "sample_id", "input_fingerprint"]
CLUSTERS: tuple[str, ...] = get_args(Cluster)


@dataclass(frozen=True, slots=True)
class VariantCounts:
    """The runs of one variant in one task, counted by class.

    Attributes:
        repeats: The largest number of runs of one sample.
        timed: Runs that did not fail and have a time; `total_time_ms` is its sum.
        priced: Runs with a cost, failed ones included; `total_cost` is its sum (USD).
        priced_correct: Correct runs with a cost.
        graded_cost: The sum of the costs of graded runs (USD).
        rated: Runs with a parsing confidence; `total_confidence` is its sum.
    """

    variant: Variant
    task: str
    runs: int
    correct: int
    wrong: int
    failed: int
    unparsed: int
    ungraded: int
    repeats: int
    timed: int
    priced: int
    priced_correct: int
    rated: int
    total_time_ms: float
    total_cost: float
    graded_cost: float
    total_confidence: float


@dataclass(frozen=True, slots=True)
class GradedCosts:
    """The graded runs with a cost of one variant in one task: how many, how many correct, the
    sums of their costs (USD) and of the squares, and the sum over the correct ones."""

    task: str
    runs: int
    correct: int
    cost: float
    cost_squared: float
    correct_cost: float


@dataclass(frozen=True, slots=True)
class SampleCounts:
    """`samples` samples of a group that were graded `graded` times and right `correct` times."""

    variant: Variant
    group: str | None
    graded: int
    correct: int
    samples: int


@dataclass(frozen=True, slots=True)
class PairCounts:
    """`samples` shared samples of a group with the same grades on both sides."""

    group: str | None
    candidate_graded: int
    candidate_correct: int
    baseline_graded: int
    baseline_correct: int
    samples: int


@dataclass(frozen=True, slots=True)
class Pairs:
    """The shared samples; `mismatched` have another question or answer key on the two sides."""

    counts: Sequence[PairCounts]
    mismatched: int


@dataclass(frozen=True, slots=True)
class PairedSums:
    """What `pairs` shared samples of a group differ by: the sum, the sum of squares, and how many
    differences are above and below 0. Without a group, a sample stands alone."""

    group: str | None
    pairs: int
    total: float
    squares: float
    above: int
    below: int


@dataclass(frozen=True, slots=True)
class HardSample:
    """A sample that hardly any run got right."""

    task: str
    sample_index: int
    graded: int
    correct: int
