"""`imagemake schema`: what a release tells, as JSON schemas, for programs that read it."""

from __future__ import annotations

import argparse

DESCRIPTION = """\
Prints the JSON schema (draft 2020-12) of what a release tells about its images:

  manifest   a row of manifest.parquet or manifest.csv, whatever the campaign; each release has the exact one of its
             own columns in manifest.schema.json
  sidecar    the JSON beside each image, with metadata: {sidecar: json}

Each has a version: its second number is raised when something is added, its first when something goes or means
something else. A release has the manifest's in release.json and in the metadata of manifest.parquet.
"""
EXAMPLES = """\
examples:
  check a sidecar with any validator, such as check-jsonschema
    imagemake schema sidecar > sidecar.schema.json
    check-jsonschema --schemafile sidecar.schema.json results/images/MUG-1_red.jpg.json
  the columns as a table, as in docs/manifest.md
    imagemake schema manifest --markdown
"""


def add_schema_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("what", choices=("manifest", "sidecar"), help="which schema")
    parser.add_argument("--markdown", action="store_true", help="the manifest's columns as a table for people")
    parser.set_defaults(run=_schema)


def _schema(options: argparse.Namespace) -> int:
    from imagemake.release.manifest.schema import columns_markdown, manifest_schema, schema_bytes
    from imagemake.release.manifest.sidecars import sidecar_schema

    if options.markdown:
        print(columns_markdown(), end="")
    else:
        schema = manifest_schema() if options.what == "manifest" else sidecar_schema()
        print(schema_bytes(schema).decode(), end="")
    return 0
