"""The part of an import that one log is: its experiments, its metrics, and its runs in batches."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from sqlalchemy import Connection

from ml_agents_results.database.primary_values import set_value
from ml_agents_results.errors import InvalidFileError, ResultsError
from ml_agents_results.formats.answer_reader import AnswerReader
from ml_agents_results.formats.log import Item, Log
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.formats.recorded_results import is_named, recorded_as
from ml_agents_results.formats.registry import GENERIC, find_reader
from ml_agents_results.formats.spool import Spool
from ml_agents_results.records import ExperimentRecord, MetricRecord

BATCH_RUNS = 2000
BATCH_BYTES = 16 * 1024 * 1024
_SHOWN = 4


class ImportPart:
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

    def described(self, experiment_id: str) -> ExperimentRecord | None:
        """What the log says of an experiment, or of its only one where the user names another."""
        known = self.experiments
        if experiment_id not in known and self._options.experiment_id and len(known) == 1:
            return next(iter(known.values()))
        return known.get(experiment_id)

    def metrics(self, experiment_id: str) -> list[MetricRecord]:
        """What the log says so far about the metrics of an experiment."""
        described = self.described(experiment_id)
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
        with self._in_words():
            self._log = self._opened.enter_context(reader.open(self.source, self._options))
        default = next(iter(self.experiments), None)
        self._default = default or self.source.identity

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """A block whose errors are in words: a damaged file, or one that was made to harm, can make
        a reader raise anything."""
        try:
            yield
        except ResultsError:
            raise
        except Exception as error:
            raise InvalidFileError(
                f"{self.source.name} cannot be read as {self.format_name}: "
                f"{type(error).__name__}: {error}",
                "If the program that wrote it reads it, this is a bug: report it, with --debug.",
            ) from error

    def _read(self, items: Iterator[Item]) -> Iterator[Item]:
        with self._in_words():
            yield from items

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
