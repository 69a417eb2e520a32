"""Endpoints that send anything at all: every planned run is recorded, and nothing else happens.

A failure names the seed that repeats it.
"""

import gzip
import json
import random
import shutil
import socketserver
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.config import ExperimentConfig
from ml_agents_results.database.maintenance.integrity_checks import check
from ml_agents_results.errors import ResultsError
from ml_agents_results.experiments.runner import ExperimentRunner
from ml_agents_results.formats.exporting import export
from ml_agents_results.processor import ResultsProcessor
from tests.lengths import first_seed, fuzz_seconds

QUESTIONS = 4
SLOWEST = 60
"""Seconds of one experiment on a busy machine; one attempt may take one."""

STATUSES = (
    "200", "201 Created", "204 No Content", "206 Partial",
    "301 Moved", "302 Found", "307 Temporary Redirect", "400 Bad", "401 No", "403 No", "404 No",
    "408 Timeout", "409 Conflict", "413 Large", "418 Teapot", "422 Bad", "425 Early", "429 Many",
    "451 Law", "499 Closed", "500 Error", "503 Busy", "529 Overloaded", "599 Odd", "100 Continue",
    "999 Odd", "abc", "",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 10**30, 2**64 - 1, float("nan"), float("inf"), "", " ", "\x00",
    "\x1b[31mred", "\u202eright", "\ud800", "a" * 100_000, [], {}, [[]], [None], {"": {}}, "null",
    {"content": []}, [{"type": "text"}], [{"type": "text", "text": 5}], "length", "content_filter",
    {"error": {"code": "x"}}, "```python\nprint(6 * 7)\n```", "The answer is " + "(" * 5000,
    "{" * 5000,
    "The answer is \\boxed{" * 500, "$" * 5000, "1," * 20_000, "A) B) C) " * 5000,
)  # fmt: skip
HEADERS = (
    "content-length: 5", "content-length: -1", "content-length: 99999999", "content-encoding: gzip",
    "content-encoding: deflate", "content-encoding: br", "content-encoding: zstd, gzip, gzip",
    "transfer-encoding: chunked", "transfer-encoding: gzip, chunked", "location: /v1", "location: ",
    "location: http://127.0.0.1:1/", "location: file:///etc/passwd", "retry-after: -5",
    "retry-after: 1e999", "retry-after: nan", "retry-after: 99999999999999", "x: " + "y" * 100_000,
    "retry-after: Fri, 31 Dec 9999 23:59:59 GMT", "content-type: text/event-stream", "\x00: 1",
    "content-type: application/json; charset=utf-7", "set-cookie: a=b", "connection: close",
    "no colon", "content-type: multipart/x; boundary=\xff",
)  # fmt: skip


def completion(chance: random.Random) -> Any:
    document: Any = {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "The answer is 4."},
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 3,
            "completion_tokens": 4,
            "total_tokens": 7,
            "cost": 0.1,
            "prompt_tokens_details": {"cached_tokens": 1},
            "completion_tokens_details": {"reasoning_tokens": 1},
        },
    }
    for _ in range(chance.choice((0, 1, 1, 1, 2, 5))):
        node = document
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            key = chance.choice(keys)
            if not isinstance(node[key], dict | list) or chance.random() < 0.3:
                node[key] = chance.choice(VALUES)
                break
            node = node[key]
    return document


def reply(chance: random.Random) -> bytes:
    content = json.dumps(completion(chance)).encode("utf-8", "surrogatepass")
    match chance.randrange(12):
        case 0:
            content = content[: chance.randrange(len(content))]
        case 1:
            content = chance.randbytes(chance.choice((0, 1, 100, 10_000)))
        case 2:
            content = b"[" * chance.choice((100, 50_000))
        case 3:
            content = gzip.compress(b"\0" * chance.choice((10**5, 10**8)))
        case 4:
            content = zlib.compress(content)
        case 5:
            content = b"data: " + content + b"\n\ndata: [DONE]\n\n"
    # Some statuses end the experiment: most replies are read.
    status = chance.choice(STATUSES) if chance.random() < 0.1 else "200 OK"
    lines = [f"HTTP/1.1 {status}"]
    if chance.random() < 0.8:
        lines.append(f"content-length: {len(content)}")
    if chance.random() < 0.3:
        lines += chance.sample(HEADERS, chance.randint(1, 3))
    if content[:2] == b"\x1f\x8b":
        lines.append("content-encoding: gzip")
    ending = chance.choice(("\r\n", "\r\n", "\r\n", "\n"))
    return (ending.join(lines) + ending * 2).encode("latin-1") + content


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    seed = 0
    number = 0


class Handler(socketserver.StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        try:
            length = 0
            while (line := self.rfile.readline().strip().lower()) != b"":
                if line.startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            self.rfile.read(length)
            self.server.number += 1
            chance = random.Random(f"{self.server.seed} {self.server.number}")
            self.wfile.write(reply(chance))
        except OSError:
            pass


@contextmanager
def serving() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.slow
def test_whatever_an_endpoint_sends_becomes_runs(tmp_path: Path) -> None:
    dataset = tmp_path / "questions.jsonl"
    lines = [json.dumps({"input": f"2 + {n}?", "target": str(2 + n)}) for n in range(QUESTIONS)]
    dataset.write_text("\n".join(lines), encoding="utf-8")
    end = time.monotonic() + fuzz_seconds()
    seed = first_seed()
    with serving() as server:
        while time.monotonic() < end:
            seed += 1
            server.seed, server.number = seed, 0
            folder = tmp_path / str(seed)
            folder.mkdir()
            attempt(f"http://127.0.0.1:{server.server_address[1]}/v1", dataset, folder, seed)
            shutil.rmtree(folder)


def attempt(url: str, dataset: Path, folder: Path, seed: int) -> None:
    chance = random.Random(seed)
    approaches = chance.sample(("None", "CoT", "Reflection", "PoT"), 2)
    config = ExperimentConfig.from_dict(
        {
            "dataset": str(dataset),
            "approaches": approaches,
            "model": "m",
            "base_url": url,
            "provider": chance.choice((None, "openai", "openrouter")),
            "parsing": chance.choice(("auto", "regex")),
            "max_retries": chance.choice((0, 1)),
            "timeout": 1.0,
            "output_dir": str(folder / "out"),
        }
    )
    began = time.monotonic()
    with ResultsProcessor(str(folder / "r.db")) as processor:
        try:
            summary = ExperimentRunner(config, processor).run("e")
        except ResultsError:
            # Something that every request would meet, such as a refused key.
            pass
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error!r}") from error
        else:
            assert summary.runs == QUESTIONS * len(approaches), f"seed {seed}"
        export(processor.database, "e", folder / "o.jsonl")
        assert check(processor.database).intact, f"seed {seed}"
    assert time.monotonic() - began < SLOWEST, f"seed {seed} is slow"
