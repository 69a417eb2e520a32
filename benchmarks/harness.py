"""Measuring: work and its limit in turns, in the same run, so that whatever disturbs meets both.

A work that the table names is a generator of `Measured`. `python -m benchmarks` runs the works of a
group in a process of its own and gives each a folder that is removed afterwards.
"""

import importlib
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, TypeVar

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "benchmarks"
T = TypeVar("T")


@dataclass(frozen=True)
class Times:
    """Seconds of wall and processor time, one of each round."""

    wall: Sequence[float]
    cpu: Sequence[float]

    def of(self, unit: str) -> Sequence[float]:
        """In the unit of a figure: `s` and `ms` are wall time."""
        if unit == "ms":
            return [seconds * 1000 for seconds in self.wall]
        return self.cpu if unit == "s CPU" else self.wall


class Measured(NamedTuple):
    """What a work and its limit took: times, or numbers in the unit of the row.

    `curve` has the seconds over the runs that a figure of growth was computed from.
    """

    name: str
    ours: Times | float
    limit: Times | float
    curve: Sequence[tuple[int, float]] = ()


@dataclass(frozen=True)
class Row:
    """A figure as the table declares it; `*` in the name stands for what differs.

    The goal is `at_most` or `at_least` so many times the limit, or at most `more` than it. A
    `detail` stands in docs/performance.md only where it is missed.
    """

    name: str
    unit: str
    limit: str
    at_most: float | None = None
    at_least: float | None = None
    more: float | None = None
    detail: bool = False


@dataclass(frozen=True)
class Figure:
    row: Row
    name: str
    measured: float
    limit: float
    spread: float = 0.0
    curve: Sequence[tuple[int, float]] = ()

    @property
    def ratio(self) -> float:
        return self.measured / self.limit

    @property
    def met(self) -> bool:
        most = self.row.at_most if self.row.more is None else 1 + self.row.more / self.limit
        least = self.row.at_least
        return (least is None or self.ratio >= least) and (most is None or self.ratio <= most)

    @property
    def goal(self) -> str:
        row = self.row
        if row.more is not None:
            return f"{row.more:g} {row.unit} more"
        if row.at_most is not None:
            return f"at most {row.at_most:g}"
        return "" if row.at_least is None else f"at least {row.at_least:g}"

    def line(self, *, judged: bool) -> str:
        verdict = ("ok" if self.met else "MISSED") if judged else ""
        return (
            f"{verdict:<6} {self.name:<50} {shown(self.measured)} "
            f"{self.row.unit} next to {shown(self.limit)} ({self.row.limit}): "
            f"{self.ratio:.3g} times; {self.goal or 'no goal'}"
        )

    def document(self) -> dict[str, Any]:
        """What results.json holds of it."""
        numbers = {"measured": self.measured, "unit": self.row.unit, "limit": self.limit}
        rest = {"limit_name": self.row.limit, "spread": self.spread, "ratio": self.ratio}
        curve = {"curve": self.curve} if self.curve else {}
        return {"name": self.name, **numbers, **rest, **curve}


@dataclass(frozen=True)
class Work:
    """A generator function `module.function`, with its sizes and those of `--quick`."""

    function: str
    full: dict[str, Any] = field(default_factory=dict)
    quick: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Group:
    works: Sequence[Work]
    rows: Sequence[Row]
    by_hand: bool = False
    """Whether it is left out where no group is named."""

    def row(self, name: str) -> Row:
        """The first row whose name fits."""
        return next(row for row in self.rows if fnmatchcase(name, row.name))

    def figure(self, measured: Measured) -> Figure:
        name, ours, limit, curve = measured
        row = self.row(name)
        takes = ours.of(row.unit) if isinstance(ours, Times) else [ours]
        limits = limit.of(row.unit) if isinstance(limit, Times) else [limit]
        return Figure(
            row, name, statistics.median(takes), statistics.median(limits), _spread(takes), curve
        )

    def measure(self, *, quick: bool) -> list[Figure]:
        figures = []
        BUILD.mkdir(parents=True, exist_ok=True)
        for work in self.works:
            module, _, function = work.function.partition(".")
            measure = getattr(importlib.import_module(f"benchmarks.{module}"), function)
            sizes = {**work.full, **(work.quick if quick else {})}
            with TemporaryDirectory(dir=BUILD) as folder:
                for measured in measure(Path(folder), **sizes):
                    figures.append(self.figure(measured))
                    print(figures[-1].line(judged=not quick), flush=True)
        return figures


def shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _spread(values: Sequence[float]) -> float:
    """The distance of the quartiles."""
    if len(values) < 3:
        return max(values) - min(values)
    low, _, high = statistics.quantiles(values, n=4)
    return high - low


def in_turns(*works: Callable[[], object], rounds: int = 5) -> list[Times]:
    """Runs the works in turns, once to warm up, and times each round of each."""
    taken: list[tuple[list[float], list[float]]] = [([], []) for _ in works]
    for turn in range(rounds + 1):
        for work, (wall, cpu) in zip(works, taken, strict=True):
            start, busy = time.perf_counter(), time.process_time()
            work()
            if turn:
                wall.append(time.perf_counter() - start)
                cpu.append(time.process_time() - busy)
    return [Times(wall, cpu) for wall, cpu in taken]


def alone(function: Callable[..., T], *arguments: Any, **named: Any) -> T:
    """The result of a function in a process of its own, whose memory nothing else has grown."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(partial(function, *arguments, **named)).result()


def peak_memory() -> float:
    """MiB that this process had at its peak, without its parent's, which `resource` includes."""
    return memory("VmHWM")


def memory(kind: str, process: int | str = "self") -> float:
    """MiB of a process, as Linux counts them: `VmRSS` now, `VmHWM` at its peak."""
    for line in Path(f"/proc/{process}/status").read_text("ascii").splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) / 1024
    sys.exit("this benchmark needs Linux")
