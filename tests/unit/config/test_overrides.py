"""Other ranges for some images: by model, column or variable."""

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_files import saved
from PIL import Image
from world import World

from imagemake.config.campaign import load_campaign
from imagemake.config.checks import DEFAULT_CHECKS, Check, Checks, Limit, Override
from imagemake.config.job_settings import JobSettings, job_settings_json
from imagemake.core.problems import UserError
from imagemake.core.recipe import Recipe
from imagemake.plan.batches import item_of
from imagemake.plan.requests.request import Request
from imagemake.plan.state import Stage
from imagemake.stages.postprocess.job import Postprocessor
from imagemake.stages.validate.verdict import judge
from imagemake.store.items import Item
from imagemake.store.store import Store
from imagemake.store.thumbnails import ThumbnailCache
from imagemake.workflow.preflight.measures import check_overrides

LEAST = {"campaign": "Mugs", "catalog": "config/catalog.csv", "prompt": "A {color} mug", "name": "{sku}"}
CONTRAST = "tone.contrast"
RINGS = {"when": {"category": "rings"}, "reject": {"min": 0.01}}
FLUX = {"when": {"model": ["flux", "flux-2"]}, "reject": False, "review": {"min": 0.5}}
CHECK = {"reject": {"min": 0.2}, "review": {"min": 0.3}, "overrides": [RINGS, FLUX]}


def campaign(check, name=CONTRAST):
    return load_campaign({**LEAST, "validation": {"checks": {name: check}}})


def problems_of(check):
    with pytest.raises(UserError) as caught:
        campaign(check)
    return [str(problem) for problem in caught.value.problems]


def reasons(contrast, category="", model="preview-1", validation=None):
    checks = (validation or campaign(CHECK).validation).all_checks().of({"category": category}, model)
    values = {"file.format": "png", CONTRAST: contrast}
    return [str(reason) for reason in judge(values, {}, checks, formats=["png"], size_as_requested=True).reasons]


def request(row=2, model="", **variables):
    recipe = Recipe("preview", "preview-1", "a mug", row)
    return Request(name=f"M-{row}", recipe=recipe, row=row, variables=variables, take=1, model=model)


def test_a_group_has_ranges_of_its_own_and_the_reason_tells_them_and_whose_they_are():
    assert reasons(0.1) == ["tone.contrast: 0.1, at least 0.2"]
    assert reasons(0.005, "rings") == ["tone.contrast: 0.005, at least 0.01 for category rings"]
    assert reasons(0.31, "rings") == []


def test_what_an_override_leaves_out_is_as_in_the_check_and_false_is_nothing():
    assert reasons(0.25, "rings") == ["tone.contrast: 0.25, at least 0.3 for category rings"]
    assert reasons(0.005, model="flux-2") == ["tone.contrast: 0.005, at least 0.5 for model flux or flux-2"]


def test_the_first_override_that_holds_decides():
    assert reasons(0.005, "rings", "flux") == ["tone.contrast: 0.005, at least 0.01 for category rings"]


def test_a_check_that_is_always_made_stays_for_the_others_where_only_overrides_are_given():
    validation = campaign({"overrides": [RINGS]}).validation
    assert reasons(0.015, "rings", validation=validation) == ["tone.contrast: 0.015, at least 0.035 for category rings"]
    least = DEFAULT_CHECKS[CONTRAST].reject.min
    assert reasons(0.015, validation=validation) == [f"tone.contrast: 0.015, at least {least}"]


def test_a_check_can_be_made_for_some_images_only():
    checks = campaign({"overrides": [RINGS]}, "faces.count").validation.all_checks()
    assert checks.of({"category": "mugs"}, "")["faces.count"].reject is None
    assert checks.of({"category": "rings"}, "")["faces.count"].reject == Limit(min=0.01)


def test_ranges_survive_the_way_to_a_job_and_to_a_plan():
    wanted = campaign(CHECK)
    job_settings = JobSettings(orjson.loads(job_settings_json(wanted, "validation")))
    assert reasons(0.005, model="flux", validation=job_settings.validation) == reasons(0.005, model="flux")
    planned = load_campaign(orjson.loads(orjson.dumps(wanted.model_dump(mode="json", exclude_unset=True))))
    assert planned == wanted


def test_the_values_that_decide_go_with_an_image_into_its_job(tmp_path):
    wanted = campaign(CHECK)
    assert wanted.validation.columns_needed() == ("category", "model")
    world = World("ring")
    ring = replace(world.requests[0], variables={"category": "rings", "model": "", "sku": "M-7"}, model="flux")
    world.requests = [ring]
    item = Item.from_dict(item_of(world.one(), wanted.validation.columns_needed()).as_dict())
    assert (item.variables, item.model) == ({"category": "rings", "model": ""}, "flux")

    store = Store(tmp_path / "store")
    postprocessor = Postprocessor(wanted.postprocess, wanted.validation, store, ThumbnailCache(tmp_path / "thumbnails"))
    measured = replace(
        item,
        raw=store.raw.put(item.key, saved(Image.new("RGB", (8, 8)), "PNG"), durable=False, extension="png"),
        measures={"file@1": {"format": "png"}, "tone@1": {"contrast": 0.305}},
    )
    rings, mugs = postprocessor.postprocess_batch([measured, replace(measured, variables={"category": "mugs"})])
    assert rings.finished
    assert not mugs.finished


def test_moving_an_override_measures_nothing_again():
    world = World("ring", "mug")
    world.requests = [replace(r, variables={"category": f"{r.name}s"}) for r in world.requests]
    for state in world.resolve():
        world.make(state, tone={"contrast": 10.0})

    def stages(*overrides):
        check = Check(reject=Limit(min=5), overrides=overrides)
        world.policy = replace(world.policy, checks=Checks({CONTRAST: check}))
        return [state.stage for state in world.resolve()]

    assert stages() == [Stage.POSTPROCESS, Stage.POSTPROCESS]
    assert stages(Override(when={"category": ["rings"]}, review=Limit(min=20))) == [Stage.REVIEW, Stage.POSTPROCESS]


@pytest.mark.parametrize(
    ("check", "told"),
    [
        ({"overrides": [{"when": {}, "reject": {"min": 1}}]}, "overrides[0].when is empty"),
        ({"reject": {"min": 1}, "overrides": [{"when": {"a": "b"}}]}, "overrides[0] changes nothing"),
        ({"reject": {"min": 1}, "overrides": [{"when": {"a": "b"}, "review": {}}]}, "overrides[0].review has no limit"),
        ({"overrides": [{"when": {"a": "b"}, "reject": False}]}, "the check has no limits"),
        ({"overrides": [{"reject": {"min": 1}}]}, "overrides[0].when: this key is missing"),
        ({"overrides": [{"when": {"a": "b"}, "reject": True}]}, "overrides[0].reject"),
    ],
)
def test_an_override_that_says_nothing_is_a_mistake_with_its_place(check, told):
    assert any(told in problem and CONTRAST in problem for problem in problems_of(check))


def test_what_no_request_has_is_told_before_the_run():
    requests = [request(category="rings", model="flux"), request(3, category="mugs")]
    check_overrides(requests, campaign(CHECK | {"overrides": [RINGS]}))
    wrong = [
        {"when": {"categroy": "rings"}, "reject": False},
        {"when": {"category": ["rings", "mug"]}, "reject": False},
        {"when": {"model": "fluxx"}, "reject": False},
    ]
    with pytest.raises(UserError) as caught:
        check_overrides(requests, campaign(CHECK | {"overrides": wrong}))
    told = [str(problem).replace("\n  ", " ") for problem in caught.value.problems]
    assert [text.partition("overrides")[2] for text in told] == [
        "[0].when: 'categroy' is neither a column of the catalog nor a variable. "
        "Did you mean 'category'? Known columns are category.",
        "[1].when: no request has 'mug' as its category. Did you mean 'mugs'?",
        "[2].when: no request has 'fluxx' as its model. Did you mean 'flux'?",
    ]


def test_an_override_behind_one_that_always_holds_before_it_is_told():
    same = {"when": {"category": ["rings", "mugs"]}, "reject": False}
    requests = [request(category="rings"), request(3, category="mugs")]
    with pytest.raises(UserError, match=r"overrides\[1\]: this override applies to no request"):
        check_overrides(requests, campaign(CHECK | {"overrides": [same, RINGS]}))


LETTERS = st.sampled_from("abc")


@given(
    st.lists(st.tuples(st.dictionaries(LETTERS, LETTERS, min_size=1), st.floats(0, 1)), max_size=4),
    st.fixed_dictionaries({"a": LETTERS, "b": LETTERS, "c": LETTERS}),
)
def test_the_range_is_that_of_the_first_override_whose_values_a_request_has(rules, row):
    overrides = tuple(
        Override(when={k: [v] for k, v in when.items()}, reject=Limit(min=least)) for when, least in rules
    )
    checks = Checks({CONTRAST: Check(reject=Limit(min=2), overrides=overrides)})
    expected = next((least for when, least in rules if all(row[k] == v for k, v in when.items())), 2)
    for _ in range(2):  # also once it is known
        assert checks.of(row, "any")[CONTRAST].reject.min == expected
