"""Comparison service: variants compared on the samples they share, each contrast with its test."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ml_agents_results.errors import NothingToCompareError, UsageError
from ml_agents_results.records import ExperimentRecord, Variant
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.tabulator import Tabulator
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.analysis_service import AnalysisService
from ml_agents_results.services.asked_samples import AskedSamples, incomplete_experiments
from ml_agents_results.services.comparison.baselines import contrasts, in_common
from ml_agents_results.services.comparison.comparison_figures import Figures
from ml_agents_results.services.comparison.comparison_result import (
    Comparison,
    Refusal,
    TaskComparison,
)
from ml_agents_results.services.comparison.comparison_rows import ComparisonRow
from ml_agents_results.services.comparison.early_looks import (
    EarlyLook,
    early_experiments,
)
from ml_agents_results.services.comparison.grade_figures import GradeFigures
from ml_agents_results.services.comparison.numeric_figures import NumericFigures
from ml_agents_results.services.comparison.pairing import (
    DIFFERING,
    REASONS,
    differing,
    without_grades,
)
from ml_agents_results.services.comparison.shared_samples import (
    ContrastReader,
    Variants,
)
from ml_agents_results.services.metric_choice import ChosenMetric
from ml_agents_results.services.sample_clusters import sample_cells
from ml_agents_results.services.variant_summary import bounds_of_samples
from ml_agents_results.statistics.cochrans_q import CochranQ, cochrans_q
from ml_agents_results.statistics.difference_sums import DifferenceSums


class ComparisonService(AnalysisService):
    """Compares variants on the samples they share."""

    def compare(
        self,
        experiment_ids: Sequence[str],
        *,
        baseline: str | None = None,
        by_task: bool = False,
    ) -> Comparison:
        """The variants of the experiments, compared as the options say.

        Args:
            baseline: The variant to compare with, or the approach within each model, or the model
                within each approach. By default the approach None within each model, else that of
                the variant that the first experiment recorded first.

        Raises:
            NotFoundError: There is no such experiment.
            NothingToCompareError: There are fewer than two variants.
            UsageError: No variant fits `baseline`, no two variants may be compared
                (`AnalysisOptions.allow`), or no task has a family (`AnalysisOptions.families`).
        """
        ids = list(dict.fromkeys(experiment_ids))
        records = {name: self._experiment(name) for name in ids}
        metric = self._metric(ids)
        tabulator = self._tabulator(filters=self._within(ids), pairs=True, metric=metric)
        if self._options.pool is not None:
            self._join(tabulator, ids, records, metric)
        counts, metric, numeric = self._counted(tabulator, metric)
        cells = sample_cells(tabulator, counts, self._options)
        bounds = bounds_of_samples(tabulator, counts)
        variants = Variants(counts, cells, self._options, bounds)
        if len(variants.names) < 2:
            number = "1 variant" if variants.names else "no variants"
            raise NothingToCompareError(
                f"there is nothing to compare: {number} in {', '.join(ids)}",
                "A variant is one approach with one model in one experiment; name further "
                "experiments, loosen the filters, or, if a column of an imported table tells "
                "variants apart, import it with --map model=COLUMN or --map approach_name=COLUMN.",
            )
        families = dict(self._options.families)
        if families and not families.keys() & set(variants.tasks):
            raise UsageError(
                f"none of the tasks that have a family is there: {', '.join(sorted(families)[:5])}",
                f"The tasks are: {', '.join(variants.tasks[:20])}",
            )
        chosen, refused = self._allowed(
            contrasts(
                self._in_recorded_order(variants.names, ids), baseline, self._options.contrasts
            ),
            records,
            metric,
            variants,
        )
        reader = ContrastReader(tabulator, self._options, records, metric)
        contrasted = [reader.read(*pair, variants) for pair in chosen]
        figures: Figures = (
            NumericFigures(tabulator, variants, self._options, metric)
            if numeric
            else GradeFigures(tabulator, variants, self._options, metric, cells)
        )
        pairs = [
            row if any(one.asked.values()) else _with_ids(row, tabulator)
            for row, one in zip(figures.pairs(contrasted), contrasted, strict=True)
        ]
        several = by_task or len(variants.tasks) > 1
        averages = figures.averages(contrasted, pairs) if several else None
        asked = AskedSamples(counts, bounds, records, self._filters)
        incomplete = incomplete_experiments(self._source, records.values())
        compared = Comparison(
            experiment_ids=ids,
            metric=metric.name,
            numeric=numeric,
            higher_is_better=metric.higher_is_better,
            confidence_level=self._options.confidence,
            variants=[asked.counted(figures.summary(name)) for name in variants.names],
            comparisons=pairs,
            tasks=[
                TaskComparison(
                    task,
                    [
                        asked.counted(figures.summary_in_task(part), task)
                        for part in variants.in_task(task)
                    ],
                    rows,
                )
                for task, rows in zip(variants.tasks, figures.by_task(contrasted), strict=True)
            ]
            if by_task
            else [],
            micro=averages.micro() if averages else [],
            macro=averages.macro() if averages and by_task else [],
            refused=refused,
            incomplete=incomplete,
            cochrans_q=None if numeric else _omnibus(tabulator, variants),
            warnings=_warnings(ids, variants, chosen, self._options),
        )
        if len({baseline for _, baseline in chosen}) > 1 and self._options.contrasts != "all-pairs":
            compared = _naming_what_is_equal(compared)
        early = early_experiments(records, [one.experiment_id for one in incomplete])
        if not early or self._options.unpaired:
            return compared
        sums = list(map(figures.sums, contrasted))
        return self._looking_early(compared, sums, records, early, metric)

    def _looking_early(
        self,
        compared: Comparison,
        sums: Sequence[DifferenceSums],
        records: Mapping[str, ExperimentRecord],
        early: Mapping[str, int | None],
        metric: ChosenMetric,
    ) -> Comparison:
        """The comparison as it holds at every look. Averages over tasks wait for the end."""
        span: float | None = 1.0
        if compared.numeric:
            span = metric.span
        look = EarlyLook(
            records,
            early,
            self._options,
            len(sums),
            span=span,
            higher_is_better=metric.higher_is_better,
        )
        return replace(
            compared,
            comparisons=[
                look.row(row, own) for row, own in zip(compared.comparisons, sums, strict=True)
            ],
            tasks=[
                replace(task, comparisons=[look.row(row) for row in task.comparisons])
                for task in compared.tasks
            ],
            micro=[],
            macro=[],
        )

    def _join(
        self,
        tabulator: Tabulator,
        ids: Sequence[str],
        records: Mapping[str, ExperimentRecord],
        metric: ChosenMetric,
    ) -> None:
        """Joins the experiments to one study.

        Raises:
            UsageError: They ran on other data sets, were graded otherwise, or number their samples
                differently.
        """
        first = Variant(ids[0], "", "", "")
        for name in ids[1:]:
            if codes := differing(records, metric, first._replace(experiment_id=name), first):
                raise UsageError(
                    f"{ids[0]} and {name} cannot be pooled: {REASONS[codes[0]]}",
                    "Leave --pool out: variants of other experiments are then compared one by one.",
                )
        if mixed := tabulator.pool(ids):
            raise UsageError(
                f"{', '.join(ids)} cannot be pooled: {mixed:,} of the samples with one index are "
                "different questions",
                "Leave --pool out, or import them with the same sample_index.",
            )

    def _within(self, experiment_ids: Sequence[str]) -> Filters:
        """The filters, narrowed to these experiments: others cost no time."""
        named = self._filters.experiment_id
        return replace(
            self._filters,
            experiment_id=tuple(name for name in experiment_ids if named is None or name in named),
        )

    def _allowed(
        self,
        chosen: Sequence[tuple[Variant, Variant]],
        records: Mapping[str, ExperimentRecord],
        metric: ChosenMetric,
        variants: Variants,
    ) -> tuple[list[tuple[Variant, Variant]], list[Refusal]]:
        """The pairs that differ in nothing but what they are compared for, and the others.

        Raises:
            UsageError: None is left.
        """
        allowed, refused = [], []
        for candidate, baseline in chosen:
            codes = differing(records, metric, candidate, baseline)
            if not (variants.graded(candidate) and variants.graded(baseline)):
                codes = tuple("no_grades" if one == "metrics_differ" else one for one in codes)
            reasons = tuple(code for code in codes if not self._allows(code))
            if reasons:
                refused.append(Refusal(baseline, candidate, reasons))
            else:
                allowed.append((candidate, baseline))
        if refused and not allowed:
            reasons = tuple(dict.fromkeys(code for row in refused for code in row.reasons))
            first = refused[0]
            if reasons == ("no_grades",):
                two = (first.candidate, first.baseline)
                raise without_grades(next(one for one in two if not variants.graded(one)), two)
            raise UsageError(
                f"{first.candidate} and {first.baseline} differ in more than their approach: "
                + "; ".join(REASONS[code] for code in reasons),
                _shared_metrics(records, first) + "Compare them all the same with "
                f"--allow {','.join(dict.fromkeys(DIFFERING[code] for code in reasons))}.",
            )
        return allowed, refused

    def _allows(self, code: str) -> bool:
        # Unpaired variants answer different questions by intention.
        if code == "datasets_differ" and self._options.unpaired:
            return True
        return code not in DIFFERING or DIFFERING[code] in self._options.allow


def _omnibus(tabulator: Tabulator, variants: Variants) -> CochranQ | None:
    """Whether more than two variants differ at all: of one experiment, and asked once."""
    number = len(variants.names)
    if number < 3:
        return None
    if len({variant.experiment_id for variant in variants.names}) > 1:
        return CochranQ(None, None, number - 1, 0, "several_experiments")
    if any(map(variants.repeated, variants.names)):
        return CochranQ(None, None, number - 1, 0, "repeats")
    return cochrans_q(tabulator.patterns(variants.names))


def _warnings(
    experiment_ids: Sequence[str],
    variants: Variants,
    chosen: Sequence[tuple[Variant, Variant]],
    options: AnalysisOptions,
) -> list[str]:
    """What is not only a matter of one row."""
    if options.pool is not None:
        return ["pooled_experiments"]
    answered = {variant.experiment_id for variant in variants.names}
    warnings = ["experiment_without_runs"] if set(experiment_ids) - answered else []
    kinds = {variant[1:] for variant in variants.names}
    if 1 < len(kinds) < len(variants.names):
        warnings.append("same_variants")
    if options.contrasts == "vs-baseline" and len({baseline for _, baseline in chosen}) > 1:
        if all(candidate[2:] == baseline[2:] for candidate, baseline in chosen):
            warnings.append("within_models")
        elif all(one.approach_name == two.approach_name for one, two in chosen):
            warnings.append("within_approaches")
        else:
            warnings.append("several_baselines")
    return warnings


def _with_ids(row: ComparisonRow, tabulator: Tabulator) -> ComparisonRow:
    """The row with ids of both sides where these are why it has no samples."""
    if row.samples or row.pairing_rule != "sample_id":
        return row
    one, two = (tuple(tabulator.first_ids(name)) for name in (row.candidate, row.baseline))
    return row if set(one) & set(two) else replace(row, candidate_ids=one, baseline_ids=two)


def _naming_what_is_equal(compared: Comparison) -> Comparison:
    """Every comparison with what its two sides have in common."""

    def named(rows: Sequence[ComparisonRow]) -> list[ComparisonRow]:
        return [replace(row, within=in_common(row.candidate, row.baseline)) for row in rows]

    return replace(
        compared,
        comparisons=named(compared.comparisons),
        tasks=[replace(task, comparisons=named(task.comparisons)) for task in compared.tasks],
    )


def _shared_metrics(records: Mapping[str, ExperimentRecord], refusal: Refusal) -> str:
    """A hint at a metric that both variants have, where theirs differ by name."""
    if "metrics_differ" not in refusal.reasons:
        return ""
    one, two = (
        [metric.name for metric in records[variant.experiment_id].metrics or ()]
        for variant in (refusal.candidate, refusal.baseline)
    )
    shared = [name for name in one if name in two]
    return f"Both have {', '.join(shared)}: --metric {shared[0]}. " if shared else ""
