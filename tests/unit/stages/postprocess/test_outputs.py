"""Several files of an image: found by keys of their own, computed together, named so that none hides another."""

import hashlib
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from world import World

from imagemake.config.campaign import load_campaign
from imagemake.config.outputs import Output, Postprocess
from imagemake.config.validation import Validation
from imagemake.core.problems import UserError
from imagemake.core.recipe import Recipe
from imagemake.plan.inventory import Inventory
from imagemake.plan.requests.catalog_row import Row
from imagemake.plan.requests.expand import expand
from imagemake.plan.requests.file_names import FileNames
from imagemake.plan.state import Stage
from imagemake.stages.postprocess import job
from imagemake.stages.postprocess.branches import Branch, postprocess_all
from imagemake.stages.postprocess.encode import PostprocessError, encode, postprocess
from imagemake.stages.postprocess.job import Postprocessor, output_keys, postprocess_digests
from imagemake.store.items import FailureReason, Item, ItemFailure, read_table, write_table
from imagemake.store.store import Store
from imagemake.store.thumbnails import ThumbnailCache

RAW = encode(Image.radial_gradient("L").convert("RGB"), Output(format="png"))
SMALL = {"resize": {"width_px": 32}}


def section(**settings_of):
    return Postprocess.model_validate(settings_of)


@pytest.mark.parametrize(
    ("settings_of", "digest"),
    [
        ({}, "c9ffa55e02e0273c366532d562c3ac26f2febf95c157f50c52fb3367219edfde"),
        ({"output": {"format": "png"}}, "7a78bf9227a49c5a3403ec4850402e9b808769a360b7485f1ef06cecb05733ab"),
        (
            {
                "steps": [{"crop": {"ratio": "1:1"}}, {"resize": {"width_px": 800, "height_px": 800}}],
                "output": {"format": "jpeg", "quality": 90},
            },
            "1da7d56b32cbc4ba8872a230847f3a96b02710e918aedd4699f79b1d015699e5",
        ),
        (
            {
                "steps": [{"resize": {"width_px": 64}}],
                "output": {"format": "webp", "max_kb": 40, "background": "#112233"},
            },
            "c822efb55f93c2d96ce54798d1d439d74dc7ff788efb7f8210ae02850ac83b09",
        ),
    ],
)
def test_what_was_finished_with_one_output_counts_as_finished(settings_of, digest):
    # A change here postprocesses all images of all users anew.
    assert postprocess_digests(section(**settings_of)) == {"main": digest}
    more = postprocess_digests(section(**settings_of, more_outputs={"web": {"format": "webp"}}))
    assert more["main"] == digest != more["web"]


def test_a_finished_images_key_is_as_it_was():
    keys = output_keys("a" * 64, postprocess_digests(section()))
    assert keys == {"main": "86d4b591a9f4f83d0deadf09f8a11d85668f1d18bf9b1358c9ff7b86f71c7325"}


def test_where_a_step_is_written_and_how_files_are_named_finishes_nothing_anew():
    common = section(steps=[SMALL], more_outputs={"web": {"format": "webp"}})
    own = section(
        output={"steps": [SMALL], "name": "{name}-x"},
        more_outputs={"web": {"format": "webp", "steps": [SMALL], "name": "w{name}"}},
    )
    assert postprocess_digests(common) == postprocess_digests(own)


def test_changing_an_output_moves_no_other_key():
    before = postprocess_digests(section(more_outputs={"web": {"format": "webp"}, "cut": {"format": "png"}}))
    after = postprocess_digests(
        section(more_outputs={"web": {"format": "webp", "quality": 70}, "cut": {"format": "png"}})
    )
    assert {label for label in before if before[label] != after[label]} == {"web"}


def test_an_output_from_the_raw_image_does_not_depend_on_the_common_steps():
    def digests(*steps):
        return postprocess_digests(section(steps=list(steps), more_outputs={"cut": {"from_raw": True}, "web": {}}))

    assert digests()["cut"] == digests(SMALL)["cut"]
    assert digests()["web"] != digests(SMALL)["web"]


class Counting:
    """A step that counts how often it is applied, and may do what no step may: change what it is given."""

    def __init__(self, label, calls, is_rude=False, fails=False):
        self.label, self.calls, self.is_rude, self.fails = label, calls, is_rude, fails

    def apply(self, image):
        self.calls[self.label] += 1
        if self.fails:
            raise ValueError("no")
        if self.is_rude:
            image.paste((self.label, 0, 0), (0, 0, 8, 8))
            return image
        return image.resize((max(8, image.width - self.label), image.height))


@given(ways=st.lists(st.lists(st.integers(0, 3), max_size=4), min_size=1, max_size=5), rude=st.sets(st.integers(0, 3)))
@settings(max_examples=40, deadline=None)
def test_finishing_together_gives_what_finishing_alone_gives_and_applies_no_beginning_twice(ways, rude):
    calls = Counter()
    steps = {label: Counting(label, calls, label in rude) for label in range(4)}
    png = Output(format="png")
    branches = {str(n): Branch([steps[label] for label in way], png) for n, way in enumerate(ways)}
    together = postprocess_all(RAW, branches)
    beginnings = {tuple(way[:end]) for way in ways for end in range(1, len(way) + 1)}
    assert calls == Counter(beginning[-1] for beginning in beginnings)
    assert together == {label: postprocess(RAW, branch.steps, png) for label, branch in branches.items()}


def test_a_step_that_fails_costs_only_the_outputs_that_need_it():
    fails = Counting(1, Counter(), fails=True)
    png = Output(format="png")
    made = postprocess_all(RAW, {"plain": Branch([], png), "odd": Branch([fails], png), "odder": Branch([fails], png)})
    assert isinstance(made["plain"], bytes)
    assert (str(made["odd"]), str(made["odder"])) == ("counting: no", "counting: no")
    assert all(
        isinstance(one, PostprocessError) for one in postprocess_all(b"no image", {"a": Branch([], png)}).values()
    )


@pytest.fixture
def finished(tmp_path):
    store = Store(tmp_path / "store")
    recipe = Recipe("preview", "preview-1", "a mug", 1)
    raw = store.raw.put(recipe.key(), RAW, durable=False)

    def run(**settings_of):
        postprocessor = Postprocessor(
            section(**settings_of), Validation(), store, ThumbnailCache(tmp_path / "work" / "thumbnails")
        )
        item = Item("mug", 0, recipe, recipe.key(), "not postprocessed yet", raw=raw, output_key="known to the plan")
        (item,) = postprocessor.postprocess_batch([item])
        return item

    run.store, run.work, run.raw = store, tmp_path / "work", raw
    return run


OUTPUTS = {"web": {"steps": [SMALL], "format": "webp"}, "cut": {"from_raw": True, "format": "png"}}


def test_a_changed_output_is_finished_and_no_other(finished, monkeypatch):
    item = finished(more_outputs=OUTPUTS)
    assert {label: one.stored.extension for label, one in item.further.items()} == {"web": "webp", "cut": "png"}
    assert len(finished.store.finished.index()) == 3
    asked = []
    monkeypatch.setattr(
        job,
        "postprocess_all",
        lambda data, branches: asked.append(list(branches)) or postprocess_all(data, branches),
    )
    again = finished(more_outputs={**OUTPUTS, "web": {"steps": [SMALL], "format": "webp", "quality": 50}})
    assert asked == [["web"]]
    assert (again.finished, again.further["cut"]) == (item.finished, item.further["cut"])
    assert finished(more_outputs=OUTPUTS) == item
    assert asked == [["web"]]


def test_an_output_that_cannot_be_made_leaves_the_others_and_says_which_it_is(finished):
    too_large = {"steps": [{"pad": {"width_px": 8, "height_px": 8}}]}
    item = finished(more_outputs={"web": OUTPUTS["web"], "icon": too_large})
    assert item.finished is not None
    assert item.further["web"].stored is not None
    assert str(item.failure).startswith("postprocess: output icon: pad: ")
    write_table(finished.work / "postprocessed" / "a.jsonl", [item])
    assert read_table(finished.work / "postprocessed" / "a.jsonl") == [item]
    inventory = Inventory(finished.store, finished.work)
    assert inventory.postprocessed_before == {finished.raw.digest: {"main", "web"}}
    assert set(inventory.failed_outputs) == {item.further["icon"].key}


@pytest.fixture
def mug():
    world = World("mug")
    world.make(world.one())
    keys = {"main": "m", "web": "w", "cut": "c"}
    object.__setattr__(world.policy, "output_keys", lambda digest: keys)
    world.keys = keys
    world.have = lambda *labels: world.finished.update({keys[one]: world.raw[world.one().key] for one in labels})
    return world


def test_a_request_is_done_once_all_of_its_outputs_are_there(mug):
    mug.have("main", "web")
    assert (mug.one().stage, mug.one().files) == (Stage.POSTPROCESS, {})
    mug.have("cut")
    assert mug.one().stage is Stage.DONE
    assert list(mug.one().files) == ["main", "web", "cut"]


@pytest.mark.parametrize(
    ("there", "known", "why"),
    [
        ("", "", "not postprocessed yet"),
        ("", "main web", "postprocessing changed"),
        ("main cut", "main web cut", "postprocessing changed: web"),
        ("main", "main", "output added: web, cut"),
        ("main", "main web", "postprocessing changed: web, output added: cut"),
        ("main", "", "not postprocessed yet: web, cut"),
        ("web cut", "main web cut", "postprocessing changed: main"),
    ],
)
def test_the_plan_says_which_output_is_missing_and_why(mug, there, known, why):
    mug.have(*there.split())
    if known:
        mug.postprocessed_before[mug.one().raw.digest] = set(known.split())
    assert str(mug.one().why) == why


def test_an_output_that_could_not_be_made_rejects_the_image(mug):
    mug.have("main", "web")
    mug.failed_outputs["c"] = ItemFailure(FailureReason.POSTPROCESS, "too narrow")
    assert (mug.one().stage, str(mug.one().reasons[0])) == (Stage.REJECTED, "postprocess: output cut: too narrow")


def wanted(rows, **postprocess_of):
    names = [{"sku": sku, **more} for sku, more in rows]
    campaign = load_campaign(
        {"campaign": "c", "catalog": "catalog.csv", "prompt": "a mug", "name": "{sku}", "postprocess": postprocess_of}
    )
    return campaign, expand(campaign, [Row(number, values) for number, values in enumerate(names, 2)])


def files(*rows, **postprocess_of):
    campaign, requests = wanted([(sku, {}) for sku in rows], **postprocess_of)
    return [FileNames(campaign).of(request) for request in requests]


def test_files_are_named_by_their_outputs():
    more = {"web": {"format": "webp", "name": "{name}-400"}, "cut": {"format": "png"}, "t": {"name": "{sku}_{take}"}}
    assert files("M-1", more_outputs=more) == [
        {"main": "M-1.jpg", "web": "M-1-400.webp", "cut": "M-1-cut.png", "t": "M-1_1.jpg"}
    ]
    assert files("M-1", output={"name": "{name}-{output}"}) == [{"main": "M-1-main.jpg"}]
    assert files("M-1", more_outputs={"web": {"format": "webp", "name": "{name}"}}) == [
        {"main": "M-1.jpg", "web": "M-1.webp"}
    ], "the same name with another extension is another file"


def test_files_that_would_share_a_name_are_told_with_their_rows():
    with pytest.raises(UserError) as told:
        files("M-1", "M-1-web", more_outputs={"web": {}})
    assert "catalog.csv, row 3: output 'main' of 'M-1-web' would be the file 'M-1-web.jpg'" in str(told.value)
    assert "like output 'web' of 'M-1' (row 2)" in str(told.value)
    with pytest.raises(UserError, match="many disks ignore case"):
        files("M-1", "m-1-WEB", more_outputs={"web": {}})
    with pytest.raises(UserError, match="would both write") as told:
        files("M-1", "M-2", more_outputs={"web": {"name": "{name}"}})
    assert len(told.value.problems) == 1
    assert "postprocess.output would both write 'M-1.jpg'" in str(told.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("{nmae}", "unknown placeholder {nmae}"),
        ("{name}-{color}", "column 'color' is empty, but postprocess.more_outputs.web.name uses {color}"),
        ("{name}-{path}", "column 'path' contains '/etc/passwd', which starts like an absolute path"),
    ],
)
def test_a_template_that_cannot_name_is_told(name, words):
    with pytest.raises(UserError) as told:
        wanted([("M-1", {"color": "", "path": "/etc/passwd"})], more_outputs={"web": {"name": name}})
    assert words in str(told.value)
    assert "row 2" in str(told.value) or "postprocess.more_outputs.web.name" in str(told.value)


@given(st.text(max_size=40), st.text(max_size=20))
@settings(max_examples=150, deadline=None)
def test_no_text_leads_out_of_the_folder(value, literal):
    try:
        campaign, requests = wanted(
            [("M-1", {"x": value})],
            more_outputs={"web": {"name": "{x}" + literal.replace("{", "{{").replace("}", "}}") + "{name}"}},
        )
    except UserError:
        return
    name = FileNames(campaign).of(requests[0])["web"]
    assert not set(name) & set("/\\\0\n:")
    assert name not in (".", "..")
    assert not name.startswith("-")
    assert len(name.encode()) <= 200


@pytest.mark.parametrize("label", ["main", "a.b", "", "a/b", "=x", "-x", "x" * 41])
def test_a_label_is_plain_and_not_that_of_the_main_output(label):
    with pytest.raises(UserError, match=r"Choose another label|Use up to 40 letters"):
        files("M-1", more_outputs={label: {}})


def test_a_column_called_name_does_not_stand_for_an_images_name():
    campaign, requests = wanted([("M-1", {"name": "mug"})], more_outputs={"web": {}})
    assert FileNames(campaign).of(requests[0])["web"] == "M-1-web.jpg"


def test_equal_outputs_are_one_file_of_the_store(finished):
    item = finished(more_outputs={"copy": {"name": "copy-of-{name}"}})
    assert item.further["copy"].stored.digest == item.finished.digest
    assert len(list(finished.store.finished.all())) == 1
    assert item.finished.digest == hashlib.sha256(finished.store.finished.read(item.finished)).hexdigest()
