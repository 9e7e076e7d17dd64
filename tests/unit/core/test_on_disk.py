"""Claims about data that lies on disk while it is looked up."""

from __future__ import annotations

import errno
from tempfile import gettempdir

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagemake.core import on_disk
from imagemake.core.on_disk import OnDisk

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=5,
)  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(["", "a", "b", "\0", "é"]), VALUES, st.booleans())), st.integers(1, 5))
def test_the_values_of_a_key_come_back_in_order_and_no_others_whether_looked_up_between_or_not(items, at_once):
    on_disk._AT_ONCE, before = at_once, on_disk._AT_ONCE
    try:
        kept = OnDisk()
        for n, (key, value, looks) in enumerate(items, 1):
            kept.add(key, value)
            assert not looks or kept.of(key) == [one for other, one, _ in items[:n] if other == key]
        for wanted in ("", "a", "b", "\0", "é", "unknown"):
            assert kept.of(wanted) == [value for key, value, _ in items if key == wanted]
    finally:
        on_disk._AT_ONCE = before


def test_a_full_disk_is_told_as_for_any_file():
    kept = OnDisk()
    kept._db.execute("PRAGMA max_page_count = 8")
    with pytest.raises(OSError) as caught:
        for number in range(10_000):
            kept.add("a", "x" * number)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, gettempdir())
