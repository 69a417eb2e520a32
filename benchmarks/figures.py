"""What every program here reports: something measured, its limit measured beside it, the ratio.

    figures = [Figure("one durable save", wall, "s", limit, "bare sqlite3", at_most=1.6)]
    sys.exit(report(figures))

`report` prints a line a figure, writes them to the file that `python -m benchmarks` asks for, and
returns how many were missed. `together` measures both sides in turns, so that whatever else the
machine does meets both.
"""

import json
import math
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "benchmarks"
OUTPUT = "ML_AGENTS_FIGURES"
QUICK = "ML_AGENTS_QUICK"
Curves = dict[str, list[tuple[int, float]]]
"""Seconds over runs, by the name of what was done."""


@dataclass(frozen=True)
class Figure:
    """`measured` beside `limit`, in the same unit; medians, with the quartiles' distance of
    `measured` as its spread. The goal is `at_most` or `at_least` so many times the limit."""

    name: str
    measured: float
    unit: str
    limit: float
    limit_name: str
    at_most: float | None = None
    at_least: float | None = None
    spread: float = 0.0

    @property
    def ratio(self) -> float:
        return self.measured / self.limit

    @property
    def met(self) -> bool:
        low = self.at_least is None or self.ratio >= self.at_least
        return low and (self.at_most is None or self.ratio <= self.at_most)

    def line(self) -> str:
        goal = f"at most {self.at_most:g}" if self.at_most is not None else ""
        goal = f"at least {self.at_least:g}" if self.at_least is not None else goal
        return (
            f"{'ok    ' if self.met else 'MISSED'} {self.name:<44} {shown(self.measured)} "
            f"{self.unit} beside {shown(self.limit)} ({self.limit_name}): "
            f"{self.ratio:.3g} times, {goal}"
        )


def quick() -> bool:
    """Whether smaller sizes will do."""
    return bool(os.environ.get(QUICK))


def shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


@dataclass(frozen=True)
class Times:
    """Seconds of wall and processor time, one of each round."""

    wall: Sequence[float]
    cpu: Sequence[float]

    def median(self, kind: str = "wall") -> float:
        return float(statistics.median(getattr(self, kind)))

    def spread(self, kind: str = "wall") -> float:
        values: Sequence[float] = getattr(self, kind)
        if len(values) < 3:
            return max(values) - min(values)
        low, _, high = statistics.quantiles(values, n=4)
        return high - low


def together(*works: Callable[[], object], rounds: int = 5) -> list[Times]:
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


def beside(
    name: str,
    ours: Times,
    limit: Times,
    limit_name: str,
    *,
    kind: str = "wall",
    at_most: float | None = None,
    at_least: float | None = None,
) -> Figure:
    """The figure of two sides that `together` timed."""
    unit = "s" if kind == "wall" else "s CPU"
    return Figure(
        name,
        ours.median(kind),
        unit,
        limit.median(kind),
        limit_name,
        at_most,
        at_least,
        ours.spread(kind),
    )


def report(figures: Sequence[Figure]) -> int:
    """Prints the figures and hands them on; the number of those missed."""
    for figure in figures:
        print(figure.line(), flush=True)
    if path := os.environ.get(OUTPUT):
        with Path(path).open("a", encoding="utf-8") as file:
            for figure in figures:
                file.write(json.dumps({**asdict(figure), "ratio": figure.ratio}) + "\n")
    return sum(not figure.met for figure in figures)


def slope(curve: Sequence[tuple[int, float]]) -> float:
    """That of log time over log runs between the two largest sizes: 1 is linear."""
    (few, low), (many, high) = curve[-2:]
    return math.log(high / low) / math.log(many / few)


def doubled(curves: Curves) -> list[Figure]:
    """How much more twice the runs cost, by the slope."""
    return [
        Figure(f"{name}, twice the runs", 2 ** slope(curve), "times", 1, "once", at_most=2.3)
        for name, curve in curves.items()
    ]


def keep_curves(program: str, curves: Curves) -> None:
    """For benchmarks.page, in the full sizes."""
    if quick():
        return
    path = BUILD / "curves" / f"{program}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(curves), encoding="utf-8")
