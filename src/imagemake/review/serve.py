"""Starts the review server and stops it without losing decisions."""

from __future__ import annotations

import contextlib
import errno
import getpass
import socket
import subprocess
import sys
import threading
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imagemake.core.problems import NotReadyError, Problem, UserError
from imagemake.plan.reviews import REVIEWS

if TYPE_CHECKING:
    from imagemake.review.security import Access

INSTALL = "pip install 'imagemake[review]'"


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Options of the command line.

    Attributes:
        host: Address to bind to.
        port: Port to listen on; 0 for any free port.
        reviewer: Name of the reviewer; None for the name from git or the system.
        browser: Whether to open a browser.
        ask_token: Whether to require a token even on this machine.
        allow_hosts: Further names of the server.
    """

    host: str
    port: int
    reviewer: str | None
    browser: bool
    ask_token: bool
    allow_hosts: tuple[str, ...]


def serve(folder: Path, options: ServeOptions) -> None:
    """Serve a project until Ctrl-C.

    Raises:
        UserError: If the extra is not installed, the port is in use, or the project is invalid.
    """
    try:
        import uvicorn

        from imagemake.review.app import make_app
        from imagemake.review.security import Access
    except ModuleNotFoundError as error:
        raise NotReadyError(f"imagemake review: {error.name} is not installed.", f"Run: {INSTALL}") from None
    from imagemake.review.session import ReviewSession

    session = ReviewSession(folder)
    listening = _listen(options)
    access = Access.at(
        options.host, listening.getsockname()[1], require_token=options.ask_token, names=options.allow_hosts
    )
    url = _url(options.host, access)
    counts = session.view().counts()
    print(f"{session.campaign.campaign}: {counts['review']:,} of {counts['all']:,} images await review.")
    print(f"Decisions are saved to {REVIEWS}.")
    for warning in session.warnings():
        print(f"Warning: {warning}", file=sys.stderr)
    print(f"Open {url}\nPress Ctrl-C to stop. A decision is on disk as soon as the page confirms it.", flush=True)
    if options.browser:
        threading.Timer(0.5, webbrowser.open, [url]).start()
    app = make_app(session, access, options.reviewer or _reviewer(folder))
    # Forwarded headers are not trusted, because no proxy is configured.
    config = uvicorn.Config(
        app, log_level="warning", server_header=False, proxy_headers=False, timeout_graceful_shutdown=5
    )
    with listening, contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])
    print(f"Decisions are in {REVIEWS}. To see what they change, run `snakemake -n`.", file=sys.stderr)


def _listen(options: ServeOptions) -> socket.socket:
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    # Without IPPROTO_TCP, asyncio doesn't disable Nagle's algorithm, which adds 40 ms per response.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((options.host, options.port))
        listening.listen()  # before the address is printed: a browser that comes at once waits instead of failing
    except (OSError, OverflowError) as error:
        listening.close()
        remedy = "Choose another port with --port, or pass --port 0 to use any free port."
        if isinstance(error, socket.gaierror) or (isinstance(error, OSError) and error.errno == errno.EADDRNOTAVAIL):
            remedy = "Pass an address of this machine with --host, such as 127.0.0.1."
        raise UserError(Problem(f"{options.host}, port {options.port}", f"cannot listen: {error}", remedy)) from None
    return listening


def _url(host: str, access: Access) -> str:
    name = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)  # noqa: S104  read, not bound
    shown = f"[{name}]" if ":" in name else name
    token = f"?token={access.token}" if access.token else ""
    return f"http://{shown}:{access.port}/{token}"


def _reviewer(folder: Path) -> str:
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        command = ["git", "config", "user.name"]  # reviews.csv is in git, so use the same name
        name = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
        if name:
            return name
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "reviewer"
