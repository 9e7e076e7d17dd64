"""Questions about images, which a model that sees them answers by paid calls."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from imagemake.plugins.measures import AskedMeasure
from imagemake.plugins.plugin import PluginSettings
from imagemake.plugins.server_settings import ServerSettings

AUTO = "auto"
MOST_NAME = 40
_PLACEHOLDER, _GAP = re.compile(r"\{[^{}]*\}"), re.compile(r"[^a-z0-9]+")
_NAME = r"^[a-z][a-z0-9_]*$"


def _yes_or_no(value: Any) -> Any:
    return {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value


class Question(PluginSettings):
    """A question about each image."""

    ask: str = Field(min_length=1, max_length=2000, description="The question; placeholders as in prompt.")
    name: str = Field(
        "",
        max_length=MOST_NAME,
        pattern=_NAME,
        description="Name for checks and reasons: judge.NAME. Without it, the first words of the question are used.",
    )
    scale: Literal["yes_no", "0-10"] = Field(
        "yes_no", description="yes_no: the probability of yes, 0 to 1. 0-10: a number of points."
    )
    good: Annotated[Literal["yes", "no"], BeforeValidator(_yes_or_no)] = Field(
        "yes", description="The good answer to a yes_no question: with the other one, the image awaits review."
    )

    @model_validator(mode="before")
    @classmethod
    def _named(cls, data: Any) -> Any:
        given = {"ask": data} if isinstance(data, str) else data
        if isinstance(given, Mapping) and isinstance(given.get("ask"), str) and not given.get("name"):
            return {**given, "name": _short(given["ask"])}
        return given


def _short(ask: str) -> str:
    """Return a name made from the words of a question, without its placeholders."""
    name = ""
    for word in _GAP.sub(" ", _PLACEHOLDER.sub(" ", ask.lower())).split():
        if len(f"{name}_{word}") > MOST_NAME:
            break
        name = f"{name}_{word}" if name else word
    return name if re.match(_NAME, name) else f"q_{name}"[:MOST_NAME]


class JudgeSettings(ServerSettings):
    """Who is asked, and what."""

    questions: tuple[Literal["auto"] | Question, ...] = Field(
        min_length=1,
        max_length=100,
        description="Questions about each image. `auto` stands for questions that a text model derives from each "
        "prompt, once: about its objects, counts, colors, relations, and lettering.",
    )
    api: Literal["auto", "decisions", "chat"] = Field(
        "auto",
        description="How to ask. decisions: OpenAI's Decisions API, with probabilities. chat: chat completions with "
        "structured outputs, which most servers have. auto: decisions for OpenAI's own servers, chat for others.",
    )
    mode: Literal["sync", "batch"] = Field(
        "sync",
        description="batch: ask through the provider's Batch API, usually at half price, with answers within 24 hours. "
        "api: auto is chat then.",
    )
    edge_px: int = Field(
        1024,
        ge=64,
        le=4096,
        description="Longest edge of the image that is sent, in pixels; larger images are scaled down.",
    )
    detail: Literal["low", "high", "auto", "original"] | None = Field(
        None, description="The API's `detail` of the image. Null: the API's default."
    )
    logprobs: bool = Field(
        False,
        description="With api: chat, ask for the probabilities of tokens, from which those of answers follow. Models "
        "that reason mostly refuse this.",
    )
    derive_by: str | None = Field(
        None, description="Text model that derives the questions of `auto`, on the same server. Null: the same model."
    )
    also_decided: bool = Field(
        False,
        description="Ask about images too that a person has decided about, to measure how far the judge agrees.",
    )
    edition: int = Field(
        1,
        ge=1,
        description="A whole number. Raise it to ask everything again, as after the model behind a name changed.",
    )

    @model_validator(mode="before")
    @classmethod
    def _one_question(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and isinstance(data.get("questions"), str):
            return {**data, "questions": (data["questions"],)}
        return data

    @model_validator(mode="after")
    def _batches_have_chat_only(self) -> JudgeSettings:
        if self.mode == "batch" and self.api == "decisions":
            raise ValueError("batches take chat completions only; set api to chat or auto, or mode to sync")
        return self

    @model_validator(mode="after")
    def _names_differ(self) -> JudgeSettings:
        names = [AUTO if one == AUTO else one.name for one in self.questions]  # type: ignore[union-attr]
        if repeated := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"two questions are named {repeated!r}; give one of them another name")
        return self


class Judge(AskedMeasure):
    """Asks a model that sees images. Its answers send images to review, unless a check says otherwise."""

    version: ClassVar[int] = 1
    Settings: ClassVar[type[PluginSettings]] = JudgeSettings
    settings: JudgeSettings
    quantities: ClassVar[Mapping[str, str]] = {
        AUTO: "share of the questions derived from the prompt whose answer is yes, 0 to 1",
        "NAME": "answer to the question of that name: the probability of yes, 0 to 1, or points, 0 to 10",
    }
    names_quantities: ClassVar[bool] = True
