"""Progress of an experiment: done, planned, how fast, and what the rest will take and cost."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, func, select

from ml_agents_results.database.models import Run

WINDOW = timedelta(minutes=10)
"""The rate is that of the last ten minutes."""

LEAST = 20
"""Runs that a rate needs."""


@dataclass(frozen=True, slots=True)
class StudyProgress:
    """How far an experiment is.

    Attributes:
        planned: None for an experiment that was not run here.
        last_at: When the last run was recorded; None without runs.
        left: The shortest and longest time that the rest takes at the rate of the last ten
            minutes; None where that is not known.
        cost_left: The least and most that the rest costs (USD) if its runs cost what those of the
            last ten minutes did; None where few of these have a cost.
    """

    done: int
    planned: int | None
    last_at: datetime | None
    left: tuple[timedelta, timedelta] | None
    cost_left: tuple[float, float] | None = None

    @property
    def share(self) -> float | None:
        """Done of planned, a fraction."""
        return None if not self.planned else min(1.0, self.done / self.planned)


def progress_of(
    connection: Connection,
    experiment_id: str,
    done: int,
    planned: int | None,
    now: datetime | None = None,
) -> StudyProgress:
    """The progress of an experiment of which `done` runs are recorded."""
    now = now or datetime.now(UTC)
    own = Run.experiment_id == experiment_id
    # The time index is walked from its end: a running experiment has the newest runs.
    last_at = connection.scalar(
        select(Run.created_at).where(own).order_by(Run.created_at.desc()).limit(1)
    )
    left = cost_left = None
    if planned and done < planned and last_at is not None:
        cost = Run.cost_estimate
        recent, first, priced, total, squares = connection.execute(
            select(
                func.count(),
                func.min(Run.created_at),
                func.count(cost),
                func.sum(cost),
                func.sum(cost * cost),
            ).where(own, Run.created_at > now - WINDOW)
        ).one()
        if recent >= LEAST:
            left = _left(planned - done, recent, max(now - first, timedelta(seconds=1)))
        if priced >= LEAST and priced == recent:
            cost_left = _cost_left(planned - done, priced, total or 0.0, squares or 0.0)
    return StudyProgress(done, planned, last_at, left, cost_left)


def _cost_left(remaining: int, priced: int, total: float, squares: float) -> tuple[float, float]:
    """The sum over the rest varies with its own runs and with the mean that it is guessed from;
    twice its standard error is a range to rely on."""
    mean = total / priced
    variance = max(0.0, squares / priced - mean * mean) * priced / (priced - 1)
    spread = 2 * math.sqrt(variance * (remaining + remaining * remaining / priced))
    return max(0.0, remaining * mean - spread), remaining * mean + spread


def _left(remaining: int, recent: int, within: timedelta) -> tuple[timedelta, timedelta]:
    """Counts vary by about their square root; twice that is a range to rely on."""
    spread = 2 * math.sqrt(recent)
    each = within / recent
    return (
        remaining * each * (recent / (recent + spread)),
        remaining * each * (recent / max(1.0, recent - spread)),
    )
