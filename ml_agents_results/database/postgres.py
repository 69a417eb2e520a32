"""PostgreSQL: bounded waits for the server, for locks and for statements."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn, Ping
from sqlalchemy import URL, Connection, Engine, create_engine, event, text

from ml_agents_results.config import DatabaseConfig
from ml_agents_results.database.dialects import Backend

GRACE = 5.0
"""Seconds that a server gets to report a statement timeout before we disconnect."""

START = 3.0
"""Seconds that a server gets to start listening."""

_ADDRESS = ("host", "hostaddr", "port", "dbname", "user", "connect_timeout")

_MANY, _MUCH = 1000, 0.1
"""From how many changed runs on, and from which share of all, statistics are renewed."""

MIGRATION_LOCK = 7_305_118
"""The advisory lock that lets one process migrate at a time."""


class PatientConnection(psycopg.Connection[Any]):
    """Waits `patience` seconds for each answer of the server; None waits forever.

    The server's own statement timeout does not help if the server itself hangs, and keepalives do
    not either.
    """

    patience: float | None = None

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        limit = self.patience if timeout is None else timeout
        start = time.monotonic()
        try:
            return super().wait(gen, interval=interval, timeout=limit)
        except psycopg.OperationalError as error:
            if limit is None or error.sqlstate is not None or time.monotonic() - start < limit:
                raise
            # A late answer would be read as that of the next statement.
            self.pgconn.finish()
            raise psycopg.OperationalError(f"no answer for {limit:g} s") from error


class PostgresBackend(Backend):
    """A database on a PostgreSQL server."""

    def __init__(self, url: URL, config: DatabaseConfig) -> None:
        self._url = url
        self._config = config

    def create_engine(self) -> Engine:
        """An engine whose connections have bounded waits. Options in the URL take precedence.

        Transactions are short and threads that write keep their connection, so a process uses as
        many as it has threads at work, keeps at most five idle, and checks one before use.
        """
        engine = create_engine(self._url, pool_pre_ping=True, max_overflow=-1)
        settings = self._settings()
        timeout = self._config.statement_timeout
        limited = timeout and "statement_timeout" not in self._url.query.get("options", "")
        patience = timeout + GRACE if limited else None

        @event.listens_for(engine, "do_connect")
        def connect(
            _dialect: object, _record: object, arguments: list[Any], options: dict[str, Any]
        ) -> PatientConnection:
            merged = f"{settings['options']} {options.get('options', '')}".strip()
            parameters = {**settings, **options, "options": merged}
            connection = _connected(arguments, parameters, self._config.connection_timeout)
            connection.patience = patience
            return connection

        @event.listens_for(engine, "checkin")
        def checkin(connection: PatientConnection | None, _record: object) -> None:
            if connection is not None:
                connection.patience = patience

        return engine

    def _settings(self) -> dict[str, Any]:
        """Parameters of libpq: how long to wait for the network, for locks and for statements."""
        seconds = self._config.connection_timeout
        milliseconds = max(1, int(seconds * 1000))
        statement = max(0, int(self._config.statement_timeout * 1000))
        return {
            "fallback_application_name": "ml-agents",
            "connect_timeout": max(2, int(seconds)),
            "tcp_user_timeout": milliseconds,
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            # A writer waits its turn as long as in SQLite, not forever.
            "options": f"-c timezone=UTC -c lock_timeout={milliseconds} "
            f"-c statement_timeout={statement}",
        }

    @contextmanager
    def bulk(self, connection: Connection) -> Iterator[None]:
        with connection.begin():
            _lift_timeout(connection)
            yield

    @contextmanager
    def migration(self, connection: Connection) -> Iterator[None]:
        with connection.begin():
            _lift_timeout(connection)
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            yield

    def version(self, connection: Connection) -> str:
        return str(connection.exec_driver_sql("SHOW server_version").scalar_one())

    def size(self, connection: Connection) -> tuple[int, int]:
        size = connection.scalar(text("SELECT pg_database_size(current_database())"))
        return size or 0, 0


def _connected(
    arguments: list[Any], parameters: dict[str, Any], seconds: float
) -> PatientConnection:
    """A connection; a server that is starting is waited for, `seconds` at most.

    One that does not listen at all gets less time: it may be the wrong address.
    """
    began = time.monotonic()
    patience = {Ping.REJECT: seconds, Ping.NO_RESPONSE: min(seconds, START)}
    while True:
        attempted = time.monotonic()
        try:
            return PatientConnection.connect(*arguments, **parameters)
        except psycopg.OperationalError as error:
            now = time.monotonic()
            # Without a code no session began, for reasons that libpq can look into; not where
            # the network was waited for.
            if error.sqlstate is not None or now - attempted > 1:
                raise
            address = {name: parameters[name] for name in _ADDRESS if name in parameters}
            answer = PGconn.ping(make_conninfo(*arguments, **address).encode())
            if now - began >= patience.get(Ping(answer), 0):
                raise
        time.sleep(0.1)


def state(connection: Connection) -> str:
    """A value that changes whenever anybody commits: the snapshot that a new transaction sees."""
    return str(connection.scalar(text("SELECT pg_current_snapshot()::text")))


def analyze(connection: Connection, changed: int) -> None:
    """Renews the planner's statistics of the tables that imports fill, where `changed` runs are
    many: as autovacuum would a minute later, until which plans are those of small tables.

    A table whose owner is another, or that is being analysed already, is left to autovacuum.
    """
    of_runs = text("SELECT reltuples FROM pg_class WHERE oid = 'runs'::regclass")
    if changed >= max(_MANY, _MUCH * (connection.scalar(of_runs) or 0)):
        connection.execute(text("ANALYZE (SKIP_LOCKED) runs, parsing_metrics, scores"))


def _lift_timeout(connection: Connection) -> None:
    """Lets the statements of this transaction take as long as they need."""
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    driver: Any = connection.connection.driver_connection
    if hasattr(driver, "patience"):
        driver.patience = None
