"""Tables of accuracies and comparisons for people: they say what intervals and tests are."""

from collections.abc import Iterable, Sequence

from rich.table import Table

from ml_agents_results.records import Arm
from ml_agents_results.services.accuracy import AccuracyReport, ArmResult
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
    percent,
    points,
    points_interval,
)

Part = Table | str


def table(title: str, left: Iterable[str], right: Iterable[str]) -> Table:
    """A table with text columns to the left and number columns to the right."""
    made = Table(title=title, title_justify="left", header_style="bold")
    for name in left:
        made.add_column(name, overflow="fold")
    for name in right:
        made.add_column(name, justify="right", no_wrap=True)
    return made


def accuracy_parts(report: AccuracyReport) -> list[Part]:
    """Accuracies of all arms, then by task where there are tasks."""
    labels = arm_labels([row.arm for row in report.arms])
    level = f"{100 * report.confidence_level:g}% CI"
    whole = table(
        "Accuracy",
        ("arm",),
        ("runs", "graded", "failed", "unparsed", "correct", "accuracy", level),
    )
    for row in report.arms:
        whole.add_row(labels[row.arm], *_counts(row), *_accuracy(row))
    parts: list[Part] = [whole]
    if report.tasks:
        by_task = table(
            "Accuracy by task", ("task", "arm"), ("graded", "correct", "accuracy", level)
        )
        for task, arms in report.tasks:
            for row in arms:
                by_task.add_row(
                    task or UNKNOWN,
                    labels[row.arm],
                    f"{row.graded:,}",
                    f"{row.correct:,}",
                    *_accuracy(row),
                )
        parts.append(by_task)
    if report.repeats:
        parts.append(_repeats(report, labels))
    return [*parts, *_methods(report.arms), *notes(row.warnings for row in report.arms)]


def _repeats(report: AccuracyReport, labels: dict[Arm, str]) -> Table:
    ks = sorted({share.k for row in report.repeats for share in row.passes})
    made = table(
        "Repeated answers",
        ("arm",),
        ("samples", "graded", "consistent", *(f"pass@{k}" for k in ks), *(f"pass^{k}" for k in ks)),
    )
    for row in report.repeats:
        at = {share.k: share.pass_at_k for share in row.passes}
        hat = {share.k: share.pass_hat_k for share in row.passes}
        made.add_row(
            labels[row.arm],
            f"{row.samples:,}",
            f"{row.graded:,}",
            percent(row.consistency.estimate),
            *(percent(shares.get(k)) for shares in (at, hat) for k in ks),
        )
    return made


def summary_parts(report: AccuracyReport) -> list[Part]:
    """One line an arm: accuracy, times, costs."""
    labels = arm_labels([row.arm for row in report.arms])
    made = table(
        "Summary",
        ("arm",),
        (
            "runs",
            "graded",
            "failed",
            "accuracy",
            f"{100 * report.confidence_level:g}% CI",
            "median ms",
            "p95 ms",
            "cost",
            "per correct",
            "confidence",
        ),
    )
    for row in report.arms:
        made.add_row(
            labels[row.arm],
            f"{row.runs:,}",
            f"{row.graded:,}",
            f"{row.failed:,}",
            *_accuracy(row),
            milliseconds(row.median_execution_time_ms),
            milliseconds(row.p95_execution_time_ms),
            dollars(row.total_cost),
            dollars(row.cost_per_correct),
            UNKNOWN
            if row.mean_parsing_confidence is None
            else f"{row.mean_parsing_confidence:.2f}",
        )
    return [made, *_methods(report.arms), *notes(row.warnings for row in report.arms)]


def comparison_parts(comparison: Comparison) -> list[Part]:
    """Arms, then the comparisons over all tasks, then task by task, then what it all says."""
    parts = summary_parts(AccuracyReport(comparison.confidence_level, comparison.arms))
    labels = arm_labels([row.arm for row in comparison.arms])
    level = f"{100 * comparison.confidence_level:g}% CI"
    numbers = ("pairs", "both", "gained", "lost", "neither", "points", level, "p", "p adjusted")
    made = table("Difference on shared samples", ("treatment", "baseline"), (*numbers, "MDE"))
    for pair in comparison.pairs:
        made.add_row(labels[pair.treatment], labels[pair.baseline], *_pair(pair), points(pair.mde))
    parts.append(made)
    if comparison.tasks:
        several = len(comparison.pairs) > 1
        by_task = table(
            "Difference by task",
            ("task", *(("treatment",) if several else ())),
            (*numbers, "verdict"),
        )
        for task in comparison.tasks:
            for pair in task.pairs:
                names = (labels[pair.treatment],) if several else ()
                verdict = pair.verdict.replace("_", " ")
                by_task.add_row(task.task or UNKNOWN, *names, *_pair(pair), verdict)
        parts.append(by_task)
        for macro in comparison.macro:
            d = macro.difference
            parts.append(
                f"Macro average over {macro.tasks} tasks: {labels[macro.treatment]} "
                f"{percent(macro.treatment_accuracy.estimate)}, {labels[macro.baseline]} "
                f"{percent(macro.baseline_accuracy.estimate)}, difference {points(d.estimate)} "
                f"points {points_interval(d.ci_low, d.ci_high)}, p = {format_p(d.p_value)} "
                f"({d.method})."
            )
    parts.append(_caption(comparison))
    parts += [pair.sentence for pair in comparison.pairs]
    overall = [*(pair.warnings for pair in comparison.pairs), comparison.warnings]
    parts += notes(overall)
    return parts + _task_notes(comparison, {code for codes in overall for code in codes})


def _counts(row: ArmResult) -> tuple[str, ...]:
    numbers = (row.runs, row.graded, row.failed, row.unparsed, row.correct)
    return tuple(f"{number:,}" for number in numbers)


def _accuracy(row: ArmResult) -> tuple[str, str]:
    return percent(row.accuracy), interval(row.accuracy_ci_low, row.accuracy_ci_high)


def _pair(pair: PairResult) -> tuple[str, ...]:
    cells = (
        pair.both_correct,
        pair.only_treatment_correct,
        pair.only_baseline_correct,
        pair.neither_correct,
    )
    return (
        f"{pair.pairs:,}",
        *(UNKNOWN if cell is None else f"{cell:,}" for cell in cells),
        points(pair.difference),
        points_interval(pair.difference_ci_low, pair.difference_ci_high),
        format_p(pair.p_value),
        format_p(pair.p_value_adjusted),
    )


def _caption(comparison: Comparison) -> str:
    """What the intervals and tests are, on how many pairs, and what was left out."""
    lines = []
    for title, pairs in (
        ("Over all tasks", comparison.pairs),
        ("By task", [pair for task in comparison.tasks for pair in task.pairs]),
    ):
        for method in dict.fromkeys((p.interval_method, p.test, p.method) for p in pairs):
            size, correction = pairs[0].family_size, pairs[0].correction
            lines.append(
                f"{title}: {method[2]}, interval {method[0]}, test {method[1]}, correction "
                f"{correction} over {size} test{'' if size == 1 else 's'}."
            )
    left_out = sum(
        pair.denominators["only_in_treatment"] + pair.denominators["only_in_baseline"]
        for pair in comparison.pairs
    )
    rules = ", ".join(dict.fromkeys(pair.pairing_rule for pair in comparison.pairs))
    lines.append(f"Paired by {rules}; {left_out:,} samples graded on one side only are left out.")
    return "\n".join(lines)


def _methods(arms: Sequence[ArmResult]) -> list[str]:
    methods = dict.fromkeys(f"interval {arm.interval_method}, {arm.method}" for arm in arms)
    return ["Accuracy: " + "; ".join(methods) + "."] if methods else []


def notes(groups: Iterable[Iterable[str]]) -> list[str]:
    codes = dict.fromkeys(code for group in groups for code in group)
    return [f"Note: {explain(code)}." for code in codes]


def _task_notes(comparison: Comparison, said: set[str]) -> list[str]:
    """What holds in some tasks and was not said of the whole."""
    tasks: dict[str, int] = {}
    for task in comparison.tasks:
        for code in {code for pair in task.pairs for code in pair.warnings} - said:
            tasks[code] = tasks.get(code, 0) + 1
    total = len(comparison.tasks)
    return [f"Note on {n} of {total} tasks: {explain(code)}." for code, n in sorted(tasks.items())]
