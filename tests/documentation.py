"""Code blocks of the documentation, and what runs them.

`console` holds commands after `$ `, and what they print (`...` stands for any lines); `sh` holds
commands alone; `python` holds programs. All other languages are for reading only.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from ml_agents_results.cli import app
from tests.processes import ROOT, environment

GENERATED = ("cli.md", "python.md", "fields.md")
PAGES = [
    ROOT / "README.md",
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if path.name not in GENERATED),
]
_BLOCK = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, and its text."""

    language: str
    text: str

    def commands(self) -> Iterator[tuple[str, list[str]]]:
        """Each command with the lines that it is to print."""
        command, printed = "", list[str]()
        for line in self.text.splitlines():
            if command and _goes_on(command):
                command += f"\n{line}"
            elif self.language == "console" and not line.startswith("$ "):
                printed.append(line)
            else:
                if command:
                    yield command, printed
                command, printed = line.removeprefix("$ "), []
        if command:
            yield command, printed


def _goes_on(command: str) -> bool:
    """Whether its last line is continued, or a here-document is open."""
    opened = re.search(r"<<'(\w+)'\n", f"{command}\n")
    is_open = opened is not None and f"\n{opened[1]}\n" not in f"{command}\n"
    return command.endswith("\\") or is_open


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order."""
    return [Block(*found) for found in _BLOCK.findall(page.read_text(encoding="utf-8"))]


def commands(page: Path) -> list[tuple[str, list[str]]]:
    """The commands of a page, in order, each with what it is to print."""
    shown = [block for block in blocks(page) if block.language in ("console", "sh")]
    return [pair for block in shown for pair in block.commands()]


def arguments(command: str) -> list[str] | None:
    """Those of a plain `ml-agents` command; None of anything else."""
    words = shlex.split(command.replace("\\\n", ""), comments=True)
    return words[1:] if words[:1] == ["ml-agents"] and not {"|", ">", "&&"} & set(words) else None


def execute(command: str, more: Sequence[str] = (), typed: str = "") -> tuple[int, str]:
    """Exit code and output of a command in the current folder, `ml-agents` with further options."""
    words = arguments(command)
    if words is not None:
        result = CliRunner().invoke(app, [*words, *more], input=typed)
        assert "Traceback" not in result.output, (command, result.output)
        return result.exit_code, result.output
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", command],
        env=environment(PATH=path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def is_printed(shown: Sequence[str], output: str) -> bool:
    """Whether the output is what the page shows, but for white space: pages break long lines."""
    parts = [re.escape(_words(part)) for part in re.split(r"(?m)^\.\.\.$", "\n".join(shown))]
    return bool(re.fullmatch(r"\s*" + r".*".join(parts) + r"\s*", _words(output), re.DOTALL))


def _words(text: str) -> str:
    return " ".join(text.split())
