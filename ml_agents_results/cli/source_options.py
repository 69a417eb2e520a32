"""Options for the source of analyses: a database or a folder of Parquet files."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ml_agents_results.cli.database_options import open_database
from ml_agents_results.cli.help_panels import DATABASE
from ml_agents_results.errors import UsageError

if TYPE_CHECKING:
    from ml_agents_results.repositories.run_source import RunSource

Source = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER",
        help="Read exported Parquet files instead of a database; see `export`.",
        rich_help_panel=DATABASE,
    ),
]
Engine = Annotated[
    Literal["duckdb", "spark"] | None,
    typer.Option(
        help="Engine that reads the Parquet files. [default: duckdb]", rich_help_panel=DATABASE
    ),
]
SparkMaster = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Spark master URL. [default: all cores of this machine]",
        rich_help_panel=DATABASE,
    ),
]


def open_source(
    source: str | None,
    engine: Literal["duckdb", "spark"] | None,
    spark_master: str | None,
    db_path: str | None,
    db_url: str | None,
) -> "AbstractContextManager[RunSource]":
    """The runs of the database or the folder, for a `with` block.

    Raises:
        UsageError: The options contradict each other.
    """
    if source is None:
        if engine or spark_master:
            raise UsageError(
                "--engine and --spark-master apply to Parquet files",
                "Name the folder with --source.",
            )
        return _database_source(db_path, db_url)
    if db_path or db_url:
        raise UsageError("--source and a database cannot be combined", "Leave one out.")
    if spark_master and engine == "duckdb":
        raise UsageError(
            "--spark-master does not apply to DuckDB", "Leave it out, or use --engine spark."
        )
    from ml_agents_results.repositories.lake import Lake

    return Lake(source, "spark" if spark_master else engine or "duckdb", spark_master).read()


@contextmanager
def _database_source(db_path: str | None, db_url: str | None) -> "Iterator[RunSource]":
    from ml_agents_results.repositories.database_source import DatabaseSource

    with open_database(db_path, db_url).read() as connection:
        yield DatabaseSource(connection)
