"""Who may do what: asked before any page is made.

| against | what |
|---|---|
| other machines | only this one is listened to, unless `--host` says otherwise; then a token is asked for |
| DNS rebinding: a page of theirs under a name that leads here | the Host header must be a name of ours |
| writes by pages of theirs | Origin and Sec-Fetch-Site must be ours, and each form has a token that they cannot read |
| script in prompts, notes and names | everything is escaped, and the policy allows no script but our file |
| floods | a body has a limit, whatever it says about itself |
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import socket
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request, cookie_parser
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BODY_BYTES = 1_000_000
MOST_FIELDS = 10_000
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_SAFE_METHODS = ("GET", "HEAD")
_POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # Not no-referrer: browsers then send `Origin: null` with forms.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
# A link from a mail or a chat is a cross-site navigation, and a redirect would still be one: the strict cookie would
# not be sent. A page that goes on by itself is ours.
_WELCOME = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Review</title>
<meta http-equiv="refresh" content="0;url=/"><p><a href="/">To the images</a></p></html>"""
_UNKNOWN_VISITOR = "Open the address with the token that `imagemake review` printed when it started."


@dataclass(frozen=True, slots=True)
class Access:
    """What this server asks of requests.

    Attributes:
        port: That it listens at.
        hosts: Names that it goes by, in lower case.
        any_address: Whether any IP address will do as the Host: a rebinding page has a name.
        token: Asked for before anything is shown; None on this machine alone.
        secret: What form tokens are made from.
    """

    port: int
    hosts: frozenset[str]
    any_address: bool = False
    token: str | None = None
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    @classmethod
    def at(cls, host: str, port: int, *, ask: bool = False, names: tuple[str, ...] = ()) -> Access:
        """Return what a server at an address should ask.

        Args:
            host: That it binds to.
            port: That it listens at.
            ask: Whether to ask for a token on this machine too, where others have accounts.
            names: Names that it goes by besides, such as that of a proxy.
        """
        if is_loopback(host):
            known = {*LOOPBACK, host, *names}
        else:
            known = {*LOOPBACK, host, socket.gethostname(), socket.getfqdn(), *names}
        return cls(
            port,
            frozenset(name.lower() for name in known),
            any_address=not is_loopback(host),
            token=secrets.token_urlsafe(24) if ask or not is_loopback(host) else None,
        )

    @property
    def form_token(self) -> str:
        """What each form carries."""
        return hmac.new(self.secret, b"form", hashlib.sha256).hexdigest()

    @property
    def cookie_name(self) -> str:
        """Cookies know no ports: two servers of one machine would overwrite each other's."""
        return f"imagemake-review-{self.port}"

    @property
    def cookie(self) -> str:
        """What the browser shows instead of the token."""
        return hmac.new(self.secret, b"cookie", hashlib.sha256).hexdigest()

    def knows_host(self, header: str) -> bool:
        """Say whether a Host header names this server."""
        try:
            name = urlsplit(f"//{header}").hostname or ""
        except ValueError:
            return False
        return name in self.hosts or (self.any_address and _is_address(name))


def is_loopback(host: str) -> bool:
    """Say whether an address can be reached from this machine alone."""
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class Guard:
    """Middleware that lets through what `Access` allows.

    Args:
        app: What is guarded.
        access: What is asked.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by itself what is not allowed."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no web sockets here
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        answer = self._answer(scope)
        if answer is not None:
            await answer(scope, receive, send_with_headers)
        else:
            await self._app(scope, receive, send_with_headers)

    def _answer(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if not self._access.knows_host(headers.get("host", "")):
            return PlainTextResponse("This server does not go by that name; see --allow-host.", 421)
        if scope["method"] not in _SAFE_METHODS and not _is_same_site(headers):
            return PlainTextResponse("Another site may not write here.", 403)
        return self._check_token(scope, headers)

    def _check_token(self, scope: Scope, headers: Headers) -> Response | None:
        access = self._access
        if access.token is None:
            return None
        shown = cookie_parser(headers.get("cookie", "")).get(access.cookie_name, "")
        if hmac.compare_digest(shown.encode(), access.cookie.encode()):
            return None
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["method"] == "GET" and hmac.compare_digest(given.encode(), access.token.encode()):
            welcome = HTMLResponse(_WELCOME)
            welcome.set_cookie(access.cookie_name, access.cookie, httponly=True, samesite="strict", path="/")
            return welcome
        return PlainTextResponse(_UNKNOWN_VISITOR, 401)


def _is_same_site(headers: Headers) -> bool:
    site = headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host", "")


class TooLargeError(Exception):
    """A body is larger than any form of ours."""


async def read_form(request: Request) -> dict[str, list[str]]:
    """Read a form's fields, and no more bytes than a form has.

    Raises:
        TooLargeError: If there is more.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BODY_BYTES:
            raise TooLargeError
    try:
        return parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:  # more fields than that
        raise TooLargeError from None
