"""What people look at: every request, where it stands, and what was decided about it since."""

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

MOST_VALUES = 60  # a column with more values than that is no filter


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

    items: Sequence[ReviewItem]
    policy: Policy
    reviews: Mapping[str, Review]
    index_of: Mapping[str, int]
    columns: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, states: Sequence[State], policy: Policy, reviews: Mapping[str, Review]) -> Queue:
        """Make a queue of where requests stand."""
        items = [ReviewItem(index, state) for index, state in enumerate(states)]
        index_of: dict[str, int] = {}
        for item in items:
            for key in (item.key, *(past.key for past in item.past)):
                index_of.setdefault(key, item.index)
        return cls(items, policy, dict(reviews), index_of, _columns(states))

    def find(self, key: str) -> ReviewItem | None:
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

    def similar(self, item: ReviewItem) -> list[ReviewItem]:
        """Find the images that are nearly the same as an item's, nearest first."""
        limits = self.policy.duplicates or NearDuplicates()
        return [self.items[index] for index in self._fingerprints.near(item.index, limits)]


def _columns(states: Sequence[State]) -> dict[str, list[str]]:
    found: dict[str, Counter[str]] = {}
    for state in states:
        for column, value in state.request.variables.items():
            values = found.setdefault(column, Counter())
            if len(values) <= MOST_VALUES:
                values[value] += 1
    return {column: sorted(values) for column, values in found.items() if 1 < len(values) <= MOST_VALUES}


@dataclass(frozen=True)
class QueueView:
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

    def tab_of(self, item: ReviewItem) -> str:
        """Say where an item is listed."""
        return DECIDED if item.index in self.decided else item.tab

    def matching(self, wanted: Filter) -> list[ReviewItem]:
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

    def around(self, item: ReviewItem, wanted: Filter) -> tuple[ReviewItem | None, ReviewItem | None, int]:
        """Return the matching items before and after one, going round at the end, and how many match."""
        others = [other for other in self.matching(wanted) if other is not item]
        after = [other for other in others if other.index > item.index]
        before = [other for other in others if other.index < item.index]
        onward = after or before
        return before[-1] if before else None, onward[0] if onward else None, len(others)
