"""Lake: runs in exported Parquet files, read by DuckDB on this machine or by Spark on many."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from ml_agents_results.errors import UsageError
from ml_agents_results.repositories.lake.folder import Folder
from ml_agents_results.repositories.run_source import RunSource

LakeEngine = Literal["duckdb", "spark"]


class Lake:
    """A Parquet file, or a folder as `export --format parquet --partition-by` writes it.

    Args:
        engine: The query engine: "duckdb" on this machine, "spark" where `spark_master` says.
        spark_master: The address of a Spark cluster. [default: this machine, all of its cores]

    Raises:
        NotFoundError: There is no such file or folder.
        InvalidFileError: A file in it is not of our exports, or differs from the others.
        UsageError: The packages that read it are not installed.
    """

    def __init__(
        self, path: str | Path, engine: LakeEngine = "duckdb", spark_master: str | None = None
    ) -> None:
        try:
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
    def read(self) -> Iterator[RunSource]:
        """The runs, as services take them."""
        if self._engine == "spark":
            from ml_agents_results.repositories.lake.spark_source import open_spark

            with open_spark(self._folder, self._master) as source:
                yield source
        else:
            from ml_agents_results.repositories.lake.duckdb_source import open_duckdb

            with open_duckdb(self._folder) as source:
                yield source
