import unicodedata
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imagemake.config.placeholders import parse_template
from imagemake.plan.requests.names import NAME_BYTES, BadValueError, Namer, folded, safe_name, safe_part

HOSTILE = st.text(alphabet=st.sampled_from('aZ0 ._-/\\:~*?"<>|{}%$\0\n\u00e9\u0301\u202e\u2028\ud83d中ก็'), max_size=30)


@given(st.one_of(st.text(), HOSTILE))
@example("..")
@example("con")
@example("../../etc/passwd")
@example("a" * 500)
def test_a_name_never_leaves_its_folder_and_fits_every_file_system(text):
    name = safe_name(text)
    assert len(name.encode()) <= NAME_BYTES
    assert not name.startswith((".", "-"))
    assert not name.endswith((".", "-"))
    assert ".." not in name
    assert not set(name) & set('/\\:*?"<>|\0\n ')
    assert PurePosixPath("images", name).parent.name in ("images", "")
    assert not PureWindowsPath(f"{name}.jpg").is_reserved()
    assert all(c in "._-" or unicodedata.category(c)[0] in "LMN" for c in name)


@given(st.one_of(st.text(), HOSTILE))
def test_a_safe_name_stays_as_it_is(text):
    name = safe_name(text)
    assert safe_name(name) == name
    assert unicodedata.is_normalized("NFC", name)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("SKU-17_red", "SKU-17_red"),
        ("white & blue", "white-blue"),
        ("photos/17", "photos-17"),
        (".hidden", "hidden"),
        ("-rf", "rf"),
        ("a..b", "a-b"),
        ("v1.5", "v1.5"),
        ("cafe\u0301", "café"),
        ("हिन्दी", "हिन्दी"),
        ("CON", "_CON"),
        ("com1.x", "_com1.x"),
        ("console", "console"),
        ("???", ""),
    ],
)
def test_names_of_examples(text, name):
    assert safe_name(text) == name


def test_long_names_that_differ_at_their_ends_stay_different():
    first, second = safe_name("é" * 200 + "1"), safe_name("é" * 200 + "2")
    assert first != second
    assert first[:60] == second[:60]


@pytest.mark.parametrize("value", ["..", "...", ".", "!?", "/etc/passwd", "\\\\server\\share", "C:\\temp", "c:/temp"])
def test_a_value_that_is_a_path_or_leaves_nothing_is_refused(value):
    with pytest.raises(ValueError, match=r"absolute path|no letter or digit"):
        safe_part(value)


@pytest.mark.parametrize(
    ("value", "part"),
    [("(red)", "red"), ("../../etc", "etc"), ("a/b", "a-b"), ("-5", "-5"), ("", ""), ("½ l", "½-l")],
)
def test_a_value_keeps_what_is_safe_of_it(value, part):
    assert safe_part(value) == part


def test_a_bad_value_is_told_with_its_column():
    namer = Namer(parse_template("{sku}_{color}"))
    assert namer.name({"sku": "A", "color": "sea green"}) == "A_sea-green"
    with pytest.raises(BadValueError) as caught:
        namer.name({"sku": "A", "color": ".."})
    assert caught.value.args == ("color", "has no letter or digit for a file name")


def test_a_slash_in_the_template_is_a_dash():
    assert Namer(parse_template("../shop/{sku}")).name({"sku": "A"}) == "shop-A"


@pytest.mark.parametrize(("one", "other"), [("Mug", "mUG"), ("É", "é"), ("ǅ", "ǆ")])
def test_names_that_differ_in_case_are_one_file(one, other):
    assert folded(one) == folded(other)
