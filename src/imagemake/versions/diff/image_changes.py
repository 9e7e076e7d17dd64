"""Opens, compares, and shrinks the images of changes on all cores, and compares their XMP packets."""

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
from imagemake.release.manifest.columns import OUTPUT
from imagemake.release.xmp_packet import properties_in
from imagemake.versions.diff.compare import Change
from imagemake.versions.diff.marks import REASONS
from imagemake.versions.diff.snapshot import ShownImage, Snapshot
from imagemake.versions.diff.table import OF_OUTPUT, is_output, output_of

if TYPE_CHECKING:
    from PIL.Image import Image

LONG_EDGE_PX = 640
QUALITY, METHOD = 75, 2  # of WebP; a higher method doubles the time and saves a tenth of the size
MAX_PACKETS = 1_000
GONE = "it is no longer in the release or the store"
NO_OUTPUT = "its release does not have this output"
_REVIEWED = {"imagemake:Status", "imagemake:ReviewNote"}


@dataclass(frozen=True, slots=True)
class Side:
    """One image of a change.

    Attributes:
        webp: The image at 640 px or less; None if it cannot be shown.
        note: Why it cannot be shown, or what is special about it.
        size_px: Width and height of the original image.
        has_transparency: Whether a part of it is transparent.
    """

    webp: bytes | None
    note: str = ""
    size_px: tuple[int, int] | None = None
    has_transparency: bool = False


@dataclass(frozen=True, slots=True)
class ImageChange:
    """Both images of a change.

    Attributes:
        before: The earlier image; None if added.
        after: The later image; None if removed.
        distance: Perceptual distance; None if an image is missing.
        output: Label of their additional output; empty for the main output.
    """

    before: Side | None
    after: Side | None
    distance: Distance | None
    output: str = ""


def most_visible(changes: Iterable[Change], before: Snapshot, after: Snapshot, most: int) -> list[Change]:
    """Choose the changes whose images to open.

    Changes of pixels come first, sorted by the perceptual hashes in the manifests, then added and removed images, and
    then renamed images and other changes.
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
    report: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, ImageChange]:
    """Open and compare the images of changes.

    Args:
        changes: The changes.
        before: The earlier release.
        after: The later release.
        report: Called with the numbers of finished and of all changes.

    Returns:
        Images by name of the change.
    """
    found: dict[str, ImageChange] = {}
    workers = os.cpu_count() or 1
    pool = ThreadPoolExecutor(workers)  # decoding, shrinking, and encoding release the GIL
    waiting: deque[tuple[Change, Future[ImageChange]]] = deque()
    try:
        for change in [*changes, *[None] * (2 * workers)]:
            # Files are read in this thread, because reading from git and DVC is not thread-safe.
            if change is not None:
                output = _output_shown(change, before, after)
                shown = _shown(change, before, after, output)
                waiting.append((change, pool.submit(_image_change, change, output, *shown)))
            if waiting and (change is None or len(waiting) > 2 * workers):
                done, future = waiting.popleft()
                found[done.name] = future.result()
                report(len(found), len(changes))
    finally:
        pool.shutdown(cancel_futures=True)
    return found


def with_xmp_changes(changes: Iterable[Change], before: Snapshot, after: Snapshot) -> Iterator[Change]:
    """Add the XMP differences to changes of metadata only, for the first 1,000 of them."""
    left = MAX_PACKETS
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
    values = {f"xmp.{name.partition(':')[2]}": (one.get(name, ""), other.get(name, "")) for name in names}
    reasons = set(change.reasons)
    if names and set(names) <= _REVIEWED | {"imagemake:ContentDigest"}:
        reasons = reasons - {"metadata"} | {"review"}
    ordered = tuple(reason for reason in REASONS if reason in reasons)
    return replace(change, reasons=ordered, differences={**change.differences, **values})


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
    """Return the additional output to show if the main one is unchanged, preferably one that both releases have."""
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


def _image_change(change: Change, output: str, before: ShownImage | None, after: ShownImage | None) -> ImageChange:
    was, now = change.differences.get(f"{OUTPUT}{output}{OF_OUTPUT}", ("it", "it"))
    one = _opened(before, GONE if was else NO_OUTPUT)
    is_same = before is not None and after is not None and before.data == after.data
    other = one if is_same else _opened(after, GONE if now else NO_OUTPUT)
    distance = distance_between(one[1], other[1]) if one[1] and other[1] else None
    sides = (one[0] if change.before is not None else None, other[0] if change.after is not None else None)
    return ImageChange(*sides, distance, output)


def _opened(shown: ShownImage | None, gone: str) -> tuple[Side, DecodedImage | None]:
    if shown is None:
        return Side(None, gone), None
    try:
        image = decode_image(shown.data)
    except Undecodable as error:
        return Side(None, f"it cannot be decoded: {error.reason}"), None
    note = "raw image, because it was not released" if shown.is_raw else ""
    size_px, has_transparency = (image.width_px, image.height_px), image.pil.mode == "RGBA"
    return Side(_webp(image.pil), note, size_px, has_transparency), image


def _webp(image: Image) -> bytes:
    small = image.copy()
    small.thumbnail((LONG_EDGE_PX, LONG_EDGE_PX), reducing_gap=2.0)
    file = BytesIO()
    small.save(file, "WEBP", quality=QUALITY, method=METHOD)
    return file.getvalue()
