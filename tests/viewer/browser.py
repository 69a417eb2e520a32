"""A real browser and a real server, for tests that look at pages as people do."""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from ml_agents_results.database.engine import Database
from ml_agents_results.viewer.application import create_app
from ml_agents_results.viewer.server import _listen
from ml_agents_results.viewer.store import Store

TOKEN = "token-of-the-browser"


def chromium() -> str:
    """The browser; without Playwright or Chromium the tests are skipped."""
    pytest.importorskip("playwright.sync_api", reason="needs Playwright")
    path = (
        os.environ.get("ML_AGENTS_CHROMIUM")
        or shutil.which("chromium")
        or shutil.which("google-chrome")
    )
    if path is None:
        pytest.skip("needs Chromium: install Debian's package, or set ML_AGENTS_CHROMIUM")
    return path


@contextmanager
def serving(path: Path, **settings: Any) -> Iterator[str]:
    """The viewer of a file in a thread; gives its address."""
    database = Database(str(path))
    listening = _listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    app = create_app(
        Store(database, **settings),
        token=TOKEN,
        hosts=[f"127.0.0.1:{port}"],
        cookie=f"viewer_{port}",
        author="ada",
    )
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(timeout=10)
    database.close()


class Visitor:
    """A person with a browser: every message of the console and foreign request is a failure."""

    def __init__(self, browser: Any, address: str, **settings: Any) -> None:
        self.context = browser.new_context(**settings)
        self.page = self.context.new_page()
        self.address = address
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._asked)
        self.page.goto(f"{address}/?token={TOKEN}")

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.complaints.append(f"asked for {request.url}")

    def open(self, url: str) -> Any:
        self.page.goto(self.address + url)
        return self.page

    def close(self) -> None:
        self.context.close()
        assert self.complaints == []
