"""Counts and sums of variants, samples and pairs: the input of every analysis."""

from collections.abc import Sequence
from dataclasses import dataclass

from ml_agents_results.errors import UsageError
from ml_agents_results.records import Variant
from ml_agents_results.statistics.majority import Votes
from ml_agents_results.statistics.run_columns import METADATA, Cluster

CLUSTERS: tuple[Cluster, ...] = ("task", "sample_id", "input_fingerprint")
"""The columns that errors may be clustered by, next to `metadata:NAME`."""

UNQUOTABLE = set("'\"\\[]\n\0")


def check_cluster(name: str) -> None:
    """Raises UsageError for what runs cannot be clustered by."""
    if name.startswith(METADATA) and len(name) > len(METADATA):
        if UNQUOTABLE & set(name):
            raise UsageError(
                f"{name!r} has a character that no path to a member of metadata can hold",
                "Import the column under a plain name.",
            )
    elif name not in CLUSTERS:
        raise UsageError(
            f"cluster cannot be {name!r}",
            f"Choose one of: {', '.join(CLUSTERS)}, metadata:NAME, none; a column that an import "
            f"kept in metadata_json is metadata:{name}",
        )


@dataclass(frozen=True, slots=True)
class VariantCounts:
    """The runs of one variant in one task, counted by class.

    Attributes:
        repeated: Runs with a `repeat_index` above 0.
        timed: Runs that did not fail and have a time; `total_time_ms` is its sum.
        priced: Runs with a cost, failed ones included; `total_cost` is its sum (USD).
        priced_correct: Correct runs with a cost.
        graded_cost: The costs of the runs that count (USD).
        rated: Runs with a parsing confidence; `total_confidence` is its sum.
    """

    variant: Variant
    task: str
    runs: int
    correct: int
    wrong: int
    scored: int
    failed: int
    truncated: int
    refused: int
    unparsed: int
    ungraded: int
    timed: int
    total_time_ms: int
    repeated: int
    priced: int
    priced_correct: int
    total_cost: float
    graded_cost: float
    rated: int
    total_confidence: float


@dataclass(frozen=True, slots=True)
class SampleCounts:
    """`samples` samples of a cluster that were graded `graded` times and correct `correct` times
    each; `group` is None for samples that belong to no cluster. Clusters lie within tasks."""

    task: str
    group: str | None
    graded: int
    correct: int
    samples: int


@dataclass(frozen=True, slots=True)
class VoteCounts:
    """`samples` samples of a cluster with the same votes (`majority.Votes`); `answered` when a run
    of them has the text of an answer, not only a grade."""

    task: str
    group: str | None
    answered: bool
    votes: Votes
    samples: int


@dataclass(frozen=True, slots=True)
class PairCounts:
    """`samples` shared samples of a cluster with the same grades on both sides."""

    task: str
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
class RunSums:
    """A measure over the runs of a cluster that count and have it: how many there are, how many are
    correct, the sum, the sum of squares, and the sum over the correct ones. Without a group, the
    runs are those of one sample that belongs to no cluster."""

    task: str | None
    group: str | None
    runs: int
    correct: int
    total: float
    squares: float
    correct_total: float


@dataclass(frozen=True, slots=True)
class PairedSums:
    """A measure on the `pairs` shared samples of a cluster that have it on both sides.

    Without a group, it is one sample that belongs to no cluster. Times are natural logarithms of
    milliseconds, so that their differences are those of ratios.

    Attributes:
        above, below: Samples where the candidate has more, and less.
        candidate, baseline, candidate_squares, baseline_squares, products: Sums over the samples.
        difference, difference_squares: The same of candidate minus baseline.
        magnitude: The sum of its absolute values.
    """

    task: str | None
    group: str | None
    pairs: int
    above: int
    below: int
    candidate: float
    baseline: float
    candidate_squares: float
    baseline_squares: float
    products: float
    difference: float
    difference_squares: float
    magnitude: float = 0.0


@dataclass(frozen=True, slots=True)
class ValueSums:
    """The values of a variant's samples in a cluster; repeats of a sample are averaged first.

    Without a group, it is one sample that belongs to no cluster.

    Attributes:
        samples: Those with a value; `runs` of them have one.
        total: The sum of the values, less the origin that was asked for.
        squares, cubes: The sums of the same to the second and third power.
    """

    task: str | None
    group: str | None
    samples: int
    runs: int
    total: float
    squares: float
    cubes: float


@dataclass(frozen=True, slots=True)
class MethodCounts:
    """Runs of a variant with the same parsing method and confidence, by outcome."""

    variant: Variant
    parsing_method: str | None
    confidence: float | None
    correct: int
    wrong: int
    other: int


@dataclass(frozen=True, slots=True)
class HardSample:
    """A sample that hardly any run answered correctly; of several experiments that have it, the
    first is named."""

    experiment_id: str
    task: str
    sample_index: int
    graded: int
    correct: int
