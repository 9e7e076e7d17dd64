"""`imagemake reproduce`: likeness and cost of a reproduced image, and no other change."""

from __future__ import annotations

NAME = "S001_teal"


def test_a_model_without_seeds_is_not_paid_in_vain_and_another_image_takes_no_place(built):
    before, raw = built.images(), built.raw_files()
    told = built.imagemake("reproduce", NAME, expect=2).stderr
    assert "gpt-image-2 does not honor seeds" in told
    told = built.imagemake("reproduce", NAME, "--anyway", expect=2).stderr
    assert "at most $" in told
    assert "--yes" in told
    assert built.calls() == 4, "asking costs nothing"

    done = built.imagemake("reproduce", NAME, "--anyway", "--yes")
    assert f"{NAME}: equal: the same pixels in another file" in done.stdout, "that is how the stand-in draws"
    assert "0 of 64 bits" in done.stdout
    assert built.calls() == 5
    assert len(built.journal("closed")) == 5, "in the journal like any other"
    assert len([*built.folder.glob("store/reproduced/*/*/*.png")]) == 1
    assert built.raw_files() == raw
    assert "4 up to date" in built.snakemake("-n").stderr
    (built.folder / "results" / "manifest.csv").unlink()
    built.snakemake()
    assert built.images() == before, "no file tells of the second call"
    assert built.calls() == 5

    built.write_config(budget_usd={"campaign": 0.001})
    told = built.imagemake("reproduce", NAME, "--anyway", "--yes", expect=2).stderr
    assert "would exceed budget_usd.campaign" in told
    assert built.calls() == 5


def test_where_seeds_are_honored_the_same_bytes_come_again(preview):
    made = preview(rows=2)
    made.snakemake()
    assert f"{NAME}: equal: the same bytes" in made.imagemake("reproduce", f"results/images/{NAME}.jpg").stdout
    assert f"{NAME}: equal" in made.imagemake("reproduce", NAME).stdout, "once more, by another key"
    assert len([*made.folder.glob("store/reproduced/*/*/*.png")]) == 2
    assert "no file or image has this name" in made.imagemake("reproduce", "S999", expect=2).stderr
