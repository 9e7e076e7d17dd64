"""The section `model.workflow`: the user's own workflow, and where the values of a request go in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, Strict, WithJsonSchema, model_validator

from imagemake.config.fields import Section, Text
from imagemake.config.parameters import fault_of_name
from imagemake.core.mistakes import Mistake, mistake, mistakes

OWN = ("prompt", "negative_prompt", "seed", "width", "height", "references", "mask")
_NEEDED = ("prompt", "seed")


def _inside(path: str) -> str:
    if path.startswith(("/", "~")) or ".." in PurePosixPath(path).parts or "\\" in path:
        raise mistake(f"{path!r} is not inside the project.", "Give a path such as config/workflow.json.")
    return path


def _place(text: str) -> str:
    node, _, name = text.rpartition(".")
    if not node or not name:
        raise mistake(f"{text!r} names no input of a node.", "Write the node's number and its input, as in 6.text.")
    return text


_PLACES_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
Places = Annotated[
    tuple[Annotated[Text, AfterValidator(_place)], ...],
    Strict(False),
    BeforeValidator(lambda raw: raw if isinstance(raw, list | tuple) else (raw,)),
    WithJsonSchema(_PLACES_SCHEMA),
]


class Workflow(Section):
    """A workflow of ComfyUI. `imagemake comfyui inspect FILE` proposes this section."""

    file: Annotated[Text, AfterValidator(_inside)] = Field(
        description="Path of the workflow in API form, relative to the project. What its output needs is part of every "
        "key: titles, positions, and other nodes are not. Models are part of it by name only.",
        examples=["config/workflow.json"],
    )
    output: Text | None = Field(
        None,
        description="Number of the node whose images are used. Null: the only node that saves any.",
        examples=["9"],
    )
    inputs: Mapping[Text, Places] = Field(
        description="Where values go: prompt, negative_prompt, seed, width and height (of size), references (one place "
        "for each image), mask, or the name of a parameter. A place is a node's number and its input. A list fills "
        "several. Part of every key.",
        examples=[{"prompt": "6.text", "seed": "3.seed", "references": ["10.image", "11.image"], "steps": "3.steps"}],
    )

    @model_validator(mode="after")
    def _inputs_are_known(self) -> Workflow:
        found = [
            Mistake(("inputs",), f"no place is given for the {name}.", _missing(name))
            for name in _NEEDED
            if name not in self.inputs
        ]
        found += [
            Mistake(("inputs", name), *fault)
            for name in self.inputs
            if name not in OWN and (fault := fault_of_name(name))
        ]
        if found:
            raise mistakes(found)
        return self


def _missing(name: str) -> str:
    return f"Name it, as in {name}: 6.{'text' if name == 'prompt' else 'seed'}. If the workflow uses none: {name}: []."


def template(workflow: Workflow, project: Path = Path()) -> bytes:
    """Return the template of a workflow, which keys name by its SHA-256.

    Args:
        workflow: The workflow.
        project: The folder that its path is relative to.

    Raises:
        BadWorkflowError: If the file cannot be used.
    """
    from imagemake.plugins.providers.comfyui.graph import BadWorkflowError, read_file
    from imagemake.plugins.providers.comfyui.template import template_of

    try:
        return template_of(read_file(project / workflow.file), workflow.output, workflow.inputs)
    except BadWorkflowError as error:
        raise BadWorkflowError(f"{workflow.file}: {error.what}", error.remedy) from None
