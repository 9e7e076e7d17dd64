"""Claims about releases that write anew only what changed."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from paper_shop import EDITS, PaperShop

SEEDS = 5


@pytest.fixture
def shop(tmp_path, monkeypatch):
    (tmp_path / "shop").mkdir()
    monkeypatch.chdir(tmp_path / "shop")
    shop = PaperShop(random.Random(3), n=20)
    shop.run()
    shop.release()
    return shop


def files_in(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def whole_release(shop, aside, monkeypatch):
    """Write the release of everything into a copy of the project, and return its files."""
    shutil.copytree(".", aside)
    with monkeypatch.context() as there:
        there.chdir(aside)
        for folder in ("results", "work/settled", "work/released"):
            shutil.rmtree(folder, ignore_errors=True)
        assert not shop.release()
        return files_in(Path("results"))


def test_after_any_edits_the_release_has_the_bytes_of_a_whole_one(tmp_path, monkeypatch):
    n_parts = sum(parts_that_agree(random.Random(seed), tmp_path / f"{seed}", monkeypatch) for seed in range(SEEDS))
    assert n_parts > SEEDS, "too many releases looked at everything"


def parts_that_agree(chance, folder, monkeypatch):
    """Edit and release a shop, and return how many releases looked at a part only."""
    (folder / "shop").mkdir(parents=True)
    monkeypatch.chdir(folder / "shop")
    shop, n_parts = PaperShop(chance, n=25), 0
    shop.run()
    shop.release()
    for step in range(6):
        for edit in chance.choices(EDITS, k=chance.choice([1, 1, 2])):
            edit(shop)
            shop.write()
        shop.run()
        n_parts += shop.release()
        assert files_in(Path("results")) == whole_release(shop, folder / f"{step}", monkeypatch)
    return n_parts


def edited(shop):
    shop.rows[0]["product"] = "teapot"
    shop.write()
    shop.run()


def test_an_unchanged_image_is_not_written_again(shop):
    edited(shop)
    before = {path.name: path.stat().st_mtime_ns for path in Path("results/images").glob("*.jpg")}
    assert shop.release()
    after = {path.name: path.stat().st_mtime_ns for path in Path("results/images").glob("*.jpg")}
    assert {name for name, at in after.items() if before.get(name) != at} <= {"S000.jpg"}


def test_a_released_image_that_somebody_changed_is_released_again(shop):
    edited(shop)
    victim = sorted(Path("results/images").glob("*.jpg"))[-1]
    good = victim.read_bytes()
    victim.unlink()
    victim.write_bytes(b"scribbled")
    shop.release()
    assert victim.read_bytes() == good


@pytest.mark.parametrize("damage", ["", "gone", "flipped"])
def test_rows_that_were_kept_badly_are_made_anew(shop, tmp_path, monkeypatch, damage):
    edited(shop)
    for path in Path("work/settled/manifest").iterdir() if damage else ():
        if damage == "gone":
            path.unlink()
        else:
            content = path.read_bytes()
            path.write_bytes(content[:-5] + bytes([content[-5] ^ 1]) + content[-4:])
    assert shop.release() is not bool(damage)
    assert files_in(Path("results")) == whole_release(shop, tmp_path / "aside", monkeypatch)


def test_the_manifest_says_cached_once_the_run_is_over_that_made_an_image(shop):
    edited(shop)
    shop.release()
    first = Path("results/manifest.csv").read_text()
    shop.rows[1]["product"] = "vase"
    shop.write()
    shop.run()
    assert shop.release()
    assert first.count('"true"') + 1 >= Path("results/manifest.csv").read_text().count('"true"') > 0
