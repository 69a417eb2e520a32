"""Pool: workers that ask at once, in an event loop of their own while the caller waits.

It works in scripts, notebooks and servers alike, and Ctrl-C stops the pool gently.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

from ml_agents_results.errors import ResultsError
from ml_agents_results.providers.interface import Provider

Work = Iterable[Coroutine[Any, Any, None]]


class Interrupted(ResultsError):
    """The user stopped the asking; everything that arrived is saved."""

    exit_code = 130


class Pool:
    """Workers that ask until nothing is left or `stop` is called.

    Args:
        grace: Seconds that running calls get to end after `stop`.
    """

    def __init__(self, grace: float) -> None:
        self.grace = grace
        self._stopping = asyncio.Event()
        self._failure: Exception | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self) -> None:
        """Returns when nothing is left to ask or the pool has stopped.

        Raises:
            ResultsError: Why nothing further can be asked.
        """
        self._loop = asyncio.get_running_loop()
        self._tasks = [self._loop.create_task(one) for one in self._workers()]
        helpers = [self._loop.create_task(one) for one in (self._end_in_time(), *self._helpers())]
        try:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        finally:
            for helper in helpers:
                helper.cancel()
            await self._finish()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Stops asking; running calls get `grace` seconds. A second call cancels them.

        May be called from any thread.
        """
        if self._loop is not None:
            again = self._stopping.is_set()
            self._loop.call_soon_threadsafe(self._cancel if again else self._stopping.set)

    def _workers(self) -> Work:
        """Begins: what is done at once, until nothing is left or the pool is stopping."""
        raise NotImplementedError

    def _helpers(self) -> Work:
        """What is done besides, as long as there are workers."""
        return ()

    async def _finish(self) -> None:
        """Called when all workers have ended."""

    def _fail(self, error: Exception | None) -> None:
        """Where there is an error: takes nothing further; what is in flight is saved."""
        if error is not None:
            self._failure = self._failure or error
            self._stopping.set()

    def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _end_in_time(self) -> None:
        await self._stopping.wait()
        await asyncio.sleep(self.grace)
        self._cancel()


def run_pool(
    pool: Pool,
    providers: Sequence[Provider],
    say: Callable[[str], None],
) -> tuple[Exception | None, bool]:
    """Runs the pool and closes the providers.

    Returns what the pool raised, and whether Ctrl-C stopped it.

    Args:
        say: Shows a message.
    """
    failures: list[Exception] = []
    ended = threading.Event()

    async def ask() -> None:
        try:
            await pool.run()
        finally:
            for provider in providers:
                await provider.aclose()

    def work() -> None:
        try:
            asyncio.run(ask())
        except Exception as error:  # noqa: BLE001 - raised in the caller's thread
            failures.append(error)
        except BaseException as error:  # noqa: BLE001 - a thread cannot exit the program
            failures.append(RuntimeError(f"the asking ended with {error!r}"))
        finally:
            ended.set()

    threading.Thread(target=work, name="experiment", daemon=True).start()
    interrupted = False
    while True:
        try:
            # A wait without a timeout cannot be interrupted on Windows.
            while not ended.wait(0.5):
                pass
            return (failures[0] if failures else None), interrupted
        except KeyboardInterrupt:
            pool.stop()
            if not interrupted:
                say(
                    f"Stopping: running calls get {pool.grace:g} s to end. "
                    "Press Ctrl-C again to cancel them."
                )
            interrupted = True
