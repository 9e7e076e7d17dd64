"""Claims about files of state with sections of bytes."""

from __future__ import annotations

from array import array

import numpy as np
import pytest

from imagemake.plan.settled.sections import numbers, read_sections, section_of, write_sections


@pytest.fixture
def path(tmp_path):
    places = np.array([(1, b"ab"), (2, b"\n\0")], [("place", "<u4"), ("digest", "V2")])
    sections = {"numbers": section_of([1, 2**64 - 1]), "none": b"", "places": places.data, "more": array("Q", [7])}
    write_sections(tmp_path / "rows.bin", {"version": 1}, {name: memoryview(one) for name, one in sections.items()})
    return tmp_path / "rows.bin"


def test_sections_of_any_kind_are_read_as_they_were_written(path):
    head, sections = read_sections(path)
    assert head["version"] == 1
    assert [*numbers(sections["numbers"])] == [1, 2**64 - 1]
    assert bytes(sections["none"]) == b""
    assert bytes(sections["places"]) == b"\1\0\0\0ab\2\0\0\0\n\0"
    assert [*numbers(sections["more"])] == [7]


def test_each_changed_byte_and_each_end_shows(path):
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert read_sections(path) is None
        path.write_bytes(content[:place])
        assert read_sections(path) is None
    path.unlink()
    assert read_sections(path) is None
