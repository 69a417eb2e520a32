"""Tables as people have them: their names, layouts and file formats."""

import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest
from openpyxl import Workbook
from pyarrow import parquet

from ml_agents_results.records import RunRecord
from tests.formats.readers.conftest import Importer

ROWS = [
    {"id": "q1", "prompt": "short", "question": "2+2?", "gold": "4", "response": "4", "correct": 1},
    {"id": "q1", "prompt": "long", "question": "2+2?", "gold": "4", "response": "5", "correct": 0},
    {"id": "q2", "prompt": "short", "question": "1+2?", "gold": "3", "response": "3", "correct": 1},
]
KNOWN = [
    ("long", 0, "q1", "2+2?", "4", "5", False),
    ("short", 0, "q1", "2+2?", "4", "4", True),
    ("short", 1, "q2", "1+2?", "3", "3", True),
]


def table(path: Path, delimiter: str = ",", encoding: str = "utf-8") -> Path:
    lines = [ROWS[0], *(row.values() for row in ROWS)]
    text = "\n".join(delimiter.join(map(str, line)) for line in lines)
    path.write_bytes(f"{text}\n".encode(encoding))
    return path


def workbook(path: Path) -> Path:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for line in [tuple(ROWS[0]), *(tuple(row.values()) for row in ROWS)]:
        sheet.append(line)
    book.save(path)
    return path


def archive(path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("runs.json", json.dumps(ROWS, indent=1))
    return path


def columnar(path: Path) -> Path:
    parquet.write_table(pa.Table.from_pylist(ROWS), path)
    return path


def values(run: RunRecord) -> tuple[object, ...]:
    return (
        run.approach_name, run.sample_index, run.sample_id, run.input_text, run.expected_answer,
        run.raw_output, run.is_correct,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.csv", table),
        ("a.csv", lambda path: table(path, ";")),
        ("a.tsv", lambda path: table(path, "\t")),
        ("a.csv", lambda path: table(path, ";", "utf-16")),
        ("a.xlsx", workbook),
        ("a.parquet", columnar),
        ("a.zip", archive),
    ],
)
def test_the_same_table_in_every_file_format(tmp_path: Path, imported: Importer, name, write):  # type: ignore[no-untyped-def]
    result, runs = imported(write(tmp_path / name))
    assert sorted(map(values, runs)) == KNOWN
    assert [(one["name"], one["kind"], one["is_primary"]) for one in result.metrics] == [
        ("correct", "binary", True)
    ]


def test_simplest_table(tmp_path: Path, imported: Importer) -> None:
    path = tmp_path / "a.csv"
    path.write_text("model,question,answer,correct\nm,2+2?,4,True\nm,3+5?,9,False\n")
    result, runs = imported(path)
    assert [(run.model, run.sample_index, run.raw_output, run.is_correct) for run in runs] == [
        ("m", 0, "4", True), ("m", 1, "9", False),
    ]  # fmt: skip
    assert result.sources[0]["chosen"]["approach"] == "None (no approach is named)"


def test_tables_of_european_spreadsheets(tmp_path: Path, imported: Importer) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(
        "id;Prompt;Frage;Antwort;Score\n1;kurz;;Größe;0,5\n2;kurz;;ja;75 %\n".encode("cp1252")
    )
    result, runs = imported(path, columns={"input_text": "Frage", "raw_output": "Antwort"})
    assert [(run.raw_output, run.score) for run in runs] == [("Größe", 0.5), ("ja", 0.75)]
    assert "read as Windows-1252" in result.warnings[0]


def test_ids_of_lines_are_not_those_of_samples(tmp_path: Path, imported: Importer) -> None:
    path = tmp_path / "a.csv"
    rows = "0,a,x,1\n1,a,y,0\n2,b,x,1\n3,b,y,1\n"
    path.write_text(f"id,prompt,question,correct\n{rows}")
    result, runs = imported(path)
    assert [run.sample_index for run in runs] == [0, 1, 2, 3]
    assert any("the ids count lines" in warning for warning in result.warnings)
    result, _ = imported(path, columns={"sample_id": ""})
    assert any("has 2 further runs" in warning for warning in result.warnings)
    path.write_text(f",prompt,question,correct\n{rows}")
    result, runs = imported(path)
    assert [run.sample_index for run in runs] == [0, 1, 0, 1]
    assert result.warnings == []


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["correct", "Incorrect", "NOT_ATTEMPTED"], [1, 0, None]),
        (["PASS", "FAIL", "pass"], [1, 0, 1]),
        (["correct", "partially correct", "wrong"], [1, 0.5, 0]),
        (["100%", "25 %", "0%"], [1, 0.25, 0]),
    ],
)
def test_grades_in_words(
    tmp_path: Path, imported: Importer, words: list[str], values: list[float | None]
) -> None:
    path = tmp_path / "a.csv"
    lines = "".join(f"{n},x,{word}\n" for n, word in enumerate(words))
    path.write_text(f"id,answer,grade\n{lines}")
    _, runs = imported(path)
    known = [run.score if run.is_correct is None else float(run.is_correct) for run in runs]
    assert known == values


@pytest.mark.parametrize(
    ("header", "options"),
    [
        ("q,answer_a,answer_b", "--wide answer_a=a --wide answer_b=b"),
        ("question,Prompt A,Prompt B", "one for each variant: --wide COLUMN=NAME"),
        ("question,gpt-4o,o3,gpt-4o_correct,o3_correct", "--wide gpt-4o=gpt-4o --wide o3=o3"),
        ("question,model_answer,gold_answer", None),
        ("question,expected_answer,parsed_answer", None),
        ("question,answer,score_turn1,score_turn2", None),
    ],
)
def test_columns_of_several_variants_are_named(
    tmp_path: Path, imported: Importer, header: str, options: str | None
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{header},gold\n{','.join('1' for _ in header.split(','))},1\n")
    warnings = " ".join(imported(path)[0].warnings)
    assert (options in warnings) if options else ("--wide" not in warnings)


def test_numbers_that_are_called_scores_are_metrics(tmp_path: Path, imported: Importer) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,answer,score_turn1,score_turn2,score_note\na,x,7,8,fine\nb,y,9,4,so\n")
    result, runs = imported(path)
    assert [run.score for run in runs] == [7, 9]
    assert [one["name"] for one in result.metrics] == ["score_turn1", "score_turn2"]
    assert runs[0].metadata_json == {"score_note": "fine"}


@pytest.mark.parametrize(
    ("value", "is_correct"), [("true", True), ("FAIL", False), ("failed: x", None), ("4", None)]
)
def test_a_result_is_a_grade_if_it_is_a_verdict(
    tmp_path: Path, imported: Importer, value: str, is_correct: bool | None
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"id,response,result\n1,x,{value}\n")
    _, [run] = imported(path)
    assert run.is_correct is is_correct


def test_a_grade_next_to_other_metrics_is_kept(tmp_path: Path, imported: Importer) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,answer,is_correct,f1\na,x,1,0.5\nb,y,0,0.25\n")
    result, runs = imported(path)
    assert [run.is_correct for run in runs] == [True, False]
    assert [(one["name"], one["kind"], one["is_primary"]) for one in result.metrics] == [
        ("is_correct", "binary", True), ("f1", "numeric", False),
    ]  # fmt: skip


def test_columns_of_metrics(tmp_path: Path, imported: Importer) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,answer,f1,helpful\na,x,0.5,7\nb,y,1,9\n")
    result, runs = imported(path, metric="helpful,f1")
    assert [run.score for run in runs] == [7, 9]
    assert [[(one.metric, one.value) for one in run.scores or ()] for run in runs] == [
        [("f1", 0.5)], [("f1", 1)],
    ]  # fmt: skip
    assert [(one["name"], one["is_primary"]) for one in result.metrics] == [
        ("f1", False), ("helpful", True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "wide"),
    [
        ("answer_a,answer_b,correct_a,correct_b", ("answer_a", "answer_b")),
        ("a_answer,b_answer,a_correct,b_correct", ("a_correct", "b_correct")),
        ("a,b,a_correct,b_correct", ("a", "b")),
    ],
)
def test_a_column_for_each_variant(
    tmp_path: Path, imported: Importer, columns: str, wide: tuple[str, str]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"id,question,gold,{columns}\nq,2+2?,4,It is 4,It is 5,1,0\n")
    _, runs = imported(path, wide=dict(zip(wide, "AB", strict=True)))
    assert [(run.approach_name, run.raw_output, run.is_correct) for run in runs] == [
        ("A", "It is 4", True), ("B", "It is 5", False),
    ]  # fmt: skip
    _, runs = imported(path, wide=dict(zip(wide, "AB", strict=True)), approach="CoT")
    assert {(run.approach_name, run.model) for run in runs} >= {("ChainOfThought", "A")}


def test_paths_factors_constants_and_columns_to_leave_out(
    tmp_path: Path, imported: Importer
) -> None:
    path = tmp_path / "a.jsonl"
    line = {
        "id": 7,
        "info": {"ok": "True"},
        "latency": 1.5,
        "error": ["wrong unit"],
        "pred": ["18"],
    }
    path.write_text(json.dumps(line) + "\n")
    _, [run] = imported(
        path,
        columns={"is_correct": "info.ok", "execution_time_ms": "latency*1000", "error": ""},
        constants={"model": "gpt-4o"},
    )
    assert (run.sample_id, run.is_correct, run.execution_time_ms) == ("7", True, 1500)
    assert (run.model, run.error, run.parsed_answer) == ("gpt-4o", None, '["18"]')


def test_repeated_questions_without_ids_pair_by_question(
    tmp_path: Path, imported: Importer
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("approach,question,correct\nA,x,1\nA,y,0\nA,x,0\nB,y,1\nB,x,1\n")
    _, runs = imported(path)
    assert [(run.approach_name, run.sample_index, run.input_text) for run in runs] == [
        ("A", 0, "x"), ("A", 1, "y"), ("A", 2, "x"), ("B", 0, "x"), ("B", 1, "y"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("column", "are_named"), [("latency_ms,1.7", True), ("latency_s,0.07", False)]
)
def test_seconds_are_named(
    tmp_path: Path, imported: Importer, column: str, are_named: bool
) -> None:
    """Only where the column does not say itself that it holds seconds."""
    name, value = column.split(",")
    path = tmp_path / "a.csv"
    path.write_text(f"id,{name},correct\na,{value},1\n")
    result, _ = imported(path)
    assert are_named == any("look like seconds" in warning for warning in result.warnings)


def test_answers_are_read_and_graded_where_asked(tmp_path: Path, imported: Importer) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "id,question,gold,response\na,2+2?,4,So the answer is 4.\nb,3+4?,8,The answer is 7.\n"
    )
    result, runs = imported(path)
    assert [(run.parsed_answer, run.is_correct) for run in runs] == [(None, None)] * 2
    assert "2 answers have no grade, and could be read and graded: --parse" in result.warnings[0]
    result, runs = imported(path, parsing="auto")
    assert [(run.parsed_answer, run.is_correct) for run in runs] == [("4", True), ("7", False)]
    [metric] = result.metrics
    assert (metric["name"], metric["kind"], metric["is_primary"]) == ("exact", "binary", True)
    assert metric["definition_json"]["extractor"]


@pytest.mark.parametrize(
    ("grade", "options", "primary", "grades"),
    [
        ("mark", {}, "mark", [False, True]),
        ("is_correct", {}, "is_correct", [False, True]),
        ("mark", {"grader": "exact"}, "exact", [True, False]),
        ("mark", {"metric": "exact"}, "exact", [True, False]),
    ],
)
def test_own_grades_stay_primary_unless_another_is_named(
    tmp_path: Path,
    imported: Importer,
    grade: str,
    options: dict[str, str],
    primary: str,
    grades: list[bool],
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"id,gold,response,{grade}\na,4,It is 4.,0\nb,8,It is 7.,1\n")
    result, runs = imported(path, columns={"is_correct": grade}, parsing="auto", **options)
    assert [run.is_correct for run in runs] == grades
    own = {metric["name"]: metric["is_primary"] for metric in result.metrics}
    assert own == {name: name == primary for name in (grade, "exact")}


def test_answers_are_graded_where_the_grades_are_empty(tmp_path: Path, imported: Importer) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,gold,response,correct\na,4,It is 4.,\nb,8,It is 7.,\n")
    _, runs = imported(path, parsing="auto")
    assert [run.is_correct for run in runs] == [True, False]


@pytest.mark.parametrize(
    ("columns", "missing"),
    [
        ("item,system,verdict,response", "model, sample_id"),
        ("id,system,mark,response", "model, is_correct"),
        ("id,model,correct,seed", None),
    ],
)
def test_fields_without_a_column_are_named(
    tmp_path: Path, imported: Importer, columns: str, missing: str | None
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{columns}\nq1,a,yes,x\n")
    result, _ = imported(path)
    hinted = [one for one in result.warnings if "no column is known for" in one]
    if missing is None:
        assert hinted == []
    else:
        assert f"no column is known for {missing}; to name one: --map model=COLUMN" in hinted[0]
