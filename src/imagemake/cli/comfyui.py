"""`imagemake comfyui`: read a workflow of ComfyUI, and propose the settings that make images with it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imagemake.plugins.providers.comfyui.graph import Graph
    from imagemake.plugins.providers.comfyui.proposal import Proposal

DESCRIPTION = """\
Reads a workflow that ComfyUI exported in API form (Workflow > Export (API)), and prints the section `model` for
config.yaml: which node's images are used, and into which inputs the prompt, the seed, the size, and reference images
go. Check it: the command follows the links of the workflow, but only you know what a text is for.

Nothing is sent anywhere.
"""
EXAMPLES = """\
examples:
  propose settings for a workflow
    imagemake comfyui inspect config/workflow.json
  use the images of node 12
    imagemake comfyui inspect config/workflow.json --output 12
"""
SHOWN_CHARACTERS = 60
NAMES = ("prompt", "negative_prompt", "seed", "width", "height", "references")


def add_comfyui_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `imagemake comfyui`."""
    parser.add_argument("action", choices=["inspect"], help="inspect: propose the section `model` for a workflow")
    parser.add_argument("file", type=Path, metavar="FILE", help="the workflow in API form")
    parser.add_argument("--output", metavar="NODE", help="number of the node whose images are used")
    parser.set_defaults(run=_inspect)


def _inspect(options: argparse.Namespace) -> int:
    from imagemake.core.problems import Problem, UserError
    from imagemake.core.text import printable
    from imagemake.plugins.providers.comfyui.graph import BadWorkflowError, described, read_file, saving
    from imagemake.plugins.providers.comfyui.proposal import propose

    try:
        graph = read_file(options.file)
    except BadWorkflowError as error:
        raise UserError(Problem(str(options.file), error.what, error.remedy)) from None
    if options.output is not None and options.output not in graph:
        choices = ", ".join(described(graph, number) for number in saving(graph))
        raise UserError(Problem(str(options.file), f"it has no node {options.output!r}.", f"Choose one of {choices}."))
    for line in _lines(options.file, graph, propose(graph, options.output)):
        print(printable(line))
    return 0


def _lines(file: Path, graph: Graph, found: Proposal) -> Iterator[str]:
    from imagemake.plugins.providers.comfyui.graph import described

    yield f"# {file}: {len(graph)} nodes; the images of node {described(graph, found.output)} are used."
    for other in found.others:
        yield f"# Node {described(graph, other)} ends in images too: set output to use them."
    yield "model:"
    yield "  provider: comfyui"
    yield f"  name: {_quoted(file.stem)} # as records name it; part of every key"
    yield "  base_url: http://127.0.0.1:8188"
    if found.size:
        yield f"  parameters: {{size: {found.size[0]}x{found.size[1]}}}"
    yield "  workflow:"
    yield f"    file: {_quoted(file.as_posix())}"
    yield f"    output: {_quoted(found.output)}"
    yield "    inputs:"
    for name in NAMES:
        if (places := found.inputs.get(name)) is not None:
            yield f"      {name}: [{', '.join(map(_quoted, places))}]{_now(found, places)}"
    yield from _advice(file, found)


def _advice(file: Path, found: Proposal) -> Iterator[str]:
    yield "#"
    for name in ("prompt", "seed"):
        if not found.inputs[name]:
            yield f"# No input for the {name} was found: name it, or keep [] if every image has the workflow's own."
    for place, image in found.images.items():
        here = file.parent / Path(image).name
        path = here.as_posix() if here.is_file() else "config/references/…"
        yield f"# {place} loads {image}: add {path} to `references`, so that its content is part of every key,"
        yield "#   or remove the place to use the server's file of this name, whose content no key can tell."
    if found.models:
        yield "# Models are part of keys by name only: rename a file when you replace it. The workflow names:"
    for place, model in found.models.items():
        yield f"#   {place}: {model}"
    yield "# Any other input: name it under inputs, as in `steps: 3.steps`, and set it in parameters.steps, or in a"
    yield "#   catalog column of that name."


def _now(found: Proposal, places: list[str]) -> str:
    texts = [found.texts[place] for place in places if place in found.texts]
    if not texts:
        return ""
    text = " ".join(texts[0].split())
    return f" # now: {text[:SHOWN_CHARACTERS]}{'…' if len(text) > SHOWN_CHARACTERS else ''}"


def _quoted(value: Any) -> str:
    import json

    return json.dumps(str(value), ensure_ascii=False)
