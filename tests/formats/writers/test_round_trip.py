"""What is exported, imported into a new database and exported again is the same."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_agents_results.formats.exporting import export
from ml_agents_results.formats.importing import load
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import PARSING_METHODS, ParsingMetrics, RunRecord
from tests.formats.writers.sample_experiments import all_runs, odd, study

# Any code point, lone surrogates too; and often what formats stumble over.
TEXTS = st.one_of(
    st.text(st.characters(codec=None), max_size=20),
    st.sampled_from(["", " ", "\r", "\n", '"', "''", "\\N", "null", "NaN", "=1", "#", "\ufdd0"]),
)
NAMES = st.text(st.characters(codec=None), max_size=8)
FRACTIONS = st.floats(0, 1)
COUNTS = st.integers(0, 2**31 - 1)


def maybe(strategy: Any) -> Any:
    return st.none() | strategy


JSON = st.dictionaries(
    TEXTS,
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | TEXTS,
        lambda values: st.lists(values, max_size=3) | st.dictionaries(TEXTS, values, max_size=3),
        max_leaves=5,
    ),
    max_size=3,
)
METRICS = st.builds(
    ParsingMetrics,
    parsing_attempts=maybe(COUNTS),
    fallback_used=maybe(st.booleans()),
    confidence_score=maybe(FRACTIONS),
    extraction_time_ms=maybe(COUNTS),
    error_details=maybe(TEXTS),
)
RUNS = st.builds(
    RunRecord,
    experiment_id=st.just("exp"),
    # The short names and other spellings of known approaches are brought to one on the way in.
    approach_name=st.sampled_from(["None", "ChainOfThought", "my own \x00 approach"]),
    provider=NAMES,
    model=NAMES,
    task=NAMES,
    sample_index=st.integers(0, 5),
    repeat_index=st.integers(0, 3),
    sample_id=maybe(TEXTS),
    input_text=maybe(TEXTS),
    expected_answer=maybe(TEXTS),
    raw_output=maybe(TEXTS),
    parsed_answer=maybe(TEXTS),
    parsing_method=maybe(st.sampled_from(PARSING_METHODS)),
    parsing_confidence=maybe(FRACTIONS),
    is_correct=maybe(st.booleans()),
    score=maybe(st.floats(allow_nan=False, allow_infinity=False)),
    execution_time_ms=maybe(COUNTS),
    cost_estimate=maybe(st.floats(0, 1e9)),
    prompt_tokens=maybe(COUNTS),
    completion_tokens=maybe(COUNTS),
    created_at=st.integers(0, 10**9).map(
        lambda ms: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    ),
    metadata_json=maybe(JSON),
    parsing_metrics=maybe(METRICS),
)


def there_and_back(runs: list[RunRecord], format: str, name: str, folder: Path) -> None:
    one = ResultsProcessor(str(folder / "one.db"))
    two = ResultsProcessor(str(folder / "two.db"))
    try:
        one.save_experiment("exp", {"seed": 1}, name="n", status="completed")
        one.save_runs(runs)
        before, after = folder / "before" / name, folder / "after" / name
        for path in (before, after):
            path.parent.mkdir()
        export(one.database, "exp", before, format, metadata=False)
        load(two.database, [LogSource(before)], ImportOptions(experiment_id="exp"))
        assert all_runs(two, "exp") == all_runs(one, "exp")
        export(two.database, "exp", after, format, metadata=False)
        assert _bytes(after) == _bytes(before)
    finally:
        one.close()
        two.close()


def _bytes(path: Path) -> dict[str, bytes]:
    files = [path] if path.is_file() else sorted(path.iterdir())
    return {file.name: file.read_bytes() for file in files}


@pytest.mark.parametrize(
    ("format", "name"), [("jsonl", "runs.jsonl"), ("csv", "runs.csv"), ("csv", "folder")]
)
def test_known_texts(format: str, name: str, tmp_path: Path) -> None:
    there_and_back([*odd("exp"), *study("exp")], format, name, tmp_path)


@pytest.mark.parametrize(("format", "name"), [("jsonl", "runs.jsonl"), ("csv", "runs.csv")])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(runs=st.lists(RUNS, min_size=1, max_size=6))
def test_any_runs(format: str, name: str, runs: list[RunRecord]) -> None:
    for one in runs:
        if one.error is None and one.is_correct is None:
            one.error = one.parsed_answer
    with tempfile.TemporaryDirectory() as folder:
        there_and_back(runs, format, name, Path(folder))


def test_the_experiment_comes_along_in_csv(tmp_path: Path, processor: ResultsProcessor) -> None:
    export(processor.database, ["odd", "exp"], tmp_path / "out", "csv")
    other = ResultsProcessor(str(tmp_path / "other.db"))
    try:
        load(other.database, [LogSource(tmp_path / "out")], ImportOptions())
        for name in ("odd", "exp"):
            found, given = other.get_experiment(name), processor.get_experiment(name)
            assert (found.name, found.description, found.config_json, found.created_at) == (
                given.name,
                given.description,
                given.config_json,
                given.created_at,
            )
            assert all_runs(other, name) == all_runs(processor, name)
    finally:
        other.close()
