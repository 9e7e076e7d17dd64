"""Reads requests as strictly as the API does: an unknown name is an error."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from fake_gemini.record import IMAGE_TOKENS, Call

RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
REQUEST = {"contents", "generationConfig", "safetySettings", "systemInstruction", "tools", "toolConfig"}
REQUEST |= {"cachedContent", "model", "serviceTier", "store"}
CONFIG = {"responseModalities", "imageConfig", "seed", "temperature", "topP", "topK", "candidateCount"}
CONFIG |= {"thinkingConfig", "maxOutputTokens", "stopSequences", "mediaResolution", "responseMimeType"}
CONFIG |= {"presencePenalty", "frequencyPenalty"}
FileOf = Callable[[str], bytes | None]


class ApiError(Exception):
    """An error as Google's APIs send it."""

    def __init__(self, status: int, word: str, message: str, details: list[dict[str, Any]] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.error: dict[str, Any] = {"code": status, "message": message, "status": word}
        if details:
            self.error["details"] = details

    def response(self) -> web.Response:
        """Return it as a response."""
        return web.json_response({"error": self.error}, status=self.status)


def invalid(message: str, field: str = "") -> ApiError:
    """Return the error of an invalid request."""
    violation = {"field": field, "description": message}
    detail = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}
    return ApiError(400, "INVALID_ARGUMENT", message, [detail])


def camel(value: Any) -> Any:
    """Write the names of fields as JSON has them; the API takes both spellings."""
    if isinstance(value, Mapping):
        return {re.sub(r"_([a-z])", lambda found: found[1].upper(), name): camel(one) for name, one in value.items()}
    return [camel(one) for one in value] if isinstance(value, list) else value


def understand(model: str, body: Any, file_of: FileOf, key: str | None) -> Call:
    """Read a request.

    Raises:
        ApiError: If it is invalid.
    """
    if model not in IMAGE_TOKENS:
        message = f"models/{model} is not found for API version v1beta, or is not supported for generateContent."
        raise ApiError(404, "NOT_FOUND", message)
    body = camel(body)
    _known(body, REQUEST, "")
    config = body.get("generationConfig", {})
    _known(config, CONFIG, "generation_config")
    image = config.get("imageConfig", {})
    _known(image, {"aspectRatio", "imageSize"}, "generation_config.image_config")
    if image.get("aspectRatio", "1:1") not in RATIOS:
        raise invalid("Invalid aspect ratio.", "generation_config.image_config.aspect_ratio")
    if image.get("imageSize", "1K") not in IMAGE_TOKENS[model]:
        raise invalid("Invalid image size.", "generation_config.image_config.image_size")
    if "seed" in config and not (isinstance(config["seed"], int) and -(2**31) <= config["seed"] < 2**31):
        raise invalid("Invalid value at 'generation_config.seed' (TYPE_INT32)", "generation_config.seed")
    if "IMAGE" not in [str(one).upper() for one in config.get("responseModalities", ["TEXT", "IMAGE"])]:
        raise invalid("Image generation needs the modality IMAGE.", "generation_config.response_modalities")
    contents = body.get("contents")
    if not isinstance(contents, list) or not contents:
        raise invalid("* GenerateContentRequest.contents: contents is not specified", "contents")
    parts = [part for content in contents for part in content["parts"]]
    texts = [part["text"] for part in parts if "text" in part]
    references = [_digest(part, file_of) for part in parts if "text" not in part]
    return Call(model, "\n".join(texts), config.get("seed"), dict(image), references, key)


def _known(given: Any, names: set[str], place: str) -> None:
    if not isinstance(given, Mapping):
        raise invalid(f"Invalid value at '{place}'")
    for name in given:
        if name not in names:
            where = f" at '{place}'" if place else ""
            raise invalid(f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.', place)


def _digest(part: Mapping[str, Any], file_of: FileOf) -> str:
    if "inlineData" in part:
        content: bytes | None = base64.b64decode(part["inlineData"]["data"], validate=True)
    elif "fileData" in part:
        content = file_of(part["fileData"]["fileUri"])
        if content is None:
            raise ApiError(403, "PERMISSION_DENIED", "You do not have permission to access the File.")
    else:
        raise invalid("contents.parts must not be empty.", "contents.parts")
    return hashlib.sha256(content or b"").hexdigest()
