"""Child process of a model's program: gives up rights, then runs the program from stdin.

Started by `program_runner.run_program` as a script, in an interpreter without site packages; it can
import nothing of this package. Arguments: seconds, MiB of memory, KiB of output. The first line of
stderr says what confines the program.
"""

import _imp
import builtins
import itertools
import math
import os
import posix
import resource
import runpy
import stat
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_TIME_ZONES = "/usr/share/zoneinfo/"
_UNGUARDED = (
    "_dbm", "_gdbm", "_posixshmem", "_posixsubprocess", "_sqlite3", "_tkinter", "readline",
    "_interpchannels", "_interpqueues", "_interpreters", "_xxinterpchannels",
    "_xxsubinterpreters", "_testcapi", "_testinternalcapi", "posix", "spwd",
)  # fmt: skip
"""Modules whose C code opens files or starts processes or interpreters without telling the hook; a
second `posix` would have the functions that were taken away from the first."""


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


def library_folders() -> Sequence[str]:
    """The folders of Python's own library."""
    folders = {sys.base_prefix, sys.base_exec_prefix}
    return (*(os.path.realpath(folder) + os.sep for folder in sorted(folders)), _TIME_ZONES)


def refuse(
    event: str,
    arguments: tuple[Any, ...],
    *,
    inside: str = str(Path.cwd()) + os.sep,
    readable: Sequence[str] = (*library_folders(), "/dev/null", "/dev/urandom"),
    writable: Sequence[str] = ("/dev/null", "/dev/urandom"),
    written: Any = itertools.count(1),  # noqa: B008 - one for the life of the process
    refused: Sequence[str] = (
        "socket.", "subprocess.", "ctypes.", "shutil.", "os.", "pty.", "signal.", "syslog.", "gc.",
        "resource.", "cpython.PyInterpreterState_New", "code.__new__", "sys._current_frames",
        "sys.setprofile", "sys.settrace",
    ),
    allowed: Sequence[str] = (
        "os.listdir", "os.scandir", "os.walk", "os.fwalk", "os.putenv", "os.unsetenv",
    ),
    unguarded: Sequence[str] = _UNGUARDED,
    flags: int = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND,
    error: Any = PermissionError,
    exact: Any = type,
    decode: Any = bytes.decode,
    normal: Any = posix._path_normpath,  # type: ignore[attr-defined]
    where: Any = posix.getcwd,
    status: Any = posix.stat,
    is_folder: Any = stat.S_ISDIR,
    starts: Any = str.startswith,
    missing: Any = OSError,
    advance: Any = next,
) -> None:  # fmt: skip
    """The audit hook: refuses what a calculation does not need.

    All that it uses is bound here and written in C: names of modules, built-in names among them,
    are the program's to change.
    """
    if event == "import" and arguments[0] in unguarded:
        raise error(f"a model's program may not import {arguments[0]}")
    if event == "open":
        path, mode, how = arguments
        if exact(path) is int:
            return
        if exact(path) is bytes:
            path = decode(path, "utf-8", "surrogateescape")
        if exact(path) is not str:
            raise error("a model's program may not open what is not a path")
        real = normal(path if starts(path, "/") else where() + "/" + path)
        # What lies above depends on links, which are not resolved here.
        upwards = "/../" in "/" + path + "/"
        changes = bool((how or 0) & flags)
        for letter in mode or "":
            changes = changes or letter in "wax+"
        if changes and advance(written) > 64:
            raise error("a model's program may not write over 64 files")
        if upwards or (
            not starts(real, inside)
            and (not starts(real, readable) if not changes else real not in writable)
        ):
            raise error(f"a model's program may not open {path!r}")
        # With an open folder, names would mean what no hook can see.
        try:
            folder = is_folder(status(real).st_mode)
        except missing:
            folder = False
        if folder:
            raise error(f"a model's program may not open the folder {path!r}")
    elif starts(event, refused) and event not in allowed:
        raise error(f"a model's program may not use {event}")


def main() -> None:
    seconds, memory_mb, output_kb = float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    code = sys.stdin.buffer.read().decode("utf-8", "replace")
    confinement = runpy.run_path(str(Path(__file__).with_name("kernel_confinement.py")))
    confine = confinement["confine"](str(Path.cwd()), library_folders())
    sys.stderr.write(", ".join((*confine, "interpreter")) + "\n")
    sys.stderr.flush()
    limit(seconds, memory_mb, output_kb)
    sys.argv = ["program.py"]
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    program = compile(code, "program.py", "exec")
    # They have no audit event.
    for module in (os, posix):
        for name in ("mknod", "mkfifo"):
            vars(module).pop(name, None)
    # Nor has what makes a built-in module anew: all of them are there already.
    for name in sys.builtin_module_names:
        if name not in _UNGUARDED:
            __import__(name)
    del _imp.create_builtin
    # The program gets a module of its own: in this one it could change what confines it.
    module = types.ModuleType("__main__")
    module.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = module
    # Nor does it find the hook in the frames that call it.
    sys.addaudithook(globals().pop("refuse"))
    exec(program, module.__dict__)


if __name__ == "__main__":
    main()
