"""A day of recording in fast motion: faults at random moments, and every acknowledged run is there.

The seed is printed; $SEED repeats it. $ML_AGENTS_DAY_RUNS says how many runs are recorded.
"""

import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from ml_agents_results.database.engine import Database
from ml_agents_results.database.maintenance.integrity_checks import check
from ml_agents_results.database.manager import DatabaseManager
from ml_agents_results.errors import ResultsError
from ml_agents_results.formats.exporting import export
from ml_agents_results.formats.importing import load
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.processor import ResultsProcessor
from tests.databases import embedded
from tests.generated import lines_of, make_runs, write_runs_file
from tests.lengths import first_seed
from tests.own_server import OwnServer
from tests.processes import Process

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals"),
]

WRITERS = 8
RUNS = int(os.environ.get("ML_AGENTS_DAY_RUNS", "12000"))
GONE, UNWRITABLE = 3, 4
"""The exit codes of a writer whose database is not there, or cannot be written."""

WRITER = """
    import os, resource, signal, sys
    from ml_agents_results.config import DatabaseConfig
    from ml_agents_results.database.engine import Database
    from ml_agents_results.errors import ResultsError
    from ml_agents_results.processor import ResultsProcessor
    from ml_agents_results.records import RunRecord

    locator, name, acknowledged = sys.argv[1:4]
    last, room = map(int, sys.argv[4:])
    if room:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    where = {"url": locator} if "://" in locator else {"db_path": locator}
    written = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with open(acknowledged) as file:
        first = sum(1 for _ in file)
    try:
        config = DatabaseConfig(**where, backup_frequency=400, keep=2)
        processor = ResultsProcessor(Database(config, create=False))
        for index in range(first, last):
            processor.save_run(RunRecord("e", name, index, raw_output=f"{name} {index} " * 40))
            os.write(written, f"{index}\\n".encode())
    except ResultsError as error:
        print(error.message, error.hint, file=sys.stderr)
        os._exit(error.exit_code)
"""


class Day:
    """Writers that are started again until all their runs are acknowledged."""

    def __init__(self, locator: str, folder: Path, chance: random.Random) -> None:
        self.locator, self.folder, self.chance = locator, folder, chance
        self.last = RUNS // WRITERS
        self._writers: dict[str, Process] = {}
        self.endings: dict[int, int] = {}

    def acknowledged(self) -> dict[str, int]:
        files = {f"by {n}": self.folder / f"by {n}" for n in range(WRITERS)}
        return {
            name: len(file.read_bytes().splitlines()) if file.exists() else 0
            for name, file in files.items()
        }

    def keep_going(self, room: int = 0) -> bool:
        """Starts the writers that ended before their time; whether any is left."""
        for name, count in self.acknowledged().items():
            writer = self._writers.get(name)
            if writer is not None and (code := writer.returncode) is not None:
                self.endings[code] = self.endings.get(code, 0) + 1
                message = writer.communicate()[1]
                assert code in (0, GONE, UNWRITABLE, -signal.SIGKILL), message
                del self._writers[name]
            if name not in self._writers and count < self.last:
                self._writers[name] = Process(
                    WRITER, self.locator, name, self.folder / name, self.last, room
                )
                room = 0
        return bool(self._writers)

    def kill_one(self) -> None:
        with suppress(ProcessLookupError):
            self.chance.choice([*self._writers.values()]).kill()

    def suspend_one(self) -> None:
        writer = self.chance.choice([*self._writers.values()])
        with suppress(ProcessLookupError):
            writer.send_signal(signal.SIGSTOP)
            time.sleep(self.chance.uniform(0, 0.5))
            writer.send_signal(signal.SIGCONT)

    def wait(self) -> None:
        for writer in self._writers.values():
            writer.wait()

    def end(self) -> None:
        for writer in self._writers.values():
            writer.kill()
            writer.communicate()

    def run(self, faults: Mapping[str, Callable[[], None]]) -> None:
        """Injects faults until all runs are acknowledged."""
        happened: list[str] = []
        try:
            while self.keep_going():
                time.sleep(self.chance.uniform(0.05, 0.6))
                name = self.chance.choice([*faults])
                happened.append(name)
                faults[name]()
        finally:
            self.end()
            counts = {name: happened.count(name) for name in faults}
            sys.stderr.write(f"{counts} endings {self.endings}\n")


@pytest.fixture
def chance() -> random.Random:
    seed = os.environ.get("SEED") or str(first_seed())
    sys.stderr.write(f"SEED={seed}\n")
    return random.Random(seed)


def verify(database: Database, day: Day) -> None:
    """Every acknowledged run is there as it was, and at most one more of each writer."""
    assert check(database).intact
    with ResultsProcessor(database) as processor:
        found: dict[str, set[int]] = {}
        for run in processor.iter_runs("e"):
            if run.approach_name.startswith("by "):
                assert run.raw_output == f"{run.approach_name} {run.sample_index} " * 40
                found.setdefault(run.approach_name, set()).add(run.sample_index)
    assert found == {name: set(range(count)) for name, count in day.acknowledged().items()}
    assert set(day.acknowledged().values()) == {day.last}


def prepared(database: Database, folder: Path) -> Path:
    """An experiment to record into, and a file to import meanwhile."""
    with ResultsProcessor(database) as processor:
        DatabaseManager(database).initialize_schema()
        processor.save_experiment("e", {})
    write_runs_file(folder / "runs.jsonl", lines_of(make_runs("imported", samples=50)))
    return folder / "runs.jsonl"


def test_a_day_with_one_file(tmp_path: Path, chance: random.Random) -> None:
    path = tmp_path / "r.db"
    runs = prepared(Database(str(path)), tmp_path)
    day = Day(str(path), tmp_path, chance)

    def opened() -> DatabaseManager:
        return DatabaseManager(str(path))

    def move() -> None:
        """Away for a while: the writers notice, and nothing of theirs is lost."""
        path.rename(tmp_path / "elsewhere.db")
        day.wait()
        assert not path.exists()
        (tmp_path / "elsewhere.db").rename(path)
        # The writers have put what was recorded next to it, all of them into one file.
        for number, recovered in enumerate(tmp_path.glob("r.db.recovered-*")):
            assert not number
            rescued = Database(str(recovered), create=False)
            assert check(rescued).intact
            with rescued.read() as connection:
                count = "SELECT COUNT(*) FROM runs WHERE experiment_id = 'e'"
                runs = connection.exec_driver_sql(count).scalar_one()
            assert runs >= sum(day.acknowledged().values())
            rescued.close()
            recovered.unlink()

    def fill() -> None:
        day.kill_one()
        time.sleep(0.1)
        day.keep_going(room=path.stat().st_size + 30_000)

    def bring() -> None:
        manager = opened()
        load(manager.database, [LogSource(runs)], ImportOptions(experiment_id="imported"))
        manager.database.close()

    def write_out() -> None:
        manager = opened()
        export(manager.database, "e", tmp_path / "out.mlar", force=True)
        manager.database.close()

    def look() -> None:
        manager = opened()
        assert manager.check().intact
        manager.database.close()

    day.run(
        {
            "kill": day.kill_one,
            "suspend": day.suspend_one,
            "move": move,
            "full disk": fill,
            "backup": lambda: _size(opened().backup_database(tmp_path / "b.db", force=True)),
            "import": bring,
            "export": write_out,
            "check": look,
        }
    )
    verify(Database(str(path)), day)
    if (tmp_path / "b.db").exists():
        assert check(Database(str(tmp_path / "b.db"), create=False)).intact


def _size(_bytes: int) -> None:
    """What a fault returns is of no interest."""


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    with embedded() as started:
        yield OwnServer(started)


def test_a_day_with_one_server(server: OwnServer, tmp_path: Path, chance: random.Random) -> None:
    database = Database(server.locator)
    runs = prepared(database, tmp_path)
    day = Day(server.locator, tmp_path, chance)

    def restart() -> None:
        server.restart(chance.choice(("fast", "immediate")))

    def bring() -> None:
        # An import that a restart disturbs is repeated by hand.
        with suppress(ResultsError):
            load(database, [LogSource(runs)], ImportOptions(experiment_id="imported"))

    def write_out() -> None:
        with suppress(ResultsError):
            export(database, "e", tmp_path / "out.mlar", force=True)

    day.run(
        {
            "kill": day.kill_one,
            "suspend": day.suspend_one,
            "restart": restart,
            "import": bring,
            "export": write_out,
        }
    )
    verify(database, day)
