"""The queues of fal, Black Forest Labs, Replicate, and DashScope: what is sent, and what each answer means."""

import asyncio
import base64
import contextlib
from functools import cache
from hashlib import sha256
from io import BytesIO

import orjson
import pytest
from fake_queue import FakeQueue
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imagemake.core.recipe import Recipe
from imagemake.plugins.providers import Connection, FailureKind, ImageResponse, ProviderError, provider_class
from imagemake.plugins.providers.http.queue import Reply
from imagemake.plugins.providers.queue import GONE, Pending, Ticket

MODELS = {
    "fal": "fal-ai/flux-2-pro",
    "bfl": "flux-2-pro",
    "replicate": "black-forest-labs/flux-2-pro",
    "dashscope": "qwen-image-3.0",
}
FORMS = sorted(MODELS)


@pytest.fixture(autouse=True, scope="module")
def key():
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("STAND_IN_KEY", "stand-in-key")
        yield


def reached(server, act, **connection):
    """Run `act` with a provider that reaches a stand-in."""

    async def inside():
        known = {"base_url": server.base_url, "timeout_s": 5.0, "key_from": "STAND_IN_KEY", **connection}
        provider = provider_class(server.form.name)(Connection(**known))
        try:
            return await act(provider)
        finally:
            await provider.close()

    return asyncio.run(inside())


def recipe(form, prompt="a mug", seed=7, references=(), **parameters):
    return Recipe(form, MODELS[form], prompt, seed, parameters, references=tuple(references))


def sent(form, given, images=None):
    """Submit, and return the job that the server has."""
    with FakeQueue(form) as server:
        reached(server, lambda provider: provider.submit(given, images or {}))
        (job,) = server.jobs.values()
        return job


def failure_of(server, prompt="a mug"):
    """Submit and poll, and return the error."""

    async def act(provider):
        ticket = await provider.submit(recipe(server.form.name, prompt), {})
        return await provider.poll(ticket)

    with pytest.raises(ProviderError) as raised:
        reached(server, act)
    return raised.value


@pytest.mark.parametrize("form", FORMS)
def test_an_image_is_submitted_polled_and_fetched(form):
    async def act(provider):
        ticket = await provider.submit(recipe(form), {})
        kept = Ticket.from_dict(ticket.as_dict())  # as the journal gives it back
        while True:
            try:
                assert isinstance(await provider.poll(kept), Pending)
            except ProviderError as done:
                assert done.failure is FailureKind.TO_FETCH
                assert done.request_id == ticket.id
                return await provider.read_again(done.body)

    with FakeQueue(form, latency_s=(0.05, 0.05)) as server:
        answer = reached(server, act)
        (job,) = server.jobs.values()
    assert answer.image == job.image
    assert answer.seed == (7 if form in ("fal", "bfl") else None), "the others do not say"
    assert (job.prompt, job.seed, job.model) == ("a mug", 7, MODELS[form])


@pytest.mark.parametrize("form", FORMS)
def test_an_answer_about_another_request_gives_no_image(form):
    """A cache between, or a server that mixes requests up: the store would have the wrong image for good."""

    async def act(provider):
        asked, other = [await provider.submit(recipe(form, prompt), {}) for prompt in ("a mug", "a hat")]
        ask, urls = provider.ask, {asked.urls["status"]: other.urls["status"]}
        provider.ask = lambda method, url, **content: ask(method, urls.get(url, url), **content)
        return await provider.poll(asked)

    with FakeQueue(form, latency_s=(0.0, 0.0)) as server:
        found = reached(server, act)
    assert isinstance(found, Pending)
    assert found.words.startswith("the answer is about another request")


@pytest.mark.parametrize(
    ("form", "size", "fields"),
    [
        ("fal", "1024x1536", {"image_size": {"width": 1024, "height": 1536}}),
        ("fal", "4:6@2K", {"aspect_ratio": "2:3", "resolution": "2K"}),
        ("fal", "landscape_4_3", {"image_size": "landscape_4_3"}),
        ("bfl", "1024x1536", {"width": 1024, "height": 1536}),
        ("bfl", "2:3", {"aspect_ratio": "2:3"}),
        ("replicate", "1024x1536", {"width": 1024, "height": 1536}),
        ("replicate", "2:3@2K", {"aspect_ratio": "2:3", "resolution": "2K"}),
        ("dashscope", "1024x1536", {"size": "1024*1536"}),
    ],
)
def test_a_size_is_written_as_the_api_wants_it(form, size, fields):
    body = sent(form, recipe(form, size=size)).body
    assert {name: body.get(name) for name in fields} == fields
    assert "size" in fields or "size" not in body


@pytest.mark.parametrize("form", FORMS)
def test_parameters_and_negative_prompt_are_passed_on(form):
    given = Recipe(form, MODELS[form], "a mug", 7, {"guidance_scale": 3.5}, negative_prompt="text")
    body = sent(form, given).body
    assert (body["guidance_scale"], body["negative_prompt"]) == (3.5, "text")


def png(edge_px=8, noise=False):
    file = BytesIO()
    image = Image.effect_noise((edge_px, edge_px), 90) if noise else Image.new("RGB", (edge_px, edge_px), "red")
    image.save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("form", FORMS)
def test_reference_images_are_sent_in_their_order(form):
    images = {sha256(one).hexdigest(): one for one in (png(8), png(9))}
    body = sent(form, recipe(form, references=images), images).body
    encoded = [base64.b64encode(one).decode() for one in images.values()]
    urls = [f"data:image/png;base64,{one}" for one in encoded]
    expected = {
        "fal": {"image_urls": urls},
        "bfl": {"input_image": encoded[0], "input_image_2": encoded[1]},
        "replicate": {"input_images": urls},
        "dashscope": {"images": urls},
    }[form]
    assert {name: body[name] for name in expected} == expected


def test_replicate_gets_large_reference_images_as_uploads():
    image = png(700, noise=True)
    digest = sha256(image).hexdigest()
    with FakeQueue("replicate") as server:
        given = recipe("replicate", references=[digest])
        reached(server, lambda provider: provider.submit(given, {digest: image}))
        (job,) = server.jobs.values()
        assert job.body["input_images"] == [f"{server.base_url}/files/f1"]
        assert image in server.uploads[0]


def test_replicate_says_that_it_does_not_know_where_a_model_takes_reference_images():
    given = Recipe("replicate", "somebody/model", "a mug", 7, references=("d",))
    with FakeQueue("replicate") as server, pytest.raises(ProviderError, match="does not know in which field"):
        reached(server, lambda provider: provider.submit(given, {"d": png()}))
    assert not server.asked


def test_fal_is_told_not_to_repeat_a_run_by_itself():
    assert sent("fal", recipe("fal")).headers["x-fal-no-retry"] == "1"


def test_dashscope_is_told_to_leave_the_prompt_alone_unless_the_campaign_wants_otherwise():
    assert sent("dashscope", recipe("dashscope")).body["prompt_extend"] is False
    assert sent("dashscope", recipe("dashscope", prompt_extend=True)).body["prompt_extend"] is True


@pytest.mark.parametrize("form", FORMS)
def test_what_moderation_ends_is_refused_and_what_breaks_may_be_tried_again(form):
    with FakeQueue(form) as server:
        refusal = failure_of(server, "a weapon")
        broken = failure_of(server, "a paper jam")
    assert refusal.failure is FailureKind.REFUSED
    assert broken.failure is FailureKind.UNAVAILABLE
    assert refusal.usage is None, "it was not billed"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (401, FailureKind.STOP),
        (402, FailureKind.QUOTA),
        (429, FailureKind.RATE_LIMITED),
        (503, FailureKind.UNKNOWN),
        (0, FailureKind.UNKNOWN),
    ],
)
def test_an_error_to_a_submission_says_what_became_of_it(form, status, failure):
    with FakeQueue(form) as server:
        server.next_submit = [status]
        assert failure_of(server).failure is failure
        assert len(server.jobs) == (status == 0), "a lost answer is the only one behind which there is a job"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("status", [429, 500, 503, 0])
def test_a_passing_error_to_a_question_is_a_reason_to_ask_again(form, status):
    async def act(provider):
        ticket = await provider.submit(recipe(form), {})
        server.next_poll = [status]
        return await provider.poll(ticket)

    with FakeQueue(form) as server:
        assert isinstance(reached(server, act), Pending)


@pytest.mark.parametrize("form", FORMS)
def test_a_ticket_that_the_server_does_not_know_is_gone(form):
    async def act(provider):
        ticket = await provider.submit(recipe(form), {})
        server.forget()
        return await provider.poll(ticket)

    with FakeQueue(form) as server, pytest.raises(ProviderError) as raised:
        reached(server, act)
    assert (raised.value.failure, raised.value.code) == (FailureKind.UNKNOWN, GONE)


@pytest.mark.parametrize("form", FORMS)
def test_an_answer_without_an_id_leaves_the_outcome_open(form):
    async def act(provider):
        return await provider.submit(recipe(form), {})

    with FakeQueue(form) as server, pytest.raises(ProviderError, match="names no request") as raised:
        server.form = type("Mute", (type(server.form),), {"submitted": lambda self, job, base: (200, {"ok": True})})()
        reached(server, act)
    assert raised.value.failure is FailureKind.UNKNOWN


@pytest.mark.parametrize("form", FORMS)
def test_an_invalid_key_to_a_question_stops_and_says_nothing_of_the_request(form):
    async def act(provider):
        ticket = await provider.submit(recipe(form), {})
        server.next_poll = [401]
        return await provider.poll(ticket)

    with FakeQueue(form) as server, pytest.raises(ProviderError) as raised:
        reached(server, act)
    assert raised.value.failure is FailureKind.STOP


@pytest.mark.parametrize("form", ["fal", "replicate", "dashscope"])
def test_a_request_in_the_queue_can_be_canceled(form):
    async def act(provider):
        ticket = await provider.submit(recipe(form), {})
        await provider.cancel(ticket)
        return await provider.poll(ticket)

    with FakeQueue(form, latency_s=(9, 9)) as server, pytest.raises(ProviderError) as raised:
        reached(server, act)
    assert raised.value.failure in (FailureKind.NOT_RETRYABLE, FailureKind.CONFIGURATION)
    assert server.billed_usd() == 0


@pytest.mark.parametrize(
    "url", ["https://evil.example/1", "http://127.0.0.1:1/x", "file:///etc/passwd", "", "http://["]
)
@pytest.mark.parametrize("form", ["fal", "bfl", "replicate"])
def test_a_url_that_leads_to_another_server_is_never_asked(form, url):
    async def act(provider):
        ticket = provider.ticket_in(
            {"request_id": "r", "id": "r", "status_url": url, "polling_url": url, "urls": {"get": url}}, recipe(form)
        )
        assert ticket.urls["status"].startswith(server.base_url)
        with pytest.raises(ProviderError, match="the server is") as raised:
            await provider.poll(Ticket("r", {**ticket.urls, "status": url}))
        return raised.value

    with FakeQueue(form) as server:
        assert reached(server, act).failure is FailureKind.STOP
        assert not server.asked


def test_a_region_of_the_vendor_is_asked_where_the_request_is():
    provider = provider_class("bfl")(Connection(key_from="STAND_IN_KEY"))
    given = {"id": "r", "polling_url": "https://api.eu2.bfl.ai/v1/get_result?id=r"}
    assert provider.ticket_in(given, recipe("bfl")).urls["status"] == given["polling_url"]


@pytest.mark.parametrize("form", FORMS)
def test_the_key_goes_to_the_vendor_only(form, monkeypatch):
    variable = provider_class(form).key_variable
    monkeypatch.setenv(variable, "the-vendor-s-own-key")
    with FakeQueue(form) as server:
        with pytest.raises(ProviderError) as raised:
            reached(server, lambda provider: provider.submit(recipe(form), {}), key_from=None)
        assert raised.value.failure is FailureKind.STOP
        assert server.refused_keys == 1


def test_an_image_that_fal_blanked_is_refused_and_was_billed():
    class Blank(type(FakeQueue("fal").form)):
        def told(self, job, what, base, file):
            status, told = super().told(job, what, base, file)
            return status, {**told, "has_nsfw_concepts": [True]} if what == "result" else told

    with FakeQueue("fal") as server:
        server.form = Blank()
        error = failure_of(server)
    assert error.failure is FailureKind.REFUSED
    assert error.usage == {"images": 1}


ABOUT_JOBS = "id request_id task_id status task_status status_url response_url polling_url urls get"
ABOUT_IMAGES = (
    "result sample output images url choices message content image results seed has_nsfw_concepts data_removed"
)
NAMES = st.sampled_from([*ABOUT_JOBS.split(), *ABOUT_IMAGES.split(), "error", "detail", "details", "code", "type"])
STATES = ["Ready", "COMPLETED", "IN_QUEUE", "succeeded", "failed", "FAILED", "SUCCEEDED", "Error"]
WORDS = st.sampled_from([*STATES, "a\nb"])
URLS = st.sampled_from(["http://127.0.0.1:9/files/a.png", "data:image/png;base64,AAAA", "//evil/x", "http://["])
LEAVES = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | WORDS | URLS | st.text(max_size=8)
JSONS = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)
ALIKE = st.fixed_dictionaries(
    {"status": WORDS | JSONS, "output": st.dictionaries(NAMES, JSONS, max_size=4) | JSONS, "result": JSONS},
    optional={"id": LEAVES, "request_id": LEAVES, "images": JSONS, "detail": JSONS, "has_nsfw_concepts": JSONS},
)
STATUSES = st.sampled_from([200, 200, 200, 202, 302, 400, 404, 422, 429, 503])
ANSWERS = st.tuples(STATUSES, (ALIKE | JSONS).map(orjson.dumps))


@cache
def unreached(form):
    return provider_class(form)(Connection("http://127.0.0.1:9", 1.0, "STAND_IN_KEY"))


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=60)
@given(answers=st.lists(ANSWERS, min_size=3, max_size=3))
def test_whatever_a_server_answers_is_a_ticket_a_state_an_image_or_an_error(form, answers):
    provider = unreached(form)
    left = list(answers)

    async def ask(method, url, **content):
        assert url.startswith("http://127.0.0.1:9/") or "://" not in url, "the key is sent there"
        status, body = left.pop(0) if left else (200, b"{}")
        return Reply(status, body, {})

    async def act():
        provider.ask = ask
        ticket = Ticket("r", dict.fromkeys(["status", "response", "cancel"], "http://127.0.0.1:9/r"))
        with contextlib.suppress(ProviderError):
            ticket = await provider.submit(recipe(form), {})
            assert ticket.id
        with contextlib.suppress(ProviderError):
            state = await provider.poll(ticket)
            assert isinstance(state, ImageResponse) or (isinstance(state, Pending) and "\n" not in state.words)

    asyncio.run(act())


def test_a_ticket_has_no_key_that_the_server_echoed(monkeypatch):
    monkeypatch.setenv("FAL_KEY", "fal-0123456789abcdef")
    ticket = Ticket("fal-0123456789abcdef", {"status": "https://queue.fal.run/x?key=fal-0123456789abcdef"})
    assert ticket.as_dict() == {"id": "[secret]", "urls": {"status": "https://queue.fal.run/x?key=[secret]"}}
