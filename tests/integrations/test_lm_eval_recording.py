"""lm_eval, recorded: by a command around it, and from what it returns in Python."""

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.errors import UsageError
from ml_agents_results.integrations.lm_eval_recording import record_lm_eval
from ml_agents_results.processor import ResultsProcessor
from tests.commands import call, refusal
from tests.formats.readers.lm_eval_logs import row, write

FAKE = """#!{python}
import pathlib, shutil, sys
arguments = sys.argv[1:]
assert "--log_samples" in arguments
output = pathlib.Path(arguments[arguments.index("--output_path") + 1])
if "--nothing" not in arguments:
    shutil.copytree({source!r}, output / "m", dirs_exist_ok=True)
sys.exit(3 if "--fail" in arguments else 0)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program that writes the files of lm_eval where lm_eval would."""
    source = tmp_path / "written"
    write(source, "sums", *(row(number) for number in range(3)))
    path = tmp_path / "lm_eval"
    path.write_text(FAKE.format(python=sys.executable, source=str(source)), encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_a_command_is_recorded(program: Path, tmp_path: Path) -> None:
    database = tmp_path / "r.db"
    call("record", "--db-path", database, "--", program, "run")
    with ResultsProcessor(str(database)) as processor:
        (experiment,) = processor.list_experiments()
    assert experiment["runs"] > 0
    again = call("import", tmp_path / "written", "--db-path", database)
    assert "already" in again.output


@pytest.mark.parametrize(("option", "code"), [("--fail", 3), ("--nothing", 5)])
def test_exit_codes(program: Path, tmp_path: Path, option: str, code: int) -> None:
    ended = call("record", "--db-path", tmp_path / "r.db", "--", program, "run", option, code=code)
    assert ("wrote no samples" in ended.stderr) is (code == 5)


def test_the_output_path_of_the_user_is_kept(program: Path, tmp_path: Path) -> None:
    output = tmp_path / "mine"
    command = (program, "run", "--log_samples", "--output_path", output)
    call("record", "--db-path", tmp_path / "r.db", "--", *command)
    assert list(output.rglob("samples_*.jsonl"))


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    said, _ = refusal("record", "--db-path", tmp_path / "r.db", "--", "no-such-program", code=3)
    assert said == "there is no program no-such-program"


def test_other_programs_see_the_switch(tmp_path: Path) -> None:
    database = tmp_path / "r.db"
    program = f"import os, sys; sys.exit(os.environ['ML_AGENTS_RECORD'] != {str(database)!r})"
    call("record", "--db-path", database, "--", sys.executable, "-c", program)


def test_results_in_memory(tmp_path: Path) -> None:
    source = tmp_path / "written"
    write(source, "sums", *(row(number) for number in range(3)))
    results: dict[str, Any] = {"samples": {}}
    for path in source.rglob("*"):
        if path.name.startswith("results_"):
            results |= json.loads(path.read_text(encoding="utf-8"))
        elif path.name.startswith("samples_"):
            task = path.name.removeprefix("samples_").rpartition("_")[0]
            lines = path.read_text(encoding="utf-8").splitlines()
            results["samples"][task] = [json.loads(line) for line in lines]
    recorded = record_lm_eval(results, tmp_path / "memory.db")
    assert recorded is not None
    assert recorded.read == recorded.inserted > 0
    later = results | {
        "date": 1795856466.5,
        "config": {"model_args": "pretrained=lab/m,dtype=auto"},
    }
    for evaluation in (results, later):
        # Each evaluation is an experiment, however often it is recorded.
        first = record_lm_eval(evaluation | {"model_name": None}, tmp_path / "memory.db")
        again = record_lm_eval(evaluation | {"model_name": None}, tmp_path / "memory.db")
        assert first is not None
        assert again is not None
        assert (again.experiments, again.inserted, again.updated) == (first.experiments, 0, 0)
    assert first is not None
    assert first.experiments == ["lab__m_2026-11-28T09-01-06.500000"]
    assert record_lm_eval(None) is None
    with pytest.raises(UsageError, match="no samples"):
        record_lm_eval({"results": {}}, os.fspath(tmp_path / "memory.db"))
