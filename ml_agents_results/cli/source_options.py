"""Where analyses read: a database, or a folder of Parquet files."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ml_agents_results.cli.shared import open_database
from ml_agents_results.errors import UsageError

if TYPE_CHECKING:
    from ml_agents_results.repositories.columns import RunSource

Source = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER", help="Read exported Parquet files instead of a database: see `export`."
    ),
]
Engine = Annotated[
    Literal["duckdb", "spark"] | None,
    typer.Option(help="What reads the Parquet files. [default: duckdb]"),
]
SparkMaster = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help="The Spark cluster that reads them. [default: this machine's cores]"
    ),
]


def open_source(
    source: str | None,
    engine: Literal["duckdb", "spark"] | None,
    spark_master: str | None,
    db_path: str | None,
    db_url: str | None,
) -> "AbstractContextManager[RunSource]":
    """The runs of what is named, for a `with` block.

    Raises:
        UsageError: The options do not fit together.
    """
    if source is None:
        if engine or spark_master:
            raise UsageError(
                "--engine and --spark-master are for Parquet files", "Name them with --source."
            )
        return _database_source(db_path, db_url)
    if db_path or db_url:
        raise UsageError("--source and a database name two sources", "Give one of them.")
    if spark_master and engine == "duckdb":
        raise UsageError("DuckDB needs no --spark-master", "Leave it out, or give --engine spark.")
    from ml_agents_results.repositories.lake import Lake

    return Lake(source, "spark" if spark_master else engine or "duckdb", spark_master).read()


@contextmanager
def _database_source(db_path: str | None, db_url: str | None) -> "Iterator[RunSource]":
    from ml_agents_results.repositories.columns import DatabaseSource

    with open_database(db_path, db_url).read() as connection:
        yield DatabaseSource(connection)
