"""`imagemake diff` in a project that is built, committed, edited and built again."""

from __future__ import annotations

import json
import subprocess


def test_each_edit_is_told_with_its_reason_and_what_did_not_change_is_not(preview):
    made = preview()
    (made.folder / ".gitignore").write_text("store\nwork\nlogs\n.snakemake\n")

    def commit(tag):
        author = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
        for arguments in (("init", "-q"), ("add", "-A"), (*author, "commit", "-qm", tag), ("tag", tag)):
            subprocess.run(["git", *arguments], cwd=made.folder, check=True)

    def diff(*revisions):
        found = json.loads(made.imagemake("diff", *revisions, "--format", "json").stdout)
        return found, {change["name"]: (change["change"], *change["reasons"]) for change in found["changes"]}

    made.snakemake()
    commit("v1")
    assert diff()[1] == {}
    made.edit_row(1, product="round teapot")
    made.snakemake()
    found, told = diff("HEAD")
    assert told == {"S001_teal": ("changed", "prompt", "catalog")}
    assert found["counts"]["unchanged"] == 3
    assert found["new"]["attempts"] == 1
    assert found["changes"][0]["differences"]["variable.product"] == ["bottle", "round teapot"]

    commit("v2")
    key = made.manifest()["S002_gold"]["key"]
    (made.folder / "config/reviews.csv").write_text(f"key,decision,note,reviewer,time\n{key},approve,fine,Ann,\n")
    made.rows.pop()
    made.edit_row(0, color="pink")
    made.snakemake()
    found, told = diff("v2")
    assert told == {"S002_gold": ("changed", "review"), "S003_red": ("removed",), "S000_red": ("removed",)} | {
        "S000_pink": ("added",)
    }
    (noted,) = [change for change in found["changes"] if change["name"] == "S002_gold"]
    assert noted["differences"]["xmp.ReviewNote"] == ["", "fine"]

    commit("v3")
    made.write_config(postprocess={"steps": [{"resize": {"width_px": 32, "height_px": 32}}]})
    made.snakemake()
    found, told = diff("v3")
    assert set(told.values()) == {("changed", "postprocessing")}
    assert found["new"]["attempts"] == 0
    assert diff("v3..v2")[1].keys() == diff("v2", "v3")[1].keys()

    # Only the tag and the store remain.
    made.delete("results/images")
    made.imagemake("diff", "v1", "v2", "--html", "page.html")
    assert (made.folder / "page.html").read_text().count("data:image/webp") == 2
    assert made.calls() == 6
