"""The campaign with a visible label that a page prints, built as it is printed, and the picture of its files."""

import shutil

from campaigns_of_page import campaigns_of
from folders import REPOSITORY
from PIL import Image

SCREENSHOTS = REPOSITORY / "docs" / "screenshots"
LABEL, PICTURE = SCREENSHOTS / "ai-label.png", SCREENSHOTS / "labeled.jpg"
GAP_PX = 16


def build(project):
    """Build the campaign in a project of the tests.

    Returns:
        The released file without the label, and the one with it.
    """
    config, catalog = campaigns_of("explanation/provenance.md")["labeled"]
    project.config = {}
    shutil.copy(LABEL, project.folder / "config" / "ai-label.png")
    (project.folder / "config" / "catalog.csv").write_text(catalog)
    project.write_config(**config)
    project.snakemake()
    images = project.folder / "results" / "images"
    return tuple(Image.open(images / name).convert("RGB") for name in ("mug.jpg", "mug-public.jpg"))


def side_by_side(plain, labeled):
    """Return the picture that the page shows."""
    picture = Image.new("RGB", (plain.width + GAP_PX + labeled.width, plain.height), "white")
    picture.paste(plain, (0, 0))
    picture.paste(labeled, (plain.width + GAP_PX, 0))
    return picture
