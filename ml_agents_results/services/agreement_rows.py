"""Rows of an agreement report: pairs of raters, groups of raters, and judges of two answers."""

from collections.abc import Sequence
from dataclasses import dataclass

from ml_agents_results.records import Variant
from ml_agents_results.services.result_rows import Row
from ml_agents_results.statistics.estimate import Estimate
from ml_agents_results.statistics.kappa import Agreement


@dataclass(frozen=True, slots=True)
class PairAgreement(Row):
    """Two raters on the runs that both rated: all of them, those of a variant, or of a task.

    Attributes:
        variant, task: Whose runs these are; both None for all runs.
        matrix: How many runs the first rater put into each category (rows) and the second
            (columns); None where the values are numbers rather than categories.
        agreement: The share of equal ratings.
        within_one: The share at most 1 apart (on scales of smaller steps, one step); None for two
            categories.
        kappa: Cohen's; with quadratic weights where the categories have an order of more than two.
        kappas: The same with other weights.
        bias: Mean of the first rater's values minus the second's.
        sensitivity, specificity: Of right and wrong, the share of the second rater's 1s and 0s that
            the first gave as well.
    """

    first: str
    second: str
    variant: Variant | None
    task: str | None
    runs: int
    n_clusters: int | None
    method: str
    categories: tuple[float, ...] | None
    matrix: tuple[tuple[int, ...], ...] | None
    agreement: Estimate
    within_one: Estimate | None
    kappa: Agreement | None
    kappas: dict[str, Agreement]
    bias: float | None
    bias_ci_low: float | None
    bias_ci_high: float | None
    bias_method: str
    sensitivity: Estimate | None
    specificity: Estimate | None
    pearson: float | None
    spearman: float | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GroupAgreement(Row):
    """All raters of a group at once: those named, or the authors of one metric (a judge's
    repeats, a panel, several people).

    Attributes:
        alphas: Krippendorff's alpha by the scale of the categories.
        fleiss: None unless every rater rated every run.
        unanimous: The share of runs whose ratings are all equal.
    """

    group: str
    raters: tuple[str, ...]
    runs: int
    alphas: dict[str, Agreement]
    fleiss: Agreement | None
    unanimous: Estimate
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PositionBias(Row):
    """Of a pairwise judge asked in both orders, the share of verdicts that changed with them."""

    metric: str
    verdicts: int
    position_dependent: int
    rate: Estimate


@dataclass(frozen=True, slots=True)
class AgreementReport(Row):
    """Pairs of raters over all runs first, then within variants and tasks; then groups."""

    confidence_level: float
    raters: tuple[str, ...]
    pairs: Sequence[PairAgreement]
    groups: Sequence[GroupAgreement]
    positions: Sequence[PositionBias]
