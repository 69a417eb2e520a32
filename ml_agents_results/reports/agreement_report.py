"""Agreement: how far raters agree, the confusion matrix first, then coefficients and bias."""

from collections.abc import Mapping, Sequence
from typing import Any

from ml_agents_results.records import Variant, variant_labels
from ml_agents_results.reports.column import Column, Figure, Kind
from ml_agents_results.reports.columns import COLUMNS
from ml_agents_results.reports.method_names import method_name
from ml_agents_results.reports.report import (
    Report,
    Row,
    Table,
    View,
    distinct,
    plain,
    warning_notes,
)
from ml_agents_results.reports.wording import level_text, measured
from ml_agents_results.services.agreement_rows import (
    AgreementReport,
    GroupAgreement,
    PairAgreement,
    PositionBias,
)
from ml_agents_results.statistics.estimate import Estimate
from ml_agents_results.statistics.kappa import Agreement

MOST_SHOWN_CATEGORIES = 11
"""Confusion matrices of more categories are in the documents only."""

_FIRST = Column("first", "rater", "text", "the first rater; a metric, or metric@author")
_SECOND = Column("second", "against", "text", "the second rater, whom biases are against")
_RUNS = Column("runs", "runs", "count", "runs that both raters gave a value")
_DECLARED: tuple[tuple[str, str, Kind, str], ...] = (
    ("agreement", "equal", "fraction", "share of equal ratings"),
    ("within_one", "within 1", "fraction", "share of ratings at most one category apart"),
    ("kappa", "kappa", "number", "Cohen's kappa: agreement beyond that of chance, 1 at most"),
    ("bias", "bias", "change", "mean of the first rater's values minus the second's"),
    ("sensitivity", "of 1s", "fraction", "share of the second rater's 1s that are the first's too"),
    ("specificity", "of 0s", "fraction", "share of the second rater's 0s that are the first's too"),
    ("unanimous", "all equal", "fraction", "share of runs whose ratings are all equal"),
    ("alpha", "alpha", "number", "Krippendorff's alpha of all raters at once, 1 at most"),
    ("fleiss", "Fleiss", "number", "Fleiss' kappa of all raters at once, where all rated all"),
    ("rate", "changed", "fraction", "share of verdicts that changed with the order of answers"),
)
_FIGURES = {
    name: Figure(name, label, kind, meaning, f"{name}_ci")
    for name, label, kind, meaning in _DECLARED
}


def agreement_report(report: AgreementReport) -> Report:
    """The verdict of each pair of raters in words, its confusion matrix, and the coefficients."""
    whole = [pair for pair in report.pairs if pair.variant is None and pair.task is None]
    level = level_text(report.confidence_level)
    tables = [_matrix(pair) for pair in whole if _has_small_matrix(pair)]
    tables.append(_pairs("Agreement of two raters", "pairs", whole, level))
    by_variant = [pair for pair in report.pairs if pair.variant is not None]
    by_task = [pair for pair in report.pairs if pair.task is not None]
    for rows, title, scope in ((by_variant, "By variant", "variant"), (by_task, "By task", "task")):
        if rows:
            tables.append(_pairs(title, f"{scope}s", rows, level, scope))
    if report.groups:
        tables.append(_groups(report.groups, level))
    if report.positions:
        tables.append(_positions(report.positions, level))
    notes = [pair.warnings for pair in whole] + [group.warnings for group in report.groups]
    methods = [
        "Kappa and alpha: Wilson's interval on the disagreement, with the jackknife error; shares: "
        f"Wilson; bias: {distinct(method_name(pair.bias_method) for pair in whole)}; "
        f"{distinct(pair.method for pair in whole)}.",
        *dict.fromkeys(pair.kappa.method + "." for pair in whole if pair.kappa),
    ]
    return Report("Agreement", tables, list(map(_sentence, whole)), warning_notes(notes), methods)


def _cells(level: str, *names: str) -> tuple[Column, ...]:
    return tuple(_FIGURES[name].cell(level) for name in names)


def _plain_columns(*names: str) -> tuple[Column, ...]:
    return tuple(column for name in names for column in _FIGURES[name].columns)


def _sentence(pair: PairAgreement) -> str:
    share = pair.agreement
    said = (
        f"{pair.first} and {pair.second} give the same value on {100 * (share.estimate or 0):.1f}% "
        f"of {pair.runs:,} runs{_bounds(share.ci_low, share.ci_high, 100, 1)}"
    )
    if pair.kappa is None:
        said += "; their values are numbers, not categories, so there is no kappa"
    elif pair.kappa.value is None:
        said += "; both used one category only, so kappa is not defined"
    else:
        bounds = _bounds(pair.kappa.ci_low, pair.kappa.ci_high, 1, 2)
        said += f"; beyond chance, kappa {pair.kappa.value:.2f}{bounds}"
    if pair.bias is None:
        return f"{said}."
    if pair.bias_ci_low is None or pair.bias_ci_high is None:
        return f"{said}. On average {pair.first} is {_higher(pair.bias)}."
    bounds = _bounds(pair.bias_ci_low, pair.bias_ci_high, 1, 3, signed=True)
    if pair.bias_ci_low <= 0.0 <= pair.bias_ci_high:
        return f"{said}. A bias of {pair.first} is not shown: {_higher(pair.bias)}{bounds}."
    return f"{said}. {pair.first} is biased: {_higher(pair.bias)} on average{bounds}."


def _higher(bias: float) -> str:
    if not bias:
        return "neither is higher"
    return f"{measured(abs(bias))} {'higher' if bias > 0.0 else 'lower'}"


def _bounds(
    low: float | None, high: float | None, scale: int, digits: int, *, signed: bool = False
) -> str:
    if low is None or high is None:
        return ""
    sign = "+" if signed else ""
    return f" [{scale * low:{sign}.{digits}f}, {scale * high:{sign}.{digits}f}]"


def _has_small_matrix(pair: PairAgreement) -> bool:
    return pair.categories is not None and len(pair.categories) <= MOST_SHOWN_CATEGORIES


def _matrix(pair: PairAgreement) -> Table:
    names = [f"{category:g}" for category in pair.categories or ()]
    head = Column("rating", pair.first, "text", f"the value that {pair.first} gave")
    shown = (
        head,
        *(
            Column(name, name, "count", f"runs that {pair.second} gave {name}")
            for name in names
        ),
    )  # fmt: skip
    rows: list[Row] = [
        {"rating": name, **dict(zip(names, counts, strict=True))}
        for name, counts in zip(names, pair.matrix or (), strict=True)
    ]
    title = f"Confusion matrix: rows {pair.first}, columns {pair.second}"
    return Table(title, shown, rows, [View("matrix", title, shown, rows)])


def _values(name: str, figure: Estimate | Agreement | None) -> dict[str, Any]:
    if figure is None:
        return {}
    value = figure.estimate if isinstance(figure, Estimate) else figure.value
    return _FIGURES[name].values(value, figure.ci_low, figure.ci_high)


def _row(pair: PairAgreement, labels: Mapping[Variant, str]) -> Row:
    values = plain({**pair.to_dict(), "variant": pair.variant and labels[pair.variant]})
    for name in ("agreement", "within_one", "kappa", "sensitivity", "specificity"):
        values |= _values(name, getattr(pair, name))
    return values


def _pairs(
    title: str, name: str, pairs: Sequence[PairAgreement], level: str, scope: str = ""
) -> Table:
    labels = variant_labels([pair.variant for pair in pairs if pair.variant])
    rows = [_row(pair, labels) for pair in pairs]
    several = len({(pair.first, pair.second) for pair in pairs}) > 1
    who = (_FIRST, _SECOND) if several else ()
    what = (COLUMNS[scope],) if scope else ()
    if not several:
        title = f"{title}: {pairs[0].first} against {pairs[0].second}"
    names = ["agreement", "kappa", "bias"]
    views = [View(name, title, (*who, *what, _RUNS, *_cells(level, *names)), rows)]
    if not scope:
        further = [one for one in ("sensitivity", "specificity", "within_one")
                   if any(row.get(one) is not None for row in rows)]  # fmt: skip
        if further:
            binary = "Of the second rater's 1s and 0s" if set(further) - {"within_one"} else ""
            near = "Ratings at most one category apart" if "within_one" in further else ""
            head = "; ".join(filter(None, (binary, near)))
            shown = (*who, *_cells(level, *further))
            views.append(View("further", head, shown, rows))
    ranks = tuple(
        Column(one, one.title(), "number", f"{one.title()}'s correlation of the two")
        for one in ("pearson", "spearman")
    )
    wide = _plain_columns("agreement", "within_one", "kappa", "bias", "sensitivity", "specificity")
    return Table(title, (_FIRST, _SECOND, *what, _RUNS, *wide, *ranks), rows, views)


def _groups(groups: Sequence[GroupAgreement], level: str) -> Table:
    rows: list[Row] = [
        {
            "group": group.group,
            "raters": len(group.raters),
            "runs": group.runs,
            **_values("unanimous", group.unanimous),
            **_values("alpha", next(iter(group.alphas.values()), None)),
            **_values("fleiss", group.fleiss),
        }
        for group in groups
    ]
    head = (
        Column("group", "raters", "text", "the raters named, or a metric whose authors are meant"),
        Column("raters", "n", "count", "how many raters there are"),
        Column("runs", "runs", "count", "runs with at least two ratings"),
    )
    title = "All raters at once, and the authors of one metric"
    shown = (*head, *_cells(level, "unanimous", "alpha"))
    wide = (*head, *_plain_columns("unanimous", "alpha", "fleiss"))
    return Table(title, wide, rows, [View("groups", title, shown, rows)])


def _positions(positions: Sequence[PositionBias], level: str) -> Table:
    rows: list[Row] = [
        {"metric": one.metric, "verdicts": one.verdicts, **_values("rate", one.rate)}
        for one in positions
    ]
    head = (
        Column("metric", "metric", "text", "the judge that compares two answers"),
        Column("verdicts", "verdicts", "count", "verdicts of answers shown in both orders"),
    )
    title = "Position: verdicts that change when two answers change places"
    view = View("position", title, (*head, *_cells(level, "rate")), rows)
    return Table(title, (*head, *_plain_columns("rate")), rows, [view])
