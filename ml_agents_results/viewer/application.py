"""Application: the viewer as an ASGI application, with a page for each address."""

import json
import secrets
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from importlib.resources import files
from typing import Any

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ml_agents_results.errors import DatabaseError, NotFoundError, ResultsError, UsageError
from ml_agents_results.reports.terminal import say
from ml_agents_results.viewer.pages import (
    comparison_page,
    downloads,
    experiment_list,
    experiment_page,
    grading_page,
    queue_page,
    run_list_page,
    sample_grid_page,
    sample_page,
)
from ml_agents_results.viewer.security import ANNOTATOR, Guard
from ml_agents_results.viewer.site import Site
from ml_agents_results.viewer.store import Store

READS_AT_ONCE = 8

Action = Callable[[Site, dict[str, Any]], Response]
"""Stores what a request says."""

_OWN = "ml_agents_results.viewer"
_REPORT = "ml_agents_results.formats.html_report"
_ASSETS = {
    "page.css": (_REPORT, "page.css", "text/css"),
    "viewer.css": (_OWN, "static/viewer.css", "text/css"),
    "viewer.js": (_OWN, "static/viewer.js", "text/javascript"),
    "grading.js": (_OWN, "static/grading.js", "text/javascript"),
    "charts.js": (_REPORT, "charts.js", "text/javascript"),
    "d3.min.js": (_REPORT, "vendor/d3.min.js", "text/javascript"),
    "plot.umd.min.js": (_REPORT, "vendor/plot.umd.min.js", "text/javascript"),
    "licences.txt": (_REPORT, "vendor/LICENSES.txt", "text/plain"),
}
"""The files that pages use, by a fixed list: no path of a request reaches the disk."""

_FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}

_WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

_PAGES: dict[str, downloads.Page] = {
    "/": experiment_list.show,
    "/experiment": experiment_page.show,
    "/experiment.json": experiment_page.document,
    "/runs": run_list_page.show,
    "/samples": sample_grid_page.show,
    "/sample": sample_page.show,
    "/run": sample_page.of_run,
    "/text": sample_page.whole_text,
    "/compare": comparison_page.show,
    "/compare.json": comparison_page.document,
    "/export/runs.csv": downloads.runs_csv,
    "/export/runs.json": downloads.runs_json,
    "/export/runs.jsonl": downloads.runs_in("jsonl", "jsonl", "application/jsonl"),
    "/export/runs.xlsx": downloads.runs_in("excel", "xlsx", _WORKBOOK),
    "/export/runs.parquet": downloads.runs_in("parquet", "parquet", "application/octet-stream"),
    "/queues": queue_page.show,
}


def create_app(
    store: Store,
    *,
    token: str,
    hosts: Sequence[str],
    cookie: str = "ml_agents",
    author: str = "",
    annotators: Mapping[str, str] | None = None,
    debug: bool = False,
) -> ASGIApp:
    """The viewer of a database.

    Args:
        token: What every request must bring; see `security.Guard`, as for `hosts`, `cookie` and
            `annotators`.
        author: The name that grades are stored under unless the page gives another one.
        debug: Whether unexpected errors are printed with their traceback.
    """
    assets = {
        name: (files(package).joinpath(path).read_bytes(), kind)
        for name, (package, path, kind) in _ASSETS.items()
    }
    digest = sha256(b"".join(content for content, _ in assets.values())).hexdigest()[:12]
    pages = Pages(Site(store, author, digest), assets, debug=debug)
    return Guard(
        pages, token=token, hosts=hosts, cookie=cookie, annotators=annotators, owner=author
    )


class Pages:
    """Runs the page or the action that a request asks for in a thread, and answers its errors."""

    def __init__(self, site: Site, assets: Mapping[str, tuple[bytes, str]], *, debug: bool) -> None:
        self._site = site
        self._debug = debug
        self._pages = {**_PAGES, "/state": _state}
        self._pages |= {
            f"/static/{site.version}/{name}": partial(_static, *asset)
            for name, asset in assets.items()
        }
        self._actions: dict[str, Action] = {}
        if not site.store.read_only:
            self._pages["/grade"] = grading_page.show
            self._actions = {
                "/grade": grading_page.store_grade,
                "/queues": queue_page.create_queue,
            }
        self._turns = CapacityLimiter(READS_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for event in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{event}.complete"})
            return
        request, path, method = Request(scope, receive), scope["path"], scope["method"]
        if method == "POST" and path in self._actions:
            body = await request.body()
            work = partial(self._acted, self._actions[path], request, body)
        elif method in ("GET", "HEAD") and path in self._pages:
            work = partial(self._shown, self._pages[path], request)
        elif path in self._pages:
            work = partial(self._error, request, 405, "This cannot be done here.")
        else:
            work = partial(self._error, request, 404, "There is no such page.")
        response = await run_sync(work, limiter=self._turns)
        await response(scope, receive, send)

    def _shown(self, page: downloads.Page, request: Request) -> Response:
        try:
            return page(self._site, request)
        except ResultsError as error:
            return self._error(request, _status(error), _sentence(error.message), error.hint)
        except Exception as error:  # noqa: BLE001 - answered here, where it gets our headers
            hint = "This is a bug: start the viewer with --debug, repeat, report what it prints."
            return self._error(request, 500, self._logged(error), hint)

    def _acted(self, action: Action, request: Request, body: bytes) -> Response:
        try:
            return action(self._site, _object(request, body))
        except ResultsError as error:
            content = {"error": _sentence(error.message), "hint": error.hint}
            return JSONResponse(content, _status(error))
        except Exception as error:  # noqa: BLE001 - as above
            return JSONResponse({"error": self._logged(error), "hint": None}, 500)

    def _error(
        self, request: Request, status: int, message: str, hint: str | None = None
    ) -> Response:
        first_page = request.query_params.get("experiment")
        return self._site.page(
            "error.html", code=status, title=message, hint=hint, first_page=first_page
        )

    def _logged(self, error: Exception) -> str:
        """Prints an error without any text of the database, unless debugging; gives its name."""
        number = secrets.token_hex(4)
        detail = traceback.format_exc() if self._debug else type(error).__name__
        say(f"Error {number}: {detail}")
        return f"Something went wrong ({type(error).__name__}, {number})."


def _object(request: Request, body: bytes) -> dict[str, Any]:
    """What a request says; an annotator is the author of it all."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise UsageError("the request is not a JSON object", "Send what its pages send.")
    return content | {"author": request.scope[ANNOTATOR]} if ANNOTATOR in request.scope else content


def _state(site: Site, request: Request) -> Response:
    """204 while nothing has changed; else the new state."""
    state = site.store.state()
    if state is None or state == request.query_params.get("since"):
        return Response(status_code=204)
    return JSONResponse({"state": state})


def _static(content: bytes, kind: str, _site: Site, _request: Request) -> Response:
    return Response(content, media_type=f"{kind}; charset=utf-8", headers=_FOREVER)


def _status(error: ResultsError) -> int:
    if isinstance(error, NotFoundError):
        return 404
    return 503 if isinstance(error, DatabaseError) else 400


def _sentence(message: str) -> str:
    return message[:1].upper() + message[1:] + "."
