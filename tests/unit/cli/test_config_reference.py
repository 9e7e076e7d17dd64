import json
import re

import jsonschema
import pytest
import yaml
from folders import REPOSITORY

from imagemake.cli.config_reference import EXAMPLE, reference_markdown, schema_json, write_reference
from imagemake.config.campaign import Campaign, load_campaign
from imagemake.plan.requests.catalog import Row
from imagemake.plan.requests.expand import RESERVED_COLUMNS, expand
from imagemake.plugins.measures import BUILT_IN as MEASURES
from imagemake.plugins.steps import BUILT_IN as STEPS

CONFIG = REPOSITORY / "config"


@pytest.mark.parametrize(("name", "made"), [("README.md", reference_markdown), ("schema.json", schema_json)])
def test_the_committed_reference_is_what_the_types_say(name, made):
    assert (CONFIG / name).read_text(encoding="utf-8") == made(), "run `imagemake reference`"


def test_the_reference_is_written_as_it_is_made(tmp_path):
    write_reference(tmp_path)
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == reference_markdown()
    assert (tmp_path / "schema.json").read_text(encoding="utf-8") == schema_json()


def test_the_page_has_a_row_for_every_key_with_its_description():
    page = reference_markdown()
    for name, field in Campaign.model_fields.items():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        assert re.split(r"[_*<>|.]", field.description)[0] in row


def test_the_page_lists_measures_steps_and_reserved_columns():
    page = reference_markdown()
    assert all(f"### `validation.measures.{name}`" in page for name in MEASURES)
    assert all(f"### `postprocess.steps.{name}`" in page for name in STEPS)
    assert all(f"| `{name}` |" in page for name in RESERVED_COLUMNS)


def test_tables_have_as_many_cells_in_every_row():
    table = []
    for line in [*reference_markdown().splitlines(), ""]:
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


def test_the_schema_knows_the_settings_of_steps_and_measures_and_refuses_unknown_keys():
    schema = json.loads(schema_json())
    assert schema["additionalProperties"] is False
    steps = schema["$defs"]["Postprocess"]["properties"]["steps"]["items"]["properties"]
    assert set(steps) == set(STEPS)
    assert "width_px" in steps["resize"]["anyOf"][0]["properties"]
    assert set(schema["$defs"]["Validation"]["properties"]["measures"]["properties"]) == set(MEASURES)


def test_the_schema_takes_the_example_and_refuses_what_we_refuse():
    validator = jsonschema.Draft202012Validator(json.loads(schema_json()))
    example = yaml.safe_load(EXAMPLE)
    assert validator.is_valid(example)
    for more in (
        {"promt": "x"},
        {"takes": 0},
        {"variables": {"lid": [["x"]]}},
        {"postprocess": {"steps": [{"resize": 3}]}},
    ):
        assert not validator.is_valid({**example, **more})


def test_every_reference_within_the_schema_leads_somewhere():
    schema = schema_json()
    names = {line.split("#/$defs/")[1].strip('", ') for line in schema.splitlines() if "#/$defs/" in line}
    assert names <= set(json.loads(schema)["$defs"])
