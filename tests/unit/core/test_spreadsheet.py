"""Cells: no text runs in a spreadsheet, and none is lost."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagemake.core.spreadsheet import plain_cell, safe_cell

HOSTILE = [
    "=1+1",
    "+1+1",
    "-1+cmd|' /C calc'!A0",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    " =1",
    "\uff1d1+1",
    "\n=1",
    "'=1",
    "\0=1",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_that_begins_like_a_formula_gets_an_apostrophe(text):
    assert safe_cell(text) == "'" + text.replace("\r=", "\r'=").replace("\n=", "\n'=")


@pytest.mark.parametrize("separator", [";", "\n", "\r", "; ", ";;"])
def test_no_formula_stands_where_excel_may_split_a_quoted_cell(separator):
    cell = safe_cell(f"red{separator}=1+1")
    assert all(not part.strip().startswith("=") for part in cell.replace("\r", ";").replace("\n", ";").split(";"))


@pytest.mark.parametrize("number", ["-5", "+3.25", "-1e-3", "0", "12"])
def test_a_number_stays_a_number(number):
    assert safe_cell(number) == number


@pytest.mark.parametrize("text", ["a-b", "3 + 4 = 7", "tea; milk", "it's", "'quoted'", "", "me@example.org"])
def test_ordinary_text_stays_as_it_is(text):
    assert safe_cell(text) == text


@given(st.text(alphabet="=+-@';\t\r\n\0 \uff1da1.e") | st.text())
def test_every_text_comes_back_and_never_opens_like_a_formula(text):
    cell = safe_cell(text)
    assert plain_cell(cell) == text
    assert not cell.startswith(("=", "@", "\t", "\r", "+", "-")) or cell == text


def test_a_long_hostile_cell_takes_linear_time():
    started = time.perf_counter()
    for text in ("\n" * 50_000, ";'" * 25_000 + "=", ("; " * 20 + "=") * 1_000):
        assert plain_cell(safe_cell(text)) == text
    assert time.perf_counter() - started < 2  # quadratic would be minutes
