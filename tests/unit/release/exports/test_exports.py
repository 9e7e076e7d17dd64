"""Exports: what other programs load, written again only where it changed, with no path out of their folder."""

import csv
import io
import json
import tarfile

import pytest
from entries import without_image
from hypothesis import given, settings
from hypothesis import strategies as st
from release_folders import an_image, with_image

from imagemake.config.campaign import load_campaign
from imagemake.core.files import write_whole
from imagemake.plan.requests.export_paths import ExportPath
from imagemake.plan.requests.names import BadValueError
from imagemake.release.exports.content import Shard
from imagemake.release.exports.write import Exports
from imagemake.release.published_name import digest_name
from imagemake.release.released_files import Released, ReleasedBefore

COLORS = ("red", "green", "blue", "orange", "purple")
FEED = {
    "format": "merchant",
    "base_url": "https://cdn.example.com/shop/",
    "columns": {
        "id": "{sku}",
        "title": "{product}",
        "description": "{product}",
        "link": "https://example.com/{sku}",
        "price": "9.00 EUR",
        "availability": "in_stock",
    },
}
SHOPIFY = {
    "format": "shopify",
    "base_url": "https://cdn.example.com",
    "columns": {"Handle": "{sku}", "Title": "{product}", "Image Alt Text": "{color} {product}"},
}
ALL = {
    "train": {"format": "huggingface"},
    "lora": {"format": "kohya", "path": "10_mug/{name}", "caption": "a {color}\nmug"},
    "boxes": {"format": "coco", "boxes": ["objects", "faces", "text", "subject"]},
    "shards": {"format": "webdataset", "shards": 3},
    "google": FEED,
    "shopify": SHOPIFY,
    "tree": {"format": "folders", "path": "{product}/{color}"},
}


class World:
    """A release of five mugs in two products, and its exports."""

    def __init__(self, folder):
        self.folder, self.shown, self.files = folder / "results", {}, {}
        self.memory = folder / "memory.json"
        for number, color in enumerate(COLORS):
            self.paint(f"mug-{number}", color)

    def paint(self, name, color, **changes):
        number = int(name[-1])
        variables = {"sku": f"M-{number % 2}", "product": f"mug/{number % 2}", "color": COLORS[number], **changes}
        self.shown[name] = with_image(
            name, an_image(color, (200, 100)), variables=variables, prompt=f"a {color} mug", width_px=200, height_px=100
        )

    def write(self, scope="all", publish="digest", **exports):
        for row, data in self.shown.values():
            path = self.folder / str(row.file)
            if row.file and not (path.is_file() and path.read_bytes() == data):
                write_whole(path, data)
        campaign = load_campaign(
            {
                "campaign": "c",
                "catalog": "c.csv",
                "prompt": "p",
                "name": "{sku}",
                "publish": {"names": publish},
                "release": {"exports": exports},
            }
        )
        before = [name for names in self.files.values() for name in names]
        memory = ReleasedBefore(self.memory, self.folder / "exports")
        self.images = ReleasedBefore(None)
        writer = Exports(self.folder, memory, self.images)
        self.files = writer.write_all([row for row, _ in self.shown.values()], campaign, scope, before)

    def looks(self):
        there = (path for path in (self.folder / "exports").rglob("*") if path.is_file())
        return {
            str(path.relative_to(self.folder / "exports")): (path.stat().st_ino, path.stat().st_mtime_ns)
            for path in there
        }

    def text(self, name):
        return (self.folder / "exports" / name).read_text(encoding="utf-8")

    def table(self, name):
        return list(csv.DictReader(io.StringIO(self.text(name))))


def members_of(path):
    with tarfile.open(path) as tar:
        return tar.getnames()


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_only_the_files_of_a_changed_image_are_written_again(world):
    world.write(**ALL)
    before = world.looks()
    assert sorted(before) == sorted(name for names in world.files.values() for name in names)
    world.write(**ALL)
    assert world.looks() == before
    world.paint("mug-2", "black")
    shard = next(name for name in world.files["shards"] if "mug-2.png" in members_of(world.folder / "exports" / name))
    world.write(**ALL)
    after = world.looks()
    images = {"train/mug-2.png", "lora/10_mug/mug-2.png", "boxes/images/mug-2.png", "tree/mug-0/blue.png"}
    tables = {"train/metadata.jsonl", "google/merchant.csv", "shopify/shopify.csv"}
    assert {name for name in after if after[name] != before[name]} == {*images, *tables, shard}
    assert all((world.folder / "exports" / name).samefile(world.folder / "images/mug-2.png") for name in images)


def test_images_of_exports_take_no_further_space_and_do_not_look_changed(world, tmp_path):
    world.write()
    image = world.folder / "images/mug-0.png"
    images = ReleasedBefore(tmp_path / "images.json")
    images.add(image, "it", Released("0" * 64, 1))
    campaign_rows = [row for row, _ in world.shown.values()]
    campaign = load_campaign(
        {"campaign": "c", "catalog": "c.csv", "prompt": "p", "name": "n", "release": {"exports": {"tree": ALL["tree"]}}}
    )
    Exports(world.folder, ReleasedBefore(None), images).write_all(campaign_rows, campaign, "all")
    assert image.stat().st_nlink == 2
    images.save()
    assert ReleasedBefore(tmp_path / "images.json").find(image, "it") is not None, "a second name is no other content"


def test_what_is_no_longer_exported_goes_and_what_others_put_there_stays(world):
    world.write(**ALL)
    cache = world.folder / "exports/lora/10_mug/mug-1.npz"
    cache.write_bytes(b"latents")
    world.shown["mug-1"] = (without_image("mug-1", "rejected"), b"")
    world.write(lora=ALL["lora"])
    left = sorted(world.looks())
    kept = [f"lora/10_mug/mug-{number}.{kind}" for number in (0, 2, 3, 4) for kind in ("png", "txt")]
    assert left == sorted([*kept, "lora/10_mug/mug-1.npz"])
    world.files = {"x": ["../images/mug-0.png", str(world.folder / "images/mug-2.png")]}
    world.write(lora=ALL["lora"])
    assert (world.folder / "images/mug-0.png").exists(), "a record that somebody wrote deletes nothing elsewhere"
    assert (world.folder / "images/mug-2.png").exists()


def test_shards_have_equal_bytes_wherever_they_are_written(world, tmp_path):
    world.write(shards=ALL["shards"])
    other = World(tmp_path / "other")
    other.write(shards=ALL["shards"])
    names = [f"shards/shard-00000{place}.tar" for place in range(3)]
    assert world.files["shards"] == names
    for name in names:
        assert (world.folder / "exports" / name).read_bytes() == (other.folder / "exports" / name).read_bytes()
    members = [one for name in names for one in members_of(world.folder / "exports" / name)]
    assert sorted(members) == sorted(f"mug-{number}.{kind}" for number in range(5) for kind in ("png", "txt", "json"))


def test_the_key_of_a_sample_ends_at_the_first_dot_of_its_name(world):
    row, data = with_image("v1.5_mug", an_image("gray"), variables={"product": "mug"})
    world.shown = {row.name: (row, data)}
    world.write(shards={"format": "webdataset"})
    names = members_of(world.folder / "exports/shards/shard-000000.tar")
    assert {name.count(".") for name in names} == {1}
    assert len({name.partition(".")[0] for name in names}) == 1


def test_feeds_link_to_the_names_that_images_have_once_they_are_published(world):
    world.write(google=FEED, shopify=SHOPIFY)
    links = [f"https://cdn.example.com/shop/{digest_name(row.file, row.digest)}" for row, _ in world.shown.values()]
    first, second = world.table("google/merchant.csv")
    assert (first["id"], first["image_link"]) == ("M-0", links[0])
    assert first["additional_image_link"] == f"{links[2]},{links[4]}"
    assert second["image_link"] == links[1]
    rows = world.table("shopify/shopify.csv")
    told = [(row["Handle"], row["Title"], row["Image Position"], row["Image Alt Text"]) for row in rows]
    assert told[:2] == [("M-0", "mug/0", "1", "red mug/0"), ("M-0", "", "2", "blue mug/0")]
    world.write(scope="pilot", publish="plain", google=FEED)
    assert world.table("google/merchant.csv")[0]["image_link"] == "https://cdn.example.com/shop/pilot/images/mug-0.png"


def test_no_cell_of_a_feed_is_run_as_a_formula(world):
    world.paint("mug-0", "red", product="=cmd()")
    world.write(google=FEED)
    assert world.table("google/merchant.csv")[0]["title"] == "'=cmd()"


def test_boxes_are_pixels_of_the_released_image(world):
    row, data = with_image(
        "mug-0",
        an_image("red", (200, 100)),
        width_px=200,
        height_px=100,
        measures={
            "objects.found": json.dumps([["cup", 0.9, 0.1, 0.2, 0.5, 0.4]]),
            "faces.boxes": json.dumps([[0.8, 0.0, 0.0, 1.0, 1.0]]),
            "text.words": json.dumps([["HI", 0.95, 0.5, 0.5, 0.1, 0.1, 0.01]]),
            "subject.left": 0.25,
            "subject.top": 0.5,
            "subject.right": 0.75,
            "subject.bottom": 1.0,
        },
    )
    world.shown["mug-0"] = (row, data)
    world.write(boxes=ALL["boxes"])
    told = json.loads(world.text("boxes/annotations.json"))
    names = {one["id"]: one["name"] for one in told["categories"]}
    assert len(names) == 83, "the same numbers, whatever the images show"
    found = [(names[one["category_id"]], one["image_id"], one["bbox"], one["area"]) for one in told["annotations"]]
    assert found == [
        ("cup", 1, [20.0, 20.0, 100.0, 40.0], 4000.0),
        ("face", 1, [0.0, 0.0, 200.0, 100.0], 20000.0),
        ("text", 1, [100.0, 50.0, 20.0, 10.0], 200.0),
        ("subject", 1, [50.0, 50.0, 100.0, 50.0], 5000.0),
    ]
    assert len(told["images"]) == 5


def test_captions_are_one_line_beside_their_image(world):
    world.write(lora=ALL["lora"])
    assert world.text("lora/10_mug/mug-1.txt") == "a green mug\n"


VALUES = st.text(min_size=1, max_size=40)


@given(template=st.sampled_from(["{a}/{b}", "x/{a}-{b}/{name}", "{a}", "../{a}", "/{a}/{b}"]), a=VALUES, b=VALUES)
@settings(max_examples=300, deadline=None)
def test_no_path_leaves_the_folder_of_its_export(template, a, b):
    try:
        path = ExportPath(template).of({"a": a, "b": b, "name": "n"})
    except BadValueError:
        return
    parts = path.split("/")
    assert len(parts) == template.count("/") + 1, "a value makes no folder"
    assert not {"", ".", ".."} & set(parts)
    assert not any("\\" in part or "\0" in part for part in parts)


def test_an_imagefolder_is_opened_by_datasets(world, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    world.write(train={"format": "huggingface", "columns": {"label": "{color}"}})
    loaded = datasets.load_dataset("imagefolder", data_dir=str(world.folder / "exports/train"), split="train")
    first = loaded[0]
    assert (first["text"], first["label"], first["image"].size) == ("a red mug", "red", (200, 100))


def test_shards_are_read_by_webdataset(world):
    import webdataset

    world.write(shards=ALL["shards"])
    urls = [str(world.folder / "exports" / name) for name in world.files["shards"]]
    samples = list(webdataset.WebDataset(urls, shardshuffle=False).decode("pil"))
    assert sorted(one["__key__"] for one in samples) == [f"mug-{number}" for number in range(5)]
    assert {one["png"].size for one in samples} == {(200, 100)}


def test_a_shard_that_cannot_be_written_leaves_the_previous_one(tmp_path):
    target = tmp_path / "a.tar"
    Shard({"a.txt": b"one"}).write(target, tmp_path)
    before = target.read_bytes()
    missing = Shard({"b.txt": b"two", "b.png": with_missing_image()})
    with pytest.raises(FileNotFoundError):
        missing.write(target, tmp_path)
    assert target.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


def with_missing_image():
    from imagemake.release.exports.content import Image

    return Image("images/none.png", "0" * 64)
