"""What a plug-in must define, and what a user reads where one does not."""

from types import SimpleNamespace
from typing import ClassVar

import pytest
from pydantic import BaseModel

from imagemake.config.campaign import load_campaign
from imagemake.core.problems import UserError
from imagemake.plugins import measures, providers, registry, steps
from imagemake.plugins.measures import ComparingMeasure, Measure, measure_class
from imagemake.plugins.plugin import Plugin, PluginSettings
from imagemake.plugins.providers import (
    BatchProvider,
    Provider,
    ReferenceBatchProvider,
    ReferenceProvider,
    provider_class,
    takes_batches,
    takes_references,
)
from imagemake.plugins.registry import contract_fault, install_command
from imagemake.plugins.steps import Step, step_class


class Whole(Measure):
    version = 1
    quantities: ClassVar = {"shine": "share of shiny pixels, 0 to 1"}

    def read(self, image):
        return {"shine": 0.5}


class NotAMeasure:
    version = 1
    quantities: ClassVar = {}

    def read(self, image):
        return {}


class WithoutVersion(Measure):
    quantities: ClassVar = {}

    def read(self, image):
        return {}


class WithoutAnything(Measure):
    pass


class WithAWrongVersion(Whole):
    version = "1.0"


class WithoutCompare(ComparingMeasure, Whole):
    compared: ClassVar = {"shine_difference": "difference from the text"}


class WithoutApply(Step):
    version = 1


class WithoutPaid(Provider):
    async def generate(self, recipe):
        raise NotImplementedError


class WithoutUpload(ReferenceBatchProvider):
    paid = True


@pytest.fixture
def registered(monkeypatch):
    """Registers a class as the measure ``gloss`` of an installed package."""

    def register(load, kind="Gloss"):
        dist = SimpleNamespace(name="imagemake-gloss", version="0.2")
        point = SimpleNamespace(name="gloss", value=f"imagemake_gloss:{kind}", dist=dist, load=load)
        monkeypatch.setattr(registry, "installed_plugins", lambda group: {"gloss": point})

    return register


@pytest.mark.parametrize("module", [providers, measures, steps])
def test_every_built_in_plug_in_keeps_the_contract(module):
    load, base = {
        providers: (provider_class, Provider),
        measures: (measure_class, Measure),
        steps: (step_class, Step),
    }[module]
    assert [name for name in module.BUILT_IN if contract_fault(load(name), base)] == []


@pytest.mark.parametrize(
    ("kind", "base", "fault"),
    [
        (NotAMeasure, Measure, "it does not derive from imagemake.plugins.measures.Measure."),
        (Whole(PluginSettings()), Measure, "it does not derive from imagemake.plugins.measures.Measure."),
        (Whole, Step, "it does not derive from imagemake.plugins.steps.Step."),
        (WithoutVersion, Measure, "it does not define version, which imagemake.plugins.measures.Measure requires."),
        (WithoutAnything, Measure, "it does not define version, quantities, read, which "),
        (WithAWrongVersion, Measure, "version must be of type int."),
        (WithoutCompare, Measure, "it does not define compare, which "),
        (WithoutApply, Step, "it does not define apply, which imagemake.plugins.steps.Step requires."),
        (
            WithoutPaid,
            Provider,
            "it does not define paid, which imagemake.plugins.providers.provider.Provider ",
        ),
        (WithoutUpload, Provider, "it does not define batch_request, batch_results, cancel_batch, "),
    ],
)
def test_a_class_that_breaks_the_contract_has_a_fault_that_names_the_missing_part(kind, base, fault):
    assert contract_fault(kind, base).startswith(fault)


def test_a_user_reads_the_package_the_class_and_the_missing_part(registered):
    registered(lambda: WithoutVersion)
    campaign = {"campaign": "c", "catalog": "c.csv", "prompt": "p", "name": "{sku}"}
    with pytest.raises(UserError) as caught:
        load_campaign({**campaign, "validation": {"checks": {"gloss.shine": {"reject": {"min": 1}}}}})
    assert str(caught.value) == (
        "package imagemake-gloss 0.2, measure 'gloss', class imagemake_gloss:Gloss: "
        "it does not define version, which imagemake.plugins.measures.Measure requires.\n"
        "  Correct or upgrade the package, or remove 'gloss' from the configuration."
    )


def test_a_package_that_cannot_be_imported_is_an_error_of_that_package(registered):
    def load():
        raise ModuleNotFoundError("No module named 'torch'")

    registered(load)
    with pytest.raises(UserError, match=r"imagemake-gloss 0\.2.*cannot be imported: .*No module named 'torch'"):
        measure_class("gloss")


def test_values_of_a_measure_whose_package_broke_can_still_be_shown(registered):
    registered(lambda: NotAMeasure)
    assert measures.phrase_of("gloss", "broken_shine") is None
    assert not measures.is_matching("gloss")


def test_a_measure_that_names_compared_values_must_say_how_it_compares():
    with pytest.raises(TypeError, match="Odd defines compared, so it must be a ComparingMeasure or a MatchingMeasure"):
        type("Odd", (Whole,), {"compared": {"x": "y"}})


def test_settings_in_which_a_mistyped_name_would_pass_are_an_error():
    with pytest.raises(TypeError, match=r"Odd\.Settings does not derive from imagemake\.plugins\.plugin\."):
        type("Odd", (Whole,), {"Settings": BaseModel})


def test_what_a_plug_in_leaves_out_has_a_default():
    assert (Whole.Settings, Whole.packages, Whole.compared, Whole.phrases) == (PluginSettings, {}, {}, {})
    assert Whole.complaint("red") is None
    assert Whole.check(PluginSettings()) is None
    assert Whole.files(PluginSettings()) == ()
    assert Step.actions == ("c2pa.edited",)
    assert Provider.trained


def test_capabilities_of_a_provider_are_its_base_classes():
    openai, preview = provider_class("openai"), provider_class("preview")
    assert takes_batches(openai)
    assert takes_references(openai)
    assert takes_references(openai, batch=True)
    assert not takes_batches(preview)
    assert takes_references(preview)
    assert not takes_references(preview, batch=True)
    assert not takes_references(BatchProvider)
    assert takes_references(ReferenceProvider)


def test_a_missing_package_is_installed_by_an_extra_of_ours_or_by_its_own_name():
    theirs = type("Theirs", (Whole,), {"packages": {"no_such_module": "no-such-package"}, "__module__": "imagemake_x"})
    assert install_command("theirs", theirs) == "pip install no-such-package"
    assert install_command("text", measure_class("text")) == "pip install 'imagemake[text]'"
    assert issubclass(theirs, Plugin)
