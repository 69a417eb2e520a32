"""Fixtures for everyone: databases with our schema, empty ones of every engine, a processor."""

import gc
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from ml_agents_results.config import DatabaseConfig
from ml_agents_results.processor import ResultsProcessor

pytest_plugins = ("tests.databases",)

# A suite that was started in the background of a script ignores interrupts, and so would the
# programs that it starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Property tests: few examples in `make test`, the same ones for the same code, so that a commit
# passes or fails for good; many new ones in `make test-examples`. Examples share a database, which
# takes as long as the machine is busy.
settings.register_profile(
    "quick",
    max_examples=6,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.register_profile(
    "thorough", settings.get_profile("quick"), max_examples=100, derandomize=False
)
settings.load_profile("quick")


def pytest_collection_finish() -> None:
    """What was imported lives as long as the process: collecting garbage need not look at it, and
    not as often as Python does."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)


def pytest_unconfigure() -> None:
    gc.unfreeze()


@pytest.fixture(autouse=True, scope="session")
def _own_signing_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Experiments are signed with a key of this run of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ML_AGENTS_DB_PATH", "ML_AGENTS_DB_URL", "ML_AGENTS_DEBUG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def db_path(migrated_file: Path, tmp_path: Path) -> Path:
    """A SQLite file with our schema and no rows."""
    return Path(shutil.copyfile(migrated_file, tmp_path / "results.db"))


@pytest.fixture
def processor(db_path: Path) -> Iterator[ResultsProcessor]:
    """A processor on a database without rows."""
    opened = ResultsProcessor(DatabaseConfig(db_path=str(db_path), backup_frequency=0))
    yield opened
    opened.close()
