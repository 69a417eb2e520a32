"""New ids of runs and experiments."""

import os
import time
from datetime import UTC, datetime
from random import Random

# Seeded by the operating system, which is not asked again for each id; forked processes differ.
_RANDOM = Random()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_RANDOM.seed)


def new_id() -> str:
    """A version 7 UUID (RFC 9562): ids of later runs sort later, which keeps inserts cheap."""
    stamp = f"{time.time_ns() // 1_000_000:012x}"
    digits = f"{_RANDOM.getrandbits(74):019x}"
    variant = "89ab"[int(digits[0], 16)]
    return f"{stamp[:8]}-{stamp[8:]}-7{digits[1:4]}-{variant}{digits[4:7]}-{digits[7:]}"


def new_experiment_id() -> str:
    """An id that says when the experiment began (UTC)."""
    return f"exp_{datetime.now(UTC):%Y%m%d_%H%M%S}_{os.urandom(2).hex()}"
