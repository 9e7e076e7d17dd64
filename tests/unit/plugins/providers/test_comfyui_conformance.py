"""The comfyui provider keeps the claims of imagemake.testing."""

# ruff: noqa: RUF012  the attributes of these classes describe an API, and nobody changes them

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from urllib.parse import parse_qs, urlsplit

import pytest
from fake_comfyui import workflow
from fake_comfyui.nodes import error

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers.comfyui.graph import read_graph
from imagemake.plugins.providers.comfyui.provider import ComfyUIProvider
from imagemake.plugins.providers.comfyui.template import template_of
from imagemake.plugins.providers.queue import Ticket
from imagemake.testing import Fault, Images, Request, Response, Sent, ServerConformance

INPUTS = {
    "prompt": ["6.text"],
    "negative_prompt": ["7.text"],
    "seed": ["3.seed"],
    "width": ["5.width"],
    "height": ["5.height"],
}


def template_for(recipe: Recipe) -> bytes:
    """Return a workflow that takes as many images as a recipe has."""
    graph, inputs = workflow(), dict(INPUTS)
    for number in range(len(recipe.references)):
        graph[f"2{number}"] = {"class_type": "LoadImage", "inputs": {"image": "x.png"}}
        graph["3"]["inputs"][f"image{number}"] = [f"2{number}", 0]
        inputs["references"] = [*inputs.get("references", ()), f"2{number}.image"]
    if recipe.mask:
        graph["30"] = {"class_type": "LoadImageMask", "inputs": {"image": "x.png"}}
        graph["3"]["inputs"]["mask"] = ["30", 0]
        inputs["mask"] = ["30.image"]
    return template_of(read_graph(json.dumps(graph).encode()), "9", inputs)


class WithWorkflow(ComfyUIProvider):
    """The provider, with the workflow that the plan would name."""

    async def submit(self, recipe: Recipe, images: Mapping[str, bytes]) -> Ticket:
        data = template_for(recipe)
        digest = sha256(data).hexdigest()
        return await super().submit(replace(recipe, model_files={"workflow": digest}), {**images, digest: data})


def rejected(status: int, kind: str, message: str) -> Response:
    return Response.of_json({"error": error(kind, message, message), "node_errors": {}}, status)


class TestComfyUI(ServerConformance):
    provider = WithWorkflow
    parameters = {"size": "64x64"}
    sizes = {"64x96": (64, 96)}
    takes_mask = True
    several = True
    faults = {
        Fault.KEY: Response.of_json({"message": "You did not pass a valid key"}, 401),
        Fault.MONEY: Response.of_json({"message": "Insufficient credits"}, 402),
        Fault.ROUTE: Response(404, b"404: Not Found"),
        Fault.MODEL: rejected(400, "prompt_outputs_failed_validation", "Value not in list"),
        Fault.RATE: Response.of_json({"message": "Too many requests"}, 429),
        Fault.BUSY: Response.of_json({"message": "The service is overloaded"}, 503),
    }

    @pytest.fixture(autouse=True)
    def _same_ids(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """IDs are random, and nothing else may differ between two requests for the same recipe."""
        monkeypatch.setattr("imagemake.plugins.providers.http.client.MOST_BYTES", 2**20)
        monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID(int=7))
        self.uploads: dict[str, bytes] = {}
        self.queued: set[str] = set()

    def answer(self, request: Request, images: Images) -> Response:
        path, query = urlsplit(request.target).path, parse_qs(urlsplit(request.target).query)
        names = [f"{number}.png" for number in range(len(images.files))]
        if path == "/prompt" and request.method == "GET":
            return Response.of_json({"exec_info": {"queue_remaining": 0}})
        if path == "/prompt":
            self.queued.add(request.json["prompt_id"])
            return Response.of_json({"prompt_id": request.json["prompt_id"], "number": 1, "node_errors": {}})
        if path == "/upload/image":
            fields = {part.name: part for part in request.form}
            name = fields["image"].file_name
            self.uploads[f"imagemake/{name}"] = fields["image"].content
            return Response.of_json({"name": name, "subfolder": "imagemake", "type": "input"})
        if path == "/view" and query["filename"][0] in names:
            return Response(200, images.files[names.index(query["filename"][0])], {"Content-Type": "image/png"})
        if path.startswith("/api/jobs/") and path.rpartition("/")[2] in self.queued:
            outputs = {"9": {"images": [{"filename": name, "subfolder": "", "type": "output"} for name in names]}}
            return Response.of_json({"id": path.rpartition("/")[2], "status": "completed", "outputs": outputs})
        return Response.of_json({"error": "Job not found"}, 404)

    def is_paid(self, request: Request) -> bool:
        return request.method == "POST" and request.target == "/prompt"

    def sent(self, request: Request) -> Sent:
        nodes = {number: node["inputs"] for number, node in request.json["prompt"].items()}
        references = [self.uploads[nodes[number]["image"]] for number in ("20", "21") if number in nodes]
        return Sent(
            prompt=nodes["6"]["text"],
            seed=nodes["3"]["seed"],
            size=(nodes["5"]["width"], nodes["5"]["height"]),
            references=tuple(references),
            mask=self.uploads[nodes["30"]["image"]] if "30" in nodes else None,
            negative_prompt=nodes["7"]["text"],
        )

    def told(self, response: Response) -> Mapping[str, object]:
        found = response.json if response.body.startswith(b"{") else {}
        return {"request_id": found["prompt_id"]} if "prompt_id" in found else {}
