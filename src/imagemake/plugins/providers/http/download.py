"""Get images by the URLs in responses. Anybody may have written them, so they lead to the Internet only.

The one exception is the host of the server itself, which the user chose; there, and on this machine if the server is on
it, a URL may also be `http`. A host name is looked up once, the addresses are checked, and the connection is made to a
checked address, so that a second look-up cannot lead elsewhere; each redirect begins anew. No credentials or cookies
are used, and no proxy of the environment unless the user says so: a proxy looks the name up itself, behind the check.
The client certificate is shown to the server itself only. Size and time are bounded.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from ipaddress import ip_address

import httpcore2
import httpx2

from imagemake import __version__
from imagemake.core.public_addresses import is_loopback, is_public
from imagemake.core.text import printable
from imagemake.images.formats import end_of_image, extension_of, format_of
from imagemake.plugins.providers.http.connecting import tls_trouble
from imagemake.plugins.providers.http.network import (
    IMAGES_BY_PROXY,
    Proxy,
    images_by_proxy,
    proxy_to,
    tls_context,
)

MOST_BYTES = 96 * 1024**2  # what a line of a batch can hold in base64
MOST_REDIRECTS = 5
WAITS_S = (0.5, 2.0)  # between tries: storage may lag behind the response that names its file
MOST_SILENT = 3  # images of a host that do not come in a row, before others fail at once for a while
SILENT_S = 60.0
CONNECT_S = 10.0  # longest wait for one of several addresses of a host
REDIRECTS = (301, 302, 303, 307, 308)
_PASSING = (408, 425, 429)  # with 5xx: the host says nothing about the image
_HEAD_BYTES = 4096
_HEADERS = (("User-Agent", f"imagemake/{__version__}"), ("Accept", "image/*"), ("Accept-Encoding", "identity"))


class NotFetchedError(Exception):
    """An image did not come. The message names the host, and no path: a path can hold a signature.

    Attributes:
        is_gone: Whether the host answered, and not with the image, as for a URL that has expired.
    """

    def __init__(self, message: str, *, is_gone: bool = False) -> None:
        super().__init__(message)
        self.is_gone = is_gone


class _ComesLaterError(NotFetchedError):
    """Another try in a moment may succeed."""


class Downloads:
    """Gets images that the responses of one server name.

    Args:
        base_url: Address of the server; relative URLs are joined to it.
        timeout_s: Longest time for one image, with all redirects and tries, in seconds.
    """

    def __init__(self, base_url: str, timeout_s: float) -> None:
        self._base = httpx2.URL(base_url.rstrip("/") + "/")
        self._timeout_s = timeout_s
        self._tls: dict[bool, ssl.SSLContext] = {}  # by whether the client certificate is shown
        self._silent: dict[str, tuple[int, float]] = {}  # by host: images that did not come in a row, and when

    async def image(self, url: str) -> bytes:
        """Return the complete file of an image.

        Raises:
            NotFetchedError: If it did not come.
        """
        try:
            absolute = self._base.join(url)
        except (httpx2.InvalidURL, ValueError):
            raise NotFetchedError("its URL is invalid", is_gone=True) from None
        where = _host(absolute)
        if self._is_silent(where):
            raise NotFetchedError(f"{where} did not answer {MOST_SILENT} times in a row")
        try:
            data = await self._patiently(absolute)
        except NotFetchedError as error:
            n, _ = self._silent.get(where, (0, 0.0))
            self._silent[where] = (0 if error.is_gone else n + 1), time.monotonic()
            raise
        self._silent.pop(where, None)
        return data

    def _is_silent(self, host: str) -> bool:
        """Return whether a host did not answer lately: thousands of images must not wait for it one after another."""
        n, since = self._silent.get(host, (0, 0.0))
        return n >= MOST_SILENT and time.monotonic() < since + SILENT_S

    async def _patiently(self, url: httpx2.URL) -> bytes:
        try:
            async with asyncio.timeout(self._timeout_s):
                for wait_s in WAITS_S:
                    with suppress(_ComesLaterError):
                        return await self._follow(url)
                    await asyncio.sleep(wait_s)
                return await self._follow(url)
        except TimeoutError:
            message = f"{_host(url)} sent no complete image within {self._timeout_s:g} s"
            raise NotFetchedError(message) from None

    async def _follow(self, url: httpx2.URL) -> bytes:
        for _ in range(MOST_REDIRECTS + 1):
            found = await self._get(url)
            if isinstance(found, bytes):
                return found
            url = found
        raise NotFetchedError(f"{_host(url)}: more than {MOST_REDIRECTS} redirects", is_gone=True)

    async def _get(self, url: httpx2.URL) -> bytes | httpx2.URL:
        """Return the image, or where the host says that it is."""
        self._check_scheme(url)
        # User name, password, and fragment are not sent.
        target = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        is_own = self._is_own(url.host)
        proxy = proxy_to(f"{url.scheme}://{url.netloc.decode()}")
        by_proxy = proxy if images_by_proxy() else None
        try:
            async with (
                await self._pool(url, by_proxy, is_own=is_own) as pool,
                pool.stream("GET", target, headers=_HEADERS) as response,
            ):
                if response.status in REDIRECTS:
                    return self._redirect(url, response.headers)
                if response.status != 200:
                    raise _refusal(_host(url), response.status)
                data = await _whole(response.aiter_stream(), _host(url))
        except (
            OSError,
            ssl.SSLError,
            httpcore2.NetworkError,
            httpcore2.ProtocolError,
            httpcore2.ProxyError,
            httpcore2.TimeoutException,
        ) as error:
            if (trouble := tls_trouble(error, _host(url))) is not None:
                raise NotFetchedError(f"{trouble.what}. {trouble.remedy}") from None
            words = printable(f"{type(error).__name__}: {error}".removesuffix(": "))
            if by_proxy is not None:
                words += f" (through the proxy {by_proxy.address})"
            elif proxy is not None:
                words += f" (directly, and not through the proxy {proxy.address}, unless {IMAGES_BY_PROXY}=1)"
            raise _ComesLaterError(f"{_host(url)}: {words}") from None
        return _checked(data, _host(url))

    async def _pool(self, url: httpx2.URL, proxy: Proxy | None, *, is_own: bool) -> httpcore2.AsyncConnectionPool:
        context = self._tls_context(is_own)
        if proxy is None:
            return httpcore2.AsyncConnectionPool(context, network_backend=_Guard(is_own))
        if not proxy.address.startswith(("http://", "https://")):
            raise NotFetchedError(f"images cannot come through {proxy.address}: only through an HTTP proxy")
        if not is_own:
            await _check_name(url.host)
        return httpcore2.AsyncHTTPProxy(proxy.address, proxy.credentials, ssl_context=context)

    def _check_scheme(self, url: httpx2.URL) -> None:
        if url.scheme != "https" and not (url.scheme == "http" and self._is_own(url.host)):
            raise NotFetchedError(f"{_host(url)}: {printable(url.scheme)} is not allowed there, only https")
        if not url.host:
            raise NotFetchedError("its URL names no host", is_gone=True)

    def _is_own(self, host: str) -> bool:
        """Return whether a host is the server's own, or this machine if the server is on this machine too."""
        own = self._base.host.rstrip(".")
        return host.rstrip(".") == own or (is_loopback(own) and is_loopback(host))

    def _redirect(self, url: httpx2.URL, headers: Iterable[tuple[bytes, bytes]]) -> httpx2.URL:
        location = next((value for name, value in headers if name.lower() == b"location"), b"")
        try:
            return url.join(location.decode("utf-8"))
        except (httpx2.InvalidURL, ValueError):
            raise NotFetchedError(f"{_host(url)}: its redirect is invalid", is_gone=True) from None

    def _tls_context(self, is_own: bool) -> ssl.SSLContext:
        if is_own not in self._tls:
            self._tls[is_own] = tls_context(is_identified=is_own)
        return self._tls[is_own]


class _Guard(httpcore2.AsyncNetworkBackend):
    """Connects to addresses that are public, or to any if the host is the server's own."""

    def __init__(self, is_own: bool) -> None:
        self._is_own = is_own
        self._sockets = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Look the host up once, and connect to its first address that is allowed and answers."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (UnicodeError, OverflowError):
            raise NotFetchedError(f"{printable(host)}:{port} is no address", is_gone=True) from None
        addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
        allowed = [one for one in addresses if self._is_own or is_public(one)]
        if not allowed:
            raise NotFetchedError(f"{printable(host)} is not on the Internet: {', '.join(addresses)} is not public")
        for address in allowed[:-1]:
            with suppress(httpcore2.ConnectError, httpcore2.ConnectTimeout):
                return await self._sockets.connect_tcp(address, port, CONNECT_S, local_address, socket_options)
        return await self._sockets.connect_tcp(allowed[-1], port, timeout, local_address, socket_options)


async def _check_name(host: str) -> None:
    """Check what can be known of a host that a proxy will look up: addresses, if this machine knows them.

    Behind a proxy, this machine may know the names of its own network only. A certificate must fit the name all the
    same, so that no other server can answer in its place.
    """
    found = [host] if _is_address(host) or is_loopback(host) else await _looked_up(host)
    if any(is_loopback(one) or not is_public(one) for one in found):
        raise NotFetchedError(f"{printable(host)} is not on the Internet: {', '.join(found)} is not public")


async def _looked_up(host: str) -> list[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, OverflowError):
        return []
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def _is_address(host: str) -> bool:
    with suppress(ValueError):
        ip_address(host)
        return True
    return False


async def _whole(chunks: AsyncIterator[bytes], host: str) -> bytes:
    data = bytearray()
    async for chunk in chunks:
        data += chunk
        if len(data) > MOST_BYTES:
            raise NotFetchedError(f"{host}: the file has more than {MOST_BYTES:,} bytes", is_gone=True)
    return bytes(data)


def _checked(data: bytes, host: str) -> bytes:
    """Return the data, unless it is a page in the image's place, or a part of the image."""
    if extension_of(data) == "bin" and b"\0" not in data[:_HEAD_BYTES]:
        raise _ComesLaterError(f"{host} sent text, and no image", is_gone=True)
    with suppress(ValueError):  # another format, or damage: that is the image as the host has it
        if end_of_image(data, format_of(data)) is None:
            raise _ComesLaterError(f"{host} sent only a part of the image", is_gone=True)
    return data


def _refusal(host: str, status: int) -> NotFetchedError:
    message = f"{host} answered with HTTP {status}"
    if status in _PASSING or status >= 500:
        return _ComesLaterError(message)
    return (_ComesLaterError if status == 404 else NotFetchedError)(message, is_gone=True)


def _host(url: httpx2.URL) -> str:
    return printable(url.host)
