"""Computer algebra under a time limit: Math-Verify in one process, which is killed when it is late.

Works on any thread. Needs the extra `math`; without it nothing is decided here.
"""

import atexit
import json
import queue
import re
import subprocess
import sys
import threading
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

TIME_LIMIT = 2.0
"""Seconds for one comparison."""

_START_LIMIT = 60.0
_LONGEST = 4096
_MOST_DIGITS = 256
_DEEPEST = 64
_TOWER = re.compile(r"\d\s*(?:\^|\*\*)\s*[{(]?\s*\d+\s*(?:\^|\*\*)")


def available() -> bool:
    """Whether the extra `math` is installed."""
    return find_spec("math_verify") is not None


def refuses(text: str) -> bool:
    """Whether an expression is beyond the limits, and is not given to the library at all."""
    depth = deepest = 0
    for character in text:
        depth += (character in "{([") - (character in "})]")
        deepest = max(deepest, depth)
    return (
        len(text) > _LONGEST
        or deepest > _DEEPEST
        or re.search(rf"\d{{{_MOST_DIGITS},}}", text) is not None
        or _TOWER.search(text) is not None
        or re.search(r"!\s*!|\d{3,}\s*!|\^\s*\{?\s*\d{4,}", text) is not None
    )


@lru_cache(maxsize=16384)
def same(expected: str, answer: str) -> bool | None:
    """Whether two expressions (LaTeX, without delimiters) are equal.

    None where that is not decided: too late, too large, not readable, or the extra is missing.
    """
    if refuses(expected) or refuses(answer) or not available():
        return None
    with _lock:
        return _worker.ask(expected, answer)


class _Worker:
    """The process, started when first asked, and again after it was killed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str] = queue.Queue()

    def ask(self, expected: str, answer: str) -> bool | None:
        """One verdict within the time limit."""
        process = self._running()
        if process is None or process.stdin is None:
            return None
        try:
            process.stdin.write(json.dumps([expected, answer]) + "\n")
            process.stdin.flush()
            line = self._lines.get(timeout=TIME_LIMIT)
        except (queue.Empty, OSError):
            self.stop()
            return None
        if not line:
            self.stop()
            return None
        verdict: bool | None = json.loads(line)
        return verdict

    def _running(self) -> subprocess.Popen[str] | None:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._lines = queue.Queue()
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("algebra_worker.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
        )
        threading.Thread(target=_forward, args=(self._process, self._lines), daemon=True).start()
        try:
            ready = self._lines.get(timeout=_START_LIMIT)
        except queue.Empty:
            ready = ""
        if ready.strip() != "ready":
            self.stop()
            return None
        return self._process

    def stop(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process = None


def _forward(process: subprocess.Popen[str], lines: "queue.Queue[str]") -> None:
    try:
        if process.stdout is not None:
            for line in process.stdout:
                lines.put(line)
    except ValueError:
        pass  # closed while it was read: the process was stopped
    lines.put("")


_lock = threading.Lock()
_worker = _Worker()
atexit.register(_worker.stop)
