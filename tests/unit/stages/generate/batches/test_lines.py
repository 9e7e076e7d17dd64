"""Each line of a batch's results stands by itself: a poisoned one costs its own request at most."""

import asyncio
import base64
import json
import os
from types import SimpleNamespace

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imagemake.core.problems import NotReadyError
from imagemake.plugins.providers import FailureKind, ImageResponse, ProviderError, Result, SeedUse
from imagemake.plugins.providers.openai.batches import result_in
from imagemake.stages.generate.batches.collect import BatchCollector
from imagemake.store.journal import Journal, Outcome, calls_in
from imagemake.store.room import MARGIN_BYTES
from imagemake.store.store import Store
from imagemake.store.submissions import Submission, Submissions, SubmissionStep

IMAGE = bytes(range(256)) * 3
PLAIN = base64.b64encode(IMAGE).decode()
CALL = "c" * 32


def line(call=CALL, image=PLAIN, usage=b"{}", request_id=b'"r"', more=b""):
    body = b'{"data":[{"b64_json":"%b"}],"usage":%b%b}' % (image.encode(), usage, more)
    response = b'{"status_code":200,"request_id":%b,"body":%b}' % (request_id, body)
    return b'{"id":"x","custom_id":"%b","response":%b,"error":null}' % (call.encode(), response)


def deep(levels):
    return b'{"a":' * levels + b"1" + b"}" * levels


POISON = {
    **{f"{levels} levels": line(usage=deep(levels)) for levels in (300, 600, 1000, 1025, 5000)},
    "lists in lists": line(usage=b"[" * 3000 + b"]" * 3000),
    "no UTF-8": line(more=b',"revised_prompt":"\xff\xfe"'),
    "NaN": line(usage=b'{"total_tokens":NaN,"input_tokens":-Infinity}'),
    "half a surrogate pair": line(usage=b'{"\\ud800":"\\udfff"}', request_id=b'"\\ud800"'),
    "a huge integer": line(usage=b'{"total_tokens":' + b"9" * 5000 + b"}"),
    "an integer beyond all floats": line(usage=b'{"total_tokens":' + b"9" * 400 + b"}"),
    "an integer beyond 64 bits": line(usage=b'{"total_tokens":-9223372036854776833}'),
    "a huge float": line(usage=b'{"total_tokens":1e999}'),
    "a NUL": line(more=b',"revised_prompt":"\0"'),
    "a carriage return": line() + b"\r",
    "a byte order mark": b"\xef\xbb\xbf" + line(),
    "a status in text": line().replace(b"200", b'"200"'),
    "no status": line().replace(b'"status_code":200,', b""),
}


@pytest.fixture
def collected(tmp_path):
    """Collect lines as the results of a batch with a call each for some ids, and return what the journal says."""

    def collect(*lines, calls=(CALL,)):
        store = Store(tmp_path / "store")
        journal = Journal(store.journal_folder, "job", durable=False)
        facts = {"campaign": "c", "name": "n", "attempt": 0, "tried": 1, "recipe": {"model": "m"}, "submission": "s"}
        keys = {call: f"{number:064x}" for number, call in enumerate(calls)}
        journal.sent_all({**facts, "call": call, "key": key} for call, key in keys.items())
        journal.close()
        where = str(journal.path.relative_to(store.root))
        submission = Submission("s", SubmissionStep.CREATED, "p", None, "m", where, keys, "2026-11-24T00:00:00Z", "b")
        Submissions(store.root).save(submission)

        class Lines:
            def read_result(self, recipe, outcome):
                return outcome

            async def batch_results(self, file):
                for one in lines:
                    yield result_in(one)

            async def read_again(self, body):
                return ImageResponse(b"at a URL")

            def seed_use(self, model):
                return SeedUse.NOT_SENT

        collector = BatchCollector(submission, store, Lines(), "job", lambda _: None, closed=lambda *_: None)
        asyncio.run(collector.take("file"))
        collector.close_all(ProviderError("no line", FailureKind.UNKNOWN))
        return store, {call.sent["call"]: call for call in calls_in(journal.path)}

    return collect


@pytest.mark.parametrize("poisoned", POISON.values(), ids=POISON)
def test_poison_around_an_image_costs_no_image_and_holds_back_no_other(collected, poisoned, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdef")
    others = ("a" * 32, "b" * 32)
    store, calls = collected(line(others[0]), poisoned, line(others[1]), calls=(*others, CALL))
    assert {call.outcome for call in calls.values()} == {Outcome.MADE}
    assert [store.raw.read(one) for one in store.raw.all()] == [IMAGE] * 3
    assert not list(Submissions(store.root).all())


@pytest.mark.parametrize("end", [-1, -20, -400, 60])
def test_a_torn_line_is_kept_as_the_response_to_its_own_request(collected, end):
    other = "a" * 32
    store, calls = collected(line(other), line()[:end], calls=(other, CALL))
    assert calls[other].outcome is Outcome.MADE
    if calls[CALL].outcome is not Outcome.MADE:
        assert calls[CALL].outcome is Outcome.UNREADABLE
        assert store.unreadable()[CALL].read_bytes() == line()[:end]
    assert (calls[CALL].outcome is Outcome.MADE) == (end in (-1, -20)), "the image itself is whole"


def test_a_line_without_a_call_is_a_warning_and_nothing_more(collected, capsys):
    strange = (line("f" * 32), b"no json", b"[" * 5000, b'{"custom_id":7}', b'{"custom_id":"\\ud800"}')
    _, calls = collected(*strange, line())
    assert calls[CALL].outcome is Outcome.MADE
    assert capsys.readouterr().err.count("ignored") == len(strange)


@pytest.mark.parametrize("status", [400, 500])
def test_a_garbled_error_was_not_paid_for(collected, status):
    garbled = line(usage=deep(5000)).replace(b"200", str(status).encode())
    store, calls = collected(garbled)
    assert calls[CALL].outcome is Outcome.FAILED
    assert not store.unreadable()


def test_the_first_of_two_lines_for_a_call_is_its_image_and_the_second_is_kept(collected, capsys):
    second = base64.b64encode(b"second").decode()
    store, calls = collected(line(), line(), line(image=second))
    assert store.raw.read(store.raw.find(calls[CALL].sent["key"])) == IMAGE
    assert [path.read_bytes() for path in store.root.glob("more/*")] == [b"second"]
    assert "a second image for one call" in capsys.readouterr().err


def test_an_image_counts_also_after_a_line_that_says_that_there_is_none(collected):
    failed = b'{"custom_id":"%b","response":null,"error":{"message":"late"}}' % CALL.encode()
    store, calls = collected(failed, line(), failed)
    assert calls[CALL].outcome is Outcome.MADE
    assert len(list(store.raw.all())) == 1


def test_a_response_with_a_url_stands_whatever_other_lines_its_call_has(collected):
    at_url = line().replace(b'"b64_json":"' + PLAIN.encode(), b'"url":"/1.png')
    failed = b'{"custom_id":"%b","response":null,"error":{"message":"late"}}' % CALL.encode()
    store, calls = collected(at_url, failed)
    assert calls[CALL].outcome is Outcome.MADE
    assert store.raw.read(store.raw.find(calls[CALL].sent["key"])) == b"at a URL"
    assert not store.unreadable()


def test_an_image_in_a_second_line_waits_for_no_url(collected):
    store, calls = collected(line().replace(b'"b64_json":"' + PLAIN.encode(), b'"url":"/1.png'), line())
    assert store.raw.read(store.raw.find(calls[CALL].sent["key"])) == IMAGE
    assert not store.unreadable()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


def is_a_result(found):
    if isinstance(found, str):
        return True
    assert isinstance(found, Result)
    orjson.dumps([found.outcome.usage, found.outcome.request_id])  # the journal can hold it
    if isinstance(found.outcome, ImageResponse):
        return True
    orjson.dumps([str(found.outcome), found.outcome.code, found.outcome.status])
    return found.outcome.failure in FailureKind


@given(st.binary(max_size=300))
def test_any_line_is_a_result_or_a_warning(content):
    assert is_a_result(result_in(content))


@example(response=None, error=None, body={}, status=10**30)
@given(response=json_values, error=json_values, body=json_values, status=json_values)
def test_any_json_is_a_result_or_a_warning(response, error, body, status):
    for one in (
        response,
        {"status_code": status, "request_id": error, "body": body},
        {"status_code": 400, "body": body},
    ):
        assert is_a_result(result_in(json.dumps({"custom_id": CALL, "response": one, "error": error}).encode()))


@given(st.data())
def test_any_damage_to_a_line_ends_in_its_image_in_a_kept_response_or_in_a_reason(data):
    whole = line(usage=b'{"total_tokens":7}')
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 40)))
    found = result_in(whole[:start] + data.draw(st.binary(max_size=20)) + whole[end:])
    assert is_a_result(found)
    if isinstance(found, Result) and isinstance(found.outcome, ProviderError):
        assert found.outcome.body or found.outcome.failure is not FailureKind.UNREADABLE, "what was paid for is lost"


@pytest.mark.parametrize("free_bytes", [0, MARGIN_BYTES - 1, MARGIN_BYTES + len(IMAGE) - 1])
def test_without_room_for_results_they_stay_at_the_provider_and_the_next_run_collects_the_rest(
    collected, tmp_path, monkeypatch, free_bytes
):
    state = SimpleNamespace(f_frsize=1, f_bavail=free_bytes, f_files=0, f_favail=0, f_flag=0)
    monkeypatch.setattr(os, "statvfs", lambda _: state)
    words = r"store: .* The results of b stay at the provider, and the next run collects them\."
    with pytest.raises(NotReadyError, match=words):
        collected(line())
    (submission,) = Submissions(tmp_path / "store").all()
    assert [call.closed for call in calls_in(tmp_path / "store" / submission.journal)] == [None]
    assert Store(tmp_path / "store").raw.index() == {}
    state.f_bavail = MARGIN_BYTES + len(IMAGE)
    store, calls = collected(line())
    assert [call.outcome for call in calls.values()] == [Outcome.MADE]
    assert len(store.raw.index()) == 1
