"""Answer reader: reads answers from raw outputs and grades them, where an import asks for it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Protocol

from ml_agents_results.formats.log import Item
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.formats.spool import Spool
from ml_agents_results.records import MetricRecord, RunRecord, ScoreRecord
from ml_agents_results.scoring.graders import find_grader
from ml_agents_results.scoring.kinds import check_kind
from ml_agents_results.scoring.stored_answers import Rescoring, guess_kinds


class Measure(Protocol):
    """Takes the metric of the grades, and whether the runs have grades of their own."""

    def __call__(self, metric: MetricRecord, *, has_grades: bool) -> None: ...


class AnswerReader:
    """Reads and grades the answers of one log or table.

    The kind of answer is the user's, else that of the run, else guessed for each task from all of
    its expected answers; the runs are set aside until these have been seen.

    Args:
        reparse: Whether answers that the file has are read anew from the raw outputs.
    """

    def __init__(self, source: LogSource, options: ImportOptions, *, reparse: bool) -> None:
        self._source = source
        self._readable = 0
        self._comparable = 0
        self._has_grades = False
        self._rescoring: Rescoring | None = None
        if options.grades:
            kind = None if options.answer_kind is None else check_kind(options.answer_kind)
            grader = find_grader(options.grader or "exact")
            self._rescoring = Rescoring(grader, reparse and options.parsing != "none", kind)

    @property
    def metric(self) -> MetricRecord | None:
        """The metric that the grades are of; None where nothing is graded."""
        if self._rescoring is None:
            return None
        grader = self._rescoring.grader
        return MetricRecord(
            grader.name,
            grader.scale,
            scorer=grader.name,
            definition_json=self._rescoring.definition,
        )

    def items(self, items: Iterable[Item], measure: Measure | None = None) -> Iterator[Item]:
        """The runs with their grades among the scores.

        Args:
            measure: Called with the metric of the grades when all runs have been read.
        """
        if self._rescoring is None:
            for item in items:
                self._note(item.run, item.scores)
                yield item
            return
        spool: Spool[Item] = Spool()
        guessed = guess_kinds(self._kept(items, spool))
        rescoring = replace(self._rescoring, by_task=guessed)
        if measure is not None and (metric := self.metric) is not None:
            measure(metric, has_grades=self._has_grades)
        for item in spool:
            if item.run.error is None and item.run.expected_answer is not None:
                name, score = rescoring.grader.name, _graded(rescoring, item.run)
                item = item._replace(scores={name: score, **item.scores})
            yield item

    def _kept(self, items: Iterable[Item], spool: Spool[Item]) -> Iterator[RunRecord]:
        for item in items:
            self._has_grades |= any(score.value is not None for score in item.scores.values())
            spool.add(item)
            yield item.run

    def _note(self, run: RunRecord, scores: Mapping[str, ScoreRecord]) -> None:
        if not scores and run.is_correct is None and run.score is None and run.error is None:
            self._readable += run.raw_output is not None and run.expected_answer is not None
            self._comparable += run.parsed_answer is not None and run.expected_answer is not None

    def finish(self) -> None:
        """Says that answers could be read."""
        name = self._source.name
        if self._comparable:
            self._source.warn(
                f"{name}: {self._comparable} answers have no grade, and could be compared with the "
                "expected ones: --grader exact"
            )
        elif self._readable:
            self._source.warn(
                f"{name}: {self._readable} answers have no grade, and could be read and graded: "
                "--parse"
            )


def _graded(rescoring: Rescoring, run: RunRecord) -> ScoreRecord:
    """The score of a run, whose answer is read on the way."""
    parsed, verdict = rescoring.score(run)
    if parsed is not None:
        run.parsed_answer = parsed.parsed_answer
        run.parsing_method = parsed.parsing_method
        run.parsing_confidence = parsed.parsing_confidence
        run.parsing_metrics = parsed.metrics
    value = None if verdict.value is None else float(verdict.value)
    return ScoreRecord(value, verdict.label or None, verdict.explanation or None)
