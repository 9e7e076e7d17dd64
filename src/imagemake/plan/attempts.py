"""The attempt after a rejected one: another seed and a patched prompt, and so its own recipe and key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from imagemake.core.recipe import Recipe, derive_seed

if TYPE_CHECKING:
    from imagemake.plan.reviews import Review


def recipe_of_attempt(first: Recipe, attempt: int, failed_for: Sequence[str], patches: Mapping[str, str]) -> Recipe:
    """Return the recipe of one attempt.

    Args:
        first: The request's own recipe, which is that of attempt 0.
        attempt: The number of the attempt, from 0.
        failed_for: The reason codes of all earlier attempts, in order. Each patch is appended once.
        patches: Text to append to the prompt, by reason code (``tone.contrast``) or by its first part (``tone``).
    """
    if attempt == 0:
        return first
    patched = " ".join([first.prompt, *patches_for(failed_for, patches)])
    return replace(first, prompt=patched, seed=derive_seed(first.seed, "attempt", attempt))


def recipe_of_repair(first: Recipe, attempt: int, instruction: str, digest: str, mask: str | None = None) -> Recipe:
    """Return the recipe of an attempt that repairs a rejected image.

    Args:
        first: The recipe that attempts derive from.
        attempt: The number of the attempt, from 0.
        instruction: What to change.
        digest: SHA-256 of the rejected image, which is the only one that is sent.
        mask: SHA-256 of the mask; None if all of the image may change.
    """
    seed = derive_seed(first.seed, "attempt", attempt)
    return replace(first, prompt=f"{instruction}\n{first.prompt}", seed=seed, references=(digest,), mask=mask)


def patches_for(codes: Iterable[str], patches: Mapping[str, str]) -> list[str]:
    """Return the texts to append for these reason codes: each once, in the order of the codes."""
    found = (patches.get(code, patches.get(code.partition(".")[0])) for code in codes)
    return list(dict.fromkeys(text for text in found if text))


def edited_prompt(prompt: str, review: Review) -> str:
    """Return the prompt that a reviewer wants instead of the one whose image they saw."""
    return review.prompt.strip() or " ".join(part for part in (prompt, review.patch.strip()) if part)
