"""Judging a batch: what is asked, what is kept, and what becomes of calls that fail."""

from __future__ import annotations

from dataclasses import replace

import pytest

from imagemake.images.decoded import decode_image
from imagemake.plugins.asking.sent_image import sent_image
from imagemake.stages.generate.calls import StoppedError
from imagemake.store.items import FailureReason
from imagemake.store.journal import Outcome


def test_each_image_is_asked_about_once_and_another_question_alone(judging):
    mug, hat = judging.judge(judging.item("mug"), judging.item("hat"))
    assert judging.answers(mug)["is_this_a"].question == "Is this a mug?"
    assert judging.answers(hat)["sharp"].value == pytest.approx(9.5)
    assert sorted((call.sent["kind"], call.sent["name"], call.outcome) for call in judging.calls) == [
        ("judge", "hat", Outcome.MADE),
        ("judge", "mug", Outcome.MADE),
    ]
    judging.judge(judging.item("mug"), judging.item("hat"))
    assert len(judging.calls) == 2, "the tables were lost, and the store has the answers"
    judging.questions = (*judging.questions, "Is it new?")
    judging.judge(judging.item("mug"), judging.item("hat"))
    assert sorted(call.prompt for call in judging.server.calls())[:2] == ["Is it new?"] * 2
    assert len(judging.calls) == 4


def test_images_that_other_checks_reject_are_not_asked_about(judging):
    (item,) = judging.judge(judging.item("mug", {"file@1": {"format": "gif"}}))
    assert judging.calls == []
    assert item.failure is None


@pytest.mark.parametrize(
    ("judge", "fault"),
    [
        ({"blocked": True}, "the model refused to answer"),
        ({"refused_share": 1.0}, "the model refused to answer"),
        ({"missing_share": 1.0}, "the response has no answer to this question"),
        ({"garbage_share": 1.0, "garbage": '{"answers": [{"probability": 7}], "usage": {}}'}, "no answer"),
        ({"garbage_share": 1.0, "garbage": '"a text"'}, "the response cannot be read"),
    ],
)
def test_a_refusal_and_a_useless_response_are_kept_as_answers_and_not_asked_again(judging, judge, fault):
    judging.server.change(judge=judge)
    (item,) = judging.judge(judging.item("mug"))
    answers = judging.answers(item)
    assert [one.value for one in answers.values()] == [None, None]
    assert all(fault in one.fault for one in answers.values())
    assert {one.doubt for one in answers.values()} == {1.0}
    judging.judge(judging.item("mug"))
    assert len(judging.calls) == 1


def test_a_call_without_an_answer_is_recorded_and_tried_again(judging):
    judging.server.change(judge={"fail_first": 1, "fail_status": 500})
    (item,) = judging.judge(judging.item("mug"))
    assert [call.outcome for call in judging.calls] == [Outcome.UNKNOWN, Outcome.MADE]
    assert item.failure is None


def test_an_image_whose_calls_all_fail_says_so_and_has_no_verdict(judging):
    judging.server.change(judge={"fail_first": 9, "fail_status": 500})
    (item,) = judging.judge(judging.item("mug"))
    assert item.failure.reason is FailureReason.UNKNOWN
    assert "2 questions without an answer" in item.failure.message


def test_a_wrong_key_stops_the_job(judging, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(StoppedError, match="OPENAI_API_KEY is not set"):
        judging.judge(judging.item("mug"))


def test_derived_questions_are_asked_for_once_per_prompt_and_edited_ones_replace_them(judging):
    judging.questions, judging.more = ("auto",), {"api": "chat"}
    item = judging.item("red mug, one handle")
    (judged,) = judging.judge(item)
    (auto,) = judging.answers(judged).values()
    assert [part.question for part in auto.parts] == [
        "Does the image show this: red mug?",
        "Does the image show this: one handle?",
    ]
    assert sorted(call.sent["kind"] for call in judging.calls) == ["judge", "questions"]
    judging.judge(item)
    assert len(judging.calls) == 2
    edited = replace(item, questions=("Is the mug red?", "Does the image show this: one handle?"))
    judging.judge(edited)
    assert len(judging.calls) == 3, "the question that stayed is not asked again"
    assert "Is the mug red?" in [call.sent["recipe"]["prompt"] for call in judging.calls]


def test_what_is_sent_is_no_larger_than_the_model_reads(judging):
    small, large = judging.png_of("small", 64), judging.png_of("large", 300)
    assert sent_image(small, 128) == small
    shrunk = decode_image(sent_image(large, 128))
    assert max(shrunk.pil.size) == 128
