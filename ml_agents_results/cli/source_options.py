"""Options for the source of analyses: a database or a folder of Parquet files."""

from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ml_agents_results.cli.database_options import DatabaseOptions
from ml_agents_results.cli.experiment_lookup import every_id, resolve_ids
from ml_agents_results.cli.help_panels import DATABASE
from ml_agents_results.cli.option_groups import option
from ml_agents_results.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ml_agents_results.repositories.run_source import RunSource

_LISTED = 10
"""Experiments of a folder that a hint names."""


@dataclass
class SourceOptions(DatabaseOptions):
    """Where runs are read from: a folder, if one is named, else a database."""

    source: str | None = option(
        "FOLDER", "Read exported Parquet files instead of a database; see `export`.", panel=DATABASE
    )
    engine: Literal["duckdb", "spark"] | None = option(
        None, "Engine that reads the Parquet files. [default: duckdb]", panel=DATABASE
    )
    spark_master: str | None = option(
        "URL", "Spark master URL. [default: all cores of this machine]", panel=DATABASE
    )

    def runs(self) -> "AbstractContextManager[RunSource]":
        """The runs, for a `with` block.

        Raises:
            UsageError: The options contradict each other.
        """
        if self.source is None:
            if self.engine or self.spark_master:
                raise UsageError(
                    "--engine and --spark-master apply to Parquet files",
                    "Name the folder with --source.",
                )
            return self._database_runs()
        if self.given:
            raise UsageError("--source and a database cannot be combined", "Leave one out.")
        if self.spark_master and self.engine == "duckdb":
            raise UsageError(
                "--spark-master does not apply to DuckDB", "Leave it out, or use --engine spark."
            )
        from ml_agents_results.repositories.lake import Lake

        engine = "spark" if self.spark_master else self.engine or "duckdb"
        return Lake(self.source, engine, self.spark_master).read()

    def ids(self, runs: "RunSource", references: "Sequence[str]") -> list[str]:
        """The ids of the experiments that are named; see `resolve_ids`.

        Raises:
            NotFoundError, UsageError: One is unknown, or none is named; the hint lists those of
                the folder.
        """
        try:
            return resolve_ids(runs.connection, references)
        except (NotFoundError, UsageError) as error:
            if self.source is None:
                raise
            known = every_id(runs.connection)
            more = f" and {len(known) - _LISTED} more" if known[_LISTED:] else ""
            hint = f"{self.source} has: {', '.join(known[:_LISTED])}{more}"
            raise type(error)(error.message, hint) from error

    @contextmanager
    def _database_runs(self) -> "Iterator[RunSource]":
        from ml_agents_results.repositories.database_source import DatabaseSource

        with self.current().read() as connection:
            yield DatabaseSource(connection)
