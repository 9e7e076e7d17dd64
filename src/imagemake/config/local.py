"""The section `model.local`: how a model runs on this machine."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from imagemake.config.fields import Section, Text
from imagemake.core.mistakes import mistake
from imagemake.core.recipe import WORKFLOW

_USE = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def _use(name: str) -> str:
    if not _USE.fullmatch(name):
        raise mistake(f"{name!r} cannot name a file.", "Use ASCII letters, digits, - and _.")
    if name == WORKFLOW:
        raise mistake(f"{name!r} names the workflow of a server.", "Choose another name.")
    return name


FileUse = Annotated[str, AfterValidator(_use)]


class Local(Section):
    """How a model runs on this machine. No key depends on it."""

    batch: int | None = Field(
        None,
        ge=1,
        le=256,
        description="Most images that the model makes at once. Null: 8 on a GPU, 1 otherwise. If memory runs out, it "
        "makes fewer at once, and later more again.",
    )
    device: Text | None = Field(
        None,
        description="Where the model runs: cuda, cuda:1, mps, cpu, and so on. Null: on the GPU with the most free "
        "memory that no other job uses, or on the CPU if there is none.",
        examples=["cuda:1"],
    )
    offload: Literal["auto", "no", "model", "sequential"] = Field(
        "auto",
        description="Which parts of the model wait in the machine's memory, not in the GPU's. no: none. model: those "
        "that are not working. sequential: nearly all, which is slow. auto: none, until memory runs out.",
    )
