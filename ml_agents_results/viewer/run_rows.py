"""Rows of a list of runs as HTML: a page has a thousand cells, too many for a template."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain, repeat
from typing import Any
from urllib.parse import quote_plus, urlencode

from markupsafe import Markup

from ml_agents_results.records import MetricRecord, ScoreRecord, Variant
from ml_agents_results.reports.html import text, texts
from ml_agents_results.reports.wording import (
    decimal,
    dollars,
    measured,
    milliseconds,
    moment,
    shown,
)
from ml_agents_results.repositories.run_list import RunLine
from ml_agents_results.repositories.run_statements import CUT, LINE_COLUMNS
from ml_agents_results.statistics.run_columns import METADATA
from ml_agents_results.viewer.run_query import RunQuery
from ml_agents_results.viewer.site import MARKS

COLUMNS = {
    "variant": "variant",
    "task": "task",
    "sample_index": "sample",
    "repeat_index": "repeat",
    "sample_id": "sample id",
    "outcome": "outcome",
    "score": "score",
    "input_text": "question",
    "expected_answer": "expected",
    "parsed_answer": "answer",
    "raw_output": "output",
    "error": "error",
    "execution_time_ms": "ms",
    "cost_estimate": "cost",
    "parsing_confidence": "confidence",
    "prompt_tokens": "tokens in",
    "completion_tokens": "tokens out",
    "finish_reason": "finish reason",
    "created_at": "recorded (UTC)",
}
SORTED_BY = {
    "execution_time_ms": "time",
    "cost_estimate": "cost",
    "parsing_confidence": "confidence",
    "score": "score",
}
NUMBERS = (
    *("sample_index", "repeat_index", "score", "execution_time_ms", "cost_estimate"),
    *("parsing_confidence", "prompt_tokens", "completion_tokens"),
)
TEXTS = ("input_text", "expected_answer", "raw_output", "parsed_answer", "error")
_NUMBERS: dict[str, Callable[[Any], str]] = {
    "execution_time_ms": milliseconds,
    "cost_estimate": dollars,
    "score": measured,
    "parsing_confidence": partial(decimal, digits=3),
    **dict.fromkeys(("sample_index", "repeat_index"), "{:,}".format),
    **dict.fromkeys(("prompt_tokens", "completion_tokens"), partial(shown, kind="count")),
}
"""How numbers are written."""

_WIDTHS = {name: "short" if name.endswith("_answer") else "long" for name in TEXTS}
"""How much room a text has."""

Cells = Sequence[str]
"""The contents of the cells of one column, as HTML."""


def columns_read(columns: Sequence[str]) -> list[str]:
    """What lines must have for these columns, of `run_list.LINE_COLUMNS`."""
    return [
        *("outcome", "is_correct", "score"),
        *(name for name in columns if name in LINE_COLUMNS),
    ]


def rows_html(
    query: RunQuery,
    lines: Sequence[RunLine],
    columns: Sequence[str],
    labels: Mapping[Variant, str],
    others: Mapping[str, Sequence[str]],
) -> Markup:
    """A row for each line; its first cell leads to the sample, in this list.

    Args:
        others: The texts of the columns that only this experiment has.
    """
    if not lines:
        return Markup()
    values = dict(zip(lines[0]._fields, zip(*lines, strict=True), strict=True))
    cells = [
        texts(others[name]) if name in others else _cells(name, values, labels) for name in columns
    ]
    ids = texts(values["id"])
    # Its constant parts between the columns, and one join: rows are many.
    table: list[Iterable[str]] = [repeat('<tr data-run="'), ids]
    table += [repeat(f'"><th scope="row"{_class(columns[0])}><a href="'), *_links(query, values)]
    table += [repeat('">'), cells[0]]
    if columns[0] != "sample_index":
        # A text may be empty, and a link needs a name.
        table += [repeat('<span class="hidden">, sample '), map(str, values["sample_index"])]
        table.append(repeat("</span>"))
    table.append(repeat("</a></th>"))
    for name, column in zip(columns[1:], cells[1:], strict=True):
        table += [repeat(f"<td{_class(name)}>"), column, repeat("</td>")]
    table.append(repeat("</tr>\n"))
    return Markup("".join(chain.from_iterable(zip(*table, strict=False))))


def _links(query: RunQuery, values: Mapping[str, Sequence[Any]]) -> list[Iterable[str]]:
    """Where the rows lead, in parts."""
    experiment = quote_plus(query.filters.experiment_id, errors="surrogatepass")
    back = urlencode({"from": urlencode(query.pairs, errors="surrogatepass")})
    tasks = {task: quote_plus(task, errors="surrogatepass") for task in set(values["task"])}
    # What is quoted or a number needs no escaping but of its ampersands.
    return [
        repeat(f"/sample?experiment={experiment}&amp;task="),
        map(tasks.__getitem__, values["task"]),
        repeat("&amp;index="),
        map(str, values["sample_index"]),
        repeat("&amp;run="),
        _quoted(values["id"]),
        repeat(f"&amp;{back}"),
    ]


def _quoted(values: Sequence[str]) -> Sequence[str]:
    """The values as in links; those that stand there as they are, all at once."""
    together = "".join(values)
    if quote_plus(together, errors="surrogatepass") == together:
        return values
    return [quote_plus(value, errors="surrogatepass") for value in values]


def _class(name: str) -> str:
    names = [*([] if name in NUMBERS else ["text"]), *([_WIDTHS[name]] if name in _WIDTHS else [])]
    if name.startswith(METADATA):
        return ' class="text short"'
    return f' class="{" ".join(names)}"' if name in COLUMNS and names else ""


def _cells(name: str, values: Mapping[str, Sequence[Any]], labels: Mapping[Variant, str]) -> Cells:
    """The cells of a column that every list can have."""
    if name == "variant":
        written = {variant: text(label) for variant, label in labels.items()}
        parts = zip(*(values[field] for field in Variant._fields), strict=True)
        # A variant is equal to its parts.
        return [written[variant] for variant in parts]  # type: ignore[index]
    column = values[name]
    if name == "outcome":
        return [_OUTCOMES[outcome] for outcome in column]
    if name in TEXTS:
        return _text_cells(column)
    if name == "created_at":
        return [moment(time) for time in column]
    write = _NUMBERS.get(name)
    return texts(one or "-" for one in column) if write is None else [write(one) for one in column]


_OUTCOMES = {
    outcome: f'<span class="outcome {outcome}"><span aria-hidden="true">{mark}</span> '
    f"{outcome}</span>"
    for outcome, mark in MARKS.items()
}


def score_texts(
    lines: Sequence[RunLine], metric: MetricRecord, scores: Mapping[str, Sequence[ScoreRecord]]
) -> list[str]:
    """The values of a metric for runs: that of the primary one stands on the run."""
    return [_scores(line, metric, scores.get(line.id, ())) for line in lines]


def _scores(line: RunLine, metric: MetricRecord, scores: Sequence[ScoreRecord]) -> str:
    own = [one for one in scores if one.metric == metric.name]
    if not own and metric.is_primary:
        value = line.score if line.is_correct is None else float(line.is_correct)
        return "-" if value is None else f"{value:g}"
    said = [f"{one.value:g}" if one.value is not None else one.label or "-" for one in own]
    return ", ".join(said) or "-"


def _text_cells(column: Sequence[str | None]) -> Cells:
    """The beginnings of texts, with a mark where they were cut."""
    # A cut may lie within the sign that stands for what databases cannot store.
    shown = [
        "-" if one is None else one if len(one) <= CUT else one[:CUT].partition("\ufdd0")[0]
        for one in column
    ]
    marks = ["&hellip;" if one is not None and len(one) > CUT else "" for one in column]
    parts = zip(texts(shown), marks, strict=True)
    return [f'<span class="cut">{beginning}{mark}</span>' for beginning, mark in parts]
