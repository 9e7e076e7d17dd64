"""`imagemake review` shows near-duplicates in earlier releases, and no other files."""

from __future__ import annotations

import hashlib
import html
import os
import re

import pytest
from entries import an_entry
from PIL import Image
from review_project import BAD, DOUBTFUL, ReviewProject
from starlette.testclient import TestClient

from imagemake.release.manifest.tables import write_manifest
from imagemake.review.app import make_app
from imagemake.review.security import Access
from imagemake.review.session import ReviewSession

HOME = "http://127.0.0.1:8765"
HOSTILE = "<script>alert(1)</script>"


class Earlier:
    """A project with an earlier release that has a near-duplicate of `mug_red`."""

    def __init__(self, folder):
        near = {"near_duplicates": {"earlier": ["releases/*/manifest.parquet"]}}
        self.project = ReviewProject(folder, {("mug", "red"): DOUBTFUL, ("vase", "red"): BAD}, validation=near)
        self.spring = folder / "releases" / "spring"
        (self.spring / "images").mkdir(parents=True)
        self.image = self.spring / "images" / "cup.png"
        Image.new("RGB", (40, 30), "red").save(self.image)
        self.hash = (
            hashlib.sha256(self.project.keys["mug_red"].encode()).digest()[:8].hex()
        )  # the hash that `ReviewProject` uses

    def write(self, name="cup", file="images/cup.png", digest=None, **entry):
        measures = {"phash.hash": self.hash, "phash.colors": "80" * 27}
        digest = digest or hashlib.sha256(self.image.read_bytes()).hexdigest()
        entry = {"verdict": "accepted", "measures": measures, "file": file, "digest": digest, **entry}
        write_manifest([an_entry(name, **entry)], self.spring / "manifest.csv", self.spring / "manifest.parquet")

    def open(self):
        self.client = TestClient(
            make_app(ReviewSession(self.project.folder), Access.at("127.0.0.1", 8765), "kim"), base_url=HOME
        )
        return self

    def page(self, name="mug_red"):
        return self.client.get(f"/image/{self.project.keys[name]}?tab=all").text

    def sources(self):
        return re.findall(r'<img src="(/earlier/[^"]+)"', self.page())


@pytest.fixture
def earlier(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    made = Earlier(folder)
    monkeypatch.chdir(folder)
    return made


def test_the_image_of_the_earlier_release_is_beside_the_one_that_is_nearly_the_same(earlier):
    earlier.write()
    (source,) = earlier.open().sources()
    page = html.unescape(earlier.page())
    assert "Near-duplicate in an earlier release" in page
    assert "from <bdi>releases/spring/manifest.parquet</bdi>" in page
    answer = earlier.client.get(source)
    assert answer.content == earlier.image.read_bytes()
    assert answer.headers["content-type"] == "image/png"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "earlier release" not in earlier.page("vase_red")


def test_the_same_request_or_key_is_not_shown_as_another_image(earlier):
    earlier.write(name="mug_red")
    assert earlier.open().sources() == []
    earlier.write(key=earlier.project.keys["mug_red"])
    assert earlier.open().sources() == []


def link(path, target):
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def outside(earlier):
    secret = earlier.project.folder.parent / "secret.png"
    Image.new("RGB", (9, 9), "blue").save(secret)
    earlier.secret = secret
    return secret, hashlib.sha256(secret.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda e: e.image.unlink(), "its file is missing"),
        (lambda e: e.image.write_bytes(b"\x89PNG other"), "its file changed after the release"),
        (lambda e: e.write(file=None), "its manifest names no file"),
        (lambda e: e.write(digest="nonsense"), "its manifest names no file"),
        (lambda e: e.write(file=str(outside(e)[0]), digest=outside(e)[1]), "not in the folder images beside it"),
        (lambda e: e.write(file="../../../secret.png", digest=outside(e)[1]), "not in the folder images beside it"),
        (lambda e: e.write(file="images/..", digest=outside(e)[1]), "not in the folder images beside it"),
        (lambda e: e.write(file="images\\cup.png"), "not in the folder images beside it"),
        (lambda e: (link(e.image, outside(e)[0]), e.write()), "a link that leads out of the release"),
        (lambda e: (e.image.unlink(), os.mkfifo(e.image)), "its file is not an image"),
        (lambda e: (e.image.write_text(HOSTILE), e.write()), "its file is not an image"),
        (lambda e: e.write(file=f"images/{'x' * 5000}"), "its file is missing"),
    ],
)
def test_what_is_not_that_very_image_in_its_own_folder_is_told_and_not_served(earlier, change, why):
    earlier.write()
    change(earlier)
    earlier.open()
    assert earlier.sources() == []
    page = html.unescape(earlier.page())
    assert "from <bdi>releases/spring/manifest.parquet</bdi>; " in page
    assert why in page


def test_a_folder_of_images_that_is_a_link_out_of_the_release_is_not_followed(earlier):
    secret, digest = outside(earlier)
    earlier.image.unlink()
    (earlier.spring / "images").rmdir()
    (earlier.spring / "images").symlink_to(secret.parent)
    earlier.write(file="images/secret.png", digest=digest)
    earlier.open()
    assert earlier.sources() == []
    assert earlier.client.get(f"/earlier/0/{digest}").status_code == 404


@pytest.mark.parametrize("place", ["1", "-1", "0" * 5000, "x", "..%2f..", "٣"])
def test_an_address_that_leads_to_no_earlier_image_is_not_found(earlier, place):
    earlier.write()
    earlier.open()
    digest = hashlib.sha256(earlier.image.read_bytes()).hexdigest()
    assert earlier.client.get(f"/earlier/0/{digest}").status_code == 200
    assert earlier.client.get(f"/earlier/{place}/{digest}").status_code in (404, 400)
    assert earlier.client.get(f"/earlier/0/{'0' * 64}").status_code == 404


def test_names_of_a_hostile_manifest_are_escaped(earlier):
    earlier.write(name=HOSTILE)
    page = earlier.open().page()
    assert HOSTILE not in page
    assert html.escape(HOSTILE) in page


def test_without_earlier_releases_there_is_nothing_to_find(tmp_path):
    project = ReviewProject(tmp_path / "p", {("mug", "red"): DOUBTFUL})
    client = TestClient(make_app(ReviewSession(project.folder), Access.at("127.0.0.1", 8765), "kim"), base_url=HOME)
    assert client.get(f"/earlier/0/{'0' * 64}").status_code == 404
