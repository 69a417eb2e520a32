"""The metrics of one log: their kinds, which one is primary, and what its runs get from it.

Formats hand over the scores of each run by the names of their metrics. When all runs have been
read, each metric is known to be binary (all its values are 0 or 1) or numeric; a value alone never
decides. Then the primary metric is chosen: by an option of the user, else by the names that the
format prefers, else the first metric of right and wrong, else the first with numbers. The choice
is recorded, and named in a warning if there was one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import Any, Literal

from ml_agents_results.database.primary_values import set_value
from ml_agents_results.errors import InvalidFileError
from ml_agents_results.formats.coercion import number
from ml_agents_results.formats.log import Item
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.formats.metric_scales import describes_text, is_continuous, scale_of
from ml_agents_results.formats.source_figures import SourceFigures
from ml_agents_results.formats.spool import Spool
from ml_agents_results.records import MetricKind, MetricRecord, RunRecord, ScoreRecord

ANSWER = "answer"
"""In the details of a score: the answer that the scorer took from the output."""

_OWN = "as it was exported"
_ENOUGH = 1000
"""Runs after which metrics without a value of right and wrong are taken to be numeric."""

_SHOWN = 6


class Grading:
    """Grades the runs of one log.

    Args:
        metric: The metric that the user names. [default: that of the options]
        scorer: The scorer that the user names.
        what: What the user chooses by the option of this name: metric or scorer.
        preferred: Names of metrics, the usual first.
        rule: In words, how a preferred metric is chosen.
        only_preferred: Whether only a preferred metric may be the primary one, unless another one
            is named.

    Attributes:
        metrics: The metrics by name; complete when all runs have been read.
        filter: The filter whose metrics may be primary, where a log has several.
        figures: What the log itself says about its metrics.
    """

    def __init__(
        self,
        source: LogSource,
        options: ImportOptions,
        *,
        metric: str | None = None,
        scorer: str | None = None,
        what: Literal["metric", "scorer"] = "metric",
        preferred: Iterable[str] = (),
        rule: str = "the usual one",
        only_preferred: bool = False,
    ) -> None:
        self._source = source
        self._metric = metric or options.metric
        self._scales = options.scales
        self._lower_is_better = options.lower_is_better
        self._scorer = scorer
        self._what = what
        self._preferred = tuple(preferred)
        self._rule = rule
        self._only_preferred = only_preferred
        self._decided: set[str] = set()
        self._described: str | None = None
        self._described_by = _OWN
        self._nameless = False
        self._chosen: str | None = None
        self._ranges: dict[str, _Range] = {}
        self._items: Spool[Item] = Spool()
        self.metrics: dict[str, MetricRecord] = {}
        self.filter: str | None = None
        self.figures = SourceFigures(source)

    def define(
        self,
        name: str,
        *,
        kind: MetricKind | None = None,
        lower: float | None = None,
        upper: float | None = None,
        higher_is_better: bool | None = None,
        scorer: str | None = None,
        definition: Mapping[str, Any] | None = None,
    ) -> None:
        """Declares a metric; what is defined already stays. A kind given here is not inferred."""
        if name not in self.metrics:
            self.metrics[name] = MetricRecord(
                name, kind, lower, upper, higher_is_better, scorer, dict(definition or {})
            )
            if kind is not None:
                self._decided.add(name)

    def describe(self, metrics: Iterable[MetricRecord], rule: str = _OWN) -> None:
        """Takes over definitions.

        Args:
            rule: In words, where they come from; by default from our own exports.
        """
        described = list(metrics)
        if described and rule == _OWN and not any(metric.is_primary for metric in described):
            # The runs have a grade without a name, or none.
            self._nameless = True
        for metric in described:
            known = self.metrics.setdefault(metric.name, replace(metric, is_primary=False))
            if known.kind is not None:
                self._decided.add(metric.name)
            if metric.is_primary and self._described is None:
                self._described, self._described_by = metric.name, rule

    def add(self, item: Item) -> None:
        """Sets a run aside until all have been added."""
        self.note(item.scores)
        self._items.add(item)

    def note(self, scores: Mapping[str, ScoreRecord]) -> None:
        """Takes notice of scores that `graded` gets by `others`."""
        for name, score in scores.items():
            if (known := self._ranges.get(name)) is None:
                self.define(name)
                known = self._ranges[name] = _Range()
            if (value := score.value) is not None:
                known.add(value)

    def graded(
        self, others: Callable[[Item], Mapping[str, ScoreRecord]] | None = None
    ) -> Iterator[Item]:
        """The runs with their grades, in the order in which they were added.

        Args:
            others: Gives further scores of a run, which were read after it.

        Raises:
            InvalidFileError: No run has the metric that the user named.
        """
        self._settle()
        primary = self._choose()
        for item in self._items:
            if others is not None and (further := others(item)):
                item = item._replace(scores={**item.scores, **further})
            if primary is not None and (score := item.scores.get(primary)) is not None:
                self._grade(item.run, self.metrics[primary], score)
            if item.run.error is None:
                self.figures.add(item.run.sample_index, item.scores)
            yield item
        self.figures.report()

    def streamed(self, items: Iterable[Item]) -> Iterator[Item]:
        """Runs with their grades, in one pass where a metric is declared as binary: that is the
        primary one, if the user names no other. The kinds of the others are known at the end.

        Where the first runs show that all metrics are numeric, only those are set aside.
        """
        primary = None
        waiting = 0
        for item in items:
            if primary is None:
                primary = self._declared()
            if primary is None and (self.metrics or item.scores):
                self.add(item)
                waiting += 1
                if waiting == _ENOUGH and not any(one.binary for one in self._ranges.values()):
                    # No further value makes one of them binary.
                    yield from self.graded()
                    primary, self._items = self._choose(), Spool()
                continue
            self.note(item.scores)
            if primary is not None and (score := item.scores.get(primary)) is not None:
                self.metrics[primary].is_primary = True
                self._grade(item.run, self.metrics[primary], score)
            yield item
        yield from self.graded()

    def _declared(self) -> str | None:
        """The metric that is known to be the primary one before any run is read."""
        if self._nameless and self._described is None:
            return None
        if self._metric is None and self._scorer is None and self.metrics:
            if self._described is not None:
                return self._described if self._described in self._decided else None
            return next((name for name in self.metrics if name in self._decided), None)
        return None

    def _settle(self) -> None:
        """Decides the kind, the bounds and the direction of each metric by all of its values.

        Raises:
            InvalidFileError: A value is outside the scale that the user declares.
        """
        for name, values in self._ranges.items():
            metric = self.metrics[name]
            if values.lowest > values.highest:
                continue
            key = metric.definition_json.get("part") or metric.definition_json.get("key")
            plain = str(key or name.rpartition("/")[2])
            if name not in self._decided:
                binary = values.binary and not is_continuous(plain)
                metric.kind = "binary" if binary else "numeric"
            if (metric.lower, metric.upper) == (None, None):
                if (scale := scale_of(plain, values.lowest, values.highest)) is not None:
                    metric.lower, metric.upper = scale.lower, scale.upper
                    if metric.higher_is_better is None:
                        metric.higher_is_better = scale.higher_is_better
            elif not values.within(metric.lower, metric.upper):
                metric.lower = metric.upper = None
        self._declare()

    def _declare(self) -> None:
        """Gives metrics the scale and the direction that the user declares."""
        for name, (lower, upper) in self._scales.items():
            metric = self._named(name)
            values = self._ranges.get(metric.name)
            if values is not None and not values.within(lower, upper):
                raise InvalidFileError(
                    f"{self._source.name} has values of {metric.name} from {values.lowest:g} to "
                    f"{values.highest:g}, outside its bounds {lower:g} to {upper:g}",
                    "Correct --bounds METRIC=LOW..HIGH, or the values.",
                )
            metric.lower, metric.upper = lower, upper
            if (lower, upper) != (0, 1) and name not in self._decided:
                metric.kind = "numeric"
        for name in self._lower_is_better:
            self._named(name).higher_is_better = False

    def _named(self, name: str) -> MetricRecord:
        if (metric := self.metrics.get(name)) is None:
            raise self._without(name)
        return metric

    def _without(self, name: str | None) -> InvalidFileError:
        return InvalidFileError(
            f"{self._source.name} has no metric {name!r}",
            f"Its metrics are: {', '.join(self.metrics)}",
        )

    def _grade(self, run: RunRecord, metric: MetricRecord, score: ScoreRecord) -> None:
        set_value(run, metric.kind, score.value)
        if answer := (score.details_json or {}).get(ANSWER):
            run.parsed_answer = answer

    def _choose(self) -> str | None:
        """The primary metric of the log, chosen once."""
        if self._chosen is not None:
            return self._chosen
        named = self._metric is not None or self._scorer is not None
        if not self.metrics or not (self._ranges or named):
            return None
        if self._nameless and self._described is None and not named:
            return None
        fitting = [name for name, metric in self.metrics.items() if self._fits(metric)]
        if not fitting:
            raise self._refusal()
        measured = [name for name in fitting if self.metrics[name].kind is not None]
        name, rule = self._usual(measured or fitting, named)
        known = next((one for one, metric in self.metrics.items() if metric.is_primary), None)
        if known is None and not named:
            known = self._described
        if known is not None:
            name = known
            binary = sum(metric.kind == "binary" for metric in self.metrics.values())
            which = f"the {'first' if binary > 1 else 'one'} of right and wrong"
            rule = self._described_by if known == self._described else which
        if not name:
            return None
        if not measured:
            self._source.warn(
                f"{self._source.name}: no value of {_list(fitting)} is a number, so nothing is "
                "graded"
            )
        self.metrics[name].is_primary = True
        self._source.choose(self._what, name, rule)
        if len(measured) > 1 and rule != _OWN:
            others = _list(one for one in measured if one != name)
            self._source.warn(
                f"runs are graded by {name} ({rule}); also measured: {others} "
                "(to choose: --metric NAME)"
            )
        if self.metrics[name].kind == "numeric" and rule != _OWN:
            self._source.warn(
                f"{name} is numeric: its figure is the mean of its values, not an accuracy"
            )
        self._chosen = name
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

    def _refusal(self) -> InvalidFileError:
        scorers = dict.fromkeys(str(metric.scorer) for metric in self.metrics.values())
        if self._scorer is None or self._scorer in scorers:
            return self._without(self._metric)
        return InvalidFileError(
            f"{self._source.name} has no scorer {self._scorer!r}",
            f"Its scorers are: {', '.join(scorers)}",
        )

    def _usual(self, fitting: Sequence[str], named: bool) -> tuple[str, str]:
        """The metric to take of those that fit, and the rule by which it is taken."""
        keys = {name: self.metrics[name].definition_json.get("key", name) for name in fitting}
        candidates = [name for key in self._preferred for name in fitting if keys[name] == key]
        usual = candidates[:1]
        if named or not self._only_preferred:
            others = [name for name in fitting if name not in candidates]
            candidates += sorted(others, key=lambda name: describes_text(str(keys[name])))
            if not usual and candidates[:1] == others[:1]:
                usual = candidates[:1]
        binary = [name for name in candidates if self.metrics[name].kind == "binary"]
        name = next(iter(binary or candidates), "")
        if named:
            return name, f"--{self._what if self._metric is None else 'metric'}"
        if [name] == usual:
            return name, self._rule
        return name, f"the first {'of right and wrong' if binary else 'that grades answers'}"


class _Range:
    """The lowest and the highest value of a metric, and whether all are 0 or 1."""

    __slots__ = ("binary", "highest", "lowest")

    def __init__(self) -> None:
        self.lowest, self.highest, self.binary = inf, -inf, True

    def add(self, value: float) -> None:
        if value < self.lowest:
            self.lowest = value
        if value > self.highest:
            self.highest = value
        if self.binary and value != 0.0 and value != 1.0:
            self.binary = False

    def within(self, lower: float | None, upper: float | None) -> bool:
        below = lower is not None and self.lowest < lower
        above = upper is not None and self.highest > upper
        return not below and not above


def score_of(value: object) -> ScoreRecord:
    """The score that a value of a log is; true and false are 1 and 0."""
    return ScoreRecord(float(value) if isinstance(value, bool) else number(value))


def _list(names: Iterable[str]) -> str:
    known = list(names)
    return ", ".join(known[:_SHOWN]) + (" ..." if len(known) > _SHOWN else "")
