"""The viewer and a bare server in processes of their own, and what asking them costs.

    python -m benchmarks.servers FILE

serves FILE barely: an ASGI function runs the statements of the address by the driver and joins the
cells to tables, escaping nothing.
"""

import http.client
import re
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from benchmarks.harness import memory


class Server:
    """A server in a process of its own, asked over one connection."""

    def __init__(self, process: "subprocess.Popen[str]", port: int, token: str = "") -> None:
        self._process = process
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._headers = {"Authorization": f"Bearer {token}"}
        self._last = 0.0

    def ask(self, url: str) -> float:
        """The seconds that a page took."""
        began = time.perf_counter()
        if began - self._last > 4:
            # The server ends connections that are idle for some seconds.
            self._connection.close()
        self._connection.request("GET", url, headers=self._headers)
        answer = self._connection.getresponse()
        answer.read()
        if answer.status not in (200, 204, 404):
            raise RuntimeError(f"{answer.status} for {url}")
        self._last = time.perf_counter()
        return self._last - began

    @property
    def cpu_seconds(self) -> float:
        """What the process has used so far, by its own clock: that of /proc ticks every 10 ms."""
        return time.clock_gettime((~self._process.pid << 3) | 2)

    @property
    def megabytes(self) -> float:
        return memory("VmRSS", self._process.pid)

    @contextmanager
    def running(self) -> Iterator["Server"]:
        """From its first answer until it is ended."""
        for _ in range(200):
            try:
                self.ask("/static/none")
                break
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)
        try:
            yield self
        finally:
            self._process.terminate()
            self._process.wait(timeout=10)


@contextmanager
def viewer(path: Path) -> Iterator[Server]:
    """`ml-agents view` of a file."""
    command = "from ml_agents_results.cli import main; main()"
    arguments = ["view", "--db-path", str(path), "--no-open", "--port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-c", command, *arguments], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    link = re.search(r":(\d+)/\?token=(\S+)", process.stderr.readline())
    assert link is not None
    with Server(process, int(link[1]), link[2]).running() as server:
        yield server


@contextmanager
def bare_server(path: Path) -> Iterator[Server]:
    """A server that does what no page can do without."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.servers", str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with Server(process, int(process.stdout.readline())).running() as server:
        yield server


def _serve(path: str) -> None:
    import uvicorn

    connection = sqlite3.connect(path, check_same_thread=False)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        statements = parse_qs(scope["query_string"].decode()).get("sql", [])
        tables = (_table(connection.execute(one).fetchall()) for one in statements)
        body = "".join(tables).encode()
        head = {"type": "http.response.start", "status": 200}
        await send({**head, "headers": [(b"content-length", str(len(body)).encode())]})
        await send({"type": "http.response.body", "body": body})

    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(app, log_level="critical", lifespan="off")
    uvicorn.Server(config).run(sockets=[listening])


def _table(rows: list[tuple[Any, ...]]) -> str:
    cells = ("".join(f"<td>{cell}</td>" for cell in row) for row in rows)
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>"


if __name__ == "__main__":
    _serve(sys.argv[1])
