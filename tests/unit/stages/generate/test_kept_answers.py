"""Kept responses are read again before anything is paid for: the image counts once, and so does its price."""

import asyncio
from decimal import Decimal

import pytest

from imagemake.config.job_settings import JobSettings
from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import NOT_FETCHED, Connection, FailureKind, ImageResponse, Provider, ProviderError
from imagemake.plugins.providers.openai.provider import OpenAIProvider
from imagemake.stages.generate.job import generate_for_job
from imagemake.stages.generate.kept_answers import kept_answers, read_kept
from imagemake.store.items import Item
from imagemake.store.journal import Journal, Outcome, read_calls
from imagemake.store.spending import spent_usd
from imagemake.store.store import Store
from imagemake.store.submissions import Submission, Submissions, SubmissionStep

RECIPE = Recipe("openai", "m", "mug", 0)
KEY = RECIPE.key()


class Reader(Provider):
    """A provider that reads what it is told."""

    paid = True

    def __init__(self, *found):
        super().__init__(Connection())
        self.found, self.bodies = list(found), []

    async def generate(self, recipe):
        raise NotImplementedError

    async def read_again(self, body):
        self.bodies.append(body)
        found = self.found.pop(0)
        if isinstance(found, Exception):
            raise found
        return ImageResponse(found, usage={"total_tokens": 3}) if isinstance(found, bytes) else found


def not_yet(message="HTTP 503"):
    return ProviderError(message, FailureKind.UNREADABLE, code=NOT_FETCHED)


def gone():
    return ProviderError("HTTP 403", FailureKind.UNREADABLE)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def kept(store):
    """A call that was paid for and whose response is kept; None for how it ended if the job was killed."""

    def keep(code=NOT_FETCHED, recipe=RECIPE, ended=True, **sent):
        journal = Journal(store.journal_folder, "job", durable=True)
        facts = {"campaign": "c", "name": "mug", "key": recipe.key(), "attempt": 0, "tried": 1, "worst_usd": 0.5}
        call = journal.sent(**facts, recipe=recipe.as_dict(), **sent)
        if ended:
            told = {"usage": {"total_tokens": 7}, "request_id": "req_7", "cost_usd": 0.25, "seconds": 2.0}
            journal.closed(call, Outcome.UNREADABLE, key=recipe.key(), code=code, message="no", **told)
        journal.close()
        store.keep_unreadable(call, b"the response")
        return call

    return keep


def read(store, provider):
    return asyncio.run(read_kept(kept_answers(store), provider, store, lambda _: None))


def only_call(store):
    (call,) = read_calls(store.journal_folder)
    return call


@pytest.mark.parametrize("code", [None, NOT_FETCHED])
def test_what_can_be_read_now_is_the_image_that_was_paid_for(store, kept, code):
    kept(code)
    assert read(store, Reader(b"image")) == {KEY: None}
    assert store.raw.read(store.raw.find(KEY)) == b"image"
    assert not store.unreadable()
    closed = only_call(store).closed
    assert (closed["outcome"], closed["request_id"], closed["usage"]) == ("made", "req_7", {"total_tokens": 7})
    assert (closed["cost_usd"], closed["digest"]) == (0.25, store.raw.find(KEY).digest)
    assert spent_usd(read_calls(store.journal_folder), "c") == Decimal("0.25"), "the price counts once"


def test_further_images_of_the_response_are_kept_too(store, kept):
    call = kept()
    read(store, Reader(ImageResponse(b"image", more=(b"second",))))
    assert only_call(store).closed["more"] == [f"{call}-2.bin"]
    assert (store.root / "more" / f"{call}-2.bin").read_bytes() == b"second"


def test_what_still_does_not_come_stays_and_fills_no_journal(store, kept):
    call = kept()
    (before,) = store.journal_folder.glob("*/*.jsonl")
    size = before.stat().st_size
    for _ in range(3):
        assert read(store, Reader(not_yet("HTTP 502")))[KEY].code == NOT_FETCHED
    assert before.stat().st_size == size
    assert set(store.unreadable()) == {call}


def test_what_will_not_come_is_told_once_and_stays(store, kept):
    kept()
    for _ in range(2):
        read(store, Reader(gone()))
    call = only_call(store)
    assert (call.outcome, call.closed.get("code"), call.closed["message"]) == ("unreadable", None, "HTTP 403")
    assert call.closed["cost_usd"] == 0.25
    assert store.unreadable()


def test_a_response_whose_job_was_killed_while_it_fetched_is_read(store, kept):
    kept(ended=False)
    read(store, Reader(b"image"))
    assert (only_call(store).outcome, only_call(store).closed["usage"]) == ("made", {"total_tokens": 3})


@pytest.mark.parametrize("step", ["image", "journal"])
def test_a_kill_between_two_steps_counts_nothing_twice(store, kept, monkeypatch, step):
    kept()

    def dies(*_, **__):
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        target = (Journal, "closed") if step == "image" else (Store, "forget_unreadable")
        patch.setattr(*target, dies)
        with pytest.raises(RuntimeError, match="killed"):
            read(store, Reader(b"image"))
    assert read(store, Reader(b"image")) == {KEY: None}
    assert only_call(store).outcome == "made"
    assert len(list(store.raw.all())) == 1
    assert not store.unreadable()
    assert not list(store.root.glob("more/*"))


def test_an_image_that_came_from_elsewhere_meanwhile_stays_and_the_other_is_kept(store, kept):
    call = kept()
    store.raw.put(KEY, b"another", durable=True)
    read(store, Reader(b"image"))
    assert store.raw.read(store.raw.find(KEY)) == b"another"
    assert (store.root / "more" / f"{call}-2.bin").read_bytes() == b"image"
    assert not store.unreadable()


def test_a_response_that_another_process_reads_is_left_to_it(store, kept):
    kept()
    claim = store.claim(KEY)
    claim.acquire()
    assert read(store, Reader()) == {}
    claim.release()


def test_a_line_of_an_open_batch_is_left_to_its_collection(store, kept):
    call = kept(ended=False, submission="s")
    submission = Submission("s", SubmissionStep.CREATED, "openai", None, "m", "j", {call: KEY}, "2026-11-24T00:00:00Z")
    Submissions(store.root).save(submission)
    assert kept_answers(store) == []
    Submissions(store.root).remove(submission)
    assert [one.key for one in kept_answers(store)] == [KEY]


def test_a_response_of_an_unknown_call_stays(store):
    store.keep_unreadable("f" * 32, b"whose?")
    assert kept_answers(store) == []
    assert store.unreadable()


def generate(store, tmp_path):
    settings = JobSettings({"campaign": "c", "model": {"provider": "openai", "name": "m"}})
    (made,) = generate_for_job(
        [Item("mug", 0, RECIPE, KEY, "new")], settings, job="j", calls=1, store=store.root, work=tmp_path
    )
    return made


@pytest.mark.parametrize("comes", [True, False])
def test_a_job_that_snakemake_starts_again_reads_before_it_pays(store, kept, tmp_path, monkeypatch, comes):
    reader = Reader(b"image" if comes else not_yet())

    async def no_call(*_):
        raise AssertionError("it was paid for twice")

    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdef")
    monkeypatch.setattr(OpenAIProvider, "read_again", lambda _, body: reader.read_again(body))
    monkeypatch.setattr(OpenAIProvider, "generate", no_call)
    kept(ended=False)
    made = generate(store, tmp_path)
    assert (made.raw is not None) == comes
    assert comes or (made.failure.reason, made.failure.message) == ("unreadable", "HTTP 503")
