"""`ml-agents list`, `show` and `delete`."""

from datetime import timedelta
from pathlib import Path

import pytest

from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from ml_agents_results.repositories.claim_repository import ClaimRepository
from ml_agents_results.repositories.this_process import ThisProcess
from tests.commands import call, contents, document, refusal, start
from tests.generated import make_runs
from tests.lengths import short_and_long


@pytest.fixture
def filled(processor: ResultsProcessor, db_path: Path) -> Path:
    """Experiments exp_1 (80 runs) and exp_2 (one, of a task with colons, and an odd text)."""
    processor.save_experiment("exp_1", {"samples": 20, "approaches": ["None", "CoT"]}, name="One")
    processor.save_runs(make_runs("exp_1"))
    processor.set_status("exp_1", "completed")
    processor.save_experiment("exp_2", {}, name="Two, or three")
    processor.save_run(
        RunRecord("exp_2", "None", 4, task="a:b", raw_output="bad \x1b[2J \ud800 \x00 end")
    )
    return db_path


def test_list_is_newest_first(filled: Path) -> None:
    two, one = document("list", "--db-path", filled)["experiments"]
    assert [one["id"], two["id"]] == ["exp_1", "exp_2"]
    assert one.items() >= {"name": "One", "status": "completed", "runs": 80, "failed": 4}.items()
    assert one["graded"] == 70
    assert (one["variants"], "accuracy" in one) == (2, False)
    assert (two["graded"], two["variants"], two["accuracy"]) == (0, 1, None)
    assert list(one) == [
        "id", "name", "status", "tags", "created_at", "runs", "planned", "graded", "failed",
        "variants", "metric", "total_cost",
    ]  # fmt: skip


def test_list_for_people(filled: Path, tmp_path: Path) -> None:
    lines = call("list", "--db-path", filled).stdout.splitlines()
    assert lines[0].split(" / ") == ["id", "name"]
    assert lines[2] == "exp_2  Two, or three"
    assert lines[5].split()[0] == "completed"
    assert lines[5].split()[3:] == ["80", "70", "4", "2", "-"]
    assert max(map(len, lines)) <= 80
    call("db-init", "--db-path", tmp_path / "none.db")
    empty = call("list", "--db-path", tmp_path / "none.db")
    assert empty.stdout == ""
    assert "Import some with: ml-agents import FILE" in empty.stderr


def test_list_shows_the_newest_of_many(processor: ResultsProcessor, db_path: Path) -> None:
    for number in range(53):
        processor.save_experiment(f"exp_{number:02}", {})
    short = call("list", "--db-path", db_path)
    assert short.stderr == "3 older ones are not shown; show all with: --limit 0\n"
    assert "exp_52" in short.stdout
    assert "exp_03" in short.stdout
    assert "exp_02" not in short.stdout
    full = call("list", "--limit", "0", "--db-path", db_path)
    assert "exp_00" in full.stdout
    assert full.stderr == ""
    assert len(document("list", "--db-path", db_path)["experiments"]) == 53


def test_long_ids_are_never_cut(processor: ResultsProcessor, db_path: Path) -> None:
    name = "x" * 300
    processor.save_experiment(name, {})
    assert name in call("list", "--db-path", db_path).stdout


def test_experiment_by_id_beginning_name_and_latest(filled: Path) -> None:
    for reference in ("exp_2", "Two, or three", "latest"):
        shown = document("show", "--experiment-id", reference, "--db-path", filled)
        assert shown["id"] == "exp_2"
    assert document("show", "--experiment-id", "exp_1", "--db-path", filled)["id"] == "exp_1"
    message, hint = refusal("show", "--experiment-id", "exp", "--db-path", filled, code=3)
    assert message == "several experiments fit 'exp': exp_1, exp_2"
    message, hint = refusal("show", "--experiment-id", "exq_1", "--db-path", filled, code=3)
    assert message == "there is no experiment 'exq_1'"
    assert hint.startswith("Did you mean exp_1")


def test_reference_that_names_nothing(processor: ResultsProcessor, db_path: Path) -> None:
    processor.save_experiment("only", {})
    for reference in ("", " ", ","):
        message, _ = refusal("analyze", "--experiment-id", reference, "--db-path", db_path, code=2)
        assert message == "no experiment is named"
    refusal("delete", "--experiment-id", "", "--yes", "--db-path", db_path, code=2)
    message, _ = refusal("show", "--experiment-id", "\udcff", "--db-path", db_path, code=2)
    assert message == "'\\udcff' is not UTF-8"
    assert document("list", "--db-path", db_path)["experiments"]


def test_comma_lists_and_names_with_commas(filled: Path) -> None:
    def ids(*references: str) -> list[str]:
        options = [part for one in references for part in ("--experiment-ids", one)]
        found: list[str] = document("analyze", *options, "--db-path", filled)["experiment_ids"]
        return found

    assert ids("exp_2,exp_1") == ["exp_2", "exp_1"]
    assert ids("exp_1", "One, latest") == ["exp_1", "exp_2"]
    assert ids("Two, or three") == ["exp_2"]
    message, _ = refusal("analyze", "--experiment-id", "exp_1,no", "--db-path", filled, code=3)
    assert message == "there is no experiment 'no'"


def test_show_experiment(filled: Path) -> None:
    shown = document("show", "--experiment-id", "exp_1", "--db-path", filled)
    assert shown["config"]["samples"] == 20
    listed = document("list", "--db-path", filled)["experiments"]
    (line,) = (one for one in listed if one["id"] == "exp_1")
    assert all(shown[name] == line[name] for name in ("runs", "graded", "failed"))
    variants = shown["summary_statistics"]["variants"]
    assert [(variant["approach_name"], variant["runs"]) for variant in variants] == [
        ("ChainOfThought", 40),
        ("None", 40),
    ]
    told = call("show", "--experiment-id", "exp_1", "--db-path", filled).stdout
    assert "Name: One\nStatus: completed\n" in told
    assert 'Config approaches: ["None", "CoT"]' in told
    assert f"Runs: {line['runs']}, {line['graded']} graded, {line['failed']} failed\n" in told


def test_show_run(filled: Path) -> None:
    options = ("--experiment-id", "exp_2", "--db-path", filled)
    (run,) = document("show", *options, "--sample", "a:b:4")["runs"]
    assert run["raw_output"] == "bad \x1b[2J \ud800 \x00 end"
    assert document("show", *options, "--run", run["id"])["sample_index"] == 4
    told = call("show", *options, "--run", run["id"]).stdout
    assert "--- raw_output ---\nbad \\x1b[2J \\ud800 \\x00 end\n" in told
    message, hint = refusal(
        "show", "--experiment-id", "exp_1", "--run", run["id"], "--db-path", filled, code=3
    )
    assert message == f"experiment exp_1 has no run {run['id']}"
    assert hint == "It belongs to: --experiment-id exp_2"
    refusal("show", *options, "--run", "nobody", code=3)


def test_show_sample_of_all_variants(filled: Path) -> None:
    options = ("--experiment-id", "exp_1", "--db-path", filled)
    shown = document("show", *options, "--sample", "words:3")
    assert [run["approach_name"] for run in shown["runs"]] == ["ChainOfThought", "None"]
    told = call("show", *options, "--sample", "words:3").stdout
    assert told.count("words 3?") == 1
    assert told.index("--- ChainOfThought/generated/m, ") < told.index("--- None/generated/m, ")


def test_show_sample_by_its_id_with_all_scores(db_path: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("id,model,response,correct,fluency\nsum-3,m,x,1,4\nsum-4,m,y,0,2\n")
    call("import", file, "--experiment-id", "x", "--db-path", db_path)
    options = ("--experiment-id", "x", "--db-path", db_path)
    told = call("show", *options, "--sample", "sum-3").stdout
    assert told.startswith("Sample: 0\n")
    assert "None/m, correct" in told
    assert "Scores: fluency 4\n" in told
    (run,) = document("show", *options, "--sample", "sum-3")["runs"]
    assert [(one["metric"], one["value"]) for one in run["scores"]] == [("fluency", 4)]
    assert "scores: fluency 4\n" in call("show", *options, "--run", run["id"]).stdout


def test_sample_that_is_none(filled: Path) -> None:
    options = ("--experiment-id", "exp_1", "--db-path", filled)
    message, _ = refusal("show", *options, "--sample", "words:300", code=3)
    assert message == "experiment exp_1 has no sample 300 of task 'words'"
    message, hint = refusal("show", *options, "--sample", "3", code=3)
    assert message == "experiment exp_1 has no sample 3 without a task"
    assert hint.endswith("--report-type accuracy")
    for text in ("words:x", "words:", "", "words:\u0663", f"words:{10**20}"):
        message, _ = refusal("show", *options, "--sample", text, code=2)
        assert message == f"--sample {text} is not TASK:INDEX, nor the id of a sample"
    refusal("show", *options, "--sample", "words:1", "--run", "r", code=2)


def test_delete_with_yes(filled: Path) -> None:
    deleted = document("delete", "--experiment-id", "exp_1", "--yes", "--db-path", filled)
    assert (deleted["experiment_id"], deleted["deleted_runs"]) == ("exp_1", 80)
    left = contents(filled)
    assert [row[0] for row in left["experiments"]] == ["exp_2"]
    assert len(left["runs"]) == 1
    assert left["parsing_metrics"] == []
    again, _ = refusal("delete", "--experiment-id", "exp_1", "--yes", "--db-path", filled, code=3)
    assert again == "there is no experiment 'exp_1'"


def test_delete_names_who_is_recording(filled: Path) -> None:
    with ResultsProcessor(str(filled)) as recording, recording.database.write() as connection:
        claims = ClaimRepository(connection, "exp_1")
        claims.claim([0], ThisProcess(host="elsewhere/boot/1", pid=7), timedelta(seconds=60))
    ended = call("delete", "--experiment-id", "exp_1", "--yes", "--db-path", filled)
    assert "Note: it is being recorded by process 7 on elsewhere" in ended.stderr


def test_delete_unasked_is_refused(filled: Path) -> None:
    before = contents(filled)
    message, hint = refusal("delete", "--experiment-id", "exp_1", "--db-path", filled, code=2)
    assert message == "this would delete experiment exp_1 with 80 runs"
    assert hint == "Confirm it with --yes."
    assert contents(filled) == before


@pytest.mark.parametrize(("answer", "left"), short_and_long(("n", 2), ("y", 1)))
def test_delete_asks_on_a_terminal(filled: Path, answer: str, left: int) -> None:
    import os

    pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")
    ours, theirs = pty.openpty()
    started = start("delete", "--experiment-id", "exp_1", "--db-path", filled, stdin=theirs)
    os.write(ours, f"{answer}\n".encode())
    _, errors = started.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert "Delete experiment exp_1 with 80 runs for good?" in errors
    assert started.returncode == (0 if answer == "y" else 1)
    assert len(contents(filled)["experiments"]) == left
