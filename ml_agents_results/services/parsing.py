"""Parsing report: how well answers are parsed, and whether confidences mean what they say."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import sub
from typing import TYPE_CHECKING

from ml_agents_results.records import Variant
from ml_agents_results.repositories.counts import MethodCounts
from ml_agents_results.repositories.tabulator import Tabulator
from ml_agents_results.repositories.text_patterns import ParsingSums
from ml_agents_results.services.analysis_service import AnalysisService
from ml_agents_results.services.result_rows import Row, VariantRow, variant_frame
from ml_agents_results.services.sample_clusters import (
    cluster_sums,
    dependence,
    independence_warnings,
)
from ml_agents_results.services.variant_summary import by_variant, denominators
from ml_agents_results.statistics.auroc import Auroc, auroc
from ml_agents_results.statistics.calibration import (
    BrierScore,
    CalibrationLine,
    ConfidenceTable,
    Spiegelhalter,
    brier_score,
    calibration_in_the_large,
    calibration_line,
    spiegelhalter,
)
from ml_agents_results.statistics.cluster_robust import clustered_mean
from ml_agents_results.statistics.denominators import Denominators
from ml_agents_results.statistics.estimate import Estimate
from ml_agents_results.statistics.proportions import accuracy, proportion_interval
from ml_agents_results.statistics.reliability import (
    CalibrationError,
    calibration_error,
)
from ml_agents_results.statistics.run_columns import Cluster

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class ParsingMethodRow(VariantRow):
    """One parsing method in one variant; shares are fractions.

    `parsing_method` is None for runs whose method is not known. `mean_parsing_confidence` is over
    all `rated` runs; `confidence_gap` is the mean confidence minus the accuracy, both of the graded
    runs that have a confidence. The last fields come
    from parsing_metrics, over the runs that have them.
    """

    parsing_method: str | None
    runs: int
    graded: int
    correct: int
    accuracy: float | None
    ci_low: float | None
    ci_high: float | None
    interval_method: str
    rated: int
    mean_parsing_confidence: float | None
    confidence_gap: float | None
    metrics_runs: int
    mean_parsing_attempts: float | None
    fallback_rate: float | None
    mean_extraction_time_ms: float | None
    parsing_errors: int


@dataclass(frozen=True, slots=True)
class VariantParsing(VariantRow):
    """Parsing of one variant: how often no answer was found, and the calibration of the
    confidence against being correct.

    `calibration_in_the_large` is clustered as accuracies are; the other figures take runs as
    independent. Confidence is about the parse; a confident parse of a wrong answer counts as
    over-confidence here.
    """

    runs: int
    answered: int
    unparsed: int
    unparsed_rate: float | None
    unparsed_rate_ci_low: float | None
    unparsed_rate_ci_high: float | None
    calibration_in_the_large: Estimate
    brier: BrierScore
    calibration_error: CalibrationError
    auroc: Auroc
    spiegelhalter: Spiegelhalter
    calibration_line: CalibrationLine


@dataclass(frozen=True, slots=True)
class ParsingReport(Row):
    """Parsing quality by variant, and by variant and parsing method.

    `independent_runs` stands among the warnings where `calibration_in_the_large` is clustered: the
    other figures are not.
    """

    confidence_level: float
    variants: Sequence[VariantParsing]
    methods: Sequence[ParsingMethodRow]
    warnings: Sequence[str] = ()

    def to_frame(self) -> "pd.DataFrame":
        """One row per variant and parsing method, the columns of ParsingMethodRow."""
        return variant_frame(self.methods)


class ParsingService(AnalysisService):
    """How well answers are parsed."""

    def report(self) -> ParsingReport:
        """Every variant that has runs."""
        # Clustered figures need the samples.
        columns = ["method", "confidence", "sample_index"]
        tabulator = self._tabulator(missing="exclude", columns=columns)
        parts = tabulator.variants()
        cluster, _ = dependence(
            parts,
            self._options,
            repeated=any(part.repeated for part in parts),
        )
        rows: dict[Variant, list[MethodCounts]] = {}
        for row in tabulator.confidences():
            rows.setdefault(row.variant, []).append(row)
        texts = self._source.text_patterns(self._filters)
        metrics = {(row.variant, row.parsing_method): row for row in texts.parsing_sums()}
        return ParsingReport(
            self._options.confidence,
            [
                self._variant(denominators(counts), rows[variant], cluster, tabulator, variant)
                for variant, counts in by_variant(parts).items()
            ],
            [
                self._method(
                    variant,
                    method,
                    of_variant,
                    metrics.get((variant, method), ParsingSums.none(variant, method)),
                )
                for variant, of_variant in rows.items()
                for method in dict.fromkeys(row.parsing_method for row in of_variant)
            ],
            independence_warnings(parts, self._options),
        )

    def _variant(
        self,
        counts: Denominators,
        rows: Sequence[MethodCounts],
        cluster: Cluster | None,
        tabulator: Tabulator,
        variant: Variant,
    ) -> VariantParsing:
        level = self._options.confidence
        unparsed, answered = counts.unparsed, counts.total - counts.failed
        interval = proportion_interval(unparsed, answered, self._options.interval, level)
        table = _table(rows)
        large = calibration_in_the_large(table, level)
        if cluster is not None and table.n:
            sums = cluster_sums(tabulator, variant, cluster, "confidence", self._options)
            n, total, correct = zip(*sums, strict=True)
            large = clustered_mean(n, list(map(sub, correct, total))).as_difference(level)
        return VariantParsing(
            variant=variant,
            runs=counts.total,
            answered=answered,
            unparsed=unparsed,
            unparsed_rate=unparsed / answered if answered else None,
            unparsed_rate_ci_low=interval.low,
            unparsed_rate_ci_high=interval.high,
            calibration_in_the_large=large,
            brier=brier_score(table),
            calibration_error=calibration_error(table, confidence=level),
            auroc=auroc(table, level),
            spiegelhalter=spiegelhalter(table),
            calibration_line=calibration_line(table),
        )

    def _method(
        self,
        variant: Variant,
        method: str | None,
        rows: Sequence[MethodCounts],
        metrics: ParsingSums,
    ) -> ParsingMethodRow:
        rows = [row for row in rows if row.parsing_method == method]
        correct = sum(row.correct for row in rows)
        graded = correct + sum(row.wrong for row in rows)
        share = accuracy(correct, graded, self._options.interval, self._options.confidence)
        rated = [row for row in rows if row.confidence is not None]
        table = _table(rated)
        known = sum(row.correct + row.wrong + row.other for row in rated)
        total = sum((row.confidence or 0) * (row.correct + row.wrong + row.other) for row in rated)
        gap = None
        if table.n:
            gap = float((table.confidence * table.counts - table.correct).sum() / table.n)
        return ParsingMethodRow(
            variant=variant,
            parsing_method=method,
            runs=sum(row.correct + row.wrong + row.other for row in rows),
            graded=graded,
            correct=correct,
            accuracy=share.estimate,
            ci_low=share.ci_low,
            ci_high=share.ci_high,
            interval_method=share.method,
            rated=known,
            mean_parsing_confidence=total / known if known else None,
            confidence_gap=gap,
            metrics_runs=metrics.runs,
            mean_parsing_attempts=_ratio(metrics.attempts, metrics.attempts_known),
            fallback_rate=_ratio(metrics.fallbacks, metrics.fallback_known),
            mean_extraction_time_ms=_ratio(metrics.extraction_time_ms, metrics.timed),
            parsing_errors=metrics.errors,
        )


def _table(rows: Sequence[MethodCounts]) -> ConfidenceTable:
    return ConfidenceTable.from_rows(
        (row.confidence, row.correct, row.wrong) for row in rows if row.confidence is not None
    )


def _ratio(total: int, known: int) -> float | None:
    return total / known if known else None
