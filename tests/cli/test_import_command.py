"""`ml-agents import`, from the file to what the user reads."""

import gzip
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.database.engine import Database
from tests.commands import call, contents, document, refusal
from tests.formats.readers import lm_eval_logs, promptfoo_results
from tests.generated import lines_of, make_runs, write_runs_file
from tests.lengths import short_and_long
from tests.reference_data import GRADES

UNGRADED = "6 answers have no grade, and could be read and graded: --parse"


@pytest.fixture
def runs_file(tmp_path: Path) -> Path:
    """80 runs, 4 failed and 6 without a grade."""
    return write_runs_file(tmp_path / "runs.jsonl", lines_of(make_runs()))


def line(sample_index: Any = 0, **others: Any) -> dict[str, Any]:
    return {"approach_name": "None", "sample_index": sample_index, **others}


def test_counts_what_it_imported(db_path: Path, runs_file: Path) -> None:
    found = document("import", runs_file, "--experiment-id", "x", "--db-path", db_path)
    assert found == {
        "schema_version": 2,
        "experiments": ["x"],
        "read": 80,
        "inserted": 80,
        "updated": 0,
        "skipped": 0,
        "conflicts": 0,
        "superseded": 0,
        "ungraded": 6,
        "failed": 4,
        "metrics": [],
        "warnings": [f"{runs_file}: {UNGRADED}"],
        "sources": [
            {
                "file": str(runs_file),
                "format": "runs",
                "experiments": ["x"],
                "read": 80,
                "superseded": 0,
                "failed": 4,
                "ungraded": 6,
                "chosen": {},
                "left_out": {},
            }
        ],
        "dry_run": False,
    }
    (listed,) = document("list", "--db-path", db_path)["experiments"]
    assert (listed["runs"], listed["failed"], listed["status"]) == (80, 4, "completed")


def test_same_file_again_changes_nothing_and_says_so(db_path: Path, runs_file: Path) -> None:
    call("import", runs_file, "--experiment-id", "x", "--name", "X", "--db-path", db_path)
    before = contents(db_path)
    again = call("import", runs_file, "--experiment-id", "x", "--db-path", db_path)
    assert again.stdout == "Nothing to do: x has all 80 runs already.\n"
    assert contents(db_path) == before


def test_changed_line_updates_its_run_alone(db_path: Path, tmp_path: Path) -> None:
    lines = [line(n, is_correct=True, id=f"run-{n}") for n in range(5)]
    file = write_runs_file(tmp_path / "a.jsonl", lines)
    call("import", file, "--experiment-id", "x", "--db-path", db_path)
    lines[2]["is_correct"] = False
    write_runs_file(file, [*lines, line(5)])
    found = document("import", file, "--experiment-id", "x", "--db-path", db_path)
    assert (found["inserted"], found["updated"], found["skipped"]) == (1, 1, 4)
    shown = document("show", "--experiment-id", "x", "--run", "run-2", "--db-path", db_path)
    assert shown["is_correct"] is False


def test_missing_database_is_created_and_named(tmp_path: Path, runs_file: Path) -> None:
    result = call("import", runs_file, "--db-path", tmp_path / "new.db")
    assert result.stderr == (
        f"Created the database {tmp_path / 'new.db'}.\nWarning: {runs_file}: {UNGRADED}\n"
    )
    assert document("list", "--db-path", tmp_path / "new.db")["experiments"][0]["runs"] == 80


def test_experiment_is_named_after_file_and_contents(db_path: Path, runs_file: Path) -> None:
    packed = runs_file.with_name("runs.jsonl.gz")
    packed.write_bytes(gzip.compress(runs_file.read_bytes(), mtime=0))
    (plain,) = document("import", runs_file, "--db-path", db_path)["experiments"]
    (zipped,) = document("import", packed, "--db-path", db_path)["experiments"]
    assert plain.startswith("runs-")
    assert len(plain) == len("runs-") + 8
    assert zipped != plain
    assert document("import", runs_file, "--db-path", db_path)["experiments"] == [plain]


def test_origin_is_kept_with_the_experiment(db_path: Path, runs_file: Path) -> None:
    import hashlib

    call("import", runs_file, "--experiment-id", "x", "--name", "My study", "--db-path", db_path)
    shown = document("show", "--experiment-id", "x", "--db-path", db_path)
    digest = hashlib.sha256(runs_file.read_bytes()).hexdigest()
    assert shown["environment"]["imports"] == [
        {"file": "runs.jsonl", "format": "runs", "sha256": digest}
    ]
    assert shown["name"] == "My study"


def test_existing_experiment_keeps_its_name(db_path: Path, runs_file: Path, tmp_path: Path) -> None:
    call("import", runs_file, "--experiment-id", "x", "--name", "Kept", "--db-path", db_path)
    more = write_runs_file(tmp_path / "more.jsonl", [line(900)])
    call("import", more, "--experiment-id", "x", "--db-path", db_path)
    shown = document("show", "--experiment-id", "x", "--db-path", db_path)
    assert shown["name"] == "Kept"
    assert [one["file"] for one in shown["environment"]["imports"]] == ["runs.jsonl", "more.jsonl"]


def test_lines_go_to_the_experiments_they_name(db_path: Path, tmp_path: Path) -> None:
    file = write_runs_file(
        tmp_path / "two.jsonl", [line(experiment_id="b"), line(experiment_id="a"), line(1)]
    )
    found = document("import", file, "--db-path", db_path)["experiments"]
    assert found[:2] == ["a", "b"]
    assert found[2].startswith("two-")
    message, _ = refusal("import", file, "--experiment-id", "x", "--db-path", db_path, code=1)
    assert message == f"sample 0 is answered twice: {file} line 1 and {file} line 2"


def test_name_does_not_fit_several_experiments(db_path: Path, tmp_path: Path) -> None:
    before = contents(db_path)
    file = write_runs_file(
        tmp_path / "two.jsonl", [line(experiment_id="b"), line(experiment_id="a")]
    )
    refusal("import", file, "--name", "N", "--db-path", db_path, code=2)
    assert contents(db_path) == before


def test_standard_input(db_path: Path, runs_file: Path) -> None:
    packed = gzip.compress(runs_file.read_bytes())
    found = document("import", "-", "--experiment-id", "x", "--db-path", db_path, typed=packed)
    assert found["inserted"] == 80
    message, _ = refusal("import", "-", "--db-path", db_path, typed='{"approach": "A"}', code=1)
    assert message.startswith("stdin line 1: it has no column that is known")


def test_several_files_are_one_import(db_path: Path, tmp_path: Path) -> None:
    good = write_runs_file(tmp_path / "good.jsonl", [line(0), line(1)])
    same = write_runs_file(tmp_path / "same.jsonl", [line(2), line(1)])
    bad = write_runs_file(tmp_path / "bad.jsonl", [line(5), line(-1)])
    before = contents(db_path)
    message, _ = refusal("import", good, bad, "--db-path", db_path, code=1)
    assert message == f"{bad} line 2: `sample_index` is -1; it must be a whole number from 0"
    message, _ = refusal("import", good, same, "--experiment-id", "x", "--db-path", db_path, code=1)
    assert f"{good} line 2 and {same} line 2" in message
    assert contents(db_path) == before


def test_dry_run_changes_nothing(db_path: Path, runs_file: Path, tmp_path: Path) -> None:
    before = contents(db_path)
    found = document("import", runs_file, "--dry-run", "--db-path", db_path)
    assert (found["inserted"], found["dry_run"]) == (80, True)
    assert contents(db_path) == before
    told = call("import", runs_file, "--dry-run", "--db-path", tmp_path / "none.db").stdout
    assert told.startswith("Would import 80 runs into runs-")
    assert not (tmp_path / "none.db").exists()


BROKEN = {
    "not JSON": (
        '{"approach_name": "None", "sample',
        "line 17: this is not JSON: Unterminated string starting at (column 27)",
        "one JSON object a line",
    ),
    "a list": ("[1, 2]", "line 17: it is a list, not an object", "one JSON object a line"),
    "nothing known": (
        '{"approach_name": "None"}',
        "line 17: it has no column that is known",
        "--map is_correct=COLUMN",
    ),
    "a word for a grade": (
        json.dumps(line(99, is_correct="maybe")),
        "line 17: `is_correct` is 'maybe'; it must be true, false",
        "Correct the value",
    ),
    "NaN": (
        '{"approach_name": "None", "sample_index": 99, "score": NaN}',
        "line 17: `score` is 'NaN'; it must be a number",
        "",
    ),
    "Infinity": (
        '{"approach_name": "None", "sample_index": 99, "cost_estimate": -Infinity}',
        "line 17: `cost_estimate` is '-Infinity'",
        "",
    ),
    "too large a number": (
        '{"approach_name": "None", "sample_index": 99, "cost_estimate": 1e999}',
        "line 17: `cost_estimate` is inf",
        "",
    ),
    "negative cost": (
        json.dumps(line(99, cost_estimate=-1)),
        "line 17: `cost_estimate` is -1; it must be a number from 0 to 1,000,000 (USD), or null",
        "",
    ),
    "negative time": (json.dumps(line(99, execution_time_ms=-5)), "line 17: `execution_time", ""),
    "too sure": (json.dumps(line(99, parsing_confidence=1.5)), "line 17: `parsing_confidence`", ""),
    "fraction of a sample": (json.dumps(line(1.5)), "line 17: `sample_index` is 1.5", ""),
    "grade of a failure": (
        json.dumps(line(99, error="down", is_correct=False)),
        "line 17: `is_correct` is False; it must be null if the run ended in an error",
        "",
    ),
    "no time": (json.dumps(line(99, created_at="yesterday")), "line 17: `created_at`", ""),
    "unknown metric": (
        json.dumps(line(99, parsing_metrics={"tries": 1})),
        "line 17: `parsing_metrics`",
        "",
    ),
    "list for an id": (json.dumps(line(99, experiment_id=[1])), "line 17: `experiment_id`", ""),
    "number for an approach": (
        json.dumps({"approach_name": 3, "sample_index": 1}),
        "line 17: `approach_name` is 3",
        "",
    ),
    "deep nesting": ("[" * 200_000, "line 17: it is nested too deeply", ""),
}


@pytest.mark.parametrize(("text", "message", "hint"), BROKEN.values(), ids=BROKEN)
def test_broken_line_is_named_and_nothing_is_imported(
    db_path: Path, tmp_path: Path, text: str, message: str, hint: str
) -> None:
    call("import", "-", "--experiment-id", "x", "--db-path", db_path, typed=json.dumps(line()))
    before = contents(db_path)
    lines: list[Any] = [line(n) for n in range(16)]
    file = write_runs_file(tmp_path / "runs.jsonl", [*lines, text, line(30)])
    told, helped = refusal("import", file, "--experiment-id", "x", "--db-path", db_path, code=1)
    assert f"{file} {message}" in told
    assert hint in helped
    assert contents(db_path) == before


def test_error_after_many_batches_leaves_nothing(db_path: Path, tmp_path: Path) -> None:
    before = contents(db_path)
    lines: list[Any] = [line(n) for n in range(5000)]
    file = write_runs_file(tmp_path / "runs.jsonl", [*lines, line(3)])
    message, hint = refusal("import", file, "--db-path", db_path, code=1)
    assert message == f"sample 3 is answered twice: {file} line 4 and {file} line 5001"
    assert "--duplicates latest|repeats" in hint
    assert contents(db_path) == before


def test_a_refused_duplicate_is_named_by_its_id(db_path: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    rows = ["q7,yes,1,m", "q9,no,0,m", "q7,yes,1,m", "q9,no,0,m"]
    file.write_text("\n".join(["id,response,correct,model", *rows]))
    message, hint = refusal("import", file, "--db-path", db_path, code=1)
    assert message == (
        f"sample q7 is answered twice by m: {file} line 2 and {file} line 4; so is 1 more"
    )
    assert hint.endswith("to drop them: --duplicates latest")
    assert document("import", file, "--duplicates", "latest", "--db-path", db_path)["inserted"] == 2
    rows[3] = "q9,yes,1,m"
    file.write_text("\n".join(["id,response,correct,model", *rows]))
    _, hint = refusal("import", file, "--db-path", db_path, code=1)
    assert "--map model=COLUMN" in hint


def test_latest_answer_of_a_sample(db_path: Path, tmp_path: Path) -> None:
    lines = [line(n, raw_output="old") for n in range(2500)]
    lines += [line(7, raw_output="newer"), line(7, raw_output="newest")]
    file = write_runs_file(tmp_path / "runs.jsonl", lines)
    options = ("--experiment-id", "x", "--duplicates", "latest", "--db-path", db_path)
    found = document("import", file, *options)
    assert (found["read"], found["inserted"], found["superseded"]) == (2502, 2500, 2)
    shown = document("show", "--experiment-id", "x", "--sample", "7", "--db-path", db_path)
    assert [run["raw_output"] for run in shown["runs"]] == ["newest"]
    again = document("import", file, *options)
    assert (again["inserted"], again["updated"], again["skipped"]) == (0, 0, 2500)


def test_answers_of_a_sample_as_repeats(db_path: Path, tmp_path: Path) -> None:
    lines = [line(7, raw_output="first")] + [line(n) for n in range(8, 2100)]
    lines += [line(7, raw_output="second"), line(7, raw_output="third")]
    file = write_runs_file(tmp_path / "runs.jsonl", lines)
    options = ("--experiment-id", "x", "--duplicates", "repeats", "--db-path", db_path)
    assert document("import", file, *options)["inserted"] == len(lines)
    shown = document("show", "--experiment-id", "x", "--sample", "7", "--db-path", db_path)
    assert [(run["repeat_index"], run["raw_output"]) for run in shown["runs"]] == [
        (0, "first"),
        (1, "second"),
        (2, "third"),
    ]
    assert document("import", file, *options)["skipped"] == len(lines)


def test_columns_of_other_programs(db_path: Path, tmp_path: Path) -> None:
    foreign = {"qid": "q-1", "n": 4, "response": "It is 42.", "target": 42, "score": 1.0, "seed": 9}
    file = write_runs_file(tmp_path / "foreign.jsonl", [foreign])
    columns = [
        "raw_output=response",
        "is_correct=score",
        "sample_index=n",
        "expected_answer=target",
    ]
    result = call(
        "import", file, "--experiment-id", "x", "--approach", "cot", "--db-path", db_path,
        *(part for column in columns for part in ("--map", column)), "--map", "sample_id=qid",
    )  # fmt: skip
    assert "runs have no field for seed; kept in metadata_json" in result.stderr
    shown = document("show", "--experiment-id", "x", "--sample", "4", "--db-path", db_path)
    (run,) = shown["runs"]
    expected = {
        "approach_name": "ChainOfThought",
        "raw_output": "It is 42.",
        "is_correct": True,
        "score": None,
        "expected_answer": "42",
        "sample_id": "q-1",
        "metadata_json": {"seed": 9},
    }
    assert {name: run[name] for name in expected} == expected


def test_mapping_that_cannot_be(db_path: Path, runs_file: Path) -> None:
    options = ("--db-path", db_path)
    message, hint = refusal("import", runs_file, "--map", "answer=x", *options, code=2)
    assert message == "a run has no field answer"
    assert "raw_output" in hint
    message, _ = refusal("import", runs_file, "--map", "raw_output", *options, code=2)
    assert message == "--map raw_output is not FIELD=COLUMN"
    message, _ = refusal("import", runs_file, "--map", "raw_output=no_such", *options, code=1)
    assert message == f"{runs_file} has no column 'no_such'"
    assert document("list", *options)["experiments"] == []


def test_ids_of_other_experiments_are_replaced(db_path: Path, tmp_path: Path) -> None:
    file = write_runs_file(tmp_path / "a.jsonl", [line(0, id="r0"), line(1, id="r1")])
    call("import", file, "--experiment-id", "a", "--db-path", db_path)
    found = document("import", file, "--experiment-id", "b", "--db-path", db_path)
    assert found["inserted"] == 2
    assert found["warnings"] == [
        f"{file}: 2 ids belong to runs of other experiments; these runs have new ones"
    ]
    again = document("import", file, "--experiment-id", "b", "--db-path", db_path)
    assert again["skipped"] == 2
    assert document("show", "--experiment-id", "a", "--run", "r1", "--db-path", db_path)


def test_one_id_for_two_runs_is_refused(db_path: Path, tmp_path: Path) -> None:
    file = write_runs_file(tmp_path / "a.jsonl", [line(0, id="q"), line(1, id="q")])
    before = contents(db_path)
    message, hint = refusal("import", file, "--experiment-id", "a", "--db-path", db_path, code=1)
    assert message.startswith(f"{file} line 2: the id 'q' belongs to another run")
    assert "--map sample_id=id" in hint
    assert contents(db_path) == before


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("none.jsonl", None, "there is no file"),
        ("empty.jsonl", b"", "holds no runs"),
        ("blank.jsonl", b"\n\n", "holds no runs"),
        ("header.csv", b"approach_name,sample_index\n", "holds no runs"),
        ("zeros.bin", b"\0\0\0\0", "is in no format that is known here"),
        ("latin.jsonl", '{"x": "é"}'.encode("latin1"), "line 1: this is not UTF-8 (byte 8)"),
        ("cut.jsonl.gz", gzip.compress(os.urandom(9000))[:-20], "is damaged"),
        (
            "bomb.jsonl.gz",
            gzip.compress((b" " * 65535 + b"\n") * 1100, compresslevel=1),
            "unpacks to more than 200 times",
        ),
        ("folder", "folder", "holds no file in a format that is known here"),
    ],
)
def test_files_that_are_none(
    tmp_path: Path, db_path: Path, name: str, data: bytes | str | None, message: str
) -> None:
    file = tmp_path / name
    if isinstance(data, bytes):
        file.write_bytes(data)
    elif data:
        file.mkdir()
    told, _ = refusal("import", file, "--db-path", db_path, code=1 if data is not None else 3)
    assert told.startswith(str(file)) or told.endswith(str(file))
    assert message in told


def test_import_into_a_missing_folder(tmp_path: Path, runs_file: Path) -> None:
    message, hint = refusal("import", runs_file, "--db-path", tmp_path / "no" / "r.db", code=4)
    assert message == f"the folder {tmp_path / 'no'} does not exist"
    assert hint == f"Create it: mkdir -p {tmp_path / 'no'}"


def test_unknown_format(db_path: Path, runs_file: Path) -> None:
    message, hint = refusal("import", runs_file, "--format", "x", "--db-path", db_path, code=2)
    assert message == "there is no import format 'x'"
    assert "runs" in hint


def test_id_that_nobody_can_type(db_path: Path, runs_file: Path) -> None:
    for name in ("", "a\nb", "\udcff", "x" * 501):
        message, _ = refusal(
            "import", runs_file, "--experiment-id", name, "--db-path", db_path, code=1
        )
        assert message.startswith("`experiment_id` is ")
    assert document("list", "--db-path", db_path)["experiments"] == []


def test_latest_is_no_id(db_path: Path, runs_file: Path) -> None:
    refusal("import", runs_file, "--experiment-id", "latest", "--db-path", db_path, code=2)


def test_every_engine(database: Database, runs_file: Path, tmp_path: Path) -> None:
    where = ("--db-url", str(database.config.url)) if database.config.url else (
        "--db-path", str(database.path)
    )  # fmt: skip
    options = ("--experiment-id", "x", *where)
    assert document("import", runs_file, *options)["inserted"] == 80
    before = contents(database)
    assert document("import", runs_file, *options)["skipped"] == 80
    again = document("import", runs_file, *options, "--duplicates", "repeats")
    assert again["skipped"] == 80
    lines = [*lines_of(make_runs()), line(-1)]
    bad = write_runs_file(tmp_path / "bad.jsonl", lines)
    refusal("import", bad, *options, code=1)
    twice = write_runs_file(tmp_path / "twice.jsonl", [line(500), line(501), line(500)])
    refusal("import", twice, *options, code=1)
    assert document("import", runs_file, *options, "--dry-run")["skipped"] == 80
    assert contents(database) == before


def test_published_grades(db_path: Path) -> None:
    found = document("import", GRADES, "--experiment-id", "bbh", "--db-path", db_path)
    assert (found["inserted"], found["ungraded"], found["failed"]) == (13_022, 0, 0)
    analyzed = document("analyze", "--experiment-id", "bbh", "--db-path", db_path)
    assert sorted(variant["correct"] for variant in analyzed["variants"]) == [3408, 4816]


def test_dry_run_shows_what_was_chosen_and_why(tmp_path: Path, db_path: Path) -> None:
    logs = tmp_path / "logs"
    rows = [lm_eval_logs.row(), lm_eval_logs.row(1), lm_eval_logs.row(name="flexible")]
    lm_eval_logs.write(logs, "sums_cot", *rows)
    lm_eval_logs.write(logs, "colours", lm_eval_logs.row())
    shown = call("import", logs, "--dry-run", "--db-path", db_path).stdout
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown.splitlines()]
    sums, colours = (path.name for path in sorted(logs.glob("*.jsonl"), reverse=True))
    assert [sums, "lm-eval", "lab__m_2026-01-02T03-04-05.678901", "2", "0", "0"] in lines
    assert ["approach", "ChainOfThought", "name of the task", sums] in lines
    assert ["approach", "None", "no approach is named", colours] in lines
    assert ["filter", "strict", "the first in the file", "2 files"] in lines


@pytest.mark.parametrize("name", short_and_long("a.jsonl.gz", "a.csv.gz"))
def test_a_line_without_an_end_is_no_run(tmp_path: Path, db_path: Path, name: str) -> None:
    """A small file that would unpack to more than memory holds."""
    start = b'{"approach_name": "' if "json" in name else b"approach_name,sample_index\n"
    # Not so well packed that it is refused as a bomb.
    rest = gzip.compress(os.urandom(8_000).hex().encode() * 66)
    (tmp_path / name).write_bytes(gzip.compress(start) + 300 * rest)
    assert (tmp_path / name).stat().st_size < 6_000_000
    before = contents(db_path)
    message, _ = refusal("import", tmp_path / name, "--db-path", db_path, code=1)
    assert "longer than 256 MiB" in message
    assert contents(db_path) == before


def test_a_folder_of_several_formats(tmp_path: Path, db_path: Path) -> None:
    lm_eval_logs.write(tmp_path / "mix", "a", lm_eval_logs.row())
    promptfoo_results.write(
        tmp_path / "mix" / "b.json", promptfoo_results.document(promptfoo_results.result())
    )
    (tmp_path / "mix" / "notes.txt").write_text("hello", encoding="utf-8")
    message, hint = refusal("import", tmp_path / "mix", "--db-path", db_path, code=1)
    assert "files of several formats: promptfoo (1, such as b.json); lm-eval (1" in message
    assert hint == "Choose one: --format promptfoo"
    taken = call("import", tmp_path / "mix", "--format", "promptfoo", "--db-path", db_path)
    assert "Imported 1 runs into eval-1" in taken.stdout
    (tmp_path / "none").mkdir()
    message, _ = refusal("import", tmp_path / "none", "--db-path", db_path, code=1)
    assert "holds no file in a format that is known here" in message


def test_a_file_that_two_formats_could_claim(tmp_path: Path, db_path: Path) -> None:
    path = tmp_path / "both.jsonl"
    path.write_text(
        json.dumps({**lm_eval_logs.row(), **promptfoo_results.result()}), encoding="utf-8"
    )
    told = call("import", path, "--db-path", db_path)
    assert "it was read as lm-eval (to choose: --format promptfoo)" in told.stderr
    told = call("import", path, "--format", "promptfoo", "--db-path", db_path)
    assert "could also be" not in told.stderr


def test_a_broken_file_of_a_folder(tmp_path: Path, db_path: Path) -> None:
    folder = tmp_path / "runs"
    folder.mkdir()
    write_runs_file(folder / "a.jsonl", [line(0), line(1)])
    write_runs_file(folder / "b.jsonl", [line(2), line(3), line(-1)])
    write_runs_file(folder / "c.jsonl", [line(4)])
    options = ("--experiment-id", "x", "--db-path", db_path)
    before = contents(db_path)
    message, hint = refusal("import", folder, *options, code=1)
    assert message.startswith(f"{folder / 'b.jsonl'} line 3: `sample_index` is -1")
    assert "--skip-broken" in hint
    assert contents(db_path) == before
    for duplicates in ("refuse", "latest"):
        found = document("import", folder, *options, "--skip-broken", "--duplicates", duplicates)
        assert found["read"] == 3
        assert [Path(one["file"]).name for one in found["sources"]] == ["a.jsonl", "c.jsonl"]
        (warning,) = found["warnings"]
        assert warning.startswith(f"{folder / 'b.jsonl'} line 3: `sample_index` is -1")
    assert document("list", "--db-path", db_path)["experiments"][0]["runs"] == 3
    message, _ = refusal("import", folder / "b.jsonl", *options, "--skip-broken", code=1)
    assert "`sample_index` is -1" in message


@pytest.mark.parametrize(
    ("name", "text", "message", "help_"),
    [
        ("a.jsonl", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
         "is a Git LFS pointer", "git lfs pull"),
        ("a.xml", "<promptfoo></promptfoo>", "is XML or HTML", "--output results.json"),
        ("a.json", '{\n "scores": [],\n "runs": []\n}',
         "holds one JSON object, with the members scores, runs", ".MEMBER[]"),
        ("a.json", '{\n "results": {},\n "versions": {}\n}',
         "holds totals of lm-eval without samples", "--log_samples"),
        ("a.json", "[1]", "element 1: it is a number, not an object", "one JSON object"),
    ],
)  # fmt: skip
def test_files_of_other_kinds_are_named(
    tmp_path: Path, db_path: Path, name: str, text: str, message: str, help_: str
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    told, hint = refusal("import", tmp_path / name, "--db-path", db_path, code=1)
    assert message in told
    assert help_ in hint


@pytest.mark.parametrize("indent", [None, 2])
def test_a_json_list(tmp_path: Path, db_path: Path, indent: int | None) -> None:
    path = tmp_path / "list.json"
    path.write_text(json.dumps([line(0), line(1)], indent=indent), encoding="utf-8")
    assert document("import", path, "--db-path", db_path)["inserted"] == 2


def test_many_columns_are_read_in_time_that_grows_with_their_number(
    db_path: Path, tmp_path: Path
) -> None:
    columns = {f"k{number}": number for number in range(20_000)}
    file = write_runs_file(tmp_path / "a.jsonl", [line(0, **columns)])
    began = time.process_time()
    call("import", file, "--experiment-id", "a", "--db-path", db_path)
    # Each column once more for each other one took minutes.
    assert time.process_time() - began < 20
