"""Reference images in whole builds: content decides, names and times do not."""

import hashlib
import os
import time

import orjson
import pytest
from fake_openai import Settings
from PIL import Image
from workflow.project import Project, wait_for_group

SIZE = (64, 48)


def paint(project, name, color, size=SIZE):
    path = project.folder / "config" / "references" / name
    path.parent.mkdir(exist_ok=True)
    Image.new("RGBA" if color == "#0000" else "RGB", size, color).save(path)
    return path


@pytest.fixture(scope="module")
def built_once(tmp_path_factory, stand_in):
    """Four images from a common and an own reference image each, and the calls that made them."""
    stand_in.renew(Settings(any_size=True))
    references = ["config/references/style.png", "config/references/{color}.jpg"]
    made = Project(tmp_path_factory.mktemp("references") / "project", stand_in, references=references)
    paint(made, "style.png", "white")
    for color in ("red", "teal", "gold"):
        paint(made, f"{color}.jpg", color)
    made.snakemake()
    return made, stand_in.calls()


@pytest.fixture
def built(built_once, server, tmp_path):
    """A copy of that project."""
    return built_once[0].copied(tmp_path / "project")


def test_every_call_sends_the_rows_reference_images(built, built_once):
    sent = {call.prompt: call for call in built_once[1]}
    assert {call.endpoint for call in sent.values()} == {"/v1/images/edits"}
    digests = {row["name"]: row["reference_digests"].split("; ") for row in built.manifest().values()}
    by_color = {prompt.split(", ")[-1].rstrip("."): call.references for prompt, call in sent.items()}
    assert by_color["teal"] == digests["S001_teal"]
    assert by_color["red"] == digests["S000_red"] == digests["S003_red"]
    assert len({references[0] for references in by_color.values()}) == 1
    assert len({references[1] for references in by_color.values()}) == 3
    assert all(record["recipe"]["references"] == digests[record["name"]] for record in built.journal("sent"))


def test_the_manifest_and_the_contact_sheet_name_them(built):
    row = built.manifest()["S001_teal"]
    assert row["references"] == "config/references/style.png; config/references/teal.jpg"
    page = (built.folder / "results" / "index.html").read_text()
    data = orjson.loads(page.partition('id="data">')[2].partition("</script>")[0])
    assert set(row["reference_digests"].split("; ")) <= data["references"].keys()
    assert all(url.startswith("data:image/jpeg;base64,") for url in data["references"].values())


def test_changed_content_makes_exactly_its_users_anew(built):
    before = built.images()
    paint(built, "red.jpg", "maroon")
    dry = built.snakemake("-n")
    assert "2 to generate: key changed: references" in dry.stderr
    assert built.calls() == 4
    built.snakemake()
    after = built.images()
    assert built.calls() == 6
    assert before["S001_teal.jpg"] == after["S001_teal.jpg"]
    assert before["S002_gold.jpg"] == after["S002_gold.jpg"]
    assert before["S000_red.jpg"] != after["S000_red.jpg"]


def test_a_touched_file_makes_nothing_anew(built):
    before = built.images()
    for path in (built.folder / "config" / "references").iterdir():
        os.utime(path)
    done = built.snakemake()
    assert built.jobs(done) == []
    assert (built.calls(), built.images()) == (4, before)


def test_a_renamed_file_makes_no_image_anew_and_the_manifest_follows(built):
    before = built.images()
    folder = built.folder / "config" / "references"
    (folder / "style.png").rename(folder / "look.png")
    built.write_config(references=["config/references/look.png", "config/references/{color}.jpg"])
    done = built.snakemake()
    assert set(built.jobs(done)) == {"release", "all"}
    assert (built.calls(), built.images()) == (4, before)
    assert built.manifest()["S001_teal"]["references"].startswith("config/references/look.png; ")


def test_what_was_sent_is_kept_and_a_reference_that_comes_back_costs_nothing(built):
    before = built.images()
    red = built.folder / "config" / "references" / "red.jpg"
    content = red.read_bytes()
    paint(built, "red.jpg", "maroon")
    built.snakemake()
    red.write_bytes(content)
    done = built.snakemake()
    assert "generate" not in built.jobs(done)
    assert built.calls() == 6
    assert {name: data for name, (_, data) in built.images().items()} == {n: data for n, (_, data) in before.items()}
    assert "no damage" in built.imagemake("verify").stdout


@pytest.mark.parametrize("gone", ["teal.jpg", "style.png"])
def test_a_missing_file_names_its_row_or_key_and_costs_nothing(built, gone):
    (built.folder / "config" / "references" / gone).unlink()
    done = built.snakemake("-n", expect=2)
    place = {
        "teal.jpg": "config/catalog.csv, row 3: in references[1]",
        "style.png": "config/config.yaml, references[0]",
    }
    assert place[gone] in done.stderr
    assert f"there is no file 'config/references/{gone}'" in done.stderr
    assert "Traceback" not in done.stderr
    assert built.calls() == 4


def test_a_catalog_can_name_them_and_a_mask(project, server):
    made = project(rows=2)
    paint(made, "a.png", "white")
    paint(made, "mask.png", "#0000")
    made.rows[0] |= {"references": "config/references/a.png", "mask": "config/references/mask.png"}
    made.rows[1] |= {"references": "", "mask": ""}
    made.write_catalog()
    made.snakemake()
    calls = {call.prompt: call for call in server.calls()}
    sizes = {call.endpoint: len(call.references) for call in calls.values()}
    assert sizes == {"/v1/images/edits": 2, "/v1/images/generations": 0}
    paint(made, "mask.png", "#0000")
    assert made.jobs(made.snakemake()) == []
    Image.new("RGBA", SIZE, "#00000080").save(made.folder / "config" / "references" / "mask.png")
    assert "1 to generate: key changed: mask" in made.snakemake("-n").stderr


def test_batches_send_reference_images_and_masks(project, server):
    made = project(
        references=["config/references/style.png", "config/references/{color}.jpg"],
        mask="config/references/mask.png",
        model={"mode": "batch"},
    )
    paint(made, "style.png", "white")
    paint(made, "mask.png", "#0000")
    for color in ("red", "teal", "gold"):
        paint(made, f"{color}.jpg", color)
    made.snakemake()
    assert len(made.images()) == 4
    assert [call.endpoint for call in server.calls()] == ["/v1/images/edits"] * 4
    assert all(call.batch_id for call in server.calls())
    sent = {record["recipe"]["prompt"]: record["recipe"] for record in made.journal("sent")}
    for call in server.calls():
        recipe = sent[call.prompt]
        assert call.references == [*recipe["references"], recipe["mask"]]


def test_an_edit_in_the_middle_of_a_run_is_for_the_next_run(project, server):
    made = project(rows=3, references=["config/references/a.png"], limits={"in_flight": 1})
    path = paint(made, "a.png", "white")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    server.change(latency_s=1)
    run = made.start()
    while not server.calls():
        time.sleep(0.05)
    paint(made, "a.png", "black")
    wait_for_group(run)
    assert [call.references for call in server.calls()] == [[digest]] * 3
    assert "3 to generate: key changed: references" in made.snakemake("-n").stderr


def test_what_the_model_would_refuse_is_told_before_anything_is_spent(project, server):
    made = project(rows=2, references=["config/references/a.png"], mask="config/references/mask.png")
    paint(made, "a.png", "white")
    paint(made, "mask.png", "#0000", (10, 10))
    done = made.snakemake("-n", expect=2)
    assert "config/catalog.csv, row 2 (S000_red and 1 other): mask 'config/references/mask.png' is 10x10" in done.stderr
    assert server.calls() == []


def test_a_dry_run_says_that_the_cost_is_unknown_and_leaves_the_store_alone(project):
    made = project(references=["config/references/a.png"])
    paint(made, "a.png", "white")
    dry = made.snakemake("-n")
    assert "Cost: unknown for 4 images" in dry.stderr
    assert not (made.folder / "store").exists()


def test_rejected_images_are_tried_again_from_the_same_reference_images(project, server):
    made = project(
        rows=1,
        references=["config/references/a.png"],
        validation={"checks": {"tone.contrast": {"reject": {"min": 200}}}},
        attempts={"max": 2},
    )
    paint(made, "a.png", "white")
    made.snakemake(expect=1)
    first, second = server.calls()
    assert first.references == second.references != []


def test_the_preview_shows_what_is_sent(preview):
    made = preview(rows=1, references=["config/references/a.png"], postprocess={"output": {"format": "png"}})
    paint(made, "a.png", "#ff00ff")
    made.snakemake()
    (path,) = (made.folder / "results" / "images").iterdir()
    with Image.open(path) as image:
        assert (255, 0, 255) in {color for _, color in image.convert("RGB").getcolors(10**6)}
