"""Importing into an empty database, and what came of it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.errors import ResultsError
from ml_agents_results.formats.importing import ImportResult, load
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from ml_agents_results.repositories.run_repository import RunRepository

Importer = Callable[..., tuple[ImportResult, Sequence[RunRecord]]]


@pytest.fixture
def imported(processor: ResultsProcessor) -> Importer:
    """Imports paths, and returns the result with the runs of its experiments."""

    def run(
        *paths: Path, format_name: str | None = None, dry_run: bool = False, **options: Any
    ) -> tuple[ImportResult, Sequence[RunRecord]]:
        sources = [LogSource(path) for path in paths]
        result = load(
            processor.database,
            sources,
            ImportOptions(**options),
            format_name=format_name,
            dry_run=dry_run,
        )
        with processor.database.read() as connection:
            return result, list(RunRepository(connection).iterate(result.experiments))

    return run


@pytest.fixture
def refused(imported: Importer, processor: ResultsProcessor) -> Callable[..., ResultsError]:
    """The error of an import that must fail and leave nothing behind."""

    def run(*paths: Path, **options: Any) -> ResultsError:
        with pytest.raises(ResultsError) as caught:
            imported(*paths, **options)
        with processor.database.read() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM runs").scalar() == 0
            assert connection.exec_driver_sql("SELECT count(*) FROM experiments").scalar() == 0
        assert caught.value.hint
        return caught.value

    return run
