"""Follows the journal: the calls that end while a run lasts, on this machine and on others that share the disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from imagemake.store.journal import OF_FILES, Call
from imagemake.store.journal_lines import SENT, SUBMITTED, Lost, records_in
from imagemake.store.ledger import model_of


class JournalTail:
    """Reads what is appended to a journal from now on. Damaged records are passed over: others tell them.

    Args:
        folder: Folder of the journal; it need not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, Mapping[str, Any]] = {}  # calls that are not closed, by id
        self._read_to = {path: path.stat().st_size for path in self._files()}

    def ended(self) -> list[Call]:
        """Return the calls that ended since the last time, in the order of each file."""
        ended = []
        for path in self._files():
            for record in self._new_records(path):
                if record["event"] == SENT:
                    self._open[record["call"]] = record
                elif record["event"] == SUBMITTED:
                    continue
                elif sent := self._open.pop(record["call"], None) or self._sent_before(path, record["call"]):
                    ended.append(Call(sent, record))
        return ended

    def in_flight(self) -> Counter[str]:
        """Count the calls that are sent and not closed, by model. Those of batches wait at the provider and count."""
        return Counter(model_of(Call(sent, None)) for sent in self._open.values())

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("*/*.jsonl"))

    def _new_records(self, path: Path) -> Iterator[Mapping[str, Any]]:
        start = self._read_to.get(path, 0)
        try:
            with path.open("rb") as file:
                file.seek(start)
                content = file.read()
        except OSError:
            return
        whole = content[: content.rfind(b"\n") + 1]  # a line that is being written is read next time
        self._read_to[path] = start + len(whole)
        yield from _valid(whole)

    @staticmethod
    def _sent_before(path: Path, call: str) -> Mapping[str, Any] | None:
        """Return how a call was sent that an earlier run sent, such as one of a batch."""
        records = _valid(path.read_bytes())
        return next((one for one in records if one["event"] == SENT and one["call"] == call), None)


def _valid(content: bytes) -> Iterator[Mapping[str, Any]]:
    for _, record in records_in(content, OF_FILES):
        if not isinstance(record, Lost):
            yield record
