"""Query of the grid of samples: what a link says, as filters and position, and back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from ml_agents_results.errors import UsageError
from ml_agents_results.records import Variant
from ml_agents_results.repositories.sample_grid import GridFilters, Pattern, SampleKey
from ml_agents_results.viewer.form_values import require_known
from ml_agents_results.viewer.run_query import (
    Params,
    cursor_of,
    cursor_values,
    size_of,
    task_in_link,
    task_of_link,
)
from ml_agents_results.viewer.variant_links import variant_of, variant_slug

PATTERNS: dict[Pattern, str] = {
    "all-right": "all right",
    "none-right": "none right",
    "differ": "differ",
    "improved": "improved",
    "regressed": "regressed",
    "no-value": "not graded by all",
}
"""What a grid can be narrowed to, in words."""

COLUMNS = 8
"""Variants that are shown unless others are asked for: as many as stand side by side."""

_MOST_COLUMNS = 40
MOST_EXPERIMENTS = 20
_NAMES = ("experiment", "v", "task", "pattern", "metric", "after", "before", "size")


@dataclass(frozen=True, slots=True)
class GridQuery:
    """A page of a grid of samples.

    Attributes:
        experiment_ids: Whose samples lie side by side; those of one task and index are taken to be
            the same.
        metric: Whose values are shown; None for the primary one's.
        chosen: The variants that the link names; empty for the usual ones.
        after, before: The sample that it begins after, or ends before.
    """

    experiment_ids: tuple[str, ...]
    filters: GridFilters
    chosen: tuple[Variant, ...] = ()
    after: SampleKey | None = None
    before: SampleKey | None = None
    size: int = 100
    metric: str | None = None

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The query string as pairs; what is as usual is left out."""
        pairs = [("experiment", one) for one in self.experiment_ids]
        pairs += [("v", variant_slug(one)) for one in self.chosen]
        pairs += [("task", task_in_link(one)) for one in self.filters.tasks]
        if self.filters.pattern is not None:
            pairs.append(("pattern", self.filters.pattern))
        if self.metric is not None:
            pairs.append(("metric", self.metric))
        if self.size != 100:
            pairs.append(("size", str(self.size)))
        for name, key in (("after", self.after), ("before", self.before)):
            if key is not None:
                pairs.append((name, cursor_of(key)))
        return pairs

    def url(self) -> str:
        return "/samples?" + urlencode(self.pairs, errors="surrogatepass")

    def first(self) -> "GridQuery":
        """The same grid from its beginning."""
        return replace(self, after=None, before=None)

    def with_filters(self, **changes: Any) -> "GridQuery":
        """The first page of the grid with other filters."""
        return replace(self.first(), filters=replace(self.filters, **changes))


def experiments_of(params: Params) -> tuple[str, ...]:
    """The experiments that a query string names.

    Raises:
        UsageError: There is none, or there are too many.
    """
    ids = tuple(dict.fromkeys(params.getlist("experiment")))
    if 0 < len(ids) <= MOST_EXPERIMENTS:
        return ids
    raise UsageError(f"{len(ids)} experiments are named", f"Name one, or up to {MOST_EXPERIMENTS}.")


def grid_query(params: Params, variants: Sequence[Variant]) -> GridQuery:
    """What a query string says of experiments with these variants.

    Raises:
        UsageError: A parameter is unknown, or its value makes no sense.
    """
    require_known(params, _NAMES)
    named = tuple(dict.fromkeys(variant_of(one, variants) for one in params.getlist("v") if one))
    if len(named) > _MOST_COLUMNS:
        raise UsageError(f"{len(named)} variants are too many", f"Take {_MOST_COLUMNS} or fewer.")
    pattern = params.get("pattern") or None
    if pattern is not None and pattern not in PATTERNS:
        raise UsageError(f"pattern cannot be {pattern!r}", f"Choose of: {', '.join(PATTERNS)}")
    # The baseline stands first.
    usual = sorted(variants, key=lambda one: one.approach_name != "None")[:COLUMNS]
    filters = GridFilters(
        tuple(sorted(named, key=lambda one: one.approach_name != "None")) or tuple(usual),
        tuple(task_of_link(one) for one in params.getlist("task") if one),
        pattern,
    )
    return GridQuery(
        experiments_of(params),
        filters,
        named,
        _key(params.get("after")),
        _key(params.get("before")),
        size_of(params.get("size") or None),
        params.get("metric") or None,
    )


def _key(cursor: str | None) -> SampleKey | None:
    if not cursor:
        return None
    task, index = cursor_values(cursor, (str, int))
    return task, index
