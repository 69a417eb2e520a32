"""Programs of models: what they can do, and what they cannot."""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from ml_agents_results.sandbox.program_runner import Limits, Outcome, run_program
from tests.processes import run as in_process

pytestmark = pytest.mark.skipif(os.name != "posix", reason="programs run on POSIX systems only")


def run(code: str, limits: Limits | None = None) -> Outcome:
    return asyncio.run(run_program(code, limits or Limits(seconds=5)))


@pytest.mark.parametrize(
    ("code", "output"),
    [
        ("print(6 * 7)", "42"),
        ("import math, datetime, itertools, fractions, re, json, decimal, statistics, calendar\n"
         "print(datetime.date(2024, 2, 28) + datetime.timedelta(2))", "2024-03-01"),
        ("def main():\n    print('é ✓')\nif __name__ == '__main__':\n    main()", "é ✓"),
        ("print('\\ud800')", "\\ud800"),
        ("print(5)\nimport sys; sys.exit()", "5"),
        ("open('notes', 'w').write('kept'); print(open('notes').read())", "kept"),
    ],
)  # fmt: skip
def test_calculations(code: str, output: str) -> None:
    outcome = run(code)
    assert (outcome.output, outcome.error) == (output, None)
    assert outcome.duration_ms > 0


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("print(", "SyntaxError: '(' was never closed"),
        ("input()", "EOFError: EOF when reading a line"),
        ("import sys; sys.exit(3)", "The program ended with status 3."),
        # It would make a second `posix`, with all functions of the first.
        ("import _imp; _imp.create_builtin", "AttributeError: module '_imp' has no attribute"),
        ("import numpy", "ModuleNotFoundError: No module named 'numpy'"),
        ("\0", "source code string cannot contain null bytes"),
    ],
)
def test_failures(code: str, error: str) -> None:
    outcome = run(code)
    assert outcome.error is not None
    assert error in outcome.error


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.create_connection(('127.0.0.1', {port}))",
        "import urllib.request; urllib.request.urlopen('http://127.0.0.1:{port}')",
        "import _socket; s = _socket.socket(); s.connect(('127.0.0.1', {port}))",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.system('true')",
        "import os; os.fork()",
        "import os; os.execv('/bin/true', ['true'])",
        "import os, signal; os.kill(os.getppid(), signal.SIGTERM)",
        "import ctypes; ctypes.CDLL(None)",
        "import os; os.remove({victim!r})",
        "import os; os.rename({victim!r}, {victim!r} + '2')",
        "import shutil; shutil.rmtree({folder!r})",
        "open({victim!r}, 'a').write('x')",
        "print(open({victim!r}).read())",
        "import os; print(os.read(os.open({victim!r}, os.O_RDONLY), 100))",
        "import os; os.symlink({victim!r}, 'link'); print(open('link').read())",
        "import pathlib; print(pathlib.Path({victim!r}).read_text())",
        "import os; print(open(f'/proc/{{os.getppid()}}/environ').read())",
        "import sqlite3; sqlite3.connect({victim!r}).execute('CREATE TABLE t(x)')",
        "import _posixsubprocess",
        "for n in range(1000): open(str(n), 'w').write('x' * 100_000)",
        "import os; d = os.open(os.path.dirname(os.__file__), 0); os.open('x', 65, dir_fd=d)",
        "import gc; gc.get_objects()",
        "import _xxsubinterpreters",
        "import sys; del sys.modules['posix']; import posix",
        "import builtins; builtins.type = lambda *a: int; open({victim!r})",
        "import posixpath; posixpath.realpath = lambda *a, **k: '/dev/null'; open({victim!r})",
        "class S(str): startswith = lambda *a: True\nopen(S({victim!r}))",
        "class P: __fspath__ = lambda *a: '/dev/null'\nimport _io; _io.FileIO(P())",
        "import __main__; __main__.refuse = None; import os; os.system('true')",
        "import os; open(os.path.dirname(os.__file__) + '/../../../../etc/passwd')",
    ],
)
def test_what_is_refused(code: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("private", encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.01)
        port = server.getsockname()[1]
        outcome = run(code.format(port=port, victim=str(victim), folder=str(tmp_path)))
        with pytest.raises(TimeoutError):
            server.accept()
    assert outcome.error is not None
    assert "a model's program may not" in outcome.error
    assert outcome.output == ""
    assert victim.read_text(encoding="utf-8") == "private"


HOOKLESS = """
import asyncio, sys
from pathlib import Path
from ml_agents_results.sandbox import program_runner

# The hook is switched off, as by a program that broke out of the interpreter.
child = Path(program_runner.__file__).with_name("child_process.py")
copy = Path(sys.argv[1], "child_process.py")
hook = 'sys.addaudithook(globals().pop("refuse"))'
text = child.read_text(encoding="utf-8")
assert hook in text
copy.write_text(text.replace(hook, "pass"), encoding="utf-8")
kernel = child.with_name("kernel_confinement.py")
copy.with_name(kernel.name).write_bytes(kernel.read_bytes())
program_runner._CHILD = copy
print(asyncio.run(program_runner.run_program(sys.argv[2])))
"""


@pytest.mark.parametrize(
    "code",
    [
        "open({victim!r}, 'a')",
        "open({victim!r})",
        "import os; os.listdir({folder!r})",
        "import os; os.remove({victim!r})",
        "import os; os.symlink({victim!r}, 'link')",
        "import os; os.kill(os.getppid(), 0)",
        "import os; os.fork()",
        "import os; os.execv('/bin/true', ['true'])",
        "import _socket; _socket.socket()",
        "import os, resource; resource.prlimit(os.getppid(), resource.RLIMIT_CPU)",
        "import os; os.chmod('.', 0o777)",
    ],
)
def test_the_kernel_refuses_the_same_where_it_can(code: str, tmp_path: Path) -> None:
    if "landlock" not in run("pass").confined_by or "seccomp" not in run("pass").confined_by:
        pytest.skip("this kernel has no Landlock or no seccomp")
    victim = tmp_path / "victim"
    victim.write_text("private", encoding="utf-8")
    printed = in_process(HOOKLESS, tmp_path, code.format(victim=str(victim), folder=str(tmp_path)))
    assert "PermissionError: [Errno " in printed
    assert victim.read_text(encoding="utf-8") == "private"


def test_it_says_what_confines_a_program() -> None:
    probe = (
        "import ctypes, sys; leave = ctypes.CDLL(None).unshare; "
        "sys.exit(all(leave(flags) for flags in (0x50000000, 0x40000000)))"
    )
    forging = "open('errors', 'w').write('all kinds of walls, interpreter\\n')"
    assert run(forging).confined_by == run("pass").confined_by
    confined_by = run("pass").confined_by
    assert confined_by[-1] == "interpreter"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, check=False)
    assert ("network namespace" in confined_by) == (done.returncode == 0)


def test_no_key_is_in_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    outcome = run("import os; print(dict(os.environ))")
    assert outcome.error is None
    assert "sk-secret" not in outcome.output
    assert "PATH" not in outcome.output


@pytest.mark.parametrize("code", ["while True: pass", "import time; time.sleep(100)"])
def test_time_is_limited(code: str) -> None:
    started = time.monotonic()
    outcome = run(code, Limits(seconds=0.5))
    assert outcome.error == "The program did not end within 0.5 s."
    assert time.monotonic() - started < 3


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not limit address space")
def test_memory_is_limited() -> None:
    assert run("x = bytearray(10**9)", Limits(memory_mb=256)).error == "MemoryError"


def test_output_and_files_are_limited() -> None:
    limits = Limits(output_kb=16)
    endless = run("while True: print('x' * 100)", limits)
    assert len(endless.output) <= 16 * 1024
    assert "File too large" in str(endless.error)
    assert "File too large" in str(run("open('f', 'w').write('x' * 10**6)", limits).error)


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    run("open('f', 'w').write('x')")
    assert list(tmp_path.iterdir()) == []


def test_a_cancelled_program_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    async def cancel() -> None:
        program = asyncio.create_task(run_program("import time; time.sleep(100)"))
        await asyncio.sleep(0.3)
        program.cancel()
        with pytest.raises(asyncio.CancelledError):
            await program

    started = time.monotonic()
    asyncio.run(cancel())
    assert time.monotonic() - started < 3
    assert list(tmp_path.iterdir()) == []
