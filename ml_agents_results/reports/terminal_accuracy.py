"""Tables of accuracies for people: they say what the intervals are."""

from collections.abc import Callable, Iterable, Sequence

from rich.table import Table

from ml_agents_results.records import Variant
from ml_agents_results.reports.wording import (
    UNKNOWN,
    decimal,
    dollars,
    explain,
    interval,
    milliseconds,
    percent,
    variant_labels,
)
from ml_agents_results.services.summary import SummaryReport, VariantSummary

Part = Table | str


def table(title: str, left: Iterable[str], right: Iterable[str]) -> Table:
    """A table with text columns to the left and number columns to the right.

    Compact: what an analysis shows by default fits into 100 columns.
    """
    from rich.box import SIMPLE_HEAD

    made = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="bold",
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for name in left:
        made.add_column(name, overflow="fold")
    for name in right:
        made.add_column(name, justify="right", no_wrap=True)
    return made


def accuracy_parts(report: SummaryReport) -> list[Part]:
    """Accuracies of all variants, then by task where there are tasks."""
    labels = variant_labels([row.variant for row in report.variants])
    level = f"{100 * report.confidence_level:g}% CI"
    whole = table(
        "Accuracy",
        ("variant",),
        ("runs", "graded", "failed", "unparsed", "correct", "accuracy", level),
    )
    for row in report.variants:
        whole.add_row(labels[row.variant], *_counts(row), *_accuracy(row))
    parts: list[Part] = [whole]
    if report.tasks:
        by_task = table(
            "Accuracy by task", ("task", "variant"), ("graded", "correct", "accuracy", level)
        )
        for task, variants in report.tasks:
            for row in variants:
                by_task.add_row(
                    task or UNKNOWN,
                    labels[row.variant],
                    f"{row.graded:,}",
                    f"{row.correct:,}",
                    *_accuracy(row),
                )
        parts.append(by_task)
    if report.repeats:
        parts.append(_repeats(report, labels))
    return [*parts, *_methods(report.variants), *notes(row.warnings for row in report.variants)]


def _repeats(report: SummaryReport, labels: dict[Variant, str]) -> Table:
    ks = sorted({share.k for row in report.repeats for share in row.passes})
    made = table(
        "Repeated answers",
        ("variant",),
        ("samples", "graded", "consistent", *(f"pass@{k}" for k in ks), *(f"pass^{k}" for k in ks)),
    )
    for row in report.repeats:
        at = {share.k: share.pass_at_k for share in row.passes}
        hat = {share.k: share.pass_hat_k for share in row.passes}
        made.add_row(
            labels[row.variant],
            f"{row.samples:,}",
            f"{row.graded:,}",
            percent(row.consistency.estimate),
            *(percent(shares.get(k)) for shares in (at, hat) for k in ks),
        )
    return made


def summary_parts(report: SummaryReport) -> list[Part]:
    """The accuracy of every variant, and its times, costs and confidences where there are any."""
    labels = variant_labels([row.variant for row in report.variants])
    level = f"{100 * report.confidence_level:g}% CI"
    made = table("Accuracy", ("variant",), ("runs", "graded", "failed", "accuracy", level))
    for row in report.variants:
        counts = (f"{number:,}" for number in (row.runs, row.graded, row.failed))
        made.add_row(labels[row.variant], *counts, *_accuracy(row))
    parts: list[Part] = [
        made,
        *_methods(report.variants),
        *notes(row.warnings for row in report.variants),
    ]
    measures = _measures(report.variants)
    if measures:
        beside = table("Times, costs and confidences", ("variant",), [name for name, _ in measures])
        for row in report.variants:
            beside.add_row(labels[row.variant], *(show(row) for _, show in measures))
        parts.append(beside)
    return parts


def _measures(
    variants: Sequence[VariantSummary],
) -> list[tuple[str, Callable[[VariantSummary], str]]]:
    """The columns beside accuracy for which some variant has a value."""
    columns: list[tuple[str, str, Callable[[VariantSummary], str]]] = [
        (
            "median_execution_time_ms",
            "median ms",
            lambda row: milliseconds(row.median_execution_time_ms),
        ),
        ("p95_execution_time_ms", "p95 ms", lambda row: milliseconds(row.p95_execution_time_ms)),
        ("total_cost", "total USD", lambda row: dollars(row.total_cost)),
        ("cost_per_correct", "USD per correct", lambda row: dollars(row.cost_per_correct)),
        (
            "mean_parsing_confidence",
            "mean confidence",
            lambda row: decimal(row.mean_parsing_confidence),
        ),
    ]
    return [
        (name, show)
        for field, name, show in columns
        if any(getattr(row, field) is not None for row in variants)
    ]


def _counts(row: VariantSummary) -> tuple[str, ...]:
    numbers = (row.runs, row.graded, row.failed, row.unparsed, row.correct)
    return tuple(f"{number:,}" for number in numbers)


def _accuracy(row: VariantSummary) -> tuple[str, str]:
    return percent(row.accuracy), interval(row.ci_low, row.ci_high)


def _methods(variants: Sequence[VariantSummary]) -> list[str]:
    methods = dict.fromkeys(
        f"interval {variant.interval_method}, {variant.method}" for variant in variants
    )
    return ["Accuracy: " + "; ".join(methods) + "."] if methods else []


def notes(groups: Iterable[Iterable[str]]) -> list[str]:
    codes = dict.fromkeys(code for group in groups for code in group)
    return [f"Note: {explain(code)}." for code in codes]
