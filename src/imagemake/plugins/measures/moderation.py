"""What a provider's moderation endpoint says of an image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from imagemake.plugins.measures import AskedMeasure
from imagemake.plugins.plugin import PluginSettings
from imagemake.plugins.server_settings import ServerSettings

# Source: `CategoryScores` of the openai SDK 3.54. Quantities spell / and - as _.
CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)


def quantity_of(category: str) -> str:
    """Return how a quantity spells a category."""
    return category.replace("/", "_").replace("-", "_")


class PromptModeration(ServerSettings):
    """Who is asked."""

    model: str = Field("omni-moderation-latest", description="The server's name of the model.")
    edition: int = Field(1, ge=1, description="A whole number. Raise it to ask about everything again.")


class ModerationSettings(PromptModeration):
    """Who is asked."""

    edge_px: int = Field(
        1024, ge=64, le=4096, description="Longest edge of the image that is sent, in pixels; larger ones are scaled."
    )


class Moderation(AskedMeasure):
    """Asks a provider's moderation endpoint, which is free at OpenAI. Flagged images await review."""

    version: ClassVar[int] = 1
    Settings: ClassVar[type[PluginSettings]] = ModerationSettings
    settings: ModerationSettings
    quantities: ClassVar[Mapping[str, str]] = {
        "flagged": "whether the provider flags the image",
        "highest": "the highest score of all categories, 0 to 1",
        **{quantity_of(name): f"score of the category {name}, 0 to 1" for name in CATEGORIES},
    }
