"""Power: what the samples at hand can show, and how many more it takes."""

from collections.abc import Sequence
from dataclasses import replace

from ml_agents_results.records import variant_labels
from ml_agents_results.reports.column import Column
from ml_agents_results.reports.columns import (
    COLUMNS,
    VALUE_COLUMNS,
    VALUE_DIFFERENCE_COLUMNS,
    columns,
)
from ml_agents_results.reports.report import (
    VARIANT_COLUMNS,
    Report,
    Table,
    View,
    distinct,
    pair_row,
    variant_column,
    variant_row,
)
from ml_agents_results.services.power import PowerComparison, PowerReport, VariantPower

_IN_UNIT = ((" points", ""), ("accuracy", "mean"), ("discordance", "spread"))
"""What the meaning of a column says of an accuracy, and what of a mean."""


def power_report(report: PowerReport) -> Report:
    """Samples for an accuracy, for an unpaired and for a paired difference."""
    tables, methods = [], []
    unit, figure = ("", "mean") if report.numeric else (" points", "accuracy")
    if report.variants:
        tables.append(_variants(report))
        reach = f"whose interval reaches w{unit} to either side of this {figure}"
        legend = f"n for ±w: samples {reach}"
        if _clustered(report.variants):
            legend = f"clusters for ±w: clusters of the size seen {reach}"
        else:
            legend += (
                f"; n for d, unpaired: samples per variant that show a gain of d{unit} over it "
                "with 80% power, uncorrected"
            )
        methods.append(f"{legend} ({distinct(row.method for row in report.variants)}).")
    if not report.comparisons:
        return Report("Power", tables, ["There is nothing to compare."], methods=methods)
    tables.append(_comparisons(report))
    spread, what = "spread of the differences", "n for d: shared samples"
    if _clustered(report.comparisons):
        what = "clusters for d: clusters of the size seen"
    elif not report.numeric and all(row.discordance is not None for row in report.comparisons):
        spread = "discordance"
    methods.append(
        f"MDE: minimum detectable difference{' in points' if unit else ''} on these shared "
        f"samples; {what} that show d{unit}, at the {spread} observed. At alpha "
        f"{report.comparisons[0].alpha:.3g}, corrected for the number of comparisons "
        f"({distinct(row.method for row in report.comparisons)})."
    )
    return Report("Power", tables, methods=methods)


def _clustered(rows: Sequence[VariantPower] | Sequence[PowerComparison]) -> bool:
    return any(row.n_clusters is not None for row in rows)


def _variants(report: PowerReport) -> Table:
    labels = variant_labels([row.variant for row in report.variants])
    first = report.variants[0]
    clustered = _clustered(report.variants)
    numeric = report.numeric
    alone = _sized("samples_for_precision_{size}", first.samples_for_precision, numeric)
    groups = _sized("clusters_for_precision_{size}", first.clusters_for_precision, numeric)
    apart = _sized("samples_per_variant_{size}", first.samples_per_variant, numeric)
    known = VALUE_COLUMNS if numeric else COLUMNS
    figure = "mean" if numeric else "accuracy"
    rows = [
        variant_row(
            row,
            labels,
            **_counts(alone, row.samples_for_precision),
            **_counts(groups, row.clusters_for_precision),
            **_counts(apart, row.samples_per_variant),
        )
        for row in report.variants
    ]
    head = variant_column(labels)
    own = (*columns("n_clusters"), *groups) if clustered else alone
    title = f"{'Clusters' if clustered else 'Samples'} for the {figure} of one variant"
    views = [View("precision", title, (head, *columns("samples", figure, of=known), *own), rows)]
    if not clustered:
        shown = (head, *columns(figure, of=known), *apart)
        title = "Samples per variant for an unpaired design"
        views.append(View("unpaired", title, shown, rows))
    every = columns("samples", "n_clusters", figure, "ci_low", "ci_high", of=known)
    names = (*VARIANT_COLUMNS, *every, *alone, *groups, *apart)
    return Table("Samples of variants", names, rows, views)


def _comparisons(report: PowerReport) -> Table:
    pairs = report.comparisons
    labels = variant_labels(
        list(dict.fromkeys(variant for row in pairs for variant in (row.candidate, row.baseline)))
    )
    clustered = _clustered(pairs)
    numeric = report.numeric
    needed = _sized("samples_needed_{size}", pairs[0].samples_needed, numeric)
    groups = _sized("clusters_needed_{size}", pairs[0].clusters_needed, numeric)
    known = VALUE_DIFFERENCE_COLUMNS if numeric else COLUMNS
    sizes = ("mde",) if numeric else ("discordance", "mde")
    rows = [
        pair_row(
            row,
            labels,
            **_counts(needed, row.samples_needed),
            **_counts(groups, row.clusters_needed),
        )
        for row in pairs
    ]
    one = len({row.baseline for row in pairs}) == 1
    against = f" against {labels[pairs[0].baseline]}" if one else ""
    names = columns("candidate", *(() if one else ("baseline",)))
    figures = (*columns("samples", "n_clusters", *sizes, of=known), *needed, *groups)
    shown = (
        (*columns("samples", "n_clusters", *sizes, of=known), *groups)
        if clustered
        else (*columns("samples", *sizes, of=known), *needed)
    )
    title = f"What these samples can show{against} with 80% power"
    return Table(
        "Samples of comparisons",
        (*columns("candidate", "baseline"), *figures),
        rows,
        [View("paired", title, (*names, *shown), rows)],
    )


def _sized(name: str, by_size: dict[str, int | None], numeric: bool) -> tuple[Column, ...]:
    """A column for each size: in points, or in the unit of a numeric metric."""
    if not numeric:
        return tuple(COLUMNS[name].filled(size=f"{100 * float(size):g}") for size in by_size)
    column = COLUMNS[name]
    meaning = column.meaning
    for of_accuracy, of_mean in _IN_UNIT:
        meaning = meaning.replace(of_accuracy, of_mean)
    in_unit = replace(column, meaning=meaning)
    return tuple(in_unit.filled(size=size) for size in by_size)


def _counts(sized: tuple[Column, ...], by_size: dict[str, int | None]) -> dict[str, int | None]:
    return {column.name: count for column, count in zip(sized, by_size.values(), strict=True)}
