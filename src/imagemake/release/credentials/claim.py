"""The claim of a released image: how the image was made, and each step that was applied to it.

Action names come from the C2PA Technical Specification 2.4, section 18.15. Claims contain nothing confidential: no
prompt, no path, no settings of a step, and no bytes of a reference image.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
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

CLAIM_VERSION = 2  # raised when the same facts can give another claim; released images are then signed again
OWN_ASSERTION = "imagemake.release"
MADE_OF = "made_of"
PARENT = "parent"
REJECTED = "rejected image"  # that was repaired
EDITED, PLACED = "c2pa.edited", "c2pa.placed"
_ACTION = re.compile(r"[a-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)+")
_CLOSING = {True: "c2pa.transcoded", False: "c2pa.converted"}  # by whether the format stays the same


@dataclass(frozen=True, slots=True)
class Action:
    """An action on the image.

    Attributes:
        name: C2PA name, such as ``c2pa.cropped``.
        description: Description for people.
    """

    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Input:
    """A file that the image was made from. Its bytes are not part of the claim.

    Attributes:
        title: What it is, such as ``image mug_hero``.
        digest: SHA-256 of the file.
        key: Key of an image of the campaign; empty for other files.
    """

    title: str
    digest: str
    key: str = ""

    def ingredient(self, relationship: str, label: str) -> dict[str, Any]:
        """Return it in the format of the C2PA library."""
        description = f"SHA-256 {self.digest}" + (f", key {self.key}" if self.key else "")
        return {"relationship": relationship, "label": label, "title": self.title, "description": description}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The claim about one image. Equal claims say the same.

    Attributes:
        source_type: IPTC digital source type, used if the provider's own credentials do not state it.
        provider: Registered name of the provider if a trained model made the image.
        model: Model name with its version if a trained model made the image.
        actions: Later actions, in order.
        inputs: The other files that were sent, in order: reference images, images of the campaign, and the mask.
        repaired: The rejected image that was repaired.
    """

    source_type: str
    provider: str | None
    model: str | None
    actions: tuple[Action, ...]
    inputs: tuple[Input, ...] = ()
    repaired: Input | None = None

    @property
    def digest(self) -> str:
        """Digest of the claim and of the version of imagemake that makes it."""
        return fingerprint({"version": CLAIM_VERSION, "by": __version__, **asdict(self)})

    def definition(self, made_of: str, *, with_parent: bool, with_repaired: bool = False) -> dict[str, Any]:
        """Return the claim in the format of the C2PA library.

        Args:
            made_of: Digest of everything that determines the signed file. It identifies the file later.
            with_parent: Whether the provider's image has its own credentials, which then say how it was made. The
                library adds that image.
            with_repaired: Whether the library adds the repaired image, because it has its own credentials.
        """
        sent = (self.repaired, *self.inputs) if with_parent and self.repaired else self.inputs
        ingredients = [one.ingredient("inputTo", f"input-{number}") for number, one in enumerate(sent)]
        labels = [one["label"] for one in ingredients]
        if with_parent:
            actions = [_opened()]
        elif self.repaired is None:
            actions = [self._made("c2pa.created", labels)]
        else:
            actions = [_opened(), self._made(EDITED, labels)]
            ingredients += [] if with_repaired else [self.repaired.ingredient("parentOf", PARENT)]
        for number, action in enumerate(self.actions):
            told: dict[str, Any] = {"action": action.name, "description": action.description}
            if action.name == PLACED:  # the standard requires an ingredient; its bytes are not included
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

    def _made(self, action: str, inputs: Sequence[str]) -> dict[str, Any]:
        told: dict[str, Any] = {"action": action, "digitalSourceType": SOURCE_TYPES + self.source_type}
        if self.provider:
            told["softwareAgent"] = {"name": self.provider, "version": self.model}
        if inputs:
            told["parameters"] = {"ingredientIds": list(inputs)}
        return told


def claim_of(state: State, finished: StoredFile, steps: Sequence[ChosenPlugin], *, with_xmp: bool) -> Claim:
    """Return the claim about a finished image of a request.

    Args:
        state: The state of the request.
        finished: The finished image; a request can have several.
        steps: The steps that were applied to it.
        with_xmp: Whether the file contains XMP.
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
        inputs=tuple(_inputs(state)),
        repaired=Input(REJECTED, state.repaired.digest, state.repaired.key) if state.repaired else None,
    )


def _inputs(state: State) -> Iterator[Input]:
    recipe = state.recipe
    parents = {one.raw.digest: one for one in state.parents if one.raw is not None}
    for number, digest in enumerate(() if state.repaired else recipe.references, 1):
        parent = parents.get(digest)
        if parent is None:
            yield Input(f"reference image {number}", digest)
        else:
            yield Input(f"image {parent.request.name}", digest, parent.key)
    others = {"mask": recipe.mask, "workflow": recipe.workflow}
    yield from (Input(title, digest) for title, digest in others.items() if digest is not None)


def actions_of(steps: Sequence[ChosenPlugin], raw: str, finished: str, *, with_xmp: bool) -> tuple[Action, ...]:
    """Return the actions from a raw image to the released image.

    Args:
        steps: The applied steps, in order.
        raw: File extension of the raw image.
        finished: File extension of the finished image.
        with_xmp: Whether XMP was inserted.
    """
    done = [Action(name, f"step {step.name}") for step in steps for name in action_names(step)]
    done.append(Action(_CLOSING[raw == finished], f"decoded to sRGB, 8 bits a channel, and written as {finished}"))
    if with_xmp:
        done.append(Action("c2pa.edited.metadata", "XMP that tells where the image came from, and no other metadata"))
    return tuple(done)


def action_names(step: ChosenPlugin) -> tuple[str, ...]:
    """Return the C2PA names of what a step does. An invalid name becomes ``c2pa.edited``, the broadest action."""
    kind = step_class(step.name)
    names = kind.actions_for(kind.Settings.model_validate(step.settings))
    return tuple(name if _ACTION.fullmatch(str(name)) else EDITED for name in names)


def made_of_in(assertions: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the `made_of` digest in one of our own claims; None if another program signed."""
    data = next((one.get("data") for one in assertions if one.get("label") == OWN_ASSERTION), None)
    return data.get(MADE_OF) if isinstance(data, Mapping) else None


def _opened() -> dict[str, Any]:
    return {"action": "c2pa.opened", "parameters": {"ingredientIds": [PARENT]}}
