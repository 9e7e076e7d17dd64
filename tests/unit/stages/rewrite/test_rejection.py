"""What a text model is told about a rejected image, which answers are used, and what asks again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagemake.config.rewrite import Rewrite
from imagemake.core.text import forbidden_character
from imagemake.plugins.asking import answers_file
from imagemake.stages.rewrite.rejection import call_to_rewrite, kept_rewrite, rejection_of
from imagemake.stages.validate.answers import Answer
from imagemake.stages.validate.verdict import Reason

KEY, PROMPT = "a" * 64, "A red ACME mug. ACME."
COLOR = Reason("judge.color", "'Is it red?': no (5% yes), below 0.5")
RULES = Rewrite(model="gpt-6-luna", keep=("{brand}", "Nowhere"), max_characters=60)


def rejection(*reasons, rules=RULES, key=KEY):
    answers = [Answer("color", "Is it red?", "yes_no", value=0.05)]
    return rejection_of(key, PROMPT, reasons or (COLOR,), answers, values={"brand": "ACME"}, rewrite=rules)


class Kept:
    """Answers in memory."""

    def __init__(self, call, *answers):
        self.content = {"asked": dict(call.item.recipe.parameters), "answers": list(answers)}

    def about(self, key):
        yield self.content


def read(answer, asked=None, now=None, rules=RULES):
    asker = RULES.asker()
    call = call_to_rewrite("mug", 0, asked or rejection(), asker)
    return kept_rewrite(Kept(call, answer), now or rejection(), rules.asker())


def test_the_model_is_told_the_reasons_the_answers_and_only_texts_that_the_prompt_has():
    told = call_to_rewrite("mug", 0, rejection(), RULES.asker()).item.recipe.prompt
    assert COLOR.text.replace('"', '\\"') in told
    assert '{"question":"Is it red?","answer":"no (5% yes)"}' in told
    assert '"keep":["ACME"]' in told


def test_another_limit_or_order_asks_nothing_again_but_other_reasons_notes_and_rules_do():
    good = {"prompt": "A bright red ACME mug. ACME."}
    other_limit = replace(COLOR, text="'Is it red?': no (5% yes), below 0.7")
    assert read(good, now=rejection(other_limit)).prompt == good["prompt"]
    blur = Reason("sharpness.focus", "1, below 2")
    assert read(good, rejection(COLOR, blur), rejection(blur, COLOR)).prompt
    assert read(good, now=rejection(COLOR, blur)) is None
    assert read(good, rejection(Reason("review", "six fingers")), rejection(Reason("review", "blurred"))) is None
    assert read(good, rules=RULES.model_copy(update={"instructions": "Studio light."})) is None
    assert read(good, rules=RULES.model_copy(update={"edition": 2})) is None
    elsewhere = RULES.model_copy(update={"key_from": "OTHER_KEY", "rates": {"requests_per_min": 5}})
    assert read(good, rules=elsewhere).prompt, "who pays and how fast changes no answer"


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ({"refused": True}, "the model refused to answer"),
        ({"missing": "the response has no prompt"}, "the response has no prompt"),
        ({}, "no answer"),
        ({"prompt": " \n"}, "the rewrite lacks"),
        ({"prompt": "A red mug."}, "the rewrite lacks 'ACME'"),
        ({"prompt": "A red ACME mug."}, "the rewrite lacks 'ACME'"),
        ({"prompt": f" {PROMPT}\r\n"}, "the rewrite is the same prompt"),
        ({"prompt": "ACME ACME \x1b[2J"}, "the rewrite contains the control character U+001B"),
        ({"prompt": "ACME ACME" + "!" * 60}, "the rewrite has 69 characters"),
        ({"prompt": ["ACME"]}, "no answer"),
    ],
)
def test_what_breaks_the_rules_is_not_used_and_says_why(answer, fault):
    found = read(answer)
    assert not found.prompt
    assert found.fault.startswith(fault) or "empty" in found.fault


LEAVES = st.none() | st.booleans() | st.floats() | st.text()


@given(st.recursive(LEAVES, lambda one: st.lists(one) | st.dictionaries(st.text(), one), max_leaves=4))
def test_no_answer_crashes_or_gets_past_the_rules(told):
    found = read({"prompt": told})
    assert bool(found.prompt) != bool(found.fault)
    if found.prompt:
        assert found.prompt.count("ACME") >= 2
        assert len(found.prompt) <= 60
        assert forbidden_character(found.prompt) is None


def test_what_is_kept_is_what_the_asker_wrote():
    call = call_to_rewrite("mug", 0, rejection(), RULES.asker())
    content = answers_file(call.item.recipe.parameters, None, [{"prompt": "x"}])
    assert b'"why":["judge.color"]' in content
    assert b"below 0.5" not in content, "measured values and limits are not what it is found by"
