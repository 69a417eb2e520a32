"""Repeats and seeds: majorities and passes by number of answers, and what more would buy."""

from collections.abc import Sequence
from typing import Any

from ml_agents_results.records import Variant, variant_labels
from ml_agents_results.reports.column import Column, Figure, Kind
from ml_agents_results.reports.columns import COLUMNS
from ml_agents_results.reports.report import (
    VARIANT_COLUMNS,
    Report,
    Row,
    Table,
    View,
    distinct,
    variant_row,
    warning_notes,
)
from ml_agents_results.reports.report import variant_column as head_of
from ml_agents_results.reports.wording import level_text, percent, shown
from ml_agents_results.services.repeats_study import (
    MorePrecise,
    PooledVariant,
    RepeatedVariant,
    RepeatsReport,
    SharesOfAnswers,
)
from ml_agents_results.statistics.estimate import Estimate

_SHARES = (
    Figure("single", "single", "fraction", "right answers, every sample the same weight", "single"),
    Figure(
        "majority", "maj@k", "fraction",
        "samples whose most frequent of k answers is right, ties shared", "majority",
    ),
    Figure("some", "pass@k", "fraction", "samples of which at least one of k answers is right",
           "some"),
    Figure("every", "pass^k", "fraction", "samples of which all of k answers are right", "every"),
)  # fmt: skip
_MORE = (
    ("now", "now", "half of the width of the interval of the mean"),
    ("repeats", "twice the repeats", "the same, asked twice as often"),
    ("endless_repeats", "endless repeats", "the same, asked without end"),
    ("samples", "twice the samples", "the same, with twice the samples"),
    ("seeds", "twice the seeds", "the same, with twice the seeds"),
)
_COMPONENTS = (
    ("sample", "samples", "share of an answer's variance that the samples differ by"),
    ("seed", "seeds", "share that the seeds differ by"),
    ("sample_x_seed", "sample x seed", "share by which seeds do better on other samples"),
    ("repeat", "repeats", "share that is chance within a sample and seed"),
)


def repeats_report(report: RepeatsReport) -> Report:
    """The most answers to a sample in words, then every number of answers, then seeds."""
    labels = variant_labels([row.variant for row in report.variants]) if report.variants else {}
    level = level_text(report.confidence_level)
    kind: Kind = "value" if report.numeric else "fraction"
    tables = []
    if report.variants:
        tables.append(_shares(report.variants, labels, level))
    if precise := [row for row in report.variants if row.more is not None]:
        rows = [variant_row(row, labels, **_widths(row.more)) for row in precise]
        title = "Half-width of the interval of the accuracy, in points"
        tables.append(_more(title, "more", rows, head_of(labels), "distance"))
    if report.pooled:
        tables += _seeds(report.pooled, level, kind, report.numeric)
    notes = [row.warnings for row in report.variants]
    notes += [row.components.warnings for row in report.pooled if row.components is not None]
    methods = [
        "maj@k and pass@k: mean over all subsets of k answers to a sample, then over samples; "
        "Wilson's interval for the effective number; "
        f"{distinct(row.method for row in report.variants)}."
    ]
    sentences = [_sentence(row, labels) for row in report.variants]
    sentences += [_seed_sentence(row, kind) for row in report.pooled]
    return Report("Repeats", tables, sentences, warning_notes(notes), methods)


def _sentence(row: RepeatedVariant, labels: dict[Variant, str]) -> str:
    most = row.shares[-1]
    said = f"{labels[row.variant]}: single answers are right {_pair(most.single)}"
    if most.majority is not None:
        said += f", the most frequent of {most.k} {_pair(most.majority)}"
    said += f", on {most.samples:,} samples with {most.k} answers"
    if row.more is None:
        return f"{said}."
    now, samples = 100 * row.more.now, 100 * row.more.samples
    if row.more.repeats is None:
        return (
            f"{said}. Twice the samples would narrow the interval from ±{now:.1f} points to "
            f"±{samples:.1f}."
        )
    return (
        f"{said}. Asking twice as often would narrow the interval from ±{now:.1f} points to "
        f"±{100 * row.more.repeats:.1f}, twice the samples to ±{samples:.1f}."
    )


def _pair(estimate: Estimate) -> str:
    return f"{percent(estimate.estimate)} {shown((estimate.ci_low, estimate.ci_high), 'fraction')}"


def _seed_sentence(row: PooledVariant, kind: Kind) -> str:
    name = row.name or f"the {row.level}s"
    found = row.components
    if found is None:
        return f"{name}: its {len(row.seeds)} {row.level}s share no two samples."
    mean = shown(found.mean, kind)
    said = f"{name}: {mean} over {len(row.seeds)} {row.level}s and {row.samples:,} samples"
    these, new = (shown(part or (None, None), kind) for part in (row.these, row.new))
    return f"{said}; for these {row.level}s {these}, for others like them {new}."


def _shares(variants: Sequence[RepeatedVariant], labels: dict[Variant, str], level: str) -> Table:
    rows = [
        variant_row(row, labels, k=share.k, samples=share.samples, **_share_values(share))
        for row in variants
        for share in row.shares
    ]
    number = Column("k", "k", "count", "number of answers")
    single, majority, some, every = _SHARES
    own = (number, COLUMNS["samples"])
    view = View(
        "shares",
        "Right answers of k to a sample, on the samples with at least k",
        (
            *(head_of(labels), *own, single.cell(level), majority.cell(level)),
            *(some.columns[0], every.columns[0]),
        ),
        rows,
    )
    plain = [column for figure in _SHARES for column in figure.columns]
    return Table("Shares of k answers", (*VARIANT_COLUMNS, *own, *plain), rows, [view])


def _share_values(share: SharesOfAnswers) -> dict[str, float | None]:
    values: dict[str, float | None] = {}
    for figure in _SHARES:
        estimate: Estimate | None = getattr(share, figure.name)
        if estimate is not None:
            values |= figure.values(estimate.estimate, estimate.ci_low, estimate.ci_high)
    return values


def _widths(more: MorePrecise | None) -> dict[str, float | None]:
    return {} if more is None else {name: getattr(more, name) for name, _, _ in _MORE}


def _more(title: str, name: str, rows: Sequence[Row], head: Column, kind: Kind) -> Table:
    columns = [Column(key, label, kind, meaning) for key, label, meaning in _MORE
               if any(row.get(key) is not None for row in rows)]  # fmt: skip
    return Table(title, (head, *columns), rows, [View(name, title, (head, *columns), rows)])


def _seeds(pooled: Sequence[PooledVariant], level: str, kind: Kind, numeric: bool) -> list[Table]:
    head = Column("arm", "variant", "text", "what the pooled variants have in common")
    rows: list[Row] = []
    for row in pooled:
        values: dict[str, Any] = {"arm": row.name or "(all)", "seeds_n": len(row.seeds)}
        values |= {"samples_n": row.samples, **_widths(row.more)}
        for name, bounds in (("these", row.these), ("new", row.new)):
            values |= dict(
                zip((f"{name}_low", f"{name}_high"), bounds or (None, None), strict=True)
            )
        if (found := row.components) is not None:
            values["mean"] = found.mean
            parts = {name: getattr(found, name) for name, _, _ in _COMPONENTS}
            whole = sum(part for part in parts.values() if part)
            values |= {
                f"{name}_share": None if part is None or not whole else part / whole
                for name, part in parts.items()
            }
        rows.append(values)
    count = Column("seeds_n", f"{pooled[0].level}s", "count", "variants that are pooled")
    samples = Column("samples_n", "samples", "count", "samples that all of them share")
    mean = Column("mean", "mean", kind, "mean over samples and seeds")
    these, new = (
        Column(name, f"{label} [{level} CI]", kind, meaning, (f"{name}_low", f"{name}_high"))
        for name, label, meaning in (
            ("these", "these", "interval of the mean for these very seeds"),
            ("new", "like these", "interval of the mean for seeds like these"),
        )
    )
    plain = [Column(f"{name}_{end}", f"{name} {end}", kind, f"{end} bound of the interval")
             for name in ("these", "new") for end in ("low", "high")]  # fmt: skip
    shares = [Column(f"{name}_share", label, "fraction", meaning)
              for name, label, meaning in _COMPONENTS]  # fmt: skip
    title = f"Pooled over {pooled[0].level}s"
    views = [
        View("seeds", title, (head, count, samples, mean, these, new), rows),
        View("components", "What an answer's variance comes from", (head, *shares), rows),
    ]
    table = Table(title, (head, count, samples, mean, *plain, *shares), rows, views)
    width: Kind = "value" if numeric else "distance"
    title = f"Half-width of the interval for {pooled[0].level}s like these"
    return [table, _more(title, "more_seeds", [row for row in rows if row.get("now")], head, width)]
