"""This process, as other processes see it when it claims runs."""

import os
import socket
import sys
import time
import uuid
from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path


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
    """A claimant: its token is unique to it, its machine and pid show whether it runs."""

    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    host: str = field(default_factory=_machine)
    pid: int = field(default_factory=os.getpid)
    _seen: dict[Hashable, tuple[datetime, float]] = field(
        default_factory=dict, repr=False, compare=False
    )

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

    def lapsed(self, claim: Hashable, renewed: datetime, lease: timedelta) -> bool:
        """Whether this process has seen a claim unrenewed for as long as its lease.

        Not by the time that the claim states: clocks jump, and differ between machines.
        """
        now = time.monotonic()
        known, since = self._seen.get(claim, (None, now))
        if known != renewed:
            self._seen[claim] = (renewed, now)
            return False
        return now - since >= lease.total_seconds()
