"""Tables on power: what the samples at hand can show, and how many more it takes."""

from ml_agents_results.reports.terminal_accuracy import Part, table
from ml_agents_results.reports.terminal_reports import listed
from ml_agents_results.reports.wording import UNKNOWN, interval, percent, variant_labels
from ml_agents_results.services.power import PowerReport


def power_parts(report: PowerReport) -> list[Part]:
    return [*_of_variants(report), *_of_pairs(report)]


def _of_variants(report: PowerReport) -> list[Part]:
    if not report.variants:
        return []
    labels = variant_labels([row.variant for row in report.variants])
    sizes = [f"{100 * float(size):g}" for size in report.variants[0].samples_per_variant]
    level = f"{100 * report.confidence_level:g}% CI"
    alone = table(
        "Samples for an accuracy of one variant",
        ("variant",),
        ("samples", "accuracy", level, *(f"n for ±{size}" for size in sizes)),
    )
    apart = table(
        "Samples of each variant, were they asked different samples",
        ("variant",),
        ("accuracy", *(f"n for {size}" for size in sizes)),
    )
    for row in report.variants:
        alone.add_row(
            labels[row.variant],
            f"{row.samples:,}",
            percent(row.accuracy),
            interval(row.ci_low, row.ci_high),
            *map(_count, row.samples_for_precision.values()),
        )
        apart.add_row(
            labels[row.variant],
            percent(row.accuracy),
            *map(_count, row.samples_per_variant.values()),
        )
    return [
        alone,
        apart,
        "n for ±5: the samples whose interval reaches 5 points to either side of this accuracy; n "
        "for 5: the samples of each of two variants that show a gain of 5 points over it with 80% "
        f"power, not corrected ({listed(row.method for row in report.variants)}).",
    ]


def _of_pairs(report: PowerReport) -> list[Part]:
    if not report.comparisons:
        return ["There is nothing to compare."]
    labels = variant_labels(
        list(
            dict.fromkeys(
                variant for row in report.comparisons for variant in (row.candidate, row.baseline)
            )
        )
    )
    sizes = list(report.comparisons[0].samples_needed)
    one = len({row.baseline for row in report.comparisons}) == 1
    against = f" against {labels[report.comparisons[0].baseline]}" if one else ""
    made = table(
        f"What these samples can show{against} with 80% power",
        ("candidate", *(() if one else ("baseline",))),
        ("pairs", "discordance", "MDE", *(f"n for {100 * float(size):g}" for size in sizes)),
    )
    for row in report.comparisons:
        made.add_row(
            labels[row.candidate],
            *(() if one else (labels[row.baseline],)),
            f"{row.samples:,}",
            percent(row.discordance),
            UNKNOWN if row.mde is None else f"{100 * row.mde:.1f}",
            *map(_count, row.samples_needed.values()),
        )
    methods = listed(row.method for row in report.comparisons)
    return [
        made,
        f"MDE: the smallest difference in points that so many shared samples show; n for 5: the "
        f"shared samples that show 5 points, at the discordance seen. At alpha "
        f"{report.comparisons[0].alpha:.3g}, after correction for the number of comparisons "
        f"({methods}).",
    ]


def _count(samples: int | None) -> str:
    return UNKNOWN if samples is None else f"{samples:,}"
