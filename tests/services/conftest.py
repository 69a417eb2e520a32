from collections.abc import Iterator

import pytest

from ml_agents_results.database.engine import Database
from ml_agents_results.processor import ResultsProcessor
from tests.lengths import SQLITE_FIRST


@pytest.fixture(params=SQLITE_FIRST)
def engine_name(request: pytest.FixtureRequest) -> str:
    """The engine of `database`: services read columns, which `tests/repositories` compares on
    both."""
    return str(request.param)


@pytest.fixture
def store(database: Database) -> Iterator[ResultsProcessor]:
    """A processor on an empty database, once for each engine."""
    processor = ResultsProcessor(database)
    yield processor
    processor.close()
