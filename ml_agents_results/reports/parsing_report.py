"""Parsing: by method, and whether the parser's confidence means what it says."""

from dataclasses import replace

from ml_agents_results.records import Variant, variant_labels
from ml_agents_results.reports.columns import columns
from ml_agents_results.reports.report import (
    VARIANT_COLUMNS,
    Report,
    Row,
    Table,
    View,
    variant_column,
    variant_row,
    variant_table,
    warning_notes,
)
from ml_agents_results.reports.wording import level_text, points, shown
from ml_agents_results.services.parsing import ParsingReport, VariantParsing

_METHODS = columns(
    *("parsing_method", "runs", "graded", "correct", "accuracy", "ci_low"),
    *("ci_high", "rated", "mean_parsing_confidence", "confidence_gap", "metrics_runs"),
    *("mean_parsing_attempts", "fallback_rate", "mean_extraction_time_ms", "parsing_errors"),
    *("interval_method", "method"),
)
_CALIBRATION = columns(
    *("runs", "answered", "unparsed", "unparsed_rate", "unparsed_rate_ci_low"),
    *("unparsed_rate_ci_high", "rated", "brier", "brier_skill", "calibration_error"),
    *("calibration_error_if_calibrated", "auroc"),
)


def parsing_report(report: ParsingReport) -> Report:
    """Parsing by method, and the calibration of the confidence."""
    labels = variant_labels([row.variant for row in report.variants])
    rated = any(row.brier.n for row in report.variants)
    calibration = _calibration(report)
    if not rated:
        return Report(
            "Parsing",
            [_methods(report, labels), replace(calibration, views=())],
            sentences=["No graded run has a parsing confidence: there is nothing to calibrate."],
        )
    return Report(
        "Parsing",
        [_methods(report, labels), calibration],
        notes=warning_notes(
            [
                *(row.calibration_in_the_large.warnings for row in report.variants),
                report.warnings,
            ]
        ),
        methods=[
            *(
                _in_the_large(row, labels[row.variant], level_text(report.confidence_level))
                for row in report.variants
                if row.calibration_in_the_large.estimate is not None
            ),
            "The gap is mean confidence minus accuracy, in points. Confidence is about the parse: "
            "a confident parse of a wrong answer counts as over-confident. ECE is above 0 even "
            "for perfect confidences; compare it with the next column.",
        ],
    )


def _methods(report: ParsingReport, labels: dict[Variant, str]) -> Table:
    rows = [variant_row(row, labels, method="independent runs") for row in report.methods]
    few = columns(
        *("parsing_method", "runs", "accuracy", "mean_parsing_confidence", "confidence_gap"),
        *("mean_parsing_attempts", "fallback_rate", "mean_extraction_time_ms", "parsing_errors"),
    )
    named = [{**row, "parsing_method": row["parsing_method"] or "unknown"} for row in rows]
    view = View("methods", "Parsing by method", (variant_column(labels), *few), named)
    return Table("Parsing by method", (*VARIANT_COLUMNS, *_METHODS), rows, [view])


def _calibration(report: ParsingReport) -> Table:
    def values(row: VariantParsing) -> Row:
        return {
            "rated": row.brier.n,
            "brier": row.brier.brier,
            "brier_skill": row.brier.skill,
            "calibration_error": row.calibration_error.ece,
            "calibration_error_if_calibrated": row.calibration_error.ece_if_calibrated,
            "auroc": row.auroc.value,
            "auroc_ci_low": row.auroc.ci_low,
            "auroc_ci_high": row.auroc.ci_high,
        }

    few = columns(
        *("rated", "brier", "brier_skill", "calibration_error"),
        *("calibration_error_if_calibrated", "auroc", "auroc_ci", "unparsed_rate"),
        level=level_text(report.confidence_level),
    )
    title = "Calibration of the confidence"
    return variant_table(title, "calibration", report.variants, (few, _CALIBRATION), values)


def _in_the_large(row: VariantParsing, label: str, level: str) -> str:
    large = row.calibration_in_the_large
    bounds = shown((large.ci_low, large.ci_high), "points")
    clusters = "" if large.n_clusters is None else f", {large.n_clusters} clusters"
    return (
        f"{label}: accuracy minus mean confidence {points(large.estimate)} points, "
        f"{level} CI {bounds} ({large.method}{clusters})."
    )
