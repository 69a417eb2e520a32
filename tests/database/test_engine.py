"""Opening databases: pragmas, transactions, threads, forks, engines of others."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool, StaticPool

from ml_agents_results.config import DatabaseConfig
from ml_agents_results.database import schema
from ml_agents_results.database.engine import Database
from ml_agents_results.errors import DatabaseError, NotFoundError, UsageError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from tests.databases import UNITS_OF_WORK, locator
from tests.processes import run


def pragmas(connection: Connection) -> dict[str, Any]:
    names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "auto_vacuum")
    return {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in names}


IN_FORCE = {
    "journal_mode": "wal",
    "synchronous": 2,
    "foreign_keys": 1,
    "busy_timeout": 30_000,
    "auto_vacuum": 2,
}


def test_sqlite_is_opened_for_work_that_must_last(sqlite_database: Database) -> None:
    for opened in (sqlite_database.read, sqlite_database.write):
        with opened() as connection:
            assert pragmas(connection) == IN_FORCE


def test_settings_reach_sqlite(tmp_path: Path) -> None:
    path = str(tmp_path / "r.db")
    database = Database(DatabaseConfig(db_path=path, auto_vacuum=False, connection_timeout=2.5))
    schema.upgrade(database)
    with database.read() as connection:
        found = pragmas(connection)
    assert (found["auto_vacuum"], found["busy_timeout"]) == (0, 2500)


def test_bulk_relaxes_only_its_own_connection(sqlite_database: Database) -> None:
    with sqlite_database.bulk() as connection:
        assert pragmas(connection) == {**IN_FORCE, "synchronous": 1}
        with sqlite_database.read() as other:
            assert pragmas(other) == IN_FORCE
    for _ in range(3):
        with sqlite_database.read() as one, sqlite_database.write() as two:
            assert pragmas(one) == pragmas(two) == IN_FORCE


def test_migrations_hand_back_a_connection_that_checks_foreign_keys(
    sqlite_database: Database,
) -> None:
    with sqlite_database.migration() as connection:
        assert pragmas(connection)["foreign_keys"] == 0
    with sqlite_database.read() as connection:
        assert pragmas(connection) == IN_FORCE


@pytest.mark.parametrize("opened", ["write", "bulk", "migration"])
def test_a_block_that_raises_leaves_nothing(database: Database, opened: str) -> None:
    insert = text(
        "INSERT INTO experiments (id, created_at, updated_at, status, content_digest) VALUES "
        "('e', '2026-01-01 00:00:00', '2026-01-01 00:00:00', 'running', '')"
    )
    unit = UNITS_OF_WORK[opened]
    with pytest.raises(ZeroDivisionError), unit(database) as connection:
        connection.execute(insert).rowcount / 0
    with database.read() as connection:
        assert connection.scalar(text("SELECT COUNT(*) FROM experiments")) == 0
    with unit(database) as connection:
        connection.execute(insert)
    with database.read() as connection:
        assert connection.scalar(text("SELECT COUNT(*) FROM experiments")) == 1


def test_a_reader_sees_one_state(sqlite_database: Database) -> None:
    processor = ResultsProcessor(sqlite_database)
    processor.save_experiment("e", {})
    count = text("SELECT COUNT(*) FROM runs")
    with sqlite_database.read() as connection:
        assert connection.scalar(count) == 0
        processor.save_run(RunRecord("e", "None", 0))
        assert connection.scalar(count) == 0
    with sqlite_database.read() as connection:
        assert connection.scalar(count) == 1


@pytest.mark.parametrize("name", ["plain.db", "a b?c#d%41&.db", "größe-测试.db", 'it\'s "q".db'])
def test_any_file_name_will_do(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    ResultsProcessor(str(path)).save_experiment("e", {})
    assert {p.name for p in tmp_path.iterdir()} <= {name, f"{name}-wal", f"{name}-shm"}
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT id FROM experiments").fetchall() == [("e",)]


def test_opening_a_database_twice_keeps_its_locks(sqlite_database: Database) -> None:
    """POSIX takes every lock of a process on a file away when it closes the file once."""
    try_to_write = """
        import sqlite3, sys
        try:
            sqlite3.connect(sys.argv[1], timeout=0).execute("BEGIN IMMEDIATE")
            print("taken")
        except sqlite3.OperationalError:
            print("locked")
        """
    with sqlite_database.write():
        again = Database(str(sqlite_database.path), create=False)
        schema.require_current(again)
        assert run(try_to_write, sqlite_database.path) == "locked\n"
        again.close()
        assert run(try_to_write, sqlite_database.path) == "locked\n"
    assert run(try_to_write, sqlite_database.path) == "taken\n"


def test_many_threads_share_a_database(database: Database) -> None:
    processor = ResultsProcessor(database)
    processor.save_experiment("e", {})
    failures: list[BaseException] = []
    together = threading.Barrier(24)

    def work(number: int) -> None:
        try:
            together.wait()
            for repeat in range(3):
                processor.save_run(RunRecord("e", "None", number, repeat_index=repeat))
                processor.get_runs_paginated("e", page_size=1)
            together.wait()
        except BaseException as error:  # noqa: BLE001 - to the thread that can tell
            failures.append(error)
            together.abort()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert processor.get_runs_paginated("e")["total_runs"] == 72


def test_a_forked_process_has_its_own_connections(database: Database) -> None:
    printed = run(
        """
        import gc, os, sys, traceback, warnings
        from ml_agents_results.processor import ResultsProcessor
        from ml_agents_results.records import RunRecord

        warnings.simplefilter("ignore")
        processor = ResultsProcessor(sys.argv[1])
        processor.save_experiment("e", {})
        processor.save_run(RunRecord("e", "None", 0))
        processor.generate_accuracy_report({})
        children = []
        for number in (1, 2):
            child = os.fork()
            if child == 0:
                try:
                    for repeat in range(6):
                        processor.save_run(RunRecord("e", "None", number, repeat_index=repeat))
                        processor.get_runs_paginated("e")
                        processor.generate_accuracy_report({})
                        gc.collect()
                    processor.close()
                except BaseException:
                    traceback.print_exc()
                    os._exit(1)
                os._exit(0)
            children.append(child)
        for repeat in range(6):
            processor.save_run(RunRecord("e", "None", 3, repeat_index=repeat))
            processor.get_runs_paginated("e")
        for child in children:
            if os.waitpid(child, 0)[1]:
                sys.exit("a child failed")
        processor.save_run(RunRecord("e", "None", 4))
        report = processor.generate_accuracy_report({})
        print(report["variants"][0]["runs"], processor.get_runs_paginated("e")["total_runs"])
        """,
        locator(database),
    )
    assert printed.split() == ["20", "20"]


def test_connections_that_were_lost_are_made_again(postgresql_database: Database) -> None:
    database = postgresql_database
    processor = ResultsProcessor(database)
    processor.save_experiment("e", {})
    processor.save_run(RunRecord("e", "None", 0))
    processor.get_experiment("e")
    with create_engine(database.url, poolclass=NullPool).connect() as other:
        other.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    processor.save_run(RunRecord("e", "None", 1))
    assert processor.get_runs_paginated("e")["total_runs"] == 2


class TestEnginesOfOthers:
    @pytest.mark.parametrize("options", [{}, {"poolclass": StaticPool}], ids=["default", "static"])
    def test_one_in_memory_is_used_itself(self, options: dict[str, Any]) -> None:
        engine = create_engine("sqlite://", **options)
        processor = ResultsProcessor(engine)
        processor.save_experiment("e", {"seed": 1})
        processor.save_runs([RunRecord("e", "None", i, is_correct=True) for i in range(5)])
        assert (
            processor.get_experiment_summary("e")["summary_statistics"]["variants"][0]["runs"] == 5
        )
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT COUNT(*) FROM runs")) == 5
        again = ResultsProcessor(engine)
        again.save_run(RunRecord("e", "None", 5))
        assert processor.get_runs_paginated("e")["total_runs"] == 6

    def test_one_on_a_file_is_used_itself(self, tmp_path: Path) -> None:
        path = tmp_path / "r.db"
        engine = create_engine(f"sqlite:///{path}")
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT 1")) == 1
        processor = ResultsProcessor(engine)
        assert processor.database.engine is engine
        assert processor.database.path == path
        processor.save_experiment("e", {})
        with processor.database.write() as connection:
            found = pragmas(connection)
        assert found == {**IN_FORCE, "busy_timeout": found["busy_timeout"]}
        ResultsProcessor(engine).save_run(RunRecord("e", "None", 0))
        assert ResultsProcessor(str(path)).get_runs_paginated("e")["total_runs"] == 1

    def test_one_on_a_server_is_used_itself(self, postgresql_database: Database) -> None:
        engine = create_engine(postgresql_database.url)
        processor = ResultsProcessor(engine)
        processor.save_experiment("e", {})
        processor.save_run(RunRecord("e", "None", 0))
        assert processor.database.engine is engine
        assert ResultsProcessor(postgresql_database).get_runs_paginated("e")["total_runs"] == 1
        engine.dispose()

    def test_rolling_back_works_in_them(self) -> None:
        processor = ResultsProcessor(create_engine("sqlite://"))
        processor.save_experiment("e", {})
        with pytest.raises(ZeroDivisionError), processor.database.write() as connection:
            connection.execute(text("DELETE FROM experiments")).rowcount / 0
        assert processor.get_experiment("e").id == "e"

    def test_others_than_ours_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="not supported"):
            Database(f"mysql://u@h/{tmp_path.name}")


class TestInMemory:
    def test_every_way_in_sees_the_same_data(self) -> None:
        database = Database(":memory:")
        assert database.path is None
        processor = ResultsProcessor(database)
        processor.save_experiment("e", {})
        with database.bulk() as connection:
            connection.execute(text("UPDATE experiments SET name = 'bulk'"))
        assert processor.get_experiment("e").name == "bulk"
        with pytest.raises(ZeroDivisionError), database.bulk() as connection:
            connection.execute(text("DELETE FROM experiments")).rowcount / 0
        assert processor.get_experiment("e").name == "bulk"

    def test_threads_take_turns(self) -> None:
        processor = ResultsProcessor(":memory:")
        processor.save_experiment("e", {})
        failures: list[BaseException] = []

        def work(number: int) -> None:
            try:
                for repeat in range(20):
                    processor.save_run(RunRecord("e", "None", number, repeat_index=repeat))
                    processor.get_runs_paginated("e", page_size=2)
            except BaseException as error:  # noqa: BLE001 - to the thread that can tell
                failures.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert processor.get_runs_paginated("e")["total_runs"] == 80


class TestNames:
    @pytest.mark.parametrize(
        "url",
        [
            "postgresql://user:hunter2@127.0.0.1:1/results",
            "postgresql+psycopg://user@127.0.0.1:1/results?password=hunter2",
            "postgresql://user@127.0.0.1:1/results?sslpassword=hunter2",
        ],
    )
    def test_a_password_is_never_shown(self, url: str) -> None:
        database = Database(DatabaseConfig(url=url, connection_timeout=1))
        with pytest.raises(DatabaseError, match="could not be reached") as caught:
            ResultsProcessor(database)
        for shown in (str(database), database.option, str(caught.value), str(caught.value.hint)):
            assert "hunter2" not in shown
            assert "results" in str(database)

    @pytest.mark.parametrize(
        "url",
        [
            "postgresql://user:hun@ter2@host/results",
            "postgresql://user:hunter2@host:port/results",
            "://hunter2",
            "mysql://user:hunter2@host/results",
        ],
    )
    def test_nor_where_the_url_is_wrong(self, url: str) -> None:
        with pytest.raises(UsageError) as caught:
            Database(url)
        assert "hun" not in f"{caught.value} {caught.value.hint}"

    def test_hints_can_be_pasted(self, tmp_path: Path) -> None:
        path = tmp_path / "my results.db"
        with pytest.raises(NotFoundError) as caught:
            Database(str(path), create=False)
        assert f"--db-path '{path}'" in str(caught.value.hint)
        assert Database(str(path)).option == f"--db-path '{path}'"
        assert Database(str(tmp_path / "r.db")).option == f"--db-path {tmp_path / 'r.db'}"
