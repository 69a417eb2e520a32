"""The process that runs computer algebra: one pair of expressions per line, one verdict per line.

Started by `algebra.py` by its file name; it imports nothing of this package.
"""

import json
import sys

MEMORY = 2 * 1024**3
"""Bytes of address space that the process may take."""


def main() -> None:
    """Answers `[expected, answer]` with true, false or null (not decided), until the input ends."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    except (ImportError, ValueError, OSError):
        pass  # no such limit on this system: the time limit holds all the same
    import logging

    from math_verify import parse, verify

    logging.disable(logging.CRITICAL)
    out = sys.stdout
    out.write("ready\n")
    out.flush()
    for line in sys.stdin:
        verdict: bool | None = None
        try:
            expected, answer = (
                parse(f"${text}$", parsing_timeout=None, raise_on_error=True)
                for text in json.loads(line)
            )
            if expected and answer:
                verdict = bool(verify(expected, answer, timeout_seconds=None, strict=True))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
        out.write(json.dumps(verdict) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
