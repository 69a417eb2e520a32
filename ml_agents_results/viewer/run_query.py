"""Query of a list of runs: what a link says, as filters, order and position, and back."""

import base64
import binascii
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args
from urllib.parse import urlencode

from starlette.datastructures import ImmutableMultiDict

from ml_agents_results.errors import UsageError
from ml_agents_results.records import Variant
from ml_agents_results.repositories.counts import check_cluster
from ml_agents_results.repositories.run_filters import (
    TEXT_COLUMNS,
    Change,
    Position,
    RunFilters,
    RunOrder,
)
from ml_agents_results.statistics.run_columns import METADATA, OUTCOMES
from ml_agents_results.viewer.form_values import require_known
from ml_agents_results.viewer.variant_links import variant_of, variant_slug

Params = ImmutableMultiDict[str, str]

SIZES = (50, 100, 200, 500)
_SIZE = 100
_DEFAULT_IN = ("question", "answer")
_NUMBERS = ("min", "max", "time_min", "time_max", "cost_min", "cost_max")
_NAMES = (
    *("experiment", "v", "task", "outcome", "metric", "author", *_NUMBERS, "q", "in"),
    *(
        "disagree",
        "changed",
        "candidate",
        "baseline",
        "sort",
        "size",
        "columns",
        "after",
        "before",
        "last",
    ),
)
_EMPTY = "∅"
LAST = ("last", "yes")
_META = "meta."
_POSITION_TYPES = (int | float | None, str, str, str, str, int, int)
"""What it is sorted by, then its key."""


@dataclass(frozen=True, slots=True)
class RunQuery:
    """A page of a list of runs.

    Attributes:
        after, before: The line that it begins after, or ends before.
        last: Whether it is the end of the list.
        columns: What is shown; empty for what suits the experiment.
    """

    filters: RunFilters
    order: RunOrder = field(default_factory=RunOrder)
    size: int = _SIZE
    after: Position | None = None
    before: Position | None = None
    columns: tuple[str, ...] = ()
    last: bool = False

    @property
    def backwards(self) -> bool:
        """Whether the page is read from its end."""
        return self.before is not None or self.last

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The query string as pairs; what is as usual is left out."""
        filters = self.filters
        pairs = [("experiment", filters.experiment_id)]
        pairs += [("v", variant_slug(one)) for one in filters.variants]
        pairs += [("task", task_in_link(one)) for one in filters.tasks]
        pairs += [("outcome", one) for one in filters.outcomes]
        numbers = {
            "metric": filters.metric,
            "min": filters.minimum,
            "max": filters.maximum,
            "author": filters.author,
            "time_min": filters.time_min,
            "time_max": filters.time_max,
            "cost_min": filters.cost_min,
            "cost_max": filters.cost_max,
            "q": filters.text or None,
        }
        pairs += [(name, _written(value)) for name, value in numbers.items() if value is not None]
        if filters.text and filters.text_in != _DEFAULT_IN:
            pairs += [("in", name) for name in filters.text_in]
        pairs += [(_META + name, value) for name, value in filters.metadata]
        pairs += [("disagree", name) for name in filters.disagree]
        if filters.change is not None:
            pairs.append(("changed", filters.change))
        for name, side in (("candidate", filters.candidate), ("baseline", filters.baseline)):
            if side is not None:
                # Of another experiment: all its parts, since this list does not know it.
                whole = side.experiment_id != filters.experiment_id
                pairs.append((name, json.dumps(side) if whole else variant_slug(side)))
        if self.order != RunOrder():
            pairs.append(("sort", ("-" if self.order.descending else "") + self.order.column))
        if self.size != _SIZE:
            pairs.append(("size", str(self.size)))
        pairs += [("columns", name) for name in self.columns]
        for name, position in (("after", self.after), ("before", self.before)):
            if position is not None:
                pairs.append((name, position_in_link(position)))
        return [*pairs, *([LAST] if self.last else [])]

    def url(self, path: str = "/runs") -> str:
        return f"{path}?{urlencode(self.pairs, errors='surrogatepass')}"

    def first(self) -> "RunQuery":
        """The same list from its beginning."""
        return replace(self, after=None, before=None, last=False)

    def with_filters(self, **changes: Any) -> "RunQuery":
        """The first page of the list with other filters."""
        return replace(self.first(), filters=replace(self.filters, **changes))


def _outcomes(names: Sequence[str]) -> tuple[str, ...]:
    if unknown := [name for name in names if name not in OUTCOMES]:
        raise UsageError(f"there is no outcome {unknown[0]!r}", f"One of: {', '.join(OUTCOMES)}")
    return tuple(names)


def run_query(params: Params, variants: Sequence[Variant]) -> RunQuery:
    """What a query string says; fields that a form left empty say nothing.

    Raises:
        UsageError: A parameter is unknown, or its value makes no sense.
    """
    given = {name: [v for v in params.getlist(name) if v != ""] for name in params}
    metadata = _metadata(given)
    require_known(given, _NAMES)
    one = {name: values[-1] for name, values in given.items() if values}
    numbers = {name: _number(name, one.get(name)) for name in _NUMBERS}
    filters = RunFilters(
        one["experiment"],
        tuple(variant_of(slug, variants) for slug in given.get("v", ())),
        tuple(map(task_of_link, given.get("task", ()))),
        _outcomes(given.get("outcome", ())),
        text=one.get("q", ""),
        text_in=_text_in(given.get("in", ())),
        metadata=metadata,
        metric=one.get("metric"),
        minimum=numbers["min"],
        maximum=numbers["max"],
        author=one.get("author") if "metric" in one else None,
        time_min=_whole(numbers["time_min"]),
        time_max=_whole(numbers["time_max"]),
        cost_min=numbers["cost_min"],
        cost_max=numbers["cost_max"],
        disagree=_disagree(given.get("disagree", ())),
        change=_change(one.get("changed")),
        candidate=_side(one.get("candidate"), variants),
        baseline=_side(one.get("baseline"), variants),
    )
    sort = one.get("sort", "key")
    order = RunOrder(sort.removeprefix("-"), sort.startswith("-"))
    return RunQuery(
        filters,
        order,
        size_of(one.get("size")),
        _position(one.get("after")),
        _position(one.get("before")),
        tuple(given.get("columns", ())),
        last="last" in one,
    )


def _metadata(given: dict[str, list[str]]) -> tuple[tuple[str, str], ...]:
    """What is asked of the metadata, taken out of what is given: `meta.KEY=VALUE`, or the two
    fields of a form."""
    names = [name for name in given if name.startswith(_META)]
    asked = [(name.removeprefix(_META), value) for name in names for value in given.pop(name)]
    keys, values = given.pop("meta_key", []), given.pop("meta_value", [])
    if len(keys) != len(values) or ("", "") in asked:
        raise UsageError("metadata are asked for by key and value", "Give both, or none.")
    asked += zip(keys, values, strict=True)
    for name, _ in asked:
        check_cluster(METADATA + name)
    return tuple(dict.fromkeys(asked))


def _disagree(names: Sequence[str]) -> tuple[str, ...]:
    if len(names) in (0, 2):
        return tuple(names)
    raise UsageError("two metrics can disagree", "Name two, or one twice for its authors.")


def task_in_link(task: str) -> str:
    """Empty parameters mean nothing, and the empty task is one."""
    return f"{_EMPTY}{task}" if task == "" or task.startswith(_EMPTY) else task


def task_of_link(text: str) -> str:
    return text.removeprefix(_EMPTY)


def _written(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) and value == round(value, 6) else str(value)


def _number(name: str, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"{name} cannot be {text!r}", "Give a number.")
    return value


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def size_of(text: str | None) -> int:
    if text is None:
        return _SIZE
    if text.isascii() and text.isdigit() and 1 <= int(text) <= SIZES[-1]:
        return int(text)
    raise UsageError(f"size cannot be {text!r}", f"Give a number from 1 to {SIZES[-1]}.")


def _text_in(names: Sequence[str]) -> tuple[Any, ...]:
    if unknown := [name for name in names if name not in TEXT_COLUMNS]:
        raise UsageError(
            f"there is no text {unknown[0]!r}", f"Choose of: {', '.join(TEXT_COLUMNS)}"
        )
    return tuple(names) or _DEFAULT_IN


def _change(text: str | None) -> Change | None:
    if text is None or text in get_args(Change):
        return text  # type: ignore[return-value]
    raise UsageError(f"changed cannot be {text!r}", f"Choose of: {', '.join(get_args(Change))}")


def _side(text: str | None, variants: Sequence[Variant]) -> Variant | None:
    if text is None:
        return None
    if text.startswith("["):
        parts = _decoded(text)
        if len(parts) == 4 and all(isinstance(part, str) for part in parts):
            return Variant(*parts)
    return variant_of(text, variants)


def _position(cursor: str | None) -> Position | None:
    if cursor is None:
        return None
    value, *key = cursor_values(cursor, _POSITION_TYPES)
    return Position(tuple(key), value)


def position_in_link(position: Position) -> str:
    return cursor_of([position.value, *position.key])


def cursor_of(values: Sequence[Any]) -> str:
    """How a place in a list is written in a link."""
    text = json.dumps(values, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def cursor_values(cursor: str, types: Sequence[Any]) -> list[Any]:
    """What `cursor_of` wrote. Raises UsageError unless the values have these types."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        values = _decoded(base64.urlsafe_b64decode(padded).decode())
    except (ValueError, binascii.Error):
        values = []
    if len(values) == len(types) and all(map(_is_of, values, types)):
        return values
    raise UsageError("the place in the list is broken", "Begin with the first page.")


def _is_of(value: Any, kind: Any) -> bool:
    """Truth values are not taken for numbers; no database holds larger ones."""
    fits = type(value) in (get_args(kind) or (kind,))
    return fits and not (type(value) is int and abs(value) >= 2**63)


def _decoded(text: str) -> list[Any]:
    try:
        parts = json.loads(text)
    except ValueError:
        return []
    return parts if isinstance(parts, list) else []
