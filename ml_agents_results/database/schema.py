"""Which schema a database has, and the way from there to ours. Alembic owns the tables."""

import re
from collections.abc import Callable, Sequence
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

State = Literal["empty", "unversioned", "behind", "current", "newer", "foreign"]


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """Where a database stands.

    Attributes:
        revision: None where it carries no version.
        head: The revision that this version works on.
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
    """The migration scripts: inside an installed package, or beside it in the repository."""
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
    """What schema the database has; changes nothing."""
    head = revisions()[-1]
    tables = set(inspect(connection).get_table_names())
    has_ours = {"experiments", "runs"} <= tables
    if "alembic_version" in tables:
        revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
        if revision is not None:
            # Other programs number their revisions, too.
            place = _place(revision, head) if has_ours else "foreign"
            return SchemaStatus(place, revision, head)
    if has_ours:
        return SchemaStatus("unversioned", None, head)
    return SchemaStatus("foreign" if tables - {"alembic_version"} else "empty", None, head)


def _place(revision: str, head: str) -> State:
    if revision == head:
        return "current"
    if revision in revisions():
        return "behind"
    return "newer" if re.fullmatch(r"\d{4}", revision) else "foreign"


def require_current(database: Database) -> None:
    """Lets only a database of our own schema pass.

    Raises:
        SchemaError: Says what the database is instead, and what helps.
    """
    with database.read() as connection:
        found = status(connection)
    if found.state != "current":
        raise refusal(found, database)


def require_migratable(connection: Connection, database: Database) -> SchemaStatus:
    """Lets only a database pass that our migrations may work on: an empty one or one of ours.

    Raises:
        SchemaError: Says what the database is instead, and what helps.
    """
    found = status(connection)
    if found.state in ("newer", "foreign", "unversioned"):
        raise refusal(found, database)
    return found


def refusal(found: SchemaStatus, database: Database) -> SchemaError:
    """What to say of a database that is not of our schema."""
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
    database: Database, revision: str = "head", *, check: Callable[[], None] | None = None
) -> SchemaStatus:
    """Brings the schema up to `revision`, all steps or none, and returns where it was before.

    `check` is called before the commit; what it raises undoes everything.

    Two processes that do this at once take turns. Nothing happens where nothing is to be done.

    Raises:
        SchemaError: The database is newer than this version, or another program's.
    """
    from alembic import command

    adopted = None
    with database.migration() as connection:
        before = status(connection)
        if before.state in ("newer", "foreign"):
            raise refusal(before, database)
        if before.state != "current":
            config = _alembic(connection)
            if before.state == "unversioned":
                adopted = _adopt(connection, config)
            counts = _counts(connection)
            command.upgrade(config, revision)
            if counts and (found := _counts(connection)) != counts:
                raise DatabaseError(
                    f"the migration would turn {counts} rows into {found}; it was undone",
                    "Check the database with: ml-agents db-check",
                )
        if check is not None:
            check()
    return replace(before, adoption=adopted)


def _adopt(connection: Connection, config: "Config") -> Adoption | None:
    """Gives a database without a version the version that it has."""
    from alembic import command

    if (revision := layouts.revision_of(connection)) is not None:
        command.stamp(config, revision)
        return None
    return rebuild(connection, lambda: command.upgrade(config, revisions()[0]))


def _counts(connection: Connection) -> dict[str, int]:
    """Rows of those tables of ours that there are."""
    present = set(inspect(connection).get_table_names())
    return {
        table: connection.execute(text(f"SELECT COUNT(*) FROM {table}")).scalar_one()
        for table in layouts.TABLES
        if table in present
    }


def downgrade(database: Database, revision: str) -> None:
    """Takes the schema back to `revision`; what only later ones can hold is lost."""
    from alembic import command

    with database.migration() as connection:
        command.downgrade(_alembic(connection), revision)


def _alembic(connection: Connection) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(scripts_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
