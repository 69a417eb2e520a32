"""Other processes, where one of our own would prove nothing: kills, locks, races, permissions.

They are forked from a server that has imported the package already: it has nothing open, and
starting Python for each would take a fifth of the time of all tests.
"""

import contextlib
import gc
import multiprocessing
import os
import sys
import textwrap
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path

ROOT = Path(__file__).parent.parent

FORKING = multiprocessing.get_context("forkserver")
FORKING.set_forkserver_preload(
    [
        "pytest",
        "alembic.config",
        "alembic.command",
        "openai",
        "sqlalchemy.dialects.postgresql.psycopg",
        "sqlalchemy.dialects.sqlite",
        "ml_agents_results.cli",
        "ml_agents_results.cli.import_command",
        "ml_agents_results.cli.run_commands",
        "ml_agents_results.experiments.runner",
        "ml_agents_results.processor",
    ]
)
COMMAND = "from ml_agents_results.cli import main; main()"
"""Runs the command line."""


def environment(**settings: str) -> dict[str, str]:
    """The environment without settings of ours or of the session, with the repository to import."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ML_AGENTS_", "PYTEST_"))
    }
    return {**kept, "PYTHONPATH": str(ROOT), **settings}


class Process:
    """A process that runs Python code, with pipes for its standard streams."""

    def __init__(
        self, code: str, *arguments: object, cwd: Path = ROOT, settings: Mapping[str, str] = {}
    ) -> None:
        reading, stdin = FORKING.Pipe(duplex=False)
        stdout, writing = FORKING.Pipe(duplex=False)
        stderr, complaining = FORKING.Pipe(duplex=False)
        streams = (reading, writing, complaining)
        argv = ["-c", *map(str, arguments)]
        self._process = FORKING.Process(
            target=_run, args=(code, argv, streams, str(cwd), environment(**settings)), daemon=True
        )
        self._process.start()
        for stream in streams:
            stream.close()
        self.stdin = os.fdopen(os.dup(stdin.fileno()), "w")
        self.stdout = os.fdopen(os.dup(stdout.fileno()))
        self.stderr = os.fdopen(os.dup(stderr.fileno()))
        for stream in (stdin, stdout, stderr):
            stream.close()

    @property
    def returncode(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.exitcode

    def send(self, line: str) -> None:
        """Writes a line to its standard input."""
        self.stdin.write(f"{line}\n")
        self.stdin.flush()

    def send_signal(self, number: int) -> None:
        """Does nothing where the process has ended, as subprocess does."""
        assert self._process.pid is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def wait(self) -> int:
        """How it ended, once it has."""
        self._process.join(120)
        assert self._process.exitcode is not None
        return self._process.exitcode

    def communicate(self, line: str | None = None) -> tuple[str, str]:
        """What it prints to standard output and to standard error until it ends."""
        if line is not None:
            self.send(line)
        self.stdin.close()
        with self.stdout, self.stderr:
            printed = self.stdout.read(), self.stderr.read()
        self.wait()
        return printed


def run(code: str, *arguments: object) -> str:
    """What the process printed; it must end well."""
    process = Process(code, *arguments)
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    return output


def race(count: int, code: str, *arguments: object) -> list[str]:
    """Runs `code` in several processes that begin at once; each calls `ready()` when it is set up.

    Returns what each printed; all must end well. `number` is the index of the process, from 0.
    """
    gate = (
        "import sys\n"
        "number = int(sys.argv.pop(1))\n"
        "def ready():\n"
        "    print('ready', flush=True)\n"
        "    sys.stdin.readline()\n"
    )
    code = gate + textwrap.dedent(code)
    processes = [Process(code, number, *arguments) for number in range(count)]
    for process in processes:
        if process.stdout.readline().strip() != "ready":
            raise AssertionError(process.communicate()[1])
    for process in processes:
        process.send("go")
    outputs = []
    for process in processes:
        output, errors = process.communicate()
        assert process.returncode == 0, errors
        outputs.append(output)
    return outputs


def _run(
    code: str, argv: list[str], streams: tuple[Connection, ...], cwd: str, settings: dict[str, str]
) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream.fileno(), number)
        stream.close()
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(settings)
    sys.argv = argv
    gc.freeze()
    try:
        exec(compile(textwrap.dedent(code), "<process>", "exec"), {"__name__": "__main__"})
    finally:
        # What a program leaves open is closed when it ends.
        gc.collect()
