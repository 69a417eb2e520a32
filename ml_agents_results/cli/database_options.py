"""Options that name the database, and opening it."""

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from ml_agents_results.cli.help_panels import DATABASE
from ml_agents_results.errors import UsageError
from ml_agents_results.reports.terminal import say

if TYPE_CHECKING:
    from ml_agents_results.database.engine import Database

DbPath = Annotated[
    str | None,
    typer.Option(
        "--db-path",
        metavar="FILE",
        help="SQLite file. [default: $ML_AGENTS_DB_PATH, else ./ml_agents_results.db]",
        rich_help_panel=DATABASE,
    ),
]
DbUrl = Annotated[
    str | None,
    typer.Option(
        "--db-url",
        metavar="URL",
        help="Database on a server: postgresql://user@host/name. [default: $ML_AGENTS_DB_URL]",
        rich_help_panel=DATABASE,
    ),
]

_OPEN: "list[Database]" = []


def named_database(db_path: str | None, db_url: str | None, *, create: bool = False) -> "Database":
    """The database that is named, else that of the environment, else the default file.

    Args:
        create: Whether a missing file is created when the database is first used.

    Raises:
        NotFoundError: There is no such file.
        UsageError: Both a file and a URL are named, or the path is impossible.
    """
    if db_path is not None and db_url is not None:
        raise UsageError("--db-path and --db-url cannot be combined", "Give one of them.")
    from ml_agents_results.config import DatabaseConfig
    from ml_agents_results.database.engine import Database

    return closed_at_end(Database(DatabaseConfig.resolve(db_path, db_url), create=create))


def open_database(db_path: str | None, db_url: str | None, *, create: bool = False) -> "Database":
    """The named database, of the schema that this version works on.

    Args:
        create: Whether a missing one is created, with its tables. Commands that only read never
            do that.

    Raises:
        NotFoundError: There is no such database.
        SchemaError: It needs migration, or is not a results database.
    """
    database = named_database(db_path, db_url, create=create)
    if create:
        from ml_agents_results.database.manager import DatabaseManager

        if DatabaseManager(database).initialize_schema():
            say(f"Created the database {database}.")
    else:
        from ml_agents_results.database.schema import require_current

        require_current(database)
    return database


def closed_at_end(database: "Database") -> "Database":
    """The database itself, which is closed when the command ends."""
    _OPEN.append(database)
    return database


def damage() -> tuple[str, str] | None:
    """What is wrong with an open database, and the option that names it; None if all are intact.

    For errors that nobody expected: reading what was not recorded may fail anywhere.
    """
    from ml_agents_results.database.manager import DatabaseManager

    for database in _OPEN:
        with suppress(Exception):
            report = DatabaseManager(database).check()
            if not report.intact:
                return f"{database} is damaged: {report.problems[0].message}", database.option
    return None


def close_files() -> None:
    """Closes SQLite files, which removes the journals next to them."""
    while _OPEN:
        if (database := _OPEN.pop()).is_sqlite:
            database.close()
