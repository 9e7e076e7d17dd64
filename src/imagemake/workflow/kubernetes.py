"""What Snakemake's plug-in for Kubernetes does not do by itself.

A pod whose image cannot be pulled, or for which no node has room, waits for ever: the plug-in only looks for jobs that
have ended. And of a job that failed it asks for the log of an earlier start of the container, which a container that is
never started again does not have. The server refuses that, and this ends the run with all its other jobs. What a
killed run left on the server stays there, with the keys in its secret: the next run takes it back.
"""

from __future__ import annotations

import atexit
import sys
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from imagemake.core.sealed import read_sealed, write_sealed
from imagemake.store.layout import kubernetes_file

LOOK_EVERY_S = 30.0
LOOKS_BEFORE_WORDS = {"Unschedulable": 10}  # a cluster may take minutes to add a node
FEW_LOOKS = 2  # what else may pass by itself, such as a registry that did not answer once
NOT_FOUND = 404
MOST_SAID = 300  # characters of an error
KEPT_S = 3600  # a finished job that nobody deleted
HARMLESS = ("ContainerCreating", "PodInitializing")


def prepare_kubernetes(settings: Any, image: str, work: Path) -> None:
    """Let a run tell which of its pods cannot start, go on when one has failed, and take back what a killed one left.

    Args:
        settings: The plug-in's settings.
        image: The image of the run's containers.
        work: The folder of the run's state.
    """
    from kubernetes.client import BatchV1Api, CoreV1Api

    work = work.absolute()  # the working folder changes
    try:
        if deleted := take_back(BatchV1Api(), CoreV1Api(), work):
            print(
                f"  Deleted what an earlier run left on Kubernetes: {', '.join(deleted)}.", file=sys.stderr, flush=True
            )
    except Exception as error:  # it harms no run
        what = " ".join(str(error).split())[:MOST_SAID]
        print(f"Warning: what an earlier run left on Kubernetes stays there: {what}", file=sys.stderr, flush=True)
    atexit.register(kubernetes_file(work).unlink, missing_ok=True)  # by then, the plug-in has deleted all
    remember_jobs(BatchV1Api, work)

    read_log = CoreV1Api.read_namespaced_pod_log

    def read_current_log(api: Any, name: str, namespace: str, **options: Any) -> Any:
        with suppress(Exception):  # it is only for the words
            tell_memory(api.read_namespaced_pod(name, namespace))
        return read_log(api, name, namespace, **{**options, "previous": False})

    CoreV1Api.read_namespaced_pod_log = read_current_log
    watch = PodWatch(
        lambda: CoreV1Api().list_namespaced_pod(settings.namespace, label_selector="job-name").items, image
    )
    threading.Thread(target=watch.run, daemon=True, name="imagemake pods").start()


def remember_jobs(api: Any, work: Path) -> None:
    """Let a class of the client note each job that it creates, and the secret of its variables.

    Args:
        api: The class.
        work: The folder of the run's state.
    """
    create, jobs = api.create_namespaced_job, list[str]()

    def create_noted(self: Any, namespace: str, body: Any, **options: Any) -> Any:
        variables = body.spec.template.spec.containers[0].env or ()
        secrets = {one.value_from.secret_key_ref.name for one in variables}
        jobs.append(body.metadata.name)
        write_sealed(kubernetes_file(work), {"namespace": namespace, "jobs": jobs, "secrets": sorted(secrets)})
        body.spec.ttl_seconds_after_finished = KEPT_S  # the server deletes it if nobody else does
        return create(self, namespace, body, **options)

    api.create_namespaced_job = create_noted


def take_back(batch: Any, core: Any, work: Path) -> list[str]:
    """Delete what an earlier run left, but for jobs that run: their calls are paid for. Return what was deleted.

    Args:
        batch: Client for jobs.
        core: Client for pods and secrets.
        work: The folder of the run's state.
    """
    left = read_sealed(kubernetes_file(work))
    if left is None:
        return []
    namespace, deleted = left["namespace"], []
    pods = core.list_namespaced_pod(namespace, label_selector="job-name").items if left["jobs"] else ()
    running = {pod.metadata.labels["job-name"] for pod in pods if pod.status.phase == "Running"}
    jobs = [job for job in left["jobs"] if job not in running]
    deleted += [f"job {job}" for job in jobs if _is_deleted(batch.delete_namespaced_job, job, namespace)]
    deleted += [
        f"secret {one}" for one in left["secrets"] if _is_deleted(core.delete_namespaced_secret, one, namespace)
    ]
    kubernetes_file(work).unlink()
    return deleted


def _is_deleted(delete: Callable[..., Any], name: str, namespace: str) -> bool:
    """Delete something with what belongs to it, and return whether it was there."""
    try:
        delete(name, namespace, propagation_policy="Background")
    except Exception as error:
        if getattr(error, "status", None) != NOT_FOUND:
            raise
        return False
    return True


def tell_memory(pod: Any) -> None:
    """Say so if a pod had too little memory."""
    ended = [one.state.terminated for one in pod.status.container_statuses or () if one.state.terminated is not None]
    if any(one.reason == "OOMKilled" for one in ended):
        print(
            f"Warning: pod {pod.metadata.name} ran out of memory.\n"
            "  Give its rule more, such as --set-resources generate:mem_mb=4000.",
            file=sys.stderr,
            flush=True,
        )


class PodWatch:
    """Tells why pods do not start, each reason once.

    Args:
        pods: Returns the pods of jobs in the namespace, as objects of the official client.
        image: The image of the run's containers; pods of others are not looked at.
    """

    def __init__(self, pods: Callable[[], list[Any]], image: str) -> None:
        self._pods, self._image = pods, image
        self._looks: Counter[str] = Counter()
        self._told: set[str] = set()

    def run(self) -> None:
        """Look again and again, until the process ends."""
        pause = threading.Event()
        while not pause.wait(LOOK_EVERY_S):
            with suppress(Exception):  # the plug-in asks the same server, and tells its errors
                for line in self.look():
                    print(line, file=sys.stderr, flush=True)

    def look(self) -> list[str]:
        """Return what is new and has lasted for some looks."""
        waits = {pod.metadata.name: why for pod in self._pods() if self._is_ours(pod) and (why := why_not_started(pod))}
        self._looks = Counter({name: self._looks[name] + 1 for name in waits})
        lines = []
        for name, (reason, message) in sorted(waits.items()):
            if self._looks[name] >= LOOKS_BEFORE_WORDS.get(reason, FEW_LOOKS) and reason not in self._told:
                self._told.add(reason)
                lines.append(f"Warning: pod {name} does not start: {reason}. {message}".rstrip())
                lines.append(f"  It waits until you mend this, or press Ctrl-C twice: kubectl describe pod {name}")
        return lines

    def _is_ours(self, pod: Any) -> bool:
        return any(one.name == "snakemake" and one.image == self._image for one in pod.spec.containers)


def why_not_started(pod: Any) -> tuple[str, str] | None:
    """Return why a pod waits, as Kubernetes calls and explains it; None if it runs, has ended, or is about to start."""
    for status in pod.status.container_statuses or ():
        waiting = status.state.waiting
        if waiting is not None and waiting.reason and waiting.reason not in HARMLESS:
            return waiting.reason, waiting.message or ""
    for condition in pod.status.conditions or ():
        if condition.type == "PodScheduled" and condition.status == "False" and condition.reason:
            return condition.reason, condition.message or ""
    return None
