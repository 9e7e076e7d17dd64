"""Claims about releases that write anew only what changed."""

from __future__ import annotations

import os
import random
import shutil
from contextlib import suppress
from copy import deepcopy
from itertools import count
from pathlib import Path

import orjson
import pytest
from paper_shop import EDITS, VARIANTS, PaperShop

from imagemake.core.problems import UserError
from imagemake.plan.settled import settling
from imagemake.release.manifest import parquet
from imagemake.release.manifest.chunks import chunk
from imagemake.release.report import contact_sheet

SEEDS = 5


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Cut releases into several chunks, Parquet files into row groups, and the contact sheet into parts."""
    monkeypatch.setattr(chunk, "MEAN", 4)
    monkeypatch.setattr(chunk, "MOST", 7)
    monkeypatch.setattr(parquet, "GROUP_ROWS", 10)
    monkeypatch.setattr(contact_sheet, "MOST_IN_ONE_FILE", 10)


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


@pytest.mark.parametrize("kind", VARIANTS)
def test_so_has_one_of_a_campaign_whose_rows_belong_together(tmp_path, monkeypatch, kind):
    parts_that_agree(random.Random(1), tmp_path / "1", monkeypatch, VARIANTS[kind], n_steps=4)


def parts_that_agree(chance, folder, monkeypatch, config=None, n_steps=6):
    """Edit and release a shop, and return how many releases looked at a part only."""
    (folder / "shop").mkdir(parents=True)
    monkeypatch.chdir(folder / "shop")
    shop, n_parts = PaperShop(chance, n=25, config=config), 0
    shop.run()
    shop.release()
    for step in range(n_steps):
        before = deepcopy((shop.rows, shop.config))
        for edit in chance.choices(EDITS, k=chance.choice([1, 1, 2])):
            with suppress(UserError):
                edit(shop)
            shop.write()
        try:
            shop.run()
        except UserError:
            shop.rows, shop.config = before
            shop.write()
            continue
        n_parts += shop.release()
        assert files_in(Path("results")) == whole_release(shop, folder / f"{step}", monkeypatch)
    return n_parts


@pytest.mark.parametrize("kind", ["plain", "sizes", "distinct", "candidates", "rules", "overrides"])
def test_a_first_release_that_looks_at_some_rows_at_a_time_has_the_bytes_of_one_of_all_at_once(
    tmp_path, monkeypatch, kind
):
    sizes = {"variables": {"size": ["small", "big"]}, "name": "{sku}_{size}", "takes": 2}
    distinct = {"validation": {"near_duplicates": False}}
    config, n_in_groups = {"sizes": sizes, "distinct": distinct, **VARIANTS}.get(kind), 0
    seeds = range(SEEDS if kind == "plain" else 2)
    for seed in seeds:
        (tmp_path / f"{seed}" / "shop").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / f"{seed}" / "shop")
        shop = PaperShop(random.Random(seed), n=25, config=config)
        for _ in range(2):
            shop.run()
            expected = whole_release(shop, tmp_path / f"{seed}" / f"{len(shop.rows)}", monkeypatch)
            with monkeypatch.context() as groups:
                groups.setattr(settling, "ROWS_AT_ONCE", 4)
                n_in_groups += shop.release()
            assert files_in(Path("results")) == expected
            shutil.rmtree("work/settled", ignore_errors=True)
            shop.rows.insert(3, {"sku": "T1", "product": "lamp", "color": "teal"})
            shop.rows[9]["sku"] = shop.rows[9]["sku"].lower()
            shop.write()
    assert (n_in_groups > 0) == (kind not in ("rules", "overrides"))


def test_after_a_first_release_of_some_rows_at_a_time_only_what_changed_is_looked_at(shop, tmp_path, monkeypatch):
    shutil.rmtree("work/settled")
    with monkeypatch.context() as groups:
        groups.setattr(settling, "ROWS_AT_ONCE", 4)
        assert shop.release(), "it knows what is settled"
    shop.rows[5]["product"] = "teapot"
    shop.write()
    shop.run()
    assert shop.release()
    assert files_in(Path("results")) == whole_release(shop, tmp_path / "aside", monkeypatch)


def test_so_has_one_with_images_in_review_since_they_are_like_those_of_other_rows(tmp_path, monkeypatch):
    alike, measured = {"S001": "0" * 16, "S015": "0" * 14 + "3f"}, PaperShop.measured

    def measured_alike(shop, raw, policy):
        values = measured(shop, raw, policy)
        shown = next((alike[name] for name in alike if name in names[raw.key]), None)
        return {one: {**own, "contrast": 50.0, **({"hash": shown} if shown else {})} for one, own in values.items()}

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(PaperShop, "measured", measured_alike)
    monkeypatch.setattr(random.Random, "random", lambda _: 0.5)
    shop = PaperShop(random.Random(3), config={"validation": {"near_duplicates": False}})
    names = {request.recipe.key(): request.name for request in shop.target().requests}
    shop.run()
    shop.config["validation"] = {"near_duplicates": {"max_distance_bits": 8}}  # the image is finished already
    shop.run()
    expected = whole_release(shop, tmp_path / "aside", monkeypatch)
    monkeypatch.setattr(settling, "ROWS_AT_ONCE", 4)
    assert shop.release()
    assert "images/S001.jpg" in expected
    assert "images/S015.jpg" not in expected
    assert files_in(Path("results")) == expected


def test_an_image_that_is_damaged_in_a_first_release_is_open_in_it(shop, monkeypatch, capsys):
    monkeypatch.setattr(settling, "ROWS_AT_ONCE", 4)
    shutil.rmtree("work")
    shop.run()
    shutil.rmtree("results")
    path = sorted(Path("store/finished").glob("*/*/*"))[7]
    path.chmod(0o600)
    path.write_bytes(b"scribbled")
    shop.release()
    assert "run again to postprocess it again" in capsys.readouterr().err
    assert "postprocess" in orjson.loads(Path("results/release.json").read_bytes())["missing"]


@pytest.fixture
def judged(tmp_path, monkeypatch):
    (tmp_path / "shop").mkdir()
    monkeypatch.chdir(tmp_path / "shop")
    shop = PaperShop(random.Random(3), n=20, config=VARIANTS["judged"])
    shop.run()
    shop.release()
    return shop


def test_a_release_of_a_judged_campaign_looks_at_what_changed_and_knows_what_asking_cost(judged, tmp_path, monkeypatch):
    shop = judged
    asked = orjson.loads(Path("results/metrics.json").read_bytes())["judge"]
    shop.rows[5]["product"] = "teapot"
    shop.write()
    shop.run()
    assert shop.release(), "it looked at every row"
    assert files_in(Path("results")) == whole_release(shop, tmp_path / "edited", monkeypatch)
    now = orjson.loads(Path("results/metrics.json").read_bytes())["judge"]
    assert now["calls"] == asked["calls"] > 10, "the call about the image before does not count anymore"
    reviewed = next(state for state in shop.target().states(shop.inventory()) if state.stage == "done")
    shop.reviews[reviewed.key] = "approve"
    shop.write()
    shop.release()
    shop.rows[8]["product"] = "teapot"
    shop.write()
    shop.run()
    assert shop.release(), "it looked at every row"
    assert files_in(Path("results")) == whole_release(shop, tmp_path / "reviewed", monkeypatch)
    assert orjson.loads(Path("results/metrics.json").read_bytes())["judge"]["overall"]["images"] == 1


def test_one_that_does_not_ask_anymore_tells_what_it_asked_before(judged, tmp_path, monkeypatch):
    judged.config["validation"] = {"near_duplicates": False}
    judged.run()
    judged.release()
    edited(judged)
    judged.release()
    assert files_in(Path("results")) == whole_release(judged, tmp_path / "aside", monkeypatch)
    assert orjson.loads(Path("results/metrics.json").read_bytes())["cost_usd_judge"] > 0


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


def flipped(path):
    content = path.read_bytes()
    path.write_bytes(content[:-5] + bytes([content[-5] ^ 1]) + content[-4:])


DAMAGES = {
    "gone": Path.unlink,
    "flipped": flipped,
    "torn": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "emptied": lambda path: path.write_bytes(b""),
    "swapped": lambda path: path.write_bytes(next(path.parent.glob(f"[!{path.name[0]}]*")).read_bytes()),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_rows_that_were_kept_badly_are_made_anew(shop, tmp_path, monkeypatch, damage):
    edited(shop)
    for path in sorted(Path("work/released/all/rows").iterdir()):
        DAMAGES[damage](path)
    assert not shop.release()
    assert files_in(Path("results")) == whole_release(shop, tmp_path / "aside", monkeypatch)


@pytest.mark.parametrize("damage", ["gone", "swapped"])
def test_pieces_that_were_kept_badly_are_made_anew(shop, tmp_path, monkeypatch, damage):
    edited(shop)
    pieces = sorted(Path("work/released/all/pieces").glob("*/*"))
    assert {path.parent.name for path in pieces} == {
        "sums",
        "csv",
        "arrow",
        "row_group",
        "cards",
        "thumbnails",
        "sidecars",
    }
    for path in pieces:
        DAMAGES[damage](path)
    assert shop.release(), "the rows are still known"
    assert files_in(Path("results")) == whole_release(shop, tmp_path / "aside", monkeypatch)


@pytest.mark.parametrize("change", [{"unsigned": {"S003.jpg": "no answer"}}, {"certificate": "0" * 64}])
def test_a_release_that_is_not_signed_as_it_should_be_is_no_ground_for_the_next_one(shop, change):
    edited(shop)
    path = Path("results/release.json")
    path.write_bytes(orjson.dumps({**orjson.loads(path.read_bytes()), **change}))
    assert not shop.release()


@pytest.mark.parametrize("lost", ["results/index/*.html", "results/images/*.json", "results/*.*"])
def test_files_of_a_release_that_are_lost_are_written_again(shop, tmp_path, monkeypatch, lost):
    edited(shop)
    for path in Path().glob(lost):
        path.unlink()
    shop.release()
    assert files_in(Path("results")) == whole_release(shop, tmp_path / "aside", monkeypatch)


def test_a_release_that_was_killed_between_any_two_writes_is_finished_by_the_next_one(shop, tmp_path, monkeypatch):
    edited(shop)
    expected = whole_release(shop, tmp_path / "aside", monkeypatch)
    shutil.copytree(".", tmp_path / "before")
    for n_writes in count(1, 3):
        shutil.rmtree(tmp_path / "there", ignore_errors=True)
        shutil.copytree(tmp_path / "before", tmp_path / "there")
        with monkeypatch.context() as there:
            there.chdir(tmp_path / "there")
            was_killed = killed_after(n_writes, shop, there)
        with monkeypatch.context() as there:
            there.chdir(tmp_path / "there")
            shop.release()
            assert files_in(Path("results")) == expected, n_writes
        if not was_killed:
            break
    assert n_writes > 20


def killed_after(n_writes, shop, there):
    """Write a release until that many files were written, and return whether it was killed then."""
    done, replace = iter(range(n_writes)), os.replace

    class KilledError(BaseException):
        pass

    def counted(*names, **more):
        if next(done, None) is None:
            raise KilledError
        return replace(*names, **more)

    there.setattr(os, "replace", counted)
    try:
        shop.release()
    except KilledError:
        return True
    return False


def test_the_manifest_tells_nothing_of_the_run_that_wrote_it(shop):
    before = files_in(Path("results"))
    shop.run()
    shop.made_at = "2026-12-24T12:00:00.000Z"
    shop.release()
    after = files_in(Path("results"))
    assert {name for name in before if before[name] != after[name]} <= {"metrics.json", "index.html"}
    assert orjson.loads(after["metrics.json"])["cached_share"] == 1
