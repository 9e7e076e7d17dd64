"""XMP and content credentials in AVIF files: an item of the `meta` box with its own `mdat` box, and a `uuid` box.

Sources: ISO/IEC 14496-12 (boxes, `iloc`, `iinf`, `iref`) and the AV1 Image File Format, section 4 (metadata). Only
files of libavif's layout are supported (`iloc` of version 0 with places of 4 bytes); others raise ValueError.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from imagemake.images.ends import MOST_PARTS

MOST_BOXES = 1_000

_FULL = 4  # bytes of version and flags at the start of many boxes
_XMP_INFO = b"mimeXMP\0application/rdf+xml\0"
_CREDENTIALS = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")  # C2PA Technical Specification 2.4, appendix A.5
_PLACES_OF_4_BYTES = b"\0\0\0\0\x44\0"  # how `iloc` begins: version 0, offsets and lengths of 4 bytes, no base

Item = tuple[int, list[tuple[int, int]]]  # number; offset from the file's start, and length, of each of its parts


class IsoBox(NamedTuple):
    """One box: its name, and where it and its content are."""

    name: bytes
    start: int
    content: int
    end: int


class _File(NamedTuple):
    """A file with its parsed `meta` box."""

    meta: IsoBox
    parts: dict[bytes, bytes]  # content by name, in order
    items: list[Item]


def boxes(data: bytes, start: int, end: int) -> list[IsoBox]:
    """List the boxes between two places.

    Raises:
        ValueError: If a box exceeds them, or there are more boxes than in any image.
    """
    found, at = list[IsoBox](), start
    while at < end:
        size, name, content = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8], at + 8
        if size == 1:
            size, content = int.from_bytes(data[at + 8 : at + 16]), at + 16
        if size < content - at or at + size > end or len(found) >= MOST_BOXES:
            raise ValueError(f"the AVIF file is damaged: the box at byte {at} exceeds its container")
        found.append(IsoBox(name, at, content, at + size))
        at += size
    return found


def with_xmp(bare: bytes, packet: bytes) -> bytes:
    """Put an XMP packet into an AVIF file that has none."""
    file = _opened(bare)
    number = 1 + max(int.from_bytes(info[_FULL : _FULL + 2]) for info in _infos(file))
    item = number.to_bytes(2)
    info = b"\2\0\0\0" + item + b"\0\0" + _XMP_INFO
    primary = file.parts[b"pitm"][_FULL:]
    about = file.parts.get(b"iref", bytes(_FULL)) + _box(b"cdsc", item + b"\0\1" + primary)
    parts = dict[bytes, bytes]()
    for name, content in file.parts.items():
        parts[name] = _info_list([*_infos(file), info]) if name == b"iinf" else content
        if name == b"iinf":  # where libavif puts it
            parts[b"iref"] = about
    parts[b"iref"] = about
    return _whole(bare, file, parts, [*file.items, (number, [(len(bare) + 8, len(packet))])]) + _box(b"mdat", packet)


def xmp_of(data: bytes) -> bytes | None:
    """Return the XMP packet of an AVIF file; None if there is none."""
    file = _opened(data)
    places = _xmp_places(file)
    return None if places is None else b"".join(data[at : at + length] for at, length in places)


def without_xmp(data: bytes) -> bytes:
    """Return an AVIF file without XMP, byte for byte the input of `with_xmp`.

    Raises:
        ValueError: If the XMP is not in its own box at the end, because another program added it.
    """
    file = _opened(data)
    places = _xmp_places(file)
    if places is None:
        return data
    last = boxes(data, 0, len(data))[-1]
    if last.name != b"mdat" or places != [(last.content, last.end - last.content)]:
        raise ValueError("the AVIF file has XMP from another program, which cannot be removed")
    infos = _infos(file)
    item = next(info[_FULL : _FULL + 2] for info in infos if info.endswith(_XMP_INFO))
    iref = file.parts[b"iref"]
    about = [(box.name, iref[box.content : box.end]) for box in boxes(iref, _FULL, len(iref))]
    kept = b"".join(_box(name, content) for name, content in about if content[:2] != item)
    parts = {
        **file.parts,
        b"iinf": _info_list(info for info in infos if info[_FULL : _FULL + 2] != item),
        b"iref": iref[:_FULL] + kept,
    }
    if not kept:
        del parts[b"iref"]
    return _whole(data[: last.start], file, parts, [one for one in file.items if one[0] != int.from_bytes(item)])


def credential_marks(data: bytes) -> Iterator[bool]:
    """Yield for each box whether it holds content credentials."""
    at = 0
    for _ in range(MOST_PARTS):
        length = int.from_bytes(data[at : at + 4])
        yield data[at + 4 : at + 8] == b"uuid" and data[at + 8 : at + 24] == _CREDENTIALS
        if length < 8:  # the end of the file, or a box up to it: credentials come before the image
            return
        at += length


def without_credentials(data: bytes) -> bytes:
    """Return the file if it has no content credentials.

    Raises:
        ValueError: If it has some, because signing moved everything after them and changed every position.
    """
    if any(credential_marks(data)):
        raise ValueError("content credentials cannot be removed from an AVIF file")
    return data


def _opened(data: bytes) -> _File:
    """Parse a file.

    Raises:
        ValueError: If it is damaged, or does not have the layout of libavif.
    """
    meta = next((box for box in boxes(data, 0, len(data)) if box.name == b"meta"), None)
    if meta is None:
        raise ValueError("the AVIF file is damaged: it does not describe its image")
    inside = boxes(data, meta.content + _FULL, meta.end)
    parts = {box.name: data[box.content : box.end] for box in inside}
    missing = {b"iloc", b"iinf", b"pitm"} - set(parts)
    if missing or len(parts) != len(inside) or parts[b"pitm"][:1] != b"\0" or parts[b"iinf"][:1] != b"\0":
        raise ValueError("the AVIF file lists its parts in an unsupported way")
    return _File(meta, parts, _items(parts[b"iloc"]))


def _items(iloc: bytes) -> list[Item]:
    if not iloc.startswith(_PLACES_OF_4_BYTES):
        raise ValueError("the AVIF file gives the positions of its parts in an unsupported way")
    found, at = list[Item](), len(_PLACES_OF_4_BYTES) + 2
    try:
        for _ in range(int.from_bytes(iloc[at - 2 : at])):
            number, elsewhere, n_places = struct.unpack_from(">HHH", iloc, at)
            places = [struct.unpack_from(">II", iloc, at + 6 + 8 * place) for place in range(n_places)]
            if elsewhere:
                raise ValueError("the AVIF file has parts in another file")
            found.append((number, [(int(start), int(length)) for start, length in places]))
            at += 6 + 8 * n_places
    except struct.error as error:
        raise ValueError("the AVIF file is damaged: the list of its parts ends too early") from error
    return found


def _infos(file: _File) -> list[bytes]:
    iinf = file.parts[b"iinf"]
    infos = [iinf[box.content : box.end] for box in boxes(iinf, _FULL + 2, len(iinf))]
    if not infos:
        raise ValueError("the AVIF file is damaged: it has no parts")
    return infos


def _xmp_places(file: _File) -> list[tuple[int, int]] | None:
    for info in _infos(file):
        if info.endswith(_XMP_INFO):
            number = int.from_bytes(info[_FULL : _FULL + 2])
            return next((places for item, places in file.items if item == number), None)
    return None


def _whole(data: bytes, file: _File, parts: dict[bytes, bytes], items: list[Item]) -> bytes:
    """Write a file with new parts of its `meta` box; move what follows it, and adjust its positions."""
    meta = file.meta
    grown = len(_meta(data, file, parts, items)) - (meta.end - meta.start)
    moved = [
        (item, [(at + grown if at >= meta.end else at, length) for at, length in places]) for item, places in items
    ]
    return data[: meta.start] + _meta(data, file, parts, moved) + data[meta.end :]


def _meta(data: bytes, file: _File, parts: dict[bytes, bytes], items: list[Item]) -> bytes:
    listed = [
        struct.pack(">HHH", item, 0, len(places)) + b"".join(struct.pack(">II", *place) for place in places)
        for item, places in items
    ]
    parts = {**parts, b"iloc": _PLACES_OF_4_BYTES + len(items).to_bytes(2) + b"".join(listed)}
    start = data[file.meta.content : file.meta.content + _FULL]
    return _box(b"meta", start + b"".join(_box(name, content) for name, content in parts.items()))


def _info_list(infos: Iterable[bytes]) -> bytes:
    infos = list(infos)
    return bytes(_FULL) + len(infos).to_bytes(2) + b"".join(_box(b"infe", info) for info in infos)


def _box(name: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4) + name + content
