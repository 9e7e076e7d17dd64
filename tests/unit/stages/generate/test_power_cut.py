"""Whenever the power fails, what was paid for is on disk, and what was sent is in the journal."""

import asyncio
from pathlib import Path

import pytest
from fake_openai import BatchSettings, Settings
from fake_queue import FakeQueue
from power_cut import PowerCut, lost, records

from imagemake.config.job_settings import JobSettings
from imagemake.config.run import Budget, Limits
from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import (
    Connection,
    FailureKind,
    ImageResponse,
    Provider,
    ProviderError,
)
from imagemake.plugins.providers.fal.provider import FalProvider
from imagemake.plugins.providers.openai.provider import OpenAIProvider
from imagemake.stages.generate.calls import CallRunner
from imagemake.stages.generate.gate import Gate
from imagemake.stages.generate.job import generate_for_job
from imagemake.stages.generate.kept_answers import kept_answers, read_kept
from imagemake.stages.generate.one_call import Caller
from imagemake.stages.generate.rate_limit import SharedPace
from imagemake.store.fallback import journal_record_file, take_back, write_elsewhere
from imagemake.store.items import Item
from imagemake.store.journal import Journal, Outcome
from imagemake.store.spending import SpendTracker
from imagemake.store.store import Store

QUICK = Limits(first_wait_s=0.001, longest_wait_s=0.002, tries=1)


@pytest.fixture
def power(tmp_path, monkeypatch):
    return PowerCut(tmp_path / "store", monkeypatch)


class Shop(Provider):
    """Looks at the disk when it is called, and answers by what the prompt says."""

    paid = True

    def __init__(self, power):
        super().__init__(Connection())
        self.power, self.sent = power, []

    async def generate(self, recipe):
        self.sent.append({one["key"] for one in records(self.power.left()) if one["event"] == "sent"})
        if recipe.prompt == "unreadable":
            raise ProviderError("no image", FailureKind.UNREADABLE, body=b"paid for")
        if recipe.prompt == "at a URL":
            raise ProviderError("a URL", FailureKind.TO_FETCH, body=b"paid for, too")
        return ImageResponse(f"image of {recipe.prompt}".encode(), more=(b"a second one",))

    async def read_again(self, body):
        assert body in self.power.left().values(), "a crash while its image is fetched would lose the response"
        return ImageResponse(b"fetched")


def items(*prompts, provider="openai", model="m", **more):
    recipes = [Recipe(provider, model, prompt, 0, **more) for prompt in prompts]
    return [Item(recipe.prompt, 0, recipe, recipe.key(), "new") for recipe in recipes]


def buy(tmp_path, provider, given):
    async def inside():
        gate = Gate(2, SharedPace(tmp_path / "pace.json", QUICK))
        store, tracker = Store(tmp_path / "store"), SpendTracker(tmp_path / "spending.json", Budget())
        journal = Journal(store.journal_folder, "job", durable=True)
        return await CallRunner(
            Caller(provider, store, journal, QUICK, gate, tracker, "c", lambda _: None)
        ).generate_all(given)

    return asyncio.run(inside())


def test_a_call_is_on_disk_before_it_is_sent_and_its_bytes_before_the_journal_says_so(power, tmp_path):
    shop, given = Shop(power), items("mug", "hat", "unreadable", "at a URL")
    buy(tmp_path, shop, given)
    assert all(item.key in set().union(*shop.sent) for item in given)
    assert len(shop.sent[0]) >= 1
    assert [len(sent) for sent in shop.sent] == sorted(len(sent) for sent in shop.sent)
    assert not any(map(lost, power.moments))
    assert sorted(one["outcome"] for one in records(power.left()) if one["event"] == "closed") == [
        *["made"] * 3,
        "unreadable",
    ]


def test_a_kept_response_stays_until_its_image_is_on_disk(power, tmp_path):
    store, (item,) = Store(tmp_path / "store"), items("mug")
    journal = Journal(store.journal_folder, "job", durable=True)
    call = journal.sent(campaign="c", name="mug", key=item.key, attempt=0, tried=1, recipe=item.recipe.as_dict())
    journal.close()
    store.keep_unreadable(call, b"the response")

    class Reader(Shop):
        async def read_again(self, body):
            return ImageResponse(b"image", more=(b"second",))

    asyncio.run(read_kept(kept_answers(store), Reader(power), store, lambda _: None))
    assert not any(map(lost, power.moments))
    kept = [f"unreadable/{call}.bin" in left or b"image" in left.values() for left in power.moments]
    assert kept == [False] * kept.index(True) + [True] * (len(kept) - kept.index(True))


def test_what_is_taken_back_from_another_folder_is_on_disk_before_it_goes_there(power, tmp_path, monkeypatch):
    monkeypatch.setenv("IMAGEMAKE_FALLBACK", str(tmp_path / "elsewhere"))
    (item,) = items("mug")

    def written(folder):
        store = Store(folder)
        stored = store.raw.put(item.key, b"image", durable=True)
        path = journal_record_file(folder, Path("journal", "2026-11-27", "a.jsonl"))
        journal = Journal(folder / "journal", "job", durable=True, path=path)
        journal.closed("c-1", Outcome.MADE, key=item.key, digest=stored.digest)
        journal.close()

    write_elsewhere(power.root, written)
    power.moments.clear()
    assert take_back(power.root) == 1
    assert not any(map(lost, power.moments))
    assert [one["call"] for one in records(power.left())] == ["c-1"]


def test_a_request_for_a_queue_is_marked_before_it_is_sent_and_its_ticket_is_on_disk_before_it_is_polled(
    power, tmp_path, monkeypatch
):
    submit, poll = FalProvider.submit, FalProvider.poll

    async def looked(self, recipe, images):
        left = power.left()
        assert f"open/{recipe.key()}" in left
        assert recipe.key() in {one["key"] for one in records(left)}
        return await submit(self, recipe, images)

    async def polled(self, ticket):
        assert ticket.id in {one["ticket"]["id"] for one in records(power.left()) if one["event"] == "submitted"}
        return await poll(self, ticket)

    monkeypatch.setattr(FalProvider, "submit", looked)
    monkeypatch.setattr(FalProvider, "poll", polled)
    monkeypatch.setenv("FAL_KEY", "stand-in-key")
    with FakeQueue("fal") as server:
        model = {"provider": "fal", "name": "fal-ai/flux-2-pro", "base_url": server.base_url, "key_from": "FAL_KEY"}
        settings = JobSettings({"campaign": "c", "model": model})
        given = items("mug", provider="fal", model="fal-ai/flux-2-pro")
        (made,) = generate_for_job(given, settings, job="j", calls=1, store=power.root, work=tmp_path / "work")
    assert made.raw, made.failure
    assert not any(map(lost, power.moments))


def test_a_batch_is_on_disk_before_it_is_created_and_its_images_before_the_journal_says_so(
    power, tmp_path, monkeypatch, stand_in
):
    stand_in.renew(Settings(any_size=True, batches=BatchSettings(duration_s=0.1)))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-stand-in")
    create = OpenAIProvider.create_batch

    async def looked(self, file, endpoint, metadata):
        left = power.left()
        assert {item.key for item in given} == {one["key"] for one in records(left)}
        (submission,) = (content for path, content in left.items() if path.startswith("submissions/"))
        assert b'"creating"' in submission
        return await create(self, file, endpoint, metadata)

    monkeypatch.setattr(OpenAIProvider, "create_batch", looked)
    model = {"provider": "openai", "name": "gpt-image-2", "base_url": stand_in.base_url, "identity": "here"}
    settings = {"campaign": "c", "model": {**model, "mode": "batch", "key_from": "OPENAI_API_KEY"}}
    settings["limits"] = {"first_wait_s": 0.02, "longest_wait_s": 0.1}
    size = {"size": "64x64", "quality": "low"}
    given = items("mug", "hat", model="gpt-image-2", parameters=size, endpoint="here")
    made = generate_for_job(given, JobSettings(settings), job="j", calls=2, store=power.root, work=tmp_path)
    assert all(item.raw for item in made)
    assert not any(map(lost, power.moments))
