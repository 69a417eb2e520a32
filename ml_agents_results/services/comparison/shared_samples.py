"""Shared samples of two variants, and those that only one of them has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ml_agents_results.records import ExperimentRecord, Variant
from ml_agents_results.repositories.counts import PairCounts, Pairs, SampleCounts, VariantCounts
from ml_agents_results.repositories.tabulator import Tabulator
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.comparison.paired_differences import Differences
from ml_agents_results.services.comparison.pairing import differing, pairing_rule
from ml_agents_results.services.metric_choice import ChosenMetric
from ml_agents_results.services.sample_clusters import (
    cells_of,
    cluster_column,
    null_clusters,
    refuse_null_cluster,
)
from ml_agents_results.services.variant_summary import SampleBounds, denominators
from ml_agents_results.statistics.choices import Missing, PairingRule
from ml_agents_results.statistics.denominators import coverage_warnings, mean_bounds
from ml_agents_results.statistics.paired_table import PairedTable


@dataclass(frozen=True, slots=True)
class Sides:
    """What is known of two variants apart from their shared samples.

    Attributes:
        candidate_samples, baseline_samples: The variant's own samples that count.
        graded: The samples graded on both sides, whatever a missing grade counts as; None where
            samples have repeats.
        bounds: Of the difference, where samples have repeats.
        missing_pairs: Samples asked on some side and not graded on both.
        mismatched: Pairs whose question or expected answer differs.
        warnings: What makes the two variants hard to compare.
    """

    candidate_samples: int
    baseline_samples: int
    graded: PairedTable | None
    missing_pairs: int
    mismatched: int
    bounds: tuple[float, float] | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Contrast:
    """The shared samples of two variants, by task and by what errors are clustered by: those that
    count, those graded on both sides, and how many were asked on both sides by task."""

    candidate: Variant
    baseline: Variant
    rule: PairingRule
    shared: Sequence[PairCounts]
    graded: Sequence[PairCounts]
    asked: Mapping[str, int]
    bounds: Mapping[str, tuple[int, float, float]]
    mismatched: int
    warnings: tuple[str, ...]

    @cached_property
    def _by_task(self) -> dict[str, list[PairCounts]]:
        tasks: dict[str, list[PairCounts]] = {}
        for row in self.shared:
            tasks.setdefault(row.task, []).append(row)
        return tasks

    def in_task(self, task: str | None) -> Sequence[PairCounts]:
        """The samples that count, in one task or in all."""
        return self.shared if task is None else self._by_task.get(task, [])

    def cells(self, task: str | None) -> tuple[list[SampleCounts], list[SampleCounts]]:
        """These samples as the candidate and as the baseline answered them."""
        one, two = [], []
        for r in self.in_task(task):
            own = (r.candidate_graded, r.candidate_correct, r.samples)
            one.append(SampleCounts(r.task, r.group, *own))
            own = (r.baseline_graded, r.baseline_correct, r.samples)
            two.append(SampleCounts(r.task, r.group, *own))
        return one, two


class Variants:
    """What is known of each variant by itself."""

    def __init__(
        self,
        counts: Sequence[VariantCounts],
        samples: Mapping[Variant, Sequence[SampleCounts]],
        options: AnalysisOptions,
        bounds: SampleBounds | None = None,
    ) -> None:
        self._options = options
        self.bounds = bounds
        self.counts = counts
        self.names = list(dict.fromkeys(part.variant for part in counts))
        self.tasks = sorted({part.task for part in counts})
        self._samples = {name: cells_of(cells) for name, cells in samples.items()}
        self._parts: dict[Variant, dict[str, VariantCounts]] = {}
        for part in counts:
            self._parts.setdefault(part.variant, {})[part.task] = part

    def parts(self, variant: Variant, task: str | None = None) -> list[VariantCounts]:
        """The counts of the variant in each of its tasks, or in one."""
        parts = self._parts[variant]
        if task is None:
            return list(parts.values())
        return [parts[task]] if task in parts else []

    def in_task(self, task: str) -> list[VariantCounts]:
        """The counts of every variant that was asked something in the task."""
        return [part for variant in self.names for part in self.parts(variant, task)]

    def cells(self, part: VariantCounts) -> Sequence[SampleCounts]:
        return self._samples[part.variant].get(part.task, ())

    def graded(self, variant: Variant) -> bool:
        """Whether any of its runs has a grade."""
        return denominators(self.parts(variant)).graded > 0

    def repeated(self, variant: Variant) -> bool:
        return any(part.repeated for part in self._parts[variant].values())

    def samples(self, variant: Variant, task: str | None = None) -> int:
        """The variant's samples that count."""
        return sum(cell.samples for part in self.parts(variant, task) for cell in self.cells(part))

    def runs(self, variant: Variant, task: str | None = None) -> int:
        return sum(part.runs for part in self.parts(variant, task))

    def complete(self, variant: Variant) -> bool:
        """Whether every run of the variant is graded."""
        return denominators(self.parts(variant)).coverage == 1

    def sides(self, contrast: Contrast, task: str | None = None) -> Sides:
        """What is known of two variants apart from their shared samples, in all tasks or one."""
        two = (contrast.candidate, contrast.baseline)
        graded = Differences.of(
            [row for row in contrast.graded if task in (None, row.task)], self._options
        ).table
        asked = sum(n for own, n in contrast.asked.items() if task in (None, own))
        union = sum(self.runs(variant, task) for variant in two) - asked
        coverage = coverage_warnings(*(denominators(self.parts(variant, task)) for variant in two))
        return Sides(
            candidate_samples=self.samples(contrast.candidate, task),
            baseline_samples=self.samples(contrast.baseline, task),
            graded=None if any(map(self.repeated, two)) else graded,
            missing_pairs=0 if graded is None else max(0, union - graded.pairs),
            mismatched=contrast.mismatched if task is None else 0,
            bounds=mean_bounds(
                part for own, part in contrast.bounds.items() if task in (None, own)
            ),
            warnings=(*contrast.warnings, *coverage),
        )


class ContrastReader:
    """Fetches contrasts for the experiments and options of one comparison."""

    def __init__(
        self,
        tabulator: Tabulator,
        options: AnalysisOptions,
        experiments: Mapping[str, ExperimentRecord],
        metric: ChosenMetric,
    ) -> None:
        self._options = options
        self._experiments = experiments
        self._metric = metric
        self._tabulator = tabulator

    def read(self, candidate: Variant, baseline: Variant, variants: Variants) -> Contrast:
        """The shared samples of two variants.

        Raises:
            UsageError: A shared sample has no value to cluster by.
        """
        rule, notes = pairing_rule(
            self._tabulator, self._experiments, candidate, baseline, self._options.pair_by
        )
        repeated = variants.repeated(candidate) or variants.repeated(baseline)

        cluster = cluster_column(self._options)

        def pairs(missing: Missing = self._options.missing) -> Pairs:
            return self._tabulator.pairs(
                candidate, baseline, rule=rule, cluster=cluster, missing=missing
            )

        shared = pairs()
        graded = shared.counts
        refuse_null_cluster(null_clusters(shared.counts), cluster, self._options)
        asked = _by_task(shared.counts)
        # Where every run is graded, the counts at hand say it all.
        if not repeated and not (variants.complete(candidate) and variants.complete(baseline)):
            if self._options.missing == "incorrect":
                graded = pairs("exclude").counts
            else:
                asked = _by_task(pairs("incorrect").counts)
        codes = differing(self._experiments, self._metric, candidate, baseline)
        return Contrast(
            candidate=candidate,
            baseline=baseline,
            rule=rule,
            shared=shared.counts,
            graded=graded,
            asked=asked,
            bounds=self._tabulator.pair_bounds(candidate, baseline, rule) if repeated else {},
            mismatched=shared.mismatched,
            warnings=tuple(dict.fromkeys((*codes, *notes))),
        )


def _by_task(counts: Sequence[PairCounts]) -> dict[str, int]:
    samples: dict[str, int] = {}
    for row in counts:
        samples[row.task] = samples.get(row.task, 0) + row.samples
    return samples
