"""The rows that are settled, as they were remembered."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

from imagemake.plan.requests.names import folded
from imagemake.plan.settled.contents import MOST_OPEN, prints_in, raw_digests, table
from imagemake.plan.settled.journal_index import NotRememberedError
from imagemake.plan.settled.moved import moved
from imagemake.plan.settled.sections import Section, short, short_hex

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imagemake.config.campaign import Campaign
    from imagemake.config.similarity import NearDuplicates
    from imagemake.plan.inventory import Inventory
    from imagemake.plan.requests.catalog_row import Records
    from imagemake.plan.state import State
    from imagemake.stages.validate.prints import Prints
    from imagemake.store.store import ContentStore, Store

TABLES = ("requests", "raw", "finished", "groups", "about")


class Settled:
    """The rows that stand as they were remembered, wherever they are in the catalog now.

    Args:
        head: What was remembered, as plain data.
        sections: What was remembered of each row and request.
        records: Those of the catalog as it is now.
        keys: Keys that something new is known about, shortened.

    Attributes:
        open_places: The places of all other rows, in order.
        requests: What is remembered of their requests, in the order of the catalog.
        raw: The same of their images.
        finished: The same of their finished images.
        groups: What puts them together with others.
        about: What calls to models about them are about.
    """

    def __init__(
        self, head: Mapping[str, Any], sections: Mapping[str, Section], records: Records, keys: Collection[int]
    ) -> None:
        import numpy as np

        self.head, self._records = head, records
        self._before = table("rows", sections["rows"])
        self._found = {name: table(name, sections[name]) for name in TABLES}
        self._places = moved(self._before["digest"], np.frombuffer(records.digests, "V16"))
        raw = self._found["raw"]
        self._places[raw["place"][np.isin(raw["key"], np.array([*keys], np.uint64))]] = -1
        self._with_files = self._kept(raw), self._kept(self._found["finished"])
        self._places[self._before["is_open"]] = -1
        self._places[[*head["for_rules"], *head["spare"]]] = -1
        self._open()

    def _open(self) -> None:
        import numpy as np

        is_open = np.ones(self.n_rows, np.bool_)
        is_open[self._places[self._places >= 0]] = False
        self.open_places = np.flatnonzero(is_open).tolist()
        kept = (self._kept(self._found[name]) for name in TABLES)
        self.requests, self.raw, self.finished, self.groups, self.about = kept

    def open_groups(self, new: Collection[int]) -> None:
        """Open the groups of all rows that are open, or are gone, and the groups of the rows that this opens.

        Args:
            new: The groups of the open rows, as these are now.
        """
        import numpy as np

        places, groups = self._found["groups"]["place"], self._found["groups"]["group"]
        starts = (self._places[places] < 0) & ~np.isin(places, self.head["spare"])
        wanted = np.concatenate([np.array([*new], np.uint64), groups[starts]])
        opens = False
        while (found := np.isin(groups, wanted) & (self._places[places] >= 0)).any():
            self._places[places[found]], opens = -1, True
            wanted = groups[np.isin(places, places[found])]
        if opens:
            self._open()

    def open_alike(self, left: Prints, duplicates: NearDuplicates) -> None:
        """Open the rows whose images look like another of them, or like others.

        Args:
            left: What these others are compared by.
            duplicates: What counts as alike.

        Raises:
            NotRememberedError: If too many rows are open then.
        """
        import numpy as np

        from imagemake.stages.validate.prints import Alike

        alike, prints = Alike.by(duplicates), self._prints
        of_row = self.requests["place"][self.requests["has_print"]]
        is_alike = np.zeros(len(prints), np.bool_)
        for one, other in chain(alike.pairs(prints, None), ((found, found) for _, found in alike.pairs(left, prints))):
            is_alike[one] = is_alike[other] = True
            if is_alike.sum() > MOST_OPEN * self.n_rows:
                raise NotRememberedError
        self._places[np.isin(self._places, of_row[is_alike])] = -1
        self._open()

    def _kept(self, section: NDArray[Any]) -> NDArray[Any]:
        """Return what is of rows that are settled, with their places, in the order of the catalog."""
        import numpy as np

        places = self._places[section["place"]]
        if np.array_equal(places, section["place"]):  # nothing is copied of what stays as it was
            return section
        kept = section[places >= 0]
        kept["place"] = places[places >= 0]
        return _in_order(kept)

    @property
    def n_rows(self) -> int:
        """Number of all rows of the catalog."""
        return len(self._records.numbers)

    @property
    def n_requests(self) -> int:
        """Number of the requests of settled rows."""
        return len(self.requests)

    @property
    def names(self) -> NDArray[np.uint64]:
        """The names of their requests, folded and shortened."""
        names: NDArray[np.uint64] = self.requests["name"]
        return names

    @cached_property
    def digests_before(self) -> frozenset[int]:
        """The digests of the images of remembered rows that are not settled anymore, shortened."""
        raw = self._found["raw"]
        return frozenset(raw["digest"][self._places[raw["place"]] < 0].tolist())

    @cached_property
    def renumbered(self) -> dict[int, int]:
        """The numbers of the settled rows that moved, by those that they had."""
        is_settled = self._places >= 0
        before, now = self._before["number"][is_settled], self.numbers[self._places[is_settled]]
        has_moved = before != now
        return dict(zip(before[has_moved].tolist(), now[has_moved].tolist(), strict=True))

    @cached_property
    def numbers(self) -> NDArray[np.uint64]:
        """The number of each row of the catalog."""
        import numpy as np

        return np.frombuffer(self._records.numbers, np.uint64)

    def merged(self, name: str, section: NDArray[Any]) -> NDArray[Any]:
        """Return a section of other requests together with that of these, in the order of the catalog."""
        import numpy as np

        settled: NDArray[Any] = getattr(self, name)
        if not len(section):
            return settled
        section = _in_order(section)
        return np.insert(settled, np.searchsorted(settled["place"], section["place"], side="right"), section)

    def has_files(self, store: Store) -> bool:
        """Return whether all their files are in the store, and none is there twice.

        So have those that are looked at although they were done, or their plan would need to know what was lost.
        """
        raw, finished = self._with_files
        return self._has_files_in(store.raw, raw) and self._has_files_in(store.finished, finished)

    def _has_files_in(self, store: ContentStore, section: NDArray[Any]) -> bool:
        import numpy as np

        known, times = self.head["folders"], store.folder_times()
        changed = {name for name, mtime_ns in times.items() if known.get(f"{store.folder.name}/{name}") != mtime_ns}
        changed |= {f"{first:02x}" for first in range(256)} - times.keys()
        if not changed:
            return True
        folders = np.array([int(name, 16) for name in changed], np.uint64)
        own = section[np.isin(section["key"] >> np.uint64(56), folders)]
        wanted: dict[int, int] = dict(zip(own["key"].tolist(), own["file"].tolist(), strict=True))
        n_wanted = sum(file != 0 for file in wanted.values())
        for name in changed:
            for one in store.in_folder(name):
                file = wanted.get(short_hex(one.key))
                if file is not None and file != short(one.file_name):
                    return False
                n_wanted -= file is not None
        return n_wanted == 0

    def check(self, states: Sequence[State], inventory: Inventory, campaign: Campaign) -> None:
        """Check that states do not depend on settled ones.

        Raises:
            NotRememberedError: If they may.
        """
        import numpy as np

        digests = raw_digests(states)
        keys = {state.key for state in states} | {past.key for state in states for past in state.past}
        names = {short(folded(state.request.name)) for state in states}
        pairs = (
            (self.names, names), (self.raw["key"], map(short_hex, keys)), (self.raw["digest"], map(short_hex, digests))
        )  # fmt: skip
        if any(np.isin(known, np.array([*wanted], np.uint64)).any() for known, wanted in pairs):  # fast for a few
            raise NotRememberedError
        duplicates = campaign.validation.near_duplicates
        if duplicates:
            self._check_alike(prints_in(map(inventory.measured, digests), campaign), duplicates)

    def _check_alike(self, new: Prints, duplicates: NearDuplicates) -> None:
        from imagemake.stages.validate.prints import Alike

        if any(len(rows) for rows, _ in Alike.by(duplicates).pairs(new, self._prints)):
            raise NotRememberedError

    @property
    def _prints(self) -> Prints:
        """What the images are compared by that `requests` has something to compare of."""
        import numpy as np

        from imagemake.stages.validate.prints import Prints

        known = self.requests["print"][self.requests["has_print"]]
        content = np.frombuffer(known.tobytes(), dtype=np.uint8).reshape(len(known), -1)
        return Prints(content[:, :8].copy().view(">u8").ravel().astype(np.uint64), content[:, 8:])


def _in_order(section: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    places = section["place"]
    if (places[:-1] <= places[1:]).all():
        return section
    ordered: NDArray[Any] = section[np.argsort(places, kind="stable")]
    return ordered
