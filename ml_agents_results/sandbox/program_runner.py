"""Program runner: a model's program in a process of its own that can do little harm.

What confines it:

- a fresh interpreter (`-I -S`) with an empty environment, so that it sees no key, in a private
  temporary directory that is removed afterwards;
- limits of the operating system on time, memory, file size, open files and output;
- the kernel, as far as it offers it (Linux): a network namespace without interfaces; Landlock,
  which leaves it Python's library to read, the directory to write, and no TCP; a seccomp filter
  that refuses programs, sockets, other processes and what else a calculation does not need;
- an audit hook in the interpreter that refuses the same, also where the kernel does not: foreign
  code (ctypes), other interpreters, modules whose C code opens files by itself, and `gc`.

`Outcome.confined_by` says which of them did. The hook alone is not secure against an attacker: it
stops what a program does by Python's own means, and who breaks out of the interpreter has the
rights of the user who runs the experiment. For models that you do not trust, run the whole
experiment in a container or a virtual machine.
"""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_agents_results.errors import UsageError

_CHILD = Path(__file__).with_name("child_process.py")


@dataclass(frozen=True)
class Limits:
    """Limits of a program.

    Attributes:
        seconds: Wall-clock time; processor time is limited to as much, rounded up.
        memory_mb: Address space in MiB (not enforced on macOS).
        output_kb: KiB of output, and of any file it writes.
    """

    seconds: float = 10.0
    memory_mb: int = 512
    output_kb: int = 256


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of a program.

    Attributes:
        output: What it printed, without surrounding white space.
        error: Why it failed, on one line; None if it succeeded.
        duration_ms: Wall-clock time, the start of the interpreter included.
        confined_by: Of `network namespace`, `landlock`, `seccomp` and `interpreter`, those that
            did; empty if it ended before that.
    """

    output: str
    error: str | None
    duration_ms: int
    confined_by: Sequence[str]


def check_possible() -> None:
    """Raises UsageError if programs cannot be confined: the limits are those of POSIX systems."""
    if os.name != "posix":
        raise UsageError(
            "programs of a model can be run on Linux and macOS only",
            "Leave out --allow-code-execution: the stated answer is used then.",
        )


async def run_program(code: str, limits: Limits | None = None) -> Outcome:
    """Runs a Python program; returns shortly after its time limit at the latest."""
    limits = limits or Limits()
    check_possible()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="ml-agents-program-") as folder:
        # Where the program may not write: it would say itself what confined it.
        output, errors, own = (Path(folder, name) for name in ("output", "errors", "own"))
        own.mkdir()
        with output.open("wb") as out, errors.open("wb") as err:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-I", "-S", "-B", "-X", "utf8", str(_CHILD)),
                *(str(limits.seconds), str(limits.memory_mb), str(limits.output_kb)),
                stdin=asyncio.subprocess.PIPE,
                stdout=out,
                stderr=err,
                cwd=own,
                env={},
                start_new_session=True,
            )
            timed_out = await _finish(process, code, limits.seconds)
        printed = output.read_text(encoding="utf-8", errors="replace").strip()
        first, _, complaint = errors.read_text(encoding="utf-8", errors="replace").partition("\n")
    return Outcome(
        output=printed,
        error=_error(process.returncode or 0, timed_out, complaint, limits),
        duration_ms=round((time.perf_counter() - started) * 1000),
        confined_by=first.split(", ") if first.endswith("interpreter") else (),
    )


async def _finish(process: asyncio.subprocess.Process, code: str, seconds: float) -> bool:
    """Waits for the program, and kills it after its time limit; returns whether it did."""
    try:
        await asyncio.wait_for(
            process.communicate(code.encode("utf-8", "backslashreplace")), seconds
        )
    except TimeoutError:
        return True
    finally:
        # Whatever it started dies with it, on cancellation too.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    return False


def _error(status: int, timed_out: bool, complaint: str, limits: Limits) -> str | None:
    if timed_out or status == -signal.SIGXCPU:
        return f"The program did not end within {limits.seconds:g} s."
    if status == 0:
        return None
    if status < 0:
        return f"The program was ended by {signal.Signals(-status).name}."
    last = complaint.strip().rpartition("\n")[2].strip()
    return last or f"The program ended with status {status}."
