"""Where analyses read: a database, or a folder of Parquet files."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ml_agents_results.cli.shared import open_database
from ml_agents_results.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection

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
) -> "AbstractContextManager[Connection]":
    """A connection to what is named, for a `with` block.

    Raises:
        UsageError: The options do not fit together.
    """
    if source is None:
        if engine or spark_master:
            raise UsageError(
                "--engine and --spark-master are for Parquet files", "Name them with --source."
            )
        return open_database(db_path, db_url).read_by_two()
    if db_path or db_url:
        raise UsageError("--source and a database name two sources", "Give one of them.")
    if spark_master and engine == "duckdb":
        raise UsageError("DuckDB needs no --spark-master", "Leave it out, or give --engine spark.")
    from ml_agents_results.database.lake import Lake

    return Lake(source, "spark" if spark_master else engine or "duckdb", spark_master).read()
