"""Who makes the images: the provider, the model, what stands for them in keys, and which one a request gets."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal, Protocol
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, Field, model_validator

from imagemake.config.fields import ColumnName, ParameterName, ParameterValue, Section, Text, Values
from imagemake.core.mistakes import mistake
from imagemake.core.secrets import is_secret_name, is_secret_value
from imagemake.core.text import did_you_mean
from imagemake.plugins.providers import BUILT_IN, provider_class, takes_batches

Server = tuple[str, str | None]  # the provider, and an address that is not its own
_DEFAULT_PORTS = {"http": 80, "https": 443}


def _provider(name: str) -> str:
    if name not in BUILT_IN:
        try:
            provider_class(name)
        except LookupError as error:
            remedy = did_you_mean(name, BUILT_IN) or "Use one of these, or install the package that has it."
            raise mistake(f"provider {error}.", remedy) from error
    return name


def _no_secret(text: str) -> str:
    if is_secret_value(text):
        raise mistake("this looks like a secret.", "Secrets come from the environment only: take it out of here.")
    return text


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in _DEFAULT_PORTS and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, a bracket without its partner
        valid, parts = False, urlsplit("")
    if "@" in parts.netloc or is_secret_value(url):
        raise mistake("the address holds credentials.", "Secrets come from the environment only: take them out.")
    if any(is_secret_name(name) for name, _ in parse_qsl(parts.query, keep_blank_values=True)):
        raise mistake("the address's query holds a secret.", "Secrets come from the environment only: take it out.")
    if not valid:
        raise mistake("this is no address of a server.", "Write it as https://host/path.")
    return url


class Rates(Section):
    """How fast one model may be asked."""

    images_per_min: float | None = Field(None, gt=0, description="Images asked of it a minute.")
    requests_per_min: float | None = Field(None, gt=0, description="Calls of it a minute.")
    tokens_per_min: float | None = Field(None, gt=0, description="Tokens a minute that its calls may take.")


class ModelSettings(Section):
    """Who makes the images. Keys and other secrets come from the environment only."""

    provider: Annotated[Text, AfterValidator(_provider)] = Field(
        "preview",
        description="Registered name of the provider: preview (offline, free, draws placeholders), openai (every "
        "server that speaks OpenAI's image API), or one of an installed plug-in.",
    )
    name: Annotated[Text, AfterValidator(_no_secret)] = Field(
        "preview-1",
        description="Name of the model as the provider takes it, with its version. Part of every key.",
        examples=["gpt-image-2-2026-04-21"],
    )
    base_url: Annotated[Text, AfterValidator(_address)] | None = Field(
        None,
        description="Address of the server, without credentials; null is the provider's own. Part of every key, "
        "unless identity says otherwise.",
        examples=["http://localhost:8000/v1"],
    )
    identity: Annotated[Text, AfterValidator(_no_secret)] | None = Field(
        None,
        description="What stands for the server in keys instead of base_url, so that a server can move without its "
        "images being made again. The provider's own name says that base_url is a door to the provider's own models: "
        "images that came through it and through the provider's address are then the same.",
    )
    parameters: Mapping[ParameterName, ParameterValue] = Field(
        default_factory=dict,
        description="Parameters of the model, passed on as they are; what is absent is the provider's default. "
        "Part of every key.",
        examples=[{"size": "1024x1024", "quality": "high"}],
    )

    mode: Literal["sync", "batch"] = Field(
        "sync",
        description="How images are asked for: sync (one call each), or batch (many at once through the provider's "
        "Batch API, at half the price and within 24 hours). Part of no key.",
    )

    rates: Rates | None = Field(
        None,
        description="How fast this model may be asked, over all jobs together, in place of the rates in limits: those "
        "count the calls of all models of a server together.",
        examples=[{"images_per_min": 5}],
    )

    @model_validator(mode="after")
    def _has_a_name(self) -> ModelSettings:
        if self.provider != "preview" and "name" not in self.model_fields_set:
            raise mistake(f"no model of provider {self.provider} is named.", "Add name: the model's name.")
        return self

    @model_validator(mode="after")
    def _batches_are_there(self) -> ModelSettings:
        if self.mode == "batch" and not takes_batches(provider_class(self.provider)):
            raise mistake(f"provider {self.provider} has no batch mode.", "Write mode: sync, or take mode out.")
        return self

    @model_validator(mode="after")
    def _identity_of_something(self) -> ModelSettings:
        if self.base_url is None and self.identity not in (None, self.provider):
            raise mistake("identity is given, but base_url is not.", "Give a base_url, or take identity out.")
        return self

    @cached_property
    def endpoint(self) -> str | None:
        """What stands for the server in a recipe; None for the provider's own."""
        if self.base_url is None or self.identity == self.provider:
            return None
        if self.identity is not None:
            return self.identity
        parts = urlsplit(self.base_url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        port = "" if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
        return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"

    @property
    def server(self) -> Server:
        """What a connection leads to."""
        return self.provider, self.base_url


class ModelRule(Section):
    """Which requests a model makes."""

    when: Mapping[ColumnName, Values] = Field(
        description="Values of columns and variables; a request that has all of them gets the model. A list means any "
        "of its values.",
        examples=[{"category": ["mugs", "plates"]}],
    )
    model: Text = Field(description="A label of more_models, or the name of a model of the same server as model.")

    @model_validator(mode="after")
    def _says_when(self) -> ModelRule:
        if not self.when:
            raise mistake("when is empty: the rule would hold for everything.", "Set model instead, or say when.")
        return self


class Models(Protocol):
    """What has models: a campaign, and those of its sections that a job gets."""

    @property
    def model(self) -> ModelSettings:
        """The model of what names no other."""

    @property
    def more_models(self) -> Mapping[str, ModelSettings]:
        """Others, by label."""


def settings_of(label: str, models: Models) -> ModelSettings:
    """Return who makes the images of a label: an entry of more_models, or that model on the campaign's own server."""
    if label in models.more_models:
        return models.more_models[label]
    own = models.model
    return own if label == own.name else own.model_copy(update={"name": label})


def as_in_model(model: object, more: object) -> object:
    """Fill what an entry of more_models leaves out from model; one with a provider of its own stands alone.

    Args:
        model: The section as it was read, not checked yet.
        more: The section more_models as it was read.
    """
    if not isinstance(model, Mapping) or not isinstance(more, Mapping):
        return more
    return {
        label: {**model, **entry} if isinstance(entry, Mapping) and "provider" not in entry else entry
        for label, entry in more.items()
    }
