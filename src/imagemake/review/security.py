"""Access control: checks every request before a page is rendered.

| threat | defense |
|---|---|
| other machines | the server listens on this machine only; with `--host`, it requires a token |
| DNS rebinding: another site's name resolves to this server | the Host header must be one of the server's names |
| forms on other sites | Origin and Sec-Fetch-Site must match, and each form contains a secret token |
| script in prompts, notes, and names | templates escape all values, and the policy allows only the package's script |
| oversized requests | the size of a body is limited, regardless of its Content-Length |
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

from imagemake.core.errors import ImagemakeError

MAX_BODY_BYTES = 1_000_000
MAX_FIELDS = 10_000
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
# Opening a link from a mail or chat is a cross-site navigation, and so is a redirect after it: browsers would not send
# the strict cookie. A page that refreshes itself is a same-site navigation.
_WELCOME = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Review</title>
<meta http-equiv="refresh" content="0;url=/"><p><a href="/">To the images</a></p></html>"""
_SIGN_IN = "Open the address with the token that `imagemake review` printed when it started."


@dataclass(frozen=True, slots=True)
class Access:
    """Which requests the server accepts.

    Attributes:
        port: Port that the server listens on.
        hosts: Names of the server, in lower case.
        any_address: Whether the Host header may be any IP address. This is safe: DNS rebinding needs a name.
        token: Token that every visitor needs; None if the server is reachable from this machine only.
        secret: Secret that cookies and form tokens are derived from.
    """

    port: int
    hosts: frozenset[str]
    any_address: bool = False
    token: str | None = None
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    @classmethod
    def at(cls, host: str, port: int, *, require_token: bool = False, names: tuple[str, ...] = ()) -> Access:
        """Return the access rules for a server at an address.

        Args:
            host: Address that the server binds to.
            port: Port that the server listens on.
            require_token: Whether to require a token even on this machine, because others have accounts on it.
            names: Further names of the server, such as the name of a proxy.
        """
        if is_loopback(host):
            known = {*LOOPBACK, host, *names}
        else:
            known = {*LOOPBACK, host, socket.gethostname(), socket.getfqdn(), *names}
        return cls(
            port,
            frozenset(name.lower() for name in known),
            any_address=not is_loopback(host),
            token=secrets.token_urlsafe(24) if require_token or not is_loopback(host) else None,
        )

    @property
    def form_token(self) -> str:
        """Token that each form contains."""
        return hmac.new(self.secret, b"form", hashlib.sha256).hexdigest()

    @property
    def cookie_name(self) -> str:
        """Name of the cookie. It contains the port, because all ports of a machine share their cookies."""
        return f"imagemake-review-{self.port}"

    @property
    def cookie(self) -> str:
        """Cookie value that replaces the token."""
        return hmac.new(self.secret, b"cookie", hashlib.sha256).hexdigest()

    def knows_host(self, header: str) -> bool:
        """Return whether a Host header names this server."""
        try:
            name = urlsplit(f"//{header}").hostname or ""
        except ValueError:
            return False
        return name in self.hosts or (self.any_address and _is_address(name))


def is_loopback(host: str) -> bool:
    """Return whether an address is reachable from this machine only."""
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class Guard:
    """Middleware that rejects requests that `Access` does not allow.

    Args:
        app: The application to protect.
        access: The access rules.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to rejected requests, and pass on the others."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # the application has no web sockets
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        rejection = self._reject(scope)
        if rejection is not None:
            await rejection(scope, receive, send_with_headers)
        else:
            await self._app(scope, receive, send_with_headers)

    def _reject(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if not self._access.knows_host(headers.get("host", "")):
            return PlainTextResponse("This server does not have that name. To allow it, pass --allow-host.", 421)
        if scope["method"] not in _SAFE_METHODS and not _is_same_site(headers):
            return PlainTextResponse("Requests from other sites are not allowed.", 403)
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
        return PlainTextResponse(_SIGN_IN, 401)


def _is_same_site(headers: Headers) -> bool:
    site = headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host", "")


class TooLargeError(ImagemakeError):
    """A request body is larger than any form."""


async def read_form(request: Request) -> dict[str, list[str]]:
    """Read a form's fields, up to a limit.

    Raises:
        TooLargeError: If the body is too large or has too many fields.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise TooLargeError
    try:
        return parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:  # too many fields
        raise TooLargeError from None
