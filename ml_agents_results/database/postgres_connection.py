"""A psycopg connection that hangs up on a server that has stopped answering."""

import time
from typing import Any

import psycopg


class PatientConnection(psycopg.Connection[Any]):
    """Waits `patience` seconds for each answer of the server; None waits for ever.

    The server's own statement timeout does not help where the server itself hangs, and the network
    sees nothing wrong there.
    """

    patience: float | None = None

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        limit = self.patience if timeout is None else timeout
        start = time.monotonic()
        try:
            return super().wait(gen, interval=interval, timeout=limit)
        except psycopg.OperationalError as error:
            if limit is None or error.sqlstate is not None or time.monotonic() - start < limit:
                raise
            # An answer that comes late would be taken for that of the next question.
            self.pgconn.finish()
            raise psycopg.OperationalError(f"no answer for {limit:g} s") from error
