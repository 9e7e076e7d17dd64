"""Sheets after whole builds: drawn again where an image on them changed, and nothing else for their sake."""

from __future__ import annotations

import json

from PIL import Image

SHEETS = {
    "by": {"by": ["color"], "cell_width_px": 32, "cell_height_px": 32, "background": "#ffffff", "caption": "{name}"}
}


def test_a_sheet_follows_its_images_and_nothing_else(built):
    made = built
    finished = {path: path.stat().st_mtime_ns for path in made.folder.glob("store/finished/*/*")}
    common, before = made.config["postprocess"], made.images()
    made.write_config(postprocess={**common, "sheets": SHEETS})
    done = made.snakemake()
    assert made.jobs(done) == ["release", "all"]
    assert "3 sheets in results/sheets/" in done.stdout + done.stderr
    assert made.images() == before
    assert {path: path.stat().st_mtime_ns for path in made.folder.glob("store/finished/*/*")} == finished
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
    assert made.jobs(made.snakemake()) == []

    (made.folder / "results/sheets/by-red.json").unlink()
    assert made.jobs(made.snakemake()) == ["release", "all"], "what is missing is made again"
    again = made.images("results/sheets")
    assert {name for name in after if again[name] != after[name]} == {"by-red.json"}
    assert again["by-red.json"][1] == after["by-red.json"][1]
    assert made.calls() == 6
