"""The predecessor's tables, in all four generations, with what lies beside them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.errors import ResultsError
from ml_agents_results.processor import ResultsProcessor
from tests.formats.readers.conftest import Importer
from tests.formats.readers.legacy_tables import COLUMNS, NAME, row, write_folder, write_table

Refused = Callable[..., ResultsError]


def test_folder(tmp_path: Path, imported: Importer, processor: ResultsProcessor) -> None:
    errors = [{"sample_id": 1, "approach": "CoT", "error": "timeout", "timestamp": "2025-09-05"}]
    folder = write_folder(tmp_path / "20250905_100000", row(), errors=errors)
    result, (run, failed) = imported(folder)
    assert (result.read, result.failed, result.ungraded) == (2, 1, 0)
    assert (run.experiment_id, run.approach_name, run.provider, run.model) == (
        "exp_20250905_100000", "ChainOfThought", "openrouter", "lab/m",
    )  # fmt: skip
    assert (run.sample_index, run.sample_id, run.input_text) == (0, None, "2+2?")
    assert (run.raw_output, run.parsed_answer) == ('It is "four",\nI think', "four")
    assert (run.expected_answer, run.is_correct) == ("Four ", True)
    assert (run.execution_time_ms, run.cost_estimate) == (1250, 0.001)
    assert (run.prompt_tokens, run.completion_tokens) == (None, None)
    assert run.metadata_json == {
        "total_tokens": 100, "reasoning_steps": 2, "scorer": "legacy_exact",
    }  # fmt: skip
    assert run.created_at == datetime(2025, 8, 18, 10, 0, 0, 1, tzinfo=UTC)
    assert (failed.sample_index, failed.error, failed.is_correct) == (1, "timeout", None)
    experiment = processor.get_experiment(run.experiment_id)
    assert (experiment.name, experiment.status) == ("lab/data", "completed")
    assert experiment.created_at == datetime(2025, 9, 5, 10, tzinfo=UTC)
    assert experiment.config_json["api_key"] == "[redacted]"
    assert experiment.environment_json["imports"][0]["format"] == "legacy"


def test_again_changes_nothing(tmp_path: Path, imported: Importer) -> None:
    folder = write_folder(tmp_path / "x", row(), row(1))
    _, runs = imported(folder)
    for path in (folder, folder / "experiment_results.csv", folder / "experiment_summary.json"):
        again, same = imported(path)
        assert (again.skipped, same) == (2, runs)


@pytest.mark.parametrize("columns", [COLUMNS, [one for one in COLUMNS if "extracted" not in one]])
def test_flat_tables(tmp_path: Path, imported: Importer, columns: Any) -> None:
    path = write_table(tmp_path / f"{NAME}_results.csv", row(), columns=columns)
    result, (run,) = imported(path)
    assert (run.experiment_id, run.provider, run.model) == (NAME, "openrouter", "lab_m")
    assert run.is_correct is (True if columns is COLUMNS else None)
    assert "taken from the name of the file" in result.warnings[0]
    summary = {"config": {"provider": "openrouter", "model": "lab/m"}, "experiment_id": "exp_1"}
    (tmp_path / f"{NAME}_summary.json").write_text(json.dumps(summary), encoding="utf-8")
    _, (run,) = imported(tmp_path)
    assert (run.experiment_id, run.provider, run.model) == ("exp_1", "openrouter", "lab/m")


def test_notebook(tmp_path: Path, imported: Importer) -> None:
    noted = {
        "input": "2+2?", "model_output": "4", "reasoning_trace": "hm", "execution_time_s": 0.5,
        "cost_usd": 0.25, "reasoning_approach": "Chain-of-Thought (CoT)", "provider": "openrouter",
        "model_name": "lab/m", "temp": 0.3, "max_tokens": 512, "top_p": 0.9,
    }  # fmt: skip
    other = {**noted, "reasoning_approach": "Graph of Thoughts"}
    _, runs = imported(write_table(tmp_path / "a.csv", noted, other, columns=list(noted)))
    run = next(run for run in runs if run.sample_index == 0)
    assert {run.approach_name for run in runs} == {"ChainOfThought", "Graph of Thoughts"}
    assert (run.provider, run.model) == ("openrouter", "lab/m")
    assert (run.raw_output, run.execution_time_ms, run.cost_estimate) == ("4", 500, 0.25)
    assert run.metadata_json == {
        "reasoning_trace": "hm", "temp": 0.3, "max_tokens": 512, "top_p": 0.9,
    }  # fmt: skip
    assert run.is_correct is None


@pytest.mark.parametrize(
    ("extracted", "response", "expected", "is_correct"),
    [
        ("4", "x", "4", True), (" YES", "x", "yes ", True), ("5", "4", "4", False),
        ("", "4", "4", True), ("", "5", "4", None), ("4", "x", "", None),
    ],
)  # fmt: skip
def test_grades(
    tmp_path: Path, imported: Importer, extracted: str, response: str, expected: str,
    is_correct: bool | None,
) -> None:  # fmt: skip
    one = row(extracted_answer=extracted, response_text=response, expected_output=expected)
    _, (run,) = imported(write_folder(tmp_path / "x", one))
    assert run.is_correct is is_correct


def test_answer_that_could_not_be_read_is_a_failed_run(tmp_path: Path, imported: Importer) -> None:
    lost = row(response_text="ERROR_ACCESSING_RESPONSE", extracted_answer="")
    _, (run,) = imported(write_folder(tmp_path / "x", lost))
    assert (run.error, run.raw_output, run.is_correct) == ("ERROR_ACCESSING_RESPONSE", None, None)


def test_error_of_a_sample_that_was_repeated(tmp_path: Path, imported: Importer) -> None:
    errors = [{"sample_id": "0", "approach": "ChainOfThought", "error": "x"}]
    result, (run,) = imported(write_folder(tmp_path / "x", row(), errors=errors))
    assert (result.failed, run.error) == (0, None)


def test_ids_that_are_texts(tmp_path: Path, imported: Importer, refused: Refused) -> None:
    rows = [row(one, approach) for approach in ("A", "B") for one in ("q7", "q3")]
    folder = write_folder(tmp_path / "x", *rows)
    error = refused(write_folder(tmp_path / "y", row("q7"), row(3)))
    assert "has the sample_id '3', others are of another kind" in error.message
    _, runs = imported(folder)
    assert {(run.sample_index, run.sample_id) for run in runs} == {(0, "q7"), (1, "q3")}


def test_absent_values_are_null(tmp_path: Path, imported: Importer) -> None:
    _, (run,) = imported(
        write_table(tmp_path / "a.csv", row(), columns=("sample_id", "approach", "response_text"))
    )
    absent = (run.input_text, run.expected_answer, run.execution_time_ms, run.cost_estimate)
    assert set(absent) == {None}


def test_tree_of_experiments(tmp_path: Path, imported: Importer) -> None:
    for number in range(100):
        write_folder(tmp_path / "data" / "eval" / f"{number:03}", row(), row(1))
    folder = tmp_path / "data"
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    result, runs = imported(folder)
    assert (len(result.experiments), len(runs), len(result.sources)) == (100, 200, 100)
    assert result.warnings == [f"{folder}: left out 1 files that are not logs: notes.txt"]


@pytest.mark.parametrize("change", ["BOM", "CRLF"])
def test_text_of_other_systems(tmp_path: Path, imported: Importer, change: str) -> None:
    folder = write_folder(tmp_path / "x", row(input="ä"))
    table = folder / "experiment_results.csv"
    data = table.read_bytes()
    if change == "BOM":
        table.write_bytes(b"\xef\xbb\xbf" + data)
    else:
        table.write_bytes(data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    _, (run,) = imported(folder)
    assert (run.sample_index, run.input_text) == (0, "ä")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:-40], "cells where the header has 11"),
        (lambda text: text[: text.rindex("I think")], "line 2: unexpected end of data"),
        (lambda text: text.replace("1.25", "soon"), "`execution_time` is 'soon', not a number"),
        (lambda text: text.replace("\r\n0,", "\r\n,", 1), "has no sample_id"),
        (lambda text: text + text.split("\r\n", 1)[1], "is answered twice"),
        (lambda text: text.split("\r\n")[0], "holds no runs"),
        (lambda text: text.replace("approach", "way", 1), "has no column approach"),
    ],
)
def test_broken_tables(
    tmp_path: Path, refused: Refused, change: Callable[[str], str], message: str
) -> None:
    folder = write_folder(tmp_path / "x", row())
    table = folder / "experiment_results.csv"
    table.write_bytes(change(table.read_bytes().decode()).encode())
    assert message in refused(folder).message
