"""Comparison of two manifests: every reason, and no other differences."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from entries import an_attempt, an_entry, without_image
from hypothesis import given, settings
from hypothesis import strategies as st
from release_folders import table_of

from imagemake.release.manifest.row import OutputFile
from imagemake.release.metrics.metrics import metrics_of
from imagemake.versions.diff.compare import KINDS, compare
from imagemake.versions.diff.marks import REASONS
from imagemake.versions.diff.numbers import attempts_of, new_attempts, numbers_of
from imagemake.versions.diff.report import shown_values

ONE, OTHER = "1" * 64, "2" * 64
PLAIN = {"digest": "e" * 64, "finished_digest": "f" * 64, "raw_digest": "b" * 64}

texts = st.text(st.characters(codec="utf-8"), max_size=5)
tenths = st.integers(0, 90).map(lambda number: number / 10)
attempts = st.builds(an_attempt, st.integers(0, 2), cost_usd=st.one_of(st.none(), st.just(0.5)))
digests = st.sampled_from([None, ONE, OTHER])
entries = st.builds(
    an_entry,
    st.text("ab_-", min_size=1, max_size=2),
    prompt=texts,
    key=st.sampled_from([ONE, OTHER, "3" * 64]),
    verdict=st.sampled_from(["accepted", "review", "rejected", "refused", "failed", "pending"]),
    reasons=st.lists(texts, max_size=2).map(tuple),
    seed=st.integers(0, 3),
    parameters=st.dictionaries(st.sampled_from("mn"), st.one_of(st.integers(0, 9), st.booleans(), texts, tenths)),
    variables=st.dictionaries(st.sampled_from(["color", "a"]), texts),
    reference_digests=st.lists(st.sampled_from([ONE, OTHER]), max_size=2).map(tuple),
    mask_digest=digests,
    digest=digests,
    finished_digest=digests,
    raw_digest=digests,
    cost_usd=st.one_of(st.none(), tenths),
    seconds=st.one_of(st.none(), tenths),
    tries=st.integers(0, 2),
    history=st.lists(attempts, max_size=2).map(tuple),
)
releases = st.lists(entries, max_size=5, unique_by=lambda entry: entry.name)


def tables(*sides, form="parquet"):
    with TemporaryDirectory() as folder:
        return [table_of(side, Path(folder), form) for side in sides]


def changes(before, after, **options):
    found = compare(*tables(before, after, **options))
    return {change.name: change for change in found.changes}, found.unchanged


@settings(max_examples=12, deadline=None)
@given(releases)
def test_a_release_does_not_differ_from_itself_nor_its_csv_from_its_parquet(release):
    parquet, again = tables(release, release)
    (as_csv,) = tables(release, form="csv")
    for other in (again, as_csv):
        found = compare(parquet, other)
        assert list(found.changes) == []
        assert found.unchanged == len(release)


@settings(max_examples=12, deadline=None)
@given(releases, releases)
def test_looked_at_from_the_other_side_only_added_and_removed_change_places(before, after):
    one, other = tables(before, after)
    there, back = compare(one, other), compare(other, one)
    assert there.unchanged == back.unchanged
    counts, mirrored = there.counts(), back.counts()
    assert (counts["added"], counts["removed"]) == (mirrored["removed"], mirrored["added"])
    assert there.reasons() == back.reasons()

    def pairs(comparison, side):
        return Counter(
            (
                change.kind,
                change.reasons,
                change.hash_bits,
                tuple(sorted((c, v[::side]) for c, v in change.differences.items())),
            )
            for change in comparison.changes
            if change.kind in ("changed", "renamed")
        )

    assert pairs(there, 1) == pairs(back, -1)
    names = {entry.name for entry in before} | {entry.name for entry in after}
    assert sum(counts[kind] for kind in KINDS) + there.unchanged + counts["renamed"] == len(names)


@settings(max_examples=12, deadline=None)
@given(releases)
def test_the_numbers_are_those_of_the_metrics(release):
    (table,) = tables(release)
    numbers, metrics = numbers_of(table, attempts_of(table, "it")), metrics_of(release)
    common = numbers.keys() & metrics.keys()
    assert len(common) >= 12
    for name in common:
        assert numbers[name] == pytest.approx(metrics[name]), name


ALIKE = an_entry("mug", key=ONE, **PLAIN)
WHY = {
    "prompt": {"prompt": "A photo of a mug", "key": OTHER, "raw_digest": "c" * 64},
    "negative prompt": {"negative_prompt": "text", "key": OTHER},
    "provider": {"provider": "preview", "key": OTHER},
    "model": {"model": "gpt-image-2", "model_label": "fine", "key": OTHER},
    "parameters": {"parameters": {"size": "512x512"}, "key": OTHER},
    "seed": {"seed": 8, "key": OTHER},
    "reference": {"reference_digests": (ONE,), "references": ("a.png",), "key": OTHER},
    "mask": {"mask_digest": ONE, "mask": "a.png", "key": OTHER},
    "model files": {"model_files": {"pipeline": ONE}, "key": OTHER},
    "recipe": {"key": OTHER},
    "regenerated": {"raw_digest": "c" * 64, "finished_digest": "d" * 64},
    "postprocessing": {"finished_digest": "d" * 64, "digest": "d" * 64},
    "metadata": {"digest": "d" * 64},
    "file": {"file": "images/mug-1600.jpg"},
    "attempt": {"attempt": 1},
    "catalog": {"variables": {"color": "red", "size": "L"}},
}


@pytest.mark.parametrize("reason", WHY)
def test_each_reason_is_told_for_its_own_change_alone(reason):
    told, unchanged = changes([ALIKE, an_entry("cup")], [replace(ALIKE, **WHY[reason]), an_entry("cup")])
    assert {name: change.reasons for name, change in told.items()} == {"mug": (reason,)}
    assert unchanged == 1
    assert told["mug"].kind == "changed"


def test_verdicts_and_their_reasons_are_one_reason():
    doubtful = without_image("mug", "review", reasons=("tone: 3",))
    for other in (replace(doubtful, reasons=("tone: 4",)), replace(doubtful, verdict="rejected")):
        told, _ = changes([doubtful], [other])
        assert told["mug"].reasons == ("verdict",)


def test_every_reason_is_tested_here():
    elsewhere = {"verdict", "name", "review"}  # above; below; where images are read
    assert set(WHY) | elsewhere == set(REASONS)


def test_what_no_image_shows_is_no_difference():
    other = {
        "catalog_row": 9,
        "references": ("moved.png",),
        "cost_usd": 1.0,
        "seconds": 3.0,
        "tries": 4,
    }
    told, unchanged = changes([ALIKE], [replace(ALIKE, **other, measures={"tone.contrast": 1.0}, request_id="r")])
    assert (told, unchanged) == ({}, 1)


def test_values_of_both_sides_are_told_and_digests_are_not():
    told, _ = changes([ALIKE], [replace(ALIKE, **WHY["catalog"], **WHY["postprocessing"])])
    assert told["mug"].reasons == ("postprocessing", "catalog")
    assert told["mug"].differences == {"variable.size": ("", "L")}


def test_attempts_are_counted_from_1():
    told, _ = changes([ALIKE], [replace(ALIKE, **WHY["attempt"])])
    assert told["mug"].differences == {"attempt": ("1", "2")}


def test_a_further_output_that_is_another_file_is_told_by_its_label():
    def outputs(digest):
        digests = {"digest": digest, "finished_digest": digest}
        return {"web": OutputFile(file="mug.webp", width_px=1, height_px=1, bytes=1, **digests)}

    before, after = replace(ALIKE, outputs=outputs(ONE)), replace(ALIKE, outputs=outputs(OTHER))
    told, _ = changes([before], [after])
    assert told["mug"].reasons == ("postprocessing",)
    assert list(shown_values(told["mug"])) == [("output.web", (ONE[:12], OTHER[:12]))]
    assert changes([ALIKE], [before])[0]["mug"].reasons == ("postprocessing",), "an output that was not there"
    told, _ = changes([before], [replace(after, prompt="other", key=OTHER, raw_digest="c" * 64)])
    assert told["mug"].reasons == ("prompt",), "another raw image has other files anyway"


def test_another_name_of_a_file_of_a_further_output_is_told_with_both():
    def output(file):
        digests = {"digest": ONE, "finished_digest": ONE}
        return {"web": OutputFile(file=file, width_px=1, height_px=1, bytes=1, **digests)}

    told, _ = changes([replace(ALIKE, outputs=output("mug.webp"))], [replace(ALIKE, outputs=output("mug-400.webp"))])
    assert told["mug"].reasons == ("file",)
    assert told["mug"].differences == {"output.web.file": ("mug.webp", "mug-400.webp")}


def test_another_name_for_the_same_key_is_no_new_image():
    keys = [hashlib.sha256(name.encode()).hexdigest() for name in "abc"]
    before = [an_entry("a", key=keys[0]), an_entry("b", key=keys[1])]
    after = [an_entry("A", key=keys[0], prompt="other"), an_entry("c", key=keys[2])]
    told, _ = changes(before, after)
    assert {name: change.kind for name, change in told.items()} == {"A": "renamed", "b": "removed", "c": "added"}
    assert told["A"].reasons == ("prompt", "name")
    assert told["A"].differences["name"] == ("a", "A")
    assert "file" not in told["A"].differences


def test_hashes_of_the_manifest_tell_how_far_apart_raw_images_are():
    hashes = ["00000000000000ff", "0000000000000000", "no hash", None]
    entries = [[an_entry("mug", measures={"phash.hash": one} if one else {}, seed=n)] for n, one in enumerate(hashes)]
    bits = [changes(entries[0], other)[0]["mug"].hash_bits for other in entries[1:]]
    assert bits == [8, None, None]


def test_a_manifest_of_an_older_version_differs_only_in_what_it_knew():
    plain = replace(ALIKE, digest="f" * 64)
    before, after = tables([plain], [ALIKE])
    old = before.drop_columns(["finished_digest", "model", "seed", "raw_digest", "attempt", "reasons"])
    assert list(compare(old, after).changes[0].reasons) == ["metadata"]
    assert compare(old, tables([plain])[0]).unchanged == 1


def test_only_attempts_that_the_earlier_release_did_not_know_are_new():
    first = an_attempt(0, key=OTHER, cost_usd=0.5)
    after = [
        an_entry("kept", key=ONE, cost_usd=1.0, history=(first,)),
        an_entry("again", key="3" * 64, cost_usd=2.0, history=(an_attempt(0, key="4" * 64),)),
    ]
    before, now = tables([an_entry("kept", key=ONE, cost_usd=1.0, history=(first,))], after)
    new = new_attempts(attempts_of(before, "A"), attempts_of(now, "B"))
    assert (new.attempts, new.cost_usd, new.cost_unknown) == (2, 2.0, 1)
