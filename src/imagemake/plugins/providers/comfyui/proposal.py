"""Finds in a workflow where the values of a request go: by the links from the output back, not by titles or numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from imagemake.plugins.providers.comfyui.graph import Graph, in_order, is_link, needed_for, saving

_TEXTS = ("text", "prompt", "text_g", "text_l", "clip_l", "t5xxl", "string", "value")
_SEEDS = ("seed", "noise_seed")
_VALUES = ("value", "int", "string", "text", "seed")  # of nodes that only hold a value
_ROLES = ("positive", "negative")
_IMAGE_FILES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")
_MODEL_FILES = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".sft", ".onnx")


@dataclass(slots=True)
class Proposal:
    """What was found.

    Attributes:
        output: The node whose images are used.
        others: Other nodes that end in images.
        inputs: Places as ``node.input``, by the name of the value that goes there.
        texts: The text that each place of a prompt has now.
        images: Name of the image that each place of ``references`` has now.
        models: Places that name a file of a model, with the name.
        size: Width and height that the workflow has now; None if it has several or none.
    """

    output: str
    others: list[str]
    inputs: dict[str, list[str]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    size: tuple[int, int] | None = None


def propose(graph: Graph, output: str | None = None) -> Proposal:
    """Propose settings for a workflow.

    Args:
        graph: The workflow.
        output: The node whose images are wanted; None for the first one that saves any.
    """
    outputs = saving(graph)
    chosen = output or outputs[0]
    found = Proposal(chosen, [one for one in outputs if one != chosen])
    needed = sorted(needed_for(graph, chosen), key=in_order)
    _find_texts(graph, chosen, needed, found)
    found.inputs["seed"] = list(dict.fromkeys(place for n in needed for place in _values(graph, n, _SEEDS, int)))
    _find_size(graph, needed, found)
    for number in needed:
        for name, value in graph[number].inputs.items():
            if isinstance(value, str) and value.lower().endswith(_MODEL_FILES):
                found.models[f"{number}.{name}"] = value
            if isinstance(value, str) and name == "image" and value.lower().endswith(_IMAGE_FILES):
                found.images[f"{number}.{name}"] = value
    found.inputs["references"] = list(found.images)
    found.inputs = {name: places for name, places in found.inputs.items() if places or name in ("prompt", "seed")}
    return found


def _find_texts(graph: Graph, output: str, needed: list[str], found: Proposal) -> None:
    by_role = {role: dict.fromkeys(_texts_from(graph, output, role, set())) for role in _ROLES}
    positive = list(by_role["positive"])
    if not positive:  # a model that takes the text without conditioning
        positive = [place for number in needed for place in _values(graph, number, _TEXTS[:4], str)]
    # A text that leads to both sides, as through ConditioningZeroOut, is the prompt.
    negative = [place for place in by_role["negative"] if place not in positive]
    found.inputs["prompt"] = [place for place in positive if place not in negative]
    found.inputs["negative_prompt"] = negative
    for place in (*positive, *negative):
        number, _, name = place.rpartition(".")
        found.texts[place] = str(graph[number].inputs[name])


def _texts_from(
    graph: Graph, number: str, role: str, seen: set[tuple[str, bool]], *, inside: bool = False
) -> Iterator[str]:
    """Yield the texts that lead to a node, through inputs of a role.

    Args:
        graph: The workflow.
        number: The node.
        role: ``positive`` or ``negative``.
        seen: Nodes that were looked at.
        inside: Whether the way there went through an input of the role.
    """
    if (number, inside) in seen:
        return
    seen.add((number, inside))
    node = graph[number]
    if inside and (texts := list(_values(graph, number, _TEXTS, str))):
        yield from texts
        return
    links = list(node.links())
    has_roles = any(name in _ROLES for name, _, _ in links)
    for name, source, _ in links:
        if name in _ROLES:
            if name == role:
                yield from _texts_from(graph, source, role, seen, inside=True)
        elif name in ("conditioning", "guider") or "cond" in name.lower():
            # A guider without sides, as of Flux, has the positive one only.
            yield from _texts_from(
                graph, source, role, seen, inside=inside or (role == "positive" and name != "guider")
            )
        elif not (inside and has_roles):
            yield from _texts_from(graph, source, role, seen, inside=inside)


def _values(graph: Graph, number: str, names: tuple[str, ...], kind: type) -> Iterator[str]:
    """Yield the places of a node's values with some names; of a linked one, where the value comes from."""
    for name in names:
        value = graph[number].inputs.get(name)
        if isinstance(value, kind) and not isinstance(value, bool):
            yield f"{number}.{name}"
        elif isinstance(value, list) and is_link(value) and (place := _held_by(graph, value[0], kind)):
            yield place


def _held_by(graph: Graph, number: str, kind: type) -> str | None:
    """Return the place of the value of a node that only holds one, such as PrimitiveInt; None if it is another node."""
    inputs = graph[number].inputs
    if any(is_link(value) for value in inputs.values()):
        return None
    found = [name for name in _VALUES if isinstance(inputs.get(name), kind) and not isinstance(inputs.get(name), bool)]
    return f"{number}.{found[0]}" if found else None


def _find_size(graph: Graph, needed: list[str], found: Proposal) -> None:
    both = {
        number: (
            next(_values(graph, number, ("width",), int), None),
            next(_values(graph, number, ("height",), int), None),
        )
        for number in needed
    }
    sized = [number for number, places in both.items() if all(places)]
    latent = [number for number in sized if "latent" in graph[number].kind.lower()] or sized
    for name, position in (("width", 0), ("height", 1)):
        found.inputs[name] = list(dict.fromkeys(str(both[number][position]) for number in latent))
    if len(found.inputs["width"]) == len(found.inputs["height"]) == 1:
        width, height = (found.inputs[name][0].rpartition(".") for name in ("width", "height"))
        found.size = graph[width[0]].inputs[width[2]], graph[height[0]].inputs[height[2]]
