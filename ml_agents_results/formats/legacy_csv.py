"""Results of the predecessor: tables with JSON files next to them, in four generations.

The notebook wrote one table for each approach. Later programs wrote `NAME_results.csv` with
`NAME_summary.json` and `NAME_errors.json`, then a folder with `experiment_results.csv` and the
like; the files that this package writes for platforms carry its runs whole. No table of the others
says which answers were right: that is computed as the predecessor did, and runs whose answer it
did not extract have no grade. Samples that failed are in the file of errors only.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ml_agents_results.errors import InvalidFileError
from ml_agents_results.formats.coercion import (
    amount,
    error_text,
    mapping,
    milliseconds,
    moment,
    sequence,
    text,
    without_absent,
)
from ml_agents_results.formats.csv_table import open_table
from ml_agents_results.formats.embedded_runs import RUN, EmbeddedRuns
from ml_agents_results.formats.json_files import beginning, read_document
from ml_agents_results.formats.log import Log
from ml_agents_results.formats.log_reader import LogReader
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.records import APPROACHES, ExperimentRecord, RunRecord, canonical_approach

RESULTS = "experiment_results.csv"
ERRORS = "experiment_errors.json"
CONFIG = "experiment_config.json"
SUMMARY = "experiment_summary.json"
SCORER = "legacy_exact"

_TABLE = {"sample_id", "approach", "response_text"}
_NOTEBOOK = {"model_output", "reasoning_approach"}
_UNREADABLE = "ERROR_ACCESSING_RESPONSE"
_FLAT = re.compile(r"(?P<name>.+)_(results\.csv|summary\.json|errors\.json)")
_WRITTEN = re.compile(r"(?P<provider>[^_]+)_(?P<model>.+)_\d{8}_\d{6}")
_TIME = re.compile(r"(\d{8})[_-](\d{6})$")
_LETTERS = re.compile(r"[^A-Za-z]")
_IN_PARENTHESES = re.compile(r"\s*\(([^)]*)\)")
_KEPT = ("total_tokens", "reasoning_steps", "temp", "max_tokens", "top_p")
_TRACE = "reasoning_trace"
_OWN_TEXTS = {
    "input": "input_text",
    "expected_output": "expected_answer",
    "extracted_answer": "parsed_answer",
    "response_text": "raw_output",
}
_NUMBERS = ("execution_time", "execution_time_s", "cost_estimate", "cost_usd", *_KEPT)


def sniff(path: Path) -> bool:
    """Whether it is a folder or table of the predecessor, or a JSON file next to one."""
    if path.is_dir():
        return (path / RESULTS).is_file() or all((path / one).is_file() for one in (CONFIG, ERRORS))
    if path.suffix == ".json":
        return parts(path) != [path]
    if path.suffix != ".csv" or not path.is_file():
        return False
    line = beginning(path).partition(b"\n")[0].decode("utf-8", "replace")
    header = {name.strip().strip('"') for name in line.split(",")}
    return header >= _TABLE or header >= _NOTEBOOK


def parts(path: Path) -> Sequence[Path]:
    """The folder or the table that a file belongs to."""
    if path.name in (RESULTS, ERRORS, CONFIG, SUMMARY) and sniff(path.parent):
        return [path.parent]
    if match := _FLAT.fullmatch(path.name):
        table = path.with_name(f"{match['name']}_results.csv")
        if table != path and table.is_file() and sniff(table):
            return [table]
    return [path]


@contextmanager
def open(source: LogSource, options: ImportOptions) -> Iterator[Log]:
    """The one experiment; the rows of the table, then the samples that failed."""
    yield _LegacyReader(source, options).log()


class _LegacyReader(LogReader):
    """A table and the JSON files next to it."""

    def __init__(self, source: LogSource, options: ImportOptions) -> None:
        super().__init__(source, options)
        folder, named = source.path, _FLAT.fullmatch(source.path.name)
        if folder.is_dir():
            self._table, self._name = folder / RESULTS, folder.name
            siblings = {"config": CONFIG, "summary": SUMMARY, "errors": ERRORS}
        else:
            self._table, folder = source.path, source.path.parent
            self._name = named["name"] if named else source.stem
            siblings = {one: f"{self._name}_{one}.json" for one in ("summary", "errors") if named}
        documents = {
            what: read_document(source, folder / name)
            for what, name in siblings.items()
            if (folder / name).is_file()
        }
        self._summary = mapping(documents.get("summary"))
        self._config = mapping(documents.get("config")) or mapping(self._summary.get("config"))
        self._failed = [mapping(error) for error in sequence(documents.get("errors"))]
        self._own = EmbeddedRuns.of(source, self._config)
        self._answered: set[tuple[str, str | None]] = set()
        self._not_extracted = 0
        if self._own is None:
            self.provider, self.model = self._find_model()

    def experiment(self) -> ExperimentRecord:
        if self._own is not None and (original := self._own.experiment()) is not None:
            return original
        known = self._config.get("experiment_id") or self._summary.get("experiment_id")
        dataset = self._config.get("dataset_name") or self._config.get("benchmark_id")
        finished = bool(self._summary) or not self.source.path.is_dir()
        written = _TIME.search(self._name)
        described = self.described(
            text(known) or self._name,
            text(dataset) or self._name,
            {**self._config, "extra": {"grader": SCORER}},
            "completed" if finished else "failed",
            tool="ml-agents (predecessor)",
            dataset=without_absent({"name": dataset}),
            log={name: one for name, one in self._summary.items() if name != "config"},
        )
        described.created_at = moment(self._summary.get("start_time"))
        if described.created_at is None and written is not None:
            described.created_at = moment(f"{written[1]}T{written[2]}")
        return described

    def read(self) -> None:
        if self._table.is_file():
            with open_table(self.source, self._table) as table:
                notebook = set(table.header) >= _NOTEBOOK
                if self._own is None:
                    self._check(set(table.header), notebook)
                of_row = self._noted if notebook else self._run
                for index, (line, row, size) in enumerate(table):
                    with self.source.locate(line):
                        run = self._original(row) if self._own else of_row(row, index, line)
                    self.add(line, run, row, size, {})
        else:
            self.source.warn(f"{self.source.name} has no {RESULTS}; only failed samples came in")
        self._add_failures()
        if self._not_extracted:
            self.source.warn(
                f"{self.source.name}: of {self._not_extracted} runs no answer was extracted; these "
                "have no grade (the predecessor counted them as wrong)"
            )

    def _add_failures(self) -> None:
        """Adds the samples in the file of errors that have no row: the others were asked again."""
        if self._own is not None:
            for index, error in enumerate(self._failed):
                position = f"in the errors: number {index + 1}"
                self.add(position, self._original(error), error, 1000, {})
            return
        errors = {
            (self._approach_of(error.get("approach")), text(error.get("sample_id"))): error
            for error in self._failed
        }
        for (approach, sample_id), error in errors.items():
            if (approach, sample_id) in self._answered:
                continue
            position = f"in the errors: sample {sample_id}"
            index, own = self._index(sample_id, position)
            run = self.run(
                {},
                approach_name=approach,
                sample_index=index,
                sample_id=own,
                created_at=error.get("timestamp"),
                error=error_text(error.get("error")),
            )
            self.add(position, run, error, 1000, {})

    def _original(self, row: Mapping[str, object]) -> RunRecord:
        """The run that this package wrote here, as it was."""
        texts = {field: row.get(column) for column, field in _OWN_TEXTS.items()}
        run = None if self._own is None else self._own.run(row, texts)
        if run is None:
            raise InvalidFileError(
                f"{self.source.name} has a row without `{RUN}`",
                "Have the files written again: ml-agents resume --experiment-id ID",
            )
        return run

    def _run(self, row: Mapping[str, str | None], _index: int, line: int) -> RunRecord:
        numbers = self._numbers(row, line)
        approach = self._approach_of(row.get("approach"))
        index, own = self._index(row.get("sample_id"), line)
        self._answered.add((approach, row.get("sample_id")))
        run = self.run(
            {name: numbers[name] for name in _KEPT},
            approach_name=approach,
            sample_index=index,
            sample_id=own,
            input_text=row.get("input"),
            expected_answer=row.get("expected_output"),
            raw_output=row.get("response_text"),
            parsed_answer=row.get("extracted_answer"),
            execution_time_ms=milliseconds(numbers["execution_time"]),
            cost_estimate=numbers["cost_estimate"],
            created_at=row.get("timestamp"),
        )
        if run.raw_output == _UNREADABLE:
            run.raw_output, run.error = None, _UNREADABLE
        else:
            self._grade(run)
        return run

    def _noted(self, row: Mapping[str, str | None], index: int, line: int) -> RunRecord:
        """A row of the notebook's tables, which have neither ids nor expected answers."""
        numbers = self._numbers(row, line)
        return self.run(
            {**{name: numbers[name] for name in _KEPT}, "reasoning_trace": row.get(_TRACE)},
            approach_name=self._approach_of(row.get("reasoning_approach")),
            sample_index=index,
            provider=row.get("provider") or "",
            model=row.get("model_name") or "",
            input_text=row.get("input"),
            raw_output=row.get("model_output"),
            execution_time_ms=milliseconds(numbers["execution_time_s"]),
            cost_estimate=numbers["cost_usd"],
        )

    def _grade(self, run: RunRecord) -> None:
        """Grades as the predecessor did, but an answer that was not extracted is not wrong."""
        if run.expected_answer is None:
            return
        right = _same(run.parsed_answer or run.raw_output, run.expected_answer)
        if run.parsed_answer is not None or right:
            run.is_correct = right
            run.metadata_json = {**(run.metadata_json or {}), "scorer": SCORER}
        else:
            self._not_extracted += 1

    def _index(self, sample_id: str | None, position: int | str) -> tuple[int, str | None]:
        """The index of a sample, and its own id if that is not a number."""
        where = self.source.where(position)
        if sample_id is None:
            raise InvalidFileError(f"{where} has no sample_id", "Fill it in, or leave it out.")
        is_number = sample_id.isascii() and sample_id.isdecimal() and len(sample_id) < 10
        index = self.ids.numbered(sample_id, int(sample_id) if is_number else None, where)
        return index, None if is_number else sample_id

    def _numbers(self, row: Mapping[str, str | None], line: int) -> dict[str, float | None]:
        numbers: dict[str, float | None] = dict.fromkeys(_NUMBERS)
        for name in _NUMBERS:
            if (cell := row.get(name)) is not None:
                try:
                    value = float(cell)
                except ValueError as error:
                    raise InvalidFileError(
                        f"{self.source.where(line)}: `{name}` is {cell[:80]!r}, not a number",
                        "Correct the cell, or leave it empty.",
                    ) from error
                numbers[name] = int(value) if value.is_integer() else amount(value)
        return numbers

    def _check(self, header: set[str], notebook: bool) -> None:
        needed = {"sample_id"} if not notebook else set()
        if self.options.approach is None and not notebook:
            needed.add("approach")
        if missing := sorted(needed - header):
            raise InvalidFileError(
                f"{self.source.name} has no column {' and '.join(missing)}",
                "Name one approach for all with --approach; or import the table as a runs file: "
                "--format runs --map FIELD=COLUMN",
            )

    def _approach_of(self, name: object) -> str:
        """The approach of a row; the notebook wrote `Chain-of-Thought (CoT)`."""
        if not isinstance(name, str) or not name.strip():
            return self.approach()
        short = _IN_PARENTHESES.search(name)
        for one in (_LETTERS.sub("", _IN_PARENTHESES.sub("", name)), short[1] if short else ""):
            if (known := canonical_approach(one)) in APPROACHES.values():
                name = known
                break
        self.source.choose("approach", name, "column")
        return name

    def _find_model(self) -> tuple[str, str]:
        provider, model = text(self._config.get("provider")), text(self._config.get("model"))
        if provider and model:
            return provider, model
        if match := _WRITTEN.fullmatch(self._name):
            self.source.warn(
                f"{self.source.name}: its model was taken from the name of the file, where `/` is "
                f"written as `_`: {match['model']}"
            )
            return match["provider"], match["model"]
        return provider or "", model or ""


def _same(answer: str | None, expected: str) -> bool:
    return answer is not None and answer.strip().casefold() == expected.strip().casefold()
