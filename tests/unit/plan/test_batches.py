"""How many images a job gets."""

import pytest

from imagemake.plan.batches import batch_size


@pytest.mark.parametrize(
    ("n_open", "sizes"),
    [(0, []), (1, [1]), (39, [39]), (50, [25, 25]), (70, [24, 24, 22]), (161, [21, 21, 21, 21, 21, 21, 21, 14])],
)
def test_a_small_run_is_divided_evenly(n_open, sizes):
    size = batch_size(n_open, most=500)
    assert [min(size, n_open - start) for start in range(0, n_open, size)] == sizes


def test_a_batch_has_no_more_images_than_the_campaign_says():
    assert batch_size(10_000, most=500) == 500
