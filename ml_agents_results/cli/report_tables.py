"""Tables of reports on latency, cost, parsing, failures and power, for people."""

from collections.abc import Sequence

from ml_agents_results.cli.rendering import Part, notes, table
from ml_agents_results.repositories.patterns import ChangedSample
from ml_agents_results.services.cost import CostReport
from ml_agents_results.services.failures import FailureReport
from ml_agents_results.services.latency import LatencyReport
from ml_agents_results.services.parsing import ParsingReport
from ml_agents_results.services.power import PowerReport
from ml_agents_results.services.statistics.verdict import format_p
from ml_agents_results.services.wording import (
    UNKNOWN,
    arm_labels,
    dollars,
    interval,
    milliseconds,
    percent,
    points,
)


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
    parts: list[Part] = [made]
    if report.pairs:
        extra = table(
            "Extra cost per shared sample, and per further correct answer",
            ("treatment", "baseline"),
            (
                "pairs",
                "extra cost",
                f"{100 * report.confidence_level:g}% CI",
                "points",
                "increment",
            ),
        )
        for pair in report.pairs:
            low, high = pair.cost_difference_ci_low, pair.cost_difference_ci_high
            extra.add_row(
                labels[pair.treatment],
                labels[pair.baseline],
                f"{pair.pairs:,}",
                dollars(pair.cost_difference),
                UNKNOWN if low is None or high is None else f"[{dollars(low)}, {dollars(high)}]",
                points(pair.accuracy_difference),
                dollars(pair.cost_increment),
            )
        parts.append(extra)
    return [
        *parts,
        "Total over all runs with a cost, failed ones included; mean and cost per correct answer "
        "over graded ones (ratio, delta method).",
        *notes(row.warnings for row in report.arms),
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
    return [*parts, *notes([report.warnings])]


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


def _samples(changed: Sequence[ChangedSample]) -> str:
    if not changed:
        return "none"
    shown = [f"{s.task}:{s.sample_index}" for s in changed[:5]]
    return ", ".join(shown) + (f" and {len(changed) - 5} or more" if len(changed) > 5 else "")


def _decimal(value: float | None, digits: int = 2) -> str:
    return UNKNOWN if value is None else f"{value:.{digits}f}"
