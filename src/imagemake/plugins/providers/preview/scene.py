"""Turns a recipe into a scene, by the prompt's words, the parameters, and the seed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random

from imagemake.core.recipe import Recipe
from imagemake.images.color_words import BLACK, RGB, WHITE, colors_in, luminance, mixed
from imagemake.plugins.providers.preview.options import Options, options_of, refused
from imagemake.plugins.providers.preview.shapes import CARD
from imagemake.plugins.providers.preview.words import (
    CameraView,
    background_in,
    caption_in,
    is_close_up,
    shape_in,
    view_in,
)

READ_CHARACTERS = 2000  # of a prompt; the rest is ignored
READABLE_DEG = 30.0
DIRECTIVES = re.compile(r"\[(refuse|blank|sometimes blank|low contrast)\]", re.IGNORECASE)
PATTERNS = ("plain", "plain", "dipped", "topped", "banded", "striped", "broad", "paneled")
UNNAMED_COLORS = ("navy", "terracotta", "sage", "mustard", "teal", "burgundy", "dusty blue", "charcoal")
# What a negative prompt can remove; no drawing contains anything else.
LEFT_OUT: Mapping[str, str] = {
    "shadow": r"shadows?",
    "caption": r"text|captions?|words?|letters?|lettering|writing|watermarks?|typography",
    "badge": r"logos?|badges?|emblems?|brand(?:s|ing)?|labels?",
    "pattern": r"patterns?|stripes?|bands?|prints?",
}


@dataclass(frozen=True, slots=True)
class Look:
    """What the seed varies.

    Attributes:
        turn_deg: Turn of the product about its own axis.
        tilt_deg: Upward tilt of the camera.
        roll_deg: Turn of the image.
        light_deg: Direction of the light; negative is left.
        light_rise: How much higher the light is than the viewer; more means shorter shadows.
        size: Factor on the product's size in the image.
        slimness: Factor on the product's height, against its width.
        shift_x: To the right, as a share of the width.
        shift_y: Downward, as a share of the height.
        lightness: Share of white (or, negative, of black) in its color.
        mirrored: Whether left and right are swapped.
        pattern: The pattern on the product.
        backdrop_deg: Angle about the middle at which the backdrop is brightest.
    """

    turn_deg: float
    tilt_deg: float
    roll_deg: float
    light_deg: float
    light_rise: float
    size: float
    slimness: float
    shift_x: float
    shift_y: float
    lightness: float
    mirrored: bool
    pattern: str
    backdrop_deg: float


@dataclass(frozen=True, slots=True)
class Scene:
    """The content of a drawing.

    Attributes:
        width_px: 16 to 4096.
        height_px: 16 to 4096.
        shape: A name of `shapes.SHAPES`.
        subject: What it is a drawing of, in the prompt's words; may be empty.
        caption: In small type at the lower left; may be empty.
        color: Color of the product.
        accent: Color of what is on the product.
        background: None is transparent.
        view: The camera angle.
        close_up: Whether the product extends beyond the image.
        look: What the seed varies.
        left_out: Which of ``shadow``, ``caption``, ``badge``, and ``pattern`` are not drawn.
        coarse: Whether curves have fewer faces.
        blank: Whether there is only a background.
        low_contrast: Whether all colors are close to gray.
    """

    width_px: int
    height_px: int
    shape: str
    subject: str
    caption: str
    color: RGB
    accent: RGB
    background: RGB | None
    view: CameraView
    close_up: bool
    look: Look
    left_out: frozenset[str] = frozenset()
    coarse: bool = False
    blank: bool = False
    low_contrast: bool = False


def scene_of(recipe: Recipe) -> Scene:
    """Return the scene of a recipe.

    Raises:
        ProviderError: `FailureKind.REFUSED`, if the recipe contains something unknown, or asks to be rejected.
    """
    options = options_of(recipe)
    prompt, directives = _without_directives(recipe.prompt)
    if "refuse" in directives:
        raise refused("the prompt asks to be refused: [refuse]", "moderation_blocked")
    random = Random(recipe.seed)  # noqa: S311 - varies a drawing; not for security
    look, unlucky = _look(random), random.random() < 0.5
    background_words, rest = background_in(prompt)
    view, close_up, subject, named = view_in(rest), is_close_up(rest), caption_in(rest), colors_in(rest)
    color, *others = [color.rgb for color in named or colors_in(random.choice(UNNAMED_COLORS))]
    main = mixed(color, WHITE if look.lightness > 0 else BLACK, abs(look.lightness))
    color_said = named[0].name if named and named[0].name not in subject.lower() else ""
    said = [subject, color_said, "close-up" if close_up else "", view.name]
    shape = shape_in(subject, rest)
    readable = shape == CARD  # a card turns its face to the viewer, whatever the angle
    if readable:
        view, close_up = replace(view, yaw_deg=max(-READABLE_DEG, min(READABLE_DEG, view.yaw_deg))), False
    return Scene(
        width_px=options.width_px,
        height_px=options.height_px,
        shape=shape,
        subject=subject,
        caption=" · ".join(part for part in said if part),
        color=main,
        accent=others[0] if others else _accent_of(main),
        background=_background(background_words, options),
        view=view,
        close_up=close_up,
        look=replace(look, mirrored=False) if view.is_of_one_side or readable else look,
        left_out=_left_out(recipe.negative_prompt or ""),
        coarse=options.coarse,
        blank="blank" in directives or ("sometimes blank" in directives and unlucky),
        low_contrast="low contrast" in directives,
    )


def _without_directives(prompt: str) -> tuple[str, set[str]]:
    text = " ".join(prompt[:READ_CHARACTERS].replace("\n", ", ").split())
    return DIRECTIVES.sub(" ", text), {found.lower() for found in DIRECTIVES.findall(text)}


def _look(random: Random) -> Look:
    side = random.choice((-1, 1))
    return Look(
        turn_deg=random.uniform(-20, 20),
        tilt_deg=random.uniform(-5, 12),
        roll_deg=random.uniform(-5, 5),
        light_deg=side * random.uniform(15, 68),
        light_rise=random.uniform(0.30, 0.75),
        size=random.uniform(0.80, 1.16),
        slimness=random.uniform(0.86, 1.17),
        shift_x=random.uniform(-0.11, 0.11),
        shift_y=random.uniform(-0.09, 0.04),
        lightness=random.uniform(-0.07, 0.09),
        mirrored=random.random() < 0.5,
        pattern=random.choice(PATTERNS),
        backdrop_deg=random.uniform(0, 360),
    )


def _accent_of(color: RGB) -> RGB:
    return mixed(color, WHITE, 0.38) if luminance(color) < 150 else mixed(color, BLACK, 0.26)


def _background(words: str | None, options: Options) -> RGB | None:
    if options.background == "transparent" or ("transparent" in (words or "") and options.can_be_transparent):
        return None
    named = colors_in(words or "")
    return WHITE if not named or named[0].name == "white" else named[0].rgb


def _left_out(negative_prompt: str) -> frozenset[str]:
    text = negative_prompt[:READ_CHARACTERS].lower()
    return frozenset(what for what, words in LEFT_OUT.items() if re.search(rf"\b(?:{words})\b", text))
