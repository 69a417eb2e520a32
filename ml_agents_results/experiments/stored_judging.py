"""Judges stored answers of an experiment by a rubric; resumes where it was."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from itertools import groupby
from typing import Any

from ml_agents_results.config import ProviderSettings
from ml_agents_results.database.validation import outcome_of
from ml_agents_results.errors import UsageError
from ml_agents_results.experiments.judge_pool import (
    DEFINITION,
    NO_VERDICT,
    Judge,
    JudgePool,
    Wanted,
    agreement_of,
    inputs_of,
    is_settled,
    score_of,
    spent,
)
from ml_agents_results.experiments.pool import Interrupted, run_pool
from ml_agents_results.experiments.rescoring import make_primary
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.providers.answer_cache import AnswerCache
from ml_agents_results.providers.interface import Provider
from ml_agents_results.records import MetricRecord, RunRecord, ScoreRecord
from ml_agents_results.repositories.metric_repository import MetricRepository
from ml_agents_results.repositories.score_repository import ScoreRepository
from ml_agents_results.scoring.extraction import VERSION as EXTRACTOR
from ml_agents_results.scoring.graders import JUDGE
from ml_agents_results.scoring.judging import Rubric

_ASKED_WITH = (
    "temperature", "seed", "system", "top_p", "stop", "reasoning_effort", "extra_body",
)  # fmt: skip
"""Settings that change what a judge says; part of the metric's definition."""


@dataclass
class Judged:
    """What judging did, over all processes.

    Attributes:
        metric: The metric's name.
        primary: Whether its values stand on the runs.
        read: Answers that are to be judged, by all judges together.
        scored: Verdicts with a value.
        asked: Verdicts that this process asked for.
        left: Verdicts that nobody has asked for yet.
        without: Why the others have no value, and which answers are not judged, by label.
        position_dependent: Of a pairwise rubric: verdicts that changed with the order.
        agreement: Mean share of a run's verdicts that are its most frequent one, over runs with
            several.
        prompt_tokens, completion_tokens: What the judges read and wrote.
        cost: USD; None where it is not known.
        served_models: The models that answered, as the endpoint names them.
    """

    metric: str
    primary: bool
    read: int = 0
    scored: int = 0
    asked: int = 0
    left: int = 0
    without: Counter[str] = field(default_factory=Counter)
    position_dependent: int = 0
    agreement: float | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    served_models: list[str] = field(default_factory=list)

    @property
    def unjudged(self) -> int:
        """Verdicts without a value because of the judge."""
        return sum(self.without[label] for label in NO_VERDICT)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "without": dict(self.without)}


@dataclass(frozen=True)
class JudgingPlan:
    """What judging would ask.

    Attributes:
        verdicts: How many are wanted.
        calls: Requests, two for each verdict of a pairwise rubric.
        prompt_tokens: An estimate, at four characters a token.
    """

    metric: str
    verdicts: int
    calls: int
    prompt_tokens: int


class StoredJudging:
    """Asks judges about the stored answers of one experiment.

    Args:
        rubric: What they decide, and how they are asked.
        providers: The judges' models, open; several are a panel.
        settings: How they are asked.
        repeats: How often each judge is asked about each answer.
        name: The metric; by default the name of the rubric.
        primary: Makes it the primary metric.
        baseline: Of a pairwise rubric: the approach or model whose answers the others are held
            against; by default the approach None.
        force: Replaces verdicts of a metric of this name that is defined otherwise.
        retry: Asks again where the judge failed, was cut off or gave no readable verdict.

    Raises:
        NotFoundError, UsageError: There is no such experiment or baseline; or the metric of this
            name is defined otherwise.
    """

    def __init__(
        self,
        processor: ResultsProcessor,
        experiment_id: str,
        rubric: Rubric,
        providers: Sequence[Provider],
        settings: ProviderSettings,
        *,
        repeats: int = 1,
        name: str | None = None,
        primary: bool = False,
        baseline: str | None = None,
        force: bool = False,
        retry: bool = False,
    ) -> None:
        self._processor = processor
        self._experiment = processor.get_experiment(experiment_id)
        self._rubric = rubric
        self._providers = providers
        self._primary, self._retry = primary, retry
        folder = settings.cache
        self._cache = None if folder is None else AnswerCache(folder)
        self._baseline = (baseline or "None") if rubric.pairwise else None
        self.metric = name or rubric.name
        judges = list(_judges(providers, repeats, settings.seed))
        self._judges = {judge.author: judge for judge in judges}
        self._definition = self._defined(settings, repeats)
        content = json.dumps(self._definition["grader"], sort_keys=True)
        self._fingerprint = sha256(content.encode()).hexdigest()[:16]
        metrics = {metric.name: metric for metric in self._experiment.metrics or ()}
        self._known = metrics.get(self.metric)
        known = (self._known.definition_json if self._known else {}).get("grader")
        if self._known is not None and known != self._definition["grader"] and not force:
            raise UsageError(
                f"the metric {self.metric!r} is defined otherwise",
                "Give the new one another --name, or replace its scores with --force.",
            )
        self._judged_runs = 0
        self._not_judged: Counter[str] = Counter()

    def plan(self) -> JudgingPlan:
        """What `run` would ask; nothing is asked or saved."""
        wanted = self._wanted()
        characters, count = 0, 0
        outputs = {one.run_id: one for one in wanted}
        for run in self._runs():
            if run.id in outputs:
                inputs = inputs_of(run)
                inputs |= {"output_a": inputs["output"], "output_b": inputs["output"]}
                characters, count = characters + len(self._rubric.prompt(inputs)), count + 1
        calls = len(wanted) * (2 if self._rubric.pairwise else 1)
        mean = characters / count if count else 0.0
        return JudgingPlan(self.metric, len(wanted), calls, round(calls * mean / 4))

    def run(
        self,
        concurrency: int = 4,
        *,
        grace: float = 5.0,
        max_cost: float | None = None,
        progress: Callable[[int], None] = lambda _verdicts: None,
        say: Callable[[str], None] = lambda _message: None,
    ) -> Judged:
        """Asks for all verdicts that are wanted, and saves each as it arrives.

        Args:
            concurrency: Verdicts asked for at once.
            grace: Seconds that running calls get to end after an interruption.
            max_cost: USD; nothing more is asked for once this process has spent as much.
            progress: Called with 1 for each verdict that is saved.
            say: Shows a message.

        Raises:
            ProviderError: The endpoint refuses every request; what arrived is saved.
            Interrupted: Ctrl-C; the same command goes on where it was.
        """
        self._save_metric()
        with self._processor.database.read() as connection:
            metric_id = MetricRepository(connection, self._experiment.id).row_id(self.metric)
        assert metric_id is not None
        asked = 0

        def saved(_: ScoreRecord) -> None:
            nonlocal asked
            asked += 1
            progress(1)

        pool = JudgePool(
            self._processor.database,
            metric_id,
            self.metric,
            self._fingerprint,
            self._rubric,
            self._judges,
            self._wanted(),
            concurrency,
            grace,
            saved,
            retry=self._retry,
            cache=self._cache,
            max_cost=max_cost,
        )
        failure, interrupted = run_pool(pool, self._providers, say)
        result = replace(self._result(), asked=asked)
        self._save_metric(result.served_models)
        if failure is not None:
            raise failure
        if interrupted and result.left:
            raise Interrupted(
                f"interrupted; {asked} verdicts are saved, {result.left} are left",
                "The same command goes on where it was.",
            )
        if self._primary:
            make_primary(self._processor, self._experiment.id, self.metric, JUDGE)
        return result

    def _wanted(self) -> list[Wanted]:
        """The verdicts to ask for, in the order of the runs."""
        others: dict[tuple[str, int, int], str] = {}
        if self._baseline is not None:
            for run in self._runs():
                if self._is_baseline(run) and run.id is not None:
                    others[run.task, run.sample_index, run.repeat_index] = run.id
            if not others:
                raise UsageError(
                    f"no answers of the baseline {self._baseline!r} are there",
                    "Name its approach or model with --baseline.",
                )
        wanted: list[Wanted] = []
        self._judged_runs, self._not_judged = 0, Counter()
        for run in self._runs():
            other = others.get((run.task, run.sample_index, run.repeat_index))
            if (reason := self._left_out(run, other)) is not None:
                if reason:
                    self._not_judged[reason] += 1
                continue
            self._judged_runs += 1
            for author in self._judges:
                known = score_of(run, self.metric, author)
                if known is None or not is_settled(known, self._fingerprint, retry=self._retry):
                    wanted.append(Wanted(str(run.id), author, other))
        return wanted

    def _left_out(self, run: RunRecord, other: str | None) -> str | None:
        """Why a run is not judged; "" for the baseline, None where it is judged."""
        if self._baseline is not None and self._is_baseline(run):
            return ""
        outcome = outcome_of(None, None, None, run.finish_reason, run.parsed_answer, run.raw_output)
        if outcome in ("truncated", "refused") and not self._rubric.judges_all:
            return outcome
        return "no_baseline" if self._baseline is not None and other is None else None

    def _is_baseline(self, run: RunRecord) -> bool:
        return self._baseline in (run.approach_name, run.model)

    def _runs(self) -> Iterator[RunRecord]:
        runs = self._processor.iter_runs(self._experiment.id)
        return (run for run in runs if run.error is None and run.raw_output)

    def _result(self) -> Judged:
        """Counts what is stored for the metric."""
        known = self._known is not None and self._known.is_primary
        result = Judged(self.metric, known or self._primary, without=Counter(self._not_judged))
        result.read = self._judged_runs * len(self._judges)
        agreements: list[float] = []
        costs: list[float] = []
        served: set[str] = set()
        for _, scores in groupby(self._scores(), key=lambda pair: pair[0]):
            ours = [score for _, score in scores]
            for score in ours:
                result.left -= 1
                if score.value is None:
                    result.without[score.label or "no_verdict"] += 1
                else:
                    result.scored += 1
                result.position_dependent += score.label == "position_dependent"
                cost, read, written = spent(score)
                costs += [] if cost is None else [cost]
                result.prompt_tokens += read
                result.completion_tokens += written
                if model := (score.details_json or {}).get("served_model"):
                    served.add(str(model))
            share = agreement_of(ours) if len(ours) > 1 else None
            agreements += [] if share is None else [share]
        result.left += result.read
        result.agreement = sum(agreements) / len(agreements) if agreements else None
        result.cost = sum(costs) if costs else None
        result.served_models = sorted(served)
        return result

    def _scores(self) -> Iterator[tuple[str, ScoreRecord]]:
        with self._processor.database.read() as connection:
            for run_id, score in ScoreRepository(connection).list(self._experiment.id):
                details = score.details_json or {}
                if score.metric == self.metric and details.get(DEFINITION) == self._fingerprint:
                    yield run_id, score

    def _defined(self, settings: ProviderSettings, repeats: int) -> dict[str, Any]:
        """The metric's definition: what decides a verdict is under `grader`."""
        rubric = self._rubric
        asked = {
            name: value for name in _ASKED_WITH if (value := getattr(settings, name)) is not None
        }
        grader = {
            "name": JUDGE,
            "judges": [{"provider": one.name, "model": one.model} for one in self._providers],
            "repeats": repeats,
            "rubric": rubric.name,
            "fingerprint": rubric.fingerprint,
            "prompt": rubric.template,
            "extractor": EXTRACTOR,
            **asked,
        }
        if self._baseline is not None:
            grader["baseline"] = self._baseline
        return {"grader": grader, "endpoints": sorted({one.endpoint for one in self._providers})}

    def _save_metric(self, served_models: Sequence[str] = ()) -> None:
        rubric = self._rubric
        values = list(rubric.labels.values())
        definition = dict(self._definition)
        if served_models:
            definition["served_models"] = list(served_models)
        metric = MetricRecord(
            self.metric,
            "binary" if rubric.kind == "binary" else "numeric",
            min(values) if values else rubric.lower,
            max(values) if values else rubric.upper,
            rubric.higher_is_better,
            JUDGE,
            definition,
            self._known is not None and self._known.is_primary,
        )
        with self._processor.database.write() as connection:
            MetricRepository(connection, self._experiment.id).save(metric)


def _judges(providers: Sequence[Provider], repeats: int, seed: int | None) -> Iterator[Judge]:
    """Each model, each repeat: the author of one verdict on each answer."""
    for provider in providers:
        for repeat in range(repeats):
            author = provider.model if len(providers) > 1 else JUDGE if repeats > 1 else ""
            if repeats > 1:
                author = f"{author}#{repeat}"
            yield Judge(author, provider, None if seed is None else seed + repeat, repeat)
