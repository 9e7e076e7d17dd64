"""The HTTP routes, and responses other than images and batches."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web
from pydantic import ValidationError

from fake_openai import azure, errors
from fake_openai.batches import Batches, as_dict
from fake_openai.images import FILES, STAND, edits, generations, json_object
from fake_openai.judging import complete, decide, handler, moderate
from fake_openai.models import Model, served_models
from fake_openai.settings import Settings
from fake_openai.stand import Stand
from fake_openai.stored import Files

BATCHES = web.AppKey("batches", Batches)
LARGEST_BODY_BYTES = 1024**3
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build_app(settings: Settings, record: Path | None) -> web.Application:
    """Return the application with all routes.

    Args:
        settings: Settings of the server.
        record: File for the record of calls; None for memory only.
    """
    app = web.Application(client_max_size=LARGEST_BODY_BYTES, middlewares=[_errors_as_json])
    app[STAND] = Stand(settings, record)
    app[FILES] = Files()
    app[BATCHES] = Batches(app[STAND], app[FILES])
    app.add_routes(
        [
            web.post("/v1/images/generations", generations),
            web.post("/v1/images/edits", edits),
            web.post("/v1/decisions", handler(STAND, decide, "/v1/decisions")),
            web.post("/v1/chat/completions", handler(STAND, complete, "/v1/chat/completions")),
            web.post("/v1/moderations", handler(STAND, moderate, "/v1/moderations")),
            web.get("/v1/models", _models),
            web.get("/v1/models/{id}", _model),
            web.post("/v1/files", _upload),
            web.get("/v1/files", _files),
            web.get("/v1/files/{id}", _file),
            web.get("/v1/files/{id}/content", _file_content),
            web.delete("/v1/files/{id}", _delete_file),
            web.post("/v1/batches", _create_batch),
            web.get("/v1/batches", _batches),
            web.get("/v1/batches/{id}", _batch),
            web.post("/v1/batches/{id}/cancel", _cancel_batch),
            *(web.post(f"{form}/images/generations", generations) for form in (azure.V1, azure.DEPLOYMENTS)),
            *(web.post(f"{form}/images/edits", edits) for form in (azure.V1, azure.DEPLOYMENTS)),
            web.get(f"{azure.V1}/models", _models),
            web.get("/out/{name}", _image),
            web.get("/_record", _record),
            web.post("/_reset", _reset),
            web.get("/_settings", _settings),
            web.post("/_settings", _change_settings),
        ]
    )
    return app


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json", headers=headers)


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    headers = {"x-request-id": f"req_{uuid.uuid4().hex}"}
    try:
        # Image endpoints check the key themselves, so that their record includes these calls.
        if request.path.startswith(("/v1/", azure.V1)) and handler not in (generations, edits):
            request.app[STAND].check_key(azure.authorization_of(request))
        response = await handler(request)
        if not response.prepared:
            response.headers.update(headers)
        return response
    except errors.ApiError as error:
        error = azure.as_azure_says(error) if azure.is_azure(request) else error
        return _json(error.body, error.status, headers | dict(error.headers))
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed) as wrong:
        unknown = errors.ApiError(wrong.status, f"Invalid URL ({request.method} {request.path})")
        return _json(unknown.body, wrong.status, headers)
    except ConnectionError:  # whoever sent half of a request was killed, so nobody receives this
        return web.Response()
    except web.HTTPRequestEntityTooLarge:
        return _json(errors.ApiError(413, "Maximum content size limit exceeded.").body, 413, headers)


def _model_fields(model: Model) -> dict[str, Any]:
    shutdown = None if model.shutdown is None else model.shutdown.isoformat()
    fields = {"id": model.name, "object": "model", "created": model.created, "owned_by": "system"}
    return {**fields, "shutdown_date": shutdown}


async def _models(request: web.Request) -> web.Response:
    served = served_models(request.app[STAND].settings.today)
    return _json({"object": "list", "data": [_model_fields(model) for model in served.values()]})


async def _model(request: web.Request) -> web.Response:
    name = request.match_info["id"]
    served = served_models(request.app[STAND].settings.today)
    if name not in served:
        message = f"The model '{name}' does not exist"
        raise errors.ApiError(404, message, code="model_not_found", param="model")
    return _json(_model_fields(served[name]))


async def _upload(request: web.Request) -> web.Response:
    form = await request.post()
    file = form.get("file")
    if not isinstance(file, web.FileField):
        raise errors.missing_parameter("file")
    expires_after = {
        name.removeprefix("expires_after[").removesuffix("]"): str(value)
        for name, value in form.items()
        if name.startswith("expires_after[")
    }
    stored = request.app[FILES].upload(file.filename, str(form.get("purpose", "")), file.file.read(), expires_after)
    return _json(stored.as_dict())


async def _files(request: web.Request) -> web.Response:
    found = request.app[FILES].newest_first(request.query.get("purpose"))
    return _page(request, [file.as_dict() for file in found], 10_000, 10_000)


async def _file(request: web.Request) -> web.Response:
    return _json(request.app[FILES].get(request.match_info["id"]).as_dict())


async def _file_content(request: web.Request) -> web.StreamResponse:
    path, stand = request.app[FILES].get(request.match_info["id"]).path, request.app[STAND]
    if stand.downloads_cut >= stand.settings.batches.cut_downloads:
        return web.FileResponse(path)
    stand.downloads_cut += 1
    content = path.read_bytes()
    response = web.StreamResponse()
    response.content_length = len(content)
    await response.prepare(request)
    await response.write(content[: len(content) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


async def _image(request: web.Request) -> web.Response:
    stand = request.app[STAND]
    if stand.settings.url_status != 200:
        return web.Response(status=stand.settings.url_status or 404)
    if "Authorization" in request.headers:
        raise errors.ApiError(400, "A key is sent to where only files are.")
    return web.Response(body=base64.b64decode(stand.images[request.match_info["name"]]), content_type="image/png")


async def _delete_file(request: web.Request) -> web.Response:
    identity = request.match_info["id"]
    request.app[FILES].delete(identity)
    return _json({"id": identity, "object": "file", "deleted": True})


async def _create_batch(request: web.Request) -> web.Response:
    return _json(as_dict(request.app[BATCHES].create(await json_object(request))))


async def _batches(request: web.Request) -> web.Response:
    shown, most = request.app[BATCHES].newest_first(), request.app[STAND].settings.batches.page_size
    return _page(request, [as_dict(batch) for batch in shown], 20, 100, most)


async def _batch(request: web.Request) -> web.Response:
    return _json(as_dict(request.app[BATCHES].get(request.match_info["id"])))


async def _cancel_batch(request: web.Request) -> web.Response:
    return _json(as_dict(request.app[BATCHES].cancel(request.match_info["id"])))


def _page(
    request: web.Request, items: list[dict[str, Any]], usual: int, most: int, given: int = 10_000
) -> web.Response:
    limit = request.query.get("limit", str(usual))
    if not limit.isdecimal() or not 1 <= int(limit) <= most:
        raise errors.invalid("limit", f"Invalid 'limit': expected an integer from 1 to {most}.")
    after = request.query.get("after")
    identities = [item["id"] for item in items]
    start = identities.index(after) + 1 if after in identities else 0
    page = items[start : start + min(int(limit), given)]
    first, last = (page[0]["id"], page[-1]["id"]) if page else (None, None)
    more = start + len(page) < len(items)
    return _json({"object": "list", "data": page, "first_id": first, "last_id": last, "has_more": more})


async def _record(request: web.Request) -> web.Response:
    stand = request.app[STAND]
    after = int(request.query.get("after", "0"))
    calls = [asdict(call) for call in stand.record.calls if call.number > after]
    return _json({"calls": calls, "totals": asdict(stand.record.totals(stand.settings.limits.minute_s))})


async def _reset(request: web.Request) -> web.Response:
    stand = request.app[STAND]
    request.app[BATCHES].forget()
    request.app[FILES].forget()
    stand.record.reset()
    stand.images.clear()
    stand.apply(stand.settings)
    return _json({})


async def _settings(request: web.Request) -> web.Response:
    return _json(request.app[STAND].settings.model_dump(mode="json"))


async def _change_settings(request: web.Request) -> web.Response:
    stand = request.app[STAND]
    try:
        stand.apply(stand.settings.changed(await json_object(request)))
    except ValidationError as error:
        raise errors.ApiError(400, f"These settings are not allowed: {error}") from error
    return _json(stand.settings.model_dump(mode="json"))
