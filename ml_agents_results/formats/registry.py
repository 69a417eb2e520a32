"""The formats by name: what reads and what writes each of them.

A format that can be imported is a module (or object) with two functions, and a third if a path can
stand for several logs::

    def sniff(path: Path) -> bool
        Whether the file or folder looks like this format; looks at its beginning only.

    def open(source: LogSource, options: ImportOptions) -> ContextManager[Log]
        The log, opened once: its experiments, its metrics and its runs.

    def parts(path: Path) -> Sequence[Path]
        The files or folders to open for a path that `sniff` accepts.

A format that can be exported has `PARTS` and `write`, see `Writer`; one that writes folders, see
`FolderWriter`.

Other packages add formats with entry points of the group `ml_agents_results.formats`: the name of
the entry point is that of the format, its value the module. A module that has all of these
functions is both read and written.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol, cast

from ml_agents_results.errors import UsageError

if TYPE_CHECKING:
    from ml_agents_results.formats.log import Log
    from ml_agents_results.formats.log_source import ImportOptions, LogSource
    from ml_agents_results.formats.snapshot import ExportOptions, Snapshot

ENTRY_POINTS = "ml_agents_results.formats"

GENERIC = "runs"
"""The format that is asked last: with `--map` it reads files of any program."""

WHOLE = ("archive", "database")
"""Formats that hold whole databases: read when they are named, never picked out of a folder."""


class Reader(Protocol):
    """A format that can be imported."""

    def sniff(self, path: Path, /) -> bool: ...

    def open(
        self, source: "LogSource", options: "ImportOptions", /
    ) -> "AbstractContextManager[Log]": ...


class Writer(Protocol):
    """A format that can be exported. PARTS are those of `snapshot.PARTS` that it can write."""

    PARTS: tuple[str, ...]

    def write(self, snapshot: "Snapshot", file: BinaryIO, /) -> None:
        """Writes to one file."""


class FolderWriter(Writer, Protocol):
    """A format that may also write a folder. FOLDER_ENTRY matches the names of what is in it."""

    FOLDER_ENTRY: str

    def is_folder(self, path: Path, options: "ExportOptions", /) -> bool:
        """Whether this output is a folder."""

    def write_folder(self, snapshot: "Snapshot", folder: Path, /) -> None:
        """Writes into an empty folder."""


class _Format(NamedTuple):
    """The modules of a format, or objects in them, and the extension that selects it."""

    reader: str | None = None
    writer: str | None = None
    suffix: str | None = None


_FORMATS = {
    "archive": _Format("archive_reader", "archive_writer", ".mlar"),
    "database": _Format("database_file"),
    "inspect": _Format("inspect_reader", "inspect_writer"),
    "lm-eval": _Format("lm_eval"),
    "promptfoo": _Format("promptfoo"),
    "helm": _Format("helm"),
    "openai-evals": _Format("openai_evals"),
    "eee": _Format("every_eval_ever_reader", "every_eval_ever_writer"),
    "legacy": _Format("legacy_csv"),
    GENERIC: _Format("runs_file"),
    "excel": _Format(None, "excel_workbook", ".xlsx"),
    "csv": _Format(None, "csv_writer", ".csv"),
    "json": _Format(None, "json_document", ".json"),
    "jsonl": _Format(None, "jsonl_writer", ".jsonl"),
    "parquet": _Format(None, "parquet_writer", ".parquet"),
    "huggingface": _Format(None, "hugging_face_writer"),
    "markdown": _Format(None, "paper_tables:MARKDOWN", ".md"),
    "latex": _Format(None, "paper_tables:LATEX", ".tex"),
    "html": _Format(None, "html_report", ".html"),
}
"""If two formats could read a file, the first one does."""

READERS = tuple(name for name, known in _FORMATS.items() if known.reader)
"""The formats of this package that can be imported."""

WRITERS = tuple(name for name, known in _FORMATS.items() if known.writer)
"""The formats of this package that can be exported."""

SUFFIXES = {known.suffix: name for name, known in _FORMATS.items() if known.suffix}


def reader_names() -> list[str]:
    """The formats that can be imported; those of other packages come last."""
    return [*READERS, *_others(READERS, "open")]


def writer_names() -> list[str]:
    """The formats that can be exported; those of other packages come last."""
    return [*WRITERS, *_others(WRITERS, "write")]


def find_reader(name: str) -> Reader:
    """The reader of a format.

    Raises:
        UsageError: No such format can be imported.
    """
    known = _FORMATS[name].reader if name in READERS else None
    if (module := _module(known) if known else _other(name, "open")) is None:
        raise UsageError(
            f"there is no import format {name!r}", f"Formats are: {', '.join(reader_names())}"
        )
    return cast(Reader, module)


def find_writer(name: str) -> Writer:
    """The writer of a format.

    Raises:
        UsageError: No such format can be exported.
    """
    known = _FORMATS[name].writer if name in WRITERS else None
    if (module := _module(known) if known else _other(name, "write")) is None:
        raise UsageError(
            f"there is no export format {name!r}", f"Choose one of: {', '.join(writer_names())}"
        )
    return cast(Writer, module)


def format_of(path: str | Path) -> str:
    """The export format that the extension of a file's name selects.

    Raises:
        UsageError: None has that extension.
    """
    suffix = Path(path).suffix.lower()
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    raise UsageError(
        f"the ending of {path} names no export format",
        f"Name the format: {', '.join(writer_names())}",
    )


def _module(name: str) -> object:
    """The module of this name, or the object that follows a colon."""
    module, _, member = name.partition(":")
    imported: object = import_module(f"ml_agents_results.formats.{module}")
    return getattr(imported, member) if member else imported


def _others(own: Sequence[str], function: str) -> list[str]:
    """The names of other packages' formats that have this function."""
    names = dict.fromkeys(point.name for point in entry_points(group=ENTRY_POINTS))
    return [name for name in names if name not in own and _other(name, function) is not None]


def _other(name: str, function: str) -> object | None:
    """The format of another package, if it has this function."""
    for point in entry_points(group=ENTRY_POINTS, name=name):
        module: object = point.load()
        if hasattr(module, function):
            return module
    return None
