"""Claims about plans that look only at what changed."""

from __future__ import annotations

import os
import random
import shutil
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
from own_model import NETWORK, WEIGHTS, sections_with_files
from paper_shop import EDITS, VARIANTS, PaperShop, facts, jpeg_of, standing

from imagemake.core.problems import UserError
from imagemake.plan.candidates import CandidatePolicy
from imagemake.plan.requests.abilities import Abilities
from imagemake.plan.requests.catalog import read_catalog
from imagemake.plan.routing import model_of
from imagemake.plan.settled import settling
from imagemake.plan.settled.contents import folder_stamps, table_stamps
from imagemake.plan.settled.journal_index import NotRememberedError
from imagemake.plan.settled.part import Part
from imagemake.plan.settled.recall import recall
from imagemake.plan.settled.remember import remember
from imagemake.plan.settled.settling import settled_part
from imagemake.plugins.weights import cache_at
from imagemake.store.kept_measures import keep_measures
from imagemake.store.submissions import Submission, Submissions, SubmissionStep

FAR_AHEAD_NS = 2**62
NEXT_DAY = "2026-11-28T12:00:00.000Z"
SEEDS = 10


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shop = PaperShop(random.Random(7))
    shop.run()
    settle(shop)
    return shop


def settle(shop):
    """Remember what is settled, as a release does at its end."""
    stamps = folder_stamps(shop.store, FAR_AHEAD_NS), table_stamps(shop.work, shop.store)
    part = recall(shop.target(), shop.store, shop.work)
    with suppress(NotRememberedError):
        if part is not None:
            remember(shop.target(), part, part.states(), stamps)
            return
    whole = Part.whole(shop.target(), shop.inventory())
    remember(shop.target(), whole, whole.states(), stamps)


def part_of(shop):
    """Return the part that needs a look, and its states; None if everything does."""
    part = recall(shop.target(), shop.store, shop.work)
    try:
        return None if part is None else (part, part.states())
    except NotRememberedError:
        return None


def part_or_mistakes(shop):
    try:
        return part_of(shop)
    except UserError as mistakes:
        return mistakes.problems


def test_after_any_edits_a_plan_of_the_part_says_what_a_plan_of_everything_says(tmp_path, monkeypatch):
    n_parts = sum(parts_that_agree(random.Random(seed), tmp_path / f"{seed}", monkeypatch) for seed in range(SEEDS))
    assert n_parts > 2 * SEEDS, "too many plans looked at everything"


def parts_that_agree(chance, folder, monkeypatch, config=None):
    """Edit and plan a shop, and return how many plans looked at a part only."""
    folder.mkdir()
    monkeypatch.chdir(folder)
    shop, n_parts = PaperShop(chance, n=30, config=config), 0
    time, unable = random.Random(7), set()  # models that are shut down
    monkeypatch.setattr(Abilities, "why_not", lambda _self, _settings, recipe, _sent: recipe.model in unable and "x")
    for _ in range(8):
        shop.run()
        settle(shop)
        before = deepcopy((shop.rows, shop.config))
        for edit in chance.choices(EDITS, k=chance.choice([1, 1, 1, 2, 4])):
            with suppress(UserError):
                edit(shop)
            shop.write()
        shop.made_at = time.choice([shop.made_at, NEXT_DAY])
        unable ^= set(time.choices(["preview-1", "preview-2", "preview-3"], k=time.choice([0, 0, 1])))
        try:
            whole = standing(shop)
        except UserError as mistakes:
            assert part_or_mistakes(shop) in (None, mistakes.problems)
            shop.rows, shop.config = before
            shop.write()
            continue
        found = part_of(shop)
        if found is not None:
            part, states = found
            told = {state.request.name: facts(state) for state in states}
            assert told == {name: whole[name] for name in told}
            others = {name: one for name, one in whole.items() if name not in told}
            assert part.n_settled == len(others)
            assert {one["stage"] for one in others.values()} <= {"done"}
            n_parts += 1
    return n_parts


def test_one_edited_row_is_the_only_done_one_that_is_looked_at(shop):
    done = {name for name, one in standing(shop).items() if one["stage"] == "done" and not one["past"]}
    edited = sorted(done)[0]
    next(row for row in shop.rows if row["sku"] == edited)["product"] = "teapot"
    shop.write()
    part, states = part_of(shop)
    assert {state.request.name for state in states} & done <= {edited} | _alike(shop)
    assert str(next(one.why for one in states if one.request.name == edited)) == "key changed: prompt"
    assert part.n_settled > len(states)


def _alike(shop):
    """Return the names of images that look like each other."""
    target = shop.target()
    states = target.states(shop.inventory())
    return {
        state.request.name
        for state in states
        if any(values.get("hash") == "0123456789abcdef" for values in state.measured.values())
    }


def test_the_part_reads_no_table_and_no_journal_file_of_what_is_settled(shop):
    shop.rows[0]["product"] = "teapot"
    shop.write()
    for path in (*Path("work/validated").glob("*"), *Path("work/postprocessed").glob("*")):
        stamp = path.stat()
        path.write_bytes(b"x" * stamp.st_size)  # anyone who reads it finds nothing
        os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert part_of(shop) is not None


def test_measures_that_a_release_kept_from_these_tables_are_no_news_and_those_of_others_are(shop):
    before = part_of(shop)
    assert keep_measures(shop.store, shop.work) > 0
    assert [facts(one) for one in part_of(shop)[1]] == [facts(one) for one in before[1]]
    settle(shop)
    (shop.store.measures_folder / "0123456789abcdef.jsonl").write_text("{}\n")
    assert part_of(shop) is None


def test_the_part_knows_how_long_all_calls_took(shop):
    shop.rows[0]["product"] = "teapot"
    shop.write()
    part, states = part_of(shop)
    times, model = part.inventory.journal.times, model_of(states[0].recipe)
    assert times.median_s(model) is not None
    assert times == shop.inventory().journal.times


@pytest.mark.parametrize("path", ["work/settled/rows.bin", "work/settled/journal.bin"])
@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: data[:99] + b"?" + data[100:], lambda _: b""])
def test_damaged_memory_is_as_good_as_none(shop, path, damage):
    shop.rows[0]["product"] = "teapot"
    shop.write()
    assert part_of(shop) is not None
    Path(path).write_bytes(damage(Path(path).read_bytes()))
    assert part_of(shop) is None


@pytest.mark.parametrize("kind", VARIANTS)
def test_after_any_edits_so_does_one_of_a_campaign_whose_rows_belong_together(tmp_path, monkeypatch, kind):
    seeds = range(2 * SEEDS // 5)
    n_parts = sum(parts_that_agree(random.Random(s), tmp_path / f"{s}", monkeypatch, VARIANTS[kind]) for s in seeds)
    assert n_parts > len(seeds), "too many plans looked at everything"


def test_rows_that_are_looked_at_some_at_a_time_stand_where_they_do_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(settling, "ROWS_AT_ONCE", 4)
    n_parts = 0
    for seed in range(2 * SEEDS):
        (tmp_path / f"{seed}").mkdir()
        monkeypatch.chdir(tmp_path / f"{seed}")
        shop = PaperShop(random.Random(seed), n=30)
        shop.run()
        for edit in shop.chance.choices(EDITS, k=4):
            with suppress(UserError):
                edit(shop)
            shop.write()
        try:
            whole = standing(shop)
        except UserError:
            whole = {}
        part = states = None
        with suppress(NotRememberedError):
            part = settled_part(shop.target(), shop.inventory())
            states = part and part.states()
        if part is not None and states is not None:
            told = {state.request.name: facts(state) for state in states}
            assert told == {name: whole[name] for name in told}
            assert {one["stage"] for name, one in whole.items() if name not in told} <= {"done"}
            assert part.n_settled == len(whole) - len(told) > 0
            n_parts += 1
    assert n_parts > SEEDS, "too many looks at everything at once"


@pytest.mark.parametrize("edit", [lambda row: row.update(sku="s003"), lambda row: row.update(sku="")])
def test_a_mistake_is_told_as_by_a_look_at_all_rows_at_once(shop, monkeypatch, edit):
    monkeypatch.setattr(settling, "ROWS_AT_ONCE", 4)
    assert settled_part(shop.target(), shop.inventory()).n_settled
    edit(shop.rows[17])
    shop.write()
    with pytest.raises((NotRememberedError, UserError)) as caught:
        settled_part(shop.target(), shop.inventory()).states()
    with pytest.raises(UserError) as whole:
        standing(shop)
    if caught.type is UserError:
        assert caught.value.problems == whole.value.problems


def test_more_rows_than_may_be_planned_are_told_before_any_is_looked_at(shop, monkeypatch):
    monkeypatch.setattr(settling, "ROWS_AT_ONCE", 4)
    shop.config["max_requests"] = 19
    with pytest.raises(UserError, match="20 rows"):
        settled_part(shop.target(), shop.inventory())


def test_a_rule_that_no_row_needs_anymore_is_told_by_a_plan_of_everything(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shop = PaperShop(random.Random(7), config={"model_rules": [{"when": {"product": "mug 3"}, "model": "preview-2"}]})
    shop.run()
    settle(shop)
    shop.rows[5]["product"] = "vase"
    shop.write()
    assert part_of(shop) is not None
    shop.rows[3]["product"] = "vase"
    shop.write()
    assert part_of(shop) is None


def test_an_image_stays_settled_that_another_model_made_because_the_first_one_refused_or_had_no_quota(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    shop = PaperShop(random.Random(2), config={**VARIANTS["models"], "validation": {"near_duplicates": False}})
    shop.rows[10:], more = [], shop.rows[10:]
    shop.write()
    shop.run()
    shop.rows += more
    shop.without_quota = {"preview-1"}
    shop.write()
    shop.run()
    settle(shop)
    shop.made_at = NEXT_DAY
    _, states = part_of_edited(shop)
    made_by = {state.recipe.model for state in shop.target().states(shop.inventory())}
    assert made_by >= {"preview-1", "preview-2"}
    assert [state.request.name for state in states] == ["S000"]


@pytest.mark.parametrize("candidate", [0, 1])
def test_an_image_of_a_model_that_comes_before_the_one_that_made_it_makes_a_plan_look_at_all_rows(
    tmp_path, monkeypatch, candidate
):
    monkeypatch.chdir(tmp_path)
    shop = PaperShop(random.Random(2), config=VARIANTS["next model"])
    shop.without_quota = {"preview-1"}
    shop.run()
    settle(shop)
    assert part_of_edited(shop) is not None
    state = next(one for one in shop.target().states(shop.inventory()) if one.stage == "done")
    recipe = CandidatePolicy(2).recipes(state.request.routes[0].recipe)[candidate]
    shop.store.raw.put(recipe.key(), b"came late", durable=False, extension="png")
    assert part_of(shop) is None


@pytest.mark.parametrize("part", ["raw", "finished"])
def test_a_folder_of_the_store_that_is_gone_makes_a_plan_look_at_all_rows(shop, part):
    assert part_of_edited(shop) is not None
    shutil.rmtree(sorted(Path("store", part).iterdir())[-1])
    assert part_of(shop) is None


def test_an_image_that_was_lost_and_made_again_keeps_the_answers_about_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shop = PaperShop(random.Random(7), config={**VARIANTS["judged"], "attempts": {"max": 1}})
    shop.run()
    settle(shop)
    *_, lost = (state for state in shop.target().states(shop.inventory()) if state.stage == "done")
    shop.store.raw.path(lost.raw).unlink()
    shop.run()
    _, states = part_of(shop)
    told, whole = {state.request.name: facts(state) for state in states}, standing(shop)
    assert lost.request.name in told
    assert told == {name: whole[name] for name in told}


@pytest.mark.parametrize("move", [lambda rows: rows.reverse(), lambda rows: rows.sort(key=lambda row: row["product"])])
def test_rows_that_only_moved_stay_settled(shop, move):
    n_before = part_of_edited(shop)[0].n_settled
    move(shop.rows)
    shop.write()
    part, states = part_of(shop)
    assert part.n_settled == n_before
    assert {state.request.row for state in states} <= {row.number for row in shop.target().catalog}


def part_of_edited(shop):
    shop.rows[0]["product"] = "teapot"
    shop.write()
    return part_of(shop)


def test_a_row_at_the_top_is_the_only_new_one_that_is_looked_at(shop):
    before = {state.request.name for state in part_of_edited(shop)[1]}
    shop.rows.insert(0, {"sku": "T1", "product": "lamp", "color": "teal"})
    shop.write()
    part, states = part_of(shop)
    assert {state.request.name for state in states} == before | {"T1"}
    assert part.places_of(states)[0] == 0


def test_a_mistake_in_a_row_that_changed_is_told_as_by_a_plan_of_everything(shop):
    path = Path("config/catalog.csv")
    path.write_text(path.read_text().replace("mug 5,red", "mug 5"))
    with pytest.raises(UserError) as caught:
        part_of(shop)
    with pytest.raises(UserError) as whole:
        read_catalog(path)
    assert caught.value.problems == whole.value.problems


def test_a_row_with_the_name_of_a_settled_one_is_told_as_by_a_plan_of_everything(shop):
    shop.rows.append({**shop.rows[3], "sku": shop.rows[3]["sku"].lower()})
    shop.write()
    with pytest.raises(UserError) as caught:
        part_of(shop)
    with pytest.raises(UserError) as whole:
        standing(shop)
    assert caught.value.problems == whole.value.problems


def swap_columns(shop):
    path = Path("config/catalog.csv")
    path.write_text(path.read_text().replace("product,color", "color,product", 1))


def add_measures(shop):
    shop.store.measures_folder.mkdir(exist_ok=True)
    (shop.store.measures_folder / "clone.jsonl").touch()


def grow_a_journal_file(shop):
    path = sorted(shop.store.journal_folder.glob("*/*"))[0]
    path.write_bytes(path.read_bytes() * 2)


def send_a_batch(shop):
    step = SubmissionStep.CREATED
    Submissions(shop.store.root).save(Submission("s", step, "openai", None, "m", "j", {"c": "k"}, shop.made_at))


def change_a_reference(shop):
    Path("mug.png").write_bytes(b"another")


def change_the_weights(shop):
    WEIGHTS.write_bytes(b"other weights")


def lose_the_weights_and_what_is_known_of_them(shop):
    WEIGHTS.unlink()
    cache_at.cache_clear()


def change_the_network_of_a_step(shop):
    NETWORK.write_bytes(b"another network")


def exclude_rows(shop):
    shop.config["exclude"] = [{"product": "mug 7"}]


@pytest.mark.parametrize(
    "change",
    [
        swap_columns, add_measures, grow_a_journal_file, send_a_batch, change_a_reference, change_the_weights,
        lose_the_weights_and_what_is_known_of_them, change_the_network_of_a_step, exclude_rows,
    ],
)  # fmt: skip
def test_what_decides_beside_the_rows_makes_a_plan_look_at_all_of_them(tmp_path, monkeypatch, change):
    monkeypatch.chdir(tmp_path)
    Path("mug.png").write_bytes(jpeg_of("mug"))
    shop = PaperShop(random.Random(7), config={"references": ["mug.png"], **sections_with_files(monkeypatch)})
    shop.run()
    settle(shop)
    assert part_of_edited(shop)[0].n_settled > len(shop.rows) / 2
    change(shop)
    assert part_of(shop) is None


def test_what_another_version_or_another_target_remembers_is_not_recalled(shop, monkeypatch):
    assert part_of_edited(shop) is not None
    assert recall(replace(shop.target(), scope="pilot"), shop.store, shop.work) is None
    with monkeypatch.context() as patch:
        patch.setattr("imagemake.plan.settled.recall.VERSION", 0)
        assert part_of(shop) is None
    shop.config["store"] = {"remote": "s3://ours/store", "share": "everything"}
    assert part_of(shop) is None, "a store in a bucket is listed as a whole"
    shop.config["store"]["share"] = "images"
    assert part_of(shop) is not None, "the store is here, and only its images are shared"
