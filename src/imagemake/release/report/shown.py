"""Chooses the thumbnails that the contact sheet shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from imagemake.release.manifest.row import ManifestRow


def reference_name(digest: str) -> str:
    """Return the name of a reference image's thumbnail. It has a colon, which no request's name can have."""
    return f"reference:{digest}"


def reference_users(entries: Sequence[ManifestRow]) -> Counter[str]:
    """Count how many requests use each reference image or mask, by digest."""
    return Counter(digest for entry in entries for digest in (*entry.reference_digests, entry.mask_digest) if digest)


def shown_thumbnails(
    entries: Sequence[ManifestRow],
    thumbnails: Mapping[str, bytes],
    most: int,
    address_of: Callable[[str, bytes], str],
) -> dict[str, str]:
    """Return the addresses of the thumbnails that the page shows, by name.

    Args:
        entries: All requests, in the order of the page.
        thumbnails: By the names that `write_contact_sheet` describes. Only the chosen ones are looked up.
        most: Most thumbnails to show. Images that were not accepted come first.
        address_of: Returns the address of a thumbnail by its name and bytes.

    Raises:
        ValueError: If a thumbnail is not an image.
    """
    worst_first = sorted(entries, key=lambda entry: entry.verdict == "accepted")
    users = reference_users(entries)
    # A reference image that several requests share comes first; one that a single request uses follows the images.
    names = [reference_name(digest) for digest, n in users.items() if n > 1]
    names += [entry.name for entry in worst_first]
    names += [reference_name(digest) for digest, n in users.items() if n == 1]
    names += [f"{entry.name}@{place}" for entry in worst_first for place in range(len(entry.history))]
    shown: dict[str, str] = {}
    for name in names:
        if len(shown) >= most:
            break
        if (image := thumbnails.get(name)) is not None:
            shown[name] = address_of(name, image)
    return shown
