"""The record of all calls in order of arrival, in memory and as JSON Lines."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import orjson


@dataclass(slots=True)
class Call:
    """One call of an endpoint that makes images, or one line of a batch.

    Attributes:
        number: 1 for the first that arrived.
        request_id: Value of the response's `x-request-id`.
        endpoint: Path of the URL.
        arrived_s: Unix time, in seconds.
        in_flight: Calls being worked on when it arrived, with itself; 0 for a line of a batch.
        answered_s: Unix time when the answer's first byte was about to be sent; None while it is worked on.
        model: As the caller wrote it.
        prompt: As the caller wrote it.
        n: Images that were asked for.
        params: The other parameters as the caller wrote them.
        references: SHA-256 of the reference images and the mask.
        file_names: What their files were called, where they came with a name.
        fingerprint: SHA-256 of endpoint, model, prompt, parameters and references; None for what could not be read.
        occurrence: 1 for the first call with this fingerprint.
        admitted: Whether it passed the rate limits; lines of a batch have none.
        behavior: Of the rule that was chosen; None for no rule.
        status: HTTP status; None where no answer was sent.
        outcome: `ok`, the error's code or type, or the behavior that spoiled the answer.
        billed: Whether it cost money.
        cost_usd: How much.
        images: Images that were made, delivered or not.
        usage: Usage in the response.
        delivered: Whether all of the answer was handed to a connection that was open. None in the file: a line is
            written before its answer goes out, so that no caller can know more than the file.
        batch_id: The batch of a line.
        custom_id: The line's name in its batch.
    """

    number: int
    request_id: str
    endpoint: str
    arrived_s: float
    in_flight: int
    answered_s: float | None = None
    model: str | None = None
    prompt: str | None = None
    n: int = 0
    params: dict[str, Any] = field(default_factory=dict)
    references: list[str] = field(default_factory=list)
    file_names: list[str] = field(default_factory=list)
    fingerprint: str | None = None
    occurrence: int = 0
    admitted: bool = False
    behavior: str | None = None
    status: int | None = None
    outcome: str = "in progress"
    billed: bool = False
    cost_usd: float = 0.0
    images: int = 0
    usage: dict[str, Any] | None = None
    delivered: bool | None = None
    batch_id: str | None = None
    custom_id: str | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """Totals of all calls.

    Attributes:
        calls: Calls that arrived.
        billed_calls: Calls that cost money.
        images: Images that were made.
        total_usd: What all of them cost, in USD.
        in_flight: Calls being worked on now.
        most_in_flight: Most calls that were worked on at the same time.
        most_images_a_minute: Most images asked for by admitted calls within one sliding minute.
        calls_by_prompt: All calls, including refused ones.
        billed_by_prompt: Calls that cost money.
        outcomes: Calls by outcome.
    """

    calls: int
    billed_calls: int
    images: int
    total_usd: float
    in_flight: int
    most_in_flight: int
    most_images_a_minute: int
    calls_by_prompt: dict[str, int]
    billed_by_prompt: dict[str, int]
    outcomes: dict[str, int]


def most_within(times_s: Sequence[tuple[float, int]], window_s: float) -> int:
    """Return the largest sum of counts whose times lie within one window; times ascend."""
    most = inside = first = 0
    for time_s, count in times_s:
        inside += count
        while time_s - times_s[first][0] >= window_s:
            inside -= times_s[first][1]
            first += 1
        most = max(most, inside)
    return most


def _request_id() -> str:
    return f"req_{uuid.uuid4().hex}"


class Record:
    """Records every call.

    Args:
        path: File to append one line per call to; None for memory only.
    """

    def __init__(self, path: Path | None) -> None:
        # Unbuffered: a line is the operating system's when the answer goes out, whatever becomes of this process.
        self._file: BinaryIO | None = path.open("ab", buffering=0) if path else None
        self._number = 0
        self.reset()

    def reset(self) -> None:
        """Forget all calls; the file keeps its lines."""
        self.calls: list[Call] = []
        self._open: set[int] = set()
        self._seen: Counter[str] = Counter()

    def open(self, endpoint: str) -> Call:
        """Note that a call arrived."""
        self._number += 1
        self._open.add(self._number)
        call = Call(self._number, _request_id(), endpoint, time.time(), len(self._open))
        self.calls.append(call)
        return call

    def open_line(self, endpoint: str, batch_id: str, custom_id: str) -> Call:
        """Note that a line of a batch is being worked on."""
        self._number += 1
        call = Call(self._number, _request_id(), endpoint, time.time(), 0, batch_id=batch_id, custom_id=custom_id)
        self.calls.append(call)
        return call

    def count(self, call: Call, fingerprint: str) -> None:
        """Note what a call asks for, and that it did so once more."""
        self._seen[fingerprint] += 1
        call.fingerprint = fingerprint
        call.occurrence = self._seen[fingerprint]

    def record_cost(self, call: Call, status: int | None, outcome: str) -> None:
        """Note a call's outcome, just before its answer is sent, and write its line."""
        call.answered_s = time.time()
        call.status = status
        call.outcome = str(outcome)  # not an enum: JSON has no such keys
        if self._file is not None:
            self._file.write(orjson.dumps(asdict(call)) + b"\n")

    def close(self, call: Call) -> None:
        """Note that a call is over."""
        self._open.discard(call.number)

    def totals(self, minute_s: float) -> Totals:
        """Add up all calls."""
        billed = [call for call in self.calls if call.billed]
        admitted = [(call.arrived_s, call.n) for call in self.calls if call.admitted]
        return Totals(
            calls=len(self.calls),
            billed_calls=len(billed),
            images=sum(call.images for call in self.calls),
            total_usd=round(sum(call.cost_usd for call in self.calls), 10),
            in_flight=len(self._open),
            most_in_flight=max((call.in_flight for call in self.calls), default=0),
            most_images_a_minute=most_within(admitted, minute_s),
            calls_by_prompt=dict(Counter(call.prompt for call in self.calls if call.prompt is not None)),
            billed_by_prompt=dict(Counter(call.prompt for call in billed if call.prompt is not None)),
            outcomes=dict(Counter(call.outcome for call in self.calls)),
        )
