"""Recorder: a thread with one connection that claims runs and saves them as they arrive.

The event loop never waits for the disk. Jobs that are waiting when the thread is free are committed
together: a fast endpoint costs fewer commits, a slow one gets one commit per run.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from ml_agents_results.database.engine import Database
from ml_agents_results.errors import InvalidRecordError
from ml_agents_results.experiments.plan import Plan
from ml_agents_results.providers.interface import token_count, usd
from ml_agents_results.records import RunRecord
from ml_agents_results.repositories.claim_repository import ClaimRepository, RecordedRun
from ml_agents_results.repositories.run_repository import RunRepository
from ml_agents_results.repositories.this_process import ThisProcess

LEASE = timedelta(seconds=60)
"""How long a claim lasts that is not renewed because its process hangs or its machine is gone."""

RENEWAL = 15.0
"""Seconds between renewals."""

GATHERING = 0.01
"""Seconds to gather jobs for one commit while several arrive at once."""

ENDED_AT = {"failed": "failed_at", "truncated": "truncated_at"}
"""Outcome that may be asked again, and the key in the run's metadata of the moment it ended so."""

REPLACED = "replaced"
"""Key in the metadata of a run that was asked again: what it replaces, the oldest first."""


@dataclass(frozen=True)
class Taken:
    """Positions that this process is to ask, and how many others are still asking."""

    positions: list[int]
    elsewhere: int


@dataclass(frozen=True)
class _Save:
    position: int
    record: RunRecord
    done: "asyncio.Future[Any]"


@dataclass(frozen=True)
class _Take:
    model: int
    count: int
    done: "asyncio.Future[Any]"


@dataclass(frozen=True)
class _Stream:
    """How far the runs of a model are handed out.

    Attributes:
        next: The first position that was not looked at.
        elsewhere: Positions before it that others were asking.
    """

    next: int = 0
    elsewhere: tuple[int, ...] = ()


class Recorder:
    """Used inside one event loop: `start`, then `take` and `save`, then `finish`.

    Args:
        settled: One byte for each position of the plan; 1 where nothing is left to do.
        retry: Outcomes whose runs are asked again; what they cost is added to the new run.
        retry_since: Not those that ended after this moment: another process is doing the same.
    """

    def __init__(
        self,
        database: Database,
        experiment_id: str,
        plan: Plan,
        settled: bytearray,
        retry: frozenset[str] = frozenset(),
        retry_since: datetime | None = None,
    ) -> None:
        self._retry = retry
        self._database = database
        self._experiment_id = experiment_id
        self._plan = plan
        self._settled = settled
        self._retry_since = retry_since
        self._me = ThisProcess()
        self._streams = [_Stream() for _ in plan.models]
        self._jobs: queue.SimpleQueue[_Save | _Take | None] = queue.SimpleQueue()
        self._renew_at = time.monotonic() + RENEWAL
        self._busy = False
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def take(self, count: int, model: int = 0) -> Taken:
        """Claims up to `count` runs of a model, by its index. With none claimed and none elsewhere
        its part of the plan is done."""
        done = self._loop.create_future()
        self._jobs.put(_Take(model, count, done))
        taken: Taken = await done
        return taken

    async def save(self, position: int, record: RunRecord) -> bool:
        """Saves a run and releases its claim; when this returns, the run is durable.

        It is saved even if the caller is cancelled meanwhile. Returns False if this process lost
        its claim and another one has saved an answer, which then stays.
        """
        done = self._loop.create_future()
        self._jobs.put(_Save(position, record, done))
        saved: bool = await done
        return saved

    async def finish(self) -> None:
        """Saves what is waiting and releases all claims."""
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        ending = False
        while not ending:
            jobs = self._waiting()
            ending = jobs[-1:] == [None]
            self._serve([job for job in jobs if job is not None], ending)

    def _waiting(self) -> list[_Save | _Take | None]:
        """All waiting jobs; waits for the first until the claims have to be renewed."""
        jobs: list[_Save | _Take | None] = []
        try:
            jobs.append(self._jobs.get(timeout=max(0.0, self._renew_at - time.monotonic())))
            if self._busy:
                time.sleep(GATHERING)
            while jobs[-1] is not None:
                jobs.append(self._jobs.get_nowait())
        except queue.Empty:
            pass
        self._busy = len(jobs) > 1
        return jobs

    def _serve(self, jobs: list[_Save | _Take], ending: bool = False) -> None:
        streams = list(self._streams)
        renew = time.monotonic() >= self._renew_at

        def work(connection: Connection) -> list[tuple[asyncio.Future[Any], Any]]:
            self._streams = list(streams)
            results = self._apply(connection, jobs)
            if ending:
                ClaimRepository(connection, self._experiment_id).release(self._me)
            elif renew:
                self._renew(connection)
            return results

        try:
            results = self._database.write_retried(work)
        except InvalidRecordError as error:
            if len(jobs) > 1:
                for job in jobs:
                    self._serve([job])
                return
            results = [(job.done, error) for job in jobs]
        except Exception as error:  # noqa: BLE001 - raised by whoever waits for it
            results = [(job.done, error) for job in jobs]
            self._streams = streams
            if not jobs:
                self._failure = error
        if renew:
            self._renew_at = time.monotonic() + RENEWAL
        if results:
            self._loop.call_soon_threadsafe(_deliver, results)

    def _renew(self, connection: Connection) -> None:
        claims = ClaimRepository(connection, self._experiment_id)
        claims.renew(self._me, LEASE)

    def _apply(
        self, connection: Connection, jobs: list[_Save | _Take]
    ) -> list[tuple["asyncio.Future[Any]", Any]]:
        claims = ClaimRepository(connection, self._experiment_id)
        saves = [job for job in jobs if isinstance(job, _Save)]
        saved = self._save(connection, claims, saves) if saves else set()
        results: list[tuple[asyncio.Future[Any], Any]] = [
            (job.done, job.position in saved) for job in saves
        ]
        results += [
            (job.done, self._take(claims, job.model, job.count))
            for job in jobs
            if isinstance(job, _Take)
        ]
        return results

    def _save(
        self, connection: Connection, claims: ClaimRepository, saves: list[_Save]
    ) -> set[int]:
        positions = {job.position for job in saves}
        if lost := positions - claims.release(self._me, list(positions)):
            positions -= self._recorded(claims, lost, lambda run: run.outcome not in ENDED_AT)
        kept = [job for job in saves if job.position in positions]
        records = [job.record for job in kept]
        if self._retry:
            before = {run.key: run for run in claims.recorded(map(self._plan.key, positions))}
            records = [
                _replacing(job.record, before.get(self._plan.key(job.position))) for job in kept
            ]
        RunRepository(connection).save_many(records)
        return positions

    def _take(self, claims: ClaimRepository, model: int, count: int) -> Taken:
        """Continues through the plan; at its end, returns to what others were asking."""
        obtained: list[int] = []
        position, elsewhere = self._streams[model].next, list(self._streams[model].elsewhere)
        while position < len(self._settled) and len(obtained) < count:
            wanted: list[int] = []
            while position < len(self._settled) and len(obtained) + len(wanted) < count:
                if not self._settled[position] and self._plan.model_at(position) == model:
                    wanted.append(position)
                position += 1
            got, others = self._claim(claims, wanted)
            obtained += got
            elsewhere += others
        if not obtained and elsewhere:
            obtained, others = self._claim(claims, elsewhere[:count])
            # In turn, so that a run that stays claimed does not hide the others.
            elsewhere = elsewhere[count:] + others
        self._streams[model] = _Stream(position, tuple(elsewhere))
        return Taken(obtained, len(elsewhere))

    def _claim(self, claims: ClaimRepository, wanted: list[int]) -> tuple[list[int], list[int]]:
        """The positions that are claimed now, and those that others are asking."""
        if not wanted:
            return [], []
        got = claims.claim(wanted, self._me, LEASE)
        others = sorted(set(wanted) - set(got))
        if done := self._recorded(claims, set(got), self._is_final):
            claims.release(self._me, list(done))
        return [position for position in got if position not in done], others

    def _recorded(
        self, claims: ClaimRepository, positions: set[int], fits: Callable[[RecordedRun], bool]
    ) -> set[int]:
        """Those of the positions whose run another process has saved, if it fits."""
        keys = {self._plan.key(position): position for position in positions}
        return {keys[run.key] for run in claims.recorded(keys) if fits(run)}

    def _is_final(self, run: RecordedRun) -> bool:
        if run.outcome not in self._retry or self._retry_since is None:
            return True
        ended_at = (run.metadata_json or {}).get(ENDED_AT[run.outcome])
        return ended_at is not None and datetime.fromisoformat(ended_at) >= self._retry_since


def _replacing(record: RunRecord, before: RecordedRun | None) -> RunRecord:
    """The record with what the run that it replaces was, and has cost."""
    if before is None:
        return record
    metadata = before.metadata_json or {}
    replaced = {
        name: value
        for name, value in {
            "outcome": before.outcome,
            "error": before.error,
            "at": metadata.get(ENDED_AT.get(before.outcome, "")),
            "cost_estimate": before.cost_estimate,
            "prompt_tokens": before.prompt_tokens,
            "completion_tokens": before.completion_tokens,
        }.items()
        if value is not None
    }
    history = [*metadata.get(REPLACED, ()), replaced]
    new = replace(record, metadata_json={**(record.metadata_json or {}), REPLACED: history})
    for name, recorded in (
        ("cost_estimate", usd),
        ("prompt_tokens", token_count),
        ("completion_tokens", token_count),
    ):
        paid, now = getattr(before, name), getattr(record, name)
        # A failed run without usage has paid nothing; that of an answer is unknown.
        if paid is not None and (now is not None or record.error is not None):
            setattr(new, name, recorded((now or 0) + paid))
    return new


def _deliver(results: list[tuple["asyncio.Future[Any]", Any]]) -> None:
    for done, value in results:
        if done.done():
            continue
        if isinstance(value, Exception):
            done.set_exception(value)
        else:
            done.set_result(value)
