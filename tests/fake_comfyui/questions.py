"""Puts questions to a ComfyUI server, and returns the forms of its answers: statuses, fields, types, and words."""

from __future__ import annotations

import asyncio
import json
import uuid
from io import BytesIO
from typing import Any

import aiohttp
from PIL import Image

WORDS = ("type", "status", "status_str", "completed", "class_type", "cancelled", "node_type")  # told as they are
UNKNOWN = "00000000-0000-4000-8000-000000000000"
UNKNOWN_NODE = {"class_type": "Nope", "inputs": {}}
LONGEST_S = 30.0


def form(told: Any, name: str = "") -> Any:
    """Return the form of an answer: fields and types, and some words as they are."""
    if isinstance(told, tuple):
        return {"code": f"HTTP {told[0]}", "body": form(told[1])}
    if isinstance(told, dict):
        by_id = {key: "ID" if len(key) == 36 else key for key in told}
        return {by_id[key]: form(value, key) for key, value in sorted(told.items())}
    if isinstance(told, list):
        if len(told) == 2 and isinstance(told[0], str) and isinstance(told[1], dict):
            return [told[0], form(told[1])]  # a message
        return [form(one) for one in told[:1]]
    return told if name in WORDS and isinstance(told, str | bool) else type(told).__name__


def missing_in(real: Any, ours: Any, place: str = "") -> list[str]:
    """Return what the form of a stand-in's answer has, and that of a real one has not."""
    if isinstance(real, dict) and isinstance(ours, dict):
        extra = [f"{place}.{key}" for key in ours if key not in real]
        return extra + [
            one for key in ours if key in real for one in missing_in(real[key], ours[key], f"{place}.{key}")
        ]
    if isinstance(real, list) and isinstance(ours, list) and real and ours:
        pairs = zip(real, ours, strict=False)
        return [one for n, (a, b) in enumerate(pairs) for one in missing_in(a, b, f"{place}[{n}]")]
    return [] if real == ours or [] in (real, ours) else [f"{place}: {ours!r}, not {real!r}"]


def text_to_image(model: str) -> dict[str, Any]:
    """Return a workflow with a model."""
    from fake_comfyui.server import workflow

    return workflow(model=model)


def plain(**changes: Any) -> dict[str, Any]:
    """Return a workflow without models."""
    empty = {"width": 64, "height": 64, "batch_size": 1, "color": 255}
    return {
        "1": {"class_type": "EmptyImage", "inputs": empty},
        "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "questions/x", "images": ["1", 0]}},
        **changes,
    }


def loading(name: str) -> dict[str, Any]:
    """Return a workflow that loads an image of the server."""
    return plain(**{"1": {"class_type": "LoadImage", "inputs": {"image": name}}})


class Asker:
    """Asks one server."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self._session, self._base = session, base_url
        self.heard: list[tuple[str, str]] = []

    async def get(self, path: str) -> Any:
        """Return status and JSON."""
        async with self._session.get(self._base + path) as answer:
            is_json = answer.content_type == "application/json"
            return answer.status, await answer.json() if is_json else answer.content_type

    async def post(self, path: str, body: Any) -> Any:
        """Return status and JSON."""
        async with self._session.post(self._base + path, json=body) as answer:
            return answer.status, await answer.json() if answer.content_type == "application/json" else None

    async def upload(self, name: str, content: bytes) -> Any:
        """Return status and JSON."""
        data = aiohttp.FormData({"type": "input", "subfolder": "questions"})
        data.add_field("image", content, filename=name, content_type="image/png")
        async with self._session.post(f"{self._base}/upload/image", data=data) as answer:
            return answer.status, await answer.json()

    async def ended(self, graph: dict[str, Any]) -> dict[str, Any]:
        """Queue a prompt, and return what is said of it from its arrival to its end."""
        prompt_id = str(uuid.uuid4())
        queued = await self.post("/prompt", {"prompt": graph, "prompt_id": prompt_id, "client_id": "asker"})
        async with asyncio.timeout(LONGEST_S):
            while (await self.get(f"/history/{prompt_id}"))[1] == {}:
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.2)
        status, history = await self.get(f"/history/{prompt_id}")
        kinds = list(dict.fromkeys(kind for kind, one in self.heard if one == prompt_id))
        told = {"queued": form(queued), "history": form((status, history))}
        messages = [kind for kind, _ in history[prompt_id]["status"]["messages"]]
        told |= {"job": form(await self.get(f"/api/jobs/{prompt_id}")), "messages": messages}
        told |= {"socket": [kind for kind in kinds if kind not in ("executed", "executing")]}
        told |= {"cancel": form(await self.post(f"/api/jobs/{prompt_id}/cancel", {}))}
        outputs = history[prompt_id]["outputs"].get("9", {}).get("images", [])
        for image in outputs[:1]:
            query = f"filename={image['filename']}&subfolder={image['subfolder']}&type={image['type']}"
            told["file"] = await self.get(f"/view?{query}")
        return told


async def facts(base_url: str) -> dict[str, Any]:
    """Return the forms of a server's answers, by question."""
    png = BytesIO()
    Image.new("RGB", (8, 8), "red").save(png, "PNG")
    async with aiohttp.ClientSession() as session:
        asker = Asker(session, base_url)
        async with session.ws_connect(f"{base_url}/ws?clientId=asker") as socket:
            listening = asyncio.create_task(_listen(socket, asker))
            name = f"{uuid.uuid4().hex}.png"
            first, again = await asker.upload(name, png.getvalue()), await asker.upload(name, png.getvalue())
            other, broken = await asker.upload(name, b"other"), await asker.upload(f"x{name}", b"no image")
            found = {
                "length": await asker.get("/prompt"),
                "queue": await asker.get("/queue"),
                "unknown job": await asker.get(f"/api/jobs/{UNKNOWN}"),
                "unknown in history": await asker.get(f"/history/{UNKNOWN}"),
                "cancel of unknown": await asker.post(f"/api/jobs/{UNKNOWN}/cancel", {}),
                "no file": await asker.get("/view?filename=no.png&subfolder=questions&type=output"),
                "no prompt": await asker.post("/prompt", {}),
                "wrong id": await asker.post("/prompt", {"prompt": plain(), "prompt_id": "X"}),
                "no outputs": await asker.post("/prompt", {"prompt": {"1": plain()["1"]}}),
                "unknown node": await asker.post(
                    "/prompt", {"prompt": plain(**{"1": {"class_type": "Nope", "inputs": {}}})}
                ),
                "missing model": await asker.post("/prompt", {"prompt": text_to_image("gone.safetensors")}),
                "missing image": await asker.post("/prompt", {"prompt": loading("gone.png")}),
                "upload": first,
                "interrupt of unknown": await asker.post("/interrupt", {"prompt_id": UNKNOWN}),
                "delete of unknown": await asker.post("/queue", {"delete": [UNKNOWN]}),
            }
            told = {question: form(answer) for question, answer in found.items()}
            told["same upload"] = again[1]["name"] == first[1]["name"]
            told["other upload of the name"] = other[1]["name"].replace(name.removesuffix(".png"), "x")
            told["made"] = await asker.ended(plain())
            told["made again"] = (await asker.ended(plain()))["messages"]
            told["failed"] = await asker.ended(loading(f"questions/{broken[1]['name']}"))
            listening.cancel()
    return json.loads(json.dumps(told))


async def _listen(socket: aiohttp.ClientWebSocketResponse, asker: Asker) -> None:
    async for message in socket:
        if message.type is aiohttp.WSMsgType.TEXT:
            told = json.loads(message.data)
            asker.heard.append((told["type"], (told.get("data") or {}).get("prompt_id", "")))
