"""Comparison of variants: the sentences first, then one table for each question."""

from collections.abc import Iterable, Mapping, Sequence

from ml_agents_results.records import Variant, variant_labels
from ml_agents_results.reports.accuracy_report import ALL_TASKS, accuracy_methods, variants_table
from ml_agents_results.reports.column import Column
from ml_agents_results.reports.columns import (
    COLUMNS,
    DIFFERENCE_COLUMNS,
    VALUE_DIFFERENCE_COLUMNS,
    columns,
)
from ml_agents_results.reports.method_names import method_name
from ml_agents_results.reports.report import (
    Report,
    Row,
    Table,
    View,
    clustering,
    counted_notes,
    coverage_notes,
    plain,
    warning_notes,
)
from ml_agents_results.reports.sentences import comparison_sentence
from ml_agents_results.reports.task_averages import (
    averages_table,
    briefly,
    candidate_column,
    columns_of,
    correction,
    of_these_tasks,
)
from ml_agents_results.reports.wording import (
    UNKNOWN,
    correction_text,
    explain,
    level_text,
    percent,
)
from ml_agents_results.services.comparison.averages import THESE, Population
from ml_agents_results.services.comparison.comparison_result import Comparison
from ml_agents_results.services.comparison.comparison_rows import ComparisonRow
from ml_agents_results.services.comparison.early_looks import LOOKING_EARLY
from ml_agents_results.services.comparison.pairing import DIFFERING

THESE_TASKS = "(these tasks)"
"""What stands for the task in the rows that speak for these very tasks alone."""

MOST_ROWS = 200
"""Comparisons shown in a table; of more, the strongest."""

MOST_SENTENCES = 20
"""Comparisons that are also put into words; of more, those that are conclusive."""

_PAIR = ("task", "candidate", "baseline", "metric", "samples")
_DIFFERENCE = ("difference", "ci_low", "ci_high", "se")
_TESTED = (
    *("interval_method", "p_value", "p_value_exact", "p_value_adjusted", "family_size"),
    *("p_non_inferior_adjusted", "p_equivalent_adjusted", "margin_test"),
    *("test", "correction", "verdict", "mde", "method", "sentence", "warnings"),
)
_COUNTS = ("both_correct", "improved", "regressed", "neither_correct")
PAIR_COLUMNS = columns(*_PAIR, *_COUNTS, *_DIFFERENCE, *_TESTED, of=DIFFERENCE_COLUMNS)
_VALUE_PAIRS = columns(
    *(*_PAIR, "better", "equal", "worse", "candidate_mean", "baseline_mean"),
    *(*_DIFFERENCE, "effect_size", *_TESTED),
    of=VALUE_DIFFERENCE_COLUMNS,
)
"""Of a numeric metric."""

_FIELDS = (
    *(one.name for one in (*PAIR_COLUMNS, *_VALUE_PAIRS) if one.name not in ("task", "sentence")),
    *("candidate_samples", "baseline_samples", "candidate_mean", "baseline_mean"),
)
_OVERLAP = "partial_overlap"
_FEW_CLUSTERS = "few_clusters"
_NOTED = (None, _OVERLAP, LOOKING_EARLY, _FEW_CLUSTERS)
"""What the list of the other notes leaves out."""
Labels = Mapping[Variant, str]


def comparison_report(comparison: Comparison) -> Report:
    """Which variant is better, by how much, and in which tasks."""
    labels = variant_labels([row.variant for row in comparison.variants])
    tables = [comparisons_table(comparison)]
    if comparison.tasks:
        tables.append(averages_table(comparison, labels))
    tables.append(
        variants_table(
            comparison.variants,
            comparison.confidence_level,
            ("runs", "graded", "failed", "accuracy", "ci"),
            measures_are_detail=True,
        )
    )
    return Report(
        "Comparison",
        tables,
        sentences=_sentences(comparison.comparisons),
        notes=_notes(comparison, labels),
        methods=_methods(comparison),
    )


def comparisons_table(comparison: Comparison | None) -> Table:
    """Every pair over all tasks, then in each task; without any where there is no comparison."""
    if comparison is None:
        return Table("Comparisons", PAIR_COLUMNS, [])
    labels = variant_labels([row.variant for row in comparison.variants])
    these = of_these_tasks(comparison, labels)
    whole = [_row(pair, ALL_TASKS, labels) for pair in comparison.comparisons]
    by_task = [
        (pair, _row(pair, task.task, labels))
        for task in comparison.tasks
        for pair in task.comparisons
    ]
    views = _overall(comparison, whole, these, labels) if whole else []
    for pair in _strongest(comparison.comparisons, MOST_SENTENCES):
        if comparison.tasks:
            views.append(_in_tasks(comparison, pair, by_task, labels))
    shown = _VALUE_PAIRS if comparison.numeric else PAIR_COLUMNS
    # What is judged is the comparison, so these rows have no verdict.
    blank = dict.fromkeys(column.name for column in shown)
    only = [{**blank, **row, "task": THESE_TASKS} for _, row in these.values()]
    return Table("Comparisons", shown, [*whole, *only, *(row for _, row in by_task)], views)


def _row(pair: ComparisonRow, task: str, labels: Labels) -> Row:
    values = {name: getattr(pair, name) for name in _FIELDS}
    values |= {"candidate": labels[pair.candidate], "baseline": labels[pair.baseline]}
    return plain({**values, "task": task, "sentence": comparison_sentence(pair)})


def _overall(
    comparison: Comparison,
    rows: Sequence[Row],
    these: Mapping[tuple[Variant, Variant], tuple[Population, Row]],
    labels: Labels,
) -> list[View]:
    """A row for each comparison, and next to one that speaks for tasks like these the row for these
    tasks; a baseline that all share stands in the title."""
    pairs = comparison.comparisons
    one = len({pair.baseline for pair in pairs}) == 1
    against = f" from {labels[pairs[0].baseline]}" if one else ""
    unpaired = pairs[0].pairing_rule == "unpaired"
    shared = "all samples of each variant" if unpaired else "shared samples"
    figures = _figures(pairs)
    if these and len({pair.samples for pair in pairs}) == 1:
        # The width is needed for what the rows speak for.
        shared = f"{pairs[0].samples:,} {shared}"
        figures = tuple(figure for figure in figures if figure.name != "samples")
    names = (candidate_column(labels, one), *(() if one else columns("baseline")))
    row_of = {id(pair): row for pair, row in zip(pairs, rows, strict=True)}
    chosen = [row_of[id(pair)] for pair in _strongest(pairs, MOST_ROWS)]
    shown: list[Row] = []
    for pair in _strongest(pairs, MOST_ROWS):
        population, only = these.get((pair.candidate, pair.baseline), (THESE, None))
        shown.append(briefly({**row_of[id(pair)], "population": population}))
        shown += [] if only is None else [briefly(only)]
    captions = []
    if by := clustering(pairs):
        alone = ", except in the rows `these tasks`" if these else ""
        captions.append(f"{level_text(pairs[0].confidence_level)} CIs {by}{alone}.")
    if len(pairs) > MOST_ROWS:
        captions.append(
            f"The {MOST_ROWS} clearest of {len(pairs):,} comparisons are shown; all are in --json "
            "and --output."
        )
    main = View(
        "differences",
        f"Difference{against} in {_unit(comparison)}, on {shared}",
        (*names, *(columns("population") if these else ()), *figures),
        shown,
        interval=columns_of(pairs)["difference_plot"],
        caption=" ".join(captions),
    )
    counts: tuple[str, ...] = ("candidate_mean", "baseline_mean", "p_value")
    if comparison.numeric:
        counts = (*counts, "better", "equal", "worse", "effect_size")
    elif not unpaired:
        counts = ("improved", "regressed", "both_correct", "neither_correct", "p_value")
    detail = columns(*counts, "mde", of=columns_of(pairs))
    return [main, View("counts", "Counts", (*names, *detail), chosen, detail=True)]


def _unit(comparison: Comparison) -> str:
    """What differences are in."""
    if not comparison.numeric:
        return "percentage points"
    direction = "" if comparison.higher_is_better else " (lower is better)"
    return f"{comparison.metric}{direction}"


def _in_tasks(
    comparison: Comparison,
    whole: ComparisonRow,
    by_task: Sequence[tuple[ComparisonRow, Row]],
    labels: Labels,
) -> View:
    """One comparison, a row for each task."""
    two = (whole.candidate, whole.baseline)
    rows = [
        (pair, {**row, "task": row["task"] or UNKNOWN})
        for pair, row in by_task
        if (pair.candidate, pair.baseline) == two
    ]
    return View(
        "tasks",
        f"{labels[two[0]]} against {labels[two[1]]} in {_unit(comparison)}, by task",
        (COLUMNS["task"], *_figures([pair for pair, _ in by_task])),
        [row for _, row in rows],
        interval=columns_of([whole])["difference_plot"],
    )


def _figures(pairs: Sequence[ComparisonRow]) -> tuple[Column, ...]:
    """The figures of differences. A corrected p value stands only where it differs."""
    level = "CI"
    if pairs:
        at_once = any(pair.interval_level != pair.confidence_level for pair in pairs)
        level = level_text(pairs[0].confidence_level) + (" joint" if at_once else "")
    corrected = any(pair.family_size > 1 for pair in pairs)
    unpaired = bool(pairs) and pairs[0].pairing_rule == "unpaired"
    return columns(
        *("difference", "ci", "p_value_adjusted" if corrected else "p_value"),
        *(("candidate_samples", "baseline_samples") if unpaired else ("samples",)),
        of=columns_of(pairs),
        level=level,
        correction=correction(pairs),
    )


def _strongest(pairs: Sequence[ComparisonRow], most: int) -> Sequence[ComparisonRow]:
    """All comparisons, or of very many those with the smallest p values."""
    if len(pairs) <= most:
        return pairs
    known = [pair for pair in pairs if pair.p_value is not None]
    return sorted(known, key=lambda pair: pair.p_value or 0.0)[:most]


def _sentences(pairs: Sequence[ComparisonRow]) -> list[str]:
    """Every comparison in words; of very many only those that are conclusive."""
    if len(pairs) <= MOST_SENTENCES:
        return list(map(comparison_sentence, pairs))
    conclusive = [pair for pair in pairs if pair.verdict != "inconclusive"]
    strongest = sorted(conclusive, key=lambda pair: pair.p_value_adjusted or 0.0)[:MOST_SENTENCES]
    return [
        f"{len(conclusive):,} of {len(pairs):,} comparisons are conclusive"
        + (f"; the {len(strongest)} strongest follow." if strongest else "."),
        *map(comparison_sentence, strongest),
    ]


def _notes(comparison: Comparison, labels: Labels) -> list[str]:
    """What was not compared, then what holds for all, for some comparisons, for some tasks."""
    notes = [
        *coverage_notes(comparison.incomplete, comparison.variants),
        *counted_notes(
            "comparisons",
            [{LOOKING_EARLY} & {*pair.warnings} for pair in comparison.comparisons],
        ),
        *_refused(comparison, labels),
        *warning_notes([comparison.warnings]),
    ]
    if left_out := _left_out(comparison.comparisons):
        plural = "" if left_out == 1 else "s"
        notes.append(f"{left_out:,} sample{plural} graded on one side only are left out of pairs")
    in_pairs = [
        [code for code in (*pair.warnings, pair.null_reason) if code not in _NOTED]
        for pair in comparison.comparisons
    ]
    notes += counted_notes("comparisons", in_pairs)
    few = [
        pair
        for pair in comparison.comparisons
        if _FEW_CLUSTERS in pair.warnings and clustering([pair])
    ]
    if few:
        notes.append(_few_clusters(few, with_rows=bool(of_these_tasks(comparison, labels))))
    known = {*_NOTED, *(code for codes in in_pairs for code in codes)}
    known -= set() if few else {_FEW_CLUSTERS}
    notes += warning_notes(
        [code for code in row.warnings if code not in known] for row in comparison.variants
    )
    known |= {code for row in comparison.variants for code in row.warnings}
    in_tasks = [
        [code for pair in task.comparisons for code in pair.warnings if code not in known]
        for task in comparison.tasks
    ]
    return [*notes, *counted_notes("tasks", in_tasks)]


def _few_clusters(pairs: Sequence[ComparisonRow], *, with_rows: bool) -> str:
    """How few clusters there are, and, where the table has them, which rows do without."""
    note = (
        f"{clustering(pairs)}: with few or very unequal clusters, intervals that speak for others "
        "like these are wide on purpose"
    )
    rows = "; for these very tasks only see the rows `these tasks`, or --cluster none"
    return note + (rows if with_rows else "")


def _refused(comparison: Comparison, labels: Labels) -> list[str]:
    """What was not compared, and how to have it compared."""
    refused: dict[tuple[str, ...], list[str]] = {}
    for row in comparison.refused:
        names = f"{labels[row.candidate]} against {labels[row.baseline]}"
        refused.setdefault(row.reasons, []).append(names)
    return [
        f"not compared: {', '.join(names[:5])}"
        f"{f' and {len(names) - 5} more' if names[5:] else ''}: "
        f"{'; '.join(map(explain, reasons))}. Compare them all the same with --allow "
        f"{','.join(DIFFERING[code] for code in reasons)}"
        for reasons, names in refused.items()
    ]


def _methods(comparison: Comparison) -> list[str]:
    """What the intervals and tests are, on how many pairs, and what was left out."""
    pairs = comparison.comparisons
    lines = accuracy_methods(comparison.variants)
    for title, rows in (
        ("Over all tasks" if comparison.tasks else "Differences", pairs),
        ("By task", [pair for task in comparison.tasks for pair in task.comparisons]),
    ):
        for method, interval, test in dict.fromkeys(
            (p.method, p.interval_method, p.test) for p in rows
        ):
            lines.append(
                f"{title}: {method}; {method_name(interval)}{_at_once(rows)}; {method_name(test)}; "
                f"p values: {correction_text(rows[0].correction, rows[0].family_size)}."
            )
    if not pairs:
        return lines
    lines += dict.fromkeys(
        f"Margin: {method_name(pair.margin_test)}." for pair in pairs if pair.margin_test
    )
    lines += dict.fromkeys(_clusters(pair) for pair in pairs if pair.largest_cluster is not None)
    if pairs[0].pairing_rule == "unpaired":
        lines.append("Not paired: all graded samples of each variant, shared or not.")
    else:
        rules = ", ".join(dict.fromkeys(pair.pairing_rule for pair in pairs))
        lines.append(
            f"Paired by {rules}; {_left_out(pairs):,} samples graded on one side only are left out."
        )
    if comparison.macro:
        tests = comparison.macro[0].difference.family_size or 1
        lines.append(
            "Macro averages: for tasks like these the error is sd/sqrt(T) of the T tasks, with "
            "Student's t; for these tasks it comes from within them; p values: "
            f"{correction_text(pairs[0].correction, tests)}."
        )
    return lines


def _clusters(pair: ComparisonRow) -> str:
    """How many clusters there are, how unequal they are, and what they make of the error."""
    effect = "-" if pair.design_effect is None else f"{pair.design_effect:.1f}"
    return (
        f"{pair.n_clusters:,} clusters, the largest with {percent(pair.largest_cluster)} of the "
        f"samples; design effect {effect}."
    )


def _left_out(pairs: Sequence[ComparisonRow]) -> int:
    """Samples that only one side of a pair has a grade for; none where all are compared."""
    return sum(
        pair.denominators["only_in_candidate"] + pair.denominators["only_in_baseline"]
        for pair in pairs
        if pair.pairing_rule != "unpaired"
    )


def _at_once(pairs: Iterable[ComparisonRow]) -> str:
    level = next((p.interval_level for p in pairs if p.interval_level != p.confidence_level), None)
    return "" if level is None else f" (each at {level_text(level)}, so that all hold at once)"
