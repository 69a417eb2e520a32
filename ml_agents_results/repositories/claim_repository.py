"""Claims: which process is asking which planned run, so that nothing is asked twice."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.orm import Session

from ml_agents_results.database.models import Claim, Run
from ml_agents_results.repositories.repository import Repository
from ml_agents_results.repositories.upserts import insert_of


class Claimant(Protocol):
    """A process that claims: `token` is unique to it, `host` and `pid` show whether it runs."""

    @property
    def token(self) -> str: ...

    @property
    def host(self) -> str: ...

    @property
    def pid(self) -> int: ...

    def outlived(self, host: str, pid: int) -> bool:
        """Whether the process is known to have ended."""


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


class ClaimRepository(Repository):
    """The claims of one experiment."""

    def __init__(self, source: Connection | Session, experiment_id: str) -> None:
        super().__init__(source)
        self._experiment_id = experiment_id

    def claim(
        self, positions: Collection[int], claimant: Claimant, now: datetime, expires_at: datetime
    ) -> list[int]:
        """Claims those positions that nobody else is working on, and returns them."""
        taken: set[int] = set()
        stale: list[int] = []
        for row in self._connection.execute(
            select(Claim).where(self._ours(), Claim.position.in_(positions))
        ):
            free = row.expires_at <= now or claimant.outlived(row.host, row.pid)
            if free or row.owner == claimant.token:
                stale.append(row.position)
            else:
                taken.add(row.position)
        if stale:
            self._connection.execute(delete(Claim).where(self._ours(), Claim.position.in_(stale)))
        wanted = [
            {
                "experiment_id": self._experiment_id,
                "position": position,
                "owner": claimant.token,
                "host": claimant.host,
                "pid": claimant.pid,
                "expires_at": expires_at,
            }
            for position in positions
            if position not in taken
        ]
        if not wanted:
            return []
        # Where several may write at once, another one may have been faster.
        claimed = insert_of(self._engine)(Claim.__table__).on_conflict_do_nothing()
        return sorted(self._connection.scalars(claimed.returning(Claim.position), wanted))

    def renew(self, claimant: Claimant, expires_at: datetime) -> None:
        """Says that the claimant is still at work."""
        self._connection.execute(
            update(Claim)
            .where(self._ours(), Claim.owner == claimant.token)
            .values(expires_at=expires_at)
        )

    def release(self, claimant: Claimant, positions: Sequence[int] | None = None) -> set[int]:
        """Releases positions (None: all) and returns those that were still the claimant's."""
        released = delete(Claim).where(self._ours(), Claim.owner == claimant.token)
        if positions is not None:
            released = released.where(Claim.position.in_(positions))
        return set(self._connection.scalars(released.returning(Claim.position)))

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

    def _ours(self) -> Any:
        return Claim.experiment_id == self._experiment_id
