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
