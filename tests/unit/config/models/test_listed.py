"""What providers list about their models: written once, read each time, above the table and below the configuration."""

from datetime import date
from decimal import Decimal

import orjson
import pytest
from fake_openrouter.catalog import ENDPOINTS
from hypothesis import given
from hypothesis import strategies as st

from imagemake.config.campaign import load_campaign
from imagemake.config.listings import endpoints_of, with_listed_facts
from imagemake.config.models import ModelFacts, load_models, problems_of
from imagemake.config.models.common import common_facts
from imagemake.config.models.listed import ServerName, read_listing, write_listing
from imagemake.core.problems import UserError
from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import ListedEndpoint, ModelList
from imagemake.plugins.providers.openrouter.listing import read_endpoints

TODAY = date(2026, 11, 27)
SERVER = ServerName("openrouter")
FLUX, GEMINI, SEEDREAM = "black-forest-labs/flux.2-pro", "google/gemini-3-pro-image", "bytedance-seed/seedream-4.5"


@pytest.fixture
def project(tmp_path):
    models = {name: dict(read_endpoints(name, endpoints, [])) for name, endpoints in ENDPOINTS.items()}
    assert write_listing(SERVER, ModelList("https://openrouter.ai/x", models), TODAY, tmp_path) == []
    return tmp_path


def campaign(name=FLUX, **more):
    model = {"provider": "openrouter", "name": name, **more.pop("model", {})}
    return load_campaign({"campaign": "c", "catalog": "c.csv", "prompt": "p", "name": "{sku}", "model": model, **more})


def facts_of(project, name, **more):
    return load_models(with_listed_facts(campaign(name, **more), project).models).get("openrouter", name).facts


def refused(project, name, **parameters):
    table = load_models(with_listed_facts(campaign(name), project).models)
    recipe = Recipe("openrouter", name, "p", 0, parameters)
    return [finding.what for finding in problems_of(table.get("openrouter", name), recipe, TODAY)]


def test_a_list_is_read_as_it_was_written(project):
    listing = read_listing(SERVER, project)
    assert listing.listed_on == TODAY
    assert [*listing.models] == sorted(ENDPOINTS)
    prices = listing.facts(SEEDREAM).prices
    assert (prices.usd_per_image, prices.as_of) == (Decimal("0.04"), TODAY)


def test_the_file_has_a_line_for_each_fact_so_that_a_commit_shows_what_changed(project):
    lines = (project / SERVER.path).read_text().splitlines()
    assert '              "one_of": ["1K", "2K"]' in lines
    assert max(map(len, lines)) < 200


def test_a_campaign_without_a_list_keeps_its_facts_as_they_are(tmp_path):
    plain = campaign()
    assert with_listed_facts(plain, tmp_path) is plain


def test_facts_of_the_configuration_replace_those_of_the_list_one_by_one(project):
    own = {"openrouter": {FLUX: {"max_usd_per_image": 0.5, "parameters": {"quality": {}}}}}
    facts = facts_of(project, FLUX, models=own)
    assert facts.max_usd_per_image == Decimal("0.5")
    assert facts.max_reference_images == 8
    assert {"quality", "resolution"} <= facts.parameters.keys()


def test_a_parameter_that_the_provider_would_silently_drop_or_change_is_told_before_any_call(project):
    assert refused(project, FLUX, aspect_ratio="2:3", resolution="2K", output_format="png") == []
    assert "does not accept resolution '4K'" in refused(project, FLUX, resolution="4K")[0]
    assert "accepts no parameter 'quality'" in refused(project, FLUX, quality="high")[0]


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ("2:3", ""),
        ("2:3@2K", ""),
        ("1024x1024", ""),
        ("auto", ""),
        ("2K", ""),
        ("4K", "does not accept resolution '4K', which size asks for"),
        ("2:3@4K", "does not accept resolution '4K', which size asks for"),
        ("7:5", "does not accept aspect ratio '7:5', which size asks for"),
    ],
)
def test_a_size_is_checked_as_the_ratio_and_the_tier_that_it_becomes(project, size, words):
    found = refused(project, FLUX, size=size)
    assert len(found) == bool(words)
    assert words in " ".join(found)


def test_without_a_pin_only_what_all_endpoints_take_is_certain(project):
    facts = read_listing(SERVER, project).facts(GEMINI)
    assert facts.parameters["resolution"].one_of == ("1K", "2K")
    assert facts.determinism is None, "one takes seeds, the other one none"
    assert facts.prices.usd_per_million_tokens.image_out == 120


def test_with_a_pin_the_facts_are_those_of_that_endpoint(project):
    listing = read_listing(SERVER, project)
    assert listing.facts(GEMINI, {"google-ai-studio"}).parameters["resolution"].one_of == ("1K", "2K", "4K")
    assert listing.facts(GEMINI, {"google-ai-studio"}).determinism == "unseeded"
    assert listing.facts(GEMINI, {"nobody"}) is None


def pinned(*only):
    return {"provider": "openrouter", "name": GEMINI, "parameters": {"provider": {"only": [*only]}}}


def test_a_pin_in_the_parameters_decides_which_endpoints_count(project):
    plain, vertex, studio = {"name": GEMINI}, pinned("google-vertex"), pinned("google-ai-studio")
    for model, more, only in (
        (plain, {}, {}),
        (vertex, {}, {GEMINI: {"google-vertex"}}),
        (vertex, {"b": studio}, {GEMINI: {"google-vertex", "google-ai-studio"}}),
        (vertex, {"b": {"provider": "openrouter", **plain}}, {}),
    ):
        assert endpoints_of(campaign(GEMINI, model=model, more_models=more), "openrouter") == only
    assert facts_of(project, GEMINI, model=studio).parameters["resolution"].one_of == ("1K", "2K", "4K")


def test_the_highest_price_of_several_endpoints_bounds_the_cost():
    cheap, dear = (
        ModelFacts.model_validate({"prices": {"as_of": TODAY, "usd_per_image": usd}}) for usd in ("0.02", "0.05")
    )
    assert common_facts([cheap, dear]).max_usd_per_image == Decimal("0.05")
    assert common_facts([cheap, dear]).prices is None
    assert common_facts([cheap, cheap]).prices == cheap.prices
    assert common_facts([cheap, ModelFacts()]).max_usd_per_image is None


def test_a_fact_that_one_endpoint_does_not_tell_is_not_certain_even_if_it_is_null():
    told, silent = ModelFacts(max_mask_bytes=None), ModelFacts()
    assert common_facts([told, silent]).model_fields_set == set()
    assert common_facts([told, told]).model_fields_set == {"max_mask_bytes"}


rules = st.fixed_dictionaries({}, optional={"one_of": st.lists(st.sampled_from("abcd"), unique=True, max_size=4)})
endpoints = st.lists(
    st.fixed_dictionaries(
        {"parameters": st.dictionaries(st.sampled_from("pqr"), rules, max_size=3)},
        optional={"max_reference_images": st.integers(0, 9), "mask": st.booleans()},
    ).map(ModelFacts.model_validate),
    min_size=1,
    max_size=3,
)


@given(endpoints, st.sampled_from("pqr"), st.sampled_from("abcd"))
def test_what_is_common_is_what_every_endpoint_takes(found, name, value):
    def takes(facts):
        rule = (facts.parameters or {}).get(name)
        return rule is not None and (rule.one_of is None or value in rule.one_of)

    assert takes(common_facts(found)) == all(map(takes, found))


def test_an_endpoint_whose_facts_cannot_be_facts_is_left_out_and_told(tmp_path):
    wrong = ListedEndpoint({"max_reference_images": -1})
    ignored = write_listing(
        SERVER, ModelList("x", {"a/b": {"bad": wrong, "good": ListedEndpoint({})}}), TODAY, tmp_path
    )
    assert len(ignored) == 1 and ignored[0].startswith("a/b by bad: ")
    assert [*read_listing(SERVER, tmp_path).models["a/b"]] == ["good"]


def test_names_that_no_file_and_no_screen_should_have_are_left_out(tmp_path):
    ignored = write_listing(SERVER, ModelList("x", {"a/b": {}, "x" * 201: {}, "": {}, "\x1b[31m": {}}), TODAY, tmp_path)
    assert ignored == ["3 models whose name is empty, too long, or not printable"]
    assert [*read_listing(SERVER, tmp_path).models] == ["a/b"]


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"{}", b'{"models": 7}', b"\xff", orjson.dumps({"provider": "x" * 10, "surprise": 1})]
)
def test_a_damaged_list_names_its_file_and_the_command_that_writes_it_anew(tmp_path, text):
    path = tmp_path / SERVER.path
    path.parent.mkdir(parents=True)
    path.write_bytes(text)
    with pytest.raises(UserError) as caught:
        with_listed_facts(campaign(), tmp_path)
    assert all(problem.where.startswith("config/models/openrouter.json") for problem in caught.value.problems)
    assert "imagemake models --update openrouter" in str(caught.value)


def test_lists_of_several_servers_of_a_provider_are_files_of_their_own():
    paths = [ServerName("openai", url).path.name for url in (None, "http://localhost:8000/v1", "https://a.example/v1")]
    assert paths == ["openai.json", "openai-localhost-8000-v1.json", "openai-a.example-v1.json"]
    assert ServerName("openai", "http://../../etc").path.parent.as_posix() == "config/models"
