"""What is done to a database, each in a process of its own that can be killed."""

import os
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from ml_agents_results.database.engine import Database
from ml_agents_results.database.manager import DatabaseManager
from ml_agents_results.experiments.rescoring import StoredScoring
from ml_agents_results.formats.exporting import export as write_export
from ml_agents_results.formats.importing import load
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from ml_agents_results.viewer.store import Store
from tests.processes import FORKING
from tests.viewer.conftest import client_of

SAVED = 200
GRADED = 30


def located(folder: Path) -> str:
    """The database of a folder: `r.db`, or the one on a server whose URL is in the file `url`."""
    url = folder / "url"
    return url.read_text(encoding="utf-8") if url.exists() else str(folder / "r.db")


def note_of(number: int) -> str:
    """What is written about the run at a place of the queue."""
    return f"note {number} " * 50


def save(folder: Path) -> None:
    """Saves runs one by one, and notes each when it is reported saved."""
    processor = ResultsProcessor(located(folder))
    reported = os.open(folder / "reported", os.O_WRONLY | os.O_CREAT)
    for number in range(SAVED):
        processor.save_run(RunRecord("new", "None", number, raw_output=f"answer {number} " * 50))
        os.write(reported, b".")


def import_runs(folder: Path) -> None:
    manager = DatabaseManager(located(folder))
    load(
        manager.database,
        [LogSource(str(folder / "runs.jsonl"))],
        ImportOptions(experiment_id="new"),
    )


def migrate(folder: Path) -> None:
    DatabaseManager(located(folder)).migrate_schema()


def back_up(folder: Path) -> None:
    DatabaseManager(located(folder)).backup_database(folder / "copy.db", force=True)


def restore(folder: Path) -> None:
    DatabaseManager(located(folder)).restore_database(folder / "backup.db", force=True)


def repair(folder: Path) -> None:
    DatabaseManager(located(folder)).repair(folder / "copy.db", force=True)


def score(folder: Path) -> None:
    """Scores the stored answers again, as a further metric."""
    processor = ResultsProcessor(located(folder))
    StoredScoring(processor, "exp", "exact", name="again").run()


def grade(folder: Path) -> None:
    """Grades the runs of a queue in the viewer, and notes each when it is reported stored."""
    reported = os.open(folder / "reported", os.O_WRONLY | os.O_CREAT)
    with client_of(Store(Database(located(folder)))) as client:
        for at in range(1, GRADED + 1):
            said = {"value": at % 2, "note": note_of(at), "tags": ["a", "b"]}
            body = {"queue": 1, "at": at, "author": "ada", **said}
            assert client.post("/grade", json=body).status_code == 200
            os.write(reported, b".")


def export_archive(folder: Path) -> None:
    database = DatabaseManager(located(folder)).database
    write_export(database, ["exp"], folder / "out.mlar", force=True)


def export_folder(folder: Path) -> None:
    database = DatabaseManager(located(folder)).database
    write_export(database, ["exp"], folder / "out", "csv", force=True)


def start(name: str, folder: Path) -> ForkServerProcess:
    """Starts one of these; what they import is imported once for all."""
    process = FORKING.Process(target=globals()[name], args=(folder,))
    process.start()
    return process
