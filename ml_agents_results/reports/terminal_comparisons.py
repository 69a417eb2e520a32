"""Tables of comparisons for people: on how many samples, by which interval and test, what was left
out, and a sentence to quote."""

from collections.abc import Sequence

from ml_agents_results.records import Variant
from ml_agents_results.reports.sentences import comparison_sentence
from ml_agents_results.reports.terminal_accuracy import Part, notes, summary_parts, table
from ml_agents_results.reports.wording import (
    UNKNOWN,
    explain,
    format_p,
    percent,
    points,
    points_interval,
    variant_labels,
)
from ml_agents_results.services.comparison.comparison_service import Comparison
from ml_agents_results.services.comparison.paired import ComparisonRow
from ml_agents_results.services.comparison.pairing import DIFFERING
from ml_agents_results.services.summary import SummaryReport

MOST_ROWS = 200
"""Rows of a table; of more, the clearest."""

MOST_SENTENCES = 20
"""Comparisons that are also told in words; of more, those that found something."""


_VERDICTS = {
    "candidate_better": "better",
    "baseline_better": "worse",
    "equivalent": "equivalent",
    "inconclusive": "inconclusive",
}


def comparison_parts(comparison: Comparison) -> list[Part]:
    """Variants, then the comparisons over all tasks, then task by task, then what it all says."""
    parts = summary_parts(SummaryReport(comparison.confidence_level, comparison.variants))
    variants = [row.variant for row in comparison.variants]
    labels = variant_labels(variants)
    if comparison.comparisons:
        parts.append(_table(comparison.comparisons, labels))
    if comparison.tasks:
        parts += _by_task(comparison, labels)
        parts += _macro(comparison, labels)
    parts += _captions(comparison)
    parts += _sentences(comparison.comparisons)
    # What the variants' own table says already is not said again.
    said = {code for variant in comparison.variants for code in variant.warnings}
    codes = [{*pair.warnings, pair.null_reason} - {None, *said} for pair in comparison.comparisons]
    parts += _counted("comparisons", codes)
    parts += notes([comparison.warnings])
    said |= {str(code) for of_pair in codes for code in of_pair}
    tasks = [
        {code for pair in task.comparisons for code in pair.warnings} - said
        for task in comparison.tasks
    ]
    parts += _counted("tasks", tasks)
    return parts + _refused(comparison, labels)


def _table(pairs: Sequence[ComparisonRow], labels: dict[Variant, str]) -> Part:
    """A row a comparison; one baseline for all of them stands in the title."""
    baselines = {pair.baseline for pair in pairs}
    one = len(baselines) == 1
    unpaired = pairs[0].pairing_rule == "unpaired"
    shared = "all samples of each variant" if unpaired else "shared samples"
    against = f" against {labels[pairs[0].baseline]}" if one else ""
    made = table(
        f"Difference{against} in points, on {shared}",
        ("candidate", *(() if one else ("baseline",))),
        (*_columns(pairs), "MDE"),
    )
    for pair in _clearest(pairs, MOST_ROWS):
        names = (labels[pair.candidate], *(() if one else (labels[pair.baseline],)))
        mde = UNKNOWN if pair.mde is None else f"{100 * pair.mde:.1f}"
        made.add_row(*names, *_cells(pair, pairs), mde)
    return made


def _clearest(pairs: Sequence[ComparisonRow], most: int) -> Sequence[ComparisonRow]:
    """All comparisons, or of very many those with the smallest p values."""
    if len(pairs) <= most:
        return pairs
    known = [pair for pair in pairs if pair.p_value is not None]
    return sorted(known, key=lambda pair: pair.p_value or 0.0)[:most]


def _by_task(comparison: Comparison, labels: dict[Variant, str]) -> list[Part]:
    """A table a comparison, a row a task; of very many comparisons the clearest."""
    parts: list[Part] = []
    rows = {
        (pair.candidate, pair.baseline, task.task): pair
        for task in comparison.tasks
        for pair in task.comparisons
    }
    every = list(rows.values())
    for whole in _clearest(comparison.comparisons, MOST_SENTENCES):
        made = table(
            f"{labels[whole.candidate]} against {labels[whole.baseline]} in points, by task",
            ("task",),
            (*_columns(every), "verdict"),
        )
        for task in comparison.tasks:
            pair = rows[whole.candidate, whole.baseline, task.task]
            made.add_row(task.task or UNKNOWN, *_cells(pair, every), _VERDICTS[pair.verdict])
        parts.append(made)
    return parts


def _columns(pairs: Sequence[ComparisonRow]) -> list[str]:
    """The columns of numbers. A corrected p value stands only where it differs."""
    level = _level(pairs)
    if pairs and pairs[0].pairing_rule == "unpaired":
        names = ["n", "n base", "accuracy", "base"]
    else:
        names = ["samples", "improved", "regressed"]
    names += ["points", level, "p"]
    if _corrected(pairs):
        names.append(f"p {pairs[0].correction.removeprefix('fdr_')}")
    return names


def _level(pairs: Sequence[ComparisonRow]) -> str:
    """What the intervals of a table are; all at once if they are wider than their level."""
    if not pairs:
        return "CI"
    at_once = any(pair.interval_level != pair.confidence_level for pair in pairs)
    return f"{100 * pairs[0].confidence_level:g}% CI" + (" (all)" if at_once else "")


def _corrected(pairs: Sequence[ComparisonRow]) -> bool:
    return any(pair.family_size > 1 for pair in pairs)


def _cells(pair: ComparisonRow, table_of: Sequence[ComparisonRow]) -> list[str]:
    if pair.pairing_rule == "unpaired":
        cells = [
            f"{pair.candidate_samples:,}",
            f"{pair.baseline_samples:,}",
            percent(pair.candidate_mean),
            percent(pair.baseline_mean),
        ]
    else:
        counts = (pair.improved, pair.regressed)
        cells = [f"{pair.samples:,}", *(UNKNOWN if c is None else f"{c:,}" for c in counts)]
    cells += [
        points(pair.difference),
        points_interval(pair.ci_low, pair.ci_high),
        UNKNOWN if pair.p_value is None else format_p(pair.p_value),
    ]
    if _corrected(table_of):
        adjusted = pair.p_value_adjusted
        cells.append(UNKNOWN if adjusted is None else format_p(adjusted))
    return cells


def _macro(comparison: Comparison, labels: dict[Variant, str]) -> list[Part]:
    one = len({row.baseline for row in comparison.macro}) == 1
    against = f" against {labels[comparison.macro[0].baseline]}" if comparison.macro and one else ""
    made = table(
        f"Macro average{against}: every task weighs the same",
        ("candidate", *(() if one else ("baseline",)), "error"),
        (
            "tasks",
            "accuracy",
            "base",
            "points",
            f"{100 * comparison.confidence_level:g}% CI",
            "p",
        ),
    )
    for macro in comparison.macro:
        d = macro.difference
        made.add_row(
            labels[macro.candidate],
            *(() if one else (labels[macro.baseline],)),
            "tasks like these" if macro.estimand == "macro-random" else "these tasks",
            f"{macro.tasks:,}",
            percent(macro.candidate_mean.estimate),
            percent(macro.baseline_mean.estimate),
            points(d.estimate),
            points_interval(d.ci_low, d.ci_high),
            UNKNOWN if d.p_value is None else format_p(d.p_value),
        )
    said = "Macro averages: error of tasks like these sd / sqrt(tasks) with t, of these tasks z; p "
    return [made, said + "not corrected."]


def _captions(comparison: Comparison) -> list[Part]:
    """What the intervals and tests are, on how many pairs, and what was left out."""
    lines: list[Part] = []
    pairs = comparison.comparisons
    for title, rows in (
        ("Over all tasks" if comparison.tasks else "Differences", pairs),
        ("By task", [pair for task in comparison.tasks for pair in task.comparisons]),
    ):
        for method in dict.fromkeys((p.method, p.interval_method, p.test) for p in rows):
            lines.append(
                f"{title}: {method[0]}, interval {method[1]}{_at_once(rows)}, test {method[2]}, "
                f"{_correction(rows)}."
            )
    if not pairs:
        return lines
    if len(pairs) > MOST_ROWS:
        lines.append(
            f"The {MOST_ROWS} clearest of {len(pairs):,} comparisons are shown; all are in --json "
            "and --output."
        )
    left_out = sum(
        pair.denominators["only_in_candidate"] + pair.denominators["only_in_baseline"]
        for pair in pairs
    )
    rules = ", ".join(dict.fromkeys(pair.pairing_rule for pair in pairs))
    if pairs[0].pairing_rule == "unpaired":
        lines.append("Not paired: all graded samples of each variant, shared or not.")
    else:
        lines.append(
            f"Paired by {rules}; {left_out:,} samples graded on one side only are left out. "
            "Gained: only the candidate is right; lost: only the baseline."
        )
    lines.append("MDE: the smallest difference, in points, that these samples show with 80% power.")
    return lines


def _at_once(pairs: Sequence[ComparisonRow]) -> str:
    level = next((p.interval_level for p in pairs if p.interval_level != p.confidence_level), None)
    return "" if level is None else f" (each at {100 * level:.4g}%, so that all hold at once)"


def _correction(pairs: Sequence[ComparisonRow]) -> str:
    size, correction = pairs[0].family_size, pairs[0].correction
    if correction == "none":
        return "p values not corrected"
    return f"correction {correction} over {size} test{'' if size == 1 else 's'}"


def _sentences(pairs: Sequence[ComparisonRow]) -> list[Part]:
    """Every comparison in words; of very many only those that found something."""
    if len(pairs) <= MOST_SENTENCES:
        return [comparison_sentence(pair) for pair in pairs]
    found = [pair for pair in pairs if pair.verdict != "inconclusive"]
    first = sorted(found, key=lambda pair: pair.p_value_adjusted or 0.0)[:MOST_SENTENCES]
    return [
        *(comparison_sentence(pair) for pair in first),
        f"{len(found):,} of {len(pairs):,} comparisons found something; the clearest "
        f"{len(first)} are told here.",
    ]


def _refused(comparison: Comparison, labels: dict[Variant, str]) -> list[Part]:
    """What was not compared, and how to have it compared."""
    told: dict[tuple[str, ...], list[str]] = {}
    for row in comparison.refused:
        names = f"{labels[row.candidate]} against {labels[row.baseline]}"
        told.setdefault(row.reasons, []).append(names)
    return [
        f"Not compared: {', '.join(names[:5])}"
        f"{f' and {len(names) - 5} more' if names[5:] else ''}: "
        f"{'; '.join(map(explain, reasons))}. Compare them all the same with --allow "
        f"{','.join(DIFFERING[code] for code in reasons)}."
        for reasons, names in told.items()
    ]


def _counted(name: str, groups: Sequence[set[str | None] | set[str]]) -> list[Part]:
    """What holds in all comparisons or tasks, or in how many of them."""
    found: dict[str, int] = {}
    for codes in groups:
        for code in codes:
            found[str(code)] = found.get(str(code), 0) + 1
    total = len(groups)
    return [
        f"Note{'' if n == total else f' on {n:,} of {total:,} {name}'}: {explain(code)}."
        for code, n in sorted(found.items())
    ]
