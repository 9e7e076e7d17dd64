"""The calls that ask about images and prompts: pure functions from what is missing to recipes and keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from imagemake.config.asked import MODERATION, PROMPTS, Asked, Asker, Wanted, question_identity
from imagemake.core.recipe import Json, Recipe
from imagemake.core.text import counted
from imagemake.plugins.asking import YES_NO
from imagemake.plugins.measures.judge import AUTO, JudgeSettings
from imagemake.store.answers import answer_key, prompt_digest
from imagemake.store.items import Item
from imagemake.store.store import StoredFile

MOST_QUESTIONS = 100  # of a call; the Decisions API takes 400
MOST_PROMPTS, MOST_CHARACTERS = 32, 100_000  # of a call to moderate


class Call(NamedTuple):
    """A call to make.

    Attributes:
        asker: Who is asked.
        item: What is asked, as the item of a batch: its recipe, and the key of the answers.
    """

    asker: Asker
    item: Item


class Question(NamedTuple):
    """A question as it is sent."""

    asker: str
    ask: str
    scale: str

    @property
    def identity(self) -> str:
        """The identity under which its answer is kept."""
        return self.asker if self.scale == MODERATION else question_identity(self.asker, self.ask, self.scale)


def questions_to_send(missing: Iterable[Wanted], derived: Sequence[str]) -> Iterator[Question]:
    """Yield the single questions that are to be asked for what is missing.

    Args:
        missing: What has no answer.
        derived: The questions that were derived from the prompt, as far as they are known.
    """
    for one in missing:
        asker = one.identity.partition("/")[0]
        if one.scale == AUTO:
            yield from (Question(asker, text, YES_NO) for text in derived)
        else:
            yield Question(asker, one.text, one.scale)


def calls_about(
    name: str, attempt: int, image: StoredFile, questions: Iterable[Question], asked: Asked
) -> Iterator[Call]:
    """Yield the calls that ask questions about an image: one for each model, unless they are too many for one.

    Args:
        name: Name of the request, for the journal.
        attempt: Number of its attempt.
        image: The image.
        questions: The questions, each once.
        asked: Knows who is asked.
    """
    by_asker: dict[str, list[Question]] = {}
    for question in dict.fromkeys(questions):
        by_asker.setdefault(question.asker, []).append(question)
    for identity, own in by_asker.items():
        asker = asked.of(identity)
        assert asker is not None
        for start in range(0, len(own), MOST_QUESTIONS):
            yield Call(asker, _item(name, attempt, image.digest, asker, own[start : start + MOST_QUESTIONS]))


def _item(name: str, attempt: int, digest: str, asker: Asker, questions: Sequence[Question]) -> Item:
    parameters: dict[str, Json] = {"api": asker.api, "asker": asker.identity, "edge_px": asker.edge_px}
    if isinstance(asker.settings, JudgeSettings):
        parameters["questions"] = [{"ask": one.ask, "scale": one.scale} for one in questions]
        if asker.settings.detail is not None:
            parameters["detail"] = asker.settings.detail
        if asker.settings.logprobs:
            parameters["logprobs"] = True
    text = "\n".join(one.ask for one in questions)
    recipe = Recipe(
        asker.model.provider,
        asker.model.name,
        text,
        0,
        parameters,
        endpoint=asker.model.endpoint,
        references=(digest,),
    )
    return Item(name, attempt, recipe, answer_key(digest, recipe), "")


def calls_to_moderate(prompts: Sequence[str], asker: Asker) -> Iterator[Call]:
    """Yield the calls that ask a moderation endpoint about prompts, several in each."""
    together: list[str] = []
    for prompt in prompts:
        if together and (len(together) == MOST_PROMPTS or sum(map(len, together)) + len(prompt) > MOST_CHARACTERS):
            yield _to_moderate(together, asker)
            together = []
        together.append(prompt)
    if together:
        yield _to_moderate(together, asker)


def _to_moderate(prompts: Sequence[str], asker: Asker) -> Call:
    parameters: dict[str, Json] = {"api": asker.api, "asker": asker.identity, "texts": list(prompts)}
    recipe = Recipe(asker.model.provider, asker.model.name, "", 0, parameters, endpoint=asker.model.endpoint)
    name = counted(len(prompts), "prompt")
    return Call(asker, Item(name, 0, recipe, answer_key(prompt_digest(PROMPTS), recipe), ""))


def call_to_derive(name: str, prompt: str, asker: Asker) -> Call:
    """Return the call that derives questions from a prompt.

    Args:
        name: Name of a request with that prompt, for the journal.
        prompt: The prompt.
        asker: The judge.
    """
    assert isinstance(asker.settings, JudgeSettings)
    parameters: dict[str, Json] = {"api": "derive", "asker": asker.identity}
    model = asker.settings.derive_by or asker.model.name
    recipe = Recipe(asker.model.provider, model, prompt, 0, parameters, endpoint=asker.model.endpoint)
    return Call(asker, Item(name, 0, recipe, answer_key(prompt_digest(prompt), recipe), ""))
