import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ml_agents_results.database.engine import Database
from ml_agents_results.errors import InvalidRecordError
from ml_agents_results.experiments.plan import Plan, PlannedModel
from ml_agents_results.experiments.question import Question
from ml_agents_results.experiments.recorder import ENDED_AT, LEASE, Recorder
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from ml_agents_results.repositories.claim_repository import ClaimRepository
from ml_agents_results.repositories.run_repository import RunRepository
from ml_agents_results.repositories.this_process import ThisProcess

QUESTIONS = [Question("", n, None, f"{n}?", "1") for n in range(40)]
PLAN = Plan(["None"], QUESTIONS, 1, [PlannedModel("p", "m")])


@dataclass(frozen=True)
class Stranger(ThisProcess):
    """Another process, on another machine."""

    token: str = "stranger"
    host: str = "elsewhere"
    pid: int = 1
    patient: bool = True

    def outlived(self, host: str, pid: int) -> bool:
        return False

    def lapsed(self, claim: Hashable, renewed: datetime, lease: timedelta) -> bool:
        return not self.patient


@pytest.fixture
def processor(sqlite_database: Database) -> ResultsProcessor:
    processor = ResultsProcessor(sqlite_database)
    processor.save_experiment("e", {})
    return processor


def answered(position: int, **values: object) -> RunRecord:
    key = PLAN.key(position)
    record = RunRecord(
        "e", key.approach_name, key.sample_index, provider="p", model="m", raw_output="ours"
    )
    for name, value in values.items():
        setattr(record, name, value)
    return record


def recording(
    processor: ResultsProcessor,
    work: Callable[[Recorder], Awaitable[None]],
    retry: frozenset[str] = frozenset(),
    retry_since: datetime | None = None,
) -> None:
    async def session() -> None:
        settled = bytearray(len(PLAN))
        recorder = Recorder(processor.database, "e", PLAN, settled, retry, retry_since)
        recorder.start()
        await work(recorder)
        await recorder.finish()

    asyncio.run(session())


def stranger_claims(processor: ResultsProcessor, *positions: int) -> None:
    with processor.database.write() as connection:
        claims = ClaimRepository(connection, "e")
        claims.claim(positions, Stranger(), LEASE)


def stranger_gives_back(processor: ResultsProcessor) -> None:
    with processor.database.write() as connection:
        ClaimRepository(connection, "e").release(Stranger())


def outputs(processor: ResultsProcessor) -> dict[int, str | None]:
    with processor.database.read() as connection:
        return {
            run.sample_index: run.raw_output for run in RunRepository(connection).iterate(["e"])
        }


def test_the_plan_is_given_out_once_and_in_order(processor: ResultsProcessor) -> None:
    async def work(recorder: Recorder) -> None:
        given = []
        while (taken := await recorder.take(7)).positions:
            given += taken.positions
        assert given == list(range(40))
        assert taken.elsewhere == 0

    recording(processor, work)


def test_what_others_are_asking_is_given_out_when_they_give_it_back(
    processor: ResultsProcessor,
) -> None:
    async def work(recorder: Recorder) -> None:
        stranger_claims(processor, *range(30))
        assert (await recorder.take(50)).positions == list(range(30, 40))
        taken = await recorder.take(8)
        assert (taken.positions, taken.elsewhere) == ([], 30)
        stranger_gives_back(processor)
        given: list[int] = []
        while (taken := await recorder.take(8)).positions:
            given += taken.positions
        assert sorted(given) == list(range(30))
        assert taken.elsewhere == 0

    recording(processor, work)


def test_what_others_have_saved_meanwhile_is_not_given_out(processor: ResultsProcessor) -> None:
    async def work(recorder: Recorder) -> None:
        stranger_claims(processor, 0, 1)
        assert (await recorder.take(2)).positions == [2, 3]
        processor.save_runs([answered(0), answered(5)])
        stranger_gives_back(processor)
        given: list[int] = []
        while (taken := await recorder.take(50)).positions:
            given += taken.positions
        assert sorted(given) == [1, 4, *range(6, 40)]

    recording(processor, work)


def test_an_answer_of_somebody_else_is_not_replaced_when_a_claim_was_lost(
    processor: ResultsProcessor,
) -> None:
    async def work(recorder: Recorder) -> None:
        await recorder.take(3)
        with processor.database.write() as connection:
            # As after the expiry of the lease: this process had been suspended.
            ClaimRepository(connection, "e").claim([0, 1, 2], Stranger(patient=False), LEASE)
        processor.save_runs([answered(0, raw_output="theirs")])
        processor.save_runs([answered(1, raw_output=None, error="theirs failed")])
        kept = await asyncio.gather(*(recorder.save(n, answered(n)) for n in range(3)))
        assert kept == [False, True, True]

    recording(processor, work)
    assert outputs(processor) == {0: "theirs", 1: "ours", 2: "ours"}


def test_runs_that_another_process_has_retried_in_vain_are_not_retried_again(
    processor: ResultsProcessor,
) -> None:
    since = datetime.now(UTC)
    for position, moment in ((0, since - timedelta(seconds=1)), (1, since + timedelta(seconds=1))):
        failed = {ENDED_AT["failed"]: moment.isoformat()}
        processor.save_run(answered(position, raw_output=None, error="x", metadata_json=failed))

    async def work(recorder: Recorder) -> None:
        assert (await recorder.take(3)).positions == [0, 2, 3]

    recording(processor, work, retry=frozenset({"failed"}), retry_since=since)


def test_a_record_that_is_refused_holds_up_no_other_one(processor: ResultsProcessor) -> None:
    async def work(recorder: Recorder) -> None:
        await recorder.take(3)
        records = [answered(0), answered(1, execution_time_ms=-1), answered(2)]
        results = await asyncio.gather(
            *(recorder.save(n, record) for n, record in enumerate(records)), return_exceptions=True
        )
        assert results[0] is results[2] is True
        assert isinstance(results[1], InvalidRecordError)

    recording(processor, work)
    assert set(outputs(processor)) == {0, 2}


def test_the_event_loop_goes_on_while_the_database_is_locked(processor: ResultsProcessor) -> None:
    locked, release = threading.Event(), threading.Event()

    def hold() -> None:
        with processor.database.write():
            locked.set()
            release.wait(10)

    async def work(recorder: Recorder) -> None:
        await recorder.take(1)
        holder = threading.Thread(target=hold)
        holder.start()
        locked.wait(10)
        saving = asyncio.ensure_future(recorder.save(0, answered(0)))
        for _ in range(20):
            await asyncio.sleep(0.01)
        assert not saving.done()
        release.set()
        assert await saving
        holder.join()

    recording(processor, work)
    assert outputs(processor) == {0: "ours"}


def test_all_claims_are_given_back_at_the_end(processor: ResultsProcessor) -> None:
    async def work(recorder: Recorder) -> None:
        await recorder.take(20)
        await recorder.save(3, answered(3))

    recording(processor, work)
    with processor.database.write() as connection:
        claims = ClaimRepository(connection, "e")
        claimed = claims.claim(range(40), Stranger(), LEASE)
    assert claimed == list(range(40))


@pytest.mark.skipif(sys.platform != "linux", reason="the boot's id is Linux's")
def test_machines_of_the_same_name_are_told_apart_by_their_boot() -> None:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    me = ThisProcess()
    assert f"/{boot}/" in me.host
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert me.outlived(me.host, ended.pid)
    assert not me.outlived(me.host.replace(boot, "another-boot"), ended.pid)


def test_clocks_that_jump_neither_free_nor_hold_a_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    me, watch = ThisProcess(), 100.0
    monkeypatch.setattr(time, "monotonic", lambda: watch)
    past, future = datetime(1970, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)
    for renewed in (past, future):
        assert not me.lapsed("claim", renewed, LEASE)
        watch += 59
        assert not me.lapsed("claim", renewed, LEASE)
        watch += 1
        assert me.lapsed("claim", renewed, LEASE)
        watch += 3600
    assert not me.lapsed("claim", past, LEASE)


def test_a_process_knows_which_others_have_ended() -> None:
    me = ThisProcess()
    assert not me.outlived(me.host, me.pid)
    assert not me.outlived("elsewhere", 2**22 + 1)
    assert me.outlived(me.host, 2**22 + 1)
