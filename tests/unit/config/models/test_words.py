"""Facts about a model in words: nothing that is known is left out."""

from datetime import date

import pytest
from pydantic import ValidationError

from imagemake.config.models.facts import ModelFacts
from imagemake.config.models.words import accepted_in_words, price_in_words


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        (("auto", "1024x1024"), "sizes: `auto`, `1024x1024`"),
        (("auto", "1:1", "2:3"), "sizes: `auto`, `1:1`, `2:3`"),
        (
            ("auto", "1:1", "2:3", "1:1@1K", "2:3@1K", "1:1@2K", "2:3@2K"),
            "sizes: `auto`, `1:1`, `2:3`; the ratios also with `@1K`, `@2K`",
        ),
        (("1:1", "2:3", "1:1@1K"), "sizes: `1:1`, `2:3`, `1:1@1K`"),
        (("1:1@1K",), "sizes: `1:1@1K`"),
    ],
)
def test_ratios_and_tiers_are_apart_only_if_every_ratio_has_every_tier(sizes, words):
    assert accepted_in_words(ModelFacts(sizes=sizes)) == [words]


def test_a_price_by_the_hour_is_told():
    facts = ModelFacts(prices={"as_of": date(2026, 11, 1), "usd_per_gpu_hour": "2.10"})
    assert price_in_words(facts) == "$2.1 per hour of a GPU"


def test_a_model_has_one_kind_of_price():
    with pytest.raises(ValidationError, match="give only one of"):
        ModelFacts(prices={"as_of": date(2026, 11, 1), "usd_per_gpu_hour": 2, "usd_per_image": 1})
