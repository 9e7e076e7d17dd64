"""The shapes by name, and the nouns that select them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from imagemake.plugins.providers.preview import bags, clocks, clothing, household, tableware
from imagemake.plugins.providers.preview.solids import Detail, Solid


@dataclass(frozen=True, slots=True)
class Shape:
    """Something that can be drawn.

    Attributes:
        build: Builds its solids.
        nouns: Singular words for it, lower-case; the last word of a compound is enough.
        lies_flat: Whether it lies on its back when seen from above, like a shirt and unlike a mug.
    """

    build: Callable[[Detail], list[Solid]]
    nouns: tuple[str, ...]
    lies_flat: bool = False


SHAPES = {
    "mug": Shape(tableware.mug, ("mug", "cup", "teacup", "tumbler", "stein")),
    "teapot": Shape(tableware.teapot, ("teapot", "kettle")),
    "bowl": Shape(tableware.bowl, ("bowl", "dish", "plate", "saucer", "basin")),
    "bottle": Shape(tableware.bottle, ("bottle", "flask", "thermos", "shampoo", "lotion", "perfume", "wine", "jar")),
    "vase": Shape(tableware.vase, ("vase", "urn", "pitcher", "jug", "carafe", "amphora")),
    "plant": Shape(tableware.plant, ("plant", "planter", "pot", "flowerpot", "succulent", "fern", "flower", "cactus")),
    "candle": Shape(tableware.candle, ("candle", "tealight")),
    "shirt": Shape(
        clothing.shirt,
        ("shirt", "tshirt", "tee", "sweater", "sweatshirt", "hoodie", "jacket", "blouse", "polo", "jersey", "coat"),
        lies_flat=True,
    ),
    "shoe": Shape(clothing.shoe, ("shoe", "sneaker", "trainer", "boot", "loafer", "slipper", "sandal", "footwear")),
    "hat": Shape(clothing.hat, ("hat", "fedora", "panama", "boater")),
    "cap": Shape(clothing.cap, ("cap", "beanie", "helmet")),
    "watch": Shape(clocks.watch, ("watch", "wristwatch", "smartwatch"), lies_flat=True),
    "clock": Shape(clocks.clock, ("clock", "timer"), lies_flat=True),
    "tote": Shape(bags.tote, ("tote", "bag", "handbag", "purse", "shopper", "satchel"), lies_flat=True),
    "backpack": Shape(bags.backpack, ("backpack", "rucksack", "daypack", "knapsack"), lies_flat=True),
    "chair": Shape(household.chair, ("chair", "stool", "armchair", "seat")),
    "lamp": Shape(household.lamp, ("lamp", "lampshade", "lantern")),
    "book": Shape(
        household.book, ("book", "notebook", "journal", "diary", "planner", "sketchbook", "album"), lies_flat=True
    ),
    "pillow": Shape(household.pillow, ("pillow", "cushion"), lies_flat=True),
    "box": Shape(household.carton, ("box", "carton", "package", "parcel", "crate")),
    "card": Shape(household.card, (), lies_flat=True),  # for what none of these nouns names
}
CARD = "card"
SHAPE_OF_NOUN = {noun: name for name, shape in SHAPES.items() for noun in shape.nouns}
