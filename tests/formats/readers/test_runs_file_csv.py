"""CSV from spreadsheets, from other programs, and from our own exports."""

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ml_agents_results.errors import ResultsError
from ml_agents_results.formats.importing import load
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord


def imported(
    processor: ResultsProcessor, path: Path, text: str | bytes, **options: str
) -> list[RunRecord]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    chosen = ImportOptions(**{"experiment_id": "x", **options})  # type: ignore[arg-type]
    load(processor.database, [LogSource(path)], chosen)
    runs = processor.get_runs_paginated("x")["runs"]
    return [RunRecord(**run) for run in runs]


def refused(processor: ResultsProcessor, path: Path, text: str | bytes) -> ResultsError:
    with pytest.raises(ResultsError) as caught:
        imported(processor, path, text)
    with processor.database.read() as connection:
        assert connection.exec_driver_sql("SELECT COUNT(*) FROM experiments").scalar() == 0
    return caught.value


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "runs.csv"


def test_empty_cells_are_absent(processor: ResultsProcessor, file: Path) -> None:
    (run,) = imported(
        processor,
        file,
        "approach_name,sample_index,task,raw_output,is_correct,cost_estimate,error,created_at\n"
        "CoT,0,,,,,,2026-03-01T12:00:00\n",
    )
    assert run.approach_name == "ChainOfThought"
    assert (run.task, run.raw_output, run.is_correct) == ("", None, None)
    assert (run.cost_estimate, run.error, run.metadata_json) == (None, None, None)
    assert run.created_at == datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_values_are_read_strictly(processor: ResultsProcessor, file: Path) -> None:
    cells = ["true", "FALSE", "1", "0", "yes", "No", "1.0", "0.0"]
    rows = "".join(f"None,{n},{cell}\n" for n, cell in enumerate(cells))
    runs = imported(processor, file, f"approach_name,sample_index,is_correct\n{rows}")
    assert [run.is_correct for run in runs] == [True, False] * 4


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("is_correct", "maybe"),
        ("is_correct", "nan"),
        ("cost_estimate", "NaN"),
        ("cost_estimate", "inf"),
        ("cost_estimate", "1e999"),
        ("cost_estimate", "-0.1"),
        ("cost_estimate", "1_000"),
        ("cost_estimate", "1,5"),
        ("parsing_confidence", "95%"),
        ("execution_time_ms", "12 ms"),
        ("execution_time_ms", "-1"),
        ("sample_index", "1.5"),
        ("sample_index", "first"),
        ("created_at", "01.02.2026"),
        ("metadata_json", "{"),
        ("parsing_metrics", "[1]"),
    ],
)
def test_wrong_value_is_named_with_its_line(
    processor: ResultsProcessor, file: Path, column: str, cell: str
) -> None:
    columns = ["approach_name", *(() if column == "sample_index" else ("sample_index",)), column]
    good = ["None", *(() if column == "sample_index" else ("0",)), ""]
    bad = ["None", *(() if column == "sample_index" else ("1",)), f'"{cell}"']
    if column == "sample_index":
        good[-1] = "0"
    text = "\n".join(map(",".join, (columns, good, bad))) + "\n"
    error = refused(processor, file, text)
    assert error.message.startswith(f"{file} line 3: `{column}` is ")


def test_line_numbers_count_what_an_editor_counts(processor: ResultsProcessor, file: Path) -> None:
    text = (
        "# schema_version: 1\r\n"
        "approach_name,sample_index,raw_output\r\n"
        'None,0,"two\r\nlines"\r\n'
        "\r\n"
        "None,1,one\r\n"
        "None,-1,x\r\n"
    )
    assert f"{file} line 7: `sample_index` is -1" in refused(processor, file, text).message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "approach_name,n\nNone,1\n",
            "a question, an answer or a grade; its columns are",
        ),
        ("approach_name,sample_index,n,n\nNone,1,2,3\n", "has two columns 'n'"),
        ("approach_name,sample_index\nNone,1,2\n", "line 2: 3 cells where the header has 2"),
        ("approach_name,sample_index\nNone\n", "line 2: 1 cells where the header has 2"),
        ('approach_name,sample_index\n"None,1\n', "line 2: unexpected end of data"),
        ('approach_name,sample_index\n"None"x,1\n', "line 2: "),
        (b"approach_name,sample_index\nNon\x81,1\n", "is not UTF-8"),
        ("experiment_id,sample_index\nNon\xe9,1\n".encode("latin1"), "is not UTF-8"),
    ],
)
def test_file_that_does_not_fit(
    processor: ResultsProcessor, file: Path, text: str | bytes, message: str
) -> None:
    error = refused(processor, file, text)
    assert message in error.message
    assert error.message.startswith(str(file))


def test_unknown_columns_suggest_a_mapping(processor: ResultsProcessor, file: Path) -> None:
    error = refused(processor, file, "method,n\nNone,1\n")
    assert error.hint is not None
    assert "--map input_text=COLUMN --map raw_output=COLUMN" in error.hint


def test_one_column_for_two_fields(processor: ResultsProcessor, file: Path) -> None:
    columns = {"sample_index": "n", "is_correct": "mark", "score": "mark"}
    file.write_text("n,mark,hint\n4,1,x\n", encoding="utf-8")
    options = ImportOptions(experiment_id="x", approach="None", columns=columns)
    load(processor.database, [LogSource(file)], options)
    (run,) = processor.get_runs_paginated("x")["runs"]
    assert (run["is_correct"], run["score"], run["metadata_json"]) == (True, None, {"hint": "x"})


def test_an_id_that_is_mapped_is_the_samples(processor: ResultsProcessor, file: Path) -> None:
    file.write_text("id,sample_index,is_correct\nq1,4,1\nq2,5,0\n", encoding="utf-8")
    options = ImportOptions(experiment_id="x", approach="None", columns={"sample_id": "id"})
    load(processor.database, [LogSource(file)], options)
    runs = processor.get_runs_paginated("x")["runs"]
    assert [run["sample_id"] for run in runs] == ["q1", "q2"]
    assert not {"q1", "q2"} & {run["id"] for run in runs}


def test_byte_order_mark_and_gzip(processor: ResultsProcessor, tmp_path: Path) -> None:
    text = "\ufeffapproach_name,sample_index,raw_output\r\nNone,0,\u00e9\r\n".encode()
    (run,) = imported(processor, tmp_path / "a.csv.gz", gzip.compress(text))
    assert run.raw_output == "\u00e9"


def test_metrics_in_columns_of_their_own(processor: ResultsProcessor, file: Path) -> None:
    imported(
        processor,
        file,
        "approach_name,sample_index,parsing_attempts,fallback_used,confidence_score\n"
        "None,0,2,true,0.5\n",
    )
    (run,) = processor.get_runs_paginated("x")["runs"]
    assert run["parsing_metrics"] == {
        "parsing_attempts": 2,
        "fallback_used": True,
        "confidence_score": 0.5,
        "extraction_time_ms": None,
        "error_details": None,
    }


def test_lines_before_the_header_describe_the_experiment(
    processor: ResultsProcessor, file: Path
) -> None:
    file.write_text(
        "# schema_version: 1\n"
        "# experiment_id: exp_7\n"
        '# name: "a\\nb"\n'
        "# description: plain: text\n"
        "# status: failed\n"
        "# created_at: 2026-01-02T03:04:05+00:00\n"
        '# config: {"samples": 3}\n'
        "approach_name,sample_index\n"
        "None,0\n",
        encoding="utf-8",
    )
    load(processor.database, [LogSource(file)], ImportOptions())
    found = processor.get_experiment("exp_7")
    assert (found.name, found.description, found.status) == ("a\nb", "plain: text", "failed")
    assert found.created_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert found.config_json == {"samples": 3}
    load(processor.database, [LogSource(file)], ImportOptions(experiment_id="other"))
    assert processor.get_experiment("other").description == "plain: text"


def test_header_that_begins_with_a_hash_is_a_header(
    processor: ResultsProcessor, file: Path
) -> None:
    (run,) = imported(processor, file, "#,approach_name,sample_index\n9,None,0\n")
    assert run.metadata_json == {"#": "9"}
