"""What released files say, after whole builds: read by Exiv2, kept where nothing changed, and never a new image."""

from __future__ import annotations

import pyexiv2


def told_by(data):
    with pyexiv2.ImageData(data) as read:
        return {name.rpartition(".")[2]: value for name, value in read.read_xmp().items()}


def review(project, *decisions):
    lines = ["key,decision,note,reviewer,time", *(f"{key},{what},{note},Ann," for key, what, note in decisions)]
    (project.folder / "config" / "reviews.csv").write_text("\n".join(lines) + "\n")


def test_every_file_tells_where_it_came_from_as_the_manifest_does(built):
    for name, row in built.manifest().items():
        told = told_by(built.images()[f"{name}.jpg"][1])
        assert told["DigitalSourceType"].endswith("/trainedAlgorithmicMedia")
        assert (told["Key"], told["Seed"], told["Model"]) == (row["key"], row["seed"], row["model"])
        assert told["CreateDate"] == row["generated_at"]
        assert told["ContentDigest"] == row["finished_digest"] != row["digest"]
        assert "AIPromptInformation" not in told


def test_a_review_note_changes_one_file_and_finishes_and_makes_nothing(built):
    before = built.images()
    finished = {path: path.stat().st_mtime_ns for path in built.folder.glob("store/finished/*/*/*")}
    row = built.manifest()["S001_teal"]
    review(built, (row["key"], "approve", "shadow is fine"))
    assert built.jobs(built.snakemake()) == ["release", "all"]
    after = built.images()
    assert {name for name in after if before[name] != after[name]} == {"S001_teal.jpg"}
    told = told_by(after["S001_teal.jpg"][1])
    assert (told["Status"], told["ReviewNote"]) == ("approved", "shadow is fine")
    assert {path: path.stat().st_mtime_ns for path in built.folder.glob("store/finished/*/*/*")} == finished
    assert built.calls() == 4
    assert built.jobs(built.snakemake()) == []


def test_one_image_by_its_name_is_the_same_file_and_is_then_up_to_date(built):
    good = built.images()
    target = "results/images/S002_gold.jpg"
    (built.folder / target).unlink()
    assert "image" in built.jobs(built.snakemake(target))
    assert {name: data for name, (_, data) in built.images().items()} == {
        name: data for name, (_, data) in good.items()
    }
    assert built.jobs(built.snakemake(target)) == []
    review(built, (built.manifest()["S002_gold"]["key"], "approve", "new note"))
    assert "image" in built.jobs(built.snakemake(target))
    assert told_by((built.folder / target).read_bytes())["ReviewNote"] == "new note"


def test_prompts_are_embedded_and_xmp_left_out_without_a_call(built):
    built.write_config(metadata={"prompt": "embed"})
    assert built.jobs(built.snakemake()) == ["release", "all"]
    told = told_by(built.images()["S001_teal.jpg"][1])
    assert told["AIPromptInformation"] == built.manifest()["S001_teal"]["prompt"]
    built.write_config(metadata={"xmp": False})
    built.snakemake()
    links = [path.stat().st_nlink for path in (built.folder / "results" / "images").iterdir()]
    assert links == [2] * 4
    assert built.calls() == 4
    built.imagemake("verify")


def test_a_damaged_finished_image_is_not_released_and_made_good_by_the_next_run(built):
    row = built.manifest()["S001_teal"]
    (path,) = built.folder.glob(f"store/finished/*/*/*.{row['finished_digest']}.jpg")
    good = built.images()["S001_teal.jpg"][1]
    path.chmod(0o644)
    path.write_bytes(b"\xff\xd8\xff broken")
    review(built, (row["key"], "approve", "look again"))
    done = built.snakemake(expect=1)
    assert "run again to postprocess it again" in done.stdout + done.stderr
    assert "S001_teal.jpg" not in built.images()
    assert "postprocess" in built.jobs(built.snakemake())
    assert len(built.images()["S001_teal.jpg"][1]) > len(good)
    assert built.calls() == 4
