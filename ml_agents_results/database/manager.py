"""The care of a database: its schema, its size, the space it gives back."""

from dataclasses import dataclass

from sqlalchemy import func, select

from ml_agents_results.config import DatabaseConfig
from ml_agents_results.database import schema
from ml_agents_results.database.engine import Database
from ml_agents_results.database.models import Experiment, Run, RunParsingMetrics
from ml_agents_results.errors import SchemaError


@dataclass(frozen=True, slots=True)
class DatabaseStats:
    """What a database holds. Sizes are bytes; a server tells the size of the whole database.

    `free_bytes` is space inside the file that later runs fill first.
    """

    database: str
    engine: str
    engine_version: str
    schema_revision: str | None
    experiments: int
    runs: int
    parsing_metrics: int
    size_bytes: int
    free_bytes: int


class DatabaseManager:
    """Creates, migrates and describes a database."""

    def __init__(self, database: Database | DatabaseConfig | str) -> None:
        self.database = database if isinstance(database, Database) else Database(database)

    def initialize_schema(self) -> bool:
        """Creates the tables where there are none; returns whether it did.

        Raises:
            SchemaError: The database needs `migrate_schema`, is newer, or another program's.
        """
        with self.database.read() as connection:
            found = schema.status(connection)
        if found.state == "empty":
            return schema.upgrade(self.database).state == "empty"
        schema.require_current(self.database)
        return False

    def migrate_schema(self) -> schema.SchemaStatus:
        """Brings the schema up to date, all steps or none; returns where it was before.

        Raises:
            SchemaError: The database is empty, newer than this version, or another program's.
        """
        with self.database.read() as connection:
            found = schema.status(connection)
        if found.state == "empty":
            raise SchemaError(
                f"{self.database} holds no tables yet",
                f"Create them with: ml-agents db-init {self.database.option}",
            )
        return schema.upgrade(self.database)

    def stats(self) -> DatabaseStats:
        """Counts and sizes."""
        with self.database.read() as connection:
            counts = [
                connection.scalar(select(func.count()).select_from(table)) or 0
                for table in (Experiment, Run, RunParsingMetrics)
            ]
            if self.database.is_sqlite:
                page, pages, free = (
                    connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                    for name in ("page_size", "page_count", "freelist_count")
                )
                size, unused = page * pages, page * free
                version = connection.exec_driver_sql("SELECT sqlite_version()").scalar_one()
            else:
                size = connection.scalar(select(func.pg_database_size(func.current_database())))
                unused = 0
                version = connection.exec_driver_sql("SHOW server_version").scalar_one()
            return DatabaseStats(
                database=str(self.database),
                engine=connection.dialect.name,
                engine_version=version,
                schema_revision=schema.status(connection).revision,
                experiments=counts[0],
                runs=counts[1],
                parsing_metrics=counts[2],
                size_bytes=size or 0,
                free_bytes=unused,
            )

    def reclaim(self) -> None:
        """Gives the space of deleted runs back to the disk, where `auto_vacuum` is on."""
        if self.database.is_sqlite:
            with self.database.engine.connect() as connection:
                driver = connection.connection.driver_connection
                assert driver is not None
                driver.execute("PRAGMA incremental_vacuum").fetchall()
