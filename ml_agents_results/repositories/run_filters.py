"""Run filters: which runs of an experiment a list holds, in which order, and places in it."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from ml_agents_results.database.models import Run
from ml_agents_results.errors import UsageError
from ml_agents_results.records import Variant

SortColumn = Literal["key", "time", "cost", "confidence", "score"]
TextColumn = Literal["question", "expected", "answer", "parsed", "reasoning", "error", "metadata"]
METRIC = "metric:"
"""What an order by a metric begins with."""

Change = Literal["improved", "regressed"]

TEXT_COLUMNS: dict[TextColumn, Any] = {
    "question": Run.input_text,
    "expected": Run.expected_answer,
    "answer": Run.raw_output,
    "parsed": Run.parsed_answer,
    "reasoning": Run.reasoning_text,
    "error": Run.error,
    "metadata": Run.metadata_json,
}
"""What can be searched, by the name of it."""

SORT_COLUMNS: dict[str, Any] = {
    "time": Run.execution_time_ms,
    "cost": Run.cost_estimate,
    "confidence": Run.parsing_confidence,
    "score": Run.score,
}
"""What runs can be sorted by other than their key: columns of the index."""


@dataclass(frozen=True, slots=True)
class RunFilters:
    """Conditions on the runs of one experiment that all hold; an empty tuple lets all pass.

    Attributes:
        text: Occurs in one of the columns `text_in`; ASCII letters match in either case.
        metadata: Members of the metadata, by name, and what they are, as text.
        metric: The metric that `minimum` and `maximum` (included) and `author` are about.
        disagree: Two metrics with different values; one twice for one with different authors'.
        change: Only runs of `candidate` that are better (or worse) than that of `baseline` for the
            same sample and repeat, by the primary metric.
    """

    experiment_id: str
    variants: tuple[Variant, ...] = ()
    tasks: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    text: str = ""
    text_in: tuple[TextColumn, ...] = ("question", "answer")
    metadata: tuple[tuple[str, str], ...] = ()
    metric: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    author: str | None = None
    time_min: int | None = None
    time_max: int | None = None
    cost_min: float | None = None
    cost_max: float | None = None
    disagree: tuple[str, ...] = ()
    change: Change | None = None
    candidate: Variant | None = None
    baseline: Variant | None = None

    @property
    def searches(self) -> bool:
        """Whether the texts of runs have to be read."""
        return bool(self.text or self.metadata)

    @property
    def plain(self) -> bool:
        """Whether they are whole, and no scores need to be read."""
        named = self.candidate is not None and self.baseline is not None
        return self.metric is None and not self.disagree and (self.change is None or named)

    @property
    def by_facets_only(self) -> bool:
        """Whether variants, tasks and outcomes alone decide."""
        return self == RunFilters(self.experiment_id, self.variants, self.tasks, self.outcomes)


@dataclass(frozen=True, slots=True)
class RunOrder:
    """The order of a list: by the key of the runs, or by a measure and then the key; runs without
    the measure come last.

    Attributes:
        column: A SortColumn, or `metric:NAME`.
    """

    column: str = "key"
    descending: bool = False

    @property
    def metric(self) -> str | None:
        """The metric that it sorts by."""
        return self.column.removeprefix(METRIC) if self.column.startswith(METRIC) else None

    def __post_init__(self) -> None:
        if self.metric is None and self.column not in get_args(SortColumn):
            raise UsageError(
                f"runs cannot be sorted by {self.column!r}",
                f"Choose one of: {', '.join(get_args(SortColumn))}, {METRIC}NAME",
            )


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a list, that of one run: its key after the experiment, and what it is sorted
    by."""

    key: tuple[Any, ...]
    value: float | None = None
