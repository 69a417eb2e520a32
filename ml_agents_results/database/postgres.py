"""Connections to a PostgreSQL server: bounded waits, short transactions, many processes."""

from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import NoSuchModuleError

from ml_agents_results.config import DatabaseConfig
from ml_agents_results.errors import UsageError

GRACE = 5.0
"""Seconds that a server has to say that a statement took too long, before we hang up."""


def server_engine(url: URL, config: DatabaseConfig) -> Engine:
    """An engine whose connections wait for nothing without end. What the URL says wins.

    Transactions are short and threads that write keep their connection, so a process uses as many
    as it has threads at work, keeps at most five idle, and asks whether one is alive before use.

    Raises:
        UsageError: The driver is not installed.
    """
    try:
        from ml_agents_results.database.postgres_connection import PatientConnection

        engine = create_engine(url, pool_pre_ping=True, max_overflow=-1)
    except (ImportError, NoSuchModuleError) as error:
        raise UsageError(
            "PostgreSQL needs the psycopg driver",
            "Install it with: pip install 'ml-agents-results[postgres]'",
        ) from error
    settings = _settings(config)
    limited = config.statement_timeout and "statement_timeout" not in url.query.get("options", "")
    patience = config.statement_timeout + GRACE if limited else None

    @event.listens_for(engine, "do_connect")
    def connect(
        _dialect: object, _record: object, arguments: list[Any], options: dict[str, Any]
    ) -> PatientConnection:
        further = f"{settings['options']} {options.get('options', '')}".strip()
        made = PatientConnection.connect(*arguments, **{**settings, **options, "options": further})
        made.patience = patience
        return made

    @event.listens_for(engine, "checkin")
    def checkin(connection: PatientConnection | None, _record: object) -> None:
        if connection is not None:
            connection.patience = patience

    return engine


def _settings(config: DatabaseConfig) -> dict[str, Any]:
    """What libpq is told: how long to wait for the network, for locks and for statements."""
    seconds = config.connection_timeout
    statement = max(0, int(config.statement_timeout * 1000))
    return {
        "fallback_application_name": "ml-agents",
        "connect_timeout": max(2, int(seconds)),
        "tcp_user_timeout": max(1, int(seconds * 1000)),
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        # A writer waits its turn as long as in SQLite, not for ever.
        "options": f"-c timezone=UTC -c lock_timeout={max(1, int(seconds * 1000))} "
        f"-c statement_timeout={statement}",
    }


def take_time(connection: Connection) -> None:
    """Lets the statements of this transaction take as long as they need."""
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    driver: Any = connection.connection.driver_connection
    if hasattr(driver, "patience"):
        driver.patience = None
