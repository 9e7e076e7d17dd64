"""The image endpoints: reading requests, sending responses, and faults in between."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace
from typing import Any

import orjson
from aiohttp import web

from fake_openai import errors
from fake_openai.azure import as_azure_says, authorization_of, is_azure, with_model
from fake_openai.record import Call
from fake_openai.references import Upload, check_references, uploads_of_json
from fake_openai.settings import Behavior, Rule
from fake_openai.stand import ImageResponse, Stand, described
from fake_openai.stored import Files
from fake_openai.validate import PARAMETERS, Endpoint, ImageRequest, read_request

STAND = web.AppKey("stand", Stand)
FILES = web.AppKey("files", Files)
SLOW_STEP_S = 0.1


async def generations(request: web.Request) -> web.StreamResponse:
    """`POST /v1/images/generations`."""
    return await _serve(request, "/v1/images/generations")


async def edits(request: web.Request) -> web.StreamResponse:
    """`POST /v1/images/edits`."""
    return await _serve(request, "/v1/images/edits")


async def _serve(request: web.Request, endpoint: Endpoint) -> web.StreamResponse:
    stand = request.app[STAND]
    call = stand.record.open(endpoint)
    started_s = time.perf_counter()
    try:
        try:
            stand.check_key(authorization_of(request))
            body, uploads = await _read_body(request)
            body = with_model(request, body, stand.settings)
            wanted = understand(stand, call, endpoint, body, uploads)
            stand.check_organization(wanted)
            stand.admit(call, wanted)
            answer = await stand.answer(call, wanted)
        except errors.ApiError as raised:
            error = as_azure_says(raised) if is_azure(request) else raised
            stand.record.record_cost(call, error.status, error.code or error.body["error"]["type"])
            headers = _headers(request, stand, call, started_s) | dict(error.headers)
            return await _send(request, call, error.status, headers, ImageResponse(orjson.dumps(error.body)))
        headers = _headers(request, stand, call, started_s)
        behavior = answer.rule.behavior if answer.rule else Behavior.NORMAL
        if behavior is Behavior.CUT_BEFORE_ANSWER:
            stand.record.record_cost(call, None, behavior)
            call.delivered = False
            return _cut(request)
        stand.record.record_cost(call, 200, "ok" if behavior is Behavior.NORMAL else behavior)
        if wanted.partial_images is not None:
            return await _stream(request, stand, call, wanted, headers, answer.rule)
        return await _send(request, call, 200, headers, answer)
    finally:
        stand.record.close(call)


def understand(
    stand: Stand, call: Call, endpoint: Endpoint, body: dict[str, Any], uploads: list[Upload]
) -> ImageRequest:
    """Check a call's request, and record it.

    Raises:
        ApiError: If the API would reject it.
    """
    call.model, call.prompt = body.get("model"), body.get("prompt")
    call.params = {name: value for name, value in body.items() if name not in ("model", "prompt")}
    for upload in uploads:
        if upload.name not in PARAMETERS[endpoint]:
            raise errors.unknown_parameter(upload.name)
    references, overlays = check_references(uploads) if endpoint == "/v1/images/edits" else ([], [])
    files = {upload.name: True for upload in uploads}
    wanted = read_request(endpoint, {**body, **files}, stand.settings, [*references, *overlays])
    if "mask" in files:
        wanted = replace(wanted, painted_on=(references[0].content, overlays[0].content))
    call.model, call.n = wanted.model.name, wanted.n
    call.file_names = [upload.file_name for upload in uploads if upload.file_name]
    call.references = [reference.digest for reference in (*references, *overlays)]
    stand.record.count(call, wanted.fingerprint)
    return wanted


async def json_object(request: web.Request) -> dict[str, Any]:
    """Read a request's JSON body.

    Raises:
        ApiError: If it is not a JSON object.
    """
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise errors.ApiError(400, "We could not parse the JSON body of your request.") from error
    if not isinstance(body, dict):
        raise errors.ApiError(400, "Invalid body: expected a JSON object.")
    return body


async def _read_body(request: web.Request) -> tuple[dict[str, Any], list[Upload]]:
    if request.content_type == "multipart/form-data":
        return await _read_form(request)
    body = await json_object(request)
    uploads = []
    if request.path.endswith("/edits"):
        uploads = uploads_of_json(body, request.app[FILES].content)
    return body, uploads


async def _read_form(request: web.Request) -> tuple[dict[str, Any], list[Upload]]:
    body: dict[str, Any] = {}
    uploads = []
    form = await request.post()
    for field, value in form.items():
        name = field.removesuffix("[]")
        if isinstance(value, web.FileField):
            uploads.append(Upload(name, value.content_type, value.file.read(), value.filename))
        else:
            body[name] = value
    return body, uploads


def _headers(request: web.Request, stand: Stand, call: Call, started_s: float) -> dict[str, str]:
    return {
        "apim-request-id" if is_azure(request) else "x-request-id": call.request_id,
        "openai-processing-ms": str(int((time.perf_counter() - started_s) * 1000)),
        "openai-organization": "org-stand-in",
        "openai-version": "2020-10-01",
        **stand.limiter.headers(time.monotonic()),
    }


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()  # the connection is closed, so nobody receives it


async def _send(
    request: web.Request, call: Call, status: int, headers: dict[str, str], answer: ImageResponse
) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers=headers)
    response.content_type = answer.content_type
    response.content_length = len(answer.body)
    call.delivered = False
    # A closed connection is not an error of the server: the image was generated and billed anyway.
    with contextlib.suppress(ConnectionError):
        await response.prepare(request)
        if answer.rule is not None and answer.rule.behavior is Behavior.CUT_MIDWAY:
            await response.write(answer.body[: len(answer.body) // 2])
            if request.transport is not None:
                request.transport.close()
            return response
        await _write(response, answer.body, answer.rule)
        await response.write_eof()
        call.delivered = True
    return response


async def _write(response: web.StreamResponse, body: bytes, rule: Rule | None) -> None:
    if rule is None or rule.behavior is not Behavior.SLOW_BODY:
        await response.write(body)
        return
    step = max(1, int(rule.bytes_per_s * SLOW_STEP_S))
    for start in range(0, len(body), step):
        await response.write(body[start : start + step])
        await asyncio.sleep(step / rule.bytes_per_s)


async def _stream(
    request: web.Request,
    stand: Stand,
    call: Call,
    wanted: ImageRequest,
    headers: dict[str, str],
    rule: Rule | None,
) -> web.StreamResponse:
    kind = "image_generation" if call.endpoint.endswith("generations") else "image_edit"
    response = web.StreamResponse(headers=headers)
    response.content_type = "text/event-stream"
    call.delivered = False
    with contextlib.suppress(ConnectionError):
        await response.prepare(request)
        assert wanted.partial_images is not None
        for index in range(wanted.partial_images + 1):
            name = f"{kind}.partial_image" if index < wanted.partial_images else f"{kind}.completed"
            more = {"partial_image_index": index} if index < wanted.partial_images else {"usage": wanted.usage}
            fields = {"type": name, "created_at": int(time.time()), **described(wanted), **more}
            image = stand.image(call, wanted, rule, index)
            data = orjson.dumps(fields)[:-1] + b',"b64_json":"' + image + b'"}'
            await response.write(b"event: " + name.encode() + b"\ndata: " + data + b"\n\n")
        await response.write_eof()
        call.delivered = True
    return response
