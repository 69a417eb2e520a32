import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_agents_results.processor import ResultsProcessor
from tests.formats.writers.sample_experiments import save_experiments


@pytest.fixture(scope="session")
def experiments_file(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with experiments to export, for copying."""
    path = shutil.copyfile(migrated_file, tmp_path_factory.mktemp("template") / "experiments.db")
    processor = ResultsProcessor(str(path))
    save_experiments(processor)
    processor.close()
    return Path(path)


@pytest.fixture
def processor(experiments_file: Path, tmp_path: Path) -> Iterator[ResultsProcessor]:
    """Experiments: exp (two variants), second (one), odd (texts), none (no runs), failed."""
    processor = ResultsProcessor(str(shutil.copyfile(experiments_file, tmp_path / "results.db")))
    yield processor
    processor.close()
