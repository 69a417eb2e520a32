"""Log reader: what the readers of other tools' logs share.

A reader says what its log is about (`experiment`) and adds a run for each sample (`read`); names of
approaches, conversions, `--map` and `--set`, metrics and warnings are the same for all.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from ml_agents_results.errors import InvalidFileError, UsageError
from ml_agents_results.formats.coercion import (
    amount,
    at,
    count,
    error_text,
    moment,
    text,
    without_absent,
)
from ml_agents_results.formats.grading import Grading
from ml_agents_results.formats.log import Item, Log
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.records import (
    ExperimentRecord,
    ExperimentStatus,
    RunRecord,
    ScoreRecord,
    canonical_approach,
)
from ml_agents_results.redaction import redact

NO_APPROACH = ("None", "no approach is named")

_MAPPABLE = (
    *("sample_id", "input_text", "expected_answer", "raw_output", "parsed_answer"),
    *("task", "approach_name"),
)
_SETTABLE = (*_MAPPABLE, "model", "provider")
_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("model", "sample_id", "input_text", "expected_answer"), text),
    **dict.fromkeys(("raw_output", "parsed_answer"), text),
    **dict.fromkeys(("execution_time_ms", "prompt_tokens", "completion_tokens"), count),
    "cost_estimate": amount,
    "created_at": lambda value: value if isinstance(value, datetime) else moment(value),
    "error": error_text,
}


class LogReader:
    """How the samples of one log become the runs of one experiment.

    Attributes:
        provider, model, task, created: Of all runs that do not say otherwise.
        ids: The ids of its samples.
        grading: Its metrics.

    Raises:
        UsageError: --map or --set name a field that cannot be taken from elsewhere.
    """

    provider = model = task = ""
    created: datetime | None = None

    def __init__(self, source: LogSource, options: ImportOptions, **grading: Any) -> None:
        self.source = source
        self.options = options
        self.ids = SampleIds(source)
        self.grading = Grading(source, options, **grading)
        self._unseen = dict(options.columns)
        _require_known(options.columns, _MAPPABLE, "mapped", "--map takes FIELD=PATH")
        _require_known(options.constants, _SETTABLE, "set", "--set takes FIELD=VALUE")

    def log(self) -> Log:
        return Log([self.experiment()], self.items(), self.grading.metrics)

    def experiment(self) -> ExperimentRecord:
        """What the log says about the evaluation."""
        raise NotImplementedError

    def read(self) -> None:
        """Adds a run for each sample."""
        raise NotImplementedError

    def finish(self) -> None:
        """Notes what is known when all samples have been read."""

    def further(self, item: Item) -> Mapping[str, ScoreRecord]:
        """Scores of a run that were read after it."""
        return {}

    def items(self) -> Iterator[Item]:
        """The runs with their grades, in the order in which they were added.

        Raises:
            InvalidFileError: A path of --map led nowhere in all samples.
        """
        self.read()
        if self._unseen:
            raise InvalidFileError(
                f"{self.source.name} has no {', '.join(sorted(self._unseen.values()))}",
                "Correct --map FIELD=PATH; names are spelled as in the file.",
            )
        self.finish()
        yield from self.grading.graded(self.further)

    def approach(self, *candidates: tuple[object, str]) -> str:
        """The approach of runs: the user's, else the first of these that is a name.

        Args:
            candidates: Each with the rule by which it is taken.
        """
        name, rule = next(
            (str(name), rule)
            for name, rule in ((self.options.approach, "--approach"), *candidates, NO_APPROACH)
            if isinstance(name, str) and name
        )
        name = canonical_approach(name)
        self.source.choose("approach", name, rule)
        return name

    def described(
        self,
        identity: str,
        name: str | None,
        config: Mapping[str, Any],
        status: ExperimentStatus = "completed",
        **environment: Any,
    ) -> ExperimentRecord:
        """The experiment, without keys that its settings hold."""
        return ExperimentRecord(
            id=identity,
            name=name,
            status=status,
            created_at=self.created,
            config_json=redact(config),
            environment_json=redact(without_absent(environment)),
        )

    def run(self, metadata: Mapping[str, Any], **fields: Any) -> RunRecord:
        """A run with those of these values that are of the kind of their field."""
        for name, convert in _CONVERSIONS.items():
            if (value := fields.get(name)) is not None:
                fields[name] = convert(value)
        fields["metadata_json"] = without_absent(metadata) or None
        if fields.get("created_at") is None:
            fields["created_at"] = self.created
        known = {"provider": self.provider, "model": self.model, "task": self.task, **fields}
        return RunRecord(experiment_id="", **known)

    def add(
        self,
        position: int | str,
        run: RunRecord,
        sample: Mapping[str, Any],
        size: int,
        scores: Mapping[str, ScoreRecord],
    ) -> None:
        """Adds a run, with the fields that --map and --set name.

        Args:
            sample: What --map takes fields from.
        """
        for field, path in self.options.columns.items():
            if (value := text(at(sample, path))) is not None:
                setattr(run, field, value)
                self._unseen.pop(field, None)
        for field, constant in self.options.constants.items():
            setattr(run, field, constant)
        self.grading.add(Item(position, run, size, scores))


def _require_known(given: Iterable[str], known: Sequence[str], done: str, usage: str) -> None:
    if unfit := sorted(set(given) - set(known)):
        raise UsageError(
            f"{', '.join(unfit)} of this format cannot be {done}",
            f"{usage}; fields are: {', '.join(known)}",
        )


class SampleIds:
    """Makes texts of ids and numbers samples in the order in which their ids appear."""

    def __init__(self, source: LogSource) -> None:
        self._source = source
        self._known: dict[str, object] = {}
        self._indexes: dict[str, dict[object, int]] = {}
        self._are_numbered: bool | None = None

    def text(self, sample_id: object) -> str:
        """The id as a text.

        Raises:
            InvalidFileError: Another sample has this text as a number, or the other way round.
        """
        known = text(sample_id) or ""
        if type(self._known.setdefault(known, sample_id)) is not type(sample_id):
            raise InvalidFileError(
                f"{self._source.name} has a sample {known} whose id is a number, and another "
                "one whose id is the same as a text",
                "Give the samples of the dataset different ids.",
            )
        return known

    def index(self, sample: object, task: str = "") -> int:
        """The number of a sample within its task, from 0 in the order of first appearance."""
        indexes = self._indexes.setdefault(task, {})
        return indexes.setdefault(sample, len(indexes))

    def numbered(self, sample_id: str, number: int | None, where: str) -> int:
        """The number that is in the id, if all ids have one; else as `index`.

        Raises:
            InvalidFileError: Some ids have a number, and others have none.
        """
        has_number = number is not None
        if self._are_numbered is None:
            self._are_numbered = has_number
        if has_number != self._are_numbered:
            raise InvalidFileError(
                f"{where} has the sample_id {sample_id!r}, others are of another kind",
                "The ids of one experiment all have numbers, or none has; split the file.",
            )
        return self.index(sample_id) if number is None else number
