"""Starts the application: address, token, browser, and an end that loses nothing."""

from __future__ import annotations

import contextlib
import getpass
import socket
import subprocess
import sys
import threading
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imagemake.core.problems import Problem, UserError
from imagemake.plan.reviews import REVIEWS

if TYPE_CHECKING:
    from imagemake.review.security import Access

INSTALL = "pip install 'imagemake[review]'"


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What the command line asks for.

    Attributes:
        host: To bind to.
        port: To listen at; 0 for any that is free.
        reviewer: Whose decisions these are; None for the name that git or the system knows.
        browser: Whether to open one.
        ask_token: Whether to ask for a token on this machine too.
        allow_hosts: Further names that this server goes by.
    """

    host: str
    port: int
    reviewer: str | None
    browser: bool
    ask_token: bool
    allow_hosts: tuple[str, ...]


def serve(folder: Path, wish: ServeOptions) -> None:
    """Serve a project until Ctrl-C.

    Raises:
        UserError: If the extra is not installed, the port is taken, or the project cannot be understood.
    """
    try:
        import uvicorn

        from imagemake.review.app import make_app
        from imagemake.review.security import Access
    except ModuleNotFoundError as error:
        raise UserError(Problem("imagemake review", f"{error.name} is not installed", f"Run: {INSTALL}")) from None
    from imagemake.review.session import ReviewSession

    session = ReviewSession(folder)
    listening = _listen(wish)
    access = Access.at(wish.host, listening.getsockname()[1], ask=wish.ask_token, names=wish.allow_hosts)
    url = _url(wish.host, access)
    counts = session.view().counts()
    print(
        f"{session.campaign.campaign}: {counts['review']:,} to review of {counts['all']:,}. Decisions go to {REVIEWS}."
    )
    print(f"Open {url}\nCtrl-C ends it; every decision is on disk as soon as the page says so.", flush=True)
    if wish.browser:
        threading.Timer(0.5, webbrowser.open, [url]).start()
    app = make_app(session, access, wish.reviewer or _reviewer(folder))
    # The date and the server's name help nobody; forwarded headers are trusted from nobody.
    config = uvicorn.Config(
        app, log_level="warning", server_header=False, proxy_headers=False, timeout_graceful_shutdown=5
    )
    with listening, contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])
    print(f"Decisions are in {REVIEWS}; `snakemake -n` tells what follows from them.", file=sys.stderr)


def _listen(wish: ServeOptions) -> socket.socket:
    family = socket.AF_INET6 if ":" in wish.host else socket.AF_INET
    # Named as TCP, or asyncio does not switch Nagle's delay off, and each answer takes 40 ms more.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((wish.host, wish.port))
    except (OSError, OverflowError) as error:
        listening.close()
        remedy = "Choose another one with --port; 0 takes any that is free."
        raise UserError(Problem(f"{wish.host}, port {wish.port}", f"cannot be listened at: {error}", remedy)) from None
    return listening


def _url(host: str, access: Access) -> str:
    name = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)  # noqa: S104  read, not bound
    shown = f"[{name}]" if ":" in name else name
    token = f"?token={access.token}" if access.token else ""
    return f"http://{shown}:{access.port}/{token}"


def _reviewer(folder: Path) -> str:
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        command = ["git", "config", "user.name"]  # reviews.csv goes into git: the same name stands in both
        name = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
        if name:
            return name
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "reviewer"
