"""A judge corrected by people: means and differences as people would find them."""

from ml_agents_results.records import Variant, variant_labels
from ml_agents_results.reports.column import Column, Figure
from ml_agents_results.reports.columns import COLUMNS
from ml_agents_results.reports.report import (
    Report,
    Row,
    Table,
    View,
    distinct,
    pair_row,
    variant_column,
    variant_table,
    warning_notes,
)
from ml_agents_results.reports.wording import format_p, level_text, measured, shown
from ml_agents_results.services.corrected import (
    CorrectedDifference,
    CorrectedReport,
    CorrectedVariant,
)

_LABELS = Column("labels", "labels", "count", "samples that people labelled")
_SAMPLES = Column("samples", "samples", "count", "samples that the judge has a value of")
_CORRECTED = Figure(
    "corrected_mean", "corrected", "value", "mean that people would give to all samples",
    "corrected",
)  # fmt: skip
_HUMAN = Figure("human_mean", "labels alone", "value", "mean of the labels", "human")
_JUDGE = Column("judge_mean", "judge alone", "value", "mean of the judge's values over all samples")
_BIAS = Column("judge_bias", "bias", "change", "mean of the judge's values less the labels'")
_WEIGHT = Column("weight", "weight", "number", "weight of the judge, 0 to 1")
_WORTH = Column(
    "effective_labels", "worth", "value", "labels that would say as much without the judge"
)
_PAIRS = Column("pairs", "pairs", "count", "samples with a label for both variants")
_DIFFERENCE = Figure("difference", "difference", "change", "candidate minus baseline", "difference")
_ALONE = (
    Column("human_difference", "labels alone", "change", "difference of the labels"),
    Column("judge_difference", "judge alone", "change", "difference of the judge's values"),
)
_NEEDED = (
    Column("half_width", "interval of", "text", "half of the width of the interval"),
    Column("with_judge", "labels with the judge", "count", "labels that reach it"),
    Column("without_judge", "labels alone", "count", "labels that reach it without a judge"),
)


def corrected_report(report: CorrectedReport) -> Report:
    """What people would find, next to what the labels and the judge say alone."""
    labels = variant_labels([row.variant for row in report.variants])
    level = level_text(report.confidence_level)
    tables = [_variants(report, level)]
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


def _variants(report: CorrectedReport, level: str) -> Table:
    def values(row: CorrectedVariant) -> Row:
        mean = row.mean
        return {
            **_CORRECTED.values(mean.estimate, mean.ci_low, mean.ci_high),
            **_HUMAN.values(mean.human_mean, mean.human_low, mean.human_high),
            "judge_mean": mean.judge_mean,
            "judge_bias": mean.judge_bias,
            "weight": mean.weight,
            "effective_labels": mean.effective_labels,
        }

    few = (_LABELS, _CORRECTED.cell(level), _HUMAN.cell(level), _JUDGE, _WORTH)
    figures = (*_CORRECTED.columns, *_HUMAN.columns, _JUDGE, _BIAS, _WEIGHT, _WORTH)
    return variant_table(
        "Corrected means",
        "corrected",
        report.variants,
        (few, (_SAMPLES, _LABELS, *figures)),
        values,
        heading=f"Mean {report.human} of all samples",
    )


def _differences(report: CorrectedReport, labels: dict[Variant, str], level: str) -> Table:
    rows = [
        pair_row(row, labels, **_DIFFERENCE.values(row.difference, row.ci_low, row.ci_high))
        for row in report.comparisons
    ]
    title = f"Difference in {report.human} against {labels[report.comparisons[0].baseline]}"
    candidate, p_value = COLUMNS["candidate"], COLUMNS["p_value"]
    few = (candidate, _PAIRS, _DIFFERENCE.cell(level), p_value, *_ALONE)
    names = (candidate, COLUMNS["baseline"], _PAIRS)
    every = (*names, *_DIFFERENCE.columns, p_value, *_ALONE)
    view = View("differences", title, few, rows)
    return Table("Corrected differences", every, rows, [view])


def _needed(report: CorrectedReport, labels: dict[Variant, str]) -> Table:
    needed = [(labels[row.variant], row.mean.needed) for row in report.variants]
    needed += [
        (f"{labels[row.candidate]} - {labels[row.baseline]}", row.needed)
        for row in report.comparisons
    ]
    rows: list[Row] = [
        {"variant": name, "half_width": f"±{width}", "with_judge": one, "without_judge": other}
        for name, by_width in needed
        for width, (one, other) in by_width.items()
    ]
    columns = (variant_column(labels), *_NEEDED)
    view = View("needed", "Labels for a narrower interval", columns, rows)
    return Table("Labels needed", columns, rows, [view])
