"""What users see when things go wrong, whatever the command; and what starting up costs."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ml_agents_results.errors import UsageError
from ml_agents_results.processor import ResultsProcessor
from tests.commands import PROGRAM, call, document, refusal, start
from tests.generated import make_runs
from tests.processes import COMMAND, Process, environment

UNEXPECTED = """
from ml_agents_results.cli import app, main

@app.command("broken")
def broken() -> None:
    1 / 0

main()
"""


@pytest.fixture
def filled(processor: ResultsProcessor, db_path: Path) -> Path:
    processor.save_experiment("exp", {})
    processor.save_runs(make_runs())
    return db_path


@pytest.fixture
def of_one_task(processor: ResultsProcessor, filled: Path) -> None:
    """Beside exp, of two tasks: once, and twice, where every sample is asked again."""
    for name in ("once", "twice"):
        processor.save_experiment(name, {})
        processor.save_runs(make_runs(name, tasks=("sums",)))
    again = make_runs("twice", tasks=("sums",), seed=1)
    processor.save_runs(replace(run, repeat_index=1) for run in again)


HEAVY = {
    *("alembic", "duckdb", "numpy", "openai", "orjson", "pandas", "psycopg", "pyarrow", "pydantic"),
    *("rich", "scipy", "sqlalchemy", "starlette", "xlsxwriter"),
    *("ml_agents_results.services.summary", "sqlalchemy.dialects.postgresql"),
}


@pytest.mark.parametrize(
    ("command", "needed"),
    [
        ("--help", ""),
        ("--version", ""),
        ("compare --help", "pydantic"),
        ("list", "orjson pydantic rich sqlalchemy"),
        ("show --experiment-id exp --sample sums:0", "orjson pydantic sqlalchemy"),
        ("import absent.jsonl", "orjson pydantic sqlalchemy"),
        *(
            pytest.param(
                f"show --experiment-id {name}",
                "orjson pydantic rich sqlalchemy numpy ml_agents_results.services.summary",
                marks=marks,
            )
            for name, marks in (
                ("exp", ()),
                ("once", pytest.mark.slow),
                ("twice", pytest.mark.slow),
            )
        ),
    ],
)
@pytest.mark.usefixtures("of_one_task")
def test_commands_import_what_they_need(command: str, needed: str, filled: Path) -> None:
    _, loaded = _told_and_loaded(*command.split(), ML_AGENTS_DB_PATH=str(filled))
    assert loaded & HEAVY <= set(needed.split())


@pytest.mark.parametrize(
    ("words", "offered"),
    [(("comp",), ["compare"]), (("compare", "--ba"), ["--baseline"])],
)
def test_completion_imports_no_command_but_that_of_the_option(
    words: tuple[str, ...], offered: list[str]
) -> None:
    told, loaded = _told_and_loaded(
        _ML_AGENTS_COMPLETE="complete_bash",
        COMP_WORDS=" ".join(("ml-agents", *words)),
        COMP_CWORD=str(len(words)),
    )
    assert told == offered
    assert loaded & HEAVY <= {"pydantic"}
    assert ("ml_agents_results.cli.analysis_commands" in loaded) == (len(words) > 1)


def test_every_command_is_listed_with_its_whole_help() -> None:
    listed = call("--help").stdout
    assert "..." not in listed.partition("Commands:")[2]


def _told_and_loaded(*arguments: str, **settings: str) -> tuple[list[str], set[str]]:
    """The lines that the command line prints, and the modules it imports."""
    code = (
        "import sys\n"
        "from ml_agents_results.cli import main\n"
        "try:\n    main()\nexcept SystemExit: pass\n"
        "print()\n"
        "print(*sys.modules)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True, text=True, check=True, env=environment(**settings),
    )  # fmt: skip
    *told, loaded = ended.stdout.splitlines()
    return [line for line in told if line], set(loaded.split())


def test_journal_of_a_file_is_gone_after_a_command(
    filled: Path, processor: ResultsProcessor
) -> None:
    processor.close()
    process = Process(COMMAND, "list", "--db-path", filled)
    process.communicate()
    assert process.returncode == 0
    assert [path.name for path in filled.parent.glob(f"{filled.name}*")] == [filled.name]


def test_version() -> None:
    assert call("--version").stdout.startswith("ml-agents ")


def test_unknown_command_suggests_the_nearest() -> None:
    message, hint = refusal("lisst", code=2)
    assert message == "No such command 'lisst'. Did you mean 'list'?"
    assert hint == "See: ml-agents --help"


def test_wrong_usage_is_two_lines() -> None:
    message, hint = refusal("list", "--db-pth", "x", code=2)
    assert message.startswith("No such option: --db-pth")
    assert hint == "See: ml-agents list --help"
    message, _ = refusal("show", code=2)
    assert message == "Missing option '--experiment-id' / '--experiment-ids'."
    for value, fault in (("x", "not a whole number"), ("-1", "less than 0")):
        message, _ = refusal("list", "--limit", value, code=2)
        assert message == f"Invalid value for '--limit': {value!r} is {fault}"
    message, _ = refusal("import", "x.jsonl", "--duplicates", "some", code=2)
    assert message.startswith("Invalid value for '--duplicates': 'some' is not one of")
    message, _ = refusal("compare", "--experiment-id", "x", "--output", "s3://x/y.json", code=2)
    assert message == "s3://x/y.json is not a file on this machine"


def test_no_command_is_help_and_wrong_usage() -> None:
    result = call(code=2)
    assert result.stdout == ""
    assert "Commands:" in result.stderr


@pytest.mark.parametrize("place", ["before", "after", "environment"])
def test_debug_shows_where(tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from ml_agents_results.cli import app

    words = ["list", "--db-path", str(tmp_path / "no.db")]
    if place == "environment":
        monkeypatch.setenv("ML_AGENTS_DEBUG", "1")
    else:
        words.insert(0 if place == "before" else 3, "--debug")
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 3
    assert result.stderr.startswith("Traceback (most recent call last):")
    assert result.stderr.splitlines()[-2].startswith("Error: there is no database at")


def test_error_that_nobody_expected() -> None:
    process = Process(UNEXPECTED, "broken")
    _, errors = process.communicate()
    assert process.returncode == 1
    assert errors.splitlines() == [
        "Error: unexpected error: ZeroDivisionError: division by zero",
        "Hint: This is a bug: repeat the command with --debug, and report what it shows.",
    ]


def test_nul_bytes_are_wrong_usage(tmp_path: Path) -> None:
    message, _ = refusal("db-init", "--db-path", f"{tmp_path}/a\x00b", code=2)
    assert message == "an argument contains a NUL byte"
    with pytest.raises(UsageError, match="contains a NUL byte"):
        ResultsProcessor(f"{tmp_path}/a\x00b")


def test_keys_of_the_environment_are_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "abcdef-123456")
    message, _ = refusal("list", "--db-path", tmp_path / "abcdef-123456", code=3)
    assert message == f"there is no database at {tmp_path}/[redacted]"


def test_names_cannot_steer_the_terminal(tmp_path: Path) -> None:
    message, _ = refusal("list", "--db-path", f"{tmp_path}/\x1b[2Jx", code=3)
    assert message.endswith("/\\x1b[2Jx")


@pytest.mark.parametrize("command", [("list",), ("--help",)])
def test_closed_pipe_is_silent(filled: Path, command: tuple[str, ...]) -> None:
    process = Process(f"import sys\nsys.stdin.readline()\n{COMMAND}", *of(filled, command))
    process.stdout.close()
    process.send("go")
    assert process.stderr.read() == ""
    assert process.wait() == 1


def of(database: Path, command: tuple[str, ...]) -> tuple[object, ...]:
    return command if command == ("--help",) else (*command, "--db-path", database)


@pytest.mark.skipif(os.name != "posix", reason="streams are closed by a POSIX shell")
def test_closed_streams_are_no_place_for_a_database(filled: Path) -> None:
    deleting = ("delete", "--experiment-id", "exp", "--yes", "--db-path", str(filled))
    shell = ("/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *PROGRAM)
    ended = subprocess.run([*shell, *deleting], check=False, env=environment())
    assert ended.returncode == 0
    assert document("list", "--db-path", filled)["experiments"] == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("command", [("list",), ("list", "--json"), ("--help",)])
def test_full_disk_is_an_error(filled: Path, command: tuple[str, ...]) -> None:
    process = Process(
        f"import sys\nsys.stdout = open('/dev/full', 'w')\n{COMMAND}", *of(filled, command)
    )
    _, errors = process.communicate()
    assert errors.splitlines() == [
        "Error: the output cannot be written: No space left on device",
        "Hint: Check where it goes.",
    ]
    assert process.returncode == 1


def test_interrupted_import_leaves_nothing(db_path: Path, tmp_path: Path) -> None:
    """The import waits for the rest of its input when it is interrupted."""
    reading, writing = os.pipe()
    started = start("import", "-", "--db-path", db_path, stdin=reading)
    os.close(reading)
    os.write(writing, b'{"approach_name": "None", "sample_index": 0}\n' * 3000)
    started.send_signal(signal.SIGINT)
    _, errors = started.communicate(timeout=60)
    os.close(writing)
    assert (started.returncode, errors) == (130, "Interrupted.\n")
    from tests.commands import contents

    assert contents(db_path)["experiments"] == []


def test_terminal_without_unicode(filled: Path) -> None:
    arguments = ("show", "--experiment-id", "exp", "--db-path", str(filled))
    started = subprocess.run(
        [*PROGRAM, *arguments],
        capture_output=True, check=False, env=environment(PYTHONIOENCODING="ascii"),
    )  # fmt: skip
    assert started.returncode == 0, started.stderr
