"""A checksum in JSON: whatever changes a byte is seen."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagemake.core.sealed import read_sealed, seal, unseal, write_sealed

LINE = orjson.dumps({"name": "a “mug”", "n": [1, 2, {"deep": None}], "usd": 0.05})


def test_a_sealed_object_is_json_and_opens_to_what_it_was():
    assert orjson.loads(seal(LINE)) == {**orjson.loads(LINE), "crc": orjson.loads(seal(LINE))["crc"]}
    assert unseal(seal(LINE)) == LINE


def test_no_single_flip_and_no_cut_opens():
    sealed = seal(LINE)
    flips = [
        sealed[:at] + bytes([sealed[at] ^ 1 << bit]) + sealed[at + 1 :] for at in range(len(sealed)) for bit in range(8)
    ]
    assert {unseal(damaged) for damaged in (*flips, *(sealed[:end] for end in range(len(sealed))), LINE)} == {None}


@given(st.binary(max_size=60))
def test_whatever_it_is_it_does_not_raise(content):
    assert unseal(content) is None


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"\0" * 40, b"[]", seal(LINE)[:-3], seal(LINE).replace(b"0.05", b"9.05")]
)
def test_a_file_that_is_damaged_or_missing_reads_as_nothing(tmp_path, content):
    path = tmp_path / "state.json"
    assert read_sealed(path) is None
    write_sealed(path, orjson.loads(LINE))
    assert read_sealed(path) == orjson.loads(LINE)
    path.write_bytes(content)
    assert read_sealed(path) is None
    assert read_sealed(tmp_path) is None, "a folder in its place"
