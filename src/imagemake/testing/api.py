"""How a test says what an API's requests and responses look like."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from enum import StrEnum
from typing import Any, Self

from imagemake.plugins.providers import FailureKind


class Fault(StrEnum):
    """Why an API rejects a call.

    Attributes:
        PROMPT: A filter refused the prompt.
        KEY: The key is wrong.
        MONEY: No credit is left.
        ROUTE: The API has no such path, as after a wrong base_url.
        MODEL: The API has no such model.
        RATE: Too many calls.
        BUSY: The service is overloaded.
    """

    PROMPT = "prompt"
    KEY = "key"
    MONEY = "money"
    ROUTE = "route"
    MODEL = "model"
    RATE = "rate"
    BUSY = "busy"

    @property
    def kinds(self) -> tuple[FailureKind, ...]:
        """The kinds of failure that a provider may make of it."""
        return _KINDS[self]


_KINDS = {
    Fault.PROMPT: (FailureKind.REFUSED,),
    Fault.KEY: (FailureKind.STOP,),
    Fault.MONEY: (FailureKind.QUOTA,),
    Fault.ROUTE: (FailureKind.CONFIGURATION,),
    Fault.MODEL: (FailureKind.CONFIGURATION,),
    Fault.RATE: (FailureKind.RATE_LIMITED,),
    Fault.BUSY: (FailureKind.UNAVAILABLE, FailureKind.UNKNOWN),  # unknown if the image may have been made
}


class Delivery(StrEnum):
    """How much of a response arrives.

    Attributes:
        WHOLE: All of it.
        NOTHING: The connection is cut before the first byte.
        HALF: The connection is cut in the middle of the body.
        DRIPPING: One byte at a time, without end.
        FLOOD: As fast as the client reads, without end.
        NEVER: The server is silent until the client leaves.
    """

    WHOLE = "whole"
    NOTHING = "nothing"
    HALF = "half"
    DRIPPING = "dripping"
    FLOOD = "flood"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a form.

    Attributes:
        name: Name of the field.
        content: Its value.
        file_name: Name of the file; None if it is none.
    """

    name: str
    content: bytes
    file_name: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it arrived.

    Attributes:
        method: Such as ``POST``.
        target: Path with query.
        headers: By lower-case name.
        body: All of it.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The parsed body."""
        return json.loads(self.body)

    @property
    def form(self) -> list[Part]:
        """The fields of a form (``multipart/form-data``), in their order."""
        boundary = _header("content-type", self.headers.get("content-type", "")).get_param("boundary")
        pieces = (b"\r\n" + self.body).split(f"\r\n--{boundary}".encode())[1:-1]
        return [_part(piece.removeprefix(b"\r\n")) for piece in pieces]

    def holds(self, secret: str) -> bool:
        """Return whether a text is anywhere in the request."""
        return secret in f"{self.target} {dict(self.headers)}" or secret.encode() in self.body


def _header(name: str, value: str) -> Message:
    message = Message()
    message[name] = value
    return message


def _part(piece: bytes) -> Part:
    head, _, content = piece.partition(b"\r\n\r\n")
    fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
    told = _header("content-disposition", next(v for n, v in fields.items() if n.lower() == "content-disposition"))
    name, file_name = (told.get_param(one, header="content-disposition") for one in ("name", "filename"))
    return Part(str(name), content, None if file_name is None else str(file_name))


@dataclass(frozen=True, slots=True)
class Response:
    """A response of the API.

    Attributes:
        status: HTTP status.
        body: All of it.
        headers: Its headers, without those about the length and the connection.
        delivery: How much of it arrives.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delivery: Delivery = Delivery.WHOLE

    @classmethod
    def of_json(cls, data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Self:
        """Return a response with plain data as JSON."""
        return cls(status, json.dumps(data).encode(), {"Content-Type": "application/json", **(headers or {})})

    @property
    def json(self) -> Any:
        """The parsed body."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Images:
    """The images that a response must hold, in every form in which APIs send them.

    Attributes:
        files: As files.
        urls: As URLs on another server.
    """

    files: tuple[bytes, ...]
    urls: tuple[str, ...]

    @property
    def base64(self) -> list[str]:
        """In base64."""
        return [base64.b64encode(one).decode() for one in self.files]


class BatchEnd(StrEnum):
    """Where a batch at the API stands.

    Attributes:
        RUNNING: It is not over.
        COMPLETED: It is over, and has results.
        CANCELLED: It was canceled, and may have results.
        EXPIRED: Its time is over, and it may have results.
        FAILED: It made nothing.
    """

    RUNNING = "running"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    FAILED = "failed"


@dataclass(slots=True)
class Batch:
    """A batch at the API, for `ServerConformance.batch_answer`, which notes what was uploaded and created.

    Attributes:
        uploaded: The file of requests.
        created: What each batch that was created was created from, such as the bodies of the requests.
        end: Where it stands.
        results_of: Returns the file of results.
    """

    uploaded: bytes = b""
    created: list[Any] = field(default_factory=list)
    end: BatchEnd = BatchEnd.COMPLETED
    results_of: Callable[[], bytes] = bytes

    @property
    def results(self) -> bytes:
        """The file of results."""
        return self.results_of()


@dataclass(frozen=True, slots=True)
class Sent:
    """What a request asks for.

    Attributes:
        prompt: The prompt.
        seed: The seed; None if there is none.
        size: The size, in whatever form `ServerConformance.sizes` has.
        references: The files of the reference images, in their order.
        mask: The file of the mask.
        negative_prompt: The negative prompt.
    """

    prompt: str
    seed: int | None = None
    size: Any = None
    references: tuple[bytes, ...] = ()
    mask: bytes | None = None
    negative_prompt: str | None = None
