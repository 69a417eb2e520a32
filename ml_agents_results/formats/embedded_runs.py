"""Experiments and runs that our exports to other tools' formats carry along, unchanged.

The other tool reads what its format has fields for; `ml-agents import` restores the rest.
"""

from collections.abc import Mapping
from typing import Any

from ml_agents_results.database.types import from_stored
from ml_agents_results.errors import InvalidFileError
from ml_agents_results.formats.coercion import mapping
from ml_agents_results.formats.field_mapping import FieldMapping
from ml_agents_results.formats.json_values import parse
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.formats.record_objects import experiment_of
from ml_agents_results.records import ExperimentRecord, RunRecord

WRITTEN_BY = "ml-agents-results"
WRITER = "written_by"
"""The key under which a log names its writer."""

EXPERIMENT = "experiment"
RUN = "ml_agents_run"
"""The keys under which a log keeps an experiment and a run, as objects or as JSON."""


class EmbeddedRuns:
    """The runs in a log that `described` names as one of ours."""

    def __init__(self, source: LogSource, described: Mapping[str, Any]) -> None:
        self._source = source
        self._described = described
        self._fields = FieldMapping(source, ImportOptions())

    @classmethod
    def of(cls, source: LogSource, described: object) -> "EmbeddedRuns | None":
        """None if another program wrote the log."""
        known = mapping(described)
        return cls(source, known) if known.get(WRITER) == WRITTEN_BY else None

    def experiment(self) -> ExperimentRecord | None:
        """The original experiment; None if the export left it out."""
        known = self._object(self._described.get(EXPERIMENT))
        return experiment_of(known) if isinstance(known.get("id"), str) else None

    def run(self, sample: object, texts: Mapping[str, object]) -> RunRecord | None:
        """The original run; None if the sample does not carry one.

        Args:
            sample: The metadata of the sample in the log.
            texts: The fields of the run that the format has fields for.
        """
        packed = self._object(mapping(sample).get(RUN))
        if not packed:
            return None
        known = {
            name: from_stored(value) for name, value in texts.items() if isinstance(value, str)
        }
        return self._fields.record({**known, **packed})

    def _object(self, packed: object) -> dict[str, Any]:
        if not isinstance(packed, str):
            return mapping(_original(packed))
        try:
            return mapping(parse(from_stored(packed)))
        except ValueError as error:
            raise InvalidFileError(
                f"{self._source.name} holds a damaged run or experiment: {error}",
                "Export it again.",
            ) from error


def _original(value: Any) -> Any:
    """The value with its texts as they were before they were written."""
    if isinstance(value, dict):
        return {from_stored(name): _original(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_original(inner) for inner in value]
    return from_stored(value) if isinstance(value, str) else value
