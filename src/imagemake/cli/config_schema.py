"""The JSON schema of config.yaml, for editors and other programs that check a configuration."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from imagemake.config.campaign import Campaign
from imagemake.plugins import measures, steps
from imagemake.plugins.measures import measure_class
from imagemake.plugins.plugin import Plugin
from imagemake.plugins.steps import step_class

Schema = dict[str, Any]


def config_schema() -> Schema:
    """Return the JSON schema of ``config/config.yaml``, with the settings of built-in measures and steps."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Campaign.model_json_schema()}
    definitions = schema["$defs"]
    definitions["Validation"]["properties"]["measures"]["properties"] = {
        name: _or_null(_inlined(kind.Settings.model_json_schema(), definitions)) for name, kind in built_in_measures()
    }
    definitions["Postprocess"]["properties"]["steps"]["items"]["properties"] = {
        name: _or_null(_inlined(kind.Settings.model_json_schema(), definitions)) for name, kind in built_in_steps()
    }
    return schema


def config_schema_json() -> str:
    """Return the text of the schema's file."""
    return json.dumps(config_schema(), indent=2, ensure_ascii=False) + "\n"


def built_in_measures() -> Iterator[tuple[str, type[Plugin]]]:
    """Yield the built-in measures with their names."""
    return ((name, measure_class(name)) for name in measures.BUILT_IN)


def built_in_steps() -> Iterator[tuple[str, type[Plugin]]]:
    """Yield the built-in steps with their names."""
    return ((name, step_class(name)) for name in steps.BUILT_IN)


def _inlined(schema: Schema, definitions: Schema) -> Schema:
    definitions.update(schema.pop("$defs", {}))
    return schema


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}
