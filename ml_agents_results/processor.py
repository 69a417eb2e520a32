"""ResultsProcessor: the facade that experiment platforms call.

Every method that saves is one transaction: when it returns, what it was given is durable; when it
raises, nothing of it is there.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine

from ml_agents_results.config import DatabaseConfig, ExperimentConfig
from ml_agents_results.database.engine import Database
from ml_agents_results.database.maintenance.automatic_backup import AutomaticBackup
from ml_agents_results.database.manager import DatabaseManager
from ml_agents_results.errors import InvalidRecordError, NotFoundError
from ml_agents_results.formats.exporting import export
from ml_agents_results.records import (
    ExperimentRecord,
    ExperimentStatus,
    RunRecord,
    canonical_approach,
)
from ml_agents_results.redaction import redact
from ml_agents_results.reports.sentences import comparison_frame
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.parsing_metrics_repository import ParsingMetricsRepository
from ml_agents_results.repositories.run_repository import RunRepository
from ml_agents_results.responses import metrics_of, run_of_response, settings_of
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.comparison.comparison_service import Comparison, ComparisonService
from ml_agents_results.services.cost import CostService
from ml_agents_results.services.failures import FailureService
from ml_agents_results.services.latency import LatencyService
from ml_agents_results.services.parsing import ParsingService
from ml_agents_results.services.result_cache import ResultCache
from ml_agents_results.services.summary import SummaryReport, SummaryService

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class _Service(Protocol[T_co]):
    def report(self) -> T_co: ...


class ResultsProcessor:
    """Records experiments and their runs.

    Args:
        db_path: A SQLite file, a SQLAlchemy URL, a DatabaseConfig, a Database, or an Engine. A
            missing SQLite file is created with its tables. A SQLite file is backed up in a
            background thread after every `backup_frequency` saved runs (see DatabaseConfig).

    Raises:
        SchemaError: The database is of another schema; the hint names the command that helps.
    """

    def __init__(
        self, db_path: str | DatabaseConfig | Database | Engine = "ml_agents_results.db"
    ) -> None:
        self.database = db_path if isinstance(db_path, Database) else Database(db_path)
        DatabaseManager(self.database).initialize_schema()
        self.backup = AutomaticBackup(self.database)
        """Counts saved runs and backs the database up; whoever records past the processor counts
        there, too."""
        self._cache = ResultCache(self.database)

    def close(self) -> None:
        """Waits for a backup that is being made, and closes the database."""
        self.backup.finish()
        self._cache.close()
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
    ) -> None:
        """Creates the experiment, or updates it; its runs stay. Secrets in `config` are left out.

        Args:
            config: An ExperimentConfig, another dataclass, or a mapping of JSON values.
            name: A title; by default the one in `config`.
            environment: Versions, git commit, data set fingerprint and the like.

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
        )
        self._write(lambda connection: ExperimentRepository(connection).save(record))

    def get_experiment(self, experiment_id: str) -> ExperimentRecord:
        """Raises NotFoundError where there is no such experiment."""
        with self.database.read() as connection:
            return ExperimentRepository(connection).get(experiment_id)

    def set_status(self, experiment_id: str, status: ExperimentStatus) -> None:
        """Sets the status of an experiment."""
        self._write(
            lambda connection: ExperimentRepository(connection).set_status(experiment_id, status)
        )

    def save_run_result(self, run_result: object) -> None:
        """Saves what a provider answered: one run with its parsing metrics.

        Saving the same run again updates it. When this returns, the run is durable.

        Args:
            run_result: Any object with the attributes of StandardResponse; its metadata names at
                least experiment_id, approach and sample_index.

        Raises:
            InvalidRecordError: A value is missing or breaks a rule.
            DatabaseError: The database could not be written.
        """
        self.save_run(run_of_response(run_result))

    def save_run(self, run: RunRecord) -> None:
        """Saves one run, durably."""
        self._write(lambda connection: RunRepository(connection).save(run))
        self.backup.saved()

    def save_runs(self, runs: Iterable[RunRecord]) -> int:
        """Saves many runs in one transaction, all or none; returns how many were new or changed.

        Raises:
            InvalidRecordError: A value breaks a rule; `record_number` tells which record.
        """
        records = runs if isinstance(runs, tuple | list) else tuple(runs)
        changed = self._write(lambda connection: RunRepository(connection).save_many(records))
        self.backup.saved(len(records))
        return changed

    def save_parsing_metrics(self, run_id: str, metrics: Mapping[str, Any]) -> None:
        """Sets the parsing metrics of a run.

        Args:
            metrics: parsing_attempts (or attempts), fallback_used, confidence_score (or
                confidence, 0 to 1), extraction_time_ms, error_details.

        Raises:
            NotFoundError: There is no such run.
            InvalidRecordError: A value breaks a rule, or its name is not known.
        """
        record = metrics_of(metrics)
        self._write(lambda connection: ParsingMetricsRepository(connection).save(run_id, record))

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

    def compare_approaches(self, experiment_ids: Sequence[str]) -> "pd.DataFrame":
        """One row per comparison with the baseline: `Comparison.to_frame` and its sentence.

        Raises:
            NotFoundError: There is no such experiment.
            UsageError: There are fewer than two variants.
        """
        return comparison_frame(self.compare(experiment_ids))

    def generate_accuracy_report(self, filters: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Accuracies of the variants that pass the filters, overall and by task.

        Args:
            filters: Any of experiment_id, approach_name, provider, model, task, parsing_method
                (a value or a list), created_from and created_to.

        Returns:
            `confidence_level`, `variants` and `tasks` (each with `task` and `variants`).

        Raises:
            UsageError: A filter is not known; the hint lists those that are.
        """
        return self._accuracy(filters, by_task=True).to_dict()

    def calculate_approach_statistics(
        self, approach_name: str, experiment_id: str
    ) -> dict[str, Any]:
        """Accuracy, times, costs and parsing of one approach in one experiment.

        Returns:
            `approach_name`, `experiment_id`, and the `variants` of each of `accuracy`, `latency`,
            `cost` and `parsing`.

        Raises:
            NotFoundError: There is no such experiment, or no run of that approach in it.
        """
        self.get_experiment(experiment_id)
        name = canonical_approach(approach_name)
        chosen = {"experiment_id": experiment_id, "approach_name": name}
        accuracy = self._accuracy(chosen, by_task=False)
        if not accuracy.variants:
            raise NotFoundError(
                f"experiment {experiment_id!r} has no runs of the approach {name!r}",
                f"See: ml-agents show --experiment-id {experiment_id}",
            )
        return {
            "approach_name": name,
            "experiment_id": experiment_id,
            "accuracy": accuracy.to_dict()["variants"],
            "latency": self._report(LatencyService, chosen).to_dict()["variants"],
            "cost": self._report(CostService, chosen).to_dict()["variants"],
            "parsing": self._report(ParsingService, chosen).to_dict()["variants"],
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
        """What goes wrong more often than elsewhere, the clearest pattern first.

        Returns:
            The slices whose accuracy differs from the rest of their variant (adjusted p at most
            0.05), as dicts with the fields of services.failures.SliceRow.

        Raises:
            NotFoundError: There is no such experiment.
        """
        self.get_experiment(experiment_id)
        report = self._report(FailureService, {"experiment_id": experiment_id})
        clear = [
            row
            for row in report.slices
            if row.p_value_adjusted is not None
            and row.p_value_adjusted <= 0.05
            and (row.difference or 0) < 0
        ]
        return [row.to_dict() for row in sorted(clear, key=lambda row: row.p_value_adjusted or 0)]

    def export_to_csv(
        self, experiment_ids: str | Sequence[str], path: str | Path, **options: Any
    ) -> None:
        """Writes a folder of CSV files; options and errors as in `exporting.export`."""
        export(self.database, experiment_ids, path, "csv", **options)

    def export_to_json(
        self, experiment_ids: str | Sequence[str], path: str | Path, **options: Any
    ) -> None:
        """Writes one JSON document; options and errors as in `exporting.export`."""
        export(self.database, experiment_ids, path, "json", **options)

    def export_to_excel(
        self, experiment_ids: str | Sequence[str], path: str | Path, **options: Any
    ) -> None:
        """Writes a workbook; options and errors as in `exporting.export`."""
        export(self.database, experiment_ids, path, "excel", **options)

    def export_large_dataset(
        self,
        experiment_ids: str | Sequence[str],
        path: str | Path,
        format: str = "jsonl",
        chunk_size: int = 5000,
        **options: Any,
    ) -> None:
        """Writes any format in chunks; memory does not grow with the experiments.

        Options and errors as in `exporting.export`.
        """
        export(self.database, experiment_ids, path, format, chunk_size=chunk_size, **options)

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

    def _write(self, work: Callable[[Connection], T]) -> T:
        for attempt in self.database.retrying():
            with attempt, self.database.write() as connection:
                return work(connection)
        raise AssertionError("the last attempt returns or raises")
