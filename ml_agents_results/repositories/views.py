"""Reading by two threads, mostly with the two connections that `Database.read_by_two` gives."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, func, select

from ml_agents_results.records import Variant
from ml_agents_results.repositories.analysis import VARIANT

Item = TypeVar("Item")
Result = TypeVar("Result")


def by_two(connection: Connection) -> bool:
    return _beside(connection) is not None


def variants_of(connection: Connection, experiment: str) -> Iterator[Variant]:
    """The variants of an experiment, found by jumps through the index: DISTINCT would read it."""

    def below(known: Sequence[str]) -> Iterator[Variant]:
        if len(known) == len(VARIANT):
            yield Variant(*known)
            return
        column = VARIANT[len(known)]
        given = [part == value for part, value in zip(VARIANT, known, strict=False)]
        smallest = select(func.min(column)).where(*given)
        value = connection.scalar(smallest)
        while value is not None:
            yield from below((*known, value))
            value = connection.scalar(smallest.where(column > value))

    return below((experiment,))


def on_each(
    connection: Connection, work: Callable[[Connection, Item], Result], items: Sequence[Item]
) -> list[Result]:
    """`work(connection, item)` of each item, in their order.

    Where the connection has another one beside it, a second thread works with that one: SQLite
    lets go of the interpreter while it reads.
    """
    second = _beside(connection)
    if second is None or len(items) < 2:
        return [work(connection, item) for item in items]
    left = enumerate(items)
    done: dict[int, Result] = {}

    def work_off(view: Connection) -> None:
        try:
            for place, item in left:
                done[place] = work(view, item)
        finally:
            # After an error, the other one begins nothing new.
            list(left)

    with ThreadPoolExecutor(1) as thread:
        other = thread.submit(work_off, second)
        # This thread works too: what a thread has taken of memory, only it can use again.
        work_off(connection)
        other.result()
    return [done[place] for place in range(len(items))]


def ahead(rows: Iterable[Item], work: Callable[[Item], Result]) -> Iterator[Result]:
    """The work done on each row while the database makes the next one, without the interpreter."""
    with ThreadPoolExecutor(1) as pool:
        last: Future[Result] | None = None
        for row in rows:
            next_one = pool.submit(work, row)
            if last is not None:
                yield last.result()
            last = next_one
        if last is not None:
            yield last.result()


def _beside(connection: Connection) -> Connection | None:
    second: Connection | None = connection.get_execution_options().get("beside")
    return second
