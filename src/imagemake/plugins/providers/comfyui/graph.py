"""A workflow in ComfyUI's API form: nodes by ID, each with its type and its inputs, which are values or links.

Source: ComfyUI 0.33.0, ``execution.py`` and ``comfy_execution/graph_utils.py``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagemake.core.given_file import read_given
from imagemake.core.host_errors import reason_of
from imagemake.core.problems import NotReadyError
from imagemake.core.text import printable

MOST_BYTES = 20_000_000
EXPORT = "In ComfyUI, choose Workflow > Export (API), and use that file."


class BadWorkflowError(NotReadyError):
    """A file that is no workflow in API form, or does not fit the settings."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node.

    Attributes:
        kind: Its type, such as ``KSampler``.
        inputs: Values and links, by the input's name.
        title: As the user named it; empty if the file does not say.
    """

    kind: str
    inputs: Mapping[str, Any]
    title: str = ""

    def links(self) -> Iterator[tuple[str, str, int]]:
        """Yield each linked input: its name, the node that it comes from, and the number of that node's output."""
        for name, value in sorted(self.inputs.items()):
            if is_link(value):
                yield name, value[0], int(value[1])


Graph = Mapping[str, Node]


def is_link(value: object) -> bool:
    """Return whether an input's value is the output of another node."""
    if not isinstance(value, list) or len(value) != 2:
        return False
    return isinstance(value[0], str) and isinstance(value[1], int | float) and not isinstance(value[1], bool)


def read_file(path: Path) -> Graph:
    """Read the file of a workflow in API form.

    Raises:
        BadWorkflowError: If it cannot be read, or is anything else.
    """
    try:
        return read_graph(read_given(path))
    except FileNotFoundError:
        raise BadWorkflowError("there is no such file.", EXPORT) from None
    except OSError as error:
        what, remedy = reason_of(error)
        raise BadWorkflowError(f"it cannot be read: {what}.", remedy) from None


def read_graph(data: bytes) -> Graph:
    """Read a workflow in API form.

    Raises:
        BadWorkflowError: If the file is anything else.
    """
    if len(data) > MOST_BYTES:
        raise BadWorkflowError(f"the file has more than {MOST_BYTES // 10**6} MB.", EXPORT)
    try:
        found = json.loads(data, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise BadWorkflowError(f"it is not JSON: {printable(str(error))[:200]}.", EXPORT) from None
    if isinstance(found, dict) and "nodes" in found and "links" in found:
        raise BadWorkflowError("this is a workflow as ComfyUI's editor saves it, not in API form.", EXPORT)
    if isinstance(found, dict) and isinstance(found.get("prompt"), dict) and "class_type" not in found["prompt"]:
        found = found["prompt"]  # a whole request, as scripts save it
    if not isinstance(found, dict) or not found:
        raise BadWorkflowError("it holds no nodes.", EXPORT)
    graph = {number: _node(number, node) for number, node in found.items()}
    for number, node in graph.items():
        for name, source, _ in node.links():
            if source not in graph:
                what = f"input {name} of node {number} ({node.kind}) is linked to node {source}, which is not there."
                raise BadWorkflowError(printable(what), EXPORT)
    return graph


def _node(number: str, node: object) -> Node:
    kind = node.get("class_type") if isinstance(node, dict) else None
    inputs = node.get("inputs") if isinstance(node, dict) else None
    if not isinstance(node, dict) or not isinstance(kind, str) or not isinstance(inputs, dict):
        what = f"node {printable(number)[:40]!r} has no class_type or no inputs: this is not a workflow in API form."
        raise BadWorkflowError(what, EXPORT)
    meta = node.get("_meta")
    title = meta.get("title") if isinstance(meta, dict) else ""
    return Node(kind, inputs, title if isinstance(title, str) else "")


def needed_for(graph: Graph, output: str) -> list[str]:
    """Return the nodes that an output needs, itself included, in the order in which links lead to them."""
    found, open_ones = dict[str, None](), [output]
    while open_ones:
        number = open_ones.pop()
        if number not in found:
            found[number] = None
            open_ones += [source for _, source, _ in graph[number].links()]
    return list(found)


def outputs_of(graph: Graph) -> list[str]:
    """Return the nodes that end in an image: no node takes anything from them, and they take images."""
    used = {source for node in graph.values() for _, source, _ in node.links()}
    ends = [number for number in graph if number not in used]
    taking = [number for number in ends if any("image" in name.lower() for name, _, _ in graph[number].links())]
    return sorted(taking or ends, key=in_order)


def saving(graph: Graph) -> list[str]:
    """Return the outputs that save their images, or all outputs if none is known to."""
    found = outputs_of(graph)
    return [number for number in found if "save" in graph[number].kind.lower()] or found


def described(graph: Graph, number: str) -> str:
    """Return a node for people, such as ``9 (SaveImage, "Final")``."""
    node = graph[number]
    title = f', "{node.title}"' if node.title and node.title != node.kind else ""
    return printable(f"{number} ({node.kind}{title})")[:120]


def in_order(number: str) -> tuple[tuple[int, str], ...]:
    """Return what IDs are sorted by: ``9`` comes before ``10``, and ``10`` before ``10:1`` of a subgraph."""
    return tuple((int(part), "") if part.isdecimal() else (10**9, part) for part in number.split(":"))


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number in JSON")
