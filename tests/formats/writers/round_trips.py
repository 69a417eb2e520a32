"""Runs of any kind, exported and read back into another database."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from ml_agents_results.formats.exporting import export
from ml_agents_results.formats.importing import load
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import PARSING_METHODS, ParsingMetrics, RunRecord
from tests.formats.writers.sample_experiments import all_runs

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
ANY_RUN = st.builds(
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
    cost_estimate=maybe(st.floats(0, 1e6)),
    prompt_tokens=maybe(COUNTS),
    completion_tokens=maybe(COUNTS),
    created_at=st.integers(0, 10**9).map(
        lambda ms: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    ),
    metadata_json=maybe(JSON),
    parsing_metrics=maybe(METRICS),
)


NO_ERRORS = ("", "[]", "{}")
"""In files of others an `error` like this says that nothing went wrong, and is read as none."""


def _some_failed(run: RunRecord) -> RunRecord:
    if run.error is None and run.is_correct is None and run.parsed_answer not in NO_ERRORS:
        run.error = run.parsed_answer
    return run


ANY_RUNS = st.lists(ANY_RUN.map(_some_failed), min_size=1, max_size=6)


@contextmanager
def opened(migrated_file: Path, path: Path) -> Iterator[ResultsProcessor]:
    """A processor on a new database."""
    processor = ResultsProcessor(str(shutil.copyfile(migrated_file, path)))
    try:
        yield processor
    finally:
        processor.close()


def same_experiment(one: ResultsProcessor, other: ResultsProcessor, experiment_id: str) -> None:
    """Asserts that both databases hold the experiment with the same runs."""
    assert all_runs(other, experiment_id) == all_runs(one, experiment_id)
    first, second = one.get_experiment(experiment_id), other.get_experiment(experiment_id)
    for field in ("name", "description", "config_json", "created_at"):
        assert getattr(second, field) == getattr(first, field), field


def odd_experiments_come_back(
    processor: ResultsProcessor, migrated_file: Path, folder: Path, format: str, name: str
) -> None:
    """The experiments of the fixture, all that is odd among them, in another database."""
    names = ["exp", "odd", "second", "failed"]
    export(processor.database, names, folder / name, format)
    with opened(migrated_file, folder / "other.db") as other:
        load(other.database, [LogSource(folder / name)], ImportOptions())
        again = load(other.database, [LogSource(folder / name)], ImportOptions())
        assert again.skipped == again.read
        for experiment_id in names:
            same_experiment(processor, other, experiment_id)


def any_runs_come_back(
    runs: Sequence[RunRecord], migrated_file: Path, format: str, name: str
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        with (
            opened(migrated_file, folder / "one.db") as one,
            opened(migrated_file, folder / "two.db") as two,
        ):
            save_study(one, runs)
            export(one.database, "exp", folder / name, format)
            load(two.database, [LogSource(folder / name)], ImportOptions())
            assert all_runs(two, "exp") == all_runs(one, "exp")


def the_same_bytes_come_back(
    runs: Sequence[RunRecord], migrated_file: Path, format: str, name: str
) -> None:
    """Exported, imported and exported again."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        before, after = folder / "before" / name, folder / "after" / name
        for path in (before, after):
            path.parent.mkdir()
        with (
            opened(migrated_file, folder / "one.db") as one,
            opened(migrated_file, folder / "two.db") as two,
        ):
            save_study(one, runs)
            export(one.database, "exp", before, format, metadata=False)
            load(two.database, [LogSource(before)], ImportOptions(experiment_id="exp"))
            assert all_runs(two, "exp") == all_runs(one, "exp")
            export(two.database, "exp", after, format, metadata=False)
        assert _bytes(after) == _bytes(before)


def save_study(processor: ResultsProcessor, runs: Sequence[RunRecord]) -> None:
    processor.save_experiment("exp", {"seed": 1}, name="n", status="completed")
    processor.save_runs(runs)


def _bytes(path: Path) -> dict[str, bytes]:
    files = [path] if path.is_file() else sorted(path.iterdir())
    return {file.name: file.read_bytes() for file in files}
