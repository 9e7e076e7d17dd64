"""Manifest entries for tests: an entry that was accepted at the first attempt, which tests can change."""

import hashlib
from typing import Any

from imagemake.release.manifest.row import EarlierAttempt, ManifestRow


def an_entry(name: str = "MUG-001_red", **changes: Any) -> ManifestRow:
    plain: dict[str, Any] = {
        "name": name,
        "file": f"images/{name}.jpg",
        "verdict": "accepted",
        "prompt": "Product photo of a mug",
        "provider": "openai",
        "model": "gpt-image-1",
        "seed": 7,
        "parameters": {"size": "1024x1024"},
        "key": hashlib.sha256(name.encode()).hexdigest(),
        "attempts": 1,
        "catalog_row": 2,
        "variables": {"color": "red"},
        "generated_at": "2026-05-04T09:00:04.120000Z",
        "seconds": 10.0,
        "cost_usd": 0.04,
        "width_px": 1024,
        "height_px": 768,
        "bytes": 120_000,
        "raw_digest": "b" * 64,
        "measures": {"tone.contrast": 12.5},
        "tries": 1,
    }
    return ManifestRow(**{**plain, **changes})


def without_image(name: str, verdict: str, **changes: Any) -> ManifestRow:
    nothing = dict.fromkeys(
        ("file", "generated_at", "seconds", "cost_usd", "width_px", "height_px", "bytes", "raw_digest")
    )
    return an_entry(name, verdict=verdict, **{**nothing, "measures": {}, **changes})


def an_attempt(number: int, **changes: Any) -> EarlierAttempt:
    attempt: Any = {
        "attempt": number,
        "key": "c" * 64,
        "prompt": "Product photo of a mug",
        "seed": number,
        "reasons": ["tone.contrast: 3.1, at least 8 (rejected)"],
        "raw_digest": "d" * 64,
    }
    return {**attempt, **changes}
