"""URLs of endpoints: what may be shown, and the secrets they may carry."""

import base64
import ipaddress
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from ml_agents_results.errors import UsageError

_SHORTEST_SECRET = 3


@dataclass(frozen=True)
class Address:
    """Where an endpoint is.

    Attributes:
        url: Scheme, host, port and path: what may be recorded and shown.
        query: Query parameters to send along; may hold a key.
        authorization: The Authorization header for `user:password@`, else None.
        secrets: Texts that must never be recorded or shown.
        loopback: Whether the endpoint is on this machine.
    """

    url: str
    query: dict[str, str] = field(default_factory=dict, repr=False)
    authorization: str | None = field(default=None, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    loopback: bool = False


def read_address(base_url: str) -> Address:
    """Parses a base URL.

    Raises:
        UsageError: It is not an http or https URL.
    """
    hint = "Give it as http://HOST:PORT/v1, for example http://127.0.0.1:11434/v1."
    try:
        parts = urlsplit(base_url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        raise UsageError("the base URL cannot be read", hint) from None
    if parts.scheme not in ("http", "https") or not host:
        raise UsageError("the base URL is not an http or https address", hint)
    shown_host = f"[{host}]" if ":" in host else host
    authority = shown_host if port is None else f"{shown_host}:{port}"
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    secrets = list(query.values())
    authorization = None
    if parts.username is not None or parts.password is not None:
        pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        token = base64.b64encode(pair.encode()).decode()
        authorization = f"Basic {token}"
        secrets += [token, *pair.split(":", 1)]
    return Address(
        url=urlunsplit((parts.scheme, authority, parts.path.rstrip("/"), "", "")),
        query=query,
        authorization=authorization,
        secrets=tuple(secrets),
        loopback=_is_loopback(host),
    )


def public_url(base_url: str) -> str:
    """The address without user, password and query: what may be recorded and shown."""
    return read_address(base_url).url


def scrub(text: str, secrets: tuple[str, ...]) -> str:
    """The text with every secret in it, plain or percent-encoded, replaced by `***`."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***").replace(quote(secret, safe=""), "***")
    return text


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
