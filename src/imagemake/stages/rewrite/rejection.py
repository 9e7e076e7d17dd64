"""Why an image was rejected, as a text model is told it; and its answer, if the campaign's rules allow it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from imagemake.config.asked import REWRITE, Asker
from imagemake.config.rewrite import Rewrite
from imagemake.config.verdict_codes import VerdictCode
from imagemake.core.recipe import Json, Recipe
from imagemake.core.text import forbidden_character, printable, with_plain_line_ends
from imagemake.stages.judge.calls import Call
from imagemake.stages.validate.answers import REFUSED
from imagemake.store.answers import KeptAnswers, answer_key
from imagemake.store.items import Item

if TYPE_CHECKING:
    from imagemake.stages.validate.answers import Answer
    from imagemake.stages.validate.verdict import Reason

MOST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Rejection:
    """A rejected image.

    Attributes:
        key: Key of its recipe.
        prompt: The prompt that it was made from.
        why: What names the rejection: codes, and what people wrote. Measured values and limits are not part of it, so
            that another limit asks nothing again.
        reasons: The reasons in words.
        answers: What the judge answered.
        keep: Texts of the campaign that the prompt has, and that stay.
    """

    key: str
    prompt: str
    why: tuple[str, ...]
    reasons: tuple[str, ...]
    answers: tuple[tuple[str, str], ...]
    keep: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What came of asking: a prompt, or the reason why there is none."""

    prompt: str = ""
    fault: str = ""


def names_of(reasons: Iterable[Reason]) -> tuple[str, ...]:
    """Return what names a rejection for these reasons."""
    return tuple(sorted({str(one) if one.code == VerdictCode.REVIEW else one.code for one in reasons}))


def rejection_of(
    key: str,
    prompt: str,
    reasons: Sequence[Reason],
    answers: Iterable[Answer],
    *,
    values: Mapping[str, str],
    rewrite: Rewrite,
) -> Rejection:
    """Return a rejection.

    Args:
        key: Key of the image's recipe.
        prompt: The prompt that it was made from.
        reasons: Why it was rejected.
        answers: What the judge answered about it.
        values: Values of the request, by column.
        rewrite: The campaign's rules.
    """
    told = [one for answer in answers for one in (answer.parts or (answer,))]
    kept = (template.render(values).strip() for template in rewrite.kept)
    return Rejection(
        key,
        prompt,
        names_of(reasons),
        tuple(map(str, reasons)),
        tuple((one.question, one.in_words()) for one in told),
        tuple(dict.fromkeys(text for text in kept if text and text in prompt)),
    )


def call_to_rewrite(name: str, attempt: int, rejection: Rejection, asker: Asker) -> Call:
    """Return the call that asks for a better prompt.

    Args:
        name: Name of the request, for the journal.
        attempt: Number of the rejected attempt.
        rejection: The rejection.
        asker: The text model.
    """
    rules = asker.settings
    assert isinstance(rules, Rewrite)
    told = {
        "prompt": rejection.prompt,
        "rejected_because": rejection.reasons,
        "judge": [{"question": question, "answer": answer} for question, answer in rejection.answers],
        "keep": rejection.keep,
        "at_most_characters": rules.max_characters,
        "instructions": rules.instructions,
    }
    text = orjson.dumps({what: value for what, value in told.items() if value}).decode()
    parameters: dict[str, Json] = {"api": REWRITE, "asker": asker.identity, "why": list(rejection.why)}
    recipe = Recipe(asker.model.provider, asker.model.name, text, 0, parameters, endpoint=asker.model.endpoint)
    return Call(asker, Item(name, attempt, recipe, answer_key(rejection.key, recipe), ""))


def kept_rewrite(kept: KeptAnswers, rejection: Rejection, asker: Asker) -> Rewritten | None:
    """Return what is kept for a rejection; None if nobody has asked.

    The store's files are not trusted: the rules are checked here.
    """
    for content in kept.about(rejection.key):
        asked, answers = content["asked"], content["answers"]
        of_rejection = asked.get("why") == list(rejection.why) and asked.get("asker") == asker.identity
        if of_rejection and asked.get("api") == REWRITE and answers and isinstance(answers[0], Mapping):
            return _read(answers[0], rejection, asker)
    return None


def _read(answer: Mapping[str, Any], rejection: Rejection, asker: Asker) -> Rewritten:
    assert isinstance(asker.settings, Rewrite)
    told = answer.get("prompt")
    if not isinstance(told, str):
        return Rewritten(fault=REFUSED if answer.get("refused") else printable(str(answer.get("missing", "no answer"))))
    prompt = with_plain_line_ends(told).strip()
    fault = _fault(prompt, rejection, asker.settings)
    return Rewritten(fault=f"the rewrite {fault}") if fault else Rewritten(prompt)


def _fault(prompt: str, rejection: Rejection, rules: Rewrite) -> str:
    """Return what is wrong with a rewritten prompt; empty if nothing is."""
    lost = next((text for text in rejection.keep if prompt.count(text) < rejection.prompt.count(text)), None)
    if not prompt:
        return "is empty"
    if character := forbidden_character(prompt):
        return f"contains the control character {character}"
    if len(prompt) > rules.max_characters:
        return f"has {len(prompt):,} characters"
    if lost is not None:
        return f"lacks {lost[:MOST_SHOWN]!r}"
    return "is the same prompt" if prompt == rejection.prompt else ""
