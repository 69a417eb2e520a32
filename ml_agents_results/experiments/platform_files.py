"""Platform files: results as CSV; configuration, summary and errors as JSON.

They are written from the database, so that both always agree; written again, they replace those of
the same experiment. Units are those of the platform: seconds. After the platform's columns they
carry the rest of each run, so that importing them gives the same runs (formats/legacy_csv.py).
"""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from ml_agents_results.database.engine import Database
from ml_agents_results.database.files import refuse_to_replace, unfinished
from ml_agents_results.database.origin import is_foreign
from ml_agents_results.errors import OutputError
from ml_agents_results.formats.embedded_runs import EXPERIMENT, RUN, WRITER, WRITTEN_BY
from ml_agents_results.formats.record_objects import experiment_object
from ml_agents_results.records import ExperimentRecord, RunRecord, canonical_approach
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.run_repository import RunRepository

RESULTS = "experiment_results.csv"
SUMMARY = "experiment_summary.json"
CONFIG = "experiment_config.json"
ERRORS = "experiment_errors.json"
FILES = (RESULTS, SUMMARY, CONFIG, ERRORS)

COLUMNS = (
    "sample_id",
    "approach",
    "input",
    "expected_output",
    "extracted_answer",
    "response_text",
    "execution_time",
    "total_tokens",
    "cost_estimate",
    "reasoning_steps",
    "timestamp",
)
KEY_COLUMNS = ("task", "sample_index", "repeat_index", "provider", "model", "run_id")
_TEXTS = {
    "input": "input_text",
    "expected_output": "expected_answer",
    "extracted_answer": "parsed_answer",
    "response_text": "raw_output",
}
"""Columns of the platform with the text of a run."""


def rewrite_platform_files(database: Database, experiment_id: str) -> Path | None:
    """Writes the files of an experiment again where it has some; returns their folder.

    The folder of an experiment from elsewhere is not written to.
    """
    with database.read() as connection:
        record = ExperimentRepository(connection).get(experiment_id)
    config = record.config_json
    folder = (config.get("extra") or {}).get("output_dir")
    if folder is None or is_foreign(record) or not (Path(folder) / experiment_id).is_dir():
        return None
    plan = record.environment_json.get("plan") or {}
    approaches = plan.get("approaches") or config.get("approaches") or []
    approaches = [canonical_approach(name) for name in approaches]
    return write_platform_files(database, experiment_id, Path(folder), approaches)


def write_platform_files(
    database: Database, experiment_id: str, folder: Path, approaches: Sequence[str]
) -> Path:
    """Writes the files of an experiment into `folder/experiment_id`, and returns that.

    `experiment_errors.json` exists only if runs failed; a run is in the results or in the errors,
    never in both. Runs of approaches that were not planned follow the planned ones; where several
    models were asked, each is summarized by itself.

    Raises:
        OutputError: A file cannot be written.
    """
    target = folder / experiment_id
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            refuse_to_replace(target / name)
        with database.read() as connection:
            experiment = ExperimentRepository(connection).get(experiment_id)
            runs = RunRepository(connection).iterate([experiment_id])
            plan = experiment.environment_json.get("plan")
            several = isinstance(plan, Mapping) and plan.get("models", 1) != 1
            summaries = {name: _Summary() for name in (() if several else approaches)}
            errors: list[dict[str, Any]] = []
            with _replacing(target / RESULTS) as file:
                rows = csv.writer(file)
                rows.writerow((*COLUMNS, *KEY_COLUMNS, RUN))
                for run in runs:
                    name = f"{run.approach_name} / {run.model}" if several else run.approach_name
                    summary = summaries.setdefault(name, _Summary())
                    summary.add(run)
                    if run.error is None:
                        rows.writerow(_row(run))
                    else:
                        errors.append(_error(run))
        config = {
            "experiment_id": experiment_id,
            **experiment.config_json,
            WRITER: WRITTEN_BY,
            EXPERIMENT: experiment_object(experiment),
        }
        _write_json(target / CONFIG, config)
        _write_json(target / SUMMARY, _summary(experiment, summaries))
        if errors:
            _write_json(target / ERRORS, errors)
        else:
            (target / ERRORS).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{error.filename or target} cannot be written: {error.strerror}",
            "Name another folder with --output-dir.",
        ) from error
    return target


class _Summary:
    """The platform's summary of one approach."""

    def __init__(self) -> None:
        self.runs = self.errors = self.graded = self.correct = self.timed = self.counted = 0
        self.seconds = 0.0
        self.cost: float | None = None
        self.tokens = 0

    def add(self, run: RunRecord) -> None:
        if run.cost_estimate is not None:
            self.cost = (self.cost or 0.0) + run.cost_estimate
        if run.error is not None:
            self.errors += 1
            return
        self.runs += 1
        if run.is_correct is not None:
            self.graded += 1
            self.correct += run.is_correct
        if run.execution_time_ms is not None:
            self.timed += 1
            self.seconds += run.execution_time_ms / 1000
        if (tokens := _tokens(run)) is not None:
            self.counted += 1
            self.tokens += tokens

    def document(self) -> dict[str, Any]:
        asked = self.runs + self.errors
        return {
            "total_samples": self.runs,
            "success_rate": self.runs / asked if asked else None,
            "avg_execution_time": self.seconds / self.timed if self.timed else None,
            "avg_tokens": self.tokens / self.counted if self.counted else None,
            "total_cost": self.cost,
            "error_count": self.errors,
            "graded": self.graded,
            "correct": self.correct,
            "accuracy": f"{self.correct / self.graded:.1%}" if self.graded else None,
        }


def _summary(experiment: ExperimentRecord, summaries: Mapping[str, _Summary]) -> dict[str, Any]:
    start, end = experiment.created_at, experiment.updated_at
    return {
        "experiment_id": experiment.id,
        "status": experiment.status,
        "config": experiment.config_json,
        "start_time": start.isoformat() if start else None,
        "end_time": end.isoformat() if end else None,
        "duration": (end - start).total_seconds() if start and end else None,
        "total_samples": sum(s.runs for s in summaries.values()),
        "approaches_tested": list(summaries),
        "results_summary": {name: s.document() for name, s in summaries.items()},
        "cost_summary": {name: s.cost for name, s in summaries.items()},
        "error_summary": {name: s.errors for name, s in summaries.items() if s.errors},
    }


def _row(run: RunRecord) -> list[Any]:
    return [
        _sample(run),
        run.approach_name,
        run.input_text,
        run.expected_answer,
        run.parsed_answer,
        run.raw_output,
        None if run.execution_time_ms is None else run.execution_time_ms / 1000,
        _tokens(run),
        run.cost_estimate,
        len((run.metadata_json or {}).get("steps") or [None]),
        run.created_at.isoformat() if run.created_at else None,
        run.task,
        run.sample_index,
        run.repeat_index,
        run.provider,
        run.model,
        run.id,
        json.dumps(_rest(run)),
    ]


def _rest(run: RunRecord) -> dict[str, Any]:
    """The run without the experiment and the texts that the platform's columns hold unchanged."""
    values = asdict(run)
    del values["experiment_id"]
    if run.error is None:
        for name in _TEXTS.values():
            if _survives(values[name]):
                del values[name]
    values["created_at"] = run.created_at and run.created_at.isoformat()
    return {name: value for name, value in values.items() if value is not None}


def _survives(text: str | None) -> bool:
    """Whether a cell returns the text: empty ones, lone surrogates and marks do not."""
    if not text or "\ufdd0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _error(run: RunRecord) -> dict[str, Any]:
    return {
        "sample_id": _sample(run),
        "approach": run.approach_name,
        "error": run.error,
        "timestamp": run.created_at.isoformat() if run.created_at else None,
        RUN: _rest(run),
    }


def _sample(run: RunRecord) -> str | int:
    """The dataset's own id, else the index in its task; with the repeat if there are several."""
    sample: str | int = run.sample_index if run.sample_id is None else run.sample_id
    if run.sample_id is None and run.task:
        sample = f"{run.task}:{run.sample_index}"
    return f"{sample}#{run.repeat_index}" if run.repeat_index else sample


def _tokens(run: RunRecord) -> int | None:
    known = [count for count in (run.prompt_tokens, run.completion_tokens) if count is not None]
    return sum(known) if known else None


def _write_json(path: Path, document: object) -> None:
    with _replacing(path) as file:
        json.dump(document, file, ensure_ascii=False, indent=2, default=str)
        file.write("\n")


@contextmanager
def _replacing(path: Path) -> Iterator[TextIO]:
    """A new file that replaces `path` when the block ends without an error."""
    # Lone surrogates, which UTF-8 does not have, are written as \udXXX.
    with unfinished(path) as draft:
        with draft.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            yield file
        draft.replace(path)
