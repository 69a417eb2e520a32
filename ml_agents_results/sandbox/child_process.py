"""Child process of a model's program: gives up rights, then runs the program from stdin.

Started by `program_runner.run_program` as a script, in an interpreter without site packages; it can
import nothing of this package. Arguments: seconds, MiB of memory, KiB of output. The first line of
stderr says what cut the network off.
"""

import ctypes
import math
import os
import resource
import sys
from pathlib import Path
from typing import Any

_NEW_USER_NAMESPACE = 0x10000000
_NEW_NETWORK_NAMESPACE = 0x40000000

_REFUSED = ("socket.", "subprocess.", "ctypes.", "shutil.", "os.", "pty.", "signal.", "syslog.")
_ALLOWED = frozenset({"os.listdir", "os.scandir", "os.walk", "os.putenv", "os.unsetenv"})
_WRITING = frozenset("wax+")
_DEVICES = ("/dev/null", "/dev/urandom")
_TIME_ZONES = "/usr/share/zoneinfo/"
_MOST_FILES = 64  # opened for writing; each is limited in size
# Their C code opens files or starts processes without telling the interpreter.
_UNGUARDED = frozenset(
    {"_dbm", "_gdbm", "_posixshmem", "_posixsubprocess", "_sqlite3", "_tkinter", "readline"}
)


def cut_network() -> str:
    """Enters a network namespace without interfaces, if the system permits it."""
    unshare = getattr(ctypes.CDLL(None), "unshare", None)
    if unshare is None:
        return "interpreter"
    for flags in (_NEW_USER_NAMESPACE | _NEW_NETWORK_NAMESPACE, _NEW_NETWORK_NAMESPACE):
        if unshare(flags) == 0:
            return "namespace"
    return "interpreter"


def limit(seconds: float, memory_mb: int, output_kb: int) -> None:
    """Sets the limits of the operating system; none can be raised again."""
    for kind, most in (
        (resource.RLIMIT_CPU, math.ceil(seconds)),
        (resource.RLIMIT_AS, memory_mb * 2**20),
        (resource.RLIMIT_FSIZE, output_kb * 2**10),
        (resource.RLIMIT_NOFILE, 32),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        try:
            resource.setrlimit(kind, (value, value))
        except (ValueError, OSError):
            if sys.platform == "linux":
                raise


def guard() -> None:
    """Refuses from now on what a calculation does not need; an audit hook cannot be removed."""
    here = str(Path.cwd())
    library = tuple(
        os.path.realpath(folder) + os.sep for folder in {sys.base_prefix, sys.base_exec_prefix}
    )
    library += (_TIME_ZONES,)
    inside, realpath, writing = here + os.sep, os.path.realpath, _WRITING
    left = _MOST_FILES
    flags = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if event == "import" and arguments[0] in _UNGUARDED:
            raise PermissionError(f"a model's program may not import {arguments[0]}")
        if event == "open":
            path, mode, how = arguments
            if isinstance(path, int):
                return
            real = realpath(os.fsdecode(path))
            changes = bool(writing & set(mode or "")) or bool((how or 0) & flags)
            left -= changes
            if left < 0:
                raise PermissionError(f"a model's program may not write over {_MOST_FILES} files")
            if real.startswith(inside) or real in _DEVICES:
                return
            if changes or not real.startswith(library):
                raise PermissionError(f"a model's program may not open {path!r}")
        elif event.startswith(_REFUSED) and event not in _ALLOWED:
            raise PermissionError(f"a model's program may not use {event}")

    sys.addaudithook(refuse)


def main() -> None:
    seconds, memory_mb, output_kb = float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    code = sys.stdin.buffer.read().decode("utf-8", "replace")
    sys.stderr.write(cut_network() + "\n")
    sys.stderr.flush()
    limit(seconds, memory_mb, output_kb)
    sys.argv = ["program.py"]
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    program = compile(code, "program.py", "exec")
    names: dict[str, Any] = {"__name__": "__main__"}
    guard()
    exec(program, names)


if __name__ == "__main__":
    main()
