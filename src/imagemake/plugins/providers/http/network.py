"""How calls leave this machine: through which proxy, and with which certificates. The environment says both.

The variables are those of other programs: `SSL_CERT_FILE` and `SSL_CERT_DIR` as for OpenSSL, `SSL_CLIENT_CERT` as for
uv, and `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, and `NO_PROXY` as for curl. `IMAGEMAKE_IMAGES_BY_PROXY` lets images at
URLs use the proxy too; see `imagemake.plugins.providers.http.download`.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from imagemake.core.text import printable
from imagemake.plugins.providers.failures import FailureKind, ProviderError

if TYPE_CHECKING:
    from httpx2 import AsyncClient

CA_FILE = "SSL_CERT_FILE"
CA_FOLDERS = "SSL_CERT_DIR"
CLIENT_CERTIFICATE = "SSL_CLIENT_CERT"
CLIENT_KEY = "SSL_CLIENT_KEY"
IMAGES_BY_PROXY = "IMAGEMAKE_IMAGES_BY_PROXY"
READ_BYTES = 256 * 1024  # what asyncio reads at once; httpcore asks for a quarter, and works four times as often


class Proxy(NamedTuple):
    """A proxy that calls go through.

    Attributes:
        address: Scheme, host, and port, without credentials.
        variable: Environment variable that names it.
    """

    address: str
    variable: str

    @property
    def credentials(self) -> tuple[str, str] | None:
        """User name and password, as the variable has them; None if it has none."""
        named = urlsplit(_with_scheme(os.environ.get(self.variable, "")))
        return (unquote(named.username), unquote(named.password or "")) if named.username else None


def client_for(kind: type[AsyncClient], context: ssl.SSLContext, **options: Any) -> AsyncClient:
    """Make a client that uses the environment's proxies, and follows no redirect.

    Args:
        kind: Class of the client.
        context: Its TLS settings, as `tls_context` makes them.
        options: Further arguments for the class.

    Raises:
        ProviderError: `FailureKind.STOP`, if a variable names an invalid proxy.
    """
    import httpcore2
    import httpx2

    httpcore2.AsyncHTTP11Connection.READ_NUM_BYTES = READ_BYTES
    try:
        # A redirect would lead a key, and what was paid for, to another server.
        return kind(verify=context, follow_redirects=False, **options)
    except ImportError:
        raise _wrong("the environment names a SOCKS proxy", "Run: pip install socksio") from None
    except (httpx2.InvalidURL, ValueError):  # its text can hold a password
        what = "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, or NO_PROXY has an invalid address"
        raise _wrong(what, "A proxy is written as http://HOST:PORT or http://USER:PASSWORD@HOST:PORT.") from None


def tls_context(*, is_identified: bool = True) -> ssl.SSLContext:
    """Make the TLS settings of a client.

    Args:
        is_identified: Whether to show the client certificate to servers that ask for one.

    Raises:
        ProviderError: `FailureKind.STOP`, if a variable names no certificates.
    """
    import httpx2

    file, folders = os.environ.get(CA_FILE), os.environ.get(CA_FOLDERS)
    if folders and not file:  # OpenSSL says nothing about a folder that is missing
        for folder in filter(None, folders.split(os.pathsep)):
            if not Path(folder).is_dir():
                raise _wrong(f"{CA_FOLDERS} names {printable(folder)}, which is no folder", f"Correct {CA_FOLDERS}.")
    try:
        context = httpx2.create_ssl_context()
    except OSError as error:  # ssl.SSLError is one
        remedy = f"Set {CA_FILE} to a PEM file with the certificates of the CAs to trust."
        raise _wrong(f"{CA_FILE} is {printable(file or '')}: {_words(error)}", remedy) from None
    if is_identified:
        _identify(context)
    return context


def proxy_to(server: str) -> Proxy | None:
    """Return the proxy for calls to a server; None if they go there directly.

    Args:
        server: Scheme, host, and port.
    """
    parts, proxies = urlsplit(server), getproxies()
    scheme = next((one for one in (parts.scheme, "all") if proxies.get(one)), None)
    if scheme is None or proxy_bypass(parts.netloc):
        return None
    written = proxies[scheme]
    named = urlsplit(_with_scheme(written))
    small = f"{scheme}_proxy"
    variable = small if os.environ.get(small) else small.upper()
    return Proxy(printable(f"{named.scheme}://{named.netloc.rpartition('@')[2]}"), variable)


def images_by_proxy() -> bool:
    """Return whether the environment says that images at URLs go through the proxy too."""
    return os.environ.get(IMAGES_BY_PROXY, "") not in ("", "0")


def _with_scheme(address: str) -> str:
    return address if "://" in address else f"http://{address}"


def _identify(context: ssl.SSLContext) -> None:
    certificate, key = os.environ.get(CLIENT_CERTIFICATE), os.environ.get(CLIENT_KEY)
    if key and not certificate:
        raise _wrong(f"{CLIENT_KEY} is set, and {CLIENT_CERTIFICATE} is not", f"Set {CLIENT_CERTIFICATE} too.")
    if not certificate:
        return
    remedy = (
        f"Set {CLIENT_CERTIFICATE} to a PEM file with the certificate, and {CLIENT_KEY} to one with its private key, "
        "without a passphrase. A file that holds both needs no second variable."
    )
    try:
        # Without a password, OpenSSL would ask for one at the terminal.
        context.load_cert_chain(certificate, key or None, password="")
    except OSError as error:
        what = f"{CLIENT_CERTIFICATE} is {printable(certificate)}, which cannot be used: {_words(error)}"
        raise _wrong(what, remedy) from None


def _words(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return printable(error.reason.replace("_", " ").lower()) if error.reason else "it cannot be read as PEM"
    return error.strerror or type(error).__name__


def _wrong(what: str, remedy: str) -> ProviderError:
    return ProviderError(what, FailureKind.STOP, code="network_settings", remedy=remedy)
