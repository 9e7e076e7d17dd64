"""The clock of a server, by its responses."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime


def server_time(headers: Mapping[str, str]) -> datetime | None:
    """Return the time of a response in UTC; None if the server does not tell.

    Args:
        headers: By lower-case name.
    """
    try:
        time = parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError, TypeError, IndexError):
        return None
    return time if time.tzinfo else None
