"""What exports cost beside the bare writers of their formats, and how their memory grows.

    python benchmarks/exports.py [--runs 1000 10000 100000] [--formats ...] [--keep FOLDER]

Each line is one export of the runs of an experiment (about 3.4 KB a run), in CPU seconds: the best
of three, or of one from 100,000 runs. "x bare" compares with the format's own library (orjson,
csv.writer, XlsxWriter in constant memory, pyarrow) on rows that a bare SQLite cursor brings, "x in
memory" with the same on rows that are in memory already: what is between the two is reading the
database. "MiB" is the peak of the process, "+ MiB" what of it came after the libraries had been
loaded. Of 1,000,000 runs Excel is left out.
"""

import argparse
import csv
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pyarrow
from pyarrow import parquet
from xlsxwriter import Workbook

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.figures import Figure, report
from ml_agents_results.database.engine import Database
from ml_agents_results.formats.exporting import export
from ml_agents_results.formats.parquet_writer import COLUMN_NAMES
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import ParsingMetrics, RunRecord
from ml_agents_results.repositories.run_repository import RunRepository

MOST = {"jsonl": 1.2, "csv": 1.2, "excel": 1.3, "parquet": 1.5}
"""Times the bare writer on a bare cursor."""

MOST_IN_MEMORY = {"jsonl": 2.0, "csv": 2.0, "excel": 1.5, "parquet": 1.5}
"""Times the bare writer on rows in memory."""

MOST_ADDED = 20
"""MiB, for the formats whose library needs none of its own."""

MOST_GROWTH = 1.2
"""Peak memory of the largest export, times that of 10,000 runs."""

LARGE = 1_000_000
SMALL = 10_000
SQL = (
    f"SELECT {', '.join(COLUMN_NAMES)} FROM runs LEFT JOIN parsing_metrics AS m "
    "ON m.run_id = runs.id WHERE experiment_id = 'e' ORDER BY experiment_id, approach_name, "
    "provider, model, task, sample_index, repeat_index"
).replace("SELECT id,", "SELECT runs.id,")
Rows = Iterable[Sequence[Any]]


def fill(path: Path, number: int) -> None:
    chance = random.Random(number)
    words = [f"{chance.getrandbits(24):x}" for _ in range(20_000)]
    text = " ".join(chance.choices(words, k=2_000_000))
    start = datetime(2026, 1, 1, tzinfo=UTC)

    def piece(length: int) -> str:
        place = chance.randrange(len(text) - length)
        return text[place : place + length]

    def run(place: int) -> RunRecord:
        return RunRecord(
            "e",
            ("None", "ChainOfThought")[place % 2],
            place // 2,
            provider="p",
            model="m",
            task=f"task_{place % 20:02}",
            input_text=piece(500),
            expected_answer="42",
            raw_output=f'"{piece(2200)}", it says.\n',
            parsed_answer="42",
            parsing_method="regex",
            parsing_confidence=0.9,
            is_correct=chance.random() < 0.6,
            execution_time_ms=chance.randrange(100, 20_000),
            cost_estimate=chance.random() / 100,
            prompt_tokens=100,
            completion_tokens=500,
            created_at=start + timedelta(seconds=place),
            metadata_json={"temperature": 0.2, "response_id": f"r{place}"},
            parsing_metrics=ParsingMetrics(1, False, 0.9, 3),
        )

    processor = ResultsProcessor(str(path))
    processor.save_experiment("nothing", {})
    processor.save_experiment("e", {"benchmark": True})
    with processor.database.bulk() as connection:
        repository = RunRepository(connection)
        for first in range(0, number, 5000):
            repository.save_many(map(run, range(first, min(first + 5000, number))))
    processor.close()


def bare_jsonl(rows: Rows, path: Path) -> None:
    with path.open("wb") as file:
        for row in rows:
            line = dict(zip(COLUMN_NAMES, row, strict=True))
            file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def bare_csv(rows: Rows, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def bare_excel(rows: Rows, path: Path) -> None:
    with Workbook(str(path), {"constant_memory": True}) as book:
        sheet = book.add_worksheet()
        for place, row in enumerate(rows):
            for column, value in enumerate(row):
                if isinstance(value, str):
                    sheet.write_string(place, column, value)
                elif value is not None:
                    sheet.write_number(place, column, value)


def bare_parquet(rows: Rows, path: Path) -> None:
    remaining = iter(rows)
    batch = list(islice(remaining, 5000))
    types = [pyarrow.array(column).type for column in zip(*batch, strict=True)]
    schema = pyarrow.schema(zip(COLUMN_NAMES, types, strict=True))
    with parquet.ParquetWriter(str(path), schema, compression="zstd") as writer:
        while batch:
            columns = zip(zip(*batch, strict=True), types, strict=True)
            writer.write_batch(
                pyarrow.record_batch([pyarrow.array(*one) for one in columns], schema=schema)
            )
            batch = list(islice(remaining, 5000))


BARE: dict[str, Callable[[Rows, Path], None]] = {
    "jsonl": bare_jsonl,
    "csv": bare_csv,
    "excel": bare_excel,
    "parquet": bare_parquet,
}


def best(work: Callable[[], object], times: int) -> float:
    found = []
    for _ in range(times):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


def peak_memory() -> float:
    """MiB that this program had at its peak; what `resource` tells includes its parent's."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("This benchmark needs Linux.")


def measure(name: str, database: Path, folder: Path, times: int, in_memory: bool) -> list[float]:
    """In this process: ours, bare on a cursor, bare in memory (CPU seconds), our peak and what
    of it the runs took (MiB)."""
    output, opened = folder / "out.csv", Database(str(database), create=False)

    def ours(experiment: str = "e") -> None:
        export(opened, experiment, output, name, include=["runs"], force=True)

    ours("nothing")
    base = peak_memory()
    seconds = best(ours, 1)
    peak = peak_memory()
    if times > 1:
        seconds = min(seconds, best(ours, times - 1))
    bare = sqlite3.connect(database)
    cursor = best(lambda: BARE[name](bare.execute(SQL), output), times)
    memory = 0.0
    if in_memory:
        rows = bare.execute(SQL).fetchall()
        memory = best(lambda: BARE[name](rows, output), times)
    output.unlink()
    return [seconds, cursor, memory, peak, peak - base]


def measured(name: str, database: Path, folder: Path, times: int, in_memory: bool) -> list[float]:
    """The same in a process of its own, whose memory nothing else has grown."""
    arguments = [name, database, folder, times, int(in_memory)]
    command = [sys.executable, __file__, "--one", *map(str, arguments)]
    found: list[float] = json.loads(subprocess.check_output(command))
    return found


def show(name: str, number: int, found: Sequence[float]) -> None:
    seconds, cursor, memory, peak, added = found
    beside = f"{seconds / memory:12.2f}" if memory else f"{'-':>12}"
    print(
        f"{name:<8} {number:>9,} {seconds:>8.3f} {seconds / cursor:>7.2f} {beside} {peak:>6.0f} "
        f"{added:>6.0f}",
        flush=True,
    )


def figures(name: str, number: int, found: Sequence[float]) -> Iterator[Figure]:
    """What is promised of one export."""
    seconds, cursor, memory, _, added = found
    title = f"{name} export of {number:,} runs"
    if number >= SMALL:
        yield Figure(title, seconds, "s CPU", cursor, "bare, on a cursor", MOST[name])
    if number >= SMALL and memory:
        limit = MOST_IN_MEMORY[name]
        yield Figure(f"{title}, rows", seconds, "s CPU", memory, "bare, in memory", limit)
    if name != "parquet":
        yield Figure(f"{title}, memory added", added, "MiB", MOST_ADDED, "allowed", 1)


def main() -> int:
    """The number of figures that were missed."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, nargs="+", default=[1000, SMALL, 100_000])
    options.add_argument("--formats", nargs="+", choices=list(BARE), default=list(BARE))
    options.add_argument("--keep", type=Path, help="make or use the databases in this folder")
    options.add_argument("--one", nargs=5, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.one:
        name, database, place, times, in_memory = given.one
        print(json.dumps(measure(name, Path(database), Path(place), int(times), in_memory == "1")))
        return 0
    promised: list[Figure] = []
    peaks: dict[str, dict[int, float]] = {name: {} for name in given.formats}
    print(
        f"{'format':<8} {'runs':>9} {'CPU s':>8} {'x bare':>7} {'x in memory':>12} {'MiB':>6} "
        f"{'+ MiB':>6}"
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for number in given.runs:
            database = (given.keep or folder) / f"{number}.db"
            if not database.exists():
                fill(database, number)
            for name in given.formats:
                if number >= LARGE and name == "excel":
                    continue
                times = 3 if number <= SMALL else 1
                found = measured(name, database, folder, times, number < LARGE)
                peaks[name][number] = found[3]
                show(name, number, found)
                promised += figures(name, number, found)
    for name, found_peaks in peaks.items():
        largest = max(found_peaks)
        if SMALL in found_peaks and largest > SMALL:
            title = f"{name} export, peak memory at {largest:,} runs"
            high, low = found_peaks[largest], found_peaks[SMALL]
            promised.append(Figure(title, high, "MiB", low, f"{SMALL:,} runs", MOST_GROWTH))
    return report(promised)


if __name__ == "__main__":
    sys.exit(main())
