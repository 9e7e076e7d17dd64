"""Which prompts are moderated before anything is paid for."""

from types import SimpleNamespace

import pytest

from imagemake.plan.moderating import moderation_lines, unmoderated
from imagemake.plan.state import Stage

ASKED = {"a cat": "", "a weapon": "violence 0.97"}
INVENTORY = SimpleNamespace(answers=SimpleNamespace(flags=lambda identity, prompt: ASKED.get(prompt)))
CAMPAIGN = SimpleNamespace(prompts=SimpleNamespace(asker=SimpleNamespace(identity="moderation")))


def state(prompt, stage, *, is_submitted=False):
    recipe, request = SimpleNamespace(prompt=prompt), SimpleNamespace(name=prompt)
    return SimpleNamespace(recipe=recipe, request=request, stage=stage, is_submitted=is_submitted)


@pytest.mark.parametrize("stage", [Stage.GENERATE, Stage.WAITING])
def test_what_waits_for_another_image_is_moderated_before_that_image_is_paid_for(stage):
    states = [state(prompt, stage) for prompt in ("a cat", "a dog", "a dog", "a weapon")]
    assert unmoderated(states, CAMPAIGN, INVENTORY) == ["a dog"]


def test_what_is_at_the_provider_or_in_the_store_is_not_moderated():
    states = [state("a dog", Stage.GENERATE, is_submitted=True), state("a fox", Stage.VALIDATE)]
    assert unmoderated(states, CAMPAIGN, INVENTORY) == []


def test_a_flagged_prompt_is_told_while_its_image_still_waits_for_another():
    told = list(
        moderation_lines([state("a weapon", Stage.WAITING), state("a cat", Stage.WAITING)], [], CAMPAIGN, INVENTORY)
    )
    assert told == [
        "  1 prompt of these flagged by the moderation, before anything was paid for:",
        "    a weapon: violence 0.97",
    ]
