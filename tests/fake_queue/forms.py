"""How each vendor's queue speaks: its paths, its key, and its answers.

Sources: fal-client 1.0.3, replicate 1.0.7, dashscope 2.0.2 (both their code and their types); Black Forest Labs'
documentation of February 2026.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import Any

from fake_queue.jobs import Job

Answer = tuple[int, Any]


class Form(ABC):
    """One vendor's API.

    Attributes:
        name: Name of the provider.
        key_header: Header and value that carry the key.
        base_path: Path of its address.
    """

    name: str
    key_header: tuple[str, str]
    base_path = ""

    @abstractmethod
    def submission(self, method: str, path: str, body: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
        """Return the model and its input if a call submits something."""

    @abstractmethod
    def submitted(self, job: Job, base: str) -> Answer:
        """Answer a submission."""

    @abstractmethod
    def job_id(self, method: str, path: str) -> tuple[str, str] | None:
        """Return the ID of a job, and what is asked about it: state, result, or cancel."""

    @abstractmethod
    def told(self, job: Job, what: str, base: str, file: str) -> Answer:
        """Answer what is asked about a job."""

    def gone(self, job_id: str) -> Answer:
        """Answer a question about a job that nobody knows."""
        return 404, {"detail": f"{job_id} not found"}

    def error(self, status: int) -> Answer:
        """Answer with an error."""
        return status, {"detail": {401: "Cannot access application: invalid key", 429: "rate limit"}.get(status, "no")}


class Fal(Form):
    """queue.fal.run."""

    name, key_header = "fal", ("authorization", "Key stand-in-key")

    def submission(self, method: str, path: str, body: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
        return (path.strip("/"), body) if method == "POST" and "/requests/" not in path else None

    def submitted(self, job: Job, base: str) -> Answer:
        at = f"{base}/{'/'.join(job.model.split('/')[:2])}/requests/{job.id}"
        urls = {"response_url": at, "status_url": f"{at}/status", "cancel_url": f"{at}/cancel"}
        return 200, {"request_id": job.id, "status": "IN_QUEUE", "queue_position": 0, **urls}

    def job_id(self, method: str, path: str) -> tuple[str, str] | None:
        found = re.fullmatch(r"/[\w.-]+/[\w.-]+/requests/([\w-]+)(/status|/cancel)?", path.partition("?")[0])
        what = {None: "result", "/status": "state", "/cancel": "cancel"}
        return (found[1], what[found[2]]) if found and method == ("PUT" if found[2] == "/cancel" else "GET") else None

    def told(self, job: Job, what: str, base: str, file: str) -> Answer:
        if what == "cancel":
            return 202, {"status": "CANCELLATION_REQUESTED"}
        if what == "state":
            if job.state in ("queued", "running"):
                waits = {"status": "IN_QUEUE", "queue_position": 1}
                return 202, waits if job.state == "queued" else {"status": "IN_PROGRESS", "logs": None}
            ended = {"status": "COMPLETED", "logs": None, "metrics": {"inference_time": 0.1}, "request_id": job.id}
            errors = {"moderated": "validation_error", "failed": "internal_error", "canceled": "request_cancelled"}
            kind = errors.get(job.state)
            return 200, {**ended, **({"error": "the request failed", "error_type": kind} if kind else {})}
        if job.state == "moderated":
            msg = "The content could not be processed because it was flagged by a content checker."
            return 422, {"detail": [{"loc": ["body", "prompt"], "msg": msg, "type": "content_policy_violation"}]}
        if job.state != "made":
            return 500 if job.state == "failed" else 400, {"detail": "Internal Server Error"}
        image = {"url": file, "width": 64, "height": 64, "content_type": "image/png"}
        return 200, {"images": [image], "seed": job.seed, "has_nsfw_concepts": [False], "prompt": job.prompt}


class Bfl(Form):
    """api.bfl.ai."""

    name, key_header, base_path = "bfl", ("x-key", "stand-in-key"), "/v1"

    def submission(self, method: str, path: str, body: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
        return (path.removeprefix("/v1/"), body) if method == "POST" else None

    def submitted(self, job: Job, base: str) -> Answer:
        return 200, {"id": job.id, "polling_url": f"{base}/get_result?id={job.id}"}

    def job_id(self, method: str, path: str) -> tuple[str, str] | None:
        found = re.fullmatch(r"/v1/get_result\?id=([\w-]+)", path)
        return (found[1], "state") if found and method == "GET" else None

    def told(self, job: Job, what: str, base: str, file: str) -> Answer:
        ended = {"made": "Ready", "moderated": "Content Moderated", "failed": "Error"}
        result = {"sample": file, "prompt": job.prompt, "seed": job.seed} if job.state == "made" else None
        details = {"Moderation Reasons": ["Violence"]} if job.state == "moderated" else None
        status = ended.get(job.state, "Pending")
        return 200, {"id": job.id, "status": status, "result": result, "progress": None, "details": details}

    def gone(self, job_id: str) -> Answer:
        return 404, {"id": job_id, "status": "Task not found", "result": None}


class Replicate(Form):
    """api.replicate.com."""

    name, key_header, base_path = "replicate", ("authorization", "Bearer stand-in-key"), "/v1"

    def submission(self, method: str, path: str, body: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
        found = re.fullmatch(r"/v1/models/([\w-]+/[\w.-]+)/predictions", path)
        if method != "POST" or not (found or path == "/v1/predictions"):
            return None
        return found[1] if found else body["version"], body["input"]

    def submitted(self, job: Job, base: str) -> Answer:
        return 201, self._prediction(job, base, None)

    def job_id(self, method: str, path: str) -> tuple[str, str] | None:
        found = re.fullmatch(r"/v1/predictions/([\w-]+)(/cancel)?", path)
        return (found[1], "cancel" if found[2] else "state") if found else None

    def told(self, job: Job, what: str, base: str, file: str) -> Answer:
        return 200, self._prediction(job, base, file)

    @staticmethod
    def _prediction(job: Job, base: str, file: str | None) -> dict[str, Any]:
        states = {"queued": "starting", "running": "processing", "made": "succeeded", "canceled": "canceled"}
        errors = {"moderated": "The input or output was flagged as sensitive. (E005)", "failed": "CUDA out of memory"}
        get = f"{base}/predictions/{job.id}"
        return {
            "id": job.id,
            "model": job.model,
            "version": "hidden",
            "input": job.body,
            "status": states.get(job.state, "failed"),
            "output": file if job.state == "made" else None,
            "error": errors.get(job.state),
            "logs": "",
            "metrics": {},
            "created_at": "2026-11-27T09:00:00Z",
            "started_at": None,
            "completed_at": None,
            "urls": {"get": get, "cancel": f"{get}/cancel"},
        }

    def gone(self, job_id: str) -> Answer:
        return 404, {"detail": "The requested resource could not be found.", "status": 404}

    def error(self, status: int) -> Answer:
        return status, {
            "title": "Error",
            "detail": "Request was throttled." if status == 429 else "no",
            "status": status,
        }


class DashScope(Form):
    """dashscope.aliyuncs.com."""

    name, key_header, base_path = "dashscope", ("authorization", "Bearer stand-in-key"), "/api/v1"

    def submission(self, method: str, path: str, body: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
        if path != "/api/v1/services/aigc/image-generation/generation":
            return None
        content = body["input"]["messages"][0]["content"]
        prompt = next(part["text"] for part in content if "text" in part)
        images = [part["image"] for part in content if "image" in part]
        return body["model"], {**body["parameters"], "prompt": prompt, "images": images}

    def submitted(self, job: Job, base: str) -> Answer:
        return 200, {"output": {"task_status": "PENDING", "task_id": job.id}, "request_id": f"request-{job.id}"}

    def job_id(self, method: str, path: str) -> tuple[str, str] | None:
        found = re.fullmatch(r"/api/v1/tasks/([\w-]+)(/cancel)?", path)
        return (found[1], "cancel" if found[2] else "state") if found else None

    def told(self, job: Job, what: str, base: str, file: str) -> Answer:
        states = {"queued": "PENDING", "running": "RUNNING", "made": "SUCCEEDED", "canceled": "CANCELED"}
        output: dict[str, Any] = {"task_id": job.id, "task_status": states.get(job.state, "FAILED")}
        if job.state == "moderated":
            output |= {"code": "DataInspectionFailed", "message": "Output data may contain inappropriate content."}
        if job.state == "failed":
            output |= {"code": "InternalError.Algo", "message": "an internal error"}
        if job.state == "made":
            message = {"role": "assistant", "content": [{"image": file, "type": "image"}]}
            output |= {"finished": True, "choices": [{"finish_reason": "stop", "message": message}]}
        usage = {"usage": {"image_count": 1, "size": "64*64"}} if job.state == "made" else {}
        return 200, {"request_id": f"request-{job.id}", "output": output, **usage}

    def gone(self, job_id: str) -> Answer:
        return 200, {"request_id": "r", "output": {"task_id": job_id, "task_status": "UNKNOWN"}}

    def error(self, status: int) -> Answer:
        code = {401: "InvalidApiKey", 429: "Throttling.RateQuota"}.get(status, "InternalError")
        return status, {"code": code, "message": "Requests rate limit exceeded", "request_id": "r"}


FORMS: dict[str, Form] = {form.name: form for form in (Fal(), Bfl(), Replicate(), DashScope())}
