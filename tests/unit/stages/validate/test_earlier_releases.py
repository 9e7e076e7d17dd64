"""What was handed over before: which new images are nearly one of an earlier release."""

from dataclasses import replace

import numpy as np
import pytest
from entries import an_entry
from pyarrow import parquet

from imagemake.core.problems import UserError
from imagemake.plugins.measures import measure_class
from imagemake.release.manifest.tables import write_manifest
from imagemake.stages.validate.earlier_releases import ComparedImage, EarlierImages, digests, earlier_images
from imagemake.stages.validate.near_duplicates import first_near
from imagemake.stages.validate.prints import Alike, Prints

MUG = ComparedImage(name="mug", key="a" * 64, model="m", hash="00000000000000ff", colors="80" * 27)
NEW = replace(MUG, name="cup", key="b" * 64)
SPRING = "releases/spring/manifest.parquet"


def repeats(*new, earlier=(MUG,), within_models=False):
    known = EarlierImages(earlier, [SPRING] * len(earlier))
    near = known.repeated_by(new, Alike(4, 6), within_models=within_models)
    return {name: str(one) for name, one in near.items()}


@pytest.mark.parametrize(
    ("changes", "is_near"),
    [
        ({}, True),
        ({"hash": "00000000000000f0"}, True),
        ({"hash": "000000000000000f", "colors": "87" * 27}, False),
        ({"hash": "00000000000001e0"}, False),
        ({"colors": "86" * 27}, True),
        ({"colors": "87" * 27}, False),
        ({"name": "mug"}, False),
        ({"key": "a" * 64}, False),
    ],
)
def test_a_new_image_repeats_one_that_is_near_in_hash_and_colors_and_not_its_own(changes, is_near):
    new = replace(NEW, **changes)
    assert repeats(new) == ({new.name: f"mug of {SPRING}"} if is_near else {})


def test_of_several_the_first_that_is_not_its_own_is_named():
    own = replace(MUG, name="cup")
    others = [replace(MUG, name="pot", key="c" * 64), replace(MUG, name="jug", key="d" * 64)]
    assert repeats(NEW, earlier=[own, *others]) == {"cup": f"pot of {SPRING}"}


def test_a_key_that_was_released_before_repeats_nothing_else_in_that_release():
    known = [MUG, replace(MUG, name="old cup", key=NEW.key)]
    assert repeats(NEW, earlier=known) == {}


def test_models_that_are_compared_are_compared_with_their_own_images_only():
    other = replace(NEW, model="other")
    assert repeats(NEW, other, within_models=True).keys() == {"cup"}
    assert repeats(other).keys() == {"cup"}


def test_the_first_near_one_is_that_of_comparing_one_by_one():
    random = np.random.default_rng(3)
    centers = random.integers(0, 2**64, 30, dtype=np.uint64)

    def prints(n):
        hashes = centers[random.integers(0, 30, n)]
        for _ in range(3):
            hashes = hashes ^ (np.uint64(1) << random.integers(0, 64, n).astype(np.uint64))
        return Prints(hashes, random.integers(0, 4, (n, 2), dtype=np.uint8))

    def may_be(row, position):
        return (row + position) % 3 != 0

    new, known = prints(100), prints(300)
    levels = np.abs(new.colors[:, np.newaxis].astype(int) - known.colors.astype(int)).max(axis=2)
    allowed = may_be(*np.indices((100, 300))) & (levels <= 1)
    for bits in (2, 4, 7, 11):
        is_near = (np.bitwise_count(new.hashes[:, np.newaxis] ^ known.hashes) <= bits) & allowed
        expected = {row: int(found.argmax()) for row, found in enumerate(is_near) if found.any()}
        assert expected
        assert first_near(new, known, Alike(bits, 1), may_be) == expected


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder, name, *entries):
    at = folder / name
    at.mkdir(parents=True, exist_ok=True)
    write_manifest(entries, at / "manifest.csv", at / "manifest.parquet")


def released(name, **changes):
    measures = {"phash.hash": MUG.hash, "phash.colors": MUG.colors}
    return an_entry(name, **{"measures": measures, "verdict": "accepted", **changes})


def test_accepted_images_of_all_manifests_that_a_pattern_means_are_read_in_order(folder):
    write(folder, "releases/b", released("pot"))
    write(folder, "releases/a", released("mug"), released("bad", verdict="rejected"), released("jug", measures={}))
    found = earlier_images(["releases/*/manifest.parquet", "releases/a/manifest.parquet"])
    assert [one.name for one in found.images] == ["mug", "pot"]
    assert found.releases == ["releases/a/manifest.parquet", "releases/b/manifest.parquet"]
    assert [one.name for one in earlier_images([str(folder / "releases/b/*.parquet")]).images] == ["pot"]


def test_hashes_of_another_version_of_the_measure_are_not_compared(folder, monkeypatch):
    at = folder / "old"
    at.mkdir()
    paths = at / "manifest.csv", at / "manifest.parquet"

    def read(*measures):
        write_manifest([released("pot")], *paths, measures=measures)
        return earlier_images(["old/manifest.parquet"]).images

    assert len(read("file@1.2", "phash@1.2")) == len(read("phash@1")) == 1, "whichever decoder read the pixels"
    assert len(read("file@1")) == len(read()) == 1  # without a word, they are of the first version
    with pytest.raises(UserError) as caught:
        read("phash@2.1")
    (problem,) = caught.value.problems
    assert problem.what == ("its perceptual hashes come from phash@2; they do not compare with those of phash@1.")
    assert "Rewrite the manifest of that release" in problem.remedy
    monkeypatch.setattr(measure_class("phash"), "version", 2)
    assert len(read("phash@2")) == 1
    with pytest.raises(UserError, match="come from phash@1; they do not compare with those of phash@2"):
        read()


@pytest.mark.parametrize("measures", [b"{", b"5", b"null", b'["phash"]', b"[1, {}, null]"])
def test_a_manifest_with_odd_metadata_ends_in_an_answer(folder, measures):
    write(folder, "old", released("pot"))
    path = folder / "old/manifest.parquet"
    table = parquet.read_table(path)
    parquet.write_table(table.replace_schema_metadata({"imagemake.measures": measures}), path)
    try:
        earlier_images(["old/manifest.parquet"])
    except UserError as error:
        assert "they do not compare" in str(error)


def test_a_manifest_that_changes_is_read_again(folder):
    write(folder, "old", released("pot"))
    path = "old/manifest.parquet"
    before = earlier_images([path]), digests([path])
    write(folder, "old", released("a longer name"))
    assert earlier_images([path]).images != before[0].images
    assert digests([path]) != before[1]


@pytest.mark.parametrize(
    ("pattern", "what", "remedy"),
    [
        ("releases/*/manifest.parquet", "there is no file 'releases/*/manifest.parquet'", "dvc pull"),
        ("releases/**x", "there is no file 'releases/**x'", "dvc pull"),
        ("results/manifest.parquet", "belongs to this campaign's own release", "Copy that release"),
        ("res*/manifest.parquet", "belongs to this campaign's own release", "Copy that release"),
        ("torn.parquet", "cannot be read as Parquet", "fetch it again"),
        (
            "plain/manifest.parquet",
            "it has no column measure.phash.hash, measure.phash.colors",
            "Rewrite the manifest of that release",
        ),
        ("odd/manifest.parquet", "image 'mug' has no readable perceptual hash", "Rewrite the manifest of that release"),
    ],
)
def test_what_cannot_be_compared_with_is_told_with_a_remedy(folder, pattern, what, remedy):
    write(folder, "results", released("mug"))
    write(folder, "plain", released("mug", measures={"tone.contrast": 0.3}))
    write(folder, "odd", released("mug", measures={"phash.hash": "zz", "phash.colors": MUG.colors}))
    (folder / "torn.parquet").write_bytes((folder / "results/manifest.parquet").read_bytes()[:-20])
    with pytest.raises(UserError) as caught:
        earlier_images([pattern])
    (problem,) = caught.value.problems
    assert "validation.near_duplicates.earlier" in problem.where
    assert what in problem.what
    assert remedy in problem.remedy
