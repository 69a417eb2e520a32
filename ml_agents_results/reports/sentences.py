"""A comparison in one sentence that can be quoted, and the documents that carry it."""

from typing import TYPE_CHECKING, Any

from ml_agents_results.records import Variant
from ml_agents_results.reports.wording import format_p, measured
from ml_agents_results.services.comparison.comparison_result import Comparison
from ml_agents_results.services.comparison.comparison_rows import ComparisonRow
from ml_agents_results.statistics.anytime import METHOD as CONFIDENCE_SEQUENCE
from ml_agents_results.statistics.difference_sums import margin_level

if TYPE_CHECKING:
    import pandas as pd

_LONGEST_ID = 24
"""Characters of an id in a sentence."""


def comparison_sentence(row: ComparisonRow) -> str:
    """The verdict in plain words, then the difference with its samples, interval, adjusted p value
    and minimum detectable difference; with a margin also the interval that was held against it."""
    candidate, baseline = two_names(row.candidate, row.baseline)
    unpaired = row.pairing_rule == "unpaired"
    if row.difference is None:
        own = row.denominators
        sides = {
            candidate: row.candidate_samples + own.get("only_in_candidate", 0),
            baseline: row.baseline_samples + own.get("only_in_baseline", 0),
        }
        ungraded = [name for name, samples in sides.items() if not samples]
        has = "has" if len(ungraded) == 1 else "have"
        missing = (
            f"{' and '.join(ungraded)} {has} no graded sample"
            if ungraded
            else f"{candidate} and {baseline} share no graded sample"
        )
        ids = ""
        if row.candidate_ids and row.baseline_ids:
            both = (row.candidate_ids, row.baseline_ids)
            one, two = (", ".join(name[:_LONGEST_ID] for name in names) for names in both)
            ids = (
                f" Their samples have other ids ({one}, ... and {two}, ...); --pair-by content "
                "pairs those with the same question and expected answer."
            )
        return f"{missing}: there is nothing to compare.{ids}"
    words, joint = _difference(row)
    within = f"with {row.within}, " if row.within else ""
    compared = (
        f"{within}{candidate} {words} on its {_count(row.candidate_samples, 'sample')} {joint} "
        f"{baseline} on its {row.baseline_samples:,}"
        if unpaired
        else f"{within}on {_count(row.samples, 'shared sample')} {candidate} {words} {joint} "
        f"{baseline}"
    )
    return f"{_conclusion(row, candidate, baseline)}: {compared} ({_evidence(row)})."


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """The document of `compare --json`: every comparison with its sentence."""
    document = comparison.to_dict()
    _tell(document["comparisons"], comparison.comparisons)
    for task, within in zip(document["tasks"], comparison.tasks, strict=True):
        _tell(task["comparisons"], within.comparisons)
    return document


def comparison_frame(comparison: Comparison) -> "pd.DataFrame":
    """`Comparison.to_frame` with the column `sentence`."""
    rows = [*comparison.comparisons, *(row for t in comparison.tasks for row in t.comparisons)]
    return comparison.to_frame().assign(sentence=list(map(comparison_sentence, rows)))


def two_names(candidate: Variant, baseline: Variant) -> tuple[str, str]:
    """The shortest names that tell two variants apart."""
    if candidate.approach_name != baseline.approach_name:
        return candidate.approach_name, baseline.approach_name
    differing = [(one, two) for one, two in zip(candidate, baseline, strict=True) if one != two]
    return " ".join(one for one, _ in differing), " ".join(two for _, two in differing)


def _tell(documents: list[dict[str, Any]], rows: Any) -> None:
    for document, row in zip(documents, rows, strict=True):
        document["sentence"] = comparison_sentence(row)


def _difference(row: ComparisonRow) -> tuple[str, str]:
    """What stands before and after the samples: `is 12.5 percentage points more accurate`, `than`;
    of a numeric metric `is 1.24 higher in rating`."""
    difference = row.difference or 0.0
    if row.numeric:
        if difference == 0.0:
            return f"has the same mean {row.metric}", "as"
        word = "higher" if difference > 0.0 else "lower"
        return f"is {measured(abs(difference))} {word} in {row.metric}", "than"
    if difference == 0.0:
        return "is as accurate", "as"
    word = "more" if difference > 0.0 else "less"
    return f"is {_points(abs(difference))} percentage points {word} accurate", "than"


def _early_evidence(row: ComparisonRow) -> str:
    """Of a study that is not done: what holds at every look."""
    if row.ci_low is None or row.ci_high is None:
        return "so far; too early for an interval"
    bounds = _interval(row, row.ci_low, row.ci_high, row.interval_level)
    parts = [f"so far; {bounds.replace(' CI ', ' confidence sequence ')}"]
    if row.p_value_adjusted is not None:
        parts.append(f"anytime p = {format_p(row.p_value_adjusted)}".replace("= <", "< "))
    return "; ".join(parts)


def _evidence(row: ComparisonRow) -> str:
    if row.interval_method == CONFIDENCE_SEQUENCE:
        return _early_evidence(row)
    p = "p undefined" if row.p_value_adjusted is None else f"p = {format_p(row.p_value_adjusted)}"
    p = p.replace("= <", "< ")
    if row.family_size > 1 and row.correction != "none":
        p += f", adjusted for {row.family_size} tests"
    parts = [_interval(row, row.ci_low, row.ci_high, row.interval_level), p]
    if row.mde is None:
        parts.append("minimum detectable difference not known")
    elif not row.numeric and row.mde > 1:
        parts.append("too little data for 80% power at any difference")
    else:
        parts.append(f"minimum detectable difference {_size(row, row.mde)} at 80% power")
    if row.margin is not None:
        level = margin_level(row.confidence_level)
        held = _interval(row, row.margin_ci_low, row.margin_ci_high, level)
        parts.append(f"{held} held against a margin of {_size(row, row.margin)}")
    return "; ".join(parts)


def _interval(row: ComparisonRow, low: float | None, high: float | None, level: float) -> str:
    if low is None or high is None:
        return "no confidence interval"
    text = measured if row.numeric else _points
    return f"{100 * level:.4g}% CI {text(low)} to {text(high)}"


def _size(row: ComparisonRow, difference: float | None) -> str:
    """A difference without its sign: `4.2 points`, or in the unit of the metric."""
    return measured(difference) if row.numeric else f"{_points(difference or 0.0)} points"


def _conclusion(row: ComparisonRow, candidate: str, baseline: str) -> str:
    if row.verdict == "candidate_better":
        return f"{candidate} is better"
    if row.verdict == "baseline_better":
        return f"{baseline} is better"
    if row.verdict == "equivalent":
        return f"Equivalent within {_size(row, row.margin)}"
    if row.verdict == "non_inferior":
        worse = f"less than {_size(row, row.margin)} worse"
        return f"{candidate} is {worse} (non-inferior), but not shown to be better"
    if row.interval_method == CONFIDENCE_SEQUENCE:
        return "Not decided yet"
    if row.difference == 0.0:
        return "No difference seen, which does not show that there is none"
    return "Inconclusive, which does not mean equal"


def _count(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def _points(fraction: float) -> str:
    text = f"{100.0 * fraction:.1f}"
    return "0.0" if text == "-0.0" else text
