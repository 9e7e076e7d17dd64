"""Several files per image, after whole builds: only what changed is finished, and a dry run tells it."""

from __future__ import annotations

import hashlib
import json
import re
from io import BytesIO
from pathlib import Path

import pyarrow.parquet as pq
import pyexiv2
from jsonschema import Draft202012Validator
from PIL import Image

from imagemake.release.manifest.tables import files_in, read_manifest

WEB = {"steps": [{"resize": {"width_px": 32}}], "format": "webp", "name": "{name}-32"}
CUT = {"from_raw": True, "format": "png", "name": "{color}_{sku}"}


def size_of(data):
    with Image.open(BytesIO(data)) as image:
        return image.format, image.size


def told_by(data):
    with pyexiv2.ImageData(data) as read:
        return {name.rpartition(".")[2]: value for name, value in read.read_xmp().items()}


def fits_its_schemas(results):
    rows = pq.read_table(results / "manifest.parquet").to_pylist()
    rows = json.loads(json.dumps(rows, default=lambda time: time.isoformat()))
    schema = json.loads((results / "manifest.schema.json").read_bytes())
    sidecars = [json.loads(path.read_bytes()) for path in (results / "images").glob("*.json")]
    of_sidecars = json.loads((results / "sidecar.schema.json").read_bytes())
    for validator, told in ((Draft202012Validator(schema), rows), (Draft202012Validator(of_sidecars), sidecars)):
        assert told
        assert [error.message for one in told for error in validator.iter_errors(one)] == []
    assert json.loads((results / "release.json").read_bytes())["manifest_schema"] == schema["version"]
    assert all(sidecar["key"] in {row["key"] for row in rows} for sidecar in sidecars)


def leads_to_what_it_says(folder):
    """Follow each name of an image in what is published; return which are led to, by their names before."""
    found = set()
    for path in folder.glob("[!.]*/*.json"):
        told = json.loads(path.read_bytes())
        if "meta" in told:  # of a sheet, whose name leaves its folder out
            assert (path.parent / told["meta"]["image"]).is_file()
            found.add(told["meta"]["image"])
        for file in [told, *told["files"].values()] if "files" in told else []:
            assert hashlib.sha256((folder / file["file"]).read_bytes()).hexdigest() == file["digest"]
            found.add(Path(file["file"]).name)
    rows = read_manifest(folder / "manifest.csv")
    assert {Path(file["file"]).name for row in rows for file in files_in(row).values()} <= found
    assert {path.name for path in folder.glob("[!.]*/*") if path.suffix != ".json"} == found, "nothing is left unnamed"
    return {re.sub(r"\.[0-9a-f]{12}(?=\.)", "", name) for name in found}


def test_outputs_come_and_go_and_only_they_are_finished(built):
    made = built
    one = made.images()
    common = made.config["postprocess"]

    made.write_config(postprocess={**common, "more_outputs": {"web": WEB, "cut": CUT}})
    assert "4 to postprocess: output added: cut, web" in made.snakemake("-n").stderr
    assert made.images() == one
    done = made.snakemake()
    assert set(made.jobs(done)) == {"postprocess", "release", "all"}
    three = made.images()
    assert {name: three[name] for name in one} == one, "what was there is not even written again"
    webs, cuts = {f"{name[:-4]}-32.webp" for name in one}, {f"{name[5:-4]}_{name[:4]}.png" for name in one}
    assert set(three) == {*one, *webs, *cuts}
    found = {name: size_of(three[name][1]) for name in three}
    assert found["S000_red.jpg"] == ("JPEG", (64, 64))
    assert found["S000_red-32.webp"] == ("WEBP", (32, 32))
    assert found["red_S000.png"] == ("PNG", (96, 96)), "the image as it came, before the common steps"
    row = made.manifest()["S000_red"]
    assert (row["output.web.file"], row["output.web.width_px"]) == ("images/S000_red-32.webp", "32")
    told = told_by(three["S000_red-32.webp"][1])
    assert (told["Key"], told["Output"], told["ContentDigest"]) == (
        row["key"],
        "web",
        row["output.web.finished_digest"],
    )

    inspected = json.loads(made.imagemake("inspect", "results/images/red_S000.png", "--json").stdout)
    assert (inspected["row"]["name"], inspected["mismatches"]) == ("S000_red", [])
    assert "images/S000_red-32.webp (output web)" in made.imagemake("inspect", "S000_red").stdout

    made.write_config(postprocess={**common, "more_outputs": {"web": {**WEB, "quality": 50}, "cut": CUT}})
    done = made.snakemake()
    assert "4 to postprocess: postprocessing changed: web" in done.stderr
    after = made.images()
    assert {name for name in after if after[name] != three[name]} == webs

    # One file by its name, and a name that is none.
    target = "results/images/S001_teal-32.webp"
    (made.folder / target).unlink()
    assert made.jobs(made.snakemake(target)) == ["image"]
    assert made.images()["S001_teal-32.webp"][1] == after["S001_teal-32.webp"][1]
    assert made.jobs(made.snakemake(target)) == []
    assert "S000_red-32.webp" in made.snakemake("results/images/S001_teal-33.webp", expect=2).stderr

    changed = {**common, "more_outputs": {"cut": {**CUT, "name": "{name}"}}}
    made.write_config(postprocess=changed, metadata={"sidecar": "json"})
    assert made.jobs(made.snakemake()) == ["release", "all"], "names, sidecars and a removed output finish nothing"
    files = {*one, *(f"{name[:-4]}.png" for name in one)}
    assert set(made.images()) == files | {f"{name}.json" for name in files}
    assert made.jobs(made.snakemake()) == []
    fits_its_schemas(made.folder / "results")

    made.write_config(postprocess={**changed, "sheets": {"by": {"by": ["color"], "output": "cut"}}})
    assert made.jobs(made.snakemake()) == ["release", "all"]
    made.imagemake("publish", f"file://{made.folder}/there")
    assert leads_to_what_it_says(made.folder / "there") == {*files, *(f"by-{row['color']}.png" for row in made.rows)}
    assert made.calls() == 4
