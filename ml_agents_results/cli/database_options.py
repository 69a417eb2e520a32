"""Options that name the database, and opening it."""

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_agents_results.cli.help_panels import DATABASE
from ml_agents_results.cli.option_groups import option
from ml_agents_results.errors import UsageError
from ml_agents_results.reports.terminal import say

if TYPE_CHECKING:
    from ml_agents_results.database.engine import Database

DB_PATH = option(
    "FILE", "SQLite file. [default: $ML_AGENTS_DB_PATH, else ./ml_agents_results.db]",
    "--db-path", panel=DATABASE,
)  # fmt: skip
DB_URL = option(
    "URL", "Database on a server: postgresql://user@host/name. [default: $ML_AGENTS_DB_URL]",
    "--db-url", panel=DATABASE,
)  # fmt: skip

_OPEN: "list[Database]" = []


@dataclass
class DatabaseOptions:
    """The database that is named, else that of the environment, else the default file."""

    db_path: str | None = DB_PATH
    db_url: str | None = DB_URL

    @property
    def given(self) -> bool:
        """Whether one is named."""
        return self.db_path is not None or self.db_url is not None

    @property
    def repeated(self) -> str:
        """The option that names it again, after a space; empty if none is named."""
        return f" {self.named().option}" if self.given else ""

    def named(self, *, create: bool = False) -> "Database":
        """The database, whatever its schema; it is closed when the command ends.

        Args:
            create: Whether a missing file is created when the database is first used.

        Raises:
            NotFoundError: There is no such file.
            UsageError: Both a file and a URL are named, or the path is impossible.
        """
        if self.db_path is not None and self.db_url is not None:
            raise UsageError("--db-path and --db-url cannot be combined", "Give one of them.")
        from ml_agents_results.config import DatabaseConfig
        from ml_agents_results.database.engine import Database

        config = DatabaseConfig.resolve(self.db_path, self.db_url)
        return closed_at_end(Database(config, create=create))

    def current(self) -> "Database":
        """The database, of the schema that this version works on.

        Raises:
            NotFoundError: There is no such database.
            SchemaError: It needs migration, or is not a results database.
        """
        from ml_agents_results.database.schema import require_current

        database = self.named()
        require_current(database)
        return database


def created(database: "Database") -> bool:
    """Whether the tables were missing and are there now, which a message says."""
    from ml_agents_results.database.manager import DatabaseManager

    if new := DatabaseManager(database).initialize_schema():
        say(f"Created the database {database}.")
    return new


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
