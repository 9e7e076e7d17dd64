"""The configuration page says what the types say."""

import re

import pytest
import yaml
from reference_pages.configuration import EXAMPLE, configuration_page

from imagemake.config.campaign import Campaign, load_campaign
from imagemake.plan.requests.catalog_row import Row
from imagemake.plan.requests.expand import RESERVED_COLUMNS, expand
from imagemake.plugins.measures import BUILT_IN as MEASURES
from imagemake.plugins.steps import BUILT_IN as STEPS


def test_the_page_has_a_row_for_every_key_with_its_description():
    page = configuration_page()
    for name, field in Campaign.model_fields.items():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        assert re.split(r"[_*<>|.]", field.description)[0] in row


def test_the_page_lists_measures_steps_and_reserved_columns():
    page = configuration_page()
    assert all(f"### `validation.measures.{name}`" in page for name in MEASURES)
    assert all(f"### `postprocess.steps.{name}`" in page for name in STEPS)
    assert all(f"| `{name}` |" in page for name in RESERVED_COLUMNS)


def test_tables_have_as_many_cells_in_every_row():
    table = []
    for line in [*configuration_page().splitlines(), ""]:
        if line.startswith("|"):
            table.append(line.replace("\\|", "").count("|"))
        else:
            assert len(set(table)) <= 1
            table = []


def test_the_example_is_a_campaign():
    campaign = load_campaign(yaml.safe_load(EXAMPLE))
    rows = [
        Row(2, {"sku": "M-7", "product": "mug", "material": ""}),
        Row(3, {"sku": "V-1", "product": "v", "material": ""}),
    ]
    assert len(expand(campaign, rows)) == 6


def examples(model):
    return [(name, example) for name, field in model.model_fields.items() for example in field.examples or ()]


@pytest.mark.parametrize(("name", "example"), examples(Campaign), ids=str)
def test_every_example_is_accepted(name, example):
    least = {"campaign": "x", "catalog": "c.csv", "prompt": "x", "name": "{sku}"}
    load_campaign({**least, name: example})
