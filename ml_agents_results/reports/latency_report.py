"""Times of answers: moments, quantiles, and ratios between variants."""

from ml_agents_results.records import variant_labels
from ml_agents_results.reports.columns import columns
from ml_agents_results.reports.report import (
    VARIANT_COLUMNS,
    Report,
    Row,
    Table,
    View,
    distinct,
    pair_row,
    variant_column,
    variant_row,
    variant_table,
    warning_notes,
)
from ml_agents_results.reports.wording import correction_text, level_text
from ml_agents_results.services.latency import LatencyReport, VariantLatency

_MOMENTS = (
    *("timed", "mean_ms", "sd_ms", "geometric_mean_ms", "min_ms", "max_ms"),
    *("failed", "untimed"),
)


def latency_report(report: LatencyReport) -> Report:
    """Times of every variant, and of variants against the baseline."""
    if not any(row.summary.n_timed for row in report.variants):
        return Report("Latency", [_moments(report)], sentences=["No run has a time."])
    tables = [_moments(report), _quantiles(report)]
    methods = [
        "Quantiles of type 7 with intervals from order statistics; - is a bound that so few runs "
        "do not have. Runs are treated as independent. Failed runs are left out of all times."
    ]
    if report.comparisons:
        tables.append(_ratios(report))
        size = report.comparisons[0].family_size
        methods.append(
            "Ratios: paired t on logarithms, "
            f"{distinct(row.method for row in report.comparisons)}; "
            f"p values: {correction_text(report.correction, size)}."
        )
    return Report(
        "Latency",
        tables,
        notes=warning_notes([*(row.warnings for row in report.comparisons), report.warnings]),
        methods=methods,
    )


def _moments(report: LatencyReport) -> Table:
    def values(row: VariantLatency) -> Row:
        times = row.summary
        return {
            "timed": times.n_timed,
            "untimed": times.n_missing,
            "mean_ms": times.mean,
            "sd_ms": times.sd,
            "geometric_mean_ms": times.geometric_mean,
            "min_ms": times.minimum,
            "max_ms": times.maximum,
        }

    complete = not any(row.summary.n_missing for row in report.variants)
    some = [name for name in _MOMENTS if name != "untimed" or not complete]
    return variant_table(
        "Times",
        "times",
        report.variants,
        (columns(*some), columns(*_MOMENTS)),
        values,
        heading="Time of an answer in ms",
    )


def _quantiles(report: LatencyReport) -> Table:
    labels = variant_labels([row.variant for row in report.variants])
    rows = [
        variant_row(
            row, labels,
            quantile=f"p{100 * quantile.q:g}", quantile_ms=quantile.value,
            ci_low=quantile.ci_low, ci_high=quantile.ci_high,
        )
        for row in report.variants
        for quantile in row.quantiles
    ]  # fmt: skip
    level = level_text(report.confidence_level)
    shown = columns("quantile", "quantile_ms", "quantile_ci", level=level)
    every = columns("quantile", "quantile_ms", "ci_low", "ci_high")
    view = View("quantiles", "Quantiles in ms", (variant_column(labels), *shown), rows)
    return Table("Quantiles of the times", (*VARIANT_COLUMNS, *every), rows, [view])


def _ratios(report: LatencyReport) -> Table:
    labels = variant_labels([row.variant for row in report.variants])
    rows = [pair_row(row, labels) for row in report.comparisons]
    names = ("ratio", "ratio_ci", "p_value_adjusted", "samples", "slower", "faster")
    correction = correction_text(report.correction, 2).split()[0]
    shown = columns(
        "candidate", "baseline", *names,
        level=level_text(report.confidence_level), correction=correction,
    )  # fmt: skip
    wide = columns(
        *("candidate", "baseline", "samples", "ratio", "p_value", "p_value_adjusted"),
        *("family_size", "slower", "faster"),
        correction=correction,
    )
    title = "Ratio of geometric mean times on shared samples"
    caption = "Above 1 the candidate is slower."
    view = View("ratios", title, shown, rows, caption=caption)
    return Table(
        "Ratios of times",
        wide,
        rows,
        [view],
    )
