"""Scores stored answers again by a grader, as a new metric or as the primary one; asks no model."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple

from ml_agents_results.database.origin import is_foreign, signed, trusted_grader
from ml_agents_results.database.primary_values import combined, set_value
from ml_agents_results.errors import NotFoundError, ResultsError, UsageError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import MetricKind, MetricRecord, RunRecord, ScoreRecord
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.metric_repository import MetricRepository
from ml_agents_results.repositories.score_repository import HISTORY, with_history
from ml_agents_results.repositories.score_rows import value_of_run
from ml_agents_results.scoring.extraction import ParsedAnswer
from ml_agents_results.scoring.graders import find_grader
from ml_agents_results.scoring.kinds import AnswerKind
from ml_agents_results.scoring.stored_answers import Rescored, Rescoring, guess_kinds, metric_of

BATCH = 1000
"""Runs that are scored and saved together."""

_KINDS: dict[bool, MetricKind] = {True: "binary", False: "numeric"}


@dataclass
class Rescore:
    """What scoring again did.

    Attributes:
        metric: The metric's name.
        primary: Whether its values stand on the runs.
        read: Runs with an output.
        scored: Those with a value now.
        changed: Those whose value differs from that of the metric before, or that had none.
        without: The others, by the label of why.
        errors: Runs on which the grader failed; what they had stays.
        first_error: What it said on the first of them.
    """

    metric: str
    primary: bool
    read: int = 0
    scored: int = 0
    changed: int = 0
    without: Counter[str] = field(default_factory=Counter)
    errors: int = 0
    first_error: str | None = None

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "without": dict(self.without)}


class Difference(NamedTuple):
    """A run on which a stored metric and the grader disagree.

    Attributes:
        parsed: The answer that the grader is given.
        before: The stored value; None without one.
        after: The grader's; None for no verdict.
        label: The grader's.
    """

    run: RunRecord
    parsed: str | None
    before: float | None
    after: float | None
    label: str


@dataclass
class Disagreement:
    """How a grader differs from a stored metric; nothing was saved.

    Attributes:
        metric: The stored metric.
        read: Runs with an output.
        differing: Those whose values differ.
        examples: Some of them, the first ones.
        errors: Runs on which the grader failed.
        first_error: What it said on the first of them.
    """

    metric: str
    read: int = 0
    differing: int = 0
    examples: list[Difference] = field(default_factory=list)
    errors: int = 0
    first_error: str | None = None


class _Failed(NamedTuple):
    """The grader raised on a run."""

    message: str


class StoredScoring:
    """Scores the stored answers of one experiment.

    Args:
        grader: Name with settings, or `module:function`; None is that of the experiment.
        name: The metric; by default the name of the grader.
        primary: Makes it the primary metric; with `reparse` the runs get the new readings, too.
        reparse: Reads the outputs again; a person's reading stays.
        answer_kind: The kind of all answers, by default stored with the runs, or guessed.
        pattern: A regular expression with one group that finds the answer.
        force: Replaces scores of a metric of this name that is defined otherwise.

    Raises:
        NotFoundError, UsageError: There is no such experiment, grader, kind or pattern; or the
            metric of this name is defined otherwise.
    """

    def __init__(
        self,
        processor: ResultsProcessor,
        experiment_id: str,
        grader: str | None = None,
        *,
        name: str | None = None,
        primary: bool = False,
        reparse: bool = False,
        answer_kind: AnswerKind | None = None,
        pattern: str | None = None,
        force: bool = False,
    ) -> None:
        self._processor = processor
        self._experiment = processor.get_experiment(experiment_id)
        self.grader = grader or trusted_grader(self._experiment)
        chosen = find_grader(self.grader)
        self.metric = name or chosen.name
        self._primary = primary
        self._rescoring = Rescoring(chosen, reparse, answer_kind, pattern)
        if answer_kind is None:
            kinds = guess_kinds(self._runs())
            self._rescoring = replace(self._rescoring, by_task=kinds)
        metrics = {metric.name: metric for metric in self._experiment.metrics or ()}
        self._known = metrics.get(self.metric)
        definition = (self._known.definition_json if self._known else {}).get("grader")
        if definition not in (None, chosen.definition) and not force:
            raise UsageError(
                f"the metric {self.metric!r} is defined otherwise",
                "Give the new one another --name, or replace its scores with --force.",
            )

    def run(self, progress: Callable[[int], None] = lambda _runs: None) -> Rescore:
        """Scores all runs with an output; `progress` is called with each number of runs done."""
        is_primary = self._known is not None and self._known.is_primary
        result = Rescore(self.metric, is_primary or self._primary)
        metric = metric_of(
            self._rescoring.grader,
            self._rescoring.definition,
            name=self.metric,
            is_primary=is_primary,
        )
        if metric.kind is None and self._known is not None:
            metric = replace(metric, kind=self._known.kind)
        self._save(metric)
        booleans: set[bool] = set()
        for runs in self._batches():
            changed = [
                run
                for run in runs
                if self._apply(run, _scored(self._rescoring, run), metric, result, booleans)
            ]
            self._processor.save_runs(changed)
            progress(len(runs))
        if metric.kind is None and booleans:
            metric = replace(metric, kind=_KINDS[booleans == {True}])
            self._save(metric)
        if self._primary:
            make_primary(self._processor, self._experiment.id, self.metric, self.grader)
        return result

    def compare(
        self,
        metric: str | None = None,
        *,
        examples: int | None = None,
        progress: Callable[[int], None] = lambda _runs: None,
    ) -> Disagreement:
        """Scores all runs with an output, saves nothing, and compares with a stored metric.

        Args:
            metric: By default the one that `run` would write, if it is there, else the primary.
            examples: The most differing runs to keep; None keeps all.

        Raises:
            NotFoundError: There is no such metric.
        """
        chosen = self._stored(metric)
        result = Disagreement(chosen.name)
        for run in self._runs():
            result.read += 1
            progress(1)
            rescored = _scored(self._rescoring, run)
            if isinstance(rescored, _Failed):
                result.errors += 1
                result.first_error = result.first_error or rescored.message
                continue
            value, label = rescored.verdict.value, rescored.verdict.label
            after = None if value is None else float(value)
            if chosen.is_primary:
                before = value_of_run(run)
            else:
                ours = (score for score in run.scores or () if score.metric == chosen.name)
                before = combined(chosen.kind, ours)
            if before == after:
                continue
            result.differing += 1
            if examples is None or len(result.examples) < examples:
                parsed = rescored.parsed.parsed_answer if rescored.parsed else run.parsed_answer
                result.examples.append(Difference(run, parsed, before, after, label))
        return result

    def _stored(self, name: str | None) -> MetricRecord:
        metrics = {metric.name: metric for metric in self._experiment.metrics or ()}
        if name is None and self._known is not None:
            return self._known
        primary = next((one for one in metrics.values() if one.is_primary), None)
        chosen = metrics.get(name) if name is not None else primary
        if chosen is None and name is not None:
            raise NotFoundError(
                f"{self._experiment.id} has no metric {name!r}",
                f"It has: {', '.join(metrics) or 'none'}.",
            )
        return chosen or MetricRecord("correct", "binary", is_primary=True)

    def _apply(
        self,
        run: RunRecord,
        rescored: Rescored | _Failed,
        metric: MetricRecord,
        result: Rescore,
        booleans: set[bool],
    ) -> bool:
        """Puts a score on the run; returns whether anything of it has changed."""
        result.read += 1
        if isinstance(rescored, _Failed):
            result.errors += 1
            result.first_error = result.first_error or rescored.message
            return False
        verdict, parsed = rescored.verdict, rescored.parsed
        value = None if verdict.value is None else float(verdict.value)
        if value is None:
            result.without[verdict.label or "no_verdict"] += 1
        else:
            result.scored += 1
            booleans.add(isinstance(verdict.value, bool))
        known = next((one for one in run.scores or () if _is(one, metric.name)), None)
        before = value_of_run(run) if metric.is_primary else known.value if known else None
        result.changed += value != before
        details = None
        if parsed is not None and parsed.parsed_answer is not None:
            details = {"parsed": parsed.parsed_answer, **parsed.extraction}
        score = ScoreRecord(
            value, verdict.label or None, verdict.explanation or None, details, metric.name
        )
        if known is None and metric.is_primary and value != before and before is not None:
            known = ScoreRecord(before, metric=metric.name)
        new = with_history(score, known)
        reread = self._primary and parsed is not None and _read_again(run, parsed)
        run.scores = [new] if new != known else []
        if metric.is_primary:
            if not (verdict.label or verdict.explanation or (new.details_json or {}).get(HISTORY)):
                run.scores = [] if known is None else run.scores
            set_value(run, metric.kind, value)
        if not reread:
            run.parsing_metrics = None
        return bool(run.scores) or reread or value != before

    def _save(self, metric: MetricRecord) -> None:
        with self._processor.database.write() as connection:
            MetricRepository(connection, self._experiment.id).save(metric)

    def _runs(self) -> Iterator[RunRecord]:
        runs = self._processor.iter_runs(self._experiment.id)
        return (run for run in runs if run.error is None and run.raw_output is not None)

    def _batches(self) -> Iterator[list[RunRecord]]:
        runs = self._runs()
        while batch := list(islice(runs, BATCH)):
            yield batch


def make_primary(processor: ResultsProcessor, experiment_id: str, metric: str, grader: str) -> None:
    """Makes a metric what reports are about; a resumed experiment is graded by this grader."""
    with processor.database.write() as connection:
        MetricRepository(connection, experiment_id).make_primary(metric)
        experiments = ExperimentRepository(connection)
        record = experiments.get(experiment_id)
        foreign = is_foreign(record)
        extra = {**(record.config_json.get("extra") or {}), "grader": grader}
        record.config_json = {**record.config_json, "extra": extra}
        if not foreign:
            record = signed(record, processor.database.identity)
        experiments.save(replace(record, metrics=None))


def _is(score: ScoreRecord, metric: str) -> bool:
    return (score.metric, score.author) == (metric, "")


def _read_again(run: RunRecord, parsed: ParsedAnswer) -> bool:
    """Puts a new reading on the run, and what it replaces into its metadata."""
    now = (parsed.parsed_answer, parsed.parsing_method, parsed.parsing_confidence)
    before = (run.parsed_answer, run.parsing_method, run.parsing_confidence)
    if now == before:
        return False
    names = ("parsed_answer", "parsing_method", "parsing_confidence")
    replaced = {**dict(zip(names, before, strict=True)), "until": datetime.now(UTC).isoformat()}
    run.metadata_json = {**(run.metadata_json or {}), "before_correction": replaced}
    run.parsed_answer, run.parsing_method, run.parsing_confidence = now
    run.parsing_metrics = parsed.metrics
    return True


def _scored(rescoring: Rescoring, run: RunRecord) -> Rescored | _Failed:
    try:
        return rescoring.score(run)
    except UsageError:
        raise
    except ResultsError as error:
        return _Failed(error.message)
