"""Sheets and exports after whole builds: written again where an image on them changed, and nothing else for it."""

from __future__ import annotations

import json

from PIL import Image

EXPORTS = {
    "tree": {"format": "folders", "path": "{color}/{sku}"},
    "training": {"format": "huggingface"},
    "shards": {"format": "webdataset", "shards": 2},
}
SHEETS = {
    "by": {"by": ["color"], "cell_width_px": 32, "cell_height_px": 32, "background": "#ffffff", "caption": "{name}"}
}


def exports_of(made):
    """Inode and time of each file of the exports."""
    folder = made.folder / "results/exports"
    files = {str(path.relative_to(folder)): path.stat() for path in folder.rglob("*.*")}
    return {name: (status.st_ino, status.st_mtime_ns) for name, status in files.items()}


def test_sheets_and_exports_follow_their_images_and_nothing_else(built):
    made = built
    finished = {path: path.stat().st_mtime_ns for path in made.folder.glob("store/finished/*/*/*")}
    common, before = made.config["postprocess"], made.images()
    made.write_config(postprocess={**common, "sheets": SHEETS}, release={"exports": EXPORTS})
    done = made.snakemake()
    assert made.jobs(done) == ["release", "all"]
    exported = exports_of(made)
    tree = {f"tree/{row['variable.color']}/{row['variable.sku']}.jpg" for row in made.manifest().values()}
    assert {name for name in exported if name.startswith("tree/")} == tree
    assert {f"training/{name}" for name in before} < exported.keys()
    assert "3 sheets in results/sheets/" in done.stdout + done.stderr
    assert made.images() == before
    assert {path: path.stat().st_mtime_ns for path in made.folder.glob("store/finished/*/*/*")} == finished
    sheets = made.images("results/sheets")
    assert sorted(sheets) == [f"by-{color}.{kind}" for color in ("gold", "red", "teal") for kind in ("json", "png")]
    assert list(json.loads(sheets["by-red.json"][1])["frames"]) == ["S000_red", "S003_red"]
    assert Image.open(made.folder / "results/sheets/by-red.png").size == (64, 55)
    told = made.imagemake("inspect", "results/sheets/by-red.png", expect=2).stderr
    assert "is a sheet" in told

    made.edit_row(1, product="teapot")
    made.edit_row(2, color="red")
    made.snakemake()
    after = made.images("results/sheets")
    assert sorted(after) == ["by-red.json", "by-red.png", "by-teal.json", "by-teal.png"]
    assert after["by-teal.json"] == sheets["by-teal.json"], "another image in the same place"
    assert len(json.loads(after["by-red.json"][1])["frames"]) == 3
    later = exports_of(made)
    same = {name for name in later if later[name] == exported.get(name)}
    assert {"tree/red/S000.jpg", "training/S000_red.jpg"} <= same, "images that did not change"
    assert "tree/red/S002.jpg" in later
    assert "tree/gold/S002.jpg" not in later
    assert "training/metadata.jsonl" not in same
    assert made.jobs(made.snakemake()) == []
    made.imagemake("publish", "./published")
    published = made.folder / "published/exports"
    assert {str(path.relative_to(published)) for path in published.rglob("*.*")} == later.keys(), (
        "under their own names"
    )

    (made.folder / "results/exports/tree/red/S000.jpg").unlink()
    (made.folder / "results/sheets/by-red.json").unlink()
    assert made.jobs(made.snakemake()) == ["release", "all"], "what is missing is made again"
    again = made.images("results/sheets")
    assert {name for name in after if again[name] != after[name]} == {"by-red.json"}
    assert again["by-red.json"][1] == after["by-red.json"][1]
    assert {name for name, looks in exports_of(made).items() if looks != later[name]} == set(), "linked again"
    assert made.calls() == 6
