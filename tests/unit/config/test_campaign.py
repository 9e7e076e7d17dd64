import re
import subprocess
import sys
from types import SimpleNamespace
from typing import ClassVar

import orjson
import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from imagemake.config import chosen_plugins
from imagemake.config.campaign import Campaign, load_campaign
from imagemake.config.chosen_plugins import ChosenPlugin
from imagemake.config.model import ModelSettings
from imagemake.core.problems import UserError
from imagemake.images.decoded import DECODER_VERSION
from imagemake.plugins import registry as plugins
from imagemake.plugins.measures import Measure
from imagemake.plugins.plugin import PluginSettings
from imagemake.plugins.providers import BUILT_IN, Provider
from imagemake.plugins.steps import Step
from imagemake.stages.validate.verdict import of_measures, still_to_measure

LEAST = {"campaign": "Mugs", "catalog": "config/catalog.csv", "prompt": "A {color} mug", "name": "{sku}"}


class Settings(PluginSettings):
    model_config = ConfigDict(extra="forbid", frozen=True)

    width_px: int = Field(10, ge=1, description="Width, in pixels.")
    name: str = Field("x", description="A name.")


class GlossProvider(Provider):
    paid = False

    async def generate(self, recipe):
        raise NotImplementedError


class GlossMeasure(Measure):
    version = 3
    quantities: ClassVar = {"shine": "share of shiny pixels, 0 to 1"}
    Settings = Settings

    def read(self, image):
        raise NotImplementedError


class GlossStep(Step):
    version = 3
    Settings = Settings

    def apply(self, image):
        raise NotImplementedError


GLOSS = {
    "imagemake.providers": GlossProvider,
    "imagemake.measures": GlossMeasure,
    "imagemake.steps": GlossStep,
}


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    """A package that brings a provider, a measure and a step, all of them called gloss."""
    monkeypatch.setattr(
        plugins, "installed_plugins", lambda group: {"gloss": SimpleNamespace(load=lambda: GLOSS[group])}
    )


def load(**more):
    return load_campaign({**LEAST, **more})


def problems(**more):
    with pytest.raises(UserError) as caught:
        load(**more)
    return {problem.where.removeprefix("config/config.yaml, "): problem for problem in caught.value.problems}


def the_problem(**more):
    found = problems(**more)
    assert len(found) == 1, found
    return next(iter(found.values()))


def test_four_keys_are_enough():
    campaign = load()
    assert (campaign.takes, campaign.batch_size, campaign.pilot.size, campaign.seed.derived) == (1, 500, 50, 0)
    assert campaign.model.provider == "preview"


def test_every_mistake_is_told_at_once():
    found = problems(
        catalog="catalog.xlsx",
        prompt="A {color",
        takes=0,
        limits={"in_flight": 0, "tires": 2},
        model={"parameters": {"size": [2**60]}},
        postprocess={"output": {"format": "gif"}},
        shadow=1,
    )
    assert set(found) == {
        "catalog",
        "prompt",
        "takes",
        "limits.in_flight",
        "limits.tires",
        "model.parameters.size",
        "postprocess.output.format",
        "shadow",
    }


def test_a_problem_names_the_key_and_the_value_and_says_what_the_key_is():
    problem = the_problem(limits={"in_flight": 0})
    assert problem.where == "config/config.yaml, limits.in_flight"
    assert problem.what == "0 should be at least 1."
    assert problem.remedy.startswith("Correct it. Most concurrent calls")
    assert problem.remedy.endswith("The default is 8.")


def test_the_problems_name_the_file_that_was_loaded():
    with pytest.raises(UserError, match=r"^other\.yaml, takes: "):
        load_campaign({**LEAST, "takes": "two"}, where="other.yaml")


def test_a_missing_key_is_described():
    with pytest.raises(UserError, match=r"(?s)prompt: this key is missing.*Prompt template"):
        load_campaign({key: value for key, value in LEAST.items() if key != "prompt"})


@pytest.mark.parametrize(
    ("more", "near"),
    [({"promt": "x"}, "prompt"), ({"limits": {"timeout": 3}}, "timeout_s"), ({"pilot": {"sise": 3}}, "size")],
)
def test_an_unknown_key_gets_the_nearest_known_one(more, near):
    problem = the_problem(**more)
    assert problem.what == "unknown key."
    assert f"Did you mean {near!r}?" in problem.remedy


def test_a_few_known_keys_are_listed_and_many_are_looked_up():
    assert "Known keys here: size." in the_problem(pilot={"x": 1}).remedy
    known = f"`imagemake schema config` explains the {len(Campaign.model_fields)} known keys."
    assert the_problem(qqq="x").remedy == known


def test_a_key_of_the_top_level_that_is_one_level_too_deep_is_told():
    remedy = the_problem(model={"references": ["a.png"]}).remedy
    known = f"`imagemake schema config` explains the {len(ModelSettings.model_fields)} known keys."
    assert remedy == f"Did you mean 'references' at the top level? {known}"


def test_a_section_whose_lines_are_commented_out_is_the_default():
    assert load(limits=None, validation=None, seed=None, only=None) == load()


@pytest.mark.parametrize("takes", [True, "2", 2.0, 0])
def test_a_number_of_another_type_is_not_guessed_at(takes):
    assert the_problem(takes=takes).where.endswith("takes")


@pytest.mark.parametrize("value", [["x"], None, {"a": 1}])
def test_what_is_neither_text_nor_a_number_must_be_quoted(value):
    assert "in quotes" in the_problem(variables={"lid": ["with", value]}).remedy


def test_values_of_variables_are_text_as_a_cell_would_hold_it():
    campaign = load(variables={"size": [1, 0.5, "big "], "lid": True})
    assert campaign.variables == {"size": ("1", "0.5", "big"), "lid": ("true",)}


@pytest.mark.parametrize(
    "variables", [{"a": []}, {"a": ["x", "x"]}, {"a": [""]}, {"take": [1]}, {"{a}": [1]}, {"": [1]}]
)
def test_variables_that_could_not_be_meant_are_refused(variables):
    assert the_problem(variables=variables).where.startswith("config/config.yaml, variables.")


@pytest.mark.parametrize(
    ("written", "patterns"), [("a*, b ,", ("a*", "b")), (["a,b"], ("a,b",)), (17, ("17",)), ("", ())]
)
def test_only_can_be_a_text_with_commas_as_the_command_line_gives_it(written, patterns):
    assert load(only=written).only == patterns


def test_a_seed_is_fixed_or_derived_and_not_both():
    assert load(seed={"fixed": 7}).seed.fixed == 7
    assert "either fixed or derived" in the_problem(seed={"fixed": 7, "derived": 0}).what
    assert "either fixed or derived" in the_problem(seed={}).what
    assert the_problem(seed={"fixed": 2**31}).where.endswith("seed.fixed")


def test_control_characters_in_texts_are_refused():
    assert "U+0007" in the_problem(prompt="A \x07 mug").what
    assert "U+DC00" in the_problem(attempts={"patches": {"refused": "\udc00"}}).what


SECRET = "sk-proj-aaaabbbbccccdddd1234"


@pytest.mark.parametrize(
    "more",
    [
        {"model": {"parameters": {"api_key": "x"}}},
        {"model": {"parameters": {"style": f"in {SECRET} style"}}},
        {"model": {"name": SECRET}},
        {"model": {"base_url": f"https://me:{SECRET}@host/v1"}},
        {"model": {"base_url": "https://me@host/v1"}},
        {"model": {"base_url": f"https://host/v1?api-key={SECRET}"}},
        {"model": {"base_url": "https://host/v1?key=abc"}},
        {"model": {"base_url": "https://host/v1?sv=2026&sig=abc"}},
    ],
)
def test_secrets_in_the_model_are_refused_and_not_repeated(more):
    problem = the_problem(**more)
    assert "environment" in problem.remedy
    assert SECRET not in str(problem)


@pytest.mark.parametrize(
    "more",
    [
        {"openai_api_key": SECRET},
        {"takes": SECRET},
        {"model": {"api_key": SECRET}},
        {"limits": {"in_flight": [SECRET]}},
    ],
)
def test_secrets_in_other_places_are_not_repeated(more):
    assert SECRET not in str(the_problem(**more))


@pytest.mark.parametrize(
    ("model", "endpoint"),
    [
        ({}, None),
        ({"base_url": "https://Host.example:443/v1/"}, "https://host.example/v1"),
        ({"base_url": "http://localhost:8000/v1?version=2"}, "http://localhost:8000/v1"),
        ({"base_url": "http://[::1]:8000"}, "http://[::1]:8000"),
        ({"base_url": "https://host/v1", "identity": "studio"}, "studio"),
        ({"base_url": "https://host/v1", "identity": "preview"}, None),
        ({"identity": "preview"}, None),
    ],
)
def test_the_server_is_part_of_keys_unless_its_identity_is_the_providers(model, endpoint):
    assert load(model=model).model.endpoint == endpoint


def test_an_identity_of_no_server_is_refused():
    assert "identity needs a base_url" in the_problem(model={"identity": "studio"}).what


@pytest.mark.parametrize(
    "url",
    [
        "host/v1",
        "ftp://host",
        "http://",
        "http://host:port",
        "http://[::1",
        "https://host:0/",
        "https://h/v1#top",
        "https://h/v1?a=1&a=2",
    ],
)
def test_what_is_no_address_is_refused(url):
    assert the_problem(model={"base_url": url}).where.endswith("model.base_url")


def test_providers_are_ours_or_installed():
    assert load(model={"provider": "gloss", "name": "gloss-1"}).model.provider == "gloss"
    problem = the_problem(model={"provider": "opnai"})
    assert f"known are {', '.join(sorted({*BUILT_IN, 'gloss'}))}" in problem.what
    assert problem.remedy == "Did you mean 'openai'?"


def test_steps_keep_their_version_and_all_their_settings():
    campaign = load(postprocess={"steps": [{"gloss": {"width_px": 5}}, {"gloss": None}]})
    assert [(step.name, step.version, step.settings) for step in campaign.postprocess.steps] == [
        ("gloss", 3, {"width_px": 5, "name": "x"}),
        ("gloss", 3, {"width_px": 10, "name": "x"}),
    ]


def test_a_wrong_setting_of_a_step_is_told_with_its_place():
    found = problems(
        postprocess={"steps": [{"gloss": {"width": 5}}, {"gloss": {"width_px": 0}}, {"glos": {}}, "gloss"]}
    )
    assert set(found) == {
        "postprocess.steps[0].gloss.width",
        "postprocess.steps[1].gloss.width_px",
        "postprocess.steps[2].glos",
        "postprocess.steps[3]",
    }
    assert "Did you mean 'width_px'?" in found["postprocess.steps[0].gloss.width"].remedy
    assert "Width, in pixels. The default is 10." in found["postprocess.steps[1].gloss.width_px"].remedy
    assert "step 'glos' is not known; known are color, crop, " in found["postprocess.steps[2].glos"].what


def test_measures_keep_their_version_and_settings():
    campaign = load(validation={"measures": {"gloss": {"name": "y"}}})
    assert campaign.validation.measures["gloss"].settings == {"width_px": 10, "name": "y"}


def test_wrong_settings_of_all_measures_are_told():
    found = problems(validation={"measures": {"gloss": {"width_px": "wide"}, "matte": None}})
    assert set(found) == {"validation.measures.gloss.width_px", "validation.measures.matte"}


def test_a_check_must_name_a_quantity_that_there_is():
    checks = {
        "gloss.shine": {"reject": {"min": 0.5}},
        "gloss.shin": {"reject": {"min": 1}},
        "matte": {"reject": {"max": 1}},
    }
    found = problems(validation={"checks": checks})
    assert set(found) == {"validation.checks.gloss.shin", "validation.checks.matte"}
    assert "Did you mean 'gloss.shine'? Known are gloss.shine." in found["validation.checks.gloss.shin"].remedy
    assert "measure 'matte' is not known" in found["validation.checks.matte"].what


@pytest.mark.parametrize("check", [{}, {"reject": {}}, {"review": {"min": 2, "max": 1}}])
def test_a_check_that_decides_nothing_is_refused(check):
    assert the_problem(validation={"checks": {"gloss.shine": check}}).where.endswith("validation.checks.gloss.shine")


def test_our_measures_and_those_that_something_names_are_needed_and_no_other_is_read():
    ours = ["file", "phash", "sharpness", "tone"]
    assert [measure.name for measure in load().validation.measures_needed()] == ours
    for validation in ({"checks": {"gloss.shine": {"reject": {"min": 1}}}}, {"measures": {"gloss": None}}):
        names = [measure.name for measure in load(validation=validation).validation.measures_needed()]
        assert names == sorted([*ours, "gloss"])
    by_group = load(validation={"consistency": {"by": ["color"]}}).validation
    assert [measure.name for measure in by_group.measures_needed()] == ["colors", *ours]


def test_a_campaigns_check_goes_before_the_one_that_is_always_made():
    checks = {"tone.contrast": {"reject": {"min": 0.3}}}
    validation = load(validation={"checks": checks}).validation
    assert validation.all_checks().of({}, "")["tone.contrast"].reject.min == 0.3
    assert "tone.uniform_share" in validation.all_checks().of({}, "")


def test_the_settings_of_a_measure_belong_to_what_it_reads():
    def identity(settings):
        return load(validation={"measures": {"gloss": settings}}).validation.measures["gloss"].identity

    assert identity({}) == identity({"width_px": 10})
    assert identity({}) != identity({"width_px": 11})
    assert re.fullmatch(rf"gloss@3\.{DECODER_VERSION}-[0-9a-f]{{12}}", identity({}))


def test_what_another_version_of_the_decoder_read_does_not_count(monkeypatch):
    def identities():
        return [measure.identity for measure in load().validation.measures_needed()]

    def missing():
        return still_to_measure(identities(), of_measures(identities(), known))

    known = {identity: {"undecodable": "it was too strict"} for identity in identities()}
    assert missing() == []
    monkeypatch.setattr(chosen_plugins, "DECODER_VERSION", DECODER_VERSION + 1)
    assert missing() == identities()


def test_near_duplicates_can_be_switched_off():
    assert load(validation={"near_duplicates": False}).validation.near_duplicates is False
    assert load(validation={"near_duplicates": None}) == load()


@pytest.mark.parametrize(
    ("near", "key"),
    [
        ({"max_distance_bits": 12}, ".max_distance_bits"),
        ({"max_bits": 1}, ".max_bits"),
        (True, ""),
        ("off", ""),
    ],
)
def test_a_mistake_in_a_section_that_can_be_off_is_told_once(near, key):
    problem = the_problem(validation={"near_duplicates": near})
    assert problem.where == f"config/config.yaml, validation.near_duplicates{key}"


def test_patches_are_for_reasons_that_can_come():
    patches = {
        "gloss": "Shinier.",
        "gloss.shine": "Shinier.",
        "near_duplicate": "Other.",
        "refused": "Mild.",
        "file.size": "Square.",
    }
    assert load(attempts={"patches": patches}).attempts.patches == patches
    found = problems(attempts={"patches": {"glos": "x", "gloss.shin": "x"}})
    assert set(found) == {"attempts.patches.glos", "attempts.patches.gloss.shin"}


def test_a_campaign_survives_being_written_and_read():
    campaign = load(
        negative_prompt="{sku}",
        variables={"größe": [1, 2]},
        defaults={"sku": ""},
        exclude=[{"größe": 1, "sku": ["a", "b"]}],
        include=[{"größe": 3}],
        only="a*",
        seed={"fixed": 1},
        model={"base_url": "http://localhost/v1", "parameters": {"a": 1, "b": 0.5, "c": True, "d": "x"}},
        models={"openai": {"m": {"prices": {"as_of": "2026-11-01", "usd_per_image": 0.02}}}},
        validation={
            "measures": {"gloss": {}},
            "checks": {"gloss.shine": {"reject": {"min": 1}}},
            "near_duplicates": {"max_distance_bits": 2},
        },
        attempts={"patches": {"gloss": "Shinier."}},
        postprocess={"steps": [{"gloss": {"width_px": 3}}]},
    )
    assert load_campaign(campaign.model_dump()) == campaign
    assert load_campaign(orjson.loads(orjson.dumps(campaign.model_dump(mode="json")))) == campaign


def test_a_campaign_of_another_version_of_a_step_is_refused(monkeypatch):
    written = load(postprocess={"steps": [{"gloss": {}}]}).model_dump()
    monkeypatch.setattr(GlossStep, "version", 4)
    with pytest.raises(UserError, match="planned with version 3, but version 4 is installed"):
        load_campaign(written)


def test_a_campaign_cannot_be_changed():
    with pytest.raises(ValidationError):
        load().takes = 2


def sections(model):
    yield model
    for field in model.model_fields.values():
        for kind in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from sections(kind)


NUMBER_WORDS = r"(?i)images|calls|attempts|seconds|bits|levels|pixels|whole number|USD|1 to 100|unit"


WRITTEN = [model for model in dict.fromkeys(sections(Campaign)) if model is not ChosenPlugin]


@pytest.mark.parametrize("model", WRITTEN, ids=lambda model: model.__name__)
def test_every_key_is_described_and_every_number_has_a_unit(model):
    for name, schema in model.model_json_schema()["properties"].items():
        description = model.model_fields[name].description
        assert description, name
        if {"integer", "number"} & {option.get("type") for option in (schema, *schema.get("anyOf", ()))}:
            assert re.search(NUMBER_WORDS, description), name


def test_loading_a_campaign_imports_nothing_heavy():
    heavy = {"numpy", "cv2", "PIL", "imagehash", "pandas", "pyarrow", "openai", "jinja2", "aiohttp", "snakemake"}
    steps = [{"crop": {"ratio": "1:1"}}, {"resize": {"width_px": 9}}, {"pad": {"ratio": "1:1"}}, {"color": {}}]
    config = {
        **LEAST,
        "postprocess": {"steps": steps},
        "validation": {"measures": dict.fromkeys(["file", "tone", "phash"])},
    }
    load = f"from imagemake.config.campaign import load_campaign; load_campaign({config!r})"
    code = f"import sys; {load}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not heavy & set(done.stdout.split())


CUT_OUT = [{"remove_background": {"color": "#ffffff", "shadow": 0.3}}]


@pytest.mark.parametrize(
    "postprocess", [{"steps": CUT_OUT}, {"more_outputs": {"cut": {"from_raw": True, "steps": CUT_OUT}}}]
)
def test_doubtful_cut_outs_await_review_unless_the_user_says_otherwise(postprocess):
    validation = load(postprocess=postprocess).validation
    assert validation.checks["subject.mask_doubt"].review.max == 0.1
    assert "subject" in [measure.name for measure in validation.measures_needed()]
    own = {"subject.mask_doubt": {"review": {"max": 0.5}}}
    (check,) = load(postprocess=postprocess, validation={"checks": own}).validation.checks.values()
    assert check.review.max == 0.5


def test_cut_outs_by_a_network_of_the_user_are_not_judged_by_a_limit_that_was_chosen_for_another(tmp_path):
    steps = [{"remove_background": {"model": "models/own.onnx"}}]
    assert load(postprocess={"steps": steps}).validation == load().validation


def test_other_steps_read_no_mask():
    assert load(postprocess={"steps": [{"resize": {"width_px": 8}}]}).validation == load().validation


def test_a_store_in_a_bucket_needs_an_address_and_takes_no_batches():
    model = {"provider": "openai", "name": "gpt-image-2"}
    with pytest.raises(UserError, match=r"Set store\.remote"):
        load_campaign({**LEAST, "model": model, "store": {"share": "everything"}})
    store = {"share": "everything", "remote": "s3://bucket/store"}
    assert load_campaign({**LEAST, "model": model, "store": store}).store.whole == "s3://bucket/store"
    with pytest.raises(UserError, match=r"model\.mode: with the store in a bucket"):
        load_campaign({**LEAST, "model": {**model, "mode": "auto"}, "store": store})
