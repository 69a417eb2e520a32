"""Claims: which process is asking which planned run or judge, so that nothing is asked twice."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, NamedTuple

from sqlalchemy import Connection, and_, delete, select, update
from sqlalchemy.orm import Session

from ml_agents_results.database.models import Claim, Run, ScoreClaim
from ml_agents_results.repositories.repository import Repository
from ml_agents_results.repositories.this_process import ThisProcess
from ml_agents_results.repositories.upserts import insert_of

Key = tuple[Any, ...]
"""Values of the columns that tell claims apart."""


class RunKey(NamedTuple):
    """The key of a run inside its experiment."""

    approach_name: str
    provider: str
    model: str
    task: str
    sample_index: int
    repeat_index: int


class RecordedRun(NamedTuple):
    """A run that is in the database: how it ended, and what it has used (USD, tokens)."""

    key: RunKey
    outcome: str
    metadata_json: dict[str, Any] | None
    error: str | None = None
    cost_estimate: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Claims(Repository):
    """Claims of one table, each of a key; keys that belong together share `common`.

    Args:
        common: The columns that have the same value in all of these claims.
    """

    _model: ClassVar[Any]
    _key: ClassVar[tuple[str, ...]]

    def __init__(self, source: Connection | Session, **common: object) -> None:
        super().__init__(source)
        self._common = common

    def _take(
        self, keys: Collection[Key], claimant: ThisProcess, lease: timedelta, renewed: bool = True
    ) -> list[Key]:
        """Claims those keys that nobody else is working on, and returns them in order."""
        wanted = set(keys)
        now = datetime.now(UTC)
        for row in self._connection.execute(select(self._model).where(self._ours(keys))):
            key = tuple(getattr(row, name) for name in self._key)
            if key not in wanted:
                continue
            claim = (row.owner, *self._common.values(), *key)
            if (
                row.owner == claimant.token
                or claimant.outlived(row.host, row.pid)
                or (renewed and claimant.lapsed(claim, row.expires_at, lease))
                or (not renewed and row.host != claimant.host and row.expires_at <= now)
            ):
                self._connection.execute(delete(self._model).where(self._ours([key])))
            else:
                wanted.remove(key)
        if not wanted:
            return []
        owner = {"owner": claimant.token, "host": claimant.host, "pid": claimant.pid}
        rows = [
            {
                **self._common,
                **dict(zip(self._key, key, strict=True)),
                **owner,
                "expires_at": now + lease,
            }
            for key in sorted(wanted)
        ]
        # Where several may write at once, another one may have been faster.
        claimed = insert_of(self._engine)(self._model.__table__).on_conflict_do_nothing()
        taken = self._connection.execute(claimed.returning(*self._columns()), rows)
        return sorted(tuple(row) for row in taken)

    def renew(self, claimant: ThisProcess, lease: timedelta) -> None:
        """Says that the claimant is still at work."""
        self._connection.execute(
            update(self._model)
            .where(self._ours(), self._model.owner == claimant.token)
            .values(expires_at=datetime.now(UTC) + lease)
        )

    def _give_back(self, claimant: ThisProcess, keys: Collection[Key] | None) -> set[Key]:
        """Releases keys (None: all) and returns those that were still the claimant's."""
        released = delete(self._model).where(self._ours(keys), self._model.owner == claimant.token)
        return {
            tuple(row) for row in self._connection.execute(released.returning(*self._columns()))
        }

    def _columns(self) -> list[Any]:
        return [getattr(self._model, name) for name in self._key]

    def _ours(self, keys: Collection[Key] | None = None) -> Any:
        """The claims of these keys (None: all). SQLite searches no index for a list of rows: with
        keys of several columns each column is compared alone, and others may be among them."""
        conditions = [getattr(self._model, name) == value for name, value in self._common.items()]
        if keys is not None:
            for index, column in enumerate(self._columns()):
                conditions.append(column.in_({key[index] for key in keys}))
        return and_(*conditions)


class ScoreClaimRepository(_Claims):
    """The claims of one metric: scores that a process is asking a judge for."""

    _model, _key = ScoreClaim, ("run_id", "author")

    def __init__(self, source: Connection | Session, metric_id: int) -> None:
        super().__init__(source, metric_id=metric_id)

    def claim(
        self,
        scores: Collection[tuple[str, str]],
        claimant: ThisProcess,
        lease: timedelta,
    ) -> list[tuple[str, str]]:
        """Claims scores, each by run id and author, and returns those nobody else is asking for."""
        return [(run, author) for run, author in self._take(scores, claimant, lease)]

    def release(
        self, claimant: ThisProcess, scores: Collection[tuple[str, str]] | None = None
    ) -> set[tuple[str, str]]:
        """Releases scores (None: all) and returns those that were still the claimant's."""
        if scores is None:
            return {(run, author) for run, author in self._give_back(claimant, None)}
        return {key for one in scores for key in self._give_back(claimant, [one])}


class ClaimRepository(_Claims):
    """The claims of one experiment: positions of its plan that a process is asking."""

    _model, _key = Claim, ("position",)

    def __init__(self, source: Connection | Session, experiment_id: str) -> None:
        super().__init__(source, experiment_id=experiment_id)
        self._experiment_id = experiment_id

    def claim(
        self,
        positions: Collection[int],
        claimant: ThisProcess,
        lease: timedelta,
        *,
        renewed: bool = True,
    ) -> list[int]:
        """Claims those positions that nobody else is working on, and returns them.

        Args:
            lease: How long a claim lasts that is not renewed.
            renewed: Whether all who claim renew their claims: others' lapse when they were seen
                unrenewed for as long as the lease. Else those of this machine last as long as
                their process, and those of others until the time that they state.
        """
        keys = [(position,) for position in positions]
        return [position for (position,) in self._take(keys, claimant, lease, renewed)]

    def release(self, claimant: ThisProcess, positions: Sequence[int] | None = None) -> set[int]:
        """Releases positions (None: all) and returns those that were still the claimant's."""
        keys = None if positions is None else [(position,) for position in positions]
        return {position for (position,) in self._give_back(claimant, keys)}

    def workers(self, claimant: ThisProcess) -> list[str]:
        """The other processes that are recording into the experiment now, for people to look at."""
        model = self._model
        held = (self._ours(), model.owner != claimant.token, model.expires_at > datetime.now(UTC))
        rows = self._connection.execute(select(model.host, model.pid).where(*held).distinct())
        return [
            f"process {row.pid} on {row.host.partition('/')[0]}"
            for row in rows
            if not claimant.outlived(row.host, row.pid)
        ]

    def recorded(self, keys: Iterable[RunKey]) -> list[RecordedRun]:
        """The runs of these keys that are recorded."""
        samples: dict[tuple[str, str, str, str, int], list[int]] = {}
        for key in keys:
            group = (key.approach_name, key.provider, key.model, key.task, key.repeat_index)
            samples.setdefault(group, []).append(key.sample_index)
        runs = []
        # One lookup a group: SQLite searches no index of several columns for a list of rows.
        for (approach, provider, model, task, repeat), indexes in samples.items():
            rows = self._connection.execute(
                select(
                    Run.sample_index,
                    Run.outcome,
                    Run.metadata_json,
                    Run.error,
                    Run.cost_estimate,
                    Run.prompt_tokens,
                    Run.completion_tokens,
                ).where(
                    Run.experiment_id == self._experiment_id,
                    Run.approach_name == approach,
                    Run.provider == provider,
                    Run.model == model,
                    Run.task == task,
                    Run.sample_index.in_(indexes),
                    Run.repeat_index == repeat,
                )
            )
            for index, *values in rows:
                key = RunKey(approach, provider, model, task, index, repeat)
                runs.append(RecordedRun(key, *values))
        return runs
