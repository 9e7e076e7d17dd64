"""Lines of a file that is downloaded, such as the results of a batch."""

from __future__ import annotations

from collections.abc import AsyncIterator

# ASSUME: an image has at most 16.8 million pixels (4096x4096), so a PNG in base64 stays below this.
MOST_LINE_BYTES = 128 * 1024**2


async def lines_of(chunks: AsyncIterator[bytes], most_bytes: int = MOST_LINE_BYTES) -> AsyncIterator[bytes | None]:
    """Split a stream into lines, with one in memory at a time; None replaces a line that is too long."""
    stored, too_long = bytearray(), False
    async for chunk in chunks:
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            stored += b"" if too_long else end
            if too_long or len(stored) > most_bytes:
                yield None
            elif stored.strip():
                yield bytes(stored)
            stored, too_long = bytearray(), False
        stored += b"" if too_long else rest
        if len(stored) > most_bytes:
            stored, too_long = bytearray(), True
    if too_long:
        yield None
    elif stored.strip():
        yield bytes(stored)
