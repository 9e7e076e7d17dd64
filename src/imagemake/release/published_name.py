"""The names that released images get when they are published."""

from __future__ import annotations

from pathlib import PurePosixPath

DIGITS = 12  # of the SHA-256; a collision needs two images with the same name


def digest_name(name: str, digest: str) -> str:
    """Add digits of an image's digest to its name: ``images/a.jpg`` becomes ``images/a.3fa9c1d2e4b5.jpg``."""
    path = PurePosixPath(name)
    return str(path.with_name(f"{path.stem}.{digest[:DIGITS]}{path.suffix}"))
