"""Figures of a comparison by a numeric metric, in its own unit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ml_agents_results.errors import UsageError
from ml_agents_results.records import Variant
from ml_agents_results.repositories.counts import PairedSums, VariantCounts
from ml_agents_results.repositories.tabulator import Tabulator
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.comparison.averages import PooledDifference
from ml_agents_results.services.comparison.comparison_rows import (
    ComparisonRow,
    DifferenceEstimate,
)
from ml_agents_results.services.comparison.correction import judged
from ml_agents_results.services.comparison.numeric_averages import (
    TaskRows,
    numeric_macro_rows,
    numeric_micro_rows,
)
from ml_agents_results.services.comparison.paired import margin_fields
from ml_agents_results.services.comparison.paired_values import (
    PairedValuesEstimate,
    estimate_differences,
    sums_of_differences,
)
from ml_agents_results.services.comparison.shared_samples import Contrast, Sides, Variants
from ml_agents_results.services.metric_choice import ChosenMetric
from ml_agents_results.services.numeric_summary import (
    Values,
    estimate_mean,
    grouped_values,
    numeric_summary,
    values_of,
)
from ml_agents_results.services.sample_clusters import cluster_column, cluster_method
from ml_agents_results.services.summary import VariantSummary
from ml_agents_results.statistics.choices import PairingRule
from ml_agents_results.statistics.cluster_robust import ClusteredMean
from ml_agents_results.statistics.difference_sums import DifferenceSums
from ml_agents_results.statistics.estimate import Estimate
from ml_agents_results.statistics.numeric_difference import (
    DifferenceTest,
    difference_test,
    effect_size,
    value_margin_test,
)
from ml_agents_results.statistics.two_samples import difference_of_means
from ml_agents_results.statistics.value_tabulation import DifferenceSteps, add_steps


@dataclass(frozen=True, slots=True)
class _Shared:
    """The shared samples of two variants: sums by cluster and by task, and the steps by task."""

    by_cluster: Sequence[PairedSums]
    by_task: Sequence[PairedSums]
    steps: dict[str, DifferenceSteps]


class NumericFigures:
    """Means, and differences of means."""

    def __init__(
        self,
        tabulator: Tabulator,
        variants: Variants,
        options: AnalysisOptions,
        metric: ChosenMetric,
    ) -> None:
        _refuse_choices_of_grades(options)
        self._tabulator = tabulator
        self._variants = variants
        self._options = options
        self._metric = metric
        self._values = grouped_values(tabulator, variants.names, options)
        self._by_task: dict[Variant, Values] = {}
        self._task_rows: list[list[ComparisonRow]] | None = None
        self._shared: dict[tuple[Variant, Variant], _Shared] = {}

    @property
    def _span(self) -> float | None:
        """The width of the metric's range."""
        bounds = self._metric.bounds
        return None if bounds is None else bounds[1] - bounds[0]

    def summary(self, variant: Variant) -> VariantSummary:
        times = self._tabulator.latencies(variant)
        parts, values = self._variants.parts(variant), self._values[variant]
        return numeric_summary(parts, values, self._options, self._metric, times)

    def summary_in_task(self, part: VariantCounts) -> VariantSummary:
        values = self._in_task(part.variant, part.task)
        return numeric_summary([part], values, self._options, self._metric, within_task=True)

    def _in_task(self, variant: Variant, task: str) -> Values:
        values = self._values[variant]
        if values.ungrouped:
            if variant not in self._by_task:
                self._by_task[variant] = values_of(self._tabulator, variant, "task")
            values = self._by_task[variant]
        return values.within(task)

    def _estimate(
        self, contrast: Contrast, sides: Sides, level: float, task: str | None = None
    ) -> DifferenceEstimate:
        if self._options.unpaired:
            return self._unpaired(contrast, sides, level, task)
        shared = self._read(contrast.candidate, contrast.baseline, contrast.rule)
        rows = shared.by_cluster
        if task is not None:
            alone = any(row.group is None for row in rows)
            rows = [row for row in (shared.by_task if alone else rows) if row.task == task]
        sums = sums_of_differences(rows)
        above, below = sum(row.above for row in rows), sum(row.below for row in rows)
        steps = add_steps(one for name, one in shared.steps.items() if task in (None, name))
        repeats = _repeats(contrast, task)
        found = estimate_differences(
            rows, steps, self._span, level, self._options, within_task=task is not None
        )
        interval = found.interval
        plain = found.mean.interval(level)
        independent = "independent samples" if repeats == {1} else "repeats averaged by sample"
        nulls = sum(row.pairs for row in rows if row.group is None)
        return DifferenceEstimate(
            baseline=contrast.baseline,
            candidate=contrast.candidate,
            samples=sums.n,
            candidate_samples=sums.n,
            baseline_samples=sums.n,
            candidate_mean=sum(row.candidate for row in rows) / sums.n if sums.n else None,
            baseline_mean=sum(row.baseline for row in rows) / sums.n if sums.n else None,
            difference=sums.mean,
            ci_low=interval.low,
            ci_high=interval.high,
            se=found.mean.se or None,
            interval_method=interval.method,
            p_value=found.test.p_value,
            p_value_exact=found.test.p_exact,
            test=found.test.test,
            method=cluster_method(self._options) if found.clustered else independent,
            metric=self._metric.name,
            metric_kind="numeric",
            better=above if self._metric.higher_is_better else below,
            equal=sums.n - above - below,
            worse=below if self._metric.higher_is_better else above,
            effect_size=effect_size(sums),
            t_ci_low=plain.low,
            t_ci_high=plain.high,
            p_value_t=found.mean.p_value() if plain.is_defined else None,
            confidence_level=self._options.confidence,
            interval_level=level,
            n_clusters=found.mean.n_clusters,
            dof=found.design.dof,
            se_cr1=found.mean.se_cr1 if found.clustered else None,
            design_effect=found.mean.deff,
            intraclass_correlation=found.mean.icc,
            largest_cluster=found.mean.largest_share,
            margin=self._options.margin,
            pairing_rule=sides.rule,
            denominators={
                "pairs": sums.n,
                "only_in_candidate": sides.candidate_samples - sums.n,
                "only_in_baseline": sides.baseline_samples - sums.n,
                "mismatched": sides.mismatched,
                "clusters": found.mean.n_clusters or 0,
                "null_clusters": nulls,
            },
            null_reason=interval.null_reason,
            warnings=_warnings(found.mean, sides, sums, nulls, unequal=len(repeats) > 1),
            **self._margin(sums, found),
        )

    def sums(self, contrast: Contrast) -> DifferenceSums:
        """The sums of the differences of all shared samples."""
        return sums_of_differences(
            self._read(contrast.candidate, contrast.baseline, contrast.rule).by_task
        )

    def _read(self, candidate: Variant, baseline: Variant, rule: PairingRule) -> _Shared:
        key = (candidate, baseline)
        if key not in self._shared:
            by_task = self._tabulator.paired(*key, "value", rule=rule)
            by_cluster: Sequence[PairedSums] = by_task
            if (cluster := cluster_column(self._options)) != "task":
                by_cluster = self._tabulator.paired(*key, "value", rule=rule, cluster=cluster)
            steps = self._tabulator.steps(*key, rule=rule)
            self._shared[key] = _Shared(by_cluster, by_task, steps)
        return self._shared[key]

    def _unpaired(
        self, contrast: Contrast, sides: Sides, level: float, task: str | None
    ) -> DifferenceEstimate:
        two = (contrast.candidate, contrast.baseline)
        values = [
            self._values[variant] if task is None else self._in_task(variant, task)
            for variant in two
        ]

        (one, method, first), (other, _, second) = (
            estimate_mean(
                of_variant,
                self._options,
                self._metric.bounds,
                within_task=task is not None,
                level=level,
            )
            for of_variant in values
        )
        found = difference_of_means(one, other, self._metric.bounds is not None)
        warnings = (*first, *second)
        shared = sides.graded.pairs if sides.graded else 0
        if shared:
            warnings = (*warnings, "shared_samples_unpaired")
        return DifferenceEstimate(
            baseline=contrast.baseline,
            candidate=contrast.candidate,
            samples=0,
            candidate_samples=values[0].samples,
            baseline_samples=values[1].samples,
            candidate_mean=one.estimate,
            baseline_mean=other.estimate,
            difference=found.estimate,
            ci_low=found.ci_low,
            ci_high=found.ci_high,
            se=found.se,
            interval_method=found.method,
            p_value=found.p_value,
            test="Welch's t",
            method=method,
            metric=self._metric.name,
            metric_kind="numeric",
            confidence_level=self._options.confidence,
            interval_level=level,
            n_clusters=None,
            dof=found.dof,
            se_cr1=None,
            margin=self._options.margin,
            pairing_rule="unpaired",
            denominators={
                "pairs": 0,
                "only_in_candidate": values[0].samples - shared,
                "only_in_baseline": values[1].samples - shared,
                "mismatched": 0,
                "clusters": 0,
                "null_clusters": 0,
            },
            null_reason=found.null_reason,
            warnings=tuple(dict.fromkeys((*warnings, *sides.warnings))),
        )

    def _margin(self, sums: DifferenceSums, found: PairedValuesEstimate) -> dict[str, Any]:
        margin = self._options.margin
        if margin is None or not found.interval.is_defined:
            return {}
        test = value_margin_test(
            sums,
            found.design,
            margin,
            self._span,
            self._options.confidence,
            higher_is_better=self._metric.higher_is_better,
        )
        return margin_fields(test)

    def pairs(self, contrasted: Sequence[Contrast]) -> list[ComparisonRow]:
        """The comparisons over all tasks, judged together."""
        return self._judged(self._rows(contrasted))

    def by_task(self, contrasted: Sequence[Contrast]) -> list[list[ComparisonRow]]:
        """The comparisons in each task, all judged together."""
        if self._task_rows is None:
            tables = [self._rows(contrasted, task) for task in self._variants.tasks]
            rows = self._judged(lambda level: [row for table in tables for row in table(level)])
            each = len(contrasted)
            self._task_rows = [rows[i * each : (i + 1) * each] for i in range(len(tables))]
        return self._task_rows

    def over_samples(
        self, contrasted: Sequence[Contrast], pairs: Sequence[ComparisonRow]
    ) -> list[PooledDifference]:
        """Every comparison with all samples weighted alike."""
        whole = {(pair.candidate, pair.baseline): self._whole(pair) for pair in pairs}
        tasks = self._named_tasks(contrasted)
        return numeric_micro_rows(pairs, tasks, whole, self._options, self._metric.bounds)

    def over_tasks(
        self, contrasted: Sequence[Contrast], pairs: Sequence[ComparisonRow]
    ) -> list[PooledDifference]:
        """Every comparison with all tasks (or families) weighted alike."""
        tasks = self._named_tasks(contrasted)
        return numeric_macro_rows(pairs, tasks, self._options, self._metric.bounds)

    def _named_tasks(self, contrasted: Sequence[Contrast]) -> TaskRows:
        return list(zip(self._variants.tasks, self.by_task(contrasted), strict=True))

    def _rows(
        self, contrasted: Sequence[Contrast], task: str | None = None
    ) -> Callable[[float], list[DifferenceEstimate]]:
        """The estimates of one table, as a function of the level of their intervals."""
        sides = [(one, self._variants.sides(one, task)) for one in contrasted]
        return lambda level: [self._estimate(*one, level, task) for one in sides]

    def _judged(
        self, estimates: Callable[[float], Sequence[DifferenceEstimate]]
    ) -> list[ComparisonRow]:
        return judged(estimates, self._options, higher_is_better=self._metric.higher_is_better)

    def _whole(
        self, pair: ComparisonRow
    ) -> tuple[DifferenceSums, DifferenceTest, Sequence[Estimate]]:
        means = [
            Estimate(mean, "mean of the samples compared", level=self._options.confidence)
            for mean in (pair.candidate_mean, pair.baseline_mean)
        ]
        if pair.pairing_rule == "unpaired":
            return DifferenceSums(0), DifferenceTest(None, None, ""), means
        shared = self._read(pair.candidate, pair.baseline, pair.pairing_rule)
        sums, steps = sums_of_differences(shared.by_task), add_steps(shared.steps.values())
        return sums, difference_test(sums, steps.counts, steps.kept, self._options.test), means


def _refuse_choices_of_grades(options: AnalysisOptions) -> None:
    """Raises UsageError for what applies to right and wrong only."""
    for name, value, default in (
        ("--interval", options.interval, "wilson"),
        ("--difference-interval", options.difference_interval, "bonett-price"),
    ):
        if value != default:
            raise UsageError(
                f"{name} {value} is for metrics of right and wrong, and this one is numeric",
                f"Leave out {name}.",
            )


def _repeats(contrast: Contrast, task: str | None) -> set[int]:
    """How often shared samples were graded on either side."""
    rows = contrast.in_task(task)
    return {n for row in rows for n in (row.candidate_graded, row.baseline_graded)} or {1}


def _warnings(
    mean: ClusteredMean, sides: Sides, sums: DifferenceSums, nulls: int, *, unequal: bool
) -> tuple[str, ...]:
    warnings = [code for code in mean.warnings if code != "few_samples"] + list(sides.warnings)
    if not sums.n:
        return tuple(dict.fromkeys((*warnings, "no_shared_samples")))
    asked = (sides.candidate_samples, sides.baseline_samples)
    for code, holds in (
        ("few_samples", sums.n < 20 and mean.n_clusters is None),
        ("no_differences", not sums.differing),
        ("partial_overlap", min(asked) > sums.n or asked[0] != asked[1]),
        ("null_clusters", bool(nulls)),
        ("mismatched_inputs", bool(sides.mismatched)),
        ("unequal_epochs", unequal),
    ):
        if holds:
            warnings.append(code)
    return tuple(dict.fromkeys(warnings))
