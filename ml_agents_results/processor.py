"""ResultsProcessor: the facade that experiment platforms call.

Every method that saves is one transaction: when it returns, what it was given is durable; when it
raises, nothing of it is there.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, is_dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from ml_agents_results.config import DatabaseConfig, ExperimentConfig
from ml_agents_results.database.engine import Database
from ml_agents_results.database.manager import DatabaseManager
from ml_agents_results.errors import InvalidRecordError
from ml_agents_results.records import (
    ExperimentRecord,
    ExperimentStatus,
    ParsingMetrics,
    RunRecord,
    canonical_approach,
)
from ml_agents_results.redaction import redact
from ml_agents_results.repositories.experiments import ExperimentRepository
from ml_agents_results.repositories.parsing_metrics import ParsingMetricsRepository
from ml_agents_results.repositories.runs import RunRepository

T = TypeVar("T")

_FROM_METADATA = (
    "sample_index",
    "task",
    "repeat_index",
    "sample_id",
    "input_text",
    "expected_answer",
    "is_correct",
    "score",
    "error",
    "parsing_method",
    "parsing_confidence",
)
_METRIC_NAMES = {"attempts": "parsing_attempts", "confidence": "confidence_score"}


class ResultsProcessor:
    """Records experiments and their runs.

    Args:
        db_path: A SQLite file, a SQLAlchemy URL, a DatabaseConfig, a Database, or an Engine. A
            missing SQLite file is created with its tables.

    Raises:
        SchemaError: The database is of another schema; the hint names the command that helps.
    """

    def __init__(
        self, db_path: str | DatabaseConfig | Database | Engine = "ml_agents_results.db"
    ) -> None:
        if isinstance(db_path, Engine):
            db_path = db_path.url.render_as_string(hide_password=False)
        self.database = db_path if isinstance(db_path, Database) else Database(db_path)
        DatabaseManager(self.database).initialize_schema()

    def close(self) -> None:
        """Lets go of the database."""
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
        settings = _settings(config)
        record = ExperimentRecord(
            id=experiment_id,
            name=name or settings.get("name") or None,
            description=description or settings.get("description") or None,
            status=status,
            config_json=redact(settings),
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
        self.save_runs((run,))

    def save_runs(self, runs: Iterable[RunRecord]) -> int:
        """Saves many runs in one transaction, all or none; returns how many were new or changed.

        Raises:
            InvalidRecordError: A value breaks a rule; `record_number` tells which record.
        """
        records = runs if isinstance(runs, tuple | list) else tuple(runs)
        return self._write(lambda connection: RunRepository(connection).save_many(records))

    def save_parsing_metrics(self, run_id: str, metrics: Mapping[str, Any]) -> None:
        """Sets the parsing metrics of a run.

        Args:
            metrics: parsing_attempts (or attempts), fallback_used, confidence_score (or
                confidence, 0 to 1), extraction_time_ms, error_details.

        Raises:
            NotFoundError: There is no such run.
            InvalidRecordError: A value breaks a rule, or its name is not known.
        """
        record = _metrics(metrics)
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

    def _write(self, work: Callable[[Connection], T]) -> T:
        for attempt in self.database.retrying():
            with attempt, self.database.write() as connection:
                return work(connection)
        raise AssertionError("the last attempt returns or raises")


def run_of_response(response: object) -> RunRecord:
    """The run that a response and its metadata describe.

    Raises:
        InvalidRecordError: experiment_id, approach or sample_index is missing.
    """
    metadata = dict(getattr(response, "metadata", None) or {})
    missing = [
        name for name in ("experiment_id", "approach", "sample_index") if metadata.get(name) is None
    ]
    if missing:
        raise InvalidRecordError(
            f"the response's metadata lacks {', '.join(missing)}",
            "Put them into response.metadata before saving.",
        )
    metrics = metadata.pop("parsing_metrics", None)
    seconds = metadata.pop("latency", None)
    if seconds is None:
        seconds = getattr(response, "generation_time", None)
    run = RunRecord(
        id=metadata.pop("run_id", None),
        experiment_id=metadata.pop("experiment_id"),
        approach_name=canonical_approach(metadata.pop("approach")),
        provider=getattr(response, "provider", None) or "",
        model=getattr(response, "model", None) or "",
        raw_output=getattr(response, "text", None),
        parsed_answer=getattr(response, "extracted_answer", None),
        prompt_tokens=getattr(response, "prompt_tokens", None),
        completion_tokens=getattr(response, "completion_tokens", None),
        execution_time_ms=None if seconds is None else round(seconds * 1000),
        cost_estimate=metadata.pop("cost", None),
        parsing_metrics=None if metrics is None else _metrics(metrics),
        **{name: metadata.pop(name) for name in _FROM_METADATA if metadata.get(name) is not None},
    )
    for name in ("total_tokens", "response_id", "parameters", "parsing_metadata"):
        if value := getattr(response, name, None):
            metadata.setdefault(name, value)
    run.metadata_json = redact(metadata) or None
    return run


def _metrics(values: Mapping[str, Any]) -> ParsingMetrics:
    named = {_METRIC_NAMES.get(name, name): value for name, value in values.items()}
    known = ParsingMetrics.__dataclass_fields__
    if unknown := named.keys() - known.keys():
        raise InvalidRecordError(
            f"parsing metrics have no {', '.join(sorted(unknown))}",
            f"Known are: {', '.join(known)}",
        )
    return ParsingMetrics(**named)


def _settings(config: object) -> dict[str, Any]:
    if isinstance(config, ExperimentConfig):
        return config.to_dict()
    if isinstance(config, Mapping):
        return dict(config)
    if is_dataclass(config) and not isinstance(config, type):
        return asdict(config)
    raise InvalidRecordError(
        f"a configuration cannot be a {type(config).__name__}",
        "Give an ExperimentConfig, a dataclass or a mapping.",
    )
