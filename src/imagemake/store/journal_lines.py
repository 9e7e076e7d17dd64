"""The lines of the journal: how a record becomes a line with a checksum, and what is said of damaged lines."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from imagemake.core.problems import NotReadyError
from imagemake.core.sealed import parsed_sealed, seal
from imagemake.core.told_once import tell_once

SHOWN = 3  # damaged lines that a warning names
SENT, SUBMITTED, CLOSED = "sent", "submitted", "closed"
EVENTS = (SENT, SUBMITTED, CLOSED)
LOST = {
    SENT: "a call that was sent: at most its highest cost counts, in budgets",
    SUBMITTED: "where a call waits: it counts as possibly billed",
    CLOSED: "how a call ended: it counts as possibly billed",
    "": "a record: the start or the end of a call",
}
_WORST_USD = re.compile(rb'"worst_usd":(\d{1,9}(?:\.\d{1,20})?)[,}]')
MOMENT_S = 0.05
REMEDY = "Restore the files from a backup, or delete these lines to accept the loss."


class Lost(str):
    """What was lost with a damaged line, for people.

    Attributes:
        worst_usd: The most that the call could cost, in USD, as far as the line still tells; 0 for other lines.
    """

    __slots__ = ("worst_usd",)
    worst_usd: Decimal

    def __new__(cls, words: str, worst_usd: Decimal = Decimal(0)) -> Lost:
        """Make the words of a line."""
        lost = super().__new__(cls, words)
        lost.worst_usd = worst_usd
        return lost


class DamagedLine(NamedTuple):
    """A line of the journal that is not the record that was written."""

    path: Path
    number: int
    lost: Lost

    def __str__(self) -> str:
        return f"{self.path}, line {self.number} ({self.lost})"


def line_of(record: Mapping[str, Any]) -> bytes:
    """Return a record as a line with its checksum."""
    return seal(orjson.dumps(record)) + b"\n"


def records_in(content: bytes, outcomes: Collection[str]) -> Iterator[tuple[int, Any]]:
    """Yield the number and the record of each line that is not empty; what was `Lost` if it is damaged.

    Args:
        content: Lines of a file.
        outcomes: How calls can end.
    """
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line:
            continue
        record = parsed_sealed(line)
        if record is None:
            yield number, _lost(line)
            continue
        event, outcome = str(record.get("event")), str(record.get("outcome"))
        names = ("call", "key") if event == SENT else ("call",)
        if event not in EVENTS:
            yield number, Lost(f"unknown event {event[:40]!r}")
        elif event == CLOSED and outcome not in outcomes:
            yield number, Lost(f"unknown outcome {outcome[:40]!r}")
        elif not all(isinstance(record.get(name), str) for name in names):
            yield number, Lost(f"a {event} record without its {' and '.join(names)}")
        else:
            yield number, record


def tell_damaged(damaged: Sequence[DamagedLine]) -> None:
    """Warn of damaged lines, in one line and once per run."""
    if not damaged:
        return
    places = "; ".join(map(str, damaged[:SHOWN]))
    more = f"; and {len(damaged) - SHOWN:,} more" if len(damaged) > SHOWN else ""
    records = "1 damaged record" if len(damaged) == 1 else f"{len(damaged):,} damaged records"
    ignored = "is" if len(damaged) == 1 else "are"
    tell_once(f"{records} of the journal {ignored} ignored: {places}{more}. {REMEDY}")


def content_of(path: Path) -> bytes:
    """Read a file of the journal.

    Raises:
        NotReadyError: If it cannot be read.
    """
    try:
        content = path.read_bytes()
        if content and not content.endswith(b"\n"):
            time.sleep(MOMENT_S)  # a line that another process is writing now is whole in a moment
            content = path.read_bytes()
    except OSError as error:
        remedy = "Make it readable or restore it from a backup. To go on without its calls, move it away."
        raise NotReadyError(f"{path}: this file of the journal cannot be read: {error.strerror}.", remedy) from None
    return content


def _lost(line: bytes) -> Lost:
    event = next((event for event in EVENTS if b'"event":"%b"' % event.encode() in line), "")
    worst = _WORST_USD.search(line)
    return Lost(LOST[event], Decimal(worst[1].decode()) if worst else Decimal(0))
