"""Security: who may ask. A web page, another user of the machine and a model's text are strangers.

Every request needs the token of this start, also on loopback: login nodes are shared. The `Host`
must be ours, which stops DNS rebinding; what comes from another site is refused; and the content
security policy lets pages run no script but the viewer's files.
"""

from collections.abc import Collection, Mapping
from secrets import compare_digest
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LONGEST_QUERY = 8 * 1024
LARGEST_BODY = 64 * 1024

ANNOTATOR = "annotator"
"""Where the scope of a request has the name of the person whose token it brought."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' "
    "'unsafe-inline'; img-src 'self' data:; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""On every response. Styles in attributes are for the charts alone; nothing is loaded by them."""

_RAW = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]


class Guard:
    """Middleware that refuses strangers and sets the headers.

    Args:
        token: What every request must bring, once in the link, then in a cookie.
        annotators: Further tokens, each with the person who has it: their grades are theirs,
            whatever a form says. With these, `token` is that of `owner`.
        hosts: The values of `Host` that are ours, with the port.
        cookie: The name of the cookie; it holds the port, since ports share cookies.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: str,
        hosts: Collection[str],
        cookie: str,
        annotators: Mapping[str, str] | None = None,
        owner: str = "",
    ) -> None:
        self._app = app
        self._people = {token: owner, **(annotators or {})}
        self._named = bool(annotators)
        self._hosts = frozenset(host.lower() for host in hosts)
        self._cookie = cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = [*message["headers"], *_RAW]
                if not any(name == b"cache-control" for name, _ in given):
                    given.append((b"cache-control", b"private, no-cache"))
                message["headers"] = given
            await send(message)

        answer = self._refusal(scope)
        await (answer or self._app)(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        """What answers instead of the application; None for who may ask."""
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        if host not in self._hosts:
            return _plain(
                400,
                f"This viewer does not answer to the host {host[:100]!r}. If you reach it under "
                "that name on purpose, start it with: --trusted-host NAME",
            )
        if len(scope["query_string"]) > LONGEST_QUERY:
            return _plain(414, "The address is too long.")
        if _cross_site(scope["method"], headers, host):
            return _plain(403, "Requests from other sites are refused.")
        if scope["method"] not in ("GET", "HEAD") and (answer := _bad_body(headers)):
            return answer
        return self._without_token(scope, headers)

    def _without_token(self, scope: Scope, headers: Headers) -> Response | None:
        kind, _, bearer = headers.get("authorization", "").partition(" ")
        cookie = cookie_parser(headers.get("cookie", "")).get(self._cookie, "")
        person = self._person(bearer if kind == "Bearer" else cookie)
        if b"token=" in scope["query_string"] and (
            link := self._link(scope, known=person is not None)
        ):
            return link
        if person is None:
            return _plain(
                401,
                "Open the link that `ml-agents view` printed last: it carries a token that is new "
                "at every start. Then this address works, too.",
            )
        if self._named:
            scope[ANNOTATOR] = person
        return None

    def _link(self, scope: Scope, *, known: bool) -> Response | None:
        """Leads from a link with a token to the same page without it; also from one of an earlier
        start, for who is known by the new one."""
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = next((value for name, value in query if name == "token"), None)
        if given is None:
            return None
        fits = self._person(given) is not None
        rest = urlencode([pair for pair in query if pair[0] != "token"])
        # Two slashes would begin the name of another host.
        path = "/" + scope["path"].lstrip("/")
        answer = RedirectResponse(path + (f"?{rest}" if rest else ""), 303)
        if fits:
            answer.set_cookie(self._cookie, given, httponly=True, samesite="lax")
        return answer if fits or known else None

    def _person(self, given: str) -> str | None:
        """Whose token it is; None if it is nobody's. Every token is compared."""
        fitting = [
            person
            for token, person in self._people.items()
            if compare_digest(given.encode(), token.encode())
        ]
        return fitting[0] if fitting else None


def _cross_site(method: str, headers: Headers, host: str) -> bool:
    """Whether another site asks. A link on one may be followed; nothing else."""
    site = headers.get("sec-fetch-site", "same-origin")
    origin = headers.get("origin")
    foreign = site not in ("same-origin", "none") or (
        origin is not None and origin.lower() != f"http://{host}"
    )
    navigates = (
        method == "GET"
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest", "document") == "document"
    )
    if method not in ("GET", "HEAD"):
        return foreign or origin is None
    return foreign and not navigates


def _bad_body(headers: Headers) -> Response | None:
    if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return _plain(415, "Only application/json is accepted.")
    length = headers.get("content-length", "")
    if not length.isdigit():
        return _plain(411, "The length of the request is missing.")
    return _plain(413, "The request is too large.") if int(length) > LARGEST_BODY else None


def _plain(status: int, text: str) -> PlainTextResponse:
    return PlainTextResponse(text + "\n", status)
