"""Options of client libraries: any concurrency, no secrets in logs."""

import logging
from typing import Any

from ml_agents_results.providers.http_provider import Target


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
        "http_client": httpx2.AsyncClient(
            limits=limits, follow_redirects=True, trust_env=not address.loopback
        ),
    }


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
