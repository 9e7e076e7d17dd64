"""Addresses of servers, as users write them and as recipes name them."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator

from imagemake.config.fields import Text
from imagemake.core.mistakes import mistake
from imagemake.core.secrets import is_secret_name, is_secret_value

_SIGNATURES = ("sig", "signature", "code")  # in queries of signed addresses
_DEFAULT_PORTS = {"http": 80, "https": 443}


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in _DEFAULT_PORTS and parts.hostname and parts.port != 0
    except ValueError:  # an invalid port, an unmatched bracket
        valid, parts = False, urlsplit("")
    if "@" in parts.netloc or is_secret_value(url):
        raise mistake("the address contains credentials.", "Set secrets in the environment only, and remove them here.")
    query = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    if any(is_secret_name(name) or name.lower() in _SIGNATURES for name in query):
        raise mistake(
            "the address's query contains a secret.", "Set secrets in the environment only, and remove it here."
        )
    if not valid:
        raise mistake("this is not the address of a server.", "Write it as https://host/path.")
    if "#" in url:
        raise mistake("the address has a part after '#', which no server receives.", "Remove that part.")
    if repeated := next((name for name in query if query.count(name) > 1), None):
        raise mistake(f"the address's query has {repeated!r} more than once.", "Keep one of them.")
    return url


Address = Annotated[Text, AfterValidator(_address)]


def plain_address(url: str) -> str:
    """Return the name of a server in recipes: its address without the default port, query, and final slash."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"
