"""Another SQLite database of experiments: ours of any revision, or the predecessor's."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ml_agents_results.database import files, schema
from ml_agents_results.database.engine import Database
from ml_agents_results.database.maintenance.backups import snapshot
from ml_agents_results.formats.log_source import ImportOptions, Item, LogSource
from ml_agents_results.records import ExperimentRecord
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.run_repository import RunRepository

_OVERHEAD = 500
"""Bytes that a run takes beside its texts."""


def sniff(path: Path) -> bool:
    """Whether it begins as a SQLite file does."""
    return files.is_database(path)


def experiments(source: LogSource, options: ImportOptions) -> Sequence[ExperimentRecord]:
    """All that the database holds."""
    with _current(source) as database, database.read() as connection:
        repository = ExperimentRepository(connection)
        return [repository.get(line.id) for line in repository.list()]


def read(source: LogSource, options: ImportOptions) -> Iterator[Item]:
    """All runs, experiment by experiment, as of one moment."""
    with _current(source) as database, database.read() as connection:
        ids = [line.id for line in ExperimentRepository(connection).list()]
        for run in RunRepository(connection).iterate(ids):
            size = sum(len(text) for text in (run.input_text, run.raw_output) if text)
            yield Item(f"run {run.id}", run, size + _OVERHEAD)


@contextmanager
def _current(source: LogSource) -> Iterator[Database]:
    """The database; where it is of an older schema, a copy that is brought up to date."""
    database = Database(str(source.path), create=False)
    try:
        with database.read() as connection:
            found = schema.status(connection)
        if found.state == "current":
            yield database
            return
        if found.state not in ("behind", "unversioned"):
            raise schema.refusal(found, database)
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
