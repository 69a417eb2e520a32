"""How figures are computed: the choices that every analysis offers, and their names."""

from dataclasses import dataclass

from ml_agents_results.errors import UsageError
from ml_agents_results.repositories.counts import CLUSTERS, Missing
from ml_agents_results.services.statistics.distributions import check_confidence
from ml_agents_results.services.statistics.multiplicity import CORRECTIONS
from ml_agents_results.services.statistics.paired_intervals import DIFFERENCE_METHODS
from ml_agents_results.services.statistics.proportions import INTERVAL_METHODS

TESTS = {"mid-p": "mcnemar-mid-p", "exact": "mcnemar-exact"}
CONTRASTS = ("vs-baseline", "all-pairs")


@dataclass(frozen=True, slots=True)
class Settings:
    """The choices of an analysis.

    Attributes:
        confidence: Level of every interval, a fraction.
        interval: Interval of an accuracy (of independent samples; clusters have their own).
        difference_interval: Interval of a paired difference (of independent samples).
        test: Which McNemar test gives `p_value`: "mid-p" or "exact".
        correction: For the number of tests in a table: holm, fdr_bh, bonferroni or none.
        cluster: What runs are clustered by: task, another column, "none", or None for "task
            where there is more than one".
        missing: "exclude" or "incorrect": what a run without a grade counts as.
        margin: The largest difference that does not matter, a fraction; None tests no equivalence.
        contrasts: "vs-baseline" or "all-pairs".

    Raises:
        UsageError: A choice that is not offered; the hint lists those that are.
    """

    confidence: float = 0.95
    interval: str = "wilson"
    difference_interval: str = "bonett-price"
    test: str = "mid-p"
    correction: str = "holm"
    cluster: str | None = None
    missing: Missing = "exclude"
    margin: float | None = None
    contrasts: str = "vs-baseline"

    def __post_init__(self) -> None:
        check_confidence(self.confidence)
        if self.margin is not None and not 0 < self.margin < 1:
            raise UsageError(
                f"the margin must lie between 0 and 1, got {self.margin:g}",
                "Two percentage points are 0.02.",
            )
        for name, value, offered in (
            ("interval", self.interval, INTERVAL_METHODS),
            ("difference-interval", self.difference_interval, DIFFERENCE_METHODS),
            ("test", self.test, TESTS),
            ("correction", self.correction, (*CORRECTIONS, "none")),
            ("cluster", self.cluster or "none", (*CLUSTERS, "none")),
            ("missing", self.missing, ("exclude", "incorrect")),
            ("contrasts", self.contrasts, CONTRASTS),
        ):
            if value not in offered:
                raise UsageError(
                    f"{name} cannot be {value!r}", f"Choose one of: {', '.join(offered)}"
                )

    @property
    def alpha(self) -> float:
        return 1.0 - self.confidence
