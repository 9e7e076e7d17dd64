"""The server: its queue in memory, one prompt at a time, and its files."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import WSMsgType, web

from fake_comfyui.nodes import FAILING, NO_IMAGE, OUTPUTS, TOO_BIG, error, picture, signature, texts_of, validated


@dataclass(slots=True)
class Prompt:
    """A prompt that was queued.

    Attributes:
        id: Its ID.
        number: Its place in the queue.
        graph: What it asks for.
        client_id: Who hears of it.
        state: ``pending``, ``in_progress``, ``completed``, ``failed``, or ``cancelled``.
        started: When it started, in seconds of the monotonic clock.
        ended: When it ended.
        outputs: What its outputs gave.
        messages: What happened to it.
    """

    id: str
    number: int
    graph: dict[str, Any]
    client_id: str
    state: str = "pending"
    started: float = 0.0
    ended: float = 0.0
    outputs: dict[str, Any] = field(default_factory=dict)
    messages: list[list[Any]] = field(default_factory=list)

    @property
    def entry(self) -> list[Any]:
        """It in the queue and in the history."""
        outputs = [number for number, node in self.graph.items() if node["class_type"] in OUTPUTS]
        return [self.number, self.id, self.graph, {"client_id": self.client_id}, outputs]

    @property
    def status(self) -> dict[str, Any]:
        """Its status in the history."""
        good = self.state == "completed"
        return {"status_str": "success" if good else "error", "completed": good, "messages": self.messages}


class FakeComfyUI:
    """A server at a free port.

    Args:
        latency_s: How long a prompt takes.
        models: Files of models that it has.
        has_jobs: Whether it has ``/api/jobs``, as servers have since 0.4.

    Attributes:
        prompts: Everything that was ever queued, also before a restart, by ID.
        files: Its files, by kind of folder, folder, and name.
        fetched: Names of files that were handed over.
        asked: Method and path of each call.
        interrupts: Bodies of calls of ``/interrupt``.
        refuse: Returns the status with which a call fails, or 0: the connection is cut after the call; else None.
    """

    def __init__(
        self, latency_s: float = 0.05, *, models: tuple[str, ...] = ("tiny.safetensors",), has_jobs: bool = True
    ) -> None:
        self.latency_s, self.models, self.has_jobs = latency_s, models, has_jobs
        self.prompts: dict[str, Prompt] = {}
        self.files: dict[tuple[str, str, str], bytes] = {}
        self.fetched: list[str] = []
        self.asked: list[str] = []
        self.interrupts: list[Any] = []
        self.refuse: Callable[[str, str], int | None] = lambda method, path: None
        self.port = 0
        self.started = self.died = 0.0
        self._loop = asyncio.new_event_loop()
        self._known: dict[str, Prompt] = {}
        self._queue: list[Prompt] = []
        self._running: Prompt | None = None
        self._interrupted = asyncio.Event()
        self._arrived = asyncio.Event()
        self._cache: dict[str, dict[str, Any]] = {}
        self._sockets: dict[str, web.WebSocketResponse] = {}

    @property
    def base_url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.die()
        self._loop.call_soon_threadsafe(self._loop.stop)

    def start(self) -> None:
        """Start, or start again after a death: with its files, and without its queue and its history."""
        self._wait(self._start())

    def die(self) -> None:
        """End at once: every connection is cut, and what ran is lost."""
        self._wait(self._die())

    def submissions(self) -> Counter[str]:
        """Return how often each text was queued."""
        return Counter(texts_of(prompt.graph) for prompt in self.prompts.values())

    def made(self) -> list[Prompt]:
        """Return the prompts that ended with an image."""
        return [one for one in self.prompts.values() if one.state == "completed"]

    def busy_share(self, start: float, end: float) -> float:
        """Return the share of a time, by the monotonic clock, in which it worked, up to its death."""
        end = min(end, self.died) if self.died else end
        worked = [(one.started, one.ended or end) for one in self.prompts.values() if one.started]
        return sum(min(until, end) - since for since, until in worked) / (end - start)

    def _wait(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _start(self) -> None:
        app = web.Application(middlewares=[self._refusing], client_max_size=100 * 2**20)
        app.router.add_get("/ws", self._ws)
        for method, path, handler in (
            ("GET", "/prompt", self._length),
            ("POST", "/prompt", self._prompt),
            ("GET", "/queue", self._show_queue),
            ("POST", "/queue", self._edit_queue),
            ("POST", "/interrupt", self._interrupt),
            ("GET", "/history/{id}", self._history),
            ("GET", "/view", self._view),
            ("POST", "/upload/image", self._upload),
            *((("GET", "/api/jobs/{id}", self._job), ("POST", "/api/jobs/{id}/cancel", self._cancel)) * self.has_jobs),
        ):
            app.router.add_route(method, path, handler)
        self._known, self._queue, self._running, self._cache = {}, [], None, {}
        self._runner = web.AppRunner(app, shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self._worker = asyncio.ensure_future(self._work())

    async def _die(self) -> None:
        self._worker.cancel()
        for prompt in (self._running, *self._queue):
            if prompt is not None:
                prompt.state = "lost"
        for socket in list(self._sockets.values()):
            await socket.close()
        await self._runner.cleanup()
        self.died = time.monotonic()

    @web.middleware
    async def _refusing(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path}")
        status = self.refuse(request.method, request.path)
        if status:
            return web.Response(status=status)
        answer: web.StreamResponse = await handler(request)
        if status == 0 and request.transport is not None:
            request.transport.abort()
        return answer

    async def _ws(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        client = request.query.get("clientId") or uuid.uuid4().hex
        self._sockets[client] = socket
        await socket.send_json({"type": "status", "data": {"status": self._info(), "sid": client}})
        await socket.send_bytes(b"\x00\x00\x00\x01preview")
        async for message in socket:
            if message.type == WSMsgType.ERROR:
                break
        self._sockets.pop(client, None)
        return socket

    async def _tell(self, prompt: Prompt, kind: str, **data: Any) -> None:
        data = {"prompt_id": prompt.id, **data}
        if kind.startswith("execution"):
            prompt.messages.append([kind, {**data, "timestamp": int(time.time() * 1000)}])
        socket = self._sockets.get(prompt.client_id)
        if socket is not None and not socket.closed:
            await socket.send_json({"type": kind, "data": data})

    def _info(self) -> dict[str, Any]:
        return {"exec_info": {"queue_remaining": len(self._queue) + (self._running is not None)}}

    async def _length(self, request: web.Request) -> web.Response:
        return web.json_response(self._info())

    async def _prompt(self, request: web.Request) -> web.Response:
        body = await request.json()
        if "prompt" not in body:
            return web.json_response({"error": error("no_prompt", "No prompt provided"), "node_errors": {}}, status=400)
        prompt_id = body.get("prompt_id") or str(uuid.uuid4())
        try:
            valid = str(uuid.UUID(prompt_id)) == prompt_id
        except ValueError:
            valid = False
        if not valid:
            wrong = error("invalid_prompt_id", "prompt_id must be a valid UUID")
            return web.json_response({"error": wrong, "node_errors": {}}, status=400)
        inputs = {"/".join(filter(None, (folder, name))) for kind, folder, name in self.files if kind == "input"}
        fault, node_errors = validated(body["prompt"], self.models, inputs)
        if fault is not None:
            return web.json_response({"error": fault, "node_errors": node_errors}, status=400)
        prompt = Prompt(prompt_id, len(self.prompts), body["prompt"], str(body.get("client_id", "")))
        assert prompt_id not in self.prompts, "an ID is used twice"
        self.prompts[prompt_id] = self._known[prompt_id] = prompt
        self._queue.append(prompt)
        self._arrived.set()
        return web.json_response({"prompt_id": prompt_id, "number": prompt.number, "node_errors": node_errors})

    async def _work(self) -> None:
        while True:
            while not self._queue:
                self._arrived.clear()
                await self._arrived.wait()
            self._running = prompt = self._queue.pop(0)
            prompt.state, prompt.started = "in_progress", time.monotonic()
            self._interrupted.clear()
            await self._execute(prompt)
            prompt.ended = time.monotonic()
            self._running = None
            await self._tell(prompt, "executing", node=None)

    async def _execute(self, prompt: Prompt) -> None:
        await self._tell(prompt, "execution_start")
        cached = self._cache.get(signature(prompt.graph))
        await self._tell(prompt, "execution_cached", nodes=list(prompt.graph) if cached else [])
        if cached:  # nothing runs, and the history names the old files
            prompt.outputs, prompt.state = cached, "completed"
            await self._tell(prompt, "execution_success")
            return
        (node, *_) = prompt.graph
        for step in (1, 2):
            nodes = {node: {"value": step, "max": 2, "state": "running", "node_id": node}}
            await self._tell(prompt, "progress_state", nodes=nodes)
            try:
                await asyncio.wait_for(self._interrupted.wait(), self.latency_s / 2)
            except TimeoutError:
                continue
            prompt.state = "cancelled"
            told = {"node_id": node, "node_type": prompt.graph[node]["class_type"], "executed": []}
            await self._tell(prompt, "execution_interrupted", **told)
            return
        await self._ended(prompt, node)

    async def _ended(self, prompt: Prompt, node: str) -> None:
        texts = texts_of(prompt.graph)
        kind = "RuntimeError" if FAILING in texts else "torch.OutOfMemoryError" if TOO_BIG in texts else ""
        if any(self.files.get(("input", *place.rpartition("/")[::2])) == NO_IMAGE for place in texts.split("\n")):
            kind = "PIL.UnidentifiedImageError"
        if kind:
            prompt.state = "failed"
            told = {"node_id": node, "node_type": prompt.graph[node]["class_type"], "executed": [], "traceback": []}
            message = f"it broke: {texts[:200]}\n"
            await self._tell(prompt, "execution_error", exception_message=message, exception_type=kind, **told)
            return
        for number, one in prompt.graph.items():
            if one["class_type"] in OUTPUTS:
                prompt.outputs[number] = {"images": [self._save(one, picture(prompt.graph))]}
                await self._tell(prompt, "executed", node=number, output=prompt.outputs[number])
        self._cache[signature(prompt.graph)] = prompt.outputs
        prompt.state = "completed"
        await self._tell(prompt, "execution_success")

    def _save(self, node: dict[str, Any], image: bytes) -> dict[str, str]:
        kind = "output" if node["class_type"] == "SaveImage" else "temp"
        folder, _, name = node["inputs"].get("filename_prefix", "ComfyUI_temp").rpartition("/")
        starts = sum(one[0] == kind and one[1] == folder and one[2].startswith(f"{name}_") for one in self.files)
        file = f"{name}_{starts + 1:05}_.png"
        self.files[kind, folder, file] = image
        return {"filename": file, "subfolder": folder, "type": kind}

    async def _show_queue(self, request: web.Request) -> web.Response:
        running = [self._running.entry] if self._running else []
        return web.json_response({"queue_running": running, "queue_pending": [one.entry for one in self._queue]})

    async def _edit_queue(self, request: web.Request) -> web.Response:
        for prompt_id in (await request.json()).get("delete", []):
            self._drop(prompt_id)
        return web.Response()

    def _drop(self, prompt_id: str) -> bool:
        found = next((one for one in self._queue if one.id == prompt_id), None)
        if found is not None:
            self._queue.remove(found)
            del self._known[prompt_id]
            found.state = "deleted"
        return found is not None

    async def _interrupt(self, request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else {}
        self.interrupts.append(body)
        if self._running and body.get("prompt_id") in (None, self._running.id):
            self._interrupted.set()
        return web.Response()

    def _ended_of(self, prompt_id: str) -> Prompt | None:
        found = self._known.get(prompt_id)
        return found if found is not None and found.ended else None

    async def _history(self, request: web.Request) -> web.Response:
        found = self._ended_of(request.match_info["id"])
        told = {"prompt": found.entry, "outputs": found.outputs, "status": found.status, "meta": {}} if found else None
        return web.json_response({found.id: told} if found else {})

    async def _job(self, request: web.Request) -> web.Response:
        found = self._known.get(request.match_info["id"])
        if found is None:
            return web.json_response({"error": "Job not found"}, status=404)
        told: dict[str, Any] = {"id": found.id, "status": found.state, "outputs_count": len(found.outputs)}
        if not found.ended:
            told["status"] = "pending" if found.state == "pending" else "in_progress"
            return web.json_response(told)
        errors = [data for kind, data in found.messages if kind == "execution_error"]
        told |= {"outputs": found.outputs, "execution_status": found.status}
        return web.json_response({**told, **({"execution_error": errors[0]} if errors else {})})

    async def _cancel(self, request: web.Request) -> web.Response:
        prompt_id = request.match_info["id"]
        running = self._running is not None and self._running.id == prompt_id
        if running:
            self._interrupted.set()
        return web.json_response({"cancelled": running or self._drop(prompt_id)})

    async def _view(self, request: web.Request) -> web.Response:
        query = request.query
        if ".." in query.get("filename", "..") or ".." in query.get("subfolder", ""):
            return web.Response(status=400)
        found = self.files.get((query.get("type", "output"), query.get("subfolder", ""), query["filename"]))
        self.fetched += [query["filename"]] * (found is not None)
        return web.Response(status=404) if found is None else web.Response(body=found, content_type="image/png")

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        image, folder = form["image"], str(form.get("subfolder", ""))
        assert isinstance(image, web.FileField)
        name, content, number = image.filename, image.file.read(), 1
        stem, _, ending = name.rpartition(".")
        while self.files.get(("input", folder, name), content) != content:
            name, number = f"{stem} ({number}).{ending}", number + 1
        self.files["input", folder, name] = content
        return web.json_response({"name": name, "subfolder": folder, "type": "input"})


def workflow(prompt: str = "a mug", model: str = "tiny.safetensors") -> dict[str, Any]:
    """Return a text-to-image workflow as ComfyUI exports it."""
    return {
        "3": {
            "inputs": {
                "seed": 156680208700286,
                "steps": 20,
                "cfg": 8.0,
                "sampler_name": "euler",
                "scheduler": "normal",
                "denoise": 1,
                "model": ["4", 0],
                "positive": ["6", 0],
                "negative": ["7", 0],
                "latent_image": ["5", 0],
            },
            "class_type": "KSampler",
            "_meta": {"title": "KSampler"},
        },
        "4": {"inputs": {"ckpt_name": model}, "class_type": "CheckpointLoaderSimple", "_meta": {"title": "Load"}},
        "5": {"inputs": {"width": 64, "height": 64, "batch_size": 1}, "class_type": "EmptyLatentImage"},
        "6": {"inputs": {"text": prompt, "clip": ["4", 1]}, "class_type": "CLIPTextEncode"},
        "7": {"inputs": {"text": "text, watermark", "clip": ["4", 1]}, "class_type": "CLIPTextEncode"},
        "8": {"inputs": {"samples": ["3", 0], "vae": ["4", 2]}, "class_type": "VAEDecode"},
        "9": {"inputs": {"filename_prefix": "ComfyUI", "images": ["8", 0]}, "class_type": "SaveImage"},
    }
