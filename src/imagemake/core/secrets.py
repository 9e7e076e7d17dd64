"""Detect text that looks like a secret: a campaign must not contain it, and messages must not repeat it."""

from __future__ import annotations

import re
from typing import Any

_NAME = re.compile(
    r"(?i)(?:api|access|auth|secret|private|signing|subscription)[_-]?(?:key|token)"
    r"|secret|passw(?:or)?d|credential|authorization|bearer|(?:^|[._-])(?:token|key|pwd|auth)$"
)
_VALUE = re.compile(
    r"\bsk-[A-Za-z0-9_-]{6,}"  # OpenAI and compatible services
    r"|\b(?:gh[pousr]|github_pat|glpat|hf|r8|xox[abprs])[_-][A-Za-z0-9_-]{16,}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[A-Za-z0-9_-]{30,}"
    r"|\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"  # JSON web token
    r"|(?i:\bbearer\s+\S{8,})"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|://[^/\s@]*:[^/\s@]*@"  # a password in an address
)
_SHOWN_CHARACTERS = 80


def is_secret_name(name: str) -> bool:
    """Return whether a name of a key or column suggests a secret, such as ``api_key``."""
    return _NAME.search(name) is not None


def is_secret_value(text: str) -> bool:
    """Return whether text contains something that looks like a secret, such as ``sk-...``."""
    return _VALUE.search(text) is not None


def shown(value: Any) -> str:
    """Format a value for a message: shortened, and hidden if it looks like a secret."""
    text = repr(value)
    if is_secret_value(text):
        return "(hidden: it looks like a secret)"
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
