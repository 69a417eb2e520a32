"""Importing: one transaction, whatever the format; all of it or nothing."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from ml_agents_results.database.engine import Database
from ml_agents_results.database.validation import check_id
from ml_agents_results.errors import (
    DuplicateError,
    InvalidFileError,
    InvalidRecordError,
    UsageError,
)
from ml_agents_results.formats.conflicts import settle
from ml_agents_results.formats.duplicates import POLICIES, latest, note_latest, run_key
from ml_agents_results.formats.log_source import ImportOptions, Item, LogSource
from ml_agents_results.formats.registry import find, load_format
from ml_agents_results.records import ExperimentRecord
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.import_keys import KeyMap, keys_of_ids, recorded_keys
from ml_agents_results.repositories.run_repository import RunRepository

BATCH_RUNS = 2000
BATCH_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did, in runs.

    Attributes:
        experiments: The ids of the experiments that the runs belong to.
        read: Runs in the files.
        inserted: Runs that are new.
        updated: Runs that were there, and are different now.
        conflicts: Runs that were there with other contents; which stays says `on_conflict`.
        skipped: Runs that were there as they are.
        superseded: Runs that a later line (`duplicates="latest"`) or a newer attempt replaced.
        ungraded: Of those read, the runs that are neither right nor wrong nor failed.
        failed: Of those read, the runs that ended in an error.
        warnings: What a person should know.
        sources: For each file: what is in it, what was chosen for it and by which rule, and what
            of it does not become runs.
    """

    experiments: Sequence[str]
    read: int
    inserted: int
    updated: int
    skipped: int
    conflicts: int
    superseded: int
    ungraded: int
    failed: int
    warnings: Sequence[str]
    sources: Sequence[Mapping[str, Any]]
    dry_run: bool = False

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class _DryRunError(Exception):
    """Ends the transaction of a dry run."""


def load(
    database: Database,
    sources: Sequence[LogSource],
    options: ImportOptions,
    *,
    format_name: str | None = None,
    dry_run: bool = False,
    progress: Callable[[int], None] | None = None,
) -> ImportResult:
    """Imports the sources in one transaction.

    Args:
        sources: Files, or folders of files.
        format_name: The format of all sources; None looks at each.
        dry_run: Whether to do everything and then undo it.
        progress: Called with the number of bytes read since it was called before.

    Raises:
        InvalidFileError: A source is not what it was taken for.
        InvalidRecordError: A run breaks a rule; the message names its file and line.
        DuplicateError: A sample is answered twice.
        UsageError: The options do not fit the sources.
    """
    if options.experiment_id is not None:
        check_id("experiment_id", options.experiment_id)
    for source in sources:
        if database.path is not None and source.path.samefile(database.path):
            raise UsageError(f"{source.name} is the database itself", "Name another file.")
    with suppress(_DryRunError), database.bulk() as connection:
        job = _Import(connection, options, progress or (lambda _: None))
        found = [part for source in sources for part in find(source, format_name)]
        parts = [_Part.of(source, options, name) for source, name in found]
        # The newest attempts first: what they have, older ones do not replace.
        parts.sort(key=lambda part: part.source.attempt or "", reverse=True)
        result = job.run(parts)
        if dry_run:
            raise _DryRunError
    return replace(result, dry_run=dry_run)


@dataclass(frozen=True)
class _Part:
    """One source with its format and what it says about its experiments."""

    source: LogSource
    format_name: str
    described: Mapping[str, ExperimentRecord]
    items: Callable[[], Iterator[Item]]

    @classmethod
    def of(cls, source: LogSource, options: ImportOptions, name: str) -> "_Part":
        module = load_format(name)
        described = {record.id: record for record in module.experiments(source, options)}
        default = next(iter(described), f"{source.stem}-{source.sha256[:8]}")

        def items() -> Iterator[Item]:
            for item in module.read(source, options):
                own = item.run.experiment_id or default
                item.run.experiment_id = options.experiment_id or own
                if options.task is not None:
                    item.run.task = options.task
                yield item

        return cls(source, name, described, items)

    def batches(self) -> Iterator[list[Item]]:
        """Bounded by number and by size, for answers may be long."""
        batch: list[Item] = []
        size = 0
        for item in self.items():
            batch.append(item)
            size += item.size
            if len(batch) == BATCH_RUNS or size > BATCH_BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch


class _Import:
    """The state of one import, inside its transaction."""

    def __init__(
        self, connection: Connection, options: ImportOptions, progress: Callable[[int], None]
    ) -> None:
        self._connection = connection
        self._options = options
        self._progress = progress
        self._runs = RunRepository(connection)
        self._experiments = ExperimentRepository(connection)
        self._counts_before: dict[str, int] = {}
        self._counted: Counter[str] = Counter()
        self._sources: list[dict[str, Any]] = []

    def run(self, parts: Sequence[_Part]) -> ImportResult:
        seen = KeyMap(self._connection)
        keep = POLICIES[self._options.duplicates]
        if keep is latest:
            for part in parts:
                for batch in part.batches():
                    note_latest(seen, part.source, batch)
        for part in parts:
            self._add(part, partial(keep, seen, part.source))
        counted = self._counted
        before = self._counts_before
        inserted = sum(self._runs.count(name) - count for name, count in before.items())
        updated = counted["changed"] - inserted
        kept = counted["read"] - counted["superseded"]
        return ImportResult(
            experiments=sorted(before),
            read=counted["read"],
            inserted=inserted,
            updated=updated,
            skipped=kept - inserted - updated,
            conflicts=counted["conflicts"],
            superseded=counted["superseded"],
            ungraded=counted["ungraded"],
            failed=counted["failed"],
            warnings=[warning for part in parts for warning in part.source.warnings],
            sources=self._sources,
        )

    def _add(self, part: _Part, keep: Callable[[list[Item]], Sequence[Item]]) -> None:
        source = part.source
        before = self._counted.copy()
        superseded_by_newer: dict[str, bool] = {}
        position = renamed = 0
        for batch in part.batches():
            for item in batch:
                if (experiment_id := item.run.experiment_id) not in superseded_by_newer:
                    with source.locate(item.place):
                        superseded_by_newer[experiment_id] = self._begin(experiment_id, part)
            kept = keep(self._without_newer(batch, superseded_by_newer))
            superseded = len(batch) - len(kept)
            policy = self._options.on_conflict
            new = {name for name, count in self._counts_before.items() if not count}
            kept, conflicts = settle(self._connection, policy, source, kept, new)
            renamed += self._give_ids(source, kept)
            self._save(source, kept)
            self._counted["read"] += len(batch)
            self._counted["superseded"] += superseded
            self._counted["conflicts"] += conflicts
            self._progress(source.position - position)
            position = source.position
        if not superseded_by_newer:
            raise InvalidFileError(f"{source.name} holds no runs", "Check its path.")
        self._progress(source.size - position)
        if renamed:
            source.warn(
                f"{source.name}: {renamed} ids belong to runs of other experiments; "
                "these runs have new ones"
            )
        counts = self._counted - before
        self._sources.append(
            {
                "file": source.name,
                "format": part.format_name,
                "experiments": sorted(superseded_by_newer),
                **{name: counts[name] for name in ("read", "superseded", "failed", "ungraded")},
                "chosen": source.chosen,
                "left_out": dict(source.left_out),
            }
        )

    def _without_newer(self, batch: list[Item], superseded: Mapping[str, bool]) -> list[Item]:
        """Without the runs that newer attempts at the same experiments have."""
        places: dict[str, set[int]] = {}
        for item in batch:
            if superseded[item.run.experiment_id]:
                places.setdefault(item.run.experiment_id, set()).add(item.run.sample_index)
        if not places:
            return batch
        recorded = set().union(
            *(recorded_keys(self._connection, name, indexes) for name, indexes in places.items())
        )
        return [item for item in batch if run_key(item.run) not in recorded]

    def _begin(self, experiment_id: str, part: _Part) -> bool:
        """Makes sure of the experiment, and notes in it what is imported. Returns whether it holds
        a newer attempt."""
        name = self._options.name
        if experiment_id not in self._counts_before:
            if name and self._counts_before:
                raise UsageError(
                    f"--name names one experiment, and the runs belong to several: "
                    f"{', '.join(self._counts_before)}, {experiment_id}",
                    "Leave it out, or join them with --experiment-id.",
                )
            self._counts_before[experiment_id] = self._runs.count(experiment_id)
        existing = self._experiments.find(experiment_id)
        record = existing or self._described(experiment_id, part)
        told = {
            "file": Path(part.source.name).name,
            "format": part.format_name,
            "sha256": part.source.sha256,
        }
        attempt = part.source.attempt
        if attempt is not None:
            told["attempt"] = attempt
        environment = record.environment_json
        imports = environment.get("imports", [])
        newer = attempt is not None and any(one.get("attempt", "") > attempt for one in imports)
        newest = record if attempt is None or newer else self._described(experiment_id, part)
        record = replace(
            record,
            name=name or record.name,
            status="completed" if newest.status == "running" else newest.status,
            environment_json=environment
            if told in imports
            else {**environment, "imports": [*imports, told]},
        )
        if record != existing:
            self._experiments.save(record)
        return newer

    def _described(self, experiment_id: str, part: _Part) -> ExperimentRecord:
        described = part.described.get(experiment_id)
        if described is None and self._options.experiment_id and len(part.described) == 1:
            described = replace(next(iter(part.described.values())), id=experiment_id)
        return described or ExperimentRecord(experiment_id, name=part.source.stem)

    def _give_ids(self, source: LogSource, batch: Sequence[Item]) -> int:
        """Leaves out ids that runs of other experiments have; returns how many."""
        given = [item for item in batch if item.run.id is not None]
        owners = keys_of_ids(self._connection, [str(item.run.id) for item in given])
        renamed = 0
        for item in given:
            key = run_key(item.run)
            owner = owners.setdefault(str(item.run.id), key)
            if owner[0] != key[0]:
                item.run.id = None
                renamed += 1
            elif owner != key:
                raise DuplicateError(
                    f"{source.where(item.place)}: the id {item.run.id!r} belongs to another run "
                    f"of experiment {key[0]!r}",
                    "Ids of runs are unique. If it is the id of the question: --map sample_id=id",
                )
        return renamed

    def _save(self, source: LogSource, batch: Sequence[Item]) -> None:
        runs = [item.run for item in batch]
        try:
            self._counted["changed"] += self._runs.save_many(runs)
        except InvalidRecordError as error:
            if error.record_number is None:
                raise
            with source.locate(batch[error.record_number].place):
                raise
        failed = sum(run.error is not None for run in runs)
        self._counted["failed"] += failed
        self._counted["ungraded"] += sum(run.is_correct is None for run in runs) - failed
