"""Whatever a server answers, each question gets an answer that tables can hold, and none is made up."""

from __future__ import annotations

import json
import math

import orjson
from hypothesis import given
from hypothesis import strategies as st

from imagemake.core.recipe import Recipe
from imagemake.plugins.asking import chat, decisions, deriving, moderations

QUESTIONS = [{"ask": "Is it red?", "scale": "yes_no"}, {"ask": "How nice?", "scale": "0-10"}]
ASKING = Recipe(
    "openai", "m", "Is it red?\nHow nice?", 0, {"api": "chat", "questions": QUESTIONS}, references=("0" * 64,)
)
TEXTS = Recipe("openai", "m", "", 0, {"api": "moderations", "texts": ["a", "b"]})
PROMPT = Recipe("openai", "m", "A red mug.", 0, {"api": "derive"})

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
ANSWER = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["predicate", "score", "choice", "refusal"]) | JSON,
        "name": st.sampled_from(["q1", "q2", "q3"]) | JSON,
        "probability": JSON,
        "score": JSON,
    },
)
MESSAGE = st.fixed_dictionaries(
    {},
    optional={
        "content": JSON | st.dictionaries(st.sampled_from(["q1", "q2", "questions"]), JSON).map(json.dumps),
        "refusal": JSON,
    },
)
CHOICE = st.fixed_dictionaries({"message": MESSAGE | JSON}, optional={"finish_reason": JSON, "logprobs": JSON})


def is_answer(answer):
    orjson.dumps(answer)
    (name, value), *others = answer.items()
    assert not others
    if name == "yes":
        assert isinstance(value, float)
        assert 0 <= value <= 1
    elif name == "points":
        assert isinstance(value, float)
        assert 0 <= value <= 10
    elif name == "refused":
        assert value is True
    else:
        assert name == "missing"
        assert isinstance(value, str)
    return True


@given(
    st.dictionaries(st.just("answers"), st.lists(ANSWER | JSON, max_size=3) | JSON) | st.dictionaries(st.text(), JSON)
)
def test_any_decision_gives_each_question_one_answer(response):
    answers = decisions.answers_in(response, ASKING)
    assert answers is None or (len(answers) == 2 and all(map(is_answer, answers)))


@given(st.fixed_dictionaries({"choices": st.lists(CHOICE | JSON, max_size=2) | JSON}))
def test_any_completion_gives_each_question_one_answer(response):
    answers = chat.answers_in(response, ASKING)
    assert answers is None or (len(answers) == 2 and all(map(is_answer, answers)))


@given(st.fixed_dictionaries({"choices": st.lists(CHOICE | JSON, max_size=2) | JSON}))
def test_any_completion_gives_questions_that_can_be_asked_or_none(response):
    answers = deriving.API.answers_in(response, PROMPT)
    if answers is not None:
        (answer,) = answers
        questions = answer.get("questions", ())
        assert len(questions) <= deriving.MOST_QUESTIONS
        assert all(isinstance(one, str) and one and one.isprintable() for one in questions) or not questions


@given(st.dictionaries(st.just("results"), st.lists(JSON, max_size=3) | JSON))
def test_any_moderation_gives_each_text_a_result_or_says_that_there_is_none(response):
    answers = moderations.answers_in(response, TEXTS)
    for answer in answers or ():
        assert answer.get("missing") or isinstance(answer["flagged"], bool)
        assert all(0 <= score <= 1 for score in answer.get("scores", {}).values())
    assert answers is None or len(answers) == 2


def test_answers_without_names_count_in_their_order_only_if_there_is_one_for_each_question():
    right = [{"type": "predicate", "probability": 0.9}, {"type": "score", "score": 7.5}]
    assert decisions.answers_in({"answers": right}, ASKING) == [{"yes": 0.9}, {"points": 7.5}]
    (first, second) = decisions.answers_in({"answers": right[:1]}, ASKING)
    assert "missing" in first
    assert "missing" in second


def test_an_answer_to_one_question_is_kept_if_the_other_is_refused():
    told = [{"type": "refusal", "name": "q1"}, {"type": "score", "name": "q2", "score": 3}]
    assert decisions.answers_in({"answers": told}, ASKING) == [{"refused": True}, {"points": 3.0}]


def completion(text, logprobs=None, refusal=None):
    choice = {"message": {"content": text, "refusal": refusal}, "finish_reason": "stop", "logprobs": logprobs}
    return {"choices": [choice]}


def test_the_probability_of_yes_is_that_of_the_token_that_decides():
    text = '{"q1":"no","q2":4}'
    alternatives = [("no", 0.6), ("yes", 0.2), (" Yes", 0.1), ("maybe", 0.1)]
    top = [{"token": token, "logprob": math.log(share)} for token, share in alternatives]
    tokens = [{"token": '{"q1":"', "top_logprobs": []}, {"token": "no", "top_logprobs": top}, {"token": '","q2":4}'}]
    (color, points) = chat.answers_in(completion(text, {"content": tokens}), ASKING)
    assert color == {"yes": round(0.3 / 0.9, 6)}
    assert points == {"points": 4.0}
    assert chat.answers_in(completion(text), ASKING)[0] == {"yes": 0.0}, "without probabilities, the word counts"


def test_a_refusal_refuses_every_question_and_a_model_that_cannot_tell_says_so():
    assert chat.answers_in(completion(None, refusal="I will not."), ASKING) == [{"refused": True}] * 2
    (color, points) = chat.answers_in(completion('{"q1":"cannot tell"}'), ASKING)
    assert color == {"missing": "the model cannot tell"}
    assert "missing" in points
