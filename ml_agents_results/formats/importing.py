"""Importing: all logs of a call in one transaction, all of it or nothing."""

import gc
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Connection

from ml_agents_results.database.engine import Database
from ml_agents_results.database.validation import check_id
from ml_agents_results.errors import (
    DuplicateError,
    InvalidFileError,
    InvalidRecordError,
    ResultsError,
    UsageError,
)
from ml_agents_results.formats.conflicts import Incoming, settle
from ml_agents_results.formats.detection import find_logs
from ml_agents_results.formats.duplicates import POLICIES, Policy, latest, note_latest, run_key
from ml_agents_results.formats.import_part import ImportPart
from ml_agents_results.formats.imported_experiments import ImportedExperiments
from ml_agents_results.formats.log import Item
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.formats.registry import WHOLE
from ml_agents_results.repositories.import_keys import KeyMap, keys_of_ids, recorded_keys
from ml_agents_results.repositories.score_rows import value_of_run

_COLLECT_AFTER = 100_000
OPEN_LOGS = 200
"""Logs that are kept open until it is known which is the newest; others are opened again. Systems
let a process open 256 to 1,024 files."""


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did, in numbers of runs.

    Attributes:
        experiments: The ids of the experiments that the runs belong to.
        read: Runs in the files.
        inserted: Runs that are new.
        updated: Runs that were recorded with other contents and have been replaced.
        conflicts: Runs that were recorded with other contents; `on_conflict` says which stays.
        skipped: Runs that were recorded with the same contents.
        superseded: Runs that a later line (`duplicates="latest"`) or a newer attempt replaced.
        ungraded: Of those read, the runs that did not fail and have no value of the primary metric.
        failed: Of those read, the runs that ended in an error.
        metrics: The metrics of the experiments; primary ones are marked. Those that are the same
            in several experiments are given once.
        warnings: Messages for the user.
        sources: For each file: what it holds, what was chosen for it and by which rule, and what
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
    metrics: Sequence[Mapping[str, Any]]
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
    """Imports the sources in one transaction. Each file is opened and parsed once.

    Args:
        sources: Files, or folders of files.
        format_name: The format of all sources. [default: found by looking at each]
        dry_run: Whether to do everything and then undo it.
        progress: Called with the number of bytes read since the last call.

    Raises:
        InvalidFileError: A source is not what its format says.
        InvalidRecordError: A run breaks a rule; the message names its file and line.
        DuplicateError: A sample is answered twice.
        UsageError: The options do not fit the sources.
    """
    if options.experiment_id is not None:
        check_id("experiment_id", options.experiment_id)
    for source in sources:
        if database.path is not None and source.path.samefile(database.path):
            raise UsageError(f"{source.name} is the database itself", "Name another file.")
    with (
        suppress(_DryRunError),
        _rare_collections(),
        database.bulk() as connection,
        ExitStack() as stack,
    ):
        logs = [log for source in sources for log in find_logs(source, format_name)]
        parts = [ImportPart(source, name, options, stack, connection) for source, name in logs]
        job = _Import(connection, options, progress or (lambda _: None))
        result = job.run(parts)
        if dry_run:
            raise _DryRunError
        if not database.is_sqlite:
            from ml_agents_results.database import postgres

            postgres.analyze(connection, result.inserted + result.updated)
    return replace(result, dry_run=dry_run)


@contextmanager
def _rare_collections() -> Iterator[None]:
    """A block with fewer collections of garbage: rows are many and have no cycles, and looking
    through them takes a fifth of an import."""
    before = gc.get_threshold()
    gc.set_threshold(max(before[0], _COLLECT_AFTER), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _age(part: ImportPart) -> str:
    """Sorts logs by the start of their attempt; those that are no attempts come first."""
    return part.source.attempt or ""


def _split(batch: list[Item], recorded: Mapping[str, bool]) -> tuple[list[Item], Sequence[Item]]:
    """The runs of other experiments than those that are recorded from another file; and of those,
    the runs of which this file says more. The rest has nothing new."""
    if not recorded:
        return batch, ()
    others = [item for item in batch if item.run.experiment_id not in recorded]
    return others, [item for item in batch if recorded.get(item.run.experiment_id)]


class _Import:
    """The state of one import, inside its transaction."""

    def __init__(
        self, connection: Connection, options: ImportOptions, progress: Callable[[int], None]
    ) -> None:
        self._connection = connection
        self._options = options
        self._progress = progress
        self._experiments = ImportedExperiments(connection, options)
        self._seen = KeyMap(connection)
        self._counted: Counter[str] = Counter()
        self._imported: Counter[str] = Counter()
        self._sources: list[dict[str, Any]] = []
        self._several = False
        self._empty: list[LogSource] = []
        self._broken: dict[LogSource, ResultsError] = {}

    def run(self, parts: Sequence[ImportPart]) -> ImportResult:
        keep = POLICIES[self._options.duplicates]
        self._several = len(parts) > 1
        waiting = []
        for part in parts:
            with self._skipping(part):
                part.open()
                if keep is latest or part.source.attempt is not None:
                    waiting.append(part)
                    if len(waiting) > OPEN_LOGS:
                        part.close()
                else:
                    self._add(part, keep)
        if keep is latest:
            for part in sorted(waiting, key=_age):
                with self._skipping(part):
                    part.reopen()
                    for batch in part.read_ahead(self._progress):
                        note_latest(self._seen, part.source, batch)
        # The newest attempts first: older ones do not replace what these have.
        for part in sorted(waiting, key=_age, reverse=True):
            if part.source not in self._broken:
                with self._skipping(part):
                    part.reopen()
                    self._add(part, keep)
        self._settle_metrics()
        self._report_unread()
        self._report_stale(parts)
        return self._result(parts)

    @contextmanager
    def _skipping(self, part: ImportPart) -> Iterator[None]:
        """A block whose errors about the file leave it out, if the user wants that."""
        skip = self._options.skip_broken and self._several
        counted, before = self._counted.copy(), dict(self._experiments.counts_before)
        savepoint = self._connection.begin_nested() if skip else None
        try:
            yield
        except (InvalidFileError, InvalidRecordError) as error:
            part.close()
            if savepoint is None:
                if self._several:
                    hint = (error.hint or "").rstrip(".")
                    error.hint = f"{hint}; to leave the file out: --skip-broken"
                raise
            savepoint.rollback()
            self._counted = counted
            self._experiments.forget(part, before)
            self._broken[part.source] = error
        else:
            if savepoint is not None:
                savepoint.commit()

    def _settle_metrics(self) -> None:
        """Chooses the primary metric of each experiment, and counts runs without it anew."""
        for metrics in self._experiments.metrics.values():
            more = {file.name: number for file, number in metrics.settle().items()}
            self._counted["ungraded"] += sum(more.values())
            for noted in self._sources:
                noted["ungraded"] += more.get(noted["file"], 0)

    def _report_unread(self) -> None:
        """Warns of the files without runs and of those that were skipped.

        Raises:
            InvalidFileError: There are no others.
        """
        for source in self._empty:
            reason, hint = source.why_empty
            if not self._sources:
                raise InvalidFileError(f"{source.name} {reason}", hint)
            source.warn(f"{source.name} {reason}; it was left out")
        for source, error in self._broken.items():
            if not self._sources:
                raise error
            source.warn(f"{error.message}; the file was left out")

    def _report_stale(self, parts: Sequence[ImportPart]) -> None:
        """Warns of runs that the same files made with other options: they are about other samples,
        so nothing replaced them."""
        files = {part.source.sha256 for part in parts}
        for name, before in self._experiments.counts_before.items():
            stale = self._experiments.runs.count(name) - self._imported[name] if before else 0
            if stale > 0 and self._experiments.made_only_by(name, files, WHOLE):
                parts[0].source.warn(
                    f"experiment {name} has {stale:,} further runs, which an earlier import of "
                    f"this file made with other options (to begin anew: ml-agents delete "
                    f"--experiment-id {name})"
                )

    def _result(self, parts: Sequence[ImportPart]) -> ImportResult:
        counted = self._counted
        before, runs = self._experiments.counts_before, self._experiments.runs
        inserted = sum(runs.count(name) - count for name, count in before.items())
        updated = counted["changed"] - inserted
        kept = counted["read"] - counted["superseded"]
        metrics: list[dict[str, Any]] = []
        for metric in map(asdict, self._experiments):
            if metric not in metrics:
                metrics.append(metric)
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
            metrics=metrics,
            warnings=list(
                dict.fromkeys(warning for part in parts for warning in part.source.warnings)
            ),
            sources=self._sources,
        )

    def _add(self, part: ImportPart, keep: Policy) -> None:
        source = part.source
        before = self._counted.copy()
        has_newer: dict[str, bool] = {}
        renamed = 0
        for batch in part.batches(self._progress):
            for item in batch:
                if (experiment_id := item.run.experiment_id) not in has_newer:
                    with source.locate(item.position):
                        has_newer[experiment_id] = self._experiments.begin(experiment_id, part)
            self._counted["read"] += len(batch)
            others, again = _split(batch, part.recorded)
            kept = keep(self._seen, source, self._without_newer(others, has_newer))
            self._counted["superseded"] += len(others) - len(kept)
            kept = [*kept, *again]
            primary = part.primary
            for item in kept:
                self._imported[item.run.experiment_id] += 1
                metrics = self._experiments.metrics[item.run.experiment_id]
                if self._several:
                    metrics.count(source, item, primary)
                if item.scores:
                    metrics.grade(item, primary)
            renamed += self._save(source, kept)
        for experiment_id in has_newer:
            # The kinds of metrics may be known at the end only.
            self._experiments.save_metrics(experiment_id, part)
        part.close()
        if not has_newer:
            self._empty.append(source)
            return
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
                "experiments": sorted(has_newer),
                **{name: counts[name] for name in ("read", "superseded", "failed", "ungraded")},
                "chosen": source.chosen,
                "left_out": dict(source.left_out),
            }
        )

    def _without_newer(self, batch: list[Item], has_newer: Mapping[str, bool]) -> list[Item]:
        """Without the runs that newer attempts at the same experiments have."""
        indexes: dict[str, set[int]] = {}
        for item in batch:
            if has_newer[item.run.experiment_id]:
                indexes.setdefault(item.run.experiment_id, set()).add(item.run.sample_index)
        if not indexes:
            return batch
        recorded = set().union(
            *(recorded_keys(self._connection, name, wanted) for name, wanted in indexes.items())
        )
        return [item for item in batch if run_key(item.run) not in recorded]

    def _save(self, source: LogSource, batch: Sequence[Item]) -> int:
        """Saves what is new or changed, and returns how many runs had the id of another one."""
        try:
            prepared = self._experiments.runs.prepare([item.run for item in batch])
        except InvalidRecordError as error:
            if error.record_number is None:
                raise
            with source.locate(batch[error.record_number].position):
                raise
        new = {name for name, count in self._experiments.counts_before.items() if not count}
        incoming = [Incoming(item, run) for item, run in zip(batch, prepared, strict=True)]
        policy = self._options.on_conflict
        settled = settle(self._connection, policy, source, incoming, new)
        renamed = self._give_ids(source, settled.changed)
        self._counted["changed"] += self._experiments.runs.save_prepared(
            [one.prepared for one in settled.changed]
        )
        self._counted["changed"] += settled.rescored
        self._counted["conflicts"] += settled.conflicts
        runs = [item.run for item in batch]
        failed = sum(run.error is not None for run in runs)
        self._counted["failed"] += failed
        self._counted["ungraded"] += sum(value_of_run(run) is None for run in runs) - failed
        return renamed

    def _give_ids(self, source: LogSource, changed: Sequence[Incoming]) -> int:
        """Replaces ids that runs of other experiments have, and returns how many."""
        given = [one for one in changed if one.item.run.id is not None]
        owners = keys_of_ids(self._connection, [str(one.item.run.id) for one in given])
        renamed = 0
        for one in given:
            key = run_key(one.item.run)
            owner = owners.setdefault(str(one.item.run.id), key)
            if owner[0] != key[0]:
                one.prepared = one.prepared.with_new_id()
                renamed += 1
            elif owner != key:
                raise DuplicateError(
                    f"{source.where(one.item.position)}: the id {one.item.run.id!r} belongs to "
                    f"another run of experiment {key[0]!r}",
                    "Ids of runs are unique. If it is the id of the question: --map sample_id=id",
                )
        return renamed
