"""Every filter narrows every analysis to the same runs."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ml_agents_results.database.engine import Database
from ml_agents_results.errors import UsageError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.services.cost import CostService
from ml_agents_results.services.failures import FailureService
from ml_agents_results.services.latency import LatencyService
from ml_agents_results.services.parsing import ParsingService
from tests.lengths import SQLITE_FIRST
from tests.services.building import run, save

START = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture(scope="module", params=SQLITE_FIRST)
def filled(request: pytest.FixtureRequest, migrated: Callable[[str], Database]) -> ResultsProcessor:
    """Two of everything that can be filtered by, in every combination but for the times."""
    made = [
        run(
            experiment,
            approach,
            place,
            place % 2,
            provider=provider,
            model=model,
            task=task,
            parsing_method=("regex", "manual")[place],
            parsing_confidence=0.5,
            execution_time_ms=100,
            cost_estimate=0.01,
            created_at=START + timedelta(days=place),
        )
        for experiment in ("one", "two")
        for approach in ("None", "ChainOfThought")
        for provider in ("p", "q")
        for model in ("m", "n")
        for task in ("a", "b")
        for place in (0, 1)
    ]
    return save(ResultsProcessor(migrated(request.param)), made)


KEYS: list[tuple[dict[str, Any], int]] = [
    ({}, 64),
    ({"experiment_id": "one"}, 32),
    ({"experiment_id": ["one", "two"]}, 64),
    ({"approach_name": "CoT"}, 32),
    ({"provider": "q"}, 32),
    ({"model": ["m"]}, 32),
    ({"task": "b"}, 32),
    ({"parsing_method": "regex"}, 32),
    ({"created_from": START + timedelta(days=1)}, 32),
    ({"created_to": START + timedelta(days=1)}, 32),
    ({"created_from": "2026-05-01", "created_to": "2026-05-02T00:00:00+00:00"}, 32),
    ({"created_to": "2026-05-01"}, 0),
    ({"task": []}, 0),
    ({"task": None}, 64),
    ({"experiment_id": "one", "task": "a", "provider": "p", "model": "n"}, 4),
    ({"model": "none like this"}, 0),
]


@pytest.mark.parametrize(("filters", "expected"), KEYS, ids=[str(key) for key, _ in KEYS])
def test_every_report_is_of_the_same_runs(
    filled: ResultsProcessor, filters: dict[str, Any], expected: int
) -> None:
    found = filled.generate_accuracy_report(filters)
    assert sum(variant["runs"] for variant in found["variants"]) == expected
    assert (
        sum(variant["runs"] for task in found["tasks"] for variant in task["variants"]) == expected
    )
    chosen = Filters.of(filters)
    with filled.database.read() as connection:
        costs = CostService(connection, chosen).report()
        assert sum(row.runs for row in costs.variants) == expected
        latencies = LatencyService(connection, chosen).report()
        assert sum(row.summary.n_timed for row in latencies.variants) == expected
        parsed = ParsingService(connection, chosen).report()
        assert sum(row.runs for row in parsed.methods) == expected
        failures = FailureService(connection, chosen).report()
        assert sum(row.runs for row in failures.outcomes) == expected


def test_comparisons_are_of_the_filtered_runs(filled: ResultsProcessor) -> None:
    filters = {"task": "a", "parsing_method": "regex", "provider": "p", "model": "m"}
    (pair,) = filled.compare(["one"], filters=filters).comparisons
    assert (pair.samples, pair.both_correct, pair.neither_correct) == (1, 0, 1)


def test_an_unknown_filter(processor: ResultsProcessor) -> None:
    with pytest.raises(UsageError, match="there is no filter 'aproach', 'date'") as told:
        processor.generate_accuracy_report({"aproach": "CoT", "date": "today"})
    for name in ("experiment_id", "approach_name", "parsing_method", "created_from"):
        assert name in str(told.value.hint)


@pytest.mark.parametrize("value", ["yesterday", 5, "2026-13-01"])
def test_a_time_that_is_none(processor: ResultsProcessor, value: object) -> None:
    with pytest.raises(UsageError, match="created_from"):
        processor.generate_accuracy_report({"created_from": value})
