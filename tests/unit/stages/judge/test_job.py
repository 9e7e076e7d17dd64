"""Judging a batch: what is asked, what is kept, and what becomes of calls that fail."""

from __future__ import annotations

import random
from dataclasses import replace
from types import MappingProxyType

import orjson
import pytest
from fake_openai import Settings
from image_files import saved
from PIL import Image

from imagemake.config.campaign import load_campaign
from imagemake.config.job_settings import JobSettings, job_settings_json
from imagemake.core.recipe import Recipe
from imagemake.images.decoded import decode_image
from imagemake.plugins.asking.sent_image import sent_image
from imagemake.stages.generate.calls import StoppedError
from imagemake.stages.judge.job import judge_for_job
from imagemake.stages.validate.answers import answers_of
from imagemake.store.items import FailureReason, Item
from imagemake.store.journal import Outcome, read_calls
from imagemake.store.store import Store

BASE = {"campaign": "c", "catalog": "c.csv", "prompt": "{product}", "name": "{product}"}


def png_of(name, edge_px=32):
    color = tuple(random.Random(name).randbytes(3))
    return saved(Image.new("RGB", (edge_px, edge_px), color), "PNG")


QUICK = {"first_wait_s": 0.001, "longest_wait_s": 0.002, "tries": 2, "judge_calls_in_flight": 2}


@pytest.fixture
def judging(tmp_path, stand_in, monkeypatch):
    stand_in.renew(Settings())
    monkeypatch.setenv("OPENAI_API_KEY", "sk-stand-in")

    class Judging:
        server = stand_in
        store = Store(tmp_path / "store")
        questions = ("Is this a {product}?", {"ask": "How sharp is it?", "scale": "0-10", "name": "sharp"})
        more = MappingProxyType({})
        limits = QUICK

        @property
        def campaign(self):
            judge = {"base_url": stand_in.base_url, "key_from": "OPENAI_API_KEY", "model": "gpt-6-luna"}
            judge |= {"api": "decisions", "questions": self.questions, **self.more}
            return load_campaign({**BASE, "validation": {"measures": {"judge": judge}}, "limits": self.limits})

        def item(self, name, measures=None):
            recipe = Recipe("preview", "preview-1", name, 0)
            raw = self.store.raw.put(recipe.key(), png_of(name), durable=False)
            told = {"file@1": {"format": "png"}} if measures is None else measures
            return Item(name, 0, recipe, recipe.key(), "new", {"product": name}, raw, told)

        def judge(self, *items):
            campaign = self.campaign
            settings = JobSettings(orjson.loads(job_settings_json(campaign, "campaign", "validation", "limits")))
            return judge_for_job(items, settings, job="j", calls=2, store=self.store.root, work=tmp_path / "work")

        def answers(self, item):
            wanted = self.campaign.validation.asked.wanted(item.recipe.prompt, item.variables)
            return {one.name: one for one in answers_of(wanted, item.measures)}

        @property
        def calls(self):
            return list(read_calls(self.store.journal_folder))

    return Judging()


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


def test_what_is_sent_is_no_larger_than_the_model_reads():
    small, large = png_of("small", 64), png_of("large", 300)
    assert sent_image(small, 128) == small
    shrunk = decode_image(sent_image(large, 128))
    assert max(shrunk.pil.size) == 128
