"""Sample claims: the indexes of an experiment's samples, and which of them this process is asking,
where several processes record one experiment."""

import os
import threading
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from sqlalchemy import Connection, select

from ml_agents_results.database.digests import content_digest
from ml_agents_results.database.engine import Database
from ml_agents_results.database.models import Experiment, Run
from ml_agents_results.recording.sample_numbering import Sample, SampleNumbering, identity_of
from ml_agents_results.repositories.claim_repository import ClaimRepository, RunKey
from ml_agents_results.repositories.run_repository import RunRepository
from ml_agents_results.repositories.this_process import ThisProcess

LEASE = timedelta(hours=1)
"""How long a claim of another machine lasts after its process last recorded anything; on this one a
claim lasts as long as its process, whatever the clock says."""


class SampleClaims:
    """Numbers and claims the samples of one experiment."""

    def __init__(self, database: Database, experiment_id: str) -> None:
        self.numbering = SampleNumbering()
        self._database = database
        self._id = experiment_id
        self._lock = threading.Lock()
        self._positions: dict[RunKey, int] = {}
        self._settled: set[tuple[str, int | None]] = set()
        self._renewed = time.monotonic()
        self._process = ThisProcess()

    def learn(self, connection: Connection) -> None:
        """Numbers samples as those that are recorded are, by other processes, too."""
        rows = connection.execute(
            select(Run.task, Run.sample_index, Run.sample_id, Run.input_fingerprint)
            .where(Run.experiment_id == self._id)
            .distinct()
        )
        self.numbering.learn((row[0], row[1], row[2], row[3]) for row in rows)

    def recorded(self, variant: Mapping[str, str], retry_failed: bool) -> set[tuple[str, int, int]]:
        """Task, sample and repeat of the runs that the variant has and that are not asked again."""
        names = tuple(variant[name] for name in ("approach", "provider", "model"))
        with self._database.read() as connection:
            self.learn(connection)
            return {
                (task, index, repeat)
                for *asked, task, index, repeat, outcome in RunRepository(connection).keys(self._id)
                if tuple(asked) == names and not (retry_failed and outcome == "failed")
            }

    def claim(
        self, sample: Sample, variant: Mapping[str, str], retry_failed: bool
    ) -> tuple[Literal["ours", "done", "elsewhere"], Sample]:
        """Claims a sample for this process, unless it is recorded or another's; and the sample with
        the index that it has."""
        with self._database.write() as connection:
            sample = self.settled(connection, sample)
            key = _run_key(sample, variant)
            position = _position(key)
            claims = ClaimRepository(connection, self._id)
            self._renew(claims)
            if not claims.claim([position], self._me(), LEASE, renewed=False):
                return "elsewhere", sample
            (run, *_) = (*claims.recorded([key]), None)
            if run is not None and not (retry_failed and run.outcome == "failed"):
                claims.release(self._me(), [position])
                return "done", sample
        with self._lock:
            self._positions[key] = position
        return "ours", sample

    def holds(self, sample: Sample, variant: Mapping[str, str]) -> bool:
        """Whether this process has claimed the sample."""
        return _run_key(sample, variant) in self._positions

    def release(self, connection: Connection, sample: Sample, variant: Mapping[str, str]) -> None:
        """Gives the claim of a sample back, if there is one."""
        claims = ClaimRepository(connection, self._id)
        if (position := self._positions.get(_run_key(sample, variant))) is not None:
            claims.release(self._me(), [position])
        self._renew(claims)

    def forget(self, sample: Sample, variant: Mapping[str, str]) -> None:
        """Notes that the claim of a sample has been given back."""
        with self._lock:
            self._positions.pop(_run_key(sample, variant), None)

    def release_all(self, connection: Connection) -> None:
        """Gives back all that is left."""
        if self._positions:
            positions = list(self._positions.values())
            ClaimRepository(connection, self._id).release(self._me(), positions)
            self._positions.clear()

    def settled(self, connection: Connection, sample: Sample) -> Sample:
        """The sample under an index that is no other's: each process numbers samples, and knows the
        numbers of another when their runs are recorded."""
        sample = self.numbering.latest(sample)
        place = (sample.task, sample.sample_index)
        if place in self._settled or sample.identity is None or not self.numbering.given(sample):
            return sample
        # One at a time: two processes could find the same index free.
        own = select(Experiment.id).where(Experiment.id == self._id)
        connection.execute(own.with_for_update(key_share=True))
        of_task = (Run.experiment_id == self._id, Run.task == sample.task)
        identities = select(Run.sample_index, Run.sample_id, Run.input_fingerprint).where(*of_task)
        there = identities.where(Run.sample_index == sample.sample_index).limit(1)
        if (row := connection.execute(there).first()) is None:
            return sample
        if identity_of(row[1], row[2]) != sample.identity:
            known = {identity_of(*one): index for index, *one in connection.execute(identities)}
            free = 1 + max(known.values())
            return self.numbering.renumber(sample, known.get(sample.identity, free))
        self._settled.add(place)
        return sample

    def _renew(self, claims: ClaimRepository) -> None:
        """Says now and then that the claims of this process are still worked on."""
        now = time.monotonic()
        if self._positions and now - self._renewed > LEASE.total_seconds() / 4:
            claims.renew(self._me(), LEASE)
            self._renewed = now

    def _me(self) -> ThisProcess:
        if self._process.pid != os.getpid():
            # A forked child is another process.
            self._process = ThisProcess()
        return self._process


def _run_key(sample: Sample, variant: Mapping[str, str]) -> RunKey:
    assert sample.sample_index is not None
    return RunKey(
        *(variant["approach"], variant["provider"], variant["model"], sample.task),
        *(sample.sample_index, sample.repeat_index),
    )


def _position(key: RunKey) -> int:
    """The number under which a run is claimed: the same in every process.

    Two runs of one number only wait for each other.
    """
    return int(content_digest(tuple(map(str, key)))[:7], 16)
