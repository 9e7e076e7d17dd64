"""What a released image's claim says: how the image came about, and every step that was applied to it.

Actions have the names of the C2PA Technical Specification 2.4, section 18.15. Nothing is in a claim that must not be
known by whoever gets the image: no prompt, no path, no setting of a step, no bytes of a reference image.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from imagemake import __version__
from imagemake.core.fingerprint import fingerprint
from imagemake.plugins.steps import step_class
from imagemake.release.provenance import AI_SOURCE_TYPES, SOURCE_TYPES, source_type_of

if TYPE_CHECKING:
    from imagemake.config.chosen_plugins import ChosenPlugin
    from imagemake.plan.state import State
    from imagemake.store.store import StoredFile

CLAIM_VERSION = 1  # raised when the same facts may give another claim; released images are then signed anew
OWN_ASSERTION = "imagemake.release"
MADE_OF = "made_of"
PARENT = "parent"
EDITED, PLACED = "c2pa.edited", "c2pa.placed"
_ACTION = re.compile(r"[a-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)+")
_CLOSING = {True: "c2pa.transcoded", False: "c2pa.converted"}  # by whether the format stays


@dataclass(frozen=True, slots=True)
class Action:
    """Something that was done to the image.

    Attributes:
        name: In C2PA's words: ``c2pa.cropped``.
        description: For people.
    """

    name: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What is said of one image; equal claims say the same.

    Attributes:
        source_type: IPTC's code for how the image came about, where its provider does not say so itself.
        provider: Registered name of the provider, where a trained model made the image.
        model: Model name with its version, likewise.
        actions: What was done after that, in its order.
        inputs: SHA-256 of each reference image and mask that was sent, in their order.
    """

    source_type: str
    provider: str | None
    model: str | None
    actions: tuple[Action, ...]
    inputs: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """A digest of all that is said, and of who says it."""
        return fingerprint({"version": CLAIM_VERSION, "by": __version__, **asdict(self)})

    def definition(self, made_of: str, *, with_parent: bool) -> dict[str, Any]:
        """Return the claim as the C2PA library takes it.

        Args:
            made_of: Digest of everything that the signed file follows from; it is how the file is known again.
            with_parent: Whether the provider's image has content credentials, which then tell how it came about.
        """
        ingredients = [] if with_parent else [_input(number, digest) for number, digest in enumerate(self.inputs)]
        actions = [_opened() if with_parent else self._created([one["label"] for one in ingredients])]
        for number, action in enumerate(self.actions):
            told: dict[str, Any] = {"action": action.name, "description": action.description}
            if action.name == PLACED:  # the standard asks for what was placed; its bytes stay out
                label = f"placed-{number}"
                ingredients.append({"relationship": "componentOf", "label": label, "title": action.description})
                told["parameters"] = {"ingredientIds": [label]}
            actions.append(told)
        listed = {"actions": actions, "allActionsIncluded": True}
        return {
            "claim_version": 2,
            "claim_generator_info": [{"name": "imagemake", "version": __version__}],
            "ingredients": ingredients,
            "assertions": [
                {"label": "c2pa.actions.v2", "data": listed, "created": True},
                {"label": OWN_ASSERTION, "data": {MADE_OF: made_of}, "kind": "Json", "created": True},
            ],
        }

    def _created(self, inputs: Sequence[str]) -> dict[str, Any]:
        told: dict[str, Any] = {"action": "c2pa.created", "digitalSourceType": SOURCE_TYPES + self.source_type}
        if self.provider:
            told["softwareAgent"] = {"name": self.provider, "version": self.model}
        if inputs:
            told["parameters"] = {"ingredientIds": list(inputs)}
        return told


def claim_of(state: State, finished: StoredFile, steps: Sequence[ChosenPlugin], *, with_xmp: bool) -> Claim:
    """Return what is said of a request's finished image.

    Args:
        state: Where the request stands.
        finished: The finished image; a request may have several.
        steps: Those that it went through.
        with_xmp: Whether the file says by XMP where it came from.
    """
    assert state.raw is not None
    recipe = state.recipe
    source_type = source_type_of(recipe.provider, with_files=bool(recipe.files))
    is_ai = source_type in AI_SOURCE_TYPES
    return Claim(
        source_type=source_type,
        provider=recipe.provider if is_ai else None,
        model=recipe.model if is_ai else None,
        actions=actions_of(steps, state.raw.extension, finished.extension, with_xmp=with_xmp),
        inputs=tuple(recipe.files),
    )


def actions_of(steps: Sequence[ChosenPlugin], raw: str, finished: str, *, with_xmp: bool) -> tuple[Action, ...]:
    """Return what turned a raw image into a released one.

    Args:
        steps: In the order in which they were applied.
        raw: File format of the raw image, as its name's extension.
        finished: That of the finished one.
        with_xmp: Whether XMP was put in.
    """
    done = [Action(name, f"step {step.name}") for step in steps for name in action_names(step)]
    done.append(Action(_CLOSING[raw == finished], f"decoded to sRGB, 8 bits a channel, and written as {finished}"))
    if with_xmp:
        done.append(Action("c2pa.edited.metadata", "XMP that tells where the image came from, and no other metadata"))
    return tuple(done)


def action_names(step: ChosenPlugin) -> tuple[str, ...]:
    """Return what a step does, in C2PA's terms; an invalid name becomes ``c2pa.edited``, which claims the most."""
    kind = step_class(step.name)
    names = kind.actions_for(kind.Settings.model_validate(step.settings))
    return tuple(name if _ACTION.fullmatch(str(name)) else EDITED for name in names)


def made_of_in(assertions: Sequence[Mapping[str, Any]]) -> str | None:
    """Return what one of our own claims says that its file follows from; None where another program signed."""
    data = next((one.get("data") for one in assertions if one.get("label") == OWN_ASSERTION), None)
    return data.get(MADE_OF) if isinstance(data, Mapping) else None


def _opened() -> dict[str, Any]:
    return {"action": "c2pa.opened", "parameters": {"ingredientIds": [PARENT]}}


def _input(number: int, digest: str) -> dict[str, Any]:
    title = f"reference image {number + 1}"
    return {"relationship": "inputTo", "label": f"input-{number}", "title": title, "description": f"SHA-256 {digest}"}
