"""The images of changes: opened, compared and made small, on all cores; and what their XMP packets say otherwise."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from io import BytesIO
from typing import TYPE_CHECKING

from imagemake.images.decoded import DecodedImage, Undecodable, decode_image
from imagemake.images.distance import Distance, distance_between
from imagemake.images.metadata.xmp import packet_of
from imagemake.release.provenance import properties_in
from imagemake.versions.diff.compare import REASONS, Change
from imagemake.versions.diff.snapshot import ShownImage, Snapshot
from imagemake.versions.diff.table import OF_OUTPUT, OUTPUT, is_output, output_of

if TYPE_CHECKING:
    from PIL.Image import Image

LONG_EDGE_PX = 640
QUALITY, METHOD = 75, 2  # of WebP; a higher method takes twice the time for a tenth less
MOST_PACKETS = 1_000
GONE = "neither its release nor the store has it any more"
NOT_ASKED = "its release has no such output"
_REVIEWED = {"imagemake:Status", "imagemake:ReviewNote"}


@dataclass(frozen=True, slots=True)
class Side:
    """One image of a change.

    Attributes:
        webp: At most 640 px; None where there is none to show.
        note: Why there is none, or what is special about it; in words for people.
        size_px: Width and height of the image itself.
        is_clear: Whether anything in it is transparent.
    """

    webp: bytes | None
    note: str = ""
    size_px: tuple[int, int] | None = None
    is_clear: bool = False


@dataclass(frozen=True, slots=True)
class ImageChange:
    """Both images of a change.

    Attributes:
        before: None where it was added.
        after: None where it was removed.
        distance: How far apart they look; None where one is missing.
        output: Label of the further output that they are files of; empty for the main one.
    """

    before: Side | None
    after: Side | None
    distance: Distance | None
    output: str = ""


def most_visible(changes: Iterable[Change], before: Snapshot, after: Snapshot, most: int) -> list[Change]:
    """Choose the changes whose images are opened.

    Those with other pixels come first, the most different ones by the perceptual hash of the manifest before the
    others; then what was added or removed, and last what was renamed or changed without touching a pixel.
    """

    def rank(change: Change) -> tuple[int, int, str]:
        if change.before is None or change.after is None:
            return 1, 0, change.name
        is_main_same = _finished(before, change.before) == _finished(after, change.after)
        is_same = is_main_same and not _output_shown(change, before, after)
        bits = 64 if change.hash_bits is None else change.hash_bits
        return 2 if is_same else 0, -bits, change.name

    return sorted(changes, key=rank)[:most]


def open_images(
    changes: Sequence[Change],
    before: Snapshot,
    after: Snapshot,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, ImageChange]:
    """Open the images of changes.

    Args:
        changes: Which ones.
        before: Where the earlier images are.
        after: Where the later ones are.
        tell: Called with how many are done, and of how many.

    Returns:
        By name of the change.
    """
    found: dict[str, ImageChange] = {}
    workers = os.cpu_count() or 1
    pool = ThreadPoolExecutor(workers)  # decoding, shrinking and encoding let go of the interpreter's lock
    waiting: deque[tuple[Change, Future[ImageChange]]] = deque()
    try:
        for change in [*changes, *[None] * (2 * workers)]:
            # Files are read here, one after the other: git and DVC are no good for several threads.
            if change is not None:
                output = _output_shown(change, before, after)
                shown = _shown(change, before, after, output)
                waiting.append((change, pool.submit(_seen, change, output, *shown)))
            if waiting and (change is None or len(waiting) > 2 * workers):
                done, future = waiting.popleft()
                found[done.name] = future.result()
                tell(len(found), len(changes))
    finally:
        pool.shutdown(cancel_futures=True)
    return found


def with_xmp_changes(changes: Iterable[Change], before: Snapshot, after: Snapshot) -> Iterator[Change]:
    """Tell what the XMP of files says otherwise where nothing but their metadata differs: the first 1,000 of them."""
    left = MOST_PACKETS
    for change in changes:
        if "metadata" in change.reasons and left > 0:
            left -= 1
            yield _with_packet(change, before, after)
        else:
            yield change


def _with_packet(change: Change, before: Snapshot, after: Snapshot) -> Change:
    one, other = (_properties(shown) for shown in _shown(change, before, after))
    if one is None or other is None:
        return change
    names = [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]
    said = {f"xmp.{name.partition(':')[2]}": (one.get(name, ""), other.get(name, "")) for name in names}
    reasons = set(change.reasons)
    if names and set(names) <= _REVIEWED | {"imagemake:ContentDigest"}:
        reasons = reasons - {"metadata"} | {"review"}
    ordered = tuple(reason for reason in REASONS if reason in reasons)
    return replace(change, reasons=ordered, differences={**change.differences, **said})


def _properties(shown: ShownImage | None) -> Mapping[str, str] | None:
    try:
        packet = packet_of(shown.data) if shown else None
        return properties_in(packet) if packet is not None else {}
    except ValueError:
        return None


def _finished(snapshot: Snapshot, row: int) -> str:
    names = [name for name in ("finished_digest", "digest") if name in snapshot.table.column_names]
    return str(snapshot.table[names[0]][row].as_py()) if names else ""


def _output_shown(change: Change, before: Snapshot, after: Snapshot) -> str:
    """Return the further output that shows a change which the main one does not: one that both have, else any."""
    outputs = {output_of(column): all(pair) for column, pair in change.differences.items() if is_output(column)}
    if not outputs or change.before is None or change.after is None:
        return ""
    if _finished(before, change.before) != _finished(after, change.after):
        return ""
    return min(outputs, key=lambda output: (not outputs[output], output))


def _shown(
    change: Change, before: Snapshot, after: Snapshot, output: str = ""
) -> tuple[ShownImage | None, ShownImage | None]:
    pairs = ((before, change.before), (after, change.after))
    one, other = (None if row is None else snapshot.image(snapshot.row(row), output) for snapshot, row in pairs)
    return one, other


def _seen(change: Change, output: str, before: ShownImage | None, after: ShownImage | None) -> ImageChange:
    was, now = change.differences.get(f"{OUTPUT}{output}{OF_OUTPUT}", ("it", "it"))
    one = _opened(before, GONE if was else NOT_ASKED)
    is_same = before is not None and after is not None and before.data == after.data
    other = one if is_same else _opened(after, GONE if now else NOT_ASKED)
    distance = distance_between(one[1], other[1]) if one[1] and other[1] else None
    sides = (one[0] if change.before is not None else None, other[0] if change.after is not None else None)
    return ImageChange(*sides, distance, output)


def _opened(shown: ShownImage | None, gone: str) -> tuple[Side, DecodedImage | None]:
    if shown is None:
        return Side(None, gone), None
    try:
        image = decode_image(shown.data)
    except Undecodable as error:
        return Side(None, f"it cannot be shown: {error.reason}"), None
    note = "as the provider sent it: it was not released" if shown.is_raw else ""
    size_px, is_clear = (image.width_px, image.height_px), image.pil.mode == "RGBA"
    return Side(_webp(image.pil), note, size_px, is_clear), image


def _webp(image: Image) -> bytes:
    small = image.copy()
    small.thumbnail((LONG_EDGE_PX, LONG_EDGE_PX), reducing_gap=2.0)
    file = BytesIO()
    small.save(file, "WEBP", quality=QUALITY, method=METHOD)
    return file.getvalue()
