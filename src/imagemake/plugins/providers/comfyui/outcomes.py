"""What a ComfyUI server's answers mean: errors with node and input, and where the images are.

Source: ComfyUI 0.33.0, ``execution.py``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

from imagemake.plugins.providers.comfyui.host import Job
from imagemake.plugins.providers.failures import FailureKind, ProviderError
from imagemake.plugins.providers.http.queue import Reply, in_words
from imagemake.plugins.providers.queue import Ticket

NODE = "node"  # in a ticket: the one whose images are wanted
_MISSING = "value_not_in_list"  # of an input that names a model, a sampler, or a file
_MOST_REASONS = 3


def rejected(reply: Reply, name_of: Callable[[object], str]) -> ProviderError:
    """Return the error of a server that does not queue a prompt.

    Args:
        reply: Its answer.
        name_of: Returns a node for people.
    """
    error = reply.json.get("error")
    reasons = list(_reasons(reply.json.get("node_errors"), name_of))
    if not reasons and not (isinstance(error, Mapping) and reply.status == 400):
        return reply.error()  # a proxy's, for example
    kind = next((kind for kind, _ in reasons), None) or str(error.get("type") if isinstance(error, Mapping) else "")
    if not reasons and isinstance(error, Mapping):
        extra = error.get("extra_info")
        missing = extra.get("class_type") if isinstance(extra, Mapping) else None
        reasons = [(kind, f"{error.get('message')} {missing or error.get('details') or ''}".strip())]
    told = "; ".join(words for _, words in reasons[:_MOST_REASONS])
    more = f"; and {len(reasons) - _MOST_REASONS} more" if len(reasons) > _MOST_REASONS else ""
    return ProviderError(
        in_words(f"ComfyUI rejects the workflow: {told}{more}"),
        FailureKind.CONFIGURATION,
        code=kind,
        status=reply.status,
        remedy=_remedy(kind),
    )


def _reasons(errors: object, name_of: Callable[[object], str]) -> Iterator[tuple[str, str]]:
    """Yield the kind and the words of each error of a node."""
    for number, node in errors.items() if isinstance(errors, Mapping) else ():
        found = node.get("errors") if isinstance(node, Mapping) else None
        for error in found if isinstance(found, list) else ():
            if isinstance(error, Mapping):
                words = f"{name_of(number)}: {error.get('message')}: {error.get('details')}"
                yield str(error.get("type")), words.removesuffix(": ")


def _remedy(kind: str) -> str:
    return {
        _MISSING: "Put the file on the server under this name, or correct the workflow.",
        "missing_node_type": "Install the custom node on the server, or correct the workflow.",
    }.get(kind, "Correct the workflow or the values that go into it; it must run in ComfyUI itself.")


def failed(job: Job, ticket: Ticket) -> ProviderError:
    """Return the error of a prompt that ended without its images."""
    if job.status == "cancelled":
        message, kind, code = "it was interrupted or canceled on the server", FailureKind.UNAVAILABLE, "canceled"
        return ProviderError(message, kind, code=code, status=200, request_id=ticket.id)
    told = job.error
    where = f"node {told.get('node_id')} ({told.get('node_type')})" if told else "the workflow"
    what = str(told.get("exception_type") or "error").rpartition(".")[2]
    is_memory = "OutOfMemory" in what
    return ProviderError(
        in_words(f"{where} failed: {what}: {told.get('exception_message') or 'no reason is given'}"),
        FailureKind.UNAVAILABLE if is_memory else FailureKind.NOT_RETRYABLE,
        code="out_of_memory" if is_memory else "execution_error",
        status=200,
        request_id=ticket.id,
    )


def files_of(job: Job, ticket: Ticket) -> list[tuple[str, str, str]]:
    """Return the images of the wanted node: file name, folder, and kind of folder of each.

    Raises:
        ProviderError: If it gave none.
    """
    output = job.outputs.get(ticket.urls.get(NODE, ""))
    listed = output.get("images") if isinstance(output, Mapping) else None
    files = listed if isinstance(listed, list) else []
    found = [one for one in files if isinstance(one, Mapping) and isinstance(one.get("filename"), str)]
    if not found:
        gave = json.dumps({number: sorted(told) for number, told in job.outputs.items() if isinstance(told, Mapping)})
        message = in_words(f"node {ticket.urls.get(NODE)} gave no image; outputs by node: {gave}")
        remedy = "Set model.workflow.output to a node that saves images, such as SaveImage."
        raise ProviderError(message, FailureKind.CONFIGURATION, code="no_image", status=200, remedy=remedy)
    return [(one["filename"], str(one.get("subfolder") or ""), str(one.get("type") or "output")) for one in found]
