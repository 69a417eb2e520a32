"""Answers read by a person, and graded."""

from collections.abc import Iterator
from datetime import UTC, datetime

from ml_agents_results.database.origin import trusted_grader
from ml_agents_results.errors import InvalidRecordError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import ParsingMetrics, RunRecord
from ml_agents_results.scoring.graders import find_grader
from ml_agents_results.scoring.stored_answers import Rescoring


class Regrading:
    """Grades what a person reads in the outputs of one experiment, by the experiment's grader."""

    def __init__(self, processor: ResultsProcessor, experiment_id: str) -> None:
        self._processor = processor
        self._experiment = processor.get_experiment(experiment_id)
        self.grader = trusted_grader(self._experiment)
        self._rescoring = Rescoring(find_grader(self.grader))

    def unread(self) -> Iterator[RunRecord]:
        """The runs with an output in which no answer was found."""
        for run in self._processor.iter_runs(self._experiment.id):
            if run.error is None and run.parsed_answer is None and run.raw_output is not None:
                yield run

    def correct(self, run_id: str, answer: str) -> RunRecord:
        """Sets the answer that a person read in a run's output and grades it.

        The values before are kept in the run's metadata.

        Raises:
            NotFoundError: There is no such run.
            InvalidRecordError: The run belongs to another experiment, or failed.
        """
        run = self._processor.get_run(run_id)
        if run.experiment_id != self._experiment.id or run.error is not None:
            raise InvalidRecordError(
                f"{run_id} is a run of {run.experiment_id}"
                if run.error is None
                else f"{run_id} failed: it has no output to read an answer from",
                "Ask failed runs again with: ml-agents resume --retry-failed",
            )
        before = {
            "parsed_answer": run.parsed_answer,
            "parsing_method": run.parsing_method,
            "is_correct": run.is_correct,
            "until": datetime.now(UTC).isoformat(),
        }
        run.metadata_json = {**(run.metadata_json or {}), "before_correction": before}
        run.parsed_answer, run.parsing_method, run.parsing_confidence = answer, "manual", 1.0
        metrics = run.parsing_metrics or ParsingMetrics()
        metrics.parsing_attempts = (metrics.parsing_attempts or 0) + 1
        metrics.fallback_used, metrics.confidence_score = True, 1.0
        run.parsing_metrics = metrics
        verdict = self._rescoring.score(run).verdict
        run.is_correct, run.score = verdict.is_correct, verdict.score
        self._processor.save_run(run)
        return run
