"""The command line as users call it, in this process or in one of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from ml_agents_results.cli import app
from ml_agents_results.database.engine import Database
from tests.processes import environment

PROGRAM = (sys.executable, "-c", "from ml_agents_results.cli import main; main()")


def call(*arguments: object, code: int = 0, typed: str | bytes = "") -> Result:
    """Runs a command, which must end with `code` and show no traceback."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=typed)
    assert result.exit_code == code, (result.output, result.exception)
    assert "Traceback" not in result.output
    return result


def document(*arguments: object, typed: str | bytes = "") -> dict[str, Any]:
    """What a command with --json prints; nothing else may be on stdout."""
    parsed: dict[str, Any] = json.loads(
        call(*arguments, "--json", typed=typed).stdout, parse_constant=_no_constant
    )
    assert next(iter(parsed)) == "schema_version"
    return parsed


def refusal(*arguments: object, code: int, typed: str | bytes = "") -> tuple[str, str]:
    """The message and the hint of a command that must fail and print nothing to stdout."""
    result = call(*arguments, code=code, typed=typed)
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["Error", "Hint"], result.stderr
    return lines[0].removeprefix("Error: "), lines[1].removeprefix("Hint: ")


def start(*arguments: object, **settings: Any) -> "subprocess.Popen[str]":
    """Starts a command in a process of its own."""
    return subprocess.Popen(
        [*PROGRAM, *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, **settings},
    )


def contents(database: Path | Database) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table of ours, for comparing before with after."""
    opened = database if isinstance(database, Database) else Database(str(database), create=False)
    with opened.read() as connection:
        tables = {
            table: sorted(
                map(tuple, connection.exec_driver_sql(f"SELECT * FROM {table}")), key=repr
            )
            for table in ("experiments", "runs", "parsing_metrics")
        }
    if opened is not database:
        opened.close()
    return tables


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} in a JSON document")
