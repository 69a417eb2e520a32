"""Imports result folders written by the predecessor."""

import os

from ml_agents_results.config import DatabaseConfig
from ml_agents_results.database.engine import Database
from ml_agents_results.database.manager import DatabaseManager
from ml_agents_results.formats.importing import ImportResult, load
from ml_agents_results.formats.log_source import ImportOptions, LogSource


def migrate_from_csv(
    csv_directory: str | os.PathLike[str], db_path: str | os.PathLike[str] | DatabaseConfig
) -> ImportResult:
    """Imports a folder of results, with all folders in it, into a database that is made if missing.

    It is all imported or nothing, and importing it again changes nothing. The same as
    `ml-agents import FOLDER --db-path FILE`.

    Args:
        csv_directory: Result tables of the predecessor, of any generation, with the JSON files
            next to them; a single table is enough.
        db_path: A SQLite file, a SQLAlchemy URL, or settings.

    Raises:
        InvalidFileError: It does not exist, holds no results, or a table is malformed.
    """
    source = LogSource(os.fspath(csv_directory))
    database = Database(db_path)
    try:
        DatabaseManager(database).initialize_schema()
        return load(database, [source], ImportOptions())
    finally:
        database.close()
