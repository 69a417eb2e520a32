"""Metric of an analysis: which of an experiment's metrics it is about, and where its values are."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ml_agents_results.errors import NotFoundError, UsageError
from ml_agents_results.records import MetricRecord
from ml_agents_results.repositories.counts import VariantCounts
from ml_agents_results.repositories.metric_repository import MetricRepository
from ml_agents_results.repositories.run_source import RunSource, StoredMetric
from ml_agents_results.statistics.bounded_mean import Bounds

UNNAMED = "correct"
"""What the metric is called where nothing says what the grades of an experiment are."""

UNNAMED_SCORE = "score"
"""The same where they are numbers."""

_NOT_COMPARED = ("kind", "source", "file", "reducer")
"""Entries of a definition that say nothing about what the number means."""


@dataclass(frozen=True, slots=True)
class ChosenMetric:
    """The metric of an analysis.

    Attributes:
        names: By experiment, in the order of the experiments.
        records: What is known of it, by experiment; nothing where grades have no name.
        stored: Where its values are scores and do not stand on the runs.
    """

    names: Mapping[str, str]
    records: Mapping[str, MetricRecord]
    stored: StoredMetric | None = None

    @property
    def name(self) -> str:
        """Its name; several where experiments have different ones."""
        return " / ".join(dict.fromkeys(self.names.values())) or UNNAMED

    def name_in(self, experiment_id: str) -> str:
        return self.names.get(experiment_id, self.name)

    def of_scores(self, experiments: Collection[str]) -> "ChosenMetric":
        """The same if the values of these experiments are numbers, whatever their metric says."""
        names = {
            experiment: UNNAMED_SCORE
            if experiment in experiments and experiment not in self.records
            else name
            for experiment, name in self.names.items()
        }
        return ChosenMetric(names, self.records, self.stored)

    def named(self, name: str) -> "ChosenMetric":
        """The same for the experiments in which it has this name."""
        names = {experiment: one for experiment, one in self.names.items() if one == name}
        records = {e: record for e, record in self.records.items() if e in names}
        return ChosenMetric(names, records, self.stored)

    @property
    def numeric(self) -> bool:
        """Whether some experiment says that it is a number, not right or wrong."""
        return any(record.kind == "numeric" for record in self.records.values())

    @property
    def bounds(self) -> Bounds:
        """The lowest and highest value in any experiment; None unless all say so."""
        low, high = self._end(0), self._end(1)
        return None if low is None or high is None else (low, high)

    def _end(self, side: Literal[0, 1]) -> float | None:
        ends = [
            ((0.0, 1.0) if record.kind == "binary" else (record.lower, record.upper))[side]
            for record in self.records.values()
        ]
        known = [end for end in ends if end is not None]
        if not known or len(known) < max(len(ends), len(self.names)):
            return None
        return max(known) if side else min(known)

    @property
    def span(self) -> float | None:
        """The width of the range; None where the bounds are not known."""
        return self.bounds and self.bounds[1] - self.bounds[0]

    @property
    def higher_is_better(self) -> bool:
        """False where the metric says that lower is better."""
        return all(record.higher_is_better is not False for record in self.records.values())

    @property
    def unit(self) -> str | None:
        """The unit of its values, where the definition names one."""
        units = {record.definition_json.get("unit") for record in self.records.values()}
        one = units.pop() if len(units) == 1 else None
        return one if isinstance(one, str) else None

    def worst(self) -> float:
        """The worst value there can be. Raises UsageError where there is none."""
        worst = self._end(0 if self.higher_is_better else 1)
        if worst is None:
            side = "lower" if self.higher_is_better else "upper"
            raise UsageError(
                f"{self.name} has no {side} bound, so runs without a value cannot count as the "
                "worst",
                "Leave them out: --missing exclude.",
            )
        return worst

    def numeric_experiments(self, counts: Sequence[VariantCounts]) -> "Mapping[str, ChosenMetric]":
        """The experiments in which it is a number, each with it: by what it says, or by what its
        runs have; then also those with a metric of the same name, which may look like right and
        wrong."""
        scored = {part.variant.experiment_id for part in counts if part.scored}
        metric = self.of_scores(scored)
        scored |= {name for name, record in metric.records.items() if record.kind == "numeric"}
        names = {metric.name_in(experiment) for experiment in scored}
        return {
            experiment: metric.named(metric.name_in(experiment))
            for experiment in dict.fromkeys(part.variant.experiment_id for part in counts)
            if metric.name_in(experiment) in names
        }

    def differing(self, one: str, two: str) -> tuple[str, ...]:
        """What differs between the metric of two experiments: `metrics_differ` for the name,
        `definitions_differ` for what its values mean. The kind may be a guess from the values, and
        differs in nothing."""
        if one == two:
            return ()
        if self.name_in(one) != self.name_in(two):
            return ("metrics_differ",)
        first, second = self.records.get(one), self.records.get(two)
        if first is None or second is None or not _conflict(first, second):
            return ()
        return ("definitions_differ",)


def named_metrics(
    source: RunSource, experiment_ids: Sequence[str], names: str | None
) -> list[str | None]:
    """The metrics of a list with commas. Names may hold commas themselves, as those of lm-eval do
    (`exact_match,strict-match`): the longest name that an experiment has is taken."""
    if names is None or "," not in names:
        return [names]
    known = {
        metric.name
        for experiment_id in experiment_ids
        for metric in MetricRepository(source.connection, experiment_id).list()
    }
    parts, found, start = names.split(","), [], 0
    while start < len(parts):
        ends = range(len(parts), start, -1)
        end = next((end for end in ends if ",".join(parts[start:end]) in known), start + 1)
        found.append(",".join(parts[start:end]).strip())
        start = end
    return list(dict.fromkeys(filter(None, found))) or [names]


def chosen_metric(
    source: RunSource, experiment_ids: Sequence[str], name: str | None
) -> ChosenMetric:
    """The named metric of these experiments, or the primary one of each.

    Raises:
        NotFoundError: An experiment has no metric of that name; the hint lists those it has.
    """
    names: dict[str, str] = {}
    records: dict[str, MetricRecord] = {}
    rows: dict[str, int] = {}
    for experiment_id in experiment_ids:
        repository = MetricRepository(source.connection, experiment_id)
        record = repository.primary() if name is None else _named(repository, name)
        names[experiment_id] = UNNAMED if record is None else record.name
        if record is not None:
            records[experiment_id] = record
            if not record.is_primary and (row := repository.row_id(record.name)) is not None:
                rows[experiment_id] = row
    binary = bool(records) and all(record.kind == "binary" for record in records.values())
    return ChosenMetric(names, records, StoredMetric(rows, binary) if rows else None)


def _named(repository: MetricRepository, name: str) -> MetricRecord | None:
    """Raises NotFoundError, except for grades that have no name."""
    if (record := repository.find(name)) is not None:
        return record
    if name in (UNNAMED, UNNAMED_SCORE) and repository.primary() is None:
        return None
    try:
        return repository.get(name)
    except NotFoundError as error:
        if repository.primary() is None:
            raise NotFoundError(
                error.message, "Leave out --metric: its grades have no name."
            ) from None
        raise


def _conflict(one: MetricRecord, two: MetricRecord) -> bool:
    """Whether two definitions contradict each other in what both say."""
    pairs: list[tuple[Any, Any]] = [
        (one.scorer, two.scorer),
        (one.lower, two.lower),
        (one.upper, two.upper),
        (one.higher_is_better, two.higher_is_better),
    ]
    shared = one.definition_json.keys() & two.definition_json.keys() - set(_NOT_COMPARED)
    pairs += [(one.definition_json[key], two.definition_json[key]) for key in shared]
    return any(a is not None and b is not None and a != b for a, b in pairs)
