"""Nothing that somebody else wrote steers a terminal."""

from hypothesis import given
from hypothesis import strategies as st

from imagemake.core.text import printable


@given(st.text(st.characters()))
def test_printable_text_holds_nothing_that_a_terminal_obeys(text):
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown
    shown.encode()


@given(st.text(st.characters(categories=["L", "N", "P", "Zs"], exclude_characters="\u2000\u3000")))
def test_plain_letters_stay_as_they_are(text):
    if text.isprintable():
        assert printable(text) == text


def test_escapes_bidirectional_marks_and_line_ends_are_shown():
    assert printable("a\x1b[31m\u202eb\nc\x00\ud800") == r"a\x1b[31m\u202eb\nc\x00\ud800"
