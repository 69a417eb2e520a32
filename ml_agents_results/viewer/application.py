"""Application: the routes of the viewer as an ASGI application, and the answers to errors."""

import secrets
import traceback
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import wraps
from hashlib import sha256
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ml_agents_results.errors import DatabaseError, NotFoundError, ResultsError
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


def create_app(
    store: Store,
    *,
    token: str,
    hosts: Sequence[str],
    cookie: str = "ml_agents",
    author: str = "",
    annotators: Mapping[str, str] | None = None,
    debug: bool = False,
) -> Starlette:
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
    site = Site(store, author, digest, debug, assets)
    return Starlette(
        routes=_routes(site),
        middleware=[
            Middleware(
                Guard,
                token=token,
                hosts=hosts,
                cookie=cookie,
                annotators=annotators,
                owner=author,
            )
        ],
        exception_handlers={
            ResultsError: _answering(site, _known_error),
            HTTPException: _answering(site, _http_error),
        },
        lifespan=_lifespan,
    )


@asynccontextmanager
async def _lifespan(_app: Starlette) -> AsyncIterator[None]:
    from anyio.to_thread import current_default_thread_limiter

    current_default_thread_limiter().total_tokens = READS_AT_ONCE
    yield


def _routes(site: Site) -> list[BaseRoute]:
    pages: dict[str, downloads.Page] = {
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
        "/state": _state,
        "/static/{version}/{name}": _static,
    }
    routes: list[BaseRoute] = [
        Route(path, _endpoint(site, page), methods=["GET"]) for path, page in pages.items()
    ]
    if not site.store.read_only:
        routes += [
            Route("/grade", _endpoint(site, grading_page.show), methods=["GET"]),
            Route("/grade", _posting(site, grading_page.store_grade), methods=["POST"]),
            Route("/queues", _posting(site, queue_page.create_queue), methods=["POST"]),
        ]
    return routes


def _endpoint(site: Site, page: downloads.Page) -> Callable[[Request], Response]:
    @wraps(page)
    def answer(request: Request) -> Response:
        try:
            return page(site, request)
        except (ResultsError, HTTPException):
            raise
        except Exception as error:  # noqa: BLE001 - answered here, where it gets our headers
            return _unexpected_error(site, request, error)

    return answer


def _posting(site: Site, action: Callable[[Site, dict[str, Any]], Response]) -> Any:
    async def answer(request: Request) -> Response:
        from anyio.to_thread import run_sync

        try:
            body = await request.json()
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            raise HTTPException(400, "The request is not a JSON object.")
        if ANNOTATOR in request.scope:
            body["author"] = request.scope[ANNOTATOR]
        try:
            return await run_sync(action, site, body)
        except ResultsError as error:
            content = {"error": _sentence(error.message), "hint": error.hint}
            return JSONResponse(content, _status(error))
        except Exception as error:  # noqa: BLE001 - as above
            return JSONResponse({"error": _report(site, error), "hint": None}, 500)

    return answer


def _state(site: Site, request: Request) -> Response:
    """204 while nothing has changed; else the new state."""
    state = site.store.state()
    if state is None or state == request.query_params.get("since"):
        return Response(status_code=204)
    return JSONResponse({"state": state})


def _static(site: Site, request: Request) -> Response:
    content, kind = site.assets.get(request.path_params["name"], (b"", ""))
    if not kind:
        raise HTTPException(404, "There is no such file.")
    return Response(content, media_type=f"{kind}; charset=utf-8", headers=_FOREVER)


def _answering(site: Site, answer: Callable[..., Response]) -> Callable[..., Response]:
    def handle(request: Request, error: Exception) -> Response:
        return answer(site, request, error)

    return handle


def _known_error(site: Site, request: Request, error: ResultsError) -> Response:
    return _error(site, request, _status(error), _sentence(error.message), error.hint)


def _http_error(site: Site, request: Request, error: HTTPException) -> Response:
    sentences = {404: "There is no such page.", 405: "This cannot be done here."}
    detail = sentences.get(error.status_code, error.detail)
    return _error(site, request, error.status_code, detail, None)


def _unexpected_error(site: Site, request: Request, error: Exception) -> Response:
    hint = "This is a bug: start the viewer with --debug, repeat, and report what it prints."
    return _error(site, request, 500, _report(site, error), hint)


def _report(site: Site, error: Exception) -> str:
    """Logs an error without any text of the database, unless debugging; says what it is called."""
    number = secrets.token_hex(4)
    detail = traceback.format_exc() if site.debug else type(error).__name__
    say(f"Error {number}: {detail}")
    return f"Something went wrong ({type(error).__name__}, {number})."


def _error(site: Site, request: Request, status: int, message: str, hint: str | None) -> Response:
    return site.page(
        "error.html",
        code=status,
        title=message,
        hint=hint,
        first_page=request.query_params.get("experiment"),
    )


def _status(error: ResultsError) -> int:
    if isinstance(error, NotFoundError):
        return 404
    return 503 if isinstance(error, DatabaseError) else 400


def _sentence(message: str) -> str:
    return message[:1].upper() + message[1:] + "."
