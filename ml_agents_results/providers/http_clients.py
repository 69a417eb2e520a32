"""How client libraries are opened, so that they hold any concurrency and log no secret."""

import logging
from typing import Any

from ml_agents_results.providers.provider_settings import ProviderSettings, Target


def client_options(target: Target, settings: ProviderSettings) -> dict[str, Any]:
    """What every client library is opened with.

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
        "timeout": httpx2.Timeout(settings.timeout, connect=min(10.0, settings.timeout)),
        "http_client": httpx2.AsyncClient(
            limits=limits, follow_redirects=True, trust_env=not address.loopback
        ),
    }


def _without_query(record: logging.LogRecord) -> bool:
    """Let a line of the HTTP library pass without the query of its URL: that may hold a key."""
    import httpx2

    if isinstance(record.args, tuple):
        record.args = tuple(
            part.copy_with(query=None) if isinstance(part, httpx2.URL) else part
            for part in record.args
        )
    return True


def sendable(text: str) -> str:
    """The text in a form that UTF-8 can carry: half characters become U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
