"""Imported experiments: what an import saves of them, next to their runs."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from ml_agents_results.database.origin import unsigned
from ml_agents_results.errors import UsageError
from ml_agents_results.formats.experiment_metrics import ExperimentMetrics
from ml_agents_results.formats.import_part import ImportPart
from ml_agents_results.formats.log_source import ImportOptions
from ml_agents_results.records import ExperimentRecord, MetricRecord
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.run_repository import RunRepository


class ImportedExperiments:
    """The experiments of one import, each saved with a note of every file it comes from.

    Attributes:
        counts_before: The number of runs that each had before.
        metrics: What the runs of each are measured by.
        runs: The repository that their runs are saved to. Repositories remember the primary metric:
            it is another one after a change of that.
    """

    def __init__(self, connection: Connection, options: ImportOptions) -> None:
        self._connection = connection
        self._options = options
        self._repository = ExperimentRepository(connection)
        self.counts_before: dict[str, int] = {}
        self.metrics: dict[str, ExperimentMetrics] = {}
        self.runs = RunRepository(connection)

    def __iter__(self) -> Iterator[MetricRecord]:
        """The metrics of all of them."""
        return (metric for known in self.metrics.values() for metric in known)

    def forget(self, part: ImportPart, counts_before: dict[str, int]) -> None:
        """Leaves a file out whose rows were rolled back."""
        self.counts_before = counts_before
        for metrics in self.metrics.values():
            metrics.forget(part.source)
        self.runs = RunRepository(self._connection)

    def begin(self, experiment_id: str, part: ImportPart) -> bool:
        """Saves the experiment with a note of what is imported into it, and returns whether it
        holds a newer attempt.

        Raises:
            UsageError: --name is given, and it is another one than the first.
        """
        name = self._options.name
        if experiment_id not in self.counts_before:
            if name and self.counts_before:
                raise UsageError(
                    f"--name applies to one experiment, but these runs belong to several: "
                    f"{', '.join(self.counts_before)}, {experiment_id}",
                    "Leave it out, or join them with --experiment-id.",
                )
            self.counts_before[experiment_id] = self.runs.count(experiment_id)
        existing = self._repository.find(experiment_id)
        # Nobody signs for the settings of an experiment that comes from elsewhere.
        described = unsigned(_described(experiment_id, part))
        record, noted = existing or described, _note(part)
        attempt = part.source.attempt
        environment = record.environment_json
        imports = environment.get("imports", [])
        newer = attempt is not None and any(one.get("attempt", "") > attempt for one in imports)
        if (attempt is not None and not newer) or part.recorded.get(experiment_id):
            # The newest log of several, or the one that says most, describes the experiment.
            record = replace(
                record,
                name=described.name or record.name,
                status=described.status,
                created_at=described.created_at or record.created_at,
                config_json=described.config_json,
            )
            environment = {**environment, **described.environment_json}
        if noted not in imports:
            # A log that has grown since it was imported is noted once.
            others = (one for one in imports if attempt is None or not _same_log(one, noted))
            environment = {**environment, "imports": [*others, noted]}
        record = replace(
            record,
            name=name or record.name,
            status="completed" if record.status == "running" else record.status,
            environment_json=environment,
        )
        if record != existing:
            self._repository.save(record, redate=True)
        self.save_metrics(experiment_id, part)
        return newer

    def save_metrics(self, experiment_id: str, part: ImportPart) -> None:
        """Saves what the file says so far about the metrics of the experiment."""
        if experiment_id not in self.metrics:
            self.metrics[experiment_id] = ExperimentMetrics(self._connection, experiment_id)
        options, known = self._options, part.metrics(experiment_id)
        named = any((options.metric, options.scorer, options.filter))
        if self.metrics[experiment_id].add(known, part.source, named=named):
            self.runs = RunRepository(self._connection)

    def made_only_by(self, name: str, files: set[str], whole: tuple[str, ...]) -> bool:
        """Whether all runs of the experiment come from these files (SHA-256), none of which is in
        a format that holds whole databases."""
        record = self._repository.find(name)
        imports = [] if record is None else record.environment_json.get("imports", [])
        return bool(imports) and all(
            one.get("sha256") in files and one.get("format") not in whole for one in imports
        )


def _described(experiment_id: str, part: ImportPart) -> ExperimentRecord:
    """What the log says of the experiment; of the only one it describes, under another id."""
    described = part.described(experiment_id)
    if described is None:
        return ExperimentRecord(experiment_id, name=part.source.stem)
    return replace(described, id=experiment_id)


def _note(part: ImportPart) -> dict[str, Any]:
    """What an experiment records of a file that is imported into it."""
    noted = {
        "file": Path(part.source.name).name,
        "format": part.format_name,
        "sha256": part.source.sha256,
    }
    return noted if part.source.attempt is None else {**noted, "attempt": part.source.attempt}


def _same_log(noted: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two notes are of one file of one attempt."""
    return all(noted.get(name) == other.get(name) for name in ("file", "format", "attempt"))
