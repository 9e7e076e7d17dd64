"""What people look at: where every request stands, divided by what is to be done about it, filtered and searched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import urlencode

from imagemake.planning.reviews import Review
from imagemake.planning.settle import NearDuplicates, Past, Policy, Stage, State
from imagemake.planning.verdict import flat
from imagemake.store import Held

DECIDED = "decided"
ALL = "all"
TABS: Mapping[str, str] = {
    "review": "To review",
    "rejected": "Rejected",
    "refused": "Refused",
    "accepted": "Accepted",
    "pending": "Not made",
    DECIDED: "Decided",
    ALL: "All",
}
TAB_OF: Mapping[Stage, str] = {
    Stage.REVIEW: "review",
    Stage.REJECTED: "rejected",
    Stage.REFUSED: "refused",
    Stage.HELD: "refused",
    Stage.DONE: "accepted",
    Stage.FINISH: "accepted",
    Stage.GENERATE: "pending",
    Stage.VALIDATE: "pending",
}
MOST_VALUES = 60  # a column with more values than that is no filter


@dataclass(frozen=True, slots=True)
class Measure:
    """A quantity that a check looks at.

    Attributes:
        quantity: Such as ``tone.contrast``.
        value: As it was read.
        limits: In words; empty where no check looks at it.
        verdict: ``accepted``, ``review`` or ``rejected``.
    """

    quantity: str
    value: str
    limits: str
    verdict: str


@dataclass(frozen=True, eq=False)
class Item:
    """One request, and where it stood when the queue was made.

    Attributes:
        index: Its place in the queue.
        state: Where it stands.
    """

    index: int
    state: State

    @property
    def name(self) -> str:
        """The request's name."""
        return self.state.request.name

    @property
    def key(self) -> str:
        """The current attempt's key."""
        return self.state.key

    @property
    def tab(self) -> str:
        """Where it is listed as long as nobody decides."""
        return TAB_OF[self.state.stage]

    @property
    def past(self) -> Sequence[Past]:
        """Earlier attempts."""
        return self.state.past

    @cached_property
    def shown(self) -> Held | None:
        """The picture to show: the current one, else that of the last attempt which has one."""
        pictures = (self.state.raw, *(past.raw for past in reversed(self.past)))
        return next((raw for raw in pictures if raw is not None), None)

    @cached_property
    def codes(self) -> frozenset[str]:
        """Reason codes of the current attempt."""
        return frozenset(reason.code for reason in self.state.reasons)

    @cached_property
    def text(self) -> str:
        """What a search looks at."""
        reasons = (str(reason) for reason in self.state.reasons)
        return "\n".join((self.name, self.state.recipe.prompt, self.state.why, *reasons)).casefold()

    @cached_property
    def size_px(self) -> tuple[int, int] | None:
        """Width and height of the current picture; None where nobody read them."""
        values = flat(self.state.measured)
        width, height = values.get("file.width_px"), values.get("file.height_px")
        return (width, height) if isinstance(width, int) and isinstance(height, int) else None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which items are wanted.

    Attributes:
        tab: One of `TABS`.
        reason: A reason code; empty for any.
        value: ``column=value``; empty for any.
        text: Words that must all occur; empty for any.
    """

    tab: str = "review"
    reason: str = ""
    value: str = ""
    text: str = ""

    @classmethod
    def read(cls, fields: Mapping[str, str]) -> Filter:
        """Read what `query` wrote; a tab that is not known is the first one."""
        tab = fields.get("tab", "review")
        return cls(
            tab if tab in TABS else "review",
            fields.get("reason", "")[:200],
            fields.get("value", "")[:500],
            fields.get("q", "")[:500],
        )

    def fields(self) -> dict[str, str]:
        """Return it as form fields; what is not set is left out."""
        given = {"tab": self.tab, "reason": self.reason, "value": self.value, "q": self.text}
        return {name: value for name, value in given.items() if value}

    def query(self, **more: object) -> str:
        """Return it as the query of an address, with other fields."""
        return urlencode({**self.fields(), **{name: value for name, value in more.items() if value}})

    def takes(self, item: Item, tab: str) -> bool:
        """Say whether an item that is listed under `tab` is wanted."""
        if self.tab not in (tab, ALL) or (self.reason and self.reason not in item.codes):
            return False
        if self.value:
            column, _, value = self.value.partition("=")
            if item.state.request.variables.get(column) != value:
                return False
        return all(word in item.text for word in self.text.casefold().split())


@dataclass(frozen=True, slots=True)
class Queue:
    """All requests at one moment.

    Attributes:
        items: In the catalog's order.
        policy: What decided where they stand.
        reviews: The decisions that they stand by.
        index_of: Place of the item that has a key, as its current attempt or an earlier one.
        columns: Columns that are worth a filter, with the values that occur.
    """

    items: Sequence[Item]
    policy: Policy
    reviews: Mapping[str, Review]
    index_of: Mapping[str, int]
    columns: Mapping[str, Sequence[str]]
    _fingerprints: list[object] = field(default_factory=list)

    @classmethod
    def of(cls, states: Sequence[State], policy: Policy, reviews: Mapping[str, Review]) -> Queue:
        """Make a queue of where requests stand."""
        items = [Item(index, state) for index, state in enumerate(states)]
        index_of: dict[str, int] = {}
        for item in items:
            for key in (item.key, *(past.key for past in item.past)):
                index_of.setdefault(key, item.index)
        return cls(items, policy, dict(reviews), index_of, _columns(states))

    def find(self, key: str) -> Item | None:
        """Find the item that has a key."""
        index = self.index_of.get(key)
        return None if index is None else self.items[index]

    def decided(self, reviews: Mapping[str, Review]) -> dict[int, tuple[str, Review]]:
        """Return what was decided since the queue was made: key and decision by the item's place."""
        return {
            self.index_of[key]: (key, review)
            for key, review in reviews.items()
            if key in self.index_of and self.reviews.get(key) != review
        }

    def is_undone_by(self, reviews: Mapping[str, Review]) -> bool:
        """Say whether a decision that items stand by holds no longer: then the queue must be made again."""
        return any(reviews.get(key) != review for key, review in self.reviews.items())

    def similar(self, item: Item) -> list[Item]:
        """Find the pictures that are nearly the same as an item's, nearest first."""
        limits = self.policy.duplicates or NearDuplicates()
        if not self._fingerprints:
            self._fingerprints.append(_Fingerprints(self.items))
        fingerprints = self._fingerprints[0]
        assert isinstance(fingerprints, _Fingerprints)
        return [self.items[index] for index in fingerprints.near(item, limits)]


class _Fingerprints:
    """Perceptual hashes and colors of all current pictures, side by side."""

    def __init__(self, items: Sequence[Item]) -> None:
        import numpy as np

        found = [(item.index, *_phash(item.state)) for item in items if _phash(item.state)]
        self._places = {index: place for place, (index, _, _) in enumerate(found)}
        self._indices = [index for index, _, _ in found]
        self._hashes = np.array([int(digits, 16) for _, digits, _ in found], dtype=np.uint64)
        colors = [list(bytes.fromhex(colors)) for _, _, colors in found]
        self._colors = np.array(colors, dtype=np.int16).reshape(len(found), -1)

    def near(self, item: Item, limits: NearDuplicates) -> Iterator[int]:
        import numpy as np

        place = self._places.get(item.index)
        if place is None:
            return
        bits = np.bitwise_count(self._hashes ^ self._hashes[place])
        levels = np.abs(self._colors - self._colors[place]).max(axis=1, initial=0)
        alike = np.flatnonzero((bits <= limits.max_distance_bits) & (levels <= limits.max_color_levels))
        for other in alike[np.argsort(bits[alike], kind="stable")]:
            if other != place:
                yield self._indices[other]


def _phash(state: State) -> tuple[str, str] | tuple[()]:
    for identity, values in state.measured.items():
        if identity.startswith("phash@"):
            return str(values["hash"]), str(values["colors"])
    return ()


def _columns(states: Sequence[State]) -> dict[str, list[str]]:
    found: dict[str, Counter[str]] = {}
    for state in states:
        for column, value in state.request.variables.items():
            values = found.setdefault(column, Counter())
            if len(values) <= MOST_VALUES:
                values[value] += 1
    return {column: sorted(values) for column, values in found.items() if 1 < len(values) <= MOST_VALUES}


@dataclass(frozen=True)
class View:
    """A queue, together with what was decided since it was made.

    Attributes:
        queue: The queue.
        reviews: The decisions that hold now.
    """

    queue: Queue
    reviews: Mapping[str, Review]

    @cached_property
    def decided(self) -> Mapping[int, tuple[str, Review]]:
        """What was decided since, by the item's place."""
        return self.queue.decided(self.reviews)

    def tab_of(self, item: Item) -> str:
        """Say where an item is listed."""
        return DECIDED if item.index in self.decided else item.tab

    def matching(self, wanted: Filter) -> list[Item]:
        """Return the items that a filter takes, in the catalog's order."""
        return [item for item in self.queue.items if wanted.takes(item, self.tab_of(item))]

    def counts(self) -> dict[str, int]:
        """Count the items of each tab."""
        found = Counter(self.tab_of(item) for item in self.queue.items)
        return {tab: len(self.queue.items) if tab == ALL else found[tab] for tab in TABS}

    def reasons(self, tab: str) -> list[tuple[str, int]]:
        """Count the reasons in a tab, most frequent first."""
        everything = self.matching(Filter(tab))
        found = Counter(code for item in everything for code in item.codes)
        return sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))

    def around(self, item: Item, wanted: Filter) -> tuple[Item | None, Item | None, int]:
        """Return the matching items before and after one, going round at the end, and how many match."""
        others = [other for other in self.matching(wanted) if other is not item]
        after = [other for other in others if other.index > item.index]
        before = [other for other in others if other.index < item.index]
        following = (after or before or [None])[0]
        preceding = before[-1] if before else None
        return preceding, following, len(others)


def measures_of(item: Item, policy: Policy) -> list[Measure]:
    """Return what was read from an item's picture, what is checked first."""
    values = flat(item.state.measured)
    found = []
    for quantity, check in policy.checks.items():
        if quantity in values:
            broken = {
                "rejected": check.reject and check.reject.broken_by(values[quantity]),
                "review": check.review and check.review.broken_by(values[quantity]),
            }
            verdict = next((verdict for verdict, limit in broken.items() if limit), "accepted")
            limits = [
                f"{word} {_range(limit.min, limit.max)}"
                for word, limit in (("good", check.review), ("rejected outside", check.reject))
                if limit
            ]
            found.append(Measure(quantity, _number(values[quantity]), "; ".join(limits), verdict))
    rest = sorted(quantity for quantity in values if quantity not in policy.checks and not quantity.startswith("phash."))
    return found + [Measure(quantity, _number(values[quantity]), "", "") for quantity in rest]


def _range(least: float | None, most: float | None) -> str:
    if least is None:
        return f"up to {most:g}"
    return f"from {least:g}" if most is None else f"{least:g} to {most:g}"


def _number(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
