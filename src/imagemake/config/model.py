"""The sections `model`, `more_models`, and `model_rules`: which provider and model make each image."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Protocol
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, Field, Strict, model_validator

from imagemake.config.fields import ColumnName, ParameterName, ParameterValue, Section, Text, Texts, Values
from imagemake.config.headers import (
    HeaderName,
    HeaderValue,
    VariableName,
    secret_without_variable,
)
from imagemake.config.local import FileUse, Local
from imagemake.config.presets import with_preset
from imagemake.config.server import Server
from imagemake.config.started_server import NOWHERE, StartedServer
from imagemake.config.workflow import Workflow
from imagemake.core.mistakes import Mistake, mistake, mistakes
from imagemake.core.secrets import is_secret_name, is_secret_value
from imagemake.core.text import did_you_mean
from imagemake.plugins.providers import BUILT_IN, provider_class, takes_batches
from imagemake.plugins.providers.local import LocalProvider

_SIGNATURES = ("sig", "signature", "code")  # in queries of signed addresses
WORKFLOWS = "comfyui"  # the provider that runs workflows
_DEFAULT_PORTS = {"http": 80, "https": 443}


def _provider(name: str) -> str:
    if name not in BUILT_IN:
        try:
            provider_class(name)
        except LookupError as error:
            remedy = did_you_mean(name, BUILT_IN) or "Use one of these, or install the package that provides it."
            raise mistake(f"provider {error}.", remedy) from error
    return name


def _no_secret(text: str) -> str:
    if is_secret_value(text):
        raise mistake("this looks like a secret.", "Set secrets in the environment only, and remove it here.")
    return text


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in _DEFAULT_PORTS and parts.hostname and parts.port != 0
    except ValueError:  # an invalid port, an unmatched bracket
        valid, parts = False, urlsplit("")
    if "@" in parts.netloc or is_secret_value(url):
        raise mistake("the address contains credentials.", "Set secrets in the environment only, and remove them here.")
    query = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    if any(is_secret_name(name) or name.lower() in _SIGNATURES for name in query):
        raise mistake(
            "the address's query contains a secret.", "Set secrets in the environment only, and remove it here."
        )
    if not valid:
        raise mistake("this is not the address of a server.", "Write it as https://host/path.")
    if "#" in url:
        raise mistake("the address has a part after '#', which no server receives.", "Remove that part.")
    if repeated := next((name for name in query if query.count(name) > 1), None):
        raise mistake(f"the address's query has {repeated!r} more than once.", "Keep one of them.")
    return url


class Rates(Section):
    """Rates of one model."""

    images_per_min: float | None = Field(None, gt=0, description="Most images per minute.")
    requests_per_min: float | None = Field(None, gt=0, description="Most calls per minute.")
    tokens_per_min: float | None = Field(None, gt=0, description="Most tokens per minute, over all calls.")


class ModelSettings(Section):
    """The provider and model that make the images. Set API keys and other secrets in the environment only."""

    provider: Annotated[Text, AfterValidator(_provider)] = Field(
        "preview",
        description="Name of the provider: preview (offline and free; draws placeholders), openai (any server with "
        "OpenAI's image API), gemini, openrouter, comfyui (your own workflow), or one of an installed plug-in.",
    )
    name: Annotated[Text, AfterValidator(_no_secret)] = Field(
        "preview-1",
        description="The provider's name of the model, with its version. Part of every key.",
        examples=["gpt-image-2-2026-04-21"],
    )
    preset: Text | None = Field(
        None,
        description="Name of a server with OpenAI's image API, which fills in provider, base_url, key_from, and "
        "identity, and how the server spells requests: together, deepinfra, recraft, xai, seedream, vllm-omni, sglang, "
        "localai, sd-cpp, or litellm. Part of every key, as the identity.",
        examples=["together"],
    )
    base_url: Annotated[Text, AfterValidator(_address)] | None = Field(
        None,
        description="Address of the server, without credentials. Null: the provider's own. Part of every key, unless "
        "identity or a workflow is set. A query, such as ?api-version=2026-01-01, is sent with every call and is in no "
        "key.",
        examples=["http://localhost:8000/v1"],
    )
    identity: Annotated[Text, AfterValidator(_no_secret)] | None = Field(
        None,
        description="A name for the server in keys, in place of base_url, so that a server can move without generating "
        "its images again. Use the provider's name if base_url leads to the provider's own models: both addresses then "
        "give the same keys.",
    )
    pool: Annotated[tuple[Annotated[Text, AfterValidator(_address)], ...], Strict(False)] = Field(
        (),
        description="Addresses of further servers that run the same workflow with the same models: each image goes to "
        "the one with the shortest queue. For provider comfyui. Not part of any key.",
        examples=[["http://gpu-2:8188", "http://gpu-3:8188"]],
    )
    workflow: Workflow | None = Field(
        None, description="The workflow that makes the images. For provider comfyui. Part of every key, by its content."
    )
    server: StartedServer | None = Field(
        None,
        description="A server that the build starts and stops, in place of base_url. Null: no server is started.",
        examples=[
            {
                "command": "sglang serve --model-path {model} --host 127.0.0.1 --port {port}",
                "ready": "/health",
                "gpus": 1,
            }
        ],
    )
    key_from: VariableName | None = Field(
        None,
        description="Name of the environment variable with the server's API key. Null: the provider's own variable, "
        "such as OPENAI_API_KEY, for the provider's own servers, and no API key for any other. Not part of any key.",
        examples=["TOGETHER_API_KEY"],
    )
    headers: Mapping[HeaderName, HeaderValue] = Field(
        default_factory=dict,
        description="Headers to send with every call. A value may name environment variables, as in ${PROXY_TOKEN}; "
        "write $$ for a dollar sign. Not part of any key.",
        examples=[{"X-Title": "Autumn catalog", "X-Proxy-Token": "${PROXY_TOKEN}"}],
    )
    parameters: Mapping[ParameterName, ParameterValue] = Field(
        default_factory=dict,
        description="Parameters to pass to the model, of any JSON type; the provider's defaults apply to the rest. "
        "Part of every key.",
        examples=[{"size": "1024x1024", "quality": "high"}],
    )

    files: Mapping[FileUse, Text] = Field(
        default_factory=dict,
        description="Files and folders of yours that the model is made of, by what they are, relative to the project, "
        "for providers that run models on this machine. Their content is part of every key; where they are is not.",
        examples=[{"pipeline": "models/sdxl-base", "brushwork": "models/loras/brushwork.safetensors"}],
    )
    local: Local = Field(default_factory=Local, description="How a model runs on this machine. Not part of any key.")

    mode: Literal["sync", "batch", "auto"] = Field(
        "sync",
        description="sync: one call per image. batch: many at once through the provider's Batch API, at half the price "
        "and within 24 hours. auto: batch for the whole campaign if at least batch_from images are to be made, and "
        "sync for stages, single images, and the few that are left. Not part of any key.",
    )
    batch_from: int = Field(
        20, ge=1, description="With mode: auto, the fewest images that are worth a batch. Not part of any key."
    )

    rates: Rates | None = Field(
        None,
        description="Rates of this model over all jobs, in place of those in limits, which all models of a server "
        "share.",
        examples=[{"images_per_min": 5}],
    )

    @model_validator(mode="before")
    @classmethod
    def _filled_by_preset(cls, data: Any) -> Any:
        filled = with_preset(data)
        if isinstance(filled, Mapping) and filled.get("server") is not None:
            if filled.get("base_url") not in (None, NOWHERE):
                what = "base_url is the address of a server that runs, and server starts one."
                raise mistakes([Mistake(("base_url",), what, "Remove one of them, or set it to null.")])
            return {**filled, "base_url": NOWHERE}
        return filled

    @model_validator(mode="after")
    def _headers_name_variables(self) -> ModelSettings:
        for name, value in self.headers.items():
            if secret_without_variable(name, value):
                what = f"the header {name!r} holds a secret, but its value names no environment variable."
                raise mistakes([Mistake(("headers", name), what, "Write the variable's name, as in ${PROXY_TOKEN}.")])
        return self

    @model_validator(mode="after")
    def _has_a_name(self) -> ModelSettings:
        if self.provider != "preview" and "name" not in self.model_fields_set:
            raise mistake(f"provider {self.provider} needs a model name.", "Add name: the model's name.")
        return self

    @model_validator(mode="after")
    def _runs_here(self) -> ModelSettings:
        provider = provider_class(self.provider)
        if self.files and not provider.uses_files:
            what = f"provider {self.provider} uses no files of yours."
            raise mistakes([Mistake(("files",), what, "Remove files, or choose another provider.")])
        if self.local != Local() and not issubclass(provider, LocalProvider):
            what = f"provider {self.provider} runs no models on this machine."
            raise mistakes([Mistake(("local",), what, "Remove local, or choose another provider.")])
        return self

    @model_validator(mode="after")
    def _workflow_fits(self) -> ModelSettings:
        runs = self.provider == WORKFLOWS
        if runs and self.workflow is None:
            remedy = "Export it from ComfyUI: Workflow > Export (API). Then run: imagemake comfyui inspect FILE"
            raise mistakes([Mistake(("workflow",), f"provider {self.provider} needs a workflow.", remedy)])
        for name in ("workflow", "pool"):
            if not runs and getattr(self, name):
                what = f"provider {self.provider} has no use for {name}."
                raise mistakes([Mistake((name,), what, f"Remove it, or set provider: {WORKFLOWS}.")])
        return self

    @model_validator(mode="after")
    def _batches_are_there(self) -> ModelSettings:
        if self.mode != "sync" and not takes_batches(provider_class(self.provider)):
            raise mistake(f"provider {self.provider} has no batch mode.", "Set mode: sync, or remove mode.")
        if self.mode != "sync" and self.server is not None:
            raise mistake("a server that the build starts ends with the run.", "Set mode: sync, or remove mode.")
        if self.workflow is not None and self.server is not None and self.server.copies != 1:
            # A queue is asked for its images where they were submitted, and copies share one address.
            raise mistake("several copies cannot run workflows.", "Set server.copies: 1, or write base_url and pool.")
        return self

    @model_validator(mode="after")
    def _identity_of_something(self) -> ModelSettings:
        if self.base_url is None and self.identity not in (None, self.provider):
            raise mistake("identity needs a base_url.", "Add base_url, or remove identity.")
        return self

    def in_batches(self, *, can_wait: bool) -> bool:
        """Return whether images are requested through the Batch API.

        Args:
            can_wait: Whether the plan found that they can wait, for ``mode: auto``.
        """
        return self.mode == "batch" or (self.mode == "auto" and can_wait)

    @cached_property
    def endpoint(self) -> str | None:
        """The name of the server in a recipe; None for the provider's own."""
        if self.base_url is None or self.identity == self.provider:
            return None
        if self.workflow is not None and self.identity is None:  # the workflow says what is made, wherever it runs
            return None
        if self.identity is not None:
            return self.identity
        if self.server is not None:
            return f"{self.preset}: {self.server.identity}" if self.preset else self.server.identity
        parts = urlsplit(self.base_url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        port = "" if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
        return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"

    @property
    def local_device(self) -> Literal["gpu", "cpu"] | None:
        """What makes the images in the job's own process; None if a server makes them, or nothing is to be computed."""
        if not issubclass(provider_class(self.provider), LocalProvider):
            return None
        return "cpu" if (self.local.device or "").startswith("cpu") else "gpu"

    @property
    def connects_to(self) -> Server:
        """The server to connect to."""
        headers = tuple(sorted(self.headers.items()))
        files = tuple(sorted(self.files.items()))
        command = self.server.command_for(self.name) if self.server else ()
        place = self.provider, self.base_url, self.key_from, headers, self.endpoint
        return Server(*place, files, self.local, self.pool, self.server, command)

    @property
    def place(self) -> str:
        """Where its calls go, in words: an address, the command of a server to start, or the provider."""
        return self.server.identity if self.server else self.base_url or self.provider


class ModelRule(Section):
    """A rule that selects a model for some requests, or several in order of preference."""

    when: Mapping[ColumnName, Values] = Field(
        default_factory=dict,
        description="Values of columns and variables; a request that matches all of them uses the model. A list "
        "matches any of its values. Without it, a rule with several models applies to all requests.",
        examples=[{"category": ["mugs", "plates"]}],
    )
    model: Texts = Field(
        description="A label in more_models, or the name of another model on the main model's server. A list names "
        "several in order of preference: what one cannot make, refuses, or has no quota for goes to the next.",
        examples=["fast", ["gpt-image-2", "flux"]],
    )

    @model_validator(mode="after")
    def _says_when(self) -> ModelRule:
        if not self.when and len(self.model) == 1:
            raise mistake(
                "when is empty, so the rule would match every request.", "Set model instead, or fill in when."
            )
        return self


class Models(Protocol):
    """Anything with models: a campaign, or the sections that a job gets."""

    @property
    def model(self) -> ModelSettings:
        """The main model."""

    @property
    def more_models(self) -> Mapping[str, ModelSettings]:
        """Other models, by label."""


def settings_of(label: str, models: Models) -> ModelSettings:
    """Return the settings of a label: an entry of more_models, or that model on the main model's server."""
    if label in models.more_models:
        return models.more_models[label]
    own = models.model
    return own if label == own.name else own.model_copy(update={"name": label})


def workflows_of(models: Models) -> list[Workflow]:
    """Return the workflows of all models."""
    return [one.workflow for one in (models.model, *models.more_models.values()) if one.workflow is not None]


def as_in_model(model: object, more: object) -> object:
    """Fill what an entry of more_models leaves out from model, unless the entry names a provider or a preset.

    Args:
        model: The section as read, not validated yet.
        more: The section more_models as read.
    """
    if not isinstance(model, Mapping) or not isinstance(more, Mapping):
        return more
    return {
        label: {**model, **entry} if isinstance(entry, Mapping) and not {"provider", "preset"} & {*entry} else entry
        for label, entry in more.items()
    }
