"""The cache of thumbnails: a damaged one is made again."""

import pytest

from imagemake.store.thumbnails import ThumbnailCache

WHOLE = b"\xff\xd8 pixels \xff\xd9"


@pytest.mark.parametrize("damaged", [b"", WHOLE[:-1], bytes(len(WHOLE))])
def test_a_torn_or_zeroed_thumbnail_counts_as_none(tmp_path, damaged):
    cache = ThumbnailCache(tmp_path)
    assert cache.get("d" * 64) is None
    cache.put("d" * 64, WHOLE)
    assert cache.get("d" * 64) == WHOLE
    cache.put("d" * 64, damaged)
    assert cache.get("d" * 64) is None


def test_a_folder_in_the_place_of_a_thumbnail_is_set_aside(tmp_path):
    cache = ThumbnailCache(tmp_path)
    (tmp_path / "dd" / f"{'d' * 64}.jpg").mkdir(parents=True)
    assert cache.get("d" * 64) is None
    cache.put("d" * 64, WHOLE)
    assert cache.get("d" * 64) == WHOLE
