"""Addresses of places such as ``s3://bucket/prefix``: what is one, and what must not be in it."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from imagemake.wanted.config_problems import mistake

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


_EXAMPLE = "Write one such as s3://bucket/prefix."


def fault_of_address(address: str) -> tuple[str, str] | None:
    """Say what is wrong with an address, and what to do about it; None where nothing is.

    The fault never repeats the address: it may hold a secret.
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        return "this is no address.", _EXAMPLE
    is_folder = parts.scheme == "file"
    names_none = not (parts.path if is_folder else parts.netloc + parts.path).strip("/")
    faults = (
        (
            not address.strip() or _CONTROL.search(address),
            "the address is empty or holds control characters.",
            _EXAMPLE,
        ),
        ("::" in address, "addresses are not chained with '::'.", _EXAMPLE),
        (
            "://" not in address or not _SCHEME.fullmatch(parts.scheme),
            "an address begins with a scheme.",
            "Write s3://bucket/prefix, gs://..., or file:///folder for a folder.",
        ),
        (
            "@" in parts.netloc or "?" in address or "#" in address,
            "the address holds '@', '?' or '#', where secrets would be.",
            "Give secrets by the environment: AWS_ACCESS_KEY_ID and so on, or AWS_PROFILE.",
        ),
        (
            is_folder and (parts.netloc or names_none),
            "a folder's address has three slashes and an absolute path.",
            "Write one such as file:///mnt/team/pictures.",
        ),
        (".." in parts.path.split("/"), "the address climbs with '..'.", "Write where the place is."),
        (names_none, "the address names no bucket.", _EXAMPLE),
    )
    return next(((what, remedy) for is_so, what, remedy in faults if is_so), None)


def _checked(address: str) -> str:
    address = address.strip()
    fault = fault_of_address(address)
    if fault is not None:
        raise mistake(*fault)
    return address.rstrip("/")


Address = Annotated[str, AfterValidator(_checked)]
