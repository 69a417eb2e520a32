"""Log files that commands name: opened for import, or imported for one comparison."""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ml_agents_results.reports.terminal import say

if TYPE_CHECKING:
    from io import BufferedReader

    from ml_agents_results.formats.log_source import LogSource
    from ml_agents_results.repositories.run_source import RunSource

_STANDARD_INPUT = "-"


@contextmanager
def log_source(file: str) -> Iterator["LogSource"]:
    """A file or URL; standard input and files in stores are copied to one: they are read more than
    once."""
    from ml_agents_results.formats.log_source import LogSource
    from ml_agents_results.formats.remote_files import fetched, path_here, shown_url

    if file != _STANDARD_INPUT:
        if (path := path_here(file)) is not None:
            yield LogSource(path)
            return
        with fetched(file) as copy:
            yield LogSource(copy, shown_url(file))
        return
    with tempfile.NamedTemporaryFile(prefix="ml-agents-", suffix=".tmp") as copy:
        # Block by block as it comes: a read that waits for a full one may outlast an interrupt.
        stdin = cast("BufferedReader", sys.stdin.buffer)
        while block := stdin.read1(1 << 16):
            copy.write(block)
        copy.flush()
        yield LogSource(copy.name, "stdin")


@contextmanager
def imported_files(files: Sequence[str]) -> Iterator[tuple["RunSource", list[str]]]:
    """The runs of the files, in a database that lasts as long as the block, and the ids of their
    experiments in the order of the files."""
    from ml_agents_results.database.manager import DatabaseManager
    from ml_agents_results.formats.importing import load
    from ml_agents_results.formats.log_source import ImportOptions
    from ml_agents_results.repositories.database_source import DatabaseSource

    with tempfile.TemporaryDirectory(prefix="ml-agents-") as folder:
        manager = DatabaseManager(str(Path(folder) / "files.db"))
        manager.initialize_schema()
        ids: dict[str, None] = {}
        try:
            for file in files:
                with log_source(file) as source:
                    result = load(manager.database, [source], ImportOptions())
                ids.update(dict.fromkeys(result.experiments))
                for warning in result.warnings:
                    say(f"Warning: {warning}")
            with manager.database.read() as connection:
                yield DatabaseSource(connection), list(ids)
        finally:
            manager.database.close()
