"""One log per variant: what the writers of other tools' formats share."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby
from typing import Any

from ml_agents_results.database.types import from_stored, to_stored
from ml_agents_results.errors import UsageError
from ml_agents_results.formats.embedded_runs import EXPERIMENT, WRITER, WRITTEN_BY
from ml_agents_results.formats.json_encoding import json_bytes, run_object
from ml_agents_results.formats.record_objects import described_object, score_objects
from ml_agents_results.formats.snapshot import Snapshot
from ml_agents_results.records import ExperimentRecord, ScoreRecord, Variant
from ml_agents_results.repositories.run_repository import RECORD_COLUMNS
from ml_agents_results.services.summary import SummaryReport
from ml_agents_results.services.variant_summary import VariantSummary

_ARM_AT = tuple(RECORD_COLUMNS.index(name) for name in Variant._fields)
_LONGEST_FILE_NAME = 60
_UNSAFE = re.compile(r"[^\w.+-]+|\.{2,}")


@dataclass(frozen=True)
class VariantLog:
    """One variant of an experiment.

    Attributes:
        source: The experiment alone.
        total: The variant over all its tasks.
        tasks: The variant within each task.
        further: The same, over all and within each task, for each further metric by its name.
        rows: Its runs, as `RunRepository.stream` gives them, each with its scores; to be read once,
            before the next variant.
    """

    snapshot: Snapshot
    total: VariantSummary
    tasks: Mapping[str, VariantSummary]
    further: Mapping[str, tuple[VariantSummary, Mapping[str, VariantSummary]]]
    rows: Iterator[tuple[Sequence[Any], Sequence[ScoreRecord]]]

    @property
    def variant(self) -> Variant:
        return self.total.variant

    @property
    def experiment(self) -> ExperimentRecord:
        return self.snapshot.experiments[0]

    @property
    def config(self) -> Mapping[str, Any]:
        """The experiment's settings, if they are exported."""
        return self.experiment.config_json if self.snapshot.includes("metadata") else {}

    @property
    def digest(self) -> str:
        """64 hexadecimal digits that this variant alone has."""
        return hashlib.sha256(json_bytes(list(self.variant))).hexdigest()

    @property
    def data_set(self) -> str:
        """Its name, if it is known; else that of the only task, else of the experiment."""
        for known in (self.experiment.environment_json, self.experiment.config_json):
            dataset = known.get("dataset")
            name = dataset.get("name") if isinstance(dataset, Mapping) else dataset
            if isinstance(name, str) and name:
                return name
        task = next(iter(self.tasks)) if len(self.tasks) == 1 else ""
        return task or self.experiment.name or self.experiment.id

    def described(self) -> dict[str, Any]:
        """The experiment as `embedded_runs` reads it back."""
        known: dict[str, Any] = {WRITER: WRITTEN_BY}
        if self.snapshot.includes("metadata"):
            known[EXPERIMENT] = described_object(self.experiment)
        return known


def variant_logs(snapshot: Snapshot) -> Iterator[VariantLog]:
    """Every variant of every experiment, in the order of the runs.

    Raises:
        UsageError: There are no runs at all.
    """
    empty = True
    for single in snapshot.single():
        totals = {total.variant: total for total in single.accuracy.variants}
        for variant, rows in groupby(single.scored_rows(), key=_variant_of):
            empty = False
            further = {
                total.metric: (total, _by_task(report, variant))
                for report in single.further
                for total in report.variants
                if total.variant == variant
            }
            tasks = _by_task(single.accuracy, variant)
            yield VariantLog(single, totals[variant], tasks, further, rows)
    if empty:
        raise UsageError(
            f"{', '.join(snapshot.experiment_ids)} has no runs to write a log of",
            "Formats that hold an experiment without runs: --format json, or archive",
        )


def _by_task(report: SummaryReport, variant: Variant) -> dict[str, VariantSummary]:
    return {
        task: result
        for task, results in report.tasks
        for result in results
        if result.variant == variant
    }


def packed(
    row: Sequence[Any], scores: Sequence[ScoreRecord], native: Sequence[str]
) -> dict[str, Any]:
    """The fields of a run, without the texts that the format has fields for."""
    run = run_object(row)
    if scores:
        run["scores"] = score_objects(scores)
    known = {name: value for name, value in run.items() if value is not None}
    # A required field does not distinguish an empty text from a missing one.
    return {
        **{name: value for name, value in known.items() if name not in native},
        **{name: None for name in native if name not in known},
    }


def storable(value: Any) -> Any:
    """The value with texts in stored form: UTF-8 has no lone surrogates."""
    if isinstance(value, Mapping):
        return {storable(name): storable(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [storable(inner) for inner in value]
    return to_stored(value) if isinstance(value, str) else value


def safe_name(name: str) -> str:
    """A name for a file or folder anywhere; a long one is cut, and made unique by its hash."""
    safe = _UNSAFE.sub("_", name).strip("._") or "unknown"
    if len(safe) <= _LONGEST_FILE_NAME:
        return safe
    known_by = blake2b(name.encode("utf-8", "backslashreplace"), digest_size=6).hexdigest()
    return f"{safe[: _LONGEST_FILE_NAME - 13]}_{known_by}"


def _variant_of(scored: tuple[Sequence[Any], Sequence[ScoreRecord]]) -> Variant:
    row, _ = scored
    return Variant(*(from_stored(row[at]) for at in _ARM_AT))
