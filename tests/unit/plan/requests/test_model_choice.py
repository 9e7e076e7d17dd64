"""Several models in one campaign: which request gets which, and what of it is in its key."""

import pytest
from catalogs import catalog_of
from mugs import LEAST, MUGS, named, problems, requests

from imagemake.config.campaign import load_campaign
from imagemake.core.problems import UserError
from imagemake.core.recipe import Recipe
from imagemake.plan.batches import batches_of, item_of
from imagemake.plan.call_modes import CallMode, call_mode_of, call_mode_of_batch
from imagemake.plan.job_sizes import JobSizes
from imagemake.plan.reasons import RebuildReason
from imagemake.plan.state import State
from imagemake.plan.target import Target
from imagemake.store.items import Item, write_table

OPENAI = {"provider": "openai", "name": "gpt-image-2", "parameters": {"size": "1024x1024"}}
FLUX = {"provider": "openai", "name": "flux-dev", "base_url": "http://gpu:8000/v1"}
ALL = {"color": ["red"], "model": ["gpt-image-2", "flux", "fast", "gpt-image-1"]}


def compared(**more):
    given = {
        "model": OPENAI,
        "more_models": {"flux": FLUX, "fast": {"name": "gpt-image-1-mini"}},
        "variables": ALL,
        "name": "{sku}_{model}",
        **more,
    }
    return named(requests(MUGS[0], **given))


def test_all_models_against_all_rows_is_a_variable():
    found = compared()
    made_by = {name: (r.recipe.provider, r.recipe.model, r.recipe.endpoint, r.model) for name, r in found.items()}
    assert made_by == {
        "M-7_gpt-image-2": ("openai", "gpt-image-2", None, "gpt-image-2"),
        "M-7_flux": ("openai", "flux-dev", "http://gpu:8000/v1", "flux"),
        "M-7_fast": ("openai", "gpt-image-1-mini", None, "fast"),
        "M-7_gpt-image-1": ("openai", "gpt-image-1", None, "gpt-image-1"),
    }


def test_models_that_are_compared_get_the_same_seed():
    assert len({request.recipe.seed for request in compared().values()}) == 1


def test_an_entry_takes_what_it_leaves_out_from_model_unless_it_has_a_provider_of_its_own():
    found = compared()
    assert found["M-7_fast"].recipe.parameters == OPENAI["parameters"]
    assert found["M-7_flux"].recipe.parameters == {}


def test_a_label_decides_nothing_in_a_key():
    one, other = compared(), compared(more_models={"other": FLUX}, variables={**ALL, "model": ["other"]})
    assert one["M-7_flux"].recipe.key() == other["M-7_other"].recipe.key()


def test_columns_of_parameters_come_over_those_of_the_models_own():
    found = compared(variables={**ALL, "parameters.quality": ["low"]})
    assert found["M-7_fast"].recipe.parameters == {"size": "1024x1024", "quality": "low"}
    assert found["M-7_flux"].recipe.parameters == {"quality": "low"}


def by_rule(*rules, rows=MUGS, **more):
    return named(requests(*rows, model_rules=list(rules), more_models={"flux": FLUX}, **more))


def models_by_rule(*rules, **more):
    return {name: request.recipe.model for name, request in by_rule(*rules, **more).items()}


def test_a_rule_chooses_by_column_and_by_variable():
    found = models_by_rule(
        {"when": {"product": "mug", "color": "red"}, "model": "flux"}, {"when": {"product": "vase"}, "model": "m-2"}
    )
    assert found == {"M-7_red": "flux-dev", "M-7_teal": "preview-1", "V-1_red": "m-2", "V-1_teal": "m-2"}


def test_the_first_rule_that_holds_decides():
    rules = {"when": {"color": "red"}, "model": "flux"}, {"when": {"product": ["mug", "vase"]}, "model": "m-2"}
    assert models_by_rule(*rules)["M-7_red"] == "flux-dev"
    assert models_by_rule(*rules)["M-7_teal"] == "m-2"


def test_a_row_that_names_its_model_comes_before_every_rule():
    rows = [{**MUGS[0], "model": ""}, {**MUGS[1], "model": "m-3"}]
    found = models_by_rule({"when": {"color": "red"}, "model": "flux"}, rows=rows)
    assert (found["M-7_red"], found["V-1_red"], found["V-1_teal"]) == ("flux-dev", "m-3", "m-3")


@pytest.mark.parametrize(
    ("rule", "where", "what"),
    [
        ({"when": {"shape": "round"}, "model": "flux"}, "model_rules[0].when", "neither a variable nor a column"),
        ({"when": {"color": "rde"}, "model": "flux"}, "model_rules[0].when", "has no value 'rde'"),
        ({"when": {"product": "mgu"}, "model": "flux"}, "model_rules[0].when", "matches no request"),
        ({"when": {"color": "red"}, "model": "fluxx"}, "model_rules[0].model", "neither a label of more_models"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_told(rule, where, what):
    (problem,) = problems(model_rules=[rule], more_models={"flux": FLUX})
    assert problem[0].endswith(where)
    assert what in problem[1]


def test_a_rule_that_an_earlier_one_leaves_nothing_is_told():
    rules = [{"when": {"color": ["red", "teal"]}, "model": "flux"}, {"when": {"product": "mug"}, "model": "m-2"}]
    ((where, _),) = problems(model_rules=rules, more_models={"flux": FLUX})
    assert where.endswith("model_rules[1].when")


def test_a_misspelled_label_is_told_with_its_row():
    (problem,) = problems({**MUGS[0], "model": "fluxx"}, more_models={"flux": FLUX})
    assert problem == (
        "config/catalog.csv, row 2",
        "'fluxx' is neither a label of more_models nor a known model of provider preview.",
    )


def test_a_known_model_that_is_like_a_label_is_no_mistake():
    found = requests({**MUGS[0], "model": "gpt-image-1"}, model=OPENAI, more_models={"gpt-image-1-hq": FLUX})
    assert found[0].recipe.model == "gpt-image-1"


@pytest.mark.parametrize(
    ("config", "where"),
    [
        ({"more_models": {"gpt-image-2": FLUX}, "model": OPENAI}, "more_models.gpt-image-2"),
        ({"more_models": {"x": {"provider": "openai"}}}, "more_models.x"),
        ({"more_models": {"x": {"provider": "openai", "name": "m", "mdoe": "batch"}}}, "more_models.x.mdoe"),
        ({"more_models": {"x": {"provider": "preview", "mode": "batch"}}}, "more_models.x"),
        ({"model_rules": [{"when": {}, "model": "x"}]}, "model_rules[0]"),
    ],
)
def test_a_mistake_is_told_with_its_key(config, where):
    with pytest.raises(UserError) as caught:
        load_campaign({**LEAST, **config})
    assert [problem.where for problem in caught.value.problems] == [f"config/config.yaml, {where}"]


def test_a_plan_keeps_which_model_makes_what(tmp_path):
    campaign = load_campaign({**LEAST, "model": OPENAI, "more_models": {"fast": {"name": "m-1"}}})
    target = Target(campaign, catalog_of([{**MUGS[0], "model": "fast"}]), "all", "2026-11-24T00:00:00Z")
    again = Target.read(target.write(tmp_path)[1]).campaign
    assert again.more_models == campaign.more_models
    item = item_of(State(target.requests[0], target.requests[0].recipe, "k"))
    assert (item.model, Item.from_dict(item.as_dict()).model) == ("fast", "fast")


def jobs_of(**models):
    by_model = {"variables": {"color": ["red"], "model": list(models)}, "name": "{sku}_{model}"}
    campaign = load_campaign({**LEAST, **by_model, "more_models": models})
    target = Target(campaign, catalog_of(MUGS[:1]), "all", "")
    states = [
        State(request, request.recipe, request.recipe.key(), why=RebuildReason.NEW.because())
        for request in target.requests
    ]
    batches = batches_of(states, campaign, lambda _: 0, JobSizes(campaign, len(states)))
    return sorted(sorted(item.model or item.recipe.model for item in items) for _, items in batches)


def test_models_that_are_called_one_by_one_share_a_job_and_each_batch_has_its_own():
    shared, mini = {"provider": "openai", "name": "a"}, {"provider": "openai", "name": "b", "mode": "batch"}
    found = jobs_of(a1=shared, a2=FLUX, b1=mini, b2={**mini, "name": "c"}, drawn={"provider": "preview"})
    assert found == [["a1", "a2"], ["b1"], ["b2"], ["drawn"]]


def jobs_in_batches(n, submission_of=(), **config):
    campaign = load_campaign({**LEAST, "variables": {"color": ["red"]}, "model": {**OPENAI, "mode": "batch"}, **config})
    target = Target(campaign, catalog_of([{**MUGS[0], "sku": f"s{i}"} for i in range(n)]), "all", "")
    states = [
        State(request, request.recipe, request.recipe.key(), why=RebuildReason.NEW.because())
        for request in target.requests
    ]
    waiting = {states[i].key: submission for i, submission in submission_of}
    sizes = JobSizes(campaign, len(states), waiting)
    return sorted(batch.n_items for batch, _ in batches_of(states, campaign, lambda _: 0, sizes))


def test_a_batch_of_the_provider_takes_as_much_as_the_batches_in_flight_leave_to_it():
    assert jobs_in_batches(90) == [90]
    assert jobs_in_batches(90, batch_size=10, limits={"batches_in_flight": 3}) == [30, 30, 30]
    assert jobs_in_batches(90, batch_size=40, limits={"batches_in_flight": 3}) == [10, 40, 40]


def test_what_waits_in_one_submission_is_one_job_and_joins_no_other():
    assert jobs_in_batches(90, [(i, "a" if i < 50 else "b") for i in range(70)]) == [20, 20, 50]


def test_a_job_that_draws_needs_a_core():
    campaign = load_campaign({**LEAST, "more_models": {"x": OPENAI}})
    assert call_mode_of(campaign.model) == CallMode(in_batches=False, paid=False)
    assert call_mode_of(campaign.more_models["x"]).paid


def test_what_has_no_label_of_its_own_is_written_as_before():
    recipe = Recipe("openai", "m", "p", 0)
    assert "model" not in Item("a", 0, recipe, recipe.key(), "new").as_dict()


@pytest.mark.parametrize(("reason", "in_batches"), [(RebuildReason.IN_A_BATCH, True), (RebuildReason.NEW, False)])
def test_a_job_whose_images_wait_in_a_batch_reserves_no_calls_whatever_their_model_does_now(
    tmp_path, reason, in_batches
):
    campaign = load_campaign({**LEAST, "model": OPENAI})
    request = Target(campaign, catalog_of(MUGS[:1]), "all", "").requests[0]
    state = State(request, request.recipe, request.recipe.key(), why=reason.because())
    write_table(tmp_path / "batch.jsonl", [item_of(state)])
    call_mode, n_items = call_mode_of_batch(tmp_path / "batch.jsonl", campaign)
    assert (call_mode.in_batches, n_items) == (in_batches, 1)
