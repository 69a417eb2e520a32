"""Failure report: what goes wrong, where, and whether it is more than chance; exploratory."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ml_agents_results.records import Variant
from ml_agents_results.repositories.counts import HardSample, MethodCounts, VariantCounts
from ml_agents_results.repositories.tabulator import Tabulator
from ml_agents_results.repositories.text_patterns import ChangedSample, SliceCounts, TextPatterns
from ml_agents_results.services.analysis_service import AnalysisService
from ml_agents_results.services.comparison.baselines import contrasts
from ml_agents_results.services.result_rows import Row, TwoVariantRow, VariantRow, variant_frame
from ml_agents_results.services.sample_clusters import refuse_interval
from ml_agents_results.services.variant_summary import by_variant
from ml_agents_results.statistics.estimate import Interval
from ml_agents_results.statistics.proportions import (
    design_effect,
    design_effect_interval,
    proportion_interval,
)
from ml_agents_results.statistics.slices import scan_slices

if TYPE_CHECKING:
    import pandas as pd

READ_TEXTS_UP_TO = 50_000
"""Runs up to which outputs are read for slices by length and by answer marker, unless asked."""

_PATTERN_CHARACTERS = 80
_STATUS = re.compile(r"\b((?:HTTP|status|code|answered)[ :=]+\d{3})\b", re.IGNORECASE)
_ID = re.compile(
    r"\b(?=[\w-]*\d)(?=[\w-]*[A-Za-z])(?:[0-9a-f]{8}-[0-9a-f-]{8,}|[A-Za-z]+[-_][\w-]{6,}|\w{8,})\b"
)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


@dataclass(frozen=True, slots=True)
class OutcomeRate(VariantRow):
    """The share of a variant's runs that end in one outcome, with its interval; fractions. Where
    samples have repeats, the interval counts runs by what they are worth."""

    outcome: str
    runs: int
    of_runs: int
    rate: float | None
    rate_ci_low: float | None
    rate_ci_high: float | None
    interval_method: str


@dataclass(frozen=True, slots=True)
class SliceRow(VariantRow):
    """The graded runs of a variant that share a value, against its other graded runs.

    `difference` is their accuracy minus that of the rest; p values are Fisher's, adjusted (BH)
    over the `family_size` slices of the variant that are large enough. Where samples have repeats,
    intervals and p values count runs by what they are worth (Rao and Scott 1992).
    """

    dimension: str
    value: str
    graded: int
    correct: int
    accuracy: float | None
    ci_low: float | None
    ci_high: float | None
    rest_accuracy: float | None
    difference: float | None
    p_value: float | None
    p_value_adjusted: float | None
    family_size: int


@dataclass(frozen=True, slots=True)
class ErrorRow(VariantRow):
    """Errors that differ in numbers and ids only (see `error_pattern`), how many runs ended with
    one of them, and the first of them in alphabetical order (its first 200 characters)."""

    error: str
    runs: int
    example: str


@dataclass(frozen=True, slots=True)
class Changes(TwoVariantRow):
    """Samples that changed sides, with both run ids: `gains` only the candidate answered,
    `regressions` only the baseline. At most `limit` of each."""

    gains: tuple[ChangedSample, ...]
    regressions: tuple[ChangedSample, ...]


@dataclass(frozen=True, slots=True)
class FailureReport(Row):
    """Failure patterns. Slices are explorations: they suggest what to look at next.

    `patterns` counts samples by which of `pattern_variants` answered them: "101" are the first and
    the
    third. `oracle_accuracy` is the share that any of these variants answered. `duplicate_content`
    counts questions with their expected answer that several samples have, `conflicting_targets`
    texts of questions that have several expected answers (None where texts are not read). `errors`
    are the most frequent ones of `error_count`.
    """

    confidence_level: float
    outcomes: Sequence[OutcomeRate]
    slices: Sequence[SliceRow]
    errors: Sequence[ErrorRow]
    error_count: int
    hard_samples: Sequence[HardSample]
    changes: Sequence[Changes]
    patterns: dict[str, int]
    pattern_variants: Sequence[Variant]
    oracle_accuracy: float | None
    duplicate_content: int
    conflicting_targets: int | None
    warnings: Sequence[str]

    def to_dict(self) -> dict[str, Any]:
        values = Row.to_dict(self)
        counts, variants = values.pop("patterns"), values.pop("pattern_variants")
        oracle = values.pop("oracle_accuracy")
        patterns = {"variants": variants, "counts": counts, "oracle_accuracy": oracle}
        return {**values, "patterns": patterns}

    def to_frame(self) -> "pd.DataFrame":
        """One row per slice, the columns of SliceRow."""
        return variant_frame(self.slices)


class FailureService(AnalysisService):
    """What goes wrong, by outcome, slice, error and sample."""

    def report(
        self, *, baseline: str | None = None, limit: int = 20, read_texts: bool | None = None
    ) -> FailureReport:
        """Rates of every outcome, slices, errors, hard samples, gains and regressions.

        Args:
            limit: The longest list of samples and of errors.
            read_texts: Whether to look into the outputs; by default for up to 50,000 runs.
        """
        tabulator = self._tabulator(
            missing="exclude", columns=["method", "sample_index", "fingerprint"]
        )
        texts = self._source.text_patterns(self._filters)
        counts = tabulator.variants()
        variants = list(dict.fromkeys(part.variant for part in counts))
        slices = [*_by_task(counts), *_by_method(tabulator.methods())]
        failed = list(dict.fromkeys(part.variant for part in counts if part.failed))
        warnings = []
        conflicting = None
        if read_texts is None:
            read_texts = sum(part.runs for part in counts) <= READ_TEXTS_UP_TO
        if read_texts:
            slices += texts.text_slices()
            conflicting = texts.conflicting_targets()
        else:
            warnings.append("outputs_not_read")
        duplicates = tabulator.duplicate_contents()
        if duplicates:
            warnings.append("duplicate_content")
        if conflicting:
            warnings.append("conflicting_targets")
        ids = list(dict.fromkeys(variant.experiment_id for variant in variants))
        one_experiment = len(ids) == 1
        chosen = contrasts(self._in_recorded_order(variants), baseline) if one_experiment else []
        patterned = variants if one_experiment and 2 <= len(variants) <= 8 else []
        patterns = tabulator.patterns(patterned) if patterned else {}
        errors = _grouped(texts.errors(failed))
        return FailureReport(
            confidence_level=self._options.confidence,
            outcomes=self._outcomes(counts, _outcome_effects(tabulator, counts)),
            slices=self._scan(slices, counts, _graded_effects(tabulator, counts)),
            errors=errors[:limit],
            error_count=len(errors),
            hard_samples=tabulator.hard_samples(limit),
            changes=[_changes(texts, *pair, limit) for pair in chosen],
            patterns=patterns,
            pattern_variants=patterned,
            oracle_accuracy=_oracle(patterns),
            duplicate_content=duplicates,
            conflicting_targets=conflicting,
            warnings=warnings,
        )

    def _outcomes(
        self, counts: Sequence[VariantCounts], repeated: Mapping[tuple[Variant, str], float]
    ) -> list[OutcomeRate]:
        usual = ("failed", "unparsed", "ungraded", "wrong", "correct")
        further = ("truncated", "refused", "scored")
        names = (
            *usual,
            *(name for name in further if any(getattr(part, name) for part in counts)),
        )
        rows = []
        for variant, parts in by_variant(counts).items():
            runs = sum(part.runs for part in parts)
            for name in names:
                own = sum(getattr(part, name) for part in parts)
                effect = repeated.get((variant, name))
                interval = self._interval(own, runs, effect)
                rows.append(
                    OutcomeRate(
                        variant,
                        name,
                        own,
                        runs,
                        own / runs,
                        interval.low,
                        interval.high,
                        interval.method,
                    )
                )
        return rows

    def _interval(self, part: int, whole: int, effect: float | None) -> Interval:
        if effect is not None:
            refuse_interval(self._options, "samples with repeats")
            return design_effect_interval(part, whole, effect, self._options.confidence)
        return proportion_interval(part, whole, self._options.interval, self._options.confidence)

    def _scan(
        self,
        slices: Sequence[SliceCounts],
        counts: Sequence[VariantCounts],
        effects: Mapping[Variant, float],
    ) -> list[SliceRow]:
        rows = []
        for variant, parts in by_variant(counts).items():
            own = [row for row in slices if row.variant == variant]
            correct = sum(part.correct for part in parts)
            graded = correct + sum(part.wrong for part in parts)
            scanned = scan_slices(
                [(row.correct, row.graded) for row in own],
                correct,
                graded,
                confidence=self._options.confidence,
                effect=effects.get(variant, 1.0),
            )
            rows += [
                SliceRow(
                    variant=variant,
                    dimension=row.dimension,
                    value=row.value,
                    graded=row.graded,
                    correct=row.correct,
                    accuracy=found.accuracy,
                    ci_low=found.ci_low,
                    ci_high=found.ci_high,
                    rest_accuracy=found.rest_accuracy,
                    difference=found.difference,
                    p_value=found.p_value,
                    p_value_adjusted=found.p_adjusted,
                    family_size=found.family_size,
                )
                for row, found in zip(own, scanned, strict=True)
            ]
        return rows


def _outcome_effects(
    tabulator: Tabulator, counts: Sequence[VariantCounts]
) -> dict[tuple[Variant, str], float]:
    """The design effect of the share of each outcome, of variants whose samples have repeats."""
    repeated = {part.variant for part in counts if part.repeated}
    sums = tabulator.repeated_outcomes() if repeated else {}
    return {key: design_effect(*own) for key, own in sums.items() if key[0] in repeated}


def _graded_effects(tabulator: Tabulator, counts: Sequence[VariantCounts]) -> dict[Variant, float]:
    """The design effect of the accuracy of graded runs, of variants whose samples have repeats."""
    repeated = {part.variant for part in counts if part.repeated}
    effects = {}
    for variant, cells in (tabulator.samples() if repeated else {}).items():
        if variant in repeated:
            powers = [
                (1, c.graded, c.graded**2, c.correct, c.correct**2, c.correct * c.graded)
                for c in cells
            ]
            sums = (
                sum(power * cell.samples for power, cell in zip(column, cells, strict=True))
                for column in zip(*powers, strict=True)
            )
            effects[variant] = design_effect(*sums)
    return effects


def error_pattern(message: str) -> str:
    """The message (its first 80 characters) with numbers as `#` and ids as `<id>`; the status of
    an HTTP answer stays."""
    parts = _STATUS.split(" ".join(message.split()))
    # Every second part is a status.
    parts[::2] = [_NUMBER.sub("#", _ID.sub("<id>", part)) for part in parts[::2]]
    return "".join(parts)[:_PATTERN_CHARACTERS]


def _grouped(errors: Iterable[tuple[Variant, str, int]]) -> list[ErrorRow]:
    """The errors by pattern, the most frequent first."""
    groups: dict[tuple[Variant, str], ErrorRow] = {}
    for variant, message, runs in errors:
        key = (variant, error_pattern(message))
        known = groups.setdefault(key, ErrorRow(*key, 0, message))
        groups[key] = replace(known, runs=known.runs + runs)
    return sorted(groups.values(), key=lambda row: (-row.runs, row.variant, row.error))


def _changes(texts: TextPatterns, candidate: Variant, baseline: Variant, limit: int) -> Changes:
    gains, regressions = (
        tuple(texts.changed(candidate, baseline, improved=improved, limit=limit))
        for improved in (True, False)
    )
    return Changes(baseline, candidate, gains, regressions)


def _by_method(counts: Sequence[MethodCounts]) -> list[SliceCounts]:
    return [
        SliceCounts(
            row.variant,
            "parsing_method",
            row.parsing_method or "unknown",
            row.correct,
            row.correct + row.wrong,
        )
        for row in sorted(counts, key=lambda row: (row.variant, row.parsing_method or "unknown"))
        if row.correct + row.wrong
    ]


def _by_task(counts: Sequence[VariantCounts]) -> list[SliceCounts]:
    return [
        SliceCounts(part.variant, "task", part.task, part.correct, part.correct + part.wrong)
        for part in counts
        if part.correct + part.wrong
    ]


def _oracle(patterns: Mapping[str, int]) -> float | None:
    samples = sum(patterns.values())
    answered = sum(count for bits, count in patterns.items() if "1" in bits)
    return answered / samples if samples else None
