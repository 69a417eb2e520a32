"""The tables of a paper: few columns, the interval in the cell, the best variants marked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ml_agents_results.records import Variant
from ml_agents_results.reports.wording import (
    UNKNOWN,
    dollars,
    explain,
    format_p,
    interval,
    milliseconds,
    points,
    points_interval,
    variant_labels,
)
from ml_agents_results.services.comparison.comparison_service import Comparison
from ml_agents_results.services.comparison.paired import ComparisonRow
from ml_agents_results.services.summary import SummaryReport, VariantSummary

_CORRECTIONS = {"holm": "Holm", "fdr_bh": "Benjamini-Hochberg", "bonferroni": "Bonferroni"}
_WITHOUT_DIFFERENCE = ("inconclusive", "equivalent")


@dataclass(frozen=True, slots=True)
class Cell:
    """Text before any escaping. `number` says that it is one, with a sign or an exponent."""

    text: str
    bold: bool = False
    underlined: bool = False
    number: bool = False


@dataclass(frozen=True, slots=True)
class PaperTable:
    """`name` is for references; the first column goes to the left, the others to the right."""

    name: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True, slots=True)
class Marks:
    """The most accurate variants, and those that a test does not tell from them."""

    best: frozenset[Variant]
    close: frozenset[Variant]

    def cell(self, variant: VariantSummary) -> Cell:
        name = variant.variant
        return Cell(_accuracy(variant), bold=name in self.best, underlined=name in self.close)


def summary_tables(report: SummaryReport) -> list[PaperTable]:
    """The variants alone, with times and costs."""
    return [_variants_alone(report.variants, report.confidence_level)]


def comparison_tables(
    comparison: Comparison, all_pairs: Comparison | None = None
) -> list[PaperTable]:
    """The tables of a comparison.

    Args:
        all_pairs: The same with every pair of variants; without it only variants that were
        compared with
            the best one can be told to be close to it.
    """
    marking = all_pairs or comparison
    labels = variant_labels([row.variant for row in comparison.variants])
    tables = [_variants(comparison, marking, labels)]
    if comparison.tasks:
        tables.append(_tasks(comparison, marking, labels))
    return tables


def _variants(
    comparison: Comparison, marking: Comparison, labels: Mapping[Variant, str]
) -> PaperTable:
    level = f"{100 * comparison.confidence_level:g}% CI"
    marks = _marks(comparison.variants, marking.comparisons)
    one_baseline = len({pair.baseline for pair in comparison.comparisons}) == 1
    against = {pair.candidate: pair for pair in comparison.comparisons} if one_baseline else {}
    columns = ["Variant", "n", f"Accuracy % [{level}]"]
    if against:
        columns += [f"Difference [{level}]", "Pairs", "p"]
    rows = []
    for variant in comparison.variants:
        cells = [Cell(labels[variant.variant]), Cell(f"{variant.graded:,}"), marks.cell(variant)]
        if against:
            cells += _difference(against.get(variant.variant))
        rows.append(cells)
    if not against:
        return PaperTable(
            "variants", _caption(comparison, marking, comparison.comparisons), columns, rows
        )
    baseline = labels[comparison.comparisons[0].baseline]
    caption = (
        f"Accuracy, and difference from {baseline} in percentage points on "
        f"{_samples_of(comparison.comparisons)}. "
        + _caption(comparison, marking, comparison.comparisons)
    )
    return PaperTable("variants", caption, columns, rows)


def _tasks(
    comparison: Comparison, marking: Comparison, labels: Mapping[Variant, str]
) -> PaperTable:
    variants = [row.variant for row in comparison.variants]
    marked = {task.task: task.comparisons for task in marking.tasks}
    rows = []
    for task in comparison.tasks:
        found = {row.variant: row for row in task.variants}
        marks = _marks(task.variants, marked.get(task.task, ()))
        cells = [
            marks.cell(found[variant]) if variant in found else Cell(UNKNOWN)
            for variant in variants
        ]
        rows.append([Cell(task.task or UNKNOWN), *cells])
    caption = f"Accuracy in % by task, with {100 * comparison.confidence_level:g}% intervals. "
    pairs = [pair for task in comparison.tasks for pair in task.comparisons]
    return PaperTable(
        "tasks",
        caption + _caption(comparison, marking, pairs, tasks=True),
        ["Task", *(labels[variant] for variant in variants)],
        rows,
    )


def _variants_alone(variants: Sequence[VariantSummary], confidence: float) -> PaperTable:
    labels = variant_labels([row.variant for row in variants])
    rows = [
        [
            Cell(labels[variant.variant]),
            Cell(f"{variant.graded:,}"),
            Cell(_accuracy(variant)),
            Cell(milliseconds(variant.median_execution_time_ms)),
            Cell(dollars(variant.total_cost)),
        ]
        for variant in variants
    ]
    methods = _joined(f"{variant.interval_method}, {variant.method}" for variant in variants)
    caption = f"Accuracy with its {100 * confidence:g}% interval ({methods or 'no runs'})."
    columns = ["Variant", "n", "Accuracy % [CI]", "Median ms", "Cost"]
    return PaperTable("variants", caption + _notes(variants), columns, rows)


def _difference(pair: ComparisonRow | None) -> list[Cell]:
    if pair is None:
        return [Cell(UNKNOWN), Cell(UNKNOWN), Cell(UNKNOWN)]
    text = points(pair.difference)
    if pair.ci_low is not None:
        text += " " + points_interval(pair.ci_low, pair.ci_high)
    p = UNKNOWN if pair.p_value_adjusted is None else format_p(pair.p_value_adjusted)
    pairs = UNKNOWN if pair.pairing_rule == "unpaired" else f"{pair.samples:,}"
    return [Cell(text, number=True), Cell(pairs), Cell(p, number=True)]


def _accuracy(variant: VariantSummary) -> str:
    if variant.accuracy is None:
        return UNKNOWN
    return f"{100 * variant.accuracy:.1f} {interval(variant.ci_low, variant.ci_high)}"


def _marks(variants: Sequence[VariantSummary], pairs: Sequence[ComparisonRow]) -> Marks:
    accuracies = [variant.accuracy for variant in variants if variant.accuracy is not None]
    highest = max(accuracies, default=2.0)
    best = frozenset(variant.variant for variant in variants if variant.accuracy == highest)
    close = set()
    for pair in pairs:
        sides = {pair.candidate, pair.baseline}
        if pair.verdict in _WITHOUT_DIFFERENCE and len(sides & best) == 1:
            close |= sides - best
    return Marks(best, frozenset(close))


def _caption(
    comparison: Comparison,
    marking: Comparison,
    pairs: Sequence[ComparisonRow],
    *,
    tasks: bool = False,
) -> str:
    """What the intervals and tests are, over how many tests, and what the marks mean."""
    rows = (
        [row for task in comparison.tasks for row in task.variants]
        if tasks
        else comparison.variants
    )
    parts = [f"Intervals: {_joined(f'{row.interval_method}, {row.method}' for row in rows)}"]
    if not tasks and pairs:
        intervals = _joined(f"{pair.interval_method}, {pair.method}" for pair in pairs)
        parts.append(f"of differences: {intervals}")
    if pairs:
        sizes = [n for pair in pairs for n in (pair.candidate_samples, pair.baseline_samples)]
        n = f"{min(sizes):,}" + (f" to {max(sizes):,}" if min(sizes) < max(sizes) else "")
        tests = _joined(pair.test for pair in pairs)
        parts.append(f"test: {tests} on n = {n} {_samples_of(pairs)}")
        if any(pair.interval_level != pair.confidence_level for pair in pairs):
            parts.append("intervals of differences hold all at once (Bonferroni)")
        parts.append(f"p values corrected: {_correction(pairs)}")
    marked = (
        [pair for task in marking.tasks for pair in task.comparisons]
        if tasks
        else marking.comparisons
    )
    family = f", {_correction(marked)}" if marked and marking is not comparison else ""
    text = "; ".join(parts) + ". "
    return (
        f"{text}Bold: the highest accuracy. Underlined: not distinguishable from it by this test "
        f"at {100 * (1 - comparison.confidence_level):.3g}%{family}." + _notes((*rows, *pairs))
    )


def _samples_of(pairs: Sequence[ComparisonRow]) -> str:
    unpaired = any(pair.pairing_rule == "unpaired" for pair in pairs)
    return "all samples of each variant (unpaired)" if unpaired else "shared samples"


def _correction(pairs: Sequence[ComparisonRow]) -> str:
    first = pairs[0]
    if first.correction == "none":
        return "not at all"
    plural = "" if first.family_size == 1 else "s"
    return f"{_CORRECTIONS[first.correction]} over {first.family_size} test{plural}"


def _notes(rows: Iterable[VariantSummary | ComparisonRow]) -> str:
    codes = dict.fromkeys(code for row in rows for code in row.warnings)
    return "".join(f" Note: {explain(code)}." for code in codes)


def _joined(values: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(values))
