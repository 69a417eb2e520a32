"""URLs and paths of databases, checked before they are opened."""

import os
import shlex
import stat
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from ml_agents_results.config import DatabaseConfig
from ml_agents_results.errors import DatabaseError, NotFoundError, UsageError

_SUPPORTED = ("sqlite", "sqlite+pysqlite", "postgresql+psycopg")
_SECRETS = ("password", "passfile", "sslpassword")


def url_of(config: DatabaseConfig) -> URL:
    """The URL of the database that the settings name.

    Raises:
        UsageError: The URL cannot be read or names an engine that is not supported.
    """
    if config.url is None:
        return URL.create("sqlite", database=os.fspath(config.db_path))
    try:
        url = make_url(config.url)
    except (ArgumentError, ValueError):
        # The cause may quote parts of the password.
        url = None
    if url is None or "@" in (url.host or ""):
        raise UsageError(
            "the database URL cannot be read",
            "It looks like postgresql+psycopg://user@host/name; in a password, @ is written %40.",
        )
    return supported(url)


def supported(url: URL) -> URL:
    """The URL with the driver that we use; raises UsageError if there is none."""
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in _SUPPORTED:
        raise UsageError(
            f"databases of the kind {url.drivername!r} are not supported",
            "Use sqlite:///FILE or postgresql+psycopg://user@host/name",
        )
    return url


def shown(url: URL) -> str:
    """The URL without its passwords."""
    return url.difference_update_query(_SECRETS).render_as_string(hide_password=True)


def file_of(url: URL) -> Path | None:
    """The SQLite file; None for a database in memory or on a server."""
    name = url.database
    if url.get_backend_name() != "sqlite" or name in (None, "", ":memory:"):
        return None
    if name.startswith("file:") and url.query.get("uri") == "true":
        parts = urlsplit(name)
        if ":memory:" in parts.path or "memory" in (url.query.get("mode"), parts.query[5:11]):
            return None
        return Path(unquote(parts.path))
    return Path(name)


def identity(path: Path) -> str:
    """The name of a file that is the same from any folder and through any link."""
    return os.path.realpath(path)


def check_file(path: Path, create: bool) -> None:
    """Checks that a path can be a database, before SQLite opens or creates the file.

    The file is not opened: closing it again would take away the locks that this process has on it
    through SQLite.

    Raises:
        NotFoundError: The file is missing and `create` is False.
        DatabaseError: It, or its folder, cannot be used.
        UsageError: No file can have this path.
    """
    if "\0" in str(path):
        raise UsageError("the path of the database contains a NUL byte", "Check where it is from.")
    name = shlex.quote(str(path))
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        if create:
            return _check_new(path)
        raise NotFoundError(
            f"there is no database at {path}",
            f"Create one with: ml-agents db-init --db-path {name}",
        ) from None
    except OSError as error:
        raise _unreadable(path, error.strerror) from error
    if stat.S_ISDIR(status.st_mode):
        raise DatabaseError(f"{path} is a folder, not a database", "Name a file inside it.")
    if not stat.S_ISREG(status.st_mode):
        raise DatabaseError(f"{path} is not a regular file", "Name another one with --db-path.")
    if not os.access(path, os.R_OK):
        raise _unreadable(path, "Permission denied")
    if not status.st_size and not create:
        raise DatabaseError(
            f"{path} is empty", f"Make it a database with: ml-agents db-init --db-path {name}"
        )
    return None


def _check_new(path: Path) -> None:
    folder = path.parent
    if not folder.is_dir():
        raise DatabaseError(
            f"the folder {folder} does not exist", f"Create it: mkdir -p {shlex.quote(str(folder))}"
        )
    if not os.access(folder, os.W_OK):
        raise DatabaseError(f"the folder {folder} is not writable", "Choose another one.")
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        # SQLite would delete it.
        raise DatabaseError(
            f"there is no database at {path}, but its log {log} holds data",
            "Put the database back under that name, or move the log away.",
        )


def _unreadable(path: Path, why: str | None) -> DatabaseError:
    return DatabaseError(f"{path} cannot be read: {why}", "Check its name and its permissions.")


def file_uri(path: Path) -> str:
    """A URI that opens the file as far as permissions allow; `path` may begin with `file:`.

    One that exists now is not created later: whoever moves it does not want an empty one there.
    """
    uri = path.absolute().as_uri()
    if not path.exists():
        return f"{uri}?mode=rwc"
    # SQLite creates files next to a database even for reading, unless it knows that nobody
    # writes. If there is a log, somebody does, and the newest runs are in there.
    can_log = path.with_name(f"{path.name}-wal").exists() or os.access(path.parent, os.W_OK)
    if os.access(path, os.W_OK) and can_log:
        return f"{uri}?mode=rw"
    return f"{uri}?mode=ro" if can_log else f"{uri}?mode=ro&immutable=1"
