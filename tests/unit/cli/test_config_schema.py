"""The JSON schema of the configuration accepts and refuses what imagemake does."""

import json

import jsonschema
import yaml
from reference_pages.configuration import EXAMPLE

from imagemake.cli.config_schema import config_schema, config_schema_json
from imagemake.cli.main import main
from imagemake.plugins.measures import BUILT_IN as MEASURES
from imagemake.plugins.steps import BUILT_IN as STEPS


def test_the_schema_knows_the_settings_of_steps_and_measures_and_refuses_unknown_keys():
    schema = config_schema()
    assert schema["additionalProperties"] is False
    steps = schema["$defs"]["Postprocess"]["properties"]["steps"]["items"]["properties"]
    assert set(steps) == set(STEPS)
    assert "width_px" in steps["resize"]["anyOf"][0]["properties"]
    assert set(schema["$defs"]["Validation"]["properties"]["measures"]["properties"]) == set(MEASURES)


def test_the_schema_takes_the_example_and_refuses_what_we_refuse():
    validator = jsonschema.Draft202012Validator(config_schema())
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
    schema = config_schema_json()
    names = {line.split("#/$defs/")[1].strip('", ') for line in schema.splitlines() if "#/$defs/" in line}
    assert names <= set(config_schema()["$defs"])


def test_the_command_prints_the_schema(capsys):
    assert run_main("schema", "config") == 0
    assert json.loads(capsys.readouterr().out) == config_schema()


def run_main(*arguments):
    try:
        main(arguments)
    except SystemExit as ended:
        return ended.code
