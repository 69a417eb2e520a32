"""Many processes record into one file, while it is backed up and read."""

import threading
from pathlib import Path

import pytest

from ml_agents_results.database.engine import Database
from ml_agents_results.database.maintenance.backups import copy
from ml_agents_results.database.maintenance.integrity_checks import check
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.repositories.run_repository import RunRepository
from tests.lengths import short_and_long
from tests.processes import race


@pytest.mark.parametrize(("processes", "runs"), short_and_long((3, 50), (8, 500)))
def test_many_processes_a_backup_and_a_long_read(
    processor: ResultsProcessor, tmp_path: Path, processes: int, runs: int
) -> None:
    processor.save_experiment("e", {})
    database = processor.database
    assert database.path is not None
    path, done = database.path, threading.Event()
    copies: list[int] = []

    def back_up() -> None:
        while not done.is_set():
            copy(path, tmp_path / "copy.db")
            opened = Database(str(tmp_path / "copy.db"))
            with opened.read() as connection:
                copies.append(RunRepository(connection).count("e"))
            opened.close()

    backups = threading.Thread(target=back_up)
    with database.read() as long_read:
        assert RunRepository(long_read).count("e") == 0
        backups.start()
        try:
            race(
                processes,
                f"""
                from ml_agents_results.processor import ResultsProcessor
                from ml_agents_results.records import RunRecord

                processor = ResultsProcessor(sys.argv[1])
                ready()
                for place in range({runs}):
                    processor.save_run(RunRecord("e", f"by {{number}}", place, error="x" * 500))
                """,
                path,
            )
        finally:
            done.set()
            backups.join()
        # One state from its first query to its last, whoever writes.
        assert RunRepository(long_read).count("e") == 0
    assert processor.get_runs_paginated("e")["total_runs"] == processes * runs
    assert copies == sorted(copies)
    assert copies[-1] > copies[0]
    assert check(database).intact
