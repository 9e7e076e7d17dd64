"""Images that differ by their seeds only are not paid for where the seed has no effect."""

from types import SimpleNamespace

import pytest

from imagemake.config.models import Severity, load_models
from imagemake.core.recipe import Recipe
from imagemake.workflow.preflight.seeds import seed_findings


def states(*seeds, model="m", endpoint="here", provider="openai", prompt="p"):
    return [SimpleNamespace(recipe=Recipe(provider, model, prompt, seed, endpoint=endpoint)) for seed in seeds]


def found(given, **facts):
    return seed_findings(given, load_models({"here": {"m": facts}} if facts else None))


def test_takes_of_a_server_with_one_seed_are_an_error_for_all_but_the_first():
    given = states(1, 2, 3)
    ((finding, concerned),) = found(given, determinism="fixed")
    assert (finding.severity, concerned) == (Severity.ERROR, given[1:])
    assert "the same image whatever the seed" in finding.what


def test_takes_of_an_unknown_server_are_a_warning_that_names_the_fact():
    ((finding, _),) = found(states(1, 2))
    assert finding.severity is Severity.WARNING
    assert "models.here.m.seed_field" in finding.remedy


@pytest.mark.parametrize("facts", [{"seed_field": "seed"}, {"determinism": "unseeded"}, {"determinism": "seeded"}])
def test_nothing_is_said_where_another_seed_is_another_image(facts):
    assert found(states(1, 2), **facts) == []


def test_nothing_is_said_of_other_prompts_and_of_the_providers_own_server():
    assert found(states(1) + states(1, prompt="q")) == []
    assert found(states(1, 2, endpoint=None)) == []
    assert found(states(1, 2, provider="preview", model="preview-1", endpoint=None)) == []
