"""Exports to other tools' formats, read back."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ml_agents_results.formats.exporting import export
from ml_agents_results.formats.importing import load
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from tests.formats.writers.sample_experiments import all_runs
from tests.formats.writers.test_round_trip import RUNS


def comes_back(processor: ResultsProcessor, folder: Path, format: str, name: str) -> None:
    """The experiments of the fixture, all that is odd among them, in another database."""
    names = ["exp", "odd", "second", "failed"]
    export(processor.database, names, folder / name, format)
    other = ResultsProcessor(str(folder / "other.db"))
    try:
        load(other.database, [LogSource(folder / name)], ImportOptions())
        again = load(other.database, [LogSource(folder / name)], ImportOptions())
        assert again.skipped == again.read
        for experiment_id in names:
            assert all_runs(other, experiment_id) == all_runs(processor, experiment_id)
            found = other.get_experiment(experiment_id)
            given = processor.get_experiment(experiment_id)
            assert (found.name, found.description, found.config_json, found.created_at) == (
                given.name,
                given.description,
                given.config_json,
                given.created_at,
            )
    finally:
        other.close()


def there_and_back(format: str, name: str) -> None:
    """Runs of any kind."""

    @settings(
        max_examples=20,
        deadline=None,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(runs=st.lists(RUNS, min_size=1, max_size=6))
    def check(runs: Sequence[RunRecord]) -> None:
        for one in runs:
            if one.error is None and one.is_correct is None:
                one.error = one.parsed_answer
        with tempfile.TemporaryDirectory() as folder:
            _there_and_back(runs, format, Path(folder), name)

    check()


def _there_and_back(runs: Sequence[RunRecord], format: str, folder: Path, name: str) -> None:
    one = ResultsProcessor(str(folder / "one.db"))
    two = ResultsProcessor(str(folder / "two.db"))
    try:
        one.save_experiment("exp", {"seed": 1}, name="n", status="completed")
        one.save_runs(runs)
        export(one.database, "exp", folder / name, format)
        load(two.database, [LogSource(folder / name)], ImportOptions())
        assert all_runs(two, "exp") == all_runs(one, "exp")
    finally:
        one.close()
        two.close()
