"""Judge pool: asks judges about stored answers, several at once, and saves each verdict.

A verdict is claimed before it is asked for, so that several processes may judge one experiment, and
saved in a transaction of its own when it arrives.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection

from ml_agents_results.database.engine import Database
from ml_agents_results.errors import UsageError
from ml_agents_results.experiments.approaches.base import FROM_CACHE
from ml_agents_results.experiments.fault_watch import FaultWatch
from ml_agents_results.experiments.pool import Pool, Work
from ml_agents_results.experiments.recorder import LEASE, RENEWAL
from ml_agents_results.experiments.worker_pool import POLL
from ml_agents_results.providers.answer_cache import AnswerCache, CachedProvider
from ml_agents_results.providers.interface import Completion, Message, Provider, ProviderError, usd
from ml_agents_results.records import RunRecord, ScoreRecord, canonical_finish_reason
from ml_agents_results.redaction import redact_text
from ml_agents_results.repositories.claim_repository import ScoreClaimRepository
from ml_agents_results.repositories.run_repository import RunRepository
from ml_agents_results.repositories.score_repository import HISTORY, ScoreRepository
from ml_agents_results.repositories.this_process import ThisProcess
from ml_agents_results.scoring.cleaning import without_thinking
from ml_agents_results.scoring.judging import Rubric, prefer
from ml_agents_results.scoring.verdicts import Verdict

DEFINITION = "definition"
"""Key in a score's details: the fingerprint of the definition that it was judged by."""

NO_VERDICT = ("failed", "unreadable", "judge_truncated", "judge_refused")
"""Labels of scores without a value because of the judge; they may be asked again."""

T = TypeVar("T")


@dataclass(frozen=True)
class Judge:
    """A model that gives verdicts.

    Attributes:
        author: The author of its scores.
        seed: Of its requests; None sends none.
        repeat: Which of several verdicts on an answer it gives, from 0.
    """

    author: str
    provider: Provider
    seed: int | None = None
    repeat: int = 0


class Wanted(NamedTuple):
    """A verdict to ask for.

    Attributes:
        other_id: The run of the baseline on the same sample, for a pairwise rubric.
    """

    run_id: str
    author: str
    other_id: str | None = None


@dataclass
class JudgePool(Pool):
    """Asks for verdicts until none is left, the cost limit is reached, or `stop` is called.

    Attributes:
        metric_id, metric: The metric that gets the scores.
        definition: The fingerprint of what decides a verdict.
        judges: By author.
        wanted: The verdicts to ask for.
        retry: Whether scores without a value because of the judge are asked for again.
        max_cost: USD; no verdict is asked for once the answers of this process have cost as much.
        cache: Stored verdicts; None asks for each.
        saved: Called with each score when it is durable.
        cost: USD of the answers so far.
    """

    database: Database
    metric_id: int
    metric: str
    definition: str
    rubric: Rubric
    judges: Mapping[str, Judge]
    wanted: Sequence[Wanted]
    concurrency: int
    grace: float
    saved: Callable[[ScoreRecord], None]
    retry: bool = False
    cache: AnswerCache | None = None
    max_cost: float | None = None
    cost: float = 0.0
    _me: ThisProcess = field(default_factory=ThisProcess)

    def __post_init__(self) -> None:
        super().__init__(self.grace)
        self._taking = asyncio.Lock()
        self._left, self._taken = deque(self.wanted), deque[tuple[Wanted, RunRecord, str | None]]()
        self._watch = FaultWatch(
            self.concurrency, "verdicts", "Raise --max-tokens; add --retry-failed."
        )
        # One thread, one writer: saves of this process never wait for each other's locks.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="judge-recorder")

    def _workers(self) -> Work:
        return [self._work() for _ in range(min(self.concurrency, len(self.wanted)))]

    def _helpers(self) -> Work:
        return [self._renew()]

    async def _finish(self) -> None:
        await self._write(lambda connection: self._claims(connection).release(self._me))
        self._thread.shutdown()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEWAL)
            await self._write(lambda c: self._claims(c).renew(self._me, LEASE))

    async def _work(self) -> None:
        try:
            while (taken := await self._next()) is not None:
                wanted, run, other = taken
                score = await self._ask(wanted, run, other)
                if await self._write(lambda c, w=wanted, s=score: self._save(c, w, s)):  # type: ignore[misc]
                    self.saved(score)
        except Exception as error:  # noqa: BLE001 - `run` raises the first one
            self._fail(error)

    async def _next(self) -> tuple[Wanted, RunRecord, str | None] | None:
        async with self._taking:
            while not self._taken and self._left and not self._stopping.is_set():
                count = min(2 * self.concurrency, len(self._left))
                batch = [self._left.popleft() for _ in range(count)]
                taken, elsewhere = await self._write(lambda c, batch=batch: self._take(c, batch))  # type: ignore[misc]
                self._taken.extend(taken)
                self._left.extend(elsewhere)
                if not taken and len(elsewhere) == count:
                    await asyncio.sleep(POLL)
            return None if self._stopping.is_set() or not self._taken else self._taken.popleft()

    def _take(
        self, connection: Connection, batch: Sequence[Wanted]
    ) -> tuple[list[tuple[Wanted, RunRecord, str | None]], list[Wanted]]:
        """Those of a batch that are claimed now, with what is judged; and those of others."""
        claims = self._claims(connection)
        keys = [(one.run_id, one.author) for one in batch]
        ours = set(claims.claim(keys, self._me, LEASE))
        ids = {i for one in batch for i in (one.run_id, one.other_id) if i is not None}
        runs = RunRepository(connection).find_many(sorted(ids))
        taken, done = [], []
        for one in batch:
            if (one.run_id, one.author) not in ours:
                continue
            run = runs.get(one.run_id)
            if run is None or self._is_settled(run, one.author):
                done.append((one.run_id, one.author))
            else:
                other = runs[one.other_id].raw_output if one.other_id in runs else None
                taken.append((one, run, other))
        claims.release(self._me, done)
        return taken, [one for one in batch if (one.run_id, one.author) not in ours]

    def _is_settled(self, run: RunRecord, author: str) -> bool:
        known = score_of(run, self.metric, author)
        return known is not None and is_settled(known, self.definition, retry=self.retry)

    def _save(self, connection: Connection, wanted: Wanted, score: ScoreRecord) -> bool:
        """Saves a score and releases its claim; False if another process has saved one."""
        ours = self._claims(connection).release(self._me, [(wanted.run_id, wanted.author)])
        scores = ScoreRepository(connection)
        of_run = [one for one in scores.of_run(wanted.run_id) if one.metric == self.metric]
        known = next((one for one in of_run if one.author == score.author), None)
        if not ours and known is not None and is_settled(known, self.definition, retry=False):
            return False
        details = score.details_json or {}
        if known is not None and known.value is None and known.cost_estimate is not None:
            # What the failed attempts before have cost is paid for this verdict, too.
            score.cost_estimate = usd((score.cost_estimate or 0.0) + known.cost_estimate)
        all_of_run = [one for one in of_run if one.author != score.author] + [score]
        if len(all_of_run) > 1:
            details |= {"authors": len(all_of_run), "agreement": agreement_of(all_of_run)}
        score.details_json = details
        scores.save(wanted.run_id, score)
        return True

    async def _ask(self, wanted: Wanted, run: RunRecord, other: str | None) -> ScoreRecord:
        """The score, with a value or with the label that says why there is none."""
        judge = self._once(self.judges[wanted.author], run)
        details: dict[str, Any] = {DEFINITION: self.definition}
        usage = Completion("", prompt_tokens=0, completion_tokens=0, cost_estimate=0.0)
        try:
            verdict = await self._verdict(judge, run, other, details, usage)
        except ProviderError as error:
            if error.paid is not None:
                usage.add_usage(error.paid)
            self._fail(self._watch.failed(error))
            reason = redact_text(f"{type(error).__name__}: {error.message}")
            verdict = Verdict(None, "failed", reason)
        self._spend(usage.cost_estimate)
        details |= {
            "provider": judge.provider.name,
            "model": judge.provider.model,
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
        }
        return ScoreRecord(
            None if verdict.value is None else float(verdict.value),
            verdict.label or None,
            verdict.explanation or None,
            details,
            self.metric,
            judge.author,
            usd(usage.cost_estimate),
        )

    def _once(self, judge: Judge, run: RunRecord) -> Judge:
        """The judge of one verdict, which may be a stored one; not where the stored one failed."""
        if self.cache is None:
            return judge
        draw = [run.approach_name, run.task, run.sample_index, run.repeat_index, judge.repeat]
        provider = CachedProvider(judge.provider, self.cache, draw, reading=not self.retry)
        return replace(judge, provider=provider)

    async def _verdict(
        self,
        judge: Judge,
        run: RunRecord,
        other: str | None,
        details: dict[str, Any],
        usage: Completion,
    ) -> Verdict:
        inputs = inputs_of(run)
        if not self.rubric.pairwise:
            return await self._reply(judge, inputs, details, usage)
        output = without_thinking(other or "")
        first = await self._reply(
            judge, {**inputs, "output_a": inputs["output"], "output_b": output}, details, usage
        )
        swapped = await self._reply(
            judge, {**inputs, "output_a": output, "output_b": inputs["output"]}, details, usage
        )
        details["orders"] = [first.label, swapped.label]
        return prefer(first, swapped)

    async def _reply(
        self,
        judge: Judge,
        inputs: Mapping[str, str | None],
        details: dict[str, Any],
        usage: Completion,
    ) -> Verdict:
        completion = await judge.provider.complete(
            [Message("user", self.rubric.prompt(inputs))],
            schema=self.rubric.schema(),
            seed=judge.seed,
        )
        if completion.from_cache:
            completion.cost_estimate = 0.0
            details[FROM_CACHE] = details.get(FROM_CACHE, 0) + 1
        usage.add_usage(completion)
        self._fail(self._watch.answered(completion.text, completion.finish_reason))
        if not completion.from_cache:
            details["time_ms"] = details.get("time_ms", 0) + completion.latency_ms
        for name, value in {
            "served_model": completion.model,
            "response_id": completion.response_id,
            "seed": completion.seed,
        }.items():
            if value is not None:
                details[name] = value
        verdict = self.rubric.read(without_thinking(completion.text), completion.structured)
        reason = canonical_finish_reason(completion.finish_reason or "")
        if verdict.value is None and reason in ("length", "content_filter", "refusal"):
            label = "judge_truncated" if reason == "length" else "judge_refused"
            return verdict._replace(label=label)
        return verdict

    def _spend(self, cost: float | None) -> None:
        self.cost += cost or 0.0
        if self.max_cost is None:
            return
        if cost is None:
            self._fail(
                UsageError(
                    "the endpoint does not say what its answers cost, so --max-cost cannot hold",
                    "Leave it out, or use a model whose price is known.",
                )
            )
        elif self.cost >= self.max_cost:
            self._stopping.set()

    def _claims(self, connection: Connection) -> ScoreClaimRepository:
        return ScoreClaimRepository(connection, self.metric_id)

    async def _write(self, job: Callable[[Connection], T]) -> T:
        """Runs a job in a transaction, in the thread of the database; also if it is cancelled."""

        def work() -> T:
            return self.database.write_retried(job)

        loop = asyncio.get_running_loop()
        return await asyncio.shield(loop.run_in_executor(self._thread, work))


def score_of(run: RunRecord, metric: str, author: str) -> ScoreRecord | None:
    """The score of a metric by an author that the run has."""
    scores = run.scores or ()
    return next((one for one in scores if (one.metric, one.author) == (metric, author)), None)


def is_settled(score: ScoreRecord, definition: str, *, retry: bool) -> bool:
    """Whether a score is a verdict by this definition, and need not be asked for again."""
    if (score.details_json or {}).get(DEFINITION) != definition:
        return False
    return not (retry and score.value is None and score.label in NO_VERDICT)


def inputs_of(run: RunRecord) -> dict[str, str | None]:
    """What a rubric can be given of a run; thinking inside the output is left out."""
    choices = (run.metadata_json or {}).get("choices")
    if isinstance(choices, Mapping):
        choices = [f"({label}) {text}" for label, text in choices.items()]
    return {
        "question": run.input_text,
        "expected": run.expected_answer,
        "output": without_thinking(run.raw_output or "").strip(),
        "choices": "\n".join(map(str, choices)) if choices else None,
    }


def agreement_of(scores: Sequence[ScoreRecord]) -> float | None:
    """The share of the verdicts on a run that are the most frequent one; None without any."""
    counts = Counter(score.value for score in scores if score.value is not None)
    return max(counts.values()) / counts.total() if counts else None


def spent(score: ScoreRecord) -> tuple[float | None, int, int]:
    """What a score has cost (USD) and used: tokens read and written, earlier verdicts included."""
    details = score.details_json or {}
    parts = [details, *((one.get("details_json") or {}) for one in details.get(HISTORY, ()))]
    return (
        score.cost_estimate,
        sum(part.get("prompt_tokens") or 0 for part in parts),
        sum(part.get("completion_tokens") or 0 for part in parts),
    )
