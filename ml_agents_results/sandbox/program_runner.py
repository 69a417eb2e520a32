"""Program runner: a model's program in a process of its own that can do little harm.

What confines it:

- a fresh interpreter (`-I -S`) with an empty environment, so that it sees no key, in a private
  temporary directory that is removed afterwards;
- limits of the operating system on time, memory, file size, open files and output;
- no network: a network namespace of its own without any interface, if the system permits
  one (Linux, as root or with user namespaces);
- an audit hook in the interpreter that refuses sockets, other processes, foreign code (ctypes),
  modules whose C code opens files by itself, deleting and renaming, writing many files or outside
  the temporary directory, and reading anything but Python's own library.

It is not secure against an attacker. The audit hook stops what a program does by Python's own
means; one written to break out of the interpreter may get past it, and then has the rights of the
user who runs the experiment (without network if the namespace holds). `Outcome.network_cut_by`
says which of the two cut the network off. For models that you do not trust, run the whole
experiment in a container or a virtual machine.
"""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
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
        network_cut_by: `namespace` or `interpreter`; None if it ended before that.
    """

    output: str
    error: str | None
    duration_ms: int
    network_cut_by: str | None


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
        output, errors = Path(folder, "output"), Path(folder, "errors")
        with output.open("wb") as out, errors.open("wb") as err:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-I", "-S", "-B", "-X", "utf8", str(_CHILD)),
                *(str(limits.seconds), str(limits.memory_mb), str(limits.output_kb)),
                stdin=asyncio.subprocess.PIPE,
                stdout=out,
                stderr=err,
                cwd=folder,
                env={},
                start_new_session=True,
            )
            timed_out = await _finish(process, code, limits.seconds)
        printed = output.read_text(encoding="utf-8", errors="replace").strip()
        cut_by, _, complaint = errors.read_text(encoding="utf-8", errors="replace").partition("\n")
    return Outcome(
        output=printed,
        error=_error(process.returncode or 0, timed_out, complaint, limits),
        duration_ms=round((time.perf_counter() - started) * 1000),
        network_cut_by=cut_by if cut_by in ("namespace", "interpreter") else None,
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
