"""Server: runs the viewer on a free port, prints its link and opens the browser."""

import getpass
import secrets
import socket
import webbrowser
from collections.abc import Sequence
from contextlib import closing, suppress

import uvicorn

from ml_agents_results.database.engine import Database
from ml_agents_results.errors import UsageError
from ml_agents_results.reports.terminal import say
from ml_agents_results.viewer.application import create_app
from ml_agents_results.viewer.process_memory import keep_for_next_page
from ml_agents_results.viewer.store import Store

PORT = 8765
LOOPBACK = "127.0.0.1"
_TRIED = 50


def serve(
    database: Database,
    *,
    host: str = LOOPBACK,
    port: int | None = None,
    read_only: bool = False,
    open_browser: bool = True,
    trusted_hosts: Sequence[str] = (),
    annotators: Sequence[str] = (),
    path: str = "/",
    debug: bool = False,
) -> None:
    """Serves the database until it is interrupted.

    Args:
        port: By default PORT, or the next free one.
        trusted_hosts: Further names under which the viewer is reached.
        annotators: People who get a link of their own, under whose name they grade.
        path: The page that the link opens.

    Raises:
        UsageError: The port is taken, or the host is not an address of this machine.
    """
    keep_for_next_page()
    store = Store(database, read_only=read_only)
    token = secrets.token_urlsafe(32)
    people = {secrets.token_urlsafe(32): name for name in annotators}
    with closing(_listen(host, port)) as listening:
        chosen = listening.getsockname()[1]
        names = {LOOPBACK, "localhost", "[::1]", *trusted_hosts}
        if host not in ("0.0.0.0", "::"):
            names.add(f"[{host}]" if ":" in host else host)
        app = create_app(
            store,
            token=token,
            hosts=[f"{name}:{chosen}" for name in names] + ([*names] if chosen == 80 else []),
            cookie=f"ml_agents_{chosen}",
            author=login_name(),
            annotators=people,
            debug=debug,
        )
        shown = host if host in names else LOOPBACK
        separator = "&" if "?" in path else "?"
        address = f"http://{shown}:{chosen}{path}{separator}token="
        link = address + token
        say(f"Viewing {database} at {link}")
        for own, name in people.items():
            say(f"For {name}: {address}{own}")
        if store.read_only:
            say(f"Nothing can be graded: {store.why_read_only}.")
        if host not in (LOOPBACK, "localhost", "::1"):
            say(
                f"Note: it listens on {host}, without encryption: whoever can read the network can "
                f"read the token. Safer: ssh -L {chosen}:127.0.0.1:{chosen} THIS_MACHINE"
            )
        say("Ctrl-C ends it.")
        if open_browser:
            with suppress(webbrowser.Error):
                webbrowser.open(link)
        config = uvicorn.Config(
            app,
            log_level="critical",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
            timeout_keep_alive=30,
            lifespan="off",
            ws="none",
        )
        uvicorn.Server(config).run(sockets=[listening])


def login_name() -> str:
    """The name of the user on this machine; empty where there is none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def _listen(host: str, port: int | None) -> socket.socket:
    wanted = [port] if port is not None else range(PORT, PORT + _TRIED)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for number in wanted:
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Of a socket that it did not make, asyncio does not set it: heads would wait for bodies.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            listening.bind((host, number))
            listening.listen()
        except OSError as error:
            listening.close()
            last = error
        else:
            return listening
    raise UsageError(
        f"cannot listen on {host}:{wanted[0]}: {last.strerror}",
        "Choose another one with --port; 0 takes any that is free.",
    )
