"""Gate: whether a candidate may replace the baseline, one verdict per rule and candidate."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from ml_agents_results.records import SCHEMA_VERSION
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.run_source import RunSource, SharedReads
from ml_agents_results.repositories.tabulator import source_of
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.analysis_service import AnalysisService
from ml_agents_results.services.comparison.comparison_result import Comparison, Refusal
from ml_agents_results.services.comparison.comparison_rows import ComparisonRow
from ml_agents_results.services.comparison.comparison_service import ComparisonService
from ml_agents_results.services.gate_rules import FigureRule, Gate, MetricRule
from ml_agents_results.services.result_rows import Row, TwoVariantRow
from ml_agents_results.services.variant_summary import VariantSummary
from ml_agents_results.statistics.choices import Missing
from ml_agents_results.statistics.multiplicity import adjust
from ml_agents_results.statistics.regression_gate import (
    GateVerdict,
    binary_samples_needed,
    gate_verdict,
    numeric_samples_needed,
    one_sided,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRow(TwoVariantRow):
    """One rule judged for one candidate.

    Attributes:
        rule: The rule in words.
        reason: Why it is not decided; None where it is.
        fails: Whether this row fails the gate.
        missing: What a run without a grade counted as.
        ci_low, ci_high: The interval that was held against the margin.
        p_worse: One-sided, for no loss; by Holm for the number of rows of the gate.
        samples_needed: Shared samples that would pass with 80% power if there is no difference;
            None where the rule is decided.
        candidate_value, baseline_value: Of a figure, in its unit; means of a metric.
    """

    rule: str
    metric: str
    numeric: bool
    verdict: GateVerdict
    reason: str | None
    fails: bool = False
    missing: Missing = "exclude"
    margin: float | None = None
    candidate_value: float | None = None
    baseline_value: float | None = None
    difference: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    p_non_inferior: float | None = None
    p_worse: float | None = None
    samples: int | None = None
    samples_needed: int | None = None


@dataclass(frozen=True, slots=True)
class GateReport(Row):
    """All verdicts of a gate; `alpha` is the level of each kind of claim."""

    alpha: float
    fail_on: tuple[str, ...]
    rows: Sequence[GateRow]

    @property
    def verdict(self) -> GateVerdict:
        """`worse` if a rule says so, else `undecided` if one is, else `pass`."""
        verdicts = {row.verdict for row in self.rows}
        return next(
            (one for one in ("worse", "undecided") if one in verdicts),
            "pass",
        )

    @property
    def failed(self) -> bool:
        return any(row.fails for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "verdict": self.verdict,
            "failed": self.failed,
            **Row.to_dict(self),
        }


class GateService(AnalysisService):
    """Judges candidates by the rules of a gate; what one rule has read or compared serves the
    others."""

    def __init__(
        self,
        source: Connection | RunSource,
        filters: Filters | None = None,
        options: AnalysisOptions | None = None,
    ) -> None:
        super().__init__(SharedReads(source_of(source), ()), filters, options)
        self._comparisons: dict[tuple[Filters, AnalysisOptions], Comparison] = {}

    def judge(
        self, experiment_ids: Sequence[str], gate: Gate, *, baseline: str | None = None
    ) -> GateReport:
        """Raises what ComparisonService.compare raises."""
        rows: list[GateRow] = []
        for rule in gate.rules:
            if isinstance(rule, MetricRule):
                rows += self._by_metric(experiment_ids, gate, rule, baseline)
            else:
                rows += self._by_figure(experiment_ids, gate, rule, baseline)
        adjusted = adjust([row.p_worse for row in rows])
        alpha = self._options.alpha
        decided = [
            _decided(row, p_worse, alpha, gate) for row, p_worse in zip(rows, adjusted, strict=True)
        ]
        return GateReport(alpha, gate.fail_on, decided)

    def _by_metric(
        self, ids: Sequence[str], gate: Gate, rule: MetricRule, baseline: str | None
    ) -> list[GateRow]:
        missing = self._missing(ids, rule)
        options = replace(
            self._options,
            metric=rule.metric or self._options.metric,
            margin=rule.margin,
            missing=missing,
            allow=_allowed(self._options.allow, gate),
        )
        filters = self._filters if rule.task is None else replace(self._filters, task=(rule.task,))
        comparison = self._compared(ids, baseline, filters, options)
        words = rule.metric or comparison.metric
        if rule.task is not None:
            words += f" in {rule.task}"
        rows = [
            _metric_row(row, words, rule, missing, comparison, gate)
            for row in comparison.comparisons
        ]
        return rows + [_refused(words, rule, row, comparison) for row in comparison.refused]

    def _by_figure(
        self, ids: Sequence[str], gate: Gate, rule: FigureRule, baseline: str | None
    ) -> list[GateRow]:
        options = replace(self._options, allow=_allowed(self._options.allow, gate))
        comparison = self._compared(ids, baseline, self._filters, options)
        variants = {summary.variant: summary for summary in comparison.variants}
        return [
            _figure_row(rule, variants[row.candidate], variants[row.baseline])
            for row in comparison.comparisons
        ]

    def _compared(
        self,
        ids: Sequence[str],
        baseline: str | None,
        filters: Filters,
        options: AnalysisOptions,
    ) -> Comparison:
        if (filters, options) not in self._comparisons:
            service = ComparisonService(self._source, filters, options)
            self._comparisons[filters, options] = service.compare(ids, baseline=baseline)
        return self._comparisons[filters, options]

    def _missing(self, ids: Sequence[str], rule: MetricRule) -> Missing:
        """A candidate that crashes must not pass: what is missing counts as the worst value, where
        there is one."""
        name = rule.metric or self._options.metric
        for experiment_id in ids:
            for metric in self._experiment(experiment_id).metrics or ():
                chosen = metric.is_primary if name is None else metric.name == name
                worst = metric.upper if metric.higher_is_better is False else metric.lower
                if chosen and metric.kind == "numeric" and worst is None:
                    return "exclude"
        return "incorrect"


def _metric_row(
    row: ComparisonRow,
    words: str,
    rule: MetricRule,
    missing: Missing,
    comparison: Comparison,
    gate: Gate,
) -> GateRow:
    p_worse = None
    if row.p_value is not None and row.difference is not None:
        p_worse = one_sided(row.p_value, row.difference, comparison.higher_is_better)
    return GateRow(
        row.baseline,
        row.candidate,
        rule=words,
        metric=row.metric,
        numeric=row.numeric,
        verdict="undecided",
        reason=_obstacle(row, comparison, gate),
        missing=missing,
        margin=rule.margin,
        candidate_value=row.candidate_mean,
        baseline_value=row.baseline_mean,
        difference=row.difference,
        ci_low=row.ci_low if rule.margin is None else row.margin_ci_low,
        ci_high=row.ci_high if rule.margin is None else row.margin_ci_high,
        p_non_inferior=row.p_non_inferior,
        p_worse=p_worse,
        samples=row.samples or min(row.candidate_samples, row.baseline_samples),
        samples_needed=_needed(row, rule.margin),
    )


def _obstacle(row: ComparisonRow, comparison: Comparison, gate: Gate) -> str | None:
    """Why there can be no verdict."""
    for incomplete in comparison.incomplete:
        if incomplete.stopped_early:
            # What is judged by holds at every look.
            continue
        if incomplete.experiment_id in (row.candidate.experiment_id, row.baseline.experiment_id):
            return f"{incomplete.experiment_id} has {incomplete.runs} of {incomplete.planned} runs"
    if row.difference is None:
        return "no sample is shared and graded"
    if row.n_clusters == 1:
        return "there is one cluster only"
    samples = row.samples or min(row.candidate_samples, row.baseline_samples)
    if samples < gate.require.samples:
        return f"{samples:,} of the {gate.require.samples:,} samples that are required"
    alone = row.denominators.get("only_in_baseline", 0)
    if alone and gate.require.all_samples:
        return f"{alone:,} samples of the baseline have no run of the candidate"
    candidate = next(one for one in comparison.variants if one.variant == row.candidate)
    failed = candidate.failed / candidate.runs if candidate.runs else 0.0
    if failed > gate.require.max_failed:
        return f"{failed:.1%} of its runs failed; at most {gate.require.max_failed:.1%} may"
    if row.margin is not None and row.null_reason == "no_differences":
        return (
            f"all {samples:,} samples have the same value on both sides, which gives no interval "
            f"unless the bounds of {row.metric} are known: import with --bounds "
            f"{row.metric}=LOW..HIGH, or save a MetricRecord with lower and upper"
        )
    return None


def _needed(row: ComparisonRow, margin: float | None) -> int | None:
    if margin is None or not row.samples:
        return None
    alpha = 1 - row.confidence_level
    if row.discordance is not None and row.n_clusters is None and not row.numeric:
        return binary_samples_needed(row.discordance or 1 / row.samples, margin, alpha)
    if not row.se:
        return None
    return numeric_samples_needed(row.se * row.samples**0.5, margin, alpha)


def _refused(words: str, rule: MetricRule, refusal: Refusal, comparison: Comparison) -> GateRow:
    return GateRow(
        refusal.baseline,
        refusal.candidate,
        rule=words,
        metric=comparison.metric,
        numeric=comparison.numeric,
        verdict="undecided",
        reason="; ".join(refusal.reasons).replace("_", " "),
        margin=rule.margin,
    )


def _figure_row(rule: FigureRule, candidate: VariantSummary, baseline: VariantSummary) -> GateRow:
    now, before = getattr(candidate, rule.figure), getattr(baseline, rule.figure)
    verdict: GateVerdict = "undecided"
    if now is not None and before is not None:
        verdict = "pass" if now <= before * (1 + rule.max_increase) else "worse"
    return GateRow(
        baseline.variant,
        candidate.variant,
        rule=f"{rule.figure} at most {rule.max_increase:+.0%}",
        metric=rule.figure,
        numeric=True,
        verdict=verdict,
        reason="one of the two is not known" if verdict == "undecided" else None,
        candidate_value=now,
        baseline_value=before,
        difference=None if now is None or before is None else now - before,
    )


def _decided(row: GateRow, p_worse: float | None, alpha: float, gate: Gate) -> GateRow:
    verdict = row.verdict
    if row.reason is None and verdict == "undecided":
        verdict = gate_verdict(row.p_non_inferior, p_worse, alpha)
    undecided = verdict == "undecided"
    return replace(
        row,
        verdict=verdict,
        p_worse=p_worse,
        fails=verdict == "worse" or (undecided and "undecided" in gate.fail_on),
        samples_needed=row.samples_needed if undecided else None,
    )


def _allowed(allow: Sequence[str], gate: Gate) -> tuple[str, ...]:
    extra = [
        name
        for name, required in (
            ("dataset", gate.require.same_dataset),
            ("grader", gate.require.same_grader),
        )
        if not required
    ]
    return tuple(dict.fromkeys([*allow, *extra]))
