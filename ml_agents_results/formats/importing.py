"""Importing: all logs of a call in one transaction, all of it or nothing."""

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from ml_agents_results.database.engine import Database
from ml_agents_results.database.origin import unsigned
from ml_agents_results.database.primary_values import set_value
from ml_agents_results.database.validation import check_id
from ml_agents_results.errors import (
    DuplicateError,
    InvalidFileError,
    InvalidRecordError,
    ResultsError,
    UsageError,
)
from ml_agents_results.formats.answer_reader import AnswerReader
from ml_agents_results.formats.conflicts import Incoming, settle
from ml_agents_results.formats.detection import find_logs
from ml_agents_results.formats.duplicates import POLICIES, Policy, latest, note_latest, run_key
from ml_agents_results.formats.experiment_metrics import ExperimentMetrics
from ml_agents_results.formats.log import Item, Log
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.formats.recorded_results import is_named, recorded_as
from ml_agents_results.formats.registry import GENERIC, find_reader
from ml_agents_results.formats.spool import Spool
from ml_agents_results.records import ExperimentRecord, MetricRecord
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.import_keys import KeyMap, keys_of_ids, recorded_keys
from ml_agents_results.repositories.run_repository import RunRepository
from ml_agents_results.repositories.score_rows import value_of_run

BATCH_RUNS = 2000
_COLLECT_AFTER = 100_000
BATCH_BYTES = 16 * 1024 * 1024
OPEN_LOGS = 200
"""Logs that are kept open until it is known which is the newest; others are opened again. Systems
let a process open 256 to 1,024 files."""
_SHOWN = 4


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
        parts = [_Part(source, name, options, stack, connection) for source, name in logs]
        job = _Import(connection, options, progress or (lambda _: None))
        result = job.run(parts)
        if dry_run:
            raise _DryRunError
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


class _Part:
    """One log of the import: a source, its format, and what it holds once it is opened."""

    def __init__(
        self,
        source: LogSource,
        format_name: str,
        options: ImportOptions,
        stack: ExitStack,
        connection: Connection,
    ) -> None:
        self.source = source
        self.format_name = format_name
        self._options = options
        self._stack = stack
        self._opened: ExitStack | None = None
        self._log: Log | None = None
        self._spool: Spool[list[Item]] | None = None
        self._connection = connection
        self._default = ""
        self._ids: dict[str, str] = {}
        self.recorded: dict[str, bool] = {}
        """Experiments whose results were recorded from another file, and whether this one names
        the evaluation and so says more of it."""

    @property
    def experiments(self) -> Mapping[str, ExperimentRecord]:
        """What the log says so far about its experiments."""
        described = () if self._log is None else self._log.experiments
        known = ((self._id_of(one), one) for one in described)
        return {name: one if name == one.id else replace(one, id=name) for name, one in known}

    def _id_of(self, described: ExperimentRecord) -> str:
        """The experiment that has the results of this one, else its own id."""
        if described.id not in self._ids:
            known = (
                None if self._options.experiment_id else recorded_as(self._connection, described)
            )
            self._ids[described.id] = known or described.id
            if known is not None:
                self.recorded[known] = is_named(described)
                self.source.choose("experiment", known, "it has the same results")
        return self._ids[described.id]

    def metrics(self, experiment_id: str) -> list[MetricRecord]:
        """What the log says so far about the metrics of an experiment."""
        described = self.experiments.get(experiment_id)
        if described is None and self._options.experiment_id and len(self.experiments) == 1:
            [described] = self.experiments.values()
        own = (described.metrics or ()) if described is not None else ()
        return [*own, *(() if self._log is None else self._log.metrics.values())]

    @property
    def primary(self) -> MetricRecord | None:
        """The metric whose value the runs have from the log."""
        metrics = () if self._log is None else self._log.metrics.values()
        return next((metric for metric in metrics if metric.is_primary), None)

    def open(self) -> None:
        """Opens the log; it stays open until `close` or the end of the import."""
        reader = find_reader(self.format_name)
        self._opened = self._stack.enter_context(ExitStack())
        try:
            self._log = self._opened.enter_context(reader.open(self.source, self._options))
        except ResultsError:
            raise
        except Exception as error:
            raise self._unreadable(error) from error
        default = next(iter(self.experiments), None)
        self._default = default or f"{self.source.stem}-{self.source.sha256[:8]}"

    def _read(self, items: Iterator[Item]) -> Iterator[Item]:
        """The items of a reader, whose errors are in words."""
        while True:
            try:
                item = next(items)
            except StopIteration:
                return
            except ResultsError:
                raise
            except Exception as error:
                raise self._unreadable(error) from error
            yield item

    def _unreadable(self, error: Exception) -> InvalidFileError:
        """A damaged file, or one that was made to harm, can make a reader raise anything."""
        return InvalidFileError(
            f"{self.source.name} cannot be read as {self.format_name}: "
            f"{type(error).__name__}: {error}",
            "If the program that wrote it reads it, this is a bug: report it, with --debug.",
        )

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def reopen(self) -> None:
        """Opens the log again if it was closed before its runs were read."""
        if self._opened is None and self._spool is None:
            self.open()

    def batches(self, progress: Callable[[int], None]) -> Iterator[list[Item]]:
        """The runs in batches that are bounded by number and by size, for answers may be long."""
        if self._spool is not None:
            yield from self._spool
            return
        position = 0
        for batch in _batches(self._items()):
            yield batch
            progress(self.source.position - position)
            position = self.source.position
        progress(self.source.size - position)

    def read_ahead(self, progress: Callable[[int], None]) -> Iterator[list[Item]]:
        """The runs in batches; they are kept and `batches` gives them again."""
        spool: Spool[list[Item]] = Spool()
        for batch in self.batches(progress):
            yield batch
            spool.add(batch)
        self._spool = spool
        self.close()

    def _declares_others_than(self, experiment_id: str) -> bool:
        given = "experiment_id" in {*self._options.constants, *self._options.columns}
        return bool(
            self.experiments
            and experiment_id
            and experiment_id not in self.experiments
            and not given
        )

    def _items(self) -> Iterator[Item]:
        assert self._log is not None
        options = self._options
        items = self._log.runs() if self.format_name == GENERIC else self._read_answers(self._log)
        for item in self._read(items):
            run = item.run
            if len(self._log.experiments) > len(self._ids):
                for one in self._log.experiments:
                    self._id_of(one)
            run.experiment_id = self._ids.get(run.experiment_id, run.experiment_id)
            if self._declares_others_than(run.experiment_id):
                raise InvalidFileError(
                    f"{self.source.where(item.position)} is a run of {run.experiment_id!r}; the "
                    f"file declares {', '.join(list(self.experiments)[:_SHOWN])}",
                    "A file changes only experiments that it declares. Export it again.",
                )
            run.experiment_id = options.experiment_id or run.experiment_id or self._default
            if options.task is not None:
                run.task = options.task
            yield item

    def _read_answers(self, log: Log) -> Iterator[Item]:
        """The runs of a log whose answers are read and graded, where the user wants that: next to
        the log's own metrics, or as the primary one where it has none."""
        reader = AnswerReader(self.source, self._options, reparse=False)
        if (metric := reader.metric) is None:
            yield from log.runs()
            return
        for item in reader.items(log.runs()):
            if self._primary_is(metric, log):
                score = item.scores.get(metric.name)
                set_value(item.run, metric.kind, None if score is None else score.value)
            yield item

    def _primary_is(self, metric: MetricRecord, log: Log) -> bool:
        """Adds the metric to those of the log, and returns whether it is the primary one."""
        if metric.name not in log.metrics:
            metric.is_primary = self.primary is None or self._options.metric == metric.name
            for other in log.metrics.values():
                other.is_primary = other.is_primary and not metric.is_primary
            log.metrics[metric.name] = metric
        return metric.is_primary


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    batch: list[Item] = []
    size = 0
    for item in items:
        batch.append(item)
        size += item.size
        if len(batch) == BATCH_RUNS or size > BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


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
        self._runs = RunRepository(connection)
        self._experiments = ExperimentRepository(connection)
        self._metrics: dict[str, ExperimentMetrics] = {}
        self._seen = KeyMap(connection)
        self._counts_before: dict[str, int] = {}
        self._counted: Counter[str] = Counter()
        self._sources: list[dict[str, Any]] = []
        self._several = False
        self._empty: list[LogSource] = []
        self._broken: dict[LogSource, ResultsError] = {}

    def run(self, parts: Sequence[_Part]) -> ImportResult:
        keep = POLICIES[self._options.duplicates]
        self._several = len(parts) > 1
        waiting = []
        for part in parts:
            with self._skipping(part):
                part.open()
                if keep is latest and part.source.attempt is None:
                    self._note_latest(part)
                if keep is latest or part.source.attempt is not None:
                    waiting.append(part)
                    if len(waiting) > OPEN_LOGS:
                        part.close()
                else:
                    self._add(part, keep)
        # The newest attempts first: older ones do not replace what these have.
        waiting.sort(key=lambda part: part.source.attempt or "", reverse=True)
        if keep is latest:
            for part in reversed(waiting):
                if part.source.attempt is not None:
                    with self._skipping(part):
                        part.reopen()
                        self._note_latest(part)
        for part in waiting:
            if part.source not in self._broken:
                with self._skipping(part):
                    part.reopen()
                    self._add(part, keep)
        self._report_unread()
        return self._result(parts)

    @contextmanager
    def _skipping(self, part: _Part) -> Iterator[None]:
        """A block whose errors about the file leave it out, if the user wants that."""
        skip = self._options.skip_broken and self._several
        counted, before = self._counted.copy(), dict(self._counts_before)
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
            self._counted, self._counts_before = counted, before
            self._metrics, self._runs = {}, RunRepository(self._connection)
            self._broken[part.source] = error
        else:
            if savepoint is not None:
                savepoint.commit()

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

    def _note_latest(self, part: _Part) -> None:
        for batch in part.read_ahead(self._progress):
            note_latest(self._seen, part.source, batch)

    def _result(self, parts: Sequence[_Part]) -> ImportResult:
        counted = self._counted
        before = self._counts_before
        inserted = sum(self._runs.count(name) - count for name, count in before.items())
        updated = counted["changed"] - inserted
        kept = counted["read"] - counted["superseded"]
        metrics: list[dict[str, Any]] = []
        for metric in (asdict(one) for known in self._metrics.values() for one in known):
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

    def _add(self, part: _Part, keep: Policy) -> None:
        source = part.source
        before = self._counted.copy()
        has_newer: dict[str, bool] = {}
        renamed = 0
        for batch in part.batches(self._progress):
            for item in batch:
                if (experiment_id := item.run.experiment_id) not in has_newer:
                    with source.locate(item.position):
                        has_newer[experiment_id] = self._begin(experiment_id, part)
            self._counted["read"] += len(batch)
            others, again = _split(batch, part.recorded)
            kept = keep(self._seen, source, self._without_newer(others, has_newer))
            self._counted["superseded"] += len(others) - len(kept)
            kept = [*kept, *again]
            primary = part.primary
            for item in kept:
                if item.scores:
                    self._metrics[item.run.experiment_id].grade(item, primary)
            renamed += self._save(source, kept)
        for experiment_id in has_newer:
            # The kinds of metrics may be known at the end only.
            self._save_metrics(experiment_id, part)
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

    def _begin(self, experiment_id: str, part: _Part) -> bool:
        """Saves the experiment with a note of what is imported into it, and returns whether it
        holds a newer attempt."""
        name = self._options.name
        if experiment_id not in self._counts_before:
            if name and self._counts_before:
                raise UsageError(
                    f"--name applies to one experiment, but these runs belong to several: "
                    f"{', '.join(self._counts_before)}, {experiment_id}",
                    "Leave it out, or join them with --experiment-id.",
                )
            self._counts_before[experiment_id] = self._runs.count(experiment_id)
        existing = self._experiments.find(experiment_id)
        # Nobody signs for the settings of an experiment that comes from elsewhere.
        described = unsigned(self._described(experiment_id, part))
        record = existing or described
        noted = {
            "file": Path(part.source.name).name,
            "format": part.format_name,
            "sha256": part.source.sha256,
        }
        attempt = part.source.attempt
        if attempt is not None:
            noted["attempt"] = attempt
        environment = record.environment_json
        imports = environment.get("imports", [])
        newer = attempt is not None and any(one.get("attempt", "") > attempt for one in imports)
        if (attempt is not None and not newer) or part.recorded.get(experiment_id):
            # The newest log of several, or the one that says most, describes the experiment.
            record = replace(
                record,
                name=described.name or record.name,
                status=described.status,
                created_at=described.created_at or record.created_at,
                config_json=described.config_json,
            )
            environment = {**environment, **described.environment_json}
        if noted not in imports:
            # A log that has grown since it was imported is noted once.
            others = (one for one in imports if attempt is None or not _same_log(one, noted))
            environment = {**environment, "imports": [*others, noted]}
        record = replace(
            record,
            name=name or record.name,
            status="completed" if record.status == "running" else record.status,
            environment_json=environment,
        )
        if record != existing:
            self._experiments.save(record, redate=True)
        self._save_metrics(experiment_id, part)
        return newer

    def _save_metrics(self, experiment_id: str, part: _Part) -> None:
        metrics = part.metrics(experiment_id)
        if experiment_id not in self._metrics:
            self._metrics[experiment_id] = ExperimentMetrics(self._connection, experiment_id)
        options = self._options
        named = any((options.metric, options.scorer, options.filter))
        if self._metrics[experiment_id].add(metrics, part.source, named=named):
            # Repositories remember which metric is the primary one.
            self._runs = RunRepository(self._connection)

    def _described(self, experiment_id: str, part: _Part) -> ExperimentRecord:
        described = part.experiments.get(experiment_id)
        if described is None and self._options.experiment_id and len(part.experiments) == 1:
            described = replace(next(iter(part.experiments.values())), id=experiment_id)
        return described or ExperimentRecord(experiment_id, name=part.source.stem)

    def _save(self, source: LogSource, batch: Sequence[Item]) -> int:
        """Saves what is new or changed, and returns how many runs had the id of another one."""
        try:
            prepared = self._runs.prepare([item.run for item in batch])
        except InvalidRecordError as error:
            if error.record_number is None:
                raise
            with source.locate(batch[error.record_number].position):
                raise
        new = {name for name, count in self._counts_before.items() if not count}
        incoming = [Incoming(item, run) for item, run in zip(batch, prepared, strict=True)]
        policy = self._options.on_conflict
        settled = settle(self._connection, policy, source, incoming, new)
        renamed = self._give_ids(source, settled.changed)
        self._counted["changed"] += self._runs.save_prepared(
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


def _same_log(noted: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two notes are of one file of one attempt."""
    return all(noted.get(name) == other.get(name) for name in ("file", "format", "attempt"))
