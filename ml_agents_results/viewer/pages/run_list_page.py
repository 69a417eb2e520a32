"""Runs: filtered, searched, sorted, page by page, with the counts of what could be chosen."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ml_agents_results.errors import TimeLimitError, UsageError
from ml_agents_results.records import MetricRecord, Variant, variant_labels
from ml_agents_results.repositories.counts import VariantCounts, check_cluster
from ml_agents_results.repositories.run_filters import METRIC, TEXT_COLUMNS, RunOrder
from ml_agents_results.repositories.run_list import (
    COUNTED,
    RunLine,
    RunListRepository,
    RunPage,
    position_of,
)
from ml_agents_results.repositories.run_metadata import members_of_runs
from ml_agents_results.repositories.run_statements import CUT
from ml_agents_results.repositories.score_rows import scores_of_runs
from ml_agents_results.statistics.run_columns import METADATA
from ml_agents_results.viewer.cell_links import experiment_crumbs
from ml_agents_results.viewer.facets import facets_of, runs_of
from ml_agents_results.viewer.pages.queue_page import grading_url
from ml_agents_results.viewer.run_query import LAST, SIZES, RunQuery, position_in_link, run_query
from ml_agents_results.viewer.run_rows import (
    COLUMNS,
    NUMBERS,
    SORTED_BY,
    columns_read,
    rows_html,
    score_texts,
)
from ml_agents_results.viewer.site import MOST_KEYS, Site

_DOWNLOADS = {
    "csv": "CSV",
    "json": "JSON",
    "jsonl": "JSONL",
    "xlsx": "Excel",
    "parquet": "Parquet",
}
_COUNT_SECONDS = 0.5


def show(site: Site, request: Request) -> Response:
    params = request.query_params
    experiment_id = params.get("experiment", "")
    record = site.record(experiment_id)
    metrics = [metric.name for metric in record.metrics or ()]
    cells = site.cells(experiment_id)
    variants = list(dict.fromkeys(cell.variant for cell in cells))
    query = run_query(params, variants)
    usual = _columns(replace(query, columns=()), cells, metrics)
    if set(query.columns) == set(usual):
        query = replace(query, columns=())
    if sorted(params.multi_items()) != sorted(query.pairs):
        # A form sends what is empty or as usual, too: links stay short, one for each list.
        return RedirectResponse(query.url(), 303)
    columns = _columns(query, cells, metrics)
    with site.store.read() as connection:
        runs = RunListRepository(connection)
        page = runs.page(
            query.filters,
            query.order,
            query.before or query.after,
            backwards=query.backwards,
            limit=query.size,
            columns=columns_read(columns),
        )
        others = _others(connection, page.lines, columns, record.metrics or ())
    first, labels = query.first(), variant_labels(variants) if variants else {}
    return site.page(
        "runs.html",
        crumbs=experiment_crumbs(record.id, record.name),
        record=record,
        query=query,
        page=page,
        total=_total(site, query, page, cells),
        counted=COUNTED,
        rows=rows_html(first, page.lines, columns, labels, others),
        places=_places(query, page),
        live=(site.store.state() or "") if record.status == "running" else False,
        **site.store.rendered(
            ("list", first), lambda: _of_all_pages(site, first, columns, metrics, cells, labels)
        ),
    )


def _others(
    connection: Connection,
    lines: Sequence[RunLine],
    columns: Sequence[str],
    metrics: Sequence[MetricRecord],
) -> dict[str, Sequence[str]]:
    """The columns of metrics and of members of the metadata, as texts."""
    ids = [line.id for line in lines]
    chosen = [one for one in metrics if one.name in columns]
    scores = scores_of_runs(connection, ids) if chosen else {}
    others: dict[str, Sequence[str]] = {one.name: score_texts(lines, one, scores) for one in chosen}
    keys = [name for name in columns if name.startswith(METADATA) and name not in others]
    members = (
        members_of_runs(connection, ids, [name.removeprefix(METADATA) for name in keys], CUT + 1)
        if keys
        else {}
    )
    for index, name in enumerate(keys):
        others[name] = [_shortened(members[run_id][index]) for run_id in ids]
    return others


def _shortened(value: str | None) -> str:
    return "-" if value is None else value if len(value) <= CUT else value[:CUT] + "…"


def _of_all_pages(
    site: Site,
    first: RunQuery,
    columns: Sequence[str],
    metrics: Sequence[str],
    cells: Sequence[VariantCounts],
    labels: Mapping[Variant, str],
) -> Mapping[str, Any]:
    """What the pages of a list have in common."""
    listed = urlencode(first.pairs, errors="surrogatepass")
    # The fields of the form are the same whatever is chosen next to it.
    form = first.with_filters(variants=(), tasks=(), outcomes=())
    fields = site.store.rendered(("fields", form), lambda: _fields(site, form, columns, metrics))
    return {
        "title": _title(first, labels),
        "narrowed": _narrowed(first, labels),
        "commands": _commands(site, first),
        "grading_url": "" if site.store.read_only else grading_url(first),
        "exports": [
            (f"/export/runs.{suffix}?{listed}", name) for suffix, name in _downloads().items()
        ],
        "filters": site.fragment(
            "run_filters.html", query=first, fields=fields, facets=facets_of(first, cells, labels)
        ),
        "heads": site.fragment(
            "run_heads.html",
            columns={name: COLUMNS.get(name, name.removeprefix(METADATA)) for name in columns},
            numbers=(*NUMBERS, *metrics),
            sort_url=_sort_urls(first, columns, metrics),
        ),
    }


@cache
def _downloads() -> Mapping[str, str]:
    """The formats that this installation writes."""
    without = () if find_spec("pyarrow") is not None else ("parquet",)
    return {suffix: name for suffix, name in _DOWNLOADS.items() if suffix not in without}


def _fields(site: Site, query: RunQuery, columns: Sequence[str], metrics: Sequence[str]) -> Markup:
    experiment_id = query.filters.experiment_id
    keys = site.metadata_keys(experiment_id)
    return site.fragment(
        "run_fields.html",
        query=query,
        columns=columns,
        every_column={
            **COLUMNS,
            **{name: name for name in metrics},
            **{METADATA + key: key for key in keys[:MOST_KEYS]},
            **{name: name.removeprefix(METADATA) for name in columns if name not in COLUMNS},
        },
        metrics=metrics,
        texts=TEXT_COLUMNS,
        metadata_keys=keys,
        sizes=SIZES,
    )


def _commands(site: Site, query: RunQuery) -> list[str]:
    """The export of the same runs, where its options can say which these are."""
    filters = query.filters
    if not filters.by_facets_only or filters.outcomes or len(filters.variants) > 1:
        return []
    named = [("--experiment-id", filters.experiment_id)]
    for variant in filters.variants:
        parts = zip(("--approach", "--provider", "--model"), variant[1:], strict=True)
        named += [(option, part) for option, part in parts if part]
    named += [("--task", task) for task in filters.tasks if task]
    options = " ".join(f"{option} {shlex.quote(value)}" for option, value in named)
    return [f"ml-agents export {options} --format csv --output runs {site.store.database.option}"]


def _title(query: RunQuery, labels: Mapping[Variant, str]) -> str:
    filters = query.filters
    if filters.change is not None and filters.candidate and filters.baseline:
        return (
            f"{filters.change.capitalize()}: {labels.get(filters.candidate, '?')} against "
            f"{labels.get(filters.baseline) or filters.baseline}"
        )
    return "Runs"


def _columns(
    query: RunQuery, cells: Sequence[VariantCounts], metrics: Sequence[str]
) -> tuple[str, ...]:
    if query.columns:
        for name in query.columns:
            if _is_member(name):
                check_cluster(name)
        if unknown := [
            name
            for name in query.columns
            if name not in (*COLUMNS, *metrics) and not _is_member(name)
        ]:
            raise UsageError(
                f"there is no column {unknown[0]!r}", f"Choose of: {', '.join(COLUMNS)}"
            )
        return query.columns
    has = {
        "variant": len({cell.variant for cell in cells}) > 1,
        "task": any(cell.task for cell in cells),
        "repeat_index": any(cell.repeated for cell in cells),
        "score": any(cell.scored for cell in cells),
        "cost_estimate": any(cell.priced for cell in cells),
        "execution_time_ms": any(cell.timed for cell in cells),
    }
    usual = (
        *("sample_index", "task", "variant", "repeat_index", "outcome", "score", "input_text"),
        *("expected_answer", "parsed_answer", "raw_output", "execution_time_ms", "cost_estimate"),
    )
    return tuple(name for name in usual if has.get(name, True))


def _is_member(column: str) -> bool:
    return column.startswith(METADATA) and column != METADATA


def _total(
    site: Site, query: RunQuery, page: RunPage, cells: Sequence[VariantCounts]
) -> int | None:
    """The runs that pass: from the counts of the facets, from a page that holds all, else counted
    as far as that is quick."""
    if query.filters.by_facets_only:
        return runs_of(query, cells)
    if not page.more and query.after is None and not query.backwards:
        return len(page.lines)
    # To count what changed, each run would be compared with another one.
    if query.filters.searches or query.filters.change or query.filters.disagree:
        return None
    try:
        with site.store.read(_COUNT_SECONDS) as connection:
            return RunListRepository(connection).count(query.filters)
    except TimeLimitError:
        return None


def _sort_urls(
    query: RunQuery, columns: Sequence[str], metrics: Sequence[str]
) -> dict[str, tuple[str, str]]:
    """Where the heads of columns lead, and how the list is sorted by them now."""
    urls: dict[str, tuple[str, str]] = {}
    for name in () if query.filters.searches else columns:
        measure = SORTED_BY.get(name) or (METRIC + name if name in metrics else None)
        if measure is None:
            continue
        ours = query.order.column == measure
        now = "" if not ours else "descending" if query.order.descending else "ascending"
        # Falling first, then rising, then as it was.
        order = RunOrder() if now == "ascending" else RunOrder(measure, not now)
        urls[name] = (replace(query.first(), order=order).url(), now)
    return urls


def _places(query: RunQuery, page: RunPage) -> dict[str, str]:
    """The neighbouring pages, as far as there are some."""
    places = {}
    first = query.first().url()
    backwards = query.backwards
    if query.after is not None or (backwards and page.more):
        places["First"] = first
        if page.lines:
            before = position_of(page.lines[0], query.order)
            places["Previous"] = f"{first}&before={position_in_link(before)}"
    if page.stopped_at is not None:
        places["Search on"] = f"{first}&after={position_in_link(page.stopped_at)}"
    elif page.lines and not query.last and (backwards or page.more):
        after = position_of(page.lines[-1], query.order)
        places["Next"] = f"{first}&after={position_in_link(after)}"
        if not query.filters.searches:
            places["Last"] = f"{first}&{'='.join(LAST)}"
    return places


def _narrowed(query: RunQuery, labels: Mapping[Variant, str]) -> list[tuple[str, str]]:
    """The filters in words, each with the list without it."""
    filters = query.filters
    named: list[tuple[str, str]] = []

    def add(words: str, **without: Any) -> None:
        named.append((words, query.with_filters(**without).url()))

    for variant in filters.variants:
        left = tuple(one for one in filters.variants if one != variant)
        add(f"variant {labels[variant]}", variants=left)
    for task in filters.tasks:
        add(f"task {task or '(none)'}", tasks=tuple(one for one in filters.tasks if one != task))
    for outcome in filters.outcomes:
        left_outcomes = tuple(one for one in filters.outcomes if one != outcome)
        add(outcome, outcomes=left_outcomes)
    if filters.change is not None:
        add(filters.change, change=None, candidate=None, baseline=None)
    if filters.text:
        add(f"“{filters.text}” in {', '.join(filters.text_in)}", text="")
    for name, value in filters.metadata:
        others = tuple(one for one in filters.metadata if one != (name, value))
        add(f"{name} is {value}", metadata=others)
    if filters.disagree:
        add(f"{' and '.join(dict.fromkeys(filters.disagree))} disagree", disagree=())
    if filters.metric is not None:
        by = f" by {filters.author}" if filters.author else ""
        words = f"{filters.metric}{by} {_range(filters.minimum, filters.maximum)}".strip()
        add(words, metric=None, author=None, minimum=None, maximum=None)
    if filters.time_min is not None or filters.time_max is not None:
        add(f"ms {_range(filters.time_min, filters.time_max)}", time_min=None, time_max=None)
    if filters.cost_min is not None or filters.cost_max is not None:
        add(f"USD {_range(filters.cost_min, filters.cost_max)}", cost_min=None, cost_max=None)
    return named


def _range(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return ""
    return (
        f"{'' if low is None else format(low, 'g')} to {'' if high is None else format(high, 'g')}"
    )
