"""Analysis options: how figures are computed, the choices that every analysis offers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from ml_agents_results.errors import UsageError
from ml_agents_results.repositories.counts import check_cluster
from ml_agents_results.statistics.choices import (
    Allowance,
    Contrasts,
    Correction,
    DifferenceMethod,
    IntervalMethod,
    Missing,
    NullCluster,
    PairedTest,
    PairingRule,
    Pool,
)
from ml_agents_results.statistics.distributions import check_confidence

ALLOWANCES: tuple[Allowance, ...] = get_args(Allowance)

_CHOICES: dict[str, Any] = {
    "interval": IntervalMethod,
    "difference_interval": DifferenceMethod,
    "test": PairedTest,
    "correction": Correction,
    "null_cluster": NullCluster,
    "missing": Missing,
    "contrasts": Contrasts,
    "pair_by": PairingRule,
    "pool": Pool,
}
"""What each of these choices may be."""


@dataclass(frozen=True, slots=True)
class AnalysisOptions:
    """The choices of an analysis.

    Attributes:
        metric: The name of the metric; None for the primary one of each experiment.
        confidence: Level of every interval, a fraction.
        interval: Interval of an accuracy (of independent samples; clusters have their own).
        difference_interval: Interval of a paired difference (of independent samples).
        test: Which p value of the sign-flip test is `p_value`: "mid-p" or "exact".
        correction: For the number of tests in a table: holm, fdr_bh, bonferroni or none.
        cluster: What runs are clustered by: "task", "sample_id", "input_fingerprint",
            "metadata:NAME" (a member of `metadata_json`), "none", or None for "task where there is
            more than one".
        null_cluster: What a sample without a value to cluster by is: an "error", or a cluster of
            its own ("singleton").
        across_tasks: Whether the same value is the same cluster in every task (parallel tasks);
            else clusters lie within tasks.
        families: Task to family for tasks that are variants of one another: errors are clustered by
            family instead of task, and macro averages take the mean of a family first.
        missing: "exclude" or "incorrect": what a run without a grade counts as.
        margin: The largest difference that does not matter, a fraction or in the unit of a numeric
            metric; None tests no equivalence.
        contrasts: "vs-baseline" or "all-pairs".
        unpaired: Whether variants are compared on all that each was asked instead of on the samples
            they share.
        pair_by: What makes samples of two variants the same one; None for what the experiments
            say.
        allow: What variants may differ in next to their approach and still be compared: any of
            "dataset", "grader", "metric" (its name or its definition). Models may always differ,
            which "model" says as well.
        pool: "experiment" joins the experiments that are compared: what differs in the experiment
            only (its seed) is one variant, asked as often as all of them.
        simultaneous: Whether the intervals of the differences in a table all hold at once at
            the level `confidence` (Bonferroni), and not each for itself.

    Raises:
        UsageError: A choice that is not offered; the hint lists those that are.
    """

    metric: str | None = None
    confidence: float = 0.95
    interval: IntervalMethod = "wilson"
    difference_interval: DifferenceMethod = "bonett-price"
    test: PairedTest = "mid-p"
    correction: Correction = "holm"
    cluster: str | None = None
    null_cluster: NullCluster = "error"
    across_tasks: bool = False
    families: Mapping[str, str] | tuple[tuple[str, str], ...] = ()
    missing: Missing = "exclude"
    margin: float | None = None
    contrasts: Contrasts = "vs-baseline"
    simultaneous: bool = False
    unpaired: bool = False
    pair_by: PairingRule | None = None
    allow: tuple[str, ...] = ()
    pool: Pool | None = None

    def __post_init__(self) -> None:
        check_confidence(self.confidence)
        # AnalysisOptions are keys of the cache.
        object.__setattr__(self, "families", tuple(sorted(dict(self.families).items())))
        if self.margin is not None and not 0 < self.margin < math.inf:
            raise UsageError(
                f"the margin must be above 0, got {self.margin:g}",
                "Two percentage points are 0.02.",
            )
        choices = [
            *((name, getattr(self, name), get_args(kind)) for name, kind in _CHOICES.items()),
            *(("allow", name, ALLOWANCES) for name in self.allow),
        ]
        for name, value, offered in choices:
            if value is not None and value not in offered:
                raise UsageError(
                    f"{name.replace('_', '-')} cannot be {value!r}",
                    f"Choose one of: {', '.join(offered)}",
                )
        if self.cluster not in (None, "none"):
            check_cluster(self.cluster)
        if self.across_tasks and self.cluster in (None, "none", "task"):
            raise UsageError(
                "--cluster-across-tasks is about a cluster that several tasks share",
                "Name it, for example: --cluster sample_id --cluster-across-tasks",
            )
        if self.unpaired and self.pair_by is not None:
            raise UsageError("unpaired samples are paired by nothing", "Leave --pair-by out.")
        if self.unpaired and (self.difference_interval, self.test) != ("bonett-price", "mid-p"):
            raise UsageError(
                "the interval and the test of an unpaired comparison cannot be chosen",
                "It is Newcombe's interval with the score test; leave out --difference-interval "
                "and --test.",
            )

    def cluster_of(self, task: str | None, value: str | None) -> tuple[str, str] | None:
        """The cluster of a task's samples with this value; None where they have none."""
        if value is None:
            return None
        if self.cluster in (None, "none", "task"):
            return ("", self.family(task) or "")
        return ("" if self.across_tasks else task or "", value)

    def family(self, task: str | None) -> str | None:
        """The family of a task, or the task itself where it has none."""
        return dict(self.families).get(task or "", task)

    @property
    def alpha(self) -> float:
        return 1.0 - self.confidence
