"""The section `prompts`: what is checked about prompts before anything is paid for."""

from __future__ import annotations

from pydantic import Field, model_validator

from imagemake.config.asked import Asker, prompt_asker, server_mistakes
from imagemake.config.fields import Section
from imagemake.core.mistakes import mistakes
from imagemake.plugins.measures.moderation import PromptModeration


class Prompts(Section):
    """What is checked about prompts before anything is paid for."""

    moderate: PromptModeration | None = Field(
        None,
        description="Asks a moderation endpoint about each prompt before its image is paid for. A flagged prompt "
        "counts as refused by the provider, and costs nothing. `{}` asks OpenAI, at no cost. Null asks nobody.",
        examples=[{}],
    )

    @model_validator(mode="after")
    def _can_be_asked(self) -> Prompts:
        found = [] if self.moderate is None else list(server_mistakes(self.moderate))
        if found:
            raise mistakes(one._replace(location=("moderate", *one.location)) for one in found)
        return self

    @property
    def asker(self) -> Asker | None:
        """Who is asked; None if nobody is."""
        return None if self.moderate is None else prompt_asker(self.moderate)
