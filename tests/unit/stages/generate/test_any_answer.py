"""Whatever a server answers, a call ends in an image, in a kept response, or in a reason, and the journal has it."""

import asyncio
import json
import os
import tempfile
import time
from base64 import b64encode
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imagemake.config.run import Budget, Limits
from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import Connection, FailureKind, Provider, ProviderError
from imagemake.plugins.providers.http.answers import image_in, parsed, read_again
from imagemake.plugins.providers.http.download import NotFetchedError
from imagemake.plugins.providers.http.errors import error_of
from imagemake.plugins.providers.openai.batches import body_of
from imagemake.stages.generate.gate import Gate
from imagemake.stages.generate.one_call import Caller
from imagemake.stages.generate.rate_limit import SharedPace
from imagemake.store.items import Item
from imagemake.store.journal import Journal, Outcome, read_calls
from imagemake.store.spending import SpendTracker
from imagemake.store.store import Store

IMAGE = b64encode(bytes(range(256))).decode()
RECIPE = Recipe("openai", "m", "mug", 0)
ITEM = Item("mug", 0, RECIPE, RECIPE.key(), "new")
texts = st.text(st.characters(codec=None), max_size=20)  # lone surrogates too
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=12,
)
WORDS = """data b64_json url error usage message code type param detail loc msg custom_id response body status_code
total_tokens output_tokens input_tokens_details text_tokens"""
URLS = "/1.png https://example.org/1 data:image/png;base64,AAAA data:,x // http://["
words, urls = st.sampled_from(WORDS.split()), st.sampled_from([*URLS.split(), " "])
known = st.recursive(
    values | st.just(IMAGE) | urls,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=5),
    max_leaves=12,
)
answers = known | st.fixed_dictionaries(
    {"data": st.lists(st.dictionaries(st.sampled_from(["b64_json", "url"]), known, max_size=2), max_size=3)},
    optional={"usage": st.dictionaries(words, known, max_size=4), "error": known},
)


@pytest.fixture(autouse=True, scope="module")
def without_waiting_for_the_disk():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


def deep(around, levels):
    return (around % (b'{"a":' * levels + b"1" + b"}" * levels),)


def written(answer):
    return json.dumps(answer).encode()


def damaged(body, data):
    start = data.draw(st.integers(0, len(body)))
    return body[:start] + data.draw(st.binary(max_size=8)) + body[data.draw(st.integers(start, len(body))) :]


bodies = (
    st.binary(max_size=200)
    | answers.map(written)
    | st.builds(lambda answer, cut: written(answer)[:cut], answers, st.integers(0, 400))
)


class Server(Provider):
    """A provider that answers with given bytes, and whose URLs lead to an image, or nowhere."""

    paid = True

    def __init__(self, body, status, leads):
        super().__init__(Connection())
        self.body, self.status, self.leads = body, status, leads

    async def generate(self, _):
        if self.status != 200:
            raise error_of(self.status, self.body, {})
        return image_in(self.body, {"X-Request-Id": "r"})

    async def read_again(self, body):
        return await read_again(body_of(parsed(body)), body, self)

    async def image(self, url):
        if not self.leads:
            raise NotFetchedError("no")
        return f"image at {url}".encode("utf-8", "replace")


def ended(folder, server):
    """Make one call and return how it ended, as the journal has it."""
    store = Store(folder / "store")
    journal = Journal(store.journal_folder, "job", durable=False)
    gate = Gate(1, SharedPace(folder / "pace.json", Limits()))
    spend_tracker = SpendTracker(folder / "spending.json", Budget())
    caller = Caller(server, store, journal, Limits(), gate, spend_tracker, "c", lambda _: None)
    try:
        stored = asyncio.run(caller.call(ITEM, 1, time.time()))
    except ProviderError as error:
        assert error.failure in FailureKind
        stored = None
    journal.close()
    (call,) = read_calls(store.journal_folder)
    assert call.closed is not None
    assert (stored is not None) == (call.outcome is Outcome.MADE) == (store.raw.find(ITEM.key) is not None)
    assert (call.outcome is Outcome.UNREADABLE) == (set(store.unreadable()) == {call.sent["call"]})
    return call


@example(*deep(b'{"data":[{"b64_json":"AAAA"}],"usage":%b}', 990), 200, True)
@example(*deep(b'{"error":{"message":%b}}', 990), 400, True)
@example(*deep(b'{"error":[[%b]]}', 990), 200, True)
@example(*deep(b'{"detail":[{"loc":%b}]}', 990), 422, True)
@example(*deep(b"%b", 100_000), 200, True)
@example(b'{"detail":[{"loc":5}]}', 422, True)
@example(b'{"usage":{"\\ud800":"\\udfff"},"data":[{"url":"\\ud800"}]}', 200, True)
@example(b'{"usage":{"total_tokens":%b},"data":[{"b64_json":"AAAA"}]}' % (b"9" * 5000), 200, True)
@example(b'{"usage":{"total_tokens":%b},"data":[{"b64_json":"AAAA"}]}' % (b"9" * 400), 200, True)
@example(b'{"error":{"code":%b}}' % (b"9" * 5000), 400, True)
@example(b'{"error":{"code":%b}}' % (b"9" * 400), 200, True)
@example(b'{"data":[{"b64_json":"AAAA"}],"usage":{"a":-9223372036854776833,"b":1e300}}', 200, True)
@example(b"\xef\xbb\xbf", 200, True)
@given(body=bodies, status=st.sampled_from([200, 200, 200, 400, 404, 422, 500]), leads=st.booleans())
def test_whatever_a_server_answers_ends_well(body, status, leads):
    with tempfile.TemporaryDirectory() as folder:
        ended(Path(folder), Server(body, status, leads))


@given(answer=answers, data=st.data())
def test_whatever_is_damaged_ends_well(answer, data):
    with tempfile.TemporaryDirectory() as folder:
        ended(Path(folder), Server(damaged(written(answer), data), 200, leads=True))


@given(body=bodies)
def test_whatever_is_kept_can_be_read_again_without_a_traceback(body):
    try:
        asyncio.run(Server(body, 200, leads=True).read_again(body))
    except ProviderError as error:
        assert error.failure in FailureKind


@pytest.mark.parametrize("leads", [True, False])
def test_an_image_at_a_url_is_made_or_kept(tmp_path, leads):
    call = ended(tmp_path, Server(b'{"data":[{"url":"/1.png"}]}', 200, leads))
    assert call.outcome is (Outcome.MADE if leads else Outcome.UNREADABLE)
