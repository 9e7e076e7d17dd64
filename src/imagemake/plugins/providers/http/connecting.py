"""Why a call got no response: the server, the proxy, or a certificate."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator
from typing import NamedTuple

from imagemake.core.text import printable
from imagemake.plugins.providers.failures import FailureKind, ProviderError
from imagemake.plugins.providers.http.network import CA_FILE, CA_FOLDERS, CLIENT_CERTIFICATE, Proxy, proxy_to

# Names of exceptions, the same in httpx2 and httpcore2.
UNSENT = ("ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol", "ProxyError", "LocalProtocolError")

_VALIDITY = {9: "is not valid yet", 10: "has expired"}  # X509_V_ERR_* of OpenSSL
_OTHER_NAME = (62, 64)
_REFUSED = re.compile(r"ALERT.*(CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED|HANDSHAKE_FAILURE)")
_PASSING = (408, 429)


class TlsTrouble(NamedTuple):
    """What is wrong with a certificate.

    Attributes:
        what: With the address.
        remedy: What the user can do.
    """

    what: str
    remedy: str


def connection_error(cause: BaseException, server: str) -> ProviderError:
    """Return the error of a call without a response; the message names the address.

    Args:
        cause: What the HTTP library raised.
        server: Scheme, host, and port, without a path.
    """
    name, proxy = type(cause).__name__, proxy_to(server)
    if (trouble := tls_trouble(cause, server)) is not None:
        through = f" (through the proxy {proxy.address})" if proxy else ""
        return ProviderError(trouble.what + through, FailureKind.STOP, code="certificate", remedy=trouble.remedy)
    if proxy is not None and name == "ProxyError":
        return _refusal(printable(str(cause)), server, proxy)
    unsent = name in UNSENT
    remedy = f"Check that {server} runs, and the network of this machine."
    if proxy is not None:
        remedy = f"Check that the proxy runs, and {proxy.variable} in the environment. It leads to {server}."
    through = f" through the proxy {proxy.address}" if proxy else ""
    return ProviderError(
        f"{name}: {printable(str(cause))}".rstrip(": ") + f" ({server}{through})",
        FailureKind.UNREACHABLE if unsent else FailureKind.UNKNOWN,
        code="not_connected" if unsent else "no_answer",
        remedy=remedy if unsent else None,
    )


def tls_trouble(cause: BaseException, server: str) -> TlsTrouble | None:
    """Return what is wrong with a certificate; None if a call failed for another reason.

    Args:
        cause: What the HTTP library raised.
        server: Its address, for the message.
    """
    errors = [one for one in _chain(cause) if isinstance(one, ssl.SSLError)]
    for error in errors:
        if isinstance(error, ssl.SSLCertVerificationError):
            return _untrusted(error, server)
    reason = next((one.reason for one in errors if _REFUSED.search(one.reason or "")), None)
    if reason is None:
        return None
    words = reason.replace("_", " ").lower()
    if given := os.environ.get(CLIENT_CERTIFICATE):
        remedy = f"Check that the server accepts the certificate in {CLIENT_CERTIFICATE}, which is {printable(given)}."
    else:
        remedy = f"If the server asks for a client certificate, set {CLIENT_CERTIFICATE} to a PEM file with it."
    return TlsTrouble(f"{server} refuses the TLS connection: {words}", remedy)


def _untrusted(error: ssl.SSLCertVerificationError, server: str) -> TlsTrouble:
    if error.verify_code in _VALIDITY:
        return TlsTrouble(
            f"the certificate of {server} {_VALIDITY[error.verify_code]}",
            "Set the clock of this machine if it is wrong; otherwise, the server needs a new certificate.",
        )
    words = printable(error.verify_message or str(error)).rstrip(".")
    if error.verify_code in _OTHER_NAME:
        remedy = "Correct model.base_url, or give the server a certificate for its name."
        return TlsTrouble(f"the certificate of {server} is for another host: {words}", remedy)
    variable = next((name for name in (CA_FILE, CA_FOLDERS) if os.environ.get(name)), None)
    if variable is None:
        remedy = f"If the server or a proxy has a CA of its own, set {CA_FILE} to a PEM file with the CA's certificate."
    else:
        remedy = f"Add the certificate of the server's CA to {variable}, which is {printable(os.environ[variable])}."
    return TlsTrouble(f"the certificate of {server} is not trusted: {words}", remedy)


def _refusal(words: str, server: str, proxy: Proxy) -> ProviderError:
    """Return the error of a proxy that answers in place of the server; no image was made."""
    found = re.match(r"\d{3}", words)
    status = int(found[0]) if found else None
    what = f"the proxy {proxy.address} does not lead to {server}: {words}"
    if status == 407 or (status is None and "password" in words.lower()):  # SOCKS has no status
        remedy = f"Put a valid user name and password into {proxy.variable}: http://USER:PASSWORD@HOST:PORT."
    elif status is not None and 400 <= status < 500 and status not in _PASSING:
        remedy = "Ask whoever runs the proxy to allow this host, or name the host in NO_PROXY."
    else:
        remedy = f"Check that {server} runs, and {proxy.variable} in the environment."
        return ProviderError(what, FailureKind.UNREACHABLE, code="not_connected", remedy=remedy)
    return ProviderError(what, FailureKind.STOP, code="proxy", remedy=remedy)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(20):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__
