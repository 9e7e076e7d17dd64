"""Rejected images are repaired where a measure found the fault, and stay as they are elsewhere."""

from __future__ import annotations

import io

import numpy as np
import orjson
import pytest
from certificates import a_chain
from content_credentials import read
from fake_openai import Settings
from PIL import Image

from imagemake.images.repair_mask import RepairMask
from imagemake.store.sent_images import SentImages
from imagemake.store.store import Store

STUDIO = a_chain("Studio")
EDITS = "/v1/images/edits"
NO_TEXT = {"text.regions": {"reject": {"max": 0}}}
ERASE = {"max": 2, "repair": {"text": "Remove all text. Change nothing else."}}


@pytest.fixture(scope="module")
def repaired(tmp_path_factory, stand_in):
    """Two images with a caption that the stand-in draws, and paints over where the mask is open."""
    from workflow.project import Project

    stand_in.renew(Settings(any_size=True, drawing="products"))
    size = {"parameters": {"size": "512x512", "quality": "low"}}
    shop = Project(
        tmp_path_factory.mktemp("repairs") / "project",
        stand_in,
        rows=2,
        model=size,
        validation={"checks": NO_TEXT, "near_duplicates": False},
        attempts=ERASE,
    )
    (shop.folder / "config" / "chain.pem").write_text(STUDIO.chain)
    shop.write_config(c2pa={"certificate": "config/chain.pem"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMAGEMAKE_C2PA_KEY", STUDIO.key)
        shop.snakemake()
        yield shop, stand_in.calls()


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=int)


def test_only_what_the_mask_leaves_open_is_repaired_and_the_repair_is_accepted(repaired):
    shop, calls = repaired
    store, rows = Store(shop.folder / "store"), shop.manifest()
    assert {(row["verdict"], row["made_by"]) for row in rows.values()} == {("accepted", "repair")}
    edits = [call for call in calls if call.endpoint == EDITS]
    assert len(edits) == len(rows) == 2
    for row in rows.values():
        (parent,) = orjson.loads(row["history"])
        sent = [record["recipe"] for record in shop.journal("sent") if record["key"] == row["key"]]
        (kept,) = (store.references.find(one["mask"]) for one in sent)
        mask = RepairMask.from_bytes(store.references.read(kept))
        assert (mask.image, mask.reasons, mask.size_px) == (parent["raw_digest"], ("text.regions",), (512, 512))
        is_open = np.zeros((512, 512), bool)
        for left, top, right, bottom in mask.boxes_px:
            is_open[top:bottom, left:right] = True
        assert 0 < is_open.mean() < 0.2
        before, after = (pixels(store.raw.read(store.raw.find(key))) for key in (parent["key"], row["key"]))
        changed = (before != after).any(axis=2)
        assert changed[is_open].any()
        assert not changed[~is_open].any(), "the rest of the image is what was paid for before"


def test_the_sent_mask_is_transparent_just_where_the_boxes_are(repaired):
    shop, _ = repaired
    digest = next(record["recipe"]["mask"] for record in shop.journal("sent") if "mask" in record["recipe"])
    store = Store(shop.folder / "store")
    png = Image.open(io.BytesIO(SentImages(store).read(digest)))
    mask = RepairMask.from_bytes(store.references.read(store.references.find(digest)))
    is_open = np.zeros((512, 512), bool)
    for left, top, right, bottom in mask.boxes_px:
        is_open[top:bottom, left:right] = True
    assert (png.format, png.mode, png.size) == ("PNG", "RGBA", (512, 512))
    assert np.array_equal(np.asarray(png.getchannel("A")) == 0, is_open)


def test_inspect_and_the_file_itself_tell_the_rejected_image_and_the_mask(repaired):
    shop, _ = repaired
    name, row = next(iter(shop.manifest().items()))
    (parent,) = orjson.loads(row["history"])
    file = shop.folder / "results" / row["file"]
    assert f"{name} {parent['key']}".encode() in file.read_bytes(), "imagemake:MadeFrom in XMP"
    _, manifest, _ = read(file.read_bytes(), "image/jpeg", STUDIO.root)
    found = {one["relationship"]: one["description"] for one in manifest["ingredients"]}
    assert found["parentOf"] == f"SHA-256 {parent['raw_digest']}, key {parent['key']}"
    assert found.keys() == {"parentOf", "inputTo"}
    lines = [line.split() for line in shop.imagemake("inspect", str(file)).stdout.splitlines()]
    assert ["made", "from", "parentOf", "rejected", "image,"] in [line[:5] for line in lines]
    (mask,) = [line for line in lines if line[:1] == ["mask"]]
    assert mask[1].endswith(".mask")
    assert any("text.regions;" in line for line in lines)
    assert orjson.loads(shop.imagemake("inspect", name, "--json").stdout)["repair"]["boxes_px"]


def test_a_lost_work_folder_and_other_boxes_repair_nothing_again(repaired, tmp_path):
    shop, _ = repaired
    copy = shop.copied(tmp_path / "project")
    copy.delete("work")
    # Another version of the measure finds the text elsewhere: the repair that was paid for stays.
    copy.write_config(validation={**copy.config["validation"], "measures": {"text": {"long_edge_px": 640}}})
    copy.snakemake()
    assert {row["verdict"] for row in copy.manifest().values()} == {"accepted"}
    assert not copy.server.calls()
