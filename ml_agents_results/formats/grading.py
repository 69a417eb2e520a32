"""The metrics of one log: which of them is the primary one, and what its runs get from it.

Formats hand over the scores of each run by the names of their metrics. Here the primary metric is
chosen (by an option of the user, else by the names that the format prefers), the choice is
recorded, and its value becomes `is_correct` and `score` of the run.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from ml_agents_results.errors import InvalidFileError
from ml_agents_results.formats.coercion import number
from ml_agents_results.formats.log_source import LogSource
from ml_agents_results.records import MetricRecord, RunRecord, ScoreRecord


class Grading:
    """Grades the runs of one log.

    Args:
        wanted: The metric that the user names.
        option: The option that names it.
        preferred: Names of metrics, the usual first.
        rule: How a preferred metric is chosen, in words.
        fallback: What grades a run that has no preferred metric: nothing, the first metric with a
            number, or the first one even if it has none.

    Attributes:
        metrics: The metrics that runs had, by name.
    """

    def __init__(
        self,
        source: LogSource,
        wanted: str | None,
        *,
        option: str = "--metric",
        preferred: Iterable[str] = (),
        rule: str = "the usual one",
        fallback: Literal["nothing", "number", "first"] = "nothing",
    ) -> None:
        self._source = source
        self._wanted = wanted
        self._option = option
        self._what = option.removeprefix("--")
        self._preferred = tuple(preferred)
        self._rule = rule
        self._fallback = fallback
        self.metrics: dict[str, MetricRecord] = {}
        self._ends = self._between = 0

    def note(self, scores: Mapping[str, ScoreRecord], **definition: Any) -> None:
        """Records the metrics of these scores; a metric is binary while all its values are."""
        for name, score in scores.items():
            if (metric := self.metrics.get(name)) is None:
                metric = self.metrics[name] = MetricRecord(name, definition_json=definition)
            if score.value is not None and metric.kind != "numeric":
                metric.kind = "binary" if score.value in (0.0, 1.0) else "numeric"

    def grade(self, run: RunRecord, scores: Mapping[str, ScoreRecord]) -> str | None:
        """Gives the run its primary score, and returns the name of the metric."""
        self.note(scores)
        name = self.primary(scores)
        if name is None or (score := scores.get(name)) is None:
            return None
        self.assign(run, name, score)
        return name

    def assign(
        self, run: RunRecord, name: str, score: ScoreRecord, correct: bool | None = None
    ) -> None:
        """Gives the run this score as its primary one.

        Args:
            correct: What the source says about right and wrong, if not by the score.
        """
        rule = self._rule if self._wanted is None else self._option
        self._source.choose(self._what, name, rule)
        self.metrics[name].is_primary = True
        run.score = score.value
        if correct is not None:
            run.is_correct = correct
        elif score.value in (0.0, 1.0):
            run.is_correct = score.value == 1.0
            self._ends += 1
        elif score.value is not None:
            self._between += 1

    def primary(self, scores: Mapping[str, ScoreRecord]) -> str | None:
        """The metric that grades a run with these scores."""
        if self._wanted is not None:
            return self._wanted
        numbers = [name for name, score in scores.items() if score.value is not None]
        for name in self._preferred:
            if name in numbers:
                return name
        if self._fallback == "nothing":
            return None
        return next(iter(numbers if self._fallback == "number" else scores), None)

    def finish(self) -> None:
        """Warns of scores that do not become grades.

        Raises:
            InvalidFileError: No run has the metric that the user named.
        """
        if self._wanted is not None and self.metrics and self._wanted not in self.metrics:
            raise InvalidFileError(
                f"{self._source.name} has no {self._what} {self._wanted!r}",
                f"Its {self._what}s are: {', '.join(self.metrics)}",
            )
        if self._ends and self._between:
            self._source.warn(
                f"{self._source.name}: {self._between} runs have scores between right and wrong; "
                "these are in `score` and have no grade. Compare such tasks by `score`."
            )


def score_of(value: object) -> ScoreRecord:
    """The score that a value of a log is; true and false are 1 and 0."""
    return ScoreRecord(float(value) if isinstance(value, bool) else number(value))
