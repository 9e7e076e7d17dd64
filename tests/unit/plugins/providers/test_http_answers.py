"""A response that was paid for is read in every form, or kept."""

import asyncio
import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagemake.plugins.providers import NOT_FETCHED, BatchState, FailureKind, ImageResponse, ProviderError
from imagemake.plugins.providers.http.answers import image_in, parsed, plain_usage, read_again
from imagemake.plugins.providers.http.base64_images import decoded, encoded
from imagemake.plugins.providers.http.download import NotFetchedError

IMAGE = bytes(range(256)) * 3 + b"\xfb\xff"
PLAIN = base64.b64encode(IMAGE).decode()
LINES = "\n".join(PLAIN[at : at + 76] for at in range(0, len(PLAIN), 76))


def response(text, **more):
    return json.dumps({"data": [{"b64_json": text}], **more}).encode()


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        LINES,
        LINES.replace("\n", "\r\n"),
        PLAIN.rstrip("="),
        base64.urlsafe_b64encode(IMAGE).decode(),
        base64.urlsafe_b64encode(IMAGE).decode().rstrip("="),
        f"data:image/png;base64,{PLAIN}",
    ],
)
def test_base64_is_read_in_every_form(text):
    assert image_in(response(text), {}).image == IMAGE


def test_a_data_url_is_an_image():
    body = json.dumps({"data": [{"url": f"data:image/png;base64,{PLAIN}"}]}).encode()
    assert image_in(body, {}).image == IMAGE


@pytest.mark.parametrize("text", ["%01%02", "\x01\x02"])
def test_a_data_url_need_not_be_base64(text):
    assert image_in(json.dumps({"data": [{"url": f"data:image/png,{text}"}]}).encode(), {}).image == b"\1\2"


class Files:
    """Images by URL, instead of a network."""

    def __init__(self, **files):
        self.files, self.asked = files, []

    async def image(self, url):
        self.asked.append(url)
        if isinstance(self.files[url], Exception):
            raise self.files[url]
        return self.files[url]


def deep(levels):
    return b'{"a":' * levels + b"1" + b"}" * levels


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":[{"url":"/1.png"}]}',
        b'{"data":[{"b64_json":null,"url":" /1.png\\n"}],"usage":{"total_tokens":NaN}}',
        b'{"data":[{"b64_json":"","url":"\\/1.png"}]}',
        b'{"data":[{"b64_json":"br*ken","url":"/1.png"}]}',
        b'{"data":[{"url":"\\/1.png"}],"usage":' + deep(5000) + b"}",
    ],
)
def test_an_image_at_a_url_is_fetched_from_the_kept_response(body):
    with pytest.raises(ProviderError) as caught:
        image_in(body, {"X-Request-Id": "r-1"})
    assert caught.value.failure is FailureKind.TO_FETCH
    assert (caught.value.body, caught.value.request_id) == (body, "r-1")
    files = Files(**{"/1.png": IMAGE})
    assert asyncio.run(read_again(parsed(body), body, files)).image == IMAGE
    assert files.asked == ["/1.png"]


def test_all_images_of_a_response_are_fetched_as_far_as_they_come():
    entries = [{"url": "a"}, {"url": "b"}, {"b64_json": PLAIN}, {"url": "c"}]
    body = json.dumps({"data": entries}).encode()
    files = Files(a=b"first", b=NotFetchedError("no"), c=b"last")
    answer = asyncio.run(read_again(parsed(body), body, files))
    assert (answer.image, answer.more) == (b"first", (IMAGE, b"last"))


@pytest.mark.parametrize(("is_gone", "code"), [(True, None), (False, NOT_FETCHED)])
def test_an_image_that_does_not_come_says_whether_it_still_may(is_gone, code):
    body = b'{"data":[{"url":"a"}],"usage":{"total_tokens":7}}'
    with pytest.raises(ProviderError, match="paid for") as caught:
        asyncio.run(read_again(parsed(body), body, Files(a=NotFetchedError("no", is_gone=is_gone))))
    assert (caught.value.failure, caught.value.code) == (FailureKind.UNREADABLE, code)
    assert caught.value.usage == {"total_tokens": 7}


def test_an_image_beside_an_error_is_an_image():
    assert image_in(response(PLAIN, error={"message": "slow today"}), {}).image == IMAGE


def test_a_byte_order_mark_and_nan_in_the_usage_lose_nothing():
    body = b"\xef\xbb\xbf" + response(PLAIN, usage={"total_tokens": float("nan"), "output_tokens": 7.0})
    answer = image_in(body, {})
    assert (answer.image, answer.usage) == (IMAGE, {"output_tokens": 7})


def test_deep_usage_costs_the_usage_and_not_the_image(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdef")
    for levels in (300, 600, 1000, 5000):
        body = b'{"data":[{"b64_json":"' + PLAIN.encode() + b'"}],"usage":' + deep(levels) + b"}"
        answer = image_in(body, {})
        assert answer.image == IMAGE
        assert len(json.dumps(answer.usage)) < 200


@pytest.mark.parametrize("entry", [{"url": ""}, {"b64_json": ""}, {}])
def test_an_image_that_moderation_withheld_is_refused_and_not_asked_for_again(entry):
    body = json.dumps({"data": [{**entry, "respect_moderation": False}], "usage": {"total_tokens": 7}}).encode()
    with pytest.raises(ProviderError, match="moderation withheld the image") as caught:
        image_in(body, {"x-request-id": "r-1"})
    assert (caught.value.failure, caught.value.usage) == (FailureKind.REFUSED, {"total_tokens": 7})


def test_an_image_that_passed_moderation_is_an_image():
    body = json.dumps({"data": [{"b64_json": PLAIN, "respect_moderation": True}]}).encode()
    assert image_in(body, {}).image == IMAGE


def test_all_images_of_a_response_are_kept():
    entries = [{"b64_json": PLAIN}, {"b64_json": "broken!"}, {"b64_json": "AAAA"}]
    for data in (entries, [entries[1], *entries]):
        answer = image_in(json.dumps({"data": data}).encode(), {})
        assert (answer.image, answer.more) == (IMAGE, (b"\0\0\0",))


@pytest.mark.parametrize("text", ["äöü€", "", "====", "no base64!", "A"])
def test_what_is_not_base64_is_unreadable_with_its_body(text):
    body = response(text)
    with pytest.raises(ProviderError) as caught:
        image_in(body, {"X-Request-Id": "r-1"})
    assert caught.value.failure is FailureKind.UNREADABLE
    assert (caught.value.body, caught.value.request_id) == (body, "r-1")


@given(st.binary(max_size=300))
def test_no_body_ends_in_anything_but_an_image_or_a_reason(body):
    try:
        image_in(body, {})
    except ProviderError as error:
        assert error.failure in (FailureKind.UNREADABLE, FailureKind.CONFIGURATION)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


@given(data=json_values, usage=json_values, first=json_values)
def test_no_json_ends_in_anything_but_an_image_or_a_reason(data, usage, first):
    for answer in (
        data,
        {"data": data, "usage": usage},
        {"data": [first], "usage": usage},
        {"data": [{"b64_json": first}]},
    ):
        try:
            image_in(json.dumps(answer).encode(), {})
        except ProviderError as error:
            assert error.failure in FailureKind


@given(st.binary(min_size=1), st.sampled_from(["plain", "lines", "bare", "safe"]))
def test_what_was_encoded_is_decoded(data, form):
    text = base64.b64encode(data).decode()
    forms = {
        "plain": text,
        "lines": "\n".join(text[at : at + 4] for at in range(0, len(text), 4)),
        "bare": text.rstrip("="),
        "safe": base64.urlsafe_b64encode(data).decode(),
    }
    assert decoded(forms[form]) == data
    assert encoded(data) == text


@given(st.text(alphabet="AQgw+/-_= \n*é", max_size=12))
def test_nothing_but_base64_is_decoded(text):
    bare = "".join(text.split()).translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        expected = base64.b64decode(bare.encode("ascii") + b"=" * (-len(bare) % 4), validate=True)
    except ValueError:
        expected = b""
    try:
        found = decoded(text)
    except ValueError:
        found = b""
    assert found == expected


@given(json_values)
def test_usage_is_always_something_that_a_journal_can_hold(usage):
    kept = plain_usage(usage)
    assert json.loads(json.dumps(kept, allow_nan=False)) == kept


def test_a_key_that_the_server_echoes_is_in_no_response_that_is_kept(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdef")
    for body in (b'{"data":[],"key":"sk-0123456789abcdef"}', b'{"data":[{"url":"/1.png?sk-0123456789abcdef"}]}'):
        with pytest.raises(ProviderError) as caught:
            image_in(body, {})
        assert caught.value.body == body.replace(b"sk-0123456789abcdef", b"[secret]")


def test_text_in_the_place_of_an_image_has_no_key_and_an_image_stays_as_it_is(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdef")
    text, image = b"no: sk-0123456789abcdef", b"\x89PNG\r\n\x1a\n sk-0123456789abcdef"
    answer = ImageResponse(text, more=(text, image))
    assert (answer.image, answer.more) == (b"no: [secret]", (b"no: [secret]", image))


def test_the_state_of_a_batch_has_no_key_that_the_server_echoed(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdef")
    key = "sk-0123456789abcdef"
    state = BatchState(key, key, True, 0, 1, (key,), key, bad_lines={1: key})
    assert (state.id, state.status, state.files, state.input_file, state.bad_lines) == (
        *("[secret]",) * 2,
        ("[secret]",),
        "[secret]",
        {1: "[secret]"},
    )


def test_a_key_in_a_usage_report_is_not_cut_in_half(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdef")
    usage = {"note": "x" * 190 + "sk-0123456789abcdef"}
    assert "sk-0" not in image_in(response(PLAIN, usage=usage), {}).usage["note"], "the start of the key is left"
