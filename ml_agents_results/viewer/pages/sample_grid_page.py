"""Samples: one line each, one column a variant, right or wrong at a glance."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote_plus, urlencode

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from ml_agents_results.records import Variant, variant_labels
from ml_agents_results.reports.html import text
from ml_agents_results.reports.wording import measured
from ml_agents_results.repositories.run_filters import RunFilters
from ml_agents_results.repositories.sample_grid import (
    GridCell,
    GridPage,
    GridRow,
    Pattern,
    SampleGridRepository,
)
from ml_agents_results.viewer.cell_links import experiment_crumbs
from ml_agents_results.viewer.facets import FacetChoice
from ml_agents_results.viewer.grid_query import PATTERNS, GridQuery, experiments_of, grid_query
from ml_agents_results.viewer.neighbours import origin_in_link
from ml_agents_results.viewer.run_query import RunQuery
from ml_agents_results.viewer.site import MARKS, Site
from ml_agents_results.viewer.variant_links import variant_slug

_COUNT_SECONDS = 0.5
_CRUMBS = [("/", "Experiments")]
_ANSWER = 24
"""Characters of a parsed answer that a cell shows."""


def show(site: Site, request: Request) -> Response:
    params = request.query_params
    ids = experiments_of(params)
    records, variants = [site.record(one) for one in ids], site.variants(*ids)
    query = grid_query(params, variants)
    labels = variant_labels(variants) if variants else {}
    with site.store.read() as connection:
        page = SampleGridRepository(connection, ids, query.metric).page(
            query.filters,
            query.before or query.after,
            backwards=query.before is not None,
            limit=query.size,
        )
    every = replace(query.filters, pattern=None)
    counts = site.store.figures(
        ("patterns", ids, query.metric, every),
        lambda connection: SampleGridRepository(connection, ids, query.metric).patterns(
            every, seconds=_COUNT_SECONDS
        ),
    )
    record, cells = records[0], [cell for one in ids for cell in site.cells(one)]
    shared = set.intersection(*({one.name for one in each.metrics or ()} for each in records))
    metrics = {one.name: one for one in record.metrics or () if one.name in shared}
    numeric = (
        any(cell.scored for cell in cells)
        if query.metric is None
        else metrics[query.metric].kind != "binary"
    )
    return site.page(
        "samples.html",
        metrics=list(metrics),
        has_primary=any(one.is_primary for one in metrics.values()),
        metric=query.metric or next((n for n, one in metrics.items() if one.is_primary), None),
        title="Samples",
        crumbs=experiment_crumbs(record.id, record.name) if len(ids) == 1 else _CRUMBS,
        several=[one.name or one.id for one in records] if len(ids) > 1 else [],
        all_url=grid_url(ids),
        different=sum(row.differs for row in page.rows),
        record=record,
        query=query,
        page=page,
        heads=[(labels[one], _runs_url(query, one)) for one in query.filters.variants],
        rows=_rows_html(query, page.rows),
        with_texts=_with_texts(page.rows),
        patterns=_patterns(query, counts, numeric=numeric),
        facets={
            "variant": _variants(query, variants, labels),
            "task": _tasks(query, list(dict.fromkeys(cell.task for cell in cells))),
        },
        places=_places(query, page),
        runs_url=RunQuery(RunFilters(record.id)).url(),
    )


def grid_url(experiment_ids: Sequence[str]) -> str:
    """The samples of experiments, side by side."""
    named = [("experiment", one) for one in experiment_ids]
    return "/samples?" + urlencode(named, errors="surrogatepass")


def _runs_url(query: GridQuery, variant: Variant) -> str:
    return RunQuery(RunFilters(variant.experiment_id, (variant,), query.filters.tasks)).url()


def _patterns(
    query: GridQuery, counts: Mapping[Pattern, int] | None, *, numeric: bool
) -> list[FacetChoice]:
    """The patterns with the samples that show them; -1 where counting would take long."""
    chosen = query.filters.pattern
    useless = {"all-right", "none-right"} if numeric else set()
    if len(query.filters.variants) == 1:
        useless |= {"improved", "regressed"}
    return [
        FacetChoice(
            words,
            -1 if counts is None else counts.get(name, 0),
            name == chosen,
            query.with_filters(pattern=None if name == chosen else name).url(),
        )
        for name, words in PATTERNS.items()
        if name not in useless
    ]


def _variants(
    query: GridQuery, variants: Sequence[Variant], labels: Mapping[Variant, str]
) -> list[FacetChoice]:
    shown = query.filters.variants
    choices = []
    for variant in variants:
        after = tuple(one for one in shown if one != variant)
        if variant not in shown:
            after = (*shown, variant)
        if after:
            url = replace(query.first(), chosen=after).url()
            choices.append(FacetChoice(labels[variant], -1, variant in shown, url))
    return choices if len(variants) > 1 else []


def _tasks(query: GridQuery, tasks: Sequence[str]) -> list[FacetChoice]:
    chosen = query.filters.tasks
    choices = []
    for task in tasks:
        others = tuple(one for one in chosen if one != task)
        url = query.with_filters(tasks=others if task in chosen else (*chosen, task)).url()
        choices.append(FacetChoice(task or "(none)", -1, task in chosen, url))
    return choices if len(tasks) > 1 else []


def _places(query: GridQuery, page: GridPage) -> dict[str, str]:
    """The neighbouring pages, as far as there are some."""
    places = {}
    backwards = query.before is not None
    first = query.first()
    if query.after is not None or (backwards and page.more):
        places["First"] = first.url()
        if page.rows:
            places["Previous"] = replace(first, before=page.rows[0].key).url()
    if page.stopped_at is not None and not backwards:
        places["Search on"] = replace(first, after=page.stopped_at).url()
    elif page.rows and (backwards or page.more):
        places["Next"] = replace(first, after=page.rows[-1].key).url()
    return places


def _rows_html(query: GridQuery, rows: Sequence[GridRow]) -> Markup:
    """A line for each sample; every cell leads to its answer, in this grid."""
    named = [("experiment", one) for one in query.experiment_ids]
    experiments = text(urlencode(named, errors="surrogatepass"))
    shown = [("v", variant_slug(one)) for one in query.chosen]
    back = urlencode([*shown, ("from", origin_in_link(query))])
    scores = [
        cell.value
        for row in rows
        for cell in row.cells
        if cell is not None and cell.value is not None and "scored" in cell.outcomes
    ]
    low, high = (min(scores), max(scores)) if scores else (0.0, 0.0)
    texts = _texts_html if _with_texts(rows) else lambda _: ""
    lines = []
    for row in rows:
        task, index = row.key
        link = (
            f"/sample?{experiments}&amp;task={quote_plus(task, errors='surrogatepass')}"
            f"&amp;index={index}&amp;{back.replace('&', '&amp;')}"
        )
        name = f"{task}:{index}" if task else str(index)
        cells = "".join(_cell_html(cell, link, low, high) for cell in row.cells)
        lines.append(
            f'<tr><th scope="row" class="text"><a href="{link}">{text(name)}</a></th>{cells}'
            f"{texts(row)}</tr>"
        )
    return Markup("\n".join(lines))


def _with_texts(rows: Sequence[GridRow]) -> bool:
    """Published grades often come without questions."""
    return any(row.question or row.expected for row in rows)


def _texts_html(row: GridRow) -> str:
    return (
        f'<td class="text short">{text(row.expected or "")}</td>'
        f'<td class="text long"><span class="cut">{text(row.question or "")}</span></td>'
    )


def _cell_html(cell: GridCell | None, link: str, low: float, high: float) -> str:
    if cell is None:
        return '<td class="text cell none">&ndash;</td>'
    run = quote_plus(cell.run_id, errors="surrogatepass")
    kind, mark, words = _seen(cell)
    shade = ""
    if kind == "scored" and cell.value is not None and high > low:
        shade = f' style="--share: {(cell.value - low) / (high - low):.2f}"'
    return (
        f'<td class="text cell {kind}"{shade}><a href="{link}&amp;run={run}">'
        f'<span class="outcome {kind}">{mark}</span> {text(words)}</a></td>'
    )


def _seen(cell: GridCell) -> tuple[str, str, str]:
    """What a cell shows: the outcome that it is coloured by, its mark, and words."""
    if len(cell.outcomes) > 1:
        right = sum(outcome == "correct" for outcome in cell.outcomes)
        if "scored" in cell.outcomes and cell.value is not None:
            return "scored", MARKS["scored"], f"{measured(cell.value)} of {len(cell.outcomes)}"
        kind = "correct" if right == len(cell.outcomes) else "wrong" if not right else "mixed"
        return kind, MARKS.get(kind, "&#x25d0;"), f"{right} of {len(cell.outcomes)}"
    [outcome] = cell.outcomes
    if outcome == "scored" and cell.value is not None:
        return outcome, "", measured(cell.value)
    answer = cell.answer
    if answer is None or outcome not in ("correct", "wrong"):
        return outcome, MARKS[outcome], outcome if answer is None else f"{outcome}: {_cut(answer)}"
    return outcome, MARKS[outcome], _cut(answer)


def _cut(answer: str) -> str:
    return answer if len(answer) <= _ANSWER else answer[:_ANSWER].partition("\ufdd0")[0] + "…"
