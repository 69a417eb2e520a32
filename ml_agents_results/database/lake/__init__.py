"""Runs outside of a database: a folder of Parquet files that the same selects are asked of.

The repositories' selects are written once, for SQLAlchemy. Here they are rendered for an engine
that reads Parquet, on one machine (DuckDB) or on many (Spark), behind what repositories use of a
Connection. So no figure has a second definition.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from ml_agents_results.database.lake.folder import Folder
from ml_agents_results.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection

LakeEngine = Literal["duckdb", "spark"]


class Lake:
    """A Parquet file, or a folder as `export --format parquet --partition-by` writes it.

    Args:
        engine: What computes: "duckdb" on this machine, "spark" where `spark_master` says.
        spark_master: The address of a Spark cluster. [default: this machine, all of its cores]

    Raises:
        NotFoundError: There is no such file or folder.
        InvalidFileError: A file in it is not of our export, or unlike the others.
        UsageError: The packages that read it are not installed.
    """

    def __init__(
        self, path: str | Path, engine: LakeEngine = "duckdb", spark_master: str | None = None
    ) -> None:
        try:
            import sqlglot  # noqa: F401

            self._folder = Folder(Path(path))
            if engine == "spark":
                import pyspark  # noqa: F401
            else:
                import duckdb  # noqa: F401
        except ImportError as error:
            extra = "spark" if engine == "spark" else "lake"
            raise UsageError(
                f"a Parquet folder needs the package {error.name}",
                f"Install it with: pip install 'ml-agents-results[{extra}]'",
            ) from error
        self._engine = engine
        self._master = spark_master or "local[*]"

    @contextmanager
    def read(self) -> Iterator["Connection"]:
        """What repositories and services take for a connection; it can only read."""
        if self._engine == "spark":
            from ml_agents_results.database.lake.spark import opened

            with opened(self._folder, self._master) as spark:
                yield cast("Connection", spark)
        else:
            from ml_agents_results.database.lake.duck import opened as opened_here

            with opened_here(self._folder) as duck:
                yield cast("Connection", duck)
