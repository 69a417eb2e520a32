"""Run that is prepared for saving: validated, as the rows that are stored."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from ml_agents_results.database.models import RUN_COLUMNS
from ml_agents_results.database.new_ids import new_id
from ml_agents_results.repositories.upserts import PARSING, SCORES, Belonging

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


BelongingRow = tuple[tuple[Any, ...], tuple[Any, ...]]
"""The `run_row` of a run, and a row that belongs to it."""

Belongings = tuple[Belonging, list[BelongingRow]]


def belongings_of(runs: Sequence[PreparedRun]) -> list[Belongings]:
    """The rows that belong to runs, by table; tables without any are left out."""
    parsing = [(run.row, run.parsing) for run in runs if run.parsing is not None]
    scores = [(run.row, score) for run in runs for score in run.scores]
    return [both for both in ((PARSING, parsing), (SCORES, scores)) if both[1]]
