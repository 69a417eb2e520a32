import threading
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from ml_agents_results.database.engine import Database
from ml_agents_results.database.models import ScoreClaim
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import MetricRecord, RunRecord
from ml_agents_results.repositories.claim_repository import (
    ClaimRepository,
    RunKey,
    ScoreClaimRepository,
)
from ml_agents_results.repositories.metric_repository import MetricRepository
from ml_agents_results.repositories.this_process import ThisProcess

LEASE = timedelta(seconds=60)


@dataclass(frozen=True)
class Worker(ThisProcess):
    token: str
    host: str = "here"
    pid: int = 1
    dead: frozenset[tuple[str, int]] = frozenset()
    silent: bool = False

    def outlived(self, host: str, pid: int) -> bool:
        return (host, pid) in self.dead

    def lapsed(self, claim: Hashable, renewed: datetime, lease: timedelta) -> bool:
        return self.silent


@pytest.fixture
def processor(database: Database) -> ResultsProcessor:
    processor = ResultsProcessor(database)
    processor.save_experiment("e", {})
    processor.save_experiment("other", {})
    return processor


def claim(processor: ResultsProcessor, worker: Worker, *positions: int) -> list[int]:
    with processor.database.write() as connection:
        return ClaimRepository(connection, "e").claim(positions, worker, LEASE)


def test_a_position_has_one_claimant_in_each_experiment(processor: ResultsProcessor) -> None:
    assert claim(processor, Worker("a"), 0, 1, 2) == [0, 1, 2]
    assert claim(processor, Worker("b"), 1, 2, 3) == [3]
    assert claim(processor, Worker("a"), 0, 1) == [0, 1]
    with processor.database.write() as connection:
        other = ClaimRepository(connection, "other")
        assert other.claim([0], Worker("b"), LEASE) == [0]


def test_who_is_at_work_is_named(processor: ResultsProcessor) -> None:
    for worker in (Worker("a"), Worker("b", "elsewhere/boot/1", 7), Worker("c", pid=9)):
        claim(processor, worker, int(worker.token, 16), 20 + worker.pid)
    with processor.database.read() as connection:
        claims = ClaimRepository(connection, "e")
        me = Worker("a", dead=frozenset({("here", 9)}))
        assert claims.workers(me) == ["process 7 on elsewhere"]


def test_claims_that_are_not_renewed_free_up(processor: ResultsProcessor) -> None:
    claim(processor, Worker("a"), 0, 1)
    assert claim(processor, Worker("b"), 0) == []
    assert claim(processor, Worker("b", silent=True), 0) == [0]
    with processor.database.write() as connection:
        claims = ClaimRepository(connection, "e")
        claims.renew(Worker("a"), -LEASE)
        assert claims.claim([1], Worker("c"), LEASE) == []
        # Where nobody renews, a process of this machine keeps its claim whatever the clock says.
        assert claims.claim([1], Worker("c"), LEASE, renewed=False) == []
        assert claims.claim([1], Worker("d", "elsewhere"), LEASE, renewed=False) == [1]


def test_claims_of_a_dead_process_free_up_at_once(processor: ResultsProcessor) -> None:
    claim(processor, Worker("a", "here", 7), 0)
    claim(processor, Worker("b", "there", 7), 1)
    assert claim(processor, Worker("c", dead=frozenset({("here", 7)})), 0, 1) == [0]


def test_what_is_given_back_was_the_claimants_own(processor: ResultsProcessor) -> None:
    claim(processor, Worker("a"), 0, 1)
    claim(processor, Worker("b"), 2)
    with processor.database.write() as connection:
        claims = ClaimRepository(connection, "e")
        assert claims.release(Worker("a"), [1, 2, 3]) == {1}
        assert claims.release(Worker("a")) == {0}
        assert claims.release(Worker("b")) == {2}


def test_recorded_runs_are_found_by_their_keys(processor: ResultsProcessor) -> None:
    processor.save_runs(
        [
            RunRecord("e", "None", 0, provider="p", model="m", task="t", repeat_index=1),
            RunRecord("e", "None", 1, provider="p", model="m", task="t", error="down"),
            RunRecord("other", "None", 2, provider="p", model="m", task="t"),
        ]
    )
    keys = [RunKey("None", "p", "m", "t", n, r) for n in range(4) for r in range(2)]
    with processor.database.read() as connection:
        found = ClaimRepository(connection, "e").recorded(keys)
    assert {(run.key, run.outcome) for run in found} == {
        (RunKey("None", "p", "m", "t", 0, 1), "ungraded"),
        (RunKey("None", "p", "m", "t", 1, 0), "failed"),
    }


def test_many_at_once_share_the_positions(processor: ResultsProcessor) -> None:
    taken: list[int] = []

    def work(name: str) -> None:
        for first in range(0, 100, 5):
            taken.extend(claim(processor, Worker(name), *range(first, first + 5)))

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(100))


def test_a_score_has_one_claimant_and_goes_with_its_run(processor: ResultsProcessor) -> None:
    processor.save_runs(RunRecord("e", "CoT", index, id=f"run{index}") for index in range(2))
    with processor.database.write() as connection:
        metrics = MetricRepository(connection, "e")
        metrics.save(MetricRecord("judge", "binary"))
        number = metrics.row_id("judge")
        assert number is not None
        claims = ScoreClaimRepository(connection, number)
        wanted = [("run0", "judge#0"), ("run0", "judge#1"), ("run1", "judge#0")]
        assert claims.claim(wanted[:2], Worker("a"), LEASE) == wanted[:2]
        assert claims.claim(wanted, Worker("b"), LEASE) == wanted[2:]
        assert claims.claim(wanted[:1], Worker("a"), LEASE) == wanted[:1]
        assert claims.release(Worker("b"), wanted[:1]) == set()
        assert claims.release(Worker("a"), wanted[:1]) == {wanted[0]}
        assert claims.claim(wanted[:1], Worker("b"), LEASE) == wanted[:1]
        assert claims.release(Worker("b")) == {wanted[0], wanted[2]}
        claims.claim(wanted, Worker("a"), LEASE)
    processor.delete_run("run0")
    with processor.database.read() as connection:
        assert connection.scalars(select(ScoreClaim.run_id)).all() == ["run1"]
