import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_agents_results.processor import ResultsProcessor
from tests.formats.writers.sample_experiments import odd, run, study


@pytest.fixture(scope="session")
def experiments_file(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with experiments to export, for copying."""
    path = shutil.copyfile(migrated_file, tmp_path_factory.mktemp("template") / "experiments.db")
    processor = ResultsProcessor(str(path))
    processor.save_experiment(
        "exp", {"dataset": "sums", "seed": 7}, name="Sums", status="completed"
    )
    processor.save_runs(study())
    processor.save_experiment("second", {}, name='it\'s "quoted"\nand\u2028/../odd 🧪')
    processor.save_runs([run("second", sample, "Reflection") for sample in range(12)])
    processor.save_experiment("odd", {"text": "\x00 \ud800"}, name="odd", description="\ud800")
    processor.save_runs(odd("odd"))
    processor.save_experiment("none", {})
    processor.save_experiment("failed", {})
    processor.save_runs(
        [
            run("failed", sample, is_correct=None, error="down", raw_output=None)
            for sample in range(3)
        ]
    )
    processor.close()
    return Path(path)


@pytest.fixture
def processor(experiments_file: Path, tmp_path: Path) -> Iterator[ResultsProcessor]:
    """Experiments: exp (two variants), second (one), odd (texts), none (no runs), failed."""
    processor = ResultsProcessor(str(shutil.copyfile(experiments_file, tmp_path / "results.db")))
    yield processor
    processor.close()
