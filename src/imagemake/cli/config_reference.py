"""The reference page of the configuration and its JSON schema, generated from the types so that they cannot drift."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from imagemake.config.campaign import Campaign
from imagemake.plan.requests.expand import RESERVED_COLUMNS
from imagemake.plugins import measures, steps
from imagemake.plugins.measures import Measure, measure_class
from imagemake.plugins.plugin import Plugin
from imagemake.plugins.steps import step_class

Schema = dict[str, Any]

MADE_BY = "imagemake reference"
EXAMPLE = """\
# yaml-language-server: $schema=schema.json
campaign: Autumn mugs
catalog: config/catalog.csv      # one row per product, with columns sku, product, and material
prompt: Product photo of {product} made of {material}, on a white background, {angle}, {color}, high detail.
name: "{sku}_{color}_{angle}"
variables:
  color: [red, teal]
  angle: [front view, side view]
exclude:
  - {sku: M-7, color: red}       # the M-7 is not made in red
defaults:
  material: ceramic              # for rows whose cell is empty
model:
  provider: preview
  name: preview-1
  parameters: {size: 512x512}
validation:
  checks:
    tone.contrast: {reject: {min: 0.05}}
attempts:
  max: 2
postprocess:
  steps:
    - resize: {width_px: 400}
  output: {format: jpeg, quality: 85}
"""
_INTRODUCTION = f"""\
<!-- Made by `{MADE_BY}` from the types in src/imagemake/config/. Do not edit. -->

# Configuration

`config.yaml` describes a campaign. A key that is not listed here is an error, and so is a value of the wrong type.
imagemake reports all mistakes at once, each with its key and how to correct it. You can override every key for one
run: `snakemake --config takes=2`. `schema.json` has the same information for your editor.

```yaml
{EXAMPLE}```

The file is read by the core schema of YAML 1.2. Values that are compared with the catalog (`variables`, `defaults`,
`exclude`, `include`, `when`, `only`) are the text that you write, with or without quotes: `00123`, `1.10`, `16:9`,
`NO`, and `true` stay as they are, also in `--config only=0123`. Elsewhere, only `true` and `false` are truth values,
`010` is 10, and `1_000` is text. A key that appears twice, a whole number beyond 64 bits without quotes, and a tag such
as `!!python` are errors.

Never write passwords or other secrets into a file: providers read them from the environment.

In paths such as `validation.checks.*`, the star stands for a name that you choose. Keys without a default are empty.
"""
_CATALOG = """\
## The catalog

The file that `catalog` names has one row per subject. It is in UTF-8, with or without a byte order mark.

| Format | Rows | Number of a row in messages |
|---|---|---|
| .csv | Cells are separated by commas. A cell that contains a comma, a line end, or a quote is in quotes, and \
quotes in it are doubled. The first line names the columns. Empty lines are skipped. | line where the row begins |
| .json | A list of objects. | place in the list, from 1 |
| .jsonl | One object per line. Empty lines are skipped. | line |

Objects are flat: text, numbers, `true`, `false`, and `null` for an empty cell. Only `parameters` can be an object. A
column that only some objects have is empty in the others. Spaces around a value are removed. Control characters other
than tabs and line ends are errors.

Text from a catalog is data. A template can contain only `{column}`, and braces in the inserted text have no effect. In
file names, letters and digits of any script, `.`, `_`, and `-` are kept, and every other run of characters becomes one
`-`. Names longer than 150 bytes are cut and end in a digest.

### Columns with a meaning

You can use any column in templates. The following columns also change the images of their row if the cell is not empty.
Variables and defaults of the same name have the same effect.

| Column | Meaning |
|---|---|
"""


def write_reference(folder: Path = Path("config")) -> None:
    """Write README.md and schema.json into the configuration's folder."""
    (folder / "README.md").write_text(reference_markdown(), encoding="utf-8")
    (folder / "schema.json").write_text(schema_json(), encoding="utf-8")


def schema_json() -> str:
    """Return the JSON schema of ``config/config.yaml``, with the measures and steps that are built in."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Campaign.model_json_schema()}
    definitions = schema["$defs"]
    definitions["Validation"]["properties"]["measures"]["properties"] = {
        name: _or_null(_inlined(kind.Settings.model_json_schema(), definitions)) for name, kind in _measures()
    }
    definitions["Postprocess"]["properties"]["steps"]["items"]["properties"] = {
        name: _or_null(_inlined(kind.Settings.model_json_schema(), definitions)) for name, kind in _steps()
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def reference_markdown() -> str:
    """Return the reference page: every key with its type, default, and meaning, and the catalog's columns."""
    schema = Campaign.model_json_schema()
    parts = [_INTRODUCTION, *_Page(schema["$defs"]).contents("", schema)]
    parts += _plug_ins("Measures", "validation.measures", _measures())
    parts += _plug_ins("Steps", "postprocess.steps", _steps())
    reserved = "".join(f"| `{name}` | {meaning} |\n" for name, meaning in RESERVED_COLUMNS.items())
    return "\n".join([*parts, _CATALOG + reserved])


def _measures() -> Iterator[tuple[str, type[Plugin]]]:
    return ((name, measure_class(name)) for name in measures.BUILT_IN)


def _steps() -> Iterator[tuple[str, type[Plugin]]]:
    return ((name, step_class(name)) for name in steps.BUILT_IN)


def _inlined(schema: Schema, definitions: Schema) -> Schema:
    definitions.update(schema.pop("$defs", {}))
    return schema


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _plug_ins(title: str, key: str, plug_ins: Iterator[tuple[str, type[Plugin]]]) -> Iterator[str]:
    yield f"## {title}\n\nBuilt-in keys under `{key}`. Installed packages can add more.\n"
    for name, plug_in in plug_ins:
        schema = plug_in.Settings.model_json_schema()
        about = (plug_in.__doc__ or "").strip().partition("\n\n")[0]
        yield f"### `{key}.{name}`\n\n{_escaped(about)}\n"
        if schema.get("properties"):
            yield from _Page(schema.get("$defs", {}), heading="####").contents(f"{key}.{name}", schema)
        if issubclass(plug_in, Measure):
            yield from _quantities("What it measures", name, plug_in.quantities)
            yield from _quantities("What it compares with the request", name, plug_in.compared)


def _quantities(title: str, measure: str, quantities: Mapping[str, str]) -> Iterator[str]:
    if quantities:
        rows = "".join(f"| `{measure}.{name}` | {_escaped(text)} |\n" for name, text in quantities.items())
        yield f"| Quantity | {title} |\n|---|---|\n{rows}"


class _Page:
    """Writes the tables of a schema; a type that occurs twice is written once."""

    def __init__(self, definitions: Schema, heading: str = "##") -> None:
        self._definitions, self._heading = definitions, heading
        self._written: set[str] = set()

    def contents(self, path: str, schema: Schema) -> Iterator[str]:
        """Yield the table of an object's keys, then one section per object in it."""
        yield self._table(schema)
        for name, field in schema["properties"].items():
            below, reference = self._object_in(f"{path}.{name}".lstrip("."), field)
            if reference and reference not in self._written:
                self._written.add(reference)
                definition = self._definitions[reference]
                yield f"{self._heading} `{below}`\n\n{_escaped(definition.get('description', ''))}\n"
                yield from self.contents(below, definition)

    def _table(self, schema: Schema) -> str:
        rows = ["| Key | Type | Default | Meaning |", "|---|---|---|---|"]
        for name, field in schema["properties"].items():
            default = "**required**" if name in schema.get("required", ()) else _default(field)
            _, reference = self._object_in(name, field)
            about = field.get("description") or self._definitions.get(reference, {}).get("description", "")
            cells = [f"`{name}`", self._type(_without_null(field)), default, _escaped(about) + _examples(field)]
            rows.append(f"| {' | '.join(cells)} |")
        return "\n".join(rows) + "\n"

    def _object_in(self, path: str, field: Schema) -> tuple[str, str]:
        """Return the path and the definition of the object that a field holds, alone or as an item or value."""
        if "$ref" in field:
            reference = field["$ref"].rpartition("/")[2]
            return (path, reference) if "properties" in self._definitions[reference] else (path, "")
        for option in _options(field):
            found = self._object_in(path, option)
            if found[1]:
                return found
        if isinstance(field.get("additionalProperties"), dict):
            return self._object_in(f"{path}.*", field["additionalProperties"])
        return self._object_in(f"{path}[]", field["items"]) if "items" in field else (path, "")

    def _type(self, field: Schema, *, inner: bool = False) -> str:
        """Describe what a value must be; pydantic titles every key, so only an inner schema's title is ours."""
        if "$ref" in field:
            definition = self._definitions[field["$ref"].rpartition("/")[2]]
            return "mapping" if "properties" in definition else self._type(definition)
        if inner and "title" in field:
            return str(field["title"])
        options = [self._type(option, inner=True) for option in _options(field)]
        options += [f"`{json.dumps(value)}`".replace('"', "") for value in field.get("enum", _constant(field))]
        kinds = field.get("type")
        options += [self._type({"type": kind}) for kind in kinds] if isinstance(kinds, list) else []
        return " or ".join(dict.fromkeys(options)) or self._plain_type(field)

    def _plain_type(self, field: Schema) -> str:
        kind = str(field.get("type", "any"))
        if kind == "array":
            return f"list of {self._type(field.get('items', {}), inner=True)}"
        if kind == "object" and isinstance(field.get("additionalProperties"), dict):
            values = self._type(field["additionalProperties"], inner=True)
            return f"one key with a {values}" if field.get("maxProperties") == 1 else f"mapping to {values}"
        words = {"integer": "whole number", "string": "text", "boolean": "`true` or `false`", "object": "mapping"}
        return words.get(kind, kind) + _bounds(field)


def _options(field: Schema) -> list[Schema]:
    return [*field.get("anyOf", ()), *field.get("oneOf", ())]


def _constant(field: Schema) -> list[Any]:
    return [field["const"]] if "const" in field else []


def _bounds(field: Schema) -> str:
    words = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    return "".join(f", {word} {field[key]:,}".removesuffix(".0") for key, word in words.items() if key in field)


def _without_null(field: Schema) -> Schema:
    # A default of null already says that null is allowed.
    if field.get("default", "") is not None:
        return field
    options = [option for option in field.get("anyOf", ()) if option.get("type") != "null"]
    return options[0] if len(options) == 1 else {**field, "anyOf": options}


def _default(field: Schema) -> str:
    default = field.get("default")
    if isinstance(default, Mapping):
        default = {key: value for key, value in default.items() if value is not None}
    return f"`{json.dumps(default, ensure_ascii=False)}`" if "default" in field else ""


def _examples(field: Schema) -> str:
    examples = [json.dumps(example, ensure_ascii=False) for example in field.get("examples", ())]
    return f" Example: {', '.join(f'`{example}`' for example in examples)}." if examples else ""


def _escaped(text: str) -> str:
    """Return text that Markdown shows unchanged, even in a table; code between backticks needs no escape."""
    return re.sub(r"(`[^`|]*`)|([*_<>|\[\]])", lambda found: found[1] or f"\\{found[2]}", " ".join(text.split()))
