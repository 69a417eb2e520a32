"""Field overrides: fields of runs that the user takes from elsewhere in the samples of a log."""

from collections.abc import Mapping
from typing import Any

from ml_agents_results.errors import InvalidFileError, UsageError
from ml_agents_results.formats.coercion import text
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.records import RunRecord

_OVERRIDABLE = (
    "sample_id",
    "input_text",
    "expected_answer",
    "raw_output",
    "parsed_answer",
    "task",
    "approach_name",
)

_ABSENT = object()


class Overrides:
    """Fields of runs that `--map FIELD=PATH` takes from elsewhere in the samples of a log, and
    those that `--set FIELD=VALUE` gives.

    A path is a name, and names of inner objects after a dot: `doc.question`.

    Raises:
        UsageError: A field cannot be taken from elsewhere.
    """

    def __init__(self, source: LogSource, options: ImportOptions) -> None:
        if unfit := sorted(set(options.columns) - set(_OVERRIDABLE)):
            raise UsageError(
                f"{', '.join(unfit)} of this format cannot be mapped",
                f"--map takes FIELD=PATH; fields are: {', '.join(_OVERRIDABLE)}",
            )
        if unfit := sorted(set(options.constants) - {*_OVERRIDABLE, "model", "provider"}):
            raise UsageError(
                f"{', '.join(unfit)} of this format cannot be set",
                f"--set takes FIELD=VALUE; fields are: {', '.join(_OVERRIDABLE)}, model, provider",
            )
        self._source = source
        self._constants = dict(options.constants)
        self._paths = {field: path.split(".") for field, path in options.columns.items()}
        self._unseen = dict(options.columns)

    def apply(self, run: RunRecord, sample: Mapping[str, Any]) -> None:
        """Sets those fields that the sample has."""
        for field, path in self._paths.items():
            value: Any = sample
            for name in path:
                value = value.get(name, _ABSENT) if isinstance(value, Mapping) else _ABSENT
            if value is not _ABSENT and (known := text(value)) is not None:
                setattr(run, field, known)
                self._unseen.pop(field, None)
        for field, constant in self._constants.items():
            setattr(run, field, constant)

    def finish(self) -> None:
        """Raises InvalidFileError if a path led nowhere in all samples."""
        if self._unseen:
            raise InvalidFileError(
                f"{self._source.name} has no {', '.join(sorted(self._unseen.values()))}",
                "Correct --map FIELD=PATH; names are spelled as in the file.",
            )
