"""Results of the predecessor: tables with JSON files next to them, in four generations.

The notebook wrote one table for each approach. Later programs wrote `NAME_results.csv` with
`NAME_summary.json` and `NAME_errors.json`, then a folder with `experiment_results.csv` and the
like; the files that this package writes for platforms carry its runs whole. No table of the others
says which answers were right: that is computed as the predecessor did, and runs whose answer it
did not extract have no grade. Samples that failed are in the file of errors only.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
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
from ml_agents_results.formats.log import Item, Log
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.formats.sample_ids import SampleIds
from ml_agents_results.records import APPROACHES, ExperimentRecord, RunRecord, canonical_approach
from ml_agents_results.redaction import redact

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
_KEPT = ("total_tokens", "reasoning_steps", "reasoning_trace", "temp", "max_tokens", "top_p")
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
    if found := _FLAT.fullmatch(path.name):
        table = path.with_name(f"{found['name']}_results.csv")
        if table != path and table.is_file() and sniff(table):
            return [table]
    return [path]


@contextmanager
def open(source: LogSource, options: ImportOptions) -> Iterator[Log]:
    """The one experiment; the rows of the table, then the samples that failed."""
    results = _LegacyResults(source, options)
    yield Log([results.experiment()], results.items())


class _LegacyResults:
    """A table and the JSON files next to it."""

    def __init__(self, source: LogSource, options: ImportOptions) -> None:
        self._source = source
        self._options = options
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
        failed = [mapping(error) for error in sequence(documents.get("errors"))]
        self._embedded = EmbeddedRuns.of(source, self._config)
        if self._embedded is not None:
            self._failed = failed
            return
        self._errors = {
            (self._approach_of(error.get("approach")), text(error.get("sample_id"))): error
            for error in failed
        }
        self._provider, self._model = self._find_model()
        self._ids = SampleIds(source)
        self._numbered: bool | None = None
        self._counts: Counter[str] = Counter()

    def experiment(self) -> ExperimentRecord:
        if self._embedded is not None and (original := self._embedded.experiment()) is not None:
            return original
        known = self._config.get("experiment_id") or self._summary.get("experiment_id")
        dataset = self._config.get("dataset_name") or self._config.get("benchmark_id")
        finished = bool(self._summary) or not self._source.path.is_dir()
        return ExperimentRecord(
            id=text(known) or self._name,
            name=text(dataset) or self._name,
            status="completed" if finished else "failed",
            created_at=moment(self._summary.get("start_time")) or self._written(),
            config_json=redact({**self._config, "extra": {"grader": SCORER}}),
            environment_json=without_absent(
                {
                    "tool": "ml-agents (predecessor)",
                    "dataset": without_absent({"name": dataset}),
                    "log": redact(
                        {name: one for name, one in self._summary.items() if name != "config"}
                    ),
                }
            ),
        )

    def items(self) -> Iterator[Item]:
        if self._embedded is not None:
            yield from self._originals(self._embedded)
            return
        yield from self._rows()
        yield from self._failures()
        if self._counts["not extracted"]:
            self._source.warn(
                f"{self._source.name}: of {self._counts['not extracted']} runs no answer was "
                "extracted; these have no grade (the predecessor counted them as wrong)"
            )

    def _originals(self, embedded: EmbeddedRuns) -> Iterator[Item]:
        """The runs that this package wrote here, as they were."""
        with open_table(self._source, self._table) as table:
            for line, row, size in table:
                texts = {field: row.get(column) for column, field in _OWN_TEXTS.items()}
                with self._source.locate(line):
                    yield Item(line, self._original(embedded, row, texts), size)
        for index, error in enumerate(self._failed):
            position = f"in the errors: number {index + 1}"
            yield Item(position, self._original(embedded, error, {}), 1000)

    def _original(
        self, embedded: EmbeddedRuns, row: Mapping[str, object], texts: Mapping[str, object]
    ) -> RunRecord:
        if (run := embedded.run(row, texts)) is None:
            raise InvalidFileError(
                f"{self._source.name} has a row without `{RUN}`",
                "Have the files written again: ml-agents resume --experiment-id ID",
            )
        return run

    def _rows(self) -> Iterator[Item]:
        if not self._table.is_file():
            self._source.warn(f"{self._source.name} has no {RESULTS}; only failed samples came in")
            return
        with open_table(self._source, self._table) as table:
            notebook = set(table.header) >= _NOTEBOOK
            self._check(set(table.header), notebook)
            for index, (line, row, size) in enumerate(table):
                with self._source.locate(line):
                    run = self._noted(row, index, line) if notebook else self._run(row, line)
                yield Item(line, run, size)

    def _failures(self) -> Iterator[Item]:
        """The samples in the file of errors that have no row: the others were asked again."""
        for (approach, sample_id), error in self._errors.items():
            index, own = self._index(sample_id, f"in the errors: sample {sample_id}")
            run = RunRecord(
                experiment_id="",
                approach_name=approach,
                sample_index=index,
                sample_id=own,
                provider=self._provider,
                model=self._model,
                error=error_text(error.get("error")),
                created_at=moment(error.get("timestamp")),
            )
            yield Item(f"in the errors: sample {sample_id}", run, 1000)

    def _run(self, row: Mapping[str, str | None], line: int) -> RunRecord:
        numbers = self._numbers(row, line)
        approach = self._approach_of(row.get("approach"))
        index, own = self._index(row.get("sample_id"), line)
        self._errors.pop((approach, row.get("sample_id")), None)
        run = RunRecord(
            experiment_id="",
            approach_name=approach,
            sample_index=index,
            sample_id=own,
            provider=self._provider,
            model=self._model,
            input_text=row.get("input"),
            expected_answer=row.get("expected_output"),
            raw_output=row.get("response_text"),
            parsed_answer=row.get("extracted_answer"),
            execution_time_ms=milliseconds(numbers["execution_time"]),
            cost_estimate=amount(numbers["cost_estimate"]),
            created_at=moment(row.get("timestamp")),
            metadata_json=without_absent({name: numbers[name] for name in _KEPT}) or None,
        )
        if run.raw_output == _UNREADABLE:
            run.raw_output, run.error = None, _UNREADABLE
        else:
            self._grade(run)
        return run

    def _noted(self, row: Mapping[str, str | None], index: int, line: int) -> RunRecord:
        """A row of the notebook's tables, which have neither ids nor expected answers."""
        numbers = self._numbers(row, line)
        return RunRecord(
            experiment_id="",
            approach_name=self._approach_of(row.get("reasoning_approach")),
            sample_index=index,
            provider=row.get("provider") or "",
            model=row.get("model_name") or "",
            input_text=row.get("input"),
            raw_output=row.get("model_output"),
            execution_time_ms=milliseconds(numbers["execution_time_s"]),
            cost_estimate=amount(numbers["cost_usd"]),
            metadata_json=without_absent(
                {name: numbers[name] for name in _KEPT}
                | {"reasoning_trace": row.get("reasoning_trace")}
            )
            or None,
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
            self._counts["not extracted"] += 1

    def _index(self, sample_id: str | None, position: int | str) -> tuple[int, str | None]:
        """The index of a sample, and its own id if that is not a number."""
        shown = self._source.where(position)
        if sample_id is None:
            raise InvalidFileError(f"{shown} has no sample_id", "Fill it in, or leave it out.")
        numbered = sample_id.isascii() and sample_id.isdecimal() and len(sample_id) < 10
        if self._numbered is None:
            self._numbered = numbered
        if numbered != self._numbered:
            raise InvalidFileError(
                f"{shown} has the sample_id {sample_id!r}, others are of another kind",
                "The ids of one experiment are all numbers, or all texts.",
            )
        if numbered:
            return int(sample_id), None
        return self._ids.index(sample_id), sample_id

    def _numbers(self, row: Mapping[str, str | None], line: int) -> dict[str, float | None]:
        numbers: dict[str, float | None] = dict.fromkeys(_NUMBERS)
        for name in _NUMBERS:
            if (cell := row.get(name)) is not None and name != "reasoning_trace":
                try:
                    value = float(cell)
                except ValueError as error:
                    raise InvalidFileError(
                        f"{self._source.where(line)}: `{name}` is {cell[:80]!r}, not a number",
                        "Correct the cell, or leave it empty.",
                    ) from error
                numbers[name] = int(value) if value.is_integer() else amount(value)
        return numbers

    def _check(self, header: set[str], notebook: bool) -> None:
        needed = {"sample_id"} if not notebook else set()
        if self._options.approach is None and not notebook:
            needed.add("approach")
        if missing := sorted(needed - header):
            raise InvalidFileError(
                f"{self._source.name} has no column {' and '.join(missing)}",
                "Name one approach for all with --approach; or import the table as a runs file: "
                "--format runs --map FIELD=COLUMN",
            )

    def _approach_of(self, name: object) -> str:
        """The approach of a row; the notebook wrote `Chain-of-Thought (CoT)`."""
        if not isinstance(name, str) or not name.strip():
            name = self._options.approach or "None"
            self._source.choose("approach", canonical_approach(name), "--approach or none")
            return canonical_approach(name)
        short = _IN_PARENTHESES.search(name)
        for one in (_LETTERS.sub("", _IN_PARENTHESES.sub("", name)), short[1] if short else ""):
            if (found := canonical_approach(one)) in APPROACHES.values():
                name = found
                break
        self._source.choose("approach", name, "column")
        return name

    def _find_model(self) -> tuple[str, str]:
        provider, model = text(self._config.get("provider")), text(self._config.get("model"))
        if provider and model:
            return provider, model
        if found := _WRITTEN.fullmatch(self._name):
            self._source.warn(
                f"{self._source.name}: its model was taken from the name of the file, where `/` is "
                f"written as `_`: {found['model']}"
            )
            return found["provider"], found["model"]
        return provider or "", model or ""

    def _written(self) -> datetime | None:
        """The time in the name of the file or folder."""
        if (found := _TIME.search(self._name)) is None:
            return None
        return moment(f"{found[1]}T{found[2]}")


def _same(answer: str | None, expected: str) -> bool:
    return answer is not None and answer.strip().casefold() == expected.strip().casefold()
