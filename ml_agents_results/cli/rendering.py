"""Tables of analyses for people: every one says what its intervals and tests are."""

from collections.abc import Iterable, Sequence

from rich.table import Table

from ml_agents_results.repositories.patterns import ChangedSample
from ml_agents_results.services.accuracy import AccuracyReport, ArmResult
from ml_agents_results.services.comparison import Comparison
from ml_agents_results.services.cost import CostReport
from ml_agents_results.services.failures import FailureReport
from ml_agents_results.services.latency import LatencyReport
from ml_agents_results.services.pairs import PairResult
from ml_agents_results.services.parsing import ParsingReport
from ml_agents_results.services.power import PowerReport
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
    return [*parts, *_methods(report.arms), *_notes(row.warnings for row in report.arms)]


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
    return [made, *_methods(report.arms), *_notes(row.warnings for row in report.arms)]


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
    parts += _notes(overall)
    return parts + _task_notes(comparison, {code for codes in overall for code in codes})


def latency_parts(report: LatencyReport) -> list[Part]:
    labels = arm_labels([row.arm for row in report.arms])
    made = table(
        "Time of an answer in ms",
        ("arm",),
        ("timed", "untimed", "failed", "mean", "geometric", "p50", "p90", "p95", "p99", "max"),
    )
    for row in report.arms:
        made.add_row(
            labels[row.arm],
            f"{row.summary.n_timed:,}",
            f"{row.summary.n_missing:,}",
            f"{row.failed:,}",
            milliseconds(row.summary.mean),
            milliseconds(row.summary.geometric_mean),
            *(milliseconds(quantile.value) for quantile in row.quantiles),
            milliseconds(row.summary.maximum),
        )
    parts: list[Part] = [made]
    if report.pairs:
        ratios = table(
            "Ratio of geometric mean times on shared samples",
            ("treatment", "baseline"),
            (
                "pairs",
                "ratio",
                f"{100 * report.confidence_level:g}% CI",
                "p",
                "p adjusted",
                "slower",
                "faster",
            ),
        )
        for pair in report.pairs:
            ratios.add_row(
                labels[pair.treatment],
                labels[pair.baseline],
                f"{pair.pairs:,}",
                UNKNOWN if pair.ratio is None else f"{pair.ratio:.2f}",
                UNKNOWN
                if pair.ratio_ci_low is None or pair.ratio_ci_high is None
                else f"[{pair.ratio_ci_low:.2f}, {pair.ratio_ci_high:.2f}]",
                format_p(pair.p_value),
                format_p(pair.p_value_adjusted),
                f"{pair.slower:,}",
                f"{pair.faster:,}",
            )
        parts.append(ratios)
        parts.append("Ratios by paired t on logarithms. Failed runs are left out of all times.")
    return parts


def cost_parts(report: CostReport) -> list[Part]:
    labels = arm_labels([row.arm for row in report.arms])
    made = table(
        "Cost in USD",
        ("arm",),
        (
            "runs",
            "priced",
            "total",
            "mean",
            "per correct",
            f"{100 * report.confidence_level:g}% CI",
            "accuracy",
            "on Pareto front",
        ),
    )
    for row in report.arms:
        low, high = row.cost_per_correct_ci_low, row.cost_per_correct_ci_high
        made.add_row(
            labels[row.arm],
            f"{row.runs:,}",
            f"{row.priced:,}",
            dollars(row.total_cost),
            dollars(row.mean_cost),
            dollars(row.cost_per_correct),
            UNKNOWN if low is None or high is None else f"[{dollars(low)}, {dollars(high)}]",
            percent(row.accuracy),
            {True: "yes", False: "no", None: UNKNOWN}[row.on_pareto_front],
        )
    return [
        made,
        "Total over all runs with a cost, failed ones included; mean and cost per correct answer "
        "over graded ones (ratio, delta method).",
        *_notes(row.warnings for row in report.arms),
    ]


def parsing_parts(report: ParsingReport) -> list[Part]:
    labels = arm_labels([row.arm for row in report.arms])
    methods = table(
        "Parsing by method",
        ("arm", "method"),
        ("runs", "accuracy", "confidence", "gap", "attempts", "fallback", "ms", "errors"),
    )
    for row in report.methods:
        methods.add_row(
            labels[row.arm],
            row.parsing_method or "unknown",
            f"{row.runs:,}",
            percent(row.accuracy),
            _decimal(row.mean_parsing_confidence),
            points(row.confidence_gap),
            _decimal(row.mean_parsing_attempts),
            percent(row.fallback_rate),
            milliseconds(row.mean_extraction_time_ms),
            f"{row.parsing_errors:,}",
        )
    calibration = table(
        "Calibration of parsing confidence against being correct",
        ("arm",),
        ("unparsed", "rated", "Brier", "skill", "ECE", "if calibrated", "AUROC"),
    )
    for arm in report.arms:
        calibration.add_row(
            labels[arm.arm],
            percent(arm.unparsed_rate),
            f"{arm.brier.n:,}",
            _decimal(arm.brier.brier, 4),
            _decimal(arm.brier.skill),
            _decimal(arm.calibration_error.ece, 4),
            _decimal(arm.calibration_error.ece_if_calibrated, 4),
            _decimal(arm.auroc.value),
        )
    return [
        methods,
        calibration,
        "The gap is mean confidence minus accuracy, in points. Confidence is about the parse: a "
        "sure parse of a wrong answer counts as over-confident here.",
    ]


def failure_parts(report: FailureReport) -> list[Part]:
    arms = list(dict.fromkeys(row.arm for row in report.outcomes))
    labels = arm_labels(arms)
    rates = table("Outcomes", ("arm", "outcome"), ("runs", "share", "95% CI"))
    for outcome in report.outcomes:
        rates.add_row(
            labels[outcome.arm],
            outcome.outcome,
            f"{outcome.runs:,}",
            percent(outcome.rate),
            interval(outcome.rate_ci_low, outcome.rate_ci_high),
        )
    slices = table(
        "Slices that differ from the rest of their arm (exploratory)",
        ("arm", "slice"),
        ("graded", "accuracy", "rest", "points", "p", "p adjusted"),
    )
    tested = [row for row in report.slices if row.p_value_adjusted is not None]
    clear = [row for row in tested if (row.p_value_adjusted or 0) <= 0.05]
    for row in sorted(clear, key=lambda row: (row.arm, row.difference or 0)):
        slices.add_row(
            labels[row.arm],
            f"{row.dimension} = {row.value}",
            f"{row.graded:,}",
            percent(row.accuracy),
            percent(row.rest_accuracy),
            points(row.difference),
            format_p(row.p_value),
            format_p(row.p_value_adjusted),
        )
    parts: list[Part] = [
        rates,
        slices,
        f"Fisher's exact test, Benjamini-Hochberg over the slices of each arm with at least 10 "
        f"graded runs; "
        f"{len(tested) - len(clear)} show no clear difference.",
    ]
    if report.errors:
        errors = table("Errors", ("arm", "error"), ("runs",))
        for error in report.errors:
            errors.add_row(labels[error.arm], error.error, f"{error.runs:,}")
        parts.append(errors)
    for change in report.changes:
        parts.append(
            f"{labels[change.treatment]} against {labels[change.baseline]}: gains "
            f"{_samples(change.gains)}; regressions {_samples(change.regressions)}."
        )
    hard = [f"{s.task}:{s.sample_index} ({s.correct}/{s.graded})" for s in report.hard_samples[:10]]
    if hard:
        parts.append("Hardest samples: " + ", ".join(hard))
    return [*parts, *_notes([report.warnings])]


def power_parts(report: PowerReport) -> list[Part]:
    labels = arm_labels(
        list(dict.fromkeys(arm for row in report.pairs for arm in (row.treatment, row.baseline)))
    )
    sizes = list(report.pairs[0].samples_needed) if report.pairs else []
    made = table(
        "What these samples can show with 80% power",
        ("treatment", "baseline"),
        ("pairs", "discordance", "MDE", *(f"n for {100 * float(size):g} points" for size in sizes)),
    )
    for row in report.pairs:
        made.add_row(
            labels[row.treatment],
            labels[row.baseline],
            f"{row.pairs:,}",
            percent(row.discordance),
            points(row.mde),
            *(UNKNOWN if n is None else f"{n:,}" for n in row.samples_needed.values()),
        )
    return [
        made,
        "MDE: the smallest difference that so many shared samples show, after correction for the "
        "number of comparisons; n: shared samples needed at the discordance seen.",
    ]


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


def _notes(groups: Iterable[Iterable[str]]) -> list[str]:
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


def _samples(changed: Sequence[ChangedSample]) -> str:
    if not changed:
        return "none"
    shown = [f"{s.task}:{s.sample_index}" for s in changed[:5]]
    return ", ".join(shown) + (f" and {len(changed) - 5} or more" if len(changed) > 5 else "")


def _decimal(value: float | None, digits: int = 2) -> str:
    return UNKNOWN if value is None else f"{value:.{digits}f}"
