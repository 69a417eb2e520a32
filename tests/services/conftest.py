from collections.abc import Iterator

import pytest

from ml_agents_results.database.engine import Database
from ml_agents_results.processor import ResultsProcessor


@pytest.fixture
def store(database: Database) -> Iterator[ResultsProcessor]:
    """A processor on an empty database, once for each engine."""
    processor = ResultsProcessor(database)
    yield processor
    processor.close()
