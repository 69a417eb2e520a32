"""Parsing metrics: how the answer of a run was found."""

from sqlalchemy import Connection, select

from ml_agents_results.database.models import Run, RunParsingMetrics
from ml_agents_results.errors import NotFoundError
from ml_agents_results.records import ParsingMetrics
from ml_agents_results.repositories.upserts import insert_of
from ml_agents_results.repositories.validation import METRIC_COLUMNS, metric_row


class ParsingMetricsRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def save(self, run_id: str, metrics: ParsingMetrics) -> None:
        """Sets the metrics of a run, replacing those it has.

        Raises:
            NotFoundError: There is no such run.
            InvalidRecordError: A value breaks a rule.
        """
        values = dict(zip((*METRIC_COLUMNS, "content_digest"), metric_row(metrics), strict=True))
        values["error_details"] = metrics.error_details
        if self._connection.scalar(select(Run.id).where(Run.id == run_id)) is None:
            raise NotFoundError(f"there is no run {run_id!r}", "Save the run before its metrics.")
        insert = insert_of(self._connection.dialect.name)(RunParsingMetrics).values(
            run_id=run_id, **values
        )
        self._connection.execute(
            insert.on_conflict_do_update(index_elements=["run_id"], set_=values)
        )

    def find(self, run_id: str) -> ParsingMetrics | None:
        row = self._connection.execute(
            select(*(getattr(RunParsingMetrics, name) for name in METRIC_COLUMNS)).where(
                RunParsingMetrics.run_id == run_id
            )
        ).one_or_none()
        return None if row is None else ParsingMetrics(*row)
