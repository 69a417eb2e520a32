"""Run that is prepared for saving: validated, as the rows that are stored."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from ml_agents_results.database.models import RUN_COLUMNS
from ml_agents_results.database.validation import new_id

_DIGEST_AT = RUN_COLUMNS.index("content_digest")


class PreparedRun(NamedTuple):
    """A validated run as the row that is stored.

    Attributes:
        takes_id: Whether the run brings its id; otherwise it keeps the one that is recorded.
        row: The `run_row` of the run.
        parsing: The `parsing_row` of its parsing metrics, if it brings some.
        scores: The id of the metric and the `score_row` of each of its scores.
    """

    takes_id: bool
    row: tuple[Any, ...]
    parsing: tuple[Any, ...] | None
    scores: Sequence[tuple[Any, ...]] = ()

    @property
    def digest(self) -> str:
        return str(self.row[_DIGEST_AT])

    @property
    def parsing_digest(self) -> str | None:
        return None if self.parsing is None else str(self.parsing[-1])

    def with_new_id(self) -> "PreparedRun":
        return self._replace(takes_id=False, row=(new_id(), *self.row[1:]))


_Rows = list[tuple[tuple[Any, ...], tuple[Any, ...]]]


def parsing_of(runs: Sequence[PreparedRun]) -> _Rows:
    """The `run_row` and `parsing_row` of those runs that bring parsing metrics."""
    return [(run.row, run.parsing) for run in runs if run.parsing is not None]


def scores_of(runs: Sequence[PreparedRun]) -> _Rows:
    """The `run_row`, and metric's id with `score_row`, of each score of the runs."""
    return [(run.row, score) for run in runs for score in run.scores]
