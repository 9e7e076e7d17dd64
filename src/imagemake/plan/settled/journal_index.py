"""An index of the journal: whether it has a key, and where the last recipe of a name is, without reading it again."""

from __future__ import annotations

import os
from array import array
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from imagemake.core.sealed import unseal
from imagemake.plan.call_times import CallTimes
from imagemake.plan.inventory import JournalFacts, KeyHistory
from imagemake.plan.learned_costs import LearnedCosts
from imagemake.plan.settled.sections import numbers, read_sections, short, short_hex, write_sections
from imagemake.store.journal import Call, Outcome, calls_of
from imagemake.store.journal_lines import SENT, DamagedLine, tell_damaged

VERSION = 3


class NotRememberedError(Exception):
    """A question that what is remembered cannot answer, so that everything must be read."""


class JournalIndex:
    """What is remembered of the journal.

    Args:
        folder: Folder of the journal.
        path: Where the index is kept.

    Attributes:
        is_usable: Whether each indexed file is there as it was, and all others come after them.
        new: The files that are not indexed yet, in order.
    """

    def __init__(self, folder: Path, path: Path) -> None:
        self._folder, self._path = folder, path
        found = read_sections(path)
        head, sections = found if found is not None and found[0].get("version") == VERSION else ({}, {})
        self._files: dict[str, int] = head.get("files", {})
        sizes = {str(file.relative_to(folder)): file.stat().st_size for file in sorted(folder.glob("*/*.jsonl"))}
        self.new = [name for name in sizes if name not in self._files]
        is_same = all(sizes.get(name) == size for name, size in self._files.items())
        self.is_usable = (
            found is not None and is_same and (not self.new or min(self.new) > max(self._files, default=""))
        )
        self._sizes = sizes
        if not self.is_usable:
            head, sections, self._files, self.new = {}, {}, {}, list(sizes)
        self._keys, self._files_of = numbers(sections.get("keys", b"")), numbers(sections.get("files_of", b""))
        self._names, self._places = numbers(sections.get("names", b"")), numbers(sections.get("places", b""))
        self._head = head

    def update(self) -> None:
        """Index the new files. A journal with damaged records has no index, so that each plan warns of them."""
        if self.is_usable and not self.new:
            return
        facts = self._known_facts()
        facts.keys = asked = _Keys(facts.keys, set(self._keys))
        numbered = {name: number for number, name in enumerate([*self._files, *self.new])}
        damaged: list[DamagedLine] = []
        asking: list[str] = self._head.get("asking", [])
        for name in self.new:
            keys, asks = set[int](), False
            for call in calls_of(self._folder / name, self._sizes[name], damaged):
                facts.add(call)
                asks |= "kind" in call.sent
                keys.add(short_hex(call.sent["key"]))
            asking = [*asking, name] if asks else asking
            self._keys.extend(sorted(keys))
            self._files_of.extend([numbered[name]] * len(keys))
            facts.last_recipe.clear()  # the places are enough
            asked.forget_simple()
            for request, offset in _first_attempts(self._folder / name, self._sizes[name]):
                self._names.append(short(request))  # the last place of a name counts
                self._places.append(numbered[name] << 40 | offset)
        if damaged:
            self._path.unlink(missing_ok=True)
            return
        head = {
            "version": VERSION,
            "files": {name: self._sizes[name] for name in numbered},
            "asking": asking,
            "costs": facts.costs.as_data(),
            "times": facts.times.as_data(),
            "answered_at": [[*model, at] for model, at in facts.answered_at.items()],
            "used_up_at": [[*model, at] for model, at in facts.used_up_at.items()],
            "histories": {key: _plain(one) for key, one in asked.sure()},
        }
        sections = {
            "keys": memoryview(self._keys),
            "files_of": memoryview(self._files_of),
            "names": memoryview(self._names),
            "places": memoryview(self._places),
        }
        write_sections(self._path, head, sections)

    def asks(self) -> bool:
        """Return whether any call asked a model about an image or a prompt."""
        return any(True for _ in self.asking_calls())

    def asking_calls(self) -> Iterator[Call]:
        """Yield the calls that asked models about images and prompts."""
        for name in (*self._head.get("asking", ()), *self.new):
            yield from (call for call in calls_of(self._folder / name, self._sizes[name], []) if "kind" in call.sent)

    def new_keys(self) -> set[str]:
        """Return the keys that calls in the new files were for."""
        return {call.sent["key"] for call in self._new_calls()}

    def _new_calls(self) -> Iterator[Call]:
        for name in self.new:
            yield from calls_of(self._folder / name, self._sizes[name], [])

    def calls(self, wanted: Collection[str]) -> Iterator[Call]:
        """Yield the calls for some keys, in the order of the journal."""
        short_ones = set(map(short_hex, wanted))
        numbers_of = {n for key, n in zip(self._keys, self._files_of, strict=True) if key in short_ones}
        files = [name for number, name in enumerate(self._files) if number in numbers_of]
        damaged: list[DamagedLine] = []
        for name in (*files, *self.new):
            for call in calls_of(self._folder / name, self._sizes[name], damaged):
                if call.sent["key"] in wanted and "kind" not in call.sent:
                    yield call
        tell_damaged(damaged)

    def facts(self) -> JournalFacts:
        """Return what the journal says, with the new files.

        Looking up a key that was simply made raises `NotRememberedError`: nobody asks about an image that is there.
        """
        facts = self._known_facts()
        damaged: list[DamagedLine] = []
        facts.keys = _Keys(facts.keys, set(self._keys))
        facts.last_recipe = _LastRecipes(self._folder, list(self._files), self._names, self._places)
        for name in self.new:
            for call in calls_of(self._folder / name, None, damaged):
                facts.add(call)
        tell_damaged(damaged)
        return facts

    def _known_facts(self) -> JournalFacts:
        head = self._head
        return JournalFacts(
            keys={key: _history(data) for key, data in head.get("histories", {}).items()},
            costs=LearnedCosts.from_data(head.get("costs", {})),
            times=CallTimes.from_data(head.get("times", ())),
            answered_at={(one[0], one[1], one[2]): one[3] for one in head.get("answered_at", ())},
            used_up_at={(one[0], one[1], one[2]): one[3] for one in head.get("used_up_at", ())},
        )


class _Keys(dict[str, KeyHistory]):
    """Histories by key. Those of images that were simply made are not kept."""

    def __init__(self, known: Mapping[str, KeyHistory], all_keys: set[int]) -> None:
        super().__init__(known)
        self._all = all_keys
        self._unsure: set[str] = set()

    def sure(self) -> Iterator[tuple[str, KeyHistory]]:
        """Yield the keys whose histories are whole."""
        return ((key, one) for key, one in self.items() if key not in self._unsure)

    def forget_simple(self) -> None:
        """Forget the histories of images that were simply made, but not that there are calls for them."""
        simple = [key for key, one in self.items() if _is_simple(one)]
        self._all.update(map(short_hex, simple))
        for key in simple:
            del self[key]

    def get(self, key: str, default: Any = None) -> Any:
        if key in self and key not in self._unsure:
            return self[key]
        if short_hex(key) in self._all:
            raise NotRememberedError(key)
        return default

    def setdefault(self, key: str, default: Any = None) -> Any:
        if key not in self and short_hex(key) in self._all:
            self._unsure.add(key)
        return super().setdefault(key, default)


class _LastRecipes(dict[str, Mapping[str, Any]]):
    """The last recipe by name; those of indexed files are read when they are asked for."""

    def __init__(self, folder: Path, files: list[str], names: array[int], places: array[int]) -> None:
        super().__init__()
        self._folder, self._files, self._names, self._places = folder, files, names, places
        self._place_of: dict[int, int] | None = None

    def get(self, name: str, default: Any = None) -> Any:
        if (known := super().get(name)) is not None:
            return known
        if self._place_of is None:
            self._place_of = dict(zip(self._names, self._places, strict=True))
        place = self._place_of.get(short(name))
        if place is None:
            return default
        record = _record_at(self._folder / self._files[place >> 40], place & (1 << 40) - 1)
        if record is None or record["name"] != name:
            raise NotRememberedError(name)
        return record["recipe"]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None


def _first_attempts(path: Path, n_bytes: int) -> Iterator[tuple[str, int]]:
    """Yield the name and the place of each record of a call for a request's first attempt."""
    offset = 0
    for line in path.read_bytes()[:n_bytes].split(b"\n"):
        record = unseal(line) if line else None
        data = orjson.loads(record) if record is not None else {}
        if data.get("event") == SENT and data["attempt"] == 0 and "kind" not in data:
            yield data["name"], offset
        offset += len(line) + 1


def _record_at(path: Path, offset: int) -> dict[str, Any] | None:
    with path.open("rb") as file:
        file.seek(offset, os.SEEK_SET)
        record = unseal(file.readline().removesuffix(b"\n"))
    return None if record is None else orjson.loads(record)


def _is_simple(history: KeyHistory) -> bool:
    return history.calls == 1 and history.last in (Outcome.MADE, Outcome.SHARED)


def _plain(history: KeyHistory) -> dict[str, Any]:
    usd = history.unknown_usd
    return {**asdict(history), "unknown_usd": None if usd is None else str(usd)}


def _history(data: Mapping[str, Any]) -> KeyHistory:
    usd = data["unknown_usd"]
    return KeyHistory(**{**data, "unknown_usd": None if usd is None else Decimal(usd), "last": Outcome(data["last"])})
