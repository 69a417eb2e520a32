"""Other processes, where one of our own would prove nothing: kills, locks, races, permissions."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parent.parent


def environment(**settings: str) -> dict[str, str]:
    """The environment without our own settings, with the repository to import from."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ML_AGENTS_")}
    return {**kept, "PYTHONPATH": str(ROOT), **settings}


def start(code: str, *arguments: object, prefix: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """Starts Python on `code`; `prefix` is a program that starts it, such as setpriv."""
    return subprocess.Popen(
        [*prefix, sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(code: str, *arguments: object, prefix: tuple[str, ...] = ()) -> str:
    """What the process printed; it must end well."""
    process = start(code, *arguments, prefix=prefix)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return output


def race(count: int, code: str, *arguments: object) -> list[str]:
    """Runs `code` in several processes that begin at once; each calls `ready()` when it is set up.

    Returns what each printed; all must end well. `number` is the place of the process, from 0.
    """
    gate = (
        "import sys\n"
        "number = int(sys.argv.pop(1))\n"
        "def ready():\n"
        "    print('ready', flush=True)\n"
        "    sys.stdin.readline()\n"
    )
    code = gate + textwrap.dedent(code)
    processes = [start(code, number, *arguments) for number in range(count)]
    for process in processes:
        assert process.stdout is not None
        if process.stdout.readline().strip() != "ready":
            raise AssertionError(process.communicate()[1])
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = []
    for process in processes:
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        outputs.append(output)
    return outputs
