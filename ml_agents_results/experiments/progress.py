"""Progress: a bar for each variant on a terminal, plain lines elsewhere; always on stderr."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ml_agents_results.database.engine import Database
from ml_agents_results.experiments.plan import Plan, PlannedVariant
from ml_agents_results.records import RunRecord
from ml_agents_results.reports.terminal import printable
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.tabulator import Tabulator

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

PLAIN_LINES_EVERY = 10.0
"""Seconds between two reports without a terminal."""


@dataclass
class Tally:
    """Counts of one variant; `total_cost` is in USD, None while no cost is known.

    `title` is what tells it from the others for people; the JSON document has its names.
    """

    variant: PlannedVariant
    planned: int
    title: str = ""
    runs: int = 0
    correct: int = 0
    wrong: int = 0
    failed: int = 0
    unparsed: int = 0
    ungraded: int = 0
    total_cost: float | None = None

    @property
    def approach_name(self) -> str:
        return self.variant.approach_name

    def add(self, record: RunRecord) -> None:
        """Counts a run that was saved."""
        self.runs += 1
        if record.error is not None:
            self.failed += 1
        elif record.is_correct is not None:
            self.correct += record.is_correct
            self.wrong += not record.is_correct
        elif record.parsed_answer is None:
            self.unparsed += 1
        else:
            self.ungraded += 1
        if record.cost_estimate is not None:
            self.total_cost = (self.total_cost or 0.0) + record.cost_estimate

    @property
    def graded(self) -> int:
        return self.correct + self.wrong

    @property
    def accuracy(self) -> float | None:
        """The fraction of graded runs that are correct."""
        return self.correct / self.graded if self.graded else None

    def document(self) -> dict[str, Any]:
        """The counts and what follows from them, as JSON."""
        counts = asdict(self)
        del counts["variant"], counts["title"]
        return {
            **self.variant._asdict(),
            **counts,
            "graded": self.graded,
            "accuracy": self.accuracy,
        }

    def __str__(self) -> str:
        parts = [f"{self.runs}/{self.planned} runs", f"{self.failed} failed"]
        if self.graded:
            parts.append(self.shown_accuracy())
        if self.unparsed or self.ungraded:
            parts.append(f"{self.unparsed + self.ungraded} without a grade")
        if self.total_cost:
            parts.append(f"{self.total_cost:.4f} USD")
        return ", ".join(parts)

    def shown_accuracy(self) -> str:
        """The accuracy so far with its 95% interval, runs treated as independent."""
        low, high = self.interval
        if low is None or high is None:
            return ""
        return f"accuracy {self.accuracy:.1%} [{low:.1%}, {high:.1%}]"

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """The 95% Wilson interval of the accuracy, runs treated as independent."""
        from ml_agents_results.statistics.proportions import wilson

        if not self.graded:
            return None, None
        interval = wilson(self.correct, self.graded)
        return interval.low, interval.high


def recorded_tallies(
    database: Database, experiment_id: str, plan: Plan
) -> dict[PlannedVariant, Tally]:
    """The tallies of a plan's variants, from the runs in the database, summed over tasks."""
    planned = len(plan.questions) * plan.repeats
    titles = plan.titles
    tallies = {v: Tally(v, planned, title) for v, title in zip(plan.variants, titles, strict=True)}
    with database.read() as connection:
        variants = Tabulator(connection, Filters(experiment_id=(experiment_id,))).variants()
    for counts in variants:
        if (tally := tallies.get(PlannedVariant(*counts.variant[1:]))) is None:
            continue
        for name in ("runs", "correct", "wrong", "failed", "unparsed", "ungraded"):
            setattr(tally, name, getattr(tally, name) + getattr(counts, name))
        if counts.priced:
            tally.total_cost = (tally.total_cost or 0.0) + counts.total_cost
    return tallies


class Progress:
    """Reports of a running experiment; this one reports nothing."""

    def begin(self, experiment_id: str, tallies: Sequence[Tally]) -> None:
        """The experiment starts or is resumed with these counts."""

    def saved(self, tally: Tally) -> None:
        """Another run of this variant is saved."""

    def say(self, text: str) -> None:
        """A message for the user."""

    def end(self) -> None:
        """The last question was answered."""


class PlainProgress(Progress):
    """Lines for logs and pipes, a few per minute."""

    def __init__(self, console: "Console") -> None:
        self._console = console
        self._tallies: Sequence[Tally] = ()
        self._next = 0.0

    def begin(self, experiment_id: str, tallies: Sequence[Tally]) -> None:
        self._tallies = tallies
        self._next = time.monotonic() + PLAIN_LINES_EVERY
        self.say(f"Experiment {experiment_id}")

    def saved(self, tally: Tally) -> None:
        if time.monotonic() >= self._next:
            self._report()
            self._next = time.monotonic() + PLAIN_LINES_EVERY

    def say(self, text: str) -> None:
        self._console.print(printable(text), highlight=False, markup=False, soft_wrap=True)

    def end(self) -> None:
        self._report()

    def _report(self) -> None:
        for tally in self._tallies:
            self.say(f"{tally.title}: {tally}")


class BarProgress(PlainProgress):
    """A bar for each variant: done, failed, accuracy with its interval, cost, time left."""

    def begin(self, experiment_id: str, tallies: Sequence[Tally]) -> None:
        from rich import progress

        super().begin(experiment_id, tallies)
        self._bars = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(bar_width=20),
            progress.TextColumn("{task.fields[state]}", markup=False),
            progress.TimeRemainingColumn(),
            console=self._console,
            refresh_per_second=4,
        )
        self._tasks: dict[PlannedVariant, TaskID] = {
            tally.variant: self._bars.add_task(
                printable(tally.title), total=tally.planned, completed=tally.runs, state=str(tally)
            )
            for tally in tallies
        }
        self._drawn = dict.fromkeys(self._tasks, 0.0)
        self._bars.start()

    def saved(self, tally: Tally) -> None:
        # The interval and the drawing cost more than counting.
        if time.monotonic() - self._drawn[tally.variant] > 0.1:
            self._drawn[tally.variant] = time.monotonic()
            self._draw(tally)

    def end(self) -> None:
        for tally in self._tallies:
            self._draw(tally)
        self._bars.stop()

    def _draw(self, tally: Tally) -> None:
        self._bars.update(self._tasks[tally.variant], completed=tally.runs, state=str(tally))


def progress_on(console: "Console") -> Progress:
    """Bars on a terminal, lines elsewhere."""
    return BarProgress(console) if console.is_terminal else PlainProgress(console)
