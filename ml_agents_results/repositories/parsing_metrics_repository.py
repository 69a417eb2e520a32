"""Parsing metrics: how the answer of a run was parsed."""

from collections.abc import Iterator

from sqlalchemy import delete, select

from ml_agents_results.database.models import PARSING_COLUMNS, RUN_KEY, ParsingMetric, Run
from ml_agents_results.database.validation import parsing_row
from ml_agents_results.errors import NotFoundError
from ml_agents_results.records import ParsingMetrics
from ml_agents_results.repositories.repository import Repository
from ml_agents_results.repositories.upserts import insert_of

_COLUMNS = tuple(getattr(ParsingMetric, name) for name in PARSING_COLUMNS)


class ParsingMetricsRepository(Repository):
    """Parsing metrics; a run has one row of them at most."""

    def save(self, run_id: str, metrics: ParsingMetrics) -> None:
        """Sets the metrics of a run, replacing those it has.

        Raises:
            NotFoundError: There is no such run.
            InvalidRecordError: A value breaks a rule.
        """
        values = dict(zip((*PARSING_COLUMNS, "content_digest"), parsing_row(metrics), strict=True))
        values["error_details"] = metrics.error_details
        with self._writing() as connection:
            if connection.scalar(select(Run.id).where(Run.id == run_id)) is None:
                raise NotFoundError(
                    f"there is no run {run_id!r}", "Save the run before its metrics."
                )
            insert = insert_of(self._engine)(ParsingMetric).values(run_id=run_id, **values)
            connection.execute(insert.on_conflict_do_update(index_elements=["run_id"], set_=values))

    def get(self, run_id: str) -> ParsingMetrics:
        """Raises NotFoundError if the run has none."""
        if (metrics := self.find(run_id)) is None:
            raise NotFoundError(
                f"run {run_id!r} has no parsing metrics", "A run need not have any."
            )
        return metrics

    def find(self, run_id: str) -> ParsingMetrics | None:
        row = self._connection.execute(
            select(*_COLUMNS).where(ParsingMetric.run_id == run_id)
        ).one_or_none()
        return None if row is None else ParsingMetrics(*row)

    def list(self, experiment_id: str) -> Iterator[tuple[str, ParsingMetrics]]:
        """The run ids and metrics of an experiment, in the order of the runs."""
        selected = (
            select(ParsingMetric.run_id, *_COLUMNS)
            .join(Run, Run.id == ParsingMetric.run_id)
            .where(Run.experiment_id == experiment_id)
            .order_by(*(getattr(Run, name) for name in RUN_KEY))
        )
        for row in self._connection.execute(selected.execution_options(yield_per=1000)):
            yield row[0], ParsingMetrics(*row[1:])

    def delete(self, run_id: str) -> bool:
        """Deletes the metrics of a run; returns whether there were any."""
        with self._writing() as connection:
            gone = connection.execute(delete(ParsingMetric).where(ParsingMetric.run_id == run_id))
            return gone.rowcount > 0
