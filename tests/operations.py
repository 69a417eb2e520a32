"""What is done to a database, each in a process of its own that can be killed."""

import os
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from ml_agents_results.database.manager import DatabaseManager
from ml_agents_results.experiments.rescoring import StoredScoring
from ml_agents_results.formats.exporting import export as write_export
from ml_agents_results.formats.importing import load
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from tests.processes import FORKING

SAVED = 200


def save(folder: Path) -> None:
    """Saves runs one by one, and notes each when it is reported saved."""
    processor = ResultsProcessor(str(folder / "r.db"))
    reported = os.open(folder / "reported", os.O_WRONLY | os.O_CREAT)
    for number in range(SAVED):
        processor.save_run(RunRecord("new", "None", number, raw_output=f"answer {number} " * 50))
        os.write(reported, b".")


def import_runs(folder: Path) -> None:
    manager = DatabaseManager(str(folder / "r.db"))
    load(
        manager.database,
        [LogSource(str(folder / "runs.jsonl"))],
        ImportOptions(experiment_id="new"),
    )


def migrate(folder: Path) -> None:
    DatabaseManager(str(folder / "r.db")).migrate_schema()


def back_up(folder: Path) -> None:
    DatabaseManager(str(folder / "r.db")).backup_database(folder / "copy.db", force=True)


def restore(folder: Path) -> None:
    DatabaseManager(str(folder / "r.db")).restore_database(folder / "backup.db", force=True)


def repair(folder: Path) -> None:
    DatabaseManager(str(folder / "r.db")).repair(folder / "copy.db", force=True)


def score(folder: Path) -> None:
    """Scores the stored answers again, as a further metric."""
    processor = ResultsProcessor(str(folder / "r.db"))
    StoredScoring(processor, "exp", "exact", name="again").run()


def export_archive(folder: Path) -> None:
    database = DatabaseManager(str(folder / "r.db")).database
    write_export(database, ["exp"], folder / "out.mlar", force=True)


def export_folder(folder: Path) -> None:
    database = DatabaseManager(str(folder / "r.db")).database
    write_export(database, ["exp"], folder / "out", "csv", force=True)


def start(name: str, folder: Path) -> ForkServerProcess:
    """Starts one of these; what they import is imported once for all."""
    process = FORKING.Process(target=globals()[name], args=(folder,))
    process.start()
    return process
