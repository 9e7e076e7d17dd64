"""The section `attempts.rewrite`: who rewrites the prompts of rejected images, and by which rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import Field, field_validator

from imagemake.config.asked import REWRITE, Asker, server_mistakes
from imagemake.config.model import ModelSettings
from imagemake.config.placeholders import Template, parse_template
from imagemake.core.mistakes import Mistake
from imagemake.plugins.server_settings import ServerSettings

VERSION = 1  # of what is asked; part of the identity of the answers


class Rewrite(ServerSettings):
    """A text model, and the rules of the campaign for what it writes."""

    keep: tuple[str, ...] = Field(
        (),
        description="Texts that stay as they are wherever the prompt has them; placeholders as in prompt. A rewrite "
        "that lacks one of them is not used.",
        examples=[["ACME", "{slogan}"]],
    )
    max_characters: int = Field(
        2000, ge=1, le=32_000, description="Most characters of a rewritten prompt; a longer one is not used."
    )
    instructions: str = Field(
        "",
        max_length=4000,
        description="What else the model must heed, such as the style of the campaign.",
        examples=["Keep the studio look: white background, soft light."],
    )
    edition: int = Field(
        1, ge=1, description="Raise it to ask everything again, for example after the model behind a name changed."
    )

    @field_validator("keep", mode="before")
    @classmethod
    def _one_text(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @property
    def kept(self) -> tuple[Template, ...]:
        """The templates of the texts to keep."""
        return tuple(parse_template(text) for text in self.keep)

    def asker(self) -> Asker:
        """Return who is asked."""
        return Asker(REWRITE, VERSION, self, ModelSettings.model_validate(self.as_model()))

    def mistakes(self) -> Iterator[Mistake]:
        """Yield what is wrong with the server and the texts to keep."""
        yield from server_mistakes(self)
        for place, text in enumerate(self.keep):
            try:
                parse_template(text)
            except ValueError as error:
                remedy = "Write {column} for a value, and {{ or }} for a brace."
                yield Mistake(("keep", place), f"{error}.", remedy)
