"""Which answers the store has, by the identities under which tables and verdicts know them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from imagemake.config.asked import PROMPTS, Wanted, question_identity
from imagemake.plugins.asking import YES_NO
from imagemake.plugins.asking.deriving import usable_questions
from imagemake.plugins.measures import Value
from imagemake.plugins.measures.judge import AUTO
from imagemake.stages.judge.calls import Question, questions_to_send
from imagemake.stages.validate.answers import REFUSED, flagged_words, kept_fault, kept_parts, kept_values
from imagemake.store.answers import KeptAnswers, prompt_digest

Kept = dict[str, dict[str, Value]]  # by identity


class KnownAnswers:
    """The answers in a store as they were when this object was made.

    Args:
        root: Folder of the store.

    Attributes:
        kept: Reads the files.
    """

    def __init__(self, root: Path) -> None:
        self.kept = KeptAnswers(root)
        self._derived: dict[tuple[str, str], Sequence[str] | str | None] = {}
        self._flags: dict[tuple[str, str], str] | None = None

    def about(self, digest: str, wanted: Iterable[Wanted], edited: Sequence[str] = ()) -> Kept:
        """Return the known answers to questions about an image.

        Args:
            digest: SHA-256 of the image.
            wanted: The questions.
            edited: The derived questions as the user edited them; empty if not.
        """
        known = self._single(digest)
        found: Kept = {}
        for one in wanted:
            if one.scale == AUTO:
                summary = self._summary(one, known, edited)
                if summary is not None:
                    found[one.identity] = summary
            elif one.identity in known:
                found[one.identity] = known[one.identity]
        return found

    def open_questions(self, digest: str, missing: Sequence[Wanted], edited: Sequence[str] = ()) -> list[Question]:
        """Return the single questions that must be asked about an image.

        Args:
            digest: SHA-256 of the image.
            missing: What has no answer.
            edited: As in `about`.
        """
        auto = next((one for one in missing if one.scale == AUTO), None)
        derived = edited
        if auto is not None and not edited:
            found = self.derived(auto.identity.partition("/")[0], auto.text)
            derived = () if found is None or isinstance(found, str) else found
        known = self._single(digest)
        return [one for one in questions_to_send(missing, derived) if one.identity not in known]

    def derived(self, asker: str, prompt: str) -> Sequence[str] | str | None:
        """Return the questions derived from a prompt; a text says why there are none, and None that nobody asked."""
        if (asker, prompt) not in self._derived:
            self._derived[asker, prompt] = self._read_derived(asker, prompt)
        return self._derived[asker, prompt]

    def flags(self, asker: str, prompt: str) -> str | None:
        """Return why a moderation flags a prompt, empty if it does not; None if nobody asked."""
        if self._flags is None:
            self._flags = {}
            for content in self.kept.about(prompt_digest(PROMPTS)):
                asked, answers = content["asked"], content["answers"]
                for text, answer in zip(asked.get("texts", ()), answers, strict=False):
                    self._flags[str(asked.get("asker")), text] = flagged_words(answer)
        return self._flags.get((asker, prompt))

    def _read_derived(self, asker: str, prompt: str) -> Sequence[str] | str | None:
        for content in self.kept.about(prompt_digest(prompt)):
            asked, answers = content["asked"], content["answers"]
            if asked.get("api") != "derive" or asked.get("asker") != asker or not answers:
                continue
            listed = answers[0].get("questions") if isinstance(answers[0], Mapping) else None
            if isinstance(listed, list):
                return usable_questions(listed)
            return REFUSED if answers[0].get("refused") else "no questions could be derived from the prompt"
        return None

    def _summary(self, wanted: Wanted, known: Kept, edited: Sequence[str]) -> dict[str, Value] | None:
        asker = wanted.identity.partition("/")[0]
        questions = edited or self.derived(asker, wanted.text)
        if questions is None:
            return None
        if isinstance(questions, str):
            return kept_fault(questions)
        parts = [(text, known.get(question_identity(asker, text, YES_NO))) for text in questions]
        if any(kept is None for _, kept in parts):
            return None
        return kept_parts([(text, kept) for text, kept in parts if kept is not None])

    def _single(self, digest: str) -> Kept:
        found: Kept = {}
        for content in self.kept.about(digest):
            if content.get("image") == digest:
                found |= _answers_in(content)
        return found


def _answers_in(content: Mapping[str, Any]) -> Kept:
    asked, answers = content["asked"], content["answers"]
    asker, questions = str(asked.get("asker")), asked.get("questions")
    if questions is None:
        return {asker: kept_values("moderation", answers[0])} if answers else {}
    return {
        question_identity(asker, one["ask"], one["scale"]): kept_values(one["scale"], answer)
        for one, answer in zip(questions, answers, strict=False)
    }
