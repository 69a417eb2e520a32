"""A judge corrected by people: means and differences as people would find them."""

from typing import Any

from ml_agents_results.records import Variant, variant_labels
from ml_agents_results.reports.accuracy_report import VARIANT_COLUMNS
from ml_agents_results.reports.column import Column
from ml_agents_results.reports.columns import COLUMNS
from ml_agents_results.reports.report import (
    Report,
    Row,
    Table,
    View,
    distinct,
    variant_column,
    warning_notes,
)
from ml_agents_results.reports.wording import (
    format_p,
    level_text,
    measured,
    shown,
)
from ml_agents_results.services.corrected import (
    CorrectedDifference,
    CorrectedReport,
    CorrectedVariant,
)

_LABELS = Column("labels", "labels", "count", "samples that people labelled")
_SAMPLES = Column("samples", "samples", "count", "samples that the judge has a value of")
_JUDGE = Column("judge_mean", "judge alone", "value", "mean of the judge's values over all samples")
_WORTH = Column(
    "effective_labels", "worth", "value", "labels that would say as much without the judge"
)
_PAIRS = Column("pairs", "pairs", "count", "samples with a label for both variants")
_WIDTH = Column("half_width", "interval of", "text", "half of the width of the interval")
_WITH = Column("with_judge", "labels with the judge", "count", "labels that reach it")
_WITHOUT = Column("without_judge", "labels alone", "count", "labels that reach it without a judge")


def corrected_report(report: CorrectedReport) -> Report:
    """What people would find, next to what the labels and the judge say alone."""
    labels = variant_labels([row.variant for row in report.variants])
    level = level_text(report.confidence_level)
    tables = [_variants(report, labels, level)]
    if report.comparisons:
        tables.append(_differences(report, labels, level))
    if any(row.mean.needed for row in report.variants):
        tables.append(_needed(report, labels))
    sentences = [_sentence(report, row, labels) for row in report.variants]
    sentences += [_compared(report, row, labels) for row in report.comparisons]
    codes = [report.warnings, *(row.mean.warnings for row in report.variants)]
    codes += [row.warnings for row in report.comparisons]
    methods = [
        f"{report.judge} on all samples, corrected by {report.human} "
        f"(prediction-powered; {distinct(row.method for row in report.variants)}).",
        *(
            f"Queue {draw.queue}: {draw.labels:,} labels of {draw.size:,} runs drawn from "
            f"{draw.population:,}, seed {draw.seed}."
            for draw in report.draws
        ),
    ]
    title = f"{report.judge} corrected by {report.human}"
    return Report(title, tables, sentences, warning_notes(codes), methods)


def _sentence(report: CorrectedReport, row: CorrectedVariant, labels: dict[Variant, str]) -> str:
    mean, name = row.mean, labels[row.variant]
    if mean.estimate is None:
        return (
            f"{name} has {row.labels} labels, too few to correct {report.judge} by: at least 10 "
            "are needed, and samples without a label."
        )
    bounds = shown((mean.ci_low, mean.ci_high), "value")
    said = (
        f"People would give {name} {measured(mean.estimate)} {bounds} in {report.human}; "
        f"{report.judge} alone says {measured(mean.judge_mean)}, {row.labels:,} labels alone say "
        f"{measured(mean.human_mean)} {shown((mean.human_low, mean.human_high), 'value')}"
    )
    if "judge_adds_nothing" in mean.warnings:
        return f"{said}: the judge adds nothing to the labels."
    return f"{said}: with the judge they are worth {mean.effective_labels or 0:,.0f}."


def _compared(report: CorrectedReport, row: CorrectedDifference, labels: dict[Variant, str]) -> str:
    candidate, baseline = labels[row.candidate], labels[row.baseline]
    if row.difference is None or row.ci_low is None or row.ci_high is None:
        return f"{candidate} and {baseline} have too few labels to be compared."
    word = "higher" if row.difference > 0.0 else "lower"
    over = f"on {row.pairs:,} samples labelled for both" if row.paired else "by their means"
    said = (
        f"{candidate} is {measured(abs(row.difference))} {word} than {baseline} {over} "
        f"{shown((row.ci_low, row.ci_high), 'change')} (p = {format_p(row.p_value)})"
    )
    if row.ci_low <= 0.0 <= row.ci_high:
        return f"{said}: not shown to differ."
    better = (row.difference > 0.0) == report.higher_is_better
    return f"{said}: {'better' if better else 'worse'}."


def _figure(name: str, label: str, kind: Any, meaning: str, level: str, of: str) -> Column:
    return Column(name, f"{label} [{level} CI]", kind, meaning, (of, f"{name}_low", f"{name}_high"))


def _variants(report: CorrectedReport, labels: dict[Variant, str], level: str) -> Table:
    rows: list[Row] = [
        {
            **row.variant._asdict(),
            "variant": labels[row.variant],
            "samples": row.samples,
            "labels": row.labels,
            "corrected_mean": row.mean.estimate,
            "corrected_low": row.mean.ci_low,
            "corrected_high": row.mean.ci_high,
            "human_mean": row.mean.human_mean,
            "human_low": row.mean.human_low,
            "human_high": row.mean.human_high,
            "judge_mean": row.mean.judge_mean,
            "judge_bias": row.mean.judge_bias,
            "weight": row.mean.weight,
            "effective_labels": row.mean.effective_labels,
        }
        for row in report.variants
    ]
    meaning = "mean that people would give to all samples"
    corrected = _figure("corrected", "corrected", "value", meaning, level, "corrected_mean")
    human = _figure("human", "labels alone", "value", "mean of the labels", level, "human_mean")
    columns = (
        _SAMPLES,
        _LABELS,
        Column("corrected_mean", "corrected", "value", meaning),
        Column("corrected_low", "from", "value", "lower bound of its interval"),
        Column("corrected_high", "to", "value", "upper bound of its interval"),
        Column("human_mean", "labels alone", "value", "mean of the labels"),
        Column("human_low", "from", "value", "lower bound of its interval"),
        Column("human_high", "to", "value", "upper bound of its interval"),
        _JUDGE,
        Column("judge_bias", "bias", "change", "mean of the judge's values less the labels'"),
        Column("weight", "weight", "number", "weight of the judge, 0 to 1"),
        _WORTH,
    )
    view = View(
        "corrected",
        f"Mean {report.human} of all samples",
        (variant_column(labels), _LABELS, corrected, human, _JUDGE, _WORTH),
        rows,
    )
    return Table("Corrected means", (*VARIANT_COLUMNS, *columns), rows, [view])


def _differences(report: CorrectedReport, labels: dict[Variant, str], level: str) -> Table:
    rows: list[Row] = [
        {
            "candidate": labels[row.candidate],
            "baseline": labels[row.baseline],
            "pairs": row.pairs,
            "difference": row.difference,
            "difference_low": row.ci_low,
            "difference_high": row.ci_high,
            "p_value": row.p_value,
            "human_difference": row.human_difference,
            "judge_difference": row.judge_difference,
        }
        for row in report.comparisons
    ]
    human = Column("human_difference", "labels alone", "change", "difference of the labels")
    judge = Column("judge_difference", "judge alone", "change", "difference of the judge's values")
    plain = (
        Column("difference", "difference", "change", "candidate minus baseline"),
        Column("difference_low", "from", "change", "lower bound of its interval"),
        Column("difference_high", "to", "change", "upper bound of its interval"),
    )
    cell = _figure(
        "difference", "difference", "change", "candidate minus baseline", level, "difference"
    )
    title = f"Difference in {report.human} against {labels[report.comparisons[0].baseline]}"
    p_value = COLUMNS["p_value"]
    shown_columns = (COLUMNS["candidate"], _PAIRS, cell, p_value, human, judge)
    view = View("differences", title, shown_columns, rows)
    names = (COLUMNS["candidate"], COLUMNS["baseline"], _PAIRS)
    return Table("Corrected differences", (*names, *plain, p_value, human, judge), rows, [view])


def _needed(report: CorrectedReport, labels: dict[Variant, str]) -> Table:
    rows: list[Row] = [
        {
            "variant": labels[row.variant],
            "half_width": f"±{width}",
            "with_judge": with_judge,
            "without_judge": without,
        }
        for row in report.variants
        for width, (with_judge, without) in row.mean.needed.items()
    ]
    rows += [
        {
            "variant": f"{labels[row.candidate]} - {labels[row.baseline]}",
            "half_width": f"±{width}",
            "with_judge": with_judge,
            "without_judge": without,
        }
        for row in report.comparisons
        for width, (with_judge, without) in row.needed.items()
    ]
    columns = (variant_column(labels), _WIDTH, _WITH, _WITHOUT)
    view = View("needed", "Labels for a narrower interval", columns, rows)
    return Table("Labels needed", columns, rows, [view])
