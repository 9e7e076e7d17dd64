"""Who makes the pictures: the provider, the model, and what stands for them in keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, Field, model_validator

from imagemake.providers import BUILT_IN, provider_class
from imagemake.wanted.config_problems import mistake
from imagemake.wanted.redaction import is_secret_name, is_secret_value
from imagemake.wanted.settings import ParameterName, ParameterValue, Section, Text
from imagemake.wanted.text import did_you_mean

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


class ModelSettings(Section):
    """Who makes the pictures. Keys and other secrets come from the environment only."""

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
        "pictures being made again. The provider's own name says that base_url is a door to the provider's own models: "
        "pictures that came through it and through the provider's address are then the same.",
    )
    parameters: Mapping[ParameterName, ParameterValue] = Field(
        default_factory=dict,
        description="Parameters of the model, passed on as they are; what is absent is the provider's default. "
        "Part of every key.",
        examples=[{"size": "1024x1024", "quality": "high"}],
    )

    mode: Literal["sync", "batch"] = Field(
        "sync",
        description="How pictures are asked for: sync (one call each), or batch (many at once through the provider's "
        "Batch API, at half the price and within 24 hours). Part of no key.",
    )

    @model_validator(mode="after")
    def _batches_are_there(self) -> ModelSettings:
        if self.mode == "batch" and not hasattr(provider_class(self.provider), "create_batch"):
            raise mistake(f"provider {self.provider} has no batch mode.", "Write mode: sync, or take mode out.")
        return self

    @model_validator(mode="after")
    def _identity_of_something(self) -> ModelSettings:
        if self.base_url is None and self.identity not in (None, self.provider):
            raise mistake("identity is given, but base_url is not.", "Give a base_url, or take identity out.")
        return self

    @property
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
