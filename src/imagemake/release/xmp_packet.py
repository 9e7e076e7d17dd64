"""Writes and reads XMP packets with our properties."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree as Xml
from xml.sax.saxutils import escape

NAMESPACES = {
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "imagemake": "urn:imagemake:provenance:1#",
}
# In bytes of escaped UTF-8. A packet with all properties fits into one JPEG segment.
MOST_TEXT_BYTES, MOST_PROMPT_BYTES = 2_000, 40_000
_CUT = " […]"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REPLACED = "\ufffd"
CREATED = "xmp:CreateDate"
PROMPT = "Iptc4xmpExt:AIPromptInformation"


def packet_with(properties: Mapping[str, str | None]) -> bytes:
    """Return an XMP packet with the properties that have a value; long values are shortened."""
    lines = [
        f"   <{name}>{_bounded(value, MOST_PROMPT_BYTES if name == PROMPT else MOST_TEXT_BYTES)}</{name}>\n"
        for name, value in properties.items()
        if value
    ]
    spaces = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/">\n <rdf:RDF xmlns:rdf="{_RDF}">\n'
        f'  <rdf:Description rdf:about=""{spaces}>\n{"".join(lines)}  </rdf:Description>\n'
        ' </rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="r"?>'
    ).encode()


def properties_in(packet: bytes) -> Mapping[str, str]:
    """Read the plain properties of an XMP packet by names such as ``imagemake:Key``, in `NAMESPACES` only.

    Args:
        packet: From any file, so it may be hostile. Entities and document types are not read.

    Raises:
        ValueError: If it is not an XMP packet in UTF-8.
    """
    text = packet.decode("utf-8").strip("\ufeff\0 \t\r\n")
    if "<!" in text:  # our packets never contain it, and entities need it
        raise ValueError("the XMP packet contains declarations, which are not supported")
    try:
        root = Xml.fromstring(text)  # noqa: S314 - nothing to expand without declarations
    except Xml.ParseError as error:
        raise ValueError(f"the XMP packet cannot be read: {error}") from error
    prefixes = {uri: prefix for prefix, uri in NAMESPACES.items()}
    found: dict[str, str] = {}
    for description in root.iter(f"{{{_RDF}}}Description"):
        pairs = [*description.attrib.items(), *((child.tag, child.text or "") for child in description)]
        for tag, value in pairs:
            uri, _, name = tag.removeprefix("{").partition("}")
            if uri in prefixes:
                found.setdefault(f"{prefixes[uri]}:{name}", value)
    return found


def created_in(packet: bytes) -> str | None:
    """Return the time of generation in one of our own packets; None if there is none."""
    try:
        return properties_in(packet).get(CREATED)
    except ValueError:
        return None


def _bounded(text: str, most_bytes: int) -> str:
    """Escape text for XML, replace the characters that XML forbids, and shorten it to a number of bytes."""
    safe = _NO_XML.sub(_REPLACED, text[:most_bytes])  # each character has at least one byte
    escaped = escape(safe, {"\r": "&#13;"})
    if len(safe) == len(text) and len(escaped.encode()) <= most_bytes:
        return escaped
    least, most = 0, len(safe)
    while least < most:
        middle = (least + most + 1) // 2
        fits = len(escape(safe[:middle], {"\r": "&#13;"}).encode()) + len(_CUT.encode()) <= most_bytes
        least, most = (middle, most) if fits else (least, middle - 1)
    return escape(safe[:least], {"\r": "&#13;"}) + _CUT
