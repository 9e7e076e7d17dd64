"""What every contestant does with an image: decode, measure, resize, write a JPEG with metadata, and a thumbnail.

These are the measures that a build with default settings reads, by the calls that libraries offer for them.
"""

from __future__ import annotations

import csv
import html
from io import BytesIO
from pathlib import Path
from typing import Any

TILES, MOST_BITS, BLUR_PX = 8, 10, 0.7
SIZE, QUALITY, MODEL = "1024x1024", "low", "gpt-image-2"
IN_FLIGHT, BATCH = 50, 100


def read_catalog(path: Path) -> list[dict[str, str]]:
    """Return the rows of the catalog, each with ``name`` and ``prompt``."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def finish(name: str, prompt: str, data: bytes, folder: Path) -> dict[str, Any]:
    """Decode an image, measure it, and write its resized copy and thumbnail; return its line of the manifest."""
    image, file = opened(data)
    return finish_decoded(name, prompt, image, folder) | file


def finish_decoded(name: str, prompt: str, image: Any, folder: Path) -> dict[str, Any]:
    """Do the same with an image that is decoded already."""
    row = measured(name, prompt, image)
    resize(name, prompt, image, folder)
    return row


def opened(data: bytes) -> tuple[Any, dict[str, Any]]:
    """Decode an image; return it, and what is known of its file."""
    import hashlib

    from PIL import Image

    with Image.open(BytesIO(data)) as file:
        kind = file.format
        image = file.convert("RGB")
    return image, {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "format": kind}


def measured(name: str, prompt: str, image: Any) -> dict[str, Any]:
    """Return an image's line of the manifest."""
    row = {"name": name, "prompt": prompt, "width_px": image.width, "height_px": image.height}
    return row | tone(image) | sharpness(image) | looks(image)


def resize(name: str, prompt: str, image: Any, folder: Path) -> None:
    """Write an image's resized copy and its thumbnail."""
    from PIL import Image

    for part in ("images", "thumbnails"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    resized = image.resize((800, 800), Image.Resampling.LANCZOS)
    resized.save(folder / "images" / f"{name}.jpg", quality=90, subsampling="4:4:4", xmp=xmp(prompt))
    resized.thumbnail((192, 192))
    resized.save(folder / "thumbnails" / f"{name}.jpg", quality=65, optimize=True)


def tone(image: Any) -> dict[str, Any]:
    """Return contrast, mean, clipping, entropy, and the share of the most common color."""
    import numpy as np

    levels = np.arange(256)
    shares = np.array(image.convert("L").histogram()) / (image.width * image.height)
    mean = float((levels * shares).sum())
    there = shares[shares > 0]
    small = np.asarray(image.reduce(4)) >> 4
    cells = small[..., 0].astype(np.int32) << 8 | small[..., 1].astype(np.int32) << 4 | small[..., 2]
    return {
        "contrast": float(np.sqrt((((levels - mean) ** 2) * shares).sum()) / 255),
        "mean_luma": mean,
        "clipped_shadows": float(shares[:4].sum()),
        "clipped_highlights": float(shares[-4:].sum()),
        "entropy_bits": float(-(there * np.log2(there)).sum()),
        "uniform_share": float(np.bincount(cells.ravel()).max() / cells.size),
    }


def sharpness(image: Any) -> dict[str, Any]:
    """Return the variance of the Laplacian, and how much a blur weakens the edges where the image is sharpest."""
    import cv2
    import numpy as np

    gray = np.asarray(image.convert("L").reduce(2))

    def energies(gray: Any) -> Any:
        across, down = (slopes.astype(np.float32) for slopes in cv2.spatialGradient(gray))
        side = gray.shape[0] // TILES * TILES
        tiles = (across**2 + down**2)[:side, :side].reshape(TILES, side // TILES, TILES, side // TILES)
        return tiles.mean(axis=(1, 3)).ravel()

    before, after = energies(gray), energies(cv2.GaussianBlur(gray, (0, 0), BLUR_PX))
    variance = float(cv2.Laplacian(gray, cv2.CV_16S).var())
    focus = 1 - float(np.percentile(after / np.maximum(before, 1), 10))
    return {
        "laplacian_variance": variance,
        "relative_sharpness": variance / max(1.0, float(gray.var())),
        "focus": focus,
    }


def looks(image: Any) -> dict[str, Any]:
    """Return the perceptual hash and a coarse grid of colors."""
    import imagehash
    from PIL import Image

    return {
        "phash": str(imagehash.phash(image)),
        "colors": image.resize((3, 3), Image.Resampling.BOX).tobytes().hex(),
    }


def xmp(prompt: str) -> bytes:
    """Return metadata that says what made the image."""
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:description>'
        f"{html.escape(prompt)}</dc:description></rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def write_release(rows: list[dict[str, Any]], folder: Path, *, near_duplicates: bool = True) -> None:
    """Note which image looks like an earlier one, and write the manifest and a page with all thumbnails."""
    if near_duplicates:
        _note_near_duplicates(rows)
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    page = (f'<img loading="lazy" src="thumbnails/{row["name"]}.jpg">{html.escape(row["prompt"])}' for row in rows)
    (folder / "index.html").write_text("\n".join(page))


def _note_near_duplicates(rows: list[dict[str, Any]]) -> None:
    import numpy as np

    hashes = np.array([int(row["phash"], 16) for row in rows], np.uint64)
    for at, row in enumerate(rows):
        near = np.flatnonzero(np.bitwise_count(hashes[:at] ^ hashes[at]) <= MOST_BITS)
        row["duplicate_of"] = rows[near[0]]["name"] if len(near) else ""
