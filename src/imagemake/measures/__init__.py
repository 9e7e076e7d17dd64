"""Numbers read from a picture: one file a measure, found through the entry points `imagemake.measures`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Protocol

from pydantic import BaseModel

from imagemake.plugins import load_plugin

if TYPE_CHECKING:
    from imagemake.pictures.picture import Picture

BUILT_IN = {
    "file": "imagemake.measures.file:File",
    "tone": "imagemake.measures.tone:Tone",
    "sharpness": "imagemake.measures.sharpness:Sharpness",
    "phash": "imagemake.measures.phash:PHash",
}

Value = str | int | float | bool


class Measure(Protocol):
    """Reads named quantities from a picture.

    Attributes:
        version: Raised when the same picture may give other values; kept values of older versions are then read anew.
        quantities: Each quantity's name and what it is, with its unit. A check names ``measure.quantity``.
        Settings: What a user can set under ``validation.measures``; part of what a kept value belongs to.
    """

    version: ClassVar[int]
    quantities: ClassVar[Mapping[str, str]]
    Settings: ClassVar[type[BaseModel]]

    def __init__(self, settings: BaseModel) -> None:
        """Take the settings, an instance of `Settings`; load models here, once a job."""

    def read(self, picture: Picture) -> Mapping[str, Value]:
        """Read every quantity that this picture has; one that does not apply is left out."""


def measure_class(name: str) -> type[Measure]:
    """Load the class of a measure.

    Raises:
        LookupError: If no measure has that name.
    """
    loaded: type[Measure] = load_plugin("imagemake.measures", name, BUILT_IN)
    return loaded
