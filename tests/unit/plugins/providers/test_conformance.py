"""Every built-in provider keeps the claims of imagemake.testing, against the stand-ins of their vendors' APIs."""

# ruff: noqa: RUF012  the attributes of these classes describe an API, and nobody changes them

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from fake_gemini import KEY as GEMINI_KEY
from fake_gemini import FakeGemini
from fake_openai import FakeOpenAI, Settings
from fake_openai.server import STAND_IN_KEY as OPENAI_KEY
from fake_openrouter import FakeOpenRouter
from fake_openrouter.server import STAND_IN_KEY as OPENROUTER_KEY
from fake_queue import FakeQueue
from unit.plugins.providers.test_comfyui_conformance import WithWorkflow

from imagemake.plugins.providers import BUILT_IN, Connection, provider_class
from imagemake.testing import (
    Batch,
    BatchEnd,
    Fault,
    Images,
    ProviderConformance,
    Request,
    Response,
    Sent,
    ServerConformance,
    forward,
)

BUSY = Response.of_json({"error": {"message": "The service is overloaded"}}, 503)
RATE = Response.of_json({"error": {"message": "Too many requests"}}, 429)


def openai_error(status: int, code: str | None, message: str) -> Response:
    return Response.of_json({"error": {"message": message, "type": "invalid_request_error", "code": code}}, status)


def file_of(data_url: str) -> bytes:
    return base64.b64decode(data_url.partition(";base64,")[2], validate=True)


@pytest.fixture(autouse=True)
def _small_responses(monkeypatch: pytest.MonkeyPatch) -> None:
    """To read 129 MiB takes seconds."""
    monkeypatch.setattr("imagemake.plugins.providers.http.client.MOST_BYTES", 2**20)


class TestPreview(ProviderConformance):
    provider = provider_class("preview")
    model = "preview-1"
    parameters = {"size": "64x64"}
    refused_prompt = "A red mug [refuse]"
    takes_mask = True


class TestOpenAI(ServerConformance):
    provider = provider_class("openai")
    model = "gpt-image-2"
    key = OPENAI_KEY
    base_path = "/v1"
    parameters = {"size": "1024x1024", "quality": "low"}
    sizes = {"1024x1536": "1024x1536", "auto": "auto"}
    takes_mask = several = True
    faults = {
        Fault.PROMPT: openai_error(400, "moderation_blocked", "Your request was rejected by the safety system."),
        Fault.KEY: openai_error(401, "invalid_api_key", "Incorrect API key provided: you have none."),
        Fault.MONEY: openai_error(429, "insufficient_quota", "You exceeded your current quota."),
        Fault.ROUTE: openai_error(404, None, "Invalid URL (POST /v1/images/generations)"),
        Fault.MODEL: openai_error(404, "model_not_found", "The model 'x' does not exist."),
        Fault.RATE: RATE,
        Fault.BUSY: BUSY,
    }

    @pytest.fixture(autouse=True)
    def _stand_in(self, stand_in: FakeOpenAI) -> None:
        stand_in.renew(Settings(api_keys=(OPENAI_KEY,)))
        self.vendor = stand_in.base_url.removesuffix("/v1")

    def answer(self, request: Request, images: Images) -> Response:
        response = forward(request, self.vendor)
        if response.status != 200 or not self.is_paid(request):
            return response
        data = [{"b64_json": one} for one in images.base64]
        return replace(response, body=json.dumps({**response.json, "data": data}).encode())

    def sent(self, request: Request) -> Sent:
        form = [] if request.target.endswith("generations") else request.form
        body = {part.name: part.content.decode() for part in form if part.file_name is None} if form else request.json
        return Sent(
            prompt=body["prompt"],
            seed=body.get("seed"),
            size=body.get("size"),
            references=tuple(part.content for part in form if part.name in ("image", "image[]")),
            mask=next((part.content for part in form if part.name == "mask"), None),
            negative_prompt=body.get("negative_prompt"),
        )

    def told(self, response: Response) -> dict[str, object]:
        return {"request_id": response.headers["x-request-id"], "usage": response.json["usage"]}

    batch_paths = ("/v1/files", "/v1/batches")

    def batch_answer(self, request: Request, batch: Batch) -> Response:
        path, is_post = request.target.partition("?")[0], request.method == "POST"
        if path.endswith("/content"):
            return Response(200, batch.results)
        if "/files" in path:
            if is_post:
                batch.uploaded = next(part.content for part in request.form if part.file_name)
            return Response.of_json({"id": "file-1", "object": "file"})
        if path.endswith("/cancel"):
            batch.end = BatchEnd.CANCELLED
        elif is_post:
            batch.created.append(request.json)
        state = {
            "id": "batch_1",
            "status": {BatchEnd.RUNNING: "in_progress"}.get(batch.end, batch.end.value),
            "metadata": batch.created[-1]["metadata"] if batch.created else {},
            "input_file_id": "file-1",
        }
        if batch.end is BatchEnd.FAILED:
            state["errors"] = {"data": [{"code": "server_error", "message": "It failed.", "line": None}]}
        elif batch.end is not BatchEnd.RUNNING:
            state["output_file_id"] = "file-2"
        is_list = path.endswith("/batches") and not is_post
        return Response.of_json({"data": [state] if batch.created else [], "has_more": False} if is_list else state)

    def batch_result(self, call: str, outcome: Images | Fault) -> dict[str, object]:
        if isinstance(outcome, Images):
            response = Response.of_json({"data": [{"b64_json": one} for one in outcome.base64]})
        else:
            response = self.faults[outcome]
        return {"custom_id": call, "response": {"status_code": response.status, "body": response.json}}


class TestOpenRouter(ServerConformance):
    provider = provider_class("openrouter")
    model = "black-forest-labs/flux.2-pro"
    key = OPENROUTER_KEY
    base_path = "/api/v1"
    sizes = {"2:3@2K": ("2:3", "2K"), "3:2": ("3:2", None)}
    several = True
    faults = {
        Fault.PROMPT: Response.of_json(
            {"error": {"code": 403, "message": "Your input was flagged", "metadata": {"reasons": ["violence"]}}}, 403
        ),
        Fault.KEY: Response.of_json({"error": {"code": 401, "message": "User not found."}}, 401),
        Fault.MONEY: Response.of_json({"error": {"code": 402, "message": "Insufficient credits"}}, 402),
        Fault.ROUTE: Response.of_json({"error": {"code": 404, "message": "Not Found"}}, 404),
        Fault.MODEL: Response.of_json({"error": {"code": 404, "message": "No endpoints found for x."}}, 404),
        Fault.RATE: RATE,
        Fault.BUSY: BUSY,
    }

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _stand_in(cls) -> Iterator[None]:
        with FakeOpenRouter() as server:
            cls.vendor = server.base_url.removesuffix("/api/v1")
            yield

    def answer(self, request: Request, images: Images) -> Response:
        response = forward(request, self.vendor)
        if response.status != 200 or not self.is_paid(request):
            return response
        data = [{"b64_json": one, "media_type": "image/png"} for one in images.base64]
        return replace(response, body=json.dumps({**response.json, "data": data}).encode())

    def sent(self, request: Request) -> Sent:
        body = request.json
        urls = [one["image_url"]["url"] for one in body.get("input_references", ())]
        size = body.get("aspect_ratio"), body.get("resolution")
        return Sent(body["prompt"], body.get("seed"), size, tuple(map(file_of, urls)))

    def told(self, response: Response) -> dict[str, object]:
        usage = response.json["usage"]
        return {"request_id": response.headers["X-Request-Id"], "usage": usage, "cost_usd": usage["cost"]}


def google_error(status: int, name: str, message: str, *details: object) -> Response:
    return Response.of_json({"error": {"code": status, "status": name, "message": message, "details": details}}, status)


class TestGemini(ServerConformance):
    provider = provider_class("gemini")
    model = "gemini-3-pro-image"
    key = GEMINI_KEY
    base_path = "/v1beta"
    sizes = {"2:3@2K": {"aspectRatio": "2:3", "imageSize": "2K"}, "3:2": {"aspectRatio": "3:2"}}
    several = True
    faults = {
        Fault.PROMPT: Response.of_json(
            {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 9}}
        ),
        Fault.KEY: google_error(400, "INVALID_ARGUMENT", "API key not valid. Pass a valid one."),
        Fault.MONEY: google_error(429, "RESOURCE_EXHAUSTED", "Your prepay credits are depleted."),
        Fault.ROUTE: Response(404, b"<html><title>Error 404 (Not Found)!!1</title></html>"),
        Fault.MODEL: google_error(404, "NOT_FOUND", "models/x is not found for API version v1beta."),
        Fault.RATE: google_error(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted."),
        Fault.BUSY: google_error(503, "UNAVAILABLE", "The model is overloaded."),
    }

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _stand_in(cls) -> Iterator[None]:
        with FakeGemini() as server:
            cls.vendor = server.address
            yield

    def answer(self, request: Request, images: Images) -> Response:
        response = forward(request, self.vendor)
        if response.status != 200 or not self.is_paid(request):
            return response
        answer = response.json
        answer["candidates"][0]["content"]["parts"] = [
            {"inlineData": {"mimeType": "image/png", "data": one}} for one in images.base64
        ]
        return replace(response, body=json.dumps(answer).encode())

    def sent(self, request: Request) -> Sent:
        body = request.json
        parts = body["contents"][0]["parts"]
        return Sent(
            prompt=next(part["text"] for part in parts if "text" in part),
            seed=body["generationConfig"].get("seed"),
            size=body["generationConfig"].get("imageConfig"),
            references=tuple(base64.b64decode(part["inlineData"]["data"]) for part in parts if "inlineData" in part),
        )

    def told(self, response: Response) -> dict[str, object]:
        return {"request_id": response.json["responseId"], "model": response.json["modelVersion"]}

    batch_paths = ("/files", "batch")

    def batch_answer(self, request: Request, batch: Batch) -> Response:
        path, is_post = request.target.partition("?")[0], request.method == "POST"
        if path.endswith("/upload/v1beta/files"):
            return Response(200, b"", {"X-Goog-Upload-URL": f"{self.api.address}/files/upload"})
        if path == "/files/upload":
            batch.uploaded = request.body
            return Response.of_json({"file": {"name": "files/requests"}})
        if path.endswith(":download"):
            return Response(200, batch.results)
        if request.method == "DELETE":
            return Response.of_json({})
        if path.endswith(":cancel"):
            batch.end = BatchEnd.CANCELLED
        elif is_post:
            batch.created.append(request.json["batch"])
        told = {"state": f"BATCH_STATE_{batch.end.name if batch.end is not BatchEnd.COMPLETED else 'SUCCEEDED'}"}
        state = {"name": "batches/b1", "metadata": told, "done": batch.end is not BatchEnd.RUNNING}
        if batch.created:
            told |= batch.created[-1]
        if batch.end is BatchEnd.FAILED:
            state["error"] = {"code": 13, "message": "It failed."}
        elif batch.end is not BatchEnd.RUNNING:
            state["response"] = {"responsesFile": "files/results"}
        is_list = path.endswith("/batches") and not is_post
        return Response.of_json({"operations": [state] if batch.created else []} if is_list else state)

    def batch_result(self, call: str, outcome: Images | Fault) -> dict[str, object]:
        if isinstance(outcome, Images):
            parts = [{"inlineData": {"mimeType": "image/png", "data": one}} for one in outcome.base64]
            return {"key": call, "response": {"candidates": [{"content": {"parts": parts}}]}}
        failed = self.faults[outcome].json
        return {"key": call, "error": failed["error"]} if "error" in failed else {"key": call, "response": failed}


class Queue(ServerConformance):
    """A queue at whose stand-in the paths of submissions, of tickets, and of files are known."""

    form: str
    key = "stand-in-key"
    parameters = {"size": "1024x1536"}

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _stand_in(cls) -> Iterator[None]:
        with FakeQueue(cls.form) as server:
            cls.vendor = server
            yield

    def answer(self, request: Request, images: Images) -> Response:
        body = forward(request, self.vendor.root)
        urls = [f"{self.vendor.root}/files/{job.name}" for job in self.vendor.jobs.values()]
        told = body.body
        for url in urls:
            told = told.replace(url.encode(), images.urls[0].encode())
        return replace(body, body=told.replace(self.vendor.root.encode(), self.api.address.encode()))

    def is_paid(self, request: Request) -> bool:
        return request.method == "POST" and not request.target.endswith("/cancel")

    def read(self, request: Request) -> dict[str, object]:
        return self.vendor.form.submission(request.method, request.target, request.json)[1]


QUEUE_FAULTS = {
    Fault.KEY: Response.of_json({"detail": "You did not pass a valid key"}, 401),
    Fault.MONEY: Response.of_json({"detail": "Insufficient credits"}, 402),
    Fault.ROUTE: Response.of_json({"detail": "Not Found"}, 404),
    Fault.MODEL: Response.of_json({"detail": "The model was not found"}, 404),
    Fault.RATE: Response.of_json({"detail": "Too many requests"}, 429),
    Fault.BUSY: Response.of_json({"detail": "Try again later"}, 503),
}


def ended(**state: object) -> Callable[[Request], Response | None]:
    """How a queue says, when it is asked, that a request ended."""
    return lambda request: Response.of_json(state) if request.method == "GET" else None


class TestFal(Queue):
    form = "fal"
    provider = provider_class(form)
    model = "fal-ai/flux-2-pro"
    sizes = {"1024x1536": {"width": 1024, "height": 1536}, "square_hd": "square_hd"}
    takes_mask = True
    flagged = [{"loc": ["body", "prompt"], "msg": "It was flagged", "type": "content_policy_violation"}]
    faults = {**QUEUE_FAULTS, Fault.PROMPT: Response.of_json({"detail": flagged}, 422)}

    def sent(self, request: Request) -> Sent:
        body = self.read(request)
        return Sent(
            prompt=body["prompt"],
            seed=body.get("seed"),
            size=body.get("image_size"),
            references=tuple(map(file_of, body.get("image_urls", ()))),
            mask=file_of(body["mask_url"]) if "mask_url" in body else None,
            negative_prompt=body.get("negative_prompt"),
        )

    def told(self, response: Response) -> dict[str, object]:
        found = response.json
        return {"seed": found["seed"]} if "images" in found else {"request_id": found["request_id"]}


class TestBfl(Queue):
    form = "bfl"
    provider = provider_class(form)
    model = "flux-2-pro"
    base_path = "/v1"
    sizes = {"1024x1536": (1024, 1536)}
    takes_mask = True
    faults = {**QUEUE_FAULTS, Fault.PROMPT: ended(status="Content Moderated")}

    def sent(self, request: Request) -> Sent:
        body = self.read(request)
        references = [base64.b64decode(value) for name, value in body.items() if name.startswith("input_image")]
        return Sent(
            prompt=body["prompt"],
            seed=body.get("seed"),
            size=(body.get("width"), body.get("height")),
            references=tuple(references),
            mask=base64.b64decode(body["mask"]) if "mask" in body else None,
            negative_prompt=body.get("negative_prompt"),
        )

    def told(self, response: Response) -> dict[str, object]:
        result = response.json.get("result")
        return {"request_id": response.json["id"], **({"seed": result["seed"]} if result else {})}


class TestReplicate(Queue):
    form = "replicate"
    provider = provider_class(form)
    model = "black-forest-labs/flux-2-pro"
    base_path = "/v1"
    sizes = {"1024x1536": (1024, 1536, None), "2:3@2K": (None, None, "2:3")}
    takes_mask = True
    faults = {
        **QUEUE_FAULTS,
        Fault.PROMPT: ended(status="failed", error="The input was flagged as sensitive. (E005)"),
    }

    def sent(self, request: Request) -> Sent:
        body = self.read(request)
        return Sent(
            prompt=body["prompt"],
            seed=body.get("seed"),
            size=(body.get("width"), body.get("height"), body.get("aspect_ratio")),
            references=tuple(map(file_of, body.get("input_images", ()))),
            mask=file_of(body["mask"]) if "mask" in body else None,
            negative_prompt=body.get("negative_prompt"),
        )

    def told(self, response: Response) -> dict[str, object]:
        return {"request_id": response.json["id"]}


class TestDashScope(Queue):
    form = "dashscope"
    provider = provider_class(form)
    model = "qwen-image-3.0"
    base_path = "/api/v1"
    sizes = {"1024x1536": "1024*1536"}
    faults = {
        **QUEUE_FAULTS,
        Fault.PROMPT: Response.of_json({"code": "DataInspectionFailed", "message": "Inappropriate content."}, 400),
        Fault.MONEY: Response.of_json({"code": "Arrearage", "message": "Access denied."}, 400),
    }

    def sent(self, request: Request) -> Sent:
        body = self.read(request)
        references = tuple(map(file_of, body["images"]))
        return Sent(body["prompt"], body.get("seed"), body.get("size"), references, None, body.get("negative_prompt"))

    def told(self, response: Response) -> dict[str, object]:
        return {"request_id": response.json["output"]["task_id"]}


class TestDiffusers(ProviderConformance):
    provider = provider_class("diffusers")
    model = "tiny"
    parameters = {"size": "64x64", "num_inference_steps": 2}

    @pytest.fixture(autouse=True)
    def _files(self, tiny_files: dict[str, str]) -> None:
        self.files = tiny_files

    def connection(self, **changes: object) -> Connection:
        return Connection(files=self.files, local={"device": "cpu"}, **changes)

    def test_reference_images_are_taken(self) -> None:
        pytest.skip("this pipeline takes one, not two: test_diffusers.py has the claims")


def test_every_built_in_provider_is_tested() -> None:
    tested = {one.provider for name, one in globals().items() if name.startswith("Test")}
    tested.add(WithWorkflow.__base__)  # in test_comfyui_conformance.py
    assert tested == {provider_class(name) for name in BUILT_IN}
