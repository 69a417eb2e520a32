"""ResultsProcessor: the facade that experiment platforms call.

Every method that saves is one transaction: when it returns, what it was given is durable; when it
raises, nothing of it is there.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.pool import PoolProxiedConnection

from ml_agents_results.config import DatabaseConfig, ExperimentConfig
from ml_agents_results.database.caller_connection import CallerConnection
from ml_agents_results.database.dialects import driver_of
from ml_agents_results.database.engine import Database
from ml_agents_results.database.maintenance.automatic_backup import AutomaticBackup
from ml_agents_results.database.manager import DatabaseManager
from ml_agents_results.errors import InvalidRecordError, NotFoundError
from ml_agents_results.formats.exporting import export
from ml_agents_results.records import (
    ExperimentRecord,
    ExperimentStatus,
    MetricRecord,
    RunRecord,
    ScoreRecord,
    canonical_approach,
)
from ml_agents_results.redaction import redact
from ml_agents_results.reports.approach_summary import approach_totals, comparison_frame
from ml_agents_results.reports.notebook import experiments_html
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.parsing_metrics_repository import ParsingMetricsRepository
from ml_agents_results.repositories.run_repository import RECORD_COLUMNS, RunRepository
from ml_agents_results.repositories.score_repository import ScoreRepository
from ml_agents_results.responses import mark_saved, parsing_metrics_of, run_of_response, settings_of
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.comparison.comparison_result import Comparison
from ml_agents_results.services.comparison.comparison_service import ComparisonService
from ml_agents_results.services.cost import CostService
from ml_agents_results.services.failure_patterns import failure_patterns
from ml_agents_results.services.latency import LatencyService
from ml_agents_results.services.parsing import ParsingService
from ml_agents_results.services.result_cache import ResultCache
from ml_agents_results.services.summary import SummaryReport, SummaryService

if TYPE_CHECKING:
    import pandas as pd

    from ml_agents_results.recording.experiment_recording import (
        ExperimentRecording,
        IfExists,
        OnError,
    )

Ids = str | Sequence[str]
"""One experiment, or several."""
PathName = str | os.PathLike[str]
Source = PathName | DatabaseConfig | Database | Engine | Connection
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


_FILTERS = {"experiment_ids": "experiment_id", "approach": "approach_name"}
"""Other names of filters."""


_SCORE_COLUMNS = (
    *("metric", "author", "value", "label", "explanation"),
    *("details_json", "cost_estimate", "created_at"),
)
"""Fields of ScoreRecord, in the order of `scores_frame`."""


class _Service(Protocol[T_co]):
    def report(self) -> T_co: ...


class ResultsProcessor:
    """Records experiments and their runs, analyzes and exports them. Also a context manager.

    Args:
        db_path: A SQLite file, a SQLAlchemy URL, a DatabaseConfig, a Database, an Engine, or a
            Connection: then everything happens in the caller's transaction, and a rollback of the
            caller undoes all of it. With `DatabaseConfig(enabled=False)` nothing is written to
            disk: results last as long as the processor. A missing SQLite file is created with its
            tables. A SQLite file is backed up in a background thread after every
            `backup_frequency` saved runs (see DatabaseConfig).

    Raises:
        SchemaError: The database is of another schema; the hint names the command that helps.
    """

    def __init__(self, db_path: Source = "ml_agents_results.db") -> None:
        self.database = _opened(db_path)
        if isinstance(self.database, CallerConnection):
            self.database.initialize_schema()
        else:
            DatabaseManager(self.database).initialize_schema()
        self.backup = AutomaticBackup(self.database)
        """Counts saved runs and backs the database up; code that records past the processor counts
        there, too."""
        self._cache = ResultCache(self.database)
        self._conn: PoolProxiedConnection | None = None

    @property
    def db_path(self) -> str:
        """The SQLite file, or the URL of a server without its password."""
        return str(self.database)

    @property
    def engine(self) -> Engine:
        """The SQLAlchemy engine, for a Session or SQL of one's own."""
        return self.database.engine

    @property
    def conn(self) -> Any:
        """A connection of the driver (`sqlite3.Connection` or psycopg's), for SQL by hand.

        Of a Connection that was given, it is the one inside it.
        """
        if isinstance(self.database, CallerConnection):
            with self.database.read() as connection:
                return driver_of(connection)
        if self._conn is None:
            self._conn = self.engine.raw_connection()
        return self._conn.driver_connection

    def _repr_html_(self) -> str:
        """The newest experiments, in a notebook."""
        with self.database.read() as connection:
            return experiments_html(ExperimentRepository(connection).list())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Waits for a backup that is being made, and closes the database."""
        self.backup.finish()
        self._cache.close()
        if self._conn is not None:
            self._conn.close()
            self._conn = None
        self.database.close()

    def save_experiment(
        self,
        experiment_id: str,
        config: ExperimentConfig | Mapping[str, Any] | object,
        *,
        name: str | None = None,
        description: str | None = None,
        status: ExperimentStatus = "running",
        environment: Mapping[str, Any] | None = None,
        metrics: Sequence[MetricRecord] | None = None,
    ) -> None:
        """Creates the experiment, or updates it; its runs stay. Secrets in `config` are left out.

        Args:
            config: An ExperimentConfig, another dataclass, or a mapping of JSON values.
            name: A title; by default the one in `config`.
            environment: Versions, git commit, data set fingerprint and the like.
            metrics: What its runs are measured by.

        Raises:
            InvalidRecordError: A value breaks a rule.
        """
        options = settings_of(config)
        record = ExperimentRecord(
            id=experiment_id,
            name=redact(name or options.get("name") or None),
            description=redact(description or options.get("description") or None),
            status=status,
            config_json=redact(options),
            environment_json=redact(dict(environment or {})),
            metrics=None if metrics is None else list(metrics),
        )
        self.database.write_retried(
            lambda connection: ExperimentRepository(connection).save(record)
        )

    def experiment(
        self,
        id_or_name: str,
        *,
        config: ExperimentConfig | Mapping[str, Any] | object | None = None,
        environment: Mapping[str, Any] | None = None,
        on_error: "OnError" = "raise",
        if_exists: "IfExists" = "resume",
    ) -> "ExperimentRecording":
        """Records a loop of one's own: `with results.experiment("study") as experiment`, also
        `async with`. See docs/recording.md.

        Args:
            id_or_name: The experiment to go on with; where there is none, the id of a new one.
            config: What is asked, and how; when the experiment is resumed it must be the same.
            environment: Versions, git commit and the like.
            on_error: What an exception in the block of a run does once it is saved as a failed
                run: it is raised again, or the loop goes on.
            if_exists: `resume` goes on with an experiment of this id, `new` opens another with a
                number, `error` raises DuplicateError.
        """
        from ml_agents_results.recording.experiment_recording import ExperimentRecording

        return ExperimentRecording(
            self.database, self.backup, id_or_name, config, environment or {}, on_error, if_exists
        )

    def get_experiment(self, experiment_id: str) -> ExperimentRecord:
        """Raises NotFoundError if there is no such experiment."""
        with self.database.read() as connection:
            return ExperimentRepository(connection).get(experiment_id)

    def list_experiments(self) -> list[dict[str, Any]]:
        """All experiments, newest first: `id`, `name`, `status`, `tags`, `created_at`, `runs`,
        `planned`, `graded`, `failed`, `variants`, `metric`; and `accuracy` (a fraction of the
        graded runs) where there is one variant."""
        with self.database.read() as connection:
            return [line.to_dict() for line in ExperimentRepository(connection).list()]

    def delete_experiment(self, experiment_id: str) -> None:
        """Deletes an experiment with its runs and all that belongs to them.

        Raises:
            NotFoundError: There is no such experiment.
        """

        def work(connection: Connection) -> None:
            experiments = ExperimentRepository(connection)
            if not experiments.delete(experiment_id):
                raise experiments.missing(experiment_id)

        self.database.write_retried(work)

    def set_status(self, experiment_id: str, status: ExperimentStatus) -> None:
        """Sets the status of an experiment."""
        self.database.write_retried(
            lambda connection: ExperimentRepository(connection).set_status(experiment_id, status)
        )

    def save_run_result(self, run_result: object) -> None:
        """Saves what a provider answered: one run with its parsing metrics.

        Saving the same run again updates it. When this returns, the run is durable.

        Args:
            run_result: Any object with the attributes of StandardResponse; its metadata names at
                least experiment_id, approach (or approach_name) and sample_index. Afterwards it
                also has run_id, and database_saved, which is true.

        Raises:
            InvalidRecordError: A value is missing or breaks a rule.
            DatabaseError: The database could not be written.
        """
        run = run_of_response(run_result)
        run_id = self.database.write_retried(
            lambda connection: RunRepository(connection).save_with_id(run)
        )
        self.backup.saved()
        mark_saved(run_result, run_id, run.experiment_id)

    def save_run(self, run: RunRecord) -> None:
        """Saves one run, durably."""
        self.database.write_retried(lambda connection: RunRepository(connection).save(run))
        self.backup.saved()

    def save_runs(self, runs: Iterable[RunRecord]) -> int:
        """Saves many runs in one transaction, all or none; returns how many were new or changed.

        Raises:
            InvalidRecordError: A value breaks a rule; `record_number` tells which record.
        """
        records = runs if isinstance(runs, tuple | list) else tuple(runs)
        changed = self.database.write_retried(
            lambda connection: RunRepository(connection).save_many(records)
        )
        self.backup.saved(len(records))
        return changed

    def save_scores(self, scores: Iterable[tuple[str, ScoreRecord]]) -> None:
        """Saves scores of runs in one transaction, all or none.

        A score of the primary metric also sets the value of its run. What a score replaces is kept
        in its `details_json`.

        Args:
            scores: Pairs of a run's id and a score. A metric that the experiment does not have is
                added to it as numeric.

        Raises:
            NotFoundError: There is no such run.
            InvalidRecordError: A value breaks a rule, or a failed run would get a value of the
                primary metric.
        """
        given = list(scores)
        self.database.write_retried(lambda connection: ScoreRepository(connection).save_many(given))

    def scores_frame(self, experiment_ids: Ids) -> "pd.DataFrame":
        """All scores of the experiments as a data frame, one row per score: `experiment_id`,
        `run_id`, `metric`, `author`, `value` and the other fields of ScoreRecord.

        A value of the primary metric that is only a value stands on its run (see `runs_frame`), and
        has no row.

        Raises:
            NotFoundError: There is no such experiment.
        """
        import pandas as pd

        ids = _listed(experiment_ids)
        with self.database.read() as connection:
            self._require(connection, ids)
            rows = [
                [experiment_id, run_id, *(getattr(score, name) for name in _SCORE_COLUMNS)]
                for experiment_id in ids
                for run_id, score in ScoreRepository(connection).list(experiment_id)
            ]
        return pd.DataFrame(rows, columns=["experiment_id", "run_id", *_SCORE_COLUMNS])

    def get_run(self, run_id: str) -> RunRecord:
        """Raises NotFoundError if there is no such run."""
        with self.database.read() as connection:
            return RunRepository(connection).get(run_id)

    def iter_runs(self, experiment_ids: Ids) -> Iterator[RunRecord]:
        """All runs of the experiments in the order of their keys; memory does not grow with them.

        Raises:
            NotFoundError: There is no such experiment.
        """
        ids = _listed(experiment_ids)
        with self.database.read() as connection:
            self._require(connection, ids)
            yield from RunRepository(connection).iterate(ids)

    def runs_frame(self, experiment_ids: Ids) -> "pd.DataFrame":
        """All runs of the experiments as a data frame, one row per run: the columns of `runs`.

        Raises:
            NotFoundError: There is no such experiment.
        """
        import pandas as pd

        names = [name for name in RECORD_COLUMNS if name != "metadata_json"] + ["metadata_json"]
        rows = [[getattr(run, name) for name in names] for run in self.iter_runs(experiment_ids)]
        return pd.DataFrame(rows, columns=names)

    def delete_run(self, run_id: str) -> None:
        """Deletes a run and all that belongs to it.

        Raises:
            NotFoundError: There is no such run.
        """

        def work(connection: Connection) -> None:
            runs = RunRepository(connection)
            runs.get(run_id)
            runs.delete(run_id)

        self.database.write_retried(work)

    def save_parsing_metrics(self, run_id: str, metrics: Mapping[str, Any]) -> None:
        """Sets the parsing metrics of a run.

        Args:
            metrics: parsing_attempts (or attempts), fallback_used, confidence_score (or
                confidence, 0 to 1), extraction_time_ms, error_details.

        Raises:
            NotFoundError: There is no such run.
            InvalidRecordError: A value breaks a rule, or its name is not known.
        """
        record = parsing_metrics_of(metrics)
        self.database.write_retried(
            lambda connection: ParsingMetricsRepository(connection).save(run_id, record)
        )

    def get_runs_paginated(
        self, experiment_id: str, page: int = 1, page_size: int = 1000
    ) -> dict[str, Any]:
        """One page of the runs of an experiment, in the order of their keys.

        Returns:
            `runs` (a list of dicts with the columns of runs), `page`, `page_size`, `total_runs`,
            `total_pages`.

        Raises:
            NotFoundError: There is no such experiment.
            InvalidRecordError: The page or its size is not a positive number.
        """
        if page < 1 or page_size < 1:
            raise InvalidRecordError("pages and page sizes count from 1")
        with self.database.read() as connection:
            ExperimentRepository(connection).get(experiment_id)
            repository = RunRepository(connection)
            total = repository.count(experiment_id)
            return {
                "runs": [asdict(run) for run in repository.page(experiment_id, page, page_size)],
                "page": page,
                "page_size": page_size,
                "total_runs": total,
                "total_pages": -(-total // page_size),
            }

    def get_experiment_summary(self, experiment_id: str) -> dict[str, Any]:
        """The experiment with the accuracy, times and costs of its variants.

        Returns:
            `id`, `name`, `description`, `status`, `created_at`, `config`, `environment`, and
            `summary_statistics`: the document of `analyze --report-type summary`.

        Raises:
            NotFoundError: There is no such experiment.
        """
        record = self.get_experiment(experiment_id)
        report = self._accuracy({"experiment_id": experiment_id}, by_task=False)
        return {
            "id": record.id,
            "name": record.name,
            "description": record.description,
            "status": record.status,
            "created_at": record.created_at,
            "config": record.config_json,
            "environment": record.environment_json,
            "summary_statistics": report.to_dict(),
        }

    def compare(
        self,
        experiment_ids: Sequence[str],
        *,
        baseline: str | None = None,
        by_task: bool = False,
        filters: Mapping[str, Any] | None = None,
        options: AnalysisOptions | None = None,
    ) -> Comparison:
        """The variants of the experiments compared on the samples they share.

        Raises:
            NotFoundError: There is no such experiment.
            UsageError: There are fewer than two variants, or no variant fits `baseline`.
        """
        chosen = Filters.of(filters)
        return self._cache.get(
            ("compare", tuple(experiment_ids), baseline, by_task, chosen, options),
            lambda connection: ComparisonService(connection, chosen, options).compare(
                experiment_ids, baseline=baseline, by_task=by_task
            ),
        )

    def compare_approaches(self, experiment_ids: Ids) -> "pd.DataFrame":
        """One row per approach, model and experiment, each next to its comparison with the
        baseline.

        Columns: the names of the variant, `metric`, `runs`, `graded`, `mean` (only if a metric is
        numeric), `accuracy` (a fraction; `ci_low` and `ci_high` are those of it or of the mean),
        `median_execution_time_ms`, `total_cost` (USD); then on the `samples`
        shared with the `baseline` the `difference` (with `difference_ci_low` and
        `difference_ci_high`), `p_value_adjusted`, `verdict` and `sentence`. The baseline itself
        has no comparison, nor has an approach that is alone.

        Raises:
            NotFoundError: There is no such experiment.
        """
        ids = _listed(experiment_ids)
        with self.database.read() as connection:
            self._require(connection, ids)
        variants = self._accuracy({"experiment_id": ids}, by_task=False).variants
        return comparison_frame(
            variants, self.compare(ids).comparisons if len(variants) > 1 else ()
        )

    def generate_accuracy_report(self, filters: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Accuracies of the variants that pass the filters, overall and by task.

        Args:
            filters: Any of experiment_id (or experiment_ids), approach_name (or approach),
                provider, model, task, parsing_method (a value or a list), created_from and
                created_to.

        Returns:
            `confidence_level`, `variants` and `tasks` (each with `task` and `variants`).

        Raises:
            UsageError: A filter is not known; the hint lists those that are.
            NotFoundError: There is no such experiment.
        """
        given = {_FILTERS.get(name, name): value for name, value in (filters or {}).items()}
        with self.database.read() as connection:
            self._require(connection, Filters.of(given).experiment_id or ())
        return self._accuracy(given, by_task=True).to_dict()

    def calculate_approach_statistics(
        self, approach_name: str, experiment_id: str
    ) -> dict[str, Any]:
        """Accuracy, times and costs of one approach in one experiment.

        Returns:
            `approach_name`, `experiment_id`, `runs`, `graded`, `correct`, `failed`, `accuracy` (a
            fraction of the graded runs, with `ci_low` and `ci_high` if one model was asked),
            `avg_execution_time_ms`, `total_cost` (USD), and `variants`: for each model that was
            asked the rows of the reports `accuracy`, `latency`, `cost` and `parsing`.

        Raises:
            NotFoundError: There is no such experiment, or no run of that approach in it.
        """
        self.get_experiment(experiment_id)
        name = canonical_approach(approach_name)
        chosen = {"experiment_id": experiment_id, "approach_name": name}
        variants = self._accuracy(chosen, by_task=False).variants
        if not variants:
            raise NotFoundError(
                f"experiment {experiment_id!r} has no runs of the approach {name!r}",
                f"See: ml-agents show --experiment-id {experiment_id}",
            )
        reports = {
            "accuracy": [row.to_dict() for row in variants],
            "latency": self._report(LatencyService, chosen).to_dict()["variants"],
            "cost": self._report(CostService, chosen).to_dict()["variants"],
            "parsing": self._report(ParsingService, chosen).to_dict()["variants"],
        }
        return {
            "approach_name": name,
            "experiment_id": experiment_id,
            **approach_totals(reports),
            "variants": [
                dict(zip(reports, rows, strict=True))
                for rows in zip(*reports.values(), strict=True)
            ],
        }

    def generate_parsing_analysis(self, experiment_id: str) -> dict[str, Any]:
        """Parsing quality and the calibration of its confidence: `variants` and `methods`.

        Raises:
            NotFoundError: There is no such experiment.
        """
        self.get_experiment(experiment_id)
        return self._report(ParsingService, {"experiment_id": experiment_id}).to_dict()

    def create_cost_breakdown(self, experiment_ids: Sequence[str]) -> "pd.DataFrame":
        """One row a variant, the columns of services.cost.VariantCost; USD.

        Raises:
            NotFoundError: There is no such experiment.
        """
        for experiment_id in experiment_ids:
            self.get_experiment(experiment_id)
        return self._report(CostService, {"experiment_id": tuple(experiment_ids)}).to_frame()

    def identify_failure_patterns(self, experiment_id: str) -> list[dict[str, Any]]:
        """Failure patterns: outcomes, errors with numbers and ids replaced, slices that do worse
        than the rest, and hard samples; also how much was left out.

        Returns:
            Rows with a `kind`, see `services.failure_patterns.failure_patterns`.

        Raises:
            NotFoundError: There is no such experiment.
        """
        self.get_experiment(experiment_id)
        return self._cache.get(
            ("failure_patterns", experiment_id),
            lambda connection: failure_patterns(connection, experiment_id),
        )

    def export_to_csv(self, experiment_id: Ids, output_path: PathName, **options: Any) -> None:
        """Writes a folder of CSV files; options and errors as in `formats.exporting.export`."""
        self._export(experiment_id, output_path, "csv", **options)

    def export_to_json(self, experiment_id: Ids, output_path: PathName, **options: Any) -> None:
        """Writes one JSON document; options and errors as in `formats.exporting.export`."""
        self._export(experiment_id, output_path, "json", **options)

    def export_to_excel(self, experiment_ids: Ids, output_path: PathName, **options: Any) -> None:
        """Writes a workbook; options and errors as in `formats.exporting.export`."""
        self._export(experiment_ids, output_path, "excel", **options)

    def export_large_dataset(
        self, experiment_id: Ids, output_path: PathName, chunk_size: int = 5000, **options: Any
    ) -> None:
        """Writes the format that the ending of `output_path` names, `chunk_size` runs at a time;
        memory does not grow with the experiment.

        Options (`format` among them) and errors as in `formats.exporting.export`.
        """
        self._export(experiment_id, output_path, chunk_size=chunk_size, **options)

    def _export(
        self, experiment_ids: Ids, output_path: PathName, format: str | None = None, **options: Any
    ) -> None:
        export(self.database, experiment_ids, os.fspath(output_path), format, **options)

    def _require(self, connection: Connection, experiment_ids: Iterable[str]) -> None:
        for experiment_id in experiment_ids:
            ExperimentRepository(connection).get(experiment_id)

    def _accuracy(self, filters: Mapping[str, Any] | None, *, by_task: bool) -> SummaryReport:
        chosen = Filters.of(filters)
        return self._cache.get(
            ("accuracy", chosen, by_task),
            lambda connection: SummaryService(connection, chosen).report(by_task=by_task),
        )

    def _report(self, service: Callable[..., "_Service[T]"], filters: Mapping[str, Any]) -> T:
        chosen = Filters.of(filters)
        return self._cache.get(
            (service, chosen), lambda connection: service(connection, chosen).report()
        )


def _opened(given: Source) -> Database:
    if isinstance(given, Database):
        return given
    if isinstance(given, Connection):
        return CallerConnection(given)
    if isinstance(given, DatabaseConfig) and not given.enabled:
        return Database(replace(given, url="sqlite://"))
    return Database(given)


def _listed(experiment_ids: Ids) -> list[str]:
    return [experiment_ids] if isinstance(experiment_ids, str) else list(experiment_ids)
