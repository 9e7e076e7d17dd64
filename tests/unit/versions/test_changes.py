"""Changes between releases: a change of any file of an image counts."""

from __future__ import annotations

import pyarrow
import pytest
from pyarrow import parquet

from imagemake.release.manifest.columns import output_column
from imagemake.release.manifest.row import OF_OUTPUT
from imagemake.versions.changes import changes_between
from imagemake.versions.records import Changes


def manifest(path, *, digest="a", web=None):
    row = {"name": "mug", "file": "images/mug.jpg", "digest": digest, "finished_digest": "f"}
    if web is not None:
        further = {**dict.fromkeys(OF_OUTPUT, None), "file": "images/mug-web.webp", **web}
        row |= {output_column("web", name): value for name, value in further.items()}
    parquet.write_table(pyarrow.Table.from_pylist([row]), path)
    return path


@pytest.mark.parametrize(
    ("now", "kind"),
    [
        ({"web": {"digest": "w", "finished_digest": "x"}}, "unchanged"),
        ({"web": {"digest": "v", "finished_digest": "x"}}, "metadata"),
        ({"web": {"digest": "v", "finished_digest": "y"}}, "changed"),
        ({"digest": "b", "web": {"digest": "w", "finished_digest": "x"}}, "metadata"),
        ({}, "changed"),
    ],
)
def test_a_change_in_a_further_output_is_a_change_of_the_image(tmp_path, now, kind):
    before = manifest(tmp_path / "before.parquet", web={"digest": "w", "finished_digest": "x"})
    after = manifest(tmp_path / "now.parquet", **now)
    assert changes_between([before], after) == Changes(**{kind: 1})
