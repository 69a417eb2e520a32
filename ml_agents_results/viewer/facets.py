"""Facets: the variants, tasks and outcomes that a list of runs can be narrowed to, with counts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml_agents_results.records import Variant
from ml_agents_results.repositories.counts import VariantCounts
from ml_agents_results.viewer.run_query import RunQuery
from ml_agents_results.viewer.site import OUTCOMES


@dataclass(frozen=True, slots=True)
class FacetChoice:
    """A value that can be chosen as a filter, with the runs that it would leave."""

    name: str
    value: str
    runs: int
    chosen: bool
    url: str


def runs_of(query: RunQuery, cells: Sequence[VariantCounts]) -> int:
    """The runs that pass filters by facets alone."""
    return sum(_runs(cell, query.filters.outcomes) for cell in _chosen(query, cells))


def _chosen(
    query: RunQuery, cells: Sequence[VariantCounts], without: str = ""
) -> list[VariantCounts]:
    filters = query.filters
    return [
        cell
        for cell in cells
        if (without == "v" or not filters.variants or cell.variant in filters.variants)
        and (without == "task" or not filters.tasks or cell.task in filters.tasks)
    ]


def _runs(cell: VariantCounts, outcomes: Sequence[str]) -> int:
    return sum(getattr(cell, name) for name in outcomes) if outcomes else cell.runs


def facets_of(
    query: RunQuery, cells: Sequence[VariantCounts], labels: Mapping[Variant, str]
) -> dict[str, list[FacetChoice]]:
    """What each facet would leave of what the others chose; the other filters are not counted."""
    filters = query.filters

    def choices(
        param: str,
        values: Mapping[Any, str],
        chosen: tuple[Any, ...],
        count: Callable[[Any], int],
        field: str,
    ) -> list[FacetChoice]:
        listed = []
        for value, name in values.items():
            others = tuple(one for one in chosen if one != value)
            after = others if value in chosen else (*chosen, value)
            url = query.with_filters(**{field: after}).url()
            if (runs := count(value)) or value in chosen:
                listed.append(FacetChoice(name, str(value), runs, value in chosen, url))
        return listed

    tasks = dict.fromkeys(cell.task for cell in cells)
    facets = {
        "outcome": choices(
            "outcome",
            {name: name for name in OUTCOMES},
            filters.outcomes,
            lambda value: sum(getattr(cell, value) for cell in _chosen(query, cells)),
            "outcomes",
        ),
        "variant": choices(
            "v",
            labels,
            filters.variants,
            lambda value: sum(
                _runs(cell, filters.outcomes)
                for cell in _chosen(query, cells, "v")
                if cell.variant == value
            ),
            "variants",
        ),
        "task": choices(
            "task",
            {task: task or "(none)" for task in tasks},
            filters.tasks,
            lambda value: sum(
                _runs(cell, filters.outcomes)
                for cell in _chosen(query, cells, "task")
                if cell.task == value
            ),
            "tasks",
        ),
    }
    if filters.change is not None:
        del facets["variant"], facets["outcome"]
    return {name: listed for name, listed in facets.items() if len(listed) > 1}
