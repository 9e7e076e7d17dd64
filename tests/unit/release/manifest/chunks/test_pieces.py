"""Pieces: made once for what they are made of, and again if they are not as they were written."""

import pytest

from imagemake.release.manifest.chunks import pieces
from imagemake.release.manifest.chunks.pieces import Pieces


@pytest.fixture
def made():
    return []


@pytest.fixture
def ask(made, tmp_path):
    """Ask for a piece as a release does that knows nothing of the one before."""

    def asked(of="chunk", kind="csv", folder=tmp_path):
        return Pieces(folder).get(kind, [of], lambda: made.append((kind, of)) or f"{kind} of {of}".encode())

    return asked


def test_a_piece_is_made_once_for_its_kind_and_for_what_it_is_made_of(ask, made):
    for _ in range(2):
        assert [ask(), ask("another"), ask(kind="arrow")] == [b"csv of chunk", b"csv of another", b"arrow of chunk"]
    assert made == [("csv", "chunk"), ("csv", "another"), ("arrow", "chunk")]


@pytest.mark.parametrize("version", ["PIECES_VERSION", "MANIFEST_VERSION", "__version__"])
def test_a_piece_of_another_version_is_made_again(ask, made, monkeypatch, version):
    ask()
    monkeypatch.setattr(pieces, version, "another")
    ask()
    assert len(made) == 2


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-1], lambda data: b"x" + data[1:]])
def test_a_damaged_piece_is_made_again(ask, made, tmp_path, damage):
    ask()
    (path,) = tmp_path.glob("csv/*")
    path.write_bytes(damage(path.read_bytes()))
    assert (ask(), ask()) == (b"csv of chunk", b"csv of chunk")
    assert len(made) == 2


def test_a_piece_of_another_name_or_with_a_folder_in_its_place_is_made_again(ask, made, tmp_path):
    ask(), ask("another")
    one, other = sorted(tmp_path.glob("csv/*"))
    one.write_bytes(other.read_bytes())
    other.unlink()
    other.mkdir()
    assert (ask(), ask("another")) == (b"csv of chunk", b"csv of another")
    assert len(made) == 4
    ask(), ask("another")
    assert len(made) == 4, "they are kept again"


def test_a_piece_of_data_can_be_replaced_and_what_nobody_asks_for_is_deleted(tmp_path):
    for data in ({"a": 1}, {"b": 2}):
        now = Pieces(tmp_path)
        now.put("cards", 1, data)
        assert now.table("cards", 1, list) == data
        now.sweep()
    assert Pieces(tmp_path).table("cards", 1, list) == {"b": 2}
    later = Pieces(tmp_path)
    assert later.table("cards", 2, list) == []
    later.sweep()
    assert len([*tmp_path.glob("cards/*")]) == 1, "that of the second one"
    assert later.table("cards", 2, dict) == []


def test_without_a_folder_nothing_is_kept(ask, made):
    ask(folder=None), ask(folder=None)
    assert len(made) == 2
    nowhere = Pieces(None)
    nowhere.put("cards", 1, 2)
    nowhere.sweep()
    assert nowhere.table("cards", 1, list) == []
