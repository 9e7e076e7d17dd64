"""The review queue: every request, its state, and the decisions made since the queue was built."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from imagemake.config.similarity import NearDuplicates
from imagemake.plan.reviews import Review
from imagemake.plan.state import Policy, State
from imagemake.review.filters import Filter
from imagemake.review.item import ReviewItem
from imagemake.review.similar import Fingerprints
from imagemake.review.tabs import ALL, DECIDED, TABS

MAX_VALUES = 60  # a column with more values gets no filter


@dataclass(frozen=True)
class Queue:
    """All requests at one moment.

    Attributes:
        items: The requests, in the catalog's order.
        policy: Policy that their states follow from.
        reviews: Decisions that their states follow from.
        index_of: Position of the item whose current or earlier attempt has a key.
        columns: Columns to filter by, with their values.
        fingerprints: What the images of the items are compared by.
    """

    items: Sequence[ReviewItem]
    policy: Policy
    reviews: Mapping[str, Review]
    index_of: Mapping[str, int]
    columns: Mapping[str, Sequence[str]]
    fingerprints: Fingerprints

    @classmethod
    def of(cls, states: Sequence[State], policy: Policy, reviews: Mapping[str, Review]) -> Queue:
        """Build a queue from the states of requests."""
        items = [ReviewItem(index, state) for index, state in enumerate(states)]
        index_of: dict[str, int] = {}
        for item in items:
            for key in (item.key, *(past.key for past in item.past)):
                index_of.setdefault(key, item.index)
        return cls(items, policy, dict(reviews), index_of, _columns(states), Fingerprints(states))

    def find(self, key: str) -> ReviewItem | None:
        """Find the item with a key, of its current attempt or an earlier one."""
        index = self.index_of.get(key)
        return None if index is None else self.items[index]

    def decided(self, reviews: Mapping[str, Review]) -> dict[int, tuple[str, Review]]:
        """Return the decisions made since the queue was built: key and decision by the item's position."""
        return {
            self.index_of[key]: (key, review)
            for key, review in reviews.items()
            if key in self.index_of and self.reviews.get(key) != review
        }

    def is_outdated_by(self, reviews: Mapping[str, Review]) -> bool:
        """Return whether a decision that the states follow from has changed, so the queue must be rebuilt."""
        return any(reviews.get(key) != review for key, review in self.reviews.items())

    def family(self, item: ReviewItem) -> list[tuple[str, ReviewItem]]:
        """Return an image's parents, its children, and the other children of its parents, each with what it is."""
        index_of, names = self._index_of_name, item.state.request.parents
        parents = [("What it is made from", self.items[index_of[name]]) for name in names]
        made = [("What is made from it", self.items[index]) for index in self._made_from.get(item.name, ())]
        others = sorted({index for name in names for index in self._made_from[name]} - {item.index})
        return [*parents, *made, *(("Made from the same image", self.items[index]) for index in others)]

    @cached_property
    def _index_of_name(self) -> Mapping[str, int]:
        return {item.name: item.index for item in self.items}

    @cached_property
    def _made_from(self) -> Mapping[str, Sequence[int]]:
        found: dict[str, list[int]] = {}
        for item in self.items:
            for name in item.state.request.parents:
                found.setdefault(name, []).append(item.index)
        return found

    def similar(self, item: ReviewItem) -> list[ReviewItem]:
        """Find near-duplicates of an item's image, nearest first."""
        limits = self.policy.duplicates or NearDuplicates()
        return [self.items[index] for index in self.fingerprints.near(item.index, limits)]


def _columns(states: Sequence[State]) -> dict[str, list[str]]:
    found: dict[str, Counter[str]] = {}
    for state in states:
        for column, value in state.request.variables.items():
            values = found.setdefault(column, Counter())
            if len(values) <= MAX_VALUES:
                values[value] += 1
    return {column: sorted(values) for column, values in found.items() if 1 < len(values) <= MAX_VALUES}


@dataclass(frozen=True)
class QueueView:
    """A queue together with the current decisions.

    Attributes:
        queue: The queue.
        reviews: The current decisions.
    """

    queue: Queue
    reviews: Mapping[str, Review]

    @cached_property
    def decided(self) -> Mapping[int, tuple[str, Review]]:
        """Decisions made since the queue was built, by the item's position."""
        return self.queue.decided(self.reviews)

    def tab_of(self, item: ReviewItem) -> str:
        """Return the tab that lists an item."""
        return DECIDED if item.index in self.decided else item.tab

    def matching(self, filters: Filter) -> list[ReviewItem]:
        """Return the items that a filter selects, in its order."""
        found = [item for item in self.queue.items if filters.matches(item, self.tab_of(item))]
        return sorted(found, key=filters.place) if filters.order else found

    def counts(self) -> dict[str, int]:
        """Count the items per tab."""
        found = Counter(self.tab_of(item) for item in self.queue.items)
        return {tab: len(self.queue.items) if tab == ALL else found[tab] for tab in TABS}

    def reasons(self, tab: str) -> list[tuple[str, int]]:
        """Count the reason codes in a tab, most frequent first."""
        everything = self.matching(Filter(tab))
        found = Counter(code for item in everything for code in item.codes)
        return sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))

    def neighbors(self, item: ReviewItem, filters: Filter) -> tuple[ReviewItem | None, ReviewItem | None, int]:
        """Return the matching items before and after an item, and the number of other matching items.

        After the last item, the first one is next.
        """
        others = [other for other in self.matching(filters) if other is not item]
        after = [other for other in others if filters.place(other) > filters.place(item)]
        before = [other for other in others if filters.place(other) < filters.place(item)]
        onward = after or before
        return before[-1] if before else None, onward[0] if onward else None, len(others)
