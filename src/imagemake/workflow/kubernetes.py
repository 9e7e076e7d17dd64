"""What Snakemake's plug-in for Kubernetes does not do by itself.

A pod whose image cannot be pulled, or for which no node has room, waits for ever: the plug-in only looks for jobs that
have ended. And of a job that failed it asks for the log of an earlier start of the container, which a container that is
never started again does not have. The server refuses that, and this ends the run with all its other jobs.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

LOOK_EVERY_S = 30.0
LOOKS_BEFORE_WORDS = {"Unschedulable": 10}  # a cluster may take minutes to add a node
FEW_LOOKS = 2  # what else may pass by itself, such as a registry that did not answer once
HARMLESS = ("ContainerCreating", "PodInitializing")


def prepare_kubernetes(settings: Any, image: str) -> None:
    """Let a run tell which of its pods cannot start, and go on when one has failed.

    Args:
        settings: The plug-in's settings.
        image: The image of the run's containers.
    """
    from kubernetes.client import CoreV1Api

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
