"""The input file of a batch: one request per line, and its possible errors."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

MOST_REQUESTS = 50_000
LINES_BETWEEN_YIELDS = 200
REQUIRED = (("custom_id", str), ("method", str), ("url", str), ("body", dict))


@dataclass(frozen=True, slots=True)
class Line:
    """A request of a batch."""

    custom_id: str
    body: dict[str, Any]


@dataclass(slots=True)
class InputFile:
    """Content of an input file.

    Attributes:
        model: Model of the first line, which all lines must name.
        lines: The requests.
        problems: The API's `BatchError` objects; with any of them, the batch fails.
    """

    model: str | None = None
    lines: list[Line] = field(default_factory=list)
    problems: list[dict[str, Any]] = field(default_factory=list)


async def read_lines(content: bytes, endpoint: str, invalid_prompt: str | None = None) -> InputFile:
    """Read an input file, and yield to other tasks meanwhile, because it can have 50,000 lines.

    Args:
        content: The file.
        endpoint: Endpoint of the batch, which every line must name.
        invalid_prompt: Regular expression of prompts that count as invalid.
    """
    found = InputFile()
    seen: set[str] = set()
    for number, raw in enumerate(content.splitlines(), 1):
        before = len(found.problems)
        for problem in _problems(found, raw, endpoint, seen):
            found.problems.append({"line": number, "param": None, **problem})
        if len(found.problems) == before:
            line = orjson.loads(raw)
            if invalid_prompt is not None and re.search(invalid_prompt, str(line["body"].get("prompt"))):
                # ASSUME: which mistakes in a body are found before a batch starts is not documented.
                wrong = {"code": "invalid_request", "message": "This line's body is not valid.", "param": "body.prompt"}
                found.problems.append({"line": number, **wrong})
                continue
            found.lines.append(Line(line["custom_id"], line["body"]))
        if number % LINES_BETWEEN_YIELDS == 0:
            await asyncio.sleep(0)
    whole: dict[str, Any] = {"line": None, "param": None}
    if not content.strip():
        found.problems.append({**whole, "code": "empty_file", "message": "The batch input file is empty."})
    if len(found.lines) > MOST_REQUESTS:
        # ASSUME: the limit is documented, the code of its error is not.
        message = f"The batch input file has more than {MOST_REQUESTS} requests."
        found.problems.append({**whole, "code": "too_many_requests", "message": message})
    return found


def _problems(found: InputFile, raw: bytes, endpoint: str, seen: set[str]) -> Iterator[dict[str, Any]]:
    try:
        line = orjson.loads(raw)
    except orjson.JSONDecodeError:
        yield {"code": "invalid_json_line", "message": "This line is not parseable as valid JSON."}
        return
    for name, kind in REQUIRED:
        if not isinstance(line, dict) or not isinstance(line.get(name), kind):
            message = f"Missing required parameter: '{name}'."
            yield {"code": "missing_required_parameter", "message": message, "param": name}
            return
    if line["custom_id"] in seen:
        message = f"The custom_id '{line['custom_id']}' for this request is a duplicate of another request."
        yield {"code": "duplicate_custom_id", "message": message, "param": "custom_id"}
    seen.add(line["custom_id"])
    if line["method"] != "POST":
        yield {"code": "invalid_method", "message": "The HTTP method must be POST.", "param": "method"}
    if line["url"] != endpoint:
        message = "The URL provided for this request does not match the batch endpoint."
        yield {"code": "invalid_url", "message": message, "param": "url"}
    model = line["body"].get("model")
    found.model = found.model or model
    if model != found.model:
        message = f"The provided model '{model}' does not match the batch's model '{found.model}'."
        yield {"code": "mismatched_model", "message": message, "param": "body.model"}
