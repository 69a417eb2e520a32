"""A real HTTP server on loopback that speaks the OpenAI chat completions protocol.

It answers at once, or fails on demand in the ways real endpoints fail. In a test it runs in a
thread of its own::

    with Endpoint(answer="The answer is 42.") as endpoint:
        endpoint.fail(Fault.RATE_LIMITED, times=2, retry_after=0.1)
        ...  # call endpoint.url
        assert endpoint.requests == 3

Where its work must not share the interpreter with what is measured, `EndpointProcess` runs the
same server in another process (`python -m tests.endpoint --port 0`), which prints its URL.
"""

import argparse
import asyncio
import json
import re
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.faults import BODIES, MESSAGES, Fault

__all__ = ["Answer", "Endpoint", "EndpointProcess", "Fault", "stated"]

Answer = str | Callable[[dict[str, Any]], str | dict[str, Any] | bytes]
"""A fixed text, or a function of the request's JSON body; an object or bytes that it returns are
sent as they are."""


@dataclass
class _Failure:
    fault: Fault
    times: int | None
    seconds: float
    size: int
    retry_after: str | None
    when: Callable[[dict[str, Any]], bool]


def stated(text: str) -> str:
    """What follows "The answer is" in a text, else the text."""
    found = re.search(r"answer is:?\s*(.+?)\.?\s*$", text, re.IGNORECASE | re.DOTALL)
    return found[1] if found else text


class Endpoint:
    """The server, in a thread of its own.

    Attributes:
        requests: Chat completions asked for so far, the failed ones included.
        peak_in_flight: The most that were open at the same moment.
        bodies: The JSON bodies received, the newest `keep` of them.
        headers: The headers received with them, names in lower case.
        paths: The paths received with them, query included.
    """

    def __init__(
        self,
        answer: Answer = "The answer is 42.",
        *,
        latency: float = 0.0,
        key: str | None = None,
        cost: float | None = None,
        port: int = 0,
        keep: int = 1000,
    ) -> None:
        """`latency` in seconds; `key` is the only bearer token let in; `cost` USD per answer."""
        self.answer, self.latency, self.key, self.cost = answer, latency, key, cost
        self.requests = self.peak_in_flight = self._in_flight = 0
        self.bodies: deque[dict[str, Any]] = deque(maxlen=keep)
        self.headers: deque[dict[str, str]] = deque(maxlen=keep)
        self.paths: deque[str] = deque(maxlen=keep)
        self._port = port
        self._failures: list[_Failure] = []
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def fail(
        self,
        fault: Fault,
        times: int | None = 1,
        *,
        seconds: float = 1.0,
        size: int = 5_000_000,
        retry_after: float | str | None = None,
        when: Callable[[dict[str, Any]], bool] = lambda body: True,
    ) -> None:
        """Fail the next `times` requests for which `when(body)` holds; None: all of them."""
        wait = None if retry_after is None else str(retry_after)
        with self._lock:
            self._failures.append(_Failure(fault, times, seconds, size, wait, when))

    def recover(self) -> None:
        """Forget all faults that were asked for."""
        with self._lock:
            self._failures.clear()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: asyncio.run(self.serve()), daemon=True)
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Close the port and all connections, as a server that goes down does."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)

    async def serve(self) -> None:
        """Serve until stopped; `url` is known once the server listens."""
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connection, "127.0.0.1", self._port, backlog=512)
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopping.wait()
        server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; False ends the connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        path = head[0].split(" ")[1]
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:] if line)
        }
        content = await reader.readexactly(int(headers.get("content-length", 0)))
        body: dict[str, Any] = json.loads(content) if content else {}
        if path == "/stats":
            _send(
                writer,
                200,
                {
                    "requests": self.requests,
                    "peak_in_flight": self.peak_in_flight,
                    "cpu_seconds": time.process_time(),
                },
            )
            return True
        self.requests += 1
        self._in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self._in_flight)
        self.bodies.append(body)
        self.headers.append(headers)
        self.paths.append(path)
        try:
            if self.latency:
                await asyncio.sleep(self.latency)
            failure = self._next_failure(body)
            if self.key is not None and headers.get("authorization") != f"Bearer {self.key}":
                _send(writer, 401, _error(f"Incorrect API key: {headers.get('authorization')}"))
                return True
            if failure is not None:
                return await self._fail(failure, body, path, writer)
            answer = self.answer if isinstance(self.answer, str) else self.answer(body)
            if isinstance(answer, str):
                answer = self._completion(body, self._held(body, answer), path)
            _send(writer, 200, answer)
            await writer.drain()
            return True
        finally:
            self._in_flight -= 1

    def _next_failure(self, body: dict[str, Any]) -> _Failure | None:
        with self._lock:
            for failure in self._failures:
                if failure.fault is Fault.NO_SCHEMAS and "response_format" not in body:
                    continue
                if failure.when(body):
                    if failure.times is not None:
                        failure.times -= 1
                        if not failure.times:
                            self._failures.remove(failure)
                    return failure
        return None

    def _text(self, body: dict[str, Any]) -> str:
        answer = self.answer if isinstance(self.answer, str) else self.answer(body)
        return self._held(body, answer if isinstance(answer, str) else "")

    def _held(self, body: dict[str, Any], text: str) -> str:
        """The text, as the schema of the request wants it."""
        wanted = (body.get("response_format") or {}).get("json_schema")
        if wanted is None or text.lstrip().startswith("{"):
            return text
        fields = wanted["schema"]["properties"]
        return json.dumps({name: stated(text) if name == "answer" else text for name in fields})

    def _completion(
        self, body: dict[str, Any], text: str, path: str, finish: str = "stop"
    ) -> dict[str, Any]:
        read = sum(len(str(message["content"]).split()) for message in body.get("messages", ()))
        written = len(text.split())
        if path.split("?")[0].endswith("/messages"):
            return {
                "id": f"msg_{self.requests}",
                "type": "message",
                "role": "assistant",
                "model": body.get("model"),
                "content": [{"type": "text", "text": text}],
                "stop_reason": {"stop": "end_turn", "length": "max_tokens"}[finish],
                "stop_sequence": None,
                "usage": {"input_tokens": read, "output_tokens": written},
            }
        usage: dict[str, Any] = {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": read + written,
        }
        if self.cost is not None:
            usage["cost"] = self.cost
        return {
            "id": f"chatcmpl-{self.requests}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": body.get("model"),
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text},
                    "finish_reason": finish,
                }
            ],
            "usage": usage,
        }

    async def _fail(
        self, failure: _Failure, body: dict[str, Any], path: str, writer: asyncio.StreamWriter
    ) -> bool:
        fault = failure.fault
        if fault is Fault.RESET:
            return False
        if fault in BODIES:
            _send(writer, *BODIES[fault])
        elif fault is Fault.SLOW:
            await asyncio.sleep(failure.seconds)
            _send(writer, 200, self._completion(body, self._text(body), path))
        elif fault is Fault.EMPTY_TEXT:
            _send(writer, 200, self._completion(body, "", path))
        elif fault is Fault.LARGE:
            _send(writer, 200, self._completion(body, "x" * failure.size, path))
        elif fault is Fault.TRUNCATED:
            text = self._text(body)
            _send(writer, 200, self._completion(body, text[: len(text) // 2], path, "length"))
        elif fault is Fault.CUT:
            writer.write(_head(200, 5000, "application/json", None) + b'{"id": "chatcmpl-1", "cho')
            await writer.drain()
            return False
        elif fault is Fault.TRICKLE:
            writer.write(_head(200, 100_000, "application/json", None))
            for _ in range(int(failure.seconds / 0.05)):
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)
            return False
        elif fault in (Fault.ENDLESS, Fault.ENDLESS_ERROR):
            line = b"200 OK" if fault is Fault.ENDLESS else b"400 Bad Request"
            writer.write(
                b"HTTP/1.1 " + line + b"\r\ncontent-type: application/json\r\n"
                b"transfer-encoding: chunked\r\n\r\n"
            )
            while True:
                writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
                await writer.drain()
        else:
            status = 400 if fault is Fault.NO_SCHEMAS else int(fault.value)
            _send(writer, status, _error(MESSAGES[fault]), retry_after=failure.retry_after)
        return True


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "error", "param": None, "code": None}}


def _head(status: int, length: int, kind: str, retry_after: str | None) -> bytes:
    wait = f"retry-after: {retry_after}\r\n" if retry_after is not None else ""
    return (
        f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n{wait}\r\n"
    ).encode()


def _send(
    writer: asyncio.StreamWriter,
    status: int,
    body: Mapping[str, Any] | bytes,
    kind: str = "application/json",
    retry_after: str | None = None,
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    writer.write(_head(status, len(content), kind, retry_after) + content)


class EndpointProcess:
    """The same server in another process; it always answers, with the same text."""

    def __init__(self, answer: str = "The answer is 42.", latency: float = 0.0) -> None:
        self._command = [sys.executable, "-m", "tests.endpoint", "--answer", answer]
        self._command += ["--latency", str(latency)]

    def __enter__(self) -> str:
        """The server's URL."""
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]
        )
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--answer", default="The answer is 42.")
    parser.add_argument("--latency", type=float, default=0.0)
    options = parser.parse_args()
    endpoint = Endpoint(options.answer, latency=options.latency, port=options.port, keep=1)
    with endpoint:
        sys.stdout.write(endpoint.url + "\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
