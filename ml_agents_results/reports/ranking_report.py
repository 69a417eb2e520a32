"""Rankings: the best first, with the ranks that are left open and the groups not told apart."""

from collections.abc import Sequence
from dataclasses import replace

from ml_agents_results.records import Variant, variant_labels
from ml_agents_results.reports.column import Column, Figure, Kind
from ml_agents_results.reports.critical_difference import critical_difference_svg
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
from ml_agents_results.reports.wording import format_p, level_text, shown
from ml_agents_results.services.ranking import RankedVariant, RankingReport

_NAMED = 3
"""Variants that a sentence names one by one."""

_RANK = Column("rank", "rank", "number", "rank by the mean on these samples, ties averaged")
_SHOWN_RANK = Column("rank_text", "rank", "text", _RANK.meaning)
_RANKS = Column("ranks", "ranks", "text", "ranks that the tests leave open, for all at once")
_BEST = Column("p_best", "P(best)", "fraction", "share of bootstrap draws with the best mean")
_GROUPS = Column("groups", "groups", "text", "variants with a letter in common are not told apart")
_LOWEST = Column("rank_low", "lowest rank", "count", _RANKS.meaning)
_HIGHEST = Column("rank_high", "highest rank", "count", _RANKS.meaning)
_AVERAGE = Column("average_rank", "average rank", "number", "mean of the ranks in every task")
_WINS = Column("wins", "wins", "fraction", "chance to be better than the baseline where one is")
_TIES = Column("ties", "ties", "fraction", "share of samples as good as the baseline")

_ALIKE = Column(
    "alike", "not told apart", "number", "average ranks of those it is not told apart from",
    ("alike_low", "alike_high"),
)  # fmt: skip
_STRENGTH = Figure(
    "log_strength", "strength", "number",
    "log odds to be better than the baseline where one of the two is", "strength",
)  # fmt: skip
_VALUE: Kind = "value"
_FRACTION: Kind = "fraction"


def ranking_report(report: RankingReport) -> Report:
    """Who is best and how sure that is, then ranks over tasks, strengths and all pairs."""
    labels = variant_labels([row.variant for row in report.variants])
    tables = [_variants(report)]
    methods = [
        f"{report.samples:,} samples that all variants share, {report.method}. All pairs are "
        f"tested and corrected by Shaffer's step-down; groups and ranks hold at once at "
        f"{level_text(report.confidence_level)}. P(best): 10,000 bootstrap draws, no error rate.",
        "Strength: Bradley-Terry on the samples where two variants differ, errors by sample or "
        "cluster.",
    ]
    diagram = None
    if report.over_tasks is not None:
        tables.append(_tasks(report, labels))
        over = report.over_tasks
        methods.append(
            f"Over {over.tasks} tasks: Friedman chi-square {over.chi_square:.2f} "
            f"(p {format_p(over.p_friedman)}), Wilcoxon's signed ranks with Holm; Nemenyi's "
            f"critical difference {over.critical_difference:.2f}."
        )
        diagram = _diagram(report, labels)
    tables += [_strengths(report, labels), _pairs(report, labels)]
    return Report(
        "Ranking",
        tables,
        _sentences(report, labels),
        warning_notes([report.warnings]),
        methods,
        diagram,
    )


def _sentences(report: RankingReport, labels: dict[Variant, str]) -> list[str]:
    best, *others = report.variants
    kind: Kind = "value" if report.numeric else "fraction"
    what = report.metric if report.numeric else "accuracy"
    bounds = shown((best.mean.ci_low, best.mean.ci_high), kind)
    first = (
        f"{labels[best.variant]} has the best {what}, {shown(best.mean.estimate, kind)} {bounds}, "
        f"on {report.samples:,} samples that all {len(report.variants)} variants share"
    )
    open_ = [row for row in others if set(row.groups) & set(best.groups)]
    if not open_:
        return [f"{first}; it is shown to be better than every other."]
    said = f"{first}; {_listed(open_, labels)} cannot be told apart from it"
    if len(open_) == len(others):
        return [f"{said}."]
    worse = len(others) - len(open_)
    rest = "the other is" if worse == 1 else f"the other {worse} are"
    return [f"{said}, {rest} shown to be worse."]


def _listed(rows: Sequence[RankedVariant], labels: dict[Variant, str]) -> str:
    if len(rows) > _NAMED:
        return f"{len(rows)} others"
    *most, last = [labels[row.variant] for row in rows]
    return f"{', '.join(most)} and {last}" if most else last


def _letters(numbers: Sequence[int]) -> str:
    """Group 1 is a, 26 is z, 27 is a2."""
    names = [
        chr(97 + (one - 1) % 26) + (str((one - 1) // 26 + 1) if one > 26 else "") for one in numbers
    ]
    return (" " if any(len(name) > 1 for name in names) else "").join(names)


def _variants(report: RankingReport) -> Table:
    name, kind = ("mean", _VALUE) if report.numeric else ("accuracy", _FRACTION)
    mean = Figure("mean", name, kind, "mean over the samples that all share")

    def values(row: RankedVariant) -> Row:
        low, high = row.rank_low, row.rank_high
        return {
            **mean.values(row.mean.estimate, row.mean.ci_low, row.mean.ci_high),
            "rank_text": f"{row.rank:g}",
            "ranks": f"{low} to {high}" if low < high else str(low),
            "groups": _letters(row.groups),
        }

    level = level_text(report.confidence_level)
    every = (_RANK, *mean.columns, _LOWEST, _HIGHEST, _BEST, _GROUPS)
    return variant_table(
        "Ranking",
        "ranking",
        report.variants,
        ((mean.cell(level), _RANKS, _BEST, _GROUPS), every),
        values,
        heading=f"Ranking by {report.metric if report.numeric else 'accuracy'}",
        before=(_SHOWN_RANK,),
    )


def _tasks(report: RankingReport, labels: dict[Variant, str]) -> Table:
    """Average ranks, each with the ranks of those that it cannot be told apart from."""
    ordered = sorted(report.variants, key=lambda row: row.average_rank or 0.0)
    rows = []
    for row in ordered:
        groups = set(row.task_groups)
        alike = [one.average_rank or 0.0 for one in ordered if set(one.task_groups) & groups]
        letters = _letters(row.task_groups)
        ends = {"alike_low": min(alike), "alike_high": max(alike)}
        rows.append(variant_row(row, labels, groups=letters, **ends))
    tasks = report.over_tasks.tasks if report.over_tasks is not None else 0
    view = View(
        "over_tasks",
        f"Average ranks over {tasks} tasks (1 is best)",
        (variant_column(labels), _AVERAGE, _ALIKE, _GROUPS),
        rows,
        interval=replace(_ALIKE, parts=(_AVERAGE.name, *_ALIKE.parts)),
    )
    return Table("Ranks over tasks", (*VARIANT_COLUMNS, _AVERAGE, _GROUPS), rows, [view])


def _diagram(report: RankingReport, labels: dict[Variant, str]) -> str:
    groups: dict[int, list[int]] = {}
    for index, row in enumerate(report.variants):
        for group in row.task_groups:
            groups.setdefault(group, []).append(index)
    return critical_difference_svg(
        [labels[row.variant] for row in report.variants],
        [row.average_rank or 0.0 for row in report.variants],
        list(groups.values()),
        report.over_tasks.critical_difference if report.over_tasks is not None else None,
    )


def _strengths(report: RankingReport, labels: dict[Variant, str]) -> Table:
    def values(row: RankedVariant) -> Row:
        strength = row.strength
        figures = _STRENGTH.values(strength.log_strength, strength.ci_low, strength.ci_high)
        return {**figures, "wins": strength.wins}

    few = (_STRENGTH.cell(level_text(report.confidence_level)), _WINS, _TIES)
    return variant_table(
        "Strengths",
        "strengths",
        report.variants,
        (few, (*_STRENGTH.columns, _WINS, _TIES)),
        values,
        heading=f"Strengths (Bradley-Terry) against {labels[report.baseline]}",
        detail=True,
    )


def _pairs(report: RankingReport, labels: dict[Variant, str]) -> Table:
    names = [labels[row.variant] for row in report.variants]
    rows: list[Row] = [
        {"higher": names[one], "lower": names[two], "p_value": p, "p_value_adjusted": adjusted}
        for one, two, p, adjusted in report.p_values
    ]
    columns = (
        Column("higher", "better mean", "text", "the variant with the better mean"),
        Column("lower", "other", "text", "the other variant"),
        Column("p_value", "p", "p", "p value before correction"),
        Column("p_value_adjusted", "p (Shaffer)", "p", "p value corrected for all pairs"),
    )
    view = View("pairs", "All pairs", columns, rows, detail=True)
    return Table("All pairs", columns, rows, [view])
