"""Images of an earlier release in a real build."""

import shutil

import orjson
from pyarrow import parquet
from workflow.project import Project


def test_an_image_of_an_earlier_release_is_not_handed_over_again_under_another_name(preview):
    project: Project = preview(attempts={"max": 1}, rows=3)
    project.snakemake()
    spring = project.folder / "releases" / "spring"
    spring.mkdir(parents=True)
    shutil.copy(project.folder / "results" / "manifest.parquet", spring)

    near = {"earlier": ["releases/*/manifest.parquet"]}
    project.write_config(validation={"near_duplicates": near})
    project.snakemake()
    assert {row["verdict"] for row in project.manifest().values()} == {"accepted"}, "its own images are none"

    # The same seed and prompt with another word in it that the preview does not draw: nearly the same image.
    project.write_config(prompt="A product photo of {product} on a white background, {color}.", name="new-{sku}")
    project.write_config(seed={"fixed": 7})
    project.snakemake()
    before = project.manifest()
    shutil.copy(project.folder / "results" / "manifest.parquet", spring)
    project.write_config(prompt="Product photo of {product} on a white background, {color}", name="newer-{sku}")
    project.snakemake(expect=1)
    after = project.manifest()
    assert len(before) == len(after) == 3
    assert {row["verdict"] for row in after.values()} == {"rejected"}
    for row in after.values():
        assert "near_duplicate: nearly the same image as new-S00" in row["reasons"]
        assert "of releases/spring/manifest.parquet" in row["reasons"]

    metadata = parquet.read_schema(spring / "manifest.parquet").metadata
    assert any(one.startswith("phash@") for one in orjson.loads(metadata[b"imagemake.measures"]))

    calls = project.calls()
    (spring / "manifest.parquet").unlink()
    done = project.snakemake("-n", expect=2)
    assert "validation.near_duplicates.earlier: there is no file 'releases/*/manifest.parquet'" in done.stderr
    assert "Traceback" not in done.stderr
    assert project.calls() == calls
