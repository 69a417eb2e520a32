"""Tables of reports on latency, cost, parsing and failures, for people."""

from collections.abc import Callable, Iterable, Sequence

from ml_agents_results.reports.terminal_accuracy import Part, notes, table
from ml_agents_results.reports.wording import (
    UNKNOWN,
    decimal,
    dollars,
    format_p,
    interval,
    milliseconds,
    percent,
    points,
    points_interval,
    variant_labels,
)
from ml_agents_results.repositories.patterns import ChangedSample
from ml_agents_results.services.cost import CostReport
from ml_agents_results.services.failures import FailureReport
from ml_agents_results.services.latency import LatencyReport
from ml_agents_results.services.parsing import ParsingReport


def latency_parts(report: LatencyReport) -> list[Part]:
    labels = variant_labels([row.variant for row in report.variants])
    made = table(
        "Time of an answer in ms",
        ("variant",),
        ("timed", "untimed", "failed", "mean", "sd", "geometric mean", "min", "max"),
    )
    for row in report.variants:
        made.add_row(
            labels[row.variant],
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
    quantiles = table("Quantiles in ms", ("variant", "quantile"), ("ms", level))
    for row in report.variants:
        for quantile in row.quantiles:
            quantiles.add_row(
                labels[row.variant],
                f"p{100 * quantile.q:g}",
                milliseconds(quantile.value),
                _bounds(milliseconds, quantile.ci_low, quantile.ci_high),
            )
    parts: list[Part] = [made]
    if any(row.summary.n_timed for row in report.variants):
        parts += [
            quantiles,
            "Quantiles of type 7, intervals from order statistics; - is a bound that so few runs "
            "do not have. Runs are taken as independent.",
        ]
    else:
        parts.append("No run has a time.")
    if report.comparisons:
        ratios = table(
            "Ratio of geometric mean times on shared samples",
            ("candidate", "baseline"),
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
        for pair in report.comparisons:
            ratios.add_row(
                labels[pair.candidate],
                labels[pair.baseline],
                f"{pair.samples:,}",
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
            "Above 1 the candidate is slower. Paired t on logarithms, "
            f"{listed(pair.method for pair in report.comparisons)}, "
            f"{_corrected(report.comparisons[0].family_size, report.correction)}. "
            "Failed runs are left out of all times."
        )
        parts += notes(pair.warnings for pair in report.comparisons)
    return parts


def cost_parts(report: CostReport) -> list[Part]:
    labels = variant_labels([row.variant for row in report.variants])
    made = table(
        "Cost in USD",
        ("variant",),
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
    for row in report.variants:
        low, high = row.cost_per_correct_ci_low, row.cost_per_correct_ci_high
        made.add_row(
            labels[row.variant],
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
    if report.comparisons:
        extra = table(
            "Extra cost in USD per shared sample, and per further correct answer",
            ("candidate", "baseline"),
            (
                "pairs",
                "extra cost",
                f"{100 * report.confidence_level:g}% CI",
                "points",
                "per further correct",
            ),
        )
        for pair in report.comparisons:
            low, high = pair.cost_difference_ci_low, pair.cost_difference_ci_high
            extra.add_row(
                labels[pair.candidate],
                labels[pair.baseline],
                f"{pair.samples:,}",
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
        f"{listed(row.method for row in report.variants)}."
        + (
            f" Differences in cost: paired t, {listed(row.method for row in report.comparisons)}."
            if report.comparisons
            else ""
        ),
        *notes(
            [
                *(row.warnings for row in report.variants),
                *(row.warnings for row in report.comparisons),
            ]
        ),
    ]


def parsing_parts(report: ParsingReport) -> list[Part]:
    labels = variant_labels([row.variant for row in report.variants])
    methods = table(
        "Parsing by method",
        ("variant", "method"),
        ("runs", "accuracy", "confidence", "gap", "attempts", "fallback", "ms", "errors"),
    )
    for row in report.methods:
        methods.add_row(
            labels[row.variant],
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
        ("variant",),
        ("unparsed", "rated", "Brier", "skill", "ECE", "if calibrated", "AUROC", level),
    )
    for variant in report.variants:
        calibration.add_row(
            labels[variant.variant],
            percent(variant.unparsed_rate),
            f"{variant.brier.n:,}",
            decimal(variant.brier.brier, 4),
            decimal(variant.brier.skill),
            decimal(variant.calibration_error.ece, 4),
            decimal(variant.calibration_error.ece_if_calibrated, 4),
            decimal(variant.auroc.value),
            _bounds(decimal, variant.auroc.ci_low, variant.auroc.ci_high),
        )
    parts: list[Part] = [methods]
    if all(variant.brier.n == 0 for variant in report.variants):
        return [*parts, "No graded run has a parsing confidence: there is nothing to calibrate."]
    parts.append(calibration)
    for variant in report.variants:
        large = variant.calibration_in_the_large
        if large.estimate is not None:
            parts.append(
                f"{labels[variant.variant]}: accuracy minus mean confidence "
                f"{points(large.estimate)} "
                f"points, {level} {points_interval(large.ci_low, large.ci_high)} ({large.method}"
                f"{'' if large.n_clusters is None else f', {large.n_clusters} clusters'})."
            )
    return [
        *parts,
        "The gap is mean confidence minus accuracy, in points. Confidence is about the parse: a "
        "sure parse of a wrong answer counts as over-confident here. ECE is above 0 even for "
        "perfect confidences; compare it with the next column.",
        *notes(variant.calibration_in_the_large.warnings for variant in report.variants),
    ]


def failure_parts(report: FailureReport) -> list[Part]:
    variants = list(dict.fromkeys(row.variant for row in report.outcomes))
    labels = variant_labels(variants)
    level = f"{100 * report.confidence_level:g}% CI"
    rates = table("Outcomes", ("variant", "outcome"), ("runs", "share", level))
    for outcome in report.outcomes:
        rates.add_row(
            labels[outcome.variant],
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
    for variant in variants:
        slices = table(
            f"Slices of {labels[variant]} that differ from the rest of it (exploratory)",
            ("slice",),
            ("graded", "accuracy", level, "points", "p", "p bh"),
        )
        rows = [row for row in clear if row.variant == variant]
        for row in sorted(rows, key=lambda row: row.difference or 0):
            slices.add_row(
                f"{row.dimension} = {row.value}",
                f"{row.graded:,}",
                percent(row.accuracy),
                interval(row.ci_low, row.ci_high),
                points(row.difference),
                format_p(row.p_value),
                format_p(row.p_value_adjusted),
            )
        if rows:
            parts.append(slices)
    parts.append(
        f"Points: accuracy minus that of the rest. {len(tested):,} slices with at least 10 graded "
        "runs tested by Fisher's exact test, "
        "Benjamini-Hochberg within each variant at 5%; "
        f"{len(tested) - len(clear):,} show no clear difference. Runs are taken as independent."
    )
    if report.errors:
        errors = table("Errors", ("variant", "error"), ("runs",))
        for error in report.errors:
            errors.add_row(labels[error.variant], error.error, f"{error.runs:,}")
        parts.append(errors)
    for change in report.changes:
        parts.append(
            f"{labels[change.candidate]} against {labels[change.baseline]}: gains "
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
