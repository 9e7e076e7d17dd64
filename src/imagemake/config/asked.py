"""What a campaign asks models about its images: whom, which questions, and the names under which answers are kept.

An answer is kept by the image's digest, the question, and who was asked. Limits are not part of that, and neither are
the other questions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from imagemake.config.checks import Check, Limit
from imagemake.config.chosen_plugins import ChosenPlugin
from imagemake.config.placeholders import Template, parse_template
from imagemake.core.fingerprint import fingerprint
from imagemake.core.mistakes import Mistake, validated
from imagemake.plugins.asking import POINTS, asker_class
from imagemake.plugins.measures import is_asked, measure_class
from imagemake.plugins.measures.judge import AUTO, JudgeSettings, Question
from imagemake.plugins.measures.moderation import ModerationSettings, PromptModeration
from imagemake.plugins.providers.connection import is_of_domain
from imagemake.plugins.server_settings import ServerSettings

if TYPE_CHECKING:
    from imagemake.config.model import ModelSettings

JUDGE, MODERATION, PROMPTS, REWRITE = "judge", "moderation", "prompts", "rewrite"
_DIGEST_DIGITS, _QUESTION_DIGITS = 12, 16
_NOT_DECISIVE = (
    *("questions", "also_decided", "derive_by", "api"),  # `api` counts as it is resolved
    *("mode", "provider", "base_url", "identity", "preset", "key_from", "headers", "rates"),
)
_OWN_DOMAIN = "openai.com"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A question about one image, as it is asked.

    Attributes:
        name: Its name in checks, after ``judge.``; empty for the moderation.
        identity: The identity under which its answer is kept.
        text: The question with the values of the request; the prompt, for the questions that are derived from it.
        scale: ``yes_no``, ``0-10``, ``auto``, or ``moderation``.
        good: The good answer to a yes_no question.
    """

    name: str
    identity: str
    text: str
    scale: str
    good: str = "yes"

    @property
    def quantity(self) -> str:
        """Name of the quantity that checks use."""
        return f"{JUDGE}.{self.name}" if self.name else f"{MODERATION}.flagged"


@lru_cache(maxsize=65_536)  # most questions are the same for many images
def question_identity(asker: str, text: str, scale: str) -> str:
    """Return the identity of the answer to a question: ``judge@1-3fa9c1d2e4b5/9f86d081884c7d65``."""
    digest = hashlib.sha256(f"{scale} {text}".encode("utf-8", "surrogatepass")).hexdigest()
    return f"{asker}/{digest[:_QUESTION_DIGITS]}"


@dataclass(frozen=True)
class Asker:
    """A server and model that is asked.

    Attributes:
        name: ``judge``, ``moderation``, ``prompts``, or ``rewrite``.
        version: Version of the measure.
        settings: Its settings.
        model: Its server and model.
    """

    name: str
    version: int
    settings: ServerSettings
    model: ModelSettings

    @property
    def models(self) -> list[ModelSettings]:
        """Its server with each model that is asked: for a judge, also the one that derives questions from prompts."""
        further = getattr(self.settings, "derive_by", None)
        return [self.model, *([self.model.model_copy(update={"name": further})] if further else [])]

    @property
    def edge_px(self) -> int:
        """Longest edge of the images that are sent, in pixels; 0 if none are."""
        return getattr(self.settings, "edge_px", 0)

    @cached_property
    def api(self) -> str:
        """How it is asked."""
        if not isinstance(self.settings, JudgeSettings):
            return REWRITE if self.name == REWRITE else "moderations"
        if self.settings.api != AUTO:
            return self.settings.api
        is_own = self.model.base_url is None or is_of_domain(self.model.base_url, _OWN_DOMAIN)
        return "decisions" if is_own and not self.in_batches else "chat"

    @property
    def in_batches(self) -> bool:
        """Whether questions about images are asked through the provider's Batch API."""
        return isinstance(self.settings, JudgeSettings) and self.settings.mode == "batch"

    @cached_property
    def identity(self) -> str:
        """The identity of its answers: everything that decides one, besides the image and the question."""
        settings = self.settings.model_dump(mode="json", exclude=set(_NOT_DECISIVE), exclude_defaults=True)
        decisive = {**settings, "server": [self.model.provider, self.model.endpoint], "api": self.api}
        return f"{self.name}@{self.version}-{fingerprint(decisive)[:_DIGEST_DIGITS]}"

    @cached_property
    def questions(self) -> tuple[tuple[Question, Template], ...]:
        """Its own questions, with their templates."""
        if not isinstance(self.settings, JudgeSettings):
            return ()
        return tuple((one, parse_template(one.ask)) for one in self.settings.questions if isinstance(one, Question))

    @cached_property
    def derives(self) -> bool:
        """Whether questions are derived from each prompt."""
        return isinstance(self.settings, JudgeSettings) and AUTO in self.settings.questions

    def wanted(self, prompt: str, values: Mapping[str, str], edited: Sequence[str] = ()) -> Iterator[Wanted]:
        """Yield the questions about an image; see `Asked.wanted`."""
        if self.name == MODERATION:
            yield Wanted("", self.identity, "", MODERATION)
        for question, template in self.questions:
            text = template.render(values).strip()
            identity = question_identity(self.identity, text, question.scale)
            yield Wanted(question.name, identity, text, question.scale, question.good)
        if self.derives:
            source = "\n".join(edited) or prompt
            yield Wanted(AUTO, question_identity(self.identity, source, AUTO), prompt, AUTO)

    def checks(self) -> dict[str, Check]:
        """Return the checks that are made unless the campaign has others: the other answer sends an image to review."""
        if self.name == MODERATION:
            return {f"{MODERATION}.flagged": Check(review=Limit(max=0))}
        found = {AUTO: Limit(min=1)} if self.derives else {}
        for question, _ in self.questions:
            if question.scale == POINTS:
                found[question.name] = Limit(min=5)
            else:
                found[question.name] = Limit(min=0.5) if question.good == "yes" else Limit(max=0.5)
        return {f"{JUDGE}.{name}": Check(review=limit) for name, limit in found.items()}


@dataclass(frozen=True)
class Asked:
    """All that is asked about images.

    Attributes:
        askers: Who is asked; empty if nothing is.
    """

    askers: tuple[Asker, ...] = ()

    def wanted(self, prompt: str, values: Mapping[str, str], edited: Sequence[str] = ()) -> list[Wanted]:
        """Return the questions about an image.

        Args:
            prompt: The request's own prompt, without what later attempts add.
            values: Its values by column; at least those in `columns`.
            edited: Questions to ask in place of those that are derived from the prompt.
        """
        return [one for asker in self.askers for one in asker.wanted(prompt, values, edited)]

    def of(self, identity: str) -> Asker | None:
        """Return who is asked for an answer; None if nobody is."""
        return next((one for one in self.askers if identity.partition("/")[0] == one.identity), None)

    @property
    def derives(self) -> bool:
        """Whether questions are derived from each prompt."""
        return any(one.derives for one in self.askers)

    @property
    def in_batches(self) -> bool:
        """Whether some questions are asked through a provider's Batch API."""
        return any(one.in_batches for one in self.askers)

    @property
    def also_decided(self) -> bool:
        """Whether to ask about images too that a person has decided about."""
        return any(isinstance(one.settings, JudgeSettings) and one.settings.also_decided for one in self.askers)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that questions name."""
        templates = [template for asker in self.askers for _, template in asker.questions]
        return tuple(sorted({name for template in templates for name in template.fields}))

    def checks(self) -> dict[str, Check]:
        """Return the checks of answers that are made unless the campaign has others."""
        return {name: check for asker in self.askers for name, check in asker.checks().items()}


NOTHING = Asked()


def asked_by(measures: Mapping[str, ChosenPlugin]) -> Asked:
    """Return what measures ask; those that read pixels are left out.

    Args:
        measures: By name, as the campaign has them.
    """
    return Asked(tuple(_asker(one) for name, one in sorted(measures.items()) if is_asked(name)))


def prompt_asker(settings: PromptModeration) -> Asker:
    """Return who is asked about prompts."""
    return Asker(PROMPTS, 1, settings, _model(settings))


def asking_mistakes(measures: Mapping[str, ChosenPlugin]) -> Iterator[Mistake]:
    """Yield what is wrong with the servers and questions of measures, located below their names."""
    for name, chosen in measures.items():
        if not is_asked(name):
            continue
        settings = _settings(chosen)
        yield from (one._replace(location=(name, *one.location)) for one in server_mistakes(settings))
        yield from _template_mistakes(name, settings)


def server_mistakes(settings: ServerSettings) -> Iterator[Mistake]:
    """Yield what is wrong with a server that is asked."""
    from imagemake.config.model import ModelSettings

    model = validated(ModelSettings, settings.as_model())
    for one in model if isinstance(model, list) else ():
        yield one._replace(location=("model", *one.location[1:]) if one.location[:1] == ("name",) else one.location)
    try:
        asker_class(settings.provider)
    except LookupError as error:
        remedy = "Use provider: openai with base_url and key_from: most servers have OpenAI's API."
        yield Mistake(("provider",), f"{error}.", remedy)


def unknown_questions(checks: Iterable[str], asked: Asked) -> Iterator[Mistake]:
    """Yield the checks of questions that nobody asks."""
    known = {*asked.checks(), *(f"{MODERATION}.{name}" for name in measure_class(MODERATION).quantities)}
    names = {asker.name for asker in asked.askers}
    for check in checks:
        measure = check.partition(".")[0]
        if not is_asked(measure):
            continue
        if measure not in names:
            yield Mistake((check,), f"nothing is asked: {measure} has no entry.", f"Add it under measures.{measure}.")
        elif check not in known:
            own = ", ".join(one for one in asked.checks() if one.startswith(f"{measure}."))
            yield Mistake((check,), "no question has this name.", f"Known are {own}.")


def _template_mistakes(name: str, settings: JudgeSettings | ModerationSettings) -> Iterator[Mistake]:
    for place, question in enumerate(settings.questions if isinstance(settings, JudgeSettings) else ()):
        try:
            parse_template(question.ask if isinstance(question, Question) else "")
        except ValueError as error:
            remedy = "Write {column} for a value, and {{ or }} for a brace."
            yield Mistake((name, "questions", place), f"{error}.", remedy)


def _asker(chosen: ChosenPlugin) -> Asker:
    settings = _settings(chosen)
    return Asker(chosen.name, chosen.version, settings, _model(settings))


def _model(settings: ServerSettings) -> ModelSettings:
    from imagemake.config.model import ModelSettings  # slow to import, and most campaigns ask nobody

    return ModelSettings.model_validate(settings.as_model())


def _settings(chosen: ChosenPlugin) -> JudgeSettings | ModerationSettings:
    kind = JudgeSettings if chosen.name == JUDGE else ModerationSettings
    return kind.model_validate(chosen.settings)
