"""Claims about the compact set of file names."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from imagemake.plan.requests.names import folded
from imagemake.release.short_names import ShortNames, Spellings

NAMES = st.lists(st.sampled_from(["mug.jpg", "Mug.jpg", "MUG.jpg", "hat.jpg", "Hat.jpg", "\u00e4.jpg", "\u00c4.jpg"]))


@given(st.lists(NAMES), NAMES, NAMES)
def test_it_has_the_names_that_a_set_has(added, dropped, asked):
    names, expected = ShortNames(), set[str]()
    for some in added:
        names.add_all(some)
        expected.update(some)
        assert [name in names for name in asked] == [name in expected for name in asked]
    names.drop(dropped)
    assert [name in names for name in asked] == [name in expected - {*dropped} for name in asked]


def test_a_file_is_in_the_place_of_one_that_is_spelled_otherwise(tmp_path):
    for name in ("Mug.jpg", "hat.jpg"):
        (tmp_path / name).touch()
    spellings = Spellings(tmp_path)
    (tmp_path / "shoe.jpg").touch()
    assert [*spellings.others(["mug.jpg", "hat.jpg", "shoe.jpg", "cup.jpg"])] == [tmp_path / "Mug.jpg"]
    assert folded("Mug.jpg") == folded("mug.jpg")
    assert not [*Spellings(tmp_path / "missing").others(["mug.jpg"])]
