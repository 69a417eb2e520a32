"""Rows of a list of runs as HTML: a page has a thousand cells, too many for a template."""

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote_plus, urlencode

from markupsafe import Markup

from ml_agents_results.records import MetricRecord, ScoreRecord, Variant
from ml_agents_results.reports.columns import Kind
from ml_agents_results.reports.html import text
from ml_agents_results.reports.wording import moment, shown
from ml_agents_results.repositories.run_list import CUT, RunLine
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
_KINDS: dict[str, Kind] = {
    "execution_time_ms": "ms",
    "cost_estimate": "usd",
    "score": "value",
    "sample_index": "count",
    "repeat_index": "count",
    "prompt_tokens": "count",
    "completion_tokens": "count",
    "parsing_confidence": "number",
}

_WIDTHS = {name: "short" if name.endswith("_answer") else "long" for name in TEXTS}
"""How much room a text has."""

Cell = Callable[[RunLine], str]


def rows_html(
    query: RunQuery,
    lines: Sequence[RunLine],
    columns: Sequence[str],
    labels: Mapping[Variant, str],
    scores: Mapping[str, Sequence[ScoreRecord]],
    metrics: Sequence[MetricRecord],
) -> Markup:
    """A row for each line; its first cell leads to the sample, in this list."""
    primary = {one.name for one in metrics if one.is_primary}
    cells = [_cell(name, labels, scores, primary) for name in columns]
    opened = [f"<td{_class(name)}>" for name in columns[1:]]
    head = f'<th scope="row"{_class(columns[0])}>'
    experiment = quote_plus(query.filters.experiment_id, errors="surrogatepass")
    back = urlencode({"from": urlencode(query.first().pairs, errors="surrogatepass")})
    rows = []
    for line in lines:
        task = quote_plus(line.task, errors="surrogatepass")
        run = quote_plus(line.id, errors="surrogatepass")
        # What is quoted or a number needs no escaping but of its ampersands.
        link = f"/sample?experiment={experiment}&amp;task={task}&amp;index={line.sample_index}"
        first = f'{head}<a href="{link}&amp;run={run}&amp;{back}">{cells[0](line)}</a></th>'
        others = (f"{tag}{cell(line)}</td>" for tag, cell in zip(opened, cells[1:], strict=True))
        rows.append(f'<tr data-run="{text(line.id)}">{first}{"".join(others)}</tr>')
    return Markup("\n".join(rows))


def _class(name: str) -> str:
    names = [*([] if name in NUMBERS else ["text"]), *([_WIDTHS[name]] if name in _WIDTHS else [])]
    known = name in COLUMNS
    return f' class="{" ".join(names)}"' if known and names else ""


def _cell(
    name: str,
    labels: Mapping[Variant, str],
    scores: Mapping[str, Sequence[ScoreRecord]],
    primary: set[str],
) -> Cell:
    """What writes the content of a column's cells."""
    if name not in COLUMNS:
        return lambda line: text(_score(line, name, scores.get(line.id, ()), primary))
    if name == "variant":
        return lambda line: text(labels[Variant(line.experiment_id, *line[2:5])])
    if name == "outcome":
        return lambda line: _OUTCOMES[line.outcome]
    if name in TEXTS:
        return lambda line: f'<span class="cut">{text(_beginning(getattr(line, name)))}</span>'
    if name == "created_at":
        return lambda line: moment(line.created_at)
    kind = _KINDS.get(name, "text")
    return lambda line: text(shown(getattr(line, name), kind))


_OUTCOMES = {
    outcome: f'<span class="outcome {outcome}"><span aria-hidden="true">{mark}</span> '
    f"{outcome}</span>"
    for outcome, mark in MARKS.items()
}


def _score(line: RunLine, metric: str, scores: Sequence[ScoreRecord], primary: set[str]) -> str:
    """The values of a metric for a run: that of the primary one stands on the run."""
    own = [one for one in scores if one.metric == metric]
    if not own and metric in primary:
        value = line.score if line.is_correct is None else float(line.is_correct)
        return "-" if value is None else f"{value:g}"
    said = [f"{one.value:g}" if one.value is not None else one.label or "-" for one in own]
    return ", ".join(said) or "-"


def _beginning(value: str | None) -> str:
    """The beginning of a text, with a mark where it was cut."""
    if value is None:
        return "-"
    # A cut may lie within the sign that stands for what databases cannot store.
    return value if len(value) <= CUT else value[:CUT].partition("\ufdd0")[0] + "…"
