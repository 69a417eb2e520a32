"""Tables of reports on latency, cost, parsing and failures, for people."""

from collections.abc import Callable, Iterable, Sequence

from ml_agents_results.cli.rendering import Part, notes, table
from ml_agents_results.repositories.patterns import ChangedSample
from ml_agents_results.services.cost import CostReport
from ml_agents_results.services.failures import FailureReport
from ml_agents_results.services.latency import LatencyReport
from ml_agents_results.services.parsing import ParsingReport
from ml_agents_results.services.statistics.verdict import format_p
from ml_agents_results.services.wording import (
    UNKNOWN,
    arm_labels,
    decimal,
    dollars,
    interval,
    milliseconds,
    percent,
    points,
    points_interval,
)


def latency_parts(report: LatencyReport) -> list[Part]:
    labels = arm_labels([row.arm for row in report.arms])
    made = table(
        "Time of an answer in ms",
        ("arm",),
        ("timed", "untimed", "failed", "mean", "sd", "geometric mean", "min", "max"),
    )
    for row in report.arms:
        made.add_row(
            labels[row.arm],
            f"{row.summary.n_timed:,}",
            f"{row.summary.n_missing:,}",
            f"{row.failed:,}",
            milliseconds(row.summary.mean),
            milliseconds(row.summary.sd),
            milliseconds(row.summary.geometric_mean),
            milliseconds(row.summary.minimum),
            milliseconds(row.summary.maximum),
        )
    level = f"{100 * report.confidence_level:g}% CI"
    quantiles = table("Quantiles in ms", ("arm", "quantile"), ("ms", level))
    for row in report.arms:
        for quantile in row.quantiles:
            quantiles.add_row(
                labels[row.arm],
                f"p{100 * quantile.q:g}",
                milliseconds(quantile.value),
                _bounds(milliseconds, quantile.ci_low, quantile.ci_high),
            )
    parts: list[Part] = [made]
    if any(row.summary.n_timed for row in report.arms):
        parts += [
            quantiles,
            "Quantiles of type 7, intervals from order statistics; - is a bound that so few runs "
            "do not have. Runs are taken as independent.",
        ]
    else:
        parts.append("No run has a time.")
    if report.pairs:
        ratios = table(
            "Ratio of geometric mean times on shared samples",
            ("treatment", "baseline"),
            (
                "pairs",
                "ratio",
                level,
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
        parts.append(
            "Above 1 the treatment is slower. Paired t on logarithms, "
            f"{listed(pair.method for pair in report.pairs)}, "
            f"{_corrected(report.pairs[0].family_size, report.correction)}. Failed runs are left "
            "out of all times."
        )
        parts += notes(pair.warnings for pair in report.pairs)
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
            "per run",
            "per correct",
            f"{100 * report.confidence_level:g}% CI",
            "accuracy",
            "front",
        ),
    )
    for row in report.arms:
        low, high = row.cost_per_correct_ci_low, row.cost_per_correct_ci_high
        made.add_row(
            labels[row.arm],
            f"{row.runs:,}",
            f"{row.priced:,}",
            _usd(row.total_cost),
            _usd(row.mean_cost),
            _usd(row.cost_per_correct),
            _bounds(_usd, low, high),
            percent(row.accuracy),
            {True: "yes", False: "no", None: UNKNOWN}[row.on_pareto_front],
        )
    parts: list[Part] = [made]
    if report.pairs:
        extra = table(
            "Extra cost in USD per shared sample, and per further correct answer",
            ("treatment", "baseline"),
            (
                "pairs",
                "extra cost",
                f"{100 * report.confidence_level:g}% CI",
                "points",
                "per further correct",
            ),
        )
        for pair in report.pairs:
            low, high = pair.cost_difference_ci_low, pair.cost_difference_ci_high
            extra.add_row(
                labels[pair.treatment],
                labels[pair.baseline],
                f"{pair.pairs:,}",
                _usd(pair.cost_difference),
                _bounds(_usd, low, high),
                points(pair.accuracy_difference),
                _usd(pair.cost_increment),
            )
        parts.append(extra)
    return [
        *parts,
        "Front: on the Pareto front of accuracy, cost per run and time. Total over all runs with a "
        "cost, failed ones included; costs per run and per correct answer "
        "over graded ones (ratio, delta method), "
        f"{listed(row.method for row in report.arms)}."
        + (
            f" Differences in cost: paired t, {listed(row.method for row in report.pairs)}."
            if report.pairs
            else ""
        ),
        *notes([*(row.warnings for row in report.arms), *(row.warnings for row in report.pairs)]),
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
            decimal(row.mean_parsing_confidence),
            points(row.confidence_gap),
            decimal(row.mean_parsing_attempts),
            percent(row.fallback_rate),
            milliseconds(row.mean_extraction_time_ms),
            f"{row.parsing_errors:,}",
        )
    level = f"{100 * report.confidence_level:g}% CI"
    calibration = table(
        "Calibration of parsing confidence against being correct",
        ("arm",),
        ("unparsed", "rated", "Brier", "skill", "ECE", "if calibrated", "AUROC", level),
    )
    for arm in report.arms:
        calibration.add_row(
            labels[arm.arm],
            percent(arm.unparsed_rate),
            f"{arm.brier.n:,}",
            decimal(arm.brier.brier, 4),
            decimal(arm.brier.skill),
            decimal(arm.calibration_error.ece, 4),
            decimal(arm.calibration_error.ece_if_calibrated, 4),
            decimal(arm.auroc.value),
            _bounds(decimal, arm.auroc.ci_low, arm.auroc.ci_high),
        )
    parts: list[Part] = [methods]
    if all(arm.brier.n == 0 for arm in report.arms):
        return [*parts, "No graded run has a parsing confidence: there is nothing to calibrate."]
    parts.append(calibration)
    for arm in report.arms:
        large = arm.calibration_in_the_large
        if large.estimate is not None:
            parts.append(
                f"{labels[arm.arm]}: accuracy minus mean confidence {points(large.estimate)} "
                f"points, {level} {points_interval(large.ci_low, large.ci_high)} ({large.method}"
                f"{'' if large.n_clusters is None else f', {large.n_clusters} clusters'})."
            )
    return [
        *parts,
        "The gap is mean confidence minus accuracy, in points. Confidence is about the parse: a "
        "sure parse of a wrong answer counts as over-confident here. ECE is above 0 even for "
        "perfect confidences; compare it with the next column.",
        *notes(arm.calibration_in_the_large.warnings for arm in report.arms),
    ]


def failure_parts(report: FailureReport) -> list[Part]:
    arms = list(dict.fromkeys(row.arm for row in report.outcomes))
    labels = arm_labels(arms)
    level = f"{100 * report.confidence_level:g}% CI"
    rates = table("Outcomes", ("arm", "outcome"), ("runs", "share", level))
    for outcome in report.outcomes:
        rates.add_row(
            labels[outcome.arm],
            outcome.outcome,
            f"{outcome.runs:,}",
            percent(outcome.rate),
            interval(outcome.rate_ci_low, outcome.rate_ci_high),
        )
    tested = [row for row in report.slices if row.p_value_adjusted is not None]
    clear = [row for row in tested if (row.p_value_adjusted or 0) <= 0.05]
    parts: list[Part] = [rates]
    if report.outcomes:
        parts.append(f"Shares of all runs, interval {report.outcomes[0].interval_method}.")
    for arm in arms:
        slices = table(
            f"Slices of {labels[arm]} that differ from the rest of it (exploratory)",
            ("slice",),
            ("graded", "accuracy", level, "points", "p", "p bh"),
        )
        rows = [row for row in clear if row.arm == arm]
        for row in sorted(rows, key=lambda row: row.difference or 0):
            slices.add_row(
                f"{row.dimension} = {row.value}",
                f"{row.graded:,}",
                percent(row.accuracy),
                interval(row.accuracy_ci_low, row.accuracy_ci_high),
                points(row.difference),
                format_p(row.p_value),
                format_p(row.p_value_adjusted),
            )
        if rows:
            parts.append(slices)
    parts.append(
        f"Points: accuracy minus that of the rest. {len(tested):,} slices with at least 10 graded "
        "runs tested by Fisher's exact test, "
        "Benjamini-Hochberg within each arm at 5%; "
        f"{len(tested) - len(clear):,} show no clear difference. Runs are taken as independent."
    )
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


def _samples(changed: Sequence[ChangedSample]) -> str:
    if not changed:
        return "none"
    shown = [f"{s.task}:{s.sample_index}" for s in changed[:5]]
    return ", ".join(shown) + (f" and {len(changed) - 5} or more" if len(changed) > 5 else "")


def _usd(value: float | None) -> str:
    """An amount in a table whose title names the currency."""
    return dollars(value).replace("$", "")


def _bounds(show: Callable[[float | None], str], low: float | None, high: float | None) -> str:
    """Two bounds, of which one may not exist."""
    return UNKNOWN if low is None and high is None else f"[{show(low)}, {show(high)}]"


def listed(methods: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(methods)) or "none"


def _corrected(size: int, correction: str) -> str:
    if correction == "none":
        return "p values not corrected"
    return f"p corrected by {correction} over {size} test{'' if size == 1 else 's'}"
