"""A Parquet folder read by Spark: on this machine, or on the cluster whose master is named."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.types import StringType, StructField, StructType, TimestampType

from ml_agents_results.database.lake.experiments import described
from ml_agents_results.database.lake.folder import EXPERIMENT_COLUMNS, Folder
from ml_agents_results.database.lake.rendering import LakeConnection, metrics_view, runs_view
from ml_agents_results.errors import DatabaseError

_SETTINGS = {
    # Names of folders are texts, also where they look like numbers or dates.
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
}
# Spark takes each byte of a percent-encoded name for a character.
_FOLDER_NAME = "decode(encode({}, 'ISO-8859-1'), 'UTF-8')"


@contextmanager
def opened(folder: Folder, master: str) -> Iterator[LakeConnection]:
    """A session for the time of the block; the workers read the folder under the same path."""
    builder = SparkSession.builder.master(master).appName("ml-agents")
    for name, value in _SETTINGS.items():
        builder = builder.config(name, value)
    try:
        session = builder.getOrCreate()
    except Exception as error:
        raise _failure(folder, master, error) from error
    try:
        lake = LakeConnection("spark", partial(_run, session, folder, master), _in_utc)
        try:
            files = session.read.parquet(str(folder.path.absolute()))
            files.createOrReplaceTempView("files")
            view = runs_view("files", folder.partitions, _FOLDER_NAME)
            session.sql(view).createOrReplaceTempView("runs")
            session.sql(metrics_view("files")).createOrReplaceTempView("parsing_metrics")
            fields = [
                StructField(name, TimestampType() if name.endswith("_at") else StringType())
                for name in EXPERIMENT_COLUMNS
            ]
            rows = described(lake, folder)
            frame = session.createDataFrame(rows, StructType(fields))
            frame.createOrReplaceTempView("experiments")
        except (PySparkException, Py4JError) as error:
            raise _failure(folder, master, error) from error
        yield lake
    finally:
        session.stop()


def _in_utc(moment: datetime) -> datetime:
    """Spark gives times of this machine's zone without saying so."""
    return moment.astimezone(UTC)


def _run(
    session: SparkSession, folder: Folder, master: str, sql: str, parameters: dict[str, Any]
) -> Sequence[Sequence[Any]]:
    try:
        return session.sql(sql, args=parameters).collect()
    except (PySparkException, Py4JError) as error:
        raise _failure(folder, master, error) from error


def _failure(folder: Folder, master: str, error: Exception) -> DatabaseError:
    first_line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return DatabaseError(
        f"{folder} cannot be analysed by Spark on {master}: {first_line}",
        "Check that Java 17 is installed, that the master runs, and that its workers can read "
        "the folder.",
    )
