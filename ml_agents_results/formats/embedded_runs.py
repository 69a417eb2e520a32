"""What our own exports to other tools' formats carry along: experiments and runs as they are.

The other tool reads what its format has a place for; `ml-agents import` reads it back whole.
"""

from collections.abc import Mapping
from typing import Any

from ml_agents_results.database.types import from_stored
from ml_agents_results.database.validation import check_id
from ml_agents_results.errors import InvalidFileError
from ml_agents_results.formats.coercion import mapping, moment, text
from ml_agents_results.formats.field_mapping import FieldMapping, strict_json
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.records import ExperimentRecord, RunRecord

WRITTEN_BY = "ml-agents-results"
WRITER = "written_by"
"""Where a log says who wrote it."""

EXPERIMENT = "experiment"
RUN = "ml_agents_run"
"""Where a log keeps an experiment and a run, as objects or as JSON."""


class Own:
    """A log of which `described` says that it is one of ours."""

    def __init__(self, source: LogSource, described: Mapping[str, Any]) -> None:
        self._source = source
        self._described = described
        self._fields = FieldMapping(source, ImportOptions())

    @classmethod
    def of(cls, source: LogSource, described: object) -> "Own | None":
        """None where the log is another program's."""
        known = mapping(described)
        return cls(source, known) if known.get(WRITER) == WRITTEN_BY else None

    def experiment(self) -> ExperimentRecord | None:
        """The experiment as it was; None where the export left it out."""
        known = self._object(self._described.get(EXPERIMENT))
        if not isinstance(known.get("id"), str):
            return None
        check_id("experiment_id", known["id"])
        return ExperimentRecord(
            id=known["id"],
            name=text(known.get("name")),
            description=text(known.get("description")),
            status="failed" if known.get("status") == "failed" else "completed",
            created_at=moment(known.get("created_at")),
            config_json=mapping(known.get("config")),
            environment_json=mapping(known.get("environment")),
        )

    def run(self, sample: object, texts: Mapping[str, object]) -> RunRecord | None:
        """The run as it was; None where the sample does not keep one.

        Args:
            sample: What the log says about the sample beside its format's own fields.
            texts: Fields that stand in the format's own places.
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
            return mapping(strict_json(from_stored(packed)))
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
