"""A project that awaits review, created without a run: images in the store, measures in a table."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from imagemake.config.campaign import Campaign, load_campaign
from imagemake.core.recipe import Recipe
from imagemake.plan.requests.catalog import Catalog
from imagemake.plan.target import Target
from imagemake.store.items import Item, write_table
from imagemake.store.layout import ALL
from imagemake.store.store import Store

GOOD, DOUBTFUL, BAD = 0.9, 0.3, 0.01
CONFIG: Mapping[str, Any] = {
    "campaign": "test shop",
    "catalog": "config/catalog.csv",
    "prompt": "Photo of {product}, {color}.",
    "name": "{product}_{color}",
    "attempts": {"max": 1},
    "validation": {"checks": {"tone.contrast": {"reject": {"min": 0.1}, "review": {"min": 0.5}}}},
}


class ReviewProject:
    """One project.

    Args:
        folder: Folder of the project.
        images: Contrast by product and color: `GOOD`, `DOUBTFUL` or `BAD`; None for no image.
        config: Sections that replace those in `CONFIG`.
    """

    def __init__(self, folder: Path, images: Mapping[tuple[str, str], float | None], **config: Any) -> None:
        self.folder = folder
        (folder / "config").mkdir(parents=True)
        lines = [f'"{product}","{color}"' for product, color in images]
        (folder / "config/catalog.csv").write_text("\n".join(["product,color", *lines, ""]))
        (folder / "config/config.yaml").write_text(yaml.safe_dump({**CONFIG, **config}))
        self.campaign: Campaign = load_campaign({**CONFIG, **config})
        self.store = Store(folder / "store")
        requests = Target(self.campaign, Catalog.open(folder / "config/catalog.csv"), ALL, "").requests
        self.keys = {request.name: request.recipe.key() for request in requests}
        wanted = zip(requests, images.values(), strict=True)
        items = [self.image(r.name, r.recipe, contrast) for r, contrast in wanted if contrast is not None]
        write_table(folder / "work/validated/test.jsonl", items)

    def image(self, name: str, recipe: Recipe, contrast: float, phash: str | None = None) -> Item:
        """Put an image into the store, and return it with measures."""
        digest = hashlib.sha256(recipe.key().encode()).digest()
        file = BytesIO()
        Image.new("RGB", (64, 48), tuple(digest[:3])).save(file, "PNG")
        stored = self.store.raw.put(recipe.key(), file.getvalue(), durable=False)
        values = {
            "file": {"format": "png", "width_px": 64, "height_px": 48, "has_alpha": False},
            "tone": {"contrast": contrast, "uniform_share": 0.5},
            "phash": {"hash": phash or digest[:8].hex(), "colors": "80" * 27},
        }
        measures = {
            one.identity: values.get(one.name, {"nothing": 1}) for one in self.campaign.validation.measures_needed()
        }
        return Item(name, 0, recipe, recipe.key(), "new", raw=stored, measures=measures)

    def reviews(self) -> str:
        """The content of the decision log."""
        path = self.folder / "config/reviews.csv"
        return path.read_text() if path.exists() else ""
