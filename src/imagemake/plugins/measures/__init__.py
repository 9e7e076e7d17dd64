"""The contract of measures, which read values from an image. One file per measure.

An installed package adds measures through the group of entry points `imagemake.measures`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from imagemake.core.problems import UserError
from imagemake.images.repair_mask import Box
from imagemake.plugins.plugin import Plugin, PluginSettings
from imagemake.plugins.registry import load_plugin

if TYPE_CHECKING:
    from imagemake.images.decoded import DecodedImage

__all__ = ["Box", "ComparingMeasure", "MatchingMeasure", "Measure", "Value"]

# What the default checks, near-duplicates, and reports need. The others take as long again, so they are read when a
# check names them.
ALWAYS_READ = ("file", "phash", "sharpness", "tone")
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
    "judge": "imagemake.plugins.measures.judge:Judge",
    "onnx": "imagemake.plugins.measures.onnx:Onnx",
    "moderation": "imagemake.plugins.measures.moderation:Moderation",
}

Value = str | int | float | bool
"""What a measure returns for a quantity."""


class Measure(Plugin):
    """Reads values from an image. `Plugin` describes `version`, `Settings`, `packages`, `came_later`, and `paths`.

    Attributes:
        quantities: Each value's name, with its meaning and unit. A check names ``measure.quantity``.
        compared: The same for values that also depend on what the image is compared with, such as the request's color.
            A measure that has some is a `ComparingMeasure` or a `MatchingMeasure`.
        compares_with_prompt: The names in `compared` that use the prompt where a check gives neither a variable nor a
            value. For the others, a check must give one.
        phrases: How a reason describes a value, by quantity: a format string over the measure's quantities and
            ``this``, the value in words. Example: ``{regions} regions, {this} of the area``. Without one, the reason
            shows the number.
        names_quantities: Whether its settings name further quantities, as those of questions.
    """

    required: ClassVar[Mapping[str, type]] = {**Plugin.required, "quantities": Mapping}

    quantities: ClassVar[Mapping[str, str]]
    compared: ClassVar[Mapping[str, str]] = {}
    compares_with_prompt: ClassVar[frozenset[str]] = frozenset()
    phrases: ClassVar[Mapping[str, str]] = {}
    names_quantities: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.compared and not issubclass(cls, ComparingMeasure | MatchingMeasure):
            raise TypeError(f"{cls.__name__} defines compared, so it must be a ComparingMeasure or a MatchingMeasure")

    @abstractmethod
    def read(self, image: DecodedImage) -> Mapping[str, Value]:
        """Read the image's values, by quantity; leave out those that do not apply. Names with a leading _ stay hidden.

        An exception fails this measure for this image only; its message becomes the reason.
        """

    @staticmethod
    def named(settings: PluginSettings) -> Iterable[str]:
        """Return the quantities that settings name, if `names_quantities` is true."""
        return ()

    @staticmethod
    def complaint(wanted: str) -> str | None:
        """Return why an image cannot be compared with a text, such as ``is not a color``; None if it can."""
        return None

    @staticmethod
    def places(quantity: str, values: Mapping[str, Value], wanted: str, *, is_high: bool) -> Iterable[Box]:
        """Return the parts of an image to repair if a quantity is beyond its limit; nothing if it is about all of it.

        Args:
            quantity: Its name without the measure.
            values: All values of the image, by ``measure.quantity``; hidden ones too.
            wanted: The value or prompt that the check compares with; empty if it compares with nothing.
            is_high: Whether the value is above its limit, and not below.
        """
        return ()


class ComparingMeasure(Measure):
    """Compares what `read` returned with a text, such as a color or the prompt.

    What `read` returned is kept. Comparing happens at each verdict, so changing the text or a limit reads no image.
    """

    @staticmethod
    @abstractmethod
    def compare(values: Mapping[str, Value], wanted: str) -> Mapping[str, Value]:
        """Return the values in `compared` that apply. It must be pure and take microseconds.

        Args:
            values: What was read from the image, by quantity.
            wanted: The value or prompt to compare with.
        """


class MatchingMeasure(Measure):
    """Compares with a text by a network. That is too slow for each verdict, so the validation job does it.

    The result is kept by image and text: a changed text is matched again, without decoding the image.
    """

    @abstractmethod
    def match(self, values: Mapping[str, Value], wanted: str) -> Mapping[str, Value]:
        """Return the values in `compared` that apply.

        Args:
            values: What `read` returned.
            wanted: The value or prompt to compare with.
        """


class AskedMeasure(Measure):
    """A measure whose values a server tells, by calls that the stage `judge` makes; pixels are not read here."""

    def read(self, image: DecodedImage) -> Mapping[str, Value]:
        """Read nothing."""
        return {}


def measure_class(name: str) -> type[Measure]:
    """Load the class of a measure.

    Raises:
        LookupError: If no measure has that name.
        UserError: If the package that has it is broken.
    """
    loaded: type[Measure] = load_plugin("measure", name, BUILT_IN, Measure)
    return loaded


def is_asked(name: str) -> bool:
    """Return whether a measure's values come from a server; False if it is not installed."""
    kind = _installed(name)
    return kind is not None and issubclass(kind, AskedMeasure)


@cache
def is_matching(name: str) -> bool:
    """Return whether a measure keeps results by image and text; False if it is not installed."""
    kind = _installed(name)
    return kind is not None and issubclass(kind, MatchingMeasure)


def places_of(name: str, quantity: str, values: Mapping[str, Value], wanted: str, *, is_high: bool) -> Iterable[Box]:
    """Return the parts of an image to repair for a measure's quantity, as `Measure.places` does."""
    kind = _installed(name)
    return kind.places(quantity, values, wanted, is_high=is_high) if kind else ()


@cache
def phrase_of(name: str, quantity: str) -> str | None:
    """Return how a reason describes a quantity; None if the number is enough, or the measure is not installed."""
    kind = _installed(name)
    return kind.phrases.get(quantity) if kind else None


def _installed(name: str) -> type[Measure] | None:
    try:
        return measure_class(name)
    except (LookupError, UserError):  # values of a measure outlive its package
        return None
