"""The metrics of an experiment, merged over all files that are imported into it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from sqlalchemy import Connection

from ml_agents_results.database.primary_values import set_value
from ml_agents_results.formats.log import Item
from ml_agents_results.formats.log_source import LogSource
from ml_agents_results.records import MetricKind, MetricRecord, RunRecord, ScoreRecord
from ml_agents_results.repositories.metric_repository import MetricRepository
from ml_agents_results.repositories.run_repository import RunRepository
from ml_agents_results.repositories.score_rows import value_of_run

_BATCH = 1000


class ExperimentMetrics:
    """What the runs of one experiment are measured by.

    A metric is binary only if it is in every file. The primary metric is the one that the user
    names, else the one that an earlier import chose, else of those that the files of this import
    have as theirs one of right and wrong, and of these the one that grades the most runs.
    """

    def __init__(self, connection: Connection, experiment_id: str) -> None:
        self._connection = connection
        self._experiment_id = experiment_id
        self._repository = MetricRepository(connection, experiment_id)
        self._read()
        self._chosen = self.primary is not None
        self._own: dict[LogSource, str] = {}
        self._valued: dict[LogSource, Counter[str]] = {}

    @property
    def primary(self) -> MetricRecord | None:
        return next((one for one in self._metrics.values() if one.is_primary), None)

    def __iter__(self) -> Iterator[MetricRecord]:
        return iter(self._metrics.values())

    def add(self, metrics: Iterable[MetricRecord], source: LogSource, *, named: bool) -> bool:
        """Saves the metrics of a file, and returns whether the primary metric became another.

        The first one is the primary one until `settle`.

        Args:
            named: Whether the user named the primary metric.
        """
        before = self.primary
        own = None
        for metric in metrics:
            if metric.is_primary and own is None:
                own = metric.name
            self._merge(metric)
        if own is None:
            return False
        self._own[source] = own
        reopened = named and self._chosen
        self._chosen = self._chosen and not named
        if before is not None and (before.name == own or not reopened):
            return False
        self._make_primary(own)
        return True

    def count(self, source: LogSource, item: Item, primary: MetricRecord | None) -> None:
        """Notes which metrics a run of the file has values of."""
        if item.run.error is not None:
            return
        valued = self._valued.setdefault(source, Counter())
        valued.update(name for name, score in item.scores.items() if score.value is not None)
        if primary is not None and primary.name not in item.scores:
            valued[primary.name] += value_of_run(item.run) is not None

    def forget(self, source: LogSource) -> None:
        """Leaves a file out whose rows were rolled back."""
        self._own.pop(source, None)
        self._valued.pop(source, None)
        self._read()

    def settle(self) -> Mapping[LogSource, int]:
        """Chooses the primary metric by all files, and names it where they have several.

        Returns:
            How many more runs of each file have no value of it than of the one before.
        """
        before = self.primary
        if before is None:
            return {}
        chosen, more = before.name, {}
        if not self._chosen:
            # Of equal ones the first.
            chosen = max(dict.fromkeys(self._own.values()), key=self._rank, default=chosen)
        if chosen != before.name:
            self._make_primary(chosen)
            more = {file: own[before.name] - own[chosen] for file, own in self._valued.items()}
        for source, name in self._own.items():
            if name != chosen:
                source.warn(
                    f"the primary metric of experiment {self._experiment_id} is {chosen}; {name} "
                    f"is stored next to it (to change: --metric {name})"
                )
        return more

    def _rank(self, name: str) -> tuple[bool, int]:
        graded = sum(valued[name] for valued in self._valued.values())
        return self._metrics[name].kind == "binary", graded

    def grade(self, item: Item, primary: MetricRecord | None) -> None:
        """Gives the run its scores, and the value of the experiment's primary metric.

        Args:
            primary: The metric whose value the run has from its file.
        """
        run, scores = item.run, item.scores
        for name, score in scores.items():
            score.metric = name
        own = self.primary
        if own is not None and (
            primary is None or own.name != primary.name or own.kind != primary.kind
        ):
            value = scores[own.name].value if own.name in scores else None
            set_value(run, own.kind, value)
        known = [score for score in scores.values() if not _is_empty(score)]
        run.scores = [*(run.scores or ()), *known] or None

    def _merge(self, metric: MetricRecord) -> None:
        known = self._metrics.get(metric.name)
        merged = replace(metric, is_primary=False) if known is None else _merged(known, metric)
        if merged == known:
            return
        if known is not None and known.is_primary and known.kind != merged.kind:
            self._rewrite(merged.kind)
        self._repository.save(merged)
        self._metrics[metric.name] = merged

    def _make_primary(self, name: str) -> None:
        if self.primary is None:
            self._metrics[name] = replace(self._metrics[name], is_primary=True)
            self._repository.save(self._metrics[name])
            return
        self._repository.make_primary(name)
        self._read()

    def _read(self) -> None:
        self._metrics = {metric.name: metric for metric in self._repository.list()}

    def _rewrite(self, kind: MetricKind | None) -> None:
        """Puts the values of the primary metric on the runs as one of this kind."""
        runs = RunRepository(self._connection)
        batch: list[RunRecord] = []
        for run in runs.iterate([self._experiment_id]):
            set_value(run, kind, value_of_run(run))
            batch.append(replace(run, scores=None))
            if len(batch) == _BATCH:
                runs.save_many(batch)
                batch = []
        runs.save_many(batch)


def _merged(known: MetricRecord, new: MetricRecord) -> MetricRecord:
    return replace(
        known,
        kind=_kind(known.kind, new.kind),
        lower=new.lower if known.lower is None else known.lower,
        upper=new.upper if known.upper is None else known.upper,
        higher_is_better=new.higher_is_better
        if known.higher_is_better is None
        else known.higher_is_better,
        scorer=known.scorer or new.scorer,
        definition_json=new.definition_json | known.definition_json,
    )


def _kind(known: MetricKind | None, new: MetricKind | None) -> MetricKind | None:
    if known is None or new is None:
        return known or new
    return known if known == new else "numeric"


def _is_empty(score: ScoreRecord) -> bool:
    return (score.value, score.label, score.explanation, score.details_json) == (None,) * 4
