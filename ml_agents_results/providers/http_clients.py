"""Options of client libraries: any concurrency, no secrets in logs."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from ml_agents_results.providers.http_errors import LONGEST_BODY
from ml_agents_results.providers.http_provider import Target

if TYPE_CHECKING:
    import ssl

    import httpx2


_OF_BODY = ("content-encoding", "content-length", "transfer-encoding")


def client_options(target: Target, timeout: float) -> dict[str, Any]:
    """Options for any of the client libraries; `timeout` in seconds.

    Connections suffice for any concurrency; a proxy from the environment is not used for a
    server on this machine.
    """
    import httpx2

    logging.getLogger("httpx2").addFilter(_without_query)
    address = target.address
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    basic = {"Authorization": address.authorization} if address.authorization else {}
    return {
        "api_key": target.key or "none",
        "base_url": address.url,
        "default_query": address.query,
        "default_headers": basic,
        "max_retries": 0,
        "timeout": httpx2.Timeout(timeout, connect=min(10.0, timeout)),
        "http_client": _client()(
            limits=limits,
            follow_redirects=True,
            trust_env=not address.loopback,
            verify=_certificates(not address.loopback),
            event_hooks={"request": [_stay_with(address.url)]},
        ),
    }


@cache
def _certificates(trust_env: bool) -> "ssl.SSLContext":
    """The certificates that servers are checked by; reading them takes 20 ms."""
    import httpx2

    return httpx2.create_ssl_context(trust_env=trust_env)


@cache
def _client() -> "type[httpx2.AsyncClient]":
    """A client that reads only the beginning of an error's body, which may be endless, or unpack
    to anything."""
    import httpx2

    class Client(httpx2.AsyncClient):
        async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
            response = await super().send(request, **options)
            if response.status_code < 400 or response.is_stream_consumed:
                return response
            body = bytearray()
            with suppress(httpx2.DecodingError):
                async for part in response.aiter_bytes():
                    # A compressed part may be a thousand times as large as it was sent.
                    body += part[: LONGEST_BODY - len(body)]
                    if len(body) == LONGEST_BODY:
                        break
            await response.aclose()
            # As bytes: what an endpoint writes need not be ASCII.
            kept = [
                (k, v)
                for k, v in response.headers.raw
                if k.decode("latin-1").lower() not in _OF_BODY
            ]
            return httpx2.Response(
                response.status_code,
                headers=kept,
                content=bytes(body),
                request=request,
                extensions=response.extensions,
            )

    return Client


def _stay_with(address: str) -> "Callable[[httpx2.Request], Awaitable[None]]":
    """Refuses what a redirect would send to another server: prompts are for the one that the user
    named, and what others answer, on an inner network say, is not for its eyes."""
    import httpx2

    own = httpx2.URL(address)
    secure = own.copy_with(scheme="https", port=None)

    async def check(request: httpx2.Request) -> None:
        url = request.url
        for known in (own, secure):
            if (url.scheme, url.host, url.port) == (known.scheme, known.host, known.port):
                return
        raise httpx2.RequestError(f"it redirects to another server, {url.host}", request=request)

    return check


def _without_query(record: logging.LogRecord) -> bool:
    """Removes the query from URLs that the HTTP library logs: it may hold a key."""
    import httpx2

    if isinstance(record.args, tuple):
        record.args = tuple(
            part.copy_with(query=None) if isinstance(part, httpx2.URL) else part
            for part in record.args
        )
    return True


def sendable(text: str) -> str:
    """The text as UTF-8 can encode it: lone surrogates become U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
