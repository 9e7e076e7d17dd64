"""What people look at: every request, where it stands, and what was decided about it since."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from imagemake.planning.reviews import Review
from imagemake.planning.state import NearDuplicates, Past, Policy, State
from imagemake.planning.verdict import UNDECODABLE, Reason, flat
from imagemake.review.alike import Fingerprints
from imagemake.review.filters import ALL, DECIDED, TAB_OF, TABS, Filter
from imagemake.store import Held

MOST_VALUES = 60  # a column with more values than that is no filter


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
    def raw(self) -> Held | None:
        """The current attempt's picture; None where there is none that can be seen."""
        return can_be_seen(self.state.raw, self.state.reasons)

    @cached_property
    def shown(self) -> Held | None:
        """The picture to show: the current one, else that of the last attempt which has one."""
        earlier = (can_be_seen(past.raw, past.reasons) for past in reversed(self.past))
        return next((raw for raw in (self.raw, *earlier) if raw is not None), None)

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


@dataclass(frozen=True)
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

    @cached_property
    def _fingerprints(self) -> Fingerprints:
        return Fingerprints([item.state for item in self.items])

    def similar(self, item: Item) -> list[Item]:
        """Find the pictures that are nearly the same as an item's, nearest first."""
        limits = self.policy.duplicates or NearDuplicates()
        return [self.items[index] for index in self._fingerprints.near(item.index, limits)]


def can_be_seen(raw: Held | None, reasons: Iterable[Reason]) -> Held | None:
    """Return a raw picture, or None where its file holds none."""
    return None if any(reason.code == UNDECODABLE for reason in reasons) else raw


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
        onward = after or before
        return before[-1] if before else None, onward[0] if onward else None, len(others)
