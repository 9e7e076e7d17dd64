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
from imagemake.core.sealed import seal, unseal
from imagemake.core.told_once import tell_once

SHOWN = 3  # damaged lines that a warning names
SENT, SUBMITTED, CLOSED = "sent", "submitted", "closed"
LOST = {
    SENT: "a call that was sent: at most its highest cost counts, in budgets",
    SUBMITTED: "where a call waits: it counts as possibly billed",
    CLOSED: "how a call ended: it counts as possibly billed",
    "": "a record: the start or the end of a call",
}
NEEDED = ("at", "key", "name")
ABSENT: Mapping[str, Any] = {"campaign": "", "attempt": 0, "tried": 0}  # in records that imagemake did not write
NUMBER: Any = int | float | None
TEXT: Any = str | None
OTHER_TYPES: Mapping[str, Any] = {
    **dict.fromkeys(("worst_usd", "cost_usd", "seconds"), NUMBER),
    **dict.fromkeys(("usage", "origin", "gpu"), dict | None),
    **dict.fromkeys(("attempt", "tried"), int | None),
    "code": str | int | float | None,
    **dict.fromkeys(("campaign", "message", "digest", "request_id", "submission", "batch"), TEXT),
}
# Of records without a checksum, which earlier versions wrote. Another name may be that of a damaged checksum.
OLD_NAMES = {
    *("event", "call", "at", "campaign", "name", "key", "attempt", "tried", "recipe", "worst_usd", "submission"),
    *("outcome", "status", "request_id", "code", "message", "usage", "cost_usd", "seconds", "digest", "origin"),
    *("batch", "more"),
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
    """Yield the number and the record of each line that is not empty; what was `Lost` if it is damaged or invalid.

    Lines of earlier versions have no checksum. If one line of a file has one, all do: each process has its own file.

    Args:
        content: Lines of a file.
        outcomes: How calls can end.
    """
    lines = content.split(b"\n")
    all_sealed = any(unseal(line) is not None for line in lines)
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        record = unseal(line)
        if record is not None:
            parsed = orjson.loads(record)
            is_known = parsed["event"] in (SENT, SUBMITTED) or parsed.get("outcome") in outcomes
            yield number, parsed if is_known else Lost(_fault(parsed, outcomes))
        else:
            yield number, _lost(line) if all_sealed else _old(line, outcomes)


def _old(line: bytes, outcomes: Collection[str]) -> Any:
    """Return the record of a line without a checksum."""
    try:
        parsed = orjson.loads(line)
    except orjson.JSONDecodeError:
        return _lost(line)
    if isinstance(parsed, dict) and not parsed.keys() <= OLD_NAMES:
        return _lost(line)
    fault = _fault(parsed, outcomes)
    return Lost(fault) if fault else {**ABSENT, **parsed}


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


def _fault(record: Any, outcomes: Collection[str]) -> str:
    """Return why a record is none that imagemake writes; empty if it is one."""
    if not isinstance(record, dict) or not isinstance(record.get("call"), str):
        return "the record has no call id"
    event = record.get("event")
    if event not in (SENT, CLOSED):
        return f"unknown event {str(event)[:40]!r}"
    if event == SENT:
        missing = [name for name in NEEDED if not isinstance(record.get(name), str)]
        recipe = record.get("recipe")
        if not isinstance(recipe, dict) or not isinstance(recipe.get("model"), str):
            missing.append("recipe.model")
        if missing:
            return f"the call has no {', '.join(missing)}"
    elif record.get("outcome") not in outcomes:
        return f"unknown outcome {str(record.get('outcome'))[:40]!r}"
    wrong = [name for name, kind in OTHER_TYPES.items() if not isinstance(record.get(name), kind)]
    return f"{', '.join(wrong)} of a wrong type" if wrong else ""


def _lost(line: bytes) -> Lost:
    event = next((event for event in (SENT, SUBMITTED, CLOSED) if b'"event":"%b"' % event.encode() in line), "")
    worst = _WORST_USD.search(line)
    return Lost(LOST[event], Decimal(worst[1].decode()) if worst else Decimal(0))
