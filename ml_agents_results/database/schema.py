"""The schema of a database: its revision, and upgrades and downgrades by Alembic."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sqlalchemy import Connection, inspect, text

from ml_agents_results.database.engine import Database
from ml_agents_results.database.maintenance.adoption import layouts
from ml_agents_results.database.maintenance.adoption.rebuild import Adoption, rebuild
from ml_agents_results.errors import DatabaseError, SchemaError

if TYPE_CHECKING:
    from alembic.config import Config

State = Literal["empty", "unversioned", "behind", "current", "newer", "ambiguous", "foreign"]

Before = Callable[["SchemaStatus"], Path | None]
"""Called before a migration changes anything, to make a backup, whose path it returns."""

_OURS = {"experiments", "runs"}


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """The schema of a database.

    Attributes:
        revision: None if the database carries no version.
        head: The revision that this version of the program works on.
        adoption: What became of a database that carried no version, after its upgrade.
        backup: The backup that was made before the upgrade.
    """

    state: State
    revision: str | None
    head: str
    adoption: Adoption | None = None
    backup: Path | None = None


@cache
def scripts_folder() -> Path:
    """The migration scripts: inside an installed package, or next to it in the repository."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_alembic", package.parent / "alembic"):
        if (folder / "versions").is_dir():
            return folder
    raise SchemaError(
        "the migration scripts are missing from this installation",
        "Install it again: pip install --force-reinstall ml-agents-results",
    )


@cache
def revisions() -> Sequence[str]:
    """Every revision this version knows, oldest first, read from the names of the scripts."""
    names = sorted(path.name for path in (scripts_folder() / "versions").glob("[0-9]*.py"))
    return tuple(name.split("_", 1)[0] for name in names)


def status(connection: Connection) -> SchemaStatus:
    """The schema of a database; changes nothing."""
    head = revisions()[-1]
    inspector = inspect(connection)
    tables = set(inspector.get_table_names())
    if not _known_tables().isdisjoint(inspector.get_view_names()):
        # A view in place of a table can do anything, even never end.
        return SchemaStatus("foreign", None, head)
    if "alembic_version" in tables:
        versions = connection.scalars(text("SELECT version_num FROM alembic_version")).all()
        if len(versions) > 1:
            return SchemaStatus("ambiguous", ", ".join(sorted(map(str, versions))), head)
        if versions and versions[0] is not None:
            revision = str(versions[0])
            # Other programs number their revisions, too.
            state = _state_of(revision, head) if tables >= _OURS else "foreign"
            return SchemaStatus(state, revision, head)
    if tables >= _OURS:
        return SchemaStatus("unversioned", None, head)
    return SchemaStatus("foreign" if tables - {"alembic_version"} else "empty", None, head)


def _known_tables() -> set[str]:
    from ml_agents_results.database.models import Base

    return {*Base.metadata.tables, "alembic_version"}


def _state_of(revision: str, head: str) -> State:
    if revision == head:
        return "current"
    if revision in revisions():
        return "behind"
    return "newer" if re.fullmatch(r"\d{4}", revision) else "foreign"


def require_current(database: Database) -> None:
    """Raises SchemaError unless the database has the schema that this version works on, and
    nothing in it changes what is read."""
    from ml_agents_results.database.foreign_objects import require_own

    with database.read() as connection:
        current = status(connection)
        if current.state == "current":
            require_own(connection, str(database), database.option, to_write=False)
    if current.state != "current":
        raise refusal(current, database)


def require_migratable(connection: Connection, database: Database) -> SchemaStatus:
    """The status of a database that our migrations may change: an empty one, or one that they made.

    Raises:
        SchemaError: It is another program's, newer, or carries no version.
    """
    current = status(connection)
    if current.state in ("newer", "ambiguous", "foreign", "unversioned"):
        raise refusal(current, database)
    return current


def refusal(found: SchemaStatus, database: Database) -> SchemaError:
    """The error for a database that does not have the schema of this version."""
    option = database.option
    match found.state:
        case "empty":
            return SchemaError(
                f"{database} holds no tables yet", f"Create them with: ml-agents db-init {option}"
            )
        case "behind":
            return SchemaError(
                f"{database} has schema {found.revision}, this version works on {found.head}",
                f"Bring it up to date with: ml-agents db-migrate {option}",
            )
        case "unversioned":
            return SchemaError(
                f"{database} has tables of experiments but no schema version",
                f"Adopt it with: ml-agents db-migrate {option}",
            )
        case "ambiguous":
            return SchemaError(
                f"{database} has several schema versions: {found.revision}",
                "Restore a backup with: ml-agents db-restore",
            )
        case "newer":
            return SchemaError(
                f"{database} has schema {found.revision}, made by a newer version than this one "
                f"(which knows up to {found.head})",
                "Update with: pip install --upgrade ml-agents-results",
            )
        case _:
            return SchemaError(
                f"{database} belongs to another program"
                + (f" (schema {found.revision!r})" if found.revision else ""),
                "Name another database with --db-path or --db-url.",
            )


def purposes() -> list[tuple[str, str]]:
    """Revision and first line of every migration script, oldest first."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(scripts_folder())).walk_revisions()
    return [(script.revision, script.doc) for script in reversed(list(scripts))]


def upgrade(
    database: Database,
    revision: str = "head",
    *,
    before: Before | None = None,
    check: Callable[[], None] | None = None,
) -> SchemaStatus:
    """Brings the schema up to `revision`, all steps or none, and returns where it was before.

    Two processes that do this at once take turns. Nothing happens if nothing is to be done.

    Args:
        before: Makes a backup. It runs when the database is locked for others' writes, so that
            the backup holds what the migration starts from.
        check: Called before the commit; what it raises undoes everything.

    Raises:
        SchemaError: The database is newer than this version, or another program's.
    """
    from alembic import command

    adopted = backup = None
    with database.migration() as connection:
        start = status(connection)
        if start.state in ("newer", "ambiguous", "foreign"):
            raise refusal(start, database)
        if start.state != "current":
            if before is not None:
                backup = before(start)
            config = _alembic(connection)
            if start.state == "unversioned":
                adopted = _adopt(connection, config)
            with rows_kept(connection):
                command.upgrade(config, revision)
        if check is not None:
            check()
    return replace(start, adoption=adopted, backup=backup)


def create(connection: Connection) -> None:
    """Creates the tables inside the transaction of a connection."""
    from alembic import command

    command.upgrade(_alembic(connection), "head")


def _adopt(connection: Connection, config: "Config") -> Adoption | None:
    """Gives a database without a version the version that it has."""
    from alembic import command

    if (revision := layouts.revision_of(layouts.columns_of(connection))) is not None:
        command.stamp(config, revision)
        return None
    return rebuild(connection, lambda: command.upgrade(config, revisions()[0]))


@contextmanager
def rows_kept(connection: Connection) -> Iterator[None]:
    """Raises DatabaseError if the block changed the numbers of rows."""
    before = _counts(connection)
    yield
    if before and (after := _counts(connection)) != before:
        raise DatabaseError(
            f"the migration would turn {before} rows into {after}; it was undone",
            "Check the database with: ml-agents db-check",
        )


def _counts(connection: Connection) -> dict[str, int]:
    """Rows of those tables of revision 0001 that exist."""
    present = set(inspect(connection).get_table_names())
    return {
        table: connection.execute(text(f"SELECT COUNT(*) FROM {table}")).scalar_one()
        for table in layouts.TABLES
        if table in present
    }


def downgrade(database: Database, revision: str, *, lossy: bool = False) -> None:
    """Takes the schema back to `revision`.

    Args:
        lossy: Whether data that the older schema cannot hold may be lost.

    Raises:
        SchemaError: Data would be lost and `lossy` is not set; the message says which.
    """
    from alembic import command

    from ml_agents_results.database.downgrade_losses import require_lossless

    with database.migration() as connection:
        current = require_migratable(connection, database)
        config = _alembic(connection)
        if not lossy and current.revision is not None:
            require_lossless(connection, database, current.revision, revision)
        command.downgrade(config, revision)


def _alembic(connection: Connection) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(scripts_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
