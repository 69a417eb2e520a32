"""Progress bar on stderr, only where that is a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(description: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A bar for a `with` block, which calls what it is given with the number of steps done.

    Args:
        total: The number of steps; None if it is not known.
    """
    if not sys.stderr.isatty():
        yield lambda _steps: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(description, total=total)
        yield lambda steps: bars.advance(task, steps)
