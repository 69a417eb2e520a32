"""Power: what the samples at hand can show, and how many more it takes."""

from ml_agents_results.reports.accuracy_report import VARIANT_COLUMNS
from ml_agents_results.reports.columns import COLUMNS, Column, columns
from ml_agents_results.reports.report import Report, Row, Table, View, distinct, variant_column
from ml_agents_results.reports.wording import variant_labels
from ml_agents_results.services.power import PowerReport


def power_report(report: PowerReport) -> Report:
    """Samples for an accuracy, for an unpaired and for a paired difference."""
    tables, methods = [], []
    if report.variants:
        tables.append(_variants(report))
        methods.append(
            "n for ±5: samples whose interval reaches 5 points to either side of this accuracy; n "
            "for 5, unpaired: samples per variant that show a gain of 5 points over it with 80% "
            f"power, uncorrected ({distinct(row.method for row in report.variants)})."
        )
    if not report.comparisons:
        return Report("Power", tables, ["There is nothing to compare."], methods=methods)
    tables.append(_comparisons(report))
    methods.append(
        "MDE: minimum detectable difference in points on these shared samples; n for 5: shared "
        "samples that show 5 points, at the discordance observed. At alpha "
        f"{report.comparisons[0].alpha:.3g}, corrected for the number of comparisons "
        f"({distinct(row.method for row in report.comparisons)})."
    )
    return Report("Power", tables, methods=methods)


def _variants(report: PowerReport) -> Table:
    labels = variant_labels([row.variant for row in report.variants])
    first = report.variants[0]
    clustered = any(row.n_clusters is not None for row in report.variants)
    alone = _sized("samples_for_precision_{size}", first.samples_for_precision)
    groups = _sized("clusters_for_precision_{size}", first.clusters_for_precision)
    apart = _sized("samples_per_variant_{size}", first.samples_per_variant)
    rows: list[Row] = [
        {
            **row.variant._asdict(),
            "variant": labels[row.variant],
            "samples": row.samples,
            "accuracy": row.accuracy,
            "ci_low": row.ci_low,
            "ci_high": row.ci_high,
            "n_clusters": row.n_clusters,
            **_counts(alone, row.samples_for_precision),
            **_counts(groups, row.clusters_for_precision),
            **_counts(apart, row.samples_per_variant),
        }
        for row in report.variants
    ]
    head = variant_column(labels)
    shown = columns("samples", "accuracy")
    return Table(
        "Samples of variants",
        (
            *VARIANT_COLUMNS,
            *columns("samples", "n_clusters", "accuracy", "ci_low", "ci_high"),
            *(*alone, *groups, *apart),
        ),
        rows,
        [
            View(
                "precision",
                f"{'Clusters' if clustered else 'Samples'} for the accuracy of one variant",
                (head, *shown, *((*columns("n_clusters"), *groups) if clustered else alone)),
                rows,
            ),
            *(
                ()
                if clustered
                else (
                    View(
                        "unpaired",
                        "Samples per variant for an unpaired design",
                        (head, *columns("accuracy"), *apart),
                        rows,
                    ),
                )
            ),
        ],
    )


def _comparisons(report: PowerReport) -> Table:
    pairs = report.comparisons
    labels = variant_labels(
        list(dict.fromkeys(variant for row in pairs for variant in (row.candidate, row.baseline)))
    )
    clustered = any(row.n_clusters is not None for row in pairs)
    needed = _sized("samples_needed_{size}", pairs[0].samples_needed)
    groups = _sized("clusters_needed_{size}", pairs[0].clusters_needed)
    rows: list[Row] = [
        {
            "candidate": labels[row.candidate],
            "baseline": labels[row.baseline],
            "samples": row.samples,
            "discordance": row.discordance,
            "mde": row.mde,
            "n_clusters": row.n_clusters,
            **_counts(needed, row.samples_needed),
            **_counts(groups, row.clusters_needed),
        }
        for row in pairs
    ]
    one = len({row.baseline for row in pairs}) == 1
    against = f" against {labels[pairs[0].baseline]}" if one else ""
    names = columns("candidate", *(() if one else ("baseline",)))
    figures = (*columns("samples", "n_clusters", "discordance", "mde"), *needed, *groups)
    shown = (
        (*columns("samples", "n_clusters", "discordance", "mde"), *groups)
        if clustered
        else (*columns("samples", "discordance", "mde"), *needed)
    )
    title = f"What these samples can show{against} with 80% power"
    return Table(
        "Samples of comparisons",
        (*columns("candidate", "baseline"), *figures),
        rows,
        [View("paired", title, (*names, *shown), rows)],
    )


def _sized(name: str, by_size: dict[str, int | None]) -> tuple[Column, ...]:
    """A column for each size in points."""
    return tuple(COLUMNS[name].filled(size=f"{100 * float(size):g}") for size in by_size)


def _counts(sized: tuple[Column, ...], by_size: dict[str, int | None]) -> dict[str, int | None]:
    return {column.name: count for column, count in zip(sized, by_size.values(), strict=True)}
