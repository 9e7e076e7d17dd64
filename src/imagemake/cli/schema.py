"""`imagemake schema`: print JSON schemas, for editors and for programs that read a release."""

from __future__ import annotations

import argparse

DESCRIPTION = """\
Prints a JSON schema (draft 2020-12):

  config     config.yaml, with the settings of built-in measures and steps; editors use it to complete and check keys
  manifest   one row of manifest.parquet or manifest.csv, for any campaign; the exact schema of a release, with its own
             columns, is in its manifest.schema.json
  sidecar    the JSON file beside each image, if you set metadata: {sidecar: json}

The schemas of the manifest and the sidecars have versions. An addition raises the second number; a removal or a changed
meaning raises the first. A release records the version of its manifest in release.json and in manifest.parquet.
"""
EXAMPLES = """\
examples:
  let your editor check config.yaml, if its first line is # yaml-language-server: $schema=schema.json
    imagemake schema config > config/schema.json
  validate a sidecar, for example with check-jsonschema
    imagemake schema sidecar > sidecar.schema.json
    check-jsonschema --schemafile sidecar.schema.json results/images/MUG-1_red.jpg.json
"""


def add_schema_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `imagemake schema`."""
    parser.add_argument("what", choices=("config", "manifest", "sidecar"), help="which schema")
    parser.set_defaults(run=_schema)


def _schema(options: argparse.Namespace) -> int:
    if options.what == "config":
        from imagemake.cli.config_schema import config_schema_json

        print(config_schema_json(), end="")
        return 0
    from imagemake.release.manifest.schema import manifest_schema, schema_bytes
    from imagemake.release.manifest.sidecars import sidecar_schema

    schema = manifest_schema() if options.what == "manifest" else sidecar_schema()
    print(schema_bytes(schema).decode(), end="")
    return 0
