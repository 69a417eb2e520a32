"""Reading with both of two connections that see the same data, as `Database.read_by_two` gives."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

from sqlalchemy import Connection, func, select

from ml_agents_results.records import Arm
from ml_agents_results.repositories.analysis import ARM

Item = TypeVar("Item")
Result = TypeVar("Result")


def by_two(connection: Connection) -> bool:
    return _beside(connection) is not None


def arms_of(connection: Connection, experiment: str) -> Iterator[Arm]:
    """The arms of an experiment, found by jumps through the index: DISTINCT would read it."""

    def below(known: Sequence[str]) -> Iterator[Arm]:
        if len(known) == len(ARM):
            yield Arm(*known)
            return
        column = ARM[len(known)]
        given = [part == value for part, value in zip(ARM, known, strict=False)]
        smallest = select(func.min(column)).where(*given)
        value = connection.scalar(smallest)
        while value is not None:
            yield from below((*known, value))
            value = connection.scalar(smallest.where(column > value))

    return below((experiment,))


def on_each(
    connection: Connection, work: Callable[[Connection, Item], Result], items: Sequence[Item]
) -> Iterator[Result]:
    """`work(connection, item)` for each item, in their order.

    Where the connection has another one beside it, two threads work: SQLite lets go of the
    interpreter while it reads.
    """
    second = _beside(connection)
    if second is None or len(items) < 2:
        for item in items:
            yield work(connection, item)
        return
    free: SimpleQueue[Connection] = SimpleQueue()
    free.put(connection)
    free.put(second)

    def on_free(item: Item) -> Result:
        view = free.get()
        try:
            return work(view, item)
        finally:
            free.put(view)

    with ThreadPoolExecutor(2) as threads:
        yield from threads.map(on_free, items)


def _beside(connection: Connection) -> Connection | None:
    second: Connection | None = connection.get_execution_options().get("beside")
    return second
