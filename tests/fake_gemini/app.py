"""The HTTP routes of the stand-in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from fake_gemini.batches import Batches
from fake_gemini.content import Studio
from fake_gemini.record import IMAGE_TOKENS, Record
from fake_gemini.requests import ApiError, camel, understand
from fake_gemini.settings import Behavior, Settings
from fake_gemini.stored import Files

KEY = "AIza-stand-in-0123456789"
LARGEST_BODY_BYTES = 2 * 1024**3
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Stand:
    """The state of the stand-in, and its handlers."""

    def __init__(self, settings: Settings) -> None:
        self.record = Record()
        self.files = Files()
        self.studio = Studio(settings, self.record)
        self.batches = Batches(self.studio, self.files)

    def app(self) -> web.Application:
        """Return the application with all routes."""
        app = web.Application(client_max_size=LARGEST_BODY_BYTES, middlewares=[self._errors])
        app.add_routes(
            [
                web.post("/v1beta/models/{model}:generateContent", self._generate),
                web.post("/v1beta/models/{model}:batchGenerateContent", self._create_batch),
                web.get("/v1beta/models/{model}", self._model),
                web.post("/upload/v1beta/files", self._start_upload),
                web.post("/upload/{id}", self._upload),
                web.get("/v1beta/files/{id}:download", self._download),
                web.get("/v1beta/files/{id}", self._file),
                web.delete("/v1beta/files/{id}", self._delete_file),
                web.get("/v1beta/batches", self._list_batches),
                web.get("/v1beta/batches/{id}", self._batch),
                web.post("/v1beta/batches/{id}:cancel", self._cancel_batch),
            ]
        )
        return app

    @web.middleware
    async def _errors(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if handler != self._upload and request.headers.get("x-goog-api-key") != KEY:
                info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
                message = "API key not valid. Please pass a valid API key."
                raise ApiError(400, "INVALID_ARGUMENT", message, [info])
            return await handler(request)
        except ApiError as error:
            return error.response()

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        key = request.headers.get("x-goog-api-key")
        call = understand(request.match_info["model"], await request.json(), self.files.content_of, key)
        answer = await self.studio.answer(call)
        if call.behavior == Behavior.CUT and request.transport is not None:
            request.transport.close()
        if call.behavior == Behavior.HTML:
            return web.Response(text="<html><title>Bad gateway</title></html>", content_type="text/html")
        if call.behavior == Behavior.REDIRECT:
            raise web.HTTPTemporaryRedirect(self.studio.settings.other_server)
        return web.json_response(answer)

    async def _model(self, request: web.Request) -> web.Response:
        name = request.match_info["model"]
        if name not in IMAGE_TOKENS:
            raise ApiError(404, "NOT_FOUND", f"Model is not found: models/{name}")
        methods = ["generateContent", "countTokens", "batchGenerateContent"]
        return web.json_response({"name": f"models/{name}", "version": "001", "supportedGenerationMethods": methods})

    async def _start_upload(self, request: web.Request) -> web.Response:
        headers, told = request.headers, camel(await request.json()).get("file", {})
        if headers.get("X-Goog-Upload-Protocol") != "resumable" or headers.get("X-Goog-Upload-Command") != "start":
            raise ApiError(400, "INVALID_ARGUMENT", "This is no start of an upload.")
        size = int(headers["X-Goog-Upload-Header-Content-Length"])
        mime_type = headers["X-Goog-Upload-Header-Content-Type"]
        identity = self.files.start(mime_type, told.get("displayName", ""), size)
        address = f"{request.url.origin()}/upload/{identity}"
        return web.Response(headers={"X-Goog-Upload-URL": address, "X-Goog-Upload-Status": "active"})

    async def _upload(self, request: web.Request) -> web.Response:
        if request.headers.get("X-Goog-Upload-Command") != "upload, finalize":
            raise ApiError(400, "INVALID_ARGUMENT", "This stand-in takes files in one piece.")
        self.record.key_elsewhere.append(request.headers.get("x-goog-api-key"))
        file = self.files.finish(request.match_info["id"], await request.read())
        shown = {"file": file.as_dict(str(request.url.origin()))}
        return web.json_response(shown, headers={"X-Goog-Upload-Status": "final"})

    async def _download(self, request: web.Request) -> web.Response:
        file = self.files.get(f"files/{request.match_info['id']}")
        if not file.is_generated or request.query.get("alt") != "media":
            raise ApiError(400, "INVALID_ARGUMENT", "Only generated files can be downloaded.")
        return web.Response(body=file.content, content_type=file.mime_type)

    async def _file(self, request: web.Request) -> web.Response:
        file = self.files.get(f"files/{request.match_info['id']}")
        return web.json_response(file.as_dict(str(request.url.origin())))

    async def _delete_file(self, request: web.Request) -> web.Response:
        self.files.delete(f"files/{request.match_info['id']}")
        return web.json_response({})

    async def _create_batch(self, request: web.Request) -> web.Response:
        return self._shown(self.batches.create(request.match_info["model"], camel(await request.json())))

    async def _list_batches(self, request: web.Request) -> web.Response:
        return web.json_response(self.batches.page(request.query.get("pageToken", "")))

    async def _batch(self, request: web.Request) -> web.Response:
        return self._shown(self.batches.get(f"batches/{request.match_info['id']}"))

    async def _cancel_batch(self, request: web.Request) -> web.Response:
        self.batches.get(f"batches/{request.match_info['id']}").is_cancelled = True
        return web.json_response({})

    def _shown(self, batch: Any) -> web.Response:
        return web.json_response(batch.as_dict(echoes_input=self.studio.settings.echoes_input))
