"""The HTTP routes of the stand-in."""

from __future__ import annotations

import asyncio
import hashlib
import io
import time
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web
from PIL import Image

from fake_openrouter.catalog import ENDPOINTS, cost_usd, listed_models
from fake_openrouter.faults import CUT, FAULTS, NO_IMAGE, Fault
from fake_openrouter.server import STAND_IN_KEY, Call

if TYPE_CHECKING:
    from fake_openrouter.server import FakeOpenRouter

EDGES_PX = {"512": 64, "768": 96, "1K": 128, "1.5K": 192, "2K": 256, "4K": 512}  # an eighth: tests are quick
MOST_IMAGES = 10


def build_app(server: FakeOpenRouter) -> web.Application:
    """Return the application with all routes."""

    async def generate(request: web.Request) -> web.Response:
        raw = await request.read()
        await asyncio.sleep(server.latency_s)
        call, response = _images(server, request.headers, raw)
        if call.behavior == CUT and request.transport is not None:
            request.transport.close()
        return response

    async def models(request: web.Request) -> web.Response:
        return _listed(server, "/images/models", listed_models())

    async def endpoints(request: web.Request) -> web.Response:
        name = f"{request.match_info['author']}/{request.match_info['slug']}"
        if name not in ENDPOINTS:
            return _error(Fault(404, f"{name} is not an image model"))
        return _listed(server, f"/images/models/{name}/endpoints", {"id": name, "endpoints": ENDPOINTS[name]})

    async def key(request: web.Request) -> web.Response:
        if not _is_known(request.headers):
            return _error(_NO_KEY)
        return _json({"data": {"label": "stand-in", "limit": None, "limit_remaining": server.credit_usd, "usage": 0}})

    app = web.Application(client_max_size=1024**3)
    app.add_routes(
        [
            web.post("/api/v1/images", generate),
            web.get("/api/v1/images/models", models),
            web.get("/api/v1/images/models/{author}/{slug}/endpoints", endpoints),
            web.get("/api/v1/key", key),
        ]
    )
    return app


_NO_KEY = Fault(401, "User not found.")


def _json(body: Any, status: int = 200, headers: Any = ()) -> web.Response:
    more = {"X-Request-Id": f"req-{time.monotonic_ns()}", **dict(headers)}
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json", headers=more)


def _error(fault: Fault) -> web.Response:
    return _json(fault.body(), fault.status or fault.code, fault.headers)


def _listed(server: FakeOpenRouter, path: str, answer: Any) -> web.Response:
    if path in server.lists:
        return web.Response(body=server.lists[path], content_type="application/json")
    return _json(answer)


def _is_known(headers: Any) -> bool:
    return headers.get("Authorization") == f"Bearer {STAND_IN_KEY}"


def _images(server: FakeOpenRouter, headers: Any, raw: bytes) -> tuple[Call, web.Response]:
    body = orjson.loads(raw)
    call = Call(body, {name.lower(): value for name, value in headers.items()})
    server.calls.append(call)
    response = _answer(server, call, body)
    call.status = response.status
    return call, response


def _answer(server: FakeOpenRouter, call: Call, body: dict[str, Any]) -> web.Response:
    behavior = call.behavior = server.fault_of(body.get("prompt", ""))
    fault = _NO_KEY if "authorization" not in call.headers or not _known(call) else _fault_in(body)
    if fault is None and behavior in FAULTS:
        fault = FAULTS[behavior]
    if fault is not None:
        return _error(fault)
    chosen = _route(body)
    if isinstance(chosen, Fault):
        return _error(chosen)
    # Unknown options are dropped, and ratios are clamped: the first one that the endpoint has.
    takes = chosen["supported_parameters"]
    resolution = _clamped(takes, body, "resolution", "1K")
    cost = cost_usd(chosen, body.get("n", 1), resolution, len(body.get("input_references", ())))
    if server.credit_usd is not None:
        if cost > server.credit_usd:
            return _error(FAULTS["credits"])
        server.credit_usd -= cost
    call.cost_usd, call.endpoint = cost, chosen["provider_slug"]
    image_format = _clamped(takes, body, "output_format", "png")
    seed = body.get("seed") if "seed" in takes else None
    data = (
        []
        if behavior == NO_IMAGE
        else [_entry(body, resolution, image_format, seed, takes, n) for n in range(body.get("n", 1))]
    )
    usage = {"prompt_tokens": 9, "completion_tokens": 1290, "total_tokens": 1299, "cost": cost, "is_byok": False}
    return _json({"created": int(time.time()), "data": data, "usage": usage})


def _known(call: Call) -> bool:
    return call.headers["authorization"] == f"Bearer {STAND_IN_KEY}"


def _fault_in(body: dict[str, Any]) -> Fault | None:
    """Return what is wrong with a request."""
    if not isinstance(body.get("prompt"), str) or not body["prompt"]:
        return Fault(400, "prompt: expected a text")
    n = body.get("n", 1)
    if not isinstance(n, int) or not 1 <= n <= MOST_IMAGES:
        return Fault(400, "n: expected 1 to 10")
    if "x" in str(body.get("size", "")) and ({"resolution", "aspect_ratio"} & body.keys()):
        return Fault(400, "size conflicts with resolution or aspect_ratio")
    for one in body.get("input_references", ()):
        head, _, data = one["image_url"]["url"].partition(",")
        if one["type"] != "image_url" or not head.startswith("data:image/"):
            return Fault(400, "input_references: expected a data URL")
        Image.open(io.BytesIO(b64decode(data, validate=True))).verify()
    return None


def _route(body: dict[str, Any]) -> dict[str, Any] | Fault:
    endpoints = ENDPOINTS.get(body.get("model", ""))
    if endpoints is None:
        return Fault(404, f"No endpoints found for {body.get('model')}.")
    only = (body.get("provider") or {}).get("only")
    allowed = [one for one in endpoints if only is None or one["provider_slug"] in only]
    return allowed[0] if allowed else Fault(404, "No allowed providers are available for the selected model.")


def _clamped(takes: dict[str, Any], body: dict[str, Any], name: str, default: str) -> str:
    values: list[str] = takes.get(name, {}).get("values", [default])
    given = body.get(name, values[0])
    return given if given in values else values[0]


def _entry(
    body: dict[str, Any], resolution: str, image_format: str, seed: int | None, takes: dict[str, Any], n: int
) -> dict[str, str]:
    width, _, height = _clamped(takes, body, "aspect_ratio", "1:1").partition(":")
    shrink = EDGES_PX[resolution] / max(float(width), float(height))
    size = max(16, round(float(width) * shrink)), max(16, round(float(height) * shrink))
    drawn = hashlib.shake_256(f"{body['prompt']}|{seed if seed is not None else time.monotonic_ns()}|{n}".encode())
    picture = Image.frombytes("RGB", (8, 8), drawn.digest(192)).resize(size, Image.Resampling.NEAREST)
    file = io.BytesIO()
    picture.save(file, image_format)
    return {"b64_json": b64encode(file.getvalue()).decode(), "media_type": f"image/{image_format}"}
