"""Another SQLite database of experiments: ours in any revision, or the predecessor's."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection

from ml_agents_results.database import schema
from ml_agents_results.database.engine import Database
from ml_agents_results.database.foreign_objects import require_own
from ml_agents_results.database.maintenance.backups import snapshot
from ml_agents_results.errors import SchemaError
from ml_agents_results.formats.json_files import beginning
from ml_agents_results.formats.log import Item, Log
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.formats.promptfoo_database import is_promptfoo_database
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.run_repository import RunRepository

_MAGIC = b"SQLite format 3\x00"
_OVERHEAD = 500
"""Bytes that a run takes besides its texts."""


def sniff(path: Path) -> bool:
    """Whether it begins as a SQLite file does; that of promptfoo is a format of its own."""
    return beginning(path).startswith(_MAGIC) and not is_promptfoo_database(path)


@contextmanager
def open(source: LogSource, options: ImportOptions) -> Iterator[Log]:
    """All experiments and runs of the database, as of one moment."""
    with _current(source) as database, database.read() as connection:
        repository = ExperimentRepository(connection)
        experiments = [repository.get(line.id) for line in repository.list()]
        yield Log(experiments, _runs(connection, [experiment.id for experiment in experiments]))


def _runs(connection: Connection, experiment_ids: Sequence[str]) -> Iterator[Item]:
    for run in RunRepository(connection).iterate(experiment_ids):
        size = sum(len(text) for text in (run.input_text, run.raw_output) if text)
        yield Item(f"run {run.id}", run, size + _OVERHEAD)


@contextmanager
def _current(source: LogSource) -> Iterator[Database]:
    """The database, or a migrated copy of it if its schema is older."""
    database = Database(str(source.path), create=False)
    try:
        with database.read() as connection:
            status = schema.status(connection)
            # The copy of an older one is written to, by migrations.
            older = status.state in ("behind", "unversioned")
            require_own(connection, str(source.path), database.option, to_write=older)
        if status.state == "current":
            yield database
            return
        if status.state == "foreign":
            raise SchemaError(
                f"{source.name} is a SQLite database that belongs to another program",
                "Let that program export JSON; promptfoo: promptfoo export eval ID -o results.json",
            )
        if not older:
            raise schema.refusal(status, database)
        with tempfile.TemporaryDirectory(prefix="ml-agents-") as folder:
            copy = Database(str(Path(folder) / "copy.db"))
            assert copy.path is not None
            snapshot(source.path, copy.path)
            try:
                adoption = schema.upgrade(copy).adoption
                for warning in adoption.warnings if adoption else ():
                    source.warn(f"{source.name}: {warning}")
                yield copy
            finally:
                copy.close()
    finally:
        database.close()
