"""A workflow with places for what differs between images: its content decides keys, and a call fills the places.

A template has the nodes that its output needs, without titles and layout. Equal workflows give equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from imagemake.core.recipe import Recipe
from imagemake.core.text import counted
from imagemake.plugins.providers.comfyui.graph import (
    BadWorkflowError,
    Graph,
    described,
    in_order,
    is_link,
    needed_for,
    saving,
)
from imagemake.plugins.providers.sizes import parse_size

PROMPT, NEGATIVE, SEED, WIDTH, HEIGHT = "prompt", "negative_prompt", "seed", "width", "height"
REFERENCES, MASK = "references", "mask"
PREFIX = "filename_prefix"  # of nodes that save; decides no pixel, and is set for each call
FOLDER = "imagemake"  # for files on the server
_PLACE = "$imagemake"
_ALWAYS = (PROMPT, SEED, MASK)  # always given, so the workflow's own value decides nothing


def template_of(graph: Graph, output: str | None, inputs: Mapping[str, Sequence[str]]) -> bytes:
    """Return the template of a workflow.

    Args:
        graph: The workflow.
        output: Node whose images are wanted; None if only one saves any.
        inputs: Places as ``node.input``, by the name of the value that goes there. Each reference image has one place.

    Raises:
        BadWorkflowError: If the settings do not fit the workflow.
    """
    output = _output(graph, output)
    needed = needed_for(graph, output)
    nodes: dict[str, dict[str, Any]] = {
        number: {"class_type": graph[number].kind, "inputs": dict(graph[number].inputs)} for number in needed
    }
    for name, places in inputs.items():
        for position, place in enumerate(places):
            number, key = _place(graph, needed, name, place)
            default = {} if name in (*_ALWAYS, REFERENCES) else {"default": nodes[number]["inputs"][key]}
            is_taken = _placed(nodes[number]["inputs"][key])
            if is_taken:
                raise BadWorkflowError(f"inputs leads both {is_taken} and {name} to {place}.", "Remove one of them.")
            value = f"{name}.{position}" if name == REFERENCES else name
            nodes[number]["inputs"][key] = {_PLACE: value, **default}
    if isinstance(nodes[output]["inputs"].get(PREFIX), str):
        nodes[output]["inputs"][PREFIX] = {_PLACE: PREFIX}
    return json.dumps(
        {"output": output, "nodes": _canonical(nodes)}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode()


class Template:
    """A template that was kept.

    Args:
        data: The bytes of `template_of`.
    """

    def __init__(self, data: bytes) -> None:
        found = json.loads(data)
        self.output: str = found["output"]
        self._nodes: Mapping[str, Any] = found["nodes"]
        self.names = {name for _, _, name in self._places()}

    def fault(self, recipe: Recipe) -> tuple[str, str] | None:
        """Return why a recipe does not fit, and the remedy; None if it fits."""
        return next(self._faults(recipe), None)

    def _faults(self, recipe: Recipe) -> Iterator[tuple[str, str]]:
        for name in recipe.parameters:
            if name != "size" and name not in self.names:
                yield f"the workflow has no input for the parameter {name!r}.", _add(name)
        if recipe.negative_prompt is not None and NEGATIVE not in self.names:
            yield "the workflow has no input for the negative prompt.", _add(NEGATIVE)
        written = recipe.parameters.get("size")
        size = parse_size(written)
        if written is not None and (size is None or not size.is_pixels):
            yield f"the size {written!r} has no edges in pixels.", "Write it as 1024x1024."
        elif written is not None and not {WIDTH, HEIGHT} <= self.names:
            yield "the workflow has no inputs for the size.", _add(f"{WIDTH} and {HEIGHT}")
        n_places = sum(name.startswith(f"{REFERENCES}.") for name in self.names)
        if len(recipe.references) != n_places:
            images, places = counted(len(recipe.references), "reference image"), counted(n_places, "place")
            remedy = f"Give one image for each place in model.workflow.inputs.{REFERENCES}."
            yield f"there are {images} for {places} in the workflow.", remedy
        if (recipe.mask is None) != (MASK not in self.names):
            what = "the workflow takes no mask" if recipe.mask else "the workflow needs a mask"
            yield f"{what}.", f"Name the mask's input in model.workflow.inputs.{MASK}, or remove the mask."

    def filled(self, recipe: Recipe, files: Mapping[str, str], prefix: str) -> dict[str, Any]:
        """Return the workflow for a recipe that fits, in API form.

        Args:
            recipe: The recipe.
            files: Name on the server of each image of the recipe, by SHA-256.
            prefix: Of the file that is saved.
        """
        values: dict[str, Any] = {**recipe.parameters, PROMPT: recipe.prompt, SEED: recipe.seed, PREFIX: prefix}
        if recipe.negative_prompt is not None:
            values[NEGATIVE] = recipe.negative_prompt
        if (size := parse_size(recipe.parameters.get("size"))) is not None:
            values |= {WIDTH: size.width, HEIGHT: size.height}
        values |= {f"{REFERENCES}.{number}": files[digest] for number, digest in enumerate(recipe.references)}
        if recipe.mask is not None:
            values[MASK] = files[recipe.mask]
        return {
            number: {**node, "inputs": {key: _filled(value, values) for key, value in node["inputs"].items()}}
            for number, node in self._nodes.items()
        }

    def node(self, number: object) -> str:
        """Return a node for people."""
        known = self._nodes.get(str(number))
        return f"node {number} ({known['class_type']})" if known else f"node {number}"

    def _places(self) -> Iterator[tuple[str, str, str]]:
        for number, node in self._nodes.items():
            for key, value in node["inputs"].items():
                if name := _placed(value):
                    yield number, key, name


def _output(graph: Graph, output: str | None) -> str:
    found = saving(graph)
    choices = ", ".join(described(graph, number) for number in found)
    if output is None and len(found) != 1:
        raise BadWorkflowError(f"{len(found)} nodes of the workflow end in images: {choices}.", "Set output to one.")
    if output is not None and output not in graph:
        raise BadWorkflowError(f"the workflow has no node {output!r} for output.", f"Choose one of {choices}.")
    return output or found[0]


def _place(graph: Graph, needed: Sequence[str], name: str, place: str) -> tuple[str, str]:
    """Return the node and the input of a place."""
    number, _, key = place.rpartition(".")
    if number not in graph:
        near = ", ".join(described(graph, one) for one in sorted(needed, key=in_order))
        raise BadWorkflowError(f"inputs.{name}: the workflow has no node {number!r}.", f"Its nodes are {near}.")
    if key not in graph[number].inputs:
        known = ", ".join(f"{number}.{one}" for one in graph[number].inputs) or "none"
        what = f"inputs.{name}: node {described(graph, number)} has no input {key!r}."
        raise BadWorkflowError(what, f"It has {known}.")
    if number not in needed:
        what = f"inputs.{name}: the output does not depend on node {described(graph, number)}."
        raise BadWorkflowError(what, "Remove this input, or set output to a node that needs it.")
    if is_link(graph[number].inputs[key]):
        source = described(graph, graph[number].inputs[key][0])
        what = f"inputs.{name}: {place} takes its value from node {source}."
        raise BadWorkflowError(what, "Name the input of that node which has the value.")
    return number, key


def _canonical(value: Any) -> Any:
    """Return plain data in which equal numbers are written alike, as exports differ in 8 and 8.0."""
    if isinstance(value, dict):
        return {key: _canonical(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_canonical(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _placed(value: Any) -> str | None:
    """Return the name of the value that goes to a place; None if it is no place."""
    name = value.get(_PLACE) if isinstance(value, dict) else None
    return name if isinstance(name, str) else None


def _filled(value: Any, values: Mapping[str, Any]) -> Any:
    name = _placed(value)
    return value if name is None else values.get(name, value.get("default"))


def _add(name: str) -> str:
    return f"Add {name} to model.workflow.inputs, or remove it here. To see the inputs: imagemake comfyui inspect"
