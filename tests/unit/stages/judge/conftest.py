"""Images to judge, and a server that answers about them."""

from __future__ import annotations

import random
from types import MappingProxyType

import orjson
import pytest
from fake_openai import Settings
from image_files import saved
from PIL import Image

from imagemake.config.campaign import load_campaign
from imagemake.config.job_settings import JobSettings, job_settings_json
from imagemake.core.recipe import Recipe
from imagemake.stages.judge.job import judge_for_job
from imagemake.stages.validate.answers import answers_of
from imagemake.store.items import Item
from imagemake.store.journal import read_calls
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
        models = MappingProxyType({})
        limits = QUICK

        @property
        def campaign(self):
            judge = {"base_url": stand_in.base_url, "key_from": "OPENAI_API_KEY", "model": "gpt-6-luna"}
            judge |= {"api": "decisions", "questions": self.questions, **self.more}
            given = {"validation": {"measures": {"judge": judge}}, "limits": self.limits, "models": self.models}
            return load_campaign({**BASE, **given})

        png_of = staticmethod(png_of)

        def item(self, name, measures=None):
            recipe = Recipe("preview", "preview-1", name, 0)
            raw = self.store.raw.put(recipe.key(), png_of(name), durable=False)
            told = {"file@1": {"format": "png"}} if measures is None else measures
            return Item(name, 0, recipe, recipe.key(), "new", {"product": name}, raw, told)

        def judge(self, *items):
            campaign = self.campaign
            sections = job_settings_json(campaign, "campaign", "validation", "limits", "models")
            settings = JobSettings(orjson.loads(sections))
            return judge_for_job(items, settings, job="j", calls=2, store=self.store.root, work=tmp_path / "work")

        def answers(self, item):
            wanted = self.campaign.validation.asked.wanted(item.recipe.prompt, item.variables)
            return {one.name: one for one in answers_of(wanted, item.measures)}

        @property
        def calls(self):
            return list(read_calls(self.store.journal_folder))

    return Judging()
