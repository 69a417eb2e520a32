"""How the cost of analyses, saves, imports and exports grows with the runs, and their memory."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median

from benchmarks.analyses import services
from benchmarks.databases import EXPERIMENT, database, responses, without_backups
from benchmarks.harness import Measured, in_turns
from benchmarks.page import slope
from benchmarks.saving import import_file, repeated
from ml_agents_results.database.engine import Database
from ml_agents_results.formats.exporting import export
from ml_agents_results.processor import ResultsProcessor

SAVES = 200
MOST_IN_EXCEL = 100_000
"""A worksheet holds 1,048,575 runs; a million take minutes."""

Curves = dict[str, list[tuple[int, float]]]


def of_analyses(_folder: Path, sizes: Sequence[int]) -> Iterator[Measured]:
    curves: Curves = {}
    for runs in sizes:
        with (
            closing(ResultsProcessor(str(database(runs)))) as processor,
            processor.database.read() as connection,
        ):
            for name, work in services(connection, EXPERIMENT).items():
                _add(curves, name, runs, work, rounds=3)
    yield from _doubled(curves)


def of_volume(folder: Path, sizes: Sequence[int]) -> Iterator[Measured]:
    """Exports of all runs, an import of the JSON lines, saves one by one into a copy; answers of
    300 characters."""
    curves: Curves = {}
    for runs in sizes:
        rounds, kept = 3 if runs <= 10_000 else 1, database(runs, text=300)
        lines, copy = folder / "runs.jsonl", folder / "copy.db"
        with closing(Database(str(kept), create=False)) as opened:
            for name in ("jsonl", "csv", "excel"):
                if name != "excel" or runs <= MOST_IN_EXCEL:
                    path = lines if name == "jsonl" else folder / f"runs.{name}"
                    work = partial(
                        export, opened, EXPERIMENT, path, name, include=["runs"], force=True
                    )
                    _add(curves, f"{name} export", runs, work, rounds)
        _add(curves, "import", runs, partial(import_file, lines, folder / "new.db"), rounds)
        shutil.copy(kept, copy)
        with closing(without_backups(copy)) as processor:
            processor.save_experiment("saved", {})
            saves = map(processor.save_run_result, responses("saved"))
            two_hundred = repeated(partial(next, saves), SAVES)
            _add(curves, f"{SAVES} saves", runs, two_hundred, rounds=5)
    yield from _doubled(curves)


def _add(curves: Curves, name: str, runs: int, work: Callable[[], object], rounds: int) -> None:
    seconds = median(in_turns(work, rounds=rounds)[0].wall)
    curves.setdefault(name, []).append((runs, seconds))
    print(f"       {name:<14} {runs:>9,} runs {seconds:10.4f} s", flush=True)


def _doubled(curves: Curves) -> Iterator[Measured]:
    """How much more twice the runs take, by the slope."""
    for name, curve in curves.items():
        yield Measured(f"{name}, twice the runs", 2 ** slope(curve), 1, curve)


def again(_folder: Path, runs: int) -> Iterator[Measured]:
    """An analysis that was asked before, next to one that was not; both read the same index."""
    with closing(ResultsProcessor(str(database(runs)))) as processor:
        numbers, report = count(), processor.generate_accuracy_report
        repeat, first = in_turns(
            lambda: report({"model": ["m", "unused"]}),
            lambda: report({"model": ["m", f"unused-{next(numbers)}"]}),
            rounds=3,
        )
    yield Measured("the same analysis again, unchanged", repeat, first)


def peaks(folder: Path, few: int, many: int) -> Iterator[Measured]:
    """Peak memory of whole commands."""
    found: dict[str, list[float]] = {}
    for runs in (few, many):
        lines, one = f"{folder}/{runs}.jsonl", ("--experiment-id", EXPERIMENT)
        where = ("--db-path", str(database(runs, text=300)))
        for arguments in (
            ("analyze", *one, *where),
            ("compare", "--experiment-ids", EXPERIMENT, *where),
            ("export", *one, "--format", "jsonl", "--output", lines, *where),
            ("import", lines, "--db-path", f"{folder}/{runs}.db"),
        ):
            found.setdefault(arguments[0], []).append(_peak(*arguments))
    for name, (low, high) in found.items():
        yield Measured(f"peak memory of {name}, {many:,} runs", high, low)


_LAUNCHER = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def _peak(*arguments: str) -> float:
    """MiB of the command's process, started by a small one, whose peak it begins with."""
    command = str(Path(sys.executable).with_name("ml-agents"))
    ended = subprocess.run(
        [sys.executable, "-c", _LAUNCHER, command, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return int(ended.stdout) / 1024
