"""Facets: the variants, tasks and outcomes that a list of runs can be narrowed to, with counts."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote_plus, urlencode

from ml_agents_results.records import Variant
from ml_agents_results.repositories.counts import VariantCounts
from ml_agents_results.viewer.run_query import RunQuery, task_in_link
from ml_agents_results.viewer.site import OUTCOMES
from ml_agents_results.viewer.variant_links import variant_slug


@dataclass(frozen=True, slots=True)
class FacetChoice:
    """A value that can be chosen as a filter, with the runs that it would leave."""

    name: str
    runs: int
    chosen: bool
    url: str


def runs_of(query: RunQuery, cells: Sequence[VariantCounts]) -> int:
    """The runs that pass filters by facets alone."""
    filters = query.filters
    return sum(
        _runs(cell, filters.outcomes)
        for cell in cells
        if (not filters.variants or cell.variant in filters.variants)
        and (not filters.tasks or cell.task in filters.tasks)
    )


def _runs(cell: VariantCounts, outcomes: Sequence[str]) -> int:
    return sum(getattr(cell, name) for name in outcomes) if outcomes else cell.runs


def facets_of(
    query: RunQuery, cells: Sequence[VariantCounts], labels: Mapping[Variant, str]
) -> dict[str, list[FacetChoice]]:
    """What each facet would leave of what the others chose; the other filters are not counted."""
    filters = query.filters
    variants, tasks = frozenset(filters.variants), frozenset(filters.tasks)
    of_variant, of_task, of_outcome = Counter[Variant](), Counter[str](), Counter[str]()
    for cell in cells:
        runs = _runs(cell, filters.outcomes)
        if not tasks or cell.task in tasks:
            of_variant[cell.variant] += runs
        if not variants or cell.variant in variants:
            of_task[cell.task] += runs
            if not tasks or cell.task in tasks:
                for name in OUTCOMES:
                    of_outcome[name] += getattr(cell, name)
    tasks_named = {one: one or "(none)" for one in dict.fromkeys(cell.task for cell in cells)}
    facets = {
        "outcome": _choices(
            query, "outcome", filters.outcomes, {one: one for one in OUTCOMES}, of_outcome, str
        ),
        "variant": _choices(query, "v", filters.variants, labels, of_variant, variant_slug),
        "task": _choices(query, "task", filters.tasks, tasks_named, of_task, task_in_link),
    }
    if filters.change is not None:
        del facets["variant"], facets["outcome"]
    return {name: listed for name, listed in facets.items() if len(listed) > 1}


@lru_cache(maxsize=4096)
def _pair(param: str, value: str) -> str:
    """As in links: each page quotes the same values."""
    return f"{param}={quote_plus(value, errors='surrogatepass')}"


def _choices(
    query: RunQuery,
    param: str,
    chosen: Sequence[Any],
    names: Mapping[Any, str],
    runs: Mapping[Any, int],
    write: Callable[[Any], str],
) -> list[FacetChoice]:
    """The values of a facet that leave runs or are chosen, as `write` writes them in links."""
    others = [pair for pair in query.pairs if pair[0] != param]
    list_url = f"/runs?{urlencode(others, errors='surrogatepass')}"
    shown = [value for value in names if runs[value] or value in chosen]
    pairs = {one: _pair(param, write(one)) for one in (*shown, *chosen)}
    choices = []
    for value in shown:
        after = [pairs[one] for one in chosen if one != value]
        if value not in chosen:
            after.append(pairs[value])
        url = "&".join([list_url, *after])
        choices.append(FacetChoice(names[value], runs[value], value in chosen, url))
    return choices
