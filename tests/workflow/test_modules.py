"""Campaigns as modules of one Snakefile, each in its own folder, with one store."""

import shutil

SNAKEFILE = """
from imagemake.workflow.installed import SNAKEFILE

module shop:
    snakefile: SNAKEFILE
    prefix: "shop é"

use rule * from shop as shop_*

module social:
    snakefile: SNAKEFILE
    prefix: "social"

use rule * from social as social_*

rule all:
    default_target: True
    input: rules.shop_all.input, rules.social_all.input

onstart: open("own-hook", "w").close()
"""


def test_modules_build_in_their_folders_and_share_a_store(project):
    made = project(rows=3)
    for name in ("shop é", "social"):
        folder = made.folder / name
        folder.mkdir()
        shutil.copytree(made.folder / "config", folder / "config")
        (folder / "store").symlink_to("../store")
    shutil.rmtree(made.folder / "config")
    (made.folder / "store").mkdir()
    (made.folder / "social/config/catalog.csv").write_text("sku,product,color\n0017,mug,red\nS001,bottle,teal\n")
    (made.folder / "Snakefile").unlink()
    (made.folder / "Snakefile").write_text(SNAKEFILE)

    made.snakemake()

    assert {path.name for path in (made.folder / "shop é/results/images").iterdir()} == {
        "S000_red.jpg",
        "S001_teal.jpg",
        "S002_gold.jpg",
    }
    assert {path.name for path in (made.folder / "social/results/images").iterdir()} == {
        "0017_red.jpg",
        "S001_teal.jpg",
    }
    assert made.calls() == 4  # S001 is in both campaigns
    assert (made.folder / "own-hook").exists()
    assert not (made.folder / "work").exists()

    done = made.snakemake()
    assert made.calls() == 4
    assert done.stderr.count("Nothing to do.") == 2
