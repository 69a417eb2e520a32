"""Ranking: which of many variants are best, and which cannot be distinguished."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml_agents_results.errors import NothingToCompareError, UsageError
from ml_agents_results.records import ExperimentRecord, Variant
from ml_agents_results.services.analysis_service import AnalysisService
from ml_agents_results.services.comparison.baselines import baseline_of
from ml_agents_results.services.comparison.pairing import (
    DIFFERING,
    REASONS,
    common_rule,
    differing,
    without_grades,
)
from ml_agents_results.services.metric_choice import ChosenMetric
from ml_agents_results.services.result_rows import Row, VariantRow, variant_frame
from ml_agents_results.services.sample_clusters import (
    cluster_column,
    cluster_method,
    cluster_numbers,
)
from ml_agents_results.statistics.all_pairs import (
    binary_p_values,
    clustered_p_values,
    numeric_p_values,
)
from ml_agents_results.statistics.bounded_mean import Bounds, mean_of_values
from ml_agents_results.statistics.bradley_terry import Strength, bradley_terry, shares_of_ties
from ml_agents_results.statistics.choices import PairingRule
from ml_agents_results.statistics.cluster_robust import mean_of_array
from ml_agents_results.statistics.estimate import Estimate
from ml_agents_results.statistics.proportions import accuracy
from ml_agents_results.statistics.rank_groups import (
    chances_of_best,
    groups_of,
    rank_intervals,
    shaffer,
    symmetric,
)
from ml_agents_results.statistics.run_columns import Array
from ml_agents_results.statistics.task_ranks import TaskRanks, task_ranks
from ml_agents_results.statistics.variant_matrix import VariantMatrix

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class RankedVariant(VariantRow):
    """One variant among all, on the samples that all share.

    Attributes:
        rank: By the mean, ties averaged.
        rank_low, rank_high: The ranks that the tests of all pairs leave open, for all variants at
            once.
        p_best: The share of bootstrap draws in which its mean is the best; not an error rate.
        groups: Numbers of the groups it belongs to, within which no difference is shown.
        average_rank: Over tasks; `task_groups` are the groups of Wilcoxon's tests there.
        strength: Bradley and Terry's, against the baseline.
        ties: The share of samples on which it is as good as the baseline.
    """

    rank: float
    mean: Estimate
    rank_low: int
    rank_high: int
    p_best: float
    groups: tuple[int, ...]
    average_rank: float | None
    task_groups: tuple[int, ...]
    strength: Strength
    ties: float


@dataclass(frozen=True, slots=True)
class RankingReport(Row):
    """The variants, best first.

    Attributes:
        samples: Those that every variant has; of `asked` that some variant has.
        p_values: Corrected (Shaffer), of every two variants in the order of `variants`, with the
            p values before.
        over_tasks: Ranks over tasks; None with fewer than five tasks or three variants.
    """

    metric: str
    numeric: bool
    higher_is_better: bool
    confidence_level: float
    method: str
    pairing_rule: PairingRule
    baseline: Variant
    samples: int
    asked: int
    n_clusters: int | None
    variants: Sequence[RankedVariant]
    p_values: Sequence[tuple[int, int, float, float]]
    over_tasks: TaskRanks | None
    warnings: tuple[str, ...]

    def to_frame(self) -> "pd.DataFrame":
        """One row per variant, the columns of RankedVariant."""
        return variant_frame(self.variants)


class RankingService(AnalysisService):
    """Ranks variants by all pairwise tests on the samples that all of them share."""

    def report(self, *, baseline: str | None = None) -> RankingReport:
        """All variants that pass the filters.

        Args:
            baseline: Whom strengths are against; as in `compare`.

        Raises:
            NothingToCompareError: Fewer than two variants, or no sample that all have.
            UsageError: Variants differ in their data set, grader or metric.
        """
        metric = self._metric()
        tabulator = self._tabulator(pairs=True, metric=metric)
        counts, metric, numeric = self._counted(tabulator, metric)
        names = list(dict.fromkeys(part.variant for part in counts))
        if len(names) < 2:
            raise NothingToCompareError(
                f"there is nothing to rank: {len(names)} variant{'' if len(names) == 1 else 's'}",
                "A variant is one approach with one model in one experiment; name further "
                "experiments, loosen the filters, or, if a column of an imported table tells "
                "variants apart, import it with --map model=COLUMN or --map approach_name=COLUMN.",
            )
        experiments = list(dict.fromkeys(name.experiment_id for name in names))
        records = {name: self._experiment(name) for name in experiments}
        ordered = self._in_recorded_order(names, self._filters.experiment_id or ())
        first, _ = baseline_of(ordered, baseline)
        graded = {part.variant for part in counts if part.correct + part.wrong + part.scored}
        _require_alike(names, first, records, metric, graded)
        rule = common_rule(tabulator, records, names, first, self._options.pair_by)
        matrix = tabulator.matrix(names, rule, cluster_column(self._options))
        if not len(matrix):
            raise NothingToCompareError(
                f"the {len(names)} variants share no graded sample",
                "Rank those that were asked the same: --approach, --model and --task choose them.",
            )
        return self._ranked(names, first, matrix, metric, rule, numeric=numeric)

    def _ranked(
        self,
        names: Sequence[Variant],
        baseline: Variant,
        matrix: VariantMatrix,
        metric: ChosenMetric,
        rule: PairingRule,
        *,
        numeric: bool,
    ) -> RankingReport:
        values, higher = matrix.values, metric.higher_is_better
        clusters, method = self._clusters(matrix)
        # Best first, variants with equal means in the order of their names.
        means = values.mean(axis=0)
        order = sorted(range(len(names)), key=lambda one: -means[one] if higher else means[one])
        values, graded = values[:, order], matrix.graded[:, order]
        names, means = [names[one] for one in order], means[order]
        sizes, totals = _units(values, clusters)
        p_values = (
            clustered_p_values(totals, sizes)
            if clusters is not None
            else (numeric_p_values if numeric else binary_p_values)(values, graded)
        )
        if p_values is None:
            raise UsageError(
                "one task (or other cluster) is too few to rank by",
                "--cluster none treats samples as independent.",
            )
        adjusted = symmetric(shaffer(p_values, len(names)), len(names))
        differ = adjusted <= self._options.alpha
        ahead = means[:, None] > means[None, :] if higher else means[:, None] < means[None, :]
        ranks = rank_intervals(differ & ahead)
        groups = groups_of(differ)
        over = self._over_tasks(matrix, values, higher=higher)
        by_tasks = [] if over is None else _task_groups(over, self._options.alpha)
        reference = names.index(baseline)
        strengths = bradley_terry(
            values, reference, self._options.confidence, clusters, higher=higher
        )
        ties = shares_of_ties(values, reference)
        best = chances_of_best(totals, sizes, higher=higher)
        raw = symmetric(p_values, len(names))
        rows = [
            RankedVariant(
                variant=name,
                rank=float(1 + np.sum(ahead[:, index]) + (np.sum(means == means[index]) - 1) / 2),
                mean=self._mean(
                    values[:, index], graded[:, index], clusters, metric.bounds, numeric=numeric
                ),
                rank_low=ranks[index][0],
                rank_high=ranks[index][1],
                p_best=float(best[index]),
                groups=tuple(i for i, group in enumerate(groups, 1) if index in group),
                average_rank=None if over is None else over.average_ranks[index],
                task_groups=tuple(i for i, group in enumerate(by_tasks, 1) if index in group),
                strength=strengths[index],
                ties=ties[index],
            )
            for index, name in enumerate(names)
        ]
        pairs = [
            (one, two, float(raw[one, two]), float(adjusted[one, two]))
            for one in range(len(names))
            for two in range(one + 1, len(names))
        ]
        partial = ("partial_overlap",) if matrix.asked > len(matrix) else ()
        warnings = (row.mean.warnings for row in rows)
        weak = over is not None and len(p_values) * 2.0 ** (1 - over.tasks) > self._options.alpha
        few = () if over is not None or len(set(matrix.task.tolist())) < 2 else ("few_tasks",)
        return RankingReport(
            metric=metric.name,
            numeric=numeric,
            higher_is_better=higher,
            confidence_level=self._options.confidence,
            method=method,
            pairing_rule=rule,
            baseline=baseline,
            samples=len(matrix),
            asked=matrix.asked,
            n_clusters=None if clusters is None else len(sizes),
            variants=rows,
            p_values=pairs,
            over_tasks=over,
            warnings=tuple(
                dict.fromkeys(
                    (
                        *partial,
                        *few,
                        *(("tasks_show_nothing",) if weak else ()),
                        *(code for codes in warnings for code in codes),
                    )
                )
            ),
        )

    def _clusters(self, matrix: VariantMatrix) -> tuple[Array | None, str]:
        options = self._options
        several = len(np.unique(matrix.task)) > 1
        if options.cluster == "none" or not (options.cluster or several):
            once = bool(np.all(matrix.graded == 1))
            return None, "independent samples" if once else "repeats averaged by sample"
        numbers = cluster_numbers(
            matrix.tasks, matrix.task, matrix.labels, matrix.group, np.arange(len(matrix)), options
        )
        return np.unique(numbers, return_inverse=True)[1].ravel(), cluster_method(options)

    def _mean(
        self,
        values: Array,
        graded: Array,
        clusters: Array | None,
        bounds: Bounds,
        *,
        numeric: bool,
    ) -> Estimate:
        """The mean with its interval, as `analyze` has it for these samples."""
        level, runs = self._options.confidence, int(graded.sum())
        if clusters is None and not numeric and runs == len(values):
            return accuracy(round(float(values.sum())), len(values), "wilson", level)
        mean = mean_of_array(values, clusters)
        if numeric:
            outside = bounds is not None and not bounds[0] <= (mean.mean or 0.0) <= bounds[1]
            return mean_of_values(mean, runs, None if outside else bounds, level)
        return mean.as_accuracy(runs, level)

    def _over_tasks(
        self, matrix: VariantMatrix, values: Array, *, higher: bool
    ) -> TaskRanks | None:
        tasks, index = np.unique(matrix.task, return_inverse=True)
        index = index.ravel()
        sums = np.stack([np.bincount(index, column) for column in values.T], axis=1)
        means = sums / np.bincount(index)[:, None]
        if len(tasks) < 2:
            return None
        return task_ranks(means, higher=higher, confidence=self._options.confidence)


def _units(values: Array, clusters: Array | None) -> tuple[Array, Array]:
    """How many samples each unit has, and the sums of their values by variant."""
    if clusters is None:
        return np.ones(len(values)), values
    sums = np.stack([np.bincount(clusters, column) for column in values.T], axis=1)
    return np.bincount(clusters).astype(float), sums


def _task_groups(over: TaskRanks, alpha: float) -> list[list[int]]:
    """The groups that Wilcoxon's tests over tasks leave, in the order of average ranks."""
    variants = len(over.average_ranks)
    differ = symmetric(over.p_wilcoxon, variants) <= alpha
    order = sorted(range(variants), key=lambda one: over.average_ranks[one])
    groups = groups_of(differ[np.ix_(order, order)])
    return [[order[index] for index in group] for group in groups]


def _require_alike(
    names: Sequence[Variant],
    first: Variant,
    records: Mapping[str, ExperimentRecord],
    metric: ChosenMetric,
    graded: Collection[Variant],
) -> None:
    """Raises UsageError where a rank would be that of a data set, a grader or a metric."""
    reasons: dict[str, Variant] = {}
    for name in names:
        for code in differing(records, metric, name, first):
            if code in DIFFERING:
                reasons.setdefault(code, name)
    if reasons:
        code, name = next(iter(reasons.items()))
        ungraded = [one for one in (name, first) if one not in graded]
        if code == "metrics_differ" and ungraded:
            raise without_grades(ungraded[0], (name, first))
        raise UsageError(
            f"{name} and {first} cannot be ranked together: {REASONS[code]}",
            "Rank those that are alike, or compare two with: ml-agents compare --allow "
            f"{DIFFERING[code]}",
        )
