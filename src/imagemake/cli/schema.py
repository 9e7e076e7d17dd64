"""`imagemake schema`: print the JSON schemas of a release, for programs that read it."""

from __future__ import annotations

import argparse

DESCRIPTION = """\
Prints a JSON schema (draft 2020-12) of the data about the images in a release:

  manifest   one row of manifest.parquet or manifest.csv, for any campaign; the exact schema of a release, with its own
             columns, is in its manifest.schema.json
  sidecar    the JSON file beside each image, if you set metadata: {sidecar: json}

Each schema has a version. An addition raises its second number; a removal or a changed meaning raises its first. A
release records the version of its manifest in release.json and in the metadata of manifest.parquet.
"""
EXAMPLES = """\
examples:
  validate a sidecar, for example with check-jsonschema
    imagemake schema sidecar > sidecar.schema.json
    check-jsonschema --schemafile sidecar.schema.json results/images/MUG-1_red.jpg.json
  print the columns as a table, as in docs/reference/manifest.md
    imagemake schema manifest --markdown
"""


def add_schema_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `imagemake schema`."""
    parser.add_argument("what", choices=("manifest", "sidecar"), help="which schema")
    parser.add_argument("--markdown", action="store_true", help="print the columns of the manifest as a Markdown table")
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
