"""Database administration: create, migrate, back up, check, repair."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import func, select

from ml_agents_results.config import DatabaseConfig
from ml_agents_results.database import files, schema
from ml_agents_results.database.engine import Database
from ml_agents_results.database.location import check_file
from ml_agents_results.database.maintenance.backups import back_up, backup_now, restore
from ml_agents_results.database.maintenance.check_report import CheckReport
from ml_agents_results.database.maintenance.integrity_checks import check
from ml_agents_results.database.maintenance.recovery.repair_report import RepairReport
from ml_agents_results.database.maintenance.recovery.salvage import repair
from ml_agents_results.database.migration_plan import MigrationPlan, plan
from ml_agents_results.database.models import Experiment, Metric, ParsingMetric, Run, Score
from ml_agents_results.database.sqlite import pragma
from ml_agents_results.errors import DatabaseError, SchemaError


@dataclass(frozen=True, slots=True)
class DatabaseStats:
    """Rows and sizes of a database. Sizes are bytes; on a server, of the whole database.

    `free_bytes` is space inside the file that later runs fill first.
    """

    database: str
    engine: str
    engine_version: str
    schema_revision: str | None
    experiments: int
    runs: int
    parsing_metrics: int
    metrics: int
    scores: int
    size_bytes: int
    free_bytes: int


class DatabaseManager:
    """Database administration: create, migrate, back up, check, repair.

    Args:
        db_path: A path to a SQLite file, a SQLAlchemy URL, settings, or a Database.

    Attributes:
        db_path: The SQLite file, or the URL of a server without its password.
    """

    def __init__(self, db_path: str | os.PathLike[str] | DatabaseConfig | Database) -> None:
        self.database = db_path if isinstance(db_path, Database) else Database(db_path)
        self.db_path = str(self.database)

    @property
    def schema_version(self) -> str | None:
        """The revision of the schema, such as "0004"; None while there are no tables."""
        if self.database.path is not None and not self.database.path.exists():
            return None
        with self.database.read() as connection:
            return schema.status(connection).revision

    def initialize_schema(self) -> bool:
        """Creates the tables if there are none; returns whether it did.

        Raises:
            SchemaError: The database needs `migrate_schema`, is newer, or another program's.
        """
        path = self.database.path
        if path is not None and not path.exists():
            self.database.check_file()
            return self._create_file(path)
        with self.database.read() as connection:
            status = schema.status(connection)
        if status.state == "empty":
            return schema.upgrade(self.database).state == "empty"
        schema.require_current(self.database)
        return False

    def _create_file(self, path: Path) -> bool:
        """A new file appears with its tables or not at all, also if several processes create it."""
        try:
            with files.unfinished(path) as draft:
                settings = replace(self.database.config, db_path=str(draft), url=None)
                database = Database(settings)
                schema.upgrade(database)
                database.close()
                created = files.finish_new(draft, path)
        except OSError as error:
            raise files.failure(path, error) from error
        schema.require_current(self.database)
        return created

    def migrate_schema(
        self, from_version: str | None = None, *, backup: bool = True
    ) -> schema.SchemaStatus:
        """Brings the schema up to date, all steps or none; returns where it was before.

        A database of the predecessor is adopted; the status says how.

        Args:
            from_version: The revision that the caller expects the database to have, such as
                "0001". A version of the predecessor ("1.0.0") or None expects nothing, and a
                database that is up to date is accepted in any case.
            backup: Whether a SQLite file is backed up first. Such backups are never deleted
                automatically.

        Raises:
            SchemaError: The database has another revision than `from_version`, is empty, newer
                than this version, or another program's.
        """
        status = self._require_migratable()
        if status.state == "current":
            return status
        if from_version in schema.revisions() and status.revision != from_version:
            raise SchemaError(
                f"{self.database} has schema {status.revision}, not {from_version}",
                "Leave from_version out to migrate from whatever version there is.",
            )
        return schema.upgrade(self.database, before=self._back_up if backup else None)

    def _back_up(self, found: schema.SchemaStatus) -> Path | None:
        if self.database.path is None or found.state == "empty":
            return None
        return backup_now(self.database, f"before-{found.head}")

    def plan_migration(self) -> MigrationPlan:
        """The plan of `migrate_schema`: its steps and its SQL. Changes nothing.

        Raises:
            SchemaError: The database is empty, newer than this version, or another program's.
        """
        return plan(self.database, self._require_migratable())

    def _require_migratable(self) -> schema.SchemaStatus:
        with self.database.read() as connection:
            status = schema.status(connection)
        if status.state in ("empty", "newer", "ambiguous", "foreign"):
            raise schema.refusal(status, self.database)
        return status

    def backup_database(
        self,
        backup_path: str | os.PathLike[str],
        *,
        compress: bool | None = None,
        force: bool = False,
    ) -> int:
        """Copies a SQLite database to a file, while others may write; returns the size in bytes.

        The copy gets its name when it is complete and verified, and the mode of the database.

        Args:
            compress: Whether to pack it with gzip. By default if the name ends with `.gz`.
            force: Whether an existing file may be replaced. A database in use never is.

        Raises:
            UsageError: The destination is the database itself.
            DatabaseError: The destination is in the way or cannot be written, or the database is
                damaged, or on a server.
        """
        destination = Path(backup_path)
        return back_up(
            self._file(),
            destination,
            compress=destination.suffix == ".gz" if compress is None else compress,
            force=force,
        )

    def restore_database(
        self, source: str | os.PathLike[str], *, force: bool = False
    ) -> Path | None:
        """Replaces this database by a backup; returns where the replaced one is kept, if any.

        Raises:
            NotFoundError: There is no such backup.
            CorruptDatabaseError: The backup is damaged, or not a database.
            SchemaError: It is a database of another program or of a newer version.
            DatabaseError: This database exists and `force` is not set, or another program has it
                open.
        """
        destination = self._file()
        self.database.close()
        return restore(Path(source), destination, force=force)

    def validate_integrity(self) -> bool:
        """Whether the database is intact; `check` says what is wrong.

        Raises:
            NotFoundError: There is no such file.
        """
        return self.check().intact

    def check(self) -> CheckReport:
        """Checks pages, schema, references and the content of every run; changes nothing.

        Damage is in the report and never raised.

        Raises:
            NotFoundError: There is no such file.
        """
        if self.database.path is not None:
            check_file(self.database.path, create=False)
        return check(self.database)

    def repair(self, destination: str | os.PathLike[str], *, force: bool = False) -> RepairReport:
        """Writes every readable row of this damaged file to a new one, which is checked.

        Raises:
            UsageError: The destination is the database itself.
            CorruptDatabaseError: No experiment or run can be read.
            DatabaseError: The destination is in the way or cannot be written.
        """
        return repair(self._file(), Path(destination), force=force)

    def _file(self) -> Path:
        if self.database.path is None:
            raise DatabaseError(
                f"{self.database} is not a SQLite file and cannot be copied",
                "Write an archive: ml-agents export --all --output FILE.mlar",
            )
        return self.database.path

    def stats(self) -> DatabaseStats:
        """Counts and sizes."""
        with self.database.read() as connection:
            counts = [
                connection.scalar(select(func.count()).select_from(table)) or 0
                for table in (Experiment, Run, ParsingMetric, Metric, Score)
            ]
            size, free = self.database.backend.size(connection)
            return DatabaseStats(
                database=str(self.database),
                engine=connection.dialect.name,
                engine_version=self.database.backend.version(connection),
                schema_revision=schema.status(connection).revision,
                experiments=counts[0],
                runs=counts[1],
                parsing_metrics=counts[2],
                metrics=counts[3],
                scores=counts[4],
                size_bytes=size,
                free_bytes=free,
            )

    def reclaim(self) -> None:
        """Gives the space of deleted runs back to the disk, if `auto_vacuum` is on."""
        if self.database.is_sqlite:
            with self.database.connection() as connection:
                pragma(connection, "incremental_vacuum")
