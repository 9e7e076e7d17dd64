"""The server that a measure asks: the same keys as in the section `model`, which checks them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from imagemake.plugins.plugin import PluginSettings

OF_MODEL = ("provider", "base_url", "identity", "preset", "key_from", "headers", "rates")


class ServerSettings(PluginSettings):
    """A server and its model."""

    provider: str = Field("openai", description="openai: any server with OpenAI's API.")
    model: str = Field(description="The server's name of the model, with its version.", examples=["gpt-6-luna"])
    base_url: str | None = Field(None, description="As in the section model. Null: OpenAI's own server.")
    identity: str | None = Field(None, description="As in the section model.")
    preset: str | None = Field(None, description="As in the section model.")
    key_from: str | None = Field(None, description="As in the section model.")
    headers: Mapping[str, str] = Field(default_factory=dict, description="As in the section model.")
    rates: Mapping[str, float] | None = Field(
        None, description="Rates of its calls, as in the section model. Null: those in limits."
    )

    def as_model(self) -> dict[str, Any]:
        """Return the keys of the section `model`, as far as they are given."""
        given = {name: getattr(self, name) for name in OF_MODEL}
        return {"name": self.model} | {name: value for name, value in given.items() if value}
