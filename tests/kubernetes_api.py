"""The part of the API of Kubernetes that Snakemake's plug-in uses: secrets, jobs, pods, and logs, for one namespace.

Every object must be one of the official client: its models read it, and must give the same object back. A pod is a
process in an empty folder with the variables of its container, and no more. What a real cluster does beyond that is not
here: scheduling, quotas, admission, pulling images, and limits of memory.
"""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

NAMESPACE = "default"
MODELS = {"secrets": "V1Secret", "jobs": "V1Job"}
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|M|G|Ki|Mi|Gi)?")
OF_THE_IMAGE = ("PATH", "PYTHONPATH", "LANG", "HOME")  # what a container's image sets
PLACE = re.compile(r"/(?:api|apis/batch)/v1/namespaces/([^/]+)/(\w+)(?:/([^/]+))?(?:/(status|log))?")
KILLED = 128 + signal.SIGKILL


class RefusedError(Exception):
    """What the server returns as an error."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message}


@dataclass
class Pod:
    """A pod, and the process of its container."""

    job: str
    name: str
    image: str
    log: Path
    process: subprocess.Popen[bytes] | None = None
    state: dict[str, Any] = field(default_factory=dict)
    phase: str = "Pending"

    def told(self) -> dict[str, Any]:
        """The pod as the API returns it."""
        status = {"name": "snakemake", "image": self.image, "imageID": "", "ready": False, "restartCount": 0}
        return {
            "metadata": {"name": self.name, "namespace": NAMESPACE, "labels": {"job-name": self.job}},
            "spec": {"containers": [{"name": "snakemake", "image": self.image}]},
            "status": {"phase": self.phase, "containerStatuses": [{**status, "state": self.state}]},
        }


class Kubernetes:
    """A cluster.

    Args:
        folder: Folder of the pods' folders and logs.
        images: Images that can be pulled.
        environment: Variables that the images set, beside `OF_THE_IMAGE`.

    Attributes:
        objects: Secrets and jobs by kind and name, as they were sent.
        pods: Pods that are there, by name.
        ever: All objects that were ever sent, as text.
    """

    def __init__(self, folder: Path, *images: str, environment: Mapping[str, str]) -> None:
        self.folder, self.images, self.environment = folder, images, environment
        self.objects: dict[str, dict[str, dict[str, Any]]] = {"secrets": {}, "jobs": {}}
        self.pods: dict[str, Pod] = {}
        self.ever: list[tuple[str, str]] = []
        self.lock = threading.RLock()
        folder.mkdir(parents=True, exist_ok=True)

    def config(self, address: str) -> Path:
        """Write a file for KUBECONFIG."""
        name = {"name": "here"}
        context = {**name, "context": {"cluster": "here", "user": "here"}}
        clusters, users = [{**name, "cluster": {"server": address}}], [{**name, "user": {}}]
        path = self.folder / "kubeconfig"
        whole = {"clusters": clusters, "users": users, "contexts": [context], "current-context": "here"}
        path.write_text(yaml.safe_dump(whole))
        return path

    def running(self, rule: str) -> list[Pod]:
        """Pods that run a job of a rule."""
        with self.lock:
            return [
                pod
                for pod in self.pods.values()
                if pod.phase == "Running" and f"--target-jobs {rule}:" in self._command(pod).replace("'", "")
            ]

    def delete_pod(self, name: str) -> None:
        """End a pod, as when its node is drained: the shell, as first process of a container, ignores SIGTERM."""
        with self.lock:
            pod = self.pods.pop(name)
            self._count(pod.job, "failed")
        kill(pod)

    def run_out_of_memory(self, pod: Pod) -> None:
        """End the process of a pod, as the kernel does."""
        pod.state = {"reason": "OOMKilled"}
        kill(pod)

    def end(self) -> None:
        """Kill all that runs."""
        for pod in list(self.pods.values()):
            kill(pod)

    def answer(self, method: str, url: str, body: bytes) -> Any:
        """Return the answer to a request: text, or an object for JSON.

        Raises:
            RefusedError: If the server refuses it.
        """
        parts = urlsplit(url)
        found, query = PLACE.fullmatch(parts.path), parse_qs(parts.query)
        if found is None:
            raise RefusedError(404, "NotFound", f"{parts.path} is not here")
        namespace, kind, name, part = found.groups()
        if namespace != NAMESPACE:
            raise RefusedError(404, "NotFound", f'namespaces "{namespace}" not found')
        with self.lock:
            if kind == "pods":
                return self._pods(method, name, part, query)
            there = self.objects[kind]
            if method == "POST":
                return self._create(kind, json.loads(body))
            if name not in there:
                raise RefusedError(404, "NotFound", f'{kind} "{name}" not found')
            if method == "DELETE":
                del there[name]
                for pod in [pod for pod in self.pods.values() if pod.job == name]:
                    del self.pods[pod.name]
                    kill(pod)
                return {"kind": "Status", "apiVersion": "v1", "status": "Success"}
            return there[name]

    def _pods(self, method: str, name: str | None, part: str | None, query: Mapping[str, list[str]]) -> Any:
        if name is None:
            label, _, value = query.get("labelSelector", [""])[0].partition("=")
            items = [
                pod.told()
                for pod in self.pods.values()
                if not value or pod.told()["metadata"]["labels"].get(label) == value
            ]
            return {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}
        if name not in self.pods:
            raise RefusedError(404, "NotFound", f'pods "{name}" not found')
        if part == "log":
            if query.get("previous", ["false"])[0].lower() not in (
                "false",
                "0",
            ):  # this container was never started again
                what = f'previous terminated container "snakemake" in pod "{name}" not found'
                raise RefusedError(400, "BadRequest", what)
            return self.pods[name].log.read_text()
        if method == "GET":
            return self.pods[name].told()
        self.delete_pod(name)
        return {"kind": "Status", "apiVersion": "v1", "status": "Success"}

    def _create(self, kind: str, sent: dict[str, Any]) -> dict[str, Any]:
        name = sent.get("metadata", {}).get("name", "")
        wrong = [*mistakes(MODELS[kind], sent), *([] if NAME.fullmatch(name) else [f"metadata.name: {name!r}"])]
        if wrong:
            raise RefusedError(422, "Invalid", f"{kind} {name!r} is invalid: {'; '.join(wrong)}")
        if name in self.objects[kind]:
            raise RefusedError(409, "AlreadyExists", f'{kind} "{name}" already exists')
        self.ever.append((kind, json.dumps(sent)))
        self.objects[kind][name] = sent
        if kind == "jobs":
            sent["status"] = {"active": 1}
            self._start_pod(name, sent["spec"]["template"]["spec"])
        return sent

    def _start_pod(self, job: str, spec: dict[str, Any]) -> None:
        (container,) = spec["containers"]
        name = f"{job}-{uuid.uuid4().hex[:5]}"
        pod = Pod(job, name, container["image"], self.folder / f"{name}.log")
        self.pods[name] = pod
        if pod.image not in self.images:
            why = f'Back-off pulling image "{pod.image}"'
            pod.state = {"waiting": {"reason": "ImagePullBackOff", "message": why}}
            return
        environment = {name: os.environ[name] for name in OF_THE_IMAGE if name in os.environ}
        environment |= {**self.environment} | {one["name"]: self._value(one) for one in container["env"]}
        place = Path(tempfile.mkdtemp(prefix="pod-", dir=self.folder))
        with pod.log.open("w") as log:
            command = [*container["command"], *container["args"]]
            pod.process = subprocess.Popen(
                command, cwd=place, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        pod.phase = "Running"
        pod.state = {"running": {"startedAt": now()}}
        threading.Thread(target=self._wait, args=(pod,), daemon=True).start()

    def _value(self, variable: Mapping[str, Any]) -> str:
        source = variable["valueFrom"]["secretKeyRef"]
        return base64.b64decode(self.objects["secrets"][source["name"]]["data"][source["key"]]).decode()

    def _wait(self, pod: Pod) -> None:
        assert pod.process is not None
        code = pod.process.wait()
        with self.lock:
            reason = pod.state.get("reason", "Error" if code else "Completed")
            pod.phase = "Failed" if code else "Succeeded"
            ended = {"exitCode": KILLED if code < 0 else code, "reason": reason, "finishedAt": now()}
            pod.state = {"terminated": ended}
            if pod.name in self.pods:
                self._count(pod.job, "failed" if code else "succeeded")

    def _count(self, job: str, what: str) -> None:
        if job in self.objects["jobs"]:
            self.objects["jobs"][job]["status"] = {what: 1}

    def _command(self, pod: Pod) -> str:
        (container,) = self.objects["jobs"][pod.job]["spec"]["template"]["spec"]["containers"]
        return " ".join(container["args"])


def mistakes(model: str, sent: dict[str, Any]) -> list[str]:
    """Return what the official client does not find in a model of its own, or a server refuses."""
    from kubernetes.client import ApiClient

    client = ApiClient()
    try:
        read = client.deserialize(SimpleNamespace(data=json.dumps(sent)), model)
    except ValueError as error:
        return [str(error)]
    back = client.sanitize_for_serialization(read)
    wrong = [] if back == sent else [f"the models of the client read {back}"]
    if model == "V1Job":
        spec = sent["spec"]["template"]["spec"]
        wrong += [] if spec.get("restartPolicy") in ("Never", "OnFailure") else ["restartPolicy: unsupported value"]
        for container in spec["containers"]:
            asked = container["resources"]
            sizes = [*asked.get("requests", {}).values(), *asked.get("limits", {}).values()]
            wrong += [f"quantity {size!r}" for size in sizes if not QUANTITY.fullmatch(size)]
    return wrong


def kill(pod: Pod) -> None:
    """Kill the processes of a pod."""
    if pod.process is not None and pod.process.poll() is None:
        os.killpg(pod.process.pid, signal.SIGKILL)


def now() -> str:
    """The time, as the API writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def a_cluster(folder: Path, *images: str, environment: Mapping[str, str] | None = None) -> Iterator[Kubernetes]:
    """Run a cluster, whose configuration file is `folder`/kubeconfig.

    Args:
        folder: A new folder.
        images: Images that can be pulled.
        environment: Variables that the images set, beside `OF_THE_IMAGE`.
    """
    cluster = Kubernetes(folder, *images, environment=environment or {})

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

        def do_DELETE(self) -> None:
            self.do_POST()

        def _answer(self, body: bytes) -> None:
            status = 200
            try:
                told = cluster.answer(self.command, self.path, body)
            except RefusedError as error:
                status, told = error.status, {**error.body, "code": error.status}
            data = told.encode() if isinstance(told, str) else json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if isinstance(told, str) else "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    cluster.config(f"http://127.0.0.1:{server.server_port}")
    try:
        yield cluster
    finally:
        server.shutdown()
        server.server_close()
        cluster.end()
