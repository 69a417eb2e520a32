"""Looking early: comparisons of studies that are not done, or were ended when they were decided.

Whoever looks until a difference shows will find one. These rows have intervals and p values that
hold at every look, in place of those of a study of a fixed size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ml_agents_results.records import ExperimentRecord
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.asked_samples import STOPPED_EARLY
from ml_agents_results.services.comparison.comparison_rows import ComparisonRow
from ml_agents_results.statistics.anytime import anytime_p, confidence_sequence, e_value, margin_p
from ml_agents_results.statistics.difference_sums import DifferenceSums
from ml_agents_results.statistics.estimate import Interval
from ml_agents_results.statistics.multiplicity import simultaneous_confidence
from ml_agents_results.statistics.verdict import Verdict

LOOKING_EARLY = "looking_early"


def early_experiments(
    records: Mapping[str, ExperimentRecord], incomplete: Sequence[str]
) -> dict[str, int | None]:
    """The experiments with runs missing, or that were to end early (whether or not they did), each
    with its planned samples."""
    early: dict[str, int | None] = {}
    for name, record in records.items():
        extra = record.config_json.get("extra")
        settings = {**record.config_json, **(extra if isinstance(extra, Mapping) else {})}
        looked = STOPPED_EARLY in record.environment_json or settings.get("stop_when") == "decided"
        if name in incomplete or looked:
            questions = record.noted("plan").get("questions")
            early[name] = questions if isinstance(questions, int) else None
    return early


def is_shuffled(record: ExperimentRecord) -> bool:
    """Whether its questions were asked in random order."""
    return record.noted("plan").get("shuffle") is not None


class EarlyLook:
    """What rows of a comparison say where an experiment is not done.

    Args:
        tests: Comparisons that are looked at: intervals and p values hold for all at once
            (Bonferroni), unless the options correct for nothing.
        span: The width of the metric's range; None where it has none.
    """

    def __init__(
        self,
        records: Mapping[str, ExperimentRecord],
        early: Mapping[str, int | None],
        options: AnalysisOptions,
        tests: int,
        *,
        span: float | None,
        higher_is_better: bool,
    ) -> None:
        self._records = records
        self._early = early
        self._options = options
        self._tests = 1 if options.correction == "none" else max(tests, 1)
        self._span = span
        self._higher_is_better = higher_is_better

    def row(self, row: ComparisonRow, sums: DifferenceSums | None = None) -> ComparisonRow:
        """The row as it holds at every look; unchanged where both experiments are done.

        Args:
            sums: Of the differences, where the row has no 2x2 table that gives them. Without
                either there is neither interval nor p value.
        """
        sides = {row.candidate.experiment_id, row.baseline.experiment_id}
        if not sides & self._early.keys() or row.pairing_rule == "unpaired":
            return row
        level = simultaneous_confidence(self._options.confidence, self._tests)
        p_value = None
        if row.improved is not None and row.regressed is not None:
            sums = DifferenceSums.of_table(row.improved, row.regressed, row.samples)
            p_value = anytime_p(e_value(row.improved, row.regressed))
        interval = Interval(None, None, "confidence-sequence", level, "too_early")
        margins: dict[str, float] = {}
        if sums is not None:
            pseudo, planned = self._shape(row, sums, sides)
            interval = confidence_sequence(
                sums, level, span=self._span, pseudo=pseudo, planned=planned
            )
            if interval.is_defined and self._options.margin is not None:
                margins = self._margins(sums, self._options.margin, pseudo, planned)
        adjusted = None if p_value is None else min(1.0, p_value * self._tests)
        shuffled = all(is_shuffled(self._records[side]) for side in sides)
        codes = (LOOKING_EARLY, *(() if shuffled else ("not_shuffled",)))
        return replace(
            row,
            ci_low=interval.low,
            ci_high=interval.high,
            interval_method=interval.method,
            interval_level=level,
            p_value=p_value,
            p_value_exact=None,
            p_value_adjusted=adjusted,
            p_value_t=None,
            t_ci_low=None,
            t_ci_high=None,
            p_value_unpaired=None,
            test="e-value" if p_value is not None else "confidence sequence",
            method="samples in random order",
            correction="none" if self._tests == 1 else "bonferroni",
            family_size=self._tests,
            null_reason=interval.null_reason,
            mde=None,
            warnings=tuple(dict.fromkeys((*codes, *row.warnings))),
            **{**self._judged(interval, adjusted), **margins},
        )

    def _shape(
        self, row: ComparisonRow, sums: DifferenceSums, sides: set[str]
    ) -> tuple[float, int | None]:
        """The size of the pseudo-samples of the sequence, and the planned samples."""
        pseudo = sums.pseudo_sample
        if row.numeric:
            pseudo = self._span or 1.0
            if sums.differing:
                pseudo = (sums.squares / sums.differing) ** 0.5
        planned = [n for n in (self._early.get(side) for side in sides) if n is not None]
        return pseudo, max(planned, default=None)

    def _margins(
        self, sums: DifferenceSums, margin: float, pseudo: float, planned: int | None
    ) -> dict[str, float]:
        """The anytime p values of the margin."""
        sign = 1.0 if self._higher_is_better else -1.0
        worse, better = (
            margin_p(replace(sums, total=of * sums.total), margin, pseudo, planned)
            for of in (sign, -sign)
        )
        both = max(worse, better)
        return {
            "p_non_inferior": worse,
            "p_equivalent": both,
            "p_non_inferior_adjusted": min(1.0, worse * self._tests),
            "p_equivalent_adjusted": min(1.0, both * self._tests),
        }

    def _judged(self, interval: Interval, p_adjusted: float | None) -> dict[str, Any]:
        """What is decided: by the sequence, and where there is one by the e-value."""
        low, high = interval.low, interval.high
        margin = self._options.margin
        within = above = None
        verdict: Verdict = "inconclusive"
        if margin is not None:
            within = above = False
        if low is not None and high is not None:
            worse, better = (low, high) if self._higher_is_better else (-high, -low)
            decided = interval.excludes(0.0)
            if p_adjusted is not None:
                decided = decided and p_adjusted <= self._options.alpha
            if margin is not None:
                within, above = -margin < worse and better < margin, worse > -margin
            if within:
                verdict = "equivalent"
            elif decided:
                verdict = "candidate_better" if worse + better > 0.0 else "baseline_better"
            elif above:
                verdict = "non_inferior"
        return {
            "verdict": verdict,
            "equivalent": within,
            "non_inferior": above,
            "margin_test": None if margin is None else "confidence sequence",
            "margin_ci_low": None if margin is None else low,
            "margin_ci_high": None if margin is None else high,
            "p_non_inferior": None,
            "p_equivalent": None,
            "p_non_inferior_adjusted": None,
            "p_equivalent_adjusted": None,
        }
