"""The care of a database: its schema, its size, the space it gives back."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import func, select

from ml_agents_results.config import DatabaseConfig
from ml_agents_results.database import schema
from ml_agents_results.database.engine import Database
from ml_agents_results.database.maintenance.backups import back_up, backup_now, restore
from ml_agents_results.database.maintenance.integrity_checks import CheckReport, check
from ml_agents_results.database.maintenance.recovery.salvage import RepairReport, repair
from ml_agents_results.database.migration_plan import MigrationPlan, plan
from ml_agents_results.database.models import Experiment, ParsingMetric, Run
from ml_agents_results.errors import DatabaseError


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

    def migrate_schema(self, *, backup: bool = True) -> schema.SchemaStatus:
        """Brings the schema up to date, all steps or none; returns where it was before.

        A database of the predecessor is adopted: the status tells how.

        Args:
            backup: Whether a SQLite file is backed up first. Such backups are never deleted
                automatically.

        Raises:
            SchemaError: The database is empty, newer than this version, or another program's.
        """
        found = self._require_migratable()
        if found.state == "current":
            return found
        made = None
        if backup and self.database.path is not None:
            made = backup_now(self.database, f"before-{found.head}")
        return replace(schema.upgrade(self.database), backup=made)

    def plan_migration(self) -> MigrationPlan:
        """What `migrate_schema` would do: its steps and its SQL. Changes nothing.

        Raises:
            SchemaError: The database is empty, newer than this version, or another program's.
        """
        return plan(self.database, self._require_migratable())

    def _require_migratable(self) -> schema.SchemaStatus:
        with self.database.read() as connection:
            found = schema.status(connection)
        if found.state in ("empty", "newer", "foreign"):
            raise schema.refusal(found, self.database)
        return found

    def backup_database(
        self,
        destination: str | os.PathLike[str],
        *,
        compress: bool | None = None,
        force: bool = False,
    ) -> int:
        """Copies a SQLite database to a file, while others may write; returns the size in bytes.

        The copy gets its name when it is complete and verified.

        Args:
            compress: Whether to pack it with gzip. By default where the name ends with `.gz`.
            force: Whether an existing file may be replaced. A database in use never is.

        Raises:
            UsageError: The destination is the database itself.
            DatabaseError: The destination is in the way or cannot be written, or the database is
                damaged, or on a server.
        """
        place = Path(destination)
        return back_up(
            self._file(),
            place,
            compress=place.suffix == ".gz" if compress is None else compress,
            force=force,
        )

    def restore_database(
        self, source: str | os.PathLike[str], *, force: bool = False
    ) -> Path | None:
        """Puts a backup in the place of this database; returns where what it replaced is kept.

        Raises:
            NotFoundError: There is no such backup.
            CorruptDatabaseError: The backup is damaged, or no database.
            SchemaError: It is a database of another program or of a newer version.
            DatabaseError: This database exists and `force` is not set, or another program has it
                open.
        """
        destination = self._file()
        self.database.close()
        return restore(Path(source), destination, force=force)

    def validate_integrity(self) -> CheckReport:
        """Checks pages, schema, references and the content of every run; changes nothing.

        Damage is in the report and never raised.

        Raises:
            NotFoundError: There is no such file.
        """
        return check(self.database)

    def repair(self, destination: str | os.PathLike[str], *, force: bool = False) -> RepairReport:
        """Saves every row that can be read of this damaged file to a new one, which is checked.

        Raises:
            UsageError: The destination is the database itself.
            CorruptDatabaseError: Nothing of ours can be read.
            DatabaseError: The destination is in the way or cannot be written.
        """
        return repair(self._file(), Path(destination), force=force)

    def _file(self) -> Path:
        if self.database.path is None:
            raise DatabaseError(
                f"{self.database} is no file that could be copied",
                "Write an archive: ml-agents export --all --output FILE.mlar",
            )
        return self.database.path

    def stats(self) -> DatabaseStats:
        """Counts and sizes."""
        with self.database.read() as connection:
            counts = [
                connection.scalar(select(func.count()).select_from(table)) or 0
                for table in (Experiment, Run, ParsingMetric)
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
