"""Alembic's environment: on the connection that the program hands over, or as a command.

As a command, `alembic -x db=FILE_OR_URL ...` names the database, else ML_AGENTS_DB_URL or
ML_AGENTS_DB_PATH, else ./ml_agents_results.db. `upgrade` and `downgrade` back a SQLite file up
first (`-x backup=no` leaves that out); `downgrade` refuses to lose data unless `-x lossy=yes` is
given. Commands that only read create no file.
"""

import signal
import sys
from typing import Any

from alembic import context


def stop(*_: object) -> None:
    """Ends the command as Ctrl-C does."""
    sys.stderr.write("Interrupted.\n")
    raise SystemExit(130)


HANDED_OVER = context.config.attributes.get("connection")
if HANDED_OVER is None:
    # Before everything else is imported, which takes a second.
    signal.signal(signal.SIGTERM, stop)

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from logging.config import fileConfig
from typing import Literal

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrationScript

from ml_agents_results.config import DatabaseConfig
from ml_agents_results.database import schema
from ml_agents_results.database.downgrade_losses import require_lossless
from ml_agents_results.database.engine import Database
from ml_agents_results.database.maintenance.backups import backup_now
from ml_agents_results.database.models import Base
from ml_agents_results.database.types import JsonText, LosslessText, UtcTimestamp
from ml_agents_results.errors import ResultsError, UsageError

LOG = logging.getLogger("alembic.ml_agents_results")
OPTIONS = ("db", "url", "backup", "lossy")
HINTS = re.compile(r"with --db-(?:path or --db-url|path|url)")
"""How hints name options of `ml-agents` for which Alembic's commands have -x db."""
TYPES = {
    "TEXT": 'TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")',
    "REAL": 'REAL: sa.types.TypeEngine[float] = sa.REAL().with_variant(sa.Double(), "postgresql")',
    "TIMESTAMP": "TIMESTAMP = "
    'sa.TIMESTAMP().with_variant(sa.TIMESTAMP(timezone=True), "postgresql")',
}
"""How scripts define our column types: they must not change when the package does."""


def render_item(kind: str, item: Any, autogenerate: AutogenContext) -> str | Literal[False]:
    """The name of one of TYPES, whose definition goes to the top of the script."""
    if kind != "type":
        return False
    if isinstance(item, LosslessText | JsonText | sa.Text):
        name = "TEXT"
    elif isinstance(item, UtcTimestamp | sa.TIMESTAMP):
        name = "TIMESTAMP"
    elif isinstance(item, sa.Float):
        name = "REAL"
    else:
        return False
    autogenerate.imports.add(TYPES[name])
    return name


def number(_context: object, _revision: object, scripts: list[MigrationScript]) -> None:
    """Gives a new script the next number as its id, unless --rev-id names one."""
    if option("rev_id") is None:
        for script in scripts:
            script.rev_id = f"{int(schema.revisions()[-1]) + 1:04d}"


def include_name(name: str | None, kind: str, _parents: object) -> bool:
    """Tables of others stay out of comparisons."""
    return name in Base.metadata.tables if kind == "table" else True


def run(connection: sa.Connection) -> None:
    """Runs the command in the caller's transaction, which is the only one: all steps or none."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        compare_type=True,
        transactional_ddl=True,
        include_name=include_name,
        render_item=render_item,
        process_revision_directives=number,
    )
    context.run_migrations()


def option(name: str) -> Any:
    """An option of the command line; None if there is none of that name."""
    return getattr(context.config.cmd_opts, name, None)


def command() -> str:
    """The command that is run, such as `upgrade`."""
    function = (option("cmd") or [None])[0]
    return getattr(function, "__name__", "upgrade")


def x_options() -> dict[str, str]:
    """The options after -x.

    Raises:
        UsageError: One is not known.
    """
    options = context.get_x_argument(as_dictionary=True)
    for name in options:
        if name not in OPTIONS:
            raise UsageError(
                f"-x {name} is not an option",
                "Use -x db=FILE_OR_URL, -x backup=no or -x lossy=yes.",
            )
    return {name: str(value) for name, value in options.items()}


def database_of(options: dict[str, str], *, create: bool) -> Database:
    """The database that is meant."""
    name = options.get("db") or options.get("url")
    is_url = name is not None and "://" in name
    settings = DatabaseConfig.resolve(None if is_url else name, name if is_url else None)
    return Database(settings, create=create)


@contextmanager
def changing(database: Database, options: dict[str, str]) -> Iterator[sa.Connection]:
    """The transaction of `upgrade`, `downgrade` or `stamp`, after its checks and its backup."""
    with database.migration() as connection:
        found = schema.require_migratable(connection, database)
        LOG.info("Database %s, schema %s", database, found.revision or "none yet")
        destination = str(option("revision") or "head")
        lossless = command() == "downgrade" and options.get("lossy") != "yes"
        if lossless and found.revision is not None:
            require_lossless(connection, database, found.revision, destination)
        if command() == "stamp" or found.state == "empty":
            yield connection
            return
        at_end = found.state == "current" and command() == "upgrade"
        if database.path is not None and options.get("backup") != "no" and not at_end:
            LOG.info("Backup %s", backup_now(database, f"before-{command()}"))
        if command() == "upgrade":
            with schema.rows_kept(connection):
                yield connection
        else:
            yield connection


@contextmanager
def reading(database: Database) -> Iterator[sa.Connection]:
    """The transaction of `current`, `check` and `revision --autogenerate`."""
    with database.read() as connection:
        schema.require_migratable(connection, database)
        yield connection


def main() -> None:
    """Runs the command on a database of its own."""
    if context.config.config_file_name is not None:
        fileConfig(context.config.config_file_name, disable_existing_loggers=False)
    if context.is_offline_mode():
        raise UsageError(
            "these migrations move data and need a database to run on",
            "Leave --sql out; the SQL of a migration is shown by: ml-agents db-migrate --dry-run",
        )
    options = x_options()
    if command() == "revision" and not option("autogenerate"):
        # An empty script needs no database.
        with Database(":memory:").read() as connection:
            run(connection)
    elif command() in ("upgrade", "downgrade", "stamp"):
        database = database_of(options, create=command() == "upgrade")
        with changing(database, options) as connection:
            run(connection)
        database.close()
    else:
        database = database_of(options, create=False)
        with reading(database) as connection:
            run(connection)
        database.close()


if HANDED_OVER is not None:
    run(HANDED_OVER)
else:
    try:
        main()
    except KeyboardInterrupt:
        stop()
    except ResultsError as error:
        hint = HINTS.sub("with -x db=FILE_OR_URL", error.hint or "")
        sys.stderr.write(f"Error: {error.message}\n" + (f"Hint: {hint}\n" if hint else ""))
        raise SystemExit(error.exit_code) from error
