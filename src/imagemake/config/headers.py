"""Headers of a server, whose values may name environment variables."""

from __future__ import annotations

import os
import re
from typing import Annotated

from pydantic import AfterValidator

from imagemake.config.fields import Text
from imagemake.core.known_secrets import know_variable
from imagemake.core.mistakes import mistake
from imagemake.core.secrets import is_secret_name, is_secret_value
from imagemake.plugins.providers import FailureKind, ProviderError

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_IN_TEXT = re.compile(r"\$(?:(\$)|\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # a token of RFC 9110
_OWN = ("content-length", "content-type", "host", "transfer-encoding", "connection")


def variables_in(text: str) -> list[str]:
    """Return the environment variables that a header's value names."""
    return [found[2] or found[3] for found in _IN_TEXT.finditer(text) if not found[1]]


def filled(text: str) -> str:
    """Return a header's value with the values of its variables, which count as secrets.

    Raises:
        ProviderError: `FailureKind.STOP`, if a variable is not set.
    """
    for name in variables_in(text):
        know_variable(name)
        if not os.environ.get(name):
            remedy = f"Set the environment variable {name}, or remove it from model.headers."
            raise ProviderError(f"{name} is not set", FailureKind.STOP, code="no_variable", remedy=remedy)
    return _IN_TEXT.sub(lambda found: "$" if found[1] else os.environ[found[2] or found[3]].strip(), text)


def _variable(name: str) -> str:
    if is_secret_value(name) or not _VARIABLE.fullmatch(name):
        what = "this looks like a key." if is_secret_value(name) else f"{name!r} is not the name of a variable."
        raise mistake(what, "Write the name of the environment variable that holds the key.")
    know_variable(name)
    return name


def _header(name: str) -> str:
    if not _HEADER.fullmatch(name):
        raise mistake(f"{name!r} is not the name of a header.", "Use ASCII letters, digits, and hyphens.")
    if name.lower() in _OWN:
        raise mistake(f"the header {name!r} is set by imagemake.", "Remove it.")
    return name


def _value(text: str) -> str:
    if is_secret_value(text):
        raise mistake("this looks like a secret.", "Name an environment variable in its place, as in ${PROXY_TOKEN}.")
    if not text.isascii() or not text.isprintable():
        raise mistake("the value has characters that no header can have.", "Use printable ASCII characters.")
    return text


VariableName = Annotated[Text, AfterValidator(_variable)]
HeaderName = Annotated[Text, AfterValidator(_header)]
HeaderValue = Annotated[Text, AfterValidator(_value)]


def secret_without_variable(name: str, value: str) -> bool:
    """Return whether a header that is named like a secret holds a text that names no variable."""
    return (is_secret_name(name) or name.lower() in ("cookie", "x-key")) and not variables_in(value)
