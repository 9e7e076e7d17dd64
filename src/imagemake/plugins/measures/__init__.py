"""Numbers read from an image: one file a measure, found through the entry points `imagemake.measures`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, ClassVar, Protocol

from pydantic import BaseModel

from imagemake.plugins import registry as plugins
from imagemake.plugins.registry import load_plugin

if TYPE_CHECKING:
    from imagemake.images.decoded import DecodedImage

# These are cheap, and read from every image: a check on one of them can then be added without reading anything again.
ALWAYS_READ = ("background", "colors", "file", "noise", "phash", "sharpness", "tone")
BUILT_IN = {
    "background": "imagemake.plugins.measures.background:Background",
    "colors": "imagemake.plugins.measures.colors:Colors",
    "faces": "imagemake.plugins.measures.faces:Faces",
    "file": "imagemake.plugins.measures.file:File",
    "noise": "imagemake.plugins.measures.noise:Noise",
    "tone": "imagemake.plugins.measures.tone:Tone",
    "sharpness": "imagemake.plugins.measures.sharpness:Sharpness",
    "nsfw": "imagemake.plugins.measures.nsfw:NSFW",
    "objects": "imagemake.plugins.measures.objects:Objects",
    "subject": "imagemake.plugins.measures.subject:Subject",
    "text": "imagemake.plugins.measures.text:Text",
    "phash": "imagemake.plugins.measures.phash:PHash",
    "prompt": "imagemake.plugins.measures.prompt:Prompt",
}

Value = str | int | float | bool


class Measure(Protocol):
    """Reads named quantities from an image.

    Attributes:
        version: Raised when the same image may give other values; kept values of older versions are then read anew.
        quantities: Each quantity's name and what it is, with its unit. A check names ``measure.quantity``.
        Settings: What a user can set under ``validation.measures``; part of what a kept value belongs to.
    """

    version: ClassVar[int]
    quantities: ClassVar[Mapping[str, str]]
    Settings: ClassVar[type[BaseModel]]

    def __init__(self, settings: BaseModel) -> None:
        """Take the settings, an instance of `Settings`; load models here, once a job."""

    def read(self, image: DecodedImage) -> Mapping[str, Value]:
        """Read every quantity that this image has; one that does not apply is left out."""


class Comparing(Measure, Protocol):
    """A measure with quantities that depend on what was asked for as well: on a color, or on words of the prompt.

    What `read` returns belongs to the image alone, and is kept. These quantities are worked out from it whenever a
    verdict is given, so a change of what is asked for, or of a threshold, reads no image again.

    Attributes:
        compared: Each such quantity's name and what it is, as in `quantities`.
        compares_with_prompt: The quantities that are compared with the prompt where a check names neither a variable
            nor a value; for the others, it must name one of the two.
    """

    compared: ClassVar[Mapping[str, str]]
    compares_with_prompt: ClassVar[frozenset[str]]

    @staticmethod
    def complaint(wanted: str) -> str | None:
        """Say in words why nothing can be compared with such a text; None where all is well. Asked before a run."""

    @staticmethod
    def compare(values: Mapping[str, Value], wanted: str) -> Mapping[str, Value]:
        """Work the quantities out: pure and within microseconds; one that does not apply is left out.

        Args:
            values: What was read from the image, by quantity.
            wanted: The value or prompt to compare with.
        """


class Matching(Protocol):
    """A comparing measure that takes a network for the text as well, so that it compares in the job that validates.

    Instead of `compare` it has `match`. What that returns is kept like what is read, but by image and text: where a
    text changes, only it is read again, without decoding an image.
    """

    def match(self, values: Mapping[str, Value], wanted: str) -> Mapping[str, Value]:
        """Work the quantities out.

        Args:
            values: What `read` returned. Names that begin with _ are kept, and shown nowhere.
            wanted: The value or prompt to compare with.
        """


def measure_class(name: str) -> type[Measure]:
    """Load the class of a measure.

    Raises:
        LookupError: If no measure has that name.
    """
    loaded: type[Measure] = load_plugin("imagemake.measures", name, BUILT_IN)
    return loaded


@cache
def comparing_class(name: str) -> type[Comparing] | None:
    """Load the class of a measure that compares; None for one that does not."""
    kind = measure_class(name)
    return kind if hasattr(kind, "compared") else None  # type: ignore[return-value]


@cache
def is_matching(name: str) -> bool:
    """Whether a measure compares by a network, so that what it compares is kept by image and text."""
    try:
        return hasattr(measure_class(name), "match")
    except LookupError:  # of a measure that is not installed any more
        return False


def check_ready(name: str, settings: BaseModel) -> None:
    """Look whether what a measure needs besides packages is there: it can have a static ``check`` for that.

    Raises:
        NotReadyError: If not.
    """
    check = getattr(measure_class(name), "check", None)
    if check is not None:
        check(settings)


def quantities_of(kind: type[Measure]) -> dict[str, str]:
    """Return what a check can name, with its meaning: what is read, and what is compared."""
    return {**kind.quantities, **getattr(kind, "compared", {})}


def packages_missing(name: str) -> list[str]:
    """Name the packages that a measure needs and that are not installed, without importing any."""
    return plugins.packages_missing(measure_class(name))


def install_command(name: str) -> str:
    """Return what a user types to install what a measure needs: ours are extras."""
    return f"pip install 'imagemake[{name}]'" if name in BUILT_IN else f"pip install {' '.join(packages_missing(name))}"


@cache
def phrase_of(name: str, quantity: str) -> str | None:
    """Return the words in which a reason tells a quantity; None where the number says it all.

    A measure has them in an attribute ``phrases``, by quantity: a format string over its own quantities and ``this``,
    the quantity in words, such as ``{regions} regions, {this} of the area``.
    """
    try:
        phrases: Mapping[str, str] = getattr(measure_class(name), "phrases", {})
    except LookupError:  # of a measure that is not installed any more
        return None
    return phrases.get(quantity)
