"""Whole builds of images that are made from other images of the campaign."""

import csv
import time
from collections import Counter

import pytest
from campaigns_of_page import campaigns_of
from fake_openai import Behavior, Rule, Settings
from workflow.project import Project, kill_group

FROM_OTHERS = ("scene-03", "R1_night")
FAMILY = {
    "prompt": "Product photo of {product} on a white background, {color}, {angle}.",
    "name": "{sku}_{angle}",
    "variables": {"angle": ["hero", "front", "night"]},
    "references": ["image:{sku}_hero"],
}


@pytest.fixture(scope="module")
def family_once(tmp_path_factory, stand_in):
    """Two products: a hero of each, and two images that are made from it; and the calls."""
    stand_in.renew(Settings(any_size=True))
    made = Project(tmp_path_factory.mktemp("family") / "project", stand_in, rows=2, **FAMILY)
    made.snakemake()
    return made, stand_in.calls()


@pytest.fixture
def family(family_once, server, tmp_path):
    """A copy of that project. Six calls were made for it."""
    return family_once[0].copied(tmp_path / "project")


def approve(project, *names):
    with (project.folder / "results" / "review.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["name"] in names]
    text = "".join(f"{row['key']},approve\n" for row in rows)
    (project.folder / "config" / "reviews.csv").write_text(f"key,decision\n{text}")


def angle_of(call):
    return call.prompt.rstrip(".").split(", ")[-1]


def test_one_run_makes_the_heroes_first_and_sends_each_to_its_own_images(family, family_once):
    calls = family_once[1]
    assert [angle_of(call) for call in calls[:2]] == ["hero", "hero"]
    assert Counter(angle_of(call) for call in calls) == {"hero": 2, "front": 2, "night": 2}
    manifest = family.manifest()
    for sku in ("S000", "S001"):
        hero = manifest[f"{sku}_hero"]
        assert (hero["references"], len(family.images())) == ("", 6)
        for angle in ("front", "night"):
            row = manifest[f"{sku}_{angle}"]
            assert row["references"] == f"image:{sku}_hero"
            assert row["reference_digests"] == hero["raw_digest"]
    sent = {tuple(call.references) for call in calls if angle_of(call) != "hero"}
    assert sent == {(manifest[f"{sku}_hero"]["raw_digest"],) for sku in ("S000", "S001")}


def test_a_rerun_calls_nobody(family):
    assert family.jobs(family.snakemake()) == []
    family.delete("work", "results")
    family.snakemake()
    assert family.calls() == 6


def test_a_changed_hero_makes_exactly_its_own_images_anew(family):
    before = family.images()
    family.edit_row(0, product="jar")
    dry = family.snakemake("-n").stderr
    assert "1 to generate: key changed: prompt" in dry
    assert "2 follow in this run" in dry
    assert "made again unless the others come out the same (2)" in dry
    family.snakemake()
    assert family.calls() == 9
    after = family.images()
    assert {name for name in before if before[name][1] != after[name][1]} == {
        f"S000_{angle}.jpg" for angle in ("hero", "front", "night")
    }
    assert {name for name in before if before[name][0] == after[name][0]} == {
        f"S001_{angle}.jpg" for angle in ("hero", "front", "night")
    }


def test_a_hero_that_is_made_again_with_the_same_bytes_makes_nothing_else_anew(preview):
    made = preview(rows=2, name="{sku}")
    made.rows[0] |= {"parameters.moderation": "auto", "references": ""}
    made.rows[1] |= {"parameters.moderation": "", "references": "image:S000"}
    made.write_catalog()
    made.snakemake()
    before = made.manifest()
    made.edit_row(0, **{"parameters.moderation": "low"})  # the preview ignores it
    made.snakemake()
    after = made.manifest()
    assert before["S000"]["key"] != after["S000"]["key"]
    assert before["S001"]["key"] == after["S001"]["key"]
    assert made.calls() == 3
    for path in made.raw_files():
        if path.name.startswith(after["S000"]["key"]):
            path.unlink()
    made.snakemake()
    assert made.calls() == 4


def test_images_that_need_an_approved_hero_wait_for_a_person(project):
    references = [{"image": "{sku}_hero", "after": "approval"}]
    made = project(rows=2, **{**FAMILY, "references": references})
    done = made.snakemake()
    assert made.calls() == 2
    assert "2 awaiting review" in done.stderr
    rows = made.manifest()
    assert rows["S001_front"]["verdict"] == "pending"
    assert rows["S001_front"]["reasons"] == "parent: made from S001_hero, which awaits review"
    approve(made, "S001_hero")
    dry = made.snakemake("-n").stderr
    assert "2 to generate: new" in dry
    assert "2 follow after the review of 1 image" in dry
    made.snakemake()
    assert made.calls() == 4
    assert {*made.images()} == {"S001_hero.jpg", "S001_front.jpg", "S001_night.jpg"}


def test_one_image_brings_what_it_is_made_from(project):
    made = project(rows=2, **FAMILY)
    made.snakemake("results/images/S001_night.jpg")
    assert {*made.images()} == {"S001_night.jpg"}
    assert made.calls() == 2
    assert made.jobs(made.snakemake("results/images/S001_night.jpg")) == []
    made.snakemake("--config", "only=S000_front")
    assert made.calls() == 4


def test_a_refused_hero_leaves_its_images_waiting_and_the_others_are_made(project, server):
    server.change(rules=[Rule(behavior=Behavior.MODERATION, prompt="mug.*hero")])
    made = project(rows=2, **FAMILY)
    done = made.snakemake(expect=1)
    assert server.calls()[-1].prompt != ""
    assert {*made.images()} == {"S001_hero.jpg", "S001_front.jpg", "S001_night.jpg"}
    assert made.manifest()["S000_night"]["reasons"] == "parent: made from S000_hero, which the provider refused"
    assert "3 images are missing from results/" in done.stderr
    assert "2 made from images that are missing" in done.stderr
    calls = made.calls()
    made.snakemake(expect=1)
    assert made.calls() == calls


def test_a_rejected_hero_is_tried_again_before_its_images_are_made(project, server):
    server.change(rules=[Rule(behavior=Behavior.BLANK, prompt="hero", at_most=1)])
    made = project(rows=1, attempts={"max": 2}, **FAMILY)
    made.snakemake()
    assert [angle_of(call) for call in server.calls()[:2]] == ["hero", "hero"]
    assert made.calls() == 4
    assert made.manifest()["S000_front"]["reference_digests"] == made.manifest()["S000_hero"]["raw_digest"]


def test_a_chain_that_is_killed_in_the_middle_is_finished_and_nothing_is_made_twice(project, server):
    made = project(rows=2, limits={"in_flight": 1}, **FAMILY)
    server.change(rules=[Rule(behavior=Behavior.NORMAL, prompt="front|night", latency_s=0.7)])
    run = made.start()
    while len(server.calls()) < 4 and run.poll() is None:
        time.sleep(0.05)
    kill_group(run)
    server.wait_until_idle()
    at_kill = [call.prompt for call in server.calls()]
    assert at_kill[:2] == [prompt for prompt in at_kill if "hero" in prompt]
    made.snakemake()
    assert len(made.images()) == 6
    times = Counter(call.prompt for call in server.calls())
    assert {n for prompt, n in times.items() if "hero" in prompt} == {1}
    assert sum(times.values()) <= 7, "at most the call in flight is repeated"


def test_a_batch_of_the_provider_holds_one_generation(project, server):
    made = project(rows=2, model={"mode": "batch"}, **FAMILY)
    made.snakemake()
    by_batch = {}
    for call in server.calls():
        by_batch.setdefault(call.batch_id, set()).add(angle_of(call) == "hero")
    assert list(by_batch.values()) == [{True}, {False}]
    assert None not in by_batch
    assert len(made.images()) == 6


@pytest.mark.parametrize(("campaign", "rounds"), [("A book for children", 3), ("Rooms", 2)])
def test_campaigns_of_the_page_are_built_as_they_are_printed(preview, campaign, rounds):
    config, catalog = campaigns_of("how-to/images-from-images.md")[campaign]
    made = preview()
    model = {"provider": "preview", "name": "preview-1", "parameters": {"size": "96x96"}}
    made.config = {**config, "model": model}
    made.write_config()
    (made.folder / "config" / "catalog.csv").write_text(catalog)
    made.snakemake()
    rows = made.manifest()
    assert {row["verdict"] for row in rows.values()} == {"accepted"}
    assert len(made.journal("sent")) == len(rows) == 4
    digests = {f"image:{name}": row["raw_digest"] for name, row in rows.items()}
    sent = {row["references"]: row["reference_digests"] for row in rows.values() if row["references"]}
    assert sent == {path: digests[path] for path in sent}
    assert len(sent) == rounds - (campaign != "Rooms")
    assert b"imagemake:MadeFrom" in next(data for name, (_, data) in made.images().items() if name[:-4] in FROM_OTHERS)
