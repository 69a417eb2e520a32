"""What the commands share: options, the database, and how results reach the reader."""

import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml_agents_results.errors import NotFoundError, UsageError
from ml_agents_results.records import SCHEMA_VERSION
from ml_agents_results.reports.terminal import json_printable, say

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ml_agents_results.database.engine import Database

DbPath = Annotated[
    str | None,
    typer.Option(
        "--db-path",
        metavar="FILE",
        help="The SQLite file. [default: $ML_AGENTS_DB_PATH, else ./ml_agents_results.db]",
    ),
]
DbUrl = Annotated[
    str | None,
    typer.Option(
        "--db-url",
        metavar="URL",
        help="A database on a server: postgresql://user@host/name. [default: $ML_AGENTS_DB_URL]",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document, and nothing else, to stdout.")
]
ExperimentId = Annotated[
    str,
    typer.Option(
        "--experiment-id",
        metavar="ID",
        help="An experiment: its id, the beginning of it, its name, or `latest`.",
    ),
]
_IDS = typer.Option(
    "--experiment-ids",
    "--experiment-id",
    metavar="ID,...",
    help="Experiments: ids, their beginnings, names or `latest`, with commas or repeated.",
)
ExperimentIds = Annotated[list[str], _IDS]
OptionalExperimentIds = Annotated[list[str] | None, _IDS]
_SURROGATE = re.compile("[\ud800-\udfff]")
Output = Annotated[
    str,
    typer.Option("--output", metavar="FILE", help="Where to write; `-` is standard output."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace the output where it exists.")]


def named_database(db_path: str | None, db_url: str | None, *, create: bool = False) -> "Database":
    """The database that is named, else that of the environment, else the default file.

    Args:
        create: Whether a missing file is created when the database is first used.

    Raises:
        NotFoundError: There is no such file.
        UsageError: Both a file and a URL are named.
    """
    if db_path is not None and db_url is not None:
        raise UsageError("--db-path and --db-url name two databases", "Give one of them.")
    from ml_agents_results.config import DatabaseConfig
    from ml_agents_results.database.engine import Database

    return closed_at_end(Database(DatabaseConfig.resolve(db_path, db_url), create=create))


_OPEN: "list[Database]" = []


def closed_at_end(database: "Database") -> "Database":
    """The database itself, which is closed when the command ends."""
    _OPEN.append(database)
    return database


def close_files() -> None:
    """Closes SQLite files, which removes the journals beside them."""
    while _OPEN:
        if (database := _OPEN.pop()).is_sqlite:
            database.close()


def open_database(db_path: str | None, db_url: str | None, *, create: bool = False) -> "Database":
    """The named database, of the schema that this version works on.

    Args:
        create: Whether a missing one is created, with its tables. Commands that only read never
            do that.

    Raises:
        NotFoundError: There is no such database.
        SchemaError: It needs migration, or is not ours.
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


def resolve_ids(connection: "Connection", values: Sequence[str]) -> list[str]:
    """The ids of the experiments that are meant, each once, in the order they were given.

    Raises:
        NotFoundError: One is unknown or ambiguous; the hint names the nearest.
    """
    found: dict[str, None] = {}
    for value in values:
        for reference in _references(connection, value):
            found[resolve_id(connection, reference)] = None
    if not found:
        raise _no_reference()
    return list(found)


def listed(values: list[str] | None) -> list[str]:
    """The parts of a repeatable option that also takes commas.

    Raises:
        UsageError: It was given and names nothing: an empty shell variable must not mean all.
    """
    parts = [part for value in values or () for part in _split(value)]
    if values and not parts:
        raise UsageError(
            f"{', '.join(map(repr, values))} names nothing",
            "Give names with commas between them, or leave the option out.",
        )
    return parts


def _split(value: str) -> list[str]:
    return [part for part in map(str.strip, value.split(",")) if part]


def _references(connection: "Connection", value: str) -> list[str]:
    """A comma list taken apart; but names may hold commas."""
    if "," in value:
        try:
            resolve_id(connection, value)
        except NotFoundError:
            return _split(value)
    return [value]


def resolve_id(connection: "Connection", value: str) -> str:
    """The id of the one experiment that is meant; see `resolve_ids`."""
    from ml_agents_results.repositories.experiment_repository import ExperimentRepository

    # Every id begins with nothing: an empty shell variable must not mean the only experiment.
    if not value.strip():
        raise _no_reference()
    require_utf8(value)
    return ExperimentRepository(connection).resolve(value)


def every_id(connection: "Connection") -> list[str]:
    """The ids of all experiments, sorted.

    Raises:
        NotFoundError: There are none.
    """
    from ml_agents_results.repositories.experiment_repository import ExperimentRepository

    if not (ids := ExperimentRepository(connection).ids()):
        raise NotFoundError(
            "the database holds no experiments", "Import some with: ml-agents import FILE"
        )
    return list(ids)


def _no_reference() -> UsageError:
    return UsageError("no experiment is named", "See: ml-agents list")


def require_utf8(value: str) -> None:
    """Refuses an argument that was not UTF-8; no id is like that, and no database takes it.

    Raises:
        UsageError: It holds lone surrogates, by which Python passes undecodable bytes on.
    """
    if _SURROGATE.search(value):
        raise UsageError(f"{value!r} is not UTF-8", "Check the encoding of your terminal.")


def json_bytes(document: dict[str, Any]) -> bytes:
    """The document as JSON in UTF-8 with `schema_version` first, ended by a line feed.

    Raises:
        ValueError: The document holds NaN or Infinity.
    """
    text = json.dumps(
        {"schema_version": SCHEMA_VERSION, **document},
        ensure_ascii=False,
        allow_nan=False,
        indent=2,
        default=_json_value,
    )
    return json_printable(text).encode() + b"\n"


def _json_value(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    raise TypeError(f"a {type(value).__name__} has no JSON form")


def emit_json(document: dict[str, Any]) -> None:
    """Prints the document to stdout; see `json_bytes`."""
    sys.stdout.flush()
    sys.stdout.buffer.write(json_bytes(document))


def moment(time: datetime) -> str:
    """A time in UTC as tables show it."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def file_size(count: float) -> str:
    """Bytes as people read them: 1536 is `1.5 KiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


@contextmanager
def progress(description: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A bar on stderr, where that is a terminal; the block calls what it is given to advance it.

    Args:
        total: How many steps there are; None where that is not known.
    """
    if not sys.stderr.isatty():
        yield lambda _steps: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(description, total=total)
        yield lambda steps: bars.advance(task, steps)
