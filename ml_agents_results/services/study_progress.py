"""Progress of an experiment: done, planned, how fast, and how long it will take."""

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
    """

    done: int
    planned: int | None
    last_at: datetime | None
    left: tuple[timedelta, timedelta] | None

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
    left = None
    if planned and done < planned and last_at is not None:
        recent = connection.execute(
            select(func.count(), func.min(Run.created_at)).where(own, Run.created_at > now - WINDOW)
        ).one()
        if recent[0] >= LEAST:
            left = _left(planned - done, recent[0], max(now - recent[1], timedelta(seconds=1)))
    return StudyProgress(done, planned, last_at, left)


def _left(remaining: int, recent: int, within: timedelta) -> tuple[timedelta, timedelta]:
    """Counts vary by about their square root; twice that is a range to rely on."""
    spread = 2 * math.sqrt(recent)
    each = within / recent
    return (
        remaining * each * (recent / (recent + spread)),
        remaining * each * (recent / max(1.0, recent - spread)),
    )
