"""Pool thread: runs a pool of workers in an event loop of its own while the caller waits.

It works in scripts, notebooks and servers alike, and Ctrl-C stops the pool gently.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ml_agents_results.providers.interface import Provider


class Pool(Protocol):
    """Asks until nothing is left or `stop` is called; a second call cancels what is running."""

    async def run(self) -> None: ...

    def stop(self) -> None: ...


def run_pool(
    pool: Pool,
    providers: "Sequence[Provider]",
    grace: float,
    say: Callable[[str], None],
) -> tuple[Exception | None, bool]:
    """Runs the pool and closes the providers.

    Returns what the pool raised, and whether Ctrl-C stopped it.

    Args:
        grace: Seconds that running calls get to end, for the message.
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
                    f"Stopping: running calls get {grace:g} s to end. "
                    "Press Ctrl-C again to cancel them."
                )
            interrupted = True
