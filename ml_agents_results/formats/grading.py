"""The metrics of one log: their kinds, which one is primary, and what its runs get from it.

Formats hand over the scores of each run by the names of their metrics. When all runs have been
read, each metric is known to be binary (all its values are 0 or 1) or numeric; a value alone never
decides. Then the primary metric is chosen: by an option of the user, else by the names that the
format prefers, else the first metric of right and wrong, else the first with numbers. The choice
is recorded, and named in a warning if there was one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NoReturn

from ml_agents_results.database.primary_values import set_value
from ml_agents_results.errors import InvalidFileError
from ml_agents_results.formats.coercion import number
from ml_agents_results.formats.log import Item
from ml_agents_results.formats.log_source import LogSource
from ml_agents_results.formats.spool import Spool
from ml_agents_results.records import MetricKind, MetricRecord, RunRecord, ScoreRecord

ANSWER = "answer"
"""In the details of a score: the answer that the scorer took from the output."""

_SHOWN = 6


class Grading:
    """Grades the runs of one log.

    Args:
        metric: The metric that the user names.
        scorer: The scorer that the user names.
        what: What the user chooses by the option of this name: metric or scorer.
        preferred: Names of metrics, the usual first.
        rule: In words, how a preferred metric is chosen.
        any_metric: Whether a metric that is not preferred may be the primary one.

    Attributes:
        metrics: The metrics by name; complete when all runs have been read.
        filter: The filter whose metrics may be primary, where a log has several.
    """

    def __init__(
        self,
        source: LogSource,
        metric: str | None,
        *,
        scorer: str | None = None,
        what: Literal["metric", "scorer"] = "metric",
        preferred: Iterable[str] = (),
        rule: str = "the usual one",
        any_metric: bool = False,
    ) -> None:
        self._source = source
        self._metric = metric
        self._scorer = scorer
        self._what = what
        self._preferred = tuple(preferred)
        self._rule = rule
        self._any_metric = any_metric
        self._decided: set[str] = set()
        self._items: Spool[Item] = Spool()
        self.metrics: dict[str, MetricRecord] = {}
        self.filter: str | None = None

    def define(
        self,
        name: str,
        *,
        kind: MetricKind | None = None,
        lower: float | None = None,
        upper: float | None = None,
        higher_is_better: bool | None = None,
        scorer: str | None = None,
        **definition: Any,
    ) -> None:
        """Declares a metric; what is defined already stays. A kind given here is not inferred."""
        if name not in self.metrics:
            self.metrics[name] = MetricRecord(
                name, kind, lower, upper, higher_is_better, scorer, definition
            )
            if kind is not None:
                self._decided.add(name)

    def add(self, item: Item) -> None:
        """Sets a run aside until all have been added."""
        self.note(item.scores)
        self._items.add(item)

    def note(self, scores: Mapping[str, ScoreRecord]) -> None:
        """Takes notice of scores that `graded` gets by `others`."""
        for name, score in scores.items():
            self._note(name, score)

    def graded(
        self, others: Callable[[Item], Mapping[str, ScoreRecord]] | None = None
    ) -> Iterator[Item]:
        """The runs with their grades, in the order in which they were added.

        Args:
            others: Gives further scores of a run, which were read after it.

        Raises:
            InvalidFileError: No run has the metric that the user named.
        """
        primary = self._choose()
        for item in self._items:
            if others is not None and (further := others(item)):
                item = item._replace(scores={**item.scores, **further})
            if primary is not None and (score := item.scores.get(primary)) is not None:
                self._grade(item.run, self.metrics[primary], score)
            yield item

    def streamed(self, items: Iterable[Item]) -> Iterator[Item]:
        """Runs with their grades, in one pass where a metric is declared as binary: that is the
        primary one, if the user names no other. The kinds of the others are known at the end."""
        primary = None
        for item in items:
            if primary is None:
                primary = self._declared()
            if primary is None and self.metrics:
                self.add(item)
                continue
            self.note(item.scores)
            if primary is not None and (score := item.scores.get(primary)) is not None:
                self.metrics[primary].is_primary = True
                self._grade(item.run, self.metrics[primary], score)
            yield item
        yield from self.graded()

    def _declared(self) -> str | None:
        """The metric that is known to be the primary one before any run is read."""
        if self._metric is None and self._scorer is None and self.metrics:
            return next((name for name in self.metrics if name in self._decided), None)
        return None

    def _note(self, name: str, score: ScoreRecord) -> None:
        self.define(name)
        metric = self.metrics[name]
        if score.value is None or name in self._decided or metric.kind == "numeric":
            return
        metric.kind = "binary" if score.value in (0.0, 1.0) else "numeric"

    def _grade(self, run: RunRecord, metric: MetricRecord, score: ScoreRecord) -> None:
        set_value(run, metric.kind, score.value)
        if run.parsed_answer is None and (answer := (score.details_json or {}).get(ANSWER)):
            run.parsed_answer = answer

    def _choose(self) -> str | None:
        """The primary metric of the log."""
        if not self.metrics:
            return None
        fitting = [name for name, metric in self.metrics.items() if self._fits(metric)]
        if not fitting:
            self._refuse()
        measured = [name for name in fitting if self.metrics[name].kind is not None]
        named = self._metric is not None or self._scorer is not None
        name, rule = self._usual(measured or fitting, named)
        known = next((one for one, metric in self.metrics.items() if metric.is_primary), None)
        if known is not None:
            name, rule = known, "the one of right and wrong"
        if not name:
            return None
        self.metrics[name].is_primary = True
        self._source.choose(self._what, name, rule)
        if len(measured) > 1:
            others = _list(one for one in measured if one != name)
            self._source.warn(
                f"runs are graded by {name} ({rule}); also measured: {others} "
                "(to choose: --metric NAME)"
            )
        if self.metrics[name].kind == "numeric":
            self._source.warn(
                f"{name} is numeric: its figure is the mean of its values, not an accuracy"
            )
        return name

    def _fits(self, metric: MetricRecord) -> bool:
        """Whether the metric is one that the user names, by its name or that of its part."""
        if self._scorer is not None and metric.scorer != self._scorer:
            return False
        known = metric.definition_json
        if self._metric == metric.name:
            return True
        if self.filter is not None and known.get("filter") != self.filter:
            return False
        return self._metric in (None, metric.name, known.get("part"), known.get("key"))

    def _refuse(self) -> NoReturn:
        scorers = dict.fromkeys(str(metric.scorer) for metric in self.metrics.values())
        if self._scorer is not None and self._scorer not in scorers:
            raise InvalidFileError(
                f"{self._source.name} has no scorer {self._scorer!r}",
                f"Its scorers are: {', '.join(scorers)}",
            )
        raise InvalidFileError(
            f"{self._source.name} has no metric {self._metric!r}",
            f"Its metrics are: {', '.join(self.metrics)}",
        )

    def _usual(self, fitting: Sequence[str], named: bool) -> tuple[str, str]:
        """The metric to take of those that fit, and the rule by which it is taken."""
        keys = {name: self.metrics[name].definition_json.get("key", name) for name in fitting}
        candidates = [name for key in self._preferred for name in fitting if keys[name] == key]
        usual = candidates[:1]
        if self._any_metric or named:
            candidates += [name for name in fitting if name not in candidates]
            usual = usual or candidates[:1]
        binary = [name for name in candidates if self.metrics[name].kind == "binary"]
        name = next(iter(binary or candidates), "")
        if named:
            return name, f"--{self._what if self._metric is None else 'metric'}"
        return name, self._rule if [name] == usual else "the first of right and wrong"


def score_of(value: object) -> ScoreRecord:
    """The score that a value of a log is; true and false are 1 and 0."""
    return ScoreRecord(float(value) if isinstance(value, bool) else number(value))


def _list(names: Iterable[str]) -> str:
    known = list(names)
    return ", ".join(known[:_SHOWN]) + (" ..." if len(known) > _SHOWN else "")
