"""Query of a list: a link and what it says are each other's inverse."""

from contextlib import suppress
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from ml_agents_results.errors import UsageError
from ml_agents_results.records import Variant
from ml_agents_results.repositories.run_filters import Position, RunFilters, RunOrder
from ml_agents_results.viewer.run_query import RunQuery, run_query
from ml_agents_results.viewer.variant_links import variant_of, variant_slug

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
VARIANTS = [Variant("e", f"approach {n}", "p/&?", "m=#") for n in range(4)]
NUMBERS = st.none() | st.integers(0, 10**6)

FILTERS = st.builds(
    RunFilters,
    experiment_id=st.just("e"),
    variants=st.lists(st.sampled_from(VARIANTS), unique=True, max_size=3).map(tuple),
    tasks=st.lists(TEXT | st.just("") | st.just("∅"), unique=True, max_size=3).map(tuple),
    outcomes=st.sampled_from([(), ("wrong",), ("wrong", "failed")]),
    text=st.just("") | TEXT,
    metadata=st.lists(
        st.tuples(st.sampled_from(["k", "a.b", "é="]), TEXT), unique=True, max_size=2
    ).map(tuple),
    time_min=NUMBERS,
    cost_max=st.none() | st.floats(0, 1000, allow_nan=False),
)
POSITIONS = st.builds(
    Position,
    st.tuples(TEXT, TEXT, TEXT, TEXT, st.integers(0, 9), st.integers(0, 9)),
    st.none() | st.integers(0, 99),
)


@given(
    FILTERS,
    st.sampled_from([RunOrder(), RunOrder("time", True), RunOrder("cost")]),
    st.none() | POSITIONS,
)
def test_what_a_link_says_is_what_it_was_made_of(
    filters: RunFilters, order: RunOrder, after: Position | None
) -> None:
    query = RunQuery(filters, order, after=after, last=after is None)
    pairs = parse_qsl(urlsplit(query.url()).query, keep_blank_values=True)
    assert run_query(QueryParams(pairs), VARIANTS) == query


@given(st.text(st.sampled_from("aZ_-= é"), max_size=30))
def test_a_broken_place_is_refused(cursor: str) -> None:
    # Nothing else may be raised.
    with suppress(UsageError):
        run_query(QueryParams([("experiment", "e"), ("after", cursor)]), [])


def test_variants_are_told_by_their_digits() -> None:
    for variant in VARIANTS:
        slug = variant_slug(variant)
        assert variant_of(slug, VARIANTS) == variant
        assert variant_of(f"renamed-{slug[-8:]}", VARIANTS) == variant
    with pytest.raises(UsageError, match="there is no variant"):
        variant_of("approach-0-00000000", VARIANTS)
