"""Remote files: archives and other outputs in stores that fsspec reaches, such as S3.

Nothing is sent or fetched unless a URL is named. Keys come from the environment or from the
configuration of the store's library, never from the URL.
"""

import re
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

from ml_agents_results.errors import InvalidFileError, OutputError, ResultsError, UsageError
from ml_agents_results.redaction import redact_text

_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_UNFINISHED = re.compile(r"\.ml-agents-\w+\.tmp")
"""What an export that was killed leaves in a store."""
_DATABASES = ("sqlite", "postgres")
_PACKAGES = {
    **dict.fromkeys(("s3", "s3a"), "s3fs"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("az", "abfs", "abfss"), "adlfs"),
    **dict.fromkeys(("http", "https"), "aiohttp requests"),
}
"""What fsspec reaches stores by."""


def path_here(path: str | Path) -> Path | None:
    """The path on this machine, also of `file://` URLs; None of what is in a store.

    Raises:
        UsageError: A `file://` URL names another machine.
    """
    if not isinstance(path, str) or _URL.match(path) is None:
        return Path(path)
    parts = urlsplit(path)
    if parts.scheme not in ("file", "local"):
        return None
    if parts.netloc not in ("", "localhost"):
        raise UsageError(f"{path} names the machine {parts.netloc}", "Write file:///path.")
    return Path(unquote(parts.path))


def shown_url(url: str) -> str:
    """The URL without its query, which may be a signature."""
    return url.partition("?")[0]


@contextmanager
def remote_output(url: str, *, force: bool = False) -> Iterator[BinaryIO]:
    """A binary file that is in the store, whole, when the block ends, and is not when it raises.

    It is written here, sent under a name that nothing reads, and renamed there.

    Raises:
        UsageError: The URL holds a password, or its store cannot be written.
        OutputError: The file exists and `force` is not set, or cannot be sent.
    """
    if urlsplit(url).scheme in ("http", "https"):
        raise UsageError(
            f"{shown_url(url)} is not in a store that can be written",
            "Write a file here, or in a store, such as s3://bucket/file.",
        )
    with _errors(OutputError, f"{shown_url(url)} cannot be written"):
        store, path = _opened(url)
        _require_replaceable(store, path, url, force)
    with tempfile.TemporaryFile(prefix="ml-agents-") as file:
        yield file
        file.flush()
        size = file.tell()
        file.seek(0)
        parent = str(PurePosixPath(path).parent)
        unfinished = f"{parent}/.ml-agents-{secrets.token_hex(6)}.tmp"
        with _errors(OutputError, f"{shown_url(url)} cannot be written"):
            try:
                with store.open(unfinished, "wb") as sent:
                    while block := file.read(1 << 20):
                        sent.write(block)
                if (arrived := store.info(unfinished)["size"]) != size:
                    raise OSError(f"{arrived} of {size} bytes arrived")
                store.mv(unfinished, path)
            except BaseException:
                with suppress(Exception):
                    store.rm_file(unfinished)
                raise


@contextmanager
def fetched(url: str) -> Iterator[Path]:
    """A copy of a file or folder in the store, which lasts as long as the block.

    Raises:
        UsageError: The URL holds a password, or there is no library for its store.
        InvalidFileError: There is nothing, or it cannot be fetched.
    """
    with tempfile.TemporaryDirectory(prefix="ml-agents-") as folder:
        with _errors(InvalidFileError, f"{shown_url(url)} cannot be read"):
            store, path = _opened(url)
            copy = Path(folder) / (PurePosixPath(path).name or "fetched")
            if not store.isdir(path):
                _fetch(store, path, copy)
            else:
                for file in store.find(path):
                    relative = _inside(path, file)
                    if not _UNFINISHED.fullmatch(relative.name):
                        _fetch(store, file, copy / relative)
        yield copy


def _fetch(store: Any, path: str, copy: Path) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    with store.open(path, "rb") as file, copy.open("wb") as written:
        while block := file.read(1 << 20):
            written.write(block)


def _inside(folder: str, file: str) -> PurePosixPath:
    """Where a file stands in its folder; the names in a store may be any text."""
    relative = PurePosixPath(file.removeprefix(folder).lstrip("/"))
    if ".." in relative.parts or not relative.parts or "\\" in str(relative):
        raise OSError(f"the name {file!r} leads out of the folder")
    return relative


def _opened(url: str) -> tuple[Any, str]:
    """The store of a URL, and the path in it."""
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise UsageError(
            f"the URL {parts.scheme}://... holds a user or a password",
            "Leave them out: the store's library reads them from the environment.",
        )
    if parts.scheme.startswith(_DATABASES):
        raise UsageError(
            f"{parts.scheme}:// is a database, not a file", "Name databases with --db-url."
        )
    try:
        import fsspec
    except ImportError as error:
        raise UsageError(
            "URLs of files need the package fsspec",
            "Install it with: pip install 'ml-agents-results[remote]'",
        ) from error
    try:
        store, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        package = _PACKAGES.get(parts.scheme)
        raise UsageError(
            f"{parts.scheme}:// needs a package: {error}",
            f"Install it with: pip install {package}" if package else "Install what it names.",
        ) from error
    except ValueError as error:
        raise UsageError(
            f"there is no store {parts.scheme}://", "Such as: s3://, gs://, file://"
        ) from error
    if not PurePosixPath(path).name:
        raise UsageError(f"{shown_url(url)} names no file", "Name one: s3://bucket/study.mlar")
    return store, path


def _require_replaceable(store: Any, path: str, url: str, force: bool) -> None:
    if store.isdir(path):
        raise OutputError(f"{shown_url(url)} is a folder", "Name a file inside it.")
    if store.exists(path) and not force:
        raise OutputError(
            f"{shown_url(url)} exists already", "Replace it with --force, or name another one."
        )


@contextmanager
def _errors(kind: type[OutputError | InvalidFileError], what: str) -> Iterator[None]:
    """A block in which errors of a store become errors for users, without keys."""
    try:
        yield
    except ResultsError:
        raise
    except FileNotFoundError as error:
        raise kind(f"{what}: there is no such file or bucket", "Check the URL.") from error
    except Exception as error:  # noqa: BLE001 - each store has errors of its own
        reason = redact_text(str(error)) or type(error).__name__
        raise kind(f"{what}: {reason}", "Check the URL, and the keys in the environment.") from None
