"""The Typer app as other programs use it: extended by commands, by packages, and embedded."""

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.processes import COMMAND, Process

EXTENDED = """
import typer
from ml_agents_results.cli import app

@app.command("mine")
def mine() -> None:
    typer.echo("my own command")

group = typer.Typer()

@group.command()
def one() -> None:
    typer.echo("one of a group")

@group.command()
def two() -> None:
    typer.echo("two of a group")

app.add_typer(group, name="group")
app()
"""

EMBEDDED = """
import typer
from ml_agents_results.cli import app

outer = typer.Typer()

@outer.command()
def hello() -> None:
    typer.echo("hello")

outer.add_typer(app, name="results")
outer()
"""


class Ended(NamedTuple):
    returncode: int | None
    stdout: str
    stderr: str


def run(code: str, *arguments: str) -> Ended:
    process = Process(code, *arguments)
    stdout, stderr = process.communicate()
    return Ended(process.returncode, stdout, stderr)


@pytest.mark.parametrize(
    ("words", "output"), [("mine", "my own command"), ("group one", "one of a group")]
)
def test_an_app_takes_further_commands(words: str, output: str) -> None:
    ended = run(EXTENDED, *words.split())
    assert (ended.returncode, ended.stdout.strip()) == (0, output)


def test_further_commands_are_in_the_help_next_to_ours() -> None:
    listed = run(EXTENDED, "--help").stdout
    assert all(f"\n  {name}" in listed for name in ("compare", "mine", "group"))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("list", "--db-path", "none.db"), 3, "Error: there is no database at none.db\nHint: "),
        (("show",), 2, "Error: Missing option '--experiment-id'"),
        (("lisst",), 2, "Error: No such command 'lisst'. Did you mean 'list'?\nHint: "),
    ],
)
def test_an_embedded_app_keeps_messages_and_exit_codes(
    arguments: tuple[str, ...], code: int, message: str
) -> None:
    ended = run(EMBEDDED, "results", *arguments)
    assert ended.returncode == code
    assert ended.stderr.startswith(message)
    assert ended.stderr.count("Error: ") == 1
    assert run(EMBEDDED, "hello").stdout == "hello\n"


def package(folder: Path, *entries: str) -> None:
    """Installs a package with commands into a folder."""
    (folder / "lab.py").write_text(
        "import typer\n"
        "def greet(name: str = 'lab') -> None:\n"
        '    """Greet."""\n'
        "    typer.echo(f'hello {name}')\n"
        "tools = typer.Typer(help='Tools of the lab.')\n"
        "tools.command('a')(greet)\n"
        "tools.command('b')(greet)\n"
    )
    described = folder / "lab-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: lab\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text(
        "[ml_agents_results.commands]\n" + "\n".join(entries) + "\n"
    )


def call(folder: Path, *arguments: str) -> Ended:
    """The command line with the packages of a folder."""
    return run(f"import sys; sys.path.insert(0, {str(folder)!r})\n{COMMAND}", *arguments)


def test_packages_add_commands(tmp_path: Path) -> None:
    package(tmp_path, "greet = lab:greet", "lab = lab:tools")
    assert call(tmp_path, "greet", "--name", "you").stdout == "hello you\n"
    assert call(tmp_path, "lab", "b").stdout == "hello lab\n"
    assert "Tools of the lab." in call(tmp_path, "--help").stdout


def test_a_broken_package_breaks_its_own_command_only(tmp_path: Path) -> None:
    package(tmp_path, "broken = lab:missing", "greet = lab:greet")
    assert "Cannot be loaded" in call(tmp_path, "--help").stdout
    assert call(tmp_path, "greet").stdout == "hello lab\n"
    ended = call(tmp_path, "broken")
    assert ended.returncode == 2
    assert ended.stderr.startswith("Error: the command 'broken' cannot be loaded")
    assert "reinstall or remove the package" in ended.stderr
