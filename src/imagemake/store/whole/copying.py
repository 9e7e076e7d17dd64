"""Brings ``store/`` and the bucket to the same state, on the machine where a command is typed.

There, the copy is complete, so that planning, releases, reviews, and audits work as with any other store.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from imagemake.core.errors import ImagemakeError
from imagemake.core.files import write_whole
from imagemake.store.answers import half_of, prompt_digest
from imagemake.store.stored_file import stored_file
from imagemake.store.whole.journal_parts import TYPE, Part, parts_of
from imagemake.store.whole.whole_store import MAX_BYTES

if TYPE_CHECKING:
    from imagemake.store.items import Item
    from imagemake.store.whole.whole_store import WholeStore

JOURNAL = "journal"
BY_CONTENT = ("raw", "finished", "references", "answers", "signatures", "reproduced")
WRITTEN_ONCE = ("more", "given_up", "measures")
MARKS = ("open", "unreadable")  # come and go; the bucket decides
TRIES = 3


class ChangedMeanwhileError(ImagemakeError):
    """The journal in the bucket changed whenever it was read."""

    remedy = "Run the same command again."


class Copied(NamedTuple):
    """How many files went each way."""

    sent: int
    brought: int


def copy_both_ways(whole: WholeStore, *, sends: bool = True) -> Copied:
    """Send what the bucket lacks, and bring what is missing here.

    Args:
        whole: The store.
        sends: Whether to send too; a dry run only brings.

    Raises:
        PlaceError: If the bucket cannot be read or written.
    """
    listed = {name: one.bytes for name, one in whole.storage.list().items()}
    sent = _send_missing(whole, listed) if sends else 0
    brought = _bring_files(whole, listed) + _copy_journal(whole, listed, sends=sends)
    _drop_ended_marks(whole, listed)
    return Copied(sent, brought)


def bring_open_calls(whole: WholeStore, keys: Collection[str]) -> None:
    """Bring the marks of calls that wait in a provider's queue, and the files of the journal that have the calls.

    Raises:
        PlaceError: If the bucket cannot be read.
    """
    marks = [name for name in whole.storage.list("open") if name.rpartition("/")[2] in keys]
    if marks:
        whole.storage.each(lambda name: _bring(whole, name), marks)
        _copy_journal(whole, {name: one.bytes for name, one in whole.storage.list(JOURNAL).items()}, sends=False)


def bring_answers(whole: WholeStore, items: Iterable[Item]) -> None:
    """Bring what models answered about the images and prompts of items.

    Raises:
        PlaceError: If the bucket cannot be read.
    """
    about = {item.raw.digest for item in items if item.raw is not None}
    about |= {prompt_digest(item.own_prompt or item.recipe.prompt) for item in items}
    halves = {half_of(digest) for digest in about}
    listed = map(stored_file, (name.rpartition("/")[2] for name in whole.storage.list("answers")))
    whole.bring_all("answers", [one for one in listed if one is not None and half_of(one.key) in halves])


def _send_missing(whole: WholeStore, listed: Mapping[str, int]) -> int:
    missing = [
        path
        for folder in (*BY_CONTENT, *WRITTEN_ONCE)
        for path in _files(whole.root / folder)
        if whole.name_of(path) not in listed and not _is_damaged(whole, path, listed)
    ]
    whole.storage.each(whole.send, missing)
    return len(missing)


def _bring_files(whole: WholeStore, listed: Mapping[str, int]) -> int:
    wanted = [
        name
        for name, size in listed.items()
        if name.partition("/")[0] in (*BY_CONTENT, *WRITTEN_ONCE, *MARKS)
        and not _is_here(whole.root / name, size)
        and f"damaged/{name.partition('/')[0]}/{name.rpartition('/')[2]}" not in listed
    ]
    whole.storage.each(partial(_bring, whole), wanted)
    return len(wanted)


def _bring(whole: WholeStore, name: str) -> None:
    folder, _, rest = name.partition("/")
    stored = stored_file(rest.rpartition("/")[2]) if folder in BY_CONTENT else None
    if stored is not None:
        whole.bring(folder, stored)
    elif folder not in BY_CONTENT:  # else a file that is no image, such as the note of a team store
        data = whole.storage.get(name, MAX_BYTES)
        if data is not None:  # else a mark that went meanwhile
            write_whole(whole.root / name, data, durable=True)


def _copy_journal(whole: WholeStore, listed: Mapping[str, int], *, sends: bool) -> int:
    for _ in range(TRIES):
        with suppress(FileNotFoundError):
            return _copy_journal_once(whole, listed, sends=sends)
        listed = {name: one.bytes for name, one in whole.storage.list(JOURNAL).items()}
    raise ChangedMeanwhileError(f"{whole.storage.address}/{JOURNAL} changed while it was read.")


def _copy_journal_once(whole: WholeStore, listed: Mapping[str, int], *, sends: bool) -> int:
    parts = parts_of({name: size for name, size in listed.items() if name.startswith(f"{JOURNAL}/")})
    here = {whole.name_of(path) for path in (whole.root / JOURNAL).glob("*/*.jsonl")}
    changed = []
    for name in sorted({*parts, *here}):
        path, there = whole.root / name, parts.get(name, [])
        if not _is_here(path, sum(part.bytes for part in there)):
            changed.append((path, there))
    counts: list[int] = []

    def merge(one: tuple[Path, list[Part]]) -> None:
        counts.append(_merge(whole, *one, sends=sends))

    whole.storage.each(merge, changed)
    return sum(counts)


def _merge(whole: WholeStore, path: Path, parts: Iterable[Part], *, sends: bool) -> int:
    """Give a file of the journal the lines of both sides, and return whether it got some from the bucket."""
    there = b"".join(_content(whole, part) for part in parts)
    own = path.read_bytes() if path.exists() else b""
    known = set(there.split(b"\n"))
    # Half a line of a process that was killed is of no use elsewhere, and would spoil the next line there.
    only_here = b"".join(line + b"\n" for line in own.split(b"\n")[:-1] if line not in known)
    if only_here and sends:
        whole.put(f"{whole.name_of(path)}/{len(there):012d}-{os.urandom(6).hex()}", only_here, TYPE)
    if there + only_here != own:
        write_whole(path, there + only_here, durable=True)
    return int(not known <= {b"", *own.split(b"\n")})


def _content(whole: WholeStore, part: Part) -> bytes:
    data = whole.storage.get(part.name, MAX_BYTES)
    if data is None:
        raise FileNotFoundError(part.name)  # its writer made one part of all meanwhile
    return data


def _drop_ended_marks(whole: WholeStore, listed: Mapping[str, int]) -> None:
    for folder in MARKS:
        for path in _files(whole.root / folder):
            if whole.name_of(path) not in listed:
                path.unlink(missing_ok=True)


def _is_damaged(whole: WholeStore, path: Path, listed: Mapping[str, int]) -> bool:
    return f"damaged/{whole.name_of(path).partition('/')[0]}/{path.name}" in listed


def _is_here(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False


def _files(folder: Path) -> Iterator[Path]:
    yield from (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
