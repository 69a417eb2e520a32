"""What exports cost next to the bare writers of their formats, and their memory.

The bare writers (orjson, csv.writer, XlsxWriter in constant memory, pyarrow) take rows from a bare
cursor of SQLite, and rows that are in memory: what is between the two is reading the database.
"""

import csv
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pyarrow
from pyarrow import parquet
from xlsxwriter import Workbook

from benchmarks.databases import EXPERIMENT, database
from benchmarks.harness import Measured, alone, peak_memory
from ml_agents_results.database.engine import Database
from ml_agents_results.formats.exporting import export
from ml_agents_results.formats.parquet_writer import COLUMN_NAMES

SMALL = 10_000
SQL = (
    f"SELECT {', '.join(COLUMN_NAMES)} FROM runs LEFT JOIN parsing_metrics AS m "
    f"ON m.run_id = runs.id WHERE experiment_id = '{EXPERIMENT}' ORDER BY experiment_id, "
    "approach_name, provider, model, task, sample_index, repeat_index"
).replace("SELECT id,", "SELECT runs.id,")
Rows = Iterable[Sequence[Any]]


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
        for index, row in enumerate(rows):
            for column, value in enumerate(row):
                if isinstance(value, str):
                    sheet.write_string(index, column, value)
                elif value is not None:
                    sheet.write_number(index, column, value)


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


def formats(folder: Path, sizes: Sequence[int]) -> Iterator[Measured]:
    peaks: dict[str, dict[int, float]] = {name: {} for name in BARE}
    for runs in sizes:
        path = database(runs)
        for name in BARE:
            # A process each, so that its peak is the export's.
            rounds = 1 if name == "excel" and runs > SMALL else 3
            ours, cursor, rows, peak, added = alone(_measure, name, path, folder / "out", rounds)
            title, peaks[name][runs] = f"{name} export of {runs:,} runs", peak
            if runs >= SMALL:
                yield Measured(title, ours, cursor)
                yield Measured(f"{title}, rows", ours, rows)
            if name != "parquet":  # Its library takes what it likes.
                yield Measured(f"{title}, memory added", added, 20)
    for name, peak_of in peaks.items():
        title = f"{name} export, peak memory at {sizes[-1]:,} runs"
        yield Measured(title, peak_of[sizes[-1]], peak_of[SMALL])


def _measure(name: str, path: Path, output: Path, rounds: int) -> tuple[float, ...]:
    """Ours, bare on a cursor, bare in memory: the best of the rounds, in CPU seconds; our peak, and
    what of it came after an export of nothing had loaded the libraries: MiB."""
    with (
        closing(Database(str(path), create=False)) as opened,
        closing(sqlite3.connect(path)) as bare,
    ):
        ours = partial(export, opened, path=output, format=name, include=["runs"], force=True)
        ours(EXPERIMENT, filters={"approach_name": "nothing"})
        base = peak_memory()
        exported = [_cpu(partial(ours, EXPERIMENT))]
        peak = peak_memory()
        exported += [_cpu(partial(ours, EXPERIMENT)) for _ in range(rounds - 1)]
        cursor = [_cpu(lambda: BARE[name](bare.execute(SQL), output)) for _ in range(rounds)]
        rows = bare.execute(SQL).fetchall()
        memory = [_cpu(lambda: BARE[name](rows, output)) for _ in range(rounds)]
    return min(exported), min(cursor), min(memory), peak, peak - base


def _cpu(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start
