"""The tables of a paper: few columns, the interval in the cell, the best arms marked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ml_agents_results.exporters.source import Source
from ml_agents_results.records import Arm
from ml_agents_results.services.accuracy import ArmResult
from ml_agents_results.services.comparison import Comparison
from ml_agents_results.services.pairs import PairResult
from ml_agents_results.services.statistics.verdict import format_p
from ml_agents_results.services.wording import (
    UNKNOWN,
    arm_labels,
    dollars,
    explain,
    interval,
    milliseconds,
    points,
    points_interval,
)

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
    """The most accurate arms, and those that a test does not tell from them."""

    best: frozenset[Arm]
    close: frozenset[Arm]

    def cell(self, arm: ArmResult) -> Cell:
        name = arm.arm
        return Cell(_accuracy(arm), bold=name in self.best, underlined=name in self.close)


def paper_tables(source: Source) -> list[PaperTable]:
    """The arms with their differences from the baseline, and the accuracies by task."""
    comparison = source.comparison if source.includes("comparisons") else None
    if comparison is None:
        return [_arms_alone(source.accuracy.arms, source.accuracy.confidence_level)]
    return comparison_tables(comparison, source.all_pairs)


def comparison_tables(
    comparison: Comparison, all_pairs: Comparison | None = None
) -> list[PaperTable]:
    """The tables of a comparison.

    Args:
        all_pairs: The same with every pair of arms; without it only arms that were compared with
            the best one can be told to be close to it.
    """
    marking = all_pairs or comparison
    labels = arm_labels([row.arm for row in comparison.arms])
    tables = [_arms(comparison, marking, labels)]
    if comparison.tasks:
        tables.append(_tasks(comparison, marking, labels))
    return tables


def _arms(comparison: Comparison, marking: Comparison, labels: Mapping[Arm, str]) -> PaperTable:
    level = f"{100 * comparison.confidence_level:g}% CI"
    marks = _marks(comparison.arms, marking.pairs)
    one_baseline = len({pair.baseline for pair in comparison.pairs}) == 1
    against = {pair.treatment: pair for pair in comparison.pairs} if one_baseline else {}
    columns = ["Arm", "n", f"Accuracy % [{level}]"]
    if against:
        columns += [f"Difference [{level}]", "Pairs", "p"]
    rows = []
    for arm in comparison.arms:
        cells = [Cell(labels[arm.arm]), Cell(f"{arm.graded:,}"), marks.cell(arm)]
        if against:
            cells += _difference(against.get(arm.arm))
        rows.append(cells)
    if not against:
        return PaperTable("arms", _caption(comparison, marking, comparison.pairs), columns, rows)
    baseline = labels[comparison.pairs[0].baseline]
    caption = (
        f"Accuracy, and difference from {baseline} in percentage points on "
        f"{_samples_of(comparison.pairs)}. " + _caption(comparison, marking, comparison.pairs)
    )
    return PaperTable("arms", caption, columns, rows)


def _tasks(comparison: Comparison, marking: Comparison, labels: Mapping[Arm, str]) -> PaperTable:
    arms = [row.arm for row in comparison.arms]
    marked = {task.task: task.pairs for task in marking.tasks}
    rows = []
    for task in comparison.tasks:
        found = {row.arm: row for row in task.arms}
        marks = _marks(task.arms, marked.get(task.task, ()))
        cells = [marks.cell(found[arm]) if arm in found else Cell(UNKNOWN) for arm in arms]
        rows.append([Cell(task.task or UNKNOWN), *cells])
    caption = f"Accuracy in % by task, with {100 * comparison.confidence_level:g}% intervals. "
    pairs = [pair for task in comparison.tasks for pair in task.pairs]
    return PaperTable(
        "tasks",
        caption + _caption(comparison, marking, pairs, tasks=True),
        ["Task", *(labels[arm] for arm in arms)],
        rows,
    )


def _arms_alone(arms: Sequence[ArmResult], confidence: float) -> PaperTable:
    labels = arm_labels([row.arm for row in arms])
    rows = [
        [
            Cell(labels[arm.arm]),
            Cell(f"{arm.graded:,}"),
            Cell(_accuracy(arm)),
            Cell(milliseconds(arm.median_execution_time_ms)),
            Cell(dollars(arm.total_cost)),
        ]
        for arm in arms
    ]
    methods = _joined(f"{arm.interval_method}, {arm.method}" for arm in arms)
    caption = f"Accuracy with its {100 * confidence:g}% interval ({methods or 'no runs'})."
    columns = ["Arm", "n", "Accuracy % [CI]", "Median ms", "Cost"]
    return PaperTable("arms", caption + _notes(arms), columns, rows)


def _difference(pair: PairResult | None) -> list[Cell]:
    if pair is None:
        return [Cell(UNKNOWN), Cell(UNKNOWN), Cell(UNKNOWN)]
    text = points(pair.difference)
    if pair.difference_ci_low is not None:
        text += " " + points_interval(pair.difference_ci_low, pair.difference_ci_high)
    p = UNKNOWN if pair.p_value_adjusted is None else format_p(pair.p_value_adjusted)
    pairs = UNKNOWN if pair.pairing_rule == "unpaired" else f"{pair.pairs:,}"
    return [Cell(text, number=True), Cell(pairs), Cell(p, number=True)]


def _accuracy(arm: ArmResult) -> str:
    if arm.accuracy is None:
        return UNKNOWN
    return f"{100 * arm.accuracy:.1f} {interval(arm.accuracy_ci_low, arm.accuracy_ci_high)}"


def _marks(arms: Sequence[ArmResult], pairs: Sequence[PairResult]) -> Marks:
    accuracies = [arm.accuracy for arm in arms if arm.accuracy is not None]
    highest = max(accuracies, default=2.0)
    best = frozenset(arm.arm for arm in arms if arm.accuracy == highest)
    close = set()
    for pair in pairs:
        sides = {pair.treatment, pair.baseline}
        if pair.verdict in _WITHOUT_DIFFERENCE and len(sides & best) == 1:
            close |= sides - best
    return Marks(best, frozenset(close))


def _caption(
    comparison: Comparison,
    marking: Comparison,
    pairs: Sequence[PairResult],
    *,
    tasks: bool = False,
) -> str:
    """What the intervals and tests are, over how many tests, and what the marks mean."""
    rows = [row for task in comparison.tasks for row in task.arms] if tasks else comparison.arms
    parts = [f"Intervals: {_joined(f'{row.interval_method}, {row.method}' for row in rows)}"]
    if not tasks and pairs:
        intervals = _joined(f"{pair.interval_method}, {pair.method}" for pair in pairs)
        parts.append(f"of differences: {intervals}")
    if pairs:
        sizes = [n for pair in pairs for n in (pair.treatment_samples, pair.baseline_samples)]
        n = f"{min(sizes):,}" + (f" to {max(sizes):,}" if min(sizes) < max(sizes) else "")
        tests = _joined(pair.test for pair in pairs)
        parts.append(f"test: {tests} on n = {n} {_samples_of(pairs)}")
        if any(pair.interval_level != pair.confidence_level for pair in pairs):
            parts.append("intervals of differences hold all at once (Bonferroni)")
        parts.append(f"p values corrected: {_correction(pairs)}")
    marked = [pair for task in marking.tasks for pair in task.pairs] if tasks else marking.pairs
    family = f", {_correction(marked)}" if marked and marking is not comparison else ""
    text = "; ".join(parts) + ". "
    return (
        f"{text}Bold: the highest accuracy. Underlined: not distinguishable from it by this test "
        f"at {100 * (1 - comparison.confidence_level):.3g}%{family}." + _notes((*rows, *pairs))
    )


def _samples_of(pairs: Sequence[PairResult]) -> str:
    unpaired = any(pair.pairing_rule == "unpaired" for pair in pairs)
    return "all samples of each arm (unpaired)" if unpaired else "shared samples"


def _correction(pairs: Sequence[PairResult]) -> str:
    first = pairs[0]
    if first.correction == "none":
        return "not at all"
    plural = "" if first.family_size == 1 else "s"
    return f"{_CORRECTIONS[first.correction]} over {first.family_size} test{plural}"


def _notes(rows: Iterable[ArmResult | PairResult]) -> str:
    codes = dict.fromkeys(code for row in rows for code in row.warnings)
    return "".join(f" Note: {explain(code)}." for code in codes)


def _joined(values: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(values))
