"""The rows that are settled, as they were remembered."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from imagemake.plan.requests.names import folded
from imagemake.plan.settled.contents import (
    DIGEST_BYTES,
    PRINT_BYTES,
    WIDTHS,
    prints_in,
    raw_digests,
    row_digests,
)
from imagemake.plan.settled.journal_index import NotRememberedError
from imagemake.plan.settled.sections import numbers, short, short_hex

if TYPE_CHECKING:
    from imagemake.config.similarity import NearDuplicates
    from imagemake.plan.inventory import Inventory
    from imagemake.plan.state import State
    from imagemake.plan.target import Target
    from imagemake.stages.validate.prints import Prints
    from imagemake.store.store import ContentStore, Store

BLOCK = 1_000 * DIGEST_BYTES


class Settled:
    """The rows that stand as they were remembered.

    Args:
        head: What was remembered, as plain data.
        sections: What was remembered of each request.
        target: The whole campaign, as it is now.
        keys: Keys that something new is known about.
    """

    def __init__(
        self, head: Mapping[str, Any], sections: Mapping[str, bytes], target: Target, keys: Collection[str]
    ) -> None:
        self.head, self._target = head, target
        self._sections = sections
        self._of = numbers(sections["places"])
        self._open = {place for place, is_open in enumerate(sections["open"]) if is_open}
        self._open.update(_changed(sections["rows"], row_digests(target.rows)))
        self._open.update(self._places("keys", set(map(short_hex, keys))))

    @cached_property
    def n_requests(self) -> int:
        """Number of their requests."""
        return sum(place not in self._open for place in self._of)

    def all(self, section: str) -> frozenset[int]:
        """Return a number of each of their requests: ``names`` or ``digests``, shortened."""
        both = zip(self._numbers(section), self._of, strict=True)
        return frozenset(one for one, place in both if place not in self._open)

    def merged(self, name: str, section: bytes, places: Sequence[int]) -> bytes:
        """Return a section of other requests together with that of these, in the order of the catalog.

        Args:
            name: Of the section.
            section: Of the other requests.
            places: The places of their rows.
        """
        import numpy as np

        kept = np.array([place not in self._open for place in self._of], dtype=np.bool_)
        before, width = self._sections[name], WIDTHS[name]
        if len(before) != width * len(kept) or len(section) != width * len(places):  # some have no print
            return b""
        both = [np.frombuffer(before, f"V{width}")[kept], np.frombuffer(section, f"V{width}")]
        order = np.argsort([*np.frombuffer(self._sections["places"], np.uint64)[kept], *places], kind="stable")
        return np.concatenate(both)[order].tobytes()

    def open_rows(self) -> list[int]:
        """Return the places of all other rows."""
        return sorted(place for place in self._open if place < len(self._target.rows))

    def has_files(self, store: Store) -> bool:
        """Return whether all their files are in the store, and none is there twice."""
        sides = ((store.raw, "keys", "raw"), (store.finished, "finished_keys", "finished"))
        return all(self._has_files_in(*side) for side in sides)

    def _has_files_in(self, store: ContentStore, keys: str, names: str) -> bool:
        known, times = self.head["folders"], store.folder_times()
        changed = {name for name, mtime_ns in times.items() if known.get(f"{store.folder.name}/{name}") != mtime_ns}
        changed |= {f"{first:02x}" for first in range(256)} - times.keys()
        if not changed:
            return True
        wanted: dict[str, dict[int, int]] = {name: {} for name in changed}
        for place, key, name in zip(self._of, self._numbers(keys), self._numbers(names), strict=True):
            own = wanted.get(f"{key >> 56:02x}")
            if own is not None and place not in self._open:
                own[key] = name
        for folder, own in wanted.items():
            found = [(short_hex(one.key), short(one.file_name)) for one in store.in_folder(folder)]
            of_own = [(key, name) for key, name in found if key in own]
            if len(of_own) != len(own) or any(own[key] != name for key, name in of_own):
                return False
        return True

    def check(self, states: list[State], inventory: Inventory) -> None:
        """Check that states do not depend on settled ones.

        Raises:
            NotRememberedError: If they may.
        """
        digests = raw_digests(states)
        keys = {state.key for state in states} | {past.key for state in states for past in state.past}
        names = {short(folded(state.request.name)) for state in states}
        pairs = (("names", names), ("keys", set(map(short_hex, keys))), ("digests", set(map(short_hex, digests))))
        if any(place not in self._open for section, wanted in pairs for place in self._places(section, wanted)):
            raise NotRememberedError
        if any(state.request.parents for state in states):
            raise NotRememberedError
        duplicates = self._target.campaign.validation.near_duplicates
        if duplicates:
            new = [inventory.measures[digest] for digest in digests if digest in inventory.measures]
            self._check_alike(prints_in(new, self._target.campaign), duplicates)

    def _check_alike(self, new: Prints, duplicates: NearDuplicates) -> None:
        import numpy as np

        from imagemake.stages.validate.prints import Alike, Prints

        content = np.frombuffer(self._sections["prints"], dtype=np.uint8).reshape(-1, PRINT_BYTES)
        is_settled = np.array([place not in self._open for place in self._of], dtype=np.bool_)
        if len(content) != len(is_settled):  # some have none
            raise NotRememberedError
        known = content[is_settled]
        prints = Prints(known[:, :8].copy().view(">u8").ravel().astype(np.uint64), known[:, 8:])
        if any(len(rows) for rows, _ in Alike.by(duplicates).pairs(new, prints)):
            raise NotRememberedError

    def _numbers(self, section: str) -> array[int]:
        return numbers(self._sections[section])

    def _places(self, section: str, wanted: set[int]) -> Iterator[int]:
        if wanted:
            found = self._numbers(section)
            yield from (place for one, place in zip(found, self._of, strict=True) if one in wanted)


def _changed(before: bytes, now: bytes) -> Iterator[int]:
    """Yield the places of the rows whose digests differ, or that only one side has."""
    for start in range(0, max(len(before), len(now)), BLOCK):
        one, other = before[start : start + BLOCK], now[start : start + BLOCK]
        if one != other:
            for place in range(0, max(len(one), len(other)), DIGEST_BYTES):
                if one[place : place + DIGEST_BYTES] != other[place : place + DIGEST_BYTES]:
                    yield (start + place) // DIGEST_BYTES
