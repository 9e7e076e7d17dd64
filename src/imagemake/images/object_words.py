"""Finds objects of the 80 detectable kinds in a text, and the number of each. Unclear cases are left out.

A word before another noun (*cup holder*, *orange chair*) or with two meanings (*mouse*, *glass*) is ignored. An object
that has a number twice has no clear number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from imagemake.images.networks.object_finder import LABELS

# Synonyms of a kind, without words that often mean something else (table, model, mouse, glass, screen).
SYNONYMS: Mapping[str, str] = {
    "airplane": "aeroplane, plane",
    "bicycle": "bike",
    "cat": "kitten",
    "cell phone": "cellphone, smartphone, phone, mobile phone",
    "couch": "sofa, settee",
    "cow": "bull, calf",
    "cup": "mug, teacup, tea cup, coffee cup, coffee mug, espresso cup",
    "dog": "puppy",
    "donut": "doughnut",
    "hair drier": "hair dryer, hairdryer",
    "handbag": "purse",
    "horse": "pony, foal",
    "laptop": "notebook computer, laptop computer",
    "motorcycle": "motorbike",
    "mouse": "computer mouse",
    "person": "woman, man, girl, boy, child, lady",
    "potted plant": "houseplant, pot plant",
    "refrigerator": "fridge",
    "remote": "remote control",
    "sheep": "lamb",
    "sports ball": "ball, football, soccer ball, tennis ball",
    "teddy bear": "teddy",
    "tennis racket": "tennis racquet",
    "tie": "necktie",
    "traffic light": "traffic signal",
    "tv": "television, tv set",
    "wine glass": "wineglass",
}
UNCLEAR = frozenset({"mouse", "remote"})  # COCO's names that often mean something else
IRREGULAR = {
    "bus": "buses",
    "calf": "calves",
    "child": "children",
    "knife": "knives",
    "man": "men",
    "mouse": "mice",
    "person": "people",
    "scissors": "scissors",
    "sheep": "sheep",
    "skis": "skis",
    "woman": "women",
}
PAIRS = frozenset({"scissors", "skis"})  # a pair of these is one object
COLORS = frozenset({"orange"})  # a color, unless it has an article or a number

ONES = "a an one another single"
NONE = "no without zero"
TWO_AND_MORE = "two three four five six seven eight nine ten eleven twelve"
NUMBERS: Mapping[str, int] = {
    **dict.fromkeys(ONES.split(), 1),
    **dict.fromkeys(NONE.split(), 0),
    **{word: number for number, word in enumerate(TWO_AND_MORE.split(), 2)},
}
GROUPS = {"pair": 2, "pairs": 2, "couple": 2, "dozen": 12}
MOST_THINGS = 100  # a larger number is a size or a year, not a count
MOST_ADJECTIVES = 3  # between a number and its object: two small black cats
# Words that can follow an object; any other word makes it part of another name.
WORDS_AFTER = """
a about above across after against along alone amid among an and are around as at before behind below beneath beside
between both but by during each every for from has have her here his in inside into is it its made near next no of off
on one only onto or out outside over per plus seen shot so such than that the their then there this through to together
toward towards under underneath until up upon was were where which while who whose with within without
drinks eats holds lies looks plays rests runs sits sleeps stands walks wears
"""
VAGUE_WORDS = "all any few many more most multiple several some these those various"
AFTER, VAGUE = frozenset(WORDS_AFTER.split()), frozenset(VAGUE_WORDS.split())


@dataclass(frozen=True, slots=True)
class Asked:
    """A kind of object that a text asks for.

    Attributes:
        label: COCO's name of the kind.
        number: How many; None if unclear, 0 if the text excludes it.
    """

    label: str
    number: int | None


@lru_cache(maxsize=10_000)
def things_in(text: str) -> tuple[Asked, ...]:
    """Find the objects that a text names, in order of first mention."""
    found: dict[str, list[int | None]] = {}
    for label, number in _mentions(_words(text)):
        found.setdefault(label, []).append(number)
    return tuple(Asked(label, _sure(numbers)) for label, numbers in found.items())


def plural(name: str) -> str:
    """Return the plural of a noun of one or more words."""
    first, blank, last = name.rpartition(" ")
    if last in IRREGULAR:
        return first + blank + IRREGULAR[last]
    if re.search(r"(s|x|z|ch|sh)$", last):
        return f"{name}es"
    return f"{name[:-1]}ies" if re.search(r"[^aeiou]y$", last) else f"{name}s"


def counted(number: int, label: str) -> str:
    """Return a number of objects in words: ``no cups``, ``1 cup``, ``3 cups``."""
    return f"{number or 'no'} {label if number == 1 else plural(label)}"


@cache
def _names() -> Mapping[tuple[str, ...], tuple[str, bool]]:
    """Return the label, and whether the name is a plural, by the words of each name."""
    found = {}
    for label in LABELS:
        others = SYNONYMS[label].split(", ") if label in SYNONYMS else []
        for name in others if label in UNCLEAR else [label, *others]:
            found[tuple(plural(name).split())] = label, True
            found[tuple(name.split())] = label, label in PAIRS
    return found


def _words(text: str) -> list[str]:
    """Return words, numbers, and marks. A possessive or a number with letters is one word without meaning."""
    return re.findall(r"\d+(?:[.,]\d+)*\w*|[^\W\d_]+'s\b|[^\W\d_]+|[^\w\s]", text.lower().replace("\u2019", "'"))


def _mentions(words: Sequence[str]) -> Iterator[tuple[str, int | None]]:
    at, start, none_wanted = 0, 0, False  # an object's number comes after the start: the end of the object before it
    while at < len(words):
        size, label, is_plural = _name_at(words, at)
        end = at + max(size, 1)
        if size and _stands_alone(words, at, end, is_plural=is_plural):
            number = _number_before(words, start, at, label)
            if none_wanted and words[start:at] in (["or"], ["nor"]):
                number = 0
            yield label, number
            start, none_wanted = end, number == 0
        at = end


def _name_at(words: Sequence[str], at: int) -> tuple[int, str, bool]:
    """Return the length of the longest object name here, its label, and whether it is a plural; 0 if there is none."""
    for size in (2, 1):
        known = _names().get(tuple(words[at : at + size]))
        if known is not None and at + size <= len(words):
            return size, *known
    return 0, "", False


def _stands_alone(words: Sequence[str], at: int, end: int, *, is_plural: bool) -> bool:
    """Return whether a name means an object, and is not part of another name or a color."""
    if is_plural:
        return True
    if words[at] in COLORS and (at == 0 or words[at - 1] not in NUMBERS):
        return False
    after = words[end] if end < len(words) else ""
    if not after or not after[0].isalpha() or after in AFTER:
        return True
    return after.endswith(("ing", "ed")) and not _name_at(words, end)[0]


def _number_before(words: Sequence[str], start: int, at: int, label: str) -> int | None:
    """Return the number of an object, looking back over its adjectives; None if there is none."""
    for place in range(at - 1, max(start, at - 1 - MOST_ADJECTIVES) - 1, -1):
        word = words[place]
        if word == "of" and place > start and words[place - 1] in GROUPS:
            return _group(words, start, place - 1, label)
        if word in GROUPS:
            return _group(words, start, place, label)
        number = _value(word)
        if (number == 1 or word == "any") and place > start and words[place - 1] == "without":
            return 0
        if number is not None or not word.isalpha() or word in AFTER or word in VAGUE:
            return number
    return None


def _group(words: Sequence[str], start: int, at: int, label: str) -> int | None:
    """Return the number that ``two pairs of``, ``a couple of``, or ``a dozen`` means."""
    times = _value(words[at - 1]) if at > start else 1
    each = 1 if label in PAIRS and words[at] in ("pair", "pairs") else GROUPS[words[at]]
    return None if times is None else times * each


def _value(word: str) -> int | None:
    if word in NUMBERS:
        return NUMBERS[word]
    return int(word) if word.isascii() and word.isdecimal() and int(word[:4]) <= MOST_THINGS else None


def _sure(numbers: Sequence[int | None]) -> int | None:
    """Return the number if there is exactly one. Two may mean their sum, or the same objects twice."""
    given = [number for number in numbers if number is not None]
    return given[0] if len(given) == 1 else None
