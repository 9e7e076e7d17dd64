"""The section `model`, and the entries of `more_models`: a provider and a model that make images."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, Strict, model_validator

from imagemake.config.fields import ParameterName, ParameterValue, Section, Text
from imagemake.config.headers import (
    HeaderName,
    HeaderValue,
    VariableName,
    secret_without_variable,
)
from imagemake.config.local import FileUse, Local
from imagemake.config.presets import with_preset
from imagemake.config.server import Server
from imagemake.config.server_address import Address, plain_address
from imagemake.config.started_server import NOWHERE, StartedServer
from imagemake.config.workflow import Workflow
from imagemake.core.mistakes import Mistake, mistake, mistakes
from imagemake.core.secrets import is_secret_value
from imagemake.core.text import did_you_mean
from imagemake.plugins.providers import BUILT_IN, provider_class, takes_batches
from imagemake.plugins.providers.local import LocalProvider

WORKFLOWS = "comfyui"  # the provider that runs workflows


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
    base_url: Address | None = Field(
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
    pool: Annotated[tuple[Address, ...], Strict(False)] = Field(
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
        return plain_address(self.base_url)

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
